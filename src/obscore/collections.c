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
#include "utils/snapmgr.h"

#include "core/query.h"
#include "obscore/collections.h"
#include "obscore/path.h"

static SPIPlanPtr
make_plan(const Obscore *obscore, Oid type)
{
	StringInfoData text;
	SPIPlanPtr	plan;

	initStringInfo(&text);
	appendStringInfoString(&text, "SELECT ");
	obscore_write_collections(&text, obscore->config);
	appendStringInfo(&text, " FROM %s.collection c WHERE c.%s OPERATOR(pg_catalog.=) $1",
					 obscore->registry->schema, obscore->registry->collection_key);
	plan = query_prepare(text.data, 1, &type);
	SPI_keepplan(plan);
	return plan;
}

/*
 * Asks for what is committed, and what earlier commands of this transaction have done.  To
 * the caller no command goes by: he may be in the midst of deleting rows.
 */
static void
execute(SPIPlanPtr plan, Datum key)
{
	int			level = query_jit_off();

	if (SPI_execute_snapshot(plan, &key, NULL, GetLatestSnapshot(), InvalidSnapshot, true, false, 0) < 0)
		elog(ERROR, "could not ask for a collection");
	query_settings_back(level);
}

/* The place of what is remembered about a collection, or -1. */
static int
remembered(const ObscoreCollections *known, int64 id)
{
	for (int i = 0; i < known->n; i++)
		if (known->ids[i] == id)
			return i;
	return -1;
}

static bool
collection_is_there(const Obscore *obscore, Datum key)
{
	Oid			type = search_path_key_type(obscore->registry);

	return butler_select(SELECT_LATEST,
						 psprintf("SELECT 1 FROM %s.collection c WHERE c.%s OPERATOR(pg_catalog.=) $1",
								  obscore->registry->schema, obscore->registry->collection_key), 1, &type, &key) > 0;
}

/*
 * Does a collection count, by its key (an int8, or a text), or has it when rows
 * were made that are removed now?  SPI must be connected,
 * with the rights of the table's owner in force.
 */
bool
obscore_collection_counts(const Obscore *obscore, Datum key, bool removed)
{
	ObscoreCollections *known = obscore->collections;
	Oid			type = obscore->registry->collection_type;
	int64		id;
	int			place;
	bool		counts;
	bool		gone;
	bool		isnull;

	/*
	 * One that has left the search path in this transaction has rows yet.  So may one
	 * that was deleted: with constraints that are not deferred the path is followed
	 * before it is heard of the tags that went along.
	 */
	if (obscore->find_first)
		return obscore_path_position(obscore, key) >= 0 ||
			(removed && (obscore_path_had(obscore, key) || !collection_is_there(obscore, key)));

	/* those that go by their names are left to the query */
	if (type != INT8OID && type != INT4OID)
		return true;
	id = DatumGetInt64(key);
	place = remembered(known, id);
	if (place >= 0)
		return known->counts[place];
	if (known->plan == NULL)
		known->plan = make_plan(obscore, type);
	if (type == INT4OID)
		key = Int32GetDatum((int32) id);
	execute(known->plan, key);

	/* one that was deleted, with its tags, may have counted */
	gone = SPI_processed == 0;
	counts = gone || DatumGetBool(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	SPI_freetuptable(SPI_tuptable);
	if (known->n < MAX_COLLECTIONS)
	{
		known->ids[known->n] = id;
		known->counts[known->n] = counts;
		known->gone[known->n] = gone;
		known->n++;
	}
	return counts;
}

/*
 * Is it remembered that a collection counts, so that a query need not look again?
 */
bool
obscore_collection_is_known(const Obscore *obscore, Datum key)
{
	Oid			type = obscore->registry->collection_type;
	int			place;

	if (obscore->find_first || (type != INT8OID && type != INT4OID))
		return false;
	place = remembered(obscore->collections, DatumGetInt64(key));
	return place >= 0 && obscore->collections->counts[place] && !obscore->collections->gone[place];
}

/*
 * Forgets what was remembered.  Called wherever messages arrive.
 */
void
obscore_collections_changed(Obscore *obscore)
{
	obscore->collections->n = 0;
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
