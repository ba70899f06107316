/*-------------------------------------------------------------------------
 *
 * src/obscore/tiled_values.c
 *	  Values of ObsCore columns from a Tiled catalog's metadata, without errors.
 *
 * What is not there, or of another type than the column, is NULL and a note (see
 * problem.c).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <ctype.h>
#include <math.h>

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/float.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"
#include "utils/uuid.h"

#include "core/compat.h"
#include "obscore/problem.h"
#include "obscore/tiled_config.h"
#include "sky/region.h"

/* The MJD of 1970-01-01. */
#define UNIX_MJD 40587

/* Planck's constant times the speed of light, in eV m (exact in the SI of 2019). */
#define HC_EV_M (6.62607015e-34 * 299792458 / 1.602176634e-19)

/* ----------------------------------------------------------------- the key */

/* Where in the UUID the node's id is; all before it is zero. */
#define ID_AT (UUID_LEN - (int) sizeof(uint32))

PG_FUNCTION_INFO_V1(obscore_node_key);

/*
 * obscore_node_key(id) -> uuid: what an ObsCore table calls a node.
 */
Datum
obscore_node_key(PG_FUNCTION_ARGS)
{
	uint32		id = (uint32) PG_GETARG_INT32(0);
	pg_uuid_t  *key = palloc0(sizeof(pg_uuid_t));

	for (int i = 0; i < (int) sizeof(uint32); i++)
		key->data[ID_AT + i] = (unsigned char) (id >> (8 * (3 - i)));
	PG_RETURN_UUID_P(key);
}

PG_FUNCTION_INFO_V1(obscore_node_id);

/*
 * obscore_node_id(key) -> integer: the node, NULL where that is no node's key.
 */
Datum
obscore_node_id(PG_FUNCTION_ARGS)
{
	const pg_uuid_t *key = PG_GETARG_UUID_P(0);
	uint32		id = 0;

	for (int i = 0; i < ID_AT; i++)
		if (key->data[i] != 0)
			PG_RETURN_NULL();
	for (int i = 0; i < (int) sizeof(uint32); i++)
		id = id << 8 | key->data[ID_AT + i];
	PG_RETURN_INT32((int32) id);
}

/* --------------------------------------------------------- values in metadata */

static const char *
kind_of(const JsonbValue *value)
{
	switch (value->type)
	{
		case jbvNull:
			return "null";
		case jbvString:
			return "a string";
		case jbvNumeric:
			return "a number";
		case jbvBool:
			return "a boolean";
		default:
			return "an object or an array";
	}
}

/*
 * Takes the value of a call (value, place, optional, ...): false where there is
 * none, which is noted unless it is optional.
 */
static bool
take_value(FunctionCallInfo fcinfo, JsonbValue *value)
{
	if (!PG_ARGISNULL(0))
	{
		Jsonb	   *json = PG_GETARG_JSONB_P(0);

		if (!JB_ROOT_IS_SCALAR(json))
		{
			value->type = jbvBinary;
			return true;
		}
		(void) JsonbExtractScalar(&json->root, value);
		if (value->type != jbvNull)
			return true;
	}
	if (!PG_GETARG_BOOL(2))
		obscore_note("there is no \"%s\" in the metadata", text_to_cstring(PG_GETARG_TEXT_PP(1)));
	return false;
}

static void
note_type(FunctionCallInfo fcinfo, const JsonbValue *value, const char *wanted)
{
	obscore_note("\"%s\" in the metadata is %s, not %s", text_to_cstring(PG_GETARG_TEXT_PP(1)), kind_of(value), wanted);
}

PG_FUNCTION_INFO_V1(obscore_json_text);

/*
 * obscore_json_text(value, place, optional) -> text: a string as it is, a number or
 * a boolean as JSON writes it.
 */
Datum
obscore_json_text(PG_FUNCTION_ARGS)
{
	JsonbValue	value;

	if (!take_value(fcinfo, &value))
		PG_RETURN_NULL();
	switch (value.type)
	{
		case jbvString:
			PG_RETURN_TEXT_P(cstring_to_text_with_len(value.val.string.val, value.val.string.len));
		case jbvNumeric:
			PG_RETURN_TEXT_P(cstring_to_text(DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(value.val.numeric)))));
		case jbvBool:
			PG_RETURN_TEXT_P(cstring_to_text(value.val.boolean ? "true" : "false"));
		default:
			note_type(fcinfo, &value, "a string");
			PG_RETURN_NULL();
	}
}

PG_FUNCTION_INFO_V1(obscore_json_bool);

