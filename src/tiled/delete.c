/*-------------------------------------------------------------------------
 *
 * src/tiled/delete.c
 *	  delete_nodes: subtrees, with the assets and structures that nothing uses
 *	  any more.
 *
 * All nodes are locked FOR UPDATE first, from the top down, and then the
 * structures and assets that may have to go, in the order in which a
 * registration locks and makes them.  A new reference to any of them waits for
 * that lock, so what the look-ups find afterwards, with a snapshot taken after
 * the locks, stays true to the end of the transaction.  Then the rows are
 * deleted, referring ones first, without the eight foreign-key triggers that
 * each node would fire, where remover_refusal() finds nothing against it;
 * otherwise by DELETE, and the foreign keys cascade.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "tcop/utility.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "closure/closure.h"
#include "core/ids.h"
#include "core/key_scan.h"
#include "core/query.h"
#include "core/remover.h"
#include "tiled/registration.h"

/* An id, and the path by which it goes. */
typedef struct GoneEntry
{
	int64		id;
	int32		path;
	bool		locked;			/* of nodes: it goes, and nobody can change that */
	char		status;
} GoneEntry;

#define SH_PREFIX gone
#define SH_ELEMENT_TYPE GoneEntry
#define SH_KEY_TYPE int64
#define SH_KEY id
#define SH_HASH_KEY(tb, key) ID_HASH(key)
#define SH_EQUAL(tb, a, b) ((a) == (b))
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

typedef struct StructureUse
{
	Interned	id;				/* first */
	int32		path;			/* the last one that uses it */
	bool		goes;
	ItemPointerData tid;
} StructureUse;

typedef struct PathCount
{
	int64		nodes;
	int64		assets;
	int64		structures;
} PathCount;

typedef struct Deletion
{
	TiledLayout layout;
	int			n_paths;
	PathEntry **paths;
	PathCount  *counts;
	gone_hash  *nodes;
	IdList		node_ids;
	gone_hash  *sources;
	IdList		source_ids;
	gone_hash  *assets;			/* candidates; path: the last one that uses it */
	IdList		asset_ids;		/* those that go */
	InternTable *structures;	/* StructureUse */
	Oid			external;		/* value of the enum management */
} Deletion;

/* A table opened for look-ups by an integer column. */
typedef struct Lookup
{
	Relation	rel;
	KeyScan    *scan;
} Lookup;

/*
 * Every table is locked before the snapshot is taken.
 */
static void
lookup_begin(Lookup *lookup, Oid table, const char *column)
{
	lookup->rel = table_open(table, RowExclusiveLock);
	lookup->scan = key_scan_begin(lookup->rel, get_attnum(table, column), INT4OID);
	if (lookup->scan == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table \"%s\" has no index on column \"%s\"",
						get_rel_name(table), column),
				 errdetail("Tiled's own catalogs have one.")));
}

static void
lookup_end(Lookup *lookup)
{
	key_scan_end(lookup->scan);
	table_close(lookup->rel, NoLock);
}

static int64
integer_value(TupleTableSlot *slot, Oid table, const char *column)
{
	bool		isnull;

	return DatumGetInt32(slot_getattr(slot, get_attnum(table, column), &isnull));
}

/*
 * Finds the nodes that the paths name, with the caller's rights.
 */
static void
find_paths(Deletion *deletion, ArrayType *array)
{
	PathTree   *tree = path_tree_create(64);
	Datum	   *texts;
	bool	   *nulls;

	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &texts, &nulls, &deletion->n_paths);
	deletion->paths = palloc(sizeof(PathEntry *) * (deletion->n_paths + 1));
	deletion->counts = palloc0(sizeof(PathCount) * (deletion->n_paths + 1));
	for (int i = 0; i < deletion->n_paths; i++)
	{
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("path %d is null", i + 1)));
		deletion->paths[i] = path_tree_find(tree, TextDatumGetCString(texts[i]));
	}
	resolve_paths(tree, deletion->layout.nodes);
	for (int i = 0; i < deletion->n_paths; i++)
	{
		if (deletion->paths[i] == path_tree_root(tree))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("the root of a catalog cannot be deleted"),
					 errhint("Name the nodes below it.")));
		if (!deletion->paths[i]->known)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_OBJECT),
					 errmsg("node \"%s\" does not exist", path_entry_path(deletion->paths[i]))));
	}
}

