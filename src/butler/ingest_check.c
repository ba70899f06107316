/*-------------------------------------------------------------------------
 *
 * src/butler/ingest_check.c
 *	  What a registry says about the data ids and dataset ids of a batch.
 *
 * All is read as of this moment, at every isolation level: what is committed by
 * others, and what this transaction has done.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"

#include "core/query.h"
#include "butler/ingest.h"
#include "butler/select.h"

#define KEYS_NAME "catreg_keys"

/* A run of more than so many times the batch's datasets is not read as a whole. */
#define LARGER_RUN 4

/* Which records one dimension of the data ids needs. */
typedef struct DimensionKeys
{
	const DimensionElement *element;
	Oid			table;
	int			n;
	int			places[MAX_DIMENSIONS]; /* of the columns among the dimensions */
	const char *columns[MAX_DIMENSIONS];	/* of the table, quoted */
	KeySet	   *keys;
} DimensionKeys;

static int
place_of(const Dimensions *dimensions, const char *name)
{
	for (int i = 0; i < dimensions->n; i++)
		if (strcmp(dimensions->names[i], name) == 0)
			return i;
	return -1;
}

/*
 * Prepares to look up a dimension's records.  false: it has none, a pixel of the
 * sky for one.
 */
static bool
init_keys(DimensionKeys *keys, const Ingest *ingest, const char *name)
{
	const DimensionElement *element = universe_element(ingest->registry->universe, name);
	Oid			types[MAX_DIMENSIONS];
	ListCell   *cell;

	memset(keys, 0, sizeof(DimensionKeys));
	if (element == NULL)
		return false;
	keys->element = element;
	keys->table = registry_table(ingest->registry, element->view_of != NULL ? element->view_of : name);
	if (!OidIsValid(keys->table))
		return false;
	foreach(cell, element->required)
	{
		const char *required = lfirst(cell);
		bool		own = strcmp(required, name) == 0 && element->view_of == NULL;

		keys->places[keys->n] = place_of(&ingest->dimensions, required);
		if (keys->places[keys->n] < 0)
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("dataset type \"%s\" has dimension \"%s\", but not \"%s\", which that requires",
							ingest->type->name, name, required)));
		types[keys->n] = ingest->dimensions.types[keys->places[keys->n]];
		keys->columns[keys->n++] = quote_identifier(own ? element->key : required);
	}
	keys->keys = key_set_create(keys->n, types);
	return true;
}

/* The number of the key that a data id has. */
static int64
add_key(DimensionKeys *keys, const Datum *data_id)
{
	Datum		key[MAX_DIMENSIONS];
	bool		found;

	for (int i = 0; i < keys->n; i++)
		key[i] = data_id[keys->places[i]];
	return key_set_add(keys->keys, key, &found);
}

static void
report_missing(const Ingest *ingest, DimensionKeys *keys, int64 missing)
{
	for (int64 i = 0; i < key_set_count(ingest->data_ids); i++)
	{
		Datum		data_id[MAX_DIMENSIONS];

		key_set_get(ingest->data_ids, i, data_id);
		if (add_key(keys, data_id) == missing)
			ereport(ERROR,
					(errcode(ERRCODE_FOREIGN_KEY_VIOLATION),
					 errmsg("dimension \"%s\" has no record for data id %s", keys->element->name,
							data_id_text(&ingest->dimensions, data_id)),
					 errdetail("A dataset \"%s\" needs it in table %s.", ingest->type->name,
							   query_relation(keys->table)),
					 errhint("Insert the dimension's records first.")));
	}
	elog(ERROR, "a key of dimension \"%s\" is of no data id", keys->element->name);
}

static char *
key_condition(const DimensionKeys *keys)
{
	StringInfoData text;

	initStringInfo(&text);
	for (int i = 0; i < keys->n; i++)
		appendStringInfo(&text, "%sx.%s OPERATOR(pg_catalog.=) k.c%d", i > 0 ? " AND " : "",
						 keys->columns[i], i + 1);
	return text.data;
}

static int64
select_number(const char *text)
{
	int64		number;

	bulk_look_up(text, 0, NULL, NULL);
	number = DatumGetInt64(selected_datum(0, 1));
	SPI_freetuptable(SPI_tuptable);
	return number;
}

