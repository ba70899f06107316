/*-------------------------------------------------------------------------
 *
 * src/obscore/python_format.c
 *	  The text that Python 3.11 gives values.
 *
 * Format specifications are
 *
 *		[[fill]align][sign][z][#][0][width][grouping][.precision][code]
 *
 * Refused beyond what Python refuses are the code n, which depends on a locale,
 * widths and precisions without bounds, and digits of other scripts.
 *
 *-------------------------------------------------------------------------
 */
#include "obscore/python_format.h"

#include <ctype.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/shortest_dec.h"
#include "obscore/python_printable.h"

/* Room for a double's magnitude of that many decimals: 1.8e308 has 309 digits */
#define MAGNITUDE_SIZE (PYTHON_MAX_PRECISION + 350)

/* Digits d1 d2 d3 ..., which stand for 0.d1d2d3... times 10^point */
typedef struct Decimal
{
	int			n;
	int			point;
	char		digits[PYTHON_MAX_PRECISION + 8];
} Decimal;

/* A number in parts, of which the digits may be grouped and padded */
typedef struct NumberText
{
	char		sign;			/* or 0 */
	const char *prefix;
	const char *digits;
	int			n_digits;
	const char *rest;
	int			n_rest;
	int			n_rest_chars;	/* code points */
	int			group;			/* so many digits */
} NumberText;

/* -------------------------------------------------------------------- UTF-8 */

static int
code_point_bytes(const char *at, const char *end)
{
	unsigned char lead = (unsigned char) *at;
	int			n = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;

	return end - at < n ? (int) (end - at) : n;
}

static uint32_t
code_point(const char *at, int bytes)
{
	uint32_t	c = (unsigned char) *at;

	if (bytes > 1)
		c &= 0xffU >> (bytes + 1);
	for (int i = 1; i < bytes; i++)
		c = c << 6 | ((unsigned char) at[i] & 0x3f);
	return c;
}

static int
put_code_point(uint32_t c, char *to)
{
	static const unsigned char leads[] = {0, 0, 0xc0, 0xe0, 0xf0};
	int			bytes = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;

	for (int i = bytes - 1; i > 0; i--, c >>= 6)
		to[i] = (char) (0x80 | (c & 0x3f));
	to[0] = (char) (leads[bytes] | c);
	return bytes;
}

/* Binary search in the table of bounds, whose odd entries begin what is printable. */
static bool
is_printable(uint32_t c)
{
	size_t		low = 0;
	size_t		high = sizeof(python_printable) / sizeof(python_printable[0]);

	while (high - low > 1)
	{
		size_t		middle = (low + high) / 2;

		if (python_printable[middle] <= c)
			low = middle;
		else
			high = middle;
	}
	return low % 2 == 1;
}

/* ----------------------------------------------------------- specifications */

/* Takes digits; -1 where there are none, and false where they are too many. */
static bool
take_number(const char **at, const char *end, int *number)
{
	*number = -1;
	for (; *at < end && isdigit((unsigned char) **at); (*at)++)
	{
		int			digit = **at - '0';

		if (*number > (INT_MAX - digit) / 10)
			return false;
		*number = (*number < 0 ? 0 : *number * 10) + digit;
	}
	return true;
}

/* Takes one of some characters, if it comes next; else 0. */
static char
take_one_of(const char **at, const char *end, const char *allowed)
{
	if (*at == end || **at == '\0' || strchr(allowed, **at) == NULL)
		return '\0';
	return *(*at)++;
}

static const char *
check_str(const PythonSpec *spec)
{
	if (spec->code != 's')
		return "text has no format code but \"s\"";
	if (spec->sign != 0)
		return "text takes no sign";
	if (spec->no_negative_zero)
		return "text takes no \"z\"";
	if (spec->alternate)
		return "text takes no \"#\"";
	if (spec->align == '=')
		return "text takes no alignment \"=\"";
	return NULL;
}

