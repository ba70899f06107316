/*-------------------------------------------------------------------------
 *
 * src/obscore/collections.h
 *	  Which collections count, remembered.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CATREG_OBSCORE_COLLECTIONS_H
#define CATREG_OBSCORE_COLLECTIONS_H

#include "executor/spi.h"

#include "obscore/obscore.h"

/* More than these are not remembered: puts go to one run, or a few. */
#define MAX_COLLECTIONS 32

typedef struct ObscoreCollections
{
	SPIPlanPtr	plan;
	int64		n_changes;
	int			n;
	Datum		keys[MAX_COLLECTIONS];	/* as in Collection */
	MemoryContext context;		/* of those that are texts */
	bool		counts[MAX_COLLECTIONS];
	bool		certain[MAX_COLLECTIONS];	/* else it is gone, and may have counted */
} ObscoreCollections;

#define OBSCORE_COLLECTIONS_SIZE sizeof(ObscoreCollections)

extern bool obscore_collection_counts(const Obscore *obscore, Datum key, bool removed);
extern bool obscore_collection_is_known(const Obscore *obscore, Datum key);
extern void obscore_collections_changed(Obscore *obscore);
extern void obscore_forget_collections(Obscore *obscore);

#endif							/* CATREG_OBSCORE_COLLECTIONS_H */
