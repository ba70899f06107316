/*-------------------------------------------------------------------------
 *
 * src/butler/associate.c
 *	  associate_datasets and disassociate_datasets: a batch of datasets and a
 *	  TAGGED collection.
 *
 * A dataset's data id is that of its tag in its run.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "tcop/utility.h"
#include "utils/builtins.h"

#include "core/on_conflict.h"
#include "core/query.h"
#include "butler/bulk.h"
#include "butler/select.h"

#define OTHERS_NAME "catreg_others"

/* Columns of the query for the datasets of a type; the dimensions follow. */
enum
{
	FOUND_NUMBER = 1,
	FOUND_ID,
	FOUND_OTHER,				/* that has the data id in the collection */
	FOUND_DIMENSIONS
};

typedef struct Association
{
	Members		members;
	const char *collection;
	OnConflict	on_conflict;
} Association;

/*
 * Writes the query for the datasets of a type, in the order of their data ids.
 */
static void
write_query(StringInfo text, const Association *association, const DatasetType *type,
			const Dimensions *dimensions)
{
	const Registry *registry = association->members.registry;
	const char *tags = query_relation(type->tags);

	appendStringInfoString(text, "SELECT t.n, t.c1, x.dataset_id");
	for (int i = 0; i < dimensions->n; i++)
		appendStringInfo(text, ", t.%s::%s", quote_identifier(dimensions->names[i]),
						 format_type_be_qualified(dimensions->types[i]));
	appendStringInfoString(text, " FROM (SELECT d.n, d.c1, d.p1, d.p2");
	for (int i = 0; i < dimensions->n; i++)
		appendStringInfo(text, ", t.%s", quote_identifier(dimensions->names[i]));
	appendStringInfo(text, " FROM (SELECT k.*, d.%s AS run FROM " WITH_PARAMETERS(MEMBERS_NAME) " k "
					 "JOIN %s.dataset d ON d.id OPERATOR(pg_catalog.=) k.c1 AND d.dataset_type_id OPERATOR(pg_catalog.=) k.p1 OFFSET 0) d "
					 "JOIN %s t ON t.dataset_id OPERATOR(pg_catalog.=) d.c1 AND t.%s OPERATOR(pg_catalog.=) d.run OFFSET 0) t "
					 "LEFT JOIN %s x ON x.dataset_type_id OPERATOR(pg_catalog.=) t.p1 AND x.%s OPERATOR(pg_catalog.=) t.p2",
					 registry->run_key, registry->schema, tags, registry->tag_key, tags, registry->tag_key);
	for (int i = 0; i < dimensions->n; i++)
	{
		const char *name = quote_identifier(dimensions->names[i]);

		appendStringInfo(text, " AND x.%s OPERATOR(pg_catalog.=) t.%s", name, name);
	}
	appendStringInfoString(text, " ORDER BY t.n");
}

/* A row of the query.  values: the dimensions. */
static int64
get_found(SPITupleTable *rows, uint64 row, const Dimensions *dimensions, pg_uuid_t **other, Datum *values)
{
	HeapTuple	tuple = rows->vals[row];
	TupleDesc	desc = rows->tupdesc;
	bool		isnull;
	Datum		id = SPI_getbinval(tuple, desc, FOUND_OTHER, &isnull);

	*other = isnull ? NULL : DatumGetUUIDP(id);
	for (int i = 0; i < dimensions->n; i++)
		values[i] = SPI_getbinval(tuple, desc, FOUND_DIMENSIONS + i, &isnull);
	return DatumGetInt64(SPI_getbinval(tuple, desc, FOUND_NUMBER, &isnull));
}

static void
report_conflict(const Association *association, const DatasetType *type, const Dimensions *dimensions,
				const Datum *values, const Member *member, const pg_uuid_t *other, bool in_batch)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNIQUE_VIOLATION),
			 errmsg("dataset %s cannot be associated with collection \"%s\": another one of its type has its data id",
					uuid_text(&member->id), association->members.collection.name),
			 errdetail(in_batch ? "Dataset %s of the batch is \"%s\" %s, too." : "Dataset %s in the collection is \"%s\" %s, too.",
					   uuid_text(other), type->name, data_id_text(dimensions, values)),
			 in_batch ? 0 : errhint("on_conflict can also be \"ignore\" or \"replace\".")));
}

/*
 * Locks the collection's tags of some datasets, whose ids are in column c1 of ids:
 * in one order, so that two sessions do not wait in a circle.
 */
static void
lock_tags(const Members *members, const DatasetType *type, const char *ids)
{
	Oid			key_type = members->registry->collection_type;
	Datum		key = members->collection.key;

	bulk_look_up(psprintf("SELECT t.dataset_id FROM %s t JOIN %s k ON k.c1 OPERATOR(pg_catalog.=) t.dataset_id "
						  "WHERE t.%s OPERATOR(pg_catalog.=) k.p1 ORDER BY 1 FOR UPDATE OF t",
						  query_relation(type->tags), ids, members->registry->tag_key),
				 1, &key_type, &key);
	SPI_freetuptable(SPI_tuptable);
}

