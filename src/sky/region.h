/*-------------------------------------------------------------------------
 *
 * src/sky/region.h
 *	  The type catreg.region: a shape as a value of SQL.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CATREG_SKY_REGION_H
#define CATREG_SKY_REGION_H

#include "fmgr.h"

#include "sky/htm.h"
#include "sky/shape.h"

/* 8 bytes of header keep the shape aligned. */
typedef struct Region
{
	int32		vl_len_;		/* varlena header (do not touch directly!) */
	int32		version;		/* of this layout */
	Shape		shape;
} Region;

#define REGION_VERSION 1

#define DatumGetRegion(datum) ((Region *) PG_DETOAST_DATUM(datum))
#define PG_GETARG_REGION(n) DatumGetRegion(PG_GETARG_DATUM(n))

extern Datum region_s_ra(PG_FUNCTION_ARGS);
extern Datum region_s_dec(PG_FUNCTION_ARGS);
extern Datum region_s_fov(PG_FUNCTION_ARGS);
extern Datum region_adql(PG_FUNCTION_ARGS);
extern uint8 *region_base64_bytes(const char *at, Size length, Size *n_bytes);
extern Region *region_of_bytes(const uint8 *bytes, Size n, bool ours, const char **problem);
extern void region_check_sphgeom_has(const Shape *shape);
extern void region_check_direction(double lon, double lat);
extern HtmPixels region_envelope(const Shape *shape, int level);

#endif							/* CATREG_SKY_REGION_H */
