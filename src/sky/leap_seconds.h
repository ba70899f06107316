/*-------------------------------------------------------------------------
 *
 * src/sky/leap_seconds.h
 *	  The table catreg.leap_second, as this backend knows it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CATREG_SKY_LEAP_SECONDS_H
#define CATREG_SKY_LEAP_SECONDS_H

#include "sky/time_scale.h"

extern void leap_seconds_init(void);
extern bool leap_seconds_get(LeapSeconds *known);
extern LeapSeconds leap_seconds(void);

#endif							/* CATREG_SKY_LEAP_SECONDS_H */
