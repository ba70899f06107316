/*-------------------------------------------------------------------------
 *
 * src/sky/time_scale.c
 *	  Nanoseconds of TAI as days and as text, in TAI and in UTC.
 *
 * Clients store what astropy gives them, so results agree with astropy's to
 * the last bit.  An exact result would not: astropy holds a time as a whole
 * number of days and an offset of up to half a day, two doubles, and the
 * offset is rounded at each step on the way; one time in 20,000 then comes out
 * on the other side.  The steps here are the same: the time since the epoch in
 * days (daf_butler's TimeConverter), the epoch added to it, TAI made UTC (the
 * rules of SOFA's iauTaiutc and iauUtctai, which astropy takes from ERFA), and
 * the parts added up.  Steps that cannot round are left out.
 *
 * UTC counts days, and they differ in length.  A day that ends in a leap second
 * has 86,401 s, all of them spread over one unit of MJD ("SOFA Time Scale and
 * Calendar Tools", section 3.5).  Before 1972 the second of UTC was not that of
 * TAI: from 1960 on TAI-UTC grew in proportion to time, with steps in between.
 * Before 1960 there was no UTC, and TAI stands for it.
 *
 * No expression must be contracted (-ffp-contract=off).
 *
 *-------------------------------------------------------------------------
 */
#include "sky/time_scale.h"

#include <math.h>
#include <stdbool.h>

#define NANOSECONDS_PER_DAY INT64_C(86400000000000)
#define SECONDS_PER_DAY		86400.0
#define MICROSECONDS		INT64_C(1000000)
#define EPOCH_MJD			40587	/* 1970-01-01 */

/* A time as a day, its MJD, and the offset from the day's noon, in days. */
typedef struct Moment
{
	int64_t		day;
	double		offset;			/* from -0.5 to 0.5 */
} Moment;

/*
 * TAI-UTC before 1972, in seconds: offset + (MJD - reference) * rate.  From the
 * US Naval Observatory's tai-utc.dat; the row of 1960, which has none there,
 * from the Explanatory Supplement to the Astronomical Almanac (1992), 2.58.1.
 */
typedef struct Drift
{
	int64_t		mjd;
	double		offset;
	double		reference;
	double		rate;
} Drift;

static const Drift drifts[] = {
	{36934, 1.4178180, 37300, 0.0012960},	/* 1960-01-01 */
	{37300, 1.4228180, 37300, 0.0012960},	/* 1961-01-01 */
	{37512, 1.3728180, 37300, 0.0012960},	/* 1961-08-01 */
	{37665, 1.8458580, 37665, 0.0011232},	/* 1962-01-01 */
	{38334, 1.9458580, 37665, 0.0011232},	/* 1963-11-01 */
	{38395, 3.2401300, 38761, 0.0012960},	/* 1964-01-01 */
	{38486, 3.3401300, 38761, 0.0012960},	/* 1964-04-01 */
	{38639, 3.4401300, 38761, 0.0012960},	/* 1964-09-01 */
	{38761, 3.5401300, 38761, 0.0012960},	/* 1965-01-01 */
	{38820, 3.6401300, 38761, 0.0012960},	/* 1965-03-01 */
	{38942, 3.7401300, 38761, 0.0012960},	/* 1965-07-01 */
	{39004, 3.8401300, 38761, 0.0012960},	/* 1965-09-01 */
	{39126, 4.3131700, 39126, 0.0025920},	/* 1966-01-01 */
	{39887, 4.2131700, 39126, 0.0025920}	/* 1968-02-01 */
};

#define N_DRIFTS ((int) (sizeof(drifts) / sizeof(drifts[0])))

/* How a day of UTC runs, in seconds. */
typedef struct UtcDay
{
	double		ahead;			/* TAI-UTC at 0h */
	double		drift;			/* by which it grows to 24h */
	double		leap;			/* by which it jumps there */
} UtcDay;

/*
 * The first row of a table that cannot be right, or -1.  UTC begins on
 * 1972-01-01, 10 s behind TAI, and steps by one second at a time, in either
 * direction (ITU-R TF.460).  No row at all: 0.
 */
