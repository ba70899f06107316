/*-------------------------------------------------------------------------
 *
 * test/unit/sky_shape_test.c
 *	  Properties of shapes on the sphere, of all sizes (TAP).
 *
 * The shapes are random, from a seed that is always the same.
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sky/htm.h"
#include "sky/shape.h"
#include "unit_tap.h"

/* -------------------------------------------------------------- randomness */

static uint64_t random_state = 20260521;

static uint64_t
random_bits(void)
{
	uint64_t	z = (random_state += 0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

/* From 0 to below 1 */
static double
uniform(void)
{
	return (double) (random_bits() >> 11) * 0x1p-53;
}

static unsigned
below(unsigned n)
{
	return (unsigned) (random_bits() % n);
}

static Vec
random_direction(void)
{
	double		z = 2 * uniform() - 1;
	double		lon = 2 * SKY_PI * uniform();
	double		r = sqrt(1 - z * z);
	Vec			v = vec(r * cos(lon), r * sin(lon), z);

	/* the poles, the axes, and where longitudes begin */
	switch (below(8))
	{
		case 0:
			v = vec(0, 0, below(2) ? 1 : -1);
			break;
		case 1:
			v = vec(r, 0, z);
			break;
		case 2:
			v = vec(below(2) ? 1 : -1, 0, 0);
			break;
		case 3:
			return vec_from_degrees(below(36000) / 100.0, (int) below(18001) / 100.0 - 90);
	}
	vec_normalize(&v);
	return v;
}

/* From a nanoradian to one and a half, each power as often. */
static double
random_scale(void)
{
	return exp(log(1e-9) + (log(1.5) - log(1e-9)) * uniform());
}

/* The point at a distance from a centre, in a direction. */
static Vec
at(Vec center, double distance, double angle)
{
	Vec			x = vec_orthogonal(center, vec(0.36, 0.48, 0.8));
	Vec			y = vec_cross(center, x);
	Vec			v = vec_add(vec_scale(center, cos(distance)),
							vec_add(vec_scale(x, sin(distance) * cos(angle)),
									vec_scale(y, sin(distance) * sin(angle))));

	vec_normalize(&v);
	return v;
}

/* ----------------------------------------------------------------- shapes */

#define MAX_N 24

/* Memory for a shape of this file. */
typedef union Room
{
	Shape		shape;
	double		numbers[4 * MAX_N + 64];
} Room;

static void
set_leaf(Room *room, ShapeKind kind, const void *data, size_t size)
{
	memset(room, 0, sizeof(*room));
	room->shape.kind = (uint8_t) kind;
	memcpy(&room->shape + 1, data, size);
}

static bool
set_convex(Room *room, Vec center, double scale, uint32_t n)
{
	Vec		   *v = (Vec *) (&room->shape + 1);

	memset(room, 0, sizeof(*room));
	for (uint32_t i = 0; i < n; i++)
		v[i] = at(center, scale, 2 * SKY_PI * (i + 0.6 * uniform()) / n);
	return shape_set_convex(&room->shape, n);
}

/* A star: vertices in all directions, near and far by turns. */
static bool
set_star(Room *room, Vec center, double scale, uint32_t n)
{
	Vec		   *v = (Vec *) (&room->shape + 1);

	memset(room, 0, sizeof(*room));
	for (uint32_t i = 0; i < n; i++)
		v[i] = at(center, scale * (i % 2 ? 1 : 0.2 + 0.3 * uniform()), 2 * SKY_PI * (i + 0.6 * uniform()) / n);
	return shape_set_polygon(&room->shape, n) == NULL && room->shape.kind == SHAPE_POLYGON;
}

static void
set_box(Room *room, double scale)
{
	ShapeBox	box;

	box.lon_a = 2 * SKY_PI * uniform();
	box.lon_b = fmod(box.lon_a + 4 * scale * uniform(), 2 * SKY_PI);
	box.lat_a = (uniform() - 0.5) * SKY_PI;
	box.lat_b = fmin(0.5 * SKY_PI, box.lat_a + scale);
	switch (below(6))
	{
		case 0:
			box.lat_b = 0.5 * SKY_PI;
			box.lat_a = box.lat_b - scale;
			break;
		case 1:
			box.lon_a = 0;
			box.lon_b = scale;
			break;
		case 2:
			box.lon_a = 2 * SKY_PI - scale;
			box.lon_b = scale;
			break;
	}
	set_leaf(room, SHAPE_BOX, &box, sizeof(box));
}

static const char kinds[] = "pgcbde";

static void
set_random_at(Room *room, char kind, Vec center, double scale)
{
	switch (kind)
	{
		case 'p':
			while (!set_convex(room, center, scale, 3 + below(MAX_N - 3)))
				;
			return;
		case 'g':
			while (!set_star(room, center, scale, 6 + below(MAX_N - 6)))
				;
			return;
		case 'c':
			memset(room, 0, sizeof(*room));
			shape_set_circle(&room->shape, center, scale);
			return;
		case 'd':
			set_leaf(room, SHAPE_POINT, &center, sizeof(center));
			return;
		case 'e':
			memset(room, 0, sizeof(*room));
			if (!shape_set_ellipse(&room->shape, center, scale, scale * (0.1 + 0.9 * uniform()), SKY_PI * uniform()))
				abort();
			return;
		default:
			set_box(room, scale);
	}
}

static void
set_random(Room *room, char kind)
{
	set_random_at(room, kind, random_direction(), random_scale());
}

/* A union or an intersection of two shapes. */
static Shape *
compound(ShapeKind kind, const Shape *a, const Shape *b)
{
	Shape	   *shape = calloc(1, sizeof(Shape) + shape_size(a) + shape_size(b));

	shape->kind = (uint8_t) kind;
	shape->n = 2;
	memcpy(shape + 1, a, shape_size(a));
	memcpy((char *) (shape + 1) + shape_size(a), b, shape_size(b));
	return shape;
}

static bool
same(const Shape *a, const Shape *b)
{
	return shape_size(a) == shape_size(b) && memcmp(a, b, shape_size(a)) == 0;
}

static char *
text_of(const Shape *shape)
{
	char	   *text = malloc(shape_text_size(shape));

	*shape_write(shape, false, text) = '\0';
	return text;
}

static void
note_pair(const char *what, const Shape *a, const Shape *b)
{
	char	   *text_a = text_of(a);
	char	   *text_b = text_of(b);

	note("%s: %s; %s", what, text_a, text_b);
	free(text_a);
	free(text_b);
}

static Shape *
parse(const char *text)
{
	Shape	   *shape = malloc(SHAPE_PARSED_SIZE(strlen(text)));
	size_t		where = 0;

	if (shape_parse(text, shape, &where) == NULL)
		return shape;
	free(shape);
	return NULL;
}

/* Decodes from memory that has just these bytes. */
static const char *
decode_problem(const uint8_t *bytes, size_t n, Shape **shape)
{
	uint8_t    *copy = malloc(n > 0 ? n : 1);
	const char *problem;

	*shape = malloc(SHAPE_DECODED_SIZE(n));
	memcpy(copy, bytes, n);
	problem = shape_decode(copy, n, true, *shape);
	free(copy);
	return problem;
}

static uint8_t *
encode(const Shape *shape, size_t *n)
{
	uint8_t    *bytes = malloc(*n = shape_encoded_size(shape));

	return shape_encode(shape, bytes) == bytes + *n ? bytes : NULL;
}

/* A point of the shape, or near it. */
static Vec
random_point_near(const Shape *shape)
{
	ShapeCircle circle = shape_bounding_circle(shape);

	if (shape->kind == SHAPE_BOX)
	{
		const ShapeBox *box = shape_box(shape);
		double		width = box->lon_b - box->lon_a;

		if (width < 0)
			width += 2 * SKY_PI;
		return vec_from_radians(box->lon_a + width * uniform(),
								box->lat_a + (box->lat_b - box->lat_a) * uniform());
	}
	return at(circle.center, circle.angle * sqrt(uniform()), 2 * SKY_PI * uniform());
}

/* ------------------------------------------------------------------ vectors */

static bool
oriented(Vec a, Vec b, Vec c, int sign)
{
	return vec_orientation(a, b, c) == sign && vec_orientation(b, c, a) == sign &&
		vec_orientation(c, a, b) == sign && vec_orientation(b, a, c) == -sign &&
		vec_orientation(a, c, b) == -sign && vec_orientation(c, b, a) == -sign &&
		vec_orientation(vec_negate(a), b, c) == -sign;
}

static void
test_vectors(void)
{
	int			wrong = 0;

	for (int i = 0; i < 20000; i++)
	{
		Vec			center = random_direction();
		double		scale = random_scale();
		Vec			a = at(center, scale, 7 * uniform());
		Vec			b = at(center, scale, 7 * uniform());
		Vec			c = at(center, scale * uniform(), 7 * uniform());

		wrong += !oriented(a, b, c, vec_orientation(a, b, c));
	}
	ok(wrong == 0, "orientation changes its sign when two change places");

	wrong = 0;
	for (int i = 0; i < 20000; i++)
	{
		/* 26 bits each, so that sums and multiples are exact */
		Vec			a = vec((int) below(1 << 26) - (1 << 25), (int) below(1 << 26) - (1 << 25), (int) below(1 << 26) - (1 << 25));
		Vec			b = vec((int) below(1 << 26) - (1 << 25), (int) below(1 << 26) - (1 << 25), (int) below(1 << 26) - (1 << 25));
		Vec			c;
		Vec			n = vec_cross(a, b);
		int			k = 0;

		a = vec_scale(a, 0x1p-26);
		b = vec_scale(b, 0x1p-26);
		c = vec_scale(vec_add(vec_scale(a, below(1 << 20)), vec_scale(b, below(1 << 20))), 0x1p-21);
		wrong += !oriented(a, b, c, 0);
		/* the least step off it, along the component of its normal that counts */
		while (k < 3 && (&n.x)[k] == 0)
			k++;
		if (k == 3)
			continue;
		(&c.x)[k] = nextafter((&c.x)[k], 2);
		wrong += !oriented(a, b, c, (&n.x)[k] > 0 ? 1 : -1);
	}
	ok(wrong == 0, "points of one great circle have none, and the least step off it counts");

	ok(oriented(vec(0, 0, 1), vec(2e-310, 1e-310, 1), vec(1e-310, 1e-310, 1), 1) &&
	   oriented(vec(1e-310, 1e-310, 1), vec(2e-310, 2e-310, 1), vec(3e-310, 3e-310, 1), 0) &&
	   oriented(vec(1, 0, 1e-310), vec(0, 1, -2e-310), vec(5e-324, -1e-310, 1), 1) &&
	   oriented(vec(5e-324, 0, 1), vec(0, 5e-324, 1), vec(0, 0, 1), 1),
	   "products that vanish among the numbers count");

	wrong = 0;
	for (int i = 0; i < 20000; i++)
	{
		Vec			center = random_direction();
		double		turn = 7 * uniform();
		Vec			a = at(center, 1e-9, turn);
		Vec			b = at(center, 1e-9, turn + 2);
		Vec			c = at(center, 1e-9, turn + 4);

		wrong += !oriented(a, b, c, 1);
	}
	ok(wrong == 0, "triangles of a nanoradian run as they were made");

	ok(oriented(vec(1, 0, 0), vec(1, 1e-160, 0), vec(1, 0, 1e-160), 1) &&
	   oriented(vec(1, 0, 0), vec(0, 1, 1e-160), vec(0, -1, 0), 1) &&
	   oriented(vec(1, 1e-160, 0), vec(1, 0, 1e-160), vec(1, 1e-160, 1e-160), -1) &&
	   oriented(vec(1, 0, 0), vec(0, 1, 0), vec(0.6, 0.8, 1e-300), 1) &&
	   oriented(vec(1, 0, 0), vec(0, 1, 0), vec(0.6, 0.8, -4.9e-324), -1),
	   "components of 1e-160 count");

	wrong = 0;
	for (int i = 0; i < 20000; i++)
	{
		Vec			v = vec_scale(random_direction(), pow(10, 200 * (2 * uniform() - 1)));
		Vec			u = v;
		double		length = vec_normalize(&u);
		double		largest = fmax(fabs(v.x), fmax(fabs(v.y), fabs(v.z)));

		wrong += !(fabs(vec_dot(u, u) - 1) < 1e-15 && length >= largest * (1 - 1e-15) &&
				   length <= largest * 1.7320508075688779 &&
				   fabs(u.x * length - v.x) <= 1e-15 * largest &&
				   fabs(u.y * length - v.y) <= 1e-15 * largest &&
				   fabs(u.z * length - v.z) <= 1e-15 * largest);
	}
	ok(wrong == 0, "vectors of any length are normalized");
	{
		Vec			zero = vec(0, 0, 0);
		Vec			small = vec(0, -4.9e-324, 0);

		ok(vec_normalize(&zero) == 0 && vec_equal(zero, vec(0, 0, 0)) &&
		   vec_normalize(&small) > 0 && vec_equal(small, vec(0, -1, 0)) &&
		   !vec_is_unit(zero) && !vec_is_unit(vec(NAN, 0, 1)) && vec_is_unit(vec(0, 0, -1)),
		   "nothing has no direction, the least of numbers has");
	}
}

/* ------------------------------------------------------- text and encoding */

static void
test_round_trips(void)
{
	char		name[80];

	for (const char *kind = kinds; *kind != '\0'; kind++)
	{
		int			wrong_text = 0;
		int			wrong_bytes = 0;

		for (int i = 0; i < 1500; i++)
		{
			Room		room;
			Shape	   *again;
			uint8_t    *bytes;
			size_t		n;

			set_random(&room, *kind);
			if (*kind != SHAPE_ELLIPSE)
			{
				char	   *text = text_of(&room.shape);

				again = parse(text);
				if ((again == NULL || !same(again, &room.shape)) && wrong_text++ < 3)
					note("%s: %s", again == NULL ? "refused" : "another", text);
				free(again);
				free(text);
			}
			bytes = encode(&room.shape, &n);
			wrong_bytes += decode_problem(bytes, n, &again) != NULL || !same(again, &room.shape);
			free(again);
			free(bytes);
		}
		if (*kind != SHAPE_ELLIPSE)
		{
			snprintf(name, sizeof(name), "the text of %c says all of it", *kind);
			ok(wrong_text == 0, name);
		}
		snprintf(name, sizeof(name), "the encoding of %c says all of it", *kind);
		ok(wrong_bytes == 0, name);
	}
}

/* -------------------------------------------------------- bounds and points */

static void
test_bounds(void)
{
	char		name[80];

	for (const char *kind = kinds; *kind != '\0'; kind++)
	{
		int			inside = 0;
		int			outside_box = 0;
		int			outside_circle = 0;

		for (int i = 0; i < 500; i++)
		{
			Room		room;
			Bounds3		bounds;
			ShapeCircle circle;

			set_random(&room, *kind);
			bounds = shape_bounds(&room.shape);
			circle = shape_bounding_circle(&room.shape);
			for (int j = 0; j < 20; j++)
			{
				Vec			v = *kind == SHAPE_POINT ? *shape_vertices(&room.shape) : random_point_near(&room.shape);

				if (!shape_contains_point(&room.shape, v))
					continue;
				inside++;
				for (int axis = 0; axis < 3; axis++)
					outside_box += (&v.x)[axis] < bounds.low[axis] || (&v.x)[axis] > bounds.high[axis];
				outside_circle += vec_chord2(v, circle.center) > circle.chord2;
			}
		}
		snprintf(name, sizeof(name), "the bounds of %c hold its points", *kind);
		if (!ok(outside_box == 0 && inside > 400, name))
			note("%d of %d", outside_box, inside);
		snprintf(name, sizeof(name), "the bounding circle of %c holds its points", *kind);
		if (!ok(outside_circle == 0, name))
			note("%d of %d", outside_circle, inside);
	}
}

/*
 * Ellipses that are full by their foci, as bytes can say: whatever else their
 * axes and tangents are.
 */
static void
test_full_ellipses(void)
{
	int			refused = 0;
	int			wrong_area = 0;
	int			outside = 0;

	for (int i = 0; i < 500; i++)
	{
		Room		room;
		ShapeEllipse ellipse;
		Shape	   *shape;
		uint8_t    *bytes;
		size_t		n;

		set_random_at(&room, SHAPE_ELLIPSE, random_direction(), 1);
		ellipse = *shape_ellipse(&room.shape);
		ellipse.a = 1.5 * uniform();
		ellipse.b = 1.5 * uniform();
		ellipse.gamma = 0.5 * SKY_PI - ellipse.a * uniform();
		ellipse.tan_a = ldexp(uniform() - 0.5, (int) below(1500));
		ellipse.tan_b = ldexp(uniform() - 0.5, (int) below(1500) - 1000);
		set_leaf(&room, SHAPE_ELLIPSE, &ellipse, sizeof(ellipse));
		bytes = encode(&room.shape, &n);
		if (decode_problem(bytes, n, &shape) != NULL)
			refused++;
		else
		{
			Bounds3		bounds = shape_bounds(shape);
			ShapeCircle circle = shape_bounding_circle(shape);
			Vec			v = random_direction();
			double		area = 0;

			wrong_area += !shape_area(shape, &area) || area != 4 * SKY_PI;
			for (int axis = 0; axis < 3; axis++)
				outside += (&v.x)[axis] < bounds.low[axis] || (&v.x)[axis] > bounds.high[axis];
			outside += vec_chord2(v, circle.center) > circle.chord2 || !shape_contains_point(shape, v);
		}
		free(shape);
		free(bytes);
	}
	ok(refused == 0, "ellipses that are full by their foci are read");
	ok(wrong_area == 0, "their area is the sphere's");
	ok(outside == 0, "they, their bounds and their bounding circle hold every point");
}

/* Polygons of any vertices, most of which reach farther than a hemisphere. */
static void
test_wide_polygons(void)
{
	int			polygons = 0;
	int			wide = 0;
	int			outside = 0;

	for (int i = 0; i < 5000; i++)
	{
		Room		room;
		Vec		   *vertices = (Vec *) (&room.shape + 1);
		uint32_t	n = 4 + below(3);
		Bounds3		bounds;
		ShapeCircle circle;

		memset(&room, 0, sizeof(room));
		for (uint32_t k = 0; k < n; k++)
			vertices[k] = random_direction();
		if (shape_set_polygon(&room.shape, n) != NULL)
			continue;
		bounds = shape_bounds(&room.shape);
		circle = shape_bounding_circle(&room.shape);
		polygons++;
		wide += circle.chord2 > 2;
		for (int j = 0; j < 50; j++)
		{
			Vec			v = random_direction();

			if (!shape_contains_point(&room.shape, v))
				continue;
			for (int axis = 0; axis < 3; axis++)
				outside += (&v.x)[axis] < bounds.low[axis] || (&v.x)[axis] > bounds.high[axis];
			outside += vec_chord2(v, circle.center) > circle.chord2;
		}
	}
	if (!ok(outside == 0 && wide > 200, "the bounds and the bounding circle of wide polygons hold their points"))
		note("%d points outside, %d polygons, %d wide", outside, polygons, wide);
}

static double
distance_to_edge(Vec p, Vec a, Vec b)
{
	Vec			n = vec_robust_cross(a, b);
	double		nearest = fmin(vec_angle(p, a), vec_angle(p, b));

	if (vec_normalize(&n) > 0 && vec_dot(vec_cross(n, a), p) > 0 && vec_dot(vec_cross(b, n), p) > 0)
		nearest = fmin(nearest, fabs(asin(fmax(-1, fmin(1, vec_dot(n, p))))));
	return nearest;
}

/* How often vertices go around a point, by the sum of the angles there. */
static double
winding(const Vec *v, uint32_t n, Vec p)
{
	double		sum = 0;

	for (uint32_t i = 0; i < n; i++)
	{
		Vec			a = vec_cross(p, vec_subtract(v[i], p));
		Vec			b = vec_cross(p, vec_subtract(v[(i + 1) % n], p));

		sum += atan2(vec_dot(p, vec_cross(a, b)), vec_dot(a, b));
	}
	return sum / (2 * SKY_PI);
}

static void
test_stars(void)
{
	int			wrong = 0;
	int			wrong_area = 0;
	int			wrong_reverse = 0;
	int			inside = 0;
	int			tested = 0;

	for (int i = 0; i < 1000; i++)
	{
		Room		room;
		Room		reversed;
		Vec			center = random_direction();
		double		scale = fmax(1e-7, random_scale());
		const Vec  *v = shape_vertices(&room.shape);
		uint32_t	n = 6 + below(MAX_N - 6);
		double		area = 0;
		double		got;

		if (!set_star(&room, center, scale, n))
			continue;
		for (int j = 0; j < 40; j++)
		{
			Vec			p = at(center, 1.1 * scale * sqrt(uniform()), 7 * uniform());
			double		nearest = 4;
			bool		expected;

			for (uint32_t k = 0; k < n; k++)
				nearest = fmin(nearest, distance_to_edge(p, v[k], v[(k + 1) % n]));
			if (nearest < 1e-9)
				continue;
			expected = fabs(winding(v, n, p)) > 0.5;
			wrong += shape_contains_point(&room.shape, p) != expected;
			inside += expected;
			tested++;
		}

		/* its triangles at the centre do not overlap */
		for (uint32_t k = 0; k < n; k++)
			area += shape_triangle_area(center, v[k], v[(k + 1) % n]);
		if ((!shape_area(&room.shape, &got) || !(fabs(got - area) <= 1e-9 * area)) && wrong_area++ < 3)
			note("%d vertices, scale %g: %.17g, expected %.17g", n, scale, got, area);

		memset(&reversed, 0, sizeof(reversed));
		for (uint32_t k = 0; k < n; k++)
			((Vec *) (&reversed.shape + 1))[k] = v[n - 1 - k];
		wrong_reverse += shape_set_polygon(&reversed.shape, n) != NULL || !same(&reversed.shape, &room.shape);
	}
	if (!ok(wrong == 0 && inside > 5000 && tested - inside > 5000, "concave polygons contain what they go around"))
		note("%d of %d, %d inside", wrong, tested, inside);
	ok(wrong_area == 0, "a concave polygon's area is its triangles'");
	ok(wrong_reverse == 0, "the direction in which vertices come does not matter");
}

/*
 * Lunes: two vertices opposite each other, others on the meridians between them
 * or off those by rounding, so that they are convex or just not.
 */
static void
test_lunes(void)
{
	int			refused = 0;
	int			wrong_area = 0;
	int			changed = 0;
	int			concave = 0;

	for (int i = 0; i < 5000; i++)
	{
		Room		room;
		Vec		   *v = (Vec *) (&room.shape + 1);
		Vec			pole = random_direction();
		double		begin = 7 * uniform();
		double		width = 0.01 + (SKY_PI - 0.02) * uniform();
		double		off = i % 2 ? 0 : 1e-9 * random_scale();
		bool		backwards = below(2);
		unsigned	first = below(4);
		Vec			corners[4];
		uint8_t		bytes[1 + 4 * sizeof(Vec)];
		Room		again;
		double		area;

		corners[0] = pole;
		corners[1] = at(pole, 0.1 + 2.9 * uniform(), begin + off * uniform());
		corners[2] = off > 0 ? at(pole, SKY_PI - off, 7 * uniform()) : vec_negate(pole);
		corners[3] = at(pole, 0.1 + 2.9 * uniform(), begin + width - off * uniform());
		memset(&room, 0, sizeof(room));
		memset(&again, 0, sizeof(again));
		for (unsigned k = 0; k < 4; k++)
			v[k] = corners[(first + (backwards ? 4 - k : k)) % 4];
		if (shape_set_polygon(&room.shape, 4) != NULL)
		{
			refused++;
			continue;
		}
		concave += room.shape.kind == SHAPE_POLYGON;
		if ((!shape_area(&room.shape, &area) || !(fabs(area - 2 * width) < 1e-7)) && wrong_area++ < 3)
			note("area %.17g, expected %.17g", area, 2 * width);
		changed += shape_decode(bytes, (size_t) (shape_encode(&room.shape, bytes) - bytes), true, &again.shape) != NULL ||
			!same(&again.shape, &room.shape);
	}
	ok(refused == 0, "lunes are polygons");
	ok(wrong_area == 0, "a lune's area is twice its angle");
	if (!ok(changed == 0 && concave > 500, "lunes that are just not convex can be written and read"))
		note("%d changed, %d concave", changed, concave);
}

/* ---------------------------------------------------------------- relations */

static void
test_relations(void)
{
	int			asymmetric = 0;
	int			unmet = 0;
	int			apart = 0;
	int			outside = 0;
	int			not_self = 0;
	int			contained = 0;
	int			met = 0;
	int			pairs = 0;

	for (int i = 0; i < 6000; i++)
	{
		Room		ra;
		Room		rb;
		Shape	   *a;
		Shape	   *b;
		Vec			center = random_direction();
		double		scale = random_scale();
		char		kind_a = kinds[below(6)];
		char		kind_b = kinds[below(6)];
		bool		meet;
		bool		contains;
		bool		is_contained;

		/* of alike size, and near each other; boxes fall where they do */
		set_random_at(&ra, kind_a, center, scale);
		set_random_at(&rb, kind_b, at(center, scale * 1.5 * uniform(), 7 * uniform()),
					  fmin(1.5, scale * (0.05 + 1.2 * uniform())));
		a = &ra.shape;
		b = &rb.shape;
		if (i % 7 == 0)
			a = compound(i % 2 ? SHAPE_UNION : SHAPE_INTERSECTION, &ra.shape, &rb.shape);
		meet = shape_intersects(a, b);
		contains = shape_contains(a, b);
		is_contained = shape_contains(b, a);
		pairs++;
		met += meet;
		contained += contains + is_contained;
		if (meet != shape_intersects(b, a) && asymmetric++ < 3)
			note_pair("asymmetric", a, b);
		if (contains && !meet && !shape_is_empty(b) && unmet++ < 3)
			note_pair("contained, but apart", a, b);
		for (int j = 0; j < 12; j++)
		{
			Vec			p = b->kind == SHAPE_POINT ? *shape_vertices(b) : random_point_near(b);

			if (!shape_contains_point(b, p))
				continue;
			if (shape_contains_point(a, p))
			{
				if (!meet && apart++ < 3)
					note_pair("have a point in common", a, b);
			}
			else if (contains && outside++ < 3)
				note_pair("contained, but has a point outside", a, b);
		}
		if (!shape_contains(b, b) && not_self++ < 3)
			note_pair("does not contain itself", b, b);
		if (a != &ra.shape && !shape_contains(a, a) && not_self++ < 3)
			note_pair("does not contain itself", a, a);
		if (a != &ra.shape)
			free(a);
	}
	note("%d pairs, %d meet, %d contained", pairs, met, contained);
	ok(asymmetric == 0, "shapes meet each other, or neither does");
	ok(unmet == 0, "what is contained is met");
	ok(apart == 0, "shapes with a point in common meet");
	ok(outside == 0, "what has a point outside is not contained");
	ok(not_self == 0, "a shape contains itself");
}

/*
 * A hemisphere's edge through a pole, and a box that ends there: they touch, at
 * whatever angle.
 */
static void
test_touch_at_pole(void)
{
	int			asymmetric = 0;
	int			apart = 0;

	for (int i = 0; i < 5000; i++)
	{
		Room		circle;
		Room		range;
		ShapeBox	box;
		double		edge = below(360);
		double		width = 1 + below(170);
		double		from = fmod(edge + 1 + below((unsigned) (179 - width)), 360);
		bool		meet;

		memset(&circle, 0, sizeof(circle));
		shape_set_circle(&circle.shape, vec_from_degrees(fmod(edge + 270, 360), 0), 0.5 * SKY_PI);
		box.lon_a = from * SKY_RAD_PER_DEG;
		box.lon_b = fmod(from + width, 360) * SKY_RAD_PER_DEG;
		box.lat_a = i % 2 ? -0.5 * SKY_PI : 0.25;
		box.lat_b = i % 2 ? -0.25 : 0.5 * SKY_PI;
		set_leaf(&range, SHAPE_BOX, &box, sizeof(box));
		meet = shape_intersects(&circle.shape, &range.shape);
		if (meet != shape_intersects(&range.shape, &circle.shape) && asymmetric++ < 3)
			note_pair("asymmetric", &circle.shape, &range.shape);
		if (!meet && apart++ < 3)
			note_pair("apart", &circle.shape, &range.shape);
	}
	ok(asymmetric == 0, "a hemisphere and a box that touch at a pole meet each other, or neither does");
	if (!ok(apart == 0, "and they meet"))
		note("%d do not", apart);
}

/* ---------------------------------------------------------------- malformed */

static void
test_malformed_texts(void)
{
	static const char *const texts[] = {
		"", " ", "CIRCLE", "CIRCLE ICRS", "CIRCLE ICRS 1 2", "CIRCLE ICRS 1 2 -3", "CIRCLE ICRS 1 2 181",
		"CIRCLE ICRS 1 2 3 4", "CIRCLE(1 2 3", "CIRCLE ICRS 1 91 3", "CIRCLE ICRS 361 1 3", "CIRCLE FK5 1 2 3",
		"CIRCLE ICRS nan 2 3", "CIRCLE ICRS inf 2 3", "CIRCLE ICRS 0x1 2 3", "CIRCLE ICRS 1e999 2 3",
		"CIRCLE ICRS 1.2.3 2 3", "CIRCLE 'FK5' 1 2 3", "CIRCLE 'ICRS 1 2 3", "POLYGON ICRS", "POLYGON ICRS 1 2 3 4",
		"POLYGON ICRS 1 2 3 4 5", "POLYGON ICRS 1 2 1 2 3 4", "POLYGON ICRS 0 0 1 1 1 0 0 1",
		"POLYGON ICRS 0 0 1 0 2 0", "POLYGON ICRS 0 0 180 0 90 10", "BOX ICRS 1 2 361 1", "BOX ICRS 0 89 1 4",
		"BOX ICRS 0 0 -1 1", "RANGE ICRS 1 2 4 3", "RANGE ICRS inf 1 2 3", "RANGE ICRS 0 1 -91 0",
		"ELLIPSE ICRS 1 2 3 4", "ELLIPSE ICRS 1 2 80 100 0", "ELLIPSE ICRS 1 2 -1 1 0", "POINT ICRS 1",
		"POINT", "UNION", "UNION ICRS", "UNION ICRS (", "UNION ICRS (CIRCLE 1 2 3", "UNION (1 2 3)",
		"INTERSECTION ICRS ())", "EMPTY ICRS 1", "ALLSKY FK5", "CIRCULAR 1 2 3", "SQUARE 1 2 3",
	};
	int			accepted = 0;
	int			wrong_place = 0;
	int			n = (int) (sizeof(texts) / sizeof(texts[0]));
	size_t		where;

	for (int i = 0; i < n; i++)
	{
		Shape	   *shape = malloc(SHAPE_PARSED_SIZE(strlen(texts[i])));

		where = (size_t) -1;
		if (shape_parse(texts[i], shape, &where) == NULL && accepted++ < 5)
			note("accepted: %s", texts[i]);
		wrong_place += where > strlen(texts[i]);
		free(shape);
	}
	ok(accepted == 0, "what is no region's text is refused");
	ok(wrong_place == 0, "and where the mistake is");
}

static void
test_nesting(void)
{
	int			wrong = 0;
	char	   *deep = malloc(100000);

	for (int depth = 30; depth < 2000; depth += 1 + depth / 10)
	{
		Shape	   *shape;

		*deep = '\0';
		for (int i = 0; i < depth; i++)
			strcpy(deep + 6 * i, "UNION(");
		strcpy(deep + 6 * depth, "EMPTY");
		for (int i = 0; i < depth; i++)
			strcpy(deep + 6 * depth + 5 + i, ")");
		shape = parse(deep);
		wrong += (shape != NULL) != (depth <= SHAPE_MAX_DEPTH);
		free(shape);
	}
	free(deep);
	ok(wrong == 0, "nesting has its limit");
}

static void
test_malformed_bytes(void)
{
	int			accepted = 0;

	for (const char *kind = kinds; *kind != '\0'; kind++)
		for (int compounds = 0; compounds < 2; compounds++)
		{
			Room		room;
			Room		other;
			Shape	   *whole;
			Shape	   *shape;
			uint8_t    *bytes;
			char	   *text;
			size_t		size;

			set_random_at(&room, *kind, random_direction(), 0.1);
			set_random_at(&other, 'c', random_direction(), 0.1);
			whole = compounds ? compound(SHAPE_UNION, &room.shape, &other.shape) : &room.shape;
			bytes = encode(whole, &size);
			for (size_t i = 0; i < size; i++)
			{
				const char *problem = decode_problem(bytes, i, &shape);
				bool		fewer = (*kind == 'p' || *kind == 'g') && !compounds && i % 24 == 1 && i >= 73;
				/* what is left may be a union of fewer */
				bool		union_of = compounds && (i == 1 || i == 9 + shape_encoded_size(&room.shape));

				accepted += problem == NULL && !fewer && !union_of;
				free(shape);
			}
			/* whatever comes of it, what is accepted is as good as any */
			for (size_t i = 0; i < size * 255; i++)
			{
				uint8_t		before = bytes[i / 255];

				bytes[i / 255] ^= (uint8_t) (1 + i % 255);
				if (decode_problem(bytes, size, &shape) == NULL)
				{
					uint8_t    *again;
					size_t		length;

					again = encode(shape, &length);
					accepted += length != size || (memcmp(again, bytes, size) != 0 && !shape_is_empty(shape));
					free(again);
					shape_bounds(shape);
					if (i % 16 == 0)
					{
						shape_intersects(shape, whole);
						shape_contains(shape, whole);
					}
				}
				free(shape);
				bytes[i / 255] = before;
			}
			/* texts that are cut off */
			text = text_of(whole);
			for (size_t i = strlen(text); i-- > 0;)
			{
				text[i] = '\0';
				free(parse(text));
			}
			free(text);
			free(bytes);
			if (compounds)
				free(whole);
		}
	ok(accepted == 0, "bytes that are cut off are refused, and changed ones, or they are what was read");
}

/* ------------------------------------------------------------------ pixels */

static void
no_pause(void)
{
}

static const HtmHost host = {realloc, free, no_pause};

static bool
has_pixel(const HtmPixels *pixels, uint64_t pixel)
{
	for (size_t i = 0; i < pixels->n; i++)
		if (pixel >= pixels->ranges[i].begin && pixel < pixels->ranges[i].end)
			return true;
	return false;
}

/* Ranges in ascending order, apart from each other, of pixels of the level. */
static bool
well_formed(const HtmPixels *pixels, int level)
{
	uint64_t	end = (UINT64_C(8) << 2 * level) - 1;

	for (size_t i = 0; i < pixels->n; i++)
	{
		if (pixels->ranges[i].begin <= end || pixels->ranges[i].end <= pixels->ranges[i].begin)
			return false;
		end = pixels->ranges[i].end;
	}
	return end <= UINT64_C(16) << 2 * level;
}

static HtmPixels
pixels_of(const Shape *shape, int level)
{
	HtmPixels	pixels = {NULL, 0, 0};

	if (!htm_envelope(shape, level, &host, &pixels))
		abort();
	return pixels;
}

/* Is a set what is in both, or in either, of two?  At the ends of all ranges. */
static bool
is_combined(const HtmPixels *set, const HtmPixels *a, const HtmPixels *b, bool both)
{
	const HtmPixels *sets[3] = {set, a, b};

	for (int i = 0; i < 3; i++)
		for (size_t j = 0; j < sets[i]->n; j++)
			for (uint64_t k = 0; k < 4; k++)
			{
				uint64_t	pixel = (k < 2 ? sets[i]->ranges[j].begin : sets[i]->ranges[j].end) - k % 2;
				bool		in_a = has_pixel(a, pixel);
				bool		in_b = has_pixel(b, pixel);

				if (has_pixel(set, pixel) != (both ? in_a && in_b : in_a || in_b))
					return false;
			}
	return true;
}

static void
test_pixels(void)
{
	int			lost = 0;
	int			malformed = 0;
	int			wrong = 0;
	int			n_inside = 0;
	Room		a;
	Room		b;
	HtmPixels	none = {NULL, 0, 0};

	for (int i = 0; i < 2000; i++)
	{
		double		scale = random_scale();
		int			level = (int) fmin(HTM_MAX_LEVEL, 1 + below(4) - log2(scale));
		Vec			center = random_direction();
		HtmPixels	pixels[4];

		set_random_at(&a, "pcbe"[below(4)], center, scale);
		set_random_at(&b, "pcbe"[below(4)], at(center, scale * uniform(), 7 * uniform()), scale);
		pixels[0] = pixels_of(&a.shape, level);
		pixels[1] = pixels_of(&b.shape, level);
		for (int j = 0; j < 10; j++)
		{
			Vec			point = random_point_near(&a.shape);

			if (shape_contains_point(&a.shape, point))
			{
				n_inside++;
				lost += !has_pixel(&pixels[0], htm_index(point, level));
			}
		}
		for (int both = 0; both < 2; both++)
		{
			Shape	   *shape = compound(both ? SHAPE_INTERSECTION : SHAPE_UNION, &a.shape, &b.shape);

			pixels[2 + both] = pixels_of(shape, level);
			wrong += !is_combined(&pixels[2 + both], &pixels[0], &pixels[1], both);
			free(shape);
		}
		for (int j = 0; j < 4; j++)
		{
			malformed += !well_formed(&pixels[j], level);
			free(pixels[j].ranges);
		}
	}
	ok(lost == 0 && n_inside > 5000, "a point of a shape is in one of the shape's pixels");
	ok(malformed == 0, "pixels are ranges in order, apart from each other");
	ok(wrong == 0, "a union has the pixels of both operands, an intersection what they share");

	set_random(&a, 'd');
	set_random(&b, 'g');
	ok(!htm_envelope(&a.shape, 3, &host, &none) && !htm_envelope(&b.shape, 3, &host, &none),
	   "what sphgeom does not have has no pixels");
	free(none.ranges);
}

int
main(void)
{
	test_vectors();
	test_round_trips();
	test_bounds();
	test_full_ellipses();
	test_wide_polygons();
	test_stars();
	test_lunes();
	test_relations();
	test_pixels();
	test_touch_at_pole();
	test_malformed_texts();
	test_nesting();
	test_malformed_bytes();
	return end_of_tests();
}
