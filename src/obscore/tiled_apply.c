/*-------------------------------------------------------------------------
 *
 * src/obscore/tiled_apply.c
 *	  Keeps an ObsCore table of a Tiled catalog's nodes.
 *
 * Every event is reduced to the nodes that it is about; their rows are made again
 * by the query that defines the table.  A node with its data source and its asset
 * is three events.  register_nodes() leaves them out, and has the rows made when all
 * is there (see writer.h).
 *
 * Two who do so for one node do it one after the other, and the second sees what
 * the first has done.  A node's row in the catalog is what they meet at: who
 * writes it has locked it, and who writes its data sources or their assets locks
 * it here.  A path depends on all containers above, too: they are locked FOR KEY
 * SHARE, as a foreign key would, which keeps others from giving them another key
 * or parent; and who does that looks for the nodes below afterwards.  So are those
 * that a node has left.  An asset is locked FOR SHARE by whoever adds it to a
 * node, since who changes it cannot see that yet.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "core/query.h"
#include "obscore/plain.h"
#include "obscore/problem.h"
#include "obscore/statements.h"
#include "obscore/tiled.h"
#include "obscore/touched.h"

/* IS NOT DISTINCT FROM would look its operator up by search_path. */
#define SAME_PARENT(a, b) "(" a ".parent OPERATOR(pg_catalog.=) " b ".parent OR (" a ".parent IS NULL AND " b ".parent IS NULL))"

/* ------------------------------------------------- which nodes an event is about */

/* The nodes that changed rows of a table are about, as they were or as they are. */
static char *
nodes_of(const ObscoreTiled *tiled, Oid relid, const char *changed)
{
	const char *sources = OidIsValid(tiled->assets) ? query_relation(tiled->data_sources) : NULL;

	if (relid == tiled->nodes)
		return psprintf("SELECT c.id FROM %s c", changed);
	if (relid == tiled->data_sources)
		return psprintf("SELECT c.node_id FROM %s c", changed);
	if (relid == tiled->association)
		return psprintf("SELECT s.node_id FROM %s c JOIN %s s ON s.id OPERATOR(pg_catalog.=) c.data_source_id", changed, sources);
	return psprintf("SELECT s.node_id FROM %s c JOIN %s x ON x.asset_id OPERATOR(pg_catalog.=) c.id "
					"JOIN %s s ON s.id OPERATOR(pg_catalog.=) x.data_source_id",
					changed, query_relation(tiled->association), sources);
}

/*
 * Those of updated nodes, and all below the ones that have another path.
 */
static char *
updated_nodes(const ObscoreTiled *tiled)
{
	if (!tiled->needs_path)
		return nodes_of(tiled, tiled->nodes, "(SELECT * FROM " OBSCORE_OLD " UNION ALL SELECT * FROM " OBSCORE_NEW ")");
	return psprintf("WITH RECURSIVE moved (id) AS ("
					"SELECT w.id FROM " OBSCORE_NEW " w WHERE NOT EXISTS (SELECT FROM " OBSCORE_OLD " o WHERE o.id OPERATOR(pg_catalog.=) w.id "
					"AND o.key::pg_catalog.text OPERATOR(pg_catalog.=) w.key::pg_catalog.text AND " SAME_PARENT("o", "w") ") "
					"UNION SELECT n.id FROM moved m JOIN %s n ON n.parent OPERATOR(pg_catalog.=) m.id) "
					"SELECT m.id FROM moved m UNION ALL SELECT o.id FROM " OBSCORE_OLD " o UNION ALL SELECT w.id FROM " OBSCORE_NEW " w",
					query_relation(tiled->nodes));
}

static char *
touched_nodes(const Obscore *obscore, Oid relid, ObscoreChange change)
{
	const ObscoreTiled *tiled = obscore->tiled;
	const char *const changed[N_CHANGES] = {OBSCORE_NEW, "(SELECT * FROM " OBSCORE_OLD " UNION ALL SELECT * FROM " OBSCORE_NEW ")", OBSCORE_OLD};

	if (relid == tiled->nodes && change == CHANGE_UPDATE)
		return updated_nodes(tiled);
	if (relid == tiled->nodes && change == CHANGE_INSERT)
		return psprintf("%s WHERE %s", nodes_of(tiled, relid, OBSCORE_NEW), obscore_tiled_filter(obscore, "c"));
	return nodes_of(tiled, relid, changed[change]);
}

/* ------------------------------------------------------------- kept statements */

/* A plan that is kept and still good, or NULL. */
static SPIPlanPtr
good_plan(SPIPlanPtr *plan)
{
	SPIPlanPtr	old = *plan;

	if (old == NULL || SPI_plan_is_valid(old))
		return old;
	*plan = NULL;
	SPI_freeplan(old);
	return NULL;
}

