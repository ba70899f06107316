/*-------------------------------------------------------------------------
 *
 * src/sky/shape_relate.c
 *	  Whether shapes intersect, and whether one contains another.
 *
 * Polygons, circles and points are compared with one another directly: polygons
 * exactly, circles with edges as sphgeom does it.  All other cases go by the
 * curves that bound the shapes.  A set of shapes that are closed has a common
 * point if and only if one of these is common to all: a point where two curves
 * cross, the end of a curve, any point of one that has no end, or any point at
 * all of a shape without a boundary.
 *
 * Unions among the operands are taken apart first, so that what is compared is
 * a list of simple shapes that a point has to be in all of: a conjunction.
 *
 *-------------------------------------------------------------------------
 */
#ifdef SKY_STANDALONE
#include <stdlib.h>
#define palloc malloc
#define repalloc realloc
#define pfree free
#define CHECK_FOR_INTERRUPTS()	((void) 0)
#else
#include "postgres.h"

#include "miscadmin.h"
#endif

#include <string.h>

#include "sky/shape.h"
#include "sky/shape_curve.h"

/* What is nearer than this to a boundary, in radians, is on it, where two
 * boundaries run together. */
#define BOUNDARY 4e-15

/* ---------------------------------------------------------- conjunctions */

typedef struct Conjunction
{
	const Shape **leaves;
	int			n;
} Conjunction;

typedef bool (*ConjunctionTest) (const Conjunction *leaves, const void *arg);

static int
count_leaves(const Shape *shape)
{
	const Shape *operand = shape_operands(shape);
	int			n = 0;

	if (!shape_is_compound(shape))
		return 1;
	for (uint32_t i = 0; i < shape->n; i++)
	{
		n += count_leaves(operand);
		operand = shape_next(operand);
	}
	return n;
}

/*
 * Is there, among the conjunctions that some shapes together stand for, one that
 * passes a test?
 */
static bool
any_conjunction(const Shape **pending, int n_pending, Conjunction *leaves,
				ConjunctionTest test, const void *arg)
{
	const Shape *shape;
	const Shape **below;
	const Shape *operand;
	bool		found = false;

	CHECK_FOR_INTERRUPTS();
	if (n_pending == 0)
		return test(leaves, arg);
	shape = pending[n_pending - 1];
	if (!shape_is_compound(shape))
	{
		leaves->leaves[leaves->n++] = shape;
		found = any_conjunction(pending, n_pending - 1, leaves, test, arg);
		leaves->n--;
		return found;
	}

	below = palloc(sizeof(Shape *) * (n_pending + (size_t) shape->n));
	for (int i = 0; i < n_pending - 1; i++)
		below[i] = pending[i];
	operand = shape_operands(shape);
	for (uint32_t i = 0; i < shape->n && !found; i++)
	{
		if (shape->kind == SHAPE_UNION)
		{
			below[n_pending - 1] = operand;
			found = any_conjunction(below, n_pending, leaves, test, arg);
		}
		else
			below[n_pending - 1 + i] = operand;
		operand = shape_next(operand);
	}
	if (shape->kind == SHAPE_INTERSECTION)
		found = any_conjunction(below, n_pending - 1 + (int) shape->n, leaves, test, arg);
	pfree(below);
	return found;
}

static bool
any_conjunction_of(const Shape *a, const Shape *b, ConjunctionTest test, const void *arg)
{
	const Shape *pending[2] = {a, b};
	Conjunction leaves;
	bool		found;

	leaves.n = 0;
	leaves.leaves = palloc(sizeof(Shape *) * (count_leaves(a) + (b != NULL ? count_leaves(b) : 0) + 1));
	found = any_conjunction(pending, b != NULL ? 2 : 1, &leaves, test, arg);
	pfree(leaves.leaves);
	return found;
}

/* ---------------------------------------------------- polygons and circles */

static bool
is_polygon(const Shape *shape)
{
	return shape->kind == SHAPE_CONVEX || shape->kind == SHAPE_POLYGON;
}

