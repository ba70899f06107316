/*-------------------------------------------------------------------------
 *
 * src/sky/shape.c
 *	  Making shapes, and which points they contain.
 *
 * A shape contains its boundary.  Points are tested with the operations that
 * sphgeom's contains() performs, polygons exactly.
 *
 *-------------------------------------------------------------------------
 */
#include "sky/shape.h"

#include <string.h>

/* Turns that differ by less, in radians, differ by rounding. */
#define TURN_TOLERANCE 1e-9

size_t
shape_size(const Shape *shape)
{
	size_t		size = sizeof(Shape);

	switch (shape->kind)
	{
		case SHAPE_POINT:
			return size + sizeof(Vec);
		case SHAPE_CIRCLE:
			return size + sizeof(ShapeCircle);
		case SHAPE_BOX:
			return size + sizeof(ShapeBox);
		case SHAPE_ELLIPSE:
			return size + sizeof(ShapeEllipse);
		case SHAPE_CONVEX:
			return size + sizeof(Vec) * shape->n;
		case SHAPE_POLYGON:
			return size + sizeof(Vec) * ((size_t) shape->n + 1);
		default:
			{
				const Shape *operand = shape_operands(shape);

				for (uint32_t i = 0; i < shape->n; i++)
				{
					size += shape_size(operand);
					operand = shape_next(operand);
				}
				return size;
			}
	}
}

/* ---------------------------------------------------------------- circles */

/* sphgeom, Circle::squaredChordLengthFor() */
double
shape_chord2_of_angle(double angle)
{
	double		s;

	if (angle < 0)
		return -1;
	if (angle >= SKY_PI)
		return 4;
	s = sin(0.5 * angle);
	return 4.0 * s * s;
}

/* sphgeom, Circle::openingAngleFor() */
double
shape_angle_of_chord2(double chord2)
{
	if (chord2 < 0)
		return -1;
	if (chord2 >= 4)
		return SKY_PI;
	return 2.0 * asin(0.5 * sqrt(chord2));
}

void
shape_set_circle(Shape *shape, Vec center, double angle)
{
	ShapeCircle circle = {center, shape_chord2_of_angle(angle), angle};

	memset(shape, 0, sizeof(Shape));
	shape->kind = SHAPE_CIRCLE;
	memcpy(shape + 1, &circle, sizeof(circle));
}

/* --------------------------------------------------------------- ellipses */

/* v turned by an angle around a unit vector (Rodrigues' formula). */
static Vec
rotate(Vec v, Vec around, double angle)
{
	double		s = sin(angle);
	double		c = cos(angle);

	return vec_add(vec_add(vec_scale(v, c), vec_scale(vec_cross(around, v), s)),
				   vec_scale(around, vec_dot(around, v) * (1.0 - c)));
}

static Vec
north_from(Vec v)
{
	Vec			north = vec(-v.x * v.z, -v.y * v.z, v.x * v.x + v.y * v.y);

	if (vec_normalize(&north) == 0)
		return vec(-copysign(1.0, v.z), 0.0, 0.0);
	return north;
}

/*
 * Makes an ellipse from its centre, its semi-axes and the position angle of the
 * first of them, from north to east, all in radians.  false: no ellipse has
 * these axes; both have to be up to, or both over, a right angle (sphgeom's
 * constructor of Ellipse).
 */