Datum
obscore_json_bool(PG_FUNCTION_ARGS)
{
	JsonbValue	value;

	if (!take_value(fcinfo, &value))
		PG_RETURN_NULL();
	if (value.type == jbvBool)
		PG_RETURN_BOOL(value.val.boolean);
	note_type(fcinfo, &value, "a boolean");
	PG_RETURN_NULL();
}

PG_FUNCTION_INFO_V1(obscore_json_int);

/*
 * obscore_json_int(value, place, optional) -> bigint: a number without a fraction.
 */
Datum
obscore_json_int(PG_FUNCTION_ARGS)
{
	JsonbValue	value;
	Datum		number;
	Datum		whole;

	if (!take_value(fcinfo, &value))
		PG_RETURN_NULL();
	if (value.type != jbvNumeric)
	{
		note_type(fcinfo, &value, "a number");
		PG_RETURN_NULL();
	}
	number = NumericGetDatum(value.val.numeric);
	whole = DirectFunctionCall2(numeric_trunc, number, Int32GetDatum(0));
	if (!DatumGetBool(DirectFunctionCall2(numeric_eq, number, whole)) ||
		!DatumGetBool(DirectFunctionCall2(numeric_ge, whole, NumericGetDatum(int64_to_numeric(PG_INT64_MIN)))) ||
		!DatumGetBool(DirectFunctionCall2(numeric_le, whole, NumericGetDatum(int64_to_numeric(PG_INT64_MAX)))))
	{
		obscore_note("\"%s\" in the metadata is no integer of 64 bits", text_to_cstring(PG_GETARG_TEXT_PP(1)));
		PG_RETURN_NULL();
	}
	PG_RETURN_DATUM(DirectFunctionCall1(numeric_int8, whole));
}

/* ------------------------------------------------------------------- units */

/* Reads so many digits. */
static bool
read_digits(const char **at, int n, int *value)
{
	*value = 0;
	for (int i = 0; i < n; i++)
	{
		if (!isdigit((unsigned char) **at))
			return false;
		*value = *value * 10 + (*(*at)++ - '0');
	}
	return true;
}

static bool
skip(const char **at, char c)
{
	if (**at != c)
		return false;
	(*at)++;
	return true;
}

/* A fraction of a second, if there is one. */
static bool
read_fraction(const char **at, double *value)
{
	char	   *end;

	*value = 0;
	if (**at != '.')
		return true;
	if (!isdigit((unsigned char) (*at)[1]))
		return false;
	*value = strtod(*at, &end);
	while (isdigit((unsigned char) *++(*at)))
		;
	return end == *at;
}

/* The zone, Z or +hh:mm, in seconds; without one it is UTC. */
static bool
read_zone(const char **at, int *seconds)
{
	int			hours;
	int			minutes = 0;
	bool		negative = **at == '-';

	*seconds = 0;
	if (**at == '\0' || skip(at, 'Z'))
		return true;
	if (!skip(at, '+') && !skip(at, '-'))
		return false;
	if (!read_digits(at, 2, &hours))
		return false;
	(void) skip(at, ':');
	if (**at != '\0' && !read_digits(at, 2, &minutes))
		return false;
	*seconds = (hours * 60 + minutes) * 60 * (negative ? -1 : 1);
	return hours < 24 && minutes < 60;
}

/*
 * The MJD of a time in ISO 8601's extended form, in UTC.  A leap second counts as
 * the next day's first, as POSIX has it.
 */
static bool
read_iso(const char *text, double *mjd)
{
	const char *at = text;
	int			year;
	int			month;
	int			day;
	int			hour = 0;
	int			minute = 0;
	int			second = 0;
	double		fraction = 0;
	int			zone = 0;

	if (!read_digits(&at, 4, &year) || !skip(&at, '-') || !read_digits(&at, 2, &month) || !skip(&at, '-') ||
		!read_digits(&at, 2, &day) || month < 1 || month > 12 || day < 1 || day > day_tab[isleap(year)][month - 1])
		return false;
	if (*at != '\0')
	{
		if ((!skip(&at, 'T') && !skip(&at, ' ')) || !read_digits(&at, 2, &hour) || !skip(&at, ':') || !read_digits(&at, 2, &minute))
			return false;
		if (skip(&at, ':') && (!read_digits(&at, 2, &second) || !read_fraction(&at, &fraction)))
			return false;
		if (!read_zone(&at, &zone) || *at != '\0' || hour > 23 || minute > 59 || second > 60)
			return false;
	}
	*mjd = UNIX_MJD + (date2j(year, month, day) - UNIX_EPOCH_JDATE) +
		((hour * 60 + minute) * 60 + second - zone + fraction) / SECS_PER_DAY;
	return true;
}

