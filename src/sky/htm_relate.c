/*-------------------------------------------------------------------------
 *
 * src/sky/htm_relate.c
 *	  How a triangle of the mesh and a shape lie to each other, as sphgeom has it.
 *
 * These are sphgeom's relate() (ConvexPolygonImpl.h) and not the exact answers
 * of shape_relate.c: where a rounding error could matter it knows nothing, and
 * of a box it compares only the triangle's own box.  Every number is computed
 * by the same operations, so that what is not known is the same, too.  Only
 * polygons are another matter: sphgeom's answer is exact there, and any other
 * way to it will do.
 *
 *-------------------------------------------------------------------------
 */
#include "sky/htm.h"

/* sphgeom's constants.h */
#define MAX_CHORD2_ERROR 2.5e-15

/* So much, in radians, sphgeom's boundingBox() leaves around each vertex. */
#define BOX_MARGIN 5.0e-10

static inline Vec
before(const Vec *v, int n, int i)
{
	return v[i == 0 ? n - 1 : i - 1];
}

static bool
polygon_contains(const Vec *v, int n, Vec point)
{
	for (int i = 0; i < n; i++)
		if (vec_orientation(point, before(v, n, i), v[i]) < 0)
			return false;
	return true;
}

/* ---------------------------------------------------------------- circles */

/*
 * The square of the least chord from v to the inner points of an edge from a to
 * b with the normal n; 4 where the least is at an end (sphgeom,
 * getMinSquaredChordLength()).
 */
static double
least_chord2(Vec v, Vec a, Vec b, Vec n)
{
	Vec			across = vec_cross(v, n);
	double		s;
	double		c;
	double		d;

	if (!(vec_dot(across, a) > 0 && vec_dot(across, b) < 0))
		return 4;
	s = fabs(vec_dot(v, n));
	c = sqrt(vec_dot(across, across));
	d = sin(0.5 * (c == 0 ? 0.5 * SKY_PI : atan(s / c)));
	return 4.0 * d * d;
}

/* The greatest likewise; 0 where it is at an end. */
static double
greatest_chord2(Vec v, Vec a, Vec b, Vec n)
{
	Vec			across = vec_cross(v, n);
	double		s;
	double		c;
	double		d;

	if (!(vec_dot(across, a) < 0 && vec_dot(across, b) > 0))
		return 0;
	s = fabs(vec_dot(v, n));
	c = -sqrt(vec_dot(across, across));
	d = sin(0.5 * atan2(s, c));
	return 4.0 * d * d;
}

HtmRelation
htm_relate_circle(const Vec *triangle, const ShapeCircle *circle)
{
	bool		inside = false;

	if (!(circle->chord2 >= 0))
		return HTM_DISJOINT;
	if (circle->chord2 >= 4)
		return HTM_WITHIN;
	for (int i = 0; i < 3; i++)
	{
		double		chord2 = vec_chord2(triangle[i], circle->center);

		if (fabs(chord2 - circle->chord2) < MAX_CHORD2_ERROR)
			return HTM_PARTIAL;
		if (i > 0 && inside != (chord2 < circle->chord2))
			return HTM_PARTIAL;
		inside = chord2 < circle->chord2;
	}
	for (int i = 0; i < 3; i++)
	{
		Vec			a = before(triangle, 3, i);
		Vec			b = triangle[i];
		Vec			n = vec_robust_cross(a, b);

		if (inside ? greatest_chord2(circle->center, a, b, n) > circle->chord2 - MAX_CHORD2_ERROR :
			least_chord2(circle->center, a, b, n) < circle->chord2 + MAX_CHORD2_ERROR)
			return HTM_PARTIAL;
	}
	/* the triangle may still have a hole in it, or the circle */
	if (inside)
		return polygon_contains(triangle, 3, vec_negate(circle->center)) ? HTM_PARTIAL : HTM_WITHIN;
	return polygon_contains(triangle, 3, circle->center) ? HTM_PARTIAL : HTM_DISJOINT;
}

/* ------------------------------------------------------------------ boxes */

static const ShapeBox no_box = {(double) NAN, (double) NAN, 1, 0};

static bool
wraps(const ShapeBox *box)
{
	return box->lon_a > box->lon_b;
}

