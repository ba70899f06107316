/*-------------------------------------------------------------------------
 *
 * src/core/sorted_feed.h
 *	  Entries of any B-tree, collected, sorted and put in.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CATREG_SORTED_FEED_H
#define CATREG_SORTED_FEED_H

#include "access/genam.h"
#include "utils/rel.h"

typedef struct SortedFeed SortedFeed;

extern SortedFeed *sorted_feed_create(Relation heap, Relation index,
									  IndexUniqueCheck check, Size memory);
extern void sorted_feed_put(SortedFeed *feed, const Datum *values, const bool *nulls,
							ItemPointer tid);
extern void sorted_feed_finish(SortedFeed *feed);

#endif							/* CATREG_SORTED_FEED_H */
