/*-------------------------------------------------------------------------
 *
 * src/core/key_scan.c
 *	  Rows looked up by a column of integers or UUIDs, through an index, without a
 *	  planner.
 *
 * Maintenance makes the same few look-ups for every statement of every client.
 * A plan costs more than a look-up; a saved one may have been made while the
 * table was small, and scan all of it later; and under plan_cache_mode =
 * force_custom_plan, which Tiled's sessions set, there are no saved ones.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_am_d.h"
#include "catalog/pg_opfamily_d.h"
#include "catalog/pg_type_d.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/fmgrprotos.h"
#include "utils/snapmgr.h"
#include "utils/typcache.h"

#include "core/btree_find.h"
#include "core/compat.h"
#include "core/ids.h"
#include "core/key_scan.h"

struct KeyScan
{
	Relation	rel;
	Relation	index;
	AttrNumber	column;
	Oid			type;
	Snapshot	snapshot;
	TupleTableSlot *slot;
	IndexFetchTableData *fetch;

	Datum		key;
	BtreeFind  *find;
	int			n;				/* entries of the key at hand */
	int			next;			/* the one to look at next */
};

static Oid
index_family(Oid type)
{
	return type == UUIDOID ? lookup_type_cache(UUIDOID, TYPECACHE_BTREE_OPFAMILY)->btree_opf : INTEGER_BTREE_FAM_OID;
}

/*
 * Opens an ascending B-tree whose first column is the given one; NULL: there is none.
 */
static Relation
open_index(Relation rel, AttrNumber column, Oid type)
{
	Oid			family = index_family(type);
	List	   *indexes = RelationGetIndexList(rel);
	Relation	found = NULL;
	ListCell   *cell;

	foreach(cell, indexes)
	{
		Relation	index = index_open(lfirst_oid(cell), AccessShareLock);
		Form_pg_index form = index->rd_index;

		/* the narrower one is the smaller one */
		if (index->rd_rel->relam == BTREE_AM_OID && form->indisvalid &&
			form->indkey.values[0] == column &&
			(index->rd_indoption[0] & INDOPTION_DESC) == 0 &&
			index->rd_opfamily[0] == family &&
			heap_attisnull(index->rd_indextuple, Anum_pg_index_indpred, NULL) &&
			(!form->indcheckxmin) &&
			(found == NULL || form->indnatts < found->rd_index->indnatts))
		{
			if (found != NULL)
				index_close(found, AccessShareLock);
			found = index;
		}
		else
			index_close(index, AccessShareLock);
	}
	list_free(indexes);
	return found;
}

/*
 * Is there an index for looking rows up by a column of integers?  In a partitioned table,
 * too, though key_scan_begin() does not serve there.
 */
bool
key_scan_has_index(Relation rel, AttrNumber column)
{
	Relation	index = open_index(rel, column, INT8OID);

	if (index == NULL)
		return false;
	index_close(index, AccessShareLock);
	return true;
}

/*
 * Starts to look up rows of a plain table by a column of type INT4OID, INT8OID
 * or UUIDOID, as of this moment: what is committed, and what this
 * transaction has done.  NULL where no index serves.  The caller takes his
 * locks first.
 */
KeyScan *
key_scan_begin(Relation rel, AttrNumber column, Oid type)
{
	Relation	index;
	KeyScan    *scan;

	if (rel->rd_rel->relkind != RELKIND_RELATION ||
		(index = open_index(rel, column, type)) == NULL)
		return NULL;

	/* what this command has written is to be seen too */
	CommandCounterIncrement();
	scan = palloc0(sizeof(KeyScan));
	scan->rel = rel;
	scan->index = index;
	scan->column = column;
	scan->type = type;
	scan->snapshot = RegisterSnapshot(GetLatestSnapshot());
	scan->slot = table_slot_create(rel, NULL);
	scan->fetch = table_index_fetch_begin(rel);
	scan->find = btree_find_begin(index, scan->snapshot);
	return scan;
}

/*
 * Goes to the rows that have a key.  Keys are found sooner in the index's order.
 */
void
key_scan_seek(KeyScan *scan, int64 key)
{
	scan->key = id_get_datum(scan->type, key);
	scan->n = btree_find(scan->find, scan->key);
	scan->next = 0;
}

/*
 * Reads the row that an entry of the index leads to; false: the snapshot sees none.
 * all_dead: nobody does.
 */
static bool
fetch_row(KeyScan *scan, const BtreeFound *entry, bool *all_dead)
{
	ItemPointerData tid = entry->tid;
	bool		call_again = false; /* stays so under an MVCC snapshot */

	*all_dead = false;
	return table_index_fetch_tuple(scan->fetch, &tid, scan->snapshot, scan->slot, &call_again, all_dead);
}

/* The same for an entry of the key at hand. */
static bool
fetch_entry(KeyScan *scan, int entry)
{
	bool		all_dead;

	if (fetch_row(scan, btree_find_entry(scan->find, entry), &all_dead))
		return true;
	if (all_dead)
		btree_find_kill(scan->find, entry);
	return false;
}

/*
 * The next of them, or NULL.
 */
TupleTableSlot *
key_scan_next(KeyScan *scan)
{
	CHECK_FOR_INTERRUPTS();
	while (scan->n > 0)
	{
		while (scan->next < scan->n)
			if (fetch_entry(scan, scan->next++))
				return scan->slot;
		scan->n = btree_find_more(scan->find);
		scan->next = 0;
	}
	return NULL;
}

