/*-------------------------------------------------------------------------
 *
 * src/sky/vector.h
 *	  Vectors in space, and directions on the sky as unit vectors.
 *
 * What sphgeom computes is computed here by the same operations in the same
 * order, so that results agree with its own to the last bit where no
 * expression is contracted (the Makefile forbids that).
 *
 *-------------------------------------------------------------------------
 */
#ifndef CATREG_SKY_VECTOR_H
#define CATREG_SKY_VECTOR_H

#include <math.h>
#include <stdbool.h>

#define SKY_PI			3.1415926535897932384626433832795
#define SKY_RAD_PER_DEG	0.0174532925199432957692369076849
#define SKY_DEG_PER_RAD	57.2957795130823208767981548141

typedef struct Vec
{
	double		x;
	double		y;
	double		z;
} Vec;

static inline Vec
vec(double x, double y, double z)
{
	Vec			v = {x, y, z};

	return v;
}

static inline double
vec_dot(Vec a, Vec b)
{
	return a.x * b.x + a.y * b.y + a.z * b.z;
}

static inline Vec
vec_cross(Vec a, Vec b)
{
	return vec(a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x);
}

static inline Vec
vec_add(Vec a, Vec b)
{
	return vec(a.x + b.x, a.y + b.y, a.z + b.z);
}

static inline Vec
vec_subtract(Vec a, Vec b)
{
	return vec(a.x - b.x, a.y - b.y, a.z - b.z);
}

static inline Vec
vec_scale(Vec a, double s)
{
	return vec(a.x * s, a.y * s, a.z * s);
}

static inline Vec
vec_negate(Vec a)
{
	return vec(-a.x, -a.y, -a.z);
}

static inline bool
vec_equal(Vec a, Vec b)
{
	return a.x == b.x && a.y == b.y && a.z == b.z;
}

/* The square of the length of the chord between two directions. */
static inline double
vec_chord2(Vec a, Vec b)
{
	Vec			d = vec_subtract(a, b);

	return vec_dot(d, d);
}

/*
 * Twice the cross product of two directions, accurate where they are close
 * (sphgeom's UnitVector3d::robustCross()).
 */
static inline Vec
vec_robust_cross(Vec a, Vec b)
{
	return vec_cross(vec_add(b, a), vec_subtract(b, a));
}

extern double vec_normalize(Vec *v);
extern double vec_angle(Vec a, Vec b);
extern Vec	vec_orthogonal(Vec a, Vec b);
extern bool vec_is_unit(Vec v);
extern int	vec_orientation(Vec a, Vec b, Vec c);
extern Vec	vec_from_radians(double lon, double lat);
extern Vec	vec_from_degrees(double lon, double lat);
extern double vec_longitude(Vec v);
extern double vec_latitude(Vec v);

#endif							/* CATREG_SKY_VECTOR_H */
