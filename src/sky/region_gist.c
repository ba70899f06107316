/*-------------------------------------------------------------------------
 *
 * src/sky/region_gist.c
 *	  The GiST operator class of regions.
 *
 * What a key says of a region (region_key.c) is checked with the region itself.
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
#include "sky/region_key.h"

#define INTERSECTS_STRATEGY 3
#define CONTAINS_STRATEGY 7
#define CONTAINED_STRATEGY 8
#define DISTANCE_STRATEGY 15

/* Each half of a page that is split gets at least this part of it. */
#define MIN_FILL 0.25

/* ------------------------------------------------------------------- keys */

/* The sum of the box's edges: boxes on a sphere are too flat for volumes. */
static float4
margin(const RegionKey *key)
{
	float4		sum = 0;

	for (int i = 0; i < N_AXIS_REACHES; i++)
		sum += key->reach[i];
	return sum;
}

static void
extend_box(RegionKey *box, const RegionKey *by)
{
	for (int i = 0; i < N_AXIS_REACHES; i++)
		box->reach[i] = Max(box->reach[i], by->reach[i]);
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
	const float4 *reach = DatumGetRegionKey(PG_GETARG_DATUM(0))->reach;

	PG_RETURN_CSTRING(psprintf("(%.9g,%.9g,%.9g),(%.9g,%.9g,%.9g)",
							   -reach[1], -reach[3], -reach[5], reach[0], reach[2], reach[4]));
}

PG_FUNCTION_INFO_V1(region_gist_compress);

Datum
region_gist_compress(PG_FUNCTION_ARGS)
{
	GISTENTRY  *entry = (GISTENTRY *) PG_GETARG_POINTER(0);
	GISTENTRY  *compressed;
	LeafKey    *key;
	Region	   *region;

	if (!entry->leafkey)
		PG_RETURN_POINTER(entry);
	region = DatumGetRegion(entry->key);
	key = palloc(sizeof(LeafKey));
	leaf_key_make(key, &region->shape);
	if ((Pointer) region != DatumGetPointer(entry->key))
		pfree(region);
	compressed = palloc(sizeof(GISTENTRY));
	gistentryinit(*compressed, PointerGetDatum(key), entry->rel, entry->page, entry->offset, false);
	PG_RETURN_POINTER(compressed);
}

/* A key that is put below a page, and what it would make of a page without others. */
typedef struct NewKey
{
	LeafKey		leaf;
	InnerKey	inner;
} NewKey;

/*
 * A key as that of a page above it alone.  That of a new entry is asked for page after
 * page: the last is kept.
 */
static const InnerKey *
as_inner_key(FunctionCallInfo fcinfo, const RegionKey *key)
{
	NewKey	   *last = fcinfo->flinfo->fn_extra;

	if (!is_leaf_key(key))
		return (const InnerKey *) key;
	if (last == NULL)
		last = fcinfo->flinfo->fn_extra = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(NewKey));
	if (memcmp(&last->leaf, key, sizeof(LeafKey)) != 0)
	{
		memcpy(&last->leaf, key, sizeof(LeafKey));
		inner_key_make(&last->inner, key);
	}
	return &last->inner;
}

PG_FUNCTION_INFO_V1(region_gist_union);

Datum
region_gist_union(PG_FUNCTION_ARGS)
{
	GistEntryVector *entries = (GistEntryVector *) PG_GETARG_POINTER(0);
	InnerKey   *key = palloc(sizeof(InnerKey));

	*key = *as_inner_key(fcinfo, DatumGetRegionKey(entries->vector[0].key));
	for (int i = 1; i < entries->n; i++)
		inner_key_extend(key, as_inner_key(fcinfo, DatumGetRegionKey(entries->vector[i].key)));
	*(int *) PG_GETARG_POINTER(1) = sizeof(InnerKey);
	PG_RETURN_POINTER(key);
}

PG_FUNCTION_INFO_V1(region_gist_same);