static const char *
check_number(const PythonSpec *spec, PythonType type)
{
	bool		integer = type != PYTHON_FLOAT;

	if (spec->code == 'n')
		return "the format code \"n\" depends on a locale, and is not supported";
	if (integer && spec->code != '\0' && strchr("bcdoxX", spec->code) != NULL)
	{
		if (spec->precision >= 0)
			return "an integer takes no precision";
		if (spec->no_negative_zero)
			return "an integer takes no \"z\"";
		if (spec->code == 'c' && spec->sign != 0)
			return "the format code \"c\" takes no sign";
		if (spec->code == 'c' && spec->alternate)
			return "the format code \"c\" takes no \"#\"";
		return NULL;
	}
	if (spec->code != '\0' && strchr("eEfFgG%", spec->code) == NULL)
		return integer ? "an integer's format codes are b, c, d, o, x, X, e, E, f, F, g, G and %"
			: "a float's format codes are e, E, f, F, g, G and %";
	if (spec->precision > PYTHON_MAX_PRECISION)
		return "a precision may be 10000 at most";
	return NULL;
}

static bool
may_group(const PythonSpec *spec)
{
	return spec->code == '\0' || strchr("defgEFG%", spec->code) != NULL ||
		(spec->grouping == '_' && strchr("boxX", spec->code) != NULL);
}

/* Takes [[fill]align]; whether there is a fill. */
static bool
take_alignment(const char **at, const char *end, PythonSpec *spec)
{
	int			fill_bytes = *at < end ? code_point_bytes(*at, end) : 0;
	const char *align = *at + fill_bytes;
	char		taken = '\0';

	if (fill_bytes > 0 && align < end)
		taken = take_one_of(&align, end, "<>=^");
	if (taken == '\0')
	{
		spec->align = take_one_of(at, end, "<>=^");
		return false;
	}
	spec->align = taken;
	memset(spec->fill, 0, sizeof(spec->fill));
	memcpy(spec->fill, *at, fill_bytes);
	*at = align;
	return true;
}

/*
 * Reads a format specification for values of a type.  Returns what is wrong, or
 * NULL.
 */
const char *
python_spec_parse(const char *text, size_t length, PythonType type, PythonSpec *spec)
{
	const char *at = text;
	const char *end = text + length;
	bool		filled;

	memset(spec, 0, sizeof(PythonSpec));
	spec->empty = length == 0;
	spec->fill[0] = ' ';
	spec->precision = -1;

	filled = take_alignment(&at, end, spec);
	spec->sign = take_one_of(&at, end, "+- ");
	spec->no_negative_zero = take_one_of(&at, end, "z") != '\0';
	spec->alternate = take_one_of(&at, end, "#") != '\0';
	if (!filled && take_one_of(&at, end, "0") != '\0')
	{
		spec->fill[0] = '0';
		if (spec->align == '\0' && type != PYTHON_STR)
			spec->align = '=';
	}
	if (spec->align == '\0')
		spec->align = type == PYTHON_STR ? '<' : '>';
	if (!take_number(&at, end, &spec->width) || spec->width > PYTHON_MAX_WIDTH)
		return "a width may be 10000 at most";
	spec->grouping = take_one_of(&at, end, ",_");
	if (take_one_of(&at, end, ".") != '\0')
	{
		if (!take_number(&at, end, &spec->precision))
			return "the precision has too many digits";
		if (spec->precision < 0)
			return "the precision is missing";
	}
	if (end - at > 1)
		return "it is not [[fill]align][sign][z][#][0][width][grouping][.precision][code]";
	spec->code = at < end ? *at : type == PYTHON_STR ? 's' : type == PYTHON_FLOAT ? '\0' : 'd';

	if (spec->grouping != '\0' && !may_group(spec))
		return "grouping does not go with this format code";
	return type == PYTHON_STR ? check_str(spec) : check_number(spec, type);
}

/*
 * The bytes that formatting takes at most, for text of so many bytes or for a
 * number.
 */
size_t
python_format_size(const PythonSpec *spec, size_t length)
{
	/* signs, prefixes, and the 309 digits of a double, grouped, fit in this */
	size_t		size = length + 512;

	if (spec->width > 0)
		size += spec->width * sizeof(spec->fill);
	if (spec->precision > 0 && spec->code != 's')
		size += spec->precision;
	return size;
}

/* --------------------------------------------------------------------- text */

static char *
put_bytes(char *to, const char *bytes, size_t n)
{
	memcpy(to, bytes, n);
	return to + n;
}

