/*-------------------------------------------------------------------------
 *
 * src/butler/registry.c
 *	  What a Butler registry's tables say of themselves.
 *
 * Names are looked up and never computed: the client shortens long ones.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"

#include "core/query.h"
#include "butler/registry.h"

/*
 * A table of the registry, or InvalidOid.
 */
Oid
registry_table(const Registry *registry, const char *name)
{
	return get_relname_relid(name, registry->namespace);
}

/*
 * A table of the registry.
 *
 * Error: undefined_table.
 */
Oid
registry_needed_table(const Registry *registry, const char *name)
{
	Oid			table = registry_table(registry, name);

	if (!OidIsValid(table))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("schema %s holds no Butler registry", registry->schema),
				 errdetail("It has no table \"%s\".", name),
				 errhint("The argument \"registry\" is the schema of the registry's tables.")));
	return table;
}

/*
 * Executes a query, in whatever memory context: SPI leaves its own behind.
 */
static void
execute(const char *text, int nargs, Oid *types, Datum *values)
{
	MemoryContext context = CurrentMemoryContext;
	SPIPlanPtr	plan = query_prepare(text, nargs, types);

	if (query_execute_latest(plan, values, false) != SPI_OK_SELECT)
		elog(ERROR, "could not execute \"%s\"", text);
	SPI_freeplan(plan);
	MemoryContextSwitchTo(context);
}

static char *
spi_text(uint64 row, int column)
{
	return SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column);
}

/*
 * The value of an attribute, or NULL.  SPI must be connected.
 */
char *
registry_attribute(const Registry *registry, const char *name)
{
	Oid			type = TEXTOID;
	Datum		value = CStringGetTextDatum(name);

	execute(psprintf("SELECT a.value FROM %s.butler_attributes a WHERE a.name OPERATOR(pg_catalog.=) $1",
					 registry->schema),
			1, &type, &value);
	return SPI_processed == 0 ? NULL : spi_text(0, 1);
}

/*
 * Opens the registry in a schema.  SPI must be connected.
 */
Registry *
registry_open(Oid namespace)
{
	Registry   *registry = palloc0(sizeof(Registry));
	char	   *name = get_namespace_name(namespace);
	char	   *json;

	if (name == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_SCHEMA),
				 errmsg("schema with OID %u does not exist", namespace)));
	registry->namespace = namespace;
	registry->schema = pstrdup(quote_identifier(name));
	registry_needed_table(registry, "butler_attributes");
	registry->collection = registry_needed_table(registry, "collection");
	registry->collection_chain = registry_needed_table(registry, "collection_chain");
	registry->dataset = registry_needed_table(registry, "dataset");
	registry->dataset_type = registry_needed_table(registry, "dataset_type");
	registry_needed_table(registry, "dimension_graph_definition");
	if (get_attnum(registry->collection, "collection_id") != InvalidAttrNumber)
	{
		registry->collection_key = "collection_id";
		registry->tag_key = "collection_id";
		registry->run_key = "run_id";
	}
	else
	{
		registry->collection_key = "name";
		registry->tag_key = "collection_name";
		registry->run_key = "run_name";
	}
	registry->collection_type = get_atttype(registry->collection,
											get_attnum(registry->collection, registry->collection_key));
	registry->key_type = get_typlen(registry->collection_type) == -1 ? TEXTOID : INT8OID;
	json = registry_attribute(registry, "config:dimensions.json");
	if (json == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("the registry in schema %s does not say what its dimensions are", registry->schema),
				 errdetail("butler_attributes has no row \"config:dimensions.json\".")));
	registry->universe = universe_parse(json);
	return registry;
}

/*
 * Dimensions in the order of the tags table's columns, which is always the same: the
 * keys of data ids depend on it (see data_id.c).
 */
static List *
in_column_order(ArrayType *array, Oid tags)
{
	List	   *ordered = NIL;
	Bitmapset  *columns = NULL;
	Datum	   *names;
	int			n_names;
	int			column = -1;

	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &names, NULL, &n_names);
	for (int i = 0; i < n_names; i++)
	{
		char	   *name = TextDatumGetCString(names[i]);
		AttrNumber	attnum = get_attnum(tags, name);

		if (attnum > 0)
			columns = bms_add_member(columns, attnum);
		else
			ordered = lappend(ordered, name);	/* whoever needs it will say that it is not there */
	}
	while ((column = bms_next_member(columns, column)) >= 0)
		ordered = lappend(ordered, get_attname(tags, column, false));
	return ordered;
}

/*
 * All dataset types, of DatasetType, in the order of their ids.  SPI must be
 * connected.
 */
List *
registry_dataset_types(const Registry *registry)
{
	List	   *types = NIL;
	uint64		n_rows;
	SPITupleTable *rows;

	execute(psprintf("SELECT d.id::pg_catalog.int8, d.name::pg_catalog.text, d.tag_association_table::pg_catalog.text, "
					 "ARRAY(SELECT g.dimension_name::pg_catalog.text FROM %s.dimension_graph_definition g "
					 "WHERE g.dimension_graph_id OPERATOR(pg_catalog.=) d.dimensions_key), "
					 "d.storage_class::pg_catalog.text, d.calibration_association_table::pg_catalog.text "
					 "FROM %s.dataset_type d ORDER BY 1",
					 registry->schema, registry->schema),
			0, NULL, NULL);
	n_rows = SPI_processed;
	rows = SPI_tuptable;
	for (uint64 i = 0; i < n_rows; i++)
	{
		DatasetType *type = palloc0(sizeof(DatasetType));
		bool		isnull;
		char	   *table = SPI_getvalue(rows->vals[i], rows->tupdesc, 3);
		char	   *calibs = SPI_getvalue(rows->vals[i], rows->tupdesc, 6);

		type->id = DatumGetInt64(SPI_getbinval(rows->vals[i], rows->tupdesc, 1, &isnull));
		type->name = SPI_getvalue(rows->vals[i], rows->tupdesc, 2);
		type->storage_class = SPI_getvalue(rows->vals[i], rows->tupdesc, 5);
		type->tags = table == NULL ? InvalidOid : registry_table(registry, table);
		type->calibs = calibs == NULL ? InvalidOid : registry_table(registry, calibs);
		if (!OidIsValid(type->tags))
			continue;
		type->required = in_column_order(DatumGetArrayTypeP(SPI_getbinval(rows->vals[i], rows->tupdesc, 4, &isnull)), type->tags);
		types = lappend(types, type);
	}
	SPI_freetuptable(rows);
	return types;
}
