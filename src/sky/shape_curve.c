/*-------------------------------------------------------------------------
 *
 * src/sky/shape_curve.c
 *	  The curves that bound a shape, and where they cross.
 *
 *-------------------------------------------------------------------------
 */
#include "sky/shape_curve.h"

#include <string.h>

/* Rounding errors of a point on a curve, in radians. */
#define POINT_ERROR 4e-16

/* Those of where circles cross at a right angle, and of its parameter. */
#define CROSSING_ERROR 1e-15

/* An ellipse is looked at in so many steps; another curve crosses it up to
 * eight times. */
#define ELLIPSE_STEPS 96

/* Which of a box's four sides are curves: north, south, west, east. */
static int
box_sides(const ShapeBox *box, int sides[4])
{
	int			n = 0;

	if (isnan(box->lon_a))
		return 0;
	if (box->lat_b < 0.5 * SKY_PI)
		sides[n++] = 0;
	if (box->lat_a > -0.5 * SKY_PI)
		sides[n++] = 1;
	if (!shape_box_has_all_longitudes(box))
	{
		sides[n++] = 2;
		sides[n++] = 3;
	}
	return n;
}

/*
 * How many curves bound a shape that is neither a union nor an intersection.  A
 * point has none.
 */
uint32_t
shape_curve_count(const Shape *leaf)
{
	int			sides[4];

	switch (leaf->kind)
	{
		case SHAPE_CIRCLE:
			return shape_circle(leaf)->chord2 > 0 && shape_circle(leaf)->chord2 < 4 ? 1 : 0;
		case SHAPE_BOX:
			return box_sides(shape_box(leaf), sides);
		case SHAPE_ELLIPSE:
			return shape_ellipse_is_empty(shape_ellipse(leaf)) ||
				shape_ellipse_is_full(shape_ellipse(leaf)) ? 0 : 1;
		case SHAPE_CONVEX:
		case SHAPE_POLYGON:
			return leaf->n;
		default:
			return 0;
	}
}

/*
 * The arc about a normal.  from leads from the middle of the circle's plane, not
 * from the sphere's, to the first point: small circles keep their digits.
 */
static void
set_arc(Curve *curve, Vec normal, double chord2, Vec from, double length)
{
	curve->ellipse = NULL;
	curve->normal = normal;
	curve->chord2 = chord2;
	curve->from = from;
	curve->across = vec_cross(normal, from);
	curve->length = length;
	curve->whole = length >= 2 * SKY_PI;
}

static void
set_edge(Curve *curve, Vec a, Vec b)
{
	Vec			normal = vec_robust_cross(a, b);

	vec_normalize(&normal);
	set_arc(curve, normal, 2, a, vec_angle(a, b));
}

/* A parallel is a circle around the nearer pole. */
static void
set_box_side(Curve *curve, const ShapeBox *box, int side)
{
	double		lat = side == 0 ? box->lat_b : box->lat_a;
	double		lon = side == 2 ? box->lon_a : box->lon_b;
	double		begin = lat < 0 ? box->lon_b : box->lon_a;

	if (side >= 2)
		set_arc(curve, vec(sin(lon), -cos(lon), 0), 2, vec_from_radians(lon, box->lat_a),
				box->lat_b - box->lat_a);
	else
		set_arc(curve, vec(0, 0, lat < 0 ? -1 : 1), shape_chord2_of_angle(0.5 * SKY_PI - fabs(lat)),
				vec(cos(begin) * cos(lat), sin(begin) * cos(lat), 0),
				shape_box_has_all_longitudes(box) ? 2 * SKY_PI : shape_box_width(box));
}

void
shape_curve(const Shape *leaf, uint32_t i, Curve *curve)
{
	int			sides[4];

	switch (leaf->kind)
	{
		case SHAPE_CIRCLE:
			{
				const ShapeCircle *circle = shape_circle(leaf);
				Vec			normal = circle->center;
				Vec			aside = vec_orthogonal(normal, normal);

				set_arc(curve, normal, circle->chord2,
						vec_scale(aside, sqrt(circle->chord2 * (1.0 - 0.25 * circle->chord2))),
						2 * SKY_PI);
				return;
			}
		case SHAPE_BOX:
			box_sides(shape_box(leaf), sides);
			set_box_side(curve, shape_box(leaf), sides[i]);
			return;
		case SHAPE_ELLIPSE:
			curve->ellipse = shape_ellipse(leaf);
			curve->length = 2 * SKY_PI;
			curve->whole = true;
			return;
		default:
			set_edge(curve, shape_vertices(leaf)[i == 0 ? leaf->n - 1 : i - 1], shape_vertices(leaf)[i]);
			return;
	}
}

/*
 * The point of a curve at a parameter; of an ellipse in the direction t from its
 * centre, where it is as far as the tangents of the semi-axes say.
 */
