/*-------------------------------------------------------------------------
 *
 * src/obscore/derive.c
 *	  Values of columns that SQL alone cannot make, without errors.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/tupmacs.h"
#include "catalog/pg_type.h"
#include "common/base64.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "core/compat.h"
#include "obscore/problem.h"
#include "sky/htm.h"
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

/* The intersection of regions, all of them there. */
static Region *
intersection(Region **regions, int n)
{
	Size		size = offsetof(Region, shape) + sizeof(Shape);
	Region	   *all;
	char	   *at;

	for (int i = 0; i < n; i++)
		size += shape_size(&regions[i]->shape);
	all = palloc0(size);
	all->version = REGION_VERSION;
	all->shape.kind = SHAPE_INTERSECTION;
	all->shape.n = n;
	at = (char *) (&all->shape + 1);
	for (int i = 0; i < n; i++)
	{
		memcpy(at, &regions[i]->shape, shape_size(&regions[i]->shape));
		at += shape_size(&regions[i]->shape);
	}
	SET_VARSIZE(all, offsetof(Region, shape) + shape_size(&all->shape));
	return all;
}

PG_FUNCTION_INFO_V1(obscore_region_intersection);

/*
 * obscore_region(VARIADIC text[]) -> region: the intersection of the regions of
 * several records, NULL where one has none.
 */
Datum
obscore_region_intersection(PG_FUNCTION_ARGS)
{
	Datum	   *encoded;
	bool	   *nulls;
	Region	  **regions;
	int			n;

	deconstruct_array(PG_GETARG_ARRAYTYPE_P(0), TEXTOID, -1, false, TYPALIGN_INT, &encoded, &nulls, &n);
	for (int i = 0; i < n; i++)
		if (nulls[i])
			PG_RETURN_NULL();
	regions = palloc(sizeof(Region *) * n);
	for (int i = 0; i < n; i++)
	{
		regions[i] = decode_region(DatumGetTextPP(encoded[i]));
		if (regions[i] == NULL)
			PG_RETURN_NULL();
	}
	PG_RETURN_POINTER(intersection(regions, n));
}

PG_FUNCTION_INFO_V1(obscore_pixel);

/*
 * obscore_pixel(class, level, id) -> text: the region of a pixel, encoded as those
 * of records are.
 *
 * Those of HEALPix are, with sphgeom, the hulls of sixteen points that another
 * library computes, some of them within rounding errors of a straight line, and
 * are left out.
 */
Datum
obscore_pixel(PG_FUNCTION_ARGS)
{
	char	   *class_name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	int			level = PG_GETARG_INT32(1);
	int64		id = PG_GETARG_INT64(2);
	struct
	{
		Shape		shape;
		Vec			vertices[3];
	}			pixel;
	uint8		bytes[1 + sizeof(pixel.vertices)];
	char		encoded[2 * sizeof(bytes)];
	int			n;

	if (strcmp(class_name, "lsst.sphgeom.HtmPixelization") != 0)
	{
		obscore_note("pixels of %s have no region here", class_name);
		PG_RETURN_NULL();
	}
	if (!htm_triangle(level, id, pixel.vertices) || !shape_set_convex(&pixel.shape, 3))
	{
		obscore_note("there is no pixel " INT64_FORMAT " at level %d", id, level);
		PG_RETURN_NULL();
	}
	shape_encode(&pixel.shape, bytes);
	n = pg_b64_encode((const char *) bytes, sizeof(bytes), encoded, sizeof(encoded));
	PG_RETURN_TEXT_P(cstring_to_text_with_len(encoded, n));
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