static Vec
edge_begin(const Shape *polygon, uint32_t i)
{
	return shape_vertices(polygon)[i == 0 ? polygon->n - 1 : i - 1];
}

static Vec
edge_end(const Shape *polygon, uint32_t i)
{
	return shape_vertices(polygon)[i];
}

/*
 * The squared chord from v to the nearest point between the ends of an edge, or
 * to the farthest; 4, or 0, where an end is nearer, or farther, than all of
 * them (sphgeom's getMinSquaredChordLength() and getMaxSquaredChordLength()).
 */
double
shape_chord2_to_edge(Vec v, Vec a, Vec b, bool farthest)
{
	Vec			n = vec_robust_cross(a, b);
	Vec			cross = vec_cross(v, n);
	double		at_a = vec_dot(cross, a);
	double		at_b = vec_dot(cross, b);
	double		s = fabs(vec_dot(v, n));
	double		c = sqrt(vec_dot(cross, cross));
	double		half_sine;

	if (farthest ? !(at_a < 0 && at_b > 0) : !(at_a > 0 && at_b < 0))
		return farthest ? 0 : 4;
	half_sine = sin(0.5 * atan2(s, farthest ? -c : c));
	return 4.0 * half_sine * half_sine;
}

static bool
any_vertex_in(const Shape *polygon, const Shape *shape)
{
	for (uint32_t i = 0; i < polygon->n; i++)
		if (shape_contains_point(shape, shape_vertices(polygon)[i]))
			return true;
	return false;
}

static bool
all_vertices_in(const Shape *polygon, const Shape *shape)
{
	for (uint32_t i = 0; i < polygon->n; i++)
		if (!shape_contains_point(shape, shape_vertices(polygon)[i]))
			return false;
	return true;
}

/* Exact (as sphgeom's relate() of two polygons). */
static bool
polygons_intersect(const Shape *a, const Shape *b)
{
	if (any_vertex_in(a, b) || any_vertex_in(b, a))
		return true;
	for (uint32_t i = 0; i < a->n; i++)
		for (uint32_t j = 0; j < b->n; j++)
			if (shape_edges_meet(edge_begin(a, i), edge_end(a, i), edge_begin(b, j), edge_end(b, j)))
				return true;
	return false;
}

static bool
polygon_meets_circle(const Shape *polygon, const Shape *circle_shape)
{
	const ShapeCircle *circle = shape_circle(circle_shape);

	if (circle->chord2 >= 4 || any_vertex_in(polygon, circle_shape) ||
		shape_contains_point(polygon, circle->center))
		return true;
	for (uint32_t i = 0; i < polygon->n; i++)
		if (shape_chord2_to_edge(circle->center, edge_begin(polygon, i), edge_end(polygon, i), false) <= circle->chord2)
			return true;
	return false;
}

/* The angles of circles, as far as the rounding of a chord goes. */
static bool
circles_intersect(const ShapeCircle *a, const ShapeCircle *b)
{
	return vec_angle(a->center, b->center) <= a->angle + b->angle + BOUNDARY ||
		a->chord2 >= 4 || b->chord2 >= 4;
}

static bool
circle_contains_circle(const ShapeCircle *a, const ShapeCircle *b)
{
	if (a->chord2 >= 4)
		return true;
	return vec_angle(a->center, b->center) + b->angle <= a->angle + BOUNDARY && b->chord2 < 4;
}

/*
 * A circle up to a hemisphere is convex; in a larger one an edge may bulge out
 * over the cap that is left out, or the polygon may contain that.
 */
static bool
circle_contains_polygon(const Shape *circle_shape, const Shape *polygon)
{
	const ShapeCircle *circle = shape_circle(circle_shape);

	if (!all_vertices_in(polygon, circle_shape))
		return false;
	if (circle->chord2 <= 2 || circle->chord2 >= 4)
		return true;
	for (uint32_t i = 0; i < polygon->n; i++)
		if (shape_chord2_to_edge(circle->center, edge_begin(polygon, i), edge_end(polygon, i), true) > circle->chord2)
			return false;
	return !shape_contains_point(polygon, vec_negate(circle->center));
}

