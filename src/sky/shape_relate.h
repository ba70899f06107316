/*-------------------------------------------------------------------------
 *
 * src/sky/shape_relate.h
 *	  What the relations between shapes are made of.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CATREG_SKY_SHAPE_RELATE_H
#define CATREG_SKY_SHAPE_RELATE_H

#include "sky/shape.h"

/* What is nearer than this to a boundary, in radians, is on it, where two
 * boundaries run together. */
#define BOUNDARY 4e-15

/* Simple shapes that a point has to be in all of. */
typedef struct Conjunction
{
	const Shape **leaves;
	int			n;
} Conjunction;

typedef bool (*ConjunctionTest) (const Conjunction *leaves, const void *arg);

static inline bool
is_polygon(const Shape *shape)
{
	return shape->kind == SHAPE_CONVEX || shape->kind == SHAPE_POLYGON;
}

/* shape_pair.c */
extern bool pair_intersects(const Shape *a, const Shape *b, bool *known);
extern bool pair_contains(const Shape *outer, const Shape *inner, bool *known);

/* shape_conjunction.c */
extern bool any_conjunction_of(const Shape *a, const Shape *b, ConjunctionTest test, const void *arg);
extern uint32_t shape_sample_count(const Shape *leaf);
extern Vec	shape_sample(const Shape *leaf, uint32_t i);
extern bool shape_well_in(const Shape *leaf, Vec point);
extern bool shape_tree_has(const Shape *shape, Vec point, const Shape *outside);
extern bool in_all_but(const Conjunction *leaves, Vec point, int one);
extern bool any_crossing_in_all(const Conjunction *leaves, const Shape *outside_of);
extern bool have_common_point(const Conjunction *leaves);

/* shape_containment.c */
extern bool sticks_out(const Shape *outer, const Conjunction *inner);

#endif							/* CATREG_SKY_SHAPE_RELATE_H */