static SPIPlanPtr
keep_plan(SPIPlanPtr *plan, const char *text)
{
	SPIPlanPtr	made = query_prepare(text, 0, NULL);

	SPI_keepplan(made);
	*plan = made;
	return made;
}

/* The plan of a statement, made where there is none and kept. */
static SPIPlanPtr
kept_plan(SPIPlanPtr *plan, const Obscore *obscore, void (*write_text) (StringInfo text, const Obscore *obscore))
{
	SPIPlanPtr	kept = good_plan(plan);
	StringInfoData text;

	if (kept != NULL)
		return kept;
	initStringInfo(&text);
	write_text(&text, obscore);
	return keep_plan(plan, text.data);
}

/*
 * Executes a statement whose plan is kept.  Returns the number of rows, which are
 * in SPI_tuptable.
 */
static uint64
execute_kept(SPIPlanPtr *plan, const Obscore *obscore, void (*write_text) (StringInfo text, const Obscore *obscore))
{
	SPI_tuptable = NULL;
	query_execute_latest(kept_plan(plan, obscore, write_text), NULL, true);
	return SPI_processed;
}

static ObscoreTiledSource
source_of(const ObscoreTiled *tiled, Oid relid)
{
	return relid == tiled->nodes ? TILED_NODES : relid == tiled->data_sources ? TILED_DATA_SOURCES :
		relid == tiled->association ? TILED_ASSOCIATION : TILED_ASSETS;
}

/* A query for nodes, as obscore_touch_nodes() takes it. */
static char *
with_keys(const char *nodes)
{
	return psprintf("SELECT DISTINCT i.id, catreg.obscore_node_key(i.id) AS key FROM (%s) i (id)", nodes);
}

static SPIPlanPtr
touched_plan(const Obscore *obscore, Oid relid, ObscoreChange change)
{
	SPIPlanPtr *plan = &obscore->tiled->touched[source_of(obscore->tiled, relid)][change];
	SPIPlanPtr	kept = good_plan(plan);

	return kept != NULL ? kept : keep_plan(plan, with_keys(touched_nodes(obscore, relid, change)));
}

/* ----------------------------------------------------------------------- locks */

/* Locks assets, which a query finds. */
static char *
asset_locks(const ObscoreTiled *tiled, const char *assets)
{
	return psprintf("SELECT FROM %s t WHERE t.id OPERATOR(pg_catalog.=) ANY (%s) ORDER BY t.id FOR SHARE OF t",
					query_relation(tiled->assets), assets);
}

/* Keeps the assets that nodes have got from being changed. */
static void
write_lock_assets(StringInfo text, const Obscore *obscore)
{
	appendStringInfoString(text, asset_locks(obscore->tiled, "SELECT c.asset_id FROM " OBSCORE_NEW " c"));
}

/* What a query has found, whose one column is an integer. */
static List *
found_ids(void)
{
	List	   *ids = NIL;
	bool		isnull;

	for (uint64 i = 0; i < SPI_processed; i++)
		ids = lappend_int(ids, DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &isnull)));
	SPI_freetuptable(SPI_tuptable);
	return ids;
}

/* Locks containers, which a query finds, and those that they are below. */
static void
write_lock_above(StringInfo text, const ObscoreTiled *tiled, const char *containers)
{
	appendStringInfo(text, "WITH RECURSIVE up (id) AS (%2$s "
					 "UNION SELECT n.parent FROM up JOIN %1$s n ON n.id OPERATOR(pg_catalog.=) up.id) "
					 "SELECT a.id FROM %1$s a WHERE a.id OPERATOR(pg_catalog.=) ANY (SELECT up.id FROM up) "
					 "AND a.parent IS NOT NULL ORDER BY a.id FOR KEY SHARE OF a", query_relation(tiled->nodes), containers);
}

/*
 * Executes that.  Whoever was waited for may have moved one of the containers; so
 * it is looked again, until those found are those locked.
 */
static void
lock_containers(SPIPlanPtr plan, Datum *values)
{
	List	   *before;
	List	   *found = NIL;

	do
	{
		before = found;
		SPI_tuptable = NULL;
		query_execute_latest(plan, values, false);
		found = found_ids();
	} while (!equal(before, found));
}

/*
 * Locks the containers that nodes have left: who gives one of them another key
 * would still find the nodes below it.
 */
