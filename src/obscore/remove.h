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
#include "utils/rel.h"
#include "utils/tuplestore.h"

extern bool obscore_remove_directly(const Obscore *obscore, const ObscoreSelect *select, Relation rel,
									Tuplestorestate *old, bool deleted, ObscoreCounts *counts);

#endif							/* CATREG_OBSCORE_REMOVE_H */