static bool
polygon_contains_circle(const Shape *polygon, const Shape *circle_shape)
{
	const ShapeCircle *circle = shape_circle(circle_shape);

	if (circle->chord2 >= 4 || !shape_contains_point(polygon, circle->center))
		return false;
	if (circle->chord2 == 0)
		return true;
	for (uint32_t i = 0; i < polygon->n; i++)
	{
		Vec			a = edge_begin(polygon, i);
		Vec			b = edge_end(polygon, i);

		if (vec_chord2(circle->center, b) < circle->chord2 ||
			shape_chord2_to_edge(circle->center, a, b, false) < circle->chord2)
			return false;
	}
	return true;
}

/* ------------------------------------------------------------ boundaries */

/*
 * Points of a shape: one inside, where that is easily had, and one of each of its
 * boundary's pieces.
 */
static uint32_t
sample_count(const Shape *leaf)
{
	return 1 + shape_curve_count(leaf);
}

static Vec
sample(const Shape *leaf, uint32_t i)
{
	Curve		curve;

	if (i > 0)
	{
		if (is_polygon(leaf))
			return shape_vertices(leaf)[i - 1];
		shape_curve(leaf, i - 1, &curve);
		return curve_point(&curve, 0);
	}
	switch (leaf->kind)
	{
		case SHAPE_CIRCLE:
			return shape_circle(leaf)->center;
		case SHAPE_ELLIPSE:
			return shape_ellipse(leaf)->rows[2];
		case SHAPE_POLYGON:
			return shape_vertices(leaf)[leaf->n];
		case SHAPE_BOX:
			return vec_from_radians(shape_box_center_lon(shape_box(leaf)),
									0.5 * (shape_box(leaf)->lat_a + shape_box(leaf)->lat_b));
		default:
			/* the middle of a small polygon has few digits: a vertex */
			return *shape_vertices(leaf);
	}
}

/*
 * So far along a curve's normal a point near the curve moves by BOUNDARY: farther
 * where the curve is a parallel near a pole, which the normal leads to.
 */
static double
boundary_step(const Curve *curve)
{
	return curve->chord2 == 2 ? BOUNDARY : BOUNDARY / fmax(curve_radius(curve), 1e-9);
}

/* Is a point in a box, or hardly outside of it?  The box may have no inside. */
static bool
nearly_in_box(const ShapeBox *box, Vec point)
{
	double		lat = vec_latitude(point);
	double		error = BOUNDARY / fmax(cos(lat), BOUNDARY / SKY_PI);
	double		from_a = fmod(vec_longitude(point) - box->lon_a + 4 * SKY_PI, 2 * SKY_PI);

	return lat >= box->lat_a - BOUNDARY && lat <= box->lat_b + BOUNDARY &&
		(shape_box_has_all_longitudes(box) || from_a <= shape_box_width(box) + error ||
		 from_a >= 2 * SKY_PI - error);
}

/* Is a point in a shape, or hardly outside of it? */
static bool
nearly_in(const Shape *leaf, Vec point)
{
	Curve		curve;

	if (shape_contains_point(leaf, point))
		return true;
	if (leaf->kind == SHAPE_POINT)
		return vec_chord2(*shape_vertices(leaf), point) <= BOUNDARY * BOUNDARY;
	if (leaf->kind == SHAPE_BOX)
		return !shape_is_empty(leaf) && nearly_in_box(shape_box(leaf), point);
	/* the point of a curve that is nearest is where it would be moved to */
	for (uint32_t i = 0; i < shape_curve_count(leaf); i++)
	{
		Vec			moved;

		shape_curve(leaf, i, &curve);
		if (curve.ellipse != NULL || leaf->kind == SHAPE_CIRCLE)
		{
			Vec			inwards = vec_subtract(sample(leaf, 0), point);

			if (vec_normalize(&inwards) == 0)
				continue;
			moved = vec_add(point, vec_scale(inwards, BOUNDARY));
		}
		else
		{
			/* an edge's inside is on the side of its normal */
			if (fabs(curve_side(&curve, point)) > BOUNDARY)
				continue;
			moved = vec_add(point, vec_scale(curve.normal, boundary_step(&curve)));
		}
		if (shape_contains_point(leaf, moved))
			return true;
	}
	return false;
}