static void
add_node(Deletion *deletion, int64 id, int32 path)
{
	bool		found;
	GoneEntry  *entry = gone_insert(deletion->nodes, id, &found);

	if (found)
		return;
	entry->path = path;
	entry->locked = false;
	id_list_add(&deletion->node_ids, id);
}

/*
 * Is a node, now that it is locked, still what it was when it was found: what a
 * path names, or a child of a node that goes?
 */
static bool
still_goes(Deletion *deletion, const GoneEntry *node, TupleTableSlot *slot)
{
	Oid			table = deletion->layout.nodes;
	const PathEntry *named = deletion->paths[node->path];
	bool		isnull;
	int64		parent = DatumGetInt32(slot_getattr(slot, get_attnum(table, "parent"), &isnull));
	GoneEntry  *above;
	text	   *key;

	if (isnull)
		return false;
	above = gone_lookup(deletion->nodes, parent);
	if (above != NULL && above->locked)
		return true;
	if (node->id != named->id || parent != named->parent->id)
		return false;
	key = DatumGetTextPP(slot_getattr(slot, get_attnum(table, "key"), &isnull));
	return VARSIZE_ANY_EXHDR(key) == named->key_length &&
		memcmp(VARDATA_ANY(key), named->key, named->key_length) == 0;
}

/*
 * Locks the nodes listed from the given position on, in the order of their
 * ids.  One that another session has meanwhile deleted or moved away does not
 * count, or is an error where the transaction's snapshot still shows it:
 * serialization_failure.
 */
static void
lock_nodes(Deletion *deletion, int64 from)
{
	IdList		ids;
	Lookup		nodes;

	id_list_init(&ids);
	for (int64 i = from; i < deletion->node_ids.n; i++)
		id_list_add(&ids, deletion->node_ids.ids[i]);
	id_list_sort_unique(&ids);
	lookup_begin(&nodes, deletion->layout.nodes, "id");
	for (int64 i = 0; i < ids.n; i++)
	{
		TupleTableSlot *slot = key_scan_lock_key(nodes.scan, ids.ids[i], LockTupleExclusive);
		GoneEntry  *node = gone_lookup(deletion->nodes, ids.ids[i]);

		if (slot != NULL && still_goes(deletion, node, slot))
			node->locked = true;
		else if (IsolationUsesXactSnapshot())
			ereport(ERROR,
					(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
					 errmsg("could not serialize access due to concurrent %s",
							slot == NULL ? "delete" : "update")));
		else
			gone_delete(deletion->nodes, ids.ids[i]);
	}
	lookup_end(&nodes);
}

/*
 * Drops from the list what did not count after all, or stands there twice
 * because another session has moved it from one node that goes to another.
 */
static void
keep_locked(Deletion *deletion)
{
	IdList	   *ids = &deletion->node_ids;
	int64		n = 0;

	id_list_sort_unique(ids);
	for (int64 i = 0; i < ids->n; i++)
		if (gone_lookup(deletion->nodes, ids->ids[i]) != NULL)
			ids->ids[n++] = ids->ids[i];
	ids->n = n;
}

/*
 * Finds all nodes of the subtrees, and locks them.
 *
 * They are found by their parents, level by level, each level locked before
 * its children are looked for: who inserts below a node holds a lock on it that
 * ours waits for, so that no child can be missed.  Levels are those of the
 * whole tree, so that whoever else locks nodes from the top down meets ours in
 * the same order.
 */
static void
collect_nodes(Deletion *deletion)
{
	int64		from = 0;
	int			last = 0;

	/* what is named counts for itself, and not for what is named above it */
	for (int p = 0; p < deletion->n_paths; p++)
	{
		bool		found;
		GoneEntry  *entry = gone_insert(deletion->nodes, deletion->paths[p]->id, &found);

		if (!found)
		{
			entry->path = p;
			entry->locked = false;
		}
		last = Max(last, deletion->paths[p]->depth);
	}
	for (int depth = 1; depth <= last || from < deletion->node_ids.n; depth++)
	{
		int64		to;
		Lookup		children;

		for (int p = 0; p < deletion->n_paths; p++)
			if (deletion->paths[p]->depth == depth &&
				gone_lookup(deletion->nodes, deletion->paths[p]->id)->path == p)
				id_list_add(&deletion->node_ids, deletion->paths[p]->id);
		to = deletion->node_ids.n;
		lock_nodes(deletion, from);
		lookup_begin(&children, deletion->layout.nodes, "parent");
		for (int64 i = from; i < to; i++)
		{
			GoneEntry  *parent = gone_lookup(deletion->nodes, deletion->node_ids.ids[i]);
			TupleTableSlot *slot;
			int32		path;

			if (parent == NULL)
				continue;
			path = parent->path;
			key_scan_seek(children.scan, deletion->node_ids.ids[i]);
			while ((slot = key_scan_next(children.scan)) != NULL)
				add_node(deletion, integer_value(slot, deletion->layout.nodes, "id"), path);
		}
		lookup_end(&children);
		from = to;
	}
	keep_locked(deletion);
}

