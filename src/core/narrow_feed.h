/*-------------------------------------------------------------------------
 *
 * src/core/narrow_feed.h
 *	  Entries of a B-tree over a few integers, collected, sorted and put in.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CATREG_NARROW_FEED_H
#define CATREG_NARROW_FEED_H

#include "executor/tuptable.h"
#include "nodes/execnodes.h"
#include "utils/rel.h"

typedef struct NarrowFeed NarrowFeed;

extern NarrowFeed *narrow_feed_create(Relation heap, Relation index, const IndexInfo *info,
									  IndexUniqueCheck check);
extern void narrow_feed_collect(NarrowFeed *feed, Size memory);
extern bool narrow_feed_put(NarrowFeed *feed, TupleTableSlot *slot);
extern void narrow_feed_finish(NarrowFeed *feed);

#endif							/* CATREG_NARROW_FEED_H */
