/*-------------------------------------------------------------------------
 *
 * src/obscore/python_regex.c
 *	  Python's regular expressions, as PostgreSQL's.
 *
 * A configuration chooses runs by patterns that a client hands to Python's
 * re.fullmatch().  The pattern is parsed here by the rules of Python's own
 * parser (Lib/re/_parser.py of 3.11 and later), and written anew as one of
 * PostgreSQL's advanced regular expressions, anchored at both ends, that
 * matches the same names.  Whether a match exists does not depend on greed,
 * nor, without back references, on what groups capture: so groups do not
 * capture and all quantifiers are greedy in what is written.
 *
 * Refused, besides what Python refuses, is what PostgreSQL cannot say or says
 * otherwise: back references (a group in a loop keeps what it captured in
 * Python, not in PostgreSQL), conditionals, atomic groups and possessive
 * quantifiers, characters by name, counts beyond 255, the character NUL, and
 * letter case ignored in a part of the pattern or beside letters beyond ASCII.
 *
 * On names in ASCII both agree.  On others, \d takes the ten ASCII digits only,
 * \w and \b go by the letters of the database's locale, and a pattern that
 * ignores case does so by the locale's rules, where Python goes by Unicode;
 * \s takes Unicode's white space, as in Python.
 *
 * The text is UTF-8.  This file needs no server.
 *
 *-------------------------------------------------------------------------
 */
#include "obscore/python_regex.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "obscore/python_regex_parser.h"

/* PostgreSQL's limit of a repetition count (DUPMAX) */
#define MAX_COUNT 255

/* Widths beyond this are taken as unlimited */
#define WIDTH_UNLIMITED 1000000L

/* What precedes a quantifier, as far as Python cares */
typedef enum ItemKind
{
	ITEM_NONE,
	ITEM_ANCHOR,
	ITEM_REPEATED,
	ITEM_OTHER
} ItemKind;

/* How many characters a part of the pattern takes */
typedef struct Width
{
	long		min;
	long		max;
} Width;

static bool parse_branches(Translator *t, int flags, Width *width);


/*
 * Reads an escape outside brackets, from behind its backslash.
 */
static bool
parse_escape(Translator *t, int flags, ItemKind *kind, Width *width)
{
	char		letter = *t->at;
	const char *anchor = NULL;
	unsigned long c;

	if (letter == 'A')
		anchor = "\\A";
	else if (letter == 'Z')
		anchor = "\\Z";
	else if (letter == 'b' || letter == 'B')
	{
		if (flags & FLAG_ASCII)
			return python_regex_fail(t, "a word boundary in ASCII only", t->at - 1);
		anchor = letter == 'b' ? "\\y" : "\\Y";
	}
	if (anchor != NULL)
	{
		t->at++;
		python_regex_put(&t->output, anchor);
		*kind = ITEM_ANCHOR;
		return true;
	}

	width->min = width->max = 1;
	*kind = ITEM_OTHER;
	if (letter != '\0' && python_regex_class(letter, flags) != NULL)
	{
		t->at++;
		python_regex_put(&t->output, python_regex_is_complement(letter) ? "[^" : "[");
		python_regex_put(&t->output, python_regex_class(letter, flags));
		python_regex_put(&t->output, "]");
		return true;
	}
	if (!python_regex_parse_escape(t, false, &c))
		return false;
	python_regex_put_literal(&t->output, c);
	return true;
}

static int
flag_of_letter(char letter)
{
	switch (letter)
	{
		case 'a':
			return FLAG_ASCII;
		case 'i':
			return FLAG_IGNORECASE;
		case 'm':
			return FLAG_MULTILINE;
		case 's':
			return FLAG_DOTALL;
		case 'u':
			return FLAG_UNICODE;
		case 'x':
			return FLAG_VERBOSE;
		default:
			return 0;
	}
}

/*
 * Reads the flags after "(?", up to and with ')' or ':', and applies them.
 */
