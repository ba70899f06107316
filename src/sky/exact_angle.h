/*-------------------------------------------------------------------------
 *
 * src/sky/exact_angle.h
 *	  Directions as longitude and latitude in decimal, and back, bit for bit.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CATREG_SKY_EXACT_ANGLE_H
#define CATREG_SKY_EXACT_ANGLE_H

#include "sky/vector.h"

/* A decimal number as a text has it: digits without a point, and how many of
 * them are behind it. */
#define DECIMAL_MAX_DIGITS 72

typedef struct Decimal
{
	bool		negative;
	int			n;
	int			fraction;
	char		digits[DECIMAL_MAX_DIGITS];
} Decimal;

/* Longer than any number that is written here. */
#define ANGLE_TEXT_SIZE 80

/* More significant digits than a double has: the number is exact. */
extern bool decimal_is_exact(const Decimal *decimal);

extern Vec	exact_direction(const Decimal *lon, const Decimal *lat);
extern double exact_radians(const Decimal *degrees);
extern double exact_chord2(const Decimal *degrees);

extern void exact_direction_text(Vec v, char lon[ANGLE_TEXT_SIZE], char lat[ANGLE_TEXT_SIZE]);
extern void exact_radians_text(double radians, char text[ANGLE_TEXT_SIZE]);
extern void exact_chord2_text(double chord2, char text[ANGLE_TEXT_SIZE]);

#endif							/* CATREG_SKY_EXACT_ANGLE_H */
