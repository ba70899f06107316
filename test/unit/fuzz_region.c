/*-------------------------------------------------------------------------
 *
 * test/unit/fuzz_region.c
 *	  libFuzzer target: whatever the bytes or the text of a region, nothing
 *	  breaks, and what is accepted can be written and read again.
 *
 * The first byte says how the rest is read: as sphgeom's encoding, as ours, or
 * as text.
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sky/shape.h"

/* More than these take long, and find nothing new. */
#define MAX_VERTICES 24
#define MAX_LEAVES 6
#define MAX_COMPOUNDS 8

extern int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const others[] = {
	"CIRCLE ICRS 10 20 5",
	"POLYGON ICRS 0 0 20 0 20 20 0 20",
	"POLYGON ICRS 0 0 20 0 10 5 20 20 0 20",
	"RANGE ICRS 350 10 -90 -45",
	"ELLIPSE ICRS 0 90 3 1 45",
	"POINT ICRS 0 0",
	"UNION ICRS (CIRCLE ICRS 180 0 89 RANGE ICRS 0 360 10 20)",
	"EMPTY ICRS",
	"ALLSKY ICRS",
};

#define N_OTHERS (sizeof(others) / sizeof(others[0]))

static void
require(int condition, const char *what)
{
	if (!condition)
	{
		fprintf(stderr, "violated: %s\n", what);
		abort();
	}
}

/*
 * Texts name angles with 28 digits, up to 60 of them behind the point, so that
 * the least of numbers are lost, as is how long a vector is that is no unit; on
 * an axis there is but one.
 */
static bool
exact_number(double x)
{
	return (x == 0 && !signbit(x)) || fabs(x) > 1e-30;
}

static bool
exact_vectors(const Vec *v, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (!exact_number(v[i].x) || !exact_number(v[i].y) || !exact_number(v[i].z) ||
			fabs(vec_dot(v[i], v[i]) - 1.0) > 8e-16 ||
			((v[i].x == 0) + (v[i].y == 0) + (v[i].z == 0) == 2 && vec_dot(v[i], v[i]) != 1))
			return false;
	return true;
}

/* Does a shape's text say all of it? */
static bool
text_is_exact(const Shape *shape)
{
	const ShapeCircle *circle = shape_circle(shape);
	const ShapeBox *box = shape_box(shape);

	/* EMPTY and ALLSKY are circles, whatever they were */
	if (shape_is_empty(shape))
		return false;
	switch (shape->kind)
	{
		case SHAPE_ELLIPSE:
			return false;
		case SHAPE_CIRCLE:
			return exact_vectors(&circle->center, 1) && circle->chord2 < 4 &&
				exact_number(circle->chord2) && exact_number(circle->angle) &&
				(circle->chord2 == shape_chord2_of_angle(circle->angle) ||
				 circle->angle == shape_angle_of_chord2(circle->chord2));
		case SHAPE_BOX:
			return exact_number(box->lon_a) && exact_number(box->lon_b) &&
				exact_number(box->lat_a) && exact_number(box->lat_b);
		default:
			return exact_vectors(shape_vertices(shape), shape->kind == SHAPE_POINT ? 1 : shape->n);
	}
}

/* Counts what is in a shape; says whether its text is exact. */
static bool
survey(const Shape *shape, unsigned *vertices, unsigned *leaves, unsigned *compounds)
{
	const Shape *operand = shape_operands(shape);
	bool		exact = true;

	if (!shape_is_compound(shape))
	{
		(*leaves)++;
		*vertices += shape->n;
		return text_is_exact(shape);
	}
	(*compounds)++;
	for (uint32_t i = 0; i < shape->n; i++)
	{
		exact &= survey(operand, vertices, leaves, compounds);
		operand = shape_next(operand);
	}
	return exact;
}

/* A block as long as the shape, so that the sanitizer sees where it ends. */
static Shape *
shrink(Shape *shape)
{
	size_t		size = shape_size(shape);
	Shape	   *copy = malloc(size);

	memcpy(copy, shape, size);
	free(shape);
	return copy;
}

static Shape *
decode(const uint8_t *bytes, size_t size, bool ours)
{
	Shape	   *shape = malloc(SHAPE_DECODED_SIZE(size));

	if (shape_decode(bytes, size, ours, shape) == NULL)
		return shrink(shape);
	free(shape);
	return NULL;
}

static Shape *
parse(const char *text)
{
	Shape	   *shape = malloc(SHAPE_PARSED_SIZE(strlen(text)));
	size_t		where = (size_t) -1;
	const char *problem = shape_parse(text, shape, &where);

	if (problem == NULL)
		return shrink(shape);
	require(where <= strlen(text), "the problem's place");
	free(shape);
	return NULL;
}

