/*-------------------------------------------------------------------------
 *
 * src/core/on_conflict.h
 *	  What a bulk function does about rows that are there already.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CATREG_ON_CONFLICT_H
#define CATREG_ON_CONFLICT_H

typedef enum OnConflict
{
	ON_CONFLICT_ERROR,
	ON_CONFLICT_IGNORE,
	ON_CONFLICT_REPLACE
} OnConflict;

extern OnConflict parse_on_conflict(const char *value);

#endif							/* CATREG_ON_CONFLICT_H */