static bool
parse_flags(Translator *t, const char *start, bool at_start, int *flags, bool *global)
{
	int			add = 0;
	int			remove = 0;
	bool		removing = false;
	int			flag;

	for (;; t->at++)
	{
		if (*t->at == '-' && !removing)
		{
			removing = true;
			continue;
		}
		flag = flag_of_letter(*t->at);
		if (flag == 0)
			break;
		if (removing)
			remove |= flag;
		else
			add |= flag;
	}
	if (*t->at == 'L')
		return python_regex_fail(t, "the flag L, which is for bytes", start);
	if ((*t->at != ')' && *t->at != ':') || (add == 0 && !removing) || (removing && remove == 0) || (add & remove) != 0 ||
		(*t->at == ')' && removing) || (remove & (FLAG_ASCII | FLAG_UNICODE)) != 0)
		return python_regex_fail(t, "an unknown kind of group", start);
	if ((add & FLAG_ASCII) && (add & FLAG_UNICODE))
		return python_regex_fail(t, "the flags a and u together", start);

	*global = *t->at++ == ')';
	if (*global && !at_start)
		return python_regex_fail(t, "flags for the whole, but not at its start", start);
	if (!*global && ((add | remove) & FLAG_IGNORECASE))
		return python_regex_fail(t, "letter case ignored in a part only", start);
	if (*global && ((*flags | add) & FLAG_ASCII) && ((*flags | add) & FLAG_UNICODE))
		return python_regex_fail(t, "the flags a and u together", start);
	if (add & FLAG_IGNORECASE)
		t->ignore_case = true;
	if (!*global && (add & FLAG_UNICODE))
		remove |= FLAG_ASCII;
	*flags = (*flags | add) & ~remove;
	return true;
}

/*
 * Reads the name of a group, from behind "(?P<".
 */
static bool
parse_group_name(Translator *t, const char *start)
{
	const char *name = t->at;
	size_t		length;
	int			i;

	while (is_letter(*t->at) || *t->at == '_' || (t->at > name && is_digit(*t->at)))
		t->at++;
	length = (size_t) (t->at - name);
	if (*t->at != '>' || length == 0)
		return python_regex_fail(t, "a group's name that is no ASCII identifier", name);
	t->at++;
	for (i = 0; i < t->n_names; i++)
	{
		if (t->name_lengths[i] == length && memcmp(t->names[i], name, length) == 0)
			return python_regex_fail(t, "a group's name used twice", name);
	}
	if (t->n_names == MAX_GROUP_DEPTH)
		return python_regex_fail(t, "too many named groups", start);
	t->names[t->n_names] = name;
	t->name_lengths[t->n_names++] = length;
	return true;
}

/*
 * Reads the inside of a group up to and with its ')', and writes it between
 * what opens it and the closing text.
 */
static bool
parse_group_body(Translator *t, int flags, const char *start, const char *open,
				 const char *close, Width *width)
{
	if (++t->depth > MAX_GROUP_DEPTH)
		return python_regex_fail(t, "groups nested too deep", start);
	python_regex_put(&t->output, open);
	if (!parse_branches(t, flags, width))
		return false;
	if (*t->at != ')')
		return python_regex_fail(t, "a group without an end", start);
	t->at++;
	t->depth--;
	python_regex_put(&t->output, close);
	return true;
}

/*
 * Reads a group, from behind its '('.  Comments and flags for the whole leave
 * *kind as it is, since a quantifier behind them is for what is before.
 */
static bool
parse_group(Translator *t, int *flags, bool at_start, ItemKind *kind, Width *width)
{
	const char *start = t->at - 1;
	int			inner_flags = *flags;
	const char *open = "(?:";
	const char *close = ")";
	bool		look = false;
	bool		behind = false;
	bool		global = false;

	if (*t->at == '?')
	{
		t->at++;
		switch (*t->at)
		{
			case '#':
				t->at = strchr(t->at, ')');
				if (t->at == NULL)
				{
					t->at = start;
					return python_regex_fail(t, "a comment without an end", start);
				}
				t->at++;
				return true;
			case '(':
				return python_regex_fail(t, "a conditional group", start);
			case '>':
				return python_regex_fail(t, "an atomic group", start);
			case ':':
				t->at++;
				break;
			case 'P':
				if (t->at[1] == '=')
					return python_regex_fail(t, "a back reference", start);
				if (t->at[1] != '<')
					return python_regex_fail(t, "an unknown kind of group", start);
				t->at += 2;
				if (!parse_group_name(t, start))
					return false;
				break;
			case '<':
				behind = true;
				t->at++;
				/* FALLTHROUGH */
			case '=':
			case '!':
				if (*t->at != '=' && *t->at != '!')
					return python_regex_fail(t, "an unknown kind of group", start);
				look = true;
				open = *t->at == '=' ? (behind ? "(?:(?<=" : "(?:(?=") :
					(behind ? "(?:(?<!" : "(?:(?!");
				close = "))";
				t->at++;
				break;
			default:
				if (!parse_flags(t, start, at_start, &inner_flags, &global))
					return false;
				if (global)
				{
					*flags = inner_flags;
					return true;
				}
				break;
		}
	}

	*kind = ITEM_OTHER;
	if (!parse_group_body(t, inner_flags, start, open, close, width))
		return false;
	if (behind && (width->min != width->max || width->max >= WIDTH_UNLIMITED))
		return python_regex_fail(t, "a look behind of no fixed width", start);
	if (look)
		width->min = width->max = 0;
	return true;
}

