/*-------------------------------------------------------------------------
 *
 * src/sky/htm.h
 *	  Pixels of the Hierarchical Triangular Mesh.
 *
 * Part of the pure sky code: see vector.h.
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
extern bool htm_triangle(int level, int64_t id, Vec vertices[3]);
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
