/*-------------------------------------------------------------------------
 *
 * src/obscore/remove.c
 *	  Deletes the rows of removed tags without a planner or an executor.
 *
 * To remove a dataset costs the client's statement little more than to find it in
 * a few indexes.  A DELETE that joins takes as long again; here it is two look-ups
 * by key, side by side for many datasets, and what PostgreSQL does to delete a row.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "utils/lsyscache.h"

#include "core/ids.h"
#include "core/key_scan.h"
#include "core/key_set.h"
#include "core/remover.h"
#include "core/rows.h"
#include "core/uuid_order.h"
#include "obscore/collections.h"
#include "obscore/remove.h"

/* So many tags are taken at a time. */
#define TAG_BATCH 4096

/* A tag that was removed. */
typedef struct RemovedTag
{
	pg_uuid_t	dataset;
	int64		collection;		/* its key, or a number for its name */
} RemovedTag;

typedef struct Removal
{
	const Obscore *obscore;
	int64		dataset_type;
	RemovedTags removed;
	AttrNumber	dataset_id;		/* columns of the tags table */
	AttrNumber	type;
	AttrNumber	collection;
	KeySet	   *names;			/* of collections that go by them, or NULL */
	KeyScan    *tag_scan;
	KeyScan    *row_scan;
	bool		knows_collection;	/* tag_scan's entries have it as their second column */
	bool		only_tag;		/* of each dataset there was one that counts */

	/* some tags, in order, their datasets, and where each one's tags begin */
	RemovedTag *tags;
	int			n_tags;
	Datum	   *datasets;
	int		   *first_tag;
	int			n_datasets;
	bool	   *held;

	int64		n_removed;
	bool		any_held;		/* there is a row that another tag holds from now on */
} Removal;

static int64
integer_of(TupleTableSlot *slot, AttrNumber column)
{
	bool		isnull;
	Datum		value = slot_getattr(slot, column, &isnull);

	return datum_get_id(TupleDescAttr(slot->tts_tupleDescriptor, column - 1)->atttypid, value);
}

static int64
collection_of(const Removal *removal, TupleTableSlot *tag)
{
	bool		isnull;
	bool		found;
	Datum		name;

	if (removal->names == NULL)
		return integer_of(tag, removal->collection);
	name = slot_getattr(tag, removal->collection, &isnull);
	return key_set_add(removal->names, &name, &found);
}

static Datum
collection_key(const Removal *removal, int64 collection)
{
	Datum		name;

	if (removal->names == NULL)
		return Int64GetDatum(collection);
	key_set_get(removal->names, collection, &name);
	return name;
}

static bool
collection_counts(const Removal *removal, int64 collection)
{
	return obscore_collection_counts(removal->obscore, collection_key(removal, collection), false);
}

static inline int
compare_tags(const RemovedTag *tag, const RemovedTag *other)
{
	int			order = uuid_order(&tag->dataset, &other->dataset);

	if (order != 0)
		return order;
	return tag->collection < other->collection ? -1 : tag->collection > other->collection ? 1 : 0;
}

#define ST_SORT sort_tags
#define ST_ELEMENT_TYPE RemovedTag
#define ST_COMPARE(a, b) compare_tags(a, b)
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

/* May a tag in a collection have held a row?  Notes where it is not certain. */
static bool
had_row(Removal *removal, TupleTableSlot *tag, int64 collection)
{
	if (integer_of(tag, removal->type) != removal->dataset_type || !collection_counts(removal, collection))
		return false;
	if (removal->only_tag && !obscore_collection_is_known(removal->obscore, collection_key(removal, collection)))
		removal->only_tag = false;
	return true;
}

/* Takes the next tags of the dataset type that may have held rows, in order; false: there are none. */
static bool
take_tags(Removal *removal, Tuplestorestate *old, TupleTableSlot *slot)
{
	int			n = 0;

	while (n < TAG_BATCH && tuplestore_gettupleslot(old, true, false, slot))
	{
		int64		collection = collection_of(removal, slot);
		bool		isnull;

		if (had_row(removal, slot, collection))
			removal->tags[n++] = (RemovedTag) {
				*DatumGetUUIDP(slot_getattr(slot, removal->dataset_id, &isnull)), collection
			};
	}
	sort_tags(removal->tags, n);
	removal->n_tags = n;
	removal->n_datasets = 0;
	for (int i = 0; i < n; i++)
		if (i == 0 || uuid_order(&removal->tags[i].dataset, &removal->tags[i - 1].dataset) != 0)
		{
			removal->datasets[removal->n_datasets] = UUIDPGetDatum(&removal->tags[i].dataset);
			removal->held[removal->n_datasets] = false;
			removal->first_tag[removal->n_datasets++] = i;
		}
	removal->first_tag[removal->n_datasets] = n;
	return n > 0;
}

/* Is a dataset's tag in a collection among those at hand? */
static bool
is_removed(const Removal *removal, int dataset, int64 collection)
{
	for (int i = removal->first_tag[dataset]; i < removal->first_tag[dataset + 1]; i++)
		if (removal->tags[i].collection == collection)
			return true;
	return false;
}

static bool
is_of_same_tag(const BtreeFound *entry, const BtreeFound *other)
{
	return entry->key == other->key && entry->second == other->second;
}

/*
 * May an entry of the tags' index lead to a tag that holds a dataset's row?  It does not
 * where it is the only one of a tag that was deleted: of its row, as whoever has put the
 * tag in again has made another.
 */
