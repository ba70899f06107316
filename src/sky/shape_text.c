/*-------------------------------------------------------------------------
 *
 * src/sky/shape_text.c
 *	  Regions as text: ADQL, STC-S and IVOA's POS are read, ADQL is written.
 *
 *		POLYGON ICRS lon lat lon lat lon lat ...
 *		CIRCLE ICRS lon lat radius
 *		ELLIPSE ICRS lon lat axis axis position_angle
 *		BOX ICRS lon lat width height
 *		RANGE ICRS lon_from lon_to lat_from lat_to
 *		POINT ICRS lon lat			(or POSITION)
 *		UNION ICRS (region region ...), INTERSECTION ICRS (...)
 *		EMPTY ICRS, ALLSKY ICRS
 *
 * in degrees.  The frame may be left out, quoted, or ''; the numbers of a shape
 * may stand in parentheses, and commas may separate anything: so ADQL's
 * CIRCLE('ICRS', 1, 2, 3) and POS's CIRCLE 1 2 3 are the same.  A box is bounded
 * by meridians and parallels, and is written as a RANGE, POS's name for it.
 *
 *-------------------------------------------------------------------------
 */
#include "sky/shape.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "sky/exact_angle.h"

/* ------------------------------------------------------------------ reading */

typedef struct Parser
{
	const char *begin;
	const char *at;
	char	   *to;
	const char *problem;		/* the first one */
	const char *where;
} Parser;

static bool
fail(Parser *parser, const char *at, const char *problem)
{
	if (parser->problem == NULL)
	{
		parser->problem = problem;
		parser->where = at;
	}
	return false;
}

static void
skip_blanks(Parser *parser)
{
	while (isspace((unsigned char) *parser->at) || *parser->at == ',')
		parser->at++;
}

static bool
take(Parser *parser, char c)
{
	skip_blanks(parser);
	if (*parser->at != c)
		return false;
	parser->at++;
	return true;
}

/* Takes a word, if it comes next. */
static bool
take_word(Parser *parser, const char *word)
{
	size_t		n = strlen(word);

	skip_blanks(parser);
	if (strncasecmp(parser->at, word, n) != 0 || isalnum((unsigned char) parser->at[n]))
		return false;
	parser->at += n;
	return true;
}

/*
 * Takes the frame, if there is one: ICRS, quoted or not, or quotes around
 * nothing, and what STC-S may say of the place and the coordinates' kind.
 */
static bool
take_frame(Parser *parser)
{
	const char *at;

	skip_blanks(parser);
	at = parser->at;
	if (take(parser, '\''))
	{
		take_word(parser, "ICRS");
		while (take_word(parser, "BARYCENTER") || take_word(parser, "GEOCENTER") ||
			   take_word(parser, "TOPOCENTER") || take_word(parser, "SPHERICAL2"))
			;
		if (!take(parser, '\''))
			return fail(parser, at, "the frame is not ICRS");
		return true;
	}
	if (!take_word(parser, "ICRS") && isalpha((unsigned char) *parser->at) &&
		!take_word(parser, "UNKNOWNFRAME"))
	{
		/* another word than a shape's */
		if (strncasecmp(parser->at, "POINT", 5) != 0 && strncasecmp(parser->at, "inf", 3) != 0)
			return fail(parser, at, "the frame is not ICRS");
		return true;
	}
	while (take_word(parser, "BARYCENTER") || take_word(parser, "GEOCENTER") ||
		   take_word(parser, "TOPOCENTER") || take_word(parser, "UNKNOWNREFPOS") ||
		   take_word(parser, "SPHERICAL2"))
		;
	return true;
}

/*
 * A number in decimal, as digits and as a double.  POS's infinities are allowed
 * where a range is.
 */
typedef struct Number
{
	double		value;
	Decimal		decimal;
	const char *at;
} Number;

