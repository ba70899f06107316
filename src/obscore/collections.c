/*-------------------------------------------------------------------------
 *
 * src/obscore/collections.c
 *	  Which collections count, remembered.
 *
 * Most puts are into one run, and most associations into a collection that no
 * ObsCore table is about: they should not cost a query.  What is remembered is
 * forgotten when a collection has been changed (see trigger.c).  The query that
 * makes rows looks again, unless the tags are new ones: their foreign keys have
 * locked their collections.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "core/deletion.h"
#include "core/query.h"
#include "obscore/collections.h"
#include "obscore/path.h"

/* Where rows are found first, which collections count is a matter of the search path. */
static SPIPlanPtr
make_plan(const Obscore *obscore)
{
	Oid			type = obscore->registry->collection_type;
	StringInfoData text;
	SPIPlanPtr	plan;

	initStringInfo(&text);
	appendStringInfoString(&text, "SELECT ");
	if (obscore->find_first)
		appendStringInfoString(&text, "true");
	else
		obscore_write_collections(&text, obscore->config);
	appendStringInfo(&text, " FROM %s.collection c WHERE c.%s OPERATOR(pg_catalog.=) $1",
					 obscore->registry->schema, obscore->registry->collection_key);
	plan = query_prepare(text.data, 1, &type);
	SPI_keepplan(plan);
	return plan;
}

/* A key, an int8 or a text, as its column has it. */
static Datum
column_key(const Registry *registry, Datum key)
{
	return registry->collection_type == INT4OID ? Int32GetDatum((int32) DatumGetInt64(key)) : key;
}

/*
 * Does a collection count, as of a snapshot?  false: it is not there.  To the caller no
 * command goes by: he may be in the midst of deleting rows.
 */
static bool
is_there(const Obscore *obscore, Datum key, Snapshot snapshot, bool *counts)
{
	ObscoreCollections *known = obscore->collections;
	int			level;
	bool		there;
	bool		isnull;

	if (known->plan == NULL)
		known->plan = make_plan(obscore);
	key = column_key(obscore->registry, key);
	level = query_jit_off();
	if (SPI_execute_snapshot(known->plan, &key, NULL, snapshot, InvalidSnapshot, true, false, 0) < 0)
		elog(ERROR, "could not ask for a collection");
	query_settings_back(level);
	there = SPI_processed > 0;
	if (there)
		*counts = DatumGetBool(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	SPI_freetuptable(SPI_tuptable);
	return there;
}

/* A snapshot, registered, of before this transaction has deleted a collection, or NULL. */
static Snapshot
before_deletion(const Registry *registry, Datum key)
{
	return snapshot_before_deletion(registry->collection, get_attnum(registry->collection, registry->collection_key),
									column_key(registry, key));
}

/*
 * Does a collection count, or did it before this transaction has deleted it?  false: that
 * is not to be seen.
 */
static bool
is_certain(const Obscore *obscore, Datum key, bool *counts)
{
	Snapshot	before;
	bool		certain = is_there(obscore, key, GetLatestSnapshot(), counts);

	if (certain || (before = before_deletion(obscore->registry, key)) == NULL)
		return certain;
	certain = is_there(obscore, key, before, counts);
	UnregisterSnapshot(before);
	return certain;
}

/* The place of what is remembered about a collection, or -1. */
static int
remembered(const Obscore *obscore, Datum key)
{
	const ObscoreCollections *known = obscore->collections;

	for (int i = 0; i < known->n; i++)
		if (search_path_compare_keys(obscore->registry->key_type, known->keys[i], key) == 0)
			return i;
	return -1;
}

static void
remember(const Obscore *obscore, Datum key, bool counts, bool certain)
{
	ObscoreCollections *known = obscore->collections;
	MemoryContext old;

	if (known->n == MAX_COLLECTIONS)
		return;
	if (known->context == NULL)
		known->context = AllocSetContextCreate(obscore->context, "catreg collections", ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(known->context);
	known->keys[known->n] = obscore->registry->key_type == TEXTOID ? datumCopy(key, false, -1) : key;
	MemoryContextSwitchTo(old);
	known->counts[known->n] = counts;
	known->certain[known->n] = certain;
	known->n++;
}

/* Does a collection count, or did it?  Remembered, unless a message has arrived meanwhile. */
static bool
counts_or_did(const Obscore *obscore, Datum key)
{
	int			place = remembered(obscore, key);
	int64		n_changes = obscore->collections->n_changes;
	bool		counts = true;
	bool		certain;

	if (place >= 0)
		return obscore->collections->counts[place];
	certain = is_certain(obscore, key, &counts);
	if (obscore->collections->n_changes == n_changes)
		remember(obscore, key, counts, certain);
	return counts;
}

static bool
has_collection(const Registry *registry, const SearchPath *path, Datum key)
{
	for (int i = 0; i < path->n; i++)
		if (search_path_compare_keys(registry->key_type, path->collections[i].key, key) == 0)
			return true;
	return false;
}

/* Was a collection that is gone on the search path before this transaction has deleted it? */
static bool
was_on_path(const Obscore *obscore, Datum key)
{
	Snapshot	before = before_deletion(obscore->registry, key);
	bool		was;

	if (before == NULL)
		return true;
	PushActiveSnapshot(before);
	was = has_collection(obscore->registry, obscore_resolve_path(obscore, SELECT_STATEMENT), key);
	PopActiveSnapshot();
	UnregisterSnapshot(before);
	return was;
}

/*
 * Has a collection that is not on a find-first table's search path rows yet?  It has if it
 * has left the path in this transaction.  It may have if it was deleted: with constraints
 * that are not deferred the path is followed before it is heard of the tags that went along.
 */
static bool
has_rows_yet(const Obscore *obscore, Datum key)
{
	bool		counts;

	return obscore_path_had(obscore, key) ||
		(!is_there(obscore, key, GetLatestSnapshot(), &counts) && was_on_path(obscore, key));
}

/*
 * Does a collection count, by its key (an int8, or a text), or has it when rows
 * were made that are removed now?  SPI must be connected,
 * with the rights of the table's owner in force.
 */
bool
obscore_collection_counts(const Obscore *obscore, Datum key, bool removed)
{
	if (obscore->find_first)
		return obscore_path_position(obscore, key) >= 0 || (removed && has_rows_yet(obscore, key));
	return counts_or_did(obscore, key);
}

/*
 * Is it remembered that a collection counts, so that a query need not look again?
 */
bool
obscore_collection_is_known(const Obscore *obscore, Datum key)
{
	int			place;

	if (obscore->find_first)
		return false;
	place = remembered(obscore, key);
	return place >= 0 && obscore->collections->counts[place] && obscore->collections->certain[place];
}

/*
 * Forgets what was remembered.  Called wherever messages arrive.
 */
void
obscore_collections_changed(Obscore *obscore)
{
	obscore->collections->n_changes++;
	obscore->collections->n = 0;
	if (obscore->collections->context != NULL)
		MemoryContextReset(obscore->collections->context);
	if (obscore->path != NULL)
		obscore->path->valid = false;
}

/*
 * Frees what obscore_collection_counts() has kept.
 */
void
obscore_forget_collections(Obscore *obscore)
{
	if (obscore->collections->plan != NULL)
		SPI_freeplan(obscore->collections->plan);
}
