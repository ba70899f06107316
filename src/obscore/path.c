/*-------------------------------------------------------------------------
 *
 * src/obscore/path.c
 *	  The search path of a find-first table, remembered.
 *
 * A backend resolves the names, globs and chains of a configuration once, and
 * again when a collection or a chain has been changed (see apply_event() in
 * trigger.c).  It reads what is committed at that moment and what its own
 * transaction has done, whatever the snapshot of the transaction.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "butler/wildcard.h"
#include "core/compat.h"
#include "core/query.h"
#include "obscore/path.h"

/* The table whose rows are being made by the path that was saved, or InvalidOid. */
static Oid	saved_for = InvalidOid;

/*
 * Has all that is asked about a table's search path go by the one that was saved, while
 * its rows are made by several queries; InvalidOid: about none any more.  Edits of others
 * are followed afterwards, by how the path differs then.
 */
void
obscore_go_by_saved_path(Oid table)
{
	saved_for = table;
}

static bool
goes_by_saved_path(const Obscore *obscore)
{
	return OidIsValid(saved_for) && obscore->table == saved_for;
}

static List *
missing_names(const Registry *registry, const List *names, SelectSnapshot snapshot)
{
	Oid			type = TEXTARRAYOID;
	Datum		value = PointerGetDatum(array_of_expressions(names));
	List	   *missing = NIL;
	uint64		n;

	n = butler_select(snapshot,
					  psprintf("SELECT n FROM pg_catalog.unnest($1) n WHERE NOT EXISTS "
							   "(SELECT FROM %s.collection c WHERE c.name::pg_catalog.text OPERATOR(pg_catalog.=) n)", registry->schema),
					  1, &type, &value);
	for (uint64 i = 0; i < n; i++)
		missing = lappend(missing, selected_text(i, 1));
	return missing;
}

/*
 * What the configuration's collections stand for: a search path without those
 * that are not there, and without CALIBRATION collections, in which nothing can
 * be found by its data id alone.  SPI must be connected.
 */
SearchPath *
obscore_resolve_path(const Obscore *obscore, SelectSnapshot snapshot)
{
	const ObscoreConfig *config = obscore->config;
	List	   *expressions = NIL;
	List	   *missing;
	List	   *present = NIL;
	SearchPath *path;
	ListCell   *cell;
	int			n = 0;

	if (goes_by_saved_path(obscore))
		return obscore_saved_search_path(obscore);
	for (int i = 0; i < config->n_collections; i++)
		expressions = lappend(expressions, (char *) config->collections[i]);
	missing = missing_names(obscore->registry, wildcard_parse(expressions)->names, snapshot);
	foreach(cell, expressions)
		if (!name_in(missing, lfirst(cell)))
			present = lappend(present, lfirst(cell));
	if (present == NIL)
		return palloc0(sizeof(SearchPath));
	path = search_path_flatten(obscore->registry, present, snapshot);
	for (int i = 0; i < path->n; i++)
		if (path->collections[i].type != COLLECTION_CALIBRATION)
			path->collections[n++] = path->collections[i];
	path->n = n;
	return path;
}

typedef struct Sorting
{
	const SearchPath *path;
	Oid			key_type;
} Sorting;

static int
compare_places(const void *a, const void *b, void *arg)
{
	const Sorting *sorting = arg;

	return search_path_compare_keys(sorting->key_type, sorting->path->collections[*(const int *) a].key,
									sorting->path->collections[*(const int *) b].key);
}

/*
 * The path as it is now; SPI need not be connected, and rights are the table's
 * owner's.
 */
ObscorePath *
obscore_path_now(const Obscore *obscore)
{
	ObscorePath *known = obscore->path;
	MemoryContext context;
	MemoryContext old;
	QueryUser	before;
	Sorting		sorting;

	if (known->valid && known->is_saved == goes_by_saved_path(obscore))
		return known;

	/* a message that arrives from here on may be about rows not seen */
	known->valid = true;
	known->is_saved = goes_by_saved_path(obscore);
	context = AllocSetContextCreate(obscore->context, "catreg search path", ALLOCSET_SMALL_SIZES);
	PG_TRY();
	{
		SPI_connect();
		query_become(obscore->owner, &before);
		old = MemoryContextSwitchTo(context);
		sorting.path = obscore_resolve_path(obscore, SELECT_LATEST);
		sorting.key_type = obscore->registry->key_type;
		known->n = sorting.path->n;
		known->sorted = palloc_extended(sizeof(Collection) * Max(known->n, 1), MCXT_ALLOC_HUGE);
		known->positions = palloc_extended(sizeof(int) * Max(known->n, 1), MCXT_ALLOC_HUGE);
		for (int i = 0; i < known->n; i++)
			known->positions[i] = i;
		if (known->n > 1)
			qsort_arg(known->positions, known->n, sizeof(int), compare_places, &sorting);
		for (int i = 0; i < known->n; i++)
			known->sorted[i] = sorting.path->collections[known->positions[i]];
		MemoryContextSwitchTo(old);
		query_return(&before);
		SPI_finish();
	}
	PG_CATCH();
	{
		known->valid = false;
		PG_RE_THROW();
	}
	PG_END_TRY();
	if (known->context != NULL)
		MemoryContextDelete(known->context);
	known->context = context;
	return known;
}

/*
 * A collection's place in the search path, from 0, or -1; its key is an int8, or
 * a text where collections go by their names.
 */
int
obscore_path_position(const Obscore *obscore, Datum key)
{
	const ObscorePath *path = obscore_path_now(obscore);
	Oid			key_type = obscore->registry->key_type;
	int			low = 0;
	int			high = path->n - 1;

	while (low <= high)
	{
		int			middle = low + (high - low) / 2;
		int			order = search_path_compare_keys(key_type, key, path->sorted[middle].key);

		if (order == 0)
			return path->positions[middle];
		if (order < 0)
			high = middle - 1;
		else
			low = middle + 1;
	}
	return -1;
}

PG_FUNCTION_INFO_V1(obscore_position);

/*
 * obscore_position(obscore, collection int8 | text) -> int: its place in the search
 * path, NULL: it has none.
 */
Datum
obscore_position(PG_FUNCTION_ARGS)
{
	const Obscore *obscore = obscore_get(PG_GETARG_OID(0), false);
	int			position = obscore->path == NULL ? -1 : obscore_path_position(obscore, PG_GETARG_DATUM(1));

	if (position < 0)
		PG_RETURN_NULL();
	PG_RETURN_INT32(position);
}

PG_FUNCTION_INFO_V1(obscore_search_path);

/*
 * obscore_search_path(obscore) -> SETOF (collection int8 | text, position): the
 * search path as the statement's snapshot has it, read with the caller's rights.
 */
Datum
obscore_search_path(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	const Obscore *obscore;
	SearchPath *path;

	InitMaterializedSRF(fcinfo, 0);
	obscore_hold();
	obscore = obscore_get(PG_GETARG_OID(0), false);
	SPI_connect();
	path = obscore_resolve_path(obscore, SELECT_STATEMENT);
	for (int i = 0; i < path->n; i++)
	{
		Datum		values[2] = {path->collections[i].key, Int32GetDatum(i)};
		bool		nulls[2] = {false, false};

		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	SPI_finish();
	obscore_release();
	return (Datum) 0;
}
