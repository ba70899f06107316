/*-------------------------------------------------------------------------
 *
 * src/butler/ingest.c
 *	  ingest_datasets: a batch of datasets, with their files' records, in one
 *	  call.
 *
 * The batch is read and checked once (ingest_batch.c).  Then it is attempted: what
 * it refers to and what is there already is looked up (ingest_check.c), and what is
 * not there is written (ingest_store.c); see bulk_attempts().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "commands/sequence.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "core/query.h"
#include "butler/ingest.h"

static IdMode
parse_id_mode(const char *value)
{
	if (strcmp(value, "unique") == 0)
		return ID_UNIQUE;
	if (strcmp(value, "dataid_type") == 0)
		return ID_DATAID_TYPE;
	if (strcmp(value, "dataid_type_run") == 0)
		return ID_DATAID_TYPE_RUN;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unknown id_mode \"%s\"", value),
			 errhint("The values are \"unique\", \"dataid_type\", \"dataid_type_run\".")));
}

static DatasetType *
find_type(const Registry *registry, const char *name)
{
	ListCell   *cell;

	foreach(cell, registry_dataset_types(registry))
	{
		DatasetType *type = lfirst(cell);

		if (strcmp(type->name, name) == 0)
			return type;
	}
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("dataset type \"%s\" does not exist", name),
			 errdetail("The registry is that in schema %s.", registry->schema)));
}

/*
 * Inserts a collection, unless another session is faster: as
 * DefaultCollectionManager.register() in daf_butler.
 */
static void
create_run(Ingest *ingest)
{
	const Registry *registry = ingest->registry;
	Oid			sequence = registry_table(registry, "collection_seq_collection_id");
	bool		numbered = OidIsValid(sequence) && strcmp(registry->collection_key, "collection_id") == 0;
	Oid			types[2] = {TEXTOID, INT8OID};
	Datum		values[2] = {CStringGetTextDatum(ingest->run_name), 0};
	MemoryContext context = CurrentMemoryContext;
	int			result;

	/* a sequence that is no column's default */
	if (numbered)
		values[1] = Int64GetDatum(nextval_internal(sequence, true));
	result = SPI_execute_with_args(psprintf("INSERT INTO %s.collection (name, type%s) VALUES ($1, %d%s) ON CONFLICT DO NOTHING",
											registry->schema, numbered ? ", collection_id" : "", COLLECTION_RUN,
											numbered ? ", $2" : ""),
								   numbered ? 2 : 1, types, values, NULL, false, 0);
	if (result != SPI_OK_INSERT)
		elog(ERROR, "could not insert a collection: %s", SPI_result_code_string(result));
	result = SPI_execute_with_args(psprintf("INSERT INTO %s.run (%s) SELECT c.%s FROM %s.collection c "
											"WHERE c.name OPERATOR(pg_catalog.=) $1 ON CONFLICT DO NOTHING",
											registry->schema, registry->collection_key,
											registry->collection_key, registry->schema),
								   1, types, values, NULL, false, 0);
	if (result != SPI_OK_INSERT)
		elog(ERROR, "could not insert a run: %s", SPI_result_code_string(result));
	MemoryContextSwitchTo(context);
}

static void
find_run(Ingest *ingest)
{
	bool		found = collection_find(ingest->registry, ingest->run_name, &ingest->run);

	if (!found && ingest->create_run)
	{
		create_run(ingest);
		found = collection_find(ingest->registry, ingest->run_name, &ingest->run);
	}
	if (!found)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("run \"%s\" does not exist", ingest->run_name),
				 errhint("create_run => true makes it.")));
	if (ingest->run.type != COLLECTION_RUN)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("collection \"%s\" is no run", ingest->run_name),
				 errdetail("Datasets are ingested into a collection of type RUN.")));
	collection_lock(ingest->registry, &ingest->run, registry_table(ingest->registry, "run"), "KEY SHARE");
}

static void
attempt(void *arg)
{
	Ingest	   *ingest = arg;

	find_run(ingest);
	ingest_check_data_ids(ingest);
	ingest_find_existing(ingest);
	ingest_store(ingest);
}

static const char *
row_status(const Ingest *ingest, const IngestRow *row)
{
	if (row->repeated)
		return "existing";
	switch (ingest->datasets[row->dataset].status)
	{
		case INGEST_NEW:
			return "inserted";
		case INGEST_EXISTING:
			return "existing";
		case INGEST_REPLACED:
		case INGEST_REWRITTEN:
			return "replaced";
	}
	elog(ERROR, "unexpected status of a dataset");
}

static void
return_rows(const Ingest *ingest, ReturnSetInfo *rsinfo)
{
	for (int64 i = 0; i < ingest->n_rows; i++)
	{
		Datum		values[2];
		bool		nulls[2] = {false};

		values[0] = UUIDPGetDatum(&ingest->datasets[ingest->rows[i].dataset].id);
		values[1] = CStringGetTextDatum(row_status(ingest, &ingest->rows[i]));
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
		pfree(DatumGetPointer(values[1]));
	}
}

PG_FUNCTION_INFO_V1(ingest_datasets);

/*
 * ingest_datasets(batch, dataset_type, run, on_conflict, registry, id_mode,
 * create_run) -> SETOF (dataset_id, status): a row for each of the batch, in its
 * order.  With the caller's rights.
 */
Datum
ingest_datasets(PG_FUNCTION_ARGS)
{
	Ingest	   *ingest = palloc0(sizeof(Ingest));

	PreventCommandIfReadOnly("ingest_datasets()");
	InitMaterializedSRF(fcinfo, 0);

	ingest->context = CurrentMemoryContext;
	ingest->batch = PG_GETARG_OID(0);
	ingest->run_name = text_to_cstring(PG_GETARG_TEXT_PP(2));
	ingest->on_conflict = parse_on_conflict(text_to_cstring(PG_GETARG_TEXT_PP(3)));
	ingest->id_mode = parse_id_mode(text_to_cstring(PG_GETARG_TEXT_PP(5)));
	ingest->create_run = PG_GETARG_BOOL(6);
	if (ingest->run_name[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("empty name of a run")));

	SPI_connect();
	MemoryContextSwitchTo(ingest->context);
	ingest->registry = registry_open(PG_GETARG_OID(4));
	ingest->type = find_type(ingest->registry, text_to_cstring(PG_GETARG_TEXT_PP(1)));
	dimensions_of(ingest->type, &ingest->dimensions);
	ingest_read(ingest);
	bulk_attempts(ingest->registry, attempt, ingest);
	return_rows(ingest, (ReturnSetInfo *) fcinfo->resultinfo);
	if (ingest->has_files)
		tuplestore_end(ingest->files);
	SPI_finish();
	return (Datum) 0;
}
