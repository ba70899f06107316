/*-------------------------------------------------------------------------
 *
 * src/core/narrow_feed.c
 *	  Entries of a B-tree over a few integers, collected, sorted and put in.
 *
 * Kept as integers, they are sorted without a call for each comparison, and reach
 * the B-tree in one reused tuple.  Those that fall on one leaf page go there at
 * once (leaf_fill.c); what does not fit there, or needs more of the B-tree than
 * room, goes by its own insertion.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/itup.h"
#include "access/nbtree.h"
#include "catalog/pg_am_d.h"
#include "catalog/pg_opfamily_d.h"
#include "catalog/pg_type_d.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "core/narrow_entry.h"
#include "core/narrow_feed.h"

struct NarrowFeed
{
	NarrowForm	form;
	AttrNumber	columns[NARROW_MAX_COLUMNS];	/* of the heap */
	IndexUniqueCheck check;
	MemoryContext context;
	MemoryContext scratch;		/* of the insertions */

	NarrowEntry *entries;		/* NULL: not collecting */
	int64		n_entries;
	int64		max_entries;
	int64		allocated;
};

static inline int
compare_entries(const NarrowEntry *a, const NarrowEntry *b)
{
	for (int i = 0; i < NARROW_MAX_COLUMNS; i++)
		if (a->keys[i] != b->keys[i])
			return a->keys[i] < b->keys[i] ? -1 : 1;
	return ItemPointerCompare((ItemPointer) &a->tid, (ItemPointer) &b->tid);
}

#define ST_SORT sort_entries
#define ST_ELEMENT_TYPE NarrowEntry
#define ST_COMPARE(a, b) compare_entries(a, b)
#define ST_SCOPE static
#define ST_CHECK_FOR_INTERRUPTS
#define ST_DEFINE
#include "lib/sort_template.h"

/*
 * A feed of an index that is a plain ascending B-tree over a few integers; NULL:
 * it is not.  Lives in the current memory context.
 */
NarrowFeed *
narrow_feed_create(Relation heap, Relation index, const IndexInfo *info,
				   IndexUniqueCheck check)
{
	TupleDesc	desc = RelationGetDescr(index);
	NarrowFeed *feed;

	if (index->rd_rel->relam != BTREE_AM_OID ||
		index->rd_indam->aminsert != btinsert ||
		desc->natts > NARROW_MAX_COLUMNS ||
		IndexRelationGetNumberOfKeyAttributes(index) != desc->natts ||
		info->ii_Expressions != NIL || info->ii_Predicate != NIL)
		return NULL;

	feed = palloc0(sizeof(NarrowFeed));
	feed->form.heap = heap;
	feed->form.index = index;
	feed->form.n_columns = desc->natts;
	feed->check = check;
	feed->context = CurrentMemoryContext;
	for (int i = 0; i < desc->natts; i++)
	{
		Oid			type = TupleDescAttr(desc, i)->atttypid;

		feed->form.types[i] = type;
		feed->columns[i] = info->ii_IndexAttrNumbers[i];
		if (index->rd_indoption[i] != 0 ||
			index->rd_opfamily[i] != INTEGER_BTREE_FAM_OID ||
			(type != INT4OID && type != INT8OID) || feed->columns[i] <= 0)
		{
			pfree(feed);
			return NULL;
		}
	}
	return feed;
}

static void
begin_form(NarrowForm *form)
{
	Datum		values[NARROW_MAX_COLUMNS] = {0};
	bool		nulls[NARROW_MAX_COLUMNS] = {false};
	TupleDesc	desc = RelationGetDescr(form->index);
	Size		offset = 0;

	form->tuple = index_form_tuple(desc, values, nulls);
	for (int i = 0; i < form->n_columns; i++)
	{
		offset = att_align_nominal(offset, TupleDescAttr(desc, i)->attalign);
		form->places[i] = (char *) form->tuple +
			IndexInfoFindDataOffset(form->tuple->t_info) + offset;
		offset += TupleDescAttr(desc, i)->attlen;
	}
	form->key = _bt_mkscankey(form->index, form->tuple);
}