Datum
region_gist_same(PG_FUNCTION_ARGS)
{
	const void *a = PG_GETARG_POINTER(0);
	const void *b = PG_GETARG_POINTER(1);
	bool	   *result = (bool *) PG_GETARG_POINTER(2);

	*result = VARSIZE(a) == VARSIZE(b) && memcmp(a, b, VARSIZE(a)) == 0;
	PG_RETURN_POINTER(result);
}

PG_FUNCTION_INFO_V1(region_gist_penalty);

/*
 * In all directions: the boxes of neighbouring pages overlap, and a region that is
 * within both would go to the wrong one.
 */
Datum
region_gist_penalty(PG_FUNCTION_ARGS)
{
	RegionKey  *old = DatumGetRegionKey(((GISTENTRY *) PG_GETARG_POINTER(0))->key);
	RegionKey  *new = DatumGetRegionKey(((GISTENTRY *) PG_GETARG_POINTER(1))->key);
	float	   *penalty = (float *) PG_GETARG_POINTER(2);
	const InnerKey *inner = as_inner_key(fcinfo, new);
	float4		extended = 0;

	Assert(!is_leaf_key(old));
	for (int i = 0; i < N_REACHES; i++)
		extended += Max(0, inner->reach[i] - ((const InnerKey *) old)->reach[i]);
	*penalty = extended;
	PG_RETURN_POINTER(penalty);
}

/* ------------------------------------------------------------------ splits */

typedef struct SplitItem
{
	OffsetNumber offset;
	float4		middle;
	const RegionKey *key;
} SplitItem;

#define ST_SORT sort_items
#define ST_ELEMENT_TYPE SplitItem
#define ST_COMPARE(a, b) (((a)->middle > (b)->middle) - ((a)->middle < (b)->middle))
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

