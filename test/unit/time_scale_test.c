/*-------------------------------------------------------------------------
 *
 * test/unit/time_scale_test.c
 *	  Times in TAI and UTC, as days and as text (TAP).
 *
 * What is expected is astropy's: time_scale_vectors.h, with the times of
 * timespan_vectors.json and those around the steps of UTC.  MJDs are compared
 * bit by bit.
 *
 *-------------------------------------------------------------------------
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "sky/time_scale.h"
#include "unit_tap.h"

typedef struct TimeVector
{
	int64_t		nanoseconds;
	double		mjd_tai;
	const char *text_tai;
	double		mjd_utc;
	const char *text_utc;
} TimeVector;

#include "time_scale_vectors.h"

#define LENGTH(array) ((int) (sizeof(array) / sizeof((array)[0])))

#define DAY INT64_C(86400000000000)
#define SECOND INT64_C(1000000000)

static const LeapSecond table[] = {
	{41317, 10}, {41499, 11}, {41683, 12}, {42048, 13}, {42413, 14}, {42778, 15}, {43144, 16},
	{43509, 17}, {43874, 18}, {44239, 19}, {44786, 20}, {45151, 21}, {45516, 22}, {46247, 23},
	{47161, 24}, {47892, 25}, {48257, 26}, {48804, 27}, {49169, 28}, {49534, 29}, {50083, 30},
	{50630, 31}, {51179, 32}, {53736, 33}, {54832, 34}, {56109, 35}, {57204, 36}, {57754, 37},
	/* what may come: one of each kind, from 2030-01-01 and 2031-07-01 on */
	{62502, 38}, {63048, 37}
};

static const LeapSeconds leaps = {table, 28};
static const LeapSeconds more_leaps = {table, LENGTH(table)};

/* The time that UTC's day of this MJD begins, where TAI is so far ahead. */
static int64_t
midnight(int64_t mjd, int ahead)
{
	return (mjd - 40587) * DAY + ahead * SECOND;
}

static int
mjd_is(int64_t nanoseconds, TimeScale scale, LeapSeconds known, double expected)
{
	double		got = time_scale_mjd(nanoseconds, scale, known);

	if (memcmp(&got, &expected, sizeof(double)) == 0)
		return 1;
	printf("# %" PRId64 ": got %a, expected %a\n", nanoseconds, got, expected);
	return 0;
}

static int
text_is(int64_t nanoseconds, TimeScale scale, LeapSeconds known, char separator,
		const char *expected)
{
	char		got[TIME_TEXT_SIZE + 1];

	got[TIME_TEXT_SIZE] = '!';
	time_scale_text(nanoseconds, scale, known, separator, got);
	if (strcmp(got, expected) == 0 && got[TIME_TEXT_SIZE] == '!')
		return 1;
	printf("# %" PRId64 ": got %s, expected %s\n", nanoseconds, got, expected);
	return 0;
}

static void
test_vectors(void)
{
	int			mjd_tai = 1;
	int			mjd_utc = 1;
	int			text_tai = 1;
	int			text_utc = 1;
	int			no_table = 1;

	for (int i = 0; i < LENGTH(vectors); i++)
	{
		const TimeVector *v = &vectors[i];

		mjd_tai &= mjd_is(v->nanoseconds, TIME_SCALE_TAI, leaps, v->mjd_tai);
		mjd_utc &= mjd_is(v->nanoseconds, TIME_SCALE_UTC, leaps, v->mjd_utc);
		text_tai &= text_is(v->nanoseconds, TIME_SCALE_TAI, leaps, 'T', v->text_tai);
		text_utc &= text_is(v->nanoseconds, TIME_SCALE_UTC, leaps, 'T', v->text_utc);
		no_table &= mjd_is(v->nanoseconds, TIME_SCALE_TAI, (LeapSeconds) {NULL, 0}, v->mjd_tai);
	}
	ok(mjd_tai, "MJD in TAI is astropy's");
	ok(mjd_utc, "MJD in UTC is astropy's");
	ok(text_tai, "text in TAI is astropy's");
	ok(text_utc, "text in UTC is astropy's");
	ok(no_table, "TAI needs no table");
	ok(text_is(vectors[0].nanoseconds, TIME_SCALE_TAI, leaps, ' ', "1677-09-21 00:12:43.145224"),
	   "with a blank");
}

/*
 * All the years there are: the days follow one another, and the calendar keeps
 * in step with the MJD.
 */
