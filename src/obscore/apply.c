/*-------------------------------------------------------------------------
 *
 * src/obscore/apply.c
 *	  Brings the rows of some datasets up to date.
 *
 * Every event comes down to one of two: tags that were inserted, whose rows are
 * in a transition table, or datasets that were touched, whose ids are.  Both
 * make the rows with the query that defines the table, over another source, and
 * write what differs.
 *
 * Rows are looked up one by one, through indexes, in the order in which the query
 * is written: the planner would join everything before it looks at the one row
 * that was put.  For few rows the plan is kept; it is made again as the tables
 * grow, since in an empty one every index is as good as another.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "core/query.h"
#include "obscore/apply.h"

/* Up to here looking each row up takes less than making a plan. */
#define FEW_ROWS 1000

/* A kept plan is made again after so many rows, and then after twice as many. */
#define FIRST_ROWS 64

typedef enum PlanId
{
	PLAN_LOCKS,
	PLAN_PUT_NEW,
	PLAN_PUT,
	PLAN_REMOVE,
	PLAN_TOUCHED_LOCKS,
	PLAN_TOUCHED_PUT,
	PLAN_TOUCHED_REMOVE,
	N_PLANS
} PlanId;

typedef struct ObscorePlans
{
	SPIPlanPtr	plans[N_PLANS];
	int64		rows[N_PLANS];	/* that were written by it */
	int64		limits[N_PLANS];	/* after which it is made again */
} ObscorePlans;

void
obscore_free_plans(Obscore *obscore)
{
	ListCell   *cell;

	foreach(cell, obscore->selects)
	{
		ObscoreSelect *select = lfirst(cell);

		for (int i = 0; select->plans != NULL && i < N_PLANS; i++)
			if (select->plans->plans[i] != NULL)
				SPI_freeplan(select->plans->plans[i]);
	}
}

/* -------------------------------------------------------------------- texts */

/* INSERT of rows that are not there. */
static void
write_put_new(StringInfo text, const Obscore *obscore, const ObscoreSelect *select, const char *source)
{
	appendStringInfo(text, "INSERT INTO %s AS o (%s)\n", query_relation(obscore->table), obscore_column_list(obscore, ""));
	obscore_write_select(text, obscore, select, source);
	appendStringInfoString(text, "\nON CONFLICT (registry_dataset_id) DO NOTHING");
}

/*
 * INSERT, or UPDATE of what differs.  Rows are compared by their bytes: no
 * operator is looked up by its name, and -0 is not 0.
 */
static void
write_put(StringInfo text, const Obscore *obscore, const ObscoreSelect *select, const char *source)
{
	ListCell   *cell;
	bool		first = true;

	appendStringInfo(text, "INSERT INTO %s AS o (%s)\n", query_relation(obscore->table), obscore_column_list(obscore, ""));
	obscore_write_select(text, obscore, select, source);
	appendStringInfoString(text, "\nON CONFLICT (registry_dataset_id) DO UPDATE SET ");
	foreach(cell, obscore->columns)
	{
		const char *name = quote_identifier(((ObscoreColumn *) lfirst(cell))->name);

		if (strcmp(name, "registry_dataset_id") == 0)
			continue;
		appendStringInfo(text, "%s%s = excluded.%s", first ? "" : ", ", name, name);
		first = false;
	}
	appendStringInfo(text, "\nWHERE ROW(%s)::pg_catalog.record OPERATOR(pg_catalog.*<>) ROW(%s)::pg_catalog.record",
					 obscore_column_list(obscore, "o."), obscore_column_list(obscore, "excluded."));
}

/*
 * The tags of one dataset, whose id is in the row of that alias.  OFFSET: in a
 * table without statistics the index of dataset types is as good to the planner
 * as that of datasets, and leads to all of them.
 */
static char *
tags_by_id(const ObscoreSelect *select, const char *alias)
{
	return psprintf("(SELECT * FROM %s y WHERE y.dataset_id OPERATOR(pg_catalog.=) %s.dataset_id OFFSET 0)",
					query_relation(select->type->tags), alias);
}

/*
 * Rows of datasets that are not members any more; ids has a column dataset_id, of
 * datasets of this type only.
 */