static StructureUse *
note_structure(Deletion *deletion, Datum id, int32 path)
{
	text	   *value = DatumGetTextPP(id);
	bool		found;
	StructureUse *use = intern_text(deletion->structures, VARDATA_ANY(value),
									VARSIZE_ANY_EXHDR(value), &found);

	use->path = Max(use->path, path);
	return use;
}

/*
 * Finds the data sources of the nodes, and the structures that they use.  They
 * are locked: somebody may be giving one another asset, structure or node.
 *
 * Error: object_not_in_prerequisite_state where Tiled itself manages the data:
 * its server deletes the files with the node, and this cannot.
 */
static void
collect_sources(Deletion *deletion)
{
	Oid			table = deletion->layout.data_sources;
	Lookup		sources;

	lookup_begin(&sources, table, "node_id");
	for (int64 i = 0; i < deletion->node_ids.n; i++)
	{
		GoneEntry  *node = gone_lookup(deletion->nodes, deletion->node_ids.ids[i]);
		TupleTableSlot *slot;

		key_scan_seek(sources.scan, node->id);
		while ((slot = key_scan_next(sources.scan)) != NULL)
		{
			int64		id;
			bool		found;
			bool		isnull;
			Datum		value;

			if (!key_scan_lock(sources.scan, LockTupleExclusive))
				continue;
			id = integer_value(slot, table, "id");
			value = slot_getattr(slot, get_attnum(table, "management"), &isnull);
			if (DatumGetObjectId(value) != deletion->external)
				ereport(ERROR,
						(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						 errmsg("node \"%s\" holds data that Tiled manages",
								path_entry_path(deletion->paths[node->path])),
						 errdetail("Data source " INT64_FORMAT " is not external.", id),
						 errhint("Delete it by Tiled's client, whose server deletes the files as well.")));
			gone_insert(deletion->sources, id, &found)->path = node->path;
			if (!found)
				id_list_add(&deletion->source_ids, id);
			value = slot_getattr(slot, get_attnum(table, "structure_id"), &isnull);
			if (!isnull)
				note_structure(deletion, value, node->path);
		}
	}
	lookup_end(&sources);
}

/*
 * Finds the assets of the data sources; locks them; and keeps in the list those
 * that no other data source uses.  Their uses are locked too: somebody may be
 * giving one to another data source.
 */
static void
collect_assets(Deletion *deletion)
{
	Oid			table = deletion->layout.association;
	Lookup		uses;
	Lookup		assets;
	IdList		candidates;
	TupleTableSlot *slot;

	id_list_init(&candidates);
	lookup_begin(&uses, table, "data_source_id");
	for (int64 i = 0; i < deletion->source_ids.n; i++)
	{
		int32		path = gone_lookup(deletion->sources, deletion->source_ids.ids[i])->path;

		key_scan_seek(uses.scan, deletion->source_ids.ids[i]);
		while ((slot = key_scan_next(uses.scan)) != NULL)
		{
			int64		id;
			bool		found;
			GoneEntry  *asset;

			if (!key_scan_lock(uses.scan, LockTupleExclusive))
				continue;
			id = integer_value(slot, table, "asset_id");
			asset = gone_insert(deletion->assets, id, &found);
			asset->path = found ? Max(asset->path, path) : path;
			if (!found)
				id_list_add(&candidates, id);
		}
	}
	lookup_end(&uses);

	id_list_sort_unique(&candidates);
	lookup_begin(&assets, deletion->layout.assets, "id");
	for (int64 i = 0; i < candidates.n; i++)
		key_scan_lock_key(assets.scan, candidates.ids[i], LockTupleExclusive);
	lookup_end(&assets);

	lookup_begin(&uses, table, "asset_id");
	for (int64 i = 0; i < candidates.n; i++)
	{
		bool		used = false;

		key_scan_seek(uses.scan, candidates.ids[i]);
		while (!used && (slot = key_scan_next(uses.scan)) != NULL)
			used = gone_lookup(deletion->sources, integer_value(slot, table, "data_source_id")) == NULL;
		if (!used)
			id_list_add(&deletion->asset_ids, candidates.ids[i]);
	}
	lookup_end(&uses);
}

