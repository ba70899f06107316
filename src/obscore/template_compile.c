/*-------------------------------------------------------------------------
 *
 * src/obscore/template_compile.c
 *	  Makes SQL expressions of templates.
 *
 * An expression is the concatenation of its pieces, and NULL where one of them
 * is: that is what becomes of a value for which Python raises an error.  Python's
 * None is no such value; it is written "None".
 *
 * The ends of timespans are astropy's Time in TAI.  By themselves they have no
 * text to rely on, since that has changed with astropy's version; what they are
 * as isot, iso and mjd is the same in all.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"

#include "obscore/python_format.h"
#include "obscore/template.h"

#define CONCATENATION " OPERATOR(pg_catalog.||) "

/* A field as the template has it, for messages. */
static char *
field_text(const TemplatePiece *field)
{
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfo(&text, "{%s", field->name);
	for (int i = 0; i < field->n_accessors; i++)
		appendStringInfo(&text, field->accessors[i].index ? "[%s]" : ".%s",
						 field->accessors[i].name);
	if (field->conversion != '\0')
		appendStringInfo(&text, "!%c", field->conversion);
	if (field->spec[0] != '\0')
		appendStringInfo(&text, ":%s", field->spec);
	appendStringInfoChar(&text, '}');
	return text.data;
}

static char *
literal_of(const char *text)
{
	return psprintf("%s::pg_catalog.text", quote_literal_cstr(text));
}

static const char *
refuse(const TemplatePiece *field, const char *why)
{
	return psprintf("field %s: %s", field_text(field), why);
}

/*
 * Replaces a value that is None by one that raises: NULL, and a note that names
 * the field.
 */
static char *
unless_none(const char *sql, const TemplatePiece *field, const char *why)
{
	return psprintf("catreg.python_not_none(%s, %s)", sql, literal_of(refuse(field, why)));
}

/* ------------------------------------------------------------------- times */

/* Takes .begin or .end of a timespan, which makes it a time. */
static const char *
take_bound(const TemplatePiece *field, TemplateValue *value)
{
	const TemplateAccessor *accessor = &field->accessors[value->consumed];
	const char *function;

	if (value->consumed == field->n_accessors || accessor->index ||
		(strcmp(accessor->name, "begin") != 0 && strcmp(accessor->name, "end") != 0))
		return "a timespan is followed by .begin or .end here";
	function = accessor->name[0] == 'b' ? "lower" : "upper";
	value->sql = psprintf("catreg.timespan_bound(pg_catalog.%s(%s), %s)", function, value->sql,
						  literal_of(refuse(field, "the timespan is NULL, empty, or unbounded there")));
	value->type = TEMPLATE_TIME;
	value->not_null = true;
	value->consumed++;
	return NULL;
}

/* Takes a time's scales and its format, which make it text or a float. */
static const char *
take_time_format(const TemplatePiece *field, TemplateValue *value)
{
	const char *scale = "tai";

	if (!value->not_null)
		value->sql = unless_none(value->sql, field, "the time is None");
	value->not_null = true;
	for (; value->consumed < field->n_accessors; value->consumed++)
	{
		const TemplateAccessor *accessor = &field->accessors[value->consumed];

		if (accessor->index)
			break;
		if (strcmp(accessor->name, "utc") == 0 || strcmp(accessor->name, "tai") == 0)
		{
			scale = accessor->name;
			continue;
		}
		if (strcmp(accessor->name, "isot") == 0 || strcmp(accessor->name, "iso") == 0)
			value->type = TEMPLATE_TEXT;
		else if (strcmp(accessor->name, "mjd") == 0)
			value->type = TEMPLATE_FLOAT;
		else
			break;
		value->sql = psprintf("catreg.time_%s(%s, %s)", accessor->name, value->sql, literal_of(scale));
		value->consumed++;
		/* NumPy's repr of its floats has changed with its version */
		if (value->type == TEMPLATE_FLOAT && (field->conversion == 'r' || field->conversion == 'a'))
			return "the MJD of a time takes no conversion but !s";
		return NULL;
	}
	return "a time is followed by .utc or .tai or neither, then by .isot, .iso or .mjd here";
}

/*
 * Takes the accessors that the resolver has left.
 */
static const char *
take_accessors(const TemplatePiece *field, TemplateValue *value)
{
	const char *problem = NULL;

	if (value->type == TEMPLATE_TIMESPAN)
		problem = take_bound(field, value);
	if (problem == NULL && value->type == TEMPLATE_TIME)
		problem = take_time_format(field, value);
	if (problem == NULL && value->consumed < field->n_accessors)
		problem = psprintf("\"%s\" is no attribute that a template can use here",
						   field->accessors[value->consumed].name);
	return problem;
}

/* ------------------------------------------------------------------ pieces */

