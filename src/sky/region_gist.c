/*-------------------------------------------------------------------------
 *
 * src/sky/region_gist.c
 *	  The GiST operator class of regions.
 *
 * A key is a box in space around a region and the centre of its bounding circle,
 * and how far the region reaches along the two diagonals between x and y; all in
 * float4 rounded outwards.  Neither the poles nor longitude 0 are special.
 * Whatever a key says is checked with the region itself.
 *
 * Most of a query's time is the server's own work on each key of the pages that
 * it visits.  The diagonals cut the boxes' corners off, half way between the
 * axes, so that it visits fewer pages; and that a page holds fewer keys, for the
 * bytes that they take, is a gain as well.
 *
 * A region without points, which every other contains, has the whole cube for a
 * key.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/gist.h"
#include "access/stratnum.h"
#include "utils/builtins.h"
#include "utils/sortsupport.h"

#include "core/compat.h"
#include "sky/region.h"

#define INTERSECTS_STRATEGY 3
#define CONTAINS_STRATEGY 7
#define CONTAINED_STRATEGY 8
#define DISTANCE_STRATEGY 15

/* The axes of space come first. */
#define N_AXES 5
#define N_DIAGONALS (N_AXES - 3)

/* More than rounding can make of two bounds of which one is within the other. */
#define SLACK 1e-12

/* More than a diagonal can be off: vectors are not quite of length 1, nor do a
 * circle's angle and chord quite agree (shape_codec.c). */
#define DIAGONAL_SLACK 1e-6

/* Each half of a page that is split gets at least this part of it. */
#define MIN_FILL 0.25

typedef struct RegionKey
{
	float4		low[N_AXES];
	float4		high[N_AXES];
} RegionKey;

#define DatumGetRegionKey(datum) ((RegionKey *) DatumGetPointer(datum))

/* ------------------------------------------------------------------- keys */

static float4
round_down(double value)
{
	float4		rounded = (float4) value;

	return rounded > value ? nextafterf(rounded, -INFINITY) : rounded;
}

static float4
round_up(double value)
{
	float4		rounded = (float4) value;

	return rounded < value ? nextafterf(rounded, INFINITY) : rounded;
}

/* How high a point is along a diagonal: halfway from x to y, or from x to -y. */
static double
along_diagonal(Vec point, int diagonal)
{
	return (diagonal == 0 ? point.x + point.y : point.x - point.y) * sqrt(0.5);
}

/*
 * How far a circle reaches along a diagonal.  From a radius of 90 degrees on a
 * polygon may leave the circle around its vertices: that says nothing.
 */
static void
bound_diagonal(const ShapeCircle *circle, int diagonal, float4 *low, float4 *high)
{
	double		along = along_diagonal(circle->center, diagonal);
	double		across = sqrt(fmax(0, 1 - along * along));
	double		cosine = 1 - 0.5 * circle->chord2;
	double		sine = sqrt(fmax(0, 1 - cosine * cosine));

	*low = -1;
	*high = 1;
	if (!(circle->chord2 >= 0 && circle->chord2 < 2))
		return;
	/* the diagonal's own ends are in some circles */
	if (along < cosine)
		*high = Min(1, round_up(along * cosine + across * sine + DIAGONAL_SLACK));
	if (-along < cosine)
		*low = Max(-1, round_down(along * cosine - across * sine - DIAGONAL_SLACK));
}

static void
make_key(const Shape *shape, RegionKey *key)
{
	Bounds3		bounds = shape_bounds(shape);
	ShapeCircle circle = shape_bounding_circle(shape);
	const double *center = &circle.center.x;
	bool		empty = bounds_are_empty(&bounds) || !(circle.chord2 >= 0) || !shape_has_points(shape);

	for (int axis = 0; axis < 3; axis++)
	{
		key->low[axis] = empty ? -1 : round_down(fmin(bounds.low[axis], center[axis]));
		key->high[axis] = empty ? 1 : round_up(fmax(bounds.high[axis], center[axis]));
	}
	for (int i = 0; i < N_DIAGONALS; i++)
	{
		key->low[3 + i] = -1;
		key->high[3 + i] = 1;
		if (!empty)
			bound_diagonal(&circle, i, &key->low[3 + i], &key->high[3 + i]);
	}
}

static void
extend(RegionKey *key, const RegionKey *by)
{
	for (int axis = 0; axis < N_AXES; axis++)
	{
		key->low[axis] = Min(key->low[axis], by->low[axis]);
		key->high[axis] = Max(key->high[axis], by->high[axis]);
	}
}

