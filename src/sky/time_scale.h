/*-------------------------------------------------------------------------
 *
 * src/sky/time_scale.h
 *	  Nanoseconds of TAI as days and as text, in TAI and in UTC.
 *
 * A time is what a Butler registry stores: nanoseconds since 1970-01-01
 * 00:00:00 TAI.  All times of int64 lie in the years 1677 to 2262, so that no
 * time is out of range here.  Nothing of the server is needed.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CATREG_SKY_TIME_SCALE_H
#define CATREG_SKY_TIME_SCALE_H

#include <stdint.h>

typedef enum TimeScale
{
	TIME_SCALE_TAI,
	TIME_SCALE_UTC
} TimeScale;

/* From 0h UTC of a day on, TAI is ahead of UTC by so many seconds. */
typedef struct LeapSecond
{
	int64_t		mjd;
	int32_t		tai_minus_utc;
} LeapSecond;

/* The rows in the order of their days; see leap_seconds_wrong(). */
typedef struct LeapSeconds
{
	const LeapSecond *rows;
	int			n;
} LeapSeconds;

/* The first day of UTC as it is today, 1972-01-01, and TAI-UTC on that day. */
#define LEAP_SECONDS_FIRST_MJD		41317
#define LEAP_SECONDS_FIRST_OFFSET	10

/* What time_scale_text() writes, with the NUL: YYYY-MM-DDTHH:MM:SS.ffffff */
#define TIME_TEXT_SIZE 27

extern int	leap_seconds_wrong(LeapSeconds leaps);
extern double time_scale_mjd(int64_t nanoseconds, TimeScale scale,
							 LeapSeconds leaps);
extern void time_scale_text(int64_t nanoseconds, TimeScale scale,
							LeapSeconds leaps, char separator,
							char text[TIME_TEXT_SIZE]);

#endif							/* CATREG_SKY_TIME_SCALE_H */
