/*-------------------------------------------------------------------------
 *
 * test/unit/obscore_template_test.c
 *	  Unit tests of templates: what is read, and what SQL is made of it (TAP).
 *
 * That the texts are Python's is for python_format_oracle.py.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres_fe.h"

#include "common/fe_memutils.h"
#include "lib/stringinfo.h"

#include "obscore/template.h"
#include "unit_tap.h"

/* ---------------------------------------- what the server has and we have not */

extern char *quote_literal_cstr(const char *text);
extern char *pg_server_to_any(const char *text, int length, int encoding);
extern const char *__asan_default_options(void);

/* What the compiler allocates, a memory context would free. */
const char *
__asan_default_options(void)
{
	return "detect_leaks=0";
}

char *
quote_literal_cstr(const char *text)
{
	char	   *quoted = palloc(2 * strlen(text) + 3);
	char	   *to = quoted;

	*to++ = '\'';
	for (; *text != '\0'; text++)
	{
		if (*text == '\'')
			*to++ = '\'';
		*to++ = *text;
	}
	*to++ = '\'';
	*to = '\0';
	return quoted;
}

char *
pg_server_to_any(const char *text, int length, int encoding)
{
	(void) length;
	(void) encoding;
	return unconstify(char *, text);
}

/* ------------------------------------------------------------------ parsing */

static bool
is_refused(const char *text, size_t expected_where, const char *part)
{
	Template   *template;
	size_t		where;
	const char *problem = template_parse(text, &template, &where);
	bool		right = problem != NULL && strstr(problem, part) != NULL && where == expected_where;

	if (!right)
		note("%s: at %zu, %s", text, where, problem != NULL ? problem : "nothing wrong");
	free(template);
	return right;
}

static void
test_parse(void)
{
	Template   *template;
	size_t		where;
	const char *problem;
	TemplatePiece *field;

	problem = template_parse("a{{b}}c", &template, &where);
	ok(problem == NULL && template->n_pieces == 1 &&
	   strcmp(template->pieces[0].literal, "a{b}c") == 0, "doubled braces are literal");
	free(template);

	problem = template_parse("", &template, &where);
	ok(problem == NULL && template->n_pieces == 0, "nothing is no piece");
	free(template);

	problem = template_parse("v{records[a}.:!b].c.d!r:>{}", &template, &where);
	ok(problem != NULL, "a field in a specification is refused");
	free(template);

	problem = template_parse("v{records[a}.:!b].c.d!r:x!>5}{e}", &template, &where);
	if (!ok(problem == NULL && template->n_pieces == 3, "a literal and two fields"))
		return;
	field = &template->pieces[1];
	ok(strcmp(template->pieces[0].literal, "v") == 0 && field->literal == NULL, "the literal");
	ok(strcmp(field->name, "records") == 0 && field->conversion == 'r' &&
	   strcmp(field->spec, "x!>5") == 0, "the name, the conversion, the specification");
	ok(field->n_accessors == 3 && field->accessors[0].index &&
	   strcmp(field->accessors[0].name, "a}.:!b") == 0 && !field->accessors[1].index &&
	   strcmp(field->accessors[1].name, "c") == 0 && strcmp(field->accessors[2].name, "d") == 0,
	   "the accessors");
	field++;
	ok(strcmp(field->name, "e") == 0 && field->n_accessors == 0 && field->conversion == 0 &&
	   field->spec[0] == '\0', "a bare field");
	free(template);

	ok(is_refused("ab}", 2, "single \"}\""), "a single closing brace");
	ok(is_refused("ab{", 2, "single \"{\""), "a single opening brace");
	ok(is_refused("a{b", 2, "\"}\" is missing"), "a field without end");
	ok(is_refused("a{b[c}", 3, "\"]\" is missing"), "an index without end");
	ok(is_refused("a{b{c}", 3, "inside a field's name"), "a brace in a name");
	ok(is_refused("a{}", 2, "positional"), "a field without a name");
	ok(is_refused("a{12.x}", 2, "positional"), "a positional field");
	ok(is_refused("{a[b]c}", 5, "may follow \"]\""), "text behind an index");
	ok(is_refused("{a..b}", 3, "empty"), "an empty attribute");
	ok(is_refused("{a!x}", 3, "conversion"), "an unknown conversion");
	ok(is_refused("{a!rs}", 4, "may follow a conversion"), "text behind a conversion");
	ok(is_refused("{a:{b}}", 3, "not supported"), "a nested field");
}

