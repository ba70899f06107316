/*-------------------------------------------------------------------------
 *
 * src/sky/shape_conjunction.c
 *	  Simple shapes that a point has to be in all of, and their boundaries.
 *
 * A set of shapes that are closed has a common point if and only if one of these is
 * common to all: a point where two of the curves that bound them cross, the end of
 * a curve, any point of one that has no end, or any point at all of a shape without
 * a boundary.
 *
 *-------------------------------------------------------------------------
 */
#ifdef SKY_STANDALONE
#include <stdlib.h>
#define palloc malloc
#define pfree free
#define CHECK_FOR_INTERRUPTS()	((void) 0)
#else
#include "postgres.h"

#include "miscadmin.h"
#endif

#include "sky/shape.h"
#include "sky/shape_curve.h"
#include "sky/shape_relate.h"

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

/*
 * Is there, among the conjunctions that a shape and another, if it is named, stand
 * for together, one that passes a test?
 */
bool
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

/* ------------------------------------------------------------ boundaries */

/*
 * Points of a shape: one inside, where that is easily had, and one of each of its
 * boundary's pieces.
 */
uint32_t
shape_sample_count(const Shape *leaf)
{
	return 1 + shape_curve_count(leaf);
}

Vec
shape_sample(const Shape *leaf, uint32_t i)
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
			Vec			inwards = vec_subtract(shape_sample(leaf, 0), point);

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

/* Is a point in a shape, and not just hardly? */
bool
shape_well_in(const Shape *leaf, Vec point)
{
	Curve		curve;

	if (!shape_contains_point(leaf, point))
		return false;
	for (uint32_t i = 0; i < shape_curve_count(leaf); i++)
	{
		shape_curve(leaf, i, &curve);
		if (curve.ellipse != NULL || leaf->kind == SHAPE_CIRCLE)
		{
			Vec			outwards = vec_subtract(point, shape_sample(leaf, 0));

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
bool
shape_tree_has(const Shape *shape, Vec point, const Shape *outside)
{
	const Shape *operand = shape_operands(shape);
	bool		is_union = shape->kind == SHAPE_UNION;

	if (!shape_is_compound(shape))
		return shape != outside && nearly_in(shape, point);
	for (uint32_t i = 0; i < shape->n; i++)
	{
		if (shape_tree_has(operand, point, outside) == is_union)
			return is_union;
		operand = shape_next(operand);
	}
	return !is_union;
}

/* Is a point in all the leaves, but perhaps one? */
bool
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

static bool
crossing_counts(const Conjunction *leaves, Vec point, int i, int j, const Shape *outside_of)
{
	return nearly_in_all_but(leaves, point, i, j) &&
		(outside_of == NULL || !shape_tree_has(outside_of, point, NULL));
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

/*
 * Is a crossing of the curves of any two of the leaves in all the others?  And not
 * in a shape, if one is named.
 */
bool
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
bool
have_common_point(const Conjunction *leaves)
{
	if (leaves->n == 0)
		return true;
	for (int i = 0; i < leaves->n; i++)
		for (uint32_t k = 0; k < shape_sample_count(leaves->leaves[i]); k++)
			if (in_all_but(leaves, shape_sample(leaves->leaves[i], k), i))
				return true;
	return any_crossing_in_all(leaves, NULL);
}