bool
shape_set_ellipse(Shape *shape, Vec center, double alpha, double beta, double orientation)
{
	double		half = 0.5 * SKY_PI;
	ShapeEllipse ellipse;
	Vec			axis;
	Vec			other;

	if (alpha < 0 || beta < 0 || alpha >= SKY_PI || beta >= SKY_PI ||
		(alpha < half) != (beta < half) || (alpha == half) != (beta == half))
		return false;
	if ((alpha < half && alpha < beta) || (alpha > half && alpha > beta))
	{
		double		swap = alpha;

		alpha = beta;
		beta = swap;
		orientation += half;
	}
	axis = rotate(north_from(center), center, -orientation);
	vec_normalize(&axis);
	other = vec_cross(axis, center);
	vec_normalize(&other);
	ellipse.rows[0] = axis;
	ellipse.rows[1] = other;
	ellipse.rows[2] = center;
	ellipse.a = alpha - half;
	ellipse.b = beta - half;
	/* acos(cos(alpha) / cos(beta)), which would lose small ellipses' digits */
	ellipse.gamma = alpha == beta ? 0 :
		2.0 * asin(sqrt(fmax(0, fmin(1, sin(0.5 * (alpha + beta)) * sin(0.5 * (alpha - beta)) / cos(beta)))));
	ellipse.tan_a = fabs(tan(ellipse.a));
	ellipse.tan_b = fabs(tan(ellipse.b));

	memset(shape, 0, sizeof(Shape));
	shape->kind = SHAPE_ELLIPSE;
	memcpy(shape + 1, &ellipse, sizeof(ellipse));
	return true;
}

/* sphgeom, Ellipse::isEmpty() and Ellipse::isFull() */
bool
shape_ellipse_is_empty(const ShapeEllipse *e)
{
	return 0.5 * SKY_PI + e->a < e->gamma;
}

bool
shape_ellipse_is_full(const ShapeEllipse *e)
{
	return 0.5 * SKY_PI - e->a <= e->gamma;
}

/*
 * sphgeom, Ellipse::contains(): near the centre, and opposite it, the difference
 * is turned, which is more accurate.
 */
static bool
ellipse_contains(const ShapeEllipse *e, Vec v)
{
	Vec			center = e->rows[2];
	double		cosine = vec_dot(v, center);
	double		z0 = 0;
	double		x;
	double		y;
	double		z;
	double		d;

	if (shape_ellipse_is_empty(e) || shape_ellipse_is_full(e))
		return !shape_ellipse_is_empty(e);
	if (cosine > 0.5)
	{
		v = vec_subtract(v, center);
		z0 = 1;
	}
	else if (cosine < -0.5)
	{
		v = vec_add(v, center);
		z0 = -1;
	}
	x = vec_dot(e->rows[0], v) * e->tan_a;
	y = vec_dot(e->rows[1], v) * e->tan_b;
	z = vec_dot(e->rows[2], v) + z0;
	d = (x * x + y * y) - z * z;
	if (e->a > 0)
		return z >= 0 || d >= 0;
	return z >= 0 && d <= 0;
}

/* ------------------------------------------------------------------ boxes */

/* The size of an interval of longitudes (sphgeom, NormalizedAngle::getAngleTo()). */
double
shape_box_width(const ShapeBox *box)
{
	double		width = box->lon_b - box->lon_a;

	return width < 0 ? 2 * SKY_PI + width : width;
}

/* sphgeom, NormalizedAngle::center() */
double
shape_box_center_lon(const ShapeBox *box)
{
	double		center = 0.5 * (box->lon_a + box->lon_b);

	if (box->lon_a <= box->lon_b)
		return center;
	return center < SKY_PI ? center + SKY_PI : center - SKY_PI;
}

bool
shape_box_has_all_longitudes(const ShapeBox *box)
{
	return box->lon_a == 0 && box->lon_b == 2 * SKY_PI;
}

bool
shape_box_has_longitude(const ShapeBox *box, double lon)
{
	return box->lon_a > box->lon_b ? lon <= box->lon_b || lon >= box->lon_a :
		lon >= box->lon_a && lon <= box->lon_b;
}

/* sphgeom, Box::contains(LonLat) */
static bool
box_contains(const ShapeBox *box, Vec point)
{
	double		lat = vec_latitude(point);

	return lat >= box->lat_a && lat <= box->lat_b &&
		shape_box_has_longitude(box, vec_longitude(point));
}

/* --------------------------------------------------------------- polygons */

/*
 * Are the vertices, whose neighbours are distinct, those of a convex polygon,
 * counter-clockwise?  Each turn is to the left, or straight on; and all lie
 * within the angle at the first one, in which they come in order: so the way
 * goes around once.
 */
