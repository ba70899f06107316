/*-------------------------------------------------------------------------
 *
 * src/core/gist_feed.c
 *	  Entries of a GiST index, collected, sorted and put in.
 *
 * An operator class that has an order for building an index (GIST_SORTSUPPORT_PROC)
 * has it for adding to one, too: entries that are near each other come one after
 * the other.  Those that lie within what a leaf page's key covers already, and fit on
 * the page, are put there under one lock and by one WAL record, and no key above
 * changes.  Whatever needs more is left to gistdoinsert(): larger keys, splits,
 * pages that are being split by others.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/gist_private.h"
#include "access/xloginsert.h"
#include "catalog/pg_am_d.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/predicate.h"
#include "utils/memutils.h"
#include "utils/tuplesort.h"

#include "core/gist_feed.h"

/* A page full of entries, and more. */
#define BATCH_SIZE 512

struct GistFeed
{
	Relation	heap;
	Relation	index;
	GISTSTATE  *state;
	Tuplesortstate *sort;
	MemoryContext batch_context;	/* of the tuples of a batch */
	IndexTuple	batch[BATCH_SIZE];
};

/* A leaf page, as it was when the tree was descended. */
typedef struct Leaf
{
	BlockNumber block;
	IndexTuple	key;			/* above it; NULL: there is no page above */
	GistNSN		nsn;			/* another: it has been split */
} Leaf;

static bool
has_order(Relation index)
{
	if (index->rd_rel->relam != GIST_AM_OID || index->rd_indam->aminsert != gistinsert)
		return false;
	for (int i = 0; i < IndexRelationGetNumberOfKeyAttributes(index); i++)
		if (!OidIsValid(index_getprocid(index, i + 1, GIST_SORTSUPPORT_PROC)))
			return false;
	return true;
}

/*
 * A feed of a GiST index whose operator classes have an order, with so much memory
 * (bytes) to sort in; NULL: it is not.  Lives in the current memory context.
 */
GistFeed *
gist_feed_create(Relation heap, Relation index, Size memory)
{
	GistFeed   *feed;

	if (!has_order(index))
		return NULL;
	feed = palloc0(sizeof(GistFeed));
	feed->heap = heap;
	feed->index = index;
	feed->state = initGISTstate(index);
	feed->state->tempCxt = createTempGistContext();
	feed->batch_context = AllocSetContextCreate(CurrentMemoryContext, "catreg GiST entries", ALLOCSET_DEFAULT_SIZES);
	feed->sort = tuplesort_begin_index_gist(heap, index, (int) Max(memory / 1024, 64), NULL, TUPLESORT_NONE);
	return feed;
}

void
gist_feed_put(GistFeed *feed, const Datum *values, const bool *nulls, ItemPointer tid)
{
	MemoryContext before = MemoryContextSwitchTo(feed->state->tempCxt);
	Datum		compressed[INDEX_MAX_KEYS];

	gistCompressValues(feed->state, feed->index, unconstify(Datum *, values), unconstify(bool *, nulls),
					   true, compressed);
	tuplesort_putindextuplevalues(feed->sort, feed->index, tid, compressed, unconstify(bool *, nulls));
	MemoryContextSwitchTo(before);
	MemoryContextReset(feed->state->tempCxt);
}

/* Does an entry lie within what a key covers? */
static bool
is_within(const GistFeed *feed, IndexTuple key, IndexTuple entry)
{
	return gistgetadjusted(feed->index, key, entry, feed->state) == NULL;
}

/* Was a page split after its parent's page had been read? */
static bool
is_split(Page page, XLogRecPtr parent_lsn)
{
	return GistFollowRight(page) || (!XLogRecPtrIsInvalid(parent_lsn) && parent_lsn < GistPageGetNSN(page));
}

/*
 * Descends to the leaf page for an entry, as gistdoinsert() does.  False: keys on
 * the way do not cover it, or a page is being split.
 */