/* So many structures are looked for one by one, and more of them together. */
#define FEW_STRUCTURES 8

static Datum
structure_array(Deletion *deletion, bool all)
{
	int64		n = intern_count(deletion->structures);
	Datum	   *ids = palloc(sizeof(Datum) * (n + 1));
	int			n_ids = 0;

	for (int64 i = 0; i < n; i++)
	{
		StructureUse *use = intern_entry(deletion->structures, i);

		if (all || use->goes)
			ids[n_ids++] = PointerGetDatum(cstring_to_text_with_len(use->id.text, use->id.length));
	}
	return PointerGetDatum(construct_array(ids, n_ids, TEXTOID, -1, false, TYPALIGN_INT));
}

/*
 * Takes back the structures that other data sources use.  Tiled has no index
 * for that, so that the table of data sources is read, but for a few
 * structures only up to the first user of each.
 */
static void
keep_used_structures(Deletion *deletion)
{
	Oid			types[2] = {TEXTARRAYOID, INT4ARRAYOID};
	int64		n = intern_count(deletion->structures);
	bool		few = n <= FEW_STRUCTURES;
	Datum		values[2];
	const char *query;

	query = psprintf("SELECT %s d.structure_id FROM %s d "
					 "WHERE d.structure_id OPERATOR(pg_catalog.=) ANY ($1) "
					 "AND d.id OPERATOR(pg_catalog.<>) ALL ($2) %s",
					 few ? "" : "DISTINCT", query_relation(deletion->layout.data_sources),
					 few ? "LIMIT 1" : "");
	values[1] = id_list_array(&deletion->source_ids, INT4OID);
	for (int64 i = 0; i < (few ? n : 1); i++)
	{
		if (few)
		{
			StructureUse *use = intern_entry(deletion->structures, i);
			Datum		id = PointerGetDatum(cstring_to_text_with_len(use->id.text, use->id.length));

			values[0] = PointerGetDatum(construct_array(&id, 1, TEXTOID, -1, false, TYPALIGN_INT));
		}
		else
			values[0] = structure_array(deletion, true);
		if (SPI_execute_with_args(query, 2, types, values, NULL, false, 0) != SPI_OK_SELECT)
			elog(ERROR, "could not execute \"%s\"", query);
		for (uint64 k = 0; k < SPI_processed; k++)
		{
			bool		isnull;

			note_structure(deletion,
						   SPI_getbinval(SPI_tuptable->vals[k], SPI_tuptable->tupdesc, 1, &isnull),
						   0)->goes = false;
		}
		SPI_freetuptable(SPI_tuptable);
	}
}

/*
 * Locks the structures that the data sources use, and finds those that no
 * other one does.  With the rights of the tables' owner, as PostgreSQL has them
 * for a cascade.
 */
static void
collect_structures(Deletion *deletion)
{
	Oid			type = TEXTARRAYOID;
	Datum		ids;
	Relation	structures;
	QueryUser	before;
	const char *query;

	if (intern_count(deletion->structures) == 0)
		return;
	ids = structure_array(deletion, true);
	structures = table_open(deletion->layout.structures, RowExclusiveLock);
	query_become(RelationGetForm(structures)->relowner, &before);
	query = psprintf("SELECT s.id, s.ctid FROM %s s WHERE s.id OPERATOR(pg_catalog.=) ANY ($1) "
					 "ORDER BY s.id FOR UPDATE", query_relation(deletion->layout.structures));
	if (SPI_execute_with_args(query, 1, &type, &ids, NULL, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not execute \"%s\"", query);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		HeapTuple	row = SPI_tuptable->vals[i];
		TupleDesc	desc = SPI_tuptable->tupdesc;
		bool		isnull;
		StructureUse *use = note_structure(deletion, SPI_getbinval(row, desc, 1, &isnull), 0);

		use->goes = true;
		use->tid = *(ItemPointer) DatumGetPointer(SPI_getbinval(row, desc, 2, &isnull));
	}
	SPI_freetuptable(SPI_tuptable);
	keep_used_structures(deletion);
	query_return(&before);
	table_close(structures, NoLock);
}

