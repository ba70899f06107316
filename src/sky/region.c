/*-------------------------------------------------------------------------
 *
 * src/sky/region.c
 *	  The type catreg.region: input and output, its properties, its operators.
 *
 * A value holds a shape (shape.h) as it was given, bit by bit.  Two are equal if
 * they are written the same way, but for signs of zeros; shapes written in different ways that cover
 * the same points contain each other.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/base64.h"
#include "common/hashfn.h"
#include "libpq/pqformat.h"
#include "utils/builtins.h"
#include "utils/float.h"

#include "core/compat.h"
#include "sky/region.h"

/* Square degrees in a steradian. */
#define DEG2_PER_STERADIAN (SKY_DEG_PER_RAD * SKY_DEG_PER_RAD)

/*
 * Memory for a region whose shape is still to be made.
 */
static Region *
allocate(Size shape_size)
{
	Region	   *region = palloc0(offsetof(Region, shape) + shape_size);

	region->version = REGION_VERSION;
	return region;
}

static void
set_size(Region *region)
{
	SET_VARSIZE(region, offsetof(Region, shape) + shape_size(&region->shape));
}

/* ------------------------------------------------------------------- text */

PG_FUNCTION_INFO_V1(region_in);

/*
 * Error: invalid_text_representation, with where in the text the problem is.
 */
Datum
region_in(PG_FUNCTION_ARGS)
{
	char	   *text = PG_GETARG_CSTRING(0);
	Region	   *region = allocate(SHAPE_PARSED_SIZE(strlen(text)));
	size_t		where;
	const char *problem = shape_parse(text, &region->shape, &where);

	if (problem != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				 errmsg("invalid input syntax for type %s: \"%s\"", "region", text),
				 errdetail("At character %zu: %s.", where + 1, problem),
				 errhint("Examples are \"POLYGON ICRS 10 10 11 10 11 11\" and \"CIRCLE ICRS 10 10 0.5\", in degrees.")));
	set_size(region);
	PG_RETURN_POINTER(region);
}

static char *
region_text(const Region *region, bool six)
{
	char	   *text = palloc(shape_text_size(&region->shape));

	*shape_write(&region->shape, six, text) = '\0';
	return text;
}

PG_FUNCTION_INFO_V1(region_out);

Datum
region_out(PG_FUNCTION_ARGS)
{
	PG_RETURN_CSTRING(region_text(PG_GETARG_REGION(0), false));
}

PG_FUNCTION_INFO_V1(region_adql);

/*
 * adql(region) -> text: with six decimals, as the Butler's ObsCore tables have
 * their s_region.
 */
Datum
region_adql(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(region_text(PG_GETARG_REGION(0), true)));
}

/* ------------------------------------------------------------------ bytes */

/*
 * A region of bytes in sphgeom's encoding, ours: with our own letters; or NULL, and
 * what is wrong with them.
 */
Region *
region_of_bytes(const uint8 *bytes, Size n, bool ours, const char **problem)
{
	Region	   *region = allocate(SHAPE_DECODED_SIZE(n));

	*problem = shape_decode(bytes, n, ours, &region->shape);
	if (*problem != NULL)
		return NULL;
	set_size(region);
	return region;
}

/*
 * Error: invalid_binary_representation.
 */
static Region *
decode(const uint8 *bytes, Size n, bool ours)
{
	const char *problem;
	Region	   *region = region_of_bytes(bytes, n, ours, &problem);

	if (region == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
				 errmsg("invalid encoding of a region of %zu bytes", n),
				 errdetail("%c%s.", pg_toupper((unsigned char) problem[0]), problem + 1)));
	return region;
}

PG_FUNCTION_INFO_V1(region_recv);

Datum
region_recv(PG_FUNCTION_ARGS)
{
	StringInfo	message = (StringInfo) PG_GETARG_POINTER(0);
	int			n = message->len - message->cursor;

	PG_RETURN_POINTER(decode((const uint8 *) pq_getmsgbytes(message, n), n, true));
}

PG_FUNCTION_INFO_V1(region_send);

/*
 * sphgeom's encoding, and two letters of our own.
 */
