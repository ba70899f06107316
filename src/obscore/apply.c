/*-------------------------------------------------------------------------
 *
 * src/obscore/apply.c
 *	  Brings the rows of some datasets up to date.
 *
 * Every event comes down to tags that were inserted or deleted, which are in a
 * transition table, or to datasets that were touched, whose keys are collected
 * (see touched.c).  The statements are in statements.c; here is in which order
 * they are executed.
 *
 * Rows are looked up one by one, through indexes, in the order in which the query
 * is written: the planner would join everything before it looks at the one row
 * that was put.  For few rows the plan is kept; it is made again as the tables
 * grow, since in an empty one every index is as good as another.
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
#include "utils/memutils.h"
#include "utils/plancache.h"

#include "core/query.h"
#include "core/standing.h"
#include "core/uuid_order.h"
#include "obscore/plain.h"
#include "obscore/tiled.h"

/* Up to here looking each row up takes less than making a plan. */
#define FEW_ROWS 1000

/* A kept plan is made again after so many rows, and then each time there were GROWTH times as many. */
#define FIRST_ROWS 64
#define GROWTH 8

typedef struct KeptPlan
{
	SPIPlanPtr	plan;
	int			generation;		/* of what the planner has made of it; 0: nothing */
	int64		rows;			/* that were written by it */
	int64		limit;			/* after so many it is made again */
	TransactionId transaction;	/* that has executed it last */
	Standing   *standing;		/* its execution in this one, or NULL */
	bool		cannot_stand;
} KeptPlan;

typedef struct ObscorePlans
{
	KeptPlan	plans[N_STATEMENTS][N_ROWS];
} ObscorePlans;

static void
free_plan(KeptPlan *kept)
{
	SPIPlanPtr	plan = kept->plan;

	if (kept->standing != NULL)
		standing_end(kept->standing);
	kept->plan = NULL;
	if (plan != NULL)
		SPI_freeplan(plan);
}

void
obscore_free_plans(Obscore *obscore)
{
	ListCell   *cell;

	if (obscore->tiled != NULL)
		obscore_tiled_free_plans(obscore->tiled);
	foreach(cell, obscore->selects)
	{
		ObscoreSelect *select = lfirst(cell);

		for (int i = 0; select->plans != NULL && i < N_STATEMENTS; i++)
			for (int j = 0; j < N_ROWS; j++)
				free_plan(&select->plans->plans[i][j]);
	}
}

static SPIPlanPtr
prepare(const Obscore *obscore, const ObscoreSelect *select, ObscoreStatement statement, ObscoreRows rows)
{
	StringInfoData text;
	SPIPlanPtr	plan;

	initStringInfo(&text);
	if (!obscore_write_statement(&text, obscore, select, statement, rows))
		return NULL;
	plan = query_prepare(text.data, 0, NULL);
	pfree(text.data);
	return plan;
}

/* PostgreSQL counts how often the planner was called for a plan. */
static int
plan_generation(SPIPlanPtr plan)
{
	return ((CachedPlanSource *) linitial(SPI_plan_get_plan_sources(plan)))->generation;
}

/* Has the planner called again the next time, of a query that needs no new analysis. */
static void
plan_again(KeptPlan *kept)
{
	CachedPlan *planned = ((CachedPlanSource *) linitial(SPI_plan_get_plan_sources(kept->plan)))->gplan;

	if (kept->standing != NULL)
		standing_end(kept->standing);
	if (planned != NULL)
		planned->is_valid = false;
	kept->generation = 0;
}

static void
prepare_kept(KeptPlan *kept, const Obscore *obscore, const ObscoreSelect *select, ObscoreStatement statement, ObscoreRows rows)
{
	SPIPlanPtr	plan = prepare(obscore, select, statement, rows);

	if (plan != NULL)
		SPI_keepplan(plan);
	kept->plan = plan;
	kept->generation = 0;
	kept->cannot_stand = false;
}

static KeptPlan *
kept_plan(const Obscore *obscore, ObscoreSelect *select, ObscoreStatement statement, ObscoreRows rows, int64 n_rows)
{
	KeptPlan   *kept;

	if (select->plans == NULL)
		select->plans = MemoryContextAllocZero(obscore->context, sizeof(ObscorePlans));
	kept = &select->plans->plans[statement][rows];
	if (kept->plan != NULL && !SPI_plan_is_valid(kept->plan))
		free_plan(kept);
	if (kept->plan == NULL)
		prepare_kept(kept, obscore, select, statement, rows);
	else if (kept->rows > kept->limit)
		plan_again(kept);
	if (kept->generation == 0)
		kept->limit = Max(FIRST_ROWS, GROWTH * kept->rows);
	kept->rows += n_rows;
	return kept;
}

/*
 * Executes a plan under the settings that its planning needs.
 */
static void
execute_and_plan(SPIPlanPtr plan)
{
	int			level = query_by_index(true);

	query_set("join_collapse_limit", "1");
	query_set("catreg.plan_by_key", "on");
	query_execute_latest(plan, NULL, true);
	query_settings_back(level);
}