static bool
find_leaf(const GistFeed *feed, IndexTuple entry, Leaf *leaf)
{
	XLogRecPtr	parent_lsn = InvalidXLogRecPtr;
	bool		found = false;

	leaf->block = GIST_ROOT_BLKNO;
	leaf->key = NULL;
	for (bool descend = true; descend;)
	{
		Buffer		buffer = ReadBuffer(feed->index, leaf->block);
		Page		page = BufferGetPage(buffer);

		LockBuffer(buffer, GIST_SHARE);
		gistcheckpage(feed->index, buffer);
		if (is_split(page, parent_lsn))
			descend = false;
		else if (GistPageIsLeaf(page))
		{
			leaf->nsn = GistPageGetNSN(page);
			found = leaf->key != NULL;
			descend = false;
		}
		else
		{
			OffsetNumber place = gistchoose(feed->index, page, entry, feed->state);

			leaf->key = CopyIndexTuple((IndexTuple) PageGetItem(page, PageGetItemId(page, place)));
			leaf->block = ItemPointerGetBlockNumber(&leaf->key->t_tid);
			parent_lsn = BufferGetLSNAtomic(buffer);
			descend = is_within(feed, leaf->key, entry);
		}
		UnlockReleaseBuffer(buffer);
	}
	return found;
}

/*
 * Puts entries that a leaf page's key covers on the page, as many as fit; returns
 * how many.
 *
 * A page that was split has another NSN, or soon will have.  None is given to other
 * keys unless it has been empty first, and not while a transaction runs that may
 * be on the way to it, as this one.
 */
static int
put_on_leaf(const GistFeed *feed, const Leaf *leaf, IndexTuple *entries, int n)
{
	Buffer		buffer = ReadBuffer(feed->index, leaf->block);
	Page		page = BufferGetPage(buffer);
	List	   *splits = NIL;

	LockBuffer(buffer, GIST_EXCLUSIVE);
	gistcheckpage(feed->index, buffer);
	if (!GistPageIsLeaf(page) || GistPageIsDeleted(page) || GistFollowRight(page) || GistPageGetNSN(page) != leaf->nsn)
		n = 0;
	while (n > 0 && gistnospace(page, entries, n, InvalidOffsetNumber, 0))
		n--;
	if (n > 0)
	{
		/* the page, a count, and each entry */
		XLogEnsureRecordSpace(0, n + 3);
		CheckForSerializableConflictIn(feed->index, NULL, leaf->block);
		(void) gistplacetopage(feed->index, 0, feed->state, buffer, entries, n, InvalidOffsetNumber, NULL,
							   InvalidBuffer, &splits, true, feed->heap, false);
	}
	UnlockReleaseBuffer(buffer);
	return n;
}

/*
 * Puts entries on the leaf page where the first belongs; returns how many, 0 where it
 * takes more than that.
 *
 * Locks: one page at a time; the caller holds ROW EXCLUSIVE on the index.
 * Errors: serialization_failure, as any insertion.
 */
static int
fill_leaf(const GistFeed *feed, IndexTuple *entries, int n)
{
	Leaf		leaf;
	int			n_within = 1;

	if (!find_leaf(feed, entries[0], &leaf))
		return 0;
	while (n_within < n && is_within(feed, leaf.key, entries[n_within]))
		n_within++;
	return put_on_leaf(feed, &leaf, entries, n_within);
}

static void
put_batch(const GistFeed *feed, IndexTuple *entries, int n)
{
	MemoryContext before = MemoryContextSwitchTo(feed->state->tempCxt);

	for (int i = 0; i < n;)
	{
		int			n_filled = fill_leaf(feed, &entries[i], n - i);

		if (n_filled == 0)
		{
			gistdoinsert(feed->index, entries[i], 0, feed->state, feed->heap, false);
			n_filled = 1;
		}
		i += n_filled;
		MemoryContextReset(feed->state->tempCxt);
		CHECK_FOR_INTERRUPTS();
	}
	MemoryContextSwitchTo(before);
}

/*
 * Puts the collected entries into the index.
 */
void
gist_feed_finish(GistFeed *feed)
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
		put_batch(feed, feed->batch, n);
		MemoryContextReset(feed->batch_context);
	} while (n == BATCH_SIZE);
	tuplesort_end(feed->sort);
	freeGISTstate(feed->state);
}