/*
 * How many of the keys have a record.  The records are locked, as a foreign key
 * to them would do it, and with the rights that it would have; what is but a column
 * of a table is read with the caller's.
 */
static int64
count_records(const DimensionKeys *keys)
{
	const char *condition = key_condition(keys);
	const char *table = query_relation(keys->table);
	Relation	rel;
	QueryUser	before;
	int64		n;

	if (keys->element->view_of != NULL)
		return select_number(psprintf("SELECT pg_catalog.count(*) FROM " KEYS_NAME " k WHERE EXISTS (SELECT FROM %s x WHERE %s)",
									  table, condition));
	query_lock_table(keys->table, RowShareLock);
	rel = table_open(keys->table, NoLock);
	query_become(RelationGetForm(rel)->relowner, &before);
	n = select_number(psprintf("SELECT pg_catalog.count(*) FROM (SELECT 1 FROM " KEYS_NAME " k, %s x WHERE %s FOR KEY SHARE OF x) locked",
							   table, condition));
	query_return(&before);
	table_close(rel, NoLock);
	return n;
}

static void
check_dimension(Ingest *ingest, DimensionKeys *keys)
{
	Datum		data_id[MAX_DIMENSIONS];

	for (int64 i = 0; i < key_set_count(ingest->data_ids); i++)
	{
		CHECK_FOR_INTERRUPTS();
		key_set_get(ingest->data_ids, i, data_id);
		(void) add_key(keys, data_id);
	}
	key_set_register(keys->keys, KEYS_NAME);
	if (count_records(keys) != key_set_count(keys->keys))
		report_missing(ingest, keys,
					   select_number(psprintf("SELECT pg_catalog.min(k.n) FROM " KEYS_NAME " k WHERE NOT EXISTS (SELECT FROM %s x WHERE %s)",
											  query_relation(keys->table), key_condition(keys))));
	key_set_unregister(keys->keys, KEYS_NAME);
}

/*
 * Checks that the values of a dimension of pixels are pixels.
 */
static void
check_pixels(const Ingest *ingest, int place)
{
	const char *name = ingest->dimensions.names[place];
	Datum		data_id[MAX_DIMENSIONS];
	int64		first;
	int64		end;

	if (ingest->dimensions.types[place] != INT8OID ||
		!universe_pixels(ingest->registry->universe, name, &first, &end))
		return;
	for (int64 i = 0; i < key_set_count(ingest->data_ids); i++)
	{
		int64		pixel;

		CHECK_FOR_INTERRUPTS();
		key_set_get(ingest->data_ids, i, data_id);
		pixel = DatumGetInt64(data_id[place]);
		if (pixel < first || pixel >= end)
			ereport(ERROR,
					(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					 errmsg("dimension \"%s\" has no pixel " INT64_FORMAT, name, pixel),
					 errdetail("Its pixels are " INT64_FORMAT " to " INT64_FORMAT ". The data id is %s.",
							   first, end - 1, data_id_text(&ingest->dimensions, data_id))));
	}
}

/*
 * Checks that each data id has its dimensions' records, and keeps them from being
 * removed.
 *
 * Errors: foreign_key_violation; numeric_value_out_of_range for a pixel.
 */
void
ingest_check_data_ids(Ingest *ingest)
{
	for (int i = 0; i < ingest->dimensions.n; i++)
	{
		DimensionKeys keys;

		if (init_keys(&keys, ingest, ingest->dimensions.names[i]))
			check_dimension(ingest, &keys);
		else
			check_pixels(ingest, i);
	}
}

static char *
tag_condition(const Ingest *ingest)
{
	StringInfoData text;

	initStringInfo(&text);
	for (int i = 0; i < ingest->dimensions.n; i++)
		appendStringInfo(&text, " AND t.%s OPERATOR(pg_catalog.=) k.c%d",
						 quote_identifier(ingest->dimensions.names[i]), i + 1);
	return text.data;
}