/*
 * Executes a kept plan.  To change the settings takes a tenth of a single put's
 * time: only where the planner is going to be called.  Where it was all the same,
 * since something has changed just now, the plan is made again the next time.
 */
static void
execute_kept(KeptPlan *kept)
{
	if (kept->generation == 0)
	{
		execute_and_plan(kept->plan);
		kept->generation = plan_generation(kept->plan);
		return;
	}
	query_execute_planned(kept->plan, NULL, true);
	if (plan_generation(kept->plan) != kept->generation)
		kept->limit = 0;
}

/*
 * Executes one of the statements, with a snapshot of this moment, and leaves its
 * rows in SPI_tuptable.  Returns their number.
 */
static int64
execute(const Obscore *obscore, ObscoreSelect *select, ObscoreStatement statement, ObscoreRows rows, int64 n_rows)
{
	SPIPlanPtr	plan;

	SPI_tuptable = NULL;
	SPI_processed = 0;
	if (n_rows <= FEW_ROWS)
	{
		KeptPlan   *kept = kept_plan(obscore, select, statement, rows, n_rows);

		if (kept->plan != NULL)
			execute_kept(kept);
		return SPI_processed;
	}
	plan = prepare(obscore, select, statement, rows);
	if (plan != NULL)
	{
		execute_and_plan(plan);
		SPI_freeplan(plan);
	}
	return SPI_processed;
}

static void
execute_only(const Obscore *obscore, ObscoreSelect *select, ObscoreStatement statement, ObscoreRows rows, int64 n_rows)
{
	execute(obscore, select, statement, rows, n_rows);
	SPI_freetuptable(SPI_tuptable);
}

/* Keys in the order of their bytes, PostgreSQL's own of type uuid. */
typedef struct LockedKeys
{
	int64		n;
	pg_uuid_t  *keys;
} LockedKeys;

static LockedKeys
lock_keys(const Obscore *obscore, ObscoreSelect *select, ObscoreRows rows, int64 n_rows)
{
	LockedKeys	locked = {execute(obscore, select, STATEMENT_LOCK_KEYS, rows, n_rows)};

	locked.keys = palloc_extended(sizeof(pg_uuid_t) * Max(locked.n, 1), MCXT_ALLOC_HUGE);
	for (int64 i = 0; i < locked.n; i++)
	{
		bool		isnull;

		locked.keys[i] = *DatumGetUUIDP(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &isnull));
	}
	SPI_freetuptable(SPI_tuptable);
	return locked;
}

/* What a put has done that was not protected by a lock from before. */
typedef struct PutOutcome
{
	bool		updated;		/* a row that somebody has made meanwhile */
	bool		inserted_other; /* one whose tags others may have removed meanwhile */
} PutOutcome;

static PutOutcome
put_keys(const Obscore *obscore, ObscoreSelect *select, ObscoreRows rows, int64 n_rows,
		 const LockedKeys *locked, ObscoreCounts *counts)
{
	int64		n = execute(obscore, select, STATEMENT_PUT_KEYS, rows, n_rows);
	PutOutcome	outcome = {false, false};

	for (int64 i = 0; i < n; i++)
	{
		HeapTuple	row = SPI_tuptable->vals[i];
		TupleDesc	desc = SPI_tuptable->tupdesc;
		bool		isnull;
		pg_uuid_t  *key = DatumGetUUIDP(SPI_getbinval(row, desc, 1, &isnull));
		bool		inserted = DatumGetBool(SPI_getbinval(row, desc, 2, &isnull));
		bool		own = DatumGetBool(SPI_getbinval(row, desc, 3, &isnull));

		*(inserted ? &counts->inserted : &counts->updated) += 1;
		if ((inserted && own) || bsearch(key, locked->keys, locked->n, sizeof(pg_uuid_t), uuid_order) != NULL)
			continue;
		if (inserted)
			outcome.inserted_other = true;
		else
			outcome.updated = true;
	}
	SPI_freetuptable(SPI_tuptable);
	return outcome;
}

static int64
remove_keys(const Obscore *obscore, ObscoreSelect *select, ObscoreRows rows, int64 n_rows, ObscoreCounts *counts)
{
	int64		n = execute(obscore, select, STATEMENT_REMOVE_KEYS, rows, n_rows);

	SPI_freetuptable(SPI_tuptable);
	counts->deleted += n;
	return n;
}

/*
 * Makes the rows of keys as they should be.  Rows that are there are locked first,
 * so that two who have changed different records of one dataset, or different
 * datasets of one data id, do it one after the other, and the second sees what the
 * first has done.
 *
 * A key without a row cannot be locked.  Whoever puts its row at the same time
 * waits for the other at the key's index; what he has computed before is out of
 * date then, which shows in that he updates a row that he has not locked, and he
 * does it again.  And where the tags were removed of a row that was computed but
 * not yet written, it is found without a member, and another may take its place.
 */