static char *
put_fill(char *to, const PythonSpec *spec, int times)
{
	size_t		bytes = strlen(spec->fill);

	for (; times > 0; times--)
		to = put_bytes(to, spec->fill, bytes);
	return to;
}

/* How much of a padding goes to the left. */
static int
left_of(const PythonSpec *spec, int padding)
{
	if (padding <= 0 || spec->align == '<' || spec->align == '=')
		return 0;
	return spec->align == '^' ? padding / 2 : padding;
}

/*
 * Writes text by a specification; returns the number of bytes.
 */
size_t
python_format_str(const PythonSpec *spec, const char *text, size_t length, char *to)
{
	const char *end = text + length;
	const char *at = text;
	char	   *begin = to;
	int			n = 0;
	int			left;

	while (at < end && n != spec->precision)
	{
		at += code_point_bytes(at, end);
		n++;
	}
	left = left_of(spec, spec->width - n);
	to = put_fill(to, spec, left);
	to = put_bytes(to, text, at - text);
	to = put_fill(to, spec, spec->width - n - left);
	return to - begin;
}

/*
 * Writes text as repr() or ascii() does; returns the number of bytes.
 */
size_t
python_repr_str(const char *text, size_t length, bool ascii, char *to)
{
	const char *end = text + length;
	char	   *begin = to;
	char		quote = '\'';

	if (memchr(text, '\'', length) != NULL && memchr(text, '"', length) == NULL)
		quote = '"';
	*to++ = quote;
	for (const char *at = text; at < end;)
	{
		int			bytes = code_point_bytes(at, end);
		uint32_t	c = code_point(at, bytes);

		if (c == (uint32_t) quote || c == '\\')
		{
			*to++ = '\\';
			*to++ = (char) c;
		}
		else if (c == '\t' || c == '\n' || c == '\r')
		{
			*to++ = '\\';
			*to++ = c == '\t' ? 't' : c == '\n' ? 'n' : 'r';
		}
		else if (ascii ? c >= ' ' && c < 0x7f : is_printable(c))
			to = put_bytes(to, at, bytes);
		else
			to += sprintf(to, c < 0x100 ? "\\x%02x" : c < 0x10000 ? "\\u%04x" : "\\U%08x", c);
		at += bytes;
	}
	*to++ = quote;
	return to - begin;
}

/* ------------------------------------------------------------------ numbers */

/* The width of so many digits with their separators. */
static int
grouped_width(const NumberText *number, bool grouped, int n_digits)
{
	return n_digits + (grouped && n_digits > 0 ? (n_digits - 1) / number->group : 0);
}

/*
 * Puts a number's parts together.  Where zeros pad it on the inside, they are
 * digits that are grouped with the others, and may exceed the width by one.
 */
static size_t
put_number(const PythonSpec *spec, const NumberText *number, char *to)
{
	char	   *begin = to;
	bool		grouped = spec->grouping != '\0';
	int			n_prefix = (int) strlen(number->prefix);
	int			n_others = (number->sign != '\0') + n_prefix + number->n_rest_chars;
	int			n_digits = number->n_digits;
	int			padding;
	int			left;

	if (n_digits > 0 && spec->align == '=' && strcmp(spec->fill, "0") == 0)
	{
		while (grouped_width(number, grouped, n_digits) < spec->width - n_others)
			n_digits++;
	}
	padding = spec->width - n_others - grouped_width(number, grouped, n_digits);
	left = left_of(spec, padding);

	to = put_fill(to, spec, left);
	if (number->sign != '\0')
		*to++ = number->sign;
	to = put_bytes(to, number->prefix, n_prefix);
	if (spec->align == '=')
		to = put_fill(to, spec, padding);
	for (int i = n_digits; i > 0; i--)
	{
		*to++ = i > number->n_digits ? '0' : number->digits[number->n_digits - i];
		if (grouped && i > 1 && (i - 1) % number->group == 0)
			*to++ = spec->grouping;
	}
	to = put_bytes(to, number->rest, number->n_rest);
	if (spec->align != '=')
		to = put_fill(to, spec, padding - left);
	return to - begin;
}

static char
sign_of(const PythonSpec *spec, bool negative)
{
	return negative ? '-' : spec->sign == '-' ? '\0' : spec->sign;
}

