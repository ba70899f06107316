/*-------------------------------------------------------------------------
 *
 * src/obscore/path_change.c
 *	  What a changed search path means for a find-first table.
 *
 * catreg.obscore_collection holds the path that a table's rows follow.  Of
 * collections whose order among themselves is as it was nothing changes; it is the
 * data ids of the others, be they new, gone or moved, whose rows are made again.
 * So few as possible are taken for moved: all but a longest increasing sequence.
 *
 * Locks.  Two who change the path of one table do it one after the other, by its
 * row in catreg.obscore.  Of a dataset that is being put into one of the other
 * collections nothing is seen yet, nor of its removal: both are waited for, and
 * whoever puts there or removes later waits for this transaction, and then knows the
 * new path (see path_lock.c).  Whoever changes a record that a dataset's row is made
 * of does not know that it matters, and so is waited for, too (see change.c).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "core/query.h"
#include "obscore/change.h"
#include "obscore/path.h"
#include "obscore/path_lock.h"
#include "obscore/touched.h"

/* Collections by the texts of their keys, in order. */
typedef struct Keys
{
	int			n;
	char	  **keys;
} Keys;

static Keys
keys_of_path(const Obscore *obscore, const SearchPath *path)
{
	Keys		keys = {path->n, palloc_extended(sizeof(char *) * Max(path->n, 1), MCXT_ALLOC_HUGE)};

	for (int i = 0; i < path->n; i++)
		keys.keys[i] = search_path_key_text(obscore->registry, path->collections[i].key);
	return keys;
}

/* The path that the rows follow. */
static Keys
stored_keys(const Obscore *obscore)
{
	Oid			type = OIDOID;
	Datum		value = ObjectIdGetDatum(obscore->table);
	Keys		keys;

	keys.n = butler_select(SELECT_LATEST,
						   "SELECT c.collection FROM catreg.obscore_collection c"
						   " WHERE c.obscore::pg_catalog.oid OPERATOR(pg_catalog.=) $1 ORDER BY c.position",
						   1, &type, &value);
	keys.keys = palloc_extended(sizeof(char *) * Max(keys.n, 1), MCXT_ALLOC_HUGE);
	for (int i = 0; i < keys.n; i++)
		keys.keys[i] = selected_text(i, 1);
	return keys;
}

static ArrayType *
array_of_keys(const Keys *keys)
{
	Datum	   *values = palloc_extended(sizeof(Datum) * Max(keys->n, 1), MCXT_ALLOC_HUGE);

	for (int i = 0; i < keys->n; i++)
		values[i] = CStringGetTextDatum(keys->keys[i]);
	return construct_array(values, keys->n, TEXTOID, -1, false, TYPALIGN_INT);
}

static void
store_keys(const Obscore *obscore, const Keys *keys)
{
	Oid			types[2] = {REGCLASSOID, TEXTARRAYOID};
	Datum		values[2] = {ObjectIdGetDatum(obscore->table), PointerGetDatum(array_of_keys(keys))};

	query_execute_on_definitions_now("obscore_collection",
									 "DELETE FROM catreg.obscore_collection WHERE obscore OPERATOR(pg_catalog.=) $1",
									 1, types, values, NULL);
	query_execute_on_definitions_now("obscore_collection",
									 "INSERT INTO catreg.obscore_collection (obscore, position, collection)"
									 " SELECT $1, k.n OPERATOR(pg_catalog.-) 1, k.key FROM pg_catalog.unnest($2) WITH ORDINALITY k (key, n)",
									 2, types, values, NULL);
}

/* ------------------------------------------------------------- difference */

typedef struct Place
{
	const char *key;
	int			position;
} Place;

static int
compare_places(const void *a, const void *b)
{
	return strcmp(((const Place *) a)->key, ((const Place *) b)->key);
}

/* Where each of some keys stands among others, or -1. */
static int *
places_among(const Keys *keys, const Keys *others)
{
	Place	   *sorted = palloc_extended(sizeof(Place) * Max(others->n, 1), MCXT_ALLOC_HUGE);
	int		   *places = palloc_extended(sizeof(int) * Max(keys->n, 1), MCXT_ALLOC_HUGE);

	for (int i = 0; i < others->n; i++)
		sorted[i] = (Place) {others->keys[i], i};
	qsort(sorted, others->n, sizeof(Place), compare_places);
	for (int i = 0; i < keys->n; i++)
	{
		Place		wanted = {keys->keys[i]};
		Place	   *found = bsearch(&wanted, sorted, others->n, sizeof(Place), compare_places);

		places[i] = found == NULL ? -1 : found->position;
	}
	return places;
}

