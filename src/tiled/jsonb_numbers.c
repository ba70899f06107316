/*-------------------------------------------------------------------------
 *
 * src/tiled/jsonb_numbers.c
 *	  Refuses numbers that jsonb can hold and Tiled cannot read back.
 *
 * jsonb keeps 1e400 as it is.  Python reads it as an integer of 401 digits, which
 * Tiled's server cannot send: not the node, nor any listing that it is in.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/numeric.h"

#include "tiled/registration.h"

#define NUMBER_LENGTH 24		/* so much of one is shown */

/* numeric; what lies between needs no closer look */
static Datum limits[2];

static Datum
make_limit(const char *text)
{
	return DirectFunctionCall3(numeric_in, CStringGetDatum(text),
							   ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));
}

static void
make_limits(void)
{
	MemoryContext before = MemoryContextSwitchTo(TopMemoryContext);

	limits[0] = make_limit("1e308");
	limits[1] = make_limit("-1e308");
	MemoryContextSwitchTo(before);
}

static bool
is_out_of_range(Numeric number)
{
	Datum		value = NumericGetDatum(number);

	if (limits[1] == (Datum) 0)
		make_limits();
	if (DatumGetBool(DirectFunctionCall2(numeric_le, value, limits[0])) &&
		DatumGetBool(DirectFunctionCall2(numeric_ge, value, limits[1])))
		return false;
	return isinf(DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow, value)));
}

static void pg_attribute_noreturn()
refuse(Numeric number, const char *what)
{
	char	   *text = numeric_normalize(number);

	ereport(ERROR,
			(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
			 errmsg("number \"%.*s%s\" in %s is out of range", NUMBER_LENGTH, text,
					strlen(text) > NUMBER_LENGTH ? "..." : "", what),
			 errdetail("It has %zu digits, which is beyond the range of double precision.",
					   strspn(text[0] == '-' ? text + 1 : text, "0123456789"))));
}

/*
 * Refuses a value (jsonb) that has a number beyond the range of double precision.
 *
 * Error: numeric_value_out_of_range, naming the number and what it is in.
 */
void
jsonb_check_numbers(Datum value, const char *what)
{
	JsonbIterator *iterator = JsonbIteratorInit(&DatumGetJsonbP(value)->root);
	JsonbIteratorToken token;
	JsonbValue	part;

	while ((token = JsonbIteratorNext(&iterator, &part, false)) != WJB_DONE)
		if ((token == WJB_VALUE || token == WJB_ELEM) && part.type == jbvNumeric &&
			is_out_of_range(part.val.numeric))
			refuse(part.val.numeric, what);
}