static bool
in_all_but(const Conjunction *leaves, Vec point, int one)
{
	for (int k = 0; k < leaves->n; k++)
		if (k != one && !shape_contains_point(leaves->leaves[k], point))
			return false;
	return true;
}

/*
 * The same for a crossing of two curves, which is not where it is to the last
 * bit: a third boundary may pass there too, if only because a shape is there
 * twice.
 */
static bool
nearly_in_all_but(const Conjunction *leaves, Vec point, int one, int other)
{
	for (int k = 0; k < leaves->n; k++)
		if (k != one && k != other && !nearly_in(leaves->leaves[k], point))
			return false;
	return true;
}

static bool tree_has(const Shape *shape, Vec point, const Shape *outside);

static bool
crossing_counts(const Conjunction *leaves, Vec point, int i, int j, const Shape *outside_of)
{
	return nearly_in_all_but(leaves, point, i, j) &&
		(outside_of == NULL || !tree_has(outside_of, point, NULL));
}

/*
 * Is a crossing of the curves of two of the leaves in all the others?  And not in
 * a shape, if one is named.
 */
static bool
crossing_in_all(const Conjunction *leaves, int i, int j, const Shape *outside_of)
{
	const Shape *a = leaves->leaves[i];
	const Shape *b = leaves->leaves[j];
	Curve		curve;
	Curve		other;
	double		parameters[MAX_CROSSINGS];

	for (uint32_t k = 0; k < shape_curve_count(a); k++)
	{
		CHECK_FOR_INTERRUPTS();
		shape_curve(a, k, &curve);
		for (uint32_t l = 0; l < shape_curve_count(b); l++)
		{
			int			n;

			shape_curve(b, l, &other);
			n = curve_crossings(&curve, &other, parameters);
			for (int m = 0; m < n; m++)
				if (crossing_counts(leaves, curve_point(&curve, parameters[m]), i, j, outside_of))
					return true;
			/* those of two ellipses are sought along one, and may be seen from the other only */
			if (curve.ellipse == NULL || other.ellipse == NULL)
				continue;
			n = curve_crossings(&other, &curve, parameters);
			for (int m = 0; m < n; m++)
				if (crossing_counts(leaves, curve_point(&other, parameters[m]), i, j, outside_of))
					return true;
		}
	}
	return false;
}

static bool
any_crossing_in_all(const Conjunction *leaves, const Shape *outside_of)
{
	for (int i = 0; i < leaves->n; i++)
		for (int j = i + 1; j < leaves->n; j++)
			if (crossing_in_all(leaves, i, j, outside_of))
				return true;
	return false;
}

/*
 * Have the leaves a point in common?  By their boundaries.
 */
static bool
have_common_point(const Conjunction *leaves)
{
	if (leaves->n == 0)
		return true;
	for (int i = 0; i < leaves->n; i++)
		for (uint32_t k = 0; k < sample_count(leaves->leaves[i]); k++)
			if (in_all_but(leaves, sample(leaves->leaves[i], k), i))
				return true;
	return any_crossing_in_all(leaves, NULL);
}

/*
 * Are even the circles around two shapes apart?
 */
static bool
are_far_apart(const Shape *a, const Shape *b)
{
	ShapeCircle around_a = shape_bounding_circle(a);
	ShapeCircle around_b = shape_bounding_circle(b);

	return around_a.chord2 >= 0 && around_b.chord2 >= 0 &&
		vec_angle(around_a.center, around_b.center) > around_a.angle + around_b.angle + 1e-12;
}