/* The sum of the box's edges: boxes on a sphere are too flat for volumes. */
static float4
margin(const RegionKey *key)
{
	return (key->high[0] - key->low[0]) + (key->high[1] - key->low[1]) +
		(key->high[2] - key->low[2]);
}

PG_FUNCTION_INFO_V1(region_key_in);

Datum
region_key_in(PG_FUNCTION_ARGS)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("cannot accept a value of type %s", "region_key"),
			 errdetail("The type is for indexes only.")));
}

PG_FUNCTION_INFO_V1(region_key_out);

Datum
region_key_out(PG_FUNCTION_ARGS)
{
	RegionKey  *key = (RegionKey *) PG_GETARG_POINTER(0);

	PG_RETURN_CSTRING(psprintf("(%.9g,%.9g,%.9g,%.9g,%.9g),(%.9g,%.9g,%.9g,%.9g,%.9g)",
							   key->low[0], key->low[1], key->low[2], key->low[3], key->low[4],
							   key->high[0], key->high[1], key->high[2], key->high[3], key->high[4]));
}

PG_FUNCTION_INFO_V1(region_gist_compress);

Datum
region_gist_compress(PG_FUNCTION_ARGS)
{
	GISTENTRY  *entry = (GISTENTRY *) PG_GETARG_POINTER(0);
	GISTENTRY  *compressed;
	RegionKey  *key;
	Region	   *region;

	if (!entry->leafkey)
		PG_RETURN_POINTER(entry);
	region = DatumGetRegion(entry->key);
	key = palloc(sizeof(RegionKey));
	make_key(&region->shape, key);
	if ((Pointer) region != DatumGetPointer(entry->key))
		pfree(region);
	compressed = palloc(sizeof(GISTENTRY));
	gistentryinit(*compressed, PointerGetDatum(key), entry->rel, entry->page, entry->offset, false);
	PG_RETURN_POINTER(compressed);
}

PG_FUNCTION_INFO_V1(region_gist_union);

Datum
region_gist_union(PG_FUNCTION_ARGS)
{
	GistEntryVector *entries = (GistEntryVector *) PG_GETARG_POINTER(0);
	RegionKey  *key = palloc(sizeof(RegionKey));

	*key = *DatumGetRegionKey(entries->vector[0].key);
	for (int i = 1; i < entries->n; i++)
		extend(key, DatumGetRegionKey(entries->vector[i].key));
	*(int *) PG_GETARG_POINTER(1) = sizeof(RegionKey);
	PG_RETURN_POINTER(key);
}

PG_FUNCTION_INFO_V1(region_gist_same);

Datum
region_gist_same(PG_FUNCTION_ARGS)
{
	bool	   *result = (bool *) PG_GETARG_POINTER(2);

	*result = memcmp(PG_GETARG_POINTER(0), PG_GETARG_POINTER(1), sizeof(RegionKey)) == 0;
	PG_RETURN_POINTER(result);
}

PG_FUNCTION_INFO_V1(region_gist_penalty);

Datum
region_gist_penalty(PG_FUNCTION_ARGS)
{
	RegionKey  *old = DatumGetRegionKey(((GISTENTRY *) PG_GETARG_POINTER(0))->key);
	RegionKey  *new = DatumGetRegionKey(((GISTENTRY *) PG_GETARG_POINTER(1))->key);
	float	   *penalty = (float *) PG_GETARG_POINTER(2);
	float4		extended = 0;

	for (int axis = 0; axis < 3; axis++)
		extended += Max(old->high[axis], new->high[axis]) - Min(old->low[axis], new->low[axis]);
	*penalty = extended - margin(old);
	PG_RETURN_POINTER(penalty);
}

/* ------------------------------------------------------------------ splits */

typedef struct SplitItem
{
	OffsetNumber offset;
	float4		middle;
	const RegionKey *key;
} SplitItem;

static int
compare_items(const void *a, const void *b)
{
	float4		x = ((const SplitItem *) a)->middle;
	float4		y = ((const SplitItem *) b)->middle;

	return (x > y) - (x < y);
}

static void
sort_along(SplitItem *items, int n, int axis)
{
	for (int i = 0; i < n; i++)
		items[i].middle = items[i].key->low[axis] + items[i].key->high[axis];
	qsort(items, n, sizeof(SplitItem), compare_items);
}

/*
 * Where to cut items in their order: so that a query meets as few of them as can
 * be, if it meets a half the more often the larger that is.  Sets how many, in
 * some unit.
 */
