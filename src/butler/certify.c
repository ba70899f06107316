/*-------------------------------------------------------------------------
 *
 * src/butler/certify.c
 *	  certify_datasets: a batch of calibrations, each valid for a timespan.
 *
 * No constraint keeps two calibrations of one data id from being valid at one
 * time.  The client locks the whole table against all writers; here whoever
 * certifies in a collection waits for others who do so, by a lock on the
 * collection's row, and for clients by the lock that an INSERT takes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rangetypes.h"
#include "utils/tuplestore.h"

#include "core/query.h"
#include "butler/bulk.h"
#include "butler/select.h"

#define BATCH_NAME "catreg_certified"

/* So many data ids at most are looked up one by one. */
#define LOOKED_UP 100

typedef struct Certification
{
	Registry   *registry;
	Collection	collection;
	const char *name;
	Oid			batch;
	MemoryContext context;
	KeySet	   *ids;			/* of the batch, each once */
	TupleDesc	desc;
	Tuplestorestate *rows;		/* n, dataset_id, timespan */
	int64		n_rows;
	int64		n_certified;	/* of an attempt */
} Certification;

static void
check_row(const Datum *values, const bool *nulls)
{
	if (nulls[1] || nulls[2])
		ereport(ERROR,
				(errcode(ERRCODE_NOT_NULL_VIOLATION),
				 errmsg("null value in column \"%s\" of the batch", nulls[1] ? "dataset_id" : "timespan"),
				 errcontext("row " INT64_FORMAT " of the batch", DatumGetInt64(values[0]))));
	if (RangeIsEmpty(DatumGetRangeTypeP(values[2])))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("dataset %s is to be certified for an empty timespan",
						uuid_text(DatumGetUUIDP(values[1]))),
				 errcontext("row " INT64_FORMAT " of the batch", DatumGetInt64(values[0]))));
}

/*
 * Reads the batch, with the caller's rights.  SPI must be connected.
 */
static void
read_batch(Certification *certification)
{
	MemoryContext before = MemoryContextSwitchTo(certification->context);
	Oid			uuid = UUIDOID;
	StringInfoData columns;
	Portal		portal;

	batch_check(certification->batch);
	batch_needs(certification->batch, "dataset_id", "It says which datasets are meant.");
	batch_needs(certification->batch, "timespan", "It says when a calibration is valid.");
	initStringInfo(&columns);
	batch_column(&columns, certification->batch, "dataset_id", UUIDOID);
	batch_column(&columns, certification->batch, "timespan", INT8RANGEOID);
	certification->ids = key_set_create(1, &uuid);
	certification->rows = tuplestore_begin_heap(true, false, work_mem);
	portal = SPI_cursor_open_with_args(NULL, psprintf("SELECT pg_catalog.row_number() OVER () AS n, b.dataset_id, b.timespan "
													  "FROM (SELECT %s FROM %s b) b (dataset_id, timespan)",
													  columns.data, query_relation(certification->batch)),
									   0, NULL, NULL, NULL, false, CURSOR_OPT_NO_SCROLL);
	certification->desc = CreateTupleDescCopy(portal->tupDesc);
	do
	{
		SPI_cursor_fetch(portal, true, ROWS_A_FETCH);
		for (uint64 i = 0; i < SPI_processed; i++)
		{
			Datum		values[3];
			bool		nulls[3];
			bool		found;

			CHECK_FOR_INTERRUPTS();
			heap_deform_tuple(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, values, nulls);
			check_row(values, nulls);
			(void) key_set_add(certification->ids, &values[1], &found);
			tuplestore_putvalues(certification->rows, certification->desc, values, nulls);
			certification->n_rows++;
		}
		SPI_freetuptable(SPI_tuptable);
	} while (SPI_processed > 0);
	SPI_cursor_close(portal);
	MemoryContextSwitchTo(before);
}

static void
report_overlap(const Certification *certification, const DatasetType *type, bool in_batch)
{
	ereport(ERROR,
			(errcode(ERRCODE_EXCLUSION_VIOLATION),
			 errmsg("dataset %s cannot be certified in collection \"%s\" for %s", selected_text(0, 1),
					certification->name, selected_text(0, 2)),
			 errdetail("Dataset %s of the same type \"%s\" and data id is %s for %s, and the two overlap.",
					   selected_text(0, 3), type->name, in_batch ? "in the batch" : "certified there", selected_text(0, 4))));
}

