/*-------------------------------------------------------------------------
 *
 * src/tiled/resolve.c
 *	  Finds in the catalog what a batch refers to.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "core/ids.h"
#include "core/key_scan.h"
#include "core/query.h"
#include "tiled/registration.h"

/* So many keys are looked up in one query. */
#define KEYS_A_QUERY 100000

#define WANTED "ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2), pg_catalog.unnest($3))"

/* The arguments of a query that looks up a list of things: a position and a
 * text for each, and a number besides. */
typedef struct Wanted
{
	int			n;
	Datum	   *positions;
	Datum	   *numbers;
	Datum	   *texts;
} Wanted;

static void
wanted_init(Wanted *wanted, int64 expected)
{
	int			size = (int) Min(Max(expected, 1), KEYS_A_QUERY);

	wanted->n = 0;
	wanted->positions = palloc(sizeof(Datum) * size);
	wanted->numbers = palloc(sizeof(Datum) * size);
	wanted->texts = palloc(sizeof(Datum) * size);
}

static void
wanted_add(Wanted *wanted, int position, int64 number, const char *text, int length)
{
	wanted->positions[wanted->n] = Int32GetDatum(position);
	wanted->numbers[wanted->n] = Int32GetDatum((int32) number);
	wanted->texts[wanted->n] = PointerGetDatum(cstring_to_text_with_len(text, length));
	wanted->n++;
}

/*
 * Executes a query over what is wanted ($1 positions, $2 numbers, $3 texts),
 * and lets go of it.  It is planned for these very arrays, whose length the
 * planner sees.
 */
static void
wanted_query(Wanted *wanted, const char *query)
{
	Oid			types[3] = {INT4ARRAYOID, INT4ARRAYOID, TEXTARRAYOID};
	Datum		values[3];

	values[0] = PointerGetDatum(construct_array(wanted->positions, wanted->n, INT4OID,
												sizeof(int32), true, TYPALIGN_INT));
	values[1] = PointerGetDatum(construct_array(wanted->numbers, wanted->n, INT4OID,
												sizeof(int32), true, TYPALIGN_INT));
	values[2] = PointerGetDatum(construct_array(wanted->texts, wanted->n, TEXTOID,
												-1, false, TYPALIGN_INT));
	if (SPI_execute_with_args(query, 3, types, values, NULL, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not execute \"%s\"", query);
	for (int i = 0; i < wanted->n; i++)
		pfree(DatumGetPointer(wanted->texts[i]));
	for (int i = 0; i < 3; i++)
		pfree(DatumGetPointer(values[i]));
	wanted->n = 0;
}

static int64
result_integer(uint64 row, int column, bool *isnull)
{
	Datum		value = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, isnull);

	if (*isnull)
		return 0;
	return SPI_gettypeid(SPI_tuptable->tupdesc, column) == INT8OID ?
		DatumGetInt64(value) : DatumGetInt32(value);
}

/*
 * The rights of a table's owner, with which PostgreSQL itself looks up and
 * locks the keys that new rows refer to.
 */
static void
become_owner(Oid table, QueryUser *before)
{
	Relation	rel = table_open(table, RowShareLock);

	query_become(RelationGetForm(rel)->relowner, before);
	table_close(rel, NoLock);
}

static void
look_up_nodes(PathTree *paths, Oid nodes, Wanted *wanted)
{
	const char *query;

	if (wanted->n == 0)
		return;
	query = psprintf("SELECT w.position, n.id FROM " WANTED " w (position, parent, key) "
					 "JOIN %s n ON n.parent OPERATOR(pg_catalog.=) w.parent "
					 "AND n.key OPERATOR(pg_catalog.=) w.key",
					 query_relation(nodes));
	wanted_query(wanted, query);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		bool		isnull;
		PathEntry  *entry = path_tree_entry(paths, result_integer(i, 1, &isnull));

		entry->id = result_integer(i, 2, &isnull);
		entry->known = true;
	}
	SPI_freetuptable(SPI_tuptable);
}

/*
 * Finds the nodes that are in the catalog already, a level of the tree at a
 * time: a node whose parent is not there is not there either.  With the
 * caller's rights, SPI connected.
 */
