/*-------------------------------------------------------------------------
 *
 * src/obscore/touched.c
 *	  From a query for datasets to their rows.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/portal.h"
#include "utils/snapmgr.h"
#include "utils/tuplestore.h"

#include "core/query.h"
#include "obscore/plain.h"
#include "obscore/tiled.h"
#include "obscore/touched.h"

/* So many datasets are brought up to date at a time. */
#define BATCH 10000

/* A query that is read a batch at a time. */
typedef struct Batches
{
	Portal		portal;
	const char *name;			/* of the relation that holds a batch */
	TupleDesc	desc;
	Tuplestorestate *rows;
} Batches;

/*
 * The query reads what is committed now, and what this transaction has done.
 */
static void
begin_planned(Batches *batches, const char *name, SPIPlanPtr plan, Datum *values)
{
	int			level;

	batches->name = name;
	CommandCounterIncrement();
	PushActiveSnapshot(GetLatestSnapshot());
	level = query_jit_off();
	batches->portal = SPI_cursor_open(NULL, plan, values, NULL, true);
	query_settings_back(level);
	PopActiveSnapshot();
	batches->desc = CreateTupleDescCopy(batches->portal->tupDesc);
	batches->rows = NULL;
}

/* The same for a query that is used once. */
static void
begin_batches(Batches *batches, const char *name, const char *query)
{
	SPIPlanPtr	plan = query_prepare_cursor(query, 0, NULL, CURSOR_OPT_NO_SCROLL);

	begin_planned(batches, name, plan, NULL);
	SPI_freeplan(plan);
}

/* Makes the next rows known by the name.  Returns how many they are. */
static int64
next_batch(Batches *batches)
{
	int64		n;

	CHECK_FOR_INTERRUPTS();
	if (batches->rows != NULL)
	{
		SPI_unregister_relation(batches->name);
		tuplestore_end(batches->rows);
		batches->rows = NULL;
	}
	SPI_cursor_fetch(batches->portal, true, BATCH);
	n = SPI_processed;
	if (n > 0)
	{
		batches->rows = tuplestore_begin_heap(true, false, work_mem);
		for (int64 i = 0; i < n; i++)
			tuplestore_puttuple(batches->rows, SPI_tuptable->vals[i]);
		query_register_rows(batches->name, batches->desc, batches->rows, n);
	}
	SPI_freetuptable(SPI_tuptable);
	return n;
}

/*
 * Brings the rows up to date whose keys a query finds, of one dataset type; keys
 * may come up more than once (see obscore_keys()).
 */
void
obscore_touch(const Obscore *obscore, ObscoreSelect *select, const char *query, ObscoreCounts *counts)
{
	ObscoreCounts ignored = {0};
	const char *columns = obscore_keys(obscore, select, "i");
	Batches		batches;
	int64		n;

	begin_batches(&batches, OBSCORE_TOUCHED, psprintf("SELECT DISTINCT %s FROM (%s) i ORDER BY %s", columns, query, columns));
	while ((n = next_batch(&batches)) > 0)
		obscore_apply_touched(obscore, select, n, counts == NULL ? &ignored : counts);
	SPI_cursor_close(batches.portal);
}

/*
 * The same for the datasets whose ids a query finds, of one dataset type and with
 * tags; others are passed over.
 */
void
obscore_touch_datasets(const Obscore *obscore, ObscoreSelect *select, const char *ids, ObscoreCounts *counts)
{
	obscore_touch(obscore, select,
				  psprintf("SELECT %s FROM %s y WHERE y.dataset_type_id OPERATOR(pg_catalog.=) " INT64_FORMAT
						   " AND y.dataset_id OPERATOR(pg_catalog.=) ANY (%s)",
						   obscore_keys(obscore, select, "y"), query_relation(select->type->tags), select->type->id, ids),
				  counts);
}

/*
 * The same for datasets of any type, be they there or not.
 */
void
obscore_touch_any(const Obscore *obscore, const char *query, ObscoreCounts *counts)
{
	Batches		batches;

	begin_batches(&batches, OBSCORE_TOUCHED_IDS, psprintf("SELECT DISTINCT i.dataset_id FROM (%s) i (dataset_id)", query));
	while (next_batch(&batches) > 0)
	{
		StringInfoData text;
		ListCell   *cell;
		int			level = query_jit_off();

		initStringInfo(&text);
		if (!obscore->plain)
			obscore_write_remove_any(&text, obscore);
		counts->deleted += obscore->plain ? obscore_plain_remove_any(obscore) : query_execute_once(text.data);
		query_settings_back(level);
		foreach(cell, obscore->selects)
			obscore_touch_datasets(obscore, lfirst(cell), "SELECT w.dataset_id FROM " OBSCORE_TOUCHED_IDS " w", counts);
	}
	SPI_cursor_close(batches.portal);
}

/*
 * The same for the nodes of a Tiled catalog that a query finds, as (id, key), each
 * once, be they there or not; deeds: see obscore_tiled_apply().
 */
void
obscore_touch_nodes(const Obscore *obscore, SPIPlanPtr query, Datum *values, int deeds, ObscoreCounts *counts)
{
	Batches		batches;

	begin_planned(&batches, OBSCORE_NODES, query, values);
	while (next_batch(&batches) > 0)
		obscore_tiled_apply(obscore, deeds, counts);
	SPI_cursor_close(batches.portal);
}