static bool
take_number(Parser *parser, Number *number, bool infinite)
{
	const char *at;
	char	   *end;
	bool		point = false;

	skip_blanks(parser);
	at = number->at = parser->at;
	memset(&number->decimal, 0, sizeof(Decimal));
	if (*at == '+' || *at == '-')
		number->decimal.negative = *at++ == '-';
	if (!isdigit((unsigned char) *at) && *at != '.')
	{
		if (infinite && strncasecmp(at, "inf", 3) == 0)
		{
			number->value = number->decimal.negative ? -INFINITY : INFINITY;
			parser->at = at + (strncasecmp(at, "infinity", 8) == 0 ? 8 : 3);
			return true;
		}
		return fail(parser, number->at, *number->at == '\0' ? "a number is missing" : "not a number");
	}
	/* hexadecimal numbers are strtod()'s, and nobody else's */
	if (at[0] == '0' && (at[1] == 'x' || at[1] == 'X'))
		return fail(parser, number->at, "not a number");
	number->value = strtod(parser->at, &end);
	if (end == parser->at || isalpha((unsigned char) *end) || *end == '.')
		return fail(parser, number->at, "not a number");
	if (!isfinite(number->value))
		return fail(parser, number->at, "a number is out of range");
	for (; at < end && (isdigit((unsigned char) *at) || *at == '.'); at++)
	{
		if (*at == '.')
			point = true;
		else if (number->decimal.n < DECIMAL_MAX_DIGITS)
		{
			number->decimal.digits[number->decimal.n++] = (char) (*at - '0');
			number->decimal.fraction += point;
		}
		else if (!point)
			return fail(parser, number->at, "a number has too many digits");
	}
	/* with an exponent it is a double like any other */
	if (at < end)
		number->decimal.n = 0;
	parser->at = end;
	return true;
}

/* Does a number come next, rather than a parenthesis, a word or the end? */
static bool
number_follows(Parser *parser)
{
	skip_blanks(parser);
	return isdigit((unsigned char) *parser->at) || *parser->at == '.' ||
		*parser->at == '-' || *parser->at == '+';
}

/*
 * A longitude and a latitude; ADQL may write them as a POINT of their own.
 */
static bool
take_direction(Parser *parser, Vec *direction, Number *lon, Number *lat)
{
	Number		numbers[2];
	bool		wrapped = take_word(parser, "POINT");

	if (wrapped && (!take(parser, '(') || !take_frame(parser)))
		return fail(parser, parser->at, "a point's coordinates are missing");
	if (!take_number(parser, &numbers[0], false) || !take_number(parser, &numbers[1], false))
		return false;
	if (wrapped && !take(parser, ')'))
		return fail(parser, parser->at, "\")\" is missing");
	if (fabs(numbers[0].value) > 360)
		return fail(parser, numbers[0].at, "a longitude is not between -360 and 360");
	if (fabs(numbers[1].value) > 90)
		return fail(parser, numbers[1].at, "a latitude is not between -90 and 90");
	if (decimal_is_exact(&numbers[0].decimal) || decimal_is_exact(&numbers[1].decimal))
		*direction = exact_direction(&numbers[0].decimal, &numbers[1].decimal);
	else
		*direction = vec_from_degrees(numbers[0].value, numbers[1].value);
	if (lon != NULL)
		*lon = numbers[0];
	if (lat != NULL)
		*lat = numbers[1];
	return true;
}

static void
put_shape(Parser *parser, ShapeKind kind, const void *data, size_t size)
{
	Shape		shape = {(uint8_t) kind, {0}, 0};

	memcpy(parser->to, &shape, sizeof(shape));
	memcpy(parser->to + sizeof(shape), data, size);
	parser->to += sizeof(shape) + size;
}

static bool
parse_point(Parser *parser)
{
	Vec			direction;

	if (!take_direction(parser, &direction, NULL, NULL))
		return false;
	put_shape(parser, SHAPE_POINT, &direction, sizeof(direction));
	return true;
}

static double
radians_of(const Number *number)
{
	return decimal_is_exact(&number->decimal) ? exact_radians(&number->decimal) :
		number->value * SKY_RAD_PER_DEG;
}

static bool
parse_circle(Parser *parser)
{
	ShapeCircle circle;
	Number		radius;

	if (!take_direction(parser, &circle.center, NULL, NULL) || !take_number(parser, &radius, false))
		return false;
	if (radius.value < 0 || radius.value > 180)
		return fail(parser, radius.at, "a radius is not between 0 and 180");
	circle.angle = radians_of(&radius);
	circle.chord2 = shape_chord2_of_angle(circle.angle);
	if (decimal_is_exact(&radius.decimal) && exact_chord2(&radius.decimal) >= 0)
	{
		circle.chord2 = exact_chord2(&radius.decimal);
		circle.angle = shape_angle_of_chord2(circle.chord2);
	}
	put_shape(parser, SHAPE_CIRCLE, &circle, sizeof(circle));
	return true;
}

