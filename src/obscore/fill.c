/*-------------------------------------------------------------------------
 *
 * src/obscore/fill.c
 *	  Makes all rows of an ObsCore table that is empty.
 *
 * A table that was made just now has no index, constraint or trigger yet.  Its
 * rows are written many at a time, as COPY does it, which INSERT ... SELECT does
 * not.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/portal.h"
#include "utils/rel.h"

#include "core/query.h"
#include "obscore/path.h"

/* So many rows, of about a kilobyte, are written at a time. */
#define BATCH 200

static bool
same_columns(TupleDesc one, TupleDesc other)
{
	if (one->natts != other->natts)
		return false;
	for (int i = 0; i < one->natts; i++)
	{
		Form_pg_attribute a = TupleDescAttr(one, i);
		Form_pg_attribute b = TupleDescAttr(other, i);

		if (a->attisdropped || b->attisdropped || a->atttypid != b->atttypid || a->atttypmod != b->atttypmod)
			return false;
	}
	return true;
}

/* Is nothing to be done about a row but to write it? */
static bool
is_bare(Relation rel, TupleDesc rows)
{
	return rel->rd_rel->relkind == RELKIND_RELATION && !rel->rd_rel->relispartition &&
		rel->rd_rules == NULL && rel->trigdesc == NULL && !rel->rd_rel->relrowsecurity &&
		RelationGetDescr(rel)->constr == NULL && RelationGetIndexList(rel) == NIL &&
		same_columns(RelationGetDescr(rel), rows);
}

static void
write_rows(Relation rel, TupleTableSlot **slots, BulkInsertState bulk)
{
	int			n = SPI_processed;

	for (int i = 0; i < n; i++)
	{
		if (slots[i] == NULL)
			slots[i] = MakeSingleTupleTableSlot(RelationGetDescr(rel), &TTSOpsHeapTuple);
		/* one that is not the slot's own would be copied */
		ExecForceStoreHeapTuple(SPI_tuptable->vals[i], slots[i], true);
	}
	table_multi_insert(rel, slots, n, GetCurrentCommandId(true), TABLE_INSERT_SKIP_FSM, bulk);
	for (int i = 0; i < n; i++)
		ExecClearTuple(slots[i]);
}

/* All rows of a query, into a table that is_bare().  Returns their number. */
static uint64
write_all(Relation rel, Portal portal)
{
	TupleTableSlot **slots = palloc0(sizeof(TupleTableSlot *) * BATCH);
	BulkInsertState bulk = GetBulkInsertState();
	uint64		n_rows = 0;

	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		SPI_cursor_fetch(portal, true, BATCH);
		n_rows += SPI_processed;
		if (SPI_processed == 0)
			break;
		write_rows(rel, slots, bulk);
		SPI_freetuptable(SPI_tuptable);
	}
	SPI_freetuptable(SPI_tuptable);
	for (int i = 0; i < BATCH && slots[i] != NULL; i++)
		ExecDropSingleTupleTableSlot(slots[i]);
	FreeBulkInsertState(bulk);
	table_finish_bulk_insert(rel, TABLE_INSERT_SKIP_FSM);
	CommandCounterIncrement();
	return n_rows;
}

static uint64
insert_all(const Obscore *obscore, const char *query)
{
	query_execute(psprintf("INSERT INTO %s (%s)\n%s", query_relation(obscore->table), obscore_column_list(obscore, ""), query));
	return SPI_processed;
}

static uint64
fill(const Obscore *obscore)
{
	int			level = query_jit_off();
	Relation	rel = table_open(obscore->table, RowExclusiveLock);
	StringInfoData query;
	Portal		portal;
	uint64		n_rows;

	initStringInfo(&query);
	obscore_write_query(&query, obscore);
	portal = SPI_cursor_open_with_args(NULL, query.data, 0, NULL, NULL, NULL, false, CURSOR_OPT_NO_SCROLL);
	n_rows = is_bare(rel, portal->tupDesc) ? write_all(rel, portal) : insert_all(obscore, query.data);
	SPI_cursor_close(portal);
	table_close(rel, NoLock);
	query_settings_back(level);
	return n_rows;
}

PG_FUNCTION_INFO_V1(obscore_fill);

/*
 * obscore_fill(obscore) -> bigint: makes all rows of a table that is empty.
 */
Datum
obscore_fill(PG_FUNCTION_ARGS)
{
	Oid			table = PG_GETARG_OID(0);
	const Obscore *obscore = obscore_get(table, false);
	QueryUser	before;
	uint64		n_rows;

	obscore_check_owner(table);
	obscore_hold();
	SPI_connect();
	query_become(obscore->owner, &before);
	if (obscore->find_first)
		obscore_save_path(obscore);
	n_rows = fill(obscore);
	obscore_set_refreshed(table);
	query_return(&before);
	SPI_finish();
	obscore_release();
	PG_RETURN_INT64(n_rows);
}