/* How many datasets of the type the run has, up to a limit. */
static int64
count_tagged(const Ingest *ingest, int64 limit, Oid *types, Datum *values)
{
	int64		n;

	bulk_look_up(psprintf("SELECT pg_catalog.count(*) FROM (SELECT FROM %s t WHERE t.dataset_type_id OPERATOR(pg_catalog.=) $1 "
						  "AND t.%s OPERATOR(pg_catalog.=) $2 LIMIT " INT64_FORMAT ") x",
						  query_relation(ingest->type->tags), ingest->registry->tag_key, limit),
				 2, types, values);
	n = DatumGetInt64(selected_datum(0, 1));
	SPI_freetuptable(SPI_tuptable);
	return n;
}

/*
 * Selects (number, dataset id) of the data ids that the run has already.  A run
 * that is not much larger than the batch is read at once, and each data id looked
 * up otherwise.
 */
static uint64
select_tagged(Ingest *ingest)
{
	Oid			types[2] = {INT8OID, ingest->registry->collection_type};
	Datum		values[2] = {Int64GetDatum(ingest->type->id), ingest->run.key};
	int64		limit = LARGER_RUN * key_set_count(ingest->data_ids) + 1;
	int64		n_tagged = count_tagged(ingest, limit, types, values);
	bool		at_once = n_tagged < limit;
	int			level;
	uint64		n;

	/* a new run is common, and has none */
	if (n_tagged == 0)
		return 0;
	key_set_register(ingest->data_ids, KEYS_NAME);
	level = NewGUCNestLevel();
	if (at_once)
		query_set("enable_nestloop", "off");
	n = bulk_look_up(psprintf("SELECT k.n, t.dataset_id FROM %s k JOIN %s t ON t.dataset_type_id OPERATOR(pg_catalog.=) %s "
							  "AND t.%s OPERATOR(pg_catalog.=) %s%s",
							  at_once ? KEYS_NAME : WITH_PARAMETERS(KEYS_NAME), query_relation(ingest->type->tags),
							  at_once ? "$1" : "k.p1", ingest->registry->tag_key, at_once ? "$2" : "k.p2",
							  tag_condition(ingest)),
					 2, types, values);
	query_settings_back(level);
	key_set_unregister(ingest->data_ids, KEYS_NAME);
	return n;
}

/* The selected data ids with their datasets, for an error's detail. */
static char *
list_selected(const Ingest *ingest, uint64 n)
{
	StringInfoData text;

	initStringInfo(&text);
	for (uint64 i = 0; i < n && i < NAMED_IN_ERROR; i++)
	{
		Datum		data_id[MAX_DIMENSIONS];

		key_set_get(ingest->data_ids, DatumGetInt64(selected_datum(i, 1)), data_id);
		appendStringInfo(&text, "%s%s is dataset %s", i > 0 ? "; " : "",
						 data_id_text(&ingest->dimensions, data_id), selected_text(i, 2));
	}
	if (n > NAMED_IN_ERROR)
		appendStringInfo(&text, "; and " UINT64_FORMAT " more", n - NAMED_IN_ERROR);
	appendStringInfoChar(&text, '.');
	return text.data;
}

static void
set_existing(Ingest *ingest, IngestDataset *dataset, const pg_uuid_t *id)
{
	dataset->id = *id;
	dataset->status = INGEST_EXISTING;
	if (ingest->on_conflict == ON_CONFLICT_IGNORE)
		return;
	if (memcmp(id, &dataset->own_id, UUID_LEN) != 0)
	{
		dataset->replaced = *id;
		dataset->id = dataset->own_id;
		dataset->status = INGEST_REPLACED;
		ingest->n_replaced++;
	}
	else if (ingest->has_files)
	{
		dataset->status = INGEST_REWRITTEN;
		ingest->n_rewritten++;
	}
}

/* Ids that the registry could have are of version 5, or given. */
static KeySet *
doubtful_ids(const Ingest *ingest)
{
	Oid			types[2] = {UUIDOID, INT8OID};
	KeySet	   *ids = key_set_create(2, types);

	for (int64 i = 0; i < key_set_count(ingest->data_ids); i++)
	{
		IngestDataset *dataset = &ingest->datasets[i];
		Datum		key[2] = {UUIDPGetDatum(&dataset->own_id), Int64GetDatum(i)};
		bool		found;

		if (!dataset->fresh && (dataset->status == INGEST_NEW || dataset->status == INGEST_REPLACED))
			(void) key_set_add(ids, key, &found);
	}
	return ids;
}

