/*-------------------------------------------------------------------------
 *
 * src/sky/shape.h
 *	  Shapes on the sphere, as a region holds them.
 *
 * A shape is a header followed by doubles, and for unions and intersections by
 * their operands, one after the other; all of it lies in one piece of memory,
 * aligned to 8 bytes.  Angles are radians, directions unit vectors.  The code
 * for shapes needs nothing of the server, so that a unit test or a fuzzer can
 * link it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CATREG_SKY_SHAPE_H
#define CATREG_SKY_SHAPE_H

#include <stddef.h>
#include <stdint.h>

#include "sky/vector.h"

/* The letters are those of sphgeom's encoding where it has the shape. */
typedef enum ShapeKind
{
	SHAPE_POINT = 'd',			/* a direction */
	SHAPE_CIRCLE = 'c',			/* centre, squared chord, opening angle */
	SHAPE_BOX = 'b',			/* from and to: longitude, latitude */
	SHAPE_ELLIPSE = 'e',		/* see ShapeEllipse */
	SHAPE_CONVEX = 'p',			/* vertices, counter-clockwise */
	SHAPE_POLYGON = 'g',		/* a simple one, not convex: vertices,
								 * counter-clockwise, and a point inside */
	SHAPE_UNION = 'u',
	SHAPE_INTERSECTION = 'i'
} ShapeKind;

typedef struct Shape
{
	uint8_t		kind;
	uint8_t		unused[3];
	uint32_t	n;				/* vertices, or operands */
} Shape;

typedef struct ShapeCircle
{
	Vec			center;
	double		chord2;			/* below 0: empty; from 4 on: the full sphere */
	double		angle;
} ShapeCircle;

/* A box whose longitudes run from a to b, over 0 where a > b. */
typedef struct ShapeBox
{
	double		lon_a;			/* NaN: empty */
	double		lon_b;
	double		lat_a;
	double		lat_b;
} ShapeBox;

/*
 * A spherical ellipse in sphgeom's form: rows is the rotation that takes its
 * centre to (0, 0, 1) and its axes to x and y; a and b are the semi-axes less
 * pi/2, gamma half the angle between the foci.
 */
typedef struct ShapeEllipse
{
	Vec			rows[3];
	double		a;
	double		b;
	double		gamma;
	double		tan_a;
	double		tan_b;
} ShapeEllipse;

/* So many vertices may a polygon have that is not convex: each pair of its
 * edges is looked at. */
#define SHAPE_MAX_SIMPLE 10000

/* How deep unions and intersections may be nested. */
#define SHAPE_MAX_DEPTH 32

#define shape_data(shape) ((const void *) ((const Shape *) (shape) + 1))
#define shape_vertices(shape) ((const Vec *) shape_data(shape))
#define shape_circle(shape) ((const ShapeCircle *) shape_data(shape))
#define shape_box(shape) ((const ShapeBox *) shape_data(shape))
#define shape_ellipse(shape) ((const ShapeEllipse *) shape_data(shape))
#define shape_operands(shape) ((const Shape *) shape_data(shape))
#define shape_next(shape) \
	((const Shape *) ((const char *) (shape) + shape_size(shape)))
#define shape_is_compound(shape) \
	((shape)->kind == SHAPE_UNION || (shape)->kind == SHAPE_INTERSECTION)

/* shape.c */
extern size_t shape_size(const Shape *shape);
extern bool shape_is_empty(const Shape *shape);
extern bool shape_contains_point(const Shape *shape, Vec point);
extern bool shape_ellipse_is_empty(const ShapeEllipse *e);
extern bool shape_ellipse_is_full(const ShapeEllipse *e);
extern double shape_box_width(const ShapeBox *box);
extern double shape_box_center_lon(const ShapeBox *box);
extern bool shape_box_has_all_longitudes(const ShapeBox *box);
extern bool shape_box_has_longitude(const ShapeBox *box, double lon);
extern bool shape_edges_meet(Vec a, Vec b, Vec c, Vec d);
extern double shape_triangle_area(Vec a, Vec b, Vec c);
extern double shape_polygon_turn(const Vec *v, uint32_t n);
extern double shape_chord2_of_angle(double angle);
extern double shape_angle_of_chord2(double chord2);
extern void shape_set_circle(Shape *shape, Vec center, double angle);
extern bool shape_set_ellipse(Shape *shape, Vec center, double alpha,
							  double beta, double orientation);
extern bool shape_set_convex(Shape *shape, uint32_t n);
extern const char *shape_set_polygon(Shape *shape, uint32_t n);

/* shape_codec.c */
/* A polygon that is not convex holds a vector more than its encoding. */
#define SHAPE_DECODED_SIZE(n_bytes) ((n_bytes) + (n_bytes) / 2 + 64)
extern const char *shape_decode(const uint8_t *bytes, size_t n, bool ours,
								Shape *shape);
extern size_t shape_encoded_size(const Shape *shape);
extern uint8_t *shape_encode(const Shape *shape, uint8_t *bytes);

/* shape_bounds.c */
typedef struct Bounds3
{
	double		low[3];
	double		high[3];
} Bounds3;

extern ShapeCircle shape_bounding_circle(const Shape *shape);
extern Bounds3 shape_bounds(const Shape *shape);
extern bool bounds_are_empty(const Bounds3 *bounds);
extern bool shape_area(const Shape *shape, double *steradians);

/* shape_relate.c */
extern bool shape_has_points(const Shape *shape);
extern double shape_chord2_to_edge(Vec v, Vec a, Vec b, bool farthest);
extern bool shape_intersects(const Shape *a, const Shape *b);
extern bool shape_contains(const Shape *outer, const Shape *inner);

/* shape_text.c */
#define SHAPE_PARSED_SIZE(n_characters) (8 * (n_characters) + 256)
extern const char *shape_parse(const char *text, Shape *shape, size_t *where);
extern size_t shape_text_size(const Shape *shape);
extern char *shape_write(const Shape *shape, bool six, char *to);

#endif							/* CATREG_SKY_SHAPE_H */
