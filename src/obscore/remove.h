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

/* What has become of the tags in a transition table of old ones. */
typedef enum RemovedTags
{
	TAGS_CHANGED,
	TAGS_DELETED,
	TAGS_DELETED_FOR_GOOD		/* the transaction has put none */
} RemovedTags;

extern bool obscore_remove_directly(const Obscore *obscore, const ObscoreSelect *select, Relation rel,
									Tuplestorestate *old, RemovedTags removed, ObscoreCounts *counts);

#endif							/* CATREG_OBSCORE_REMOVE_H */