/* A number as the column wants it. */
static double
in_unit(double value, ObscoreTiledUnit unit)
{
	switch (unit)
	{
		case TILED_UNIX:
			return UNIX_MJD + value / SECS_PER_DAY;
		case TILED_EV:
			return HC_EV_M / value;
		case TILED_KEV:
			return HC_EV_M / (value * 1000);
		case TILED_NM:
			return value / 1e9;
		case TILED_UM:
			return value / 1e6;
		case TILED_ANGSTROM:
			return value / 1e10;
		case TILED_MS:
			return value / 1000;
		case TILED_RAD:
			return value * (180 / M_PI);
		default:
			return value;
	}
}

PG_FUNCTION_INFO_V1(obscore_json_float);

/*
 * obscore_json_float(value, place, optional, unit) -> float8
 */
Datum
obscore_json_float(PG_FUNCTION_ARGS)
{
	ObscoreTiledUnit unit = PG_GETARG_INT32(3);
	JsonbValue	value;
	double		number;

	if (!take_value(fcinfo, &value))
		PG_RETURN_NULL();
	if (value.type != (unit == TILED_ISO ? jbvString : jbvNumeric))
	{
		note_type(fcinfo, &value, unit == TILED_ISO ? "a string" : "a number");
		PG_RETURN_NULL();
	}
	if (unit == TILED_ISO)
	{
		char	   *given = pnstrdup(value.val.string.val, value.val.string.len);

		if (read_iso(given, &number))
			PG_RETURN_FLOAT8(number);
		given[pg_mbcliplen(given, value.val.string.len, 40)] = '\0';
		obscore_note("\"%s\" in the metadata is no time in the form of ISO 8601: \"%s\"", text_to_cstring(PG_GETARG_TEXT_PP(1)), given);
		PG_RETURN_NULL();
	}
	number = in_unit(DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow, NumericGetDatum(value.val.numeric))), unit);
	if (isfinite(number))
		PG_RETURN_FLOAT8(number);
	obscore_note("\"%s\" in the metadata is out of range", text_to_cstring(PG_GETARG_TEXT_PP(1)));
	PG_RETURN_NULL();
}

/* ------------------------------------------------------------------ others */

/* What RFC 3986 leaves as it is. */
static bool
is_unreserved(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		c == '-' || c == '.' || c == '_' || c == '~';
}

PG_FUNCTION_INFO_V1(obscore_url_path);

/*
 * obscore_url_path(keys) -> text: the keys between slashes, each byte escaped that
 * a URL's path does not take as it is.
 */
Datum
obscore_url_path(PG_FUNCTION_ARGS)
{
	Datum	   *keys;
	int			n;
	StringInfoData path;

	deconstruct_array(PG_GETARG_ARRAYTYPE_P(0), TEXTOID, -1, false, TYPALIGN_INT, &keys, NULL, &n);
	initStringInfo(&path);
	for (int i = 0; i < n; i++)
	{
		if (i > 0)
			appendStringInfoChar(&path, '/');
		for (const char *at = TextDatumGetCString(keys[i]); *at != '\0'; at++)
			appendStringInfo(&path, is_unreserved((unsigned char) *at) ? "%c" : "%%%02X", (unsigned char) *at);
	}
	PG_RETURN_TEXT_P(cstring_to_text_with_len(path.data, path.len));
}

static Region *
parse_region(const char *text, const char *what)
{
	Region	   *region = palloc0(offsetof(Region, shape) + SHAPE_PARSED_SIZE(strlen(text)));
	size_t		where;
	const char *problem = shape_parse(text, &region->shape, &where);

	if (problem != NULL)
	{
		obscore_note("%s is no region, at character %zu: %s", what, where + 1, problem);
		return NULL;
	}
	region->version = REGION_VERSION;
	SET_VARSIZE(region, offsetof(Region, shape) + shape_size(&region->shape));
	return region;
}

PG_FUNCTION_INFO_V1(obscore_footprint);

/*
 * obscore_footprint(s_region, s_ra, s_dec, s_fov) -> region: what the text says, or
 * else a circle.
 */
Datum
obscore_footprint(PG_FUNCTION_ARGS)
{
	Region	   *region;

	if (!PG_ARGISNULL(0))
		region = parse_region(text_to_cstring(PG_GETARG_TEXT_PP(0)), "s_region");
	else if (PG_ARGISNULL(1) || PG_ARGISNULL(2) || PG_ARGISNULL(3))
		PG_RETURN_NULL();
	else
		region = parse_region(psprintf("CIRCLE ICRS %.17g %.17g %.17g", PG_GETARG_FLOAT8(1), PG_GETARG_FLOAT8(2), PG_GETARG_FLOAT8(3) / 2),
							  "what s_ra, s_dec and s_fov make");
	if (region == NULL)
		PG_RETURN_NULL();
	PG_RETURN_POINTER(region);
}
