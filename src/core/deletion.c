/*-------------------------------------------------------------------------
 *
 * src/core/deletion.c
 *	  What there was before this transaction has deleted a row.
 *
 * Where rows go by a cascade, triggers on them fire when the row that they refer to
 * is gone.  Of this transaction's own doing nothing is lost, though: a snapshot sees
 * what a command has deleted unless that came before the one it says it is for.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_am_d.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/typcache.h"

#include "core/deletion.h"

/* The index of a single column, if it is the primary key's, or InvalidOid. */
static Oid
primary_key_on(Relation rel, AttrNumber column)
{
	Oid			index = InvalidOid;

	list_free(RelationGetIndexList(rel));	/* reads rd_pkindex */
	if (OidIsValid(rel->rd_pkindex))
	{
		Relation	key = index_open(rel->rd_pkindex, AccessShareLock);

		if (IndexRelationGetNumberOfKeyAttributes(key) == 1 && key->rd_index->indkey.values[0] == column)
			index = rel->rd_pkindex;
		index_close(key, AccessShareLock);
	}
	return index;
}

static void
set_key(ScanKey scankey, Relation rel, AttrNumber column, Datum key)
{
	Form_pg_attribute attribute = TupleDescAttr(RelationGetDescr(rel), column - 1);
	TypeCacheEntry *type = lookup_type_cache(attribute->atttypid, TYPECACHE_EQ_OPR_FINFO);

	ScanKeyEntryInitializeWithInfo(scankey, 0, column, BTEqualStrategyNumber, InvalidOid,
								   attribute->attcollation, &type->eq_opr_finfo, key);
}

/* Has this transaction deleted, or changed, a version of a row? */
static bool
was_deleted(HeapTupleHeader version)
{
	return (version->t_infomask & HEAP_XMAX_INVALID) == 0 &&
		!HEAP_XMAX_IS_LOCKED_ONLY(version->t_infomask) &&
		TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetUpdateXid(version));
}

/* The command that has deleted the row with a key, or InvalidCommandId. */
static CommandId
deleting_command(Relation rel, AttrNumber column, Datum key)
{
	Oid			index = primary_key_on(rel, column);
	CommandId	command = InvalidCommandId;
	ScanKeyData scankey;
	SysScanDesc scan;
	HeapTuple	version;

	set_key(&scankey, rel, column, key);
	scan = systable_beginscan(rel, index, OidIsValid(index), SnapshotAny, 1, &scankey);
	while (HeapTupleIsValid(version = systable_getnext(scan)))
		if (was_deleted(version->t_data) &&
			(command == InvalidCommandId || HeapTupleHeaderGetCmax(version->t_data) > command))
			command = HeapTupleHeaderGetCmax(version->t_data);
	systable_endscan(scan);
	return command;
}

/*
 * What is committed at this moment and what this transaction has done up to the command
 * with which it has deleted a table's row: its last version, by a column that is its key
 * and whose value is of the column's type.  Registered; the caller unregisters it.
 *
 * NULL: this transaction has deleted no such row (or none that may still be read), or the
 * table is no heap.
 */
Snapshot
snapshot_before_deletion(Oid table, AttrNumber column, Datum key)
{
	Relation	rel = table_open(table, AccessShareLock);
	Snapshot	snapshot = NULL;
	CommandId	command = InvalidCommandId;

	if (rel->rd_rel->relam == HEAP_TABLE_AM_OID)
		command = deleting_command(rel, column, key);
	if (command != InvalidCommandId)
	{
		/* what is registered is a copy */
		snapshot = RegisterSnapshot(GetLatestSnapshot());
		snapshot->curcid = command;
	}
	table_close(rel, NoLock);
	return snapshot;
}