/* The value's str(), which is NULL where it is. */
static char *
str_of(const TemplateValue *value)
{
	switch (value->type)
	{
		case TEMPLATE_TEXT:
			return psprintf("(%s)::pg_catalog.text", value->sql);
		case TEMPLATE_INT:
			return psprintf("((%s)::pg_catalog.int8)::pg_catalog.text", value->sql);
		case TEMPLATE_UUID:
			return psprintf("((%s)::pg_catalog.uuid)::pg_catalog.text", value->sql);
		case TEMPLATE_FLOAT:
			return psprintf("catreg.python_str((%s)::pg_catalog.float8)", value->sql);
		case TEMPLATE_BOOL:
			return psprintf("catreg.python_str((%s)::pg_catalog.bool)", value->sql);
		default:
			pg_unreachable();
	}
}

/* The value's repr() or ascii(), which is NULL where it is. */
static char *
repr_of(const TemplateValue *value, char conversion)
{
	if (value->type == TEMPLATE_TEXT)
		return psprintf("catreg.python_%s((%s)::pg_catalog.text)",
						conversion == 'a' ? "ascii" : "repr", value->sql);
	if (value->type == TEMPLATE_UUID)
		return psprintf("('UUID('''" CONCATENATION "%s" CONCATENATION "''')')", str_of(value));
	return str_of(value);
}

/* Has the value formatted by a specification that is right for its type. */
static const char *
format_value(StringInfo sql, const TemplatePiece *field, const TemplateValue *value)
{
	static const struct
	{
		const char *sql;
		PythonType	python;
	}			types[] =
	{
		[TEMPLATE_TEXT] = {"text", PYTHON_STR},
		[TEMPLATE_INT] = {"int8", PYTHON_INT},
		[TEMPLATE_FLOAT] = {"float8", PYTHON_FLOAT},
		[TEMPLATE_BOOL] = {"bool", PYTHON_BOOL},
	};
	char	   *argument;
	char	   *spec;
	const char *problem;
	PythonSpec	parsed;

	if (value->type == TEMPLATE_UUID)
		return "a UUID takes no format specification unless it is converted by !s or !r";
	spec = pg_server_to_any(field->spec, strlen(field->spec), PG_UTF8);
	problem = python_spec_parse(spec, strlen(spec), types[value->type].python, &parsed);
	if (problem != NULL)
		return psprintf("format specification \"%s\": %s", field->spec, problem);

	argument = psprintf("(%s)::pg_catalog.%s", value->sql, types[value->type].sql);
	if (!value->not_null)
		argument = unless_none(argument, field, "None takes no format specification");
	appendStringInfo(sql, "catreg.python_format(%s, %s)", argument, literal_of(field->spec));
	return NULL;
}

/* Appends what a field stands for.  Returns what cannot be done, or NULL. */
static const char *
append_field(StringInfo sql, const TemplatePiece *field, TemplateValue *value)
{
	const char *problem = take_accessors(field, value);
	char	   *text;

	if (problem == NULL && value->type == TEMPLATE_OTHER)
		problem = "values of its type have no text in a template";
	if (problem != NULL)
		return problem;
	if (field->conversion == '\0' && field->spec[0] != '\0')
		return format_value(sql, field, value);

	text = field->conversion == 'r' || field->conversion == 'a' ?
		repr_of(value, field->conversion) : str_of(value);
	if (!value->not_null)
		text = psprintf("COALESCE(%s, 'None')", text);
	if (field->spec[0] != '\0')
	{
		TemplateValue converted = {TEMPLATE_TEXT, text, 0, true, NULL};

		return format_value(sql, field, &converted);
	}
	appendStringInfoString(sql, text);
	return NULL;
}

/*
 * Appends an expression of type text.  Returns NULL, or what cannot be done, and
 * then appends nothing.  Where a field is missing, "missing" is set, and the
 * expression is NULL; as in Python, what comes before it has to be right.
 */
const char *
template_compile(StringInfo sql, const Template *template, TemplateResolver resolve, void *arg,
				 bool *missing)
{
	StringInfoData pieces;

	*missing = false;
	initStringInfo(&pieces);
	for (int i = 0; i < template->n_pieces; i++)
	{
		const TemplatePiece *piece = &template->pieces[i];
		TemplateValue value = {TEMPLATE_OTHER, NULL, 0, false, NULL};
		const char *problem = NULL;

		if (i > 0)
			appendStringInfoString(&pieces, CONCATENATION);
		if (piece->literal != NULL)
		{
			appendStringInfoString(&pieces, literal_of(piece->literal));
			continue;
		}
		switch (resolve(piece, &value, arg))
		{
			case TEMPLATE_FOUND:
				problem = append_field(&pieces, piece, &value);
				break;
			case TEMPLATE_MISSING:
				*missing = true;
				break;
			case TEMPLATE_REFUSED:
				problem = value.problem;
				break;
		}
		if (problem != NULL)
			return refuse(piece, problem);
		if (*missing)
		{
			appendStringInfoString(sql, "NULL::pg_catalog.text");
			return NULL;
		}
	}
	if (template->n_pieces == 0)
		appendStringInfoString(sql, literal_of(""));
	else
		appendStringInfo(sql, template->n_pieces > 1 ? "(%s)" : "%s", pieces.data);
	return NULL;
}