static void
write_remove(StringInfo text, const Obscore *obscore, const ObscoreSelect *select, const char *ids)
{
	appendStringInfo(text, "DELETE FROM %s o USING (SELECT DISTINCT w.dataset_id FROM %s w) w "
					 "WHERE o.registry_dataset_id OPERATOR(pg_catalog.=) w.dataset_id AND NOT EXISTS (SELECT FROM (",
					 query_relation(obscore->table), ids);
	obscore_write_members(text, obscore, select, tags_by_id(select, "w"));
	appendStringInfoString(text, ") m)");
}

/* The tags of the datasets whose ids are in the rows named. */
static char *
tags_of(const ObscoreSelect *select, const char *ids)
{
	return psprintf("(SELECT y.* FROM %s w CROSS JOIN LATERAL %s y OFFSET 0)", ids, tags_by_id(select, "w"));
}

static bool
write_plan(StringInfo text, const Obscore *obscore, const ObscoreSelect *select, PlanId id)
{
	switch (id)
	{
		case PLAN_LOCKS:
			return obscore_write_key_locks(text, obscore, select, OBSCORE_NEW);
		case PLAN_PUT_NEW:
			write_put_new(text, obscore, select, OBSCORE_NEW);
			return true;
		case PLAN_PUT:
			write_put(text, obscore, select, OBSCORE_NEW);
			return true;
		case PLAN_REMOVE:
			write_remove(text, obscore, select,
						 psprintf("(SELECT b.dataset_id FROM " OBSCORE_OLD " b WHERE b.dataset_type_id OPERATOR(pg_catalog.=) " INT64_FORMAT ")",
								  select->type->id));
			return true;
		case PLAN_TOUCHED_LOCKS:
			appendStringInfo(text, "SELECT 1 FROM %s o WHERE o.registry_dataset_id OPERATOR(pg_catalog.=) ANY "
							 "(SELECT w.dataset_id FROM %s w) ORDER BY o.registry_dataset_id FOR UPDATE OF o",
							 query_relation(obscore->table), OBSCORE_TOUCHED);
			return true;
		case PLAN_TOUCHED_PUT:
			write_put(text, obscore, select, tags_of(select, OBSCORE_TOUCHED));
			/* a row that was there has been locked, and says so */
			appendStringInfoString(text, " RETURNING o.xmax OPERATOR(pg_catalog.=) 0");
			return true;
		default:
			write_remove(text, obscore, select, OBSCORE_TOUCHED);
			return true;
	}
}

/* ---------------------------------------------------------------- execution */

static SPIPlanPtr
prepare(const Obscore *obscore, const ObscoreSelect *select, PlanId id)
{
	StringInfoData text;
	SPIPlanPtr	plan;

	initStringInfo(&text);
	if (!write_plan(&text, obscore, select, id))
		return NULL;
	plan = query_prepare(text.data, 0, NULL);
	pfree(text.data);
	return plan;
}

static SPIPlanPtr
kept_plan(const Obscore *obscore, ObscoreSelect *select, PlanId id, int64 n_rows)
{
	SPIPlanPtr *slot;

	if (select->plans == NULL)
		select->plans = MemoryContextAllocZero(obscore->context, sizeof(ObscorePlans));
	slot = &select->plans->plans[id];
	if (*slot != NULL && (!SPI_plan_is_valid(*slot) || select->plans->rows[id] > select->plans->limits[id]))
	{
		SPIPlanPtr	old = *slot;

		*slot = NULL;
		SPI_freeplan(old);
	}
	if (*slot == NULL)
	{
		SPIPlanPtr	plan = prepare(obscore, select, id);

		if (plan != NULL)
			SPI_keepplan(plan);
		*slot = plan;
		select->plans->limits[id] = Max(FIRST_ROWS, 2 * select->plans->limits[id]);
		select->plans->rows[id] = 0;
	}
	select->plans->rows[id] += n_rows;
	return *slot;
}

/*
 * Executes one of the statements, with a snapshot of this moment.  Returns the
 * number of rows, and counts those that were inserted, updated or deleted.
 */
