/*-------------------------------------------------------------------------
 *
 * src/obscore/touched.c
 *	  From a query for datasets to their rows.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/tuplestore.h"

#include "core/query.h"
#include "obscore/touched.h"

/* So many datasets are brought up to date at a time. */
#define BATCH 10000

static TupleDesc
touched_desc(void)
{
	TupleDesc	desc = CreateTemplateTupleDesc(1);

	TupleDescInitEntry(desc, 1, "dataset_id", UUIDOID, -1, 0);
	return desc;
}

/* Rows of ids, which a cursor has fetched, as the relation OBSCORE_TOUCHED. */
static void
register_fetched(TupleDesc desc, Tuplestorestate *rows)
{
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		bool		isnull;
		Datum		id = SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &isnull);

		tuplestore_putvalues(rows, desc, &id, &isnull);
	}
	query_register_rows(OBSCORE_TOUCHED, desc, rows, SPI_processed);
}

/*
 * Brings the rows of the datasets up to date that a query finds, of one dataset
 * type, or, select is NULL, of all.  The query reads what is committed now, and
 * what this transaction has done.
 */
void
obscore_touch(const Obscore *obscore, ObscoreSelect *select, const char *query, ObscoreCounts *counts)
{
	TupleDesc	desc = touched_desc();
	ObscoreCounts ignored = {0};
	Portal		portal;
	int			level;

	if (counts == NULL)
		counts = &ignored;
	CommandCounterIncrement();
	PushActiveSnapshot(GetLatestSnapshot());
	level = query_jit_off();
	portal = SPI_cursor_open_with_args(NULL, psprintf("SELECT DISTINCT i.dataset_id FROM (%s) i (dataset_id)", query),
									   0, NULL, NULL, NULL, true, CURSOR_OPT_NO_SCROLL);
	query_settings_back(level);
	PopActiveSnapshot();
	for (;;)
	{
		Tuplestorestate *rows;
		int64		n;

		CHECK_FOR_INTERRUPTS();
		SPI_cursor_fetch(portal, true, BATCH);
		n = SPI_processed;
		if (n == 0)
			break;
		rows = tuplestore_begin_heap(true, false, work_mem);
		register_fetched(desc, rows);
		SPI_freetuptable(SPI_tuptable);
		if (select != NULL)
			obscore_apply_touched(obscore, select, n, counts);
		else
			obscore_apply_all_touched(obscore, n, counts);
		SPI_unregister_relation(OBSCORE_TOUCHED);
		tuplestore_end(rows);
	}
	SPI_cursor_close(portal);
}