static bool
is_convex(const Vec *v, uint32_t n)
{
	bool		turns = false;

	for (uint32_t i = 0; i < n; i++)
	{
		int			turn = vec_orientation(v[i], v[(i + 1) % n], v[(i + 2) % n]);

		if (turn < 0)
			return false;
		turns |= turn > 0;
	}
	for (uint32_t i = 2; i < n; i++)
		if (vec_orientation(v[0], v[1], v[i]) < 0 ||
			vec_orientation(v[n - 1], v[0], v[i - 1]) < 0 ||
			vec_orientation(v[0], v[i - 1], v[i]) < 0)
			return false;
	return turns;
}

/*
 * Is a point of an edge's great circle between its ends, or at one?  Chords tell
 * in edges however short.
 */
static bool
is_between(Vec point, Vec a, Vec b)
{
	double		reach = vec_chord2(a, b);

	return vec_chord2(point, a) <= reach && vec_chord2(point, b) <= reach &&
		vec_dot(point, vec_add(a, b)) > 0;
}

/*
 * Do two edges have a point in common?  Exact.
 */
bool
shape_edges_meet(Vec a, Vec b, Vec c, Vec d)
{
	int			acd = vec_orientation(a, c, d);
	int			bdc = vec_orientation(b, d, c);
	int			cba = vec_orientation(c, b, a);
	int			dab = vec_orientation(d, a, b);

	if (acd != 0 && acd == bdc && acd == cba && acd == dab)
		return true;
	return (acd == 0 && is_between(a, c, d)) || (bdc == 0 && is_between(b, c, d)) ||
		(cba == 0 && is_between(c, a, b)) || (dab == 0 && is_between(d, a, b));
}

/*
 * Does the way from p to r cross the edge from a to b, and not its mirror image
 * on the other side of the sphere?  A vertex that lies just on the way counts as
 * left of it, for both its edges alike.  Neither p nor r is on the edge.
 */
static bool
way_crosses(Vec p, Vec r, Vec a, Vec b)
{
	bool		a_left = vec_orientation(p, r, a) >= 0;
	bool		b_left = vec_orientation(p, r, b) >= 0;
	int			p_side;
	int			r_side;

	if (a_left == b_left)
		return false;
	p_side = vec_orientation(a, b, p);
	r_side = vec_orientation(a, b, r);
	return p_side != r_side &&
		(a_left ? r_side >= 0 && p_side <= 0 : r_side <= 0 && p_side >= 0);
}

/*
 * A simple polygon: crossings of its edges on the way to a point inside.
 */
static bool
polygon_contains(const Vec *v, uint32_t n, Vec point)
{
	Vec			inside = v[n];
	bool		contained = true;

	for (uint32_t i = 0; i < n; i++)
	{
		Vec			a = v[i];
		Vec			b = v[(i + 1) % n];

		if (vec_orientation(a, b, point) == 0 && is_between(point, a, b))
			return true;
		if (way_crosses(point, inside, a, b))
			contained = !contained;
	}
	return contained;
}

static bool
convex_contains(const Vec *v, uint32_t n, Vec point)
{
	for (uint32_t i = 0; i < n; i++)
		if (vec_orientation(point, v[i == 0 ? n - 1 : i - 1], v[i]) < 0)
			return false;
	return true;
}

/*
 * The area of a spherical triangle, negative where it runs clockwise; accurate
 * for small ones, since the determinant is taken of differences.
 */
double
shape_triangle_area(Vec a, Vec b, Vec c)
{
	double		determinant = vec_dot(c, vec_cross(vec_subtract(a, c), vec_subtract(b, c)));

	return 2.0 * atan2(determinant, 1.0 + vec_dot(a, b) + vec_dot(b, c) + vec_dot(c, a));
}

