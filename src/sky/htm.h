/*-------------------------------------------------------------------------
 *
 * src/sky/htm.h
 *	  The hierarchical triangular mesh: which of its pixels a shape touches.
 *
 * The sphere's eight octants, each divided into four triangles again and again;
 * at level L a pixel has 4 + 2 L bits, of which the first four name the octant
 * (8 to 15) and each two after them a quarter.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CATREG_SKY_HTM_H
#define CATREG_SKY_HTM_H

#include "sky/shape.h"

#define HTM_MAX_LEVEL 24

/* From one pixel to before another. */
typedef struct HtmRange
{
	uint64_t	begin;
	uint64_t	end;
} HtmRange;

/* A set of pixels: ranges in ascending order, none of which touches the next. */
typedef struct HtmPixels
{
	HtmRange   *ranges;
	size_t		n;
	size_t		room;
} HtmPixels;

/* What the code here needs of who calls it. */
typedef struct HtmHost
{
	void	   *(*resize) (void *memory, size_t size);	/* of NULL: allocates; does not fail */
	void		(*release) (void *memory);
	void		(*pause) (void);	/* called now and then */
} HtmHost;

/* htm.c */
extern bool htm_envelope(const Shape *shape, int level, const HtmHost *host, HtmPixels *pixels);
extern uint64_t htm_index(Vec point, int level);

/* htm_relate.c */
typedef enum HtmRelation
{
	HTM_DISJOINT,
	HTM_WITHIN,					/* the triangle lies in the shape */
	HTM_PARTIAL					/* neither is proven */
} HtmRelation;

extern HtmRelation htm_relate_circle(const Vec *triangle, const ShapeCircle *circle);
extern HtmRelation htm_relate_box(const Vec *triangle, const ShapeBox *box);
extern HtmRelation htm_relate_convex(const Vec *triangle, const Vec *polygon, uint32_t n);

#endif							/* CATREG_SKY_HTM_H */
