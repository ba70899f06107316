/*-------------------------------------------------------------------------
 *
 * src/obscore/python_regex_class.c
 *	  Characters and classes of them, from Python's regular expressions to
 *	  PostgreSQL's.
 *
 *-------------------------------------------------------------------------
 */
#include "obscore/python_regex_parser.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool
is_octal(char c)
{
	return c >= '0' && c <= '7';
}

bool
python_regex_fail(Translator *t, const char *problem, const char *at)
{
	t->problem = problem;
	t->problem_at = at;
	return false;
}

void
python_regex_put(Output *output, const char *text)
{
	size_t		length = strlen(text);

	if (output->used + length + 1 > output->size)
	{
		size_t		size = (output->used + length + 1) * 2;
		char	   *larger = output->out_of_memory ? NULL : realloc(output->text, size);

		if (larger == NULL)
		{
			output->out_of_memory = true;
			return;
		}
		output->text = larger;
		output->size = size;
	}
	memcpy(output->text + output->used, text, length + 1);
	output->used += length;
}

/*
 * Writes one character that stands for itself, in a bracket or outside.
 */
void
python_regex_put_literal(Output *output, unsigned long c)
{
	char		text[8];

	if (c < 0x80)
	{
		if (is_letter((char) c) || is_digit((char) c) || strchr("_/,:;=@%~'\"<>! ", (int) c))
			snprintf(text, sizeof(text), "%c", (char) c);
		else if (c < 0x20 || c == 0x7f)
			snprintf(text, sizeof(text), "\\u%04lx", c);
		else
			snprintf(text, sizeof(text), "\\%c", (char) c);
	}
	else if (c < 0x800)
		snprintf(text, sizeof(text), "%c%c", (char) (0xc0 | c >> 6),
				 (char) (0x80 | (c & 0x3f)));
	else if (c < 0x10000)
		snprintf(text, sizeof(text), "%c%c%c", (char) (0xe0 | c >> 12),
				 (char) (0x80 | (c >> 6 & 0x3f)), (char) (0x80 | (c & 0x3f)));
	else
		snprintf(text, sizeof(text), "%c%c%c%c", (char) (0xf0 | c >> 18),
				 (char) (0x80 | (c >> 12 & 0x3f)), (char) (0x80 | (c >> 6 & 0x3f)),
				 (char) (0x80 | (c & 0x3f)));
	python_regex_put(output, text);
}

/*
 * The code point at the reading position, and a step over it.  The pattern
 * has been checked to be UTF-8 where it was read; a broken sequence ends early.
 */
unsigned long
python_regex_next(Translator *t)
{
	unsigned char first = (unsigned char) *t->at++;
	unsigned long c = first;
	int			n = 0;

	if (first >= 0xf0)
	{
		c = first & 0x07;
		n = 3;
	}
	else if (first >= 0xe0)
	{
		c = first & 0x0f;
		n = 2;
	}
	else if (first >= 0xc0)
	{
		c = first & 0x1f;
		n = 1;
	}
	while (n-- > 0 && ((unsigned char) *t->at & 0xc0) == 0x80)
		c = c << 6 | ((unsigned char) *t->at++ & 0x3f);
	return c;
}

/*
 * A character as the pattern means it: what cannot be matched is refused.
 */
bool
python_regex_check(Translator *t, unsigned long c, const char *start)
{
	if (c == 0)
		return python_regex_fail(t, "the character NUL, which no name holds", start);
	if ((c >= 0xd800 && c <= 0xdfff) || c > 0x10ffff)
		return python_regex_fail(t, "an escape that stands for no character", start);
	if (c >= 0x80 && t->beyond_ascii == NULL)
		t->beyond_ascii = start;
	return true;
}

static bool
parse_hexadecimal(Translator *t, int n_digits, const char *start, unsigned long *c)
{
	*c = 0;
	for (; n_digits > 0; n_digits--, t->at++)
	{
		char		digit = *t->at;

		if (is_digit(digit))
			*c = *c * 16 + (unsigned long) (digit - '0');
		else if (digit >= 'a' && digit <= 'f')
			*c = *c * 16 + (unsigned long) (digit - 'a' + 10);
		else if (digit >= 'A' && digit <= 'F')
			*c = *c * 16 + (unsigned long) (digit - 'A' + 10);
		else
			return python_regex_fail(t, "an incomplete escape", start);
	}
	return python_regex_check(t, *c, start);
}

/*
 * Reads what follows a backslash where it stands for one character; the
 * classes and anchors have been dealt with.  In a bracket all digits are octal
 * and \b is the backspace.
 */
