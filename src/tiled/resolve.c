/*-------------------------------------------------------------------------
 *
 * src/tiled/resolve.c
 *	  Finds in the catalog what a batch refers to.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
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

/*
 * Locks FOR KEY SHARE the nodes of the catalog above the new ones, as their
 * foreign keys will: from the root downwards, and before anything else is
 * locked.  delete_nodes() goes the same way, so that neither waits for the
 * other in a circle.
 *
 * Error: foreign_key_violation where one has been deleted meanwhile.
 */
void
lock_parents(Registration *registration)
{
	PathTree   *paths = registration->paths;
	bool	   *above = palloc0(sizeof(bool) * path_tree_size(paths));
	Relation	nodes = table_open(registration->layout.nodes, RowShareLock);
	QueryUser	before;
	KeyScan    *scan;

	for (int64 i = 0; i < registration->n_rows; i++)
	{
		PathEntry  *at = registration->rows[i].entry->parent;

		if (registration->rows[i].status != NODE_INSERTED)
			continue;
		for (; at != NULL && !above[at->position]; at = at->parent)
			above[at->position] = true;
	}

	query_become(RelationGetForm(nodes)->relowner, &before);
	scan = key_scan_begin(nodes, get_attnum(registration->layout.nodes, "id"), INT4OID);
	for (int depth = 0; depth < path_tree_depth(paths); depth++)
	{
		IdList		ids;

		id_list_init(&ids);
		for (int64 i = 0; i < path_tree_size(paths); i++)
		{
			PathEntry  *entry = path_tree_entry(paths, i);

			if (above[i] && entry->known && entry->depth == depth)
				id_list_add(&ids, entry->id);
		}
		id_list_sort_unique(&ids);
		for (int64 i = 0; i < ids.n; i++)
			if (!key_scan_lock_key(scan, ids.ids[i], LockTupleKeyShare))
				ereport(ERROR,
						(errcode(ERRCODE_FOREIGN_KEY_VIOLATION),
						 errmsg("node " INT64_FORMAT ", above nodes of the batch, has been deleted",
								ids.ids[i])));
	}
	key_scan_end(scan);
	query_return(&before);
	table_close(nodes, NoLock);
	pfree(above);
}

/*
 * Notes what the new nodes need: data sources of nodes that exist stay as they
 * are.
 */
static void
mark_needed(Registration *registration)
{
	DataSources *sources = &registration->sources;
	int64		source = 0;
	int64		use = 0;
	int64		tag = 0;

	for (int64 i = 0; i < intern_count(sources->structures); i++)
		((StructureEntry *) intern_entry(sources->structures, i))->needed = false;
	for (int64 i = 0; i < intern_count(sources->assets); i++)
		((AssetEntry *) intern_entry(sources->assets, i))->needed = false;
	for (int64 i = 0; i < intern_count(registration->tags); i++)
		((TagEntry *) intern_entry(registration->tags, i))->needed = false;

	for (int64 i = 0; i < registration->n_rows; i++)
	{
		BatchRow   *row = &registration->rows[i];
		bool		needed = (row->status == NODE_INSERTED);

		for (int s = 0; s < row->n_sources; s++, source++)
		{
			DataSource *data_source = &sources->sources[source];

			if (needed && data_source->structure != NULL)
				data_source->structure->needed = true;
			for (int u = 0; u < data_source->n_assets; u++, use++)
				sources->uses[use].asset->needed |= needed;
		}
		for (int t = 0; t < row->n_tags; t++, tag++)
			registration->row_tags[tag]->needed |= needed;
	}
}

/*
 * Finds, and locks FOR KEY SHARE, the structures that are there already.  To
 * be called first, after resolve_nodes().
 */
void
resolve_structures(Registration *registration)
{
	InternTable *structures = registration->sources.structures;
	Wanted		wanted;
	QueryUser	before;
	const char *query;

	mark_needed(registration);
	wanted_init(&wanted, intern_count(structures));
	query = psprintf("SELECT w.position, s.id FROM " WANTED " w (position, nothing, id) "
					 "JOIN %s s ON s.id OPERATOR(pg_catalog.=) w.id ORDER BY s.id FOR KEY SHARE OF s",
					 query_relation(registration->layout.structures));
	become_owner(registration->layout.structures, &before);
	for (int64 i = 0; i < intern_count(structures); i++)
	{
		StructureEntry *entry = intern_entry(structures, i);
		bool		isnull;

		entry->known = false;
		if (entry->needed)
			wanted_add(&wanted, (int) i, 0, entry->id.text, entry->id.length);
		if (wanted.n == 0 || (wanted.n < KEYS_A_QUERY && i < intern_count(structures) - 1))
			continue;
		wanted_query(&wanted, query);
		for (uint64 k = 0; k < SPI_processed; k++)
			((StructureEntry *) intern_entry(structures, result_integer(k, 1, &isnull)))->known = true;
		SPI_freetuptable(SPI_tuptable);
	}
	query_return(&before);
}