Datum
region_send(PG_FUNCTION_ARGS)
{
	Region	   *region = PG_GETARG_REGION(0);
	Size		n = shape_encoded_size(&region->shape);
	bytea	   *result = palloc(VARHDRSZ + n);

	SET_VARSIZE(result, VARHDRSZ + n);
	shape_encode(&region->shape, (uint8 *) VARDATA(result));
	PG_RETURN_BYTEA_P(result);
}

PG_FUNCTION_INFO_V1(region_from_sphgeom);

Datum
region_from_sphgeom(PG_FUNCTION_ARGS)
{
	bytea	   *bytes = PG_GETARG_BYTEA_PP(0);

	PG_RETURN_POINTER(decode((const uint8 *) VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes), false));
}

static uint8 *
put_length(uint8 *to, uint64 length)
{
	for (int i = 0; i < 8; i++, length >>= 8)
		*to++ = (uint8) length;
	return to;
}

/*
 * The encoding that a registry stores as base64 text.  Texts that are joined by
 * ':' are a union, and the empty text is an empty one (sphgeom,
 * Region.decodeOverlapsBase64() and its like).  NULL: a piece is no base64.
 */
uint8 *
region_base64_bytes(const char *at, Size length, Size *n_bytes)
{
	const char *end = at + length;
	/* three bytes for four characters, and a length before each part */
	Size		room = length * 9 + 16;
	uint8	   *bytes = palloc(room);
	uint8	   *to = bytes;
	int			n;

	/* a ':' is none of base64's characters */
	n = length > 0 ? pg_b64_decode(at, length, (void *) to, room) : -1;
	if (n >= 0)
		to += n;
	else if (length > 0 && memchr(at, ':', length) == NULL)
		return NULL;
	else
	{
		*to++ = SHAPE_UNION;
		while (at < end)
		{
			const char *colon = memchr(at, ':', end - at);
			const char *stop = colon != NULL ? colon : end;

			n = pg_b64_decode(at, stop - at, (void *) (to + 8), room - (to - bytes) - 8);
			if (n < 0)
				return NULL;
			to = put_length(to, n) + n;
			at = colon != NULL ? colon + 1 : end;
			if (colon != NULL && at == end)
				to = put_length(to, 0);
		}
	}
	*n_bytes = to - bytes;
	return bytes;
}

PG_FUNCTION_INFO_V1(region_from_base64);

/*
 * region_from_base64(text) -> region: a region as the registry stores it.
 *
 * Errors: invalid_text_representation, invalid_binary_representation.
 */
Datum
region_from_base64(PG_FUNCTION_ARGS)
{
	text	   *value = PG_GETARG_TEXT_PP(0);
	Size		n;
	uint8	   *bytes = region_base64_bytes(VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value), &n);

	if (bytes == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				 errmsg("invalid base64 text of a region: \"%s\"",
						pnstrdup(VARDATA_ANY(value), Min(VARSIZE_ANY_EXHDR(value), 100)))));
	PG_RETURN_POINTER(decode(bytes, n, false));
}

/*
 * Error: feature_not_supported for what sphgeom has no encoding of.
 */
void
region_check_sphgeom_has(const Shape *shape)
{
	const Shape *operand = shape_operands(shape);

	if (shape->kind == SHAPE_POLYGON)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("sphgeom has no polygons that are not convex")));
	if (shape->kind == SHAPE_POINT)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("sphgeom has no region that is a point"),
				 errhint("A circle with radius 0 is one.")));
	if (shape_is_compound(shape))
		for (uint32 i = 0; i < shape->n; i++)
		{
			region_check_sphgeom_has(operand);
			operand = shape_next(operand);
		}
}

PG_FUNCTION_INFO_V1(region_to_sphgeom);

/*
 * region_to_sphgeom(region) -> bytea.
 */
Datum
region_to_sphgeom(PG_FUNCTION_ARGS)
{
	region_check_sphgeom_has(&PG_GETARG_REGION(0)->shape);
	return region_send(fcinfo);
}

/* ------------------------------------------------------------------ making */