static void
test_calendar(void)
{
	static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	int			year = 1678;
	int			month = 1;
	int			day = 1;
	int			right = 1;

	for (int64_t mjd = -66063; mjd <= 147337 && right; mjd++)
	{
		int			leap_year = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
		char		expected[64];

		snprintf(expected, sizeof(expected), "%04d-%02d-%02d 00:00:00.000000", year, month, day);
		right &= text_is(midnight(mjd, 0), TIME_SCALE_TAI, leaps, ' ', expected);
		right &= mjd_is(midnight(mjd, 0), TIME_SCALE_TAI, leaps, (double) mjd);
		if (mjd >= 57754)
		{
			right &= text_is(midnight(mjd, 37), TIME_SCALE_UTC, leaps, ' ', expected);
			right &= mjd_is(midnight(mjd, 37), TIME_SCALE_UTC, leaps, (double) mjd);
		}
		if (++day > lengths[month - 1] + (month == 2 && leap_year))
		{
			day = 1;
			if (++month > 12)
			{
				month = 1;
				year++;
			}
		}
	}
	ok(right, "each midnight from 1678 to 2262");
}

/* UTC never runs backwards, and each leap second is one. */
static void
test_steps(void)
{
	int			begins = 1;
	int			grows = 1;
	int			sixty = 1;

	for (int i = 1; i < 28; i++)
	{
		int64_t		step = midnight(table[i].mjd, table[i].tai_minus_utc);
		char		text[TIME_TEXT_SIZE];
		double		last = 0;

		begins &= mjd_is(step, TIME_SCALE_UTC, leaps, (double) table[i].mjd);
		time_scale_text(step - SECOND / 2, TIME_SCALE_UTC, leaps, 'T', text);
		sixty &= strcmp(text + 11, "23:59:60.500000") == 0;
		for (int64_t t = step - 2 * SECOND; t < step + 2 * SECOND; t += 9999991)
		{
			double		mjd = time_scale_mjd(t, TIME_SCALE_UTC, leaps);

			grows &= mjd > last;
			last = mjd;
		}
	}
	ok(begins, "a new offset begins at 0h");
	ok(sixty, "a leap second is 23:59:60");
	ok(grows, "time goes on in a leap second");
}

static void
test_longer_table(void)
{
	int64_t		added = midnight(62502, 38);
	int64_t		taken = midnight(63048, 37);

	ok(text_is(added - 1000, TIME_SCALE_UTC, more_leaps, 'T', "2029-12-31T23:59:60.999999") &&
	   text_is(added, TIME_SCALE_UTC, more_leaps, 'T', "2030-01-01T00:00:00.000000") &&
	   text_is(added - 1000, TIME_SCALE_UTC, leaps, 'T', "2030-01-01T00:00:00.999999"),
	   "a leap second that is added");
	ok(text_is(taken - 1000, TIME_SCALE_UTC, more_leaps, 'T', "2031-06-30T23:59:58.999999") &&
	   text_is(taken, TIME_SCALE_UTC, more_leaps, 'T', "2031-07-01T00:00:00.000000") &&
	   mjd_is(taken, TIME_SCALE_UTC, more_leaps, 63048.0),
	   "a second that is left out");
}

static int
wrong_in(int n, LeapSecond second, LeapSecond third)
{
	LeapSecond	rows[] = {{41317, 10}, second, third};

	return leap_seconds_wrong((LeapSeconds) {rows, n});
}

static void
test_wrong_tables(void)
{
	LeapSecond	late = {41499, 10};
	LeapSecond	ahead = {41317, 11};
	LeapSecond	up = {41499, 11};
	LeapSecond	down = {41683, 10};

	ok(leap_seconds_wrong(leaps) == -1 && leap_seconds_wrong(more_leaps) == -1 &&
	   wrong_in(1, up, up) == -1 && wrong_in(3, up, down) == -1, "right tables");
	ok(leap_seconds_wrong((LeapSeconds) {NULL, 0}) == 0, "no row");
	ok(leap_seconds_wrong((LeapSeconds) {&late, 1}) == 0 &&
	   leap_seconds_wrong((LeapSeconds) {&ahead, 1}) == 0, "another first row");
	ok(wrong_in(2, (LeapSecond) {41499, 10}, up) == 1, "no step");
	ok(wrong_in(3, up, (LeapSecond) {41683, 13}) == 2, "too big a step");
	ok(wrong_in(3, up, (LeapSecond) {41683, 9}) == 2, "too big a step back");
	ok(wrong_in(3, up, (LeapSecond) {41683, INT32_MIN}) == 2, "the biggest step");
	ok(wrong_in(3, up, (LeapSecond) {41499, 12}) == 2, "a day twice");
}

int
main(void)
{
	test_vectors();
	test_calendar();
	test_steps();
	test_longer_table();
	test_wrong_tables();
	return end_of_tests();
}
