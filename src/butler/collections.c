/*-------------------------------------------------------------------------
 *
 * src/butler/collections.c
 *	  match_collections(), flatten_collections() and match_dataset_types().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/builtins.h"

#include "butler/search_path.h"
#include "butler/wildcard.h"

typedef SearchPath *(*Resolver) (const Registry *registry, const List *expressions, SelectSnapshot snapshot);

/*
 * Resolves the function's first argument, in the current memory context.
 */
static SearchPath *
resolve(FunctionCallInfo fcinfo, const char *argument, Resolver resolver)
{
	MemoryContext context = CurrentMemoryContext;
	List	   *expressions = expressions_of_array(PG_GETARG_ARRAYTYPE_P(0), argument);
	SearchPath *path;

	SPI_connect();
	MemoryContextSwitchTo(context);
	path = resolver(registry_open(PG_GETARG_OID(1)), expressions, SELECT_STATEMENT);
	SPI_finish();
	MemoryContextSwitchTo(context);
	return path;
}

PG_FUNCTION_INFO_V1(match_collections);

/*
 * match_collections(patterns text[], registry) -> SETOF (name, type)
 */
Datum
match_collections(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	SearchPath *path;

	InitMaterializedSRF(fcinfo, 0);
	path = resolve(fcinfo, "patterns", search_path_match);
	for (int i = 0; i < path->n; i++)
	{
		Datum		values[2];
		bool		nulls[2] = {false, false};

		values[0] = CStringGetTextDatum(path->collections[i].name);
		values[1] = CStringGetTextDatum(collection_type_name(path->collections[i].type));
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(flatten_collections);

/*
 * flatten_collections(names text[], registry) -> SETOF (position, name, type)
 */
Datum
flatten_collections(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	SearchPath *path;

	InitMaterializedSRF(fcinfo, 0);
	path = resolve(fcinfo, "names", search_path_flatten);
	for (int i = 0; i < path->n; i++)
	{
		Datum		values[3];
		bool		nulls[3] = {false, false, false};

		values[0] = Int32GetDatum(i + 1);
		values[1] = CStringGetTextDatum(path->collections[i].name);
		values[2] = CStringGetTextDatum(collection_type_name(path->collections[i].type));
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}

static void
refuse_components(const List *names)
{
	ListCell   *cell;

	foreach(cell, names)
	{
		const char *dot = strchr(lfirst(cell), '.');

		if (dot != NULL)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("\"%s\" is a component, and no dataset type of the registry", (char *) lfirst(cell)),
					 errhint("Its dataset type is \"%.*s\".", (int) (dot - (char *) lfirst(cell)), (char *) lfirst(cell))));
	}
}

PG_FUNCTION_INFO_V1(match_dataset_types);

/*
 * match_dataset_types(patterns text[], registry) -> SETOF name: what is named, in
 * that order, then what patterns match, in the order of registration; each once.
 * A name that does not exist is left out, as the client does.
 */
Datum
match_dataset_types(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext context = CurrentMemoryContext;
	Wildcard   *wildcard = wildcard_parse(expressions_of_array(PG_GETARG_ARRAYTYPE_P(0), "patterns"));
	Registry   *registry;
	Oid			types[2] = {TEXTARRAYOID, TEXTARRAYOID};
	Datum		values[2];
	uint64		n;

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	if (!wildcard->all)
		refuse_components(wildcard->names);
	values[0] = PointerGetDatum(array_of_expressions(wildcard->all ? NIL : wildcard->names));
	values[1] = PointerGetDatum(array_of_expressions(wildcard->all ? list_make1("^") : wildcard->patterns));
	SPI_connect();
	MemoryContextSwitchTo(context);
	registry = registry_open(PG_GETARG_OID(1));
	n = butler_select(SELECT_STATEMENT,
					  psprintf("SELECT d.name::pg_catalog.text FROM %s.dataset_type d LEFT JOIN"
							   " (SELECT u.name, pg_catalog.min(u.place) AS place FROM pg_catalog.unnest($1) WITH ORDINALITY u (name, place) GROUP BY 1) n"
							   " ON n.name OPERATOR(pg_catalog.=) d.name"
							   " WHERE n.place IS NOT NULL OR d.name OPERATOR(pg_catalog.~) ANY ($2) ORDER BY n.place, d.id",
							   registry->schema),
					  2, types, values);
	for (uint64 i = 0; i < n; i++)
	{
		Datum		value = selected_datum(i, 1);
		bool		isnull = false;

		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, &value, &isnull);
	}
	SPI_finish();
	return (Datum) 0;
}