static int64
execute(const Obscore *obscore, ObscoreSelect *select, PlanId id, int64 n_rows, ObscoreCounts *counts)
{
	bool		few = n_rows <= FEW_ROWS;
	int			level = query_by_index(true);
	SPIPlanPtr	plan;
	int64		processed = 0;

	query_set("join_collapse_limit", "1");
	query_set("catreg.plan_by_key", "on");
	plan = few ? kept_plan(obscore, select, id, n_rows) : prepare(obscore, select, id);
	if (plan != NULL)
	{
		query_execute_latest(plan, NULL, true);
		processed = SPI_processed;
		if (id == PLAN_REMOVE || id == PLAN_TOUCHED_REMOVE)
			counts->deleted += SPI_processed;
		else if (id == PLAN_TOUCHED_PUT)
			for (uint64 i = 0; i < SPI_processed; i++)
			{
				bool		isnull;
				bool		inserted = DatumGetBool(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &isnull));

				*(inserted ? &counts->inserted : &counts->updated) += 1;
			}
		SPI_freetuptable(SPI_tuptable);
		if (!few)
			SPI_freeplan(plan);
	}
	query_settings_back(level);
	return processed;
}

/*
 * Puts the rows of touched datasets, and locks those that are there first.  Where
 * some are not there somebody else may put them at this moment, and what was
 * computed before he is waited for is out of date then: the second time all are
 * locked, by having been written.
 */
static void
put_touched(const Obscore *obscore, ObscoreSelect *select, int64 n_rows, ObscoreCounts *counts)
{
	int64		n_locked = execute(obscore, select, PLAN_TOUCHED_LOCKS, n_rows, counts);

	if (execute(obscore, select, PLAN_TOUCHED_PUT, n_rows, counts) > 0 && n_locked < n_rows)
		execute(obscore, select, PLAN_TOUCHED_PUT, n_rows, counts);
}

/*
 * Makes the rows of tags that were inserted, which the transition table OBSCORE_NEW
 * holds.  Their foreign keys have locked the records that the tags refer to: who
 * has changed one of them, or something that leads to one, was waited for, and
 * who does so later waits, and finds these tags (see obscore_write_locks()).
 * updated: the tags have taken the place of others, and no such lock.
 *
 * SPI must be connected, with the transition tables registered, and the rights
 * of the table's owner in force; so for the two others.
 */
void
obscore_apply_put(const Obscore *obscore, ObscoreSelect *select, int64 n_rows, bool updated, ObscoreCounts *counts)
{
	if (updated)
		execute(obscore, select, PLAN_LOCKS, n_rows, counts);

	/* to find a plan's UPDATE ready takes as long as an index's entry: few rows are tried without */
	if (n_rows > FEW_ROWS || execute(obscore, select, PLAN_PUT_NEW, n_rows, counts) < n_rows)
		execute(obscore, select, PLAN_PUT, n_rows, counts);
}

/*
 * Deletes the rows of tags that were deleted, which the transition table
 * OBSCORE_OLD holds, where no other tag holds them.
 */
void
obscore_apply_removed(const Obscore *obscore, ObscoreSelect *select, int64 n_rows, ObscoreCounts *counts)
{
	execute(obscore, select, PLAN_REMOVE, n_rows, counts);
}

/*
 * Makes the rows of datasets, whose ids are in the rows OBSCORE_TOUCHED, as they
 * should be.  Their present rows are locked first, so that two who have changed
 * different records of one dataset do it one after the other, and the second
 * sees what the first has done.
 */
void
obscore_apply_touched(const Obscore *obscore, ObscoreSelect *select, int64 n_rows, ObscoreCounts *counts)
{
	put_touched(obscore, select, n_rows, counts);
	execute(obscore, select, PLAN_TOUCHED_REMOVE, n_rows, counts);
}

/*
 * The same for datasets of any type.
 */
void
obscore_apply_all_touched(const Obscore *obscore, int64 n_rows, ObscoreCounts *counts)
{
	StringInfoData text;
	ListCell   *cell;
	int			level = query_jit_off();

	foreach(cell, obscore->selects)
		put_touched(obscore, lfirst(cell), n_rows, counts);
	initStringInfo(&text);
	appendStringInfo(&text, "DELETE FROM %s o USING " OBSCORE_TOUCHED " w "
					 "WHERE o.registry_dataset_id OPERATOR(pg_catalog.=) w.dataset_id",
					 query_relation(obscore->table));
	foreach(cell, obscore->selects)
	{
		const ObscoreSelect *select = lfirst(cell);

		appendStringInfoString(&text, " AND NOT EXISTS (SELECT FROM (");
		obscore_write_members(&text, obscore, select, tags_by_id(select, "w"));
		appendStringInfoString(&text, ") m)");
	}
	counts->deleted += query_execute_once(text.data);
	query_settings_back(level);
}
