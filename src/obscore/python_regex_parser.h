/*-------------------------------------------------------------------------
 *
 * src/obscore/python_regex_parser.h
 *	  What the parts of the translator of regular expressions share.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CATREG_PYTHON_REGEX_PARSER_H
#define CATREG_PYTHON_REGEX_PARSER_H

#include <stdbool.h>
#include <stddef.h>

/* Deeper groups are refused, lest the stack overflow */
#define MAX_GROUP_DEPTH 100

#define FLAG_ASCII 0x01
#define FLAG_IGNORECASE 0x02
#define FLAG_MULTILINE 0x04
#define FLAG_DOTALL 0x08
#define FLAG_UNICODE 0x10
#define FLAG_VERBOSE 0x20

typedef struct Output
{
	char	   *text;
	size_t		used;
	size_t		size;
	bool		out_of_memory;
} Output;

typedef struct Translator
{
	const char *pattern;
	const char *at;
	int			depth;
	bool		ignore_case;	/* the whole pattern does */
	const char *beyond_ascii;	/* the first such literal */
	const char *names[MAX_GROUP_DEPTH];
	size_t		name_lengths[MAX_GROUP_DEPTH];
	int			n_names;
	const char *problem;
	const char *problem_at;
	Output		output;
} Translator;

static inline bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static inline bool
is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* python_regex_class.c; what returns bool returns false after noting a problem */
extern bool python_regex_fail(Translator *t, const char *problem, const char *at);
extern void python_regex_put(Output *output, const char *text);
extern void python_regex_put_literal(Output *output, unsigned long c);
extern unsigned long python_regex_next(Translator *t);
extern bool python_regex_check(Translator *t, unsigned long c, const char *start);
extern bool python_regex_parse_escape(Translator *t, bool in_bracket, unsigned long *c);
extern const char *python_regex_class(char letter, int flags);
extern bool python_regex_is_complement(char letter);
extern bool python_regex_parse_bracket(Translator *t, int flags, const char *start);

#endif							/* CATREG_PYTHON_REGEX_PARSER_H */