int
leap_seconds_wrong(LeapSeconds leaps)
{
	if (leaps.n == 0 || leaps.rows[0].mjd != LEAP_SECONDS_FIRST_MJD ||
		leaps.rows[0].tai_minus_utc != LEAP_SECONDS_FIRST_OFFSET)
		return 0;
	for (int i = 1; i < leaps.n; i++)
	{
		int64_t		step = (int64_t) leaps.rows[i].tai_minus_utc -
			leaps.rows[i - 1].tai_minus_utc;

		if (leaps.rows[i].mjd <= leaps.rows[i - 1].mjd || (step != 1 && step != -1))
			return i;
	}
	return -1;
}

static Moment
moment(int64_t day, double offset)
{
	Moment		m = {day, offset};

	if (m.offset > 0.5)
	{
		m.day++;
		m.offset -= 1.0;
	}
	else if (m.offset < -0.5)
	{
		m.day--;
		m.offset += 1.0;
	}
	return m;
}

/*
 * The offset is rounded twice, as astropy does: as a part of a day, to the
 * nearer midnight, and when half a day is taken off it.
 */
static Moment
moment_of_tai(int64_t nanoseconds)
{
	int64_t		day = nanoseconds / NANOSECONDS_PER_DAY;
	int64_t		rest = nanoseconds % NANOSECONDS_PER_DAY;
	double		part;

	if (rest < 0)
	{
		day--;
		rest += NANOSECONDS_PER_DAY;
	}
	part = (double) rest / (double) NANOSECONDS_PER_DAY;
	if (part > 0.5)
	{
		day++;
		part -= 1.0;
	}
	return moment(EPOCH_MJD + day, part - 0.5);
}

/*
 * The day that an offset from a day's noon falls on, counted from that day, and
 * the part of it that has passed, at least 0 and less than 1.
 */
static double
split_offset(double offset, double *part)
{
	double		days = round(offset);

	*part = 0.5 + (offset - days);
	if (*part >= 1.0)
	{
		days += 1.0;
		*part = 0.0;
	}
	return days;
}

/* TAI-UTC in seconds, on a day of which a part has passed. */
static double
tai_minus_utc(int64_t day, double part, LeapSeconds leaps)
{
	for (int i = leaps.n - 1; i >= 0; i--)
		if (day >= leaps.rows[i].mjd)
			return leaps.rows[i].tai_minus_utc;
	for (int i = N_DRIFTS - 1; i >= 0; i--)
		if (day >= drifts[i].mjd)
			return drifts[i].offset +
				((double) day + part - drifts[i].reference) * drifts[i].rate;
	return 0.0;
}

static UtcDay
utc_day(int64_t day, LeapSeconds leaps)
{
	UtcDay		d;

	d.ahead = tai_minus_utc(day, 0.0, leaps);
	d.drift = 2.0 * (tai_minus_utc(day, 0.5, leaps) - d.ahead);
	d.leap = tai_minus_utc(day + 1, 0.0, leaps) - (d.ahead + d.drift);
	return d;
}

/*
 * TAI follows from UTC, not the other way round: a guess is made TAI, and mended
 * by what that is off.  One round will do nearly always, a second one near a
 * leap second; SOFA makes three, and so the last bit is that of the third.
 */
static Moment
moment_of_utc(Moment tai, LeapSeconds leaps)
{
	double		offset = tai.offset;

	for (int i = 0; i < 3; i++)
	{
		double		part;
		double		days = split_offset(offset, &part);
		UtcDay		d = utc_day(tai.day + (int64_t) days, leaps);

		part *= (SECONDS_PER_DAY + d.leap) / SECONDS_PER_DAY;
		part *= (SECONDS_PER_DAY + d.drift) / SECONDS_PER_DAY;
		offset += tai.offset - ((days - 0.5) + (part + d.ahead / SECONDS_PER_DAY));
	}
	return moment(tai.day, offset);
}

static Moment
moment_of(int64_t nanoseconds, TimeScale scale, LeapSeconds leaps)
{
	Moment		tai = moment_of_tai(nanoseconds);

	return scale == TIME_SCALE_UTC ? moment_of_utc(tai, leaps) : tai;
}