static bool
parse_ellipse(Parser *parser)
{
	Vec			center;
	Number		axes[2];
	Number		angle;

	if (!take_direction(parser, &center, NULL, NULL) || !take_number(parser, &axes[0], false) ||
		!take_number(parser, &axes[1], false) || !take_number(parser, &angle, false))
		return false;
	if (!shape_set_ellipse((Shape *) parser->to, center, axes[0].value * SKY_RAD_PER_DEG,
						   axes[1].value * SKY_RAD_PER_DEG, angle.value * SKY_RAD_PER_DEG))
		return fail(parser, axes[0].at, "an ellipse has two axes from 0 to below 90, both of 90, or both above it and below 180");
	parser->to += shape_size((Shape *) parser->to);
	return true;
}

/* Longitudes of a range, from 0 to 2 pi; all of them where it is a full turn. */
static void
set_longitudes(ShapeBox *box, double from, double to)
{
	if (to - from >= 2 * SKY_PI)
	{
		box->lon_a = 0;
		box->lon_b = 2 * SKY_PI;
		return;
	}
	box->lon_a = from < 0 ? from + 2 * SKY_PI : from > 2 * SKY_PI ? from - 2 * SKY_PI : from;
	box->lon_b = to < 0 ? to + 2 * SKY_PI : to > 2 * SKY_PI ? to - 2 * SKY_PI : to;
}

static bool
parse_box(Parser *parser)
{
	ShapeBox	box;
	Vec			center;
	Number		lon;
	Number		lat;
	Number		width;
	Number		height;

	if (!take_direction(parser, &center, &lon, &lat) || !take_number(parser, &width, false) ||
		!take_number(parser, &height, false))
		return false;
	if (width.value < 0 || width.value > 360)
		return fail(parser, width.at, "a width is not between 0 and 360");
	if (height.value < 0 || fabs(lat.value) + 0.5 * height.value > 90)
		return fail(parser, height.at, "a box ends beyond a pole");
	set_longitudes(&box, (lon.value - 0.5 * width.value) * SKY_RAD_PER_DEG,
				   (lon.value + 0.5 * width.value) * SKY_RAD_PER_DEG);
	box.lat_a = (lat.value - 0.5 * height.value) * SKY_RAD_PER_DEG;
	box.lat_b = (lat.value + 0.5 * height.value) * SKY_RAD_PER_DEG;
	put_shape(parser, SHAPE_BOX, &box, sizeof(box));
	return true;
}

static bool
parse_range(Parser *parser)
{
	ShapeBox	box;
	Number		n[4];

	for (int i = 0; i < 4; i++)
		if (!take_number(parser, &n[i], true))
			return false;
	for (int i = 0; i < 2; i++)
		if (isfinite(n[i].value) && fabs(n[i].value) > 360)
			return fail(parser, n[i].at, "a longitude is not between -360 and 360");
	for (int i = 2; i < 4; i++)
		if (isfinite(n[i].value) && fabs(n[i].value) > 90)
			return fail(parser, n[i].at, "a latitude is not between -90 and 90");
	if (n[2].value > n[3].value)
		return fail(parser, n[2].at, "a range's latitudes run from south to north");
	if (isfinite(n[0].value) && isfinite(n[1].value))
		set_longitudes(&box, radians_of(&n[0]), radians_of(&n[1]));
	else if (n[0].value < n[1].value)
		set_longitudes(&box, 0, 2 * SKY_PI);
	else
		return fail(parser, n[0].at, "a range's longitudes are not a range");
	box.lat_a = isfinite(n[2].value) ? radians_of(&n[2]) : -0.5 * SKY_PI;
	box.lat_b = isfinite(n[3].value) ? radians_of(&n[3]) : 0.5 * SKY_PI;
	put_shape(parser, SHAPE_BOX, &box, sizeof(box));
	return true;
}

