/*-------------------------------------------------------------------------
 *
 * src/sky/shape_pair.c
 *	  Polygons, circles and points, compared with one another directly.
 *
 * Polygons exactly, circles with edges as sphgeom does it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SKY_STANDALONE
#include "postgres.h"
#endif

#include "sky/shape.h"
#include "sky/shape_relate.h"

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

/*
 * Have two simple shapes a point in common?  Whether that is *known here: not of
 * boxes, ellipses and compound shapes.
 */
bool
pair_intersects(const Shape *a, const Shape *b, bool *known)
{
	*known = true;
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
	*known = false;
	return false;
}

/*
 * Does one simple shape contain all of another?  Whether that is *known here.
 */
bool
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