bool
python_regex_parse_escape(Translator *t, bool in_bracket, unsigned long *c)
{
	static const char letters[] = "afnrtv";
	static const char values[] = "\a\f\n\r\t\v";
	const char *start = t->at - 1;
	char		letter = *t->at;
	const char *found;
	int			n_digits;

	if (letter == '\0')
		return python_regex_fail(t, "a backslash at the end", start);
	if (in_bracket && letter == 'b')
	{
		t->at++;
		*c = '\b';
		return true;
	}
	found = strchr(letters, letter);
	if (found != NULL)
	{
		t->at++;
		*c = (unsigned char) values[found - letters];
		return true;
	}
	if (letter == 'x' || letter == 'u' || letter == 'U')
	{
		t->at++;
		return parse_hexadecimal(t, letter == 'x' ? 2 : letter == 'u' ? 4 : 8, start, c);
	}
	if (letter == 'N')
		return python_regex_fail(t, "a character by its name", start);
	if (is_digit(letter))
	{
		/* up to three octal digits, or else a group's number */
		for (n_digits = 0; n_digits < 3 && is_octal(t->at[n_digits]); n_digits++)
			;
		if (letter != '0' && (in_bracket ? n_digits == 0 : n_digits < 3))
			return python_regex_fail(t, in_bracket ? "an unknown escape" : "a back reference", start);
		for (*c = 0; n_digits > 0; n_digits--)
			*c = *c * 8 + (unsigned long) (*t->at++ - '0');
		if (*c > 0377)
			return python_regex_fail(t, "an octal escape beyond \\377", start);
		return python_regex_check(t, *c, start);
	}
	if (is_letter(letter))
		return python_regex_fail(t, "an unknown escape", start);
	*c = python_regex_next(t);
	return python_regex_check(t, *c, start);
}

/*
 * What a class such as \d takes, for the inside of a bracket; NULL where the
 * letter names none.  The capital letters' classes are the complements.
 */
const char *
python_regex_class(char letter, int flags)
{
	switch (letter)
	{
		case 'd':
		case 'D':
			return "0-9";
		case 's':
		case 'S':
			/* str.isspace() holds for U+001C to U+001F too */
			return flags & FLAG_ASCII ? "\\t-\\r\\ " :
				"\\t-\\r\\u001c-\\ \xc2\x85\xc2\xa0\xe1\x9a\x80\xe2\x80\x80-\xe2\x80\x8a"
				"\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xaf\xe2\x81\x9f\xe3\x80\x80";
		case 'w':
		case 'W':
			return flags & FLAG_ASCII ? "a-zA-Z0-9_" : "\\w";
		default:
			return NULL;
	}
}

bool
python_regex_is_complement(char letter)
{
	return letter == 'D' || letter == 'S' || letter == 'W';
}

/*
 * Reads one end of a range, or a class, whose letter is put into *class_letter.
 */
static bool
parse_bracket_element(Translator *t, int flags, unsigned long *c, char *class_letter)
{
	const char *start = t->at;

	*class_letter = '\0';
	if (*t->at == '\0')
		return python_regex_fail(t, "a bracket without an end", start);
	if (*t->at != '\\')
	{
		*c = python_regex_next(t);
		return python_regex_check(t, *c, start);
	}
	t->at++;
	if (*t->at != '\0' && python_regex_class(*t->at, flags) != NULL)
	{
		*class_letter = *t->at++;
		return true;
	}
	return python_regex_parse_escape(t, true, c);
}

/*
 * Reads a bracket expression, from behind its '['.  Complements of classes
 * among the members, which PostgreSQL would take by its locale, become
 * alternatives beside the bracket.
 */
bool
python_regex_parse_bracket(Translator *t, int flags, const char *start)
{
	Output		members = {NULL, 0, 0, false};
	bool		negated = false;
	bool		first = true;
	char		complements[4] = "";
	const char *letter;
	bool		ended = false;

	if (*t->at == '^')
	{
		negated = true;
		t->at++;
	}
	while (!ended)
	{
		const char *element = t->at;
		unsigned long low = 0;
		unsigned long high = 0;
		char		low_class;
		char		high_class;

		if (*t->at == ']' && !first)
		{
			t->at++;
			break;
		}
		first = false;
		if (!parse_bracket_element(t, flags, &low, &low_class))
			break;
		if (*t->at == '-' && t->at[1] != ']')
		{
			t->at++;
			if (!parse_bracket_element(t, flags, &high, &high_class))
				break;
			if (low_class != '\0' || high_class != '\0' || high < low)
			{
				python_regex_fail(t, "a range that is none", element);
				break;
			}
			python_regex_put_literal(&members, low);
			python_regex_put(&members, "-");
			python_regex_put_literal(&members, high);
			continue;
		}
		if (low_class == '\0')
			python_regex_put_literal(&members, low);
		else if (!python_regex_is_complement(low_class))
			python_regex_put(&members, python_regex_class(low_class, flags));
		else if (strchr(complements, low_class) == NULL)
			strncat(complements, &low_class, 1);
		if (*t->at == '-')
		{
			python_regex_put(&members, "\\-");
			t->at += 2;
			ended = true;
		}
	}

	if (t->problem == NULL && members.out_of_memory)
		t->output.out_of_memory = true;
	else if (t->problem == NULL && complements[0] == '\0')
	{
		python_regex_put(&t->output, negated ? "[^" : "[");
		python_regex_put(&t->output, members.text);
		python_regex_put(&t->output, "]");
	}
	else if (t->problem == NULL)
	{
		python_regex_put(&t->output, negated ? "(?:(?!" : "(?:");
		for (letter = complements; *letter != '\0'; letter++)
		{
			python_regex_put(&t->output, letter == complements ? "[^" : "|[^");
			python_regex_put(&t->output, python_regex_class(*letter, flags));
			python_regex_put(&t->output, "]");
		}
		if (members.text != NULL)
		{
			python_regex_put(&t->output, "|[");
			python_regex_put(&t->output, members.text);
			python_regex_put(&t->output, "]");
		}
		python_regex_put(&t->output, negated ? ").)" : ")");
	}
	else if (t->problem_at == t->at && *t->at == '\0')
		t->problem_at = start;
	free(members.text);
	return t->problem == NULL;
}
