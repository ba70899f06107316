/*-------------------------------------------------------------------------
 *
 * src/obscore/path_put.c
 *	  The rows of collections that have a new place in a search path.
 *
 * Most of their datasets, as a rule, are of data ids that have no row yet: their
 * rows are made as create_obscore() makes them, and go through the bulk writer.
 * The others are brought up to date by their keys, as everywhere else.
 *
 * The rows are made of what was committed when their tags were looked at.  If
 * somebody puts another dataset of such a data id meanwhile, the writer waits for
 * him at the data id's index, and fails; then all go by their keys.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/portal.h"
#include "utils/snapmgr.h"
#include "utils/tuplestore.h"

#include "core/attempt.h"
#include "core/key_scan.h"
#include "core/query.h"
#include "core/uuid_order.h"
#include "obscore/fill.h"
#include "obscore/path.h"
#include "obscore/touched.h"

/* Tags that come first, of data ids without a row, and the others. */
#define FRESH_TAGS "catreg_fresh"
#define OTHER_TAGS "catreg_others"

/* So many rows of a query are fetched at a time. */
#define FETCH 10000

/* Tags of one dataset type, sorted out. */
typedef struct SortedTags
{
	TupleDesc	desc;
	Tuplestorestate *fresh;
	Tuplestorestate *others;
	int64		n_fresh;
	int64		n_others;
} SortedTags;

static char *
tags_in(const Obscore *obscore, const ObscoreSelect *select, const char *collections)
{
	return psprintf("%s y WHERE y.dataset_type_id OPERATOR(pg_catalog.=) " INT64_FORMAT " AND y.%s OPERATOR(pg_catalog.=) ANY (%s)",
					query_relation(select->type->tags), select->type->id, obscore->registry->tag_key, collections);
}

/*
 * The tags of some collections, the keys of their rows, and whether nothing on the path
 * comes before them; OFFSET has each looked up by its key.
 */
static char *
sorting_query(const Obscore *obscore, const ObscoreSelect *select, const char *members, bool at_head)
{
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfo(&text, "SELECT y.*, %s AS registry_data_id, ", obscore_data_id_of(select, "y"));
	if (at_head)
		appendStringInfoString(&text, "true");
	else
		appendStringInfo(&text, "NOT EXISTS (SELECT FROM %s z WHERE z.dataset_type_id OPERATOR(pg_catalog.=) " INT64_FORMAT
						 " AND %s AND %s OPERATOR(pg_catalog.<) %s OFFSET 0)",
						 query_relation(select->type->tags), select->type->id, obscore_same_keys(obscore, select, "z", "y"),
						 obscore_position_of(obscore, "z"), obscore_position_of(obscore, "y"));
	appendStringInfo(&text, " FROM %s", tags_in(obscore, select, members));
	return text.data;
}

static Datum
key_of(const SortedTags *tags, HeapTuple row)
{
	bool		isnull;

	return SPI_getbinval(row, tags->desc, tags->desc->natts - 1, &isnull);
}

static bool
comes_first(const SortedTags *tags, HeapTuple row)
{
	bool		isnull;

	return DatumGetBool(SPI_getbinval(row, tags->desc, tags->desc->natts, &isnull));
}

/* The key of a tag, and which it is. */
typedef struct TagKey
{
	pg_uuid_t	key;
	int			tag;
} TagKey;

static int
compare_keys(const void *a, const void *b)
{
	return uuid_order(&((TagKey *) a)->key, &((TagKey *) b)->key);
}

static TagKey *
sorted_keys(const SortedTags *tags, HeapTuple *rows, int n)
{
	TagKey	   *keys = palloc(sizeof(TagKey) * n);

	for (int i = 0; i < n; i++)
		keys[i] = (TagKey) {*DatumGetUUIDP(key_of(tags, rows[i])), i};
	qsort(keys, n, sizeof(TagKey), compare_keys);
	return keys;
}

static void
note_row(KeyScan *scan, TupleTableSlot *row, int key, void *arg)
{
	((bool *) arg)[key] = true;
}

/*
 * Which of some keys, in order and distinct, the table has rows of: all, where it has
 * no index to look them up by.
 */
static bool *
keys_with_rows(const Obscore *obscore, const Datum *keys, int n)
{
	bool	   *found = palloc0(sizeof(bool) * n);
	Relation	table = table_open(obscore->table, AccessShareLock);
	KeyScan    *scan = key_scan_begin(table, get_attnum(obscore->table, "registry_data_id"), UUIDOID);

	if (scan == NULL)
		memset(found, true, sizeof(bool) * n);
	else
	{
		int			n_entries;
		BtreeFound *entries = key_scan_find(scan, keys, n, &n_entries);

		key_scan_visit(scan, keys, entries, n_entries, note_row, found);
		key_scan_end(scan);
	}
	table_close(table, NoLock);
	return found;
}