/*
 * Decides about one dataset; true: it is to be written.  others: those to be
 * removed.  holders: of each data id, the number of the first dataset.
 */
static bool
decide(Association *association, const DatasetType *type, const Dimensions *dimensions, int64 number,
	   const pg_uuid_t *other, const Datum *values, KeySet *others, KeySet *data_ids, int64 *holders)
{
	Member	   *member = &association->members.list[number];
	Datum		id = UUIDPGetDatum(other);
	bool		found;
	int64		place = key_set_add(data_ids, values, &found);

	if (found)
	{
		const Member *holder = &association->members.list[holders[place]];

		if (association->on_conflict != ON_CONFLICT_IGNORE)
			report_conflict(association, type, dimensions, values, member, &holder->id, true);
		member->id = holder->id;
		member->status = "existing";
		return false;
	}
	holders[place] = number;
	if (other == NULL)
	{
		member->status = "associated";
		return true;
	}
	if (memcmp(other, &member->id, UUID_LEN) != 0)
	{
		if (association->on_conflict == ON_CONFLICT_ERROR)
			report_conflict(association, type, dimensions, values, member, other, false);
		if (association->on_conflict == ON_CONFLICT_REPLACE)
		{
			(void) key_set_add(others, &id, &found);
			member->status = "replaced";
			return true;
		}
		member->id = *other;
	}
	member->status = "existing";
	return false;
}

static void
remove_tags(Association *association, const DatasetType *type, KeySet *others)
{
	const Registry *registry = association->members.registry;
	Oid			key_type = registry->collection_type;
	MemoryContext context = CurrentMemoryContext;
	const char *from = psprintf("%s t USING " WITH_PARAMETER(OTHERS_NAME) " k WHERE t.dataset_id OPERATOR(pg_catalog.=) k.c1 "
								"AND t.%s OPERATOR(pg_catalog.=) k.p1", query_relation(type->tags), registry->tag_key);
	int			level;

	key_set_register(others, OTHERS_NAME);
	lock_tags(&association->members, type, WITH_PARAMETER(OTHERS_NAME));
	level = query_by_unique_key();
	if (SPI_execute_with_args(psprintf("DELETE FROM %s", from), 1, &key_type,
							  &association->members.collection.key, NULL, false, 0) != SPI_OK_DELETE)
		elog(ERROR, "could not delete from \"%s\"", from);
	query_settings_back(level);
	key_set_unregister(others, OTHERS_NAME);
	MemoryContextSwitchTo(context);
}

/*
 * Writes those of the rows that are to be written.
 */
static void
write_tags(Association *association, const DatasetType *type, const Dimensions *dimensions,
		   SPITupleTable *rows, uint64 n_rows, const bool *written)
{
	const Registry *registry = association->members.registry;
	KeySet	   *governors[MAX_DIMENSIONS];
	Datum		values[MAX_TABLE_COLUMNS];
	pg_uuid_t  *other;
	TableWriter table;

	governors_create(registry, dimensions, governors);
	for (uint64 i = 0; i < n_rows; i++)
		if (written[i])
		{
			get_found(rows, i, dimensions, &other, values);
			governors_add(dimensions, governors, values);
		}
	summaries_ensure(registry, type, &association->members.collection, dimensions, governors);
	tag_writer_begin(&table, registry, type, dimensions, InvalidOid);
	values[dimensions->n] = Int64GetDatum(type->id);
	values[dimensions->n + 1] = association->members.collection.key;
	for (uint64 i = 0; i < n_rows; i++)
		if (written[i])
		{
			int64		number = get_found(rows, i, dimensions, &other, values);

			values[dimensions->n + 2] = UUIDPGetDatum(&association->members.list[number].id);
			table_writer_put(&table, values, NULL);
		}
	table_writer_end(&table);
}