static bool
pair_intersects(const Shape *a, const Shape *b)
{
	Conjunction leaves;
	const Shape *pair[2] = {a, b};

	if (a->kind == SHAPE_POINT)
		return shape_contains_point(b, *shape_vertices(a));
	if (b->kind == SHAPE_POINT)
		return shape_contains_point(a, *shape_vertices(b));
	if (is_polygon(a) && is_polygon(b))
		return polygons_intersect(a, b);
	if (is_polygon(a) && b->kind == SHAPE_CIRCLE)
		return polygon_meets_circle(a, b);
	if (is_polygon(b) && a->kind == SHAPE_CIRCLE)
		return polygon_meets_circle(b, a);
	if (a->kind == SHAPE_CIRCLE && b->kind == SHAPE_CIRCLE)
		return circles_intersect(shape_circle(a), shape_circle(b));
	if (are_far_apart(a, b))
		return false;
	leaves.leaves = pair;
	leaves.n = 2;
	return have_common_point(&leaves);
}

static bool
conjunction_intersects(const Conjunction *leaves, const void *arg)
{
	for (int i = 0; i < leaves->n; i++)
		if (shape_is_empty(leaves->leaves[i]))
			return false;
	if (leaves->n == 2)
		return pair_intersects(leaves->leaves[0], leaves->leaves[1]);
	return have_common_point(leaves);
}

/*
 * Have two shapes a point in common, be it one of their boundaries?
 */
bool
shape_intersects(const Shape *a, const Shape *b)
{
	if (!shape_is_compound(a) && !shape_is_compound(b))
		return !shape_is_empty(a) && !shape_is_empty(b) && pair_intersects(a, b);
	return !are_far_apart(a, b) && any_conjunction_of(a, b, conjunction_intersects, NULL);
}

/*
 * Does a shape contain any point at all?  Unlike shape_is_empty() it finds out
 * whether the operands of an intersection meet.
 */
bool
shape_has_points(const Shape *shape)
{
	if (!shape_is_compound(shape))
		return !shape_is_empty(shape);
	return any_conjunction_of(shape, NULL, conjunction_intersects, NULL);
}

/* ---------------------------------------------------------------- contains */

/* Is a point in a shape, and not just hardly? */
static bool
well_in(const Shape *leaf, Vec point)
{
	Curve		curve;

	if (!shape_contains_point(leaf, point))
		return false;
	for (uint32_t i = 0; i < shape_curve_count(leaf); i++)
	{
		shape_curve(leaf, i, &curve);
		if (curve.ellipse != NULL || leaf->kind == SHAPE_CIRCLE)
		{
			Vec			outwards = vec_subtract(point, sample(leaf, 0));

			if (vec_normalize(&outwards) > 0 &&
				!shape_contains_point(leaf, vec_add(point, vec_scale(outwards, BOUNDARY))))
				return false;
		}
		else if (!shape_contains_point(leaf, vec_add(point, vec_scale(curve.normal, boundary_step(&curve)))) ||
				 !shape_contains_point(leaf, vec_subtract(point, vec_scale(curve.normal, boundary_step(&curve)))))
			return false;
	}
	return true;
}

/*
 * Is a point in a shape, or hardly outside?  A leaf named counts as one that the
 * point is outside of.
 */
static bool
tree_has(const Shape *shape, Vec point, const Shape *outside)
{
	const Shape *operand = shape_operands(shape);
	bool		is_union = shape->kind == SHAPE_UNION;

	if (!shape_is_compound(shape))
		return shape != outside && nearly_in(shape, point);
	for (uint32_t i = 0; i < shape->n; i++)
	{
		if (tree_has(operand, point, outside) == is_union)
			return is_union;
		operand = shape_next(operand);
	}
	return !is_union;
}

typedef struct Cuts
{
	double	   *parameters;
	int			n;
	int			allocated;
} Cuts;

