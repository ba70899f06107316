/*-------------------------------------------------------------------------
 *
 * src/sky/shape_relate.c
 *	  Whether shapes intersect, and whether one contains another.
 *
 * Polygons, circles and points are compared with one another directly
 * (shape_pair.c), all others by their boundaries (shape_conjunction.c,
 * shape_containment.c).
 *
 * Unions among the operands are taken apart first, so that what is compared is
 * a list of simple shapes that a point has to be in all of: a conjunction.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SKY_STANDALONE
#include "postgres.h"
#endif

#include <string.h>

#include "sky/shape.h"
#include "sky/shape_relate.h"

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
pair_has_common_point(const Shape *a, const Shape *b)
{
	const Shape *pair[2] = {a, b};
	Conjunction leaves = {pair, 2};
	bool		known;
	bool		intersects = pair_intersects(a, b, &known);

	return known ? intersects : !are_far_apart(a, b) && have_common_point(&leaves);
}

static bool
conjunction_intersects(const Conjunction *leaves, const void *arg)
{
	for (int i = 0; i < leaves->n; i++)
		if (shape_is_empty(leaves->leaves[i]))
			return false;
	if (leaves->n == 2)
		return pair_has_common_point(leaves->leaves[0], leaves->leaves[1]);
	return have_common_point(leaves);
}

/*
 * Have two shapes a point in common, be it one of their boundaries?
 */
bool
shape_intersects(const Shape *a, const Shape *b)
{
	if (!shape_is_compound(a) && !shape_is_compound(b))
		return !shape_is_empty(a) && !shape_is_empty(b) && pair_has_common_point(a, b);
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
