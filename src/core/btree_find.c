/*-------------------------------------------------------------------------
 *
 * src/core/btree_find.c
 *	  The entries of a B-tree that have a key, for many keys.
 *
 * An index scan descends from the root for each key.  Of keys that come in order
 * the next one mostly is on the leaf page where the last one was, or on the one to
 * the right of it; there it is looked for first, and of sorted keys all that a page
 * has are looked up while it is locked.  A leaf page says by its items and its high
 * key which keys are on it and nowhere else, so that it does not matter what has
 * become of the page meanwhile.
 *
 * As in an index scan with an MVCC snapshot (_bt_drop_lock_and_maybe_pin() in
 * PostgreSQL's nbtsearch.c), no page stays locked or pinned between the calls: a
 * heap TID that was freed and used again leads to a row that the snapshot does not
 * see.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/nbtree.h"
#include "access/xlog.h"
#include "catalog/pg_type_d.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/bufmgr.h"
#include "storage/predicate.h"
#include "utils/fmgroids.h"

#include "core/btree_find.h"
#include "core/compat.h"
#include "core/ids.h"
#include "core/uuid_order.h"

struct BtreeFind
{
	Relation	index;
	Snapshot	snapshot;
	BTScanInsert key;
	bool		of_uuids;		/* in their own order, that of their bytes */
	Oid			second;			/* type of the second column, if an integer or a text */
	KeySet	   *numbers;		/* of texts, or NULL */

	/* the keys, and the one at hand */
	const Datum *keys;
	int			n_keys;
	int			number;
	Datum		only;			/* the only one */

	/* the leaf page that was read last, as it was then */
	BlockNumber leaf;
	XLogRecPtr	lsn;
	BlockNumber next;			/* where more of the key at hand is, or invalid */

	BtreeFound *found;
	int			n_found;
	int			max;
};

static bool
is_text(Oid type)
{
	return type == TEXTOID || type == VARCHAROID;
}

/* The type of the second column, if it is an integer or a text. */
static Oid
second_column(Relation index)
{
	Oid			type = RelationGetNumberOfAttributes(index) < 2 ? InvalidOid : TupleDescAttr(RelationGetDescr(index), 1)->atttypid;

	return type == INT4OID || type == INT8OID || is_text(type) ? type : InvalidOid;
}

/*
 * Starts to look up entries of a B-tree by its first column.  The caller holds a
 * lock on the index, and has taken the snapshot, an MVCC one, which stays registered.
 */
BtreeFind *
btree_find_begin(Relation index, Snapshot snapshot)
{
	BtreeFind  *find = palloc0(sizeof(BtreeFind));

	Assert(IsMVCCSnapshot(snapshot));
	find->index = index;
	find->snapshot = snapshot;
	find->key = _bt_mkscankey(index, NULL);
	find->key->keysz = 1;
	find->key->anynullkeys = false;
	find->key->scankeys[0].sk_flags &= ~SK_ISNULL;
	find->leaf = InvalidBlockNumber;
	find->next = InvalidBlockNumber;
	find->max = 16;
	find->found = palloc(sizeof(BtreeFound) * find->max);
	find->of_uuids = index->rd_opcintype[0] == UUIDOID && index->rd_support[0] == F_UUID_CMP;
	find->second = second_column(index);
	return find;
}

/*
 * Has texts of the second column numbered: a set of texts, which lives as long.
 */
void
btree_find_number_second(BtreeFind *find, KeySet *numbers)
{
	find->numbers = numbers;
}

/*
 * Do entries tell their second column?  An integer, or the number of a text.
 */
bool
btree_find_has_second(const BtreeFind *find)
{
	return OidIsValid(find->second) && (find->numbers != NULL || !is_text(find->second));
}

/* How the key compares with an item of a page, or with its high key. */
static int32
compare(const BtreeFind *find, Page page, OffsetNumber offset)
{
	return _bt_compare(find->index, find->key, page, offset);
}

/*
 * How the key compares with an item of a leaf page.  Most of a look-up's time goes
 * into this: it is done here for UUIDs.
 */
static inline int32
compare_item(const BtreeFind *find, Page page, OffsetNumber offset)
{
	IndexTuple	item = (IndexTuple) PageGetItem(page, PageGetItemId(page, offset));

	if (!find->of_uuids || IndexTupleHasNulls(item))
		return compare(find, page, offset);
	return uuid_order(DatumGetPointer(find->key->scankeys[0].sk_argument),
					  (char *) item + IndexInfoFindDataOffset(item->t_info));
}

/* Is nothing that has the key to the right of the page only? */
static bool
reaches(const BtreeFind *find, Page page)
{
	return P_RIGHTMOST(BTPageGetOpaque(page)) || compare(find, page, P_HIKEY) <= 0;
}

