/*-------------------------------------------------------------------------
 *
 * src/sky/shape_bounds.c
 *	  What encloses a shape: a circle, a box in space; and its area.
 *
 * Circles are sphgeom's getBoundingCircle(), operation for operation, since
 * they are the centre and the field of view that ObsCore tables show.
 *
 *-------------------------------------------------------------------------
 */
#include "sky/shape.h"

/* sphgeom's constants.h */
#define MAX_ASIN_ERROR 1.5e-8
#define MAX_CHORD2_ERROR 2.5e-15

/* Boxes are widened by this much, which is more than any rounding error. */
#define BOUNDS_MARGIN 1e-14

static const ShapeCircle empty_circle = {{0, 0, 1}, -1, -1};
static const ShapeCircle full_circle = {{0, 0, 1}, 4, SKY_PI};

static ShapeCircle
circle_of_chord2(Vec center, double chord2)
{
	ShapeCircle circle = {center, chord2, shape_angle_of_chord2(chord2)};

	return circle;
}

static ShapeCircle
circle_of_angle(Vec center, double angle)
{
	ShapeCircle circle = {center, shape_chord2_of_angle(angle), angle};

	return circle;
}

/*
 * The centre of mass (Brock 1974, as sphgeom's centroid() has it), and the
 * vertex farthest from it.
 */
static ShapeCircle
polygon_circle(const Vec *v, uint32_t n)
{
	Vec			center = {0, 0, 0};
	double		chord2 = 0;

	for (uint32_t i = 0; i < n; i++)
	{
		Vec			a = v[i == 0 ? n - 1 : i - 1];
		Vec			normal = vec_robust_cross(a, v[i]);
		double		s = 0.5 * vec_normalize(&normal);
		double		c = vec_dot(a, v[i]);
		double		angle = s == 0 && c == 0 ? 0 : atan2(s, c);

		center = vec_add(center, vec_scale(normal, angle));
	}
	/* sums to nothing only for a polygon that is as good as a hemisphere's edge */
	if (vec_normalize(&center) == 0)
		return full_circle;
	for (uint32_t i = 0; i < n; i++)
		chord2 = fmax(chord2, vec_chord2(v[i], center));
	return circle_of_chord2(center, chord2 + 2.0 * MAX_CHORD2_ERROR);
}

/*
 * The same, for a polygon that is not convex, of which sphgeom has none: one that
 * reaches farther than a hemisphere may bulge out of the circle around its
 * vertices.
 */
static ShapeCircle
concave_circle(const Shape *shape)
{
	const Vec  *v = shape_vertices(shape);
	ShapeCircle circle = polygon_circle(v, shape->n);
	double		chord2 = circle.chord2;

	if (chord2 < 2)
		return circle;
	if (shape_contains_point(shape, vec_negate(circle.center)))
		return full_circle;
	for (uint32_t i = 0; i < shape->n; i++)
		chord2 = fmax(chord2, shape_chord2_to_edge(circle.center, v[i == 0 ? shape->n - 1 : i - 1], v[i], true) +
					  2.0 * MAX_CHORD2_ERROR);
	return circle_of_chord2(circle.center, chord2);
}

static bool
box_is_full(const ShapeBox *box)
{
	return shape_box_has_all_longitudes(box) &&
		box->lat_a <= -0.5 * SKY_PI && box->lat_b >= 0.5 * SKY_PI;
}

/*
 * The smallest circle around a box up to half as wide as the sky: its centre is
 * on the meridian in the middle, where the farther of the northern and the
 * southern corners is nearest.  The tangents of the three candidates' latitudes
 * follow from the equal angles that they make with the corners.
 */
