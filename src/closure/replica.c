/*-------------------------------------------------------------------------
 *
 * src/closure/replica.c
 *	  The closure of a tree that logical replication writes.
 *
 * The apply worker fires row triggers only, and those only that are enabled
 * for replicas.  collect_closure, after each row, notes the nodes touched;
 * flush_closure, a constraint trigger deferred to the end of the transaction,
 * computes their closure again when it is called first, and finds nothing to
 * do from then on.  A session under session_replication_role = replica is
 * served the same way.
 *
 * What a rolled back subtransaction has noted stays: computing a node again
 * that nothing has happened to changes nothing.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "closure/closure.h"
#include "core/query.h"

typedef struct Touched
{
	Oid			tree;
	IdList		ids;
} Touched;

static HTAB *touched_trees = NULL;	/* of this transaction */

static void
forget_touched(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_ABORT || event == XACT_EVENT_COMMIT ||
		event == XACT_EVENT_PREPARE)
		touched_trees = NULL;
}

void
closure_replica_init(void)
{
	RegisterXactCallback(forget_touched, NULL);
}

static Touched *
touched_of(Oid tree)
{
	bool		found;
	Touched    *touched;

	if (touched_trees == NULL)
	{
		HASHCTL		ctl;

		ctl.keysize = sizeof(Oid);
		ctl.entrysize = sizeof(Touched);
		ctl.hcxt = TopTransactionContext;
		touched_trees = hash_create("catreg touched nodes", 8, &ctl,
									HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	touched = hash_search(touched_trees, &tree, HASH_ENTER, &found);
	if (!found)
	{
		MemoryContext before = MemoryContextSwitchTo(TopTransactionContext);

		id_list_init(&touched->ids);
		MemoryContextSwitchTo(before);
	}
	return touched;
}

static void
note(Touched *touched, const Closure *closure, Relation rel, HeapTuple tuple)
{
	const char *name = get_attname(closure->tree, closure->id, false);
	bool		isnull;
	Datum		id;

	id = heap_getattr(tuple, get_attnum(RelationGetRelid(rel), name),
					  RelationGetDescr(rel), &isnull);
	if (!isnull)
		id_list_add(&touched->ids, datum_get_id(closure->type, id));
}

static void
check_protocol(FunctionCallInfo fcinfo, const char *name)
{
	if (!CALLED_AS_TRIGGER(fcinfo) ||
		!TRIGGER_FIRED_AFTER(((TriggerData *) fcinfo->context)->tg_event) ||
		!TRIGGER_FIRED_FOR_ROW(((TriggerData *) fcinfo->context)->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" was not called as an AFTER ROW trigger", name)));
}

PG_FUNCTION_INFO_V1(collect_closure);

/*
 * Trigger, AFTER INSERT OR UPDATE OR DELETE FOR EACH ROW, enabled for replicas:
 * notes the node.
 */
Datum
collect_closure(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;
	const Closure *closure;
	Touched    *touched;

	check_protocol(fcinfo, "collect_closure");

	/* ALTER TABLE ... ENABLE TRIGGER ALL lets it fire where others do the work */
	if (SessionReplicationRole != SESSION_REPLICATION_ROLE_REPLICA)
		return PointerGetDatum(NULL);

	closure = closure_get(RelationGetRelid(trigdata->tg_relation), false);
	touched = touched_of(closure->tree);
	note(touched, closure, trigdata->tg_relation, trigdata->tg_trigtuple);
	if (TRIGGER_FIRED_BY_UPDATE(trigdata->tg_event))
		note(touched, closure, trigdata->tg_relation, trigdata->tg_newtuple);
	return PointerGetDatum(NULL);
}

PG_FUNCTION_INFO_V1(flush_closure);

/*
 * Constraint trigger, deferred, enabled for replicas: computes the closure of
 * the nodes noted so far.
 */
Datum
flush_closure(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;
	Closure		closure;
	Touched    *touched;
	QueryUser	before;

	check_protocol(fcinfo, "flush_closure");
	if (touched_trees == NULL)
		return PointerGetDatum(NULL);
	closure = *closure_get(RelationGetRelid(trigdata->tg_relation), false);
	touched = touched_of(closure.tree);
	if (touched->ids.n == 0)
		return PointerGetDatum(NULL);

	SPI_connect();
	query_become(closure_owner(&closure), &before);
	closure_refresh(&closure, &touched->ids);
	touched->ids.n = 0;
	query_return(&before);
	SPI_finish();
	return PointerGetDatum(NULL);
}
