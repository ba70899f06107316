/*-------------------------------------------------------------------------
 *
 * src/sky/vector.c
 *	  Directions: normalization, exact orientation, longitude and latitude.
 *
 *-------------------------------------------------------------------------
 */
#include "sky/vector.h"

/* So far may the square of a unit vector's length be from 1. */
#define UNIT_TOLERANCE 2e-9

/*
 * Divides a vector by its length, and returns that; 0, with the vector left
 * alone, where it has none.
 *
 * The largest component is divided out first, the squares of the others are
 * added from the smallest on (sphgeom, Vector3d::normalize()).
 */
double
vec_normalize(Vec *v)
{
	double	   *components[3] = {&v->x, &v->y, &v->z};
	double		largest;
	double		small;
	double		middle;
	double		norm;

	/* an insertion sort by absolute value, from the smallest */
	for (int i = 1; i < 3; i++)
		for (int j = i; j > 0 && fabs(*components[j]) < fabs(*components[j - 1]); j--)
		{
			double	   *swap = components[j];

			components[j] = components[j - 1];
			components[j - 1] = swap;
		}
	largest = fabs(*components[2]);
	if (!(largest > 0))
		return 0;
	small = *components[0] / largest;
	middle = *components[1] / largest;
	norm = sqrt(1.0 + (small * small + middle * middle));
	*components[0] = small / norm;
	*components[1] = middle / norm;
	*components[2] = copysign(1.0, *components[2]) / norm;
	return norm * largest;
}

/*
 * The angle between two directions, in radians.
 */
double
vec_angle(Vec a, Vec b)
{
	Vec			cross = vec_robust_cross(a, b);

	return atan2(0.5 * sqrt(vec_dot(cross, cross)), vec_dot(a, b));
}

/*
 * A direction orthogonal to two; to the first, where they are the same or
 * opposite (sphgeom, UnitVector3d::orthogonalTo()).
 */
Vec
vec_orthogonal(Vec a, Vec b)
{
	Vec			n = vec_robust_cross(a, b);

	if (n.x == 0 && n.y == 0 && n.z == 0)
		n = fabs(a.x) > fabs(a.y) ? vec(-a.z, 0.0, a.x) : vec(0.0, a.z, -a.y);
	vec_normalize(&n);
	return n;
}

bool
vec_is_unit(Vec v)
{
	return fabs(vec_dot(v, v) - 1.0) <= UNIT_TOLERANCE;	/* false for NaN */
}

/* ------------------------------------------------------------ orientation */

/* a * b = *product + the value returned, exactly. */
static inline double
product_error(double a, double b, double *product)
{
	*product = a * b;
	return fma(a, b, -*product);
}

/*
 * Adds a number to a sum that is kept as numbers of which none overlaps
 * another, from the smallest (Shewchuk 1997, Grow-Expansion).
 */
static int
add_exactly(double *sum, int n, double addend)
{
	double		carry = addend;
	int			kept = 0;

	for (int i = 0; i < n; i++)
	{
		double		total = carry + sum[i];
		double		virtual = total - carry;
		double		error = (carry - (total - virtual)) + (sum[i] - virtual);

		if (error != 0)
			sum[kept++] = error;
		carry = total;
	}
	if (carry != 0)
		sum[kept++] = carry;
	return kept;
}

static int
add_product(double *sum, int n, double a, double b, double c)
{
	double		high;
	double		low = product_error(a, b, &high);
	double		part;
	double		error;

	error = product_error(low, c, &part);
	n = add_exactly(sum, n, error);
	n = add_exactly(sum, n, part);
	error = product_error(high, c, &part);
	n = add_exactly(sum, n, error);
	return add_exactly(sum, n, part);
}

/* Three factors, from 0.5 to below 1, and a power of two. */
typedef struct Product
{
	double		factors[3];
	int			exponent;
} Product;

/* A product has up to so many bits, and six of them a few more. */
#define PRODUCT_BITS 170

static Product
product(double a, double b, double c)
{
	Product		p;
	int			exponents[3];

	p.factors[0] = frexp(a, &exponents[0]);
	p.factors[1] = frexp(b, &exponents[1]);
	p.factors[2] = frexp(c, &exponents[2]);
	p.exponent = exponents[0] + exponents[1] + exponents[2];
	return p;
}

