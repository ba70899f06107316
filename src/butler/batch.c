/*-------------------------------------------------------------------------
 *
 * src/butler/batch.c
 *	  The columns of a batch, matched by name.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "core/query.h"
#include "butler/bulk.h"

/*
 * Error: undefined_table where there is no such relation.
 */
void
batch_check(Oid batch)
{
	if (get_rel_name(batch) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation with OID %u does not exist", batch)));
}

/* Does each value of a type have a place in another, and the same meaning? */
static bool
converts(Oid from, Oid to)
{
	switch (to)
	{
		case INT8OID:
			return from == INT2OID || from == INT4OID || from == INT8OID;
		case TEXTOID:
			return from == TEXTOID || from == VARCHAROID;
		default:
			return from == to;
	}
}

/*
 * Appends a column of the batch, as a value of the given type, to the list of
 * those that a query reads; where it has none, NULL, and returns false.
 *
 * Error: datatype_mismatch.
 */
bool
batch_column(StringInfo query, Oid batch, const char *name, Oid type)
{
	AttrNumber	column = get_attnum(batch, name);
	const char *separator = query->len > 0 ? ", " : "";
	Oid			own;

	if (column <= 0)
	{
		appendStringInfo(query, "%sNULL::%s", separator, format_type_be_qualified(type));
		return false;
	}
	own = getBaseType(get_atttype(batch, column));
	if (!converts(own, type))
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("column \"%s\" of batch \"%s\" is of type %s, not %s",
						name, get_rel_name(batch), format_type_be(own), format_type_be(type))));
	appendStringInfo(query, "%sb.%s::%s", separator, quote_identifier(name),
					 format_type_be_qualified(type));
	return true;
}

/*
 * Error: undefined_column where the batch lacks one.
 */
void
batch_needs(Oid batch, const char *name, const char *why)
{
	if (get_attnum(batch, name) <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("batch \"%s\" has no column \"%s\"", get_rel_name(batch), name),
				 errdetail("%s", why)));
}