static ShapeCircle
narrow_box_circle(const ShapeBox *box)
{
	double		half = cos(0.5 * shape_box_width(box));
	double		lon = shape_box_center_lon(box);
	Vec			corners[4];
	double		south;
	double		north;
	double		middle;
	double		chord2 = 0;
	Vec			center;

	corners[0] = vec_from_radians(box->lon_a, box->lat_a);
	corners[1] = vec_from_radians(box->lon_a, box->lat_b);
	corners[2] = vec_from_radians(box->lon_b, box->lat_a);
	corners[3] = vec_from_radians(box->lon_b, box->lat_b);
	south = half == 0 ? copysign(0.5 * SKY_PI, box->lat_a) : atan(tan(box->lat_a) / half);
	north = half == 0 ? copysign(0.5 * SKY_PI, box->lat_b) : atan(tan(box->lat_b) / half);
	middle = half == 0 ? 0 : atan(half * tan(0.5 * (box->lat_a + box->lat_b)));
	if (south <= middle && middle <= north)
		center = vec_from_radians(lon, middle);
	else
	{
		Vec			southern = vec_from_radians(lon, south);
		Vec			northern = vec_from_radians(lon, north);

		center = vec_dot(southern, corners[0]) > vec_dot(northern, corners[1]) ? northern : southern;
	}
	for (int i = 0; i < 4; i++)
		chord2 = fmax(chord2, vec_chord2(center, corners[i]));
	return circle_of_chord2(center, chord2 + 2.0 * MAX_CHORD2_ERROR);
}

static ShapeCircle
box_circle(const ShapeBox *box)
{
	double		width = shape_box_width(box);
	bool		northern = fabs(box->lat_a) <= fabs(box->lat_b);
	double		angle = northern ? 0.5 * SKY_PI - box->lat_a : box->lat_b + 0.5 * SKY_PI;
	Vec			center = northern ? vec(0, 0, 1) : vec(-0.0, -0.0, -1);

	if (isnan(box->lon_a))
		return empty_circle;
	if (box_is_full(box))
		return full_circle;
	if (width <= SKY_PI)
		return narrow_box_circle(box);
	if (!shape_box_has_all_longitudes(box) && 0.5 * width < angle)
	{
		angle = 0.5 * width;
		center = vec_from_radians(shape_box_center_lon(box), 0);
	}
	return circle_of_angle(center, angle + 4.0 * MAX_ASIN_ERROR);
}

/*
 * The axes of an ellipse that is full by its foci may not reach around the sky:
 * sphgeom's circle would not contain it.
 */
static ShapeCircle
ellipse_circle(const ShapeEllipse *e)
{
	double		alpha = 0.5 * SKY_PI + e->a;
	double		beta = 0.5 * SKY_PI + e->b;
	double		angle = fmax(alpha, beta) + 2.0 * MAX_ASIN_ERROR;

	return circle_of_angle(e->rows[2], shape_ellipse_is_full(e) ? fmax(angle, SKY_PI) : angle);
}

static bool
circle_is_empty(const ShapeCircle *circle)
{
	return !(circle->chord2 >= 0);
}

static bool
circle_is_full(const ShapeCircle *circle)
{
	return circle->chord2 >= 4;
}

/* The angle between centres (sphgeom, NormalizedAngle(Vector3d, Vector3d)). */
static double
between_centers(const ShapeCircle *a, const ShapeCircle *b)
{
	Vec			cross = vec_cross(a->center, b->center);
	double		s = sqrt(vec_dot(cross, cross));
	double		c = vec_dot(a->center, b->center);

	return s == 0 && c == 0 ? 0 : atan2(s, c);
}

/* sphgeom, Circle::expandTo(Circle) */
static ShapeCircle
circle_around(ShapeCircle a, ShapeCircle b)
{
	double		apart;
	double		angle;
	Vec			normal;
	Vec			center;

	if (circle_is_empty(&a) || circle_is_full(&b))
		return b;
	if (circle_is_empty(&b) || circle_is_full(&a))
		return a;
	apart = between_centers(&a, &b);
	if (apart + b.angle + 4.0 * MAX_ASIN_ERROR <= a.angle)
		return a;
	if (apart + a.angle + 4.0 * MAX_ASIN_ERROR <= b.angle)
		return b;
	angle = 0.5 * (apart + a.angle + b.angle);
	if (angle + 2.0 * MAX_ASIN_ERROR >= SKY_PI)
		return full_circle;
	normal = vec_orthogonal(a.center, b.center);
	center = vec_add(vec_scale(a.center, cos(angle - a.angle)),
					 vec_scale(vec_cross(normal, a.center), sin(angle - a.angle)));
	vec_normalize(&center);
	return circle_of_angle(center, angle + MAX_ASIN_ERROR);
}

