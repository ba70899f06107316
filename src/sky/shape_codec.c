/*-------------------------------------------------------------------------
 *
 * src/sky/shape_codec.c
 *	  The bytes of sphgeom's Region.encode(), read and written.
 *
 * A letter for the kind, and little-endian doubles; in unions and intersections
 * a length before each operand.  Reading is stricter than sphgeom's: lengths
 * are compared with what remains, nesting is capped, and numbers have to be
 * what they should be, since the registry's bytes come from anybody.
 *
 * Two letters are our own: a point, and a polygon that is not convex.
 *
 *-------------------------------------------------------------------------
 */
#include "sky/shape.h"

#include <string.h>

/* Angles that were computed in another way may differ by this much. */
#define ANGLE_TOLERANCE 1e-7
#define CHORD_TOLERANCE 1e-13
#define MATRIX_TOLERANCE 1e-9

typedef struct Reader
{
	const uint8_t *at;
	size_t		left;
	bool		ours;			/* our own letters are allowed */
	char	   *to;
} Reader;

static uint64_t
read_uint64(const uint8_t *bytes)
{
	uint64_t	value = 0;

	for (int i = 7; i >= 0; i--)
		value = value << 8 | bytes[i];
	return value;
}

static double
read_double(Reader *reader)
{
	uint64_t	bits = read_uint64(reader->at);
	double		value;

	memcpy(&value, &bits, sizeof(value));
	reader->at += 8;
	reader->left -= 8;
	return value;
}

static Vec
read_vec(Reader *reader)
{
	Vec			v;

	v.x = read_double(reader);
	v.y = read_double(reader);
	v.z = read_double(reader);
	return v;
}

static bool
is_finite(Vec v)
{
	return isfinite(v.x) && isfinite(v.y) && isfinite(v.z);
}

static void
put(Reader *reader, ShapeKind kind, uint32_t n, const void *data, size_t size)
{
	Shape		header = {(uint8_t) kind, {0}, n};

	memcpy(reader->to, &header, sizeof(header));
	memcpy(reader->to + sizeof(header), data, size);
	reader->to += sizeof(header) + size;
}

static const char *
read_circle(Reader *reader)
{
	ShapeCircle circle;
	bool		edgeless;

	if (reader->left != 40)
		return "a circle takes 41 bytes";
	circle.center = read_vec(reader);
	circle.chord2 = read_double(reader);
	circle.angle = read_double(reader);
	if (!is_finite(circle.center) || !isfinite(circle.chord2) || !isfinite(circle.angle))
		return "a number of the circle is not finite";
	edgeless = circle.chord2 < 0 || circle.chord2 >= 4;
	if (!edgeless && !vec_is_unit(circle.center))
		return "the circle's centre is not a unit vector";
	if (edgeless ? (circle.chord2 < 0) != (circle.angle < 0) || (circle.chord2 >= 4 && circle.angle < SKY_PI - ANGLE_TOLERANCE) :
		fabs(shape_chord2_of_angle(circle.angle) - circle.chord2) > CHORD_TOLERANCE &&
		fabs(shape_angle_of_chord2(circle.chord2) - circle.angle) > ANGLE_TOLERANCE)
		return "the circle's opening angle and chord do not agree";
	put(reader, SHAPE_CIRCLE, 0, &circle, sizeof(circle));
	return NULL;
}

static const char *
read_box(Reader *reader)
{
	ShapeBox	box;

	if (reader->left != 32)
		return "a box takes 33 bytes";
	box.lon_a = read_double(reader);
	box.lon_b = read_double(reader);
	box.lat_a = read_double(reader);
	box.lat_b = read_double(reader);
	if (!isfinite(box.lat_a) || !isfinite(box.lat_b))
		return "a latitude of the box is not finite";
	if (isnan(box.lon_a) && isnan(box.lon_b))
	{
		if (box.lat_a <= box.lat_b)
			return "a longitude of the box is not finite";
		/* one NaN is as good as another */
		box.lon_a = box.lon_b = (double) NAN;
	}
	else if (!isfinite(box.lon_a) || !isfinite(box.lon_b))
		return "a longitude of the box is not finite";
	else if (box.lon_a < 0 || box.lon_a > 2 * SKY_PI || box.lon_b < 0 || box.lon_b > 2 * SKY_PI)
		return "a longitude of the box is not between 0 and 2 pi";
	else if (fabs(box.lat_a) > 0.5 * SKY_PI || fabs(box.lat_b) > 0.5 * SKY_PI)
		return "a latitude of the box is not between -pi/2 and pi/2";
	else if (box.lat_a > box.lat_b)
		return "the box ends south of where it begins";
	put(reader, SHAPE_BOX, 0, &box, sizeof(box));
	return NULL;
}

