/*-------------------------------------------------------------------------
 *
 * src/butler/summaries.c
 *	  refresh_summaries(): the summaries of collections, exact.
 *
 * collection_summary_dataset_type and a table for each governor dimension say what
 * a collection holds.  The client adds to them before it adds tags, and never takes
 * anything away.  A chain has no summary of its own: the client unites its
 * members'.
 *
 * What differs is looked for without a lock.  Whoever adds datasets has executed
 * an INSERT on the summaries before, if only to find that the rows are there, and
 * so holds a lock on the tables (ROW EXCLUSIVE) until he commits.  A row that looks
 * superfluous is deleted under a lock that waits for all of those (SHARE ROW
 * EXCLUSIVE), if it still is: its tags would be refused otherwise.  The tables are
 * locked in the order in which the client writes them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "butler/search_path.h"
#include "butler/wildcard.h"
#include "core/query.h"

/* A table of tags or of calibrations. */
typedef struct Members
{
	Oid			table;
	char	   *types;			/* an array of dataset types' ids, as text */
} Members;

/* A table of summaries. */
typedef struct Summary
{
	Oid			table;
	char	   *column;			/* of the tags tables, too */
	List	   *missing;		/* collections' keys, as text ... */
	List	   *missing_values; /* ... and what the rows say of them */
	List	   *superfluous;
	List	   *superfluous_values;
} Summary;

typedef struct Refresh
{
	const Registry *registry;
	List	   *members;		/* of Members */
	List	   *summaries;		/* of Summary, first that of the dataset types */
} Refresh;

static void
add_summary(Refresh *refresh, const char *element, const char *column)
{
	Oid			table = registry_table(refresh->registry, psprintf("collection_summary_%s", element));
	Summary    *summary;

	if (!OidIsValid(table))
		return;
	summary = palloc0(sizeof(Summary));
	summary->table = table;
	summary->column = pstrdup(column);
	refresh->summaries = lappend(refresh->summaries, summary);
}

static int
compare_elements(const ListCell *a, const ListCell *b)
{
	return strcmp(lfirst(a), lfirst(b));
}

static void
find_summaries(Refresh *refresh)
{
	const Universe *universe = refresh->registry->universe;
	List	   *names = NIL;
	ListCell   *cell;

	add_summary(refresh, "dataset_type", "dataset_type_id");
	if (refresh->summaries == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("the registry in schema %s has no table \"%s\"", refresh->registry->schema,
						"collection_summary_dataset_type")));
	for (int i = 0; i < universe->n_elements; i++)
		names = lappend(names, universe->elements[i].name);
	list_sort(names, compare_elements);
	foreach(cell, names)
		add_summary(refresh, lfirst(cell), lfirst(cell));
}

static void
find_members(Refresh *refresh)
{
	uint64		n = butler_select(SELECT_LATEST,
								  psprintf("SELECT a.name, pg_catalog.array_agg(d.id)::pg_catalog.text FROM %s.dataset_type d,"
										   " pg_catalog.unnest(ARRAY[d.tag_association_table::pg_catalog.text, d.calibration_association_table::pg_catalog.text]) a (name)"
										   " WHERE a.name IS NOT NULL GROUP BY 1 ORDER BY 1",
										   refresh->registry->schema),
								  0, NULL, NULL);

	for (uint64 i = 0; i < n; i++)
	{
		Oid			table = registry_table(refresh->registry, selected_text(i, 1));
		Members    *members;

		if (!OidIsValid(table))
			continue;
		members = palloc(sizeof(Members));
		members->table = table;
		members->types = selected_text(i, 2);
		refresh->members = lappend(refresh->members, members);
	}
}

static bool
has_column(Oid table, const char *column)
{
	return get_attnum(table, column) > 0;
}

/*
 * Writes what the collections $1 hold: a column for each summary.
 */
static void
append_contents(StringInfo text, const Refresh *refresh)
{
	const char *key = refresh->registry->tag_key;
	ListCell   *cell;
	ListCell   *inner;

	foreach(cell, refresh->members)
	{
		const Members *members = lfirst(cell);

		appendStringInfo(text, "%sSELECT DISTINCT t.%s::pg_catalog.text AS collection",
						 cell == list_head(refresh->members) ? "" : " UNION ALL ", key);
		foreach(inner, refresh->summaries)
		{
			const char *column = ((Summary *) lfirst(inner))->column;

			if (has_column(members->table, column))
				appendStringInfo(text, ", t.%1$s::pg_catalog.text AS %1$s", quote_identifier(column));
			else
				appendStringInfo(text, ", NULL::pg_catalog.text AS %s", quote_identifier(column));
		}
		appendStringInfo(text, " FROM %s t WHERE t.dataset_type_id OPERATOR(pg_catalog.=) ANY (%s) AND t.%s OPERATOR(pg_catalog.=) ANY (SELECT k FROM pg_catalog.unnest($1) k)",
						 query_relation(members->table), quote_literal_cstr(members->types), key);
	}
}