static bool
parse_polygon(Parser *parser)
{
	Shape	   *shape = (Shape *) parser->to;
	Vec		   *vertices = (Vec *) (shape + 1);
	const char *at = parser->at;
	const char *problem;
	uint32_t	n = 0;

	for (;;)
	{
		const char *next;
		bool		wrapped;

		skip_blanks(parser);
		next = parser->at;
		/* an operand that follows in a union begins with a word, and no parenthesis */
		wrapped = take_word(parser, "POINT") && take(parser, '(');
		parser->at = next;
		if (!wrapped && !number_follows(parser))
			break;
		if (!take_direction(parser, &vertices[n], NULL, NULL))
			return false;
		n++;
	}
	/* some close the polygon by naming the first vertex again */
	if (n > 3 && vec_equal(vertices[0], vertices[n - 1]))
		n--;
	problem = shape_set_polygon(shape, n);
	if (problem != NULL)
		return fail(parser, at, problem);
	parser->to += shape_size(shape);
	return true;
}

static bool parse_shape(Parser *parser, int depth);

static bool
parse_compound(Parser *parser, ShapeKind kind, bool opened, int depth)
{
	Shape	   *shape = (Shape *) parser->to;

	if (depth == SHAPE_MAX_DEPTH)
		return fail(parser, parser->at, "unions and intersections are nested too deep");
	if (!opened && !take(parser, '('))
		return fail(parser, parser->at, "\"(\" is missing");
	memset(shape, 0, sizeof(Shape));
	shape->kind = (uint8_t) kind;
	parser->to += sizeof(Shape);
	for (skip_blanks(parser); *parser->at != ')'; skip_blanks(parser))
	{
		if (*parser->at == '\0')
			return fail(parser, parser->at, "\")\" is missing");
		if (!parse_shape(parser, depth + 1))
			return false;
		shape->n++;
	}
	if (!opened)
		parser->at++;
	return true;
}

static bool
parse_edgeless(Parser *parser, bool full)
{
	ShapeCircle circle = {{0, 0, 1}, full ? 4 : -1, full ? SKY_PI : -1};

	put_shape(parser, SHAPE_CIRCLE, &circle, sizeof(circle));
	return true;
}

static bool
parse_shape(Parser *parser, int depth)
{
	static const struct
	{
		const char *word;
		char		kind;
	}			words[] =
	{
		{"POLYGON", 'p'}, {"CIRCLE", 'c'}, {"BOX", 'b'}, {"RANGE", 'r'}, {"ELLIPSE", 'e'},
		{"POINT", 'd'}, {"POSITION", 'd'}, {"UNION", 'u'}, {"INTERSECTION", 'i'},
		{"EMPTY", '0'}, {"ALLSKY", '1'}
	};
	const char *at;
	char		kind = 0;
	bool		opened;
	bool		parsed;

	skip_blanks(parser);
	at = parser->at;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]) && kind == 0; i++)
		if (take_word(parser, words[i].word))
			kind = words[i].kind;
	if (kind == 0)
		return fail(parser, at, "a region begins with POLYGON, CIRCLE, ELLIPSE, BOX, RANGE, POINT, POSITION, UNION, INTERSECTION, EMPTY or ALLSKY");
	opened = take(parser, '(');
	/* the operands of UNION (...) have frames of their own */
	if (!(opened && (kind == 'u' || kind == 'i')) && !take_frame(parser))
		return false;
	switch (kind)
	{
		case 'p':
			parsed = parse_polygon(parser);
			break;
		case 'c':
			parsed = parse_circle(parser);
			break;
		case 'b':
			parsed = parse_box(parser);
			break;
		case 'r':
			parsed = parse_range(parser);
			break;
		case 'e':
			parsed = parse_ellipse(parser);
			break;
		case 'd':
			parsed = parse_point(parser);
			break;
		case 'u':
		case 'i':
			parsed = parse_compound(parser, kind, opened, depth);
			break;
		default:
			parsed = parse_edgeless(parser, kind == '1');
	}
	if (parsed && opened && !take(parser, ')'))
		return fail(parser, parser->at, "\")\" is missing");
	return parsed;
}

/*
 * Reads a region into memory of SHAPE_PARSED_SIZE(length of the text) bytes.
 * Returns what is wrong, and sets where (a position in the text), or NULL.
 */
const char *
shape_parse(const char *text, Shape *shape, size_t *where)
{
	Parser		parser = {text, text, (char *) shape, NULL, text};

	if (parse_shape(&parser, 0))
	{
		skip_blanks(&parser);
		if (*parser.at != '\0')
			fail(&parser, parser.at, "nothing may follow the region");
	}
	*where = parser.where - text;
	return parser.problem;
}

/* ------------------------------------------------------------------ writing */