/*
 * Error: numeric_value_out_of_range.
 */
void
region_check_direction(double lon, double lat)
{
	if (!(fabs(lon) <= 360))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("longitude %g is not between -360 and 360", lon)));
	if (!(fabs(lat) <= 90))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("latitude %g is not between -90 and 90", lat)));
}

PG_FUNCTION_INFO_V1(sky_point);

/*
 * sky_point(lon, lat) -> region: in degrees.
 */
Datum
sky_point(PG_FUNCTION_ARGS)
{
	Region	   *region = allocate(sizeof(Shape) + sizeof(Vec));
	Vec			direction;

	region_check_direction(PG_GETARG_FLOAT8(0), PG_GETARG_FLOAT8(1));
	direction = vec_from_degrees(PG_GETARG_FLOAT8(0), PG_GETARG_FLOAT8(1));
	region->shape.kind = SHAPE_POINT;
	memcpy(&region->shape + 1, &direction, sizeof(direction));
	set_size(region);
	PG_RETURN_POINTER(region);
}

PG_FUNCTION_INFO_V1(sky_circle);

/*
 * sky_circle(lon, lat, radius) -> region: in degrees.
 */
Datum
sky_circle(PG_FUNCTION_ARGS)
{
	double		radius = PG_GETARG_FLOAT8(2);
	Region	   *region = allocate(sizeof(Shape) + sizeof(ShapeCircle));

	region_check_direction(PG_GETARG_FLOAT8(0), PG_GETARG_FLOAT8(1));
	if (!(radius >= 0 && radius <= 180))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("radius %g is not between 0 and 180", radius)));
	shape_set_circle(&region->shape, vec_from_degrees(PG_GETARG_FLOAT8(0), PG_GETARG_FLOAT8(1)),
					 radius * SKY_RAD_PER_DEG);
	set_size(region);
	PG_RETURN_POINTER(region);
}

/* -------------------------------------------------------------- properties */

/* The bounding circle asked for last, and of which region. */
static ShapeCircle last_circle;
static Size last_size = 0;
static char last_region[1024];

/*
 * The bounding circle; false: the region is empty.  s_ra, s_dec and s_fov are
 * mostly asked for together.
 */
static bool
bounding_circle(FunctionCallInfo fcinfo, ShapeCircle *circle)
{
	Region	   *region = PG_GETARG_REGION(0);
	Size		size = VARSIZE(region);

	if (size != last_size || memcmp(region, last_region, size) != 0)
	{
		last_circle = shape_bounding_circle(&region->shape);
		last_size = 0;
		if (size <= sizeof(last_region))
		{
			memcpy(last_region, region, size);
			last_size = size;
		}
	}
	*circle = last_circle;
	return circle->chord2 >= 0;
}

PG_FUNCTION_INFO_V1(region_s_ra);

/*
 * s_ra(region), s_dec(region), s_fov(region) -> float8, in degrees: centre and
 * diameter of sphgeom's bounding circle, as the Butler's ObsCore tables have
 * them.  NULL for an empty region.
 */
Datum
region_s_ra(PG_FUNCTION_ARGS)
{
	ShapeCircle circle;

	if (!bounding_circle(fcinfo, &circle))
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8(vec_longitude(circle.center) * SKY_DEG_PER_RAD);
}

PG_FUNCTION_INFO_V1(region_s_dec);

Datum
region_s_dec(PG_FUNCTION_ARGS)
{
	ShapeCircle circle;

	if (!bounding_circle(fcinfo, &circle))
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8(vec_latitude(circle.center) * SKY_DEG_PER_RAD);
}

PG_FUNCTION_INFO_V1(region_s_fov);

Datum
region_s_fov(PG_FUNCTION_ARGS)
{
	ShapeCircle circle;

	if (!bounding_circle(fcinfo, &circle))
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8(2.0 * (circle.angle * SKY_DEG_PER_RAD));
}

PG_FUNCTION_INFO_V1(region_area);

/*
 * area(region) -> float8, in square degrees.
 *
 * Error: feature_not_supported for a union or intersection of several shapes.
 */