Vec
curve_point(const Curve *curve, double t)
{
	Vec			point;

	if (curve->ellipse == NULL)
		point = vec_add(vec_scale(curve->normal, 1.0 - 0.5 * curve->chord2),
						vec_add(vec_scale(curve->from, cos(t)), vec_scale(curve->across, sin(t))));
	else
	{
		const ShapeEllipse *e = curve->ellipse;
		double		x = cos(t);
		double		y = sin(t);
		double		z = sqrt(x * x * e->tan_a * e->tan_a + y * y * e->tan_b * e->tan_b);

		point = vec_add(vec_add(vec_scale(e->rows[0], x), vec_scale(e->rows[1], y)),
						vec_scale(e->rows[2], e->a > 0 ? -z : z));
	}
	vec_normalize(&point);
	return point;
}

/*
 * How far is a point from a curve, drawn out to a circle; less than 0 outside.
 * For an arc, in units of the height over its plane.
 */
double
curve_side(const Curve *curve, Vec point)
{
	const ShapeEllipse *e = curve->ellipse;
	double		x;
	double		y;
	double		z;

	if (e == NULL)
		return curve->chord2 == 2 ? vec_dot(curve->normal, point) :
			0.5 * (curve->chord2 - vec_chord2(curve->normal, point));
	x = vec_dot(e->rows[0], point) * e->tan_a;
	y = vec_dot(e->rows[1], point) * e->tan_b;
	z = vec_dot(e->rows[2], point);
	/* not the square: the cone has another half, on the other side */
	return (e->a > 0 ? -z : z) - sqrt(x * x + y * y);
}

/* The radius of an arc's circle, in its plane. */
double
curve_radius(const Curve *arc)
{
	return sqrt(vec_dot(arc->from, arc->from));
}

/*
 * Is a point of an arc's circle, known but for an error, on the arc?  Sets its
 * parameter.
 */
static bool
arc_has(const Curve *arc, Vec point, double point_error, double *t)
{
	double		radius = curve_radius(arc);
	double		error = radius > point_error ? point_error / radius : SKY_PI;

	*t = atan2(vec_dot(point, arc->across), vec_dot(point, arc->from));
	if (*t < 0)
		*t += 2 * SKY_PI;
	if (arc->whole || *t <= arc->length)
		return true;
	if (*t - arc->length <= error)
		*t = arc->length;
	else if (2 * SKY_PI - *t <= error)
		*t = 0;
	else
		return false;
	return true;
}

/*
 * Is a point on an arc, but for the rounding of a crossing?  Sets its parameter.
 * Of a circle beyond a hemisphere the chord has lost digits.
 */
static bool
on_arc(const Curve *arc, Vec point, double *t)
{
	double		digits = arc->chord2 > 2 ? 1 : curve_radius(arc);

	return fabs(curve_side(arc, point)) <= 4 * CROSSING_ERROR * digits &&
		arc_has(arc, point, CROSSING_ERROR, t);
}

/*
 * Which of two circles is the smaller one?  The same one, whichever comes first,
 * where they are alike: a crossing is to be found from both sides.
 */
static const Curve *
smaller(const Curve *a, const Curve *b)
{
	double		radius_a = curve_radius(a);
	double		radius_b = curve_radius(b);

	if (radius_a == radius_b)
		return memcmp(&a->normal, &b->normal, sizeof(Vec)) < 0 ? a : b;
	return radius_a < radius_b ? a : b;
}

/*
 * The planes of two arcs have a line in common, which meets the sphere at up to
 * two points; where it but touches it, rounding must not lose them.
 *
 * Points are sought as differences y from a point o of the smaller circle, which
 * keeps the digits of small circles near one another: of each plane n the
 * equation n.y = h, and 2 o.y + y.y = 0 of the sphere.  The line's nearest point
 * is taken apart along the normals' sum and difference, which are orthogonal but
 * for the rounding of the normals; and that counts where they are close.
 */