/* From one longitude up to another. */
static double
angle_to(double from, double to)
{
	double		angle = to - from;

	return angle < 0 ? 2.0 * SKY_PI + angle : angle;
}

/* sphgeom, NormalizedAngleInterval::expandTo() */
static void
add_longitudes(ShapeBox *box, double lon_a, double lon_b)
{
	ShapeBox	added = {lon_a, lon_b, 0, 0};

	if (shape_box_has_longitude(box, lon_a))
	{
		if (!shape_box_has_longitude(box, lon_b))
			box->lon_b = lon_b;
		else if (wraps(box) != wraps(&added))
		{
			box->lon_a = 0;
			box->lon_b = 2.0 * SKY_PI;
		}
	}
	else if (shape_box_has_longitude(box, lon_b))
		box->lon_a = lon_a;
	else if (isnan(box->lon_a) || shape_box_has_longitude(&added, box->lon_a))
	{
		box->lon_a = lon_a;
		box->lon_b = lon_b;
	}
	else if (angle_to(box->lon_b, lon_a) < angle_to(lon_b, box->lon_a))
		box->lon_b = lon_b;
	else
		box->lon_a = lon_a;
}

static void
add_latitudes(ShapeBox *box, double lat_a, double lat_b)
{
	bool		empty = !(box->lat_a <= box->lat_b);

	lat_a = fmax(lat_a, -0.5 * SKY_PI);
	lat_b = fmin(lat_b, 0.5 * SKY_PI);
	box->lat_a = empty ? lat_a : fmin(box->lat_a, lat_a);
	box->lat_b = empty ? lat_b : fmax(box->lat_b, lat_b);
}

static void
add_vertex(ShapeBox *box, Vec v)
{
	double		lon = vec_longitude(v);
	double		lat = vec_latitude(v);
	double		lon_a = lon - BOX_MARGIN;
	double		lon_b = lon + BOX_MARGIN;

	if (lon_a < 0)
		lon_a += 2.0 * SKY_PI;
	if (lon_b > 2.0 * SKY_PI)
		lon_b -= 2.0 * SKY_PI;
	add_longitudes(box, lon_a, lon_b);
	add_latitudes(box, lat - BOX_MARGIN, lat + BOX_MARGIN);
}

/* The northernmost and southernmost points of an edge, where they are no ends. */
static void
add_edge(ShapeBox *box, Vec a, Vec b)
{
	Vec			n = vec_robust_cross(a, b);
	Vec			top = vec(-n.x * n.z, -n.y * n.z, n.x * n.x + n.y * n.y);
	double		beside_a = a.y * n.x - a.x * n.y;
	double		beside_b = b.y * n.x - b.x * n.y;
	double		lat;

	if (top.x == 0 && top.y == 0 && top.z == 0)
		return;
	if (beside_a > 0 && beside_b < 0)
		lat = vec_latitude(top) + BOX_MARGIN;
	else if (beside_a < 0 && beside_b > 0)
		lat = vec_latitude(vec_negate(top)) - BOX_MARGIN;
	else
		return;
	add_latitudes(box, lat, lat);
}

/* sphgeom, boundingBox() */
static ShapeBox
triangle_box(const Vec *triangle)
{
	static const Vec pole = {0, 0, 1};
	ShapeBox	box = no_box;
	bool		clockwise = false;
	bool		counter = false;

	for (int i = 0; i < 3; i++)
	{
		Vec			a = before(triangle, 3, i);
		Vec			b = triangle[i];
		int			turn = vec_orientation(pole, a, b);

		add_vertex(&box, b);
		counter |= turn > 0;
		clockwise |= turn < 0;
		add_edge(&box, a, b);
	}
	if (!clockwise || !counter)
	{
		double		lat = copysign(0.5 * SKY_PI, clockwise ? -1.0 : 1.0);

		add_longitudes(&box, 0, 2.0 * SKY_PI);
		add_latitudes(&box, lat, lat);
	}
	return box;
}