void
resolve_paths(PathTree *paths, Oid nodes)
{
	int64		size = path_tree_size(paths);
	PathEntry  *root = path_tree_root(paths);
	Wanted		wanted;

	for (int64 i = 0; i < size; i++)
	{
		path_tree_entry(paths, i)->known = false;
		path_tree_entry(paths, i)->is_new = false;
	}
	root->id = TILED_ROOT;
	root->known = true;

	wanted_init(&wanted, size);
	for (int depth = 1; depth <= path_tree_depth(paths); depth++)
	{
		for (int64 i = 0; i < size; i++)
		{
			PathEntry  *entry = path_tree_entry(paths, i);

			if (entry->depth != depth || !entry->parent->known)
				continue;
			wanted_add(&wanted, (int) i, entry->parent->id, entry->key, entry->key_length);
			if (wanted.n == KEYS_A_QUERY)
				look_up_nodes(paths, nodes, &wanted);
		}
		look_up_nodes(paths, nodes, &wanted);
	}
}

static void
check_parent(const PathEntry *entry)
{
	if (entry->parent->known || entry->parent->row >= 0)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_FOREIGN_KEY_VIOLATION),
			 errmsg("parent \"%s\" of node \"%s\" does not exist",
					path_entry_path(entry->parent), path_entry_path(entry)),
			 errdetail("It is neither in the catalog nor in the batch.")));
}

/*
 * Decides what becomes of each row.
 *
 * Errors: foreign_key_violation where a parent is missing, unique_violation
 * where a node exists and conflicts are errors.
 */
void
resolve_nodes(Registration *registration)
{
	resolve_paths(registration->paths, registration->layout.nodes);
	for (int64 i = 0; i < registration->n_rows; i++)
	{
		BatchRow   *row = &registration->rows[i];
		PathEntry  *entry = row->entry;

		check_parent(entry);
		if (entry->row != i)
			row->status = NODE_EXISTING;	/* the first row of this path counts */
		else if (!entry->known)
		{
			row->status = NODE_INSERTED;
			entry->is_new = true;
		}
		else if (registration->on_conflict == ON_CONFLICT_ERROR)
			ereport(ERROR,
					(errcode(ERRCODE_UNIQUE_VIOLATION),
					 errmsg("node \"%s\" already exists", path_entry_path(entry)),
					 errdetail("It is node " INT64_FORMAT " of the catalog.", entry->id),
					 errhint("on_conflict => 'ignore' leaves it, 'replace' replaces its metadata and specs.")));
		else
			row->status = registration->on_conflict == ON_CONFLICT_IGNORE ?
				NODE_EXISTING : NODE_REPLACED;
	}
}

/* A node of the catalog that has to be locked. */
typedef struct NodeLock
{
	int			depth;
	int64		id;
	LockTupleMode mode;
} NodeLock;

static int
compare_node_locks(const void *a, const void *b)
{
	const NodeLock *x = a;
	const NodeLock *y = b;

	if (x->depth != y->depth)
		return x->depth < y->depth ? -1 : 1;
	if (x->id != y->id)
		return x->id < y->id ? -1 : 1;
	return 0;
}

/*
 * Lists the locks that the batch needs: FOR KEY SHARE, as their foreign keys
 * will want it, on nodes above new ones, FOR NO KEY UPDATE on those to be
 * replaced.
 */
static int64
list_node_locks(Registration *registration, NodeLock *locks)
{
	PathTree   *paths = registration->paths;
	bool	   *above = palloc0(sizeof(bool) * path_tree_size(paths));
	int64		n = 0;

	for (int64 i = 0; i < registration->n_rows; i++)
	{
		PathEntry  *at = registration->rows[i].entry->parent;

		if (registration->rows[i].status != NODE_INSERTED)
			continue;
		for (; at != NULL && !above[at->position]; at = at->parent)
			above[at->position] = true;
	}
	for (int64 i = 0; i < path_tree_size(paths); i++)
	{
		PathEntry  *entry = path_tree_entry(paths, i);
		bool		replaced = entry->row >= 0 &&
			registration->rows[entry->row].status == NODE_REPLACED;

		if (!entry->known || !(above[i] || replaced))
			continue;
		locks[n].depth = entry->depth;
		locks[n].id = entry->id;
		locks[n++].mode = replaced ? LockTupleNoKeyExclusive : LockTupleKeyShare;
	}
	pfree(above);
	return n;
}

