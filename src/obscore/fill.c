/*-------------------------------------------------------------------------
 *
 * src/obscore/fill.c
 *	  Many rows of an ObsCore table at once.
 *
 * The members of a whole find-first table are found by one sort and kept, and then
 * the rows are made of them: the planner could not tell how many there are, and
 * would join the records as for a tenth of them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "executor/spi.h"
#include "executor/tstoreReceiver.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/plancache.h"
#include "utils/snapmgr.h"

#include "core/query.h"
#include "core/writer.h"
#include "obscore/fill.h"

/* The members of a dataset type. */
#define MEMBERS "catreg_members"

/* So many rows of a query are fetched at a time. */
#define FETCH 1000

/*
 * Opens a query that reads what is committed now, and what this transaction has
 * done.
 */
Portal
obscore_open_latest(const char *query)
{
	Portal		portal;
	int			level = query_jit_off();

	CommandCounterIncrement();
	PushActiveSnapshot(GetLatestSnapshot());
	portal = SPI_cursor_open_with_args(NULL, query, 0, NULL, NULL, NULL, true, CURSOR_OPT_NO_SCROLL);
	PopActiveSnapshot();
	query_settings_back(level);
	return portal;
}

/* ------------------------------------------------------------------ writing */

static void
find_columns(const Obscore *obscore, AttrNumber *columns)
{
	ListCell   *cell;

	foreach(cell, obscore->columns)
	{
		const char *name = ((ObscoreColumn *) lfirst(cell))->name;

		columns[foreach_current_index(cell)] = get_attnum(obscore->table, name);
		if (columns[foreach_current_index(cell)] <= 0)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_COLUMN),
					 errmsg("table %s has no column \"%s\"", query_relation(obscore->table), name)));
	}
}

/* A query for the table's columns, in the types that they have. */
static char *
typed_query(const Obscore *obscore, const char *query, const AttrNumber *columns)
{
	StringInfoData text;
	ListCell   *cell;

	initStringInfo(&text);
	foreach(cell, obscore->columns)
	{
		Oid			type;
		int32		typmod;
		Oid			collation;

		get_atttypetypmodcoll(obscore->table, columns[foreach_current_index(cell)], &type, &typmod, &collation);
		appendStringInfo(&text, "%sq.%s::%s", cell == list_head(obscore->columns) ? "SELECT " : ", ",
						 quote_identifier(((ObscoreColumn *) lfirst(cell))->name),
						 format_type_extended(type, typmod, FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY));
	}
	appendStringInfo(&text, " FROM (%s) q (%s)", query, obscore_column_list(obscore, ""));
	return text.data;
}

static uint64
write_all(Writer *writer, Portal portal)
{
	Datum	   *values = palloc(sizeof(Datum) * portal->tupDesc->natts);
	bool	   *nulls = palloc(sizeof(bool) * portal->tupDesc->natts);
	uint64		n_rows = 0;

	do
	{
		SPI_cursor_fetch(portal, true, FETCH);
		for (uint64 i = 0; i < SPI_processed; i++)
		{
			heap_deform_tuple(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, values, nulls);
			writer_put(writer, values, nulls);
		}
		SPI_freetuptable(SPI_tuptable);
		n_rows += SPI_processed;
	} while (SPI_processed > 0);
	return n_rows;
}

/*
 * Writes the rows that a query makes, which are not there yet, in bulk.  Frozen
 * rows, for a table made in this (sub)transaction only, are seen by whoever sees
 * the table, however old his snapshot.  SPI must be connected, with the rights of
 * the table's owner in force.  Returns how many there are.
 */
uint64
obscore_write_rows(const Obscore *obscore, const char *query, bool frozen)
{
	AttrNumber *columns = palloc(sizeof(AttrNumber) * list_length(obscore->columns));
	WriterTarget target = {.n_columns = list_length(obscore->columns), .columns = columns, .frozen = frozen};
	int			level = NewGUCNestLevel();
	Portal		portal;
	Writer	   *writer;
	uint64		n_rows;

	/* a new table has no foreign keys, and the plain way freezes nothing */
	if (frozen)
		query_set("catreg.fk_check", "set");
	target.rel = table_open(obscore->table, RowExclusiveLock);
	find_columns(obscore, columns);
	portal = obscore_open_latest(typed_query(obscore, query, columns));
	writer = writer_begin(&target);
	n_rows = write_all(writer, portal);
	SPI_cursor_close(portal);
	writer_end(writer);
	table_close(target.rel, NoLock);
	query_settings_back(level);
	return n_rows;
}

/* --------------------------------------------------------------- find-first */

/* What a query finds, that reads as above. */
static Tuplestorestate *
keep_rows(const char *query, TupleDesc *desc, uint64 *n)
{
	int			level = query_jit_off();
	SPIPlanPtr	plan = query_prepare(query, 0, NULL);
	SPIExecuteOptions options = {.read_only = true};
	Tuplestorestate *rows = tuplestore_begin_heap(true, false, work_mem);

	*desc = CreateTupleDescCopy(((CachedPlanSource *) linitial(SPI_plan_get_plan_sources(plan)))->resultDesc);
	options.dest = CreateDestReceiver(DestTuplestore);
	SetTuplestoreDestReceiverParams(options.dest, rows, CurrentMemoryContext, false, NULL, NULL);
	CommandCounterIncrement();
	PushActiveSnapshot(GetLatestSnapshot());
	if (SPI_execute_plan_extended(plan, &options) != SPI_OK_SELECT)
		elog(ERROR, "could not find the members of an ObsCore table");
	*n = SPI_processed;
	PopActiveSnapshot();
	SPI_freeplan(plan);
	query_settings_back(level);
	return rows;
}

/*
 * Makes all rows of a dataset type in a find-first table that has none of it yet.
 * SPI must be connected, with the rights of the table's owner in force.
 */
uint64
obscore_fill_first(const Obscore *obscore, const ObscoreSelect *select, bool frozen)
{
	StringInfoData text;
	TupleDesc	desc;
	uint64		n;
	Tuplestorestate *rows;

	initStringInfo(&text);
	obscore_write_sorted_members(&text, obscore, select);
	rows = keep_rows(text.data, &desc, &n);
	query_register_rows(MEMBERS, desc, rows, n);
	resetStringInfo(&text);
	obscore_write_select_first(&text, obscore, select, MEMBERS);
	obscore_write_rows(obscore, text.data, frozen);
	SPI_unregister_relation(MEMBERS);
	tuplestore_end(rows);
	return n;
}
