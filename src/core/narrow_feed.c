/*-------------------------------------------------------------------------
 *
 * src/core/narrow_feed.c
 *	  Entries of a B-tree over a few integers, collected, sorted and put in.
 *
 * Kept as integers, they are sorted without a call for each comparison, and reach
 * the B-tree in one reused tuple.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_am_d.h"
#include "catalog/pg_opfamily_d.h"
#include "catalog/pg_type_d.h"
#include "miscadmin.h"

#include "core/btree_put.h"
#include "core/narrow_feed.h"

#define NARROW_MAX_COLUMNS 3

typedef struct NarrowEntry
{
	int64		keys[NARROW_MAX_COLUMNS];	/* those past the last column are 0 */
	ItemPointerData tid;
} NarrowEntry;

struct NarrowFeed
{
	BtreePut	put;			/* its tuple and key are reused: all keys are of
								 * fixed width */
	char	   *places[NARROW_MAX_COLUMNS]; /* of the keys in the tuple */
	int			n_columns;
	AttrNumber	columns[NARROW_MAX_COLUMNS];	/* of the heap */
	bool		is_int4[NARROW_MAX_COLUMNS];	/* else int8 */
	MemoryContext context;

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

static void
set_entry(BtreePut *put, int64 i)
{
	NarrowFeed *feed = (NarrowFeed *) put;
	const NarrowEntry *entry = &feed->entries[i];

	for (int c = 0; c < feed->n_columns; c++)
	{
		bool		is_int4 = feed->is_int4[c];

		if (is_int4)
			*(int32 *) feed->places[c] = (int32) entry->keys[c];
		else
			*(int64 *) feed->places[c] = entry->keys[c];
		put->key->scankeys[c].sk_argument =
			fetch_att(feed->places[c], is_int4 || FLOAT8PASSBYVAL,
					  is_int4 ? sizeof(int32) : sizeof(int64));
	}
	put->tuple->t_tid = entry->tid;
	put->key->scantid = &put->tuple->t_tid;
}

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
		desc->natts > NARROW_MAX_COLUMNS ||
		IndexRelationGetNumberOfKeyAttributes(index) != desc->natts ||
		info->ii_Expressions != NIL || info->ii_Predicate != NIL)
		return NULL;

	feed = palloc0(sizeof(NarrowFeed));
	feed->put.heap = heap;
	feed->put.index = index;
	feed->put.check = check;
	feed->put.set = set_entry;
	feed->n_columns = desc->natts;
	feed->context = CurrentMemoryContext;
	for (int i = 0; i < desc->natts; i++)
	{
		Oid			type = TupleDescAttr(desc, i)->atttypid;

		feed->is_int4[i] = type == INT4OID;
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
begin_tuple(NarrowFeed *feed)
{
	Relation	index = feed->put.index;
	TupleDesc	desc = RelationGetDescr(index);
	Datum		values[NARROW_MAX_COLUMNS] = {0};
	bool		nulls[NARROW_MAX_COLUMNS] = {false};
	IndexTuple	tuple = index_form_tuple(desc, values, nulls);
	Size		offset = 0;

	for (int i = 0; i < feed->n_columns; i++)
	{
		offset = att_align_nominal(offset, TupleDescAttr(desc, i)->attalign);
		feed->places[i] = (char *) tuple + IndexInfoFindDataOffset(tuple->t_info) + offset;
		offset += TupleDescAttr(desc, i)->attlen;
	}
	feed->put.tuple = tuple;
	feed->put.key = _bt_mkscankey(index, tuple);
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
	begin_tuple(feed);
	MemoryContextSwitchTo(before);
}

/*
 * Puts the collected entries into the index.
 */
static void
drain(NarrowFeed *feed)
{
	sort_entries(feed->entries, feed->n_entries);
	btree_put(&feed->put, feed->n_entries);
	feed->n_entries = 0;
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
	for (int i = 0; i < feed->n_columns; i++)
	{
		bool		isnull;
		Datum		value = slot_getattr(slot, feed->columns[i], &isnull);

		if (isnull)
			return false;
		entry->keys[i] = feed->is_int4[i] ? DatumGetInt32(value) : DatumGetInt64(value);
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