/* sphgeom, Circle::clipTo(Circle): the smaller of the two, where they meet. */
static ShapeCircle
circle_within(ShapeCircle a, ShapeCircle b)
{
	if (circle_is_empty(&a) || circle_is_full(&b))
		return a;
	if (circle_is_full(&a) || circle_is_empty(&b))
		return b;
	if (between_centers(&a, &b) > a.angle + b.angle + 4.0 * MAX_ASIN_ERROR)
		return empty_circle;
	return b.angle < a.angle ? b : a;
}

/*
 * A circle that contains the shape; empty, or full, where the shape is.
 */
ShapeCircle
shape_bounding_circle(const Shape *shape)
{
	switch (shape->kind)
	{
		case SHAPE_POINT:
			return circle_of_angle(*shape_vertices(shape), 0);
		case SHAPE_CIRCLE:
			return *shape_circle(shape);
		case SHAPE_BOX:
			return box_circle(shape_box(shape));
		case SHAPE_ELLIPSE:
			return shape_is_empty(shape) ? empty_circle : ellipse_circle(shape_ellipse(shape));
		case SHAPE_CONVEX:
			return polygon_circle(shape_vertices(shape), shape->n);
		case SHAPE_POLYGON:
			return concave_circle(shape);
		default:
			{
				const Shape *operand = shape_operands(shape);
				bool		is_union = shape->kind == SHAPE_UNION;
				ShapeCircle circle = is_union ? empty_circle : full_circle;

				for (uint32_t i = 0; i < shape->n; i++)
				{
					ShapeCircle other = shape_bounding_circle(operand);

					circle = i == 0 ? other :
						is_union ? circle_around(circle, other) : circle_within(circle, other);
					operand = shape_next(operand);
				}
				return circle;
			}
	}
}

/* ------------------------------------------------------------------ boxes */

static const Bounds3 empty_bounds = {{2, 2, 2}, {-2, -2, -2}};
static const Bounds3 full_bounds = {{-1, -1, -1}, {1, 1, 1}};

bool
bounds_are_empty(const Bounds3 *bounds)
{
	return bounds->low[0] > bounds->high[0] || bounds->low[1] > bounds->high[1] ||
		bounds->low[2] > bounds->high[2];
}

static void
bounds_add(Bounds3 *bounds, int axis, double value)
{
	bounds->low[axis] = fmin(bounds->low[axis], value);
	bounds->high[axis] = fmax(bounds->high[axis], value);
}

static void
bounds_add_point(Bounds3 *bounds, Vec v)
{
	bounds_add(bounds, 0, v.x);
	bounds_add(bounds, 1, v.y);
	bounds_add(bounds, 2, v.z);
}

/* The distance of a unit vector from an axis, with all its digits near that too. */
static double
off_axis(const double *v, int axis)
{
	double		x = v[(axis + 1) % 3];
	double		y = v[(axis + 2) % 3];

	return sqrt(x * x + y * y);
}

/*
 * Adds the extremes of an edge between its ends: where the axis, projected into
 * the plane of the edge, or its opposite, is between them.
 */
static void
bounds_add_edge(Bounds3 *bounds, Vec a, Vec b)
{
	Vec			n = vec_robust_cross(a, b);
	const double *normal = &n.x;
	Vec			from_a;
	Vec			from_b;

	bounds_add_point(bounds, b);
	if (vec_normalize(&n) == 0)
		return;
	/* in the edge's plane: left of a, and left of b */
	from_a = vec_cross(n, a);
	from_b = vec_cross(n, b);
	for (int axis = 0; axis < 3; axis++)
	{
		double		before = (&from_a.x)[axis];
		double		after = (&from_b.x)[axis];
		double		height = off_axis(normal, axis);

		if (before > 0 && after < 0)
			bounds_add(bounds, axis, height);
		if (before < 0 && after > 0)
			bounds_add(bounds, axis, -height);
	}
}

