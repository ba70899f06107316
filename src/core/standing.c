/*-------------------------------------------------------------------------
 *
 * src/core/standing.c
 *	  Saved INSERTs from transition tables, executed over and over.
 *
 * A client that puts one row at a time has the same statement executed for each of
 * them.  To get its plan ready, a dozen relations opened and expressions compiled,
 * and to take it down again, takes longer than to execute it.  So it is left standing, to
 * the end of the transaction, and each time its nodes are told to begin again, with
 * other rows and another snapshot.
 *
 * What stands between two executions is relations that are open, with their locks,
 * which the transaction holds in any case, and no buffer and no snapshot: index
 * scans let go of theirs.  Nodes that keep rows (Sort, Memoize, ...) would give those
 * of another snapshot again; a plan that has other than a few kinds does not stand.
 *
 * Nobody may ALTER or DROP a relation that is open in his own session: utility
 * statements end whatever stands.  So does the end of the transaction, and a
 * subtransaction that is undone, perhaps in the midst of an execution.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/xact.h"
#include "executor/executor.h"
#include "lib/ilist.h"
#include "nodes/nodeFuncs.h"
#include "storage/bufmgr.h"
#include "tcop/utility.h"
#include "utils/memutils.h"
#include "utils/plancache.h"
#include "utils/queryenvironment.h"
#include "utils/rel.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"

#include "core/compat.h"
#include "core/standing.h"

/* What executions leave behind in memory is freed after so many. */
#define MAX_EXECUTIONS 1000

struct Standing
{
	dlist_node	node;
	Standing  **place;			/* where the caller remembers it */
	MemoryContext context;
	ResourceOwner owner;		/* of all that is open */
	CachedPlanSource *source;
	CachedPlan *plan;
	QueryDesc  *desc;			/* NULL: not begun */
	NamedTuplestoreScanState *scan; /* of the transition table */
	int			n_executions;
	bool		busy;
};

static dlist_head all_standing = DLIST_STATIC_INIT(all_standing);
static ProcessUtility_hook_type next_utility = NULL;

/* ----------------------------------------------------------------- the plan */

/* May a node be told to begin again when what it reads has changed? */
static bool
is_stateless(const PlanState *state)
{
	if (state->initPlan != NIL || state->subPlan != NIL)
		return false;
	switch (nodeTag(state))
	{
		case T_NestLoopState:
		case T_IndexScanState:
		case T_IndexOnlyScanState:
		case T_LimitState:
		case T_ResultState:
		case T_SubqueryScanState:
		case T_NamedTuplestoreScanState:
			return true;
		default:
			return false;
	}
}

/* Looks for what cannot stand, and for the scan of the transition table. */
static bool
find_obstacle(PlanState *state, void *arg)
{
	Standing   *standing = arg;

	if (!is_stateless(state))
		return true;
	if (IsA(state, NamedTuplestoreScanState))
	{
		if (standing->scan != NULL)
			return true;
		standing->scan = (NamedTuplestoreScanState *) state;
	}
	return planstate_tree_walker(state, find_obstacle, arg);
}

/* Lets a scan go of its pages and its snapshot; its own memory, a malloc() of 27 kB, it keeps. */
static void
rest_scan(IndexScanDesc scan)
{
	if (scan == NULL)
		return;
	index_rescan(scan, NULL, scan->numberOfKeys, NULL, scan->numberOfOrderBys);
	scan->xs_snapshot = InvalidSnapshot;
}

static bool
rest_scans(PlanState *state, void *arg)
{
	if (IsA(state, IndexScanState))
	{
		rest_scan(((IndexScanState *) state)->iss_ScanDesc);
		ExecClearTuple(((IndexScanState *) state)->ss.ss_ScanTupleSlot);
	}
	else if (IsA(state, IndexOnlyScanState))
	{
		IndexOnlyScanState *scan = (IndexOnlyScanState *) state;

		if (scan->ioss_VMBuffer != InvalidBuffer)
			ReleaseBuffer(scan->ioss_VMBuffer);
		scan->ioss_VMBuffer = InvalidBuffer;
		rest_scan(scan->ioss_ScanDesc);
		ExecClearTuple(scan->ss.ss_ScanTupleSlot);
		ExecClearTuple(scan->ioss_TableSlot);
	}
	else if (IsA(state, NamedTuplestoreScanState))
		ExecClearTuple(((NamedTuplestoreScanState *) state)->ss.ss_ScanTupleSlot);
	return planstate_tree_walker(state, rest_scans, arg);
}

