/*-------------------------------------------------------------------------
 *
 * src/tiled/store.c
 *	  Writes a batch whose references are resolved into the catalog's tables.
 *
 * The nodes above are locked already (lock_known_nodes()).  Structures come first,
 * then assets, then nodes, each in the order of its unique index: two sessions
 * that register the same ones wait for one another in the same order, and never
 * in a circle.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/pg_type.h"
#include "commands/sequence.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "closure/closure.h"
#include "core/ids.h"
#include "core/progress.h"
#include "core/query.h"
#include "core/writer.h"
#include "obscore/tiled.h"
#include "tiled/registration.h"
#include "tiled/tiled_triggers.h"

#define MAX_COLUMNS 8

/* A table being written: its columns are given by name. */
typedef struct Table
{
	Relation	rel;
	AttrNumber	columns[MAX_COLUMNS];
	Writer	   *writer;
} Table;

static void
table_begin(Registration *registration, Table *table, Oid relid, int n_columns, const char *const *names,
			int n_keys, const WriterKey *keys)
{
	WriterTarget target = {.n_columns = n_columns,.n_keys = n_keys,.keys = keys};

	table->rel = table_open(relid, RowExclusiveLock);
	for (int i = 0; i < n_columns; i++)
		table->columns[i] = get_attnum(relid, names[i]);
	target.rel = table->rel;
	target.columns = table->columns;
	target.in_order = true;
	target.handles = tiled_trigger_is_known;
	target.handles_arg = &registration->publish;
	table->writer = writer_begin(&target);
}

static void
table_end(Table *table)
{
	writer_end(table->writer);
	table_close(table->rel, NoLock);
}

static Datum
text_datum(const Interned *text)
{
	return PointerGetDatum(cstring_to_text_with_len(text->text, text->length));
}

static void
store_structures(Registration *registration)
{
	static const char *const names[] = {"id", "structure"};
	InternTable *structures = registration->sources.structures;
	Table		table;
	Datum		values[2];

	table_begin(registration, &table, registration->layout.structures, lengthof(names), names, 0, NULL);
	for (int64 i = 0; i < intern_count(structures); i++)
	{
		StructureEntry *entry = intern_entry(structures, i);

		if (!entry->reference.needed || entry->reference.known)
			continue;
		values[0] = text_datum(&entry->reference.text);
		values[1] = entry->structure;
		writer_put(table.writer, values, NULL);
		pfree(DatumGetPointer(values[0]));
	}
	table_end(&table);
}

static void
store_new_assets(Registration *registration)
{
	static const char *const names[] = {"id", "data_uri", "is_directory", "size"};
	InternTable *assets = registration->sources.assets;
	Table		table;
	Datum		values[4];
	bool		nulls[4] = {false};

	table_begin(registration, &table, registration->layout.assets, lengthof(names), names, 0, NULL);
	for (int64 i = 0; i < intern_count(assets); i++)
	{
		AssetEntry *entry = intern_entry(assets, i);

		if (!entry->reference.needed || entry->reference.known)
			continue;
		entry->reference.id = nextval_internal(registration->layout.assets_sequence, true);
		values[0] = Int32GetDatum((int32) entry->reference.id);
		values[1] = text_datum(&entry->reference.text);
		values[2] = BoolGetDatum(entry->is_directory);
		values[3] = Int64GetDatum(entry->size);
		nulls[3] = !entry->has_size;
		writer_put(table.writer, values, nulls);
		pfree(DatumGetPointer(values[1]));
	}
	table_end(&table);
}

/*
 * Gives assets that were there their new size, where one is given and differs,
 * as Tiled does (adapter.py, _put_asset()).
 */
static void
update_asset_sizes(Registration *registration)
{
	InternTable *assets = registration->sources.assets;
	int64		n = intern_count(assets);
	Datum	   *ids = palloc(sizeof(Datum) * (n + 1));
	Datum	   *sizes = palloc(sizeof(Datum) * (n + 1));
	Oid			types[2] = {INT4ARRAYOID, INT8ARRAYOID};
	Datum		values[2];
	int			n_changed = 0;
	char	   *query;

	for (int64 i = 0; i < n; i++)
	{
		AssetEntry *entry = intern_entry(assets, i);

		if (!entry->reference.needed || !entry->reference.known || !entry->has_size ||
			(entry->has_old_size && entry->old_size == entry->size))
			continue;
		ids[n_changed] = Int32GetDatum((int32) entry->reference.id);
		sizes[n_changed++] = Int64GetDatum(entry->size);
	}
	if (n_changed == 0)
		return;

	values[0] = PointerGetDatum(construct_array(ids, n_changed, INT4OID, sizeof(int32), true, TYPALIGN_INT));
	values[1] = PointerGetDatum(construct_array(sizes, n_changed, INT8OID, sizeof(int64), true, TYPALIGN_DOUBLE));
	/* locked in the order of ids, so that two sessions do not wait in a circle */
	query = psprintf("WITH locked AS MATERIALIZED (SELECT a.id FROM %s a WHERE a.id OPERATOR(pg_catalog.=) ANY ($1) "
					 "ORDER BY a.id FOR NO KEY UPDATE) "
					 "UPDATE %s a SET size = w.size, time_updated = pg_catalog.now() "
					 "FROM locked l, ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2)) w (id, size) "
					 "WHERE l.id OPERATOR(pg_catalog.=) w.id AND a.id OPERATOR(pg_catalog.=) w.id",
					 query_relation(registration->layout.assets),
					 query_relation(registration->layout.assets));
	if (SPI_execute_with_args(query, 2, types, values, NULL, false, 0) != SPI_OK_UPDATE)
		elog(ERROR, "could not execute \"%s\"", query);
}