/* Is nothing that has the key to the left of the page? */
static bool
begins_before(const BtreeFind *find, Page page)
{
	BTPageOpaque opaque = BTPageGetOpaque(page);

	return P_LEFTMOST(opaque) ||
		(PageGetMaxOffsetNumber(page) >= P_FIRSTDATAKEY(opaque) && compare(find, page, P_FIRSTDATAKEY(opaque)) > 0);
}

static bool
is_live_leaf(Page page)
{
	BTPageOpaque opaque = BTPageGetOpaque(page);

	return P_ISLEAF(opaque) && !P_IGNORE(opaque);
}

/*
 * The page where the key's entries begin, locked, if it is the leaf of the last
 * look-up or the one to its right.
 */
static Buffer
try_last_leaf(BtreeFind *find)
{
	Relation	index = find->index;
	Buffer		buffer;
	Page		page;

	if (find->leaf == InvalidBlockNumber)
		return InvalidBuffer;
	buffer = _bt_getbuf(index, find->leaf, BT_READ);
	page = BufferGetPage(buffer);
	if (is_live_leaf(page) && begins_before(find, page))
	{
		if (reaches(find, page))
			return buffer;
		buffer = _bt_relandgetbuf(index, buffer, BTPageGetOpaque(page)->btpo_next, BT_READ);
		page = BufferGetPage(buffer);
		if (is_live_leaf(page) && reaches(find, page))
			return buffer;
	}
	_bt_relbuf(index, buffer);
	return InvalidBuffer;
}

/* The page where the key's entries begin, locked; invalid: the index is empty. */
static Buffer
go_to_leaf(BtreeFind *find)
{
	Buffer		buffer = try_last_leaf(find);

	if (!BufferIsValid(buffer))
		_bt_freestack(catreg_bt_search(find->index, NULL, find->key, &buffer, BT_READ));
	return buffer;
}

/*
 * The first item of a page, from one on that is not greater than the key or comes
 * first, that is not less than the key.  Looks near by at first.
 */
