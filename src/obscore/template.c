/*-------------------------------------------------------------------------
 *
 * src/obscore/template.c
 *	  Reads templates in the language of Python's str.format.
 *
 * Python's rules, with its oddities: a bracket hides braces, colons and
 * exclamation marks up to the next "]", a field's name may hold blanks, and a
 * format specification ends at the brace that closes the field.  Refused beyond
 * what Python refuses are fields inside a specification, and positional fields,
 * for which there are no values.
 *
 * All server encodings keep ASCII's bytes to themselves, so that bytes will do.
 *
 *-------------------------------------------------------------------------
 */
#ifdef TEMPLATE_STANDALONE
#include <stdint.h>
#include <stdlib.h>
#else
#include "postgres.h"
#endif

#include <string.h>

#include "obscore/template.h"

#ifdef TEMPLATE_STANDALONE
#define template_allocate(size) malloc(size)
#else
#define template_allocate(size) palloc(size)
#endif

typedef struct Parser
{
	const char *begin;
	const char *at;
	Template   *template;
	TemplateAccessor *accessors;	/* the next ones to use */
	char	   *strings;		/* where the next one goes */
	const char *problem;		/* the first one */
	const char *where;
} Parser;

static bool
fail(Parser *parser, const char *where, const char *problem)
{
	if (parser->problem == NULL)
	{
		parser->problem = problem;
		parser->where = where;
	}
	return false;
}

static const char *
keep(Parser *parser, const char *text, size_t length)
{
	char	   *kept = parser->strings;

	memcpy(kept, text, length);
	kept[length] = '\0';
	parser->strings += length + 1;
	return kept;
}

static TemplatePiece *
add_piece(Parser *parser)
{
	TemplatePiece *piece = &parser->template->pieces[parser->template->n_pieces++];

	memset(piece, 0, sizeof(TemplatePiece));
	piece->spec = "";
	return piece;
}

/* Takes text up to the next field; doubled braces are single ones. */
static bool
parse_literal(Parser *parser)
{
	char	   *to = parser->strings;

	while (*parser->at != '\0')
	{
		char		c = *parser->at;

		if (c == '{' || c == '}')
		{
			if (parser->at[1] == c)
				parser->at++;
			else if (c == '}')
				return fail(parser, parser->at, "a single \"}\", which is written \"}}\"");
			else if (parser->at[1] == '\0')
				return fail(parser, parser->at, "a single \"{\", which is written \"{{\"");
			else
				break;
		}
		*to++ = c;
		parser->at++;
	}
	if (to > parser->strings)
	{
		*to++ = '\0';
		add_piece(parser)->literal = parser->strings;
		parser->strings = to;
	}
	return true;
}

/*
 * Finds the end of a field's name and accessors, which is a brace, a colon or an
 * exclamation mark.
 */
static bool
skip_path(Parser *parser)
{
	const char *at = parser->at;

	for (; *at != '}' && *at != ':' && *at != '!'; at++)
	{
		if (*at == '{')
			return fail(parser, at, "\"{\" inside a field's name");
		if (*at == '[')
		{
			const char *close = strchr(at, ']');

			if (close == NULL)
				return fail(parser, at, "a field's \"]\" is missing");
			at = close;
		}
		if (*at == '\0')
			return fail(parser, parser->at, "a field's \"}\" is missing");
	}
	parser->at = at;
	return true;
}

/* Splits a name and its accessors, which end at the parser's position. */
static bool
parse_path(Parser *parser, const char *at, TemplatePiece *field)
{
	const char *end = parser->at;
	size_t		length = 0;

	while (at + length < end && at[length] != '.' && at[length] != '[')
		length++;
	if (strspn(at, "0123456789") >= length)
		return fail(parser, at, "a field without a name: there are no positional values");
	field->name = keep(parser, at, length);
	field->accessors = parser->accessors;

	for (at += length; at < end; at += length)
	{
		TemplateAccessor *accessor;

		if (*at != '.' && *at != '[')
			return fail(parser, at, "only \".\" or \"[\" may follow \"]\"");
		accessor = parser->accessors++;
		field->n_accessors++;
		accessor->index = *at++ == '[';
		length = 0;
		while (at + length < end &&
			   (accessor->index ? at[length] != ']' : at[length] != '.' && at[length] != '['))
			length++;
		if (length == 0)
			return fail(parser, at, "an empty attribute or index");
		accessor->name = keep(parser, at, length);
		if (accessor->index)
			length++;
	}
	return true;
}

static bool
parse_conversion(Parser *parser, TemplatePiece *field)
{
	field->conversion = *++parser->at;
	if (field->conversion == '\0' || strchr("rsa", field->conversion) == NULL)
		return fail(parser, parser->at, "a conversion is one of \"!r\", \"!s\" and \"!a\"");
	parser->at++;
	if (*parser->at != ':' && *parser->at != '}')
		return fail(parser, parser->at, "only \":\" or \"}\" may follow a conversion");
	return true;
}

/* Takes a field; the parser is behind its brace. */
static bool
parse_field(Parser *parser)
{
	const char *path = parser->at;
	TemplatePiece *field = add_piece(parser);

	if (!skip_path(parser) || !parse_path(parser, path, field))
		return false;
	if (*parser->at == '!' && !parse_conversion(parser, field))
		return false;
	if (*parser->at == ':')
	{
		const char *spec = ++parser->at;
		size_t		length = strcspn(spec, "{}");

		if (spec[length] == '{')
			return fail(parser, spec + length, "a field inside a format specification is not supported");
		if (spec[length] == '\0')
			return fail(parser, spec, "a field's \"}\" is missing");
		field->spec = keep(parser, spec, length);
		parser->at += length;
	}
	parser->at++;
	return true;
}

/*
 * Allocates the template with room for all that so long a text may hold.
 */
static bool
allocate(Parser *parser)
{
	size_t		n_fields = 0;
	size_t		n_accessors = 0;
	size_t		n_pieces;
	size_t		length;
	char	   *block;

	for (length = 0; parser->begin[length] != '\0'; length++)
	{
		n_fields += parser->begin[length] == '{';
		n_accessors += parser->begin[length] == '.' || parser->begin[length] == '[';
	}
	n_pieces = 2 * n_fields + 1;
	/* every string has its own NUL */
	block = template_allocate(sizeof(Template) + n_pieces * sizeof(TemplatePiece) +
							  n_accessors * sizeof(TemplateAccessor) +
							  length + 2 * n_pieces + n_accessors);
	if (block == NULL)
		return fail(parser, parser->begin, "out of memory");
	parser->template = (Template *) block;
	parser->template->n_pieces = 0;
	parser->template->pieces = (TemplatePiece *) (parser->template + 1);
	parser->accessors = (TemplateAccessor *) (parser->template->pieces + n_pieces);
	parser->strings = (char *) (parser->accessors + n_accessors);
	return true;
}

/*
 * Reads a template into one block of memory, which is the caller's also where
 * the template is wrong.  Returns what is wrong, and sets where (a position in
 * the text), or NULL.
 */
const char *
template_parse(const char *text, Template **template, size_t *where)
{
	Parser		parser = {text, text, NULL, NULL, NULL, NULL, text};

	if (allocate(&parser))
	{
		while (parse_literal(&parser) && *parser.at == '{')
		{
			parser.at++;
			if (!parse_field(&parser))
				break;
		}
	}
	*template = parser.template;
	*where = (size_t) (parser.where - text);
	return parser.problem;
}
