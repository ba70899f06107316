/*-------------------------------------------------------------------------
 *
 * src/butler/select.c
 *	  Reading a registry's tables.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/datum.h"

#include "core/query.h"
#include "butler/select.h"

/*
 * Executes a query that is planned for just these values, none of them NULL, and
 * leaves its rows in SPI_tuptable.  The memory context stays the caller's.  SPI
 * must be connected.
 */
uint64
butler_select(SelectSnapshot snapshot, const char *text, int nargs, Oid *types, Datum *values)
{
	MemoryContext context = CurrentMemoryContext;
	SPIPlanPtr	plan = query_prepare(text, nargs, types);
	int			result;

	if (snapshot == SELECT_LATEST)
		result = query_execute_latest(plan, values, false);
	else
	{
		int			level = query_jit_off();

		result = SPI_execute_plan(plan, values, NULL, true, 0);
		query_settings_back(level);
	}
	if (result != SPI_OK_SELECT)
		elog(ERROR, "could not execute \"%s\": %s", text, SPI_result_code_string(result));
	SPI_freeplan(plan);
	MemoryContextSwitchTo(context);
	return SPI_processed;
}

/*
 * A selected value as text, in the current memory context; NULL for NULL.
 */
char *
selected_text(uint64 row, int column)
{
	return SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column);
}

/*
 * A selected value that is not NULL, copied into the current memory context.
 */
Datum
selected_datum(uint64 row, int column)
{
	Form_pg_attribute attribute = TupleDescAttr(SPI_tuptable->tupdesc, column - 1);
	bool		isnull;
	Datum		value = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, &isnull);

	if (isnull)
		elog(ERROR, "column \"%s\" is NULL", NameStr(attribute->attname));
	return datumCopy(value, attribute->attbyval, attribute->attlen);
}
