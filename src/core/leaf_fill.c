/*-------------------------------------------------------------------------
 *
 * src/core/leaf_fill.c
 *	  Many entries at once on one leaf page of a B-tree.
 *
 * The B-tree's own insertion descends, compares, locks and logs for each entry.
 * Of entries in the index's order, those that follow one another on a leaf page
 * and fit into what is free there are put there under one lock, by one generic WAL
 * record (access/transam/generic_xlog.c), which works on a copy of the page: an
 * error leaves the index as it was.  Whatever needs more than room is left to
 * _bt_doinsert(): splits, deduplication, dead entries, a posting list that spans
 * the entry, a duplicate in a unique index, and the indexes of before PostgreSQL
 * 12, which a heap TID does not order.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/generic_xlog.h"
#include "storage/bufmgr.h"
#include "storage/predicate.h"

#include "core/compat.h"
#include "core/narrow_entry.h"

/* For fewer entries the copy of a page costs more than it saves. */
#define LEAF_FILL_MIN 32

static Size
entry_size(const NarrowForm *form)
{
	return MAXALIGN(IndexTupleSize(form->tuple));
}

/* Does an entry that is not left of a page belong on it? */
static bool
belongs(const NarrowForm *form, Page page)
{
	return P_RIGHTMOST(BTPageGetOpaque(page)) ||
		_bt_compare(form->index, form->key, page, P_HIKEY) <= 0;
}

/*
 * The place of an entry among the items from offset on; InvalidOffsetNumber: it is
 * within one of them, a posting list.
 */
static OffsetNumber
find_place(const NarrowForm *form, Page page, OffsetNumber offset)
{
	OffsetNumber low = offset;
	OffsetNumber high = PageGetMaxOffsetNumber(page) + 1;
	OffsetNumber middle = offset;	/* the next entry mostly comes right here */

	while (low < high)
	{
		int32		order = _bt_compare(form->index, form->key, page, middle);

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
 * asked.
 */
static bool
may_be_duplicate(const NarrowForm *form, Page page, OffsetNumber place)
{
	BTPageOpaque opaque = BTPageGetOpaque(page);
	bool		maybe;

	form->key->scantid = NULL;
	if (place > P_FIRSTDATAKEY(opaque))
		maybe = _bt_compare(form->index, form->key, page, place - 1) == 0;
	else
		maybe = !P_LEFTMOST(opaque);
	if (!maybe && place <= PageGetMaxOffsetNumber(page))
		maybe = _bt_compare(form->index, form->key, page, place) == 0;
	else if (!maybe && !P_RIGHTMOST(opaque))
		maybe = _bt_compare(form->index, form->key, page, P_HIKEY) >= 0;
	form->key->scantid = &form->tuple->t_tid;
	return maybe;
}

/*
 * Adds the first of up to n entries to a copy of a leaf page; returns how many.
 */
static int64
add_entries(const NarrowForm *form, Page page, const NarrowEntry *entries, int64 n)
{
	bool		unique = form->index->rd_index->indisunique;
	OffsetNumber place = P_FIRSTDATAKEY(BTPageGetOpaque(page));

	for (int64 i = 0; i < n; i++)
	{
		narrow_form_set(form, &entries[i]);
		if (!belongs(form, page))
			return i;
		place = find_place(form, page, place);
		if (place == InvalidOffsetNumber || (unique && may_be_duplicate(form, page, place)))
			return i;
		if (PageAddItem(page, (Item) form->tuple, entry_size(form), place, false, false) != place)
			elog(ERROR, "could not add an entry to index \"%s\"",
				 RelationGetRelationName(form->index));
		place++;
	}
	return n;
}

/*
 * Puts the first of n sorted entries into the index where they share a leaf page
 * with room for them; returns how many, 0 where they are too few to be worth it.
 *
 * Locks: the page, exclusively; the caller holds ROW EXCLUSIVE on the index.
 * Errors: serialization_failure, as any insertion.
 */
int64
leaf_fill(const NarrowForm *form, const NarrowEntry *entries, int64 n)
{
	Relation	index = form->index;
	Buffer		buffer;
	Page		page;
	int64		n_added = 0;

	if (n < LEAF_FILL_MIN || !form->key->heapkeyspace)
		return 0;

	narrow_form_set(form, &entries[0]);
	_bt_freestack(catreg_bt_search(index, form->heap, form->key, &buffer, BT_WRITE));
	page = BufferGetPage(buffer);
	n = Min(n, PageGetExactFreeSpace(page) / (entry_size(form) + sizeof(ItemIdData)));
	if (n >= LEAF_FILL_MIN)
	{
		narrow_form_set(form, &entries[LEAF_FILL_MIN - 1]);
		if (belongs(form, page))
		{
			GenericXLogState *state = GenericXLogStart(index);

			CheckForSerializableConflictIn(index, NULL, BufferGetBlockNumber(buffer));
			n_added = add_entries(form, GenericXLogRegisterBuffer(state, buffer, 0), entries, n);
			if (n_added > 0)
				GenericXLogFinish(state);
			else
				GenericXLogAbort(state);
		}
	}
	_bt_relbuf(index, buffer);
	return n_added;
}