static const char *
check_ellipse(const ShapeEllipse *e)
{
	bool		edgeless = shape_ellipse_is_empty(e) || shape_ellipse_is_full(e);

	for (int i = 0; i < 3; i++)
		for (int j = 0; j <= i; j++)
		{
			double		product = vec_dot(e->rows[i], e->rows[j]);

			if (!(fabs(product - (i == j ? 1 : 0)) <= MATRIX_TOLERANCE))
				return "the ellipse's matrix is no rotation";
		}
	if (!isfinite(e->a) || !isfinite(e->b) || !isfinite(e->gamma))
		return "a number of the ellipse is not finite";
	/* the tangents of the empty and of the full one may be anything */
	if (isnan(e->tan_a) || isnan(e->tan_b))
		return "a number of the ellipse is not finite";
	if (edgeless)
		return NULL;
	if (!isfinite(e->tan_a) || !isfinite(e->tan_b))
		return "a number of the ellipse is not finite";
	if (fabs(e->a) > 0.5 * SKY_PI || fabs(e->b) > 0.5 * SKY_PI || (e->a > 0) != (e->b > 0) ||
		(fabs(e->a) < 1e-15 && fabs(e->b) > 1e-15) ||
		e->gamma < 0 || e->gamma > 0.5 * SKY_PI || fabs(e->b) < fabs(e->a))
		return "the ellipse's axes are not those of an ellipse";
	if (fabs(atan(e->tan_a) - fabs(e->a)) > ANGLE_TOLERANCE ||
		fabs(atan(e->tan_b) - fabs(e->b)) > ANGLE_TOLERANCE)
		return "the ellipse's axes and their tangents do not agree";
	return NULL;
}

static const char *
read_ellipse(Reader *reader)
{
	ShapeEllipse ellipse;
	const char *problem;

	if (reader->left != 112)
		return "an ellipse takes 113 bytes";
	for (int i = 0; i < 3; i++)
		ellipse.rows[i] = read_vec(reader);
	ellipse.a = read_double(reader);
	ellipse.b = read_double(reader);
	ellipse.gamma = read_double(reader);
	ellipse.tan_a = read_double(reader);
	ellipse.tan_b = read_double(reader);
	problem = check_ellipse(&ellipse);
	if (problem == NULL)
		put(reader, SHAPE_ELLIPSE, 0, &ellipse, sizeof(ellipse));
	return problem;
}

/*
 * Reads vertices; those of a convex polygon have to be one already.
 */
static const char *
read_polygon(Reader *reader, ShapeKind kind)
{
	Shape	   *shape = (Shape *) reader->to;
	Vec		   *vertices = (Vec *) (shape + 1);
	size_t		n = reader->left / 24;
	Vec			first;

	if (reader->left < 72 || reader->left % 24 != 0)
		return "a polygon takes 1 byte, and 24 for each of at least three vertices";
	if (n > UINT32_MAX / 32)
		return "the polygon has too many vertices";
	for (size_t i = 0; i < n; i++)
	{
		vertices[i] = read_vec(reader);
		if (!is_finite(vertices[i]))
			return "a number of the polygon is not finite";
		if (!vec_is_unit(vertices[i]))
			return "a vertex of the polygon is not a unit vector";
	}
	first = vertices[0];
	if (kind == SHAPE_CONVEX)
	{
		if (!shape_set_convex(shape, (uint32_t) n))
			return "the polygon is not convex, or not counter-clockwise";
	}
	else
	{
		const char *problem = shape_set_polygon(shape, (uint32_t) n);

		if (problem != NULL)
			return problem;
		if (shape->kind != kind || !vec_equal(first, vertices[0]))
			return "the polygon is convex, or not counter-clockwise";
	}
	reader->to += shape_size(shape);
	return NULL;
}