/* Gives the scans that have been begun a snapshot; the others take it from the executor's state. */
static bool
wake_scans(PlanState *state, void *snapshot)
{
	IndexScanDesc scan = NULL;

	if (IsA(state, IndexScanState))
		scan = ((IndexScanState *) state)->iss_ScanDesc;
	else if (IsA(state, IndexOnlyScanState))
		scan = ((IndexOnlyScanState *) state)->ioss_ScanDesc;
	if (scan != NULL)
		scan->xs_snapshot = snapshot;
	return planstate_tree_walker(state, wake_scans, snapshot);
}

/* Is it an INSERT into one plain table, without triggers and RETURNING, of rows made by such nodes? */
static bool
can_stand(Standing *standing)
{
	ModifyTableState *state = (ModifyTableState *) standing->desc->planstate;

	return IsA(state, ModifyTableState) && state->operation == CMD_INSERT && state->mt_nrels == 1 &&
		standing->desc->plannedstmt->subplans == NIL && !standing->desc->plannedstmt->hasReturning &&
		state->resultRelInfo->ri_RelationDesc->rd_rel->relkind == RELKIND_RELATION &&
		state->resultRelInfo->ri_TrigDesc == NULL &&
		!find_obstacle(outerPlanState(state), standing) && standing->scan != NULL;
}

/* ------------------------------------------------------------ begin and end */

/* The transaction keeps the locks. */
static void
forget(Standing *standing, bool is_commit)
{
	dlist_delete(&standing->node);
	*standing->place = NULL;
	ResourceOwnerRelease(standing->owner, RESOURCE_RELEASE_BEFORE_LOCKS, is_commit, false);
	ResourceOwnerRelease(standing->owner, RESOURCE_RELEASE_LOCKS, true, false);
	ResourceOwnerRelease(standing->owner, RESOURCE_RELEASE_AFTER_LOCKS, is_commit, false);
	ResourceOwnerDelete(standing->owner);
	MemoryContextDelete(standing->context);
}

/*
 * Ends a standing execution, which is NULL in its place from then on.
 */
void
standing_end(Standing *standing)
{
	ResourceOwner before = CurrentResourceOwner;

	CurrentResourceOwner = standing->owner;
	ExecutorFinish(standing->desc);
	ExecutorEnd(standing->desc);
	FreeQueryDesc(standing->desc);
	ReleaseCachedPlan(standing->plan, standing->owner);
	CurrentResourceOwner = before;
	forget(standing, true);
}

static void
end_all(void)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &all_standing)
	{
		Standing   *standing = dlist_container(Standing, node, iter.cur);

		if (!standing->busy)
			standing_end(standing);
	}
}

static void
start(Standing *standing, const char *name, Relation rel, Tuplestorestate *rows)
{
	QueryEnvironment *environment = create_queryEnv();
	EphemeralNamedRelation relation = palloc0(sizeof(EphemeralNamedRelationData));

	relation->md.name = pstrdup(name);
	relation->md.reliddesc = RelationGetRelid(rel);
	relation->md.enrtype = ENR_NAMED_TUPLESTORE;
	relation->md.enrtuples = tuplestore_tuple_count(rows);
	relation->reldata = rows;
	register_ENR(environment, relation);
	standing->plan = GetCachedPlan(standing->source, NULL, standing->owner, environment);
	standing->desc = CreateQueryDesc(linitial_node(PlannedStmt, standing->plan->stmt_list), standing->source->query_string,
									 InvalidSnapshot, InvalidSnapshot, None_Receiver, NULL, environment, 0);
	ExecutorStart(standing->desc, EXEC_FLAG_SKIP_TRIGGERS);
}

/*
 * Has a saved plan stand, an INSERT from rows of a relation's transition table that it knows by a
 * name, and remembers that in a place.  The rights of whom the plan is executed for are in
 * force, and no snapshot is needed.  false: it cannot stand.
 */