/* What is_referred() looks for. */
typedef struct Referred
{
	const IdList *ids;			/* NULL: ids are no integers */
} Referred;

static bool
is_referred(Oid referrer, AttrNumber column, void *arg)
{
	const IdList *ids = ((Referred *) arg)->ids;
	Oid			type = INT4ARRAYOID;
	Relation	rel;
	QueryUser	before;
	Datum		array;
	const char *query;
	bool		found;

	if (ids == NULL)
		return true;
	rel = table_open(referrer, AccessShareLock);
	array = id_list_array(ids, INT4OID);
	query = psprintf("SELECT 1 FROM %s r WHERE r.%s OPERATOR(pg_catalog.=) ANY ($1) LIMIT 1",
					 query_relation(referrer), query_column(referrer, column));
	query_become(RelationGetForm(rel)->relowner, &before);
	if (SPI_execute_with_args(query, 1, &type, &array, NULL, false, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not execute \"%s\"", query);
	found = SPI_processed > 0;
	SPI_freetuptable(SPI_tuptable);
	query_return(&before);
	table_close(rel, NoLock);
	return found;
}

static bool
is_closure_trigger(const Trigger *trigger, void *arg)
{
	return closure_is_trigger(trigger);
}

static bool
may_remove(Oid table, bool as_owner, int n_referrers, const Oid *referrers, const IdList *ids)
{
	Referred	referred = {ids};
	RemoverTarget target = {
		.table = table,.as_owner = as_owner,
		.n_referrers = n_referrers,.referrers = referrers,
		.handles = is_closure_trigger,.is_referred = is_referred,.arg = &referred
	};

	return remover_refusal(&target) == NULL;
}

/*
 * Can all rows be deleted without firing triggers?
 */
static bool
may_remove_all(const Deletion *deletion)
{
	const TiledLayout *layout = &deletion->layout;
	Oid			of_nodes[] = {
		layout->nodes, layout->closure, layout->data_sources, layout->revisions, layout->node_tags
	};

	if (IsolationUsesXactSnapshot())
	{
		ereport(DEBUG1,
				(errmsg_internal("catreg: nodes are deleted by plain DELETE: the transaction has one snapshot for all its statements")));
		return false;
	}
	return may_remove(layout->nodes, false, lengthof(of_nodes), of_nodes, &deletion->node_ids) &&
		may_remove(layout->closure, true, 0, NULL, NULL) &&
		may_remove(layout->revisions, true, 0, NULL, NULL) &&
		(!OidIsValid(layout->node_tags) || may_remove(layout->node_tags, true, 0, NULL, NULL)) &&
		may_remove(layout->association, true, 0, NULL, NULL) &&
		may_remove(layout->data_sources, true, 1, &layout->association, &deletion->source_ids) &&
		may_remove(layout->assets, false, 1, &layout->association, &deletion->asset_ids) &&
		may_remove(layout->structures, false, 1, &layout->data_sources, NULL);
}

static void
remove_rows(Oid table, const char *column, const IdList *ids)
{
	Lookup		rows;

	if (!OidIsValid(table))
		return;
	lookup_begin(&rows, table, column);
	for (int64 i = 0; i < ids->n; i++)
	{
		key_scan_seek(rows.scan, ids->ids[i]);
		while (key_scan_next(rows.scan) != NULL)
			key_scan_delete(rows.scan);
	}
	lookup_end(&rows);
}

static void
remove_structures(Deletion *deletion)
{
	Relation	rel = table_open(deletion->layout.structures, RowExclusiveLock);
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());

	for (int64 i = 0; i < intern_count(deletion->structures); i++)
	{
		StructureUse *use = intern_entry(deletion->structures, i);

		if (use->goes)
			simple_table_tuple_delete(rel, &use->tid, snapshot);
	}
	UnregisterSnapshot(snapshot);
	table_close(rel, NoLock);
}

/*
 * Deletes without firing triggers, what refers before what is referred to.
 */
