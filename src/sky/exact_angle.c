/*-------------------------------------------------------------------------
 *
 * src/sky/exact_angle.c
 *	  Directions as longitude and latitude in decimal, and back, bit for bit.
 *
 * A direction is three doubles; longitude and latitude as two doubles cannot
 * tell all of them apart, and a region that was dumped and restored has to be
 * the same.  So they are written to more digits than a double has.  The ray
 * that they name is then known so well (to 1e-26) that, near its end on the
 * sphere, there is but one point of it whose coordinates all are doubles.
 *
 * Angles are reduced to what they differ by from a multiple of 90 degrees, in
 * decimal, so that nothing is lost near a pole or an axis either.  Arithmetic is
 * on unevaluated sums of two doubles (Dekker 1971; the error of a product comes
 * from fma()).
 *
 *-------------------------------------------------------------------------
 */
#include "sky/exact_angle.h"

#include <string.h>

/* So many digits are written, of what an angle differs by from 90 degrees. */
#define DIGITS 28

/* A number with more digits is meant exactly; %.17g writes no more. */
#define DOUBLE_DIGITS 17

typedef struct Pair
{
	double		high;
	double		low;
} Pair;

/* pi / 180, and 180 / pi */
static const Pair rad_per_deg = {0x1.1df46a2529d39p-6, 0x1.5c1d8becdd291p-62};
static const Pair deg_per_rad = {0x1.ca5dc1a63c1f8p+5, -0x1.1e7ab456405f9p-49};

static Pair
pair(double a)
{
	Pair		p = {a, 0};

	return p;
}

/* a + b, where a is no smaller */
static Pair
sum_ordered(double a, double b)
{
	Pair		p;

	p.high = a + b;
	p.low = b - (p.high - a);
	return p;
}

static Pair
sum(double a, double b)
{
	Pair		p;
	double		virtual;

	p.high = a + b;
	virtual = p.high - a;
	p.low = (a - (p.high - virtual)) + (b - virtual);
	return p;
}

static Pair
add(Pair a, Pair b)
{
	Pair		s = sum(a.high, b.high);
	Pair		t = sum(a.low, b.low);

	s = sum_ordered(s.high, s.low + t.high);
	return sum_ordered(s.high, s.low + t.low);
}

static Pair
negate(Pair a)
{
	Pair		p = {-a.high, -a.low};

	return p;
}

static Pair
multiply(Pair a, Pair b)
{
	double		high = a.high * b.high;
	double		low = fma(a.high, b.high, -high);

	return sum_ordered(high, low + (a.high * b.low + a.low * b.high));
}

static Pair
divide(Pair a, Pair b)
{
	double		first = a.high / b.high;
	Pair		rest = add(a, negate(multiply(b, pair(first))));
	double		second = rest.high / b.high;

	rest = add(rest, negate(multiply(b, pair(second))));
	return add(sum_ordered(first, second), pair(rest.high / b.high));
}

static Pair
square_root(Pair a)
{
	double		root = sqrt(a.high);
	Pair		rest;

	if (root == 0)
		return pair(0);
	rest = add(a, negate(multiply(pair(root), pair(root))));
	return sum_ordered(root, rest.high / (2 * root));
}

/*
 * Sine and cosine of up to half a right angle: Taylor's series for an eighth of
 * it, and then three times the double.  The cosine's difference from 1 is
 * carried, which keeps small angles' digits.
 */
static void
sine_cosine(Pair x, Pair *sine, Pair *cosine)
{
	Pair		eighth = multiply(x, pair(0.125));
	Pair		square = negate(multiply(eighth, eighth));
	Pair		s = eighth;
	Pair		c1 = pair(0);
	Pair		term = eighth;
	Pair		even = pair(1);

	for (int k = 1; k <= 10; k++)
	{
		even = divide(multiply(even, square), pair((2.0 * k - 1) * (2.0 * k)));
		term = divide(multiply(term, square), pair((2.0 * k) * (2.0 * k + 1)));
		c1 = add(c1, even);
		s = add(s, term);
	}
	for (int i = 0; i < 3; i++)
	{
		Pair		doubled = multiply(pair(2), multiply(s, add(pair(1), c1)));

		c1 = multiply(pair(-2), multiply(s, s));
		s = doubled;
	}
	*sine = s;
	*cosine = add(pair(1), c1);
}