static int
best_cut(const SplitItem *items, int n, float4 *met)
{
	RegionKey  *right = palloc(sizeof(RegionKey) * n);
	RegionKey	left = *items[0].key;
	int			least = Max(1, (int) (n * MIN_FILL));
	int			best = -1;

	right[n - 1] = *items[n - 1].key;
	for (int i = n - 2; i > 0; i--)
	{
		right[i] = right[i + 1];
		extend(&right[i], items[i].key);
	}
	for (int i = 1; i <= n - least; i++)
	{
		if (i >= least)
		{
			float4		cost = i * margin(&left) + (n - i) * margin(&right[i]);

			if (best < 0 || cost < *met)
			{
				best = i;
				*met = cost;
			}
		}
		extend(&left, items[i].key);
	}
	pfree(right);
	return best;
}

PG_FUNCTION_INFO_V1(region_gist_picksplit);

/*
 * Sorts along each axis, and cuts where it is best.
 */
Datum
region_gist_picksplit(PG_FUNCTION_ARGS)
{
	GistEntryVector *entries = (GistEntryVector *) PG_GETARG_POINTER(0);
	GIST_SPLITVEC *split = (GIST_SPLITVEC *) PG_GETARG_POINTER(1);
	int			n = entries->n - FirstOffsetNumber;
	SplitItem  *items = palloc(sizeof(SplitItem) * n);
	RegionKey  *left = palloc(sizeof(RegionKey));
	RegionKey  *right = palloc(sizeof(RegionKey));
	int			cut = 0;
	int			axis = 0;
	float4		met = 0;

	for (int i = 0; i < n; i++)
	{
		items[i].offset = FirstOffsetNumber + i;
		items[i].key = DatumGetRegionKey(entries->vector[FirstOffsetNumber + i].key);
	}
	for (int a = 0; a < 3; a++)
	{
		float4		this_met = 0;
		int			this_cut;

		sort_along(items, n, a);
		this_cut = best_cut(items, n, &this_met);
		if (a == 0 || this_met < met)
		{
			axis = a;
			cut = this_cut;
			met = this_met;
		}
	}
	sort_along(items, n, axis);

	split->spl_left = palloc(sizeof(OffsetNumber) * n);
	split->spl_right = palloc(sizeof(OffsetNumber) * n);
	split->spl_nleft = split->spl_nright = 0;
	*left = *items[0].key;
	*right = *items[cut].key;
	for (int i = 0; i < n; i++)
		if (i < cut)
		{
			extend(left, items[i].key);
			split->spl_left[split->spl_nleft++] = items[i].offset;
		}
		else
		{
			extend(right, items[i].key);
			split->spl_right[split->spl_nright++] = items[i].offset;
		}
	split->spl_ldatum = PointerGetDatum(left);
	split->spl_rdatum = PointerGetDatum(right);
	PG_RETURN_POINTER(split);
}

/* ----------------------------------------------------------------- queries */

/* What is known of a query, kept from key to key. */
typedef struct RegionQuery
{
	RegionKey	outer;			/* what meets the query meets this */
	RegionKey	inner;			/* what contains the query contains this */
	ShapeCircle circle;
	bool		empty;
	Page		page;			/* of the key that was looked at last */
	OffsetNumber offset;
	Size		size;			/* of the value, as it came */
	char		value[FLEXIBLE_ARRAY_MEMBER];
} RegionQuery;

static RegionQuery *
make_query(FunctionCallInfo fcinfo, Datum datum)
{
	Size		size = VARSIZE_ANY(DatumGetPointer(datum));
	RegionQuery *query = MemoryContextAlloc(fcinfo->flinfo->fn_mcxt, offsetof(RegionQuery, value) + size);
	Region	   *region = DatumGetRegion(datum);
	Bounds3		bounds;

	bounds = shape_bounds(&region->shape);
	query->circle = shape_bounding_circle(&region->shape);
	query->empty = bounds_are_empty(&bounds) || !(query->circle.chord2 >= 0) ||
		!shape_has_points(&region->shape);
	for (int axis = 0; axis < 3; axis++)
	{
		query->outer.low[axis] = round_down(bounds.low[axis]);
		query->outer.high[axis] = round_up(bounds.high[axis]);
		query->inner.low[axis] = round_up(bounds.low[axis] + SLACK);
		query->inner.high[axis] = round_down(bounds.high[axis] - SLACK);
	}
	for (int axis = 3; axis < N_AXES; axis++)
	{
		double		along = along_diagonal(query->circle.center, axis - 3);
		bool		is_point = region->shape.kind == SHAPE_POINT;

		bound_diagonal(&query->circle, axis - 3, &query->outer.low[axis], &query->outer.high[axis]);
		/* a region may reach less far than its circle: nothing is asked for */
		query->inner.low[axis] = is_point ? round_up(along + SLACK) : 2;
		query->inner.high[axis] = is_point ? round_down(along - SLACK) : -2;
	}
	query->size = size;
	memcpy(query->value, DatumGetPointer(datum), size);
	return query;
}