/* Writes a double with as many digits as it takes. */
static void
write_double(char *text, double value)
{
	for (int digits = 12; digits <= 17; digits++)
	{
		snprintf(text, ANGLE_TEXT_SIZE, "%.*g", digits, value);
		if (strtod(text, NULL) == value)
			return;
	}
}

static void
write_direction(char *lon_text, char *lat_text, Vec v)
{
	double		lon = vec_longitude(v) * SKY_DEG_PER_RAD;
	double		lat = vec_latitude(v) * SKY_DEG_PER_RAD;

	/* decimals are what people type: are a few of them exact?  If not, all are needed */
	for (int digits = 12; digits <= 17; digits += digits == 12 ? 3 : 1)
	{
		snprintf(lon_text, ANGLE_TEXT_SIZE, "%.*g", digits, lon);
		snprintf(lat_text, ANGLE_TEXT_SIZE, "%.*g", digits, lat);
		if (strchr(lon_text, 'e') == NULL && strchr(lat_text, 'e') == NULL)
		{
			Vec			back = vec_from_degrees(strtod(lon_text, NULL), strtod(lat_text, NULL));

			if (memcmp(&back, &v, sizeof(Vec)) == 0)
				return;
		}
	}
	exact_direction_text(v, lon_text, lat_text);
}

/* Writes radians as degrees that are the same radians again. */
static void
write_radians(char *text, double radians)
{
	double		degrees = radians * SKY_DEG_PER_RAD;

	for (int digits = 12; digits <= 17; digits++)
	{
		snprintf(text, ANGLE_TEXT_SIZE, "%.*g", digits, degrees);
		if (strchr(text, 'e') == NULL && strtod(text, NULL) * SKY_RAD_PER_DEG == radians)
			return;
	}
	exact_radians_text(radians, text);
}

static void
write_radius(char *text, const ShapeCircle *circle)
{
	write_radians(text, circle->angle);
	if (shape_chord2_of_angle(circle->angle) != circle->chord2)
		exact_chord2_text(circle->chord2, text);
}

/*
 * A buffer of this size takes a shape's text.
 */
size_t
shape_text_size(const Shape *shape)
{
	size_t		size = 64;
	const Shape *operand = shape_operands(shape);

	if (!shape_is_compound(shape))
		return size + ANGLE_TEXT_SIZE * 2 * (size_t) (shape->n + 3);
	for (uint32_t i = 0; i < shape->n; i++)
	{
		size += shape_text_size(operand) + 2;
		operand = shape_next(operand);
	}
	return size;
}

/*
 * Position angle of an ellipse's first axis, from north to east, in degrees.
 */
static double
ellipse_orientation(const ShapeEllipse *e)
{
	Vec			center = e->rows[2];
	Vec			north = vec(-center.x * center.z, -center.y * center.z,
							center.x * center.x + center.y * center.y);
	Vec			east;
	double		angle;

	if (vec_normalize(&north) == 0)
		north = vec(-copysign(1.0, center.z), 0, 0);
	east = vec_cross(north, center);
	angle = atan2(vec_dot(e->rows[0], east), vec_dot(e->rows[0], north)) * SKY_DEG_PER_RAD;
	/* half a turn makes no difference, nor do the last bits: this is not exact */
	angle = round(angle * 1e12) / 1e12;
	return angle < 0 ? angle + 180 : angle >= 180 ? angle - 180 : fabs(angle);
}

/* Writes a number below 100 as two digits. */
static inline char *
put_pair(char *to, uint32_t pair)
{
	to[0] = (char) ('0' + pair / 10);
	to[1] = (char) ('0' + pair % 10);
	return to + 2;
}

/*
 * Writes an angle in degrees with six decimals, rounded as C's and Python's
 * printing rounds it, but many times faster.  The product's error, from fma(),
 * decides where the product itself is half way between two numbers.
 */
static char *
put_six(char *to, double degrees)
{
	double		scaled = fabs(degrees) * 1e6;
	double		error = fma(fabs(degrees), 1e6, -scaled);
	uint64_t	whole = (uint64_t) scaled;
	double		rest = (scaled - (double) whole) + error;
	uint32_t	fraction;
	char		digits[24];
	int			n = 0;

	if (rest > 0.5 || (rest == 0.5 && (whole & 1)))
		whole++;
	/* the product was rounded up to a whole number */
	else if (rest < -0.5 || (rest == -0.5 && (whole & 1)))
		whole--;
	fraction = (uint32_t) (whole % 1000000);
	whole /= 1000000;
	*to++ = ' ';
	if (signbit(degrees))
		*to++ = '-';
	do
	{
		digits[n++] = (char) ('0' + whole % 10);
		whole /= 10;
	} while (whole > 0);
	while (n > 0)
		*to++ = digits[--n];
	*to++ = '.';
	to = put_pair(to, fraction / 10000);
	to = put_pair(to, fraction / 100 % 100);
	return put_pair(to, fraction % 100);
}