/*
 * Reads a '{' and what follows, if it is a quantifier.  If not, it stands for
 * itself, which leaves the reading position alone.
 */
static bool
parse_counts(Translator *t, long *min, long *max)
{
	const char *at = t->at + 1;
	bool		limited;

	*min = 0;
	*max = 0;
	if (*at == '}')
		return false;
	for (; is_digit(*at); at++)
		*min = *min > MAX_COUNT ? *min : *min * 10 + (*at - '0');
	if (*at == ',')
	{
		at++;
		limited = is_digit(*at);
		for (; is_digit(*at); at++)
			*max = *max > MAX_COUNT ? *max : *max * 10 + (*at - '0');
		if (!limited)
			*max = -1;
	}
	else
		*max = *min;
	if (*at != '}' || (at[-1] == '{'))
		return false;
	t->at = at + 1;
	return true;
}

static long
multiply_width(long width, long count)
{
	if (width == 0 || count == 0)
		return 0;
	if (count < 0 || width >= WIDTH_UNLIMITED || width * count >= WIDTH_UNLIMITED)
		return WIDTH_UNLIMITED;
	return width * count;
}

/*
 * Reads a quantifier.  The counts are there already, max < 0: without a limit.
 */
static bool
apply_quantifier(Translator *t, const char *start, long min, long max, ItemKind *kind,
				 Width *width)
{
	char		text[32];

	if (*kind == ITEM_NONE || *kind == ITEM_ANCHOR)
		return python_regex_fail(t, "a quantifier with nothing to repeat", start);
	if (*kind == ITEM_REPEATED)
		return python_regex_fail(t, "a quantifier of a quantifier", start);
	if (min > MAX_COUNT || max > MAX_COUNT)
		return python_regex_fail(t, "a repetition count above 255", start);
	if (max >= 0 && max < min)
		return python_regex_fail(t, "repetition counts the wrong way round", start);
	if (*t->at == '+')
		return python_regex_fail(t, "a possessive quantifier", start);
	if (*t->at == '?')
		t->at++;

	if (max < 0)
		snprintf(text, sizeof(text), "{%ld,}", min);
	else
		snprintf(text, sizeof(text), "{%ld,%ld}", min, max);
	if (max < 0 && min < 2)
		python_regex_put(&t->output, min == 0 ? "*" : "+");
	else
		python_regex_put(&t->output, min == 0 && max == 1 ? "?" : text);
	width->min = multiply_width(width->min, min);
	width->max = multiply_width(width->max, max);
	*kind = ITEM_REPEATED;
	return true;
}

/*
 * Reads a quantifier at the reading position, if there is one.
 */
static bool
parse_quantifier(Translator *t, ItemKind *kind, Width *width, bool *found)
{
	const char *start = t->at;
	long		min = 0;
	long		max = -1;

	*found = true;
	switch (*t->at)
	{
		case '*':
			t->at++;
			break;
		case '+':
			t->at++;
			min = 1;
			break;
		case '?':
			t->at++;
			max = 1;
			break;
		case '{':
			if (parse_counts(t, &min, &max))
				break;
			/* FALLTHROUGH */
		default:
			*found = false;
			return true;
	}
	return apply_quantifier(t, start, min, max, kind, width);
}

/*
 * Reads one item other than a quantifier.
 */
