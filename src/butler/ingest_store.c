/*-------------------------------------------------------------------------
 *
 * src/butler/ingest_store.c
 *	  Writes a batch of datasets into the registry's tables.
 *
 * In the client's order: what is replaced leaves (ingest_remove.c), then datasets, summaries, tags,
 * locations and the files' records.  Each index is fed in its own order, so that
 * two sessions that write the same keys wait for one another in that order, and
 * never in a circle.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "core/progress.h"
#include "core/query.h"
#include "butler/ingest.h"
#include "sky/leap_seconds.h"

/* 1858-11-17, from which on days of MJD are counted, as a Julian day number */
#define MJD_0_JDATE 2400001
#define UNIX_EPOCH_OFFSET ((POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY * USECS_PER_SEC)

static bool
is_written(const IngestDataset *dataset)
{
	return dataset->status == INGEST_NEW || dataset->status == INGEST_REPLACED;
}

/* In seconds. */
static int64
tai_minus_utc(TimestampTz now)
{
	LeapSeconds known = leap_seconds();
	int64		mjd = now / USECS_PER_DAY + POSTGRES_EPOCH_JDATE - MJD_0_JDATE;
	int64		offset = LEAP_SECONDS_FIRST_OFFSET;

	for (int i = 0; i < known.n && known.rows[i].mjd <= mjd; i++)
		offset = known.rows[i].tai_minus_utc;
	return offset;
}

/*
 * When the datasets are ingested: one moment for all, as the client has it, in
 * the form that the registry's version stores.
 */
static Datum
ingest_date(const Ingest *ingest)
{
	TimestampTz now = GetCurrentTimestamp();
	Oid			dataset = ingest->registry->dataset;
	Oid			type = get_atttype(dataset, get_attnum(dataset, "ingest_date"));

	if (type == TIMESTAMPOID)
		return TimestampGetDatum(now);	/* both count from 2000-01-01, in UTC */
	if (type != INT8OID)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("column \"ingest_date\" of table %s is of type %s",
						query_relation(dataset), format_type_be(type)),
				 errdetail("Its registry is of a version that is not known.")));
	return Int64GetDatum((now + UNIX_EPOCH_OFFSET + tai_minus_utc(now) * USECS_PER_SEC) * 1000);
}

static void
store_datasets(Ingest *ingest)
{
	const char *names[] = {"id", "dataset_type_id", "ingest_date", ingest->registry->run_key};
	Datum		values[4];
	TableWriter table;

	values[1] = Int64GetDatum(ingest->type->id);
	values[2] = ingest_date(ingest);
	values[3] = ingest->run.key;
	table_writer_begin(&table, ingest->registry->dataset, lengthof(names), names, InvalidOid);
	for (int64 i = 0; i < key_set_count(ingest->data_ids); i++)
	{
		values[0] = UUIDPGetDatum(&ingest->datasets[i].own_id);
		if (is_written(&ingest->datasets[i]))
			table_writer_put(&table, values, NULL);
	}
	table_writer_end(&table);
}

static void
store_summaries(Ingest *ingest)
{
	KeySet	   *governors[MAX_DIMENSIONS];
	Datum		data_id[MAX_DIMENSIONS];

	governors_create(ingest->registry, &ingest->dimensions, governors);
	for (int64 i = 0; i < key_set_count(ingest->data_ids); i++)
		if (is_written(&ingest->datasets[i]))
		{
			key_set_get(ingest->data_ids, i, data_id);
			governors_add(&ingest->dimensions, governors, data_id);
		}
	summaries_ensure(ingest->registry, ingest->type, &ingest->run, &ingest->dimensions, governors);
}

static void
store_tags(Ingest *ingest)
{
	int			n = ingest->dimensions.n;
	Datum		values[MAX_TABLE_COLUMNS];
	TableWriter table;

	tag_writer_begin(&table, ingest->registry, ingest->type, &ingest->dimensions, ingest->registry->dataset);
	values[n] = Int64GetDatum(ingest->type->id);
	values[n + 1] = ingest->run.key;
	for (int64 i = 0; i < key_set_count(ingest->data_ids); i++)
	{
		if (!is_written(&ingest->datasets[i]))
			continue;
		key_set_get(ingest->data_ids, i, values);
		values[n + 2] = UUIDPGetDatum(&ingest->datasets[i].own_id);
		table_writer_put(&table, values, NULL);
	}
	table_writer_end(&table);
}

static void
store_locations(Ingest *ingest)
{
	static const char *const names[] = {"datastore_name", "dataset_id"};
	Datum		values[2];
	TableWriter table;

	table_writer_begin(&table, ingest->locations, lengthof(names), names, ingest->registry->dataset);
	for (int64 i = 0; i < key_set_count(ingest->data_ids); i++)
	{
		if (!is_written(&ingest->datasets[i]))
			continue;
		key_set_get(ingest->datastores, ingest->datasets[i].datastore, &values[0]);
		values[1] = UUIDPGetDatum(&ingest->datasets[i].own_id);
		table_writer_put(&table, values, NULL);
	}
	table_writer_end(&table);
}

static void
store_records(Ingest *ingest)
{
	static const char *const names[] = {
		"path", "formatter", "storage_class", "component", "checksum", "file_size", "dataset_id"
	};
	TupleTableSlot *slot = MakeSingleTupleTableSlot(ingest->file_desc, &TTSOpsMinimalTuple);
	Datum		values[FILE_COLUMNS + 1];
	bool		nulls[FILE_COLUMNS + 1];
	TableWriter table;

	table_writer_begin(&table, ingest->records, lengthof(names), names, ingest->registry->dataset);
	nulls[FILE_COLUMNS] = false;
	tuplestore_rescan(ingest->files);
	for (int64 i = 0; i < ingest->n_rows; i++)
	{
		IngestRow  *row = &ingest->rows[i];
		IngestDataset *dataset = &ingest->datasets[row->dataset];

		if (!tuplestore_gettupleslot(ingest->files, true, false, slot))
			elog(ERROR, "the stored batch is too short");
		if (row->repeated || dataset->status == INGEST_EXISTING)
			continue;
		slot_getallattrs(slot);
		memcpy(values, slot->tts_values, sizeof(Datum) * FILE_COLUMNS);
		memcpy(nulls, slot->tts_isnull, sizeof(bool) * FILE_COLUMNS);
		values[FILE_COLUMNS] = UUIDPGetDatum(&dataset->id);
		table_writer_put(&table, values, nulls);
	}
	ExecDropSingleTupleTableSlot(slot);
	table_writer_end(&table);
}

/*
 * Writes the datasets.  SPI must be connected.
 */
void
ingest_store(Ingest *ingest)
{
	bool		progress;

	ingest_remove(ingest);
	progress = progress_begin(ingest->registry->dataset);
	if (ingest->n_new + ingest->n_replaced > 0)
	{
		store_datasets(ingest);
		store_summaries(ingest);
		store_tags(ingest);
		if (ingest->has_files)
			store_locations(ingest);
	}
	if (ingest->has_files && ingest->n_new + ingest->n_replaced + ingest->n_rewritten > 0)
		store_records(ingest);
	progress_end(progress);
}