/*
 * A time as Modified Julian Date: days since 1858-11-17 00:00.  The table of
 * leap seconds must be right; for TAI it is not read.
 */
double
time_scale_mjd(int64_t nanoseconds, TimeScale scale, LeapSeconds leaps)
{
	Moment		m = moment_of(nanoseconds, scale, leaps);

	return ((double) m.day + 0.5) + m.offset;
}

/*
 * Year, month and day of the Gregorian calendar, from years that begin in March,
 * so that the day that comes and goes is the last one.
 */
static void
calendar_of_mjd(int64_t mjd, int *year, int *month, int *day)
{
	int64_t		days = mjd + 678881;	/* since 0000-03-01 */
	int64_t		era = days / 146097;	/* of 400 years; nothing is below 0 */
	int64_t		in_era = days % 146097;
	int64_t		years = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
	int64_t		in_year = in_era - (365 * years + years / 4 - years / 100);
	int64_t		months = (5 * in_year + 2) / 153;	/* since March */

	*day = (int) (in_year - (153 * months + 2) / 5 + 1);
	*month = (int) (months < 10 ? months + 3 : months - 9);
	*year = (int) (400 * era + years + (*month <= 2 ? 1 : 0));
}

/* Writes a number with leading zeros, and what follows it; returns its end. */
static char *
put_digits(char *to, int64_t number, int n_digits, char follows)
{
	for (int i = n_digits - 1; i >= 0; i--)
	{
		to[i] = (char) ('0' + number % 10);
		number /= 10;
	}
	to[n_digits] = follows;
	return to + n_digits + 1;
}

/*
 * A time as YYYY-MM-DDTHH:MM:SS.ffffff, rounded to microseconds, with the given
 * character in place of the T.  A leap second is 23:59:60.
 *
 * The day is found before rounding, by SOFA's iauD2dtf: what rounds up to 24h
 * becomes 0h of the next day, or 23:59:60 where that is a second of its own.
 * Steps of less than half a second, before 1972, have no second of their own:
 * they are spread over their day.
 */
void
time_scale_text(int64_t nanoseconds, TimeScale scale, LeapSeconds leaps,
				char separator, char text[TIME_TEXT_SIZE])
{
	Moment		m = moment_of(nanoseconds, scale, leaps);
	double		part;
	int64_t		day = m.day + (int64_t) split_offset(m.offset, &part);
	bool		has_leap = false;
	int64_t		rest;
	int64_t		hour;
	int64_t		minute;
	int64_t		second;
	int			year;
	int			month;
	int			month_day;

	if (scale == TIME_SCALE_UTC)
	{
		UtcDay		d = utc_day(day, leaps);

		has_leap = fabs(d.leap) > 0.5;
		if (has_leap)
			part += part * d.leap / SECONDS_PER_DAY;
	}

	rest = (int64_t) round((double) MICROSECONDS * (SECONDS_PER_DAY * part));
	hour = rest / (3600 * MICROSECONDS);
	rest %= 3600 * MICROSECONDS;
	minute = rest / (60 * MICROSECONDS);
	rest %= 60 * MICROSECONDS;
	second = rest / MICROSECONDS;
	rest %= MICROSECONDS;

	if (hour > 23)
	{
		if (has_leap && second == 0)
		{
			hour = 23;
			minute = 59;
			second = 60;
		}
		else
		{
			/* the step to the first UTC, in 1960, is longer than a second */
			day++;
			hour = 0;
			minute = 0;
			second = 0;
			if (!has_leap)
				rest = 0;
		}
	}

	calendar_of_mjd(day, &year, &month, &month_day);
	text = put_digits(text, year, 4, '-');
	text = put_digits(text, month, 2, '-');
	text = put_digits(text, month_day, 2, separator);
	text = put_digits(text, hour, 2, ':');
	text = put_digits(text, minute, 2, ':');
	text = put_digits(text, second, 2, '.');
	(void) put_digits(text, rest, 6, '\0');
}
