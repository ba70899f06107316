/*-------------------------------------------------------------------------
 *
 * src/obscore/compare.c
 *	  The whole table beside the query that defines it: check and refresh.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"

#include "core/compat.h"
#include "core/query.h"
#include "obscore/fill.h"
#include "obscore/path.h"
#include "obscore/plain.h"
#include "obscore/problem.h"
#include "obscore/tiled.h"
#include "obscore/touched.h"

/*
 * Appends FROM and WHERE of the rows that differ, between e and o.  Rows are cast,
 * or the operator would be applied to each column.  obscore_plain_end_read() when
 * they have been read.
 */
static void
write_difference(StringInfo text, const Obscore *obscore)
{
	appendStringInfoString(text, " FROM ");
	obscore_write_named(text, obscore, "e");
	appendStringInfo(text, " FULL JOIN %s o ON o.registry_dataset_id OPERATOR(pg_catalog.=) e.registry_dataset_id "
					 "WHERE o.registry_dataset_id IS NULL OR e.registry_dataset_id IS NULL "
					 "OR ROW(%s)::pg_catalog.record OPERATOR(pg_catalog.*<>) ROW(%s)::pg_catalog.record",
					 obscore_plain_read(obscore), obscore_column_list(obscore, "o."), obscore_column_list(obscore, "e."));
}

/*
 * For a query that makes all rows, until query_settings_back() with what is returned.
 * Each dataset has records of its own, more or less: to remember those that were looked
 * up takes time and memory.
 */
static int
begin_planning(const Obscore *obscore)
{
	int			level = obscore->tiled != NULL ? obscore_tiled_by_key() : NewGUCNestLevel();

	query_set("jit", "off");
	query_set("enable_memoize", "off");
	return level;
}

/* Makes the rows again of nodes whose keys a query finds. */
static void
refresh_nodes(const Obscore *obscore, const char *keys, ObscoreCounts *counts)
{
	int			level = begin_planning(obscore);
	SPIPlanPtr	plan = query_prepare(psprintf("SELECT catreg.obscore_node_id(d.key) AS id, d.key FROM (%s) d (key)", keys), 0, NULL);

	obscore_touch_nodes(obscore, plan, NULL, TILED_ALL, counts);
	SPI_freeplan(plan);
	query_settings_back(level);
}

/*
 * Brings the whole table up to date, and touches only what differs: it looks
 * without a lock that stops anybody, and makes the rows again that are found
 * wrong.  SPI must be connected, with the rights of the table's owner in force.
 */
void
obscore_refresh(const Obscore *obscore, ObscoreCounts *counts)
{
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfoString(&text, "SELECT COALESCE(e.registry_dataset_id, o.registry_dataset_id)");
	write_difference(&text, obscore);
	if (obscore->tiled != NULL)
	{
		refresh_nodes(obscore, text.data, counts);
		obscore_plain_end_read(obscore);
		return;
	}
	if (obscore->find_first)
		obscore_save_path(obscore);
	obscore_touch_any(obscore, text.data, counts);
	obscore_plain_end_read(obscore);
}

/*
 * Error: insufficient_privilege, for whoever does not own a table.
 */