/* Which tags are of data ids that the table has rows of. */
static bool *
tags_with_rows(const Obscore *obscore, const SortedTags *tags, HeapTuple *rows, int n)
{
	TagKey	   *sorted = sorted_keys(tags, rows, n);
	Datum	   *keys = palloc(sizeof(Datum) * n);
	int		   *number = palloc(sizeof(int) * n);
	bool	   *have_rows = palloc(sizeof(bool) * n);
	int			n_keys = 0;
	bool	   *found;

	for (int i = 0; i < n; i++)
	{
		if (i == 0 || compare_keys(&sorted[i], &sorted[i - 1]) != 0)
			keys[n_keys++] = UUIDPGetDatum(&sorted[i].key);
		number[sorted[i].tag] = n_keys - 1;
	}
	found = keys_with_rows(obscore, keys, n_keys);
	for (int i = 0; i < n; i++)
		have_rows[i] = found[number[i]];
	return have_rows;
}

/* Tells fresh tags from the others. */
static void
sort_out(SortedTags *tags, const Obscore *obscore, HeapTuple *rows, int n)
{
	bool	   *have_rows = tags_with_rows(obscore, tags, rows, n);

	for (int i = 0; i < n; i++)
	{
		bool		fresh = comes_first(tags, rows[i]) && !have_rows[i];

		*(fresh ? &tags->n_fresh : &tags->n_others) += 1;
		tuplestore_puttuple(fresh ? tags->fresh : tags->others, rows[i]);
	}
}

static void
sort_tags(SortedTags *tags, const Obscore *obscore, const char *query)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "catreg tags", ALLOCSET_DEFAULT_SIZES);
	int			level = query_by_index(true);
	Portal		portal;
	int			n;

	query_set("jit", "off");
	CommandCounterIncrement();
	PushActiveSnapshot(GetLatestSnapshot());
	portal = SPI_cursor_open_with_args(NULL, query, 0, NULL, NULL, NULL, true, CURSOR_OPT_NO_SCROLL);
	PopActiveSnapshot();
	query_settings_back(level);
	tags->desc = CreateTupleDescCopy(portal->tupDesc);
	tags->fresh = tuplestore_begin_heap(true, false, work_mem);
	tags->others = tuplestore_begin_heap(false, false, work_mem);
	do
	{
		SPITupleTable *rows;
		MemoryContext before;

		CHECK_FOR_INTERRUPTS();
		SPI_cursor_fetch(portal, true, FETCH);
		n = SPI_processed;
		rows = SPI_tuptable;
		before = MemoryContextSwitchTo(context);
		if (n > 0)
			sort_out(tags, obscore, rows->vals, n);
		MemoryContextSwitchTo(before);
		MemoryContextReset(context);
		SPI_freetuptable(rows);
	} while (n > 0);
	SPI_cursor_close(portal);
	MemoryContextDelete(context);
}

/* What is to be written. */
typedef struct Put
{
	const Obscore *obscore;
	const ObscoreSelect *select;
	const SortedTags *tags;
} Put;

static void
put_fresh(void *arg)
{
	const Put  *put = arg;
	StringInfoData text;
	int			level = obscore_join_to_tags();

	SPI_connect();
	query_register_rows(FRESH_TAGS, put->tags->desc, put->tags->fresh, put->tags->n_fresh);
	initStringInfo(&text);
	obscore_write_select_first(&text, put->obscore, put->select, FRESH_TAGS, true);
	obscore_write_rows(put->obscore, text.data, false);
	SPI_finish();
	query_settings_back(level);
}

/* Writes the rows of fresh tags.  False: somebody else was first, nothing is written. */
static bool
put_fresh_tags(const Obscore *obscore, const ObscoreSelect *select, const SortedTags *tags)
{
	Put			put = {obscore, select, tags};
	ErrorData  *error = attempt(put_fresh, &put);

	if (error == NULL)
		return true;
	if (error->sqlerrcode != ERRCODE_UNIQUE_VIOLATION)
		ReThrowError(error);
	ereport(DEBUG1,
			(errmsg_internal("catreg: writing by keys, another session was first: %s", error->message)));
	FreeErrorData(error);
	return false;
}

/*
 * Brings the rows up to date of one dataset type in collections that are new, gone
 * or moved: members have a place in the search path, the others are gone; both are
 * arrays in SQL.  at_head: there is one member, and it comes first.  SPI must be
 * connected, with the rights of the table's owner in force.
 */
void
obscore_put_collections(const Obscore *obscore, ObscoreSelect *select, const char *members,
						bool at_head, const char *gone, ObscoreCounts *counts)
{
	const char *keys = obscore_keys(obscore, select, "y");
	StringInfoData rest;
	SortedTags	tags = {NULL};

	initStringInfo(&rest);
	sort_tags(&tags, obscore, sorting_query(obscore, select, members, at_head));
	if (tags.n_fresh > 0)
	{
		if (put_fresh_tags(obscore, select, &tags))
			counts->inserted += tags.n_fresh;
		else
			appendStringInfo(&rest, "SELECT %s FROM %s UNION ALL ", keys, tags_in(obscore, select, members));
	}
	appendStringInfo(&rest, "SELECT %s FROM " OTHER_TAGS " y UNION ALL SELECT %s FROM %s", keys, keys, tags_in(obscore, select, gone));
	query_register_rows(OTHER_TAGS, tags.desc, tags.others, tags.n_others);
	obscore_touch(obscore, select, rest.data, counts);
	SPI_unregister_relation(OTHER_TAGS);
	tuplestore_end(tags.fresh);
	tuplestore_end(tags.others);
}