static char *
write_text(const Shape *shape, bool six)
{
	size_t		size = shape_text_size(shape);
	char	   *text = malloc(size);
	char	   *end = shape_write(shape, six, text);

	require((size_t) (end - text) < size, "the text's size");
	*end = '\0';
	return text;
}

static bool
same(const Shape *a, const Shape *b)
{
	return shape_size(a) == shape_size(b) && memcmp(a, b, shape_size(a)) == 0;
}

static void
check_encoding(const Shape *shape, const uint8_t *given, size_t given_size, bool ours)
{
	size_t		size = shape_encoded_size(shape);
	uint8_t    *bytes = malloc(size);
	Shape	   *again;

	require(shape_encode(shape, bytes) == bytes + size, "the encoding's size");
	/* the NaNs of an empty box, of which there are many, are made one */
	if (given != NULL)
		require(size == given_size && (shape_is_empty(shape) || shape_is_compound(shape) ||
									   memcmp(bytes, given, size) == 0),
				"the encoding is what was decoded");
	again = decode(bytes, size, ours);
	require(again != NULL, "the encoding can be decoded");
	require(same(again, shape), "the encoding holds the shape");
	free(again);
	free(bytes);
}

static void
check_text(const Shape *shape, bool exact)
{
	char	   *text = write_text(shape, false);
	Shape	   *again = parse(text);

	if (exact)
	{
		require(again != NULL, "the text can be read");
		require(same(again, shape), "the text says the shape");
	}
	free(again);
	free(text);
	free(write_text(shape, true));
}

static void
check_bounds(const Shape *shape)
{
	Bounds3		bounds = shape_bounds(shape);
	ShapeCircle circle = shape_bounding_circle(shape);
	double		area;
	bool		known = shape_area(shape, &area);

	require(!isnan(circle.center.x) && !isnan(circle.center.y) && !isnan(circle.center.z) &&
			!isnan(circle.chord2) && !isnan(circle.angle), "the circle has no NaN");
	if (!shape_is_empty(shape))
		for (int axis = 0; axis < 3; axis++)
			require(!isnan(bounds.low[axis]) && !isnan(bounds.high[axis]), "the bounds have no NaN");
	/* directions whose lengths are not quite 1 reach as much farther; a full circle's centre may be anything */
	for (int i = 0; i < 27; i++)
	{
		Vec			point = vec(i % 3 - 1, i / 3 % 3 - 1, i / 9 - 1);

		if (vec_normalize(&point) == 0 || !shape_contains_point(shape, point))
			continue;
		require(circle.chord2 >= 4 || vec_chord2(point, circle.center) <= circle.chord2 + 1e-8, "the circle holds the shape's points");
		for (int axis = 0; axis < 3; axis++)
			require((&point.x)[axis] >= bounds.low[axis] - 1e-8 && (&point.x)[axis] <= bounds.high[axis] + 1e-8,
					"the bounds hold the shape's points");
	}
	if (known)
		require(area >= 0 && area <= 4 * SKY_PI + 1e-9, "the area");
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static Shape *fixed[N_OTHERS];
	bool		from_text;
	bool		ours;
	bool		exact;
	unsigned	vertices = 0;
	unsigned	leaves = 0;
	unsigned	compounds = 0;
	Shape	   *shape;

	if (fixed[0] == NULL)
		for (size_t i = 0; i < N_OTHERS; i++)
			fixed[i] = parse(others[i]);
	if (size == 0)
		return 0;
	from_text = data[0] % 3 == 2;
	ours = data[0] % 3 == 1;
	data++;
	size--;
	if (from_text)
	{
		char	   *text = malloc(size + 1);

		memcpy(text, data, size);
		text[size] = '\0';
		shape = parse(text);
		free(text);
	}
	else
	{
		/* of its own size, so that reading beyond it is seen */
		uint8_t    *bytes = malloc(size > 0 ? size : 1);

		memcpy(bytes, data, size);
		shape = decode(bytes, size, ours);
		free(bytes);
	}
	if (shape == NULL)
		return 0;
	exact = survey(shape, &vertices, &leaves, &compounds);
	if (vertices <= MAX_VERTICES && leaves <= MAX_LEAVES && compounds <= MAX_COMPOUNDS)
	{
		check_encoding(shape, from_text ? NULL : data, size, from_text || ours);
		check_text(shape, exact);
		check_bounds(shape);
		for (size_t i = 0; i < N_OTHERS; i++)
		{
			bool		meet = shape_intersects(shape, fixed[i]);

			require(meet == shape_intersects(fixed[i], shape), "intersects is symmetric");
			shape_contains(shape, fixed[i]);
			shape_contains(fixed[i], shape);
		}
		shape_intersects(shape, shape);
		shape_contains(shape, shape);
	}
	free(shape);
	return 0;
}