/*
 * Marks a longest increasing sequence among the numbers that are not negative, in
 * n log n steps: last[k] is where the lowest end stands of a sequence of k + 1.
 */
static bool *
longest_increasing(const int *numbers, int n)
{
	bool	   *marked = palloc0(Max(n, 1) * sizeof(bool));
	int		   *last = palloc(Max(n, 1) * sizeof(int));
	int		   *before = palloc(Max(n, 1) * sizeof(int));
	int			length = 0;

	for (int i = 0; i < n; i++)
	{
		int			low = 0;
		int			high = length;

		if (numbers[i] < 0)
			continue;
		while (low < high)
		{
			int			middle = (low + high) / 2;

			if (numbers[last[middle]] < numbers[i])
				low = middle + 1;
			else
				high = middle;
		}
		before[i] = low == 0 ? -1 : last[low - 1];
		last[low] = i;
		if (low == length)
			length++;
	}
	for (int i = length == 0 ? -1 : last[length - 1]; i >= 0; i = before[i])
		marked[i] = true;
	return marked;
}

/* The keys that are new, gone or moved. */
static Keys
changed_keys(const Keys *old, const Keys *new)
{
	int		   *old_places = places_among(new, old);
	int		   *new_places = places_among(old, new);
	bool	   *unmoved = longest_increasing(old_places, new->n);
	Keys		changed = {0, palloc_extended(sizeof(char *) * Max(old->n + new->n, 1), MCXT_ALLOC_HUGE)};

	for (int i = 0; i < new->n; i++)
		if (!unmoved[i])
			changed.keys[changed.n++] = new->keys[i];
	for (int i = 0; i < old->n; i++)
		if (new_places[i] < 0)
			changed.keys[changed.n++] = old->keys[i];
	return changed;
}

/* ------------------------------------------------------------------ change */

static const char *
key_type_name(const Obscore *obscore)
{
	return obscore->registry->key_type == TEXTOID ? "pg_catalog.text" : "pg_catalog.int8";
}

static bool
is_subset(const Keys *keys, const Keys *others)
{
	int		   *places = places_among(keys, others);

	for (int i = 0; i < keys->n; i++)
		if (places[i] < 0)
			return false;
	return true;
}

/*
 * A table that was made since the transaction began is kept as every other, but its
 * search path cannot be noted: the foreign key does not see the table.
 */
static void
check_definition_is_seen(const Obscore *obscore)
{
	Oid			type = REGCLASSOID;
	Datum		value = ObjectIdGetDatum(obscore->table);

	if (!IsolationUsesXactSnapshot())
		return;
	if (SPI_execute_with_args("SELECT 1 FROM catreg.obscore WHERE obscore OPERATOR(pg_catalog.=) $1", 1, &type, &value, NULL, false, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not read catreg.obscore");
	if (SPI_processed == 0)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("could not serialize access due to concurrent update"),
				 errdetail("ObsCore table %s was made, or made anew, after this transaction began.", query_relation(obscore->table)),
				 errhint("The transaction might succeed if retried.")));
}

static void
lock_definition(const Obscore *obscore)
{
	Oid			type = REGCLASSOID;
	Datum		value = ObjectIdGetDatum(obscore->table);

	query_execute_on_definitions_now("obscore",
									 "SELECT 1 FROM catreg.obscore WHERE obscore OPERATOR(pg_catalog.=) $1 FOR NO KEY UPDATE",
									 1, &type, &value, NULL);
	check_definition_is_seen(obscore);
}

static Keys
current_keys(const Obscore *obscore)
{
	return keys_of_path(obscore, obscore_resolve_path(obscore, SELECT_LATEST));
}

/* Some keys as an array in SQL. */
static char *
list_of_keys(const Obscore *obscore, const Keys *keys)
{
	StringInfoData list;

	initStringInfo(&list);
	for (int i = 0; i < keys->n; i++)
		appendStringInfo(&list, "%s%s", i == 0 ? "" : ",", quote_literal_cstr(keys->keys[i]));
	return psprintf("ARRAY[%s]::%s[]", list.data, key_type_name(obscore));
}