void
obscore_check_owner(Oid table)
{
	obscore_check_table(table);
	if (!pg_class_ownercheck(table, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_TABLE, get_rel_name(table));
}

/*
 * Notes in catreg.obscore that the table has been compared as a whole.
 */
static void
set_refreshed(Oid table)
{
	Oid			type = REGCLASSOID;
	Datum		value = ObjectIdGetDatum(table);

	if (SPI_execute_with_args("SELECT catreg.obscore_refreshed($1)", 1, &type, &value, NULL, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not execute catreg.obscore_refreshed()");
}

PG_FUNCTION_INFO_V1(refresh_obscore);

/*
 * refresh_obscore(obscore) -> (inserted, updated, deleted), for the table's owner.
 */
Datum
refresh_obscore(PG_FUNCTION_ARGS)
{
	Oid			table = PG_GETARG_OID(0);
	ObscoreCounts counts = {0};
	const Obscore *obscore;
	QueryUser	before;
	TupleDesc	desc;
	Datum		values[3];
	bool		nulls[3] = {false, false, false};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	obscore = obscore_get(table, false);
	obscore_check_owner(table);
	obscore_problems_forget();
	obscore_hold();
	SPI_connect();
	query_become(obscore->owner, &before);
	obscore_refresh(obscore, &counts);
	set_refreshed(table);
	query_return(&before);
	SPI_finish();
	obscore_release();
	values[0] = Int64GetDatum(counts.inserted);
	values[1] = Int64GetDatum(counts.updated);
	values[2] = Int64GetDatum(counts.deleted);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

PG_FUNCTION_INFO_V1(obscore_fill);

/*
 * obscore_fill(obscore) -> bigint: makes all rows of a table that is empty, of what
 * is committed now; those of a table that its caller has just made are frozen, as
 * obscore_fill_from() has them.  A dataset that has tags in several runs may have several:
 * its caller adds the primary key (see obscore_add_key()).
 */
Datum
obscore_fill(PG_FUNCTION_ARGS)
{
	Oid			table = PG_GETARG_OID(0);
	const Obscore *obscore = obscore_get(table, false);
	StringInfoData text;
	QueryUser	before;
	bool		is_new = obscore_is_new(table);
	uint64		n = 0;
	int			level;
	ListCell   *cell;

	obscore_check_owner(table);
	obscore_problems_forget();
	obscore_hold();
	SPI_connect();
	query_become(obscore->owner, &before);
	initStringInfo(&text);
	level = begin_planning(obscore);
	if (obscore->find_first)
	{
		obscore_save_path(obscore);
		foreach(cell, obscore->selects)
			n += obscore_fill_first(obscore, lfirst(cell), is_new);
	}
	else if (obscore->plain)
	{
		appendStringInfo(&text, "INSERT INTO %s (%s)\n", query_relation(table), obscore_column_list(obscore, ""));
		obscore_write_query(&text, obscore);
		n = query_execute_once(text.data);
	}
	else
	{
		obscore_write_single_query(&text, obscore);
		n = obscore_write_rows(obscore, text.data, is_new);
	}
	query_settings_back(level);
	set_refreshed(table);
	query_return(&before);
	SPI_finish();
	obscore_release();
	PG_RETURN_INT64(n);
}

/* What is said of a row that differs: which columns do. */
static void
write_problem(StringInfo text, const Obscore *obscore)
{
	ListCell   *cell;

	appendStringInfoString(text, "CASE WHEN o.registry_dataset_id IS NULL THEN 'the row is missing' "
						   "WHEN e.registry_dataset_id IS NULL THEN 'the row should not be there' "
						   "ELSE pg_catalog.concat('other values are expected in: ', pg_catalog.array_to_string(ARRAY[");
	foreach(cell, obscore->columns)
	{
		const char *name = ((ObscoreColumn *) lfirst(cell))->name;

		appendStringInfo(text, "%sCASE WHEN ROW(o.%s)::pg_catalog.record OPERATOR(pg_catalog.*<>) ROW(e.%s)::pg_catalog.record THEN %s END",
						 cell == list_head(obscore->columns) ? "" : ", ",
						 quote_identifier(name), quote_identifier(name), quote_literal_cstr(name));
	}
	appendStringInfoString(text, "]::pg_catalog.text[], ', ')) END");
}

PG_FUNCTION_INFO_V1(check_obscore);

/*
 * check_obscore(obscore) -> SETOF (dataset_id, problem): the rows that are not as
 * the query makes them, and the values that cannot be derived.  It reads with the
 * caller's rights, and takes no lock beyond those of a SELECT.
 */
Datum
check_obscore(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	const Obscore *obscore = obscore_get(PG_GETARG_OID(0), false);
	StringInfoData text;
	int			level;

	InitMaterializedSRF(fcinfo, 0);
	obscore_hold();
	SPI_connect();
	initStringInfo(&text);
	appendStringInfoString(&text, "SELECT COALESCE(e.registry_dataset_id, o.registry_dataset_id), ");
	write_problem(&text, obscore);
	write_difference(&text, obscore);
	level = begin_planning(obscore);
	obscore_problems_begin(rsinfo->setResult, rsinfo->setDesc);
	PG_TRY();
	{
		Portal		portal = SPI_cursor_open_with_args(NULL, text.data, 0, NULL, NULL, NULL, true,
													   CURSOR_OPT_NO_SCROLL);

		do
		{
			SPI_cursor_fetch(portal, true, 1000);
			for (uint64 i = 0; i < SPI_processed; i++)
				tuplestore_puttuple(rsinfo->setResult, SPI_tuptable->vals[i]);
			SPI_freetuptable(SPI_tuptable);
		} while (SPI_processed > 0);
		SPI_cursor_close(portal);
	}
	PG_FINALLY();
	{
		obscore_problems_end();
	}
	PG_END_TRY();
	query_settings_back(level);
	SPI_finish();
	obscore_release();
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(obscore_query);

/*
 * obscore_query(obscore) -> text: the SELECT that defines the table.
 */
Datum
obscore_query(PG_FUNCTION_ARGS)
{
	const Obscore *obscore = obscore_get(PG_GETARG_OID(0), false);
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfo(&text, "SELECT %s\nFROM ", obscore_column_list(obscore, ""));
	obscore_write_named(&text, obscore, "obscore");
	PG_RETURN_TEXT_P(cstring_to_text(text.data));
}