/*
 * Error: unique_violation if a dataset that is to be written has an id that is
 * another's.  object_in_use if its id waits in the trash: the files that are
 * removed with it would be the new ones.
 */
static void
check_ids(Ingest *ingest)
{
	KeySet	   *ids = doubtful_ids(ingest);
	Datum		data_id[MAX_DIMENSIONS];

	if (key_set_count(ids) == 0)
		return;
	key_set_register(ids, KEYS_NAME);
	if (bulk_look_up(psprintf("SELECT k.c2, d.id, t.name::pg_catalog.text, r.name::pg_catalog.text FROM " KEYS_NAME " k "
							  "JOIN %s.dataset d ON d.id OPERATOR(pg_catalog.=) k.c1 "
							  "JOIN %s.dataset_type t ON t.id OPERATOR(pg_catalog.=) d.dataset_type_id "
							  "JOIN %s.collection r ON r.%s OPERATOR(pg_catalog.=) d.%s LIMIT 1",
							  ingest->registry->schema, ingest->registry->schema, ingest->registry->schema,
							  ingest->registry->collection_key, ingest->registry->run_key),
					 0, NULL, NULL) > 0)
	{
		key_set_get(ingest->data_ids, DatumGetInt64(selected_datum(0, 1)), data_id);
		ereport(ERROR,
				(errcode(ERRCODE_UNIQUE_VIOLATION),
				 errmsg("dataset id %s, for data id %s, is another dataset's already", selected_text(0, 2),
						data_id_text(&ingest->dimensions, data_id)),
				 errdetail("It is a dataset of type \"%s\" in run \"%s\".", selected_text(0, 3), selected_text(0, 4))));
	}
	SPI_freetuptable(SPI_tuptable);
	if (ingest->has_files &&
		bulk_look_up(psprintf("SELECT k.c2, w.dataset_id FROM " KEYS_NAME " k JOIN %s w "
							  "ON w.dataset_id OPERATOR(pg_catalog.=) k.c1 LIMIT 1", query_relation(ingest->trash)),
					 0, NULL, NULL) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("dataset id %s is still in the trash", selected_text(0, 2)),
				 errdetail("Emptying the trash would remove the new dataset's files."),
				 errhint("Have a Butler client empty the trash first.")));
	key_set_unregister(ids, KEYS_NAME);
}

/*
 * Finds what the run has already, and sets each dataset's id and status.
 *
 * Error: unique_violation, naming data ids and datasets, where that is a
 * conflict.
 */
void
ingest_find_existing(Ingest *ingest)
{
	int64		n_datasets = key_set_count(ingest->data_ids);
	uint64		n;

	ingest->n_replaced = ingest->n_rewritten = 0;
	for (int64 i = 0; i < n_datasets; i++)
	{
		ingest->datasets[i].id = ingest->datasets[i].own_id;
		ingest->datasets[i].status = INGEST_NEW;
	}
	n = select_tagged(ingest);
	if (n > 0 && ingest->on_conflict == ON_CONFLICT_ERROR)
		ereport(ERROR,
				(errcode(ERRCODE_UNIQUE_VIOLATION),
				 errmsg(UINT64_FORMAT " of the batch's datasets \"%s\" exist already in run \"%s\"",
						n, ingest->type->name, ingest->run_name),
				 errdetail("%s", list_selected(ingest, n)),
				 errhint("on_conflict can also be \"ignore\" or \"replace\".")));
	for (uint64 i = 0; i < n; i++)
	{
		bool		isnull;
		Datum		number = SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &isnull);
		Datum		id = SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 2, &isnull);

		set_existing(ingest, &ingest->datasets[DatumGetInt64(number)], DatumGetUUIDP(id));
	}
	if (n > 0)
		SPI_freetuptable(SPI_tuptable);
	ingest->n_new = n_datasets - (int64) n;
	check_ids(ingest);
}
