/*-------------------------------------------------------------------------
 *
 * src/obscore/format_functions.c
 *	  Python's text of values, and Python's values of text, in SQL.
 *
 * Templates are compiled into calls of these.  None of them fails: where Python
 * raises an error, they return NULL and note why.
 *
 * Python counts code points, so that text is made UTF-8 unless it is ASCII only,
 * and what comes out is made the server's again.  In a database without an
 * encoding (SQL_ASCII) text has to be UTF-8 as it is.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "obscore/problem.h"
#include "obscore/python_format.h"

typedef struct Bytes
{
	const char *data;			/* NULL: there are none */
	size_t		length;
} Bytes;

/* ---------------------------------------------------------------- encodings */

static bool
is_ascii(Bytes bytes)
{
	for (size_t i = 0; i < bytes.length; i++)
	{
		if (IS_HIGHBIT_SET(bytes.data[i]))
			return false;
	}
	return true;
}

/*
 * Text in another encoding; what it cannot express there is noted, and gives
 * nothing.
 */
static Bytes
converted(Bytes bytes, int from, int to)
{
	size_t		room = bytes.length * MAX_CONVERSION_GROWTH + 1;
	Bytes		result = {NULL, 0};
	Oid			procedure;
	char	   *buffer;

	if (from == to || is_ascii(bytes))
		return bytes;
	if (from == PG_SQL_ASCII || to == PG_SQL_ASCII)
	{
		if (pg_encoding_verifymbstr(PG_UTF8, bytes.data, bytes.length) == bytes.length)
			return bytes;
		obscore_note("text in a database without an encoding is not UTF-8");
		return result;
	}

	procedure = room < MaxAllocSize ? FindDefaultConversionProc(from, to) : InvalidOid;
	if (OidIsValid(procedure))
	{
		buffer = palloc(room);
		if (pg_do_encoding_conversion_buf(procedure, from, to,
										  (unsigned char *) unconstify(char *, bytes.data),
										  bytes.length, (unsigned char *) buffer, room,
										  true) == bytes.length)
			return (Bytes) {buffer, strlen(buffer)};
	}
	obscore_note("text cannot be converted from %s to %s",
				 pg_encoding_to_char(from), pg_encoding_to_char(to));
	return result;
}

/* An argument's text in UTF-8 */
static Bytes
utf8_of(text *argument)
{
	Bytes		bytes = {VARDATA_ANY(argument), VARSIZE_ANY_EXHDR(argument)};

	return converted(bytes, GetDatabaseEncoding(), PG_UTF8);
}

/* Returns UTF-8 as text, or NULL where there is none. */
static Datum
return_utf8(FunctionCallInfo fcinfo, const char *data, size_t length)
{
	Bytes		bytes = {data, length};

	bytes = converted(bytes, PG_UTF8, GetDatabaseEncoding());
	if (bytes.data == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text_with_len(bytes.data, bytes.length));
}

/* -------------------------------------------------------- str() and repr() */

PG_FUNCTION_INFO_V1(python_str_float);

/*
 * python_str(float8) -> text
 */
Datum
python_str_float(PG_FUNCTION_ARGS)
{
	char		buffer[PYTHON_FLOAT_SIZE];
	size_t		length = python_repr_float(PG_GETARG_FLOAT8(0), buffer);

	PG_RETURN_TEXT_P(cstring_to_text_with_len(buffer, length));
}

PG_FUNCTION_INFO_V1(python_str_bool);

/*
 * python_str(boolean) -> text
 */
Datum
python_str_bool(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(PG_GETARG_BOOL(0) ? "True" : "False"));
}

static Datum
repr_of(FunctionCallInfo fcinfo, bool ascii)
{
	Bytes		bytes = utf8_of(PG_GETARG_TEXT_PP(0));
	char	   *buffer;

	if (bytes.data == NULL)
		PG_RETURN_NULL();
	buffer = palloc(PYTHON_REPR_SIZE(bytes.length));
	return return_utf8(fcinfo, buffer, python_repr_str(bytes.data, bytes.length, ascii, buffer));
}

PG_FUNCTION_INFO_V1(python_repr);

/*
 * python_repr(text) -> text
 */
Datum
python_repr(PG_FUNCTION_ARGS)
{
	return repr_of(fcinfo, false);
}

PG_FUNCTION_INFO_V1(python_ascii);

/*
 * python_ascii(text) -> text
 */
Datum
python_ascii(PG_FUNCTION_ARGS)
{
	return repr_of(fcinfo, true);
}

/* ----------------------------------------------------------------- format() */

/*
 * Reads the format specification, the second argument, and allocates what is to
 * be written; NULL, and a note, where it is wrong.
 */
static char *
begin_format(FunctionCallInfo fcinfo, PythonType type, size_t length, PythonSpec *spec)
{
	Bytes		bytes = utf8_of(PG_GETARG_TEXT_PP(1));
	const char *problem;

	if (bytes.data == NULL)
		return NULL;
	problem = python_spec_parse(bytes.data, bytes.length, type, spec);
	if (problem == NULL)
		return palloc(python_format_size(spec, length));
	obscore_note("format specification \"%s\": %s", text_to_cstring(PG_GETARG_TEXT_PP(1)), problem);
	return NULL;
}

PG_FUNCTION_INFO_V1(python_format_text);

/*
 * python_format(value text, spec text) -> text
 */
Datum
python_format_text(PG_FUNCTION_ARGS)
{
	Bytes		bytes = utf8_of(PG_GETARG_TEXT_PP(0));
	PythonSpec	spec;
	char	   *buffer;

	if (bytes.data == NULL)
		PG_RETURN_NULL();
	buffer = begin_format(fcinfo, PYTHON_STR, bytes.length, &spec);
	if (buffer == NULL)
		PG_RETURN_NULL();
	return return_utf8(fcinfo, buffer, python_format_str(&spec, bytes.data, bytes.length, buffer));
}