/*
 * FROM: the batch's datasets of a type, with their data ids, as t.  The query's
 * parameters are the dataset type and the collection, t.p1 and t.p2.
 */
static char *
from_batch(const Certification *certification, const DatasetType *type, const Dimensions *dimensions)
{
	const Registry *registry = certification->registry;
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfoString(&text, "FROM (SELECT d.n, d.dataset_id, d.timespan, d.p1, d.p2");
	for (int i = 0; i < dimensions->n; i++)
		appendStringInfo(&text, ", t.%s", quote_identifier(dimensions->names[i]));
	appendStringInfo(&text, " FROM (SELECT b.*, d.%s AS run FROM " WITH_PARAMETERS(BATCH_NAME) " b "
					 "JOIN %s.dataset d ON d.id OPERATOR(pg_catalog.=) b.dataset_id AND d.dataset_type_id OPERATOR(pg_catalog.=) b.p1 OFFSET 0) d "
					 "JOIN %s t ON t.dataset_id OPERATOR(pg_catalog.=) d.dataset_id AND t.%s OPERATOR(pg_catalog.=) d.run OFFSET 0) t",
					 registry->run_key, registry->schema, query_relation(type->tags), registry->tag_key);
	return text.data;
}

/*
 * Selects datasets of the batch with what is certified for their data ids at the
 * same time.  For a few each is looked up, for more all that the collection has of the
 * type is read.
 */
static uint64
select_certified(const Certification *certification, const DatasetType *type, const char *from, const char *same)
{
	Oid			types[2] = {INT8OID, certification->registry->collection_type};
	Datum		args[2] = {Int64GetDatum(type->id), certification->collection.key};
	bool		at_once = certification->n_rows > LOOKED_UP;
	int			level = NewGUCNestLevel();
	uint64		n;

	query_set("enable_mergejoin", "off");
	if (at_once)
		query_set("enable_nestloop", "off");
	n = butler_select(SELECT_LATEST,
					  psprintf("SELECT t.dataset_id, t.timespan, x.dataset_id, x.timespan %s "
							   "JOIN %s x ON x.dataset_type_id OPERATOR(pg_catalog.=) %s AND x.%s OPERATOR(pg_catalog.=) %s "
							   "AND x.timespan OPERATOR(pg_catalog.&&) t.timespan%s ORDER BY t.n, x.timespan LIMIT 1", from,
							   query_relation(type->calibs), at_once ? "$1" : "t.p1",
							   certification->registry->tag_key, at_once ? "$2" : "t.p2", same),
					  2, types, args);
	query_settings_back(level);
	return n;
}

/*
 * Error: exclusion_violation, naming both, where two datasets of one data id
 * would be valid at one time.
 */
static void
check_overlaps(const Certification *certification, const DatasetType *type, const Dimensions *dimensions)
{
	Oid			types[2] = {INT8OID, certification->registry->collection_type};
	Datum		args[2] = {Int64GetDatum(type->id), certification->collection.key};
	const char *from = from_batch(certification, type, dimensions);
	StringInfoData same;
	StringInfoData data_id;

	initStringInfo(&same);
	initStringInfo(&data_id);
	for (int i = 0; i < dimensions->n; i++)
	{
		const char *name = quote_identifier(dimensions->names[i]);

		appendStringInfo(&same, " AND x.%s OPERATOR(pg_catalog.=) t.%s", name, name);
		appendStringInfo(&data_id, "%s t.%s", i == 0 ? "PARTITION BY" : ",", name);
	}
	/* if any two overlap, two neighbours do */
	if (bulk_look_up(psprintf("SELECT p.dataset_id, p.timespan, p.other, p.before FROM (SELECT t.dataset_id, t.timespan, "
							  "pg_catalog.lag(t.dataset_id) OVER w AS other, pg_catalog.lag(t.timespan) OVER w AS before "
							  "%s WINDOW w AS (%s ORDER BY t.timespan, t.n)) p "
							  "WHERE p.timespan OPERATOR(pg_catalog.&&) p.before LIMIT 1", from, data_id.data),
					 2, types, args) > 0)
		report_overlap(certification, type, true);
	SPI_freetuptable(SPI_tuptable);
	if (select_certified(certification, type, from, same.data) > 0)
		report_overlap(certification, type, false);
	SPI_freetuptable(SPI_tuptable);
}