/*
 * Locks the nodes of the catalog above the new ones, and those to be replaced:
 * from the root downwards, and before anything else is locked.  delete_nodes()
 * goes the same way, so that neither waits for the other in a circle.
 *
 * false: one has been deleted since resolve_nodes() found it.  An error where
 * the transaction will not see that: serialization_failure.
 */
bool
lock_known_nodes(Registration *registration)
{
	NodeLock   *locks = palloc_extended(sizeof(NodeLock) * path_tree_size(registration->paths),
										MCXT_ALLOC_HUGE);
	int64		n = list_node_locks(registration, locks);
	Relation	nodes = table_open(registration->layout.nodes, RowShareLock);
	bool		locked = true;
	QueryUser	before;
	KeyScan    *scan;

	qsort(locks, n, sizeof(NodeLock), compare_node_locks);
	query_become(RelationGetForm(nodes)->relowner, &before);
	scan = key_scan_begin(nodes, get_attnum(registration->layout.nodes, "id"), INT4OID);
	if (scan == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table \"%s\" has no index on column \"%s\"",
						RelationGetRelationName(nodes), "id"),
				 errdetail("Tiled's own catalogs have one.")));
	for (int64 i = 0; locked && i < n; i++)
		locked = key_scan_lock_key(scan, locks[i].id, locks[i].mode) != NULL;
	key_scan_end(scan);
	query_return(&before);
	table_close(nodes, NoLock);
	pfree(locks);
	if (!locked && IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("could not serialize access due to concurrent delete")));
	return locked;
}

static void
mark_unneeded(InternTable *table)
{
	for (int64 i = 0; i < intern_count(table); i++)
		((Reference *) intern_entry(table, i))->needed = false;
}

/*
 * The first use of an asset says whether it is a directory, the last one that
 * gives a size how large it is.
 */
static void
need_asset(const AssetUse *use)
{
	AssetEntry *asset = use->asset;

	if (!asset->reference.needed)
	{
		asset->reference.needed = true;
		asset->is_directory = use->is_directory;
		asset->has_size = false;
	}
	if (use->has_size)
	{
		asset->has_size = true;
		asset->size = use->size;
	}
}

/*
 * Notes what the new nodes need: data sources of nodes that exist stay as they
 * are, and say nothing about assets.
 */
static void
mark_needed(Registration *registration)
{
	DataSources *sources = &registration->sources;
	int64		source = 0;
	int64		use = 0;
	int64		tag = 0;

	mark_unneeded(sources->structures);
	mark_unneeded(sources->assets);
	mark_unneeded(registration->tags);
	for (int64 i = 0; i < registration->n_rows; i++)
	{
		BatchRow   *row = &registration->rows[i];
		bool		needed = (row->status == NODE_INSERTED);

		for (int s = 0; s < row->n_sources; s++, source++)
		{
			DataSource *data_source = &sources->sources[source];

			if (needed && data_source->structure != NULL)
				data_source->structure->reference.needed = true;
			for (int u = 0; u < data_source->n_assets; u++, use++)
				if (needed)
					need_asset(&sources->uses[use]);
		}
		for (int t = 0; t < row->n_tags; t++, tag++)
			registration->row_tags[tag]->needed |= needed;
	}
}

/*
 * Takes over what a look-up has found: position, id, and what else found()
 * wants of the row.
 */
static void
take_found(InternTable *table, void (*found) (Reference *reference, uint64 row))
{
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		bool		isnull;
		Reference  *reference = intern_entry(table, result_integer(row, 1, &isnull));

		reference->known = true;
		reference->id = result_integer(row, 2, &isnull);
		if (found != NULL)
			found(reference, row);
	}
	SPI_freetuptable(SPI_tuptable);
}

/*
 * Finds, and locks FOR KEY SHARE, what the new nodes refer to, in a table that
 * has a key and columns to fetch, the first of them an integer.
 */