/* ---------------------------------------------------------------- compiling */

static TemplateFound
resolve(const TemplatePiece *field, TemplateValue *value, void *arg)
{
	static const struct
	{
		const char *name;
		TemplateValue value;
	}			known[] =
	{
		{"t", {TEMPLATE_TEXT, "d.t", 0, true, NULL}},
		{"t_null", {TEMPLATE_TEXT, "d.tn", 0, false, NULL}},
		{"i", {TEMPLATE_INT, "d.i", 0, true, NULL}},
		{"i_null", {TEMPLATE_INT, "d.in", 0, false, NULL}},
		{"f", {TEMPLATE_FLOAT, "d.f", 0, true, NULL}},
		{"f_null", {TEMPLATE_FLOAT, "d.fn", 0, false, NULL}},
		{"b", {TEMPLATE_BOOL, "d.b", 0, true, NULL}},
		{"u", {TEMPLATE_UUID, "d.u", 0, true, NULL}},
		{"u_null", {TEMPLATE_UUID, "d.un", 0, false, NULL}},
		{"records", {TEMPLATE_TIMESPAN, "v.ts", 2, false, NULL}},
		{"time", {TEMPLATE_TIME, "v.ns", 0, false, NULL}},
		{"region", {TEMPLATE_OTHER, "v.r", 0, true, NULL}},
	};

	(void) arg;
	if (strcmp(field->name, "bad") == 0)
	{
		value->problem = "there is no such record";
		return TEMPLATE_REFUSED;
	}
	for (size_t i = 0; i < lengthof(known); i++)
	{
		if (strcmp(field->name, known[i].name) == 0)
		{
			*value = known[i].value;
			return TEMPLATE_FOUND;
		}
	}
	return TEMPLATE_MISSING;
}

static const char *
compile(const char *text, StringInfo sql, bool *missing)
{
	Template   *template;
	size_t		where;

	initStringInfo(sql);
	if (template_parse(text, &template, &where) != NULL)
		return "does not parse";
	return template_compile(sql, template, resolve, NULL, missing);
}

static void
is_sql(const char *text, const char *expected)
{
	StringInfoData sql;
	bool		missing;
	const char *problem = compile(text, &sql, &missing);

	if (!ok(problem == NULL && !missing && strcmp(sql.data, expected) == 0, text))
		note("%s", problem != NULL ? problem : sql.data);
}

static void
is_not_sql(const char *text, const char *expected)
{
	StringInfoData sql;
	bool		missing;
	const char *problem = compile(text, &sql, &missing);

	if (!ok(problem != NULL && strcmp(problem, expected) == 0 && sql.len == 0, text))
		note("%s", problem != NULL ? problem : sql.data);
}