/*
 * Finds, and locks FOR KEY SHARE, the assets that are there already.
 */
void
resolve_assets(Registration *registration)
{
	InternTable *assets = registration->sources.assets;
	Wanted		wanted;
	QueryUser	before;
	const char *query;

	wanted_init(&wanted, intern_count(assets));
	query = psprintf("SELECT w.position, a.id, a.size FROM " WANTED " w (position, nothing, uri) "
					 "JOIN %s a ON a.data_uri OPERATOR(pg_catalog.=) w.uri ORDER BY a.id FOR KEY SHARE OF a",
					 query_relation(registration->layout.assets));
	become_owner(registration->layout.assets, &before);
	for (int64 i = 0; i < intern_count(assets); i++)
	{
		AssetEntry *entry = intern_entry(assets, i);
		bool		isnull;

		entry->known = false;
		if (entry->needed)
			wanted_add(&wanted, (int) i, 0, entry->uri.text, entry->uri.length);
		if (wanted.n == 0 || (wanted.n < KEYS_A_QUERY && i < intern_count(assets) - 1))
			continue;
		wanted_query(&wanted, query);
		for (uint64 k = 0; k < SPI_processed; k++)
		{
			AssetEntry *asset = intern_entry(assets, result_integer(k, 1, &isnull));

			asset->known = true;
			asset->id = result_integer(k, 2, &isnull);
			asset->old_size = result_integer(k, 3, &isnull);
			asset->has_old_size = !isnull;
		}
		SPI_freetuptable(SPI_tuptable);
	}
	query_return(&before);
}

/*
 * Makes the rows of tags that Tiled makes when they are first used: those of
 * users and services (tiled/access_control/protocols.py,
 * PRINCIPAL_TAG_PREFIXES; tiled/catalog/core.py,
 * register_principal_tag_rows).
 */
static void
make_principal_tags(Registration *registration, Wanted *wanted)
{
	InternTable *tags = registration->tags;
	const char *query;

	for (int64 i = 0; i < intern_count(tags); i++)
	{
		TagEntry   *tag = intern_entry(tags, i);

		if (tag->needed &&
			(strncmp(tag->name.text, "user:", 5) == 0 || strncmp(tag->name.text, "service:", 8) == 0))
			wanted_add(wanted, (int) i, 0, tag->name.text, tag->name.length);
		if (wanted->n == KEYS_A_QUERY)
			break;
	}
	if (wanted->n == 0)
		return;
	query = psprintf("WITH made AS (INSERT INTO %s (name, is_public) "
					 "SELECT w.name, false FROM " WANTED " w (position, nothing, name) "
					 "WHERE NOT EXISTS (SELECT FROM %s t WHERE t.name OPERATOR(pg_catalog.=) w.name) "
					 "ORDER BY w.name ON CONFLICT (name) DO NOTHING RETURNING 1) SELECT 1 FROM made",
					 query_relation(registration->layout.access_tags),
					 query_relation(registration->layout.access_tags));
	wanted_query(wanted, query);
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
			if (row->status == NODE_INSERTED && registration->row_tags[tag]->id == 0)
				ereport(ERROR,
						(errcode(ERRCODE_FOREIGN_KEY_VIOLATION),
						 errmsg("access tag \"%s\" of node \"%s\" is not defined",
								registration->row_tags[tag]->name.text,
								path_entry_path(row->entry)),
						 errhint("Only tags that begin with \"user:\" or \"service:\" are made when they are first used.")));
	}
}

/*
 * Finds, and locks FOR KEY SHARE, the access tags that the new nodes carry.
 *
 * Error: foreign_key_violation where there is none of a name.
 */
void
resolve_tags(Registration *registration)
{
	InternTable *tags = registration->tags;
	Wanted		wanted;
	QueryUser	before;
	const char *query;
	bool		isnull;

	if (intern_count(tags) == 0)
		return;
	wanted_init(&wanted, intern_count(tags));
	make_principal_tags(registration, &wanted);
	query = psprintf("SELECT w.position, t.id FROM " WANTED " w (position, nothing, name) "
					 "JOIN %s t ON t.name OPERATOR(pg_catalog.=) w.name ORDER BY t.id FOR KEY SHARE OF t",
					 query_relation(registration->layout.access_tags));
	become_owner(registration->layout.access_tags, &before);
	for (int64 i = 0; i < intern_count(tags); i++)
	{
		TagEntry   *tag = intern_entry(tags, i);

		tag->id = 0;
		wanted_add(&wanted, (int) i, 0, tag->name.text, tag->name.length);
		if (wanted.n < KEYS_A_QUERY && i < intern_count(tags) - 1)
			continue;
		wanted_query(&wanted, query);
		for (uint64 k = 0; k < SPI_processed; k++)
			((TagEntry *) intern_entry(tags, result_integer(k, 1, &isnull)))->id =
				result_integer(k, 2, &isnull);
		SPI_freetuptable(SPI_tuptable);
	}
	query_return(&before);

	check_tags(registration);
}