static void
lock_left(const ObscoreTiled *tiled, bool updated)
{
	StringInfoData text;
	SPIPlanPtr	plan;

	initStringInfo(&text);
	write_lock_above(&text, tiled, psprintf("SELECT o.parent FROM " OBSCORE_OLD " o%s", !updated ? "" :
											" WHERE NOT EXISTS (SELECT FROM " OBSCORE_NEW " n WHERE n.id OPERATOR(pg_catalog.=) o.id"
											" AND " SAME_PARENT("n", "o") ")"));
	plan = query_prepare(text.data, 0, NULL);
	lock_containers(plan, NULL);
	SPI_freeplan(plan);
}

/* ---------------------------------------------------------------------- events */

/*
 * What has to be done about the nodes that an event is about.  Which nodes have rows
 * depends on nodes alone; new ones have none yet, and deleted ones get none.
 */
static int
deeds_of(ObscoreTiledSource source, ObscoreChange change)
{
	if (source != TILED_NODES)
		return TILED_LOCK | TILED_LOCK_ABOVE | TILED_PUT;
	return change == CHANGE_DELETE ? TILED_REMOVE : TILED_LOCK_ABOVE | TILED_PUT | (change == CHANGE_UPDATE ? TILED_REMOVE : 0);
}

/*
 * Brings a table up to date after a statement on the catalog that concerns it.
 * SPI must be connected, with the transition tables registered, and the rights of
 * the table's owner in force.
 */
void
obscore_tiled_event(const Obscore *obscore, const TriggerData *trigdata, ObscoreChange change, bool replicated)
{
	ObscoreTiled *tiled = obscore->tiled;
	Oid			relid = RelationGetRelid(trigdata->tg_relation);
	ObscoreCounts counts = {0};
	int			level;

	if (!obscore_tiled_is_about(tiled, relid))
		return;
	if (TRIGGER_FIRED_BY_TRUNCATE(trigdata->tg_event))
	{
		obscore_refresh(obscore, &counts);
		return;
	}
	level = obscore_tiled_by_key();
	if (relid == tiled->association && change != CHANGE_DELETE)
		execute_kept(&tiled->lock_assets, obscore, write_lock_assets);
	if (relid == tiled->nodes && tiled->needs_path && change != CHANGE_INSERT)
		lock_left(tiled, change == CHANGE_UPDATE);

	/* a data source comes after its node, and an asset after that */
	if (!replicated && change == CHANGE_INSERT && relid != tiled->association)
		obscore_problems_wait();
	obscore_touch_nodes(obscore, touched_plan(obscore, relid, change), NULL, deeds_of(source_of(tiled, relid), change), &counts);
	obscore_problems_forget();
	query_settings_back(level);
}

/* Locks what the new nodes lead to, as their events would have done. */
static void
lock_registered(const ObscoreTiled *tiled, const ObscoreRegistered *registered)
{
	Oid			type = INT4ARRAYOID;
	Datum		values[] = {registered->assets};
	SPIPlanPtr	plan;

	if (OidIsValid(tiled->assets) && ARR_NDIM(DatumGetArrayTypeP(registered->assets)) > 0)
	{
		plan = query_prepare(asset_locks(tiled, "$1"), 1, &type);
		query_execute_latest(plan, values, false);
		SPI_freeplan(plan);
	}
	if (tiled->needs_path)
	{
		StringInfoData text;

		initStringInfo(&text);
		write_lock_above(&text, tiled, "SELECT c.id FROM pg_catalog.unnest($1) c (id)");
		values[0] = registered->containers;
		plan = query_prepare(text.data, 1, &type);
		lock_containers(plan, values);
		SPI_freeplan(plan);
	}
}

/*
 * Makes the rows of the nodes that register_nodes() has written, together with all
 * that belongs to them.  SPI must be connected, with the rights of the table's owner
 * in force.
 */
void
obscore_tiled_registered(const Obscore *obscore, const ObscoreRegistered *registered)
{
	Oid			type = INT4ARRAYOID;
	Datum		values[] = {registered->nodes};
	ObscoreCounts counts = {0};
	int			level = obscore_tiled_by_key();
	SPIPlanPtr	plan;

	lock_registered(obscore->tiled, registered);
	plan = query_prepare(with_keys(psprintf("SELECT n.id FROM %s n WHERE n.id OPERATOR(pg_catalog.=) ANY ($1) AND %s",
											query_relation(obscore->tiled->nodes), obscore_tiled_filter(obscore, "n"))), 1, &type);
	obscore_touch_nodes(obscore, plan, values, TILED_PUT, &counts);
	SPI_freeplan(plan);
	query_settings_back(level);
}

/* ------------------------------------------------------- what is done about them */

