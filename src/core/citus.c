/*-------------------------------------------------------------------------
 *
 * src/core/citus.c
 *	  Tables whose rows the extension Citus keeps.
 *
 * Such a table, distributed, reference or local, is an empty shell: its rows are in other tables,
 * here or on other servers, and whoever reads or writes the shell itself, past the
 * planner, finds nothing and loses what he writes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_namespace.h"
#include "fmgr.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "core/citus.h"

/* What a table is divided by, as Citus's catalog has it, which has a row for each that it keeps; else 0. */
static char
partition_method(Oid table)
{
	Oid			catalog = get_relname_relid("pg_dist_partition", PG_CATALOG_NAMESPACE);
	Relation	rel;
	SysScanDesc scan;
	ScanKeyData key;
	HeapTuple	tuple;
	char		method = 0;

	if (!OidIsValid(catalog))
		return 0;
	rel = table_open(catalog, AccessShareLock);
	ScanKeyInit(&key, get_attnum(catalog, "logicalrelid"), BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(table));
	scan = systable_beginscan(rel, get_relname_relid("pg_dist_partition_logical_relid_index", PG_CATALOG_NAMESPACE), true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		bool		isnull;

		method = DatumGetChar(heap_getattr(tuple, get_attnum(catalog, "partmethod"), RelationGetDescr(rel), &isnull));
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return method;
}

/*
 * Does Citus keep the rows of a table?
 */
bool
citus_keeps(Oid table)
{
	return partition_method(table) != 0;
}

/*
 * Does each of Citus's servers have all the rows of a table, for one?  False: they are divided.
 */
bool
citus_has_copies(Oid table)
{
	return partition_method(table) == 'n';
}

PG_FUNCTION_INFO_V1(catreg_citus_keeps);

/*
 * citus_keeps(relation) -> boolean
 */
Datum
catreg_citus_keeps(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(citus_keeps(PG_GETARG_OID(0)));
}