/* Finds the digits and the exponent of a number that C or PostgreSQL has written. */
static void
scan_decimal(const char *text, Decimal *decimal)
{
	bool		in_fraction = false;

	decimal->n = 0;
	decimal->point = 0;
	for (; *text != '\0' && *text != 'e'; text++)
	{
		if (!isdigit((unsigned char) *text))
		{
			in_fraction = true;
			continue;
		}
		if (decimal->n == 0 && *text == '0')
		{
			decimal->point -= in_fraction;
			continue;
		}
		decimal->digits[decimal->n++] = *text;
		decimal->point += !in_fraction;
	}
	if (*text == 'e')
		decimal->point += atoi(text + 1);
	while (decimal->n > 0 && decimal->digits[decimal->n - 1] == '0')
		decimal->n--;
	if (decimal->n == 0)
	{
		decimal->digits[decimal->n++] = '0';
		decimal->point = 1;
	}
}

/*
 * The shortest decimal that reads back as a magnitude, and the nearest to it
 * among those.  PostgreSQL's routine avoids decimals halfway between two
 * doubles, as 1e23 is; canonical_json.c says why it is enough to try one digit
 * less in that range.
 */
static void
shortest_decimal(double magnitude, Decimal *decimal)
{
	char		text[64];

	text[double_to_shortest_decimal_bufn(magnitude, text)] = '\0';
	scan_decimal(text, decimal);
	if (magnitude < 0x1p53 || magnitude > 1e40 || decimal->n < 2)
		return;
	snprintf(text, sizeof(text), "%.*e", decimal->n - 2, magnitude);
	if (strtod(text, NULL) == magnitude)
		scan_decimal(text, decimal);
}

/*
 * Writes a magnitude; with an exponent where the point is more than "limit"
 * digits to the right or more than three zeros to the left.  Without a format
 * code at least one digit follows the point.
 */
static int
put_decimal(const PythonSpec *spec, const Decimal *decimal, int limit, char *to)
{
	char	   *begin = to;
	int			point = decimal->point;
	int			end = point + (spec->code == '\0');

	if (point > limit || point <= -4)
	{
		*to++ = decimal->digits[0];
		if (decimal->n > 1 || spec->alternate)
			*to++ = '.';
		to = put_bytes(to, decimal->digits + 1, decimal->n - 1);
		*to++ = spec->code == 'G' ? 'E' : 'e';
		return (int) (to - begin) + sprintf(to, "%+03d", point - 1);
	}
	if (end < decimal->n)
		end = decimal->n;
	/* from the first digit or the zero before the point, whichever is left */
	for (int i = point < 1 ? point - 1 : 0; i < end; i++)
	{
		if (i == point)
			*to++ = '.';
		*to++ = i >= 0 && i < decimal->n ? decimal->digits[i] : '0';
	}
	if (end == point && spec->alternate)
		*to++ = '.';
	return (int) (to - begin);
}

/*
 * Writes a magnitude as repr() does, or with so many digits.  C's own code g is
 * Python's but for a fault of glibc's: it takes the zeros of 1.00000e+06 away
 * where rounding has made it of 999999.5, whatever "#" says.
 */
static int
put_general(const PythonSpec *spec, double magnitude, char *to)
{
	Decimal		decimal;
	char		text[MAGNITUDE_SIZE];
	int			precision = spec->precision;

	if (precision < 0 && spec->code == '\0')
	{
		shortest_decimal(magnitude, &decimal);
		return put_decimal(spec, &decimal, 16, to);
	}
	precision = precision < 0 ? 6 : precision == 0 ? 1 : precision;
	snprintf(text, sizeof(text), "%.*e", precision - 1, magnitude);
	scan_decimal(text, &decimal);
	while (spec->alternate && decimal.n < precision)
		decimal.digits[decimal.n++] = '0';
	return put_decimal(spec, &decimal, spec->code == '\0' ? precision - 1 : precision, to);
}