Datum
region_area(PG_FUNCTION_ARGS)
{
	double		steradians;

	if (!shape_area(&PG_GETARG_REGION(0)->shape, &steradians))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("the area of a union or an intersection is not known")));
	PG_RETURN_FLOAT8(steradians * DEG2_PER_STERADIAN);
}

/* --------------------------------------------------------------- operators */

/* A word of a region's value; the sign of a zero makes no difference. */
static inline uint64
region_word(const Region *region, Size i)
{
	uint64		word;

	memcpy(&word, (const char *) &region->shape + i * sizeof(word), sizeof(word));
	return word == (UINT64CONST(1) << 63) ? 0 : word;
}

static Size
count_words(const Region *region)
{
	return (VARSIZE(region) - offsetof(Region, shape)) / sizeof(uint64);
}

static bool
regions_equal(const Region *a, const Region *b)
{
	if (VARSIZE(a) != VARSIZE(b))
		return false;
	if (memcmp(a, b, VARSIZE(a)) == 0)
		return true;
	for (Size i = 0; i < count_words(a); i++)
		if (region_word(a, i) != region_word(b, i))
			return false;
	return true;
}

/* The words that make two regions equal, one after the other. */
static unsigned char *
equal_bytes(const Region *region, int *n)
{
	Size		n_words = count_words(region);
	uint64	   *words = palloc(sizeof(uint64) * n_words);

	for (Size i = 0; i < n_words; i++)
		words[i] = region_word(region, i);
	*n = (int) (sizeof(uint64) * n_words);
	return (unsigned char *) words;
}

PG_FUNCTION_INFO_V1(region_eq);

Datum
region_eq(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(regions_equal(PG_GETARG_REGION(0), PG_GETARG_REGION(1)));
}

PG_FUNCTION_INFO_V1(region_ne);

Datum
region_ne(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(!regions_equal(PG_GETARG_REGION(0), PG_GETARG_REGION(1)));
}

PG_FUNCTION_INFO_V1(region_hash);

Datum
region_hash(PG_FUNCTION_ARGS)
{
	int			n;
	unsigned char *bytes = equal_bytes(PG_GETARG_REGION(0), &n);

	return hash_any(bytes, n);
}

PG_FUNCTION_INFO_V1(region_hash_extended);

Datum
region_hash_extended(PG_FUNCTION_ARGS)
{
	int			n;
	unsigned char *bytes = equal_bytes(PG_GETARG_REGION(0), &n);

	return hash_any_extended(bytes, n, PG_GETARG_INT64(1));
}

PG_FUNCTION_INFO_V1(region_contains);

Datum
region_contains(PG_FUNCTION_ARGS)
{
	Region	   *outer = PG_GETARG_REGION(0);
	Region	   *inner = PG_GETARG_REGION(1);

	PG_RETURN_BOOL(shape_contains(&outer->shape, &inner->shape));
}

PG_FUNCTION_INFO_V1(region_contained);

Datum
region_contained(PG_FUNCTION_ARGS)
{
	Region	   *inner = PG_GETARG_REGION(0);
	Region	   *outer = PG_GETARG_REGION(1);

	PG_RETURN_BOOL(shape_contains(&outer->shape, &inner->shape));
}

PG_FUNCTION_INFO_V1(region_intersects);

Datum
region_intersects(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(shape_intersects(&PG_GETARG_REGION(0)->shape, &PG_GETARG_REGION(1)->shape));
}

PG_FUNCTION_INFO_V1(region_center_distance);

/*
 * The angle between the centres, in degrees; infinite where one has none.
 */
Datum
region_center_distance(PG_FUNCTION_ARGS)
{
	ShapeCircle from = shape_bounding_circle(&PG_GETARG_REGION(0)->shape);
	ShapeCircle to = shape_bounding_circle(&PG_GETARG_REGION(1)->shape);

	if (!(from.chord2 >= 0 && to.chord2 >= 0))
		PG_RETURN_FLOAT8(get_float8_infinity());
	PG_RETURN_FLOAT8(vec_angle(from.center, to.center) * SKY_DEG_PER_RAD);
}