static void
apply_keys(const Obscore *obscore, ObscoreSelect *select, ObscoreRows rows, int64 n_rows, ObscoreCounts *counts)
{
	LockedKeys	locked = lock_keys(obscore, select, rows, n_rows);
	PutOutcome	outcome;

	AcceptInvalidationMessages();
	outcome = put_keys(obscore, select, rows, n_rows, &locked, counts);
	if (outcome.updated)
	{
		AcceptInvalidationMessages();
		put_keys(obscore, select, rows, n_rows, &locked, counts);
	}
	if (rows == ROWS_NEW && !outcome.inserted_other)
		return;
	if (remove_keys(obscore, select, rows, n_rows, counts) > 0 && outcome.inserted_other)
		put_keys(obscore, select, rows, n_rows, &locked, counts);
}

/*
 * Executes a kept plan the way of a transaction that puts one dataset after the other: from
 * the second time on it is left standing.  false: it does not stand.
 */
static bool
execute_standing(KeptPlan *kept, const TriggerData *trigdata, int64 *n_inserted)
{
	TransactionId transaction = GetTopTransactionIdIfAny();
	bool		again = TransactionIdEquals(kept->transaction, transaction);

	kept->transaction = transaction;
	if (kept->standing != NULL && !standing_is_valid(kept->standing))
		standing_end(kept->standing);
	if (kept->standing == NULL)
	{
		if (!again || kept->cannot_stand || kept->generation == 0)
			return false;
		kept->cannot_stand = !standing_begin(&kept->standing, kept->plan, OBSCORE_NEW, trigdata->tg_relation, trigdata->tg_newtable);
		if (kept->cannot_stand)
			return false;
		if (plan_generation(kept->plan) != kept->generation)
			kept->limit = 0;
	}
	*n_inserted = standing_execute(kept->standing, trigdata->tg_newtable);
	return true;
}

/* INSERT of few rows that are not there. */
static int64
put_new(const Obscore *obscore, ObscoreSelect *select, const TriggerData *trigdata, ObscoreRows rows, int64 n_rows)
{
	KeptPlan   *kept = kept_plan(obscore, select, STATEMENT_PUT_NEW, rows, n_rows);
	int64		n;

	if (execute_standing(kept, trigdata, &n))
		return n;
	execute_kept(kept);
	return SPI_processed;
}

/*
 * Makes the rows of tags that were inserted, which the transition table OBSCORE_NEW
 * holds.  Their foreign keys have locked the records that the tags refer to: who
 * has changed one of them, or something that leads to one, was waited for, and
 * who does so later waits, and finds these tags (see obscore_write_locks()).
 * Those of an UPDATE have taken the place of others, and no such lock.  all_count:
 * all those of the dataset type are in collections that are known to count.
 *
 * SPI must be connected, with the transition tables registered, and the rights
 * of the table's owner in force; so for the others.
 */
void
obscore_apply_put(const Obscore *obscore, ObscoreSelect *select, const TriggerData *trigdata,
				  int64 n_rows, bool all_count, ObscoreCounts *counts)
{
	bool		updated = trigdata->tg_oldtable != NULL;
	ObscoreRows rows = all_count && !updated ? ROWS_NEW_MEMBERS : ROWS_NEW;

	if (updated)
		execute_only(obscore, select, STATEMENT_KEY_LOCKS, ROWS_NEW, n_rows);
	if (obscore->plain)
	{
		obscore_plain_apply(obscore, select, ROWS_NEW, counts);
		return;
	}
	if (obscore->find_first)
	{
		apply_keys(obscore, select, ROWS_NEW, n_rows, counts);
		return;
	}

	/* to find a plan's UPDATE ready takes as long as an index's entry: few rows are tried without */
	if (n_rows <= FEW_ROWS && put_new(obscore, select, trigdata, rows, n_rows) >= n_rows)
		return;
	/* where all count nothing else tells a dataset's tags apart */
	if (n_rows > FEW_ROWS && rows == ROWS_NEW_MEMBERS && execute(obscore, select, STATEMENT_PUT_NEW, rows, n_rows) >= n_rows)
		return;
	execute_only(obscore, select, STATEMENT_PUT, ROWS_NEW, n_rows);
}

/*
 * Deletes the rows of tags that were deleted, which the transition table
 * OBSCORE_OLD holds, where no other tag holds them; in a find-first table the next
 * of the data id takes the place, and else that in another run.
 */
void
obscore_apply_removed(const Obscore *obscore, ObscoreSelect *select, int64 n_rows, ObscoreCounts *counts)
{
	if (obscore->plain)
		obscore_plain_apply(obscore, select, ROWS_OLD, counts);
	else if (obscore->find_first)
		apply_keys(obscore, select, ROWS_OLD, n_rows, counts);
	else if (remove_keys(obscore, select, ROWS_OLD, n_rows, counts) < n_rows && obscore->config->collection_type == OBSCORE_RUN)
		apply_keys(obscore, select, ROWS_OLD, n_rows, counts);
}

/*
 * Makes the rows of keys, which are in the rows OBSCORE_TOUCHED, as they should be.
 */
void
obscore_apply_touched(const Obscore *obscore, ObscoreSelect *select, int64 n_rows, ObscoreCounts *counts)
{
	if (obscore->plain)
		obscore_plain_apply(obscore, select, ROWS_TOUCHED, counts);
	else
		apply_keys(obscore, select, ROWS_TOUCHED, n_rows, counts);
}