static void
test_compile(void)
{
	StringInfoData sql;
	bool		missing;

	is_sql("", "''::pg_catalog.text");
	is_sql("it's", "'it''s'::pg_catalog.text");
	is_sql("{t}", "(d.t)::pg_catalog.text");
	is_sql("{t!s}", "(d.t)::pg_catalog.text");
	is_sql("{t}-{i:012d}", "((d.t)::pg_catalog.text OPERATOR(pg_catalog.||) '-'::pg_catalog.text"
		   " OPERATOR(pg_catalog.||) catreg.python_format((d.i)::pg_catalog.int8, '012d'::pg_catalog.text))");
	is_sql("{t_null}", "COALESCE((d.tn)::pg_catalog.text, 'None')");
	is_sql("{t_null!r:>9}", "catreg.python_format((COALESCE(catreg.python_repr((d.tn)::pg_catalog.text), 'None'))"
		   "::pg_catalog.text, '>9'::pg_catalog.text)");
	is_sql("{t!a}", "catreg.python_ascii((d.t)::pg_catalog.text)");
	is_sql("{i}", "((d.i)::pg_catalog.int8)::pg_catalog.text");
	is_sql("{i!r}", "((d.i)::pg_catalog.int8)::pg_catalog.text");
	is_sql("{i_null:d}", "catreg.python_format(catreg.python_not_none((d.in)::pg_catalog.int8, "
		   "'field {i_null:d}: None takes no format specification'::pg_catalog.text), 'd'::pg_catalog.text)");
	is_sql("{f}", "catreg.python_str((d.f)::pg_catalog.float8)");
	is_sql("{f_null!s}", "COALESCE(catreg.python_str((d.fn)::pg_catalog.float8), 'None')");
	is_sql("{f:.3f}", "catreg.python_format((d.f)::pg_catalog.float8, '.3f'::pg_catalog.text)");
	is_sql("{b}", "catreg.python_str((d.b)::pg_catalog.bool)");
	is_sql("{b:d}", "catreg.python_format((d.b)::pg_catalog.bool, 'd'::pg_catalog.text)");
	is_sql("{u}", "((d.u)::pg_catalog.uuid)::pg_catalog.text");
	is_sql("{u_null!r}", "COALESCE(('UUID(''' OPERATOR(pg_catalog.||) ((d.un)::pg_catalog.uuid)::pg_catalog.text"
		   " OPERATOR(pg_catalog.||) ''')'), 'None')");
	is_sql("{records[visit].timespan.begin.utc.isot}", "(catreg.time_isot(catreg.timespan_bound(pg_catalog.lower(v.ts), "
		   "'field {records[visit].timespan.begin.utc.isot}: the timespan is NULL, empty, or unbounded there'"
		   "::pg_catalog.text), 'utc'::pg_catalog.text))::pg_catalog.text");
	is_sql("{records[visit].timespan.end.mjd:.1f}", "catreg.python_format((catreg.time_mjd(catreg.timespan_bound("
		   "pg_catalog.upper(v.ts), 'field {records[visit].timespan.end.mjd:.1f}: the timespan is NULL, empty, or "
		   "unbounded there'::pg_catalog.text), 'tai'::pg_catalog.text))::pg_catalog.float8, '.1f'::pg_catalog.text)");
	is_sql("{time.utc.tai.iso}", "(catreg.time_iso(catreg.python_not_none(v.ns, 'field {time.utc.tai.iso}: the time is "
		   "None'::pg_catalog.text), 'tai'::pg_catalog.text))::pg_catalog.text");

	ok(compile("{t}{nothing}{t:d}", &sql, &missing) == NULL && missing &&
	   strcmp(sql.data, "NULL::pg_catalog.text") == 0, "a missing field makes it NULL");

	is_not_sql("{bad:3}", "field {bad:3}: there is no such record");
	is_not_sql("{t:d}", "field {t:d}: format specification \"d\": text has no format code but \"s\"");
	is_not_sql("{i:.2}", "field {i:.2}: format specification \".2\": an integer takes no precision");
	is_not_sql("{i!r:d}", "field {i!r:d}: format specification \"d\": text has no format code but \"s\"");
	is_not_sql("{f:99999}", "field {f:99999}: format specification \"99999\": a width may be 10000 at most");
	is_not_sql("{u:>40}", "field {u:>40}: a UUID takes no format specification unless it is converted by !s or !r");
	is_not_sql("{u.hex}", "field {u.hex}: \"hex\" is no attribute that a template can use here");
	is_not_sql("{region}", "field {region}: values of its type have no text in a template");
	is_not_sql("{records[visit].timespan}", "field {records[visit].timespan}: a timespan is followed by .begin or .end here");
	is_not_sql("{records[visit].timespan[begin]}",
			   "field {records[visit].timespan[begin]}: a timespan is followed by .begin or .end here");
	is_not_sql("{records[visit].timespan.begin}", "field {records[visit].timespan.begin}: a time is followed by "
			   ".utc or .tai or neither, then by .isot, .iso or .mjd here");
	is_not_sql("{records[visit].timespan.begin.jd}", "field {records[visit].timespan.begin.jd}: a time is followed by "
			   ".utc or .tai or neither, then by .isot, .iso or .mjd here");
	is_not_sql("{time.isot.x}", "field {time.isot.x}: \"x\" is no attribute that a template can use here");
	is_not_sql("{time.mjd!r}", "field {time.mjd!r}: the MJD of a time takes no conversion but !s");
}

int
main(void)
{
	test_parse();
	test_compile();
	return end_of_tests();
}