/* The angle whose tangent is y / x, for 0 <= y <= x: one step of Newton's. */
static Pair
arc_tangent(Pair y, Pair x)
{
	double		guess = atan2(y.high, x.high);
	double		length = hypot(x.high, y.high);
	Pair		sine;
	Pair		cosine;
	Pair		error;

	if (y.high == 0)
		return pair(0);
	sine_cosine(pair(guess), &sine, &cosine);
	error = add(multiply(y, cosine), negate(multiply(x, sine)));
	return sum_ordered(guess, (error.high + error.low) / length);
}

/* ---------------------------------------------------------------- decimals */

bool
decimal_is_exact(const Decimal *decimal)
{
	int			leading = 0;

	while (leading < decimal->n && decimal->digits[leading] == 0)
		leading++;
	return decimal->n - leading > DOUBLE_DIGITS;
}

static double
decimal_value(const Decimal *d)
{
	double		value = 0;

	for (int i = 0; i < d->n; i++)
		value = value * 10 + d->digits[i];
	for (int i = 0; i < d->fraction; i++)
		value /= 10;
	return d->negative ? -value : value;
}

/* Takes a whole number, of degrees, from a positive decimal. */
static void
decimal_subtract(Decimal *d, int whole)
{
	int			scale = d->n - d->fraction;
	int			borrowed = 0;

	/* whole's digits, aligned to the point; from - whole where that is larger */
	char		other[DECIMAL_MAX_DIGITS] = {0};
	int			larger = 0;

	for (int i = scale - 1; i >= 0 && whole > 0; i--, whole /= 10)
		other[i] = (char) (whole % 10);
	for (int i = 0; i < d->n && larger == 0; i++)
		larger = d->digits[i] - other[i];
	for (int i = d->n - 1; i >= 0; i--)
	{
		int			digit = larger >= 0 ? d->digits[i] - other[i] : other[i] - d->digits[i];

		digit -= borrowed;
		borrowed = digit < 0;
		d->digits[i] = (char) (digit + 10 * borrowed);
	}
	if (larger < 0)
		d->negative = !d->negative;
}

/*
 * What is left of an angle in degrees beside the nearest multiple of 90, as a
 * pair in radians; sets that multiple.
 */
static Pair
reduce(const Decimal *degrees, int *quarter)
{
	Decimal		rest = *degrees;
	double		value = decimal_value(degrees);
	Pair		number = pair(0);
	Pair		scale = pair(1);

	*quarter = (int) floor(fabs(value) / 90 + 0.5);
	rest.negative = false;
	decimal_subtract(&rest, 90 * *quarter);
	if (degrees->negative)
	{
		rest.negative = !rest.negative;
		*quarter = -*quarter;
	}
	for (int i = 0; i < rest.n; i++)
		number = add(multiply(number, pair(10)), pair(rest.digits[i]));
	for (int i = 0; i < rest.fraction; i++)
		scale = multiply(scale, pair(10));
	number = multiply(divide(number, scale), rad_per_deg);
	return rest.negative ? negate(number) : number;
}

static void
sine_cosine_of(const Decimal *degrees, Pair *sine, Pair *cosine)
{
	int			quarter;
	Pair		rest = reduce(degrees, &quarter);
	Pair		s;
	Pair		c;

	sine_cosine(rest, &s, &c);
	switch (quarter & 3)
	{
		case 0:
			*sine = s;
			*cosine = c;
			break;
		case 1:
			*sine = c;
			*cosine = negate(s);
			break;
		case 2:
			*sine = negate(s);
			*cosine = negate(c);
			break;
		default:
			*sine = negate(c);
			*cosine = s;
	}
}

/* Is a pair a double, but for what was lost on the way? */
static bool
is_double(Pair a)
{
	return fabs(a.low) <= fabs(a.high) * 0x1p-53 * 1e-7;
}

