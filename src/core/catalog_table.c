/*-------------------------------------------------------------------------
 *
 * src/core/catalog_table.c
 *	  The table by which a Butler registry or a Tiled catalog is noted.
 *
 * A schema may be renamed, and pg_upgrade refuses columns of type regnamespace.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/lsyscache.h"

#include "core/catalog_table.h"

/*
 * A registry's or a catalog's table in a schema, or InvalidOid.
 */
Oid
catalog_table(Oid schema)
{
	Oid			table = get_relname_relid("butler_attributes", schema);

	return OidIsValid(table) ? table : get_relname_relid("nodes", schema);
}

PG_FUNCTION_INFO_V1(table_of_registry);

/*
 * table_of_registry(registry) -> the same, or NULL.
 */
Datum
table_of_registry(PG_FUNCTION_ARGS)
{
	Oid			table = catalog_table(PG_GETARG_OID(0));

	if (!OidIsValid(table))
		PG_RETURN_NULL();
	PG_RETURN_OID(table);
}