static const char *
read_point(Reader *reader)
{
	Vec			point;

	if (reader->left != 24)
		return "a point takes 25 bytes";
	point = read_vec(reader);
	if (!is_finite(point))
		return "a number of the point is not finite";
	if (!vec_is_unit(point))
		return "the point is not a unit vector";
	put(reader, SHAPE_POINT, 0, &point, sizeof(point));
	return NULL;
}

static const char *read_shape(Reader *reader, int depth);

static const char *
read_operands(Reader *reader, ShapeKind kind, int depth)
{
	Shape	   *shape = (Shape *) reader->to;

	if (depth == SHAPE_MAX_DEPTH)
		return "unions and intersections are nested too deep";
	memset(shape, 0, sizeof(Shape));
	shape->kind = (uint8_t) kind;
	reader->to += sizeof(Shape);
	while (reader->left > 0)
	{
		uint64_t	length;
		size_t		after;
		const char *problem;

		if (reader->left < 8)
			return "the length of an operand is cut off";
		length = read_uint64(reader->at);
		reader->at += 8;
		reader->left -= 8;
		if (length > reader->left)
			return "an operand is longer than what is left";
		after = reader->left - (size_t) length;
		reader->left = (size_t) length;
		problem = read_shape(reader, depth + 1);
		if (problem != NULL)
			return problem;
		reader->left = after;
		shape->n++;
	}
	return NULL;
}

static const char *
read_shape(Reader *reader, int depth)
{
	uint8_t		kind;

	if (reader->left == 0)
		return "there are no bytes";
	kind = *reader->at++;
	reader->left--;
	switch (kind)
	{
		case SHAPE_CIRCLE:
			return read_circle(reader);
		case SHAPE_BOX:
			return read_box(reader);
		case SHAPE_ELLIPSE:
			return read_ellipse(reader);
		case SHAPE_CONVEX:
			return read_polygon(reader, SHAPE_CONVEX);
		case SHAPE_UNION:
		case SHAPE_INTERSECTION:
			return read_operands(reader, kind, depth);
		case SHAPE_POINT:
			if (reader->ours)
				return read_point(reader);
			break;
		case SHAPE_POLYGON:
			if (reader->ours)
				return read_polygon(reader, SHAPE_POLYGON);
			break;
	}
	return "the first byte says no kind of region";
}

/*
 * Reads an encoded region into memory of SHAPE_DECODED_SIZE(n) bytes; ours:
 * with our own letters.  Returns what is wrong with it, or NULL.
 */
const char *
shape_decode(const uint8_t *bytes, size_t n, bool ours, Shape *shape)
{
	Reader		reader = {bytes, n, ours, (char *) shape};

	return read_shape(&reader, 0);
}

/* ---------------------------------------------------------------- writing */

static uint8_t *
write_uint64(uint8_t *bytes, uint64_t value)
{
	for (int i = 0; i < 8; i++, value >>= 8)
		*bytes++ = (uint8_t) value;
	return bytes;
}

size_t
shape_encoded_size(const Shape *shape)
{
	size_t		size = 1;
	const Shape *operand;

	if (!shape_is_compound(shape))
		return 1 + (shape->kind == SHAPE_POLYGON ? sizeof(Vec) * shape->n : shape_size(shape) - sizeof(Shape));
	operand = shape_operands(shape);
	for (uint32_t i = 0; i < shape->n; i++)
	{
		size += 8 + shape_encoded_size(operand);
		operand = shape_next(operand);
	}
	return size;
}

/*
 * Writes the encoding, and returns where it ends.
 */
uint8_t *
shape_encode(const Shape *shape, uint8_t *bytes)
{
	*bytes++ = shape->kind;
	if (!shape_is_compound(shape))
	{
		const uint64_t *words = shape_data(shape);
		size_t		n = (shape_encoded_size(shape) - 1) / 8;

		for (size_t i = 0; i < n; i++)
			bytes = write_uint64(bytes, words[i]);
	}
	else
	{
		const Shape *operand = shape_operands(shape);

		for (uint32_t i = 0; i < shape->n; i++)
		{
			bytes = write_uint64(bytes, shape_encoded_size(operand));
			bytes = shape_encode(operand, bytes);
			operand = shape_next(operand);
		}
	}
	return bytes;
}