static void
sort_along(SplitItem *items, int n, int axis)
{
	for (int i = 0; i < n; i++)
		items[i].middle = items[i].key->reach[2 * axis] - items[i].key->reach[2 * axis + 1];
	sort_items(items, n);
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
		extend_box(&right[i], items[i].key);
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
		extend_box(&left, items[i].key);
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
	InnerKey   *left = palloc(sizeof(InnerKey));
	InnerKey   *right = palloc(sizeof(InnerKey));
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
	/* they are in the order of the last one */
	if (axis != 2)
		sort_along(items, n, axis);

	split->spl_left = palloc(sizeof(OffsetNumber) * n);
	split->spl_right = palloc(sizeof(OffsetNumber) * n);
	split->spl_nleft = split->spl_nright = 0;
	inner_key_make(left, items[0].key);
	inner_key_make(right, items[cut].key);
	for (int i = 0; i < n; i++)
		if (i < cut)
		{
			inner_key_extend(left, as_inner_key(fcinfo, items[i].key));
			split->spl_left[split->spl_nleft++] = items[i].offset;
		}
		else
		{
			inner_key_extend(right, as_inner_key(fcinfo, items[i].key));
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
	KeyTest		test;			/* passed by what contains the query or, of other
								 * strategies, meets it */
	ShapeCircle circle;			/* around the query */
	bool		empty;			/* it has no points, and the rest says nothing */
	Size		size;			/* of the value, as it came */
	char		value[FLEXIBLE_ARRAY_MEMBER];
} RegionQuery;

static pg_noinline RegionQuery *
make_query(FunctionCallInfo fcinfo, Datum datum, StrategyNumber strategy)
{
	Size		size = VARSIZE_ANY(DatumGetPointer(datum));
	RegionQuery *query = MemoryContextAlloc(fcinfo->flinfo->fn_mcxt, offsetof(RegionQuery, value) + size);
	const Shape *shape = &DatumGetRegion(datum)->shape;
	ShapeCircle circle = shape_bounding_circle(shape);

	query->empty = !key_has_points(shape, &circle);
	if (strategy == CONTAINS_STRATEGY)
		key_test_contains(&query->test, shape, &circle);
	else if (strategy != DISTANCE_STRATEGY)
		key_test_meets(&query->test, shape, &circle);
	query->circle = circle;
	query->circle.chord2 = fmax(circle.chord2, shape_chord2_of_angle(circle.angle));
	query->size = size;
	memcpy(query->value, DatumGetPointer(datum), size);
	return query;
}

/* Of points and circles, which most queries are. */
#define SMALL_VALUE 64

/*
 * The comparison is made for each key: small values are spared memcmp()'s call.
 */
static inline bool
is_same_value(const char *a, const char *b, Size size)
{
	uint64		x,
				y;

	if (size > SMALL_VALUE)
		return memcmp(a, b, size) == 0;
	for (; size >= sizeof(uint64); size -= sizeof(uint64))
	{
		memcpy(&x, a, sizeof(uint64));
		memcpy(&y, b, sizeof(uint64));
		if (x != y)
			return false;
		a += sizeof(uint64);
		b += sizeof(uint64);
	}
	while (size-- > 0)
		if (*a++ != *b++)
			return false;
	return true;
}

/*
 * The query that a key is looked at for; the strategy is that of the scan's
 * condition, and always the same.  A scan that is begun again keeps fn_extra, and
 * may have another query at the same address: it is compared.  Where a scan begins
 * cannot be told from pages and offsets, since a condition is tested only on keys
 * that pass those before it.
 */
static inline const RegionQuery *
get_query(FunctionCallInfo fcinfo, Datum datum, StrategyNumber strategy)
{
	RegionQuery *query = fcinfo->flinfo->fn_extra;
	Size		size = VARSIZE_ANY(DatumGetPointer(datum));

	if (unlikely(query == NULL || query->size != size ||
				 !is_same_value(query->value, DatumGetPointer(datum), size)))
	{
		fcinfo->flinfo->fn_extra = NULL;
		if (query != NULL)
			pfree(query);
		query = make_query(fcinfo, datum, strategy);
		fcinfo->flinfo->fn_extra = query;
	}
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
		double		low = -key->reach[2 * axis + 1];
		double		high = key->reach[2 * axis];
		double		off = at[axis] < low ? low - at[axis] : at[axis] > high ? at[axis] - high : 0;

		chord2 += off * off;
	}
	return chord2;
}

static inline bool
may_intersect(const RegionKey *key, const RegionQuery *query)
{
	return key_passes(key, &query->test) &&
		chord2_to_key(key, query->circle.center) <= query->circle.chord2 + KEY_SLACK;
}

static inline bool
may_be_found(const RegionKey *key, const RegionQuery *query, StrategyNumber strategy)
{
	switch (strategy)
	{
		case CONTAINS_STRATEGY:
			return key_passes(key, &query->test) || query->empty;
		case INTERSECTS_STRATEGY:
			return may_intersect(key, query) && !query->empty;
		default:
			Assert(strategy == CONTAINED_STRATEGY);
			return may_intersect(key, query) || query->empty;
	}
}

PG_FUNCTION_INFO_V1(region_gist_consistent);

Datum
region_gist_consistent(PG_FUNCTION_ARGS)
{
	GISTENTRY  *entry = (GISTENTRY *) PG_GETARG_POINTER(0);
	StrategyNumber strategy = (StrategyNumber) PG_GETARG_UINT16(2);
	const RegionQuery *query = get_query(fcinfo, PG_GETARG_DATUM(1), strategy);

	*(bool *) PG_GETARG_POINTER(4) = true;	/* recheck */
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
	const RegionQuery *query = get_query(fcinfo, PG_GETARG_DATUM(1), DISTANCE_STRATEGY);
	bool	   *recheck = (bool *) PG_GETARG_POINTER(4);
	double		chord2;

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
		middle[axis] = 0.5 * ((double) key->reach[2 * axis] - key->reach[2 * axis + 1]);
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
