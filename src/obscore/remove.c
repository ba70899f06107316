/*-------------------------------------------------------------------------
 *
 * src/obscore/remove.c
 *	  Deletes the rows of removed tags without a planner or an executor.
 *
 * To remove a dataset costs the client's statement little more than to find it in
 * a few indexes.  A DELETE that joins takes as long again; here it is two look-ups
 * by key and what PostgreSQL does to delete a row.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "utils/lsyscache.h"

#include "core/key_scan.h"
#include "core/remover.h"
#include "obscore/collections.h"
#include "obscore/remove.h"

typedef struct Removal
{
	const Obscore *obscore;
	int64		dataset_type;
	AttrNumber	dataset_id;		/* columns of the tags table */
	AttrNumber	type;
	AttrNumber	collection;
	KeyScan    *tag_scan;
	KeyScan    *row_scan;
} Removal;

static int64
integer_of(TupleTableSlot *slot, AttrNumber column)
{
	bool		isnull;
	Datum		value = slot_getattr(slot, column, &isnull);

	return TupleDescAttr(slot->tts_tupleDescriptor, column - 1)->atttypid == INT4OID ?
		DatumGetInt32(value) : DatumGetInt64(value);
}

static bool
is_of_type(const Removal *removal, TupleTableSlot *slot)
{
	return integer_of(slot, removal->type) == removal->dataset_type;
}

/* Does another tag hold a dataset's row? */
static bool
is_held(const Removal *removal, Datum id)
{
	TupleTableSlot *slot;

	key_scan_seek_datum(removal->tag_scan, id);
	while ((slot = key_scan_next(removal->tag_scan)) != NULL)
		if (is_of_type(removal, slot) &&
			obscore_collection_counts(removal->obscore, Int64GetDatum(integer_of(slot, removal->collection)), false))
			return true;
	return false;
}

static int64
remove_row(const Removal *removal, Datum id)
{
	key_scan_seek_datum(removal->row_scan, id);
	return key_scan_next(removal->row_scan) != NULL && key_scan_delete(removal->row_scan) ? 1 : 0;
}

static int64
remove_rows(const Removal *removal, Relation rel, Tuplestorestate *old)
{
	TupleTableSlot *slot = MakeSingleTupleTableSlot(RelationGetDescr(rel), &TTSOpsMinimalTuple);
	int64		n = 0;

	tuplestore_select_read_pointer(old, tuplestore_alloc_read_pointer(old, EXEC_FLAG_REWIND));
	tuplestore_rescan(old);
	while (tuplestore_gettupleslot(old, true, false, slot))
	{
		bool		isnull;
		Datum		id = slot_getattr(slot, removal->dataset_id, &isnull);

		if (is_of_type(removal, slot) && !is_held(removal, id))
			n += remove_row(removal, id);
	}
	ExecDropSingleTupleTableSlot(slot);
	return n;
}

/* Nothing refers to the rows, which are in the table, and nobody wants to know of their removal? */
static bool
may_remove(const Obscore *obscore, Oid tags, AttrNumber dataset_id)
{
	RemoverTarget target = {.table = obscore->table};
	Oid			type = obscore->registry->collection_type;

	return !obscore->find_first && !obscore->plain && (type == INT8OID || type == INT4OID) &&
		get_atttype(tags, dataset_id) == UUIDOID && remover_refusal(&target) == NULL;
}

/*
 * Deletes the rows of tags that were deleted, which a transition table of the
 * tags table holds, where no other tag holds them.  false: it is left to
 * obscore_apply_removed(), which see for what has to be in force.
 */
bool
obscore_remove_directly(const Obscore *obscore, const ObscoreSelect *select, Relation rel,
						Tuplestorestate *old, ObscoreCounts *counts)
{
	Oid			tags = RelationGetRelid(rel);
	Removal		removal = {obscore, select->type->id, get_attnum(tags, "dataset_id"),
	get_attnum(tags, "dataset_type_id"), get_attnum(tags, obscore->registry->tag_key)};
	Relation	table;

	if (!may_remove(obscore, tags, removal.dataset_id))
		return false;
	table = table_open(obscore->table, RowExclusiveLock);
	removal.tag_scan = key_scan_begin(rel, removal.dataset_id, UUIDOID);
	removal.row_scan = key_scan_begin(table, get_attnum(obscore->table, "registry_dataset_id"), UUIDOID);
	if (removal.tag_scan != NULL && removal.row_scan != NULL)
		counts->deleted += remove_rows(&removal, rel, old);
	if (removal.tag_scan != NULL)
		key_scan_end(removal.tag_scan);
	if (removal.row_scan != NULL)
		key_scan_end(removal.row_scan);
	table_close(table, NoLock);
	CommandCounterIncrement();
	return removal.tag_scan != NULL && removal.row_scan != NULL;
}