static void
write_lock_nodes(StringInfo text, const Obscore *obscore)
{
	appendStringInfo(text, "SELECT FROM %s n WHERE n.id OPERATOR(pg_catalog.=) ANY (SELECT w.id FROM " OBSCORE_NODES " w) ORDER BY n.id FOR NO KEY UPDATE OF n",
					 query_relation(obscore->tiled->nodes));
}

static void
write_lock_containers(StringInfo text, const Obscore *obscore)
{
	write_lock_above(text, obscore->tiled, psprintf("SELECT n.parent FROM " OBSCORE_NODES " w JOIN %s n ON n.id OPERATOR(pg_catalog.=) w.id",
													query_relation(obscore->tiled->nodes)));
}

/* The nodes as they are now, whose keys are in the relation of that alias. */
static char *
present_nodes(const ObscoreTiled *tiled, const char *alias)
{
	return psprintf("(SELECT y.* FROM %s y WHERE y.id OPERATOR(pg_catalog.=) %s.id OFFSET 0)", query_relation(tiled->nodes), alias);
}

/* All that are to be looked at. */
static char *
touched(const ObscoreTiled *tiled)
{
	return psprintf("(SELECT y.* FROM " OBSCORE_NODES " w CROSS JOIN LATERAL %s y OFFSET 0)", present_nodes(tiled, "w"));
}

/* INSERT, or UPDATE of what differs; tells of each row whether it was inserted. */
static void
write_put(StringInfo text, const Obscore *obscore)
{
	appendStringInfo(text, "INSERT INTO %s AS o (%s)\n", query_relation(obscore->table), obscore_column_list(obscore, ""));
	obscore_tiled_write_select(text, obscore, touched(obscore->tiled));
	obscore_write_or_update(text, obscore);
	appendStringInfoString(text, "\nRETURNING o.xmax OPERATOR(pg_catalog.=) 0");
}

/* The same by statements that any table takes. */
static void
apply_plain(const Obscore *obscore, ObscoreCounts *counts)
{
	StringInfoData text;

	initStringInfo(&text);
	obscore_tiled_write_select(&text, obscore, touched(obscore->tiled));
	obscore_plain_write(obscore, text.data, "SELECT w.key FROM " OBSCORE_NODES " w", counts);
}

static void
write_remove(StringInfo text, const Obscore *obscore)
{
	appendStringInfo(text, "DELETE FROM %s o USING " OBSCORE_NODES " w WHERE o.registry_dataset_id OPERATOR(pg_catalog.=) w.key AND NOT EXISTS (",
					 query_relation(obscore->table));
	obscore_tiled_write_members(text, obscore, present_nodes(obscore->tiled, "w"));
	appendStringInfoChar(text, ')');
}

static void
put_rows(const Obscore *obscore, ObscoreCounts *counts)
{
	uint64		n = execute_kept(&obscore->tiled->put, obscore, write_put);

	for (uint64 i = 0; i < n; i++)
	{
		bool		isnull;
		bool		inserted = DatumGetBool(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &isnull));

		*(inserted ? &counts->inserted : &counts->updated) += 1;
	}
	SPI_freetuptable(SPI_tuptable);
}

/*
 * Makes the rows of the nodes OBSCORE_NODES as they should be, as far as the deeds
 * go, which are bits of ObscoreTiledDeeds.
 */
void
obscore_tiled_apply(const Obscore *obscore, int deeds, ObscoreCounts *counts)
{
	ObscoreTiled *tiled = obscore->tiled;
	int			level = obscore_tiled_by_key();

	if (deeds & TILED_LOCK)
		execute_kept(&tiled->lock, obscore, write_lock_nodes);
	if ((deeds & TILED_LOCK_ABOVE) && tiled->needs_path)
		lock_containers(kept_plan(&tiled->lock_above, obscore, write_lock_containers), NULL);
	if (obscore->plain)
	{
		query_settings_back(level);
		apply_plain(obscore, counts);
		return;
	}
	if (deeds & TILED_PUT)
		put_rows(obscore, counts);
	if (deeds & TILED_REMOVE)
		counts->deleted += execute_kept(&tiled->remove, obscore, write_remove);
	query_settings_back(level);
}

void
obscore_tiled_free_plans(ObscoreTiled *tiled)
{
	SPIPlanPtr	plans[] = {tiled->lock_assets, tiled->lock, tiled->lock_above, tiled->put, tiled->remove};

	for (int i = 0; i < lengthof(plans); i++)
		if (plans[i] != NULL)
			SPI_freeplan(plans[i]);
	for (int source = 0; source < N_TILED_SOURCES; source++)
		for (int change = 0; change < N_CHANGES; change++)
			if (tiled->touched[source][change] != NULL)
				SPI_freeplan(tiled->touched[source][change]);
}
