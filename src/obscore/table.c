/*-------------------------------------------------------------------------
 *
 * src/obscore/table.c
 *	  What create_obscore() asks: statements, and where triggers belong.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "parser/parse_type.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "core/catalog_table.h"
#include "core/compat.h"
#include "core/query.h"
#include "obscore/tiled.h"

/* The peers' index names: the table, "idx", the columns (daf_butler, makeTableStruct()). */
static char *
index_name(const char *table, int n_columns, const char *const *columns)
{
	StringInfoData name;

	initStringInfo(&name);
	appendStringInfo(&name, "%s_idx", table);
	for (int i = 0; i < n_columns; i++)
		appendStringInfo(&name, "_%s", columns[i]);
	if (name.len >= NAMEDATALEN)
		return "";
	return pstrdup(quote_identifier(name.data));
}

static void
add_text(ReturnSetInfo *rsinfo, const char *text)
{
	Datum		value = CStringGetTextDatum(text);
	bool		isnull = false;

	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, &value, &isnull);
}

static Obscore *
make_for(FunctionCallInfo fcinfo, bool own_table, bool warn)
{
	return obscore_make(InvalidOid, PG_GETARG_OID(1), text_to_cstring(PG_GETARG_TEXT_PP(0)), own_table, warn);
}

PG_FUNCTION_INFO_V1(obscore_create_statements);

/*
 * obscore_create_statements(config text, registry, name) -> SETOF text: what makes
 * a table, then, from the second on, its indexes and constraints, which are
 * cheaper when the rows are there.  Warns of what the configuration says in vain.
 *
 * No foreign key to the datasets, as the client's own table has: rows follow the
 * tags, which have one, and a check for each row that is put, and a look-up for
 * each dataset that is removed, would cost more than all else.
 */
