/*-------------------------------------------------------------------------
 *
 * src/butler/find.c
 *	  find_datasets(): of each data id the first dataset on a search path.
 *
 * RUN and TAGGED collections alike stand in the tags tables, whose unique key
 * (dataset type, collection, data id) serves a search for one data id.  In
 * CALIBRATION collections a data id may have several datasets, each for a time:
 * where that decides it is an error.  (The client's query_datasets() takes one of
 * them or all, or raises, depending on what else is searched.)
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

/* How many rows are fetched at a time */
#define BATCH_SIZE 10000

/* $1 is the search path, values of the data id follow. */
#define FIRST_VALUE 2

typedef struct Finder
{
	const Registry *registry;
	const char *type_name;
	int64		type_id;
	Oid			tags;
	Oid			calibs;			/* InvalidOid: no calibration */
	List	   *dimensions;		/* names, required ones */
	List	   *given;			/* of those, with values ... */
	List	   *values;			/* ... as text */
	SearchPath *path;
} Finder;

static Oid
association_table(const Registry *registry, const char *name)
{
	Oid			table;

	if (name == NULL)
		return InvalidOid;
	table = registry_table(registry, name);
	if (!OidIsValid(table))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("the registry in schema %s has no table \"%s\"", registry->schema, name)));
	return table;
}

static void
read_dataset_type(Finder *finder)
{
	const Registry *registry = finder->registry;
	Oid			type = TEXTOID;
	Datum		value = CStringGetTextDatum(finder->type_name);
	uint64		n = butler_select(SELECT_STATEMENT,
								  psprintf("SELECT d.id::pg_catalog.int8, d.tag_association_table::pg_catalog.text,"
										   " d.calibration_association_table::pg_catalog.text, g.dimension_name::pg_catalog.text"
										   " FROM %1$s.dataset_type d LEFT JOIN %1$s.dimension_graph_definition g"
										   " ON g.dimension_graph_id OPERATOR(pg_catalog.=) d.dimensions_key"
										   " WHERE d.name OPERATOR(pg_catalog.=) $1", registry->schema),
								  1, &type, &value);

	if (n == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("dataset type \"%s\" does not exist", finder->type_name),
				 errdetail("The registry is that in schema %s.", registry->schema)));
	finder->type_id = DatumGetInt64(selected_datum(0, 1));
	finder->tags = association_table(registry, selected_text(0, 2));
	finder->calibs = association_table(registry, selected_text(0, 3));
	for (uint64 i = 0; i < n; i++)
		if (selected_text(i, 4) != NULL)
			finder->dimensions = lappend(finder->dimensions, selected_text(i, 4));
}

static void
check_dimension(const Finder *finder, const char *name)
{
	StringInfoData list;
	ListCell   *cell;

	if (name_in(finder->dimensions, name))
		return;
	initStringInfo(&list);
	foreach(cell, finder->dimensions)
		appendStringInfo(&list, "%s\"%s\"", list.len == 0 ? "" : ", ", (char *) lfirst(cell));
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("\"%s\" is not a required dimension of dataset type \"%s\"", name, finder->type_name),
			 finder->dimensions == NIL ? errhint("It has none.") : errhint("These are: %s.", list.data)));
}

static void
read_data_id(Finder *finder, Datum data_id)
{
	Oid			type = JSONBOID;
	uint64		n = butler_select(SELECT_STATEMENT,
								  "SELECT e.key, e.value FROM pg_catalog.jsonb_each_text($1) e", 1, &type, &data_id);

	for (uint64 i = 0; i < n; i++)
	{
		char	   *name = selected_text(i, 1);
		char	   *value = selected_text(i, 2);

		check_dimension(finder, name);
		if (value == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("data_id has no value of \"%s\"", name)));
		finder->given = lappend(finder->given, name);
		finder->values = lappend(finder->values, value);
	}
}

static bool
has_type(const SearchPath *path, CollectionType type)
{
	for (int i = 0; i < path->n; i++)
		if (path->collections[i].type == type)
			return true;
	return false;
}

static const char *
dimension_list(const Finder *finder, const char *alias)
{
	StringInfoData list;
	ListCell   *cell;

	initStringInfo(&list);
	appendStringInfo(&list, "%s.dataset_type_id", alias);
	foreach(cell, finder->dimensions)
		appendStringInfo(&list, ", %s.%s", alias, quote_identifier(lfirst(cell)));
	return list.data;
}

/*
 * Writes the members of the path's collections, of one table; as an aggregate, one
 * row for a data id in a collection.
 */
static void
append_members(StringInfo text, const Finder *finder, Oid table, bool aggregate)
{
	const char *dimensions = dimension_list(finder, "t");
	ListCell   *cell;
	int			parameter = FIRST_VALUE;

	appendStringInfo(text, "SELECT %s AS dataset_id, %s AS n, p.place, %s"
					 " FROM pg_catalog.unnest($1) WITH ORDINALITY p (key, place)"
					 " JOIN %s t ON t.%s OPERATOR(pg_catalog.=) p.key"
					 " WHERE t.dataset_type_id OPERATOR(pg_catalog.=) " INT64_FORMAT,
					 aggregate ? "(pg_catalog.array_agg(t.dataset_id))[1]" : "t.dataset_id",
					 aggregate ? "pg_catalog.count(DISTINCT t.dataset_id)" : "1::pg_catalog.int8",
					 dimensions, query_relation(table), finder->registry->tag_key, finder->type_id);
	foreach(cell, finder->given)
		appendStringInfo(text, " AND t.%s OPERATOR(pg_catalog.=) $%d::%s", quote_identifier(lfirst(cell)), parameter++,
						 format_type_be_qualified(get_atttype(table, get_attnum(table, lfirst(cell)))));
	if (aggregate)
		appendStringInfo(text, " GROUP BY p.place, %s", dimensions);
}