bool
standing_begin(Standing **place, SPIPlanPtr plan, const char *name, Relation rel, Tuplestorestate *rows)
{
	MemoryContext context = AllocSetContextCreate(TopTransactionContext, "catreg standing execution", ALLOCSET_DEFAULT_SIZES);
	MemoryContext before = MemoryContextSwitchTo(context);
	ResourceOwner owner_before = CurrentResourceOwner;
	Standing   *standing = palloc0(sizeof(Standing));

	standing->context = context;
	standing->owner = ResourceOwnerCreate(TopTransactionResourceOwner, "catreg standing execution");
	standing->source = linitial(SPI_plan_get_plan_sources(plan));
	standing->place = place;
	standing->busy = true;
	*place = standing;
	dlist_push_tail(&all_standing, &standing->node);
	CurrentResourceOwner = standing->owner;
	start(standing, name, rel, rows);
	CurrentResourceOwner = owner_before;
	MemoryContextSwitchTo(before);
	standing->busy = false;
	if (can_stand(standing))
		return true;
	standing_end(standing);
	ereport(DEBUG1,
			(errmsg_internal("catreg: a plan for single rows is made ready for each: it is not made of look-ups alone, or the table has triggers")));
	return false;
}

/*
 * Is a plan that stands still what it was planned for?
 */
bool
standing_is_valid(const Standing *standing)
{
	return standing->source->is_valid && standing->plan->is_valid && standing->n_executions < MAX_EXECUTIONS;
}

/* ---------------------------------------------------------------- execution */

static void
set_rows(NamedTuplestoreScanState *scan, Tuplestorestate *rows)
{
	scan->relation = rows;
	scan->readptr = tuplestore_alloc_read_pointer(rows, EXEC_FLAG_REWIND);
}

/*
 * Executes what stands, with other rows and a snapshot of this moment, as query_execute_planned()
 * does.  Returns the number of rows inserted.
 */
uint64
standing_execute(Standing *standing, Tuplestorestate *rows)
{
	ModifyTableState *state = (ModifyTableState *) standing->desc->planstate;
	EState	   *estate = standing->desc->estate;
	ResourceOwner before = CurrentResourceOwner;
	uint64		n_rows;

	standing->n_executions++;
	standing->busy = true;
	CommandCounterIncrement();
	PushActiveSnapshot(GetLatestSnapshot());
	CurrentResourceOwner = standing->owner;
	estate->es_snapshot = GetActiveSnapshot();
	estate->es_output_cid = GetCurrentCommandId(true);
	set_rows(standing->scan, rows);
	wake_scans(outerPlanState(state), estate->es_snapshot);
	ExecReScan(outerPlanState(state));
	state->mt_done = false;
	catreg_executor_run(standing->desc);
	n_rows = estate->es_processed;
	rest_scans(outerPlanState(state), NULL);
	estate->es_snapshot = InvalidSnapshot;
	CurrentResourceOwner = before;
	PopActiveSnapshot();
	CommandCounterIncrement();
	standing->busy = false;
	return n_rows;
}

/* ------------------------------------------------------------------- events */

static void
end_before_utility(PlannedStmt *statement, const char *text, bool read_only, ProcessUtilityContext context,
				   ParamListInfo params, QueryEnvironment *environment, DestReceiver *dest, QueryCompletion *completion)
{
	end_all();
	(next_utility != NULL ? next_utility : standard_ProcessUtility)
		(statement, text, read_only, context, params, environment, dest, completion);
}

static void
end_with_transaction(XactEvent event, void *arg)
{
	dlist_mutable_iter iter;

	if (event == XACT_EVENT_PRE_COMMIT || event == XACT_EVENT_PRE_PREPARE)
		end_all();
	else if (event == XACT_EVENT_ABORT)
		dlist_foreach_modify(iter, &all_standing)
		{
			/* what it holds is about to be released with all the rest */
			*dlist_container(Standing, node, iter.cur)->place = NULL;
			dlist_delete(iter.cur);
		}
}

static void
forget_with_subtransaction(SubXactEvent event, SubTransactionId id, SubTransactionId parent, void *arg)
{
	dlist_mutable_iter iter;

	if (event == SUBXACT_EVENT_ABORT_SUB)
		dlist_foreach_modify(iter, &all_standing)
			forget(dlist_container(Standing, node, iter.cur), false);
}

/*
 * Once, when the module is loaded.
 */
void
standing_init(void)
{
	next_utility = ProcessUtility_hook;
	ProcessUtility_hook = end_before_utility;
	RegisterXactCallback(end_with_transaction, NULL);
	RegisterSubXactCallback(forget_with_subtransaction, NULL);
}
