/*-------------------------------------------------------------------------
 *
 * src/core/index_feed.h
 *	  Entries of one index, put there in the index's own order.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CATREG_INDEX_FEED_H
#define CATREG_INDEX_FEED_H

#include "executor/tuptable.h"
#include "nodes/execnodes.h"
#include "utils/rel.h"

typedef struct IndexFeed IndexFeed;

extern IndexFeed *index_feed_create(Relation heap, Relation index,
									IndexInfo *info, EState *estate);
extern void index_feed_collect(IndexFeed *feed, Size memory);
extern void index_feed_put(IndexFeed *feed, TupleTableSlot *slot);
extern void index_feed_finish(IndexFeed *feed);

#endif							/* CATREG_INDEX_FEED_H */