static void
add_cuts(Cuts *cuts, const double *parameters, int n)
{
	if (cuts->n + n > cuts->allocated)
	{
		cuts->allocated = 2 * (cuts->n + n);
		cuts->parameters = repalloc(cuts->parameters, sizeof(double) * cuts->allocated);
	}
	for (int i = 0; i < n; i++)
		cuts->parameters[cuts->n++] = parameters[i];
}

static void
cut_by_leaf(Cuts *cuts, const Curve *curve, const Shape *leaf)
{
	double		parameters[MAX_CROSSINGS];
	Curve		other;

	for (uint32_t i = 0; i < shape_curve_count(leaf); i++)
	{
		shape_curve(leaf, i, &other);
		add_cuts(cuts, parameters, curve_crossings(curve, &other, parameters));
	}
}

static void
cut_by_tree(Cuts *cuts, const Curve *curve, const Shape *shape)
{
	const Shape *operand = shape_operands(shape);

	if (!shape_is_compound(shape))
	{
		cut_by_leaf(cuts, curve, shape);
		return;
	}
	for (uint32_t i = 0; i < shape->n; i++)
	{
		cut_by_tree(cuts, curve, operand);
		operand = shape_next(operand);
	}
}

static int
compare_parameters(const void *a, const void *b)
{
	double		x = *(const double *) a;
	double		y = *(const double *) b;

	return (x > y) - (x < y);
}

/* What piece_is_wrong() needs to know. */
typedef struct Containment
{
	const Shape *outer;
	const Conjunction *inner;
	int			own;			/* the leaf of inner that the curve is of; -1 */
	const Shape *own_outer;		/* the leaf of outer that the curve is of */
	bool		has_boundary;	/* inner has a piece of one of its own curves */
} Containment;

/*
 * Does a point within a piece of a boundary show that something of the inner
 * shape is outside of the outer one?  On the inner one's boundary, if it is
 * outside; on the outer one's, if it is well inside of the inner one and only
 * this boundary makes it belong to the outer one.
 */
static bool
point_is_wrong(Containment *c, Vec point)
{
	for (int i = 0; i < c->inner->n; i++)
		if (i != c->own && !(c->own_outer != NULL ? well_in(c->inner->leaves[i], point) :
							 shape_contains_point(c->inner->leaves[i], point)))
			return false;
	c->has_boundary |= c->own >= 0;
	return !tree_has(c->outer, point, c->own_outer);
}

/*
 * Cuts a curve wherever another boundary crosses it, and looks at a point of
 * each piece.
 */
static bool
curve_is_wrong(Containment *c, const Curve *curve)
{
	Cuts		cuts;
	double		ends[2] = {0, curve->length};
	bool		wrong = false;

	CHECK_FOR_INTERRUPTS();
	cuts.n = 0;
	cuts.allocated = 16;
	cuts.parameters = palloc(sizeof(double) * cuts.allocated);
	add_cuts(&cuts, ends, 2);
	for (int i = 0; i < c->inner->n; i++)
		if (i != c->own)
			cut_by_leaf(&cuts, curve, c->inner->leaves[i]);
	cut_by_tree(&cuts, curve, c->outer);
	qsort(cuts.parameters, cuts.n, sizeof(double), compare_parameters);
	for (int i = 0; i + 1 < cuts.n && !wrong; i++)
	{
		double		from = cuts.parameters[i];
		double		to = cuts.parameters[i + 1];

		if (to - from > 1e-7 * curve->length)
			wrong = point_is_wrong(c, curve_point(curve, 0.5 * (from + to)));
	}
	pfree(cuts.parameters);
	return wrong;
}

static bool
outer_curves_are_wrong(const Shape *shape, Containment *c)
{
	const Shape *operand = shape_operands(shape);
	Curve		curve;

	if (!shape_is_compound(shape))
	{
		c->own = -1;
		c->own_outer = shape;
		for (uint32_t i = 0; i < shape_curve_count(shape); i++)
		{
			shape_curve(shape, i, &curve);
			if (curve_is_wrong(c, &curve))
				return true;
		}
		return false;
	}
	for (uint32_t i = 0; i < shape->n; i++)
	{
		if (outer_curves_are_wrong(operand, c))
			return true;
		operand = shape_next(operand);
	}
	return false;
}