static char *
put_direction(char *to, Vec v, bool six)
{
	char		lon[ANGLE_TEXT_SIZE];
	char		lat[ANGLE_TEXT_SIZE];

	if (six)
		return put_six(put_six(to, vec_longitude(v) * SKY_DEG_PER_RAD),
					   vec_latitude(v) * SKY_DEG_PER_RAD);
	write_direction(lon, lat, v);
	return to + sprintf(to, " %s %s", lon, lat);
}

static char *
put_radians(char *to, double radians, bool six)
{
	char		text[ANGLE_TEXT_SIZE];

	if (six)
		return put_six(to, radians * SKY_DEG_PER_RAD);
	write_radians(text, radians);
	return to + sprintf(to, " %s", text);
}

static char *
put_degrees(char *to, double degrees, bool six)
{
	char		text[ANGLE_TEXT_SIZE];

	if (six)
		return put_six(to, degrees);
	write_double(text, degrees);
	return to + sprintf(to, " %s", text);
}

static bool
has_everything(const Shape *shape)
{
	switch (shape->kind)
	{
		case SHAPE_CIRCLE:
			return shape_circle(shape)->chord2 >= 4;
		case SHAPE_ELLIPSE:
			return shape_ellipse_is_full(shape_ellipse(shape));
		default:
			return false;
	}
}

/*
 * Writes a region's text, and returns where it ends.  six: with six decimals,
 * which is not exact.
 */
char *
shape_write(const Shape *shape, bool six, char *to)
{
	if (!shape_is_compound(shape) && shape_is_empty(shape))
		return to + sprintf(to, "EMPTY ICRS");
	if (has_everything(shape))
		return to + sprintf(to, "ALLSKY ICRS");
	switch (shape->kind)
	{
		case SHAPE_POINT:
			to += sprintf(to, "POINT ICRS");
			return put_direction(to, *shape_vertices(shape), six);
		case SHAPE_CIRCLE:
			{
				char		radius[ANGLE_TEXT_SIZE];

				to += sprintf(to, "CIRCLE ICRS");
				to = put_direction(to, shape_circle(shape)->center, six);
				if (six)
					return put_radians(to, shape_circle(shape)->angle, six);
				write_radius(radius, shape_circle(shape));
				return to + sprintf(to, " %s", radius);
			}
		case SHAPE_BOX:
			to += sprintf(to, "RANGE ICRS");
			to = put_radians(to, shape_box(shape)->lon_a, six);
			to = put_radians(to, shape_box(shape)->lon_b, six);
			to = put_radians(to, shape_box(shape)->lat_a, six);
			return put_radians(to, shape_box(shape)->lat_b, six);
		case SHAPE_ELLIPSE:
			to += sprintf(to, "ELLIPSE ICRS");
			to = put_direction(to, shape_ellipse(shape)->rows[2], six);
			to = put_degrees(to, 90 + shape_ellipse(shape)->a * SKY_DEG_PER_RAD, six);
			to = put_degrees(to, 90 + shape_ellipse(shape)->b * SKY_DEG_PER_RAD, six);
			return put_degrees(to, ellipse_orientation(shape_ellipse(shape)), six);
		case SHAPE_CONVEX:
		case SHAPE_POLYGON:
			to += sprintf(to, "POLYGON ICRS");
			for (uint32_t i = 0; i < shape->n; i++)
				to = put_direction(to, shape_vertices(shape)[i], six);
			return to;
		default:
			{
				const Shape *operand = shape_operands(shape);

				to += sprintf(to, shape->kind == SHAPE_UNION ? "UNION ICRS (" : "INTERSECTION ICRS (");
				for (uint32_t i = 0; i < shape->n; i++)
				{
					if (i > 0)
						*to++ = ' ';
					to = shape_write(operand, six, to);
					operand = shape_next(operand);
				}
				return to + sprintf(to, ")");
			}
	}
}