/*
 * Has texts of the second column numbered; see btree_find_number_second().
 */
void
key_scan_number_second(KeyScan *scan, KeySet *numbers)
{
	btree_find_number_second(scan->find, numbers);
}

/*
 * The column that the second one of BtreeFound is, or 0.
 */
AttrNumber
key_scan_second(const KeyScan *scan)
{
	return btree_find_has_second(scan->find) ? scan->index->rd_index->indkey.values[1] : 0;
}

/*
 * The entries of the index for n keys, which are distinct and in its order; see
 * btree_find_sorted().
 */
BtreeFound *
key_scan_find(KeyScan *scan, const Datum *keys, int n, int *n_found)
{
	return btree_find_sorted(scan->find, keys, n, n_found);
}

static inline uint64
place_of(const BtreeFound *entry)
{
	return (uint64) ItemPointerGetBlockNumberNoCheck(&entry->tid) << 16 | ItemPointerGetOffsetNumberNoCheck(&entry->tid);
}

static inline int
compare_places(const BtreeFound *a, const BtreeFound *b)
{
	return place_of(a) < place_of(b) ? -1 : place_of(a) > place_of(b);
}

#define ST_SORT sort_by_place
#define ST_ELEMENT_TYPE BtreeFound
#define ST_COMPARE(a, b) compare_places(a, b)
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

/*
 * Goes to the rows of some entries, which it puts into the order of the table, and
 * calls visit with the number of each one's key.
 */
void
key_scan_visit(KeyScan *scan, const Datum *keys, BtreeFound *entries, int n, KeyScanVisit visit, void *arg)
{
	sort_by_place(entries, n);
	for (int i = 0; i < n; i++)
	{
		bool		all_dead;

		CHECK_FOR_INTERRUPTS();
		scan->key = keys[entries[i].key];
		if (fetch_row(scan, &entries[i], &all_dead))
			visit(scan, scan->slot, entries[i].key, arg);
	}
}

/* Does the row that the slot holds have the key that was looked for? */
static bool
has_key(const KeyScan *scan)
{
	bool		isnull;
	Datum		key = slot_getattr(scan->slot, scan->column, &isnull);

	if (scan->type == UUIDOID)
		return !isnull && DatumGetBool(DirectFunctionCall2(uuid_eq, key, scan->key));
	return datum_get_id(scan->type, key) == datum_get_id(scan->type, scan->key);
}

/*
 * Locks the row that the scan is at; false: it is gone, or its newest version
 * has another key.  The slot holds the newest version afterwards.
 *
 * As ExecLockRows() does it in PostgreSQL's nodeLockRows.c: waits for whoever
 * is changing the row, and takes its newest version.
 */
bool
key_scan_lock(KeyScan *scan, LockTupleMode mode)
{
	int			flags = TUPLE_LOCK_FLAG_LOCK_UPDATE_IN_PROGRESS;
	TM_FailureData failure;

	if (!IsolationUsesXactSnapshot())
		flags |= TUPLE_LOCK_FLAG_FIND_LAST_VERSION;
	switch (table_tuple_lock(scan->rel, &scan->slot->tts_tid, scan->snapshot,
							 scan->slot, GetCurrentCommandId(false),
							 mode, LockWaitBlock, flags, &failure))
	{
		case TM_Ok:
			return !failure.traversed || has_key(scan);
		case TM_SelfModified:
			return false;
		case TM_Updated:
		case TM_Deleted:
			if (IsolationUsesXactSnapshot())
				ereport(ERROR,
						(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
						 errmsg("could not serialize access due to concurrent update")));
			return false;
		default:
			elog(ERROR, "unexpected result of locking a row");
	}
}

/*
 * Locks the row that has a unique key, and returns its newest version; NULL:
 * there is none.
 */
TupleTableSlot *
key_scan_lock_key(KeyScan *scan, int64 key, LockTupleMode mode)
{
	key_scan_seek(scan, key);
	while (key_scan_next(scan) != NULL)
		if (key_scan_lock(scan, mode))
			return scan->slot;
	return NULL;
}

/*
 * Deletes the row that the scan is at, as simple_table_tuple_delete() does: no
 * trigger fires.  false: somebody has done so before.
 */
bool
key_scan_delete(KeyScan *scan)
{
	for (;;)
	{
		TM_FailureData failure;
		ItemPointerData tid = scan->slot->tts_tid;

		switch (table_tuple_delete(scan->rel, &tid, GetCurrentCommandId(true),
								   scan->snapshot, InvalidSnapshot, true,
								   &failure, false))
		{
			case TM_Ok:
				return true;
			case TM_SelfModified:
			case TM_Deleted:
				return false;
			case TM_Updated:
				if (!key_scan_lock(scan, LockTupleExclusive))
					return false;
				break;
			default:
				elog(ERROR, "unexpected result of deleting a row");
		}
	}
}

void
key_scan_end(KeyScan *scan)
{
	btree_find_end(scan->find);
	table_index_fetch_end(scan->fetch);
	ExecDropSingleTupleTableSlot(scan->slot);
	UnregisterSnapshot(scan->snapshot);
	index_close(scan->index, NoLock);
	pfree(scan);
}
