/*-------------------------------------------------------------------------
 *
 * src/obscore/apply.h
 *	  Brings the rows of some datasets up to date.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CATREG_OBSCORE_APPLY_H
#define CATREG_OBSCORE_APPLY_H

#include "commands/trigger.h"

#include "obscore/statements.h"

typedef struct ObscoreCounts
{
	int64		inserted;
	int64		updated;
	int64		deleted;
} ObscoreCounts;

extern void obscore_apply_put(const Obscore *obscore, ObscoreSelect *select, const TriggerData *trigdata,
							  int64 n_rows, bool all_count, ObscoreCounts *counts);
extern void obscore_apply_removed(const Obscore *obscore, ObscoreSelect *select,
								  int64 n_rows, ObscoreCounts *counts);
extern void obscore_apply_touched(const Obscore *obscore, ObscoreSelect *select,
								  int64 n_rows, ObscoreCounts *counts);

#endif							/* CATREG_OBSCORE_APPLY_H */
