/*-------------------------------------------------------------------------
 *
 * src/obscore/pgsphere.c
 *	  The columns of pgsphere's types, for who asks for its plugin.
 *
 * Values are those of daf_butler's plugin (registry/obscore/pgsphere.py), which
 * sends text: the vertices of a convex polygon, and the centre of its bounding
 * circle, in radians and in the shortest decimals that read back.  The same text
 * goes to the input function of the type here, wherever the extension has been
 * put; nothing is known of what the types are inside.
 *
 * pgsphere refuses some polygons that are good ones, those with an edge too
 * short for its precision among them, and knows no other way to do so than an
 * error.  A put must not fail of that, so the input function is called within a
 * subtransaction; that is why nothing here runs in parallel.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/dependency.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "common/shortest_dec.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "utils/catcache.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "core/attempt.h"
#include "core/compat.h"
#include "obscore/pgsphere.h"
#include "obscore/problem.h"
#include "sky/region.h"

/* -------------------------------------------------------------------- types */

/*
 * A type of the extension, in whatever schema it is.  Error where the extension
 * is not there: undefined_object; with missing_ok InvalidOid.
 */
Oid
pgsphere_type(const char *name, bool missing_ok)
{
	Oid			extension = get_extension_oid("pg_sphere", true);
	Oid			found = InvalidOid;
	CatCList   *list = SearchSysCacheList1(TYPENAMENSP, CStringGetDatum(name));

	for (int i = 0; i < list->n_members && OidIsValid(extension); i++)
	{
		Oid			type = ((Form_pg_type) GETSTRUCT(&list->members[i]->tuple))->oid;

		if (getExtensionOfObject(TypeRelationId, type) == extension)
			found = type;
	}
	ReleaseSysCacheList(list);
	if (!OidIsValid(found) && !missing_ok)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 OidIsValid(extension) ? errmsg("extension \"%s\" has no type \"%s\"", "pg_sphere", name) :
				 errmsg("extension \"%s\" is not installed", "pg_sphere"),
				 errdetail("The configuration's spatial_plugins ask for columns of its types."),
				 errhint("Install it, or leave spatial_plugins out: column \"region\" holds every footprint.")));
	return found;
}

static bool
has_column(Oid table, const char *column, const char *type)
{
	AttrNumber	attnum = column == NULL ? InvalidAttrNumber : get_attnum(table, column);

	return attnum > 0 && get_atttype(table, attnum) == pgsphere_type(type, true);
}

/*
 * Leaves out of a configuration the columns that its table has lost, as it does
 * with DROP EXTENSION ... CASCADE: the others are kept on.
 */
void
pgsphere_leave_lost(ObscoreConfig *config, Oid table)
{
	if (!has_column(table, config->region_column, PGSPHERE_REGION))
		config->region_column = NULL;
	if (!has_column(table, config->position_column, PGSPHERE_POSITION))
		config->position_column = NULL;
}

/* ------------------------------------------------------------------- values */

typedef struct InputFunction
{
	FmgrInfo	function;
	Oid			param;
} InputFunction;

/* The input function of the type of the call's second argument. */
static InputFunction *
input_function(FunctionCallInfo fcinfo)
{
	FmgrInfo   *flinfo = fcinfo->flinfo;

	if (flinfo->fn_extra == NULL)
	{
		InputFunction *input = MemoryContextAlloc(flinfo->fn_mcxt, sizeof(InputFunction));
		Oid			oid;

		getTypeInputInfo(get_fn_expr_argtype(flinfo, 1), &oid, &input->param);
		fmgr_info_cxt(oid, &input->function, flinfo->fn_mcxt);
		flinfo->fn_extra = input;
	}
	return flinfo->fn_extra;
}

typedef struct Input
{
	InputFunction *function;
	char	   *text;
	Datum		value;
} Input;

static void
call_input(void *arg)
{
	Input	   *input = arg;

	input->value = InputFunctionCall(&input->function->function, input->text, input->function->param, -1);
}

/*
 * The value of a text, in the current memory context; false, and a problem noted,
 * where the type's input function refuses it.
 */
static bool
input_safely(InputFunction *function, char *text, Datum *value)
{
	Input		input = {function, text};
	ErrorData  *error = attempt(call_input, &input);

	*value = input.value;
	if (error == NULL)
		return true;
	if (attempt_must_end(error))
		ReThrowError(error);
	obscore_note("pgsphere says: %s", error->message);
	FreeErrorData(error);
	return false;
}

static void
append_radians(StringInfo text, double radians)
{
	char		number[DOUBLE_SHORTEST_DECIMAL_LEN];

	double_to_shortest_decimal_buf(radians, number);
	appendStringInfoString(text, number);
}

static void
append_position(StringInfo text, Vec position)
{
	appendStringInfoChar(text, '(');
	append_radians(text, vec_longitude(position));
	appendStringInfoChar(text, ',');
	append_radians(text, vec_latitude(position));
	appendStringInfoChar(text, ')');
}

/* The region that a function was called with; NULL where the peers make nothing of it. */
static const Region *
convex_argument(FunctionCallInfo fcinfo)
{
	const Region *region = PG_ARGISNULL(0) ? NULL : PG_GETARG_REGION(0);

	return region == NULL || region->shape.kind != SHAPE_CONVEX ? NULL : region;
}

PG_FUNCTION_INFO_V1(obscore_pgsphere_region);

/*
 * obscore_pgsphere_region(region, NULL of a type) -> the type: the vertices of a
 * convex polygon; NULL for all others, and where the type refuses them.
 */
Datum
obscore_pgsphere_region(PG_FUNCTION_ARGS)
{
	const Region *region = convex_argument(fcinfo);
	StringInfoData text;
	Datum		value;

	if (region == NULL)
		PG_RETURN_NULL();
	initStringInfo(&text);
	for (uint32 i = 0; i < region->shape.n; i++)
	{
		appendStringInfoChar(&text, i == 0 ? '{' : ',');
		append_position(&text, shape_vertices(&region->shape)[i]);
	}
	appendStringInfoChar(&text, '}');
	if (!input_safely(input_function(fcinfo), text.data, &value))
		PG_RETURN_NULL();
	PG_RETURN_DATUM(value);
}

PG_FUNCTION_INFO_V1(obscore_pgsphere_position);

/*
 * obscore_pgsphere_position(region, NULL of a type) -> the type: the centre of the
 * bounding circle of a convex polygon; NULL for all others.
 */
Datum
obscore_pgsphere_position(PG_FUNCTION_ARGS)
{
	const Region *region = convex_argument(fcinfo);
	StringInfoData text;
	Datum		value;

	if (region == NULL)
		PG_RETURN_NULL();
	initStringInfo(&text);
	append_position(&text, shape_bounding_circle(&region->shape).center);
	if (!input_safely(input_function(fcinfo), text.data, &value))
		PG_RETURN_NULL();
	PG_RETURN_DATUM(value);
}
