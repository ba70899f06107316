/*-------------------------------------------------------------------------
 *
 * src/closure/take_over.c
 *	  Makes a closure right, and stops whoever would change it, in one step.
 *
 * What create_closure() and attach_tiled() begin with.  Comparing a large tree
 * takes a while, in which clients should be able to write: so the look comes
 * first, the lock after it, and what has changed in between is found by the
 * transactions that have written it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "closure/closure.h"
#include "core/compat.h"
#include "core/query.h"

/*
 * Adds the nodes of a plain table that were inserted or updated by
 * transactions that a snapshot does not see.  The snapshot must be registered:
 * so long as it is, VACUUM freezes none of them.
 */
static void
add_changed(const Closure *closure, Snapshot since, IdList *nodes)
{
	Relation	rel = table_open(closure->tree, NoLock);
	Snapshot	now = RegisterSnapshot(GetLatestSnapshot());
	TableScanDesc scan = table_beginscan(rel, now, 0, NULL);
	TupleTableSlot *slot = table_slot_create(rel, NULL);

	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		bool		isnull;
		TransactionId xmin = DatumGetTransactionId(slot_getsysattr(slot, MinTransactionIdAttributeNumber, &isnull));

		CHECK_FOR_INTERRUPTS();
		if (XidInMVCCSnapshot(xmin, since))
			id_list_add(nodes, datum_get_id(closure->type, slot_getattr(slot, closure->id, &isnull)));
	}
	ExecDropSingleTupleTableSlot(slot);
	table_endscan(scan);
	UnregisterSnapshot(now);
	table_close(rel, NoLock);
}

PG_FUNCTION_INFO_V1(closure_take_over);

/*
 * closure_take_over(tree) -> bigint: makes a closure right, for the owner of the
 * tree, and returns the number of rows mended.  Locks the tree SHARE ROW
 * EXCLUSIVE, to the end of the transaction: nobody changes it any more.
 *
 * Rows that vanish in between are no matter where foreign keys take their
 * closure rows along.  Elsewhere, and in partitioned trees, the lock comes
 * first.
 */
Datum
closure_take_over(PG_FUNCTION_ARGS)
{
	Closure		closure = *closure_get(PG_GETARG_OID(0), false);
	bool		lock_first = !closure.cascades ||
		get_rel_relkind(closure.tree) != RELKIND_RELATION;
	Snapshot	snapshot;
	QueryUser	before;
	IdList		nodes;
	bool		orphans;
	uint64		mended;

	if (!pg_class_ownercheck(closure.tree, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_TABLE, get_rel_name(closure.tree));

	SPI_connect();
	query_become(closure_owner(&closure), &before);
	if (lock_first)
		query_lock_table(closure.tree, ShareRowExclusiveLock);
	CommandCounterIncrement();
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	closure_compare(&closure, snapshot, &nodes, &orphans);
	if (!lock_first)
	{
		query_lock_table(closure.tree, ShareRowExclusiveLock);
		add_changed(&closure, snapshot, &nodes);
	}
	UnregisterSnapshot(snapshot);
	mended = closure_mend_found(&closure, &nodes, orphans);
	query_return(&before);
	SPI_finish();
	closure_refreshed(closure.tree);
	PG_RETURN_INT64(mended);
}