/*
 * Writes the differences: (summary, missing, collection, value).
 */
static void
append_differences(StringInfo text, const Refresh *refresh)
{
	ListCell   *cell;

	appendStringInfoString(text, "WITH contents AS MATERIALIZED (");
	append_contents(text, refresh);
	appendStringInfoChar(text, ')');
	foreach(cell, refresh->summaries)
	{
		const Summary *summary = lfirst(cell);
		const char *column = quote_identifier(summary->column);
		char	   *is = psprintf("SELECT s.%1$s::pg_catalog.text, s.%2$s::pg_catalog.text FROM %3$s s WHERE s.%1$s OPERATOR(pg_catalog.=) ANY ($1)",
								  refresh->registry->tag_key, column, query_relation(summary->table));
		char	   *should = psprintf("SELECT c.collection, c.%1$s FROM contents c WHERE c.%1$s IS NOT NULL", column);

		appendStringInfo(text, "%1$s SELECT %2$d, true, x.* FROM (%4$s EXCEPT %3$s) x UNION ALL SELECT %2$d, false, x.* FROM (%3$s EXCEPT %4$s) x",
						 cell == list_head(refresh->summaries) ? "" : " UNION ALL", foreach_current_index(cell), is, should);
	}
}

/*
 * Looks for what differs, for the collections with these keys.
 */
static void
find_differences(Refresh *refresh, ArrayType *keys)
{
	Oid			type = get_array_type(refresh->registry->key_type);
	Datum		value = PointerGetDatum(keys);
	StringInfoData text;
	uint64		n;

	initStringInfo(&text);
	append_differences(&text, refresh);
	n = butler_select(SELECT_LATEST, text.data, 1, &type, &value);
	for (uint64 i = 0; i < n; i++)
	{
		Summary    *summary = list_nth(refresh->summaries, DatumGetInt32(selected_datum(i, 1)));
		bool		missing = DatumGetBool(selected_datum(i, 2));
		List	  **collections = missing ? &summary->missing : &summary->superfluous;
		List	  **values = missing ? &summary->missing_values : &summary->superfluous_values;

		*collections = lappend(*collections, selected_text(i, 3));
		*values = lappend(*values, selected_text(i, 4));
	}
}

/* Rows given by $1 and $2, as x (collection, value). */
static void
append_given(StringInfo text, const Refresh *refresh, const Summary *summary)
{
	const char *key = refresh->registry->tag_key;

	appendStringInfo(text, "(SELECT g.collection::%s AS collection, g.value::%s AS value"
					 " FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2)) g (collection, value)) x",
					 format_type_be_qualified(get_atttype(summary->table, get_attnum(summary->table, key))),
					 format_type_be_qualified(get_atttype(summary->table, get_attnum(summary->table, summary->column))));
}

static int64
write_given(const char *text, const List *collections, const List *values)
{
	Oid			types[2] = {TEXTARRAYOID, TEXTARRAYOID};
	Datum		arguments[2];
	MemoryContext context = CurrentMemoryContext;
	SPIPlanPtr	plan = query_prepare(text, 2, types);

	arguments[0] = PointerGetDatum(array_of_expressions(collections));
	arguments[1] = PointerGetDatum(array_of_expressions(values));
	query_execute_latest(plan, arguments, true);
	SPI_freeplan(plan);
	MemoryContextSwitchTo(context);
	return SPI_processed;
}

/*
 * Deletes what looked superfluous and still is; the tables are locked.
 */
