/*-------------------------------------------------------------------------
 *
 * src/obscore/replica.c
 *	  ObsCore tables of a registry or catalog that logical replication writes.
 *
 * The apply worker fires row triggers only, and those only that are enabled for
 * replicas.  collect_obscore, after each row, keeps it as it was and as it is; when
 * the transaction is about to commit, all of a table's rows are one event, as if one
 * statement had changed them.  A session under session_replication_role = replica is
 * served the same way.
 *
 * Not by a deferred trigger, for the reason that closure/replica.c gives.  What a
 * rolled back subtransaction has changed is kept, too: rows are made as they should
 * be by what is there then.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/xact.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "utils/tuplestore.h"

#include "obscore/replica.h"

typedef struct ChangedTable
{
	Oid			relid;
	TupleDesc	desc;			/* of the rows */
	Tuplestorestate *old;
	Tuplestorestate *new;
} ChangedTable;

static List *changed_tables = NIL;	/* of this transaction, in the order of their first changes */

static ChangedTable *
changed_table(Relation rel)
{
	MemoryContext before;
	ChangedTable *table;
	ListCell   *cell;

	foreach(cell, changed_tables)
	{
		table = lfirst(cell);
		if (table->relid == RelationGetRelid(rel))
			return table;
	}
	before = MemoryContextSwitchTo(TopTransactionContext);
	table = palloc(sizeof(ChangedTable));
	table->relid = RelationGetRelid(rel);
	table->desc = CreateTupleDescCopyConstr(RelationGetDescr(rel));
	table->old = tuplestore_begin_heap(false, false, work_mem);
	table->new = tuplestore_begin_heap(false, false, work_mem);
	changed_tables = lappend(changed_tables, table);
	MemoryContextSwitchTo(before);
	return table;
}

/* A table that has been dropped since, or has other columns, is refreshed by whoever does so. */
static void
flush(const ChangedTable *table)
{
	Relation	rel = try_table_open(table->relid, AccessShareLock);

	if (rel == NULL)
		return;
	if (equalTupleDescs(table->desc, RelationGetDescr(rel)))
		obscore_rows_changed(rel, table->old, table->new);
	else
		ereport(WARNING,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("could not keep the ObsCore tables of \"%s\"", RelationGetRelationName(rel)),
				 errdetail("Its rows were changed under session_replication_role = replica, and then its columns."),
				 errhint("catreg.refresh_obscore() brings a table up to date.")));
	table_close(rel, AccessShareLock);
}

static void
flush_all(void)
{
	List	   *tables = changed_tables;
	ListCell   *cell;

	/* what is changed meanwhile is noted anew */
	changed_tables = NIL;
	PushActiveSnapshot(GetTransactionSnapshot());
	foreach(cell, tables)
		flush(lfirst(cell));
	foreach(cell, tables)
		obscore_paths_changed(((ChangedTable *) lfirst(cell))->relid);
	PopActiveSnapshot();
	foreach(cell, tables)
	{
		tuplestore_end(((ChangedTable *) lfirst(cell))->old);
		tuplestore_end(((ChangedTable *) lfirst(cell))->new);
	}

	/* and may have queued events, for which it is the last moment */
	AfterTriggerFireDeferred();
}

static void
at_transaction_end(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_PRE_COMMIT || event == XACT_EVENT_PRE_PREPARE)
		while (changed_tables != NIL)
			flush_all();
	else
		changed_tables = NIL;
}

void
obscore_replica_init(void)
{
	RegisterXactCallback(at_transaction_end, NULL);
}

PG_FUNCTION_INFO_V1(collect_obscore);

/*
 * Trigger, AFTER INSERT OR UPDATE OR DELETE FOR EACH ROW, enabled for replicas: keeps
 * the row for the end of the transaction.
 */
Datum
collect_obscore(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;
	ResourceOwner before = CurrentResourceOwner;
	ChangedTable *table;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_AFTER(trigdata->tg_event) ||
		!TRIGGER_FIRED_FOR_ROW(trigdata->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" was not called as an AFTER ROW trigger", "collect_obscore")));

	/* ALTER TABLE ... ENABLE TRIGGER ALL lets it fire where others do the work */
	if (SessionReplicationRole != SESSION_REPLICATION_ROLE_REPLICA)
		return PointerGetDatum(NULL);

	/* the files of what does not fit into memory outlive the statement */
	CurrentResourceOwner = TopTransactionResourceOwner;
	table = changed_table(trigdata->tg_relation);
	if (TRIGGER_FIRED_BY_INSERT(trigdata->tg_event))
		tuplestore_puttuple(table->new, trigdata->tg_trigtuple);
	else
		tuplestore_puttuple(table->old, trigdata->tg_trigtuple);
	if (TRIGGER_FIRED_BY_UPDATE(trigdata->tg_event))
		tuplestore_puttuple(table->new, trigdata->tg_newtuple);
	CurrentResourceOwner = before;
	return PointerGetDatum(NULL);
}
