/*-------------------------------------------------------------------------
 *
 * src/tiled/canonical_json.c
 *	  The text that Tiled's structure ids are hashes of.
 *
 * Tiled's compute_structure_id (catalog/utils.py) hashes what the package
 * canonicaljson writes, which is Python's json.dumps(ensure_ascii=False,
 * allow_nan=False, separators=(",", ":"), sort_keys=True) in UTF-8.  It is not
 * RFC 8785: floats are written as Python's repr does (1.0, 1e+16), and
 * integers are of any size.
 *
 *-------------------------------------------------------------------------
 */
#include "tiled/canonical_json.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/shortest_dec.h"

/*
 * No more digits than these decide which double a number is nearest to: the
 * midpoint of two doubles has at most 768.  A nonzero digit behind them only
 * matters as being there.
 */
#define DECIDING_DIGITS 800

/* Digits that tell any double from its neighbours */
#define SHORTEST_DIGITS 17

/* Up to so many members are sorted by insertion */
#define INSERTION_SORT_LIMIT 16

/* The decimal 0.d1d2d3... times 10 to the power of "point" */
typedef struct Decimal
{
	int			n_digits;
	int64_t		point;
	char		digits[SHORTEST_DIGITS + 1];
} Decimal;

typedef struct CanonicalWriter
{
	JsonTreeArena *arena;
	char	   *text;
	size_t		length;
	size_t		capacity;
	const char *origin;			/* what error offsets are counted from */
	JsonTreeError *error;
} CanonicalWriter;

static bool write_value(CanonicalWriter *writer, const JsonTreeNode *node);


static bool
fail(CanonicalWriter *writer, JsonTreeErrorCode code, const JsonTreeNode *node)
{
	writer->error->code = code;
	writer->error->offset = (size_t) (node->source - writer->origin);
	return false;
}

/*
 * Makes room for "extra" more bytes.  Only floats can come out longer than
 * they went in, so this hardly ever has to move the text.
 */
static bool
reserve(CanonicalWriter *writer, size_t extra)
{
	size_t		capacity;
	char	   *text;

	if (extra <= writer->capacity - writer->length)
		return true;
	capacity = writer->length + extra;
	capacity += capacity / 2;
	text = json_tree_arena_allocate(writer->arena, capacity);
	if (text == NULL)
	{
		writer->error->code = JSON_TREE_ERROR_OUT_OF_MEMORY;
		writer->error->offset = 0;
		return false;
	}
	memcpy(text, writer->text, writer->length);
	writer->text = text;
	writer->capacity = capacity;
	return true;
}

static bool
put(CanonicalWriter *writer, const char *bytes, size_t length)
{
	if (!reserve(writer, length))
		return false;
	memcpy(writer->text + writer->length, bytes, length);
	writer->length += length;
	return true;
}

static bool
put_char(CanonicalWriter *writer, char c)
{
	if (!reserve(writer, 1))
		return false;
	writer->text[writer->length++] = c;
	return true;
}