/*
 * The query of the first key of a page, and of one in a page of which nothing is
 * remembered.  A scan that is begun again keeps fn_extra, and may have another
 * query at the same address: it is compared.
 */
static pg_noinline const RegionQuery *
begin_page(FunctionCallInfo fcinfo, const GISTENTRY *entry, Datum datum)
{
	RegionQuery *query = fcinfo->flinfo->fn_extra;
	Size		size = VARSIZE_ANY(DatumGetPointer(datum));

	if (query == NULL || query->size != size ||
		memcmp(query->value, DatumGetPointer(datum), size) != 0)
	{
		fcinfo->flinfo->fn_extra = NULL;
		if (query != NULL)
			pfree(query);
		query = make_query(fcinfo, datum);
		fcinfo->flinfo->fn_extra = query;
	}

	/*
	 * A scan begins at the root, and goes through all keys of a page: the key
	 * behind the last one belongs to the same scan.  Not so in a root that is a
	 * leaf as well, of which keys may have been passed over as dead.
	 */
	query->page = GistPageIsLeaf(entry->page) &&
		GistPageGetOpaque(entry->page)->rightlink == InvalidBlockNumber ? NULL : entry->page;
	query->offset = entry->offset;
	return query;
}

/*
 * The query of the key that is looked at, where that is the next one of the same
 * page; or NULL.
 */
static inline const RegionQuery *
same_page(FunctionCallInfo fcinfo, const GISTENTRY *entry)
{
	RegionQuery *query = fcinfo->flinfo->fn_extra;

	if (unlikely(query == NULL || query->page != entry->page || entry->offset != query->offset + 1))
		return NULL;
	query->offset = entry->offset;
	return query;
}

/* The square of the distance from a point to a key's box. */
static pg_noinline double
chord2_to_key(const RegionKey *key, Vec point)
{
	const double *at = &point.x;
	double		chord2 = 0;

	for (int axis = 0; axis < 3; axis++)
	{
		double		off = at[axis] < key->low[axis] ? key->low[axis] - at[axis] :
			at[axis] > key->high[axis] ? at[axis] - key->high[axis] : 0;

		chord2 += off * off;
	}
	return chord2;
}

static inline int
meets_along(const RegionKey *key, const RegionKey *outer, int axis)
{
	return (key->low[axis] <= outer->high[axis]) & (key->high[axis] >= outer->low[axis]);
}

static inline int
contains_along(const RegionKey *key, const RegionKey *inner, int axis)
{
	return (key->low[axis] <= inner->low[axis]) & (key->high[axis] >= inner->high[axis]);
}

/*
 * The tests of a key are joined by & and not by &&: of a page's keys most fail,
 * each at another one, and a processor that has guessed wrong loses more than
 * all ten take.
 */
static inline bool
may_intersect(const RegionKey *key, const RegionQuery *query)
{
	const RegionKey *outer = &query->outer;
	int			meets = meets_along(key, outer, 0) & meets_along(key, outer, 1) &
		meets_along(key, outer, 2) & meets_along(key, outer, 3) & meets_along(key, outer, 4);

	return meets && chord2_to_key(key, query->circle.center) <= query->circle.chord2 + SLACK;
}

static inline bool
may_contain(const RegionKey *key, const RegionQuery *query)
{
	const RegionKey *inner = &query->inner;

	return contains_along(key, inner, 0) & contains_along(key, inner, 1) &
		contains_along(key, inner, 2) & contains_along(key, inner, 3) & contains_along(key, inner, 4);
}

static inline bool
may_be_found(const RegionKey *key, const RegionQuery *query, StrategyNumber strategy)
{
	switch (strategy)
	{
		case CONTAINS_STRATEGY:
			return may_contain(key, query) || query->empty;
		case INTERSECTS_STRATEGY:
			return may_intersect(key, query) && !query->empty;
		default:
			Assert(strategy == CONTAINED_STRATEGY);
			return may_intersect(key, query) || query->empty;
	}
}

/* Apart, so that the keys that follow need no frame on the stack. */
static pg_noinline bool
first_may_be_found(FunctionCallInfo fcinfo, const GISTENTRY *entry, Datum datum, StrategyNumber strategy)
{
	return may_be_found(DatumGetRegionKey(entry->key), begin_page(fcinfo, entry, datum), strategy);
}