static void
write_summaries(const Certification *certification, const DatasetType *type, const Dimensions *dimensions)
{
	KeySet	   *governors[MAX_DIMENSIONS];
	StringInfoData columns;
	Oid			types[2] = {INT8OID, certification->registry->collection_type};
	Datum		args[2] = {Int64GetDatum(type->id), certification->collection.key};
	SPITupleTable *rows;
	uint64		n_rows;

	initStringInfo(&columns);
	for (int i = 0; i < dimensions->n; i++)
		appendStringInfo(&columns, "%st.%s::%s", i > 0 ? ", " : "", quote_identifier(dimensions->names[i]),
						 format_type_be_qualified(dimensions->types[i]));
	governors_create(certification->registry, dimensions, governors);
	n_rows = bulk_look_up(psprintf("SELECT %s %s", columns.data, from_batch(certification, type, dimensions)), 2, types, args);
	rows = SPI_tuptable;
	for (uint64 i = 0; i < n_rows; i++)
	{
		Datum		values[MAX_DIMENSIONS];
		bool		nulls[MAX_DIMENSIONS];

		heap_deform_tuple(rows->vals[i], rows->tupdesc, values, nulls);
		governors_add(dimensions, governors, values);
	}
	SPI_freetuptable(rows);
	summaries_ensure(certification->registry, type, &certification->collection, dimensions, governors);
}

/*
 * What a new row's id is, where it is the client that numbers the rows.
 */
static char *
next_id(const Certification *certification, const DatasetType *type)
{
	Relation	calibs = table_open(type->calibs, AccessShareLock);
	AttrNumber	column = get_attnum(type->calibs, "id");
	Form_pg_attribute attribute = column > 0 ? TupleDescAttr(RelationGetDescr(calibs), column - 1) : NULL;
	bool		own = attribute == NULL || attribute->atthasdef || attribute->attidentity != '\0';
	Oid			sequence;

	table_close(calibs, NoLock);
	if (own)
		return NULL;
	sequence = registry_table(certification->registry, psprintf("%s_seq_id", get_rel_name(type->calibs)));
	if (!OidIsValid(sequence))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("table %s has no sequence that numbers its rows", query_relation(type->calibs))));
	return psprintf("pg_catalog.nextval(%u::pg_catalog.oid::pg_catalog.regclass)", sequence);
}

static void
insert_rows(Certification *certification, const DatasetType *type, const Dimensions *dimensions)
{
	Oid			types[2] = {INT8OID, certification->registry->collection_type};
	Datum		args[2] = {Int64GetDatum(type->id), certification->collection.key};
	MemoryContext context = CurrentMemoryContext;
	char	   *id = next_id(certification, type);
	int			level;
	StringInfoData names;
	StringInfoData columns;

	initStringInfo(&names);
	initStringInfo(&columns);
	for (int i = 0; i < dimensions->n; i++)
	{
		appendStringInfo(&names, ", %s", quote_identifier(dimensions->names[i]));
		appendStringInfo(&columns, ", t.%s", quote_identifier(dimensions->names[i]));
	}
	level = query_by_unique_key();
	if (SPI_execute_with_args(psprintf("INSERT INTO %s (dataset_type_id, dataset_id, %s%s, timespan%s) "
									   "SELECT t.p1, t.dataset_id, t.p2%s, t.timespan%s%s %s ORDER BY t.n",
									   query_relation(type->calibs), certification->registry->tag_key, names.data,
									   id != NULL ? ", id" : "", columns.data, id != NULL ? ", " : "",
									   id != NULL ? id : "", from_batch(certification, type, dimensions)),
							  2, types, args, NULL, false, 0) != SPI_OK_INSERT)
		elog(ERROR, "could not insert into %s", query_relation(type->calibs));
	query_settings_back(level);
	certification->n_certified += SPI_processed;
	MemoryContextSwitchTo(context);
}

/*
 * Error: data_corrupted where a dataset has no data id, and no row was written.
 */