Datum
obscore_create_statements(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	const char *name = NameStr(*PG_GETARG_NAME(2));
	const Obscore *obscore;
	StringInfoData text;
	char	   *table;
	ListCell   *cell;

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	SPI_connect();
	obscore = make_for(fcinfo, true, true);
	table = psprintf("%s.%s", obscore->registry->schema, quote_identifier(name));
	initStringInfo(&text);
	appendStringInfo(&text, "CREATE TABLE %s (", table);
	foreach(cell, obscore->columns)
	{
		const ObscoreColumn *column = lfirst(cell);

		appendStringInfo(&text, "%s%s %s", cell == list_head(obscore->columns) ? "" : ", ",
						 quote_identifier(column->name), column->type);
	}
	appendStringInfoChar(&text, ')');
	add_text(rsinfo, text.data);
	add_text(rsinfo, psprintf("ALTER TABLE %s ADD PRIMARY KEY (registry_dataset_id)", table));
	if (obscore->find_first)
		add_text(rsinfo, psprintf("ALTER TABLE %s ADD UNIQUE (registry_data_id)", table));
	for (int i = 0; i < obscore->config->n_indices; i++)
	{
		const ObscoreIndex *index = &obscore->config->indices[i];

		resetStringInfo(&text);
		appendStringInfo(&text, "CREATE INDEX %s ON %s (", index_name(name, index->n_columns, index->columns), table);
		for (int j = 0; j < index->n_columns; j++)
			appendStringInfo(&text, "%s%s", j == 0 ? "" : ", ", quote_identifier(index->columns[j]));
		appendStringInfoChar(&text, ')');
		add_text(rsinfo, text.data);
	}
	foreach(cell, obscore->columns)
	{
		const ObscoreColumn *column = lfirst(cell);
		const char *column_name = column->name;

		if (OidIsValid(column->foreign_type))
			add_text(rsinfo, psprintf("CREATE INDEX %s ON %s USING gist (%s)", index_name(name, 1, &column_name),
									  table, quote_identifier(column_name)));
	}
	add_text(rsinfo, psprintf("CREATE INDEX ON %s USING gist (region)", table));
	SPI_finish();
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(obscore_table_name);

/*
 * obscore_table_name(config text) -> name: the table that a configuration names.
 */
Datum
obscore_table_name(PG_FUNCTION_ARGS)
{
	const ObscoreConfig *config = obscore_read_config(text_to_cstring(PG_GETARG_TEXT_PP(0)), false);
	Name		name = palloc(sizeof(NameData));

	namestrcpy(name, config->table_name);
	PG_RETURN_NAME(name);
}

/* Has a table a column that takes all values of one that it should have? */
static bool
has_column(Oid table, const char *name, Oid wanted_type, int32 wanted_typmod)
{
	AttrNumber	attnum = get_attnum(table, name);
	Oid			type;
	int32		typmod;
	Oid			collation;

	if (attnum <= 0)
		return false;
	get_atttypetypmodcoll(table, attnum, &type, &typmod, &collation);
	return type == wanted_type && (typmod < 0 || (wanted_typmod >= 0 && typmod >= wanted_typmod));
}

PG_FUNCTION_INFO_V1(obscore_missing_columns);

/*
 * obscore_missing_columns(config text, registry, obscore) -> text[]: the columns, with
 * their types, that a table lacks which the client is said to have made, its footprint
 * apart.
 */
Datum
obscore_missing_columns(PG_FUNCTION_ARGS)
{
	Oid			table = PG_GETARG_OID(2);
	const Obscore *obscore;
	ArrayBuildState *state;
	ListCell   *cell;
	MemoryContext context = CurrentMemoryContext;

	SPI_connect();
	obscore = make_for(fcinfo, false, true);
	state = initArrayResult(TEXTOID, context, false);
	foreach(cell, obscore->columns)
	{
		const ObscoreColumn *column = lfirst(cell);
		Oid			type;
		int32		typmod;

		if (strcmp(column->name, "region") == 0)
			continue;
		catreg_parse_type(column->type, &type, &typmod);
		if (!has_column(table, column->name, type, typmod))
			state = accumArrayResult(state, CStringGetTextDatum(psprintf("%s %s", quote_identifier(column->name), format_type_with_typemod(type, typmod))),
									 false, TEXTOID, context);
	}
	SPI_finish();
	PG_RETURN_DATUM(makeArrayResult(state, context));
}

static void
add_source(ReturnSetInfo *rsinfo, List **seen, Oid relation, bool inserts, bool updates, bool deletes, bool paths)
{
	Datum		values[5];
	bool		nulls[5] = {false, false, false, false, false};

	if (list_member_oid(*seen, relation))
		return;
	*seen = lappend_oid(*seen, relation);
	values[0] = ObjectIdGetDatum(relation);
	values[1] = BoolGetDatum(inserts);
	values[2] = BoolGetDatum(updates);
	values[3] = BoolGetDatum(deletes);
	values[4] = BoolGetDatum(paths);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/*
 * What no row is made of now, but may be with another configuration: a trigger
 * cannot be added without keeping writers out, which alter_obscore() does not.
 */
static void
add_other_sources(ReturnSetInfo *rsinfo, List **seen, const Registry *registry)
{
	ListCell   *cell;

	SPI_connect();
	foreach(cell, registry_dataset_types(registry))
		add_source(rsinfo, seen, ((DatasetType *) lfirst(cell))->tags, true, true, true, false);
	for (int i = 0; i < registry->universe->n_elements; i++)
	{
		Oid			table = registry_table(registry, registry->universe->elements[i].name);

		if (OidIsValid(table) && get_rel_relkind(table) == RELKIND_RELATION)
			add_source(rsinfo, seen, table, true, true, true, false);
	}
	SPI_finish();
}

static void
add_tiled_sources(ReturnSetInfo *rsinfo, List **seen, const ObscoreTiled *tiled)
{
	add_source(rsinfo, seen, tiled->nodes, true, true, true, false);
	if (!OidIsValid(tiled->assets))
		return;
	add_source(rsinfo, seen, tiled->data_sources, true, true, true, false);
	add_source(rsinfo, seen, tiled->association, true, true, true, false);

	/* an asset is there before anything that refers to it, and takes that along */
	add_source(rsinfo, seen, tiled->assets, false, true, false, false);
}

PG_FUNCTION_INFO_V1(obscore_sources);

/*
 * obscore_sources(obscore) -> SETOF (source, inserts, updates, deletes, paths): the
 * tables that rows are made of or may be, which events on them matter, and whether
 * they make up the search path of a find-first table.
 *
 * A record of a dimension is there before any dataset, whose tags refer to it;
 * those of a combination come and go.  A dataset that is deleted takes its tags
 * and its row along by foreign keys, and so does a collection.
 */
Datum
obscore_sources(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	const Obscore *obscore = obscore_get(PG_GETARG_OID(0), false);
	List	   *seen = NIL;
	ListCell   *cell;
	ListCell   *inner;

	InitMaterializedSRF(fcinfo, 0);
	if (obscore->tiled != NULL)
	{
		add_tiled_sources(rsinfo, &seen, obscore->tiled);
		return (Datum) 0;
	}
	add_source(rsinfo, &seen, obscore->registry->dataset_type, true, true, true, false);
	add_source(rsinfo, &seen, obscore->registry->dataset, false, true, false, false);
	add_source(rsinfo, &seen, obscore->registry->collection, obscore->find_first, true, true, obscore->find_first);
	if (obscore->find_first)
		add_source(rsinfo, &seen, obscore->registry->collection_chain, true, true, true, true);
	foreach(cell, obscore->selects)
		add_source(rsinfo, &seen, ((ObscoreSelect *) lfirst(cell))->type->tags, true, true, true, false);
	/* combinations first: where one relation is joined in two ways, both matter */
	for (int combination = 1; combination >= 0; combination--)
		foreach(cell, obscore->selects)
			foreach(inner, ((ObscoreSelect *) lfirst(cell))->joins)
			{
				const ObscoreJoin *join = lfirst(inner);

				if (OidIsValid(join->relation) && join->combination == (combination == 1))
					add_source(rsinfo, &seen, join->relation, join->combination, true, true, false);
			}
	add_other_sources(rsinfo, &seen, obscore->registry);
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(obscore_find_first_indexes);

/*
 * obscore_find_first_indexes(obscore) -> SETOF text: the statements that make the
 * indexes by which all datasets of a data id are found; none for a table that is
 * not find-first.
 */
Datum
obscore_find_first_indexes(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	const Obscore *obscore = obscore_get(PG_GETARG_OID(0), false);
	ListCell   *cell;
	ListCell   *inner;

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	foreach(cell, obscore->find_first ? obscore->selects : NIL)
	{
		const DatasetType *type = ((ObscoreSelect *) lfirst(cell))->type;
		StringInfoData text;

		initStringInfo(&text);
		appendStringInfo(&text, "CREATE INDEX IF NOT EXISTS %s ON %s (dataset_type_id",
						 quote_identifier(psprintf("catreg_find_first_%s", get_rel_name(type->tags))), query_relation(type->tags));
		foreach(inner, type->required)
			appendStringInfo(&text, ", %s", quote_identifier(lfirst(inner)));
		appendStringInfoChar(&text, ')');
		add_text(rsinfo, text.data);
	}
	return (Datum) 0;
}

/*
 * Executes a statement about catreg.obscore, for the owner of an ObsCore table.
 */
static uint64
execute_on_definitions(Oid table, const char *text, int nargs, Oid *types, Datum *values, const char *nulls)
{
	obscore_check_owner(table);
	return query_execute_on_definitions("obscore", text, nargs, types, values, nulls);
}

static Oid
get_catalog_table(Oid schema)
{
	Oid			table = catalog_table(schema);

	if (!OidIsValid(table))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("there is neither a Butler registry nor a Tiled catalog in the schema")));
	return table;
}

PG_FUNCTION_INFO_V1(obscore_define);

/*
 * obscore_define(obscore, registry, config, own_table, client_config), for the owner
 * of both: whatever hangs on the table is executed when others write the registry.
 */
Datum
obscore_define(PG_FUNCTION_ARGS)
{
	Oid			types[5] = {REGCLASSOID, REGCLASSOID, JSONOID, BOOLOID, TEXTOID};
	Datum		values[5];
	char		nulls[6] = "     ";
	Oid			registry;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("table and registry must not be NULL")));
	registry = get_catalog_table(PG_GETARG_OID(1));
	obscore_check_owner(registry);
	for (int i = 0; i < 5; i++)
	{
		if (PG_ARGISNULL(i))
			nulls[i] = 'n';
		values[i] = PG_GETARG_DATUM(i);
	}
	values[1] = ObjectIdGetDatum(registry);
	execute_on_definitions(PG_GETARG_OID(0),
						   "INSERT INTO catreg.obscore (obscore, registry, config, own_table, client_config) "
						   "VALUES ($1, $2, $3, $4, $5)", 5, types, values, nulls);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(obscore_undefine);

/*
 * obscore_undefine(obscore)
 */
Datum
obscore_undefine(PG_FUNCTION_ARGS)
{
	Oid			type = REGCLASSOID;
	Datum		value = PG_GETARG_DATUM(0);

	if (execute_on_definitions(PG_GETARG_OID(0), "DELETE FROM catreg.obscore WHERE obscore OPERATOR(pg_catalog.=) $1",
							   1, &type, &value, NULL) == 0)
		(void) obscore_get(PG_GETARG_OID(0), false);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(obscore_refreshed);

/*
 * obscore_refreshed(obscore)
 */
Datum
obscore_refreshed(PG_FUNCTION_ARGS)
{
	Oid			type = REGCLASSOID;
	Datum		value = PG_GETARG_DATUM(0);

	execute_on_definitions(PG_GETARG_OID(0), "UPDATE catreg.obscore SET refreshed = pg_catalog.now() WHERE obscore OPERATOR(pg_catalog.=) $1",
						   1, &type, &value, NULL);
	PG_RETURN_VOID();
}