/*
 * Makes the form's tuple and its search key those of an entry.
 */
void
narrow_form_set(const NarrowForm *form, const NarrowEntry *entry)
{
	for (int i = 0; i < form->n_columns; i++)
	{
		bool		is_int4 = form->types[i] == INT4OID;

		if (is_int4)
			*(int32 *) form->places[i] = (int32) entry->keys[i];
		else
			*(int64 *) form->places[i] = entry->keys[i];
		form->key->scankeys[i].sk_argument =
			fetch_att(form->places[i], is_int4 || FLOAT8PASSBYVAL,
					  is_int4 ? sizeof(int32) : sizeof(int64));
	}
	form->tuple->t_tid = entry->tid;
	form->key->scantid = &form->tuple->t_tid;
}

/*
 * From now on entries are collected, in so much memory (bytes), before they
 * are put into the index.
 */
void
narrow_feed_collect(NarrowFeed *feed, Size memory)
{
	MemoryContext before = MemoryContextSwitchTo(feed->context);

	feed->max_entries = Max(memory / sizeof(NarrowEntry), 1024);
	feed->allocated = 1024;
	feed->entries = palloc(sizeof(NarrowEntry) * feed->allocated);
	feed->scratch = AllocSetContextCreate(feed->context, "catreg narrow entries",
										  ALLOCSET_SMALL_SIZES);
	begin_form(&feed->form);
	MemoryContextSwitchTo(before);
}

static void
insert_entry(NarrowFeed *feed, const NarrowEntry *entry)
{
	narrow_form_set(&feed->form, entry);
	_bt_doinsert(feed->form.index, feed->form.tuple, feed->check, false, feed->form.heap);
}

/*
 * Puts the collected entries into the index.  Where they do not share leaf pages,
 * filling these is tried for fewer and fewer of them.
 */
static void
drain(NarrowFeed *feed)
{
	MemoryContext before = MemoryContextSwitchTo(feed->scratch);
	int64		next_fill = 0;
	int			step = 1;
	int			n_rounds = 0;

	sort_entries(feed->entries, feed->n_entries);
	for (int64 e = 0; e < feed->n_entries;)
	{
		if (e >= next_fill)
		{
			int64		n_filled = leaf_fill(&feed->form, &feed->entries[e], feed->n_entries - e);

			step = n_filled > 0 ? 1 : Min(step * 2, 64);
			e += n_filled;
			next_fill = e + step;
		}
		if (e < feed->n_entries)
			insert_entry(feed, &feed->entries[e++]);
		if (++n_rounds % 64 == 0)
		{
			CHECK_FOR_INTERRUPTS();
			MemoryContextReset(feed->scratch);
		}
	}
	feed->n_entries = 0;
	MemoryContextSwitchTo(before);
	MemoryContextReset(feed->scratch);
}

/*
 * Collects the entry of a row that is in the heap already; false: it is not
 * collecting, or a key is NULL.
 */
bool
narrow_feed_put(NarrowFeed *feed, TupleTableSlot *slot)
{
	NarrowEntry *entry;

	if (feed->entries == NULL)
		return false;
	if (feed->n_entries == feed->allocated)
	{
		feed->allocated = Min(feed->allocated * 2, feed->max_entries);
		feed->entries = repalloc_huge(feed->entries, sizeof(NarrowEntry) * feed->allocated);
	}
	entry = &feed->entries[feed->n_entries];
	memset(entry->keys, 0, sizeof(entry->keys));
	for (int i = 0; i < feed->form.n_columns; i++)
	{
		bool		isnull;
		Datum		value = slot_getattr(slot, feed->columns[i], &isnull);

		if (isnull)
			return false;
		entry->keys[i] = feed->form.types[i] == INT4OID ? DatumGetInt32(value) : DatumGetInt64(value);
	}
	entry->tid = slot->tts_tid;
	if (++feed->n_entries == feed->max_entries)
		drain(feed);
	return true;
}

/*
 * Puts into the index whatever is still collected.
 */
void
narrow_feed_finish(NarrowFeed *feed)
{
	if (feed->entries != NULL)
		drain(feed);
}