static void
look_up(InternTable *table, Oid relid, const char *key, const char *columns,
		void (*found) (Reference *reference, uint64 row))
{
	int64		n = intern_count(table);
	Wanted		wanted;
	QueryUser	before;
	const char *query;

	if (n == 0)
		return;
	/* in one order, so that two sessions do not wait in a circle */
	query = psprintf("SELECT w.position, %s FROM " WANTED " w (position, nothing, key) "
					 "JOIN %s t ON t.%s OPERATOR(pg_catalog.=) w.key ORDER BY t.id FOR KEY SHARE OF t",
					 columns, query_relation(relid), key);
	wanted_init(&wanted, n);
	become_owner(relid, &before);
	for (int64 i = 0; i < n; i++)
	{
		Reference  *reference = intern_entry(table, i);

		reference->known = false;
		if (reference->needed)
			wanted_add(&wanted, (int) i, 0, reference->text.text, reference->text.length);
		if (wanted.n > 0 && (wanted.n == KEYS_A_QUERY || i == n - 1))
		{
			wanted_query(&wanted, query);
			take_found(table, found);
		}
	}
	query_return(&before);
}

static void
take_asset_size(Reference *reference, uint64 row)
{
	AssetEntry *asset = (AssetEntry *) reference;
	bool		isnull;

	asset->old_size = result_integer(row, 3, &isnull);
	asset->has_old_size = !isnull;
}

/*
 * Makes the rows of tags that Tiled makes when they are first used: those of
 * users and services (tiled/access_control/protocols.py,
 * PRINCIPAL_TAG_PREFIXES; tiled/catalog/core.py,
 * register_principal_tag_rows).
 */
static void
make_principal_tags(Registration *registration)
{
	InternTable *tags = registration->tags;
	const char *table;
	Wanted		wanted;

	if (intern_count(tags) == 0)
		return;
	table = query_relation(registration->layout.access_tags);
	wanted_init(&wanted, intern_count(tags));
	for (int64 i = 0; i < intern_count(tags); i++)
	{
		Reference  *tag = intern_entry(tags, i);

		if (tag->needed && wanted.n < KEYS_A_QUERY &&
			(strncmp(tag->text.text, "user:", 5) == 0 ||
			 strncmp(tag->text.text, "service:", 8) == 0))
			wanted_add(&wanted, (int) i, 0, tag->text.text, tag->text.length);
	}
	if (wanted.n == 0)
		return;
	wanted_query(&wanted,
				 psprintf("WITH made AS (INSERT INTO %s (name, is_public) "
						  "SELECT w.name, false FROM " WANTED " w (position, nothing, name) "
						  "WHERE NOT EXISTS (SELECT FROM %s t WHERE t.name OPERATOR(pg_catalog.=) w.name) "
						  "ORDER BY w.name ON CONFLICT (name) DO NOTHING RETURNING 1) SELECT 1 FROM made",
						  table, table));
	SPI_freetuptable(SPI_tuptable);
}

static void
check_tags(Registration *registration)
{
	int64		tag = 0;

	for (int64 i = 0; i < registration->n_rows; i++)
	{
		BatchRow   *row = &registration->rows[i];

		for (int t = 0; t < row->n_tags; t++, tag++)
			if (row->status == NODE_INSERTED && !registration->row_tags[tag]->known)
				ereport(ERROR,
						(errcode(ERRCODE_FOREIGN_KEY_VIOLATION),
						 errmsg("access tag \"%s\" of node \"%s\" is not defined",
								registration->row_tags[tag]->text.text,
								path_entry_path(row->entry)),
						 errhint("Only tags that begin with \"user:\" or \"service:\" are made when they are first used.")));
	}
}

/*
 * Finds, and locks FOR KEY SHARE, what the new nodes refer to: structures,
 * assets and access tags.  With the rights of the tables' owners.
 *
 * Error: foreign_key_violation for an access tag that is not there.
 */
void
resolve_references(Registration *registration)
{
	const TiledLayout *layout = &registration->layout;

	mark_needed(registration);
	look_up(registration->sources.structures, layout->structures, "id", "0", NULL);
	look_up(registration->sources.assets, layout->assets, "data_uri", "t.id, t.size",
			take_asset_size);
	make_principal_tags(registration);
	look_up(registration->tags, layout->access_tags, "name", "t.id", NULL);
	check_tags(registration);
}
