/*-------------------------------------------------------------------------
 *
 * src/core/sorted_feed.c
 *	  Entries of any B-tree, collected, sorted and put in.
 *
 * They are sorted by PostgreSQL's tuplesort, which knows every type's order and spills
 * to disk.  Out of it they come in batches.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"
#include "utils/tuplesort.h"

#include "core/btree_put.h"
#include "core/sorted_feed.h"

/* Some pages full of entries; a batch ends where a page may go on. */
#define BATCH_SIZE 2048

struct SortedFeed
{
	BtreePut	put;
	Tuplesortstate *sort;
	MemoryContext batch_context;	/* of the tuples of a batch */
	IndexTuple	batch[BATCH_SIZE];
};

/*
 * Makes an entry of the batch the one at hand; as _bt_mkscankey() does it.
 */
static void
set_entry(BtreePut *put, int64 i)
{
	IndexTuple	tuple = ((SortedFeed *) put)->batch[i];
	BTScanInsert key = put->key;

	key->anynullkeys = false;
	for (int k = 0; k < key->keysz; k++)
	{
		ScanKey		column = &key->scankeys[k];
		bool		isnull;

		column->sk_argument = index_getattr(tuple, k + 1, RelationGetDescr(put->index), &isnull);
		if (isnull)
			column->sk_flags |= SK_ISNULL;
		else
			column->sk_flags &= ~SK_ISNULL;
		key->anynullkeys |= isnull;
	}
	key->scantid = &tuple->t_tid;
	put->tuple = tuple;
}

/*
 * A feed of a B-tree, with so much memory (bytes) to sort in.  Lives in the current
 * memory context.
 */
SortedFeed *
sorted_feed_create(Relation heap, Relation index, IndexUniqueCheck check, Size memory)
{
	SortedFeed *feed = palloc0(sizeof(SortedFeed));

	feed->put.heap = heap;
	feed->put.index = index;
	feed->put.check = check;
	feed->put.set = set_entry;
	feed->batch_context = AllocSetContextCreate(CurrentMemoryContext, "catreg sorted entries",
												ALLOCSET_DEFAULT_SIZES);
	/* duplicates are found by the index itself, with its own message */
	feed->sort = tuplesort_begin_index_btree(heap, index, false, false,
											 (int) Max(memory / 1024, 64), NULL, TUPLESORT_NONE);
	return feed;
}

void
sorted_feed_put(SortedFeed *feed, const Datum *values, const bool *nulls, ItemPointer tid)
{
	tuplesort_putindextuplevalues(feed->sort, feed->put.index, tid,
								  unconstify(Datum *, values), unconstify(bool *, nulls));
}

/*
 * Puts the collected entries into the index.
 */
void
sorted_feed_finish(SortedFeed *feed)
{
	int			n;

	tuplesort_performsort(feed->sort);
	do
	{
		MemoryContext before = MemoryContextSwitchTo(feed->batch_context);
		IndexTuple	tuple;

		for (n = 0; n < BATCH_SIZE && (tuple = tuplesort_getindextuple(feed->sort, true)) != NULL; n++)
			feed->batch[n] = CopyIndexTuple(tuple);
		MemoryContextSwitchTo(before);
		if (n > 0 && feed->put.key == NULL)
			feed->put.key = _bt_mkscankey(feed->put.index, feed->batch[0]);
		btree_put(&feed->put, n);
		MemoryContextReset(feed->batch_context);
	} while (n == BATCH_SIZE);
	tuplesort_end(feed->sort);
}