/* Returns an integer's or a boolean's text, unless the code "c" has made none. */
static Datum
return_integer(FunctionCallInfo fcinfo, int64 value, const char *buffer, size_t length)
{
	if (length > 0)
		return return_utf8(fcinfo, buffer, length);
	obscore_note("format code \"c\": " INT64_FORMAT " is no character that text can hold", value);
	PG_RETURN_NULL();
}

PG_FUNCTION_INFO_V1(python_format_bigint);

/*
 * python_format(value bigint, spec text) -> text
 */
Datum
python_format_bigint(PG_FUNCTION_ARGS)
{
	int64		value = PG_GETARG_INT64(0);
	PythonSpec	spec;
	char	   *buffer = begin_format(fcinfo, PYTHON_INT, 0, &spec);

	if (buffer == NULL)
		PG_RETURN_NULL();
	return return_integer(fcinfo, value, buffer, python_format_int(&spec, value, buffer));
}

PG_FUNCTION_INFO_V1(python_format_boolean);

/*
 * python_format(value boolean, spec text) -> text
 */
Datum
python_format_boolean(PG_FUNCTION_ARGS)
{
	bool		value = PG_GETARG_BOOL(0);
	PythonSpec	spec;
	char	   *buffer = begin_format(fcinfo, PYTHON_BOOL, 0, &spec);

	if (buffer == NULL)
		PG_RETURN_NULL();
	return return_integer(fcinfo, value, buffer, python_format_bool(&spec, value, buffer));
}

PG_FUNCTION_INFO_V1(python_format_double);

/*
 * python_format(value float8, spec text) -> text
 */
Datum
python_format_double(PG_FUNCTION_ARGS)
{
	PythonSpec	spec;
	char	   *buffer = begin_format(fcinfo, PYTHON_FLOAT, 0, &spec);

	if (buffer == NULL)
		PG_RETURN_NULL();
	return return_utf8(fcinfo, buffer, python_format_float(&spec, PG_GETARG_FLOAT8(0), buffer));
}

/* --------------------------------------------------------------------- None */

PG_FUNCTION_INFO_V1(python_not_none);

/*
 * python_not_none(value anyelement, problem text) -> anyelement: the value, or
 * the problem noted where there is none.
 */
Datum
python_not_none(PG_FUNCTION_ARGS)
{
	if (!PG_ARGISNULL(0))
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	if (!PG_ARGISNULL(1))
		obscore_note("%s", text_to_cstring(PG_GETARG_TEXT_PP(1)));
	PG_RETURN_NULL();
}

/* What daf_butler takes for no bound at all: its epoch, and 2100-01-01 */
#define TIMESPAN_MIN INT64CONST(0)
#define TIMESPAN_MAX INT64CONST(4102444800000000000)

PG_FUNCTION_INFO_V1(timespan_bound);

/*
 * timespan_bound(nanoseconds bigint, problem text) -> bigint: an end of a
 * timespan, or the problem noted where it is unbounded.
 */
Datum
timespan_bound(PG_FUNCTION_ARGS)
{
	if (!PG_ARGISNULL(0) && PG_GETARG_INT64(0) != TIMESPAN_MIN && PG_GETARG_INT64(0) != TIMESPAN_MAX)
		PG_RETURN_INT64(PG_GETARG_INT64(0));
	if (!PG_ARGISNULL(1))
		obscore_note("%s", text_to_cstring(PG_GETARG_TEXT_PP(1)));
	PG_RETURN_NULL();
}

/* ------------------------------------------------------------------ reading */

/* Reads an integer of any size; false, and a note, where there is none. */
static bool
read_int(text *argument, int64 *value, bool *overflow)
{
	Bytes		bytes = utf8_of(argument);

	if (bytes.data == NULL)
		return false;
	if (python_read_int(bytes.data, bytes.length, value, overflow))
		return true;
	obscore_note("\"%s\" is not an integer", text_to_cstring(argument));
	return false;
}

PG_FUNCTION_INFO_V1(python_int);

/*
 * python_int(text) -> bigint
 */
Datum
python_int(PG_FUNCTION_ARGS)
{
	text	   *argument = PG_GETARG_TEXT_PP(0);
	int64		value;
	bool		overflow;

	if (!read_int(argument, &value, &overflow))
		PG_RETURN_NULL();
	if (!overflow)
		PG_RETURN_INT64(value);
	obscore_note("\"%s\" is out of range for type bigint", text_to_cstring(argument));
	PG_RETURN_NULL();
}

PG_FUNCTION_INFO_V1(python_bool);

/*
 * python_bool(text) -> boolean: bool(int(text))
 */
Datum
python_bool(PG_FUNCTION_ARGS)
{
	int64		value;
	bool		overflow;

	if (!read_int(PG_GETARG_TEXT_PP(0), &value, &overflow))
		PG_RETURN_NULL();
	PG_RETURN_BOOL(value != 0);
}

PG_FUNCTION_INFO_V1(python_float);

/*
 * python_float(text) -> float8
 */
Datum
python_float(PG_FUNCTION_ARGS)
{
	text	   *argument = PG_GETARG_TEXT_PP(0);
	Bytes		bytes = utf8_of(argument);
	double		value;

	if (bytes.data == NULL)
		PG_RETURN_NULL();
	if (python_read_float(bytes.data, bytes.length, palloc(bytes.length + 1), &value))
		PG_RETURN_FLOAT8(value);
	obscore_note("\"%s\" is not a float", text_to_cstring(argument));
	PG_RETURN_NULL();
}