/* Then what a dataset is found in is its run. */
static bool
has_only_runs(const SearchPath *path)
{
	return !has_type(path, COLLECTION_TAGGED) && !has_type(path, COLLECTION_CALIBRATION);
}

/*
 * Writes the search: (dataset_id, run, position, n), without the run where that is
 * known by the position.
 */
static void
append_search(StringInfo text, const Finder *finder)
{
	const Registry *registry = finder->registry;
	const char *dimensions = dimension_list(finder, "m");
	bool		runs_only = has_only_runs(finder->path);

	appendStringInfo(text, "SELECT f.dataset_id, %s::pg_catalog.text, f.place::pg_catalog.int4, f.n FROM (SELECT DISTINCT ON (%s) m.* FROM (",
					 runs_only ? "NULL" : "c.name", dimensions);
	append_members(text, finder, finder->tags, false);
	if (OidIsValid(finder->calibs) && has_type(finder->path, COLLECTION_CALIBRATION))
	{
		appendStringInfoString(text, " UNION ALL ");
		append_members(text, finder, finder->calibs, true);
	}
	appendStringInfo(text, ") m ORDER BY %s, m.place) f", dimensions);
	if (!runs_only)
		appendStringInfo(text, " JOIN %1$s.dataset d ON d.id OPERATOR(pg_catalog.=) f.dataset_id"
						 " JOIN %1$s.collection c ON c.%2$s OPERATOR(pg_catalog.=) d.%3$s",
						 registry->schema, registry->collection_key, registry->run_key);
}

static SPIPlanPtr
plan_search(const Finder *finder, Datum **values)
{
	int			n = FIRST_VALUE - 1 + list_length(finder->given);
	Oid		   *types = palloc(sizeof(Oid) * n);
	StringInfoData text;
	ListCell   *cell;

	initStringInfo(&text);
	append_search(&text, finder);
	*values = palloc(sizeof(Datum) * n);
	types[0] = get_array_type(finder->registry->key_type);
	(*values)[0] = PointerGetDatum(search_path_keys(finder->registry, finder->path));
	n = FIRST_VALUE - 1;
	foreach(cell, finder->values)
	{
		types[n] = TEXTOID;
		(*values)[n++] = CStringGetTextDatum(lfirst(cell));
	}
	return query_prepare(text.data, n, types);
}

static void
return_row(const Finder *finder, ReturnSetInfo *rsinfo, HeapTuple row, TupleDesc desc)
{
	Datum		values[4];
	bool		nulls[4];
	const char *found_in;
	bool		from_runs;

	heap_deform_tuple(row, desc, values, nulls);
	found_in = finder->path->collections[DatumGetInt32(values[2]) - 1].name;
	if (DatumGetInt64(values[3]) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_CARDINALITY_VIOLATION),
				 errmsg("CALIBRATION collection \"%s\" holds several datasets of type \"%s\" for one data id",
						found_in, finder->type_name),
				 errdetail("Which of them is meant depends on the time."),
				 errhint("Leave the collection out, or give a data id for which there is one.")));
	from_runs = nulls[1];
	if (from_runs)
	{
		values[1] = CStringGetTextDatum(found_in);
		nulls[1] = false;
	}
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	if (from_runs)
		pfree(DatumGetPointer(values[1]));
}

static void
return_first(const Finder *finder, ReturnSetInfo *rsinfo)
{
	Datum	   *values;
	SPIPlanPtr	plan = plan_search(finder, &values);
	int			level = query_jit_off();
	Portal		portal;

	query_set("plan_cache_mode", "force_custom_plan");
	portal = SPI_cursor_open(NULL, plan, values, NULL, true);
	do
	{
		CHECK_FOR_INTERRUPTS();
		SPI_cursor_fetch(portal, true, BATCH_SIZE);
		for (uint64 i = 0; i < SPI_processed; i++)
			return_row(finder, rsinfo, SPI_tuptable->vals[i], SPI_tuptable->tupdesc);
		SPI_freetuptable(SPI_tuptable);
	} while (SPI_processed == BATCH_SIZE);
	SPI_cursor_close(portal);
	query_settings_back(level);
}

static void
refuse_patterns(const List *collections)
{
	const Wildcard *wildcard = wildcard_parse(collections);

	if (wildcard->all || wildcard->patterns != NIL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("collections must be names: what a pattern matches has no order of search"),
				 errhint("Take the order of their registration from catreg.match_collections(), if that will do.")));
}

PG_FUNCTION_INFO_V1(find_datasets);

/*
 * find_datasets(dataset_type text, collections text[], registry, data_id jsonb) ->
 * SETOF (dataset_id, run, position)
 */
Datum
find_datasets(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext context = CurrentMemoryContext;
	Finder		finder = {0};
	List	   *collections;

	InitMaterializedSRF(fcinfo, 0);
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2))
		return (Datum) 0;
	finder.type_name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	collections = expressions_of_array(PG_GETARG_ARRAYTYPE_P(1), "collections");
	refuse_patterns(collections);

	SPI_connect();
	MemoryContextSwitchTo(context);
	finder.registry = registry_open(PG_GETARG_OID(2));
	read_dataset_type(&finder);
	if (!PG_ARGISNULL(3))
		read_data_id(&finder, PG_GETARG_DATUM(3));
	finder.path = search_path_flatten(finder.registry, collections, SELECT_STATEMENT);
	if (finder.path->n > 0)
		return_first(&finder, rsinfo);
	SPI_finish();
	return (Datum) 0;
}