/* ------------------------------------------------------------------ reading */

/*
 * The direction at a longitude and a latitude.  The components' ratios are kept
 * while the largest goes through the doubles next to its value, until all three
 * are doubles; where they never are, each is rounded.
 */
Vec
exact_direction(const Decimal *lon, const Decimal *lat)
{
	Pair		parts[3];
	Pair		sine;
	Pair		cosine;
	Pair		cosine_lat;
	Vec			rounded;
	int			most = 0;

	sine_cosine_of(lat, &parts[2], &cosine_lat);
	sine_cosine_of(lon, &sine, &cosine);
	parts[0] = multiply(cosine_lat, cosine);
	parts[1] = multiply(cosine_lat, sine);
	rounded = vec(parts[0].high, parts[1].high, parts[2].high);
	for (int i = 1; i < 3; i++)
		if (fabs(parts[i].high) > fabs(parts[most].high))
			most = i;
	for (int step = 0; step <= 16; step++)
	{
		double		largest = parts[most].high;
		double		result[3];
		bool		fits = true;

		for (int i = 0; i < (step + 1) / 2; i++)
			largest = nextafter(largest, step % 2 ? 2 * largest : 0);
		for (int i = 0; i < 3; i++)
		{
			Pair		scaled = i == most ? pair(largest) :
				multiply(divide(parts[i], parts[most]), pair(largest));

			result[i] = scaled.high;
			fits &= is_double(scaled);
		}
		if (fits)
			return vec(result[0], result[1], result[2]);
	}
	return rounded;
}

double
exact_radians(const Decimal *degrees)
{
	int			quarter;
	Pair		rest = reduce(degrees, &quarter);

	return add(multiply(rad_per_deg, pair(90.0 * quarter)), rest).high;
}

/*
 * The squared chord of an angle, where it is a double; -1 where it is none.
 */
double
exact_chord2(const Decimal *degrees)
{
	Pair		sine;
	Pair		cosine;
	Pair		chord2;

	/* 4 sin^2(a/2) = 2 - 2 cos a loses digits: (2 sin a)^2 / (2 + 2 cos a) does not */
	sine_cosine_of(degrees, &sine, &cosine);
	if (cosine.high < 0)
		chord2 = add(pair(2), negate(multiply(pair(2), cosine)));
	else
		chord2 = divide(multiply(pair(2), multiply(sine, sine)), add(pair(1), cosine));
	return is_double(chord2) ? chord2.high : -1;
}

/* ------------------------------------------------------------------ writing */

/*
 * Writes quarter * 90 degrees plus the rest, in degrees, or minus it.  quarter
 * is not negative, and where it is 0 neither is the sum.
 */
static void
write_angle(char *text, int quarter, Pair rest, bool minus)
{
	int			whole = 90 * quarter;
	int			fraction = DIGITS - 1;
	Pair		scaled = rest;
	char		digits[DECIMAL_MAX_DIGITS];
	int			n = 0;
	int			from_rest = 0;

	if (rest.high > 0)
		for (; scaled.high < 1 && fraction < 60; fraction++)
			scaled = multiply(scaled, pair(10));
	for (; scaled.high >= 10; fraction--)
		scaled = divide(scaled, pair(10));
	/* a digit after the other, of a number from 1 to 10 */
	for (n = 0; n < DIGITS; n++)
	{
		int			digit = (int) scaled.high;

		if (scaled.high == digit && scaled.low < 0)
			digit--;
		digit = digit < 0 ? 0 : digit > 9 ? 9 : digit;
		digits[n] = (char) digit;
		scaled = multiply(add(scaled, pair(-digit)), pair(10));
	}
	/* the last fraction of them are behind the point; zeros before them */
	while (n < fraction)
	{
		memmove(digits + 1, digits, n);
		digits[0] = 0;
		n++;
	}
	for (int i = 0; i < n - fraction; i++)
		from_rest = from_rest * 10 + digits[i];
	if (minus)
	{
		int			borrowed = 0;

		for (int i = n - 1; i >= n - fraction; i--)
		{
			int			digit = -digits[i] - borrowed;

			borrowed = digit < 0;
			digits[i] = (char) (digit + 10 * borrowed);
		}
		whole -= from_rest + borrowed;
	}
	else
		whole += from_rest;

	if (whole >= 100)
		*text++ = (char) ('0' + whole / 100);
	if (whole >= 10)
		*text++ = (char) ('0' + whole / 10 % 10);
	*text++ = (char) ('0' + whole % 10);
	*text++ = '.';
	for (int i = n - fraction; i < n; i++)
		*text++ = (char) ('0' + digits[i]);
	*text = '\0';
}