static void
associate_type(Association *association, const DatasetType *type)
{
	Oid			types[2] = {INT8OID, association->members.registry->collection_type};
	Datum		args[2] = {Int64GetDatum(type->id), association->members.collection.key};
	Oid			uuid = UUIDOID;
	KeySet	   *others = key_set_create(1, &uuid);
	KeySet	   *data_ids;
	Dimensions	dimensions;
	StringInfoData text;
	SPITupleTable *rows;
	uint64		n_rows;
	bool	   *written;
	int64	   *holders;
	bool		any = false;

	dimensions_of(type, &dimensions);
	data_ids = key_set_create(dimensions.n, dimensions.types);
	initStringInfo(&text);
	write_query(&text, association, type, &dimensions);
	key_set_register(association->members.ids, MEMBERS_NAME);
	n_rows = bulk_look_up(text.data, 2, types, args);
	rows = SPI_tuptable;
	key_set_unregister(association->members.ids, MEMBERS_NAME);
	written = palloc_extended(sizeof(bool) * (n_rows + 1), MCXT_ALLOC_HUGE);
	holders = palloc_extended(sizeof(int64) * (n_rows + 1), MCXT_ALLOC_HUGE);
	for (uint64 i = 0; i < n_rows; i++)
	{
		Datum		values[MAX_DIMENSIONS];
		pg_uuid_t  *other;
		int64		number = get_found(rows, i, &dimensions, &other, values);

		written[i] = decide(association, type, &dimensions, number, other, values, others, data_ids, holders);
		any |= written[i];
	}
	if (key_set_count(others) > 0)
		remove_tags(association, type, others);
	if (any)
		write_tags(association, type, &dimensions, rows, n_rows, written);
	SPI_freetuptable(rows);
}

static void
associate(void *arg)
{
	Association *association = arg;
	ListCell   *cell;

	members_collection(&association->members, association->collection, COLLECTION_TAGGED);
	foreach(cell, members_types(&association->members, true))
		associate_type(association, lfirst(cell));
}

static void
disassociate(void *arg)
{
	Association *association = arg;
	Members    *members = &association->members;
	const Registry *registry = members->registry;
	Oid			key_type = registry->collection_type;
	ListCell   *cell;

	members_collection(members, association->collection, COLLECTION_TAGGED);
	foreach(cell, members_types(members, false))
	{
		const DatasetType *type = lfirst(cell);
		const char *tags = query_relation(type->tags);
		MemoryContext context = CurrentMemoryContext;
		int			level;

		key_set_register(members->ids, MEMBERS_NAME);
		lock_tags(members, type, WITH_PARAMETER(MEMBERS_NAME));
		level = query_by_unique_key();
		/* those of other types, too, that are in the same table */
		if (SPI_execute_with_args(psprintf("DELETE FROM %s t USING " WITH_PARAMETER(MEMBERS_NAME) " k WHERE t.dataset_id OPERATOR(pg_catalog.=) k.c1 "
										   "AND t.%s OPERATOR(pg_catalog.=) k.p1 RETURNING k.n", tags, registry->tag_key),
								  1, &key_type, &members->collection.key, NULL, false, 0) != SPI_OK_DELETE_RETURNING)
			elog(ERROR, "could not delete from \"%s\"", tags);
		query_settings_back(level);
		for (uint64 i = 0; i < SPI_processed; i++)
			members->list[DatumGetInt64(selected_datum(i, 1))].status = "removed";
		SPI_freetuptable(SPI_tuptable);
		key_set_unregister(members->ids, MEMBERS_NAME);
		MemoryContextSwitchTo(context);
	}
	for (int64 i = 0; i < key_set_count(members->ids); i++)
		if (members->list[i].status == NULL)
			members->list[i].status = "absent";
}

static void
change_members(FunctionCallInfo fcinfo, Association *association, Oid batch, Oid namespace,
			   void (*change) (void *arg))
{
	MemoryContext context = CurrentMemoryContext;

	InitMaterializedSRF(fcinfo, 0);
	association->members.context = context;
	SPI_connect();
	MemoryContextSwitchTo(context);
	association->members.registry = registry_open(namespace);
	members_read(&association->members, batch);
	bulk_attempts(association->members.registry, change, association);
	members_return(&association->members, fcinfo);
	SPI_finish();
}

PG_FUNCTION_INFO_V1(associate_datasets);

/*
 * associate_datasets(batch, collection, on_conflict, registry) -> SETOF
 * (dataset_id, status): a row for each of the batch, in its order.  With the
 * caller's rights.
 */
Datum
associate_datasets(PG_FUNCTION_ARGS)
{
	Association association = {0};

	PreventCommandIfReadOnly("associate_datasets()");
	association.collection = text_to_cstring(PG_GETARG_TEXT_PP(1));
	association.on_conflict = parse_on_conflict(text_to_cstring(PG_GETARG_TEXT_PP(2)));
	change_members(fcinfo, &association, PG_GETARG_OID(0), PG_GETARG_OID(3), associate);
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(disassociate_datasets);

/*
 * disassociate_datasets(batch, collection, registry) -> SETOF (dataset_id,
 * status): a row for each of the batch, in its order.  With the caller's rights.
 */
Datum
disassociate_datasets(PG_FUNCTION_ARGS)
{
	Association association = {0};

	PreventCommandIfReadOnly("disassociate_datasets()");
	association.collection = text_to_cstring(PG_GETARG_TEXT_PP(1));
	change_members(fcinfo, &association, PG_GETARG_OID(0), PG_GETARG_OID(2), disassociate);
	return (Datum) 0;
}
