/*-------------------------------------------------------------------------
 *
 * src/core/gist_feed.h
 *	  Entries of a GiST index, collected, sorted and put in.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CATREG_GIST_FEED_H
#define CATREG_GIST_FEED_H

#include "access/genam.h"
#include "utils/rel.h"

typedef struct GistFeed GistFeed;

extern GistFeed *gist_feed_create(Relation heap, Relation index, Size memory);
extern void gist_feed_put(GistFeed *feed, const Datum *values, const bool *nulls,
						  ItemPointer tid);
extern void gist_feed_finish(GistFeed *feed);

#endif							/* CATREG_GIST_FEED_H */