static void
remove_all(Deletion *deletion)
{
	const TiledLayout *layout = &deletion->layout;

	/* the client's statement may be inserting one of these very nodes */
	closure_set_disturbed();
	remove_rows(layout->association, "data_source_id", &deletion->source_ids);
	remove_rows(layout->node_tags, "node_id", &deletion->node_ids);
	remove_rows(layout->revisions, "node_id", &deletion->node_ids);
	remove_rows(layout->closure, "descendant", &deletion->node_ids);
	remove_rows(layout->closure, "ancestor", &deletion->node_ids);
	remove_rows(layout->data_sources, "id", &deletion->source_ids);
	remove_rows(layout->nodes, "id", &deletion->node_ids);
	remove_rows(layout->assets, "id", &deletion->asset_ids);
	remove_structures(deletion);
	CommandCounterIncrement();
}

static void
delete_rows(Oid table, Oid array_type, Datum ids)
{
	const char *query = psprintf("DELETE FROM %s t WHERE t.id OPERATOR(pg_catalog.=) ANY ($1)",
								 query_relation(table));

	if (SPI_execute_with_args(query, 1, &array_type, &ids, NULL, false, 0) != SPI_OK_DELETE)
		elog(ERROR, "could not execute \"%s\"", query);
}

/*
 * Deletes with all triggers; foreign keys take along what refers.
 */
static void
delete_all(Deletion *deletion)
{
	delete_rows(deletion->layout.nodes, INT4ARRAYOID,
				id_list_array(&deletion->node_ids, INT4OID));
	delete_rows(deletion->layout.assets, INT4ARRAYOID,
				id_list_array(&deletion->asset_ids, INT4OID));
	delete_rows(deletion->layout.structures, TEXTARRAYOID,
				structure_array(deletion, false));
}

static void
count_all(Deletion *deletion)
{
	gone_iterator scan;
	GoneEntry  *entry;

	gone_start_iterate(deletion->nodes, &scan);
	while ((entry = gone_iterate(deletion->nodes, &scan)) != NULL)
		deletion->counts[entry->path].nodes++;
	for (int64 i = 0; i < deletion->asset_ids.n; i++)
		deletion->counts[gone_lookup(deletion->assets, deletion->asset_ids.ids[i])->path].assets++;
	for (int64 i = 0; i < intern_count(deletion->structures); i++)
	{
		StructureUse *use = intern_entry(deletion->structures, i);

		if (use->goes)
			deletion->counts[use->path].structures++;
	}
}

static void
return_counts(Deletion *deletion, ReturnSetInfo *rsinfo)
{
	for (int i = 0; i < deletion->n_paths; i++)
	{
		Datum		values[4];
		bool		nulls[4] = {false};

		values[0] = CStringGetTextDatum(path_entry_path(deletion->paths[i]));
		values[1] = Int64GetDatum(deletion->counts[i].nodes);
		values[2] = Int64GetDatum(deletion->counts[i].assets);
		values[3] = Int64GetDatum(deletion->counts[i].structures);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
}

PG_FUNCTION_INFO_V1(delete_nodes);

/*
 * delete_nodes(paths, catalog) -> SETOF (path, nodes, assets, structures): a row
 * for each path, in their order.  What several paths cover counts once.  With
 * the caller's rights, like DELETE FROM nodes, assets and structures.
 */
Datum
delete_nodes(PG_FUNCTION_ARGS)
{
	ArrayType  *paths = PG_GETARG_ARRAYTYPE_P(0);
	Deletion   *deletion = palloc0(sizeof(Deletion));
	MemoryContext context = CurrentMemoryContext;

	PreventCommandIfReadOnly("delete_nodes()");
	InitMaterializedSRF(fcinfo, 0);
	tiled_layout(PG_GETARG_OID(1), &deletion->layout);
	deletion->external = tiled_enum_value(deletion->layout.management_type, "external");
	deletion->nodes = gone_create(context, 256, NULL);
	deletion->sources = gone_create(context, 256, NULL);
	deletion->assets = gone_create(context, 256, NULL);
	deletion->structures = intern_create(sizeof(StructureUse));
	id_list_init(&deletion->node_ids);
	id_list_init(&deletion->source_ids);
	id_list_init(&deletion->asset_ids);

	SPI_connect();
	MemoryContextSwitchTo(context);
	find_paths(deletion, paths);
	collect_nodes(deletion);
	collect_sources(deletion);
	collect_structures(deletion);
	collect_assets(deletion);
	if (may_remove_all(deletion))
		remove_all(deletion);
	else
		delete_all(deletion);
	count_all(deletion);
	return_counts(deletion, (ReturnSetInfo *) fcinfo->resultinfo);
	SPI_finish();
	return (Datum) 0;
}