/*
 * Is a part of the inner leaves' common points outside of the outer shape?  By
 * the boundaries.
 */
static bool
sticks_out(const Shape *outer, const Conjunction *inner)
{
	Containment c = {outer, inner, -1, NULL, false};
	Curve		curve;

	for (int i = 0; i < inner->n; i++)
	{
		const Shape *leaf = inner->leaves[i];

		for (uint32_t k = 0; k < sample_count(leaf); k++)
		{
			Vec			point = sample(leaf, k);

			/* the corners of a box without an inside are not in it to the last bit */
			if ((leaf->kind == SHAPE_BOX || shape_contains_point(leaf, point)) &&
				in_all_but(inner, point, i) && !tree_has(outer, point, NULL))
				return true;
		}
		c.own = i;
		for (uint32_t k = 0; k < shape_curve_count(leaf); k++)
		{
			shape_curve(leaf, k, &curve);
			if (curve_is_wrong(&c, &curve))
				return true;
		}
	}
	/* leaves that but touch have single points in common, which are no pieces */
	if (!c.has_boundary && any_crossing_in_all(inner, outer))
		return true;
	return outer_curves_are_wrong(outer, &c);
}

static bool
pair_contains(const Shape *outer, const Shape *inner, bool *known)
{
	*known = true;
	if (inner->kind == SHAPE_POINT)
		return shape_contains_point(outer, *shape_vertices(inner));
	if (inner->kind == SHAPE_CIRCLE && shape_circle(inner)->chord2 == 0)
		return shape_contains_point(outer, shape_circle(inner)->center);
	if (outer->kind == SHAPE_POINT)
		return false;
	if (outer->kind == SHAPE_CONVEX && is_polygon(inner))
		return all_vertices_in(inner, outer);
	if (outer->kind == SHAPE_CIRCLE && is_polygon(inner))
		return circle_contains_polygon(outer, inner);
	if (is_polygon(outer) && inner->kind == SHAPE_CIRCLE)
		return polygon_contains_circle(outer, inner);
	if (outer->kind == SHAPE_CIRCLE && inner->kind == SHAPE_CIRCLE)
		return circle_contains_circle(shape_circle(outer), shape_circle(inner));
	*known = false;
	return false;
}

static bool
conjunction_sticks_out(const Conjunction *inner, const void *arg)
{
	const Shape *outer = arg;

	for (int i = 0; i < inner->n; i++)
		if (shape_is_empty(inner->leaves[i]))
			return false;
	if (inner->n == 0)
	{
		double		sphere[(sizeof(Shape) + sizeof(ShapeCircle)) / sizeof(double)];
		const Shape *leaf = (const Shape *) sphere;
		Conjunction all = {&leaf, 1};

		shape_set_circle((Shape *) sphere, vec(1, 0, 0), SKY_PI);
		return sticks_out(outer, &all);
	}
	if (inner->n == 1 && !shape_is_compound(outer))
	{
		bool		known;
		bool		contains = pair_contains(outer, inner->leaves[0], &known);

		if (known)
			return !contains;
	}
	if (inner->n == 1 && inner->leaves[0]->kind == SHAPE_POINT)
		return !shape_contains_point(outer, *shape_vertices(inner->leaves[0]));
	return sticks_out(outer, inner);
}

/*
 * Does one shape contain all of another, boundaries included?  An empty one is
 * contained in all.
 */
bool
shape_contains(const Shape *outer, const Shape *inner)
{
	size_t		size = shape_size(outer);

	if (!shape_is_compound(outer) && !shape_is_compound(inner))
	{
		bool		known;
		bool		contains = pair_contains(outer, inner, &known);

		if (known && !shape_is_empty(inner))
			return contains;
	}
	if (shape_size(inner) == size && memcmp(outer, inner, size) == 0)
		return true;
	return !any_conjunction_of(inner, NULL, conjunction_sticks_out, outer);
}
