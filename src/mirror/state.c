/*-------------------------------------------------------------------------
 *
 * src/mirror/state.c
 *	  What has certainly not changed since the last time.
 *
 * There, a row that is written, inserted or updated, is stamped with the number of
 * its transaction (xmin), which VACUUM, CLUSTER and the like leave alone.  A row
 * that a snapshot did not show, and a later one shows, has a number that is not
 * below the older snapshot's xmin.  So the rows with such numbers are all that can
 * be new or different; and where there are as many rows as those and the known
 * ones make together, none is gone.  That is true
 *
 * - within one run of one server (Mirror.identity): what has been restored, or has
 *	 crashed, gives numbers a second time;
 * - while the older snapshot is not 2^31 transactions back, where numbers begin to
 *	 come round;
 * - for a plain table on PostgreSQL's heap, not for partitions, which may be of
 *	 any kind;
 * - while the columns are the same ones: one that is dropped and added again with
 *	 a default shows other values without any row being written;
 * - for types whose text depends on nothing else.
 *
 * Where no transaction has got a number since, no row need be looked at.
 *
 * Otherwise, and here where others may have written, rows are compared.  Whether
 * they have is told by the pages of the table's file: whatever writes a row leaves
 * on its page where in the log it has said so.  Pages may have been written for
 * other reasons, VACUUM among them.  Then the print of the table tells: the count
 * of its rows and a sum of hashes of their places and transaction numbers, which
 * together name a version of a row for good.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/transam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_am.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/builtins.h"
#include "utils/pg_lsn.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "core/compat.h"

#include "core/query.h"
#include "mirror/mirror.h"

#define MAX_AGE (UINT64CONST(1) << 30)

static void
read_row(MirrorState *state, HeapTuple row, TupleDesc desc)
{
	const char *lsn = SPI_getvalue(row, desc, 7);

	state->known = true;
	state->remote = SPI_getvalue(row, desc, 2);
	state->remote_xmin = strtoull(SPI_getvalue(row, desc, 3), NULL, 10);
	state->local = SPI_getvalue(row, desc, 4);
	state->local_xid = strtoull(SPI_getvalue(row, desc, 5), NULL, 10);
	state->file = SPI_getvalue(row, desc, 6);
	state->lsn = lsn == NULL ? InvalidXLogRecPtr : DatumGetLSN(DirectFunctionCall1(pg_lsn_in, CStringGetDatum(lsn)));
}

/*
 * Reads what was noted.  SPI must be connected.
 */