/* Those of some keys that are, or are not, among others. */
static Keys
keys_among(const Keys *keys, const Keys *others, bool among)
{
	int		   *places = places_among(keys, others);
	Keys		some = {0, palloc_extended(sizeof(char *) * Max(keys->n, 1), MCXT_ALLOC_HUGE)};

	for (int i = 0; i < keys->n; i++)
		if ((places[i] >= 0) == among)
			some.keys[some.n++] = keys->keys[i];
	return some;
}

static void
touch_collections(const Obscore *obscore, const Keys *changed, const Keys *path, ObscoreCounts *counts)
{
	const char *all = list_of_keys(obscore, changed);
	Keys		members = keys_among(changed, path, true);
	Keys		gone = keys_among(changed, path, false);
	bool		at_head = members.n == 1 && strcmp(members.keys[0], path->keys[0]) == 0;
	ListCell   *cell;

	foreach(cell, obscore->selects)
		obscore_lock_records_of(obscore, lfirst(cell), all);
	AcceptInvalidationMessages();
	foreach(cell, obscore->selects)
		obscore_put_collections(obscore, lfirst(cell), list_of_keys(obscore, &members), at_head,
								list_of_keys(obscore, &gone), counts);
}

/*
 * Brings the rows up to date whose search path has changed since they were made.
 * SPI must be connected, with the rights of the table's owner in force.
 */
void
obscore_apply_path(const Obscore *obscore, ObscoreCounts *counts)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "catreg search path change", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old_context;
	Keys		old;
	Keys		new;
	Keys		changed;
	Keys		locked = {0, NULL};

	/* where the trigger is not deferred it fires before that which says so */
	obscore->path->valid = false;
	old_context = MemoryContextSwitchTo(context);
	lock_definition(obscore);
	old = stored_keys(obscore);
	for (;;)
	{
		new = current_keys(obscore);
		changed = changed_keys(&old, &new);
		if (is_subset(&changed, &locked))
			break;

		/* while they were waited for, others may have changed something else */
		obscore_lock_out_members(obscore->registry, changed.keys, changed.n);
		locked = changed;
	}
	if (changed.n > 0)
	{
		touch_collections(obscore, &changed, &new, counts);
		store_keys(obscore, &new);
	}
	MemoryContextSwitchTo(old_context);
	MemoryContextDelete(context);
}

/*
 * Notes the present search path as the one that the rows follow; for whoever makes
 * or compares them all.  SPI must be connected.
 */
void
obscore_save_path(const Obscore *obscore)
{
	Keys		keys;

	lock_definition(obscore);
	keys = current_keys(obscore);
	store_keys(obscore, &keys);
}

/*
 * The collections of the search path that the rows follow, as an array in SQL.  SPI
 * must be connected.
 */
char *
obscore_saved_path(const Obscore *obscore)
{
	Keys		keys = stored_keys(obscore);

	return list_of_keys(obscore, &keys);
}

/*
 * The search path that the rows follow; of its collections the keys.  SPI must be
 * connected.
 */
SearchPath *
obscore_saved_search_path(const Obscore *obscore)
{
	Keys		keys = stored_keys(obscore);
	bool		by_name = obscore->registry->key_type == TEXTOID;
	SearchPath *path = palloc(sizeof(SearchPath));

	path->n = keys.n;
	path->collections = palloc_extended(sizeof(Collection) * Max(keys.n, 1), MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	for (int i = 0; i < keys.n; i++)
		path->collections[i].key = by_name ? CStringGetTextDatum(keys.keys[i]) :
			Int64GetDatum(pg_strtoint64(keys.keys[i]));
	return path;
}

/*
 * Did a collection count, by its key, when the rows were made?
 */
bool
obscore_path_had(const Obscore *obscore, Datum key)
{
	Oid			types[2] = {OIDOID, TEXTOID};
	Datum		values[2] = {ObjectIdGetDatum(obscore->table), CStringGetTextDatum(search_path_key_text(obscore->registry, key))};

	return butler_select(SELECT_LATEST,
						 "SELECT 1 FROM catreg.obscore_collection c"
						 " WHERE c.obscore::pg_catalog.oid OPERATOR(pg_catalog.=) $1 AND c.collection OPERATOR(pg_catalog.=) $2",
						 2, types, values) > 0;
}