static OffsetNumber
find_place(const BtreeFind *find, Page page, OffsetNumber from)
{
	OffsetNumber low = from;
	OffsetNumber high = PageGetMaxOffsetNumber(page) + 1;
	OffsetNumber step = 1;

	while (low + step < high && compare_item(find, page, low + step - 1) > 0)
	{
		low += step;
		step *= 2;
	}
	high = Min(high, low + step);
	while (low < high)
	{
		OffsetNumber middle = low + (high - low) / 2;

		if (compare_item(find, page, middle) > 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void
add_entry(BtreeFind *find, ItemPointer tid, OffsetNumber offset, int64 second)
{
	if (find->n_found == find->max)
		find->found = repalloc_huge(find->found, sizeof(BtreeFound) * (find->max *= 2));
	find->found[find->n_found++] = (BtreeFound) {*tid, offset, find->number, second};
}

static int64
second_of(const BtreeFind *find, IndexTuple item)
{
	bool		isnull;
	bool		found;
	Datum		value;

	if (!btree_find_has_second(find))
		return 0;
	value = index_getattr(item, 2, RelationGetDescr(find->index), &isnull);
	if (isnull)
		return 0;
	return is_text(find->second) ? key_set_add(find->numbers, &value, &found) : datum_get_id(find->second, value);
}

/* Adds an item's entries, unless they are known to be dead. */
static void
add_item(BtreeFind *find, Page page, OffsetNumber offset)
{
	ItemId		id = PageGetItemId(page, offset);
	IndexTuple	item = (IndexTuple) PageGetItem(page, id);
	int64		second;

	if (ItemIdIsDead(id))
		return;
	second = second_of(find, item);
	if (!BTreeTupleIsPosting(item))
		add_entry(find, &item->t_tid, offset, second);
	else
		for (int i = 0; i < BTreeTupleGetNPosting(item); i++)
			add_entry(find, BTreeTupleGetPostingN(item, i), InvalidOffsetNumber, second);
}

/*
 * Adds all entries of a page that have the key, from an item on; returns the first
 * item that has not.
 */
static OffsetNumber
add_items(BtreeFind *find, Page page, OffsetNumber from)
{
	OffsetNumber last = PageGetMaxOffsetNumber(page);
	OffsetNumber offset = find_place(find, page, from);

	while (offset <= last && compare_item(find, page, offset) == 0)
		add_item(find, page, offset++);
	return offset;
}

/* May the next page have more of the key, of which this one has none from an item on? */
static bool
goes_on(const BtreeFind *find, Page page, OffsetNumber end)
{
	return end > PageGetMaxOffsetNumber(page) && !P_RIGHTMOST(BTPageGetOpaque(page)) && compare(find, page, P_HIKEY) >= 0;
}

/* Goes to a key; false: there are no more. */
static bool
go_to_key(BtreeFind *find, int number)
{
	find->number = number;
	if (number == find->n_keys)
		return false;
	find->key->scankeys[0].sk_argument = find->keys[number];
	return true;
}

/*
 * Reads what a page has of the key at hand and of those that follow, and lets go of
 * it.  The key at hand afterwards is the first that has not been read to its end.
 */
static void
read_page(BtreeFind *find, Buffer buffer)
{
	Page		page = BufferGetPage(buffer);
	OffsetNumber place = P_FIRSTDATAKEY(BTPageGetOpaque(page));
	int			n_before = find->n_found;

	find->leaf = BufferGetBlockNumber(buffer);
	find->lsn = BufferGetLSNAtomic(buffer);
	find->next = InvalidBlockNumber;
	PredicateLockPage(find->index, find->leaf, find->snapshot);
	do
	{
		place = add_items(find, page, place);
		if (goes_on(find, page, place))
		{
			find->next = BTPageGetOpaque(page)->btpo_next;
			break;
		}
	} while (go_to_key(find, find->number + 1) && reaches(find, page));
	_bt_relbuf(find->index, buffer);
	pgstat_count_index_tuples(find->index, find->n_found - n_before);
}

/* Goes right to a page, over those that are being deleted. */
static Buffer
go_right(BtreeFind *find, BlockNumber block)
{
	Buffer		buffer = _bt_getbuf(find->index, block, BT_READ);

	while (P_IGNORE(BTPageGetOpaque(BufferGetPage(buffer))))
		buffer = _bt_relandgetbuf(find->index, buffer, BTPageGetOpaque(BufferGetPage(buffer))->btpo_next, BT_READ);
	return buffer;
}

/* Reads the next page that has to be read. */
static void
read_next_page(BtreeFind *find)
{
	Buffer		buffer;

	CHECK_FOR_INTERRUPTS();
	buffer = find->next != InvalidBlockNumber ? go_right(find, find->next) : go_to_leaf(find);
	if (BufferIsValid(buffer))
		read_page(find, buffer);
	else
	{
		/* an empty index has no page to lock */
		PredicateLockRelation(find->index, find->snapshot);
		find->number = find->n_keys;
	}
}

static void
start(BtreeFind *find, const Datum *keys, int n)
{
	find->keys = keys;
	find->n_keys = n;
	find->next = InvalidBlockNumber;
	find->n_found = 0;
	go_to_key(find, 0);
	pgstat_count_index_scan(find->index);
}

/*
 * Finds the entries whose first column has one of n keys, which are distinct, in the
 * index's order and not NULL; returns them in that order, and how many.  They hold
 * until the next call.
 */
BtreeFound *
btree_find_sorted(BtreeFind *find, const Datum *keys, int n, int *n_found)
{
	start(find, keys, n);
	while (find->number < n)
		read_next_page(find);
	*n_found = find->n_found;
	return find->found;
}

/*
 * Finds entries of one key, up to the end of a page; returns how many, 0 where there
 * are none.  They hold until the next call.
 */
int
btree_find(BtreeFind *find, Datum key)
{
	find->only = key;
	start(find, &find->only, 1);
	return btree_find_more(find);
}

/*
 * Finds more entries of the same key; returns how many, 0 where these were all.
 */
int
btree_find_more(BtreeFind *find)
{
	find->n_found = 0;
	while (find->n_found == 0 && find->number < 1)
		read_next_page(find);
	return find->n_found;
}

/*
 * An entry that was found.
 */
const BtreeFound *
btree_find_entry(const BtreeFind *find, int i)
{
	return &find->found[i];
}

/*
 * Notes on its page that an entry which the last call found leads to rows that nobody
 * sees any more, so that the next look-up passes it by.  Only on a page that is as it
 * was: elsewhere the entry may be another row's by now.  As _bt_killitems() in
 * PostgreSQL's nbtutils.c, without its pains for a page that others have written to.
 */
void
btree_find_kill(BtreeFind *find, int i)
{
	OffsetNumber offset = find->found[i].offset;
	Buffer		buffer;

	if (offset == InvalidOffsetNumber || find->snapshot->takenDuringRecovery || !RelationNeedsWAL(find->index))
		return;
	buffer = _bt_getbuf(find->index, find->leaf, BT_READ);
	if (BufferGetLSNAtomic(buffer) == find->lsn)
	{
		Page		page = BufferGetPage(buffer);

		ItemIdMarkDead(PageGetItemId(page, offset));
		BTPageGetOpaque(page)->btpo_flags |= BTP_HAS_GARBAGE;
		MarkBufferDirtyHint(buffer, true);
	}
	_bt_relbuf(find->index, buffer);
}

void
btree_find_end(BtreeFind *find)
{
	pfree(find->key);
	pfree(find->found);
	pfree(find);
}