/*
 * How far the way along a polygon's edges turns to the left in all, in radians:
 * 2 pi less the area on its left (Gauss and Bonnet).  Unlike triangles from one
 * of the vertices it is well conditioned wherever neighbours are distinct and
 * not opposite each other, and no vertex turns back.
 */
double
shape_polygon_turn(const Vec *v, uint32_t n)
{
	double		turn = 0;

	for (uint32_t i = 0; i < n; i++)
	{
		Vec			a = v[i];
		Vec			b = v[(i + 1) % n];
		Vec			c = v[(i + 2) % n];
		double		determinant = vec_dot(c, vec_cross(vec_subtract(a, c), vec_subtract(b, c)));

		/* each of the robust products is twice the other's length */
		turn += vec_orientation(a, b, c) *
			atan2(4.0 * fabs(determinant), vec_dot(vec_robust_cross(a, b), vec_robust_cross(b, c)));
	}
	return turn;
}

/* Does the way from a vertex to a point meet none of the edges on the other side? */
static bool
way_is_free(const Vec *v, uint32_t n, uint32_t vertex, Vec point)
{
	for (uint32_t i = 1; i + 1 < n; i++)
		if (shape_edges_meet(v[vertex], point, v[(vertex + i) % n], v[(vertex + i + 1) % n]))
			return false;
	return true;
}

/*
 * A point inside a simple polygon that runs counter-clockwise: within the
 * triangle at a convex vertex, or half way to the vertex there that is nearest.
 * Where a polygon is but a few digits wide, rounding may lead across it.
 */
static bool
find_inside(const Vec *v, uint32_t n, Vec *inside)
{
	for (uint32_t i = 0; i < n; i++)
	{
		Vec			a = v[(i + n - 1) % n];
		Vec			b = v[i];
		Vec			c = v[(i + 1) % n];
		double		farthest = 0;
		Vec			target = vec_add(a, c);
		Vec			base = vec_robust_cross(c, a);

		if (vec_orientation(a, b, c) <= 0)
			continue;
		/* of the vertices within the triangle the one farthest from its base */
		for (uint32_t j = 0; j < n; j++)
		{
			double		distance = vec_dot(base, v[j]);

			if (j == i || j == (i + n - 1) % n || j == (i + 1) % n)
				continue;
			if (vec_orientation(a, b, v[j]) > 0 && vec_orientation(b, c, v[j]) > 0 &&
				vec_orientation(c, a, v[j]) >= 0 && distance >= farthest)
			{
				farthest = distance;
				target = v[j];
			}
		}
		vec_normalize(&target);
		*inside = vec_add(b, target);
		if (vec_normalize(inside) > 0 && vec_orientation(a, b, *inside) > 0 &&
			vec_orientation(b, c, *inside) > 0 && way_is_free(v, n, i, *inside))
			return true;
	}
	return false;
}

static void
reverse(Vec *v, uint32_t n)
{
	for (uint32_t i = 0; i < n / 2; i++)
	{
		Vec			swap = v[i];

		v[i] = v[n - 1 - i];
		v[n - 1 - i] = swap;
	}
}

/* Vertices that are the same, or opposite each other, have no edge between. */
static bool
has_edge(Vec a, Vec b)
{
	return !vec_equal(a, b) && vec_chord2(a, vec_negate(b)) > 1e-28;
}

/*
 * Makes a polygon of the n vertices that stand behind a shape's header, if they
 * are those of a convex one, counter-clockwise.
 */
bool
shape_set_convex(Shape *shape, uint32_t n)
{
	const Vec  *v = (const Vec *) (shape + 1);

	memset(shape, 0, sizeof(Shape));
	shape->kind = SHAPE_CONVEX;
	shape->n = n;
	for (uint32_t i = 0; i < n; i++)
		if (!has_edge(v[i], v[(i + 1) % n]))
			return false;
	return n >= 3 && is_convex(v, n);
}

/*
 * Makes a polygon of the n vertices that stand behind a shape's header, with
 * room for one more.  They may come in either direction; the inside is where
 * the smaller area is, and on the left where both are equal.  What this made
 * stays as it is when it is made again.  Returns what is wrong, or NULL.
 */
