/*-------------------------------------------------------------------------
 *
 * src/obscore/touched.h
 *	  From a query for datasets to their rows.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CATREG_OBSCORE_TOUCHED_H
#define CATREG_OBSCORE_TOUCHED_H

#include "obscore/apply.h"

extern void obscore_touch(const Obscore *obscore, ObscoreSelect *select, const char *query,
						  ObscoreCounts *counts);
extern void obscore_touch_datasets(const Obscore *obscore, ObscoreSelect *select, const char *ids,
								   ObscoreCounts *counts);
extern void obscore_touch_any(const Obscore *obscore, const char *query, ObscoreCounts *counts);
extern void obscore_touch_nodes(const Obscore *obscore, SPIPlanPtr query, Datum *values,
								int deeds, ObscoreCounts *counts);
extern void obscore_refresh(const Obscore *obscore, ObscoreCounts *counts);

#endif							/* CATREG_OBSCORE_TOUCHED_H */
