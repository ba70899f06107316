/*-------------------------------------------------------------------------
 *
 * src/sky/region_htm.c
 *	  The pixels of a region and of a direction, in SQL and for the server's code.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/lsyscache.h"
#include "utils/multirangetypes.h"
#include "utils/typcache.h"

#include "core/compat.h"
#include "sky/region.h"

static void *
resize(void *memory, size_t size)
{
	return memory == NULL ? palloc(size) : repalloc_huge(memory, size);
}

static void
pause_search(void)
{
	CHECK_FOR_INTERRUPTS();
}

/*
 * The pixels that a region touches at a level, in the current memory context.
 *
 * Error: feature_not_supported for what sphgeom has no encoding of.
 */
HtmPixels
region_envelope(const Shape *shape, int level)
{
	static const HtmHost host = {resize, pfree, pause_search};
	HtmPixels	pixels = {NULL, 0, 0};

	region_check_sphgeom_has(shape);
	if (!htm_envelope(shape, level, &host, &pixels))
		elog(ERROR, "a region of kind \"%c\" has no pixels", shape->kind);
	return pixels;
}

static void
check_level(int level)
{
	if (level < 0 || level > HTM_MAX_LEVEL)
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("level %d is not between 0 and %d", level, HTM_MAX_LEVEL)));
}

static RangeBound
bound(uint64 pixel, bool lower)
{
	RangeBound	result = {0};

	result.val = Int64GetDatum((int64) pixel);
	result.inclusive = lower;
	result.lower = lower;
	return result;
}

PG_FUNCTION_INFO_V1(htm_region_envelope);

/*
 * htm_envelope(region, level) -> int8multirange.
 *
 * Errors: feature_not_supported, numeric_value_out_of_range.
 */
Datum
htm_region_envelope(PG_FUNCTION_ARGS)
{
	Region	   *region = PG_GETARG_REGION(0);
	int			level = PG_GETARG_INT32(1);
	TypeCacheEntry *type = lookup_type_cache(INT8RANGEOID, TYPECACHE_RANGE_INFO);
	HtmPixels	pixels;
	RangeType **ranges;

	check_level(level);
	pixels = region_envelope(&region->shape, level);
	if (pixels.n > PG_INT32_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("the region has too many ranges of pixels at level %d", level)));
	ranges = palloc_extended(sizeof(RangeType *) * Max(pixels.n, 1), MCXT_ALLOC_HUGE);
	for (size_t i = 0; i < pixels.n; i++)
	{
		RangeBound	lower = bound(pixels.ranges[i].begin, true);
		RangeBound	upper = bound(pixels.ranges[i].end, false);

		ranges[i] = catreg_make_range(type, &lower, &upper, false);
	}
	PG_RETURN_MULTIRANGE_P(make_multirange(INT8MULTIRANGEOID, type, (int32) pixels.n, ranges));
}

PG_FUNCTION_INFO_V1(htm_direction_index);

/*
 * htm_index(lon, lat, level) -> bigint: in degrees.
 *
 * Error: numeric_value_out_of_range.
 */
Datum
htm_direction_index(PG_FUNCTION_ARGS)
{
	double		lon = PG_GETARG_FLOAT8(0);
	double		lat = PG_GETARG_FLOAT8(1);
	int			level = PG_GETARG_INT32(2);

	check_level(level);
	region_check_direction(lon, lat);
	PG_RETURN_INT64((int64) htm_index(vec_from_degrees(lon, lat), level));
}
