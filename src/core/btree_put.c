/*-------------------------------------------------------------------------
 *
 * src/core/btree_put.c
 *	  Sorted entries put into a B-tree, many at once.
 *
 * The B-tree's own insertion descends, compares, locks and logs for each entry.
 * Of entries in the index's order, those that follow one another on a leaf page
 * and fit into what is free there are put there under one lock, by one generic WAL
 * record (access/transam/generic_xlog.c), which works on a copy of the page: an
 * error leaves the index as it was.  Whatever needs more than room is left to
 * _bt_doinsert(): splits, deduplication, dead entries, long entries, a posting list
 * that spans the entry, a duplicate in a unique index, and indexes made before
 * PostgreSQL 12, whose equal keys are not in the order of their heap TIDs.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/generic_xlog.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/predicate.h"
#include "utils/memutils.h"

#include "core/btree_put.h"
#include "core/compat.h"

/* For fewer entries the copy of a page costs more than it saves. */
#define FILL_MIN_ENTRIES 32

/* Longer entries do not come by the dozen, and have to pass _bt_check_third_page(). */
#define FILL_MAX_SIZE (BLCKSZ / 16)

/* Where filling a page has failed, so many entries at most pass before the next try. */
#define FILL_MAX_STEP 64

static Size
entry_size(const BtreePut *put)
{
	return MAXALIGN(IndexTupleSize(put->tuple));
}

/* Does an entry that is not left of a page belong on it? */
static bool
belongs(const BtreePut *put, Page page)
{
	return P_RIGHTMOST(BTPageGetOpaque(page)) ||
		_bt_compare(put->index, put->key, page, P_HIKEY) <= 0;
}

/*
 * The place of an entry among the items from offset on; InvalidOffsetNumber: it is
 * within one of them, a posting list.
 */
static OffsetNumber
find_place(const BtreePut *put, Page page, OffsetNumber offset)
{
	OffsetNumber low = offset;
	OffsetNumber high = PageGetMaxOffsetNumber(page) + 1;
	OffsetNumber middle = offset;	/* the next entry mostly comes right here */

	while (low < high)
	{
		int32		order = _bt_compare(put->index, put->key, page, middle);

		if (order == 0)
			return InvalidOffsetNumber;
		if (order > 0)
			low = middle + 1;
		else
			high = middle;
		middle = low + (high - low) / 2;
	}
	return low;
}

/*
 * May the index hold the keys of an entry that goes to this place?  Equal keys
 * stand side by side, so that its neighbours tell; those beyond the page are not
 * asked, nor is anything where a key is NULL.
 */
static bool
may_be_duplicate(const BtreePut *put, Page page, OffsetNumber place)
{
	BTPageOpaque opaque = BTPageGetOpaque(page);
	bool		maybe;

	if (put->key->anynullkeys)
		return true;
	put->key->scantid = NULL;
	if (place > P_FIRSTDATAKEY(opaque))
		maybe = _bt_compare(put->index, put->key, page, place - 1) == 0;
	else
		maybe = !P_LEFTMOST(opaque);
	if (!maybe && place <= PageGetMaxOffsetNumber(page))
		maybe = _bt_compare(put->index, put->key, page, place) == 0;
	else if (!maybe && !P_RIGHTMOST(opaque))
		maybe = _bt_compare(put->index, put->key, page, P_HIKEY) >= 0;
	put->key->scantid = &put->tuple->t_tid;
	return maybe;
}

/*
 * Adds entries to a copy of a leaf page, from the first on, up to before the last;
 * returns how many.
 */
static int64
add_entries(BtreePut *put, Page page, int64 first, int64 last)
{
	OffsetNumber place = P_FIRSTDATAKEY(BTPageGetOpaque(page));

	for (int64 i = first; i < last; i++)
	{
		put->set(put, i);
		if (entry_size(put) > Min(FILL_MAX_SIZE, PageGetFreeSpace(page)) || !belongs(put, page))
			return i - first;
		place = find_place(put, page, place);
		if (place == InvalidOffsetNumber ||
			(put->check != UNIQUE_CHECK_NO && may_be_duplicate(put, page, place)))
			return i - first;
		if (PageAddItem(page, (Item) put->tuple, entry_size(put), place, false, false) != place)
			elog(ERROR, "could not add an entry to index \"%s\"",
				 RelationGetRelationName(put->index));
		place++;
	}
	return last - first;
}

/* Is it worth to fill a page with the entries from the first on? */
static bool
is_worth_filling(BtreePut *put, Page page, int64 first)
{
	if (PageGetFreeSpace(page) < FILL_MIN_ENTRIES * (entry_size(put) + sizeof(ItemIdData)))
		return false;
	put->set(put, first + FILL_MIN_ENTRIES - 1);
	return belongs(put, page);
}

/*
 * Puts entries into the index where they share a leaf page with room for them;
 * returns how many, 0 where they are too few to be worth it.
 *
 * Locks: the page, exclusively; the caller holds ROW EXCLUSIVE on the index.
 * Errors: serialization_failure, as any insertion.
 */
static int64
fill_leaf(BtreePut *put, int64 first, int64 last)
{
	Relation	index = put->index;
	Buffer		buffer;
	int64		n_added = 0;

	if (last - first < FILL_MIN_ENTRIES)
		return 0;
	put->set(put, first);
	if (!put->key->heapkeyspace)
		return 0;

	_bt_freestack(catreg_bt_search(index, put->heap, put->key, &buffer, BT_WRITE));
	if (is_worth_filling(put, BufferGetPage(buffer), first))
	{
		GenericXLogState *state = GenericXLogStart(index);

		CheckForSerializableConflictIn(index, NULL, BufferGetBlockNumber(buffer));
		n_added = add_entries(put, GenericXLogRegisterBuffer(state, buffer, 0), first, last);
		if (n_added > 0)
			GenericXLogFinish(state);
		else
			GenericXLogAbort(state);
	}
	_bt_relbuf(index, buffer);
	return n_added;
}

/*
 * Puts n entries, sorted by their keys and heap TIDs, into the index.  Where they do
 * not share leaf pages, filling these is tried for fewer and fewer of them.
 *
 * Errors: unique_violation, serialization_failure.
 */
void
btree_put(BtreePut *put, int64 n)
{
	MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext, "catreg B-tree entries",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext before = MemoryContextSwitchTo(scratch);
	int64		next_fill = 0;
	int			step = 1;

	for (int64 i = 0, n_rounds = 1; i < n; n_rounds++)
	{
		if (i >= next_fill)
		{
			int64		n_filled = fill_leaf(put, i, n);

			step = n_filled > 0 ? 1 : Min(step * 2, FILL_MAX_STEP);
			i += n_filled;
			next_fill = i + step;
		}
		if (i < n)
		{
			put->set(put, i++);
			_bt_doinsert(put->index, put->tuple, put->check, false, put->heap);
		}
		if (n_rounds % 64 == 0)
		{
			CHECK_FOR_INTERRUPTS();
			MemoryContextReset(scratch);
		}
	}
	MemoryContextSwitchTo(before);
	MemoryContextDelete(scratch);
}
