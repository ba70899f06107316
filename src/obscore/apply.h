/*-------------------------------------------------------------------------
 *
 * src/obscore/apply.h
 *	  Brings the rows of some datasets up to date.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CATREG_OBSCORE_APPLY_H
#define CATREG_OBSCORE_APPLY_H

#include "obscore/obscore.h"

/* The names of the triggers' transition tables, and of touched datasets' ids. */
#define OBSCORE_NEW "catreg_new"
#define OBSCORE_OLD "catreg_old"
#define OBSCORE_TOUCHED "catreg_touched"

typedef struct ObscoreCounts
{
	int64		inserted;
	int64		updated;
	int64		deleted;
} ObscoreCounts;

extern void obscore_apply_put(const Obscore *obscore, ObscoreSelect *select,
							  int64 n_rows, bool updated, ObscoreCounts *counts);
extern void obscore_apply_removed(const Obscore *obscore, ObscoreSelect *select,
								  int64 n_rows, ObscoreCounts *counts);
extern void obscore_apply_touched(const Obscore *obscore, ObscoreSelect *select,
								  int64 n_rows, ObscoreCounts *counts);
extern void obscore_apply_all_touched(const Obscore *obscore, int64 n_rows,
									  ObscoreCounts *counts);

#endif							/* CATREG_OBSCORE_APPLY_H */
