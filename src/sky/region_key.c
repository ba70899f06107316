/*-------------------------------------------------------------------------
 *
 * src/sky/region_key.c
 *	  What an index holds of a region, and of the regions below a page.
 *
 * A key says how far a region reaches in some directions of space, rounded
 * outwards: it lies within that polytope.  Neither the poles nor longitude 0 are
 * special.
 *
 * Most of a query's time is the server's own work on each key of the pages that
 * it visits.  So a region's key is small: the axes, that is a box, and the two
 * diagonals between x and y, which cut the box's corners off half way between the
 * axes.  The key of a page knows all 26 directions, which is a good part of what
 * the regions' own outlines would say of so many of them; and as it is three times
 * as large, there are a third as many on a page: the tree is one level deeper, and a
 * query has fewer keys to look at.
 *
 * A region without points, which every other contains, reaches everywhere.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "sky/region_key.h"

/*
 * More than a circle can be off: vectors are not quite of length 1, nor do a
 * circle's angle and chord quite agree (shape_codec.c).
 */
#define CIRCLE_SLACK 1e-6

#define HALF 0.70710678118654752440 /* of the square root of 2 */
#define THIRD 0.57735026918962576451 /* of the square root of 3 */

/* The first of each pair of opposites. */
static const Vec directions[N_REACHES / 2] = {
	{1, 0, 0}, {0, 1, 0}, {0, 0, 1},
	{HALF, HALF, 0}, {HALF, -HALF, 0},
	{HALF, 0, HALF}, {HALF, 0, -HALF}, {0, HALF, HALF}, {0, HALF, -HALF},
	{THIRD, THIRD, THIRD}, {THIRD, THIRD, -THIRD}, {THIRD, -THIRD, THIRD}, {-THIRD, THIRD, THIRD}
};

static float4
round_down(double value)
{
	float4		rounded = (float4) value;

	return rounded > value ? nextafterf(rounded, -INFINITY) : rounded;
}

/*
 * As nextafterf() would, but without a call and without a jump, so that several can be rounded at
 * once.  No value that is more than 0 is rounded to -0.
 */
static inline float4
round_up(double value)
{
	union
	{
		float4		number;
		int32		bits;
	}			rounded = {(float4) value};
	int32		step = rounded.number < 0 ? -1 : 1;

	rounded.bits += rounded.number < value ? step : 0;
	return rounded.number;
}

static int16
diagonal_down(double value)
{
	return (int16) floor(Max(-1, Min(1, value)) * PG_INT16_MAX);
}

static int16
diagonal_up(double value)
{
	return (int16) ceil(Max(-1, Min(1, value)) * PG_INT16_MAX);
}

/* How far a point reaches in a direction. */
static double
point_reach(Vec point, int i)
{
	const Vec  *direction = &directions[i / 2];
	double		along = point.x * direction->x + point.y * direction->y + point.z * direction->z;

	return i % 2 == 0 ? along : -along;
}

/*
 * How far a circle reaches in a direction, at most.  From a radius of 90 degrees
 * on a polygon may leave the circle around its vertices: that says nothing.
 */
static double
circle_reach(const ShapeCircle *circle, int i)
{
	double		along = point_reach(circle->center, i);
	double		across = sqrt(fmax(0, 1 - along * along));
	double		cosine = 1 - 0.5 * circle->chord2;
	double		sine = sqrt(fmax(0, 1 - cosine * cosine));

	/* the end of the direction may be in the circle */
	if (!(circle->chord2 >= 0 && circle->chord2 < 2) || along >= cosine)
		return 1;
	return Min(1, along * cosine + across * sine + CIRCLE_SLACK);
}

static double
bounds_reach(const Bounds3 *bounds, int i)
{
	return i % 2 == 0 ? bounds->high[i / 2] : -bounds->low[i / 2];
}

static bool
has_points(const Shape *shape, const Bounds3 *bounds, const ShapeCircle *circle)
{
	return !bounds_are_empty(bounds) && circle->chord2 >= 0 && shape_has_points(shape);
}

/*
 * The key of a region.  Its centre lies within as well, for the distance.
 */
void
leaf_key_make(LeafKey *key, const Shape *shape)
{
	Bounds3		bounds = shape_bounds(shape);
	ShapeCircle circle = shape_bounding_circle(shape);
	bool		everywhere = !has_points(shape, &bounds, &circle);

	SET_VARSIZE(key, sizeof(LeafKey));
	for (int i = 0; i < N_AXIS_REACHES; i++)
		key->axes.reach[i] = everywhere ? 1 :
			round_up(fmax(bounds_reach(&bounds, i), point_reach(circle.center, i)));
	for (int i = 0; i < N_LEAF_DIAGONALS; i++)
		key->diagonal[i] = everywhere ? PG_INT16_MAX :
			diagonal_up(circle_reach(&circle, N_AXIS_REACHES + i));
}

/*
 * How far the box of a region's key reaches in the directions between two axes, or three,
 * as directions[] has them.
 */
