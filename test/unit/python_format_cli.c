/*-------------------------------------------------------------------------
 *
 * test/unit/python_format_cli.c
 *	  Templates, formats and values as Python's, for the oracle test.
 *
 * Reads lines "<kind> <hex> <hex>" and answers each with "ok <text>" or with
 * "error <text>":
 *
 *		s, i, f, b	a specification and a value: the formatted text in hex
 *		R, A, F		nothing and a value: repr() or ascii() of it in hex
 *		I, L, B		nothing and a text: what int(), float() and bool(int()) read
 *		T			nothing and a template: its pieces
 *
 * A value is text in hex, an integer, or a float's 64 bits in hex.  Each answer
 * is written to a block of the very size that was asked for, for a sanitizer to
 * see a write beyond its end.
 *
 *-------------------------------------------------------------------------
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "obscore/python_format.h"
#include "obscore/template.h"

#define LINE_SIZE 200000

static char *
allocate(size_t size)
{
	char	   *block = malloc(size > 0 ? size : 1);

	if (block == NULL)
		exit(2);
	return block;
}

/* Text of a hex word, in a block of its very size. */
static char *
unhex(const char *word, size_t *length, size_t extra)
{
	char	   *text;
	size_t		n = strlen(word) / 2;

	if (strcmp(word, "-") == 0)
		n = 0;
	text = allocate(n + extra);
	for (size_t i = 0; i < n; i++)
	{
		unsigned	byte;

		sscanf(word + 2 * i, "%2x", &byte);
		text[i] = (char) byte;
	}
	if (extra > 0)
		text[n] = '\0';
	*length = n;
	return text;
}

static void
put_hex(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
		printf("%02x", (unsigned char) text[i]);
}

static void
answer_text(const char *text, size_t length)
{
	printf("ok ");
	put_hex(text, length);
	printf("\n");
}

static double
double_of_bits(const char *hex)
{
	uint64_t	bits = strtoull(hex, NULL, 16);
	double		value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

static void
answer_format(char kind, const char *spec_word, const char *value)
{
	PythonType	type = kind == 's' ? PYTHON_STR : kind == 'i' ? PYTHON_INT :
		kind == 'f' ? PYTHON_FLOAT : PYTHON_BOOL;
	size_t		spec_length;
	char	   *spec_text = unhex(spec_word, &spec_length, 0);
	PythonSpec	spec;
	const char *problem = python_spec_parse(spec_text, spec_length, type, &spec);

	free(spec_text);
	if (problem != NULL)
	{
		printf("error %s\n", problem);
		return;
	}
	if (kind == 's')
	{
		size_t		length;
		char	   *text = unhex(value, &length, 0);
		char	   *to = allocate(python_format_size(&spec, length));

		answer_text(to, python_format_str(&spec, text, length, to));
		free(text);
		free(to);
	}
	else
	{
		char	   *to = allocate(python_format_size(&spec, 0));
		size_t		n;

		if (kind == 'f')
			n = python_format_float(&spec, double_of_bits(value), to);
		else if (kind == 'i')
			n = python_format_int(&spec, strtoll(value, NULL, 10), to);
		else
			n = python_format_bool(&spec, value[0] == '1', to);
		if (n > 0)
			answer_text(to, n);
		else
			printf("error not a character\n");
		free(to);
	}
}

static void
answer_repr(char kind, const char *value)
{
	size_t		length;
	char	   *text;
	char	   *to;

	if (kind == 'F')
	{
		char		number[PYTHON_FLOAT_SIZE];

		answer_text(number, python_repr_float(double_of_bits(value), number));
		return;
	}
	text = unhex(value, &length, 0);
	to = allocate(PYTHON_REPR_SIZE(length));
	answer_text(to, python_repr_str(text, length, kind == 'A', to));
	free(text);
	free(to);
}

static void
answer_read(char kind, const char *value)
{
	size_t		length;
	char	   *text = unhex(value, &length, 0);
	char	   *buffer = allocate(length + 1);
	double		number;
	int64_t		integer;
	bool		overflow;

	if (kind == 'L')
	{
		uint64_t	bits;

		if (python_read_float(text, length, buffer, &number))
		{
			memcpy(&bits, &number, sizeof(bits));
			printf("ok %016" PRIx64 "\n", bits);
		}
		else
			printf("error not a float\n");
	}
	else if (!python_read_int(text, length, &integer, &overflow) || (kind == 'I' && overflow))
		printf("error not an integer\n");
	else if (kind == 'I')
		printf("ok %" PRId64 "\n", integer);
	else
		printf("ok %d\n", integer != 0);
	free(buffer);
	free(text);
}

static void
answer_template(const char *value)
{
	size_t		length;
	char	   *text = unhex(value, &length, 1);
	Template   *template;
	size_t		where;
	const char *problem = template_parse(text, &template, &where);

	if (problem != NULL)
		printf("error %zu %s\n", where, problem);
	else
	{
		printf("ok");
		for (int i = 0; i < template->n_pieces; i++)
		{
			const TemplatePiece *piece = &template->pieces[i];
			const char *first = piece->literal != NULL ? piece->literal : piece->name;

			printf(" %c", piece->literal != NULL ? '=' : '{');
			put_hex(first, strlen(first));
			for (int j = 0; j < piece->n_accessors; j++)
			{
				printf("%c", piece->accessors[j].index ? '[' : '.');
				put_hex(piece->accessors[j].name, strlen(piece->accessors[j].name));
			}
			if (piece->literal == NULL)
			{
				printf("!%c:", piece->conversion != '\0' ? piece->conversion : '-');
				put_hex(piece->spec, strlen(piece->spec));
			}
		}
		printf("\n");
	}
	free(template);
	free(text);
}

int
main(void)
{
	static char line[LINE_SIZE];
	static char kind[LINE_SIZE];
	static char spec[LINE_SIZE];
	static char value[LINE_SIZE];

	while (fgets(line, sizeof(line), stdin) != NULL)
	{
		if (sscanf(line, "%s %s %s", kind, spec, value) != 3)
			return 2;
		if (strchr("sifb", kind[0]) != NULL)
			answer_format(kind[0], spec, value);
		else if (strchr("RAF", kind[0]) != NULL)
			answer_repr(kind[0], value);
		else if (kind[0] == 'T')
			answer_template(value);
		else
			answer_read(kind[0], value);
	}
	return 0;
}
