/*-------------------------------------------------------------------------
 *
 * src/core/index_feed.c
 *	  Entries of one index, put there in the index's own order.
 *
 * Sorted entries fall on the same pages one after the other, and the last page
 * of all is found without a descent.  There are five ways:
 *
 * narrow: a B-tree over integers (narrow_feed.c).  When the memory is full the entries
 *	are put into the index, and collecting begins anew.
 * sorted: any other B-tree (sorted_feed.c).
 * gathered: a GIN index.  Entries are gathered by key and put in as CREATE INDEX
 *	does (ginbuild.c), past the list of pending entries, which would be written
 *	and read again.
 * nearby: a GiST index whose operator classes have an order (gist_feed.c).
 * direct: all other indexes, and every index of a statement of a few rows.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/gin_private.h"
#include "access/nbtree.h"
#include "catalog/index.h"
#include "catalog/pg_am_d.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "core/gist_feed.h"
#include "core/index_feed.h"
#include "core/narrow_feed.h"
#include "core/sorted_feed.h"

struct IndexFeed
{
	Relation	heap;
	Relation	index;
	IndexInfo  *info;
	EState	   *estate;
	IndexUniqueCheck check;
	MemoryContext context;

	NarrowFeed *narrow;			/* NULL: it is not */

	SortedFeed *sorted;			/* NULL: not collecting, or narrow */
	GistFeed   *nearby;			/* NULL: not collecting, or no order */

	/* gathered */
	struct Gathered *gathered;	/* NULL: not collecting */
};

typedef struct Gathered
{
	GinState	state;
	BuildAccumulator entries;
	MemoryContext entry_context;	/* of the entries */
	MemoryContext key_context;	/* of one row's keys */
	Size		memory;
} Gathered;

/*
 * A feed of one index of a heap that is being written; at first, direct.
 * Lives in the current memory context.
 */
IndexFeed *
index_feed_create(Relation heap, Relation index, IndexInfo *info, EState *estate)
{
	IndexFeed  *feed = palloc0(sizeof(IndexFeed));

	feed->heap = heap;
	feed->index = index;
	feed->info = info;
	feed->estate = estate;
	feed->check = index->rd_index->indisunique ? UNIQUE_CHECK_YES : UNIQUE_CHECK_NO;
	feed->context = CurrentMemoryContext;
	feed->narrow = narrow_feed_create(heap, index, info, feed->check);
	return feed;
}

/*
 * Begins anew; the accumulator itself lives with its entries.
 */
static void
gathered_clear(Gathered *gathered)
{
	MemoryContext before;

	MemoryContextReset(gathered->entry_context);
	before = MemoryContextSwitchTo(gathered->entry_context);
	ginInitBA(&gathered->entries);
	MemoryContextSwitchTo(before);
}

static void
begin_gathered(IndexFeed *feed, Size memory)
{
	Gathered   *gathered = palloc0(sizeof(Gathered));

	initGinState(&gathered->state, feed->index);
	gathered->entries.ginstate = &gathered->state;
	gathered->entry_context = AllocSetContextCreate(CurrentMemoryContext, "catreg GIN entries",
													ALLOCSET_DEFAULT_SIZES);
	gathered->key_context = AllocSetContextCreate(CurrentMemoryContext, "catreg GIN keys",
												  ALLOCSET_DEFAULT_SIZES);
	gathered->memory = memory;
	gathered_clear(gathered);
	feed->gathered = gathered;
}

/*
 * From now on entries are collected, in so much memory (bytes), before they
 * are put into the index.
 */
void
index_feed_collect(IndexFeed *feed, Size memory)
{
	MemoryContext before;

	/* CREATE INDEX CONCURRENTLY has not built it, or is about to: not even its
	 * metapage may be read, which it writes past the shared buffers */
	if (!feed->info->ii_ReadyForInserts)
		return;
	before = MemoryContextSwitchTo(feed->context);
	if (feed->narrow != NULL)
		narrow_feed_collect(feed->narrow, memory);
	else if (feed->index->rd_rel->relam == BTREE_AM_OID)
		feed->sorted = sorted_feed_create(feed->heap, feed->index, feed->check, memory);
	else if (feed->index->rd_rel->relam == GIN_AM_OID &&
			 feed->index->rd_indam->aminsert == gininsert)
		begin_gathered(feed, memory);
	else
		feed->nearby = gist_feed_create(feed->heap, feed->index, memory);
	MemoryContextSwitchTo(before);
}