static int64
delete_superfluous(const Refresh *refresh, const Summary *summary)
{
	const char *key = refresh->registry->tag_key;
	const char *column = quote_identifier(summary->column);
	bool		of_types = summary == linitial(refresh->summaries);
	StringInfoData text;
	ListCell   *cell;

	initStringInfo(&text);
	appendStringInfo(&text, "DELETE FROM %s s USING ", query_relation(summary->table));
	append_given(&text, refresh, summary);
	appendStringInfo(&text, " WHERE s.%s OPERATOR(pg_catalog.=) x.collection AND s.%s OPERATOR(pg_catalog.=) x.value", key, column);
	foreach(cell, refresh->members)
	{
		const Members *members = lfirst(cell);

		if (!has_column(members->table, summary->column))
			continue;
		appendStringInfo(&text, " AND NOT EXISTS (SELECT FROM %1$s t WHERE t.%2$s OPERATOR(pg_catalog.=) s.%2$s AND t.%3$s OPERATOR(pg_catalog.=) s.%3$s",
						 query_relation(members->table), key, column);
		if (!of_types)
			appendStringInfo(&text, " AND t.dataset_type_id OPERATOR(pg_catalog.=) ANY (%s)", quote_literal_cstr(members->types));
		appendStringInfoChar(&text, ')');
	}
	return write_given(text.data, summary->superfluous, summary->superfluous_values);
}

static int64
insert_missing(const Refresh *refresh, const Summary *summary)
{
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfo(&text, "INSERT INTO %s (%s, %s) SELECT x.collection, x.value FROM ", query_relation(summary->table),
					 refresh->registry->tag_key, quote_identifier(summary->column));
	append_given(&text, refresh, summary);
	appendStringInfoString(&text, " ON CONFLICT DO NOTHING");
	return write_given(text.data, summary->missing, summary->missing_values);
}

static void
lock_summaries(const Refresh *refresh)
{
	StringInfoData text;
	ListCell   *cell;

	initStringInfo(&text);
	foreach(cell, refresh->summaries)
		appendStringInfo(&text, "%s%s", text.len == 0 ? "LOCK TABLE " : ", ", query_relation(((Summary *) lfirst(cell))->table));
	appendStringInfoString(&text, " IN SHARE ROW EXCLUSIVE MODE");
	query_execute(text.data);
}

static int64
delete_all_superfluous(const Refresh *refresh)
{
	ListCell   *cell;
	int64		n = 0;
	bool		any = false;

	foreach(cell, refresh->summaries)
		any = any || ((Summary *) lfirst(cell))->superfluous != NIL;
	if (!any)
		return 0;
	lock_summaries(refresh);
	foreach(cell, refresh->summaries)
		if (((Summary *) lfirst(cell))->superfluous != NIL)
			n += delete_superfluous(refresh, lfirst(cell));
	return n;
}

/* The chains themselves, which should have no summaries, and what they lead to. */
static ArrayType *
keys_of(const Registry *registry, const List *expressions)
{
	SearchPath *path = search_path_match(registry, expressions, SELECT_LATEST);
	SearchPath *members = search_path_flatten(registry, expressions, SELECT_LATEST);
	SearchPath	both;

	both.n = path->n + members->n;
	both.collections = palloc_extended(sizeof(Collection) * Max(both.n, 1), MCXT_ALLOC_HUGE);
	memcpy(both.collections, path->collections, sizeof(Collection) * path->n);
	memcpy(both.collections + path->n, members->collections, sizeof(Collection) * members->n);
	return search_path_keys(registry, &both);
}

PG_FUNCTION_INFO_V1(refresh_summaries);

/*
 * refresh_summaries(collections text[], registry) -> (inserted, deleted)
 */
Datum
refresh_summaries(PG_FUNCTION_ARGS)
{
	MemoryContext context = CurrentMemoryContext;
	List	   *expressions = expressions_of_array(PG_GETARG_ARRAYTYPE_P(0), "collections");
	Refresh		refresh = {0};
	TupleDesc	desc;
	ListCell   *cell;
	Datum		values[2];
	bool		nulls[2] = {false, false};
	int64		inserted = 0;

	PreventCommandIfReadOnly("refresh_summaries()");
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	SPI_connect();
	MemoryContextSwitchTo(context);
	refresh.registry = registry_open(PG_GETARG_OID(1));
	find_summaries(&refresh);
	find_members(&refresh);
	if (refresh.members != NIL)
		find_differences(&refresh, keys_of(refresh.registry, expressions));
	values[1] = Int64GetDatum(delete_all_superfluous(&refresh));
	foreach(cell, refresh.summaries)
		if (((Summary *) lfirst(cell))->missing != NIL)
			inserted += insert_missing(&refresh, lfirst(cell));
	values[0] = Int64GetDatum(inserted);
	SPI_finish();
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
