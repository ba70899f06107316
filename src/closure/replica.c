/*-------------------------------------------------------------------------
 *
 * src/closure/replica.c
 *	  The closure of a tree that logical replication writes.
 *
 * The apply worker fires row triggers only, and those only that are enabled
 * for replicas.  collect_closure, after each row, notes the nodes touched;
 * their closure is computed again when the transaction is about to commit.  A
 * session under session_replication_role = replica is served the same way.
 *
 * Not by a deferred trigger: PostgreSQL refuses to TRUNCATE or alter a table
 * that has one waiting, and a subscriber that cannot apply what its publisher
 * could do is stuck.
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
#include "utils/snapmgr.h"

#include "closure/closure.h"
#include "core/query.h"

typedef struct Touched
{
	Oid			tree;
	IdList		ids;
} Touched;

static HTAB *touched_trees = NULL;	/* of this transaction */

/*
 * Computes the closure of the nodes noted.  A tree that has no closure any more
 * is left alone.
 */
static void
flush(Touched *touched)
{
	const Closure *found = closure_get(touched->tree, true);
	Closure		closure;
	QueryUser	before;

	if (found == NULL || touched->ids.n == 0)
		return;
	closure = *found;
	SPI_connect();
	query_become(closure_owner(&closure), &before);
	closure_refresh(&closure, &touched->ids);
	query_return(&before);
	SPI_finish();
}

static void
flush_all(void)
{
	HASH_SEQ_STATUS scan;
	Touched    *touched;
	HTAB	   *trees = touched_trees;

	/* what a closure's own triggers touch is noted anew */
	touched_trees = NULL;
	PushActiveSnapshot(GetTransactionSnapshot());
	hash_seq_init(&scan, trees);
	while ((touched = hash_seq_search(&scan)) != NULL)
		flush(touched);
	PopActiveSnapshot();

	/* and may have queued events, for which it is the last moment */
	AfterTriggerFireDeferred();
}

static void
at_transaction_end(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_PRE_COMMIT || event == XACT_EVENT_PRE_PREPARE)
		while (touched_trees != NULL)
			flush_all();
	else
		touched_trees = NULL;
}

void
closure_replica_init(void)
{
	RegisterXactCallback(at_transaction_end, NULL);
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

	if (!CALLED_AS_TRIGGER(fcinfo) ||
		!TRIGGER_FIRED_AFTER(trigdata->tg_event) ||
		!TRIGGER_FIRED_FOR_ROW(trigdata->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" was not called as an AFTER ROW trigger",
						"collect_closure")));

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