PG_FUNCTION_INFO_V1(region_gist_consistent);

Datum
region_gist_consistent(PG_FUNCTION_ARGS)
{
	GISTENTRY  *entry = (GISTENTRY *) PG_GETARG_POINTER(0);
	StrategyNumber strategy = (StrategyNumber) PG_GETARG_UINT16(2);
	const RegionQuery *query = same_page(fcinfo, entry);

	*(bool *) PG_GETARG_POINTER(4) = true;	/* recheck */
	if (query == NULL)
		return BoolGetDatum(first_may_be_found(fcinfo, entry, PG_GETARG_DATUM(1), strategy));
	return BoolGetDatum(may_be_found(DatumGetRegionKey(entry->key), query, strategy));
}

PG_FUNCTION_INFO_V1(region_gist_distance);

/*
 * No more than the angle between the centres, in degrees.
 */
Datum
region_gist_distance(PG_FUNCTION_ARGS)
{
	GISTENTRY  *entry = (GISTENTRY *) PG_GETARG_POINTER(0);
	const RegionQuery *query = same_page(fcinfo, entry);
	bool	   *recheck = (bool *) PG_GETARG_POINTER(4);
	double		chord2;

	if (query == NULL)
		query = begin_page(fcinfo, entry, PG_GETARG_DATUM(1));

	*recheck = true;
	if (query->empty)
		PG_RETURN_FLOAT8(0);
	chord2 = chord2_to_key(DatumGetRegionKey(entry->key), query->circle.center);
	PG_RETURN_FLOAT8(shape_angle_of_chord2(chord2) * SKY_DEG_PER_RAD * (1 - 1e-12));
}

/* ------------------------------------------------------------- sorted build */

#define HILBERT_BITS 24

/*
 * The position of a cell on Hilbert's curve over a square (the turns as on
 * Wikipedia's "Hilbert curve").
 */
static uint64
hilbert(uint32 x, uint32 y)
{
	uint64		position = 0;

	for (uint32 s = 1u << (HILBERT_BITS - 1); s > 0; s >>= 1)
	{
		uint32		right = (x & s) != 0;
		uint32		upper = (y & s) != 0;

		position = position << 2 | ((3 * right) ^ upper);
		if (!upper)
		{
			uint32		swap = right ? ~x : x;

			x = right ? ~y : y;
			y = swap;
		}
	}
	return position;
}

/*
 * Where a key's middle is along a curve over the six faces of a cube.
 */
static uint64
position_of(const RegionKey *key)
{
	double		middle[3];
	int			face = 0;
	double		size;
	uint32		cell[2];

	for (int axis = 0; axis < 3; axis++)
		middle[axis] = 0.5 * ((double) key->low[axis] + key->high[axis]);
	for (int axis = 1; axis < 3; axis++)
		if (fabs(middle[axis]) > fabs(middle[face]))
			face = axis;
	size = fabs(middle[face]);
	for (int i = 0; i < 2; i++)
	{
		double		at = size > 0 ? middle[(face + 1 + i) % 3] / size : 0;

		cell[i] = (uint32) (0.5 * (at + 1) * ((1u << HILBERT_BITS) - 1));
	}
	return (uint64) (face * 2 + (middle[face] < 0)) << (2 * HILBERT_BITS) | hilbert(cell[0], cell[1]);
}

static int
compare_positions(Datum a, Datum b, SortSupport support)
{
	uint64		x = position_of(DatumGetRegionKey(a));
	uint64		y = position_of(DatumGetRegionKey(b));

	return (x > y) - (x < y);
}

#if SIZEOF_DATUM == 8
static Datum
abbreviate(Datum datum, SortSupport support)
{
	return UInt64GetDatum(position_of(DatumGetRegionKey(datum)));
}

static int
compare_abbreviated(Datum a, Datum b, SortSupport support)
{
	return (a > b) - (a < b);
}

static bool
never_abort(int n, SortSupport support)
{
	return false;
}
#endif

PG_FUNCTION_INFO_V1(region_gist_sortsupport);

Datum
region_gist_sortsupport(PG_FUNCTION_ARGS)
{
	SortSupport support = (SortSupport) PG_GETARG_POINTER(0);

	support->comparator = compare_positions;
#if SIZEOF_DATUM == 8
	if (support->abbreviate)
	{
		support->comparator = compare_abbreviated;
		support->abbrev_converter = abbreviate;
		support->abbrev_abort = never_abort;
		support->abbrev_full_comparator = compare_positions;
	}
#endif
	PG_RETURN_VOID();
}
