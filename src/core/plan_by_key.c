/*-------------------------------------------------------------------------
 *
 * src/core/plan_by_key.c
 *	  Has the planner look rows up by their keys.
 *
 * In a table without statistics every index that a condition fits is as good to
 * the planner as another, and it may look a visit up by its instrument.  Where a
 * query is known to look up by keys, and catreg.plan_by_key is on, it is shown
 * only the primary key of those indexes that begin with the same column.  Where all
 * of its look-ups are by unique keys, catreg.plan_by_unique_key shows it no other
 * indexes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "optimizer/plancat.h"
#include "utils/guc.h"
#include "utils/rel.h"
#include "utils/relcache.h"

#include "core/plan_by_key.h"

static bool plan_by_key = false;
static bool plan_by_unique_key = false;
static get_relation_info_hook_type next_hook = NULL;

static const IndexOptInfo *
find_index(const RelOptInfo *rel, Oid indexoid)
{
	ListCell   *cell;

	foreach(cell, rel->indexlist)
		if (((IndexOptInfo *) lfirst(cell))->indexoid == indexoid)
			return lfirst(cell);
	return NULL;
}

static bool
is_unique_key(const IndexOptInfo *index)
{
	return index->unique && index->immediate && index->indpred == NIL && index->indexprs == NIL;
}

/* Where there is no unique key at all, nothing is hidden. */
static void
hide_others_than_unique(RelOptInfo *rel)
{
	List	   *shown = NIL;
	ListCell   *cell;

	foreach(cell, rel->indexlist)
		if (is_unique_key(lfirst(cell)))
			shown = lappend(shown, lfirst(cell));
	if (shown != NIL)
		rel->indexlist = shown;
}

static void
hide_other_indexes(PlannerInfo *root, Oid relid, bool inhparent, RelOptInfo *rel)
{
	Relation	relation;
	const IndexOptInfo *key;
	List	   *shown = NIL;
	ListCell   *cell;

	if (next_hook != NULL)
		next_hook(root, relid, inhparent, rel);
	if (plan_by_unique_key && !inhparent)
		hide_others_than_unique(rel);
	if (!plan_by_key || inhparent || list_length(rel->indexlist) < 2)
		return;

	/* the planner has locked it */
	relation = table_open(relid, NoLock);
	key = find_index(rel, RelationGetPrimaryKeyIndex(relation));
	table_close(relation, NoLock);
	if (key == NULL)
		return;
	foreach(cell, rel->indexlist)
	{
		IndexOptInfo *index = lfirst(cell);

		if (index == key || index->indexkeys[0] != key->indexkeys[0])
			shown = lappend(shown, index);
	}
	rel->indexlist = shown;
}

/*
 * Once, when the module is loaded.  The setting is for catreg's own use, and a
 * setting so that an error takes it back.
 */
void
plan_by_key_init(void)
{
	DefineCustomBoolVariable("catreg.plan_by_key",
							 "Internal: has catreg's own queries look rows up by their keys.",
							 NULL, &plan_by_key, false, PGC_USERSET,
							 GUC_NO_SHOW_ALL | GUC_NOT_IN_SAMPLE | GUC_DISALLOW_IN_FILE,
							 NULL, NULL, NULL);
	DefineCustomBoolVariable("catreg.plan_by_unique_key",
							 "Internal: has catreg's own queries look rows up by unique keys only.",
							 NULL, &plan_by_unique_key, false, PGC_USERSET,
							 GUC_NO_SHOW_ALL | GUC_NOT_IN_SAMPLE | GUC_DISALLOW_IN_FILE,
							 NULL, NULL, NULL);
	next_hook = get_relation_info_hook;
	get_relation_info_hook = hide_other_indexes;
}