const char *
shape_set_polygon(Shape *shape, uint32_t n)
{
	Vec		   *v = (Vec *) (shape + 1);

	if (n < 3)
		return "a polygon has at least three vertices";
	for (uint32_t i = 0; i < n; i++)
		if (!has_edge(v[i], v[(i + 1) % n]))
			return "two neighbouring vertices of the polygon are the same, or opposite each other";
	if (shape_set_convex(shape, n))
		return NULL;
	reverse(v, n);
	if (shape_set_convex(shape, n))
		return NULL;
	reverse(v, n);

	if (n > SHAPE_MAX_SIMPLE)
		return "a polygon that is not convex has too many vertices";
	for (uint32_t i = 0; i < n; i++)
		for (uint32_t j = i + 1; j < n; j++)
		{
			Vec			a = v[i];
			Vec			b = v[(i + 1) % n];
			Vec			c = v[j];
			Vec			d = v[(j + 1) % n];

			/* neighbours share a vertex, and nothing else */
			if (j == i + 1)
			{
				if (vec_orientation(a, b, d) == 0 && (is_between(d, a, b) || is_between(a, c, d)))
					return "the polygon turns back on itself";
			}
			else if (i == 0 && j == n - 1)
			{
				if (vec_orientation(c, a, b) == 0 && (is_between(b, c, d) || is_between(c, a, b)))
					return "the polygon turns back on itself";
			}
			else if (shape_edges_meet(a, b, c, d))
				return "the edges of the polygon cross or touch each other";
		}
	shape->kind = SHAPE_POLYGON;
	if (shape_polygon_turn(v, n) < -TURN_TOLERANCE)
		reverse(v, n);
	if (!find_inside(v, n, &v[n]))
		return "no point inside the polygon can be found";
	return NULL;
}

/* ----------------------------------------------------------------- points */

bool
shape_contains_point(const Shape *shape, Vec point)
{
	switch (shape->kind)
	{
		case SHAPE_POINT:
			return vec_equal(*shape_vertices(shape), point);
		case SHAPE_CIRCLE:
			return shape_circle(shape)->chord2 >= 4 ||
				vec_chord2(point, shape_circle(shape)->center) <= shape_circle(shape)->chord2;
		case SHAPE_BOX:
			return box_contains(shape_box(shape), point);
		case SHAPE_ELLIPSE:
			return ellipse_contains(shape_ellipse(shape), point);
		case SHAPE_CONVEX:
			return convex_contains(shape_vertices(shape), shape->n, point);
		case SHAPE_POLYGON:
			return polygon_contains(shape_vertices(shape), shape->n, point);
		default:
			{
				const Shape *operand = shape_operands(shape);
				bool		is_union = shape->kind == SHAPE_UNION;

				for (uint32_t i = 0; i < shape->n; i++)
				{
					if (shape_contains_point(operand, point) == is_union)
						return is_union;
					operand = shape_next(operand);
				}
				return !is_union;
			}
	}
}

/*
 * Does a shape, as it is written, contain no point at all?  An intersection
 * counts as empty here only where an operand is; see shape_intersects().
 */
bool
shape_is_empty(const Shape *shape)
{
	switch (shape->kind)
	{
		case SHAPE_CIRCLE:
			return !(shape_circle(shape)->chord2 >= 0);
		case SHAPE_BOX:
			return isnan(shape_box(shape)->lon_a);
		case SHAPE_ELLIPSE:
			return shape_ellipse_is_empty(shape_ellipse(shape));
		case SHAPE_UNION:
		case SHAPE_INTERSECTION:
			{
				const Shape *operand = shape_operands(shape);
				bool		is_union = shape->kind == SHAPE_UNION;

				for (uint32_t i = 0; i < shape->n; i++)
				{
					if (shape_is_empty(operand) != is_union)
						return !is_union;
					operand = shape_next(operand);
				}
				return is_union;
			}
		default:
			return false;
	}
}