/*
 * Longitude from 0 to 360, and latitude, in degrees.
 */
void
exact_direction_text(Vec v, char lon[ANGLE_TEXT_SIZE], char lat[ANGLE_TEXT_SIZE])
{
	Pair		x2 = multiply(pair(v.x), pair(v.x));
	Pair		y2 = multiply(pair(v.y), pair(v.y));
	Pair		across = square_root(add(x2, y2));
	Pair		z = pair(fabs(v.z));
	bool		steep = fabs(v.y) > fabs(v.x);
	Pair		rest = multiply(deg_per_rad, steep ? arc_tangent(pair(fabs(v.x)), pair(fabs(v.y))) :
								arc_tangent(pair(fabs(v.y)), pair(fabs(v.x))));

	/* too small to be squared: as good as a pole, but the ratio counts */
	if (across.high < 1e-140)
		across = pair(hypot(v.x, v.y));
	if (v.x == 0 && v.y == 0)
		rest = pair(0);
	if (steep)
		write_angle(lon, v.y > 0 ? 1 : 3, rest, (v.x > 0) == (v.y > 0));
	else if (v.x >= 0)
		write_angle(lon, v.y < 0 && rest.high > 0 ? 4 : 0, rest, v.y < 0 && rest.high > 0);
	else
		write_angle(lon, 2, rest, v.y > 0);

	if (v.z < 0)
		*lat++ = '-';
	if (z.high > across.high)
		write_angle(lat, 1, multiply(deg_per_rad, arc_tangent(across, z)), true);
	else
		write_angle(lat, 0, multiply(deg_per_rad, arc_tangent(z, across)), false);
}

/*
 * What is left of an angle beside a multiple of 90 degrees; nothing, where it is
 * but what was lost on the way.
 */
static Pair
rest_of(Pair degrees, int quarter)
{
	Pair		rest = add(degrees, pair(-90.0 * quarter));

	return quarter > 0 && fabs(rest.high) < 1e-27 ? pair(0) : rest;
}

/* An angle from 0 to 2 pi, in degrees. */
void
exact_radians_text(double radians, char text[ANGLE_TEXT_SIZE])
{
	Pair		degrees = multiply(deg_per_rad, pair(fabs(radians)));
	int			quarter = (int) floor(degrees.high / 90 + 0.5);
	Pair		rest = rest_of(degrees, quarter);

	if (radians < 0)
		*text++ = '-';
	if (rest.high < 0)
		write_angle(text, quarter, negate(rest), true);
	else
		write_angle(text, quarter, rest, false);
}

/* The angle of a squared chord from 0 to 4, in degrees. */
void
exact_chord2_text(double chord2, char text[ANGLE_TEXT_SIZE])
{
	/* its half has the sine s and the cosine c, whose sum of squares is 1 */
	Pair		s = square_root(multiply(pair(chord2), pair(0.25)));
	Pair		c = square_root(add(pair(1), pair(-0.25 * chord2)));
	Pair		half = s.high <= c.high ? arc_tangent(s, c) : arc_tangent(c, s);
	Pair		angle = multiply(multiply(deg_per_rad, pair(2)), half);
	int			quarter;
	Pair		rest;

	if (s.high > c.high)
		angle = add(pair(180), negate(angle));
	quarter = (int) floor(angle.high / 90 + 0.5);
	rest = rest_of(angle, quarter);
	if (rest.high < 0)
		write_angle(text, quarter, negate(rest), true);
	else
		write_angle(text, quarter, rest, false);
}
