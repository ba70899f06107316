/*-------------------------------------------------------------------------
 *
 * src/obscore/python_read.c
 *	  The values that Python reads from text, by int() and float().
 *
 * Digits of other scripts than ASCII's, which Python reads, are not read here.
 *
 *-------------------------------------------------------------------------
 */
#include "obscore/python_format.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Python's limit, for the time that longer ones take */
#define PYTHON_MAX_INT_DIGITS 4300

/* What is stripped: of ASCII less than str.strip() does */
static const char *const blanks[] = {
	" ", "\t", "\n", "\v", "\f", "\r", "\xc2\x85", "\xc2\xa0", "\xe1\x9a\x80",
	"\xe2\x80\x80", "\xe2\x80\x81", "\xe2\x80\x82", "\xe2\x80\x83", "\xe2\x80\x84",
	"\xe2\x80\x85", "\xe2\x80\x86", "\xe2\x80\x87", "\xe2\x80\x88", "\xe2\x80\x89",
	"\xe2\x80\x8a", "\xe2\x80\xa8", "\xe2\x80\xa9", "\xe2\x80\xaf", "\xe2\x81\x9f",
	"\xe3\x80\x80"
};

/* The length of the blank that text begins or ends with, or 0. */
static size_t
blank_at(const char *text, const char *end, bool at_end)
{
	for (size_t i = 0; i < sizeof(blanks) / sizeof(blanks[0]); i++)
	{
		size_t		n = strlen(blanks[i]);

		if ((size_t) (end - text) >= n && memcmp(at_end ? end - n : text, blanks[i], n) == 0)
			return n;
	}
	return 0;
}

static void
strip(const char **text, const char **end)
{
	size_t		n;

	while ((n = blank_at(*text, *end, false)) > 0)
		*text += n;
	while ((n = blank_at(*text, *end, true)) > 0)
		*end -= n;
}

/* Takes digits, with single underscores between them; NULL where there are none. */
static const char *
skip_digits(const char *at, const char *end)
{
	const char *begin = at;

	while (at < end && (isdigit((unsigned char) *at) ||
						(*at == '_' && at > begin && at[-1] != '_' && end - at > 1)))
		at++;
	return at > begin && at[-1] != '_' ? at : NULL;
}

/*
 * Reads an integer as int() does, but for the digits of other scripts.  Returns
 * whether it is one; what does not fit sets "overflow".
 */
bool
python_read_int(const char *text, size_t length, int64_t *value, bool *overflow)
{
	const char *end = text + length;
	bool		negative = false;
	uint64_t	magnitude = 0;
	int			n_digits = 0;

	*value = 0;
	*overflow = false;
	strip(&text, &end);
	if (text < end && (*text == '-' || *text == '+'))
		negative = *text++ == '-';
	if (skip_digits(text, end) != end)
		return false;
	for (; text < end; text++)
	{
		uint64_t	digit = (uint64_t) *text - '0';

		if (*text == '_')
			continue;
		if (++n_digits > PYTHON_MAX_INT_DIGITS)
			return false;
		if (magnitude > ((uint64_t) INT64_MAX + negative - digit) / 10)
			*overflow = true;
		else
			magnitude = magnitude * 10 + digit;
	}
	*value = negative ? (int64_t) (0 - magnitude) : (int64_t) magnitude;
	return true;
}

static bool
is_word(const char *text, const char *end, const char *word)
{
	for (; text < end && *word != '\0'; text++, word++)
	{
		/* whatever the locale */
		if ((*text | 0x20) != *word)
			return false;
	}
	return text == end && *word == '\0';
}

static bool
is_decimal(const char *at, const char *end)
{
	const char *whole = skip_digits(at, end);
	const char *fraction = NULL;

	if (whole != NULL)
		at = whole;
	if (at < end && *at == '.')
	{
		at++;
		fraction = skip_digits(at, end);
		if (fraction != NULL)
			at = fraction;
	}
	if (whole == NULL && fraction == NULL)
		return false;
	if (at < end && (*at == 'e' || *at == 'E'))
	{
		at++;
		if (at < end && (*at == '-' || *at == '+'))
			at++;
		at = skip_digits(at, end);
	}
	return at == end;
}

/*
 * Reads a float as float() does, but for the digits of other scripts.  The
 * buffer is as long as the text and a NUL.  Returns whether it is one.
 */
bool
python_read_float(const char *text, size_t length, char *buffer, double *value)
{
	const char *end = text + length;
	bool		negative = false;
	char	   *to = buffer;

	strip(&text, &end);
	if (text < end && (*text == '-' || *text == '+'))
		negative = *text++ == '-';
	if (is_word(text, end, "inf") || is_word(text, end, "infinity"))
		*value = INFINITY;
	else if (is_word(text, end, "nan"))
		*value = NAN;
	else if (is_decimal(text, end))
	{
		for (; text < end; text++)
			if (*text != '_')
				*to++ = *text;
		*to = '\0';
		*value = strtod(buffer, NULL);
	}
	else
		return false;
	if (negative)
		*value = -*value;
	return true;
}
