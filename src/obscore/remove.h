/*-------------------------------------------------------------------------
 *
 * src/obscore/remove.h
 *	  Deletes the rows of removed tags without a planner or an executor.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CATREG_OBSCORE_REMOVE_H
#define CATREG_OBSCORE_REMOVE_H

#include "obscore/apply.h"

extern bool obscore_remove_directly(const Obscore *obscore, const ObscoreSelect *select, const TriggerData *trigdata,
									ObscoreCounts *counts);

#endif							/* CATREG_OBSCORE_REMOVE_H */