/* Writes a magnitude; C's codes e and f are Python's. */
static int
put_magnitude(const PythonSpec *spec, double magnitude, char *to)
{
	char		code = spec->code == '%' ? 'f' : spec->code;
	char		format[] = "%#.*?";
	int			n;

	if (!isfinite(magnitude))
	{
		bool		upper = code == 'E' || code == 'F' || code == 'G';

		memcpy(to, isnan(magnitude) ? upper ? "NAN" : "nan" : upper ? "INF" : "inf", 3);
		n = 3;
	}
	else if (code == '\0' || code == 'g' || code == 'G')
		n = put_general(spec, magnitude, to);
	else
	{
		format[4] = code;
		if (!spec->alternate)
			memmove(format + 1, format + 2, sizeof(format) - 2);
		n = snprintf(to, MAGNITUDE_SIZE, format, spec->precision < 0 ? 6 : spec->precision, magnitude);
	}
	if (spec->code == '%')
		to[n++] = '%';
	return n;
}

/*
 * Writes a float by a specification; returns the number of bytes.
 */
size_t
python_format_float(const PythonSpec *spec, double value, char *to)
{
	char		text[MAGNITUDE_SIZE];
	NumberText	number = {'\0', "", text, 0, text, 0, 0, 3};
	bool		negative;
	int			n;

	if (spec->code == '%')
		value *= 100;
	negative = signbit(value) != 0 && !isnan(value);
	n = put_magnitude(spec, fabs(value), text);
	while (number.n_digits < n && isdigit((unsigned char) text[number.n_digits]))
		number.n_digits++;
	if (negative && spec->no_negative_zero && isfinite(value))
	{
		size_t		zeros = strspn(text, "0.");

		negative = zeros < (size_t) n && isdigit((unsigned char) text[zeros]);
	}
	number.sign = sign_of(spec, negative);
	number.rest = text + number.n_digits;
	number.n_rest = number.n_rest_chars = n - number.n_digits;
	return put_number(spec, &number, to);
}

/*
 * Writes a float as str() and repr() do; returns the number of bytes.
 */
size_t
python_repr_float(double value, char to[PYTHON_FLOAT_SIZE])
{
	PythonSpec	spec;

	python_spec_parse("", 0, PYTHON_FLOAT, &spec);
	return python_format_float(&spec, value, to);
}

/* The digits of a magnitude, without leading zeros, at the end of a buffer. */
static char *
digits_of(uint64_t magnitude, unsigned base, const char *digits, char *end)
{
	do
	{
		*--end = digits[magnitude % base];
		magnitude /= base;
	} while (magnitude > 0);
	return end;
}

/*
 * Writes an integer by a specification; returns the number of bytes, which is 0
 * where the format code is "c" and text cannot hold that character.
 */
size_t
python_format_int(const PythonSpec *spec, int64_t value, char *to)
{
	char		text[64];
	char	   *end = text + sizeof(text);
	NumberText	number = {sign_of(spec, value < 0), "", text, 0, text, 0, 0, 4};
	unsigned	base = 10;

	switch (spec->code)
	{
		case 'c':
			if (value < 1 || value > 0x10ffff || (value >= 0xd800 && value < 0xe000))
				return 0;
			number.n_rest = put_code_point((uint32_t) value, text);
			number.n_rest_chars = 1;
			return put_number(spec, &number, to);
		case 'd':
			number.group = 3;
			break;
		case 'b':
			base = 2;
			number.prefix = "0b";
			break;
		case 'o':
			base = 8;
			number.prefix = "0o";
			break;
		case 'x':
		case 'X':
			base = 16;
			number.prefix = spec->code == 'x' ? "0x" : "0X";
			break;
		default:
			return python_format_float(spec, (double) value, to);
	}
	if (!spec->alternate)
		number.prefix = "";
	number.digits = digits_of(value < 0 ? 0 - (uint64_t) value : (uint64_t) value, base,
							  spec->code == 'X' ? "0123456789ABCDEF" : "0123456789abcdef", end);
	number.n_digits = (int) (end - number.digits);
	return put_number(spec, &number, to);
}

/*
 * Writes a boolean by a specification, as an integer unless it is empty; returns
 * the number of bytes, or 0 as python_format_int() does.
 */
size_t
python_format_bool(const PythonSpec *spec, bool value, char *to)
{
	if (!spec->empty)
		return python_format_int(spec, value, to);
	memcpy(to, value ? "True" : "False", value ? 4 : 5);
	return value ? 4 : 5;
}