/*
 * Puts the gathered entries into the index, in the order of its keys.
 */
static void
drain_gathered(Gathered *gathered)
{
	ItemPointerData *items;
	Datum		key;
	GinNullCategory category;
	OffsetNumber column;
	uint32		n_items;

	ginBeginBAScan(&gathered->entries);
	while ((items = ginGetBAEntry(&gathered->entries, &column, &key, &category, &n_items)) != NULL)
	{
		CHECK_FOR_INTERRUPTS();
		ginEntryInsert(&gathered->state, column, key, category, items, n_items, NULL);
		MemoryContextReset(gathered->key_context);
	}
	gathered_clear(gathered);
}

static void
put_gathered(IndexFeed *feed, const Datum *values, const bool *nulls, ItemPointer tid)
{
	Gathered   *gathered = feed->gathered;
	MemoryContext before = CurrentMemoryContext;

	for (int i = 0; i < RelationGetDescr(feed->index)->natts; i++)
	{
		GinNullCategory *categories;
		Datum	   *keys;
		int32		n_keys;

		MemoryContextSwitchTo(gathered->key_context);
		keys = ginExtractEntries(&gathered->state, i + 1, values[i], nulls[i],
								 &n_keys, &categories);
		MemoryContextSwitchTo(gathered->entry_context);
		ginInsertBAEntries(&gathered->entries, tid, i + 1, keys, categories, n_keys);
		MemoryContextReset(gathered->key_context);
	}
	if (gathered->entries.allocatedMemory >= gathered->memory)
	{
		MemoryContextSwitchTo(gathered->key_context);
		drain_gathered(gathered);
	}
	MemoryContextSwitchTo(before);
}

static bool
satisfies_predicate(IndexFeed *feed)
{
	IndexInfo  *info = feed->info;

	if (info->ii_Predicate == NIL)
		return true;
	if (info->ii_PredicateState == NULL)
		info->ii_PredicateState = ExecPrepareQual(info->ii_Predicate, feed->estate);
	return ExecQual(info->ii_PredicateState, GetPerTupleExprContext(feed->estate));
}

/*
 * Takes the entry of a row that is in the heap already.
 */
void
index_feed_put(IndexFeed *feed, TupleTableSlot *slot)
{
	Datum		values[INDEX_MAX_KEYS];
	bool		nulls[INDEX_MAX_KEYS];

	if (!feed->info->ii_ReadyForInserts)
		return;
	if (feed->narrow != NULL && narrow_feed_put(feed->narrow, slot))
		return;

	GetPerTupleExprContext(feed->estate)->ecxt_scantuple = slot;
	if (!satisfies_predicate(feed))
		return;
	FormIndexDatum(feed->info, slot, feed->estate, values, nulls);
	if (feed->sorted != NULL)
		sorted_feed_put(feed->sorted, values, nulls, &slot->tts_tid);
	else if (feed->gathered != NULL)
		put_gathered(feed, values, nulls, &slot->tts_tid);
	else if (feed->nearby != NULL)
		gist_feed_put(feed->nearby, values, nulls, &slot->tts_tid);
	else
		index_insert(feed->index, values, nulls, &slot->tts_tid, feed->heap,
					 feed->check, false, feed->info);
}

/*
 * Puts into the index whatever is still collected.
 */
void
index_feed_finish(IndexFeed *feed)
{
	MemoryContext before = MemoryContextSwitchTo(GetPerTupleMemoryContext(feed->estate));

	if (feed->narrow != NULL)
		narrow_feed_finish(feed->narrow);
	if (feed->sorted != NULL)
		sorted_feed_finish(feed->sorted);
	if (feed->gathered != NULL)
	{
		MemoryContextSwitchTo(feed->gathered->key_context);
		drain_gathered(feed->gathered);
	}
	if (feed->nearby != NULL)
		gist_feed_finish(feed->nearby);
	MemoryContextSwitchTo(before);
	ResetPerTupleExprContext(feed->estate);
}