/* Adds the poles of the axes that a shape contains, and the margin. */
static void
bounds_finish(Bounds3 *bounds, const Shape *shape)
{
	for (int axis = 0; axis < 3; axis++)
	{
		Vec			pole = vec(axis == 0, axis == 1, axis == 2);

		bounds->low[axis] = shape_contains_point(shape, vec_negate(pole)) ? -1 :
			fmax(-1, bounds->low[axis] - BOUNDS_MARGIN);
		bounds->high[axis] = shape_contains_point(shape, pole) ? 1 :
			fmin(1, bounds->high[axis] + BOUNDS_MARGIN);
	}
}

static Bounds3
circle_bounds(const ShapeCircle *circle)
{
	const double *center = &circle->center.x;
	/* the two may differ by what a decoder lets pass */
	double		angle = fmax(circle->angle, shape_angle_of_chord2(circle->chord2));
	double		s = sin(angle);
	double		c = cos(angle);
	Bounds3		bounds = empty_bounds;

	if (circle_is_empty(circle))
		return empty_bounds;
	if (circle_is_full(circle) || angle >= SKY_PI)
		return full_bounds;
	for (int axis = 0; axis < 3; axis++)
	{
		double		along = center[axis];
		double		across = off_axis(center, axis);

		bounds_add(&bounds, axis, along * c + across * s);
		bounds_add(&bounds, axis, along * c - across * s);
		if (2.0 - 2.0 * along <= circle->chord2)
			bounds.high[axis] = 1;
		if (2.0 + 2.0 * along <= circle->chord2)
			bounds.low[axis] = -1;
		bounds.low[axis] = fmax(-1, bounds.low[axis] - BOUNDS_MARGIN);
		bounds.high[axis] = fmin(1, bounds.high[axis] + BOUNDS_MARGIN);
	}
	return bounds;
}

static Bounds3
box_bounds(const Shape *shape)
{
	const ShapeBox *box = shape_box(shape);
	double		widest = box->lat_a <= 0 && box->lat_b >= 0 ? 0 :
		fmin(fabs(box->lat_a), fabs(box->lat_b));
	double		latitudes[3] = {box->lat_a, box->lat_b, widest};
	Bounds3		bounds = empty_bounds;

	if (isnan(box->lon_a))
		return empty_bounds;
	for (int i = 0; i < 3; i++)
	{
		double		radius = cos(latitudes[i]);

		bounds_add_point(&bounds, vec_from_radians(box->lon_a, i == 2 ? copysign(widest, box->lat_a) : latitudes[i]));
		bounds_add_point(&bounds, vec_from_radians(box->lon_b, i == 2 ? copysign(widest, box->lat_a) : latitudes[i]));
		if (shape_box_has_longitude(box, 0) || shape_box_has_longitude(box, 2 * SKY_PI))
			bounds_add(&bounds, 0, radius);
		if (shape_box_has_longitude(box, 0.5 * SKY_PI))
			bounds_add(&bounds, 1, radius);
		if (shape_box_has_longitude(box, SKY_PI))
			bounds_add(&bounds, 0, -radius);
		if (shape_box_has_longitude(box, 1.5 * SKY_PI))
			bounds_add(&bounds, 1, -radius);
	}
	bounds_finish(&bounds, shape);
	return bounds;
}

/*
 * A box in space, parallel to the axes, that contains the shape.
 */
