/*-------------------------------------------------------------------------
 *
 * src/sky/shape_curve.h
 *	  The curves that bound a shape, and where they cross.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CATREG_SKY_SHAPE_CURVE_H
#define CATREG_SKY_SHAPE_CURVE_H

#include "sky/shape.h"

/*
 * An arc of a great or a small circle, counter-clockwise about its normal; or
 * the whole of an ellipse.  A point of it has a parameter from 0 to length.
 */
typedef struct Curve
{
	const ShapeEllipse *ellipse;	/* NULL: an arc */
	Vec			normal;			/* the centre of an arc's circle, on the sphere */
	double		chord2;			/* from there to its points; 2: a great circle */
	Vec			from;			/* the first point, seen from the middle of the
								 * circle's plane */
	Vec			across;			/* the same, a quarter of a turn on */
	double		length;			/* radians around the middle */
	bool		whole;			/* it has no ends */
} Curve;

/* So often do two curves cross, at most. */
#define MAX_CROSSINGS 16

extern uint32_t shape_curve_count(const Shape *leaf);
extern void shape_curve(const Shape *leaf, uint32_t i, Curve *curve);
extern double curve_radius(const Curve *arc);
extern double curve_side(const Curve *curve, Vec point);
extern Vec	curve_point(const Curve *curve, double t);
extern int	curve_crossings(const Curve *curve, const Curve *other,
							double parameters[MAX_CROSSINGS]);

#endif							/* CATREG_SKY_SHAPE_CURVE_H */