/*
 * The columns of a row that batch_read() has stored.
 */
static void
next_stored(Registration *registration, TupleTableSlot *slot)
{
	if (!tuplestore_gettupleslot(registration->store, true, false, slot))
		elog(ERROR, "the stored batch is too short");
	slot_getallattrs(slot);
}

static Datum
empty_jsonb(const char *text)
{
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(text));
}

/*
 * Keeps the closure, which the fast way of writing nodes leaves out.
 */
static void
store_closure(Registration *registration, NewNodes *new_nodes)
{
	const Closure *found = closure_get(registration->layout.nodes, true);
	QueryUser	before;
	Closure		closure;

	if (found == NULL)
		return;
	closure = *found;
	query_become(closure_owner(&closure), &before);
	closure_insert(&closure, new_nodes);
	query_return(&before);
}

static void
store_nodes(Registration *registration)
{
	static const char *const names[] = {
		"id", "parent", "key", "structure_family", "metadata", "specs", "access_blob"
	};
	Oid			nodes = registration->layout.nodes;
	WriterKey	key = {get_attnum(nodes, "parent"), nodes};
	TupleTableSlot *slot = MakeSingleTupleTableSlot(registration->store_desc, &TTSOpsMinimalTuple);
	Datum		no_metadata = empty_jsonb("{}");
	Datum		no_specs = empty_jsonb("[]");
	Table		table;
	NewNodes	new_nodes;
	Datum		values[7];
	bool		fast;

	table_begin(registration, &table, nodes, registration->layout.has_access_blob ? 7 : 6, names, 1, &key);
	fast = writer_is_fast(table.writer);
	new_nodes_init(&new_nodes);
	tuplestore_rescan(registration->store);
	for (int64 i = 0; i < registration->n_rows; i++)
	{
		BatchRow   *row = &registration->rows[i];
		PathEntry  *entry = row->entry;

		next_stored(registration, slot);
		if (row->status != NODE_INSERTED)
			continue;
		values[0] = Int32GetDatum((int32) entry->id);
		values[1] = Int32GetDatum((int32) entry->parent->id);
		values[2] = PointerGetDatum(cstring_to_text_with_len(entry->key, entry->key_length));
		values[3] = ObjectIdGetDatum(row->family);
		values[4] = slot->tts_isnull[BATCH_METADATA] ? no_metadata : slot->tts_values[BATCH_METADATA];
		values[5] = slot->tts_isnull[BATCH_SPECS] ? no_specs : slot->tts_values[BATCH_SPECS];
		values[6] = slot->tts_isnull[BATCH_ACCESS_BLOB] ? no_metadata : slot->tts_values[BATCH_ACCESS_BLOB];
		writer_put(table.writer, values, NULL);
		pfree(DatumGetPointer(values[2]));
		new_nodes_add(&new_nodes, entry->id, entry->parent->id, false);
	}
	writer_end(table.writer);
	if (fast)
		store_closure(registration, &new_nodes);
	table_close(table.rel, NoLock);
	ExecDropSingleTupleTableSlot(slot);
}

/*
 * Writes the data sources of the new nodes; their ids follow one another in
 * ids.
 */