/* Leaves out those that are nothing, and returns how many remain. */
static int
sort_products(Product *products, int n)
{
	int			kept = 0;

	for (int i = 0; i < n; i++)
	{
		Product		p = products[i];
		int			at = kept;

		if (p.factors[0] == 0 || p.factors[1] == 0 || p.factors[2] == 0)
			continue;
		for (; at > 0 && products[at - 1].exponent < p.exponent; at--)
			products[at] = products[at - 1];
		products[at] = p;
		kept++;
	}
	return kept;
}

/*
 * The products may be of any size, down to that of three denormal numbers.  So
 * they are added from the largest on, those together that could cancel each
 * other: what is more than PRODUCT_BITS smaller matters only where they do.
 */
static int
orientation_exact(Vec a, Vec b, Vec c)
{
	Product		products[6];
	double		sum[32];
	int			n = 0;
	int			n_products;
	int			top = 0;

	products[0] = product(a.x, b.y, c.z);
	products[1] = product(-a.x, b.z, c.y);
	products[2] = product(a.y, b.z, c.x);
	products[3] = product(-a.y, b.x, c.z);
	products[4] = product(a.z, b.x, c.y);
	products[5] = product(-a.z, b.y, c.x);
	n_products = sort_products(products, 6);
	for (int i = 0; i < n_products; i++)
	{
		const double *factors = products[i].factors;

		if (i == 0 || products[i].exponent < products[i - 1].exponent - PRODUCT_BITS)
		{
			if (n > 0)
				break;
			top = products[i].exponent;
		}
		n = add_product(sum, n, ldexp(factors[0], products[i].exponent - top), factors[1], factors[2]);
	}
	if (n == 0)
		return 0;
	return sum[n - 1] > 0 ? 1 : -1;
}

/*
 * The sign of the determinant of three directions: 1 where c is to the left of
 * the way from a to b, 0 where all are on one great circle.  Exact, as
 * sphgeom's orientation() is, and with the bounds on rounding errors derived
 * there.
 */
int
vec_orientation(Vec a, Vec b, Vec c)
{
	double		bycz = b.y * c.z;
	double		bzcy = b.z * c.y;
	double		bzcx = b.z * c.x;
	double		bxcz = b.x * c.z;
	double		bxcy = b.x * c.y;
	double		bycx = b.y * c.x;
	double		determinant = a.x * (bycz - bzcy) + a.y * (bzcx - bxcz) + a.z * (bxcy - bycx);
	double		permanent;

	if (determinant > 1.7e-15)
		return 1;
	if (determinant < -1.7e-15)
		return -1;
	permanent = fabs(a.x) * (fabs(bycz) + fabs(bzcy)) +
		fabs(a.y) * (fabs(bzcx) + fabs(bxcz)) +
		fabs(a.z) * (fabs(bxcy) + fabs(bycx));
	if (fabs(determinant) > 5.6e-16 * permanent + 4.0e-307)
		return determinant > 0 ? 1 : -1;
	return orientation_exact(a, b, c);
}

/* ---------------------------------------------------------------- angles */

/* sphgeom, UnitVector3d(Angle lon, Angle lat) */
Vec
vec_from_radians(double lon, double lat)
{
	double		cos_lat = cos(lat);

	return vec(cos(lon) * cos_lat, sin(lon) * cos_lat, sin(lat));
}

Vec
vec_from_degrees(double lon, double lat)
{
	return vec_from_radians(lon * SKY_RAD_PER_DEG, lat * SKY_RAD_PER_DEG);
}

/*
 * In radians, from 0 to 2 pi, which a tiny negative one rounds to (sphgeom,
 * LonLat::longitudeOf()).
 */
double
vec_longitude(Vec v)
{
	double		lon;

	if (v.x * v.x + v.y * v.y == 0)
		return 0;
	lon = atan2(v.y, v.x);
	return lon < 0 ? lon + 2 * SKY_PI : lon;
}

/* In radians (sphgeom, LonLat::latitudeOf()). */
double
vec_latitude(Vec v)
{
	double		lat;

	if (v.z == 0)
		return 0;
	lat = atan2(v.z, sqrt(v.x * v.x + v.y * v.y));
	return fabs(lat) > 0.5 * SKY_PI ? copysign(0.5 * SKY_PI, lat) : lat;
}
