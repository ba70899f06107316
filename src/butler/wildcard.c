/*-------------------------------------------------------------------------
 *
 * src/butler/wildcard.c
 *	  Expressions that choose names.
 *
 * As the client has them (daf_butler, globToRegex() and CategorizedWildcard): "*"
 * alone is every name; what has "*", "?" or brackets is a glob, in the sense of
 * Python's fnmatch.translate(); anything else is a name.  The client takes
 * compiled regular expressions, too, which are written here with a "~" in front.
 *
 * A glob becomes the regular expression that Python makes of it, and both kinds go
 * through one translator into PostgreSQL's.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"

#include "butler/wildcard.h"
#include "obscore/python_regex.h"

/*
 * The strings of an array of text, none of which may be NULL.
 */
List *
expressions_of_array(ArrayType *array, const char *argument)
{
	List	   *expressions = NIL;
	Datum	   *values;
	bool	   *nulls;
	int			n;

	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &values, &nulls, &n);
	for (int i = 0; i < n; i++)
	{
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("element %d of %s must not be NULL", i + 1, argument)));
		expressions = lappend(expressions, TextDatumGetCString(values[i]));
	}
	return expressions;
}

/*
 * The other way round.
 */
ArrayType *
array_of_expressions(const List *expressions)
{
	Datum	   *values = palloc(sizeof(Datum) * Max(list_length(expressions), 1));
	ListCell   *cell;
	int			n = 0;

	foreach(cell, expressions)
		values[n++] = CStringGetTextDatum(lfirst(cell));
	return construct_array(values, n, TEXTOID, -1, false, TYPALIGN_INT);
}

/* Brackets count where they are closed within the line. */
static bool
is_glob(const char *expression)
{
	const char *bracket = strchr(expression, '[');

	if (strpbrk(expression, "*?") != NULL)
		return true;
	while (bracket != NULL)
	{
		if (bracket[strcspn(bracket, "]\n")] == ']')
			return true;
		bracket = strchr(bracket + 1, '[');
	}
	return false;
}

/* Within brackets a set operation is escaped, as is what a set is made of. */
static void
append_member(StringInfo set, const char *c)
{
	if (strchr("\\-&~|", *c) != NULL)
		appendStringInfoChar(set, '\\');
	appendBinaryStringInfo(set, c, pg_mblen(c));
}

static bool
is_above(const char *c, const char *other)
{
	int			length = pg_mblen(c);
	int			other_length = pg_mblen(other);
	int			order = memcmp(c, other, Min(length, other_length));

	return order > 0 || (order == 0 && length > other_length);
}

/*
 * Writes the members of a set, less the ranges that are empty.
 */
static void
append_members(StringInfo set, const char *at, const char *end)
{
	while (at < end)
	{
		const char *dash = at + pg_mblen(at);
		const char *last = dash + 1;

		if (*dash != '-' || last >= end)
		{
			append_member(set, at);
			at = dash;
			continue;
		}
		if (!is_above(at, last))
		{
			append_member(set, at);
			appendStringInfoChar(set, '-');
			append_member(set, last);
		}
		at = last + pg_mblen(last);
	}
}

/*
 * Writes a set from behind its bracket on, and returns what follows it; or a
 * bracket alone, where none closes it.
 *
 * That a "!" counts as the first character where empty ranges before it are gone
 * is so in Python.
 */
static const char *
append_set(StringInfo regex, const char *at)
{
	const char *end = at;
	StringInfoData set;

	if (*end == '!')
		end++;
	if (*end == ']')
		end++;
	end = strchr(end, ']');
	if (end == NULL)
	{
		appendStringInfoString(regex, "\\[");
		return at;
	}

	initStringInfo(&set);
	if (*at == '!')
	{
		appendStringInfoChar(&set, '!');
		append_members(&set, at + 1, end);
	}
	else
		append_members(&set, at, end);
	if (set.len == 0)
		appendStringInfoString(regex, "(?!)");
	else if (strcmp(set.data, "!") == 0)
		appendStringInfoChar(regex, '.');
	else if (set.data[0] == '!')
		appendStringInfo(regex, "[^%s]", set.data + 1);
	else
		appendStringInfo(regex, "[%s%s]", set.data[0] == '^' || set.data[0] == '[' ? "\\" : "", set.data);
	return end + 1;
}

/*
 * Python's regular expression for a glob.
 */
static char *
glob_to_python(const char *glob)
{
	StringInfoData regex;
	const char *at = glob;

	initStringInfo(&regex);
	appendStringInfoString(&regex, "(?s)");
	while (*at != '\0')
	{
		char		c = *at;

		if (c == '[')
		{
			at = append_set(&regex, at + 1);
			continue;
		}
		if (c == '*')
			appendStringInfoString(&regex, ".*");
		else if (c == '?')
			appendStringInfoChar(&regex, '.');
		else
		{
			/* what is neither a letter nor a digit is itself with a backslash */
			if (!IS_HIGHBIT_SET(c) && !isalnum((unsigned char) c) && c != '_')
				appendStringInfoChar(&regex, '\\');
			appendBinaryStringInfo(&regex, at, pg_mblen(at));
		}
		at += c == '*' ? strspn(at, "*") : pg_mblen(at);
	}
	return regex.data;
}

static char *
to_postgres(const char *regex, const char *expression)
{
	char	   *converted;
	char	   *result;
	size_t		where;
	const char *problem = python_regex_to_postgres(regex, &converted, &where);

	if (problem != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_REGULAR_EXPRESSION),
				 errmsg("invalid pattern \"%s\": %s", expression, problem),
				 regex == expression + 1 ? errdetail("At character %d.", pg_mbstrlen_with_len(expression, where + 1) + 1) : 0,
				 errhint("Patterns are globs, or Python's regular expressions with a \"~\" in front.")));
	result = pstrdup(converted);
	free(converted);
	return result;
}

/*
 * Sorts expressions by their kinds.
 */
Wildcard *
wildcard_parse(const List *expressions)
{
	Wildcard   *wildcard = palloc0(sizeof(Wildcard));
	ListCell   *cell;

	foreach(cell, expressions)
	{
		const char *expression = lfirst(cell);

		if (strcmp(expression, "*") == 0)
			wildcard->all = true;
		else if (expression[0] == '~')
			wildcard->patterns = lappend(wildcard->patterns, to_postgres(expression + 1, expression));
		else if (is_glob(expression))
			wildcard->patterns = lappend(wildcard->patterns, to_postgres(glob_to_python(expression), expression));
		else
			wildcard->names = lappend(wildcard->names, pstrdup(expression));
	}
	return wildcard;
}