static void
store_data_sources(Registration *registration, int64 *ids)
{
	static const char *const names[] = {
		"id", "node_id", "structure_id", "mimetype", "parameters", "properties",
		"management", "structure_family"
	};
	Oid			relid = registration->layout.data_sources;
	WriterKey	keys[2] = {
		{get_attnum(relid, "node_id"), registration->layout.nodes},
		{get_attnum(relid, "structure_id"), registration->layout.structures}
	};
	DataSource *source = registration->sources.sources;
	Table		table;
	Datum		values[8];
	bool		nulls[8] = {false};

	table_begin(registration, &table, relid, lengthof(names), names, 2, keys);
	for (int64 i = 0; i < registration->n_rows; i++)
	{
		BatchRow   *row = &registration->rows[i];

		if (row->status != NODE_INSERTED)
		{
			source += row->n_sources;
			continue;
		}
		for (int s = 0; s < row->n_sources; s++, source++)
		{
			int64		id = nextval_internal(registration->layout.data_sources_sequence, true);

			ids[source - registration->sources.sources] = id;
			values[0] = Int32GetDatum((int32) id);
			values[1] = Int32GetDatum((int32) row->entry->id);
			nulls[2] = (source->structure == NULL);
			values[2] = nulls[2] ? (Datum) 0 : text_datum(&source->structure->reference.text);
			values[3] = source->mimetype->value;
			values[4] = source->parameters->value;
			values[5] = source->properties->value;
			values[6] = ObjectIdGetDatum(source->management);
			values[7] = ObjectIdGetDatum(source->family);
			writer_put(table.writer, values, nulls);
			if (!nulls[2])
				pfree(DatumGetPointer(values[2]));
		}
	}
	table_end(&table);
}

static void
store_associations(Registration *registration, const int64 *source_ids)
{
	static const char *const names[] = {"data_source_id", "asset_id", "parameter", "num"};
	Oid			relid = registration->layout.association;
	WriterKey	keys[2] = {
		{get_attnum(relid, "data_source_id"), registration->layout.data_sources},
		{get_attnum(relid, "asset_id"), registration->layout.assets}
	};
	DataSources *sources = &registration->sources;
	int64		source = 0;
	AssetUse   *use = sources->uses;
	Table		table;
	Datum		values[4];
	bool		nulls[4] = {false};

	table_begin(registration, &table, relid, lengthof(names), names, 2, keys);
	for (int64 i = 0; i < registration->n_rows; i++)
	{
		BatchRow   *row = &registration->rows[i];

		for (int s = 0; s < row->n_sources; s++, source++)
		{
			for (int u = 0; u < sources->sources[source].n_assets; u++, use++)
			{
				if (row->status != NODE_INSERTED)
					continue;
				values[0] = Int32GetDatum((int32) source_ids[source]);
				values[1] = Int32GetDatum((int32) use->asset->reference.id);
				nulls[2] = (use->parameter == NULL);
				values[2] = nulls[2] ? (Datum) 0 : use->parameter->value;
				nulls[3] = !use->has_num;
				values[3] = Int32GetDatum(use->num);
				writer_put(table.writer, values, nulls);
			}
		}
	}
	table_end(&table);
}

static void
store_tags(Registration *registration)
{
	static const char *const names[] = {"node_id", "tag_id", "parent_id"};
	Oid			relid = registration->layout.node_tags;
	int64		tag = 0;
	WriterKey	keys[2];
	Table		table;
	Datum		values[3];

	if (registration->n_row_tags == 0)
		return;
	keys[0].column = get_attnum(relid, "node_id");
	keys[0].references = registration->layout.nodes;
	keys[1].column = get_attnum(relid, "tag_id");
	keys[1].references = registration->layout.access_tags;
	table_begin(registration, &table, relid, registration->layout.node_tags_have_parent ? 3 : 2, names, 2, keys);
	for (int64 i = 0; i < registration->n_rows; i++)
	{
		BatchRow   *row = &registration->rows[i];

		for (int t = 0; t < row->n_tags; t++, tag++)
		{
			if (row->status != NODE_INSERTED)
				continue;
			values[0] = Int32GetDatum((int32) row->entry->id);
			values[1] = Int32GetDatum((int32) registration->row_tags[tag]->id);
			values[2] = Int32GetDatum((int32) row->entry->parent->id);
			writer_put(table.writer, values, NULL);
		}
	}
	table_end(&table);
}

/*
 * Replaces metadata and specs of the nodes that were there, where they are
 * given, and keeps the old ones as a revision (adapter.py,
 * replace_metadata()).
 */