/* sphgeom, NormalizedAngleInterval::relate() */
static HtmRelation
relate_longitudes(const ShapeBox *a, const ShapeBox *b)
{
	bool		contains = a->lon_a <= b->lon_a && a->lon_b >= b->lon_b;
	bool		within = a->lon_a >= b->lon_a && a->lon_b <= b->lon_b;

	if (contains && within)
		return HTM_WITHIN;
	if (wraps(a) && wraps(b))
		return within ? HTM_WITHIN : HTM_PARTIAL;
	if (wraps(a))
	{
		if (shape_box_has_all_longitudes(b))
			return HTM_WITHIN;
		if (a->lon_a <= b->lon_a || a->lon_b >= b->lon_b)
			return HTM_PARTIAL;
		return a->lon_a > b->lon_b && a->lon_b < b->lon_a ? HTM_DISJOINT : HTM_PARTIAL;
	}
	if (wraps(b))
	{
		if (shape_box_has_all_longitudes(a))
			return HTM_PARTIAL;
		if (b->lon_a <= a->lon_a || b->lon_b >= a->lon_b)
			return HTM_WITHIN;
		return b->lon_a > a->lon_b && b->lon_b < a->lon_a ? HTM_DISJOINT : HTM_PARTIAL;
	}
	if (contains)
		return HTM_PARTIAL;
	if (within)
		return HTM_WITHIN;
	return a->lon_a <= b->lon_b && a->lon_b >= b->lon_a ? HTM_PARTIAL : HTM_DISJOINT;
}

static HtmRelation
relate_latitudes(const ShapeBox *a, const ShapeBox *b)
{
	if (a->lat_a > b->lat_b || a->lat_b < b->lat_a)
		return HTM_DISJOINT;
	return a->lat_a >= b->lat_a && a->lat_b <= b->lat_b ? HTM_WITHIN : HTM_PARTIAL;
}

HtmRelation
htm_relate_box(const Vec *triangle, const ShapeBox *box)
{
	ShapeBox	around;
	HtmRelation lon;
	HtmRelation lat;

	if (isnan(box->lon_a))
		return HTM_DISJOINT;
	around = triangle_box(triangle);
	lon = relate_longitudes(&around, box);
	lat = relate_latitudes(&around, box);
	if (lon == HTM_DISJOINT || lat == HTM_DISJOINT)
		return HTM_DISJOINT;
	return lon == HTM_WITHIN && lat == HTM_WITHIN ? HTM_WITHIN : HTM_PARTIAL;
}

/* --------------------------------------------------------------- polygons */

/*
 * Do two edges cross, at a point that is an end of neither?
 */
static bool
edges_cross(Vec a, Vec b, Vec c, Vec d)
{
	int			acd = vec_orientation(a, c, d);

	return acd != 0 && vec_orientation(b, d, c) == acd &&
		vec_orientation(c, b, a) == acd && vec_orientation(d, a, b) == acd;
}

/*
 * Are all vertices of a polygon on the other side of an edge from a to b?
 */
static bool
edge_separates(Vec a, Vec b, const Vec *polygon, int n)
{
	for (int i = 0; i < n; i++)
		if (vec_orientation(polygon[i], a, b) >= 0)
			return false;
	return true;
}

/*
 * A convex polygon, counter-clockwise.  Most triangles of a search are beside
 * it, and an edge of their own tells so.
 */
HtmRelation
htm_relate_convex(const Vec *triangle, const Vec *polygon, uint32_t n)
{
	int			n_inside = 0;

	for (int i = 0; i < 3; i++)
		if (edge_separates(before(triangle, 3, i), triangle[i], polygon, (int) n))
			return HTM_DISJOINT;
	for (int i = 0; i < 3; i++)
		n_inside += polygon_contains(polygon, (int) n, triangle[i]);
	if (n_inside == 3)
		return HTM_WITHIN;
	if (n_inside > 0)
		return HTM_PARTIAL;
	for (int i = 0; i < (int) n; i++)
		if (polygon_contains(triangle, 3, polygon[i]))
			return HTM_PARTIAL;
	for (int i = 0; i < 3; i++)
		for (int j = 0; j < (int) n; j++)
			if (edges_cross(before(triangle, 3, i), triangle[i], before(polygon, (int) n, j), polygon[j]))
				return HTM_PARTIAL;
	return HTM_DISJOINT;
}
