/*-------------------------------------------------------------------------
 *
 * src/sky/shape_containment.c
 *	  Whether simple shapes together reach outside of another shape.
 *
 * The boundaries of both are cut wherever another one crosses them, and a point of
 * each piece tells.
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

#include "sky/shape.h"
#include "sky/shape_curve.h"
#include "sky/shape_relate.h"

/*
 * What is shorter than this part of a curve, or than this in radians, is no piece of
 * it.  The crossings of an ellipse are not known better than to the first.
 */
#define SHORTEST_PART 1e-7
#define SHORTEST_PIECE 1e-11

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
		if (i != c->own && !(c->own_outer != NULL ? shape_well_in(c->inner->leaves[i], point) :
							 shape_contains_point(c->inner->leaves[i], point)))
			return false;
	c->has_boundary |= c->own >= 0;
	return !shape_tree_has(c->outer, point, c->own_outer);
}

/*
 * The shortest piece of a curve that is looked at, as its parameter: two boundaries
 * that cross in one point may seem to do so in two, this far from each other.
 */
static double
shortest_piece(const Curve *curve)
{
	double		shortest = SHORTEST_PART * curve->length;

	return curve->ellipse != NULL ? shortest : fmin(shortest, SHORTEST_PIECE / curve_radius(curve));
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
	double		shortest = shortest_piece(curve);
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

		if (to - from > shortest)
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
bool
sticks_out(const Shape *outer, const Conjunction *inner)
{
	Containment c = {outer, inner, -1, NULL, false};
	Curve		curve;

	for (int i = 0; i < inner->n; i++)
	{
		const Shape *leaf = inner->leaves[i];

		for (uint32_t k = 0; k < shape_sample_count(leaf); k++)
		{
			Vec			point = shape_sample(leaf, k);

			/* the corners of a box without an inside are not in it to the last bit */
			if ((leaf->kind == SHAPE_BOX || shape_contains_point(leaf, point)) &&
				in_all_but(inner, point, i) && !shape_tree_has(outer, point, NULL))
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