static bool
parse_item(Translator *t, int *flags, bool at_start, ItemKind *kind, Width *width)
{
	const char *start = t->at;
	unsigned long c;

	width->min = width->max = 0;
	switch (*t->at)
	{
		case '(':
			t->at++;
			return parse_group(t, flags, at_start && *kind == ITEM_NONE, kind, width);
		case '\\':
			t->at++;
			return parse_escape(t, *flags, kind, width);
		case '^':
			t->at++;
			python_regex_put(&t->output, *flags & FLAG_MULTILINE ? "(?:^|(?<=\\n))" : "^");
			*kind = ITEM_ANCHOR;
			return true;
		case '$':
			/* in Python, before a newline at the end too */
			t->at++;
			python_regex_put(&t->output, *flags & FLAG_MULTILINE ? "(?:$|(?=\\n))" : "(?:$|(?=\\n$))");
			*kind = ITEM_ANCHOR;
			return true;
		default:
			break;
	}

	*kind = ITEM_OTHER;
	width->min = width->max = 1;
	if (*t->at == '[')
	{
		t->at++;
		return python_regex_parse_bracket(t, *flags, start);
	}
	if (*t->at == '.')
	{
		t->at++;
		python_regex_put(&t->output, *flags & FLAG_DOTALL ? "." : "[^\\n]");
		return true;
	}
	c = python_regex_next(t);
	python_regex_put_literal(&t->output, c);
	return python_regex_check(t, c, start);
}

/*
 * Steps over white space and comments, where the flag x is set.
 */
static bool
skip_verbose(Translator *t)
{
	if (*t->at == '#')
	{
		t->at += strcspn(t->at, "\n");
		return true;
	}
	if (*t->at != '\0' && strchr(" \t\n\r\v\f", *t->at) != NULL)
	{
		t->at++;
		return true;
	}
	return false;
}

/*
 * Reads the branches of a group, or of the whole, up to ')' or the end.
 */
static bool
parse_branches(Translator *t, int flags, Width *width)
{
	ItemKind	kind = ITEM_NONE;
	Width		branch = {0, 0};
	Width		item = {0, 0};
	bool		first_branch = true;
	bool		quantified;

	width->min = WIDTH_UNLIMITED;
	width->max = 0;
	for (;;)
	{
		if (*t->at == '\0' || *t->at == ')' || *t->at == '|')
		{
			branch.min += item.min;
			branch.max += item.max;
			if (branch.min < width->min)
				width->min = branch.min;
			if (branch.max > width->max)
				width->max = branch.max < WIDTH_UNLIMITED ? branch.max : WIDTH_UNLIMITED;
			if (*t->at != '|')
				return true;
			python_regex_put(&t->output, "|");
			t->at++;
			kind = ITEM_NONE;
			first_branch = false;
			branch.min = branch.max = item.min = item.max = 0;
			continue;
		}
		if ((flags & FLAG_VERBOSE) && skip_verbose(t))
			continue;
		if (!parse_quantifier(t, &kind, &item, &quantified))
			return false;
		if (quantified)
			continue;

		/* a comment in between leaves the last item to be repeated */
		if (strncmp(t->at, "(?#", 3) == 0)
		{
			t->at++;
			if (!parse_group(t, &flags, false, &kind, &item))
				return false;
			continue;
		}
		branch.min += item.min;
		branch.max += item.max;
		if (branch.max > WIDTH_UNLIMITED)
			branch.max = WIDTH_UNLIMITED;
		if (branch.min > WIDTH_UNLIMITED)
			branch.min = WIDTH_UNLIMITED;
		if (!parse_item(t, &flags, t->depth == 0 && first_branch, &kind, &item))
			return false;
	}
}

/*
 * Writes a PostgreSQL regular expression that matches what Python's
 * re.fullmatch() does with the pattern, in malloc'ed memory.  Returns NULL, or
 * else what cannot be done, as a phrase, and at which byte of the pattern.
 */
const char *
python_regex_to_postgres(const char *pattern, char **converted, size_t *where)
{
	Translator	t;
	Width		width;

	memset(&t, 0, sizeof(t));
	t.pattern = pattern;
	t.at = pattern;
	*converted = NULL;
	*where = 0;

	/* room in front for what only the end of the pattern tells */
	python_regex_put(&t.output, "    ^(?:");
	if (parse_branches(&t, 0, &width) && *t.at == ')')
		python_regex_fail(&t, "a ')' without its '('", t.at);
	python_regex_put(&t.output, ")$");
	if (t.problem == NULL && t.ignore_case && t.beyond_ascii != NULL)
		python_regex_fail(&t, "letter case ignored beside characters beyond ASCII", t.beyond_ascii);
	if (t.output.out_of_memory)
		python_regex_fail(&t, "not enough memory", pattern);
	if (t.problem != NULL)
	{
		free(t.output.text);
		*where = (size_t) (t.problem_at - pattern);
		return t.problem;
	}
	if (t.ignore_case)
		memcpy(t.output.text, "(?i)", 4);
	else
		memmove(t.output.text, t.output.text + 4, t.output.used - 4 + 1);
	*converted = t.output.text;
	return NULL;
}