static int
arc_crossings(const Curve *a, const Curve *b, double parameters[MAX_CROSSINGS])
{
	const Curve *small = smaller(a, b);
	Vec			origin = curve_point(small, 0);
	Vec			half_sum = vec_scale(vec_add(a->normal, b->normal), 0.5);
	Vec			difference = vec_subtract(b->normal, a->normal);
	Vec			line = vec_cross(half_sum, difference);
	double		line2 = vec_dot(line, line);
	double		height_a = -curve_side(a, origin);
	double		height_b = -curve_side(b, origin);
	double		sum2 = vec_dot(half_sum, half_sum);
	double		skew = vec_dot(half_sum, difference);
	double		along;
	Vec			nearest;
	double		middle;
	double		square;
	double		error;
	int			n = 0;

	if (line2 < 1e-60 || vec_dot(difference, difference) < 1e-30 || sum2 < 1e-30)
		return 0;
	along = 0.5 * (height_a + height_b) / sum2;
	difference = vec_subtract(difference, vec_scale(half_sum, skew / sum2));
	nearest = vec_add(vec_scale(half_sum, along),
					  vec_scale(difference, (height_b - height_a - along * skew) / vec_dot(difference, difference)));
	middle = -vec_dot(origin, line) / line2;
	/* half the way between the two points, squared, in units of the line */
	square = middle * middle - (vec_dot(nearest, nearest) + 2 * vec_dot(origin, nearest)) / line2;
	if (square * line2 < -1e-15 * curve_radius(small))
		return 0;
	/* the flatter they cross, the farther along them a rounding error moves the point */
	error = CROSSING_ERROR / sqrt(fmin(line2, 1));
	for (int sign = -1; sign <= 1; sign += 2)
	{
		Vec			point = vec_add(origin, vec_add(nearest, vec_scale(line, middle + sign * sqrt(fmax(0, square)))));
		double		on_a;
		double		on_b;
		double		moved;

		vec_normalize(&point);
		if (!arc_has(a, point, error, &on_a) || !arc_has(b, point, error, &on_b))
			continue;
		/* it may have been moved to the end of one, far from the other */
		if (on_arc(b, curve_point(a, on_a), &moved))
			parameters[n++] = on_a;
		else if (on_arc(a, curve_point(b, on_b), &moved))
			parameters[n++] = moved;
	}
	return n;
}

typedef struct Probe
{
	const Curve *curve;
	const Curve *other;
} Probe;

static double
probe(const Probe *p, double t)
{
	return curve_side(p->other, curve_point(p->curve, t));
}

/* Where the sign changes between two parameters. */
static double
bisect(const Probe *p, double low, double high)
{
	bool		low_positive = probe(p, low) > 0;

	for (int i = 0; i < 60; i++)
	{
		double		middle = 0.5 * (low + high);

		if ((probe(p, middle) > 0) == low_positive)
			low = middle;
		else
			high = middle;
	}
	return 0.5 * (low + high);
}

/* Where the distance is least between two parameters (golden section). */
static double
nearest(const Probe *p, double low, double high)
{
	const double golden = 0.6180339887498949;

	for (int i = 0; i < 50; i++)
	{
		double		left = high - golden * (high - low);
		double		right = low + golden * (high - low);

		if (fabs(probe(p, left)) < fabs(probe(p, right)))
			high = right;
		else
			low = left;
	}
	return 0.5 * (low + high);
}

/*
 * Crossings of an ellipse: by the signs along it, and between them by where it
 * comes nearest, which may be over and back.  Sets the parameters on the ellipse
 * and, where the other curve is an arc, on that.
 */
static int
ellipse_crossings(const Curve *curve, const Curve *other,
				  double parameters[MAX_CROSSINGS], double on_other[MAX_CROSSINGS])
{
	Probe		p = {curve, other};
	double		step = curve->length / ELLIPSE_STEPS;
	/* the rounding of a point, in the units of curve_side() */
	double		touching = POINT_ERROR * (other->ellipse == NULL ? curve_radius(other) :
										  1 + fmax(other->ellipse->tan_a, other->ellipse->tan_b));
	double		found[MAX_CROSSINGS];
	int			n = 0;
	int			kept = 0;

	for (int i = 0; i < ELLIPSE_STEPS && n < MAX_CROSSINGS - 2; i++)
	{
		double		t = step * i;
		double		here = probe(&p, t);
		double		next = probe(&p, t + step);
		double		turn;
		double		there;

		if ((here > 0) != (next > 0))
		{
			found[n++] = bisect(&p, t, t + step);
			continue;
		}
		/* does it come nearer in between than at either end? */
		if (fabs(probe(&p, t + 1e-3 * step)) > fabs(here) ||
			fabs(probe(&p, t + (1 - 1e-3) * step)) > fabs(next))
			continue;
		turn = nearest(&p, t, t + step);
		there = probe(&p, turn);
		if ((there > 0) != (here > 0))
		{
			found[n++] = bisect(&p, t, turn);
			found[n++] = bisect(&p, turn, t + step);
		}
		else if (fabs(there) <= touching)
			found[n++] = turn;
	}
	for (int i = 0; i < n; i++)
		if (other->ellipse != NULL || arc_has(other, curve_point(curve, found[i]), POINT_ERROR, &on_other[kept]))
			parameters[kept++] = found[i];
	return kept;
}

/*
 * Where, in parameters of the first curve, two curves cross or touch each other.
 * Curves that are the same in part have no crossings there.
 */
int
curve_crossings(const Curve *curve, const Curve *other, double parameters[MAX_CROSSINGS])
{
	double		on_other[MAX_CROSSINGS];

	if (curve->ellipse != NULL)
		return ellipse_crossings(curve, other, parameters, on_other);
	if (other->ellipse != NULL)
		return ellipse_crossings(other, curve, on_other, parameters);
	return arc_crossings(curve, other, parameters);
}