static void
check_all_certified(const Certification *certification, List *types)
{
	ListCell   *cell;

	if (certification->n_certified == certification->n_rows)
		return;
	foreach(cell, types)
	{
		const DatasetType *type = lfirst(cell);

		if (bulk_look_up(psprintf("SELECT d.id FROM " BATCH_NAME " b JOIN %s.dataset d ON d.id OPERATOR(pg_catalog.=) b.dataset_id "
								  "WHERE d.dataset_type_id OPERATOR(pg_catalog.=) " INT64_FORMAT
								  " AND NOT EXISTS (SELECT FROM %s t WHERE t.dataset_id OPERATOR(pg_catalog.=) d.id "
								  "AND t.%s OPERATOR(pg_catalog.=) d.%s) LIMIT 1",
								  certification->registry->schema, type->id, query_relation(type->tags),
								  certification->registry->tag_key, certification->registry->run_key), 0, NULL, NULL) > 0)
			members_report_untagged(selected_text(0, 1));
	}
	elog(ERROR, "not all datasets were certified");
}

static void
check_type(const DatasetType *type)
{
	if (!OidIsValid(type->calibs))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("datasets of type \"%s\" cannot be certified", type->name),
				 errdetail("The dataset type is not one of calibrations.")));
	if (get_atttype(type->calibs, get_attnum(type->calibs, "timespan")) != INT8RANGEOID)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("table %s has no column \"timespan\" of type int8range", query_relation(type->calibs)),
				 errdetail("Its registry is of a version that is not known.")));
}

/*
 * In the client's order: summaries, then the lock on the table.  It waits for a
 * client who certifies, and he for us; the other lock is for ourselves.
 */
static void
certify_type(Certification *certification, const DatasetType *type)
{
	Dimensions	dimensions;

	check_type(type);
	dimensions_of(type, &dimensions);
	write_summaries(certification, type, &dimensions);
	query_lock_table(type->calibs, RowExclusiveLock);
	collection_lock(certification->registry, &certification->collection,
					certification->registry->collection, "NO KEY UPDATE");
	check_overlaps(certification, type, &dimensions);
	insert_rows(certification, type, &dimensions);
}

static void
certify(void *arg)
{
	Certification *certification = arg;
	Members		members = {.registry = certification->registry,.ids = certification->ids};
	List	   *types;
	ListCell   *cell;

	certification->n_certified = 0;
	members.list = palloc_extended(sizeof(Member) * (key_set_count(members.ids) + 1), MCXT_ALLOC_HUGE);
	members_collection(&members, certification->name, COLLECTION_CALIBRATION);
	certification->collection = members.collection;
	query_register_rows(BATCH_NAME, certification->desc, certification->rows, certification->n_rows);
	types = members_types(&members, true);
	foreach(cell, types)
		certify_type(certification, lfirst(cell));
	check_all_certified(certification, types);
	SPI_unregister_relation(BATCH_NAME);
}

static void
return_rows(Certification *certification, ReturnSetInfo *rsinfo)
{
	TupleTableSlot *slot = MakeSingleTupleTableSlot(certification->desc, &TTSOpsMinimalTuple);
	Datum		values[2];
	bool		nulls[2] = {false};

	values[1] = CStringGetTextDatum("certified");
	tuplestore_rescan(certification->rows);
	while (tuplestore_gettupleslot(certification->rows, true, false, slot))
	{
		values[0] = slot_getattr(slot, 2, &nulls[0]);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	ExecDropSingleTupleTableSlot(slot);
	tuplestore_end(certification->rows);
}

PG_FUNCTION_INFO_V1(certify_datasets);

/*
 * certify_datasets(batch, collection, registry) -> SETOF (dataset_id, status): a
 * row for each of the batch, in its order.  With the caller's rights.
 */
Datum
certify_datasets(PG_FUNCTION_ARGS)
{
	Certification certification = {0};

	PreventCommandIfReadOnly("certify_datasets()");
	InitMaterializedSRF(fcinfo, 0);
	certification.context = CurrentMemoryContext;
	certification.batch = PG_GETARG_OID(0);
	certification.name = text_to_cstring(PG_GETARG_TEXT_PP(1));
	SPI_connect();
	MemoryContextSwitchTo(certification.context);
	certification.registry = registry_open(PG_GETARG_OID(2));
	read_batch(&certification);
	bulk_attempts(certification.registry, certify, &certification);
	return_rows(&certification, (ReturnSetInfo *) fcinfo->resultinfo);
	SPI_finish();
	return (Datum) 0;
}