static void
replace_nodes(Registration *registration)
{
	const TiledLayout *layout = &registration->layout;
	const char *nodes = query_relation(layout->nodes);
	const char *blob = layout->has_access_blob ? ", access_blob" : "";
	TupleDesc	desc = CreateTemplateTupleDesc(3);
	Tuplestorestate *store = tuplestore_begin_heap(false, false, work_mem);
	TupleTableSlot *slot = MakeSingleTupleTableSlot(registration->store_desc, &TTSOpsMinimalTuple);
	int64		n_replaced = 0;

	TupleDescInitEntry(desc, 1, "node_id", INT4OID, -1, 0);
	TupleDescInitEntry(desc, 2, "metadata", JSONBOID, -1, 0);
	TupleDescInitEntry(desc, 3, "specs", JSONBOID, -1, 0);
	tuplestore_rescan(registration->store);
	for (int64 i = 0; i < registration->n_rows; i++)
	{
		Datum		values[3];
		bool		nulls[3] = {false};

		next_stored(registration, slot);
		if (registration->rows[i].status != NODE_REPLACED)
			continue;
		values[0] = Int32GetDatum((int32) registration->rows[i].entry->id);
		values[1] = slot->tts_values[BATCH_METADATA];
		nulls[1] = slot->tts_isnull[BATCH_METADATA];
		values[2] = slot->tts_values[BATCH_SPECS];
		nulls[2] = slot->tts_isnull[BATCH_SPECS];
		tuplestore_putvalues(store, desc, values, nulls);
		n_replaced++;
	}
	ExecDropSingleTupleTableSlot(slot);

	if (n_replaced > 0)
	{
		query_register_rows("catreg_replaced", desc, store, n_replaced);
		/* locked already; an error here if the snapshot is from before a change */
		query_execute(psprintf("SELECT n.id FROM %s n JOIN catreg_replaced r ON r.node_id OPERATOR(pg_catalog.=) n.id "
							   "ORDER BY n.id FOR NO KEY UPDATE OF n", nodes));
		query_execute(psprintf("INSERT INTO %s (node_id, revision_number, metadata, specs%s) "
							   "SELECT n.id, 1 OPERATOR(pg_catalog.+) coalesce((SELECT pg_catalog.max(v.revision_number) "
							   "FROM %s v WHERE v.node_id OPERATOR(pg_catalog.=) n.id), 0), n.metadata, n.specs%s "
							   "FROM %s n JOIN catreg_replaced r ON r.node_id OPERATOR(pg_catalog.=) n.id",
							   query_relation(layout->revisions), blob,
							   query_relation(layout->revisions), blob, nodes));
		query_execute(psprintf("UPDATE %s n SET metadata = coalesce(r.metadata, n.metadata), "
							   "specs = coalesce(r.specs, n.specs), time_updated = pg_catalog.now() "
							   "FROM catreg_replaced r WHERE r.node_id OPERATOR(pg_catalog.=) n.id", nodes));
		SPI_unregister_relation("catreg_replaced");
	}
	tuplestore_end(store);
}

/*
 * Has the rows of ObsCore tables made, each once, now that all that they are made
 * of is there.
 */
static void
publish_nodes(Registration *registration)
{
	InternTable *entries = registration->sources.assets;
	IdList		nodes;
	IdList		containers;
	IdList		assets;
	ObscoreRegistered registered = {.nodes_table = registration->layout.nodes};

	id_list_init(&nodes);
	id_list_init(&containers);
	id_list_init(&assets);
	for (int64 i = 0; i < registration->n_rows; i++)
	{
		const PathEntry *entry = registration->rows[i].entry;

		if (registration->rows[i].status != NODE_INSERTED)
			continue;
		id_list_add(&nodes, entry->id);

		/* siblings mostly come together */
		if (entry->parent->known && (containers.n == 0 || containers.ids[containers.n - 1] != entry->parent->id))
			id_list_add(&containers, entry->parent->id);
	}
	if (nodes.n == 0)
		return;
	for (int64 i = 0; i < intern_count(entries); i++)
	{
		const AssetEntry *entry = intern_entry(entries, i);

		if (entry->reference.needed && entry->reference.known)
			id_list_add(&assets, entry->reference.id);
	}
	registered.nodes = id_list_array(&nodes, INT4OID);
	registered.containers = id_list_array(&containers, INT4OID);
	registered.assets = id_list_array(&assets, INT4OID);
	obscore_nodes_registered(&registered);
}

/*
 * Numbers the new nodes, in the order of the batch.
 */
static void
number_nodes(Registration *registration)
{
	for (int64 i = 0; i < registration->n_rows; i++)
		if (registration->rows[i].status == NODE_INSERTED)
		{
			CHECK_FOR_INTERRUPTS();
			registration->rows[i].entry->id =
				nextval_internal(registration->layout.nodes_sequence, true);
		}
}

/*
 * Writes the batch.  SPI must be connected.
 */
void
store_batch(Registration *registration)
{
	int64	   *source_ids = palloc_extended(sizeof(int64) * (registration->sources.n_sources + 1),
											 MCXT_ALLOC_HUGE);
	bool		progress = progress_begin(registration->layout.nodes);

	registration->publish = false;
	store_structures(registration);
	store_new_assets(registration);
	update_asset_sizes(registration);
	number_nodes(registration);
	store_nodes(registration);
	store_data_sources(registration, source_ids);
	store_associations(registration, source_ids);
	store_tags(registration);
	if (registration->publish)
		publish_nodes(registration);
	if (registration->on_conflict == ON_CONFLICT_REPLACE)
		replace_nodes(registration);
	progress_end(progress);
	pfree(source_ids);
}