static bool
may_hold(const Removal *removal, const BtreeFound *entries, int n, int i)
{
	const BtreeFound *entry = &entries[i];

	if (!removal->knows_collection)
		return true;
	if (!collection_counts(removal, entry->second))
		return false;
	return removal->removed == TAGS_CHANGED || !is_removed(removal, entry->key, entry->second) ||
		(i > 0 && is_of_same_tag(entry, &entries[i - 1])) ||
		(i + 1 < n && is_of_same_tag(entry, &entries[i + 1]));
}

static void
note_holder(KeyScan *scan, TupleTableSlot *tag, int dataset, void *arg)
{
	Removal    *removal = arg;

	if (integer_of(tag, removal->type) == removal->dataset_type &&
		collection_counts(removal, collection_of(removal, tag)))
		removal->held[dataset] = true;
}

/* Notes which datasets have another tag that holds their row. */
static void
find_held(Removal *removal)
{
	int			n;
	int			n_holders = 0;
	BtreeFound *entries = key_scan_find(removal->tag_scan, removal->datasets, removal->n_datasets, &n);
	BtreeFound *holders = palloc(sizeof(BtreeFound) * Max(n, 1));

	for (int i = 0; i < n; i++)
		if (may_hold(removal, entries, n, i))
			holders[n_holders++] = entries[i];
	key_scan_visit(removal->tag_scan, removal->datasets, holders, n_holders, note_holder, removal);
	pfree(holders);
}

static void
remove_row(KeyScan *scan, TupleTableSlot *row, int dataset, void *arg)
{
	if (key_scan_delete(scan))
		((Removal *) arg)->n_removed++;
}

/* Deletes the rows of the datasets at hand that no tag holds. */
static void
remove_rows(Removal *removal)
{
	int			n_gone = 0;
	int			n;
	BtreeFound *entries;

	if (!removal->only_tag)
		find_held(removal);
	for (int i = 0; i < removal->n_datasets; i++)
	{
		if (removal->held[i])
			removal->any_held = true;
		else
			removal->datasets[n_gone++] = removal->datasets[i];
	}
	entries = key_scan_find(removal->row_scan, removal->datasets, n_gone, &n);
	key_scan_visit(removal->row_scan, removal->datasets, entries, n, remove_row, removal);
}

static void
remove_all(Removal *removal, Relation rel, Tuplestorestate *old)
{
	TupleTableSlot *slot = MakeSingleTupleTableSlot(RelationGetDescr(rel), &TTSOpsMinimalTuple);

	removal->tags = palloc(sizeof(RemovedTag) * TAG_BATCH);
	removal->datasets = palloc(sizeof(Datum) * TAG_BATCH);
	removal->first_tag = palloc(sizeof(int) * (TAG_BATCH + 1));
	removal->held = palloc(sizeof(bool) * TAG_BATCH);
	(void) rows_rewind(old);
	while (take_tags(removal, old, slot))
		remove_rows(removal);
	ExecDropSingleTupleTableSlot(slot);
}

/* Nothing refers to the rows, which are in the table, and nobody wants to know of their removal? */
static bool
may_remove(const Obscore *obscore, Oid tags, AttrNumber dataset_id)
{
	RemoverTarget target = {.table = obscore->table};

	return !obscore->find_first && !obscore->plain &&
		get_atttype(tags, dataset_id) == UUIDOID && remover_refusal(&target) == NULL;
}

static void
number_names(Removal *removal)
{
	Oid			type = TEXTOID;

	removal->names = key_set_create(1, &type);
	key_scan_number_second(removal->tag_scan, removal->names);
}

static void
end_scan(KeyScan *scan)
{
	if (scan != NULL)
		key_scan_end(scan);
}

/*
 * Deletes the rows of tags that were deleted or changed, which a transition table of
 * the tags table holds, where no other tag holds them.  false: it, or the rest, is left to
 * obscore_apply_removed(), which see for what has to be in force.
 */
bool
obscore_remove_directly(const Obscore *obscore, const ObscoreSelect *select, Relation rel,
						Tuplestorestate *old, RemovedTags removed, ObscoreCounts *counts)
{
	Oid			tags = RelationGetRelid(rel);
	Removal		removal = {
		.obscore = obscore,
		.dataset_type = select->type->id,
		.removed = removed,
		.only_tag = removed == TAGS_DELETED_FOR_GOOD && obscore->config->collection_type == OBSCORE_TAGGED,
		.dataset_id = get_attnum(tags, "dataset_id"),
		.type = get_attnum(tags, "dataset_type_id"),
		.collection = get_attnum(tags, obscore->registry->tag_key)
	};
	Relation	table;
	bool		found_indexes;

	if (!may_remove(obscore, tags, removal.dataset_id))
		return false;
	table = table_open(obscore->table, RowExclusiveLock);
	removal.tag_scan = key_scan_begin(rel, removal.dataset_id, UUIDOID);
	removal.row_scan = key_scan_begin(table, get_attnum(obscore->table, "registry_dataset_id"), UUIDOID);
	found_indexes = removal.tag_scan != NULL && removal.row_scan != NULL;
	if (found_indexes)
	{
		if (obscore->registry->key_type == TEXTOID)
			number_names(&removal);
		removal.knows_collection = key_scan_second(removal.tag_scan) == removal.collection;
		remove_all(&removal, rel, old);
		counts->deleted += removal.n_removed;
	}
	end_scan(removal.tag_scan);
	end_scan(removal.row_scan);
	table_close(table, NoLock);
	CommandCounterIncrement();
	return found_indexes && !(removal.any_held && obscore->config->collection_type == OBSCORE_RUN);
}