Bounds3
shape_bounds(const Shape *shape)
{
	Bounds3		bounds;
	ShapeCircle circle;

	switch (shape->kind)
	{
		case SHAPE_POINT:
			bounds = empty_bounds;
			bounds_add_point(&bounds, *shape_vertices(shape));
			for (int axis = 0; axis < 3; axis++)
			{
				bounds.low[axis] -= BOUNDS_MARGIN;
				bounds.high[axis] += BOUNDS_MARGIN;
			}
			return bounds;
		case SHAPE_BOX:
			return box_bounds(shape);
		case SHAPE_CONVEX:
		case SHAPE_POLYGON:
			{
				const Vec  *v = shape_vertices(shape);

				bounds = empty_bounds;
				for (uint32_t i = 0; i < shape->n; i++)
					bounds_add_edge(&bounds, v[i == 0 ? shape->n - 1 : i - 1], v[i]);
				bounds_finish(&bounds, shape);
				return bounds;
			}
		case SHAPE_UNION:
		case SHAPE_INTERSECTION:
			{
				const Shape *operand = shape_operands(shape);
				bool		is_union = shape->kind == SHAPE_UNION;

				bounds = is_union ? empty_bounds : full_bounds;
				for (uint32_t i = 0; i < shape->n; i++)
				{
					Bounds3		other = shape_bounds(operand);

					for (int axis = 0; axis < 3; axis++)
					{
						bounds.low[axis] = is_union ? fmin(bounds.low[axis], other.low[axis]) :
							fmax(bounds.low[axis], other.low[axis]);
						bounds.high[axis] = is_union ? fmax(bounds.high[axis], other.high[axis]) :
							fmin(bounds.high[axis], other.high[axis]);
					}
					operand = shape_next(operand);
				}
				return bounds;
			}
		default:
			circle = shape_bounding_circle(shape);
			return circle_bounds(&circle);
	}
}

/* ------------------------------------------------------------------- area */

/*
 * The area between the centre and the curve, by the trapezoidal rule, which
 * converges faster than any power for a smooth closed curve: at position angle
 * t the ellipse reaches the distance r, and 1 - cos r of the way around.
 */
static double
ellipse_area(const ShapeEllipse *e)
{
	int			n = 64;
	double		area = 0;
	double		before;

	/* its tangents may be anything */
	if (shape_ellipse_is_full(e))
		return 4 * SKY_PI;
	do
	{
		before = area;
		n *= 2;
		area = 0;
		for (int i = 0; i < n; i++)
		{
			double		t = 2 * SKY_PI * i / n;
			double		x = cos(t) * e->tan_a;
			double		y = sin(t) * e->tan_b;
			double		cotangent2 = x * x + y * y;

			/* 1 - cos r, with tan r = 1 / sqrt(cotangent2) */
			area += 1.0 / ((1.0 + cotangent2) * (1.0 + sqrt(cotangent2 / (1.0 + cotangent2))));
		}
		area *= 2 * SKY_PI / n;
	} while (fabs(area - before) > 1e-14 * area && n < 1 << 20);
	return e->a > 0 ? 4 * SKY_PI - area : area;
}

/*
 * By triangles, which are accurate however small; but a triangle between points
 * that are opposite each other may lie anywhere.
 */
static double
polygon_area(const Vec *v, uint32_t n)
{
	double		area = 0;

	for (uint32_t i = 1; i < n; i++)
		if (vec_dot(v[0], v[i]) <= 0)
			return fmax(2 * SKY_PI - shape_polygon_turn(v, n), 0);
	for (uint32_t i = 1; i + 1 < n; i++)
		area += shape_triangle_area(v[0], v[i], v[i + 1]);
	return area < 0 ? area + 4 * SKY_PI : area;
}

/*
 * The area in steradians; false: not known, of a union or an intersection of
 * several shapes.
 */
bool
shape_area(const Shape *shape, double *steradians)
{
	const ShapeBox *box = shape_box(shape);

	*steradians = 0;
	if (shape_is_empty(shape))
		return true;
	switch (shape->kind)
	{
		case SHAPE_POINT:
			return true;
		case SHAPE_CIRCLE:
			*steradians = SKY_PI * fmin(shape_circle(shape)->chord2, 4.0);
			return true;
		case SHAPE_BOX:
			*steradians = fabs(shape_box_width(box) * (sin(box->lat_b) - sin(box->lat_a)));
			return true;
		case SHAPE_ELLIPSE:
			*steradians = ellipse_area(shape_ellipse(shape));
			return true;
		case SHAPE_CONVEX:
		case SHAPE_POLYGON:
			*steradians = polygon_area(shape_vertices(shape), shape->n);
			return true;
		default:
			if (shape->n == 1)
				return shape_area(shape_operands(shape), steradians);
			*steradians = 4 * SKY_PI;
			return shape->n == 0;
	}
}