static bool
put_escape(CanonicalWriter *writer, unsigned char c)
{
	static const char hex[] = "0123456789abcdef";
	char		escape[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
	size_t		length = 2;

	switch (c)
	{
		case '"':
		case '\\':
			escape[1] = (char) c;
			break;
		case '\b':
			escape[1] = 'b';
			break;
		case '\f':
			escape[1] = 'f';
			break;
		case '\n':
			escape[1] = 'n';
			break;
		case '\r':
			escape[1] = 'r';
			break;
		case '\t':
			escape[1] = 't';
			break;
		default:
			length = 6;
			break;
	}
	return put(writer, escape, length);
}

static bool
write_string(CanonicalWriter *writer, const char *string, size_t length)
{
	const char *end = string + length;
	const char *run = string;
	const char *at;

	if (!put_char(writer, '"'))
		return false;
	for (at = string; at < end; at++)
	{
		unsigned char c = (unsigned char) *at;

		if (c >= 0x20 && c != '"' && c != '\\')
			continue;
		if (!put(writer, run, (size_t) (at - run)) || !put_escape(writer, c))
			return false;
		run = at + 1;
	}
	return put(writer, run, (size_t) (end - run)) && put_char(writer, '"');
}

/*
 * The double nearest to 0.digits times 10 to the power of "point", its text
 * written to "buffer", which has room for n_digits + 24 bytes.  strtod is never
 * shown a decimal point: which character it takes for one depends on the
 * process's locale, while an integer with an exponent is read alike in all.
 */
static double
decimal_to_double(const char *digits, int n_digits, int64_t point, char *buffer)
{
	/* in this range on, the sum below stays small, too */
	if (n_digits == 0 || point < -400)
		return 0.0;
	if (point > 400)
		return HUGE_VAL;
	memcpy(buffer, digits, (size_t) n_digits);
	snprintf(buffer + n_digits, 24, "e%d", (int) point - n_digits);
	return strtod(buffer, NULL);
}

/*
 * The value of a JSON number, which may be infinite; its sign is left out.
 * Takes time in proportion to the number's length, whatever strtod does.
 * Returns false when there is no memory.
 */
static bool
number_magnitude(JsonTreeArena *arena, const char *number, size_t length, double *magnitude)
{
	const char *end = number + length;
	const char *at;
	size_t		room = length < DECIDING_DIGITS ? length : DECIDING_DIGITS + 1;
	char	   *digits = json_tree_arena_allocate(arena, room * 2 + 24);
	int			n_digits = 0;
	bool		more = false;
	bool		in_fraction = false;
	int64_t		point = 0;
	int64_t		exponent = 0;

	if (digits == NULL)
		return false;
	for (at = number; at < end && *at != 'e' && *at != 'E'; at++)
	{
		if (*at == '.')
		{
			in_fraction = true;
			continue;
		}
		if (*at == '-')
			continue;
		if (!in_fraction && (n_digits > 0 || *at != '0'))
			point++;
		if (in_fraction && n_digits == 0 && *at == '0')
			point--;
		else if (n_digits == 0 && *at == '0')
			continue;
		else if (n_digits < DECIDING_DIGITS)
			digits[n_digits++] = *at;
		else if (*at != '0')
			more = true;
	}
	if (more)
		digits[n_digits++] = '1';

	if (at < end)
	{
		bool		negative = at[1] == '-';

		/* no number in memory has digits enough to make up for the bound */
		for (at++; at < end; at++)
		{
			if (*at >= '0' && *at <= '9' && exponent < INT64_MAX / 100)
				exponent = exponent * 10 + (*at - '0');
		}
		point += negative ? -exponent : exponent;
	}
	*magnitude = decimal_to_double(digits, n_digits, point, digits + room);
	return true;
}

/*
 * Takes the digits and the exponent out of a number as written by C or by
 * PostgreSQL: "-1.5e+20", "0.00012", with any decimal point.
 */
static void
scan_decimal(const char *text, Decimal *decimal)
{
	bool		in_fraction = false;

	decimal->n_digits = 0;
	decimal->point = 0;
	for (; *text != '\0' && *text != 'e'; text++)
	{
		if (*text < '0' || *text > '9')
		{
			in_fraction = true;
			continue;
		}
		if (decimal->n_digits == 0 && *text == '0')
		{
			decimal->point -= in_fraction ? 1 : 0;
			continue;
		}
		decimal->digits[decimal->n_digits++] = *text;
		decimal->point += in_fraction ? 0 : 1;
	}
	if (*text == 'e')
		decimal->point += atoi(text + 1);
	while (decimal->n_digits > 0 && decimal->digits[decimal->n_digits - 1] == '0')
		decimal->n_digits--;
}

/*
 * The shortest decimal that reads back as "value", which is positive, and the
 * nearest to it among those; what Python calls repr.
 *
 * PostgreSQL's routine differs from Python's in one thing: it avoids decimals
 * that lie exactly halfway between two doubles, though reading them is well
 * defined, and so writes 1e23 as 9.999999999999999e+22.  A shorter decimal on
 * such a midpoint has 5^k in its odd factor of at most 54 bits, hence lies
 * between 2^53 and 10^40, and there one digit less is tried.
 */
static void
shortest_decimal(double value, Decimal *decimal)
{
	char		text[64];
	char		buffer[SHORTEST_DIGITS + 24];
	Decimal		shorter;

	text[double_to_shortest_decimal_bufn(value, text)] = '\0';
	scan_decimal(text, decimal);
	if (value < 9007199254740992.0 || value > 1e40 || decimal->n_digits < 2)
		return;

	snprintf(text, sizeof(text), "%.*e", decimal->n_digits - 2, value);
	scan_decimal(text, &shorter);
	if (decimal_to_double(shorter.digits, shorter.n_digits, shorter.point, buffer) == value)
		*decimal = shorter;
}

/*
 * Writes a double as Python's repr does: in full where the decimal point comes
 * out less than 17 digits to the right and less than four to the left, else
 * with an exponent of at least two digits.
 */
static bool
write_double(CanonicalWriter *writer, double magnitude)
{
	Decimal		decimal;
	char		text[64];
	char	   *to = text;
	int			point;
	int			i;

	if (magnitude == 0.0)
		return put(writer, "0.0", 3);

	shortest_decimal(magnitude, &decimal);
	point = (int) decimal.point;
	if (point > 16 || point <= -4)
	{
		*to++ = decimal.digits[0];
		if (decimal.n_digits > 1)
			*to++ = '.';
		memcpy(to, decimal.digits + 1, (size_t) decimal.n_digits - 1);
		to += decimal.n_digits - 1;
		to += snprintf(to, 8, "e%c%02d", point > 0 ? '+' : '-', abs(point - 1));
	}
	else
	{
		/* from the first digit or the zero before the point, whichever is left */
		for (i = point < 1 ? point - 1 : 0; i < decimal.n_digits || i < point + 1; i++)
		{
			if (i == point)
				*to++ = '.';
			*to++ = i >= 0 && i < decimal.n_digits ? decimal.digits[i] : '0';
		}
	}
	return put(writer, text, (size_t) (to - text));
}

static bool
write_float(CanonicalWriter *writer, const JsonTreeNode *node)
{
	double		magnitude;

	if (!number_magnitude(writer->arena, node->source, node->source_length, &magnitude))
		return fail(writer, JSON_TREE_ERROR_OUT_OF_MEMORY, node);
	if (isinf(magnitude))
		return fail(writer, JSON_TREE_ERROR_FLOAT_RANGE, node);
	if (node->source[0] == '-' && !put_char(writer, '-'))
		return false;
	return write_double(writer, magnitude);
}

/*
 * Orders keys by code point, which UTF-8's byte order is.
 */
static int
compare_keys(const JsonTreeNode *a, const JsonTreeNode *b)
{
	size_t		shorter = a->key_length < b->key_length ? a->key_length : b->key_length;
	int			order = memcmp(a->key, b->key, shorter);

	if (order == 0 && a->key_length != b->key_length)
		order = a->key_length < b->key_length ? -1 : 1;
	return order;
}

/*
 * Members of the same key stay in the order of the text, where qsort by itself
 * would leave them in any.
 */
static int
compare_members(const void *a, const void *b)
{
	const JsonTreeNode *left = *(const JsonTreeNode *const *) a;
	const JsonTreeNode *right = *(const JsonTreeNode *const *) b;
	int			order = compare_keys(left, right);

	if (order == 0)
		order = left->source < right->source ? -1 : left->source > right->source;
	return order;
}

static void
sort_members(const JsonTreeNode **members, int n)
{
	int			i;
	int			j;

	if (n > INSERTION_SORT_LIMIT)
	{
		qsort(members, (size_t) n, sizeof(*members), compare_members);
		return;
	}
	for (i = 1; i < n; i++)
	{
		const JsonTreeNode *member = members[i];

		for (j = i; j > 0 && compare_keys(members[j - 1], member) > 0; j--)
			members[j] = members[j - 1];
		members[j] = member;
	}
}

static bool
write_object(CanonicalWriter *writer, const JsonTreeNode *node)
{
	int			n = node->n_children;
	const JsonTreeNode **members;
	const JsonTreeNode *member;
	bool		first = true;
	int			i = 0;

	if (n == 0)
		return put(writer, "{}", 2);
	members = json_tree_arena_allocate(writer->arena, (size_t) n * sizeof(*members));
	if (members == NULL)
		return fail(writer, JSON_TREE_ERROR_OUT_OF_MEMORY, node);
	for (member = node->first_child; member != NULL; member = member->next)
		members[i++] = member;
	sort_members(members, n);

	for (i = 0; i < n; i++)
	{
		/* the last of those with the same key is the one that counts */
		if (i + 1 < n && compare_keys(members[i], members[i + 1]) == 0)
			continue;
		if (!put_char(writer, first ? '{' : ',') ||
			!write_string(writer, members[i]->key, members[i]->key_length) ||
			!put_char(writer, ':') ||
			!write_value(writer, members[i]))
			return false;
		first = false;
	}
	return put_char(writer, '}');
}

static bool
write_array(CanonicalWriter *writer, const JsonTreeNode *node)
{
	const JsonTreeNode *element;

	if (!put_char(writer, '['))
		return false;
	for (element = node->first_child; element != NULL; element = element->next)
	{
		if (!write_value(writer, element))
			return false;
		if (element->next != NULL && !put_char(writer, ','))
			return false;
	}
	return put_char(writer, ']');
}

/*
 * Recurses as deep as the parser has allowed the tree to be, on small frames.
 */
static bool
write_value(CanonicalWriter *writer, const JsonTreeNode *node)
{
	switch (node->kind)
	{
		case JSON_TREE_NULL:
			return put(writer, "null", 4);
		case JSON_TREE_FALSE:
			return put(writer, "false", 5);
		case JSON_TREE_TRUE:
			return put(writer, "true", 4);
		case JSON_TREE_INTEGER:
			if (node->source_length == 2 && memcmp(node->source, "-0", 2) == 0)
				return put_char(writer, '0');
			return put(writer, node->source, node->source_length);
		case JSON_TREE_FLOAT:
			return write_float(writer, node);
		case JSON_TREE_STRING:
			return write_string(writer, node->string, node->string_length);
		case JSON_TREE_ARRAY:
			return write_array(writer, node);
		case JSON_TREE_OBJECT:
			return write_object(writer, node);
	}
	return false;
}

/*
 * The canonical text of a value, UTF-8 with a NUL behind it, in the arena.
 * Returns NULL after filling in "error", whose offset counts from the start of
 * the value's source.  A number out of range is found only here, and only if
 * it is written: as in Python, one under an overridden key does no harm.
 */
const char *
canonical_json(JsonTreeArena *arena, const JsonTreeNode *node, size_t *length,
			   JsonTreeError *error)
{
	CanonicalWriter writer;

	writer.arena = arena;
	writer.length = 0;
	writer.capacity = node->source_length + 1;
	writer.origin = node->source;
	writer.error = error;
	error->code = JSON_TREE_ERROR_NONE;
	error->offset = 0;
	writer.text = json_tree_arena_allocate(arena, writer.capacity);
	if (writer.text == NULL)
	{
		error->code = JSON_TREE_ERROR_OUT_OF_MEMORY;
		return NULL;
	}

	if (!write_value(&writer, node) || !put_char(&writer, '\0'))
		return NULL;
	*length = writer.length - 1;
	return writer.text;
}
