/*-------------------------------------------------------------------------
 *
 * src/obscore/python_format.h
 *	  The text that Python 3.11 gives values, and the values that it reads.
 *
 * Text is UTF-8, and what is written ends without a NUL.  Nothing of the server
 * is needed.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CATREG_OBSCORE_PYTHON_FORMAT_H
#define CATREG_OBSCORE_PYTHON_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum PythonType
{
	PYTHON_STR,
	PYTHON_INT,
	PYTHON_FLOAT,
	PYTHON_BOOL
} PythonType;

/* Bounds of a specification, so that nobody asks for terabytes; Python has none. */
#define PYTHON_MAX_WIDTH		10000
#define PYTHON_MAX_PRECISION	10000

/* A format specification for values of a type */
typedef struct PythonSpec
{
	bool		empty;
	char		fill[5];		/* one code point */
	char		align;			/* '<', '>', '^' or '=' */
	char		sign;			/* '+', '-', ' ', or 0 */
	bool		no_negative_zero;
	bool		alternate;
	int			width;			/* -1: none */
	char		grouping;		/* ',', '_', or 0 */
	int			precision;		/* -1: none */
	char		code;			/* 'd' of integers and 's' of text by default, or 0 */
} PythonSpec;

/* The room that what is written needs at most */
#define PYTHON_FLOAT_SIZE 32
#define PYTHON_REPR_SIZE(length) (4 * (size_t) (length) + 2)

extern const char *python_spec_parse(const char *text, size_t length,
									 PythonType type, PythonSpec *spec);
extern size_t python_format_size(const PythonSpec *spec, size_t length);
extern size_t python_format_str(const PythonSpec *spec, const char *text,
								size_t length, char *to);
extern size_t python_format_int(const PythonSpec *spec, int64_t value, char *to);
extern size_t python_format_float(const PythonSpec *spec, double value, char *to);
extern size_t python_format_bool(const PythonSpec *spec, bool value, char *to);

extern size_t python_repr_float(double value, char to[PYTHON_FLOAT_SIZE]);
extern size_t python_repr_str(const char *text, size_t length, bool ascii, char *to);

extern bool python_read_int(const char *text, size_t length, int64_t *value,
							bool *overflow);
extern bool python_read_float(const char *text, size_t length, char *buffer,
							  double *value);

#endif							/* CATREG_OBSCORE_PYTHON_FORMAT_H */
