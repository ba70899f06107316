/*-------------------------------------------------------------------------
 *
 * src/obscore/derive.c
 *	  Values of columns that SQL alone cannot make, without errors.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/tupmacs.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "core/compat.h"
#include "obscore/problem.h"
#include "sky/leap_seconds.h"
#include "sky/region.h"

static Region *
decode_region(text *encoded)
{
	Size		n;
	const char *problem = "it is not base64";
	uint8	   *bytes = region_base64_bytes(VARDATA_ANY(encoded), VARSIZE_ANY_EXHDR(encoded), &n);
	Region	   *region = bytes == NULL ? NULL : region_of_bytes(bytes, n, false, &problem);

	if (region == NULL)
		obscore_note("the record's region cannot be read: %s", problem);
	return region;
}

PG_FUNCTION_INFO_V1(obscore_region);

/*
 * obscore_region(text) -> region: what a record holds, NULL where it cannot be
 * read.
 */
Datum
obscore_region(PG_FUNCTION_ARGS)
{
	Region	   *region = decode_region(PG_GETARG_TEXT_PP(0));

	if (region == NULL)
		PG_RETURN_NULL();
	PG_RETURN_POINTER(region);
}

PG_FUNCTION_INFO_V1(obscore_region_intersection);

/*
 * obscore_region(text, text) -> region: the intersection of the regions of two
 * records.
 */
Datum
obscore_region_intersection(PG_FUNCTION_ARGS)
{
	Region	   *a = decode_region(PG_GETARG_TEXT_PP(0));
	Region	   *b = decode_region(PG_GETARG_TEXT_PP(1));
	Region	   *both;
	Size		size_a;
	Size		size_b;

	if (a == NULL || b == NULL)
		PG_RETURN_NULL();
	size_a = shape_size(&a->shape);
	size_b = shape_size(&b->shape);
	both = palloc0(offsetof(Region, shape) + sizeof(Shape) + size_a + size_b);
	both->version = REGION_VERSION;
	both->shape.kind = SHAPE_INTERSECTION;
	both->shape.n = 2;
	memcpy((char *) (&both->shape + 1), &a->shape, size_a);
	memcpy((char *) (&both->shape + 1) + size_a, &b->shape, size_b);
	SET_VARSIZE(both, offsetof(Region, shape) + shape_size(&both->shape));
	PG_RETURN_POINTER(both);
}

/*
 * The text columns and the angles of a footprint, which the peers make of convex
 * polygons alone (daf_butler, default_spatial.py): NULL for all others.
 */
#define SPATIAL_COLUMN(column, function) \
PG_FUNCTION_INFO_V1(column); \
Datum \
column(PG_FUNCTION_ARGS) \
{ \
	Region	   *region = PG_GETARG_REGION(0); \
\
	if (region->shape.kind != SHAPE_CONVEX) \
		PG_RETURN_NULL(); \
	PG_RETURN_DATUM(DirectFunctionCall1(function, PointerGetDatum(region))); \
}

SPATIAL_COLUMN(obscore_s_ra, region_s_ra)
SPATIAL_COLUMN(obscore_s_dec, region_s_dec)
SPATIAL_COLUMN(obscore_s_fov, region_s_fov)
SPATIAL_COLUMN(obscore_s_region, region_adql)

PG_FUNCTION_INFO_V1(obscore_mjd);

/*
 * obscore_mjd(nanoseconds) -> float8: the MJD in UTC of a time in TAI.
 */
Datum
obscore_mjd(PG_FUNCTION_ARGS)
{
	LeapSeconds leaps;

	if (!leap_seconds_get(&leaps))
	{
		obscore_note("table \"%s\" is wrong", "catreg.leap_second");
		PG_RETURN_NULL();
	}
	PG_RETURN_FLOAT8(time_scale_mjd(PG_GETARG_INT64(0), TIME_SCALE_UTC, leaps));
}

PG_FUNCTION_INFO_V1(obscore_fit);

/*
 * obscore_fit(value, length) -> text: NULL where it has more characters than the
 * column takes.
 */
Datum
obscore_fit(PG_FUNCTION_ARGS)
{
	text	   *value = PG_GETARG_TEXT_PP(0);
	int32		most = PG_GETARG_INT32(1);
	int			length = VARSIZE_ANY_EXHDR(value);

	if (length > most)
		length = pg_mbstrlen_with_len(VARDATA_ANY(value), length);
	if (length > most)
	{
		obscore_note("its %d characters are more than the column takes, %d", length, most);
		PG_RETURN_NULL();
	}
	PG_RETURN_TEXT_P(value);
}

PG_FUNCTION_INFO_V1(obscore_fit_integer);

/*
 * obscore_fit(value, bytes) -> bigint: NULL where the column's type, of two or
 * four bytes, does not hold it.
 */
Datum
obscore_fit_integer(PG_FUNCTION_ARGS)
{
	int64		value = PG_GETARG_INT64(0);
	int			bytes = PG_GETARG_INT32(1);
	int64		most = bytes == 2 ? PG_INT16_MAX : PG_INT32_MAX;

	if (value < -most - 1 || value > most)
	{
		obscore_note(INT64_FORMAT " is out of range for a column of %d bytes", value, bytes);
		PG_RETURN_NULL();
	}
	PG_RETURN_INT64(value);
}

/* The place of a name among the elements of an array of texts, or -1. */
static int
place_of(ArrayType *names, text *name)
{
	char	   *at = ARR_DATA_PTR(names);
	int			n = ArrayGetNItems(ARR_NDIM(names), ARR_DIMS(names));

	for (int i = 0; i < n; i++)
	{
		if (VARSIZE_ANY_EXHDR(at) == VARSIZE_ANY_EXHDR(name) &&
			memcmp(VARDATA_ANY(at), VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name)) == 0)
			return i;
		at = (char *) att_align_nominal(at + VARSIZE_ANY(at), TYPALIGN_INT);
	}
	return -1;
}

PG_FUNCTION_INFO_V1(obscore_spectral);

/*
 * obscore_spectral(filter, band, names text[], ends float8[]) -> float8: the end
 * that is given for the filter, be it NULL, else for the band.
 */
Datum
obscore_spectral(PG_FUNCTION_ARGS)
{
	ArrayType  *names = PG_GETARG_ARRAYTYPE_P(2);
	int			place = PG_ARGISNULL(0) ? -1 : place_of(names, PG_GETARG_TEXT_PP(0));
	Datum		end;
	bool		isnull;

	if (place < 0 && !PG_ARGISNULL(1))
		place = place_of(names, PG_GETARG_TEXT_PP(1));
	if (place < 0)
		PG_RETURN_NULL();
	place++;
	end = array_get_element(PG_GETARG_DATUM(3), 1, &place, -1, sizeof(float8), FLOAT8PASSBYVAL,
							TYPALIGN_DOUBLE, &isnull);
	if (isnull)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(end);
}
