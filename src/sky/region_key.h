/*-------------------------------------------------------------------------
 *
 * src/sky/region_key.h
 *	  What an index holds of a region, and of the regions below a page.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CATREG_SKY_REGION_KEY_H
#define CATREG_SKY_REGION_KEY_H

#include "postgres.h"

#include "core/compat.h"
#include "sky/region.h"

/*
 * Directions in space, in pairs of opposites: the three axes, the two diagonals
 * between x and y, the four of the other axes, and the four of the cube.
 */
#define N_AXIS_REACHES		6
#define N_LEAF_DIAGONALS	4
#define N_PAIR_REACHES		12		/* between two axes */
#define N_REACHES			26

/* What all keys begin with; a varlena. */
typedef struct RegionKey
{
	int32		vl_len_;
	float4		reach[N_AXIS_REACHES];	/* at most so far, in each direction */
} RegionKey;

/* Of a region. */
typedef struct LeafKey
{
	RegionKey	axes;
	int16		diagonal[N_LEAF_DIAGONALS]; /* in units of 1/32767 */
} LeafKey;

/* Of the regions below a page. */
typedef struct InnerKey
{
	int32		vl_len_;
	float4		reach[N_REACHES];
} InnerKey;

/* How far a key has to reach that a query is after. */
typedef struct KeyTest
{
	float4		reach[N_REACHES];
	int16		diagonal[N_LEAF_DIAGONALS];
} KeyTest;

#define DatumGetRegionKey(datum) ((RegionKey *) DatumGetPointer(datum))

/* More than rounding can make of two bounds of which one is within the other. */
#define KEY_SLACK 1e-12

static inline bool
is_leaf_key(const RegionKey *key)
{
	return VARSIZE(key) == sizeof(LeafKey);
}

/*
 * Does a key reach as far as is asked for?  The tests are joined by & and not by
 * &&: of a page's keys most fail, each at another one, and a processor that has
 * guessed wrong loses more than all of them take.
 */
static inline bool
key_passes(const RegionKey *key, const KeyTest *test)
{
	int			passes = 1;

	for (int i = 0; i < N_AXIS_REACHES; i++)
		passes &= key->reach[i] >= test->reach[i];
	if (is_leaf_key(key))
		for (int i = 0; i < N_LEAF_DIAGONALS; i++)
			passes &= ((const LeafKey *) key)->diagonal[i] >= test->diagonal[i];
	/* a page's key is long: most need not be read to their ends */
	else if (passes)
		for (int i = N_AXIS_REACHES; i < N_REACHES; i++)
			passes &= ((const InnerKey *) key)->reach[i] >= test->reach[i];
	return passes;
}

extern void leaf_key_make(LeafKey *key, const Shape *shape);
extern void inner_key_make(InnerKey *inner, const RegionKey *key);
extern void inner_key_extend(InnerKey *inner, const InnerKey *by);
extern void key_test_meets(KeyTest *test, const Shape *shape, const ShapeCircle *circle);
extern void key_test_contains(KeyTest *test, const Shape *shape, const ShapeCircle *circle);
extern bool key_has_points(const Shape *shape, const ShapeCircle *circle);

#endif							/* CATREG_SKY_REGION_KEY_H */