static void
box_reaches(double *reaches, const float4 *box)
{
	double		x = box[0],
				y = box[2],
				z = box[4];
	double		back_x = box[1],
				back_y = box[3],
				back_z = box[5];
	double		sums[N_REACHES - N_AXIS_REACHES] = {
		x + y, back_x + back_y, x + back_y, back_x + y,
		x + z, back_x + back_z, x + back_z, back_x + z,
		y + z, back_y + back_z, y + back_z, back_y + z,
		x + y + z, back_x + back_y + back_z, x + y + back_z, back_x + back_y + z,
		x + back_y + z, back_x + y + back_z, back_x + y + z, x + back_y + back_z
	};

	for (int i = 0; i < N_PAIR_REACHES; i++)
		reaches[i] = Min(1, HALF * sums[i]);
	for (int i = N_PAIR_REACHES; i < lengthof(sums); i++)
		reaches[i] = Min(1, THIRD * sums[i]);
}

/*
 * The key of a page above one key, that of a region or of a page.
 */
void
inner_key_make(InnerKey *inner, const RegionKey *key)
{
	const LeafKey *leaf = (const LeafKey *) key;
	double		reaches[N_REACHES - N_AXIS_REACHES];

	if (!is_leaf_key(key))
	{
		memcpy(inner, key, sizeof(InnerKey));
		return;
	}
	SET_VARSIZE(inner, sizeof(InnerKey));
	memcpy(inner->reach, key->reach, sizeof(key->reach));
	box_reaches(reaches, key->reach);
	for (int i = 0; i < N_LEAF_DIAGONALS; i++)
		reaches[i] = Min(reaches[i], (double) leaf->diagonal[i] / PG_INT16_MAX);
	for (int i = 0; i < lengthof(reaches); i++)
		inner->reach[N_AXIS_REACHES + i] = round_up(reaches[i]);
}

void
inner_key_extend(InnerKey *inner, const InnerKey *by)
{
	for (int i = 0; i < N_REACHES; i++)
		inner->reach[i] = Max(inner->reach[i], by->reach[i]);
}

/*
 * A box that a region reaches on all its sides: shape_bounds() may be larger, of
 * ellipses and intersections.  Without sides where nothing is known.
 */
static Bounds3
reached_bounds(const Shape *shape)
{
	Bounds3		bounds = {{2, 2, 2}, {-2, -2, -2}};

	if (shape->kind == SHAPE_ELLIPSE)
	{
		const double *center = &shape_ellipse(shape)->rows[2].x;

		for (int axis = 0; axis < 3 && !shape_is_empty(shape); axis++)
			bounds.low[axis] = bounds.high[axis] = center[axis];
	}
	else if (shape->kind == SHAPE_UNION || (shape->kind == SHAPE_INTERSECTION && shape->n == 1))
	{
		const Shape *operand = shape_operands(shape);

		for (uint32_t i = 0; i < shape->n; i++)
		{
			Bounds3		other = reached_bounds(operand);

			for (int axis = 0; axis < 3; axis++)
			{
				bounds.low[axis] = fmin(bounds.low[axis], other.low[axis]);
				bounds.high[axis] = fmax(bounds.high[axis], other.high[axis]);
			}
			operand = shape_next(operand);
		}
	}
	else if (shape->kind != SHAPE_INTERSECTION)
		bounds = shape_bounds(shape);
	if (shape->kind == SHAPE_CIRCLE)
		for (int axis = 0; axis < 3; axis++)
		{
			bounds.low[axis] += CIRCLE_SLACK;
			bounds.high[axis] -= CIRCLE_SLACK;
		}
	return bounds;
}

static void
set_test(KeyTest *test, int i, double reach)
{
	test->reach[i] = round_down(reach);
	if (i >= N_AXIS_REACHES && i < N_AXIS_REACHES + N_LEAF_DIAGONALS)
		test->diagonal[i - N_AXIS_REACHES] = diagonal_down(reach);
}

/*
 * What a key reaches whose region meets a region with points, in its bounding circle.
 */
void
key_test_meets(KeyTest *test, const Shape *shape, const ShapeCircle *circle)
{
	Bounds3		bounds = shape_bounds(shape);

	for (int i = 0; i < N_REACHES; i++)
	{
		int			opposite = i ^ 1;

		set_test(test, i, i < N_AXIS_REACHES ? -bounds_reach(&bounds, opposite) :
				 -circle_reach(circle, opposite));
	}
}

/*
 * What a key reaches whose region contains a region with points, in its bounding circle.
 */
void
key_test_contains(KeyTest *test, const Shape *shape, const ShapeCircle *circle)
{
	Bounds3		reached = reached_bounds(shape);

	for (int i = 0; i < N_REACHES; i++)
	{
		/* a region may reach less far than its circle, if it is not a point */
		double		reach = i < N_AXIS_REACHES ? bounds_reach(&reached, i) :
			shape->kind == SHAPE_POINT ? point_reach(circle->center, i) : -2;

		set_test(test, i, reach - KEY_SLACK);
	}
}

/* Has a region points, so that a test says something of it? */
bool
key_has_points(const Shape *shape, const ShapeCircle *circle)
{
	Bounds3		bounds = shape_bounds(shape);

	return has_points(shape, &bounds, circle);
}