void
state_read(Mirror *mirror)
{
	if (SPI_execute("SELECT m.relation::pg_catalog.oid, m.remote_state, m.remote_xmin, m.local_state, m.local_xid, m.local_file, m.local_lsn "
					"FROM catreg.mirror m WHERE m.remote_state IS NOT NULL", false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read catreg.mirror");
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		HeapTuple	row = SPI_tuptable->vals[i];
		bool		isnull;
		MirrorTable *table = catalog_find(mirror, DatumGetObjectId(SPI_getbinval(row, SPI_tuptable->tupdesc, 1, &isnull)));

		if (table != NULL && !table->fresh)
			read_row(&table->state, row, SPI_tuptable->tupdesc);
	}
	SPI_freetuptable(SPI_tuptable);
}

/* Which columns of which table of which run of the remote. */
static const char *
remote_state(const Mirror *mirror, const MirrorTable *table)
{
	StringInfoData text;
	ListCell   *cell;

	if (mirror->identity == NULL || !table->plain)
		return NULL;
	initStringInfo(&text);
	appendStringInfo(&text, "%s/%s/", mirror->identity, table->oid);
	foreach(cell, table->columns)
	{
		const MirrorColumn *column = lfirst(cell);

		if (!column->stable)
			return NULL;
		appendStringInfo(&text, "%d,", column->remote_attnum);
	}
	return text.data;
}

/*
 * Do the transaction numbers there tell what has changed?
 */
bool
state_is_usable(const Mirror *mirror, const MirrorTable *table)
{
	const char *remote = remote_state(mirror, table);
	uint64		xid = U64FromFullTransactionId(ReadNextFullTransactionId());

	return remote != NULL && table->state.known &&
		strcmp(remote, table->state.remote) == 0 &&
		table->state.remote_xmin <= mirror->snapshot_xmin &&
		mirror->snapshot_xmax - table->state.remote_xmin < MAX_AGE &&
		table->state.local_xid <= xid && xid - table->state.local_xid < MAX_AGE;
}

/* A column that is dropped and added again shows other values, too. */
static const char *
column_numbers(const MirrorTable *table)
{
	StringInfoData text;
	ListCell   *cell;

	initStringInfo(&text);
	foreach(cell, table->columns)
		appendStringInfo(&text, "%d,", ((MirrorColumn *) lfirst(cell))->attnum);
	return text.data;
}

/*
 * The print of the rows here: their number first.  NULL for a table that is not on
 * PostgreSQL's heap.
 */
const char *
state_print(const MirrorTable *table)
{
	Relation	rel = table_open(table->relid, AccessShareLock);
	TableScanDesc scan;
	HeapTuple	tuple;
	uint64		n = 0;
	uint64		sum = 0;

	if (rel->rd_rel->relam != HEAP_TABLE_AM_OID)
	{
		table_close(rel, AccessShareLock);
		return NULL;
	}
	PushActiveSnapshot(GetTransactionSnapshot());
	scan = table_beginscan(rel, GetActiveSnapshot(), 0, NULL);
	while ((tuple = heap_getnext(scan, ForwardScanDirection)) != NULL)
	{
		uint64		place = (uint64) ItemPointerGetBlockNumber(&tuple->t_self) << 16 | ItemPointerGetOffsetNumber(&tuple->t_self);

		sum += hash_bytes_uint32_extended(HeapTupleHeaderGetRawXmin(tuple->t_data), place);
		if (++n % 1024 == 0)
			CHECK_FOR_INTERRUPTS();
	}
	table_endscan(scan);
	PopActiveSnapshot();
	table_close(rel, AccessShareLock);

	return psprintf(UINT64_FORMAT "/" UINT64_FORMAT "/%s", n, sum, column_numbers(table));
}

/*
 * Which file of which cluster the rows are in, and how long it is, since VACUUM cuts
 * off pages whose rows somebody has deleted.  NULL where a row can be written
 * without the log being told.
 */
static const char *
file_name(Relation rel, const MirrorTable *table)
{
	if (rel->rd_rel->relam != HEAP_TABLE_AM_OID || !RelationNeedsWAL(rel))
		return NULL;
	return psprintf(UINT64_FORMAT "/%u/%u/%u/%s", GetSystemIdentifier(), MyDatabaseId, catreg_file_number(rel),
					RelationGetNumberOfBlocks(rel), column_numbers(table));
}

/* Has no page been written since the log was that long? */
static bool
pages_are_older(Relation rel, XLogRecPtr lsn)
{
	BufferAccessStrategy strategy = GetAccessStrategy(BAS_BULKREAD);
	BlockNumber n = RelationGetNumberOfBlocks(rel);
	bool		older = true;

	for (BlockNumber block = 0; block < n && older; block++)
	{
		Buffer		buffer = ReadBufferExtended(rel, MAIN_FORKNUM, block, RBM_NORMAL, strategy);

		older = BufferGetLSNAtomic(buffer) <= lsn;
		ReleaseBuffer(buffer);
		CHECK_FOR_INTERRUPTS();
	}
	FreeAccessStrategy(strategy);
	return older;
}

/*
 * Are the rows here those that were noted?  The table must be locked against
 * writers.
 */
bool
state_is_untouched(const MirrorTable *table)
{
	Relation	rel = table_open(table->relid, AccessShareLock);
	const char *file = file_name(rel, table);
	const char *print;
	bool		untouched = file != NULL && table->state.file != NULL && strcmp(file, table->state.file) == 0 &&
		table->state.lsn <= GetXLogInsertRecPtr() && pages_are_older(rel, table->state.lsn);

	table_close(rel, AccessShareLock);
	if (untouched)
		return true;
	print = state_print(table);
	return print != NULL && strcmp(print, table->state.local) == 0;
}

/*
 * The condition, there, of a row that may have changed.  A row in the future is one
 * of 2^31 or more transactions ago, which VACUUM has frozen.
 */
const char *
state_changed(const MirrorTable *table)
{
	TransactionId xmin = (TransactionId) table->state.remote_xmin;

	if (!TransactionIdIsNormal(xmin))
		xmin = FirstNormalTransactionId;
	return psprintf("pg_catalog.age(t.xmin) <= (SELECT pg_catalog.age('%u'::pg_catalog.xid)) AND pg_catalog.age(t.xmin) >= 0", xmin);
}

/*
 * Did no transaction there get a number between the last snapshot and this one?
 * Then nothing has been written.
 */
bool
state_is_quiet(const Mirror *mirror, const MirrorTable *table)
{
	return table->state.remote_xmin == mirror->snapshot_xmax;
}

/* A row of what is noted about a table. */
static void
write_note(StringInfo text, const Mirror *mirror, MirrorTable *table)
{
	const char *remote = remote_state(mirror, table);
	const char *print = table->state.local;
	Relation	rel;
	const char *file;

	appendStringInfo(text, "(%u::pg_catalog.oid, ", table->relid);
	if (print == NULL && remote != NULL)
		print = state_print(table);
	if (remote == NULL || print == NULL || strtoull(print, NULL, 10) != table->n_remote)
	{
		appendStringInfoString(text, "NULL, NULL::pg_catalog.int8, NULL, NULL::pg_catalog.int8, NULL, NULL)");
		return;
	}
	rel = table_open(table->relid, AccessShareLock);

	/* a snapshot older than the lock may not show what a page has told of */
	file = IsolationUsesXactSnapshot() ? NULL : file_name(rel, table);
	table_close(rel, AccessShareLock);
	appendStringInfo(text, "%s, " UINT64_FORMAT ", %s, " UINT64_FORMAT ", ", quote_literal_cstr(remote), mirror->snapshot_xmin,
					 quote_literal_cstr(print), U64FromFullTransactionId(GetTopFullTransactionId()));
	if (file == NULL)
		appendStringInfoString(text, "NULL, NULL)");
	else
		appendStringInfo(text, "%s, '%X/%X')", quote_literal_cstr(file), LSN_FORMAT_ARGS(GetXLogInsertRecPtr()));
}

/*
 * Notes that the tables are now equal to the remote's.  They must be locked against
 * writers.
 */
void
state_note(Mirror *mirror)
{
	StringInfoData text;
	const char *separator = "";
	ListCell   *cell;

	initStringInfo(&text);
	appendStringInfoString(&text, "UPDATE catreg.mirror m SET remote_state = v.remote_state, remote_xmin = v.remote_xmin, local_state = v.local_state, "
						   "local_xid = v.local_xid, local_file = v.local_file, local_lsn = v.local_lsn::pg_catalog.pg_lsn, refreshed = pg_catalog.clock_timestamp() FROM (VALUES ");
	foreach(cell, mirror->tables)
	{
		MirrorTable *table = lfirst(cell);

		if (table->derived)
			continue;
		appendStringInfoString(&text, separator);
		write_note(&text, mirror, table);
		separator = ", ";
	}
	appendStringInfoString(&text, ") v (relation, remote_state, remote_xmin, local_state, local_xid, local_file, local_lsn) "
						   "WHERE m.relation::pg_catalog.oid OPERATOR(pg_catalog.=) v.relation");
	if (separator[0] != '\0')
		(void) query_execute_on_definitions("mirror", text.data, 0, NULL, NULL, NULL);
}
