/*-------------------------------------------------------------------------
 *
 * src/butler/ingest_batch.c
 *	  Reads and checks a batch of datasets, row by row, once.
 *
 * Data ids and dataset ids are kept in memory; the files' records go to a
 * tuplestore, which may spill to disk.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "core/compat.h"
#include "core/query.h"
#include "butler/ingest.h"
#include "butler/select.h"

#define NO_COMPONENT "__NULL_STRING__"	/* NULLSTR in daf_butler */
#define UNKNOWN_SIZE (-1)

static const struct
{
	const char *name;
	Oid			type;
}			file_columns[FILE_COLUMNS] =

{
	[FILE_PATH] = {"path", TEXTOID},
	[FILE_FORMATTER] = {"formatter", TEXTOID},
	[FILE_STORAGE_CLASS] = {"storage_class", TEXTOID},
	[FILE_COMPONENT] = {"component", TEXTOID},
	[FILE_CHECKSUM] = {"checksum", TEXTOID},
	[FILE_SIZE] = {"file_size", INT8OID},
};

/* What the query yields: the dimensions, then these. */
enum
{
	BATCH_DATASET_ID,
	BATCH_DATASTORE,
	BATCH_FILE
};

typedef struct Reading
{
	Ingest	   *ingest;
	int64		number;			/* of the row, from 1; 0: none */
	int			max_lengths[FILE_COLUMNS];	/* in characters; 0: unlimited */
	Datum		default_datastore;	/* 0: every row has its own */
	Datum		default_component;
	Datum		default_size;
	Datum		default_storage_class;
} Reading;

static void
name_row(void *arg)
{
	Reading    *reading = arg;

	if (reading->number > 0)
		errcontext("row " INT64_FORMAT " of the batch", reading->number);
}

/*
 * Without a path there are no files; then the other columns of files are most
 * likely a mistake.
 */
static bool
has_files(Oid batch)
{
	if (get_attnum(batch, file_columns[FILE_PATH].name) > 0)
	{
		batch_needs(batch, file_columns[FILE_FORMATTER].name, "It has a column \"path\", and a file has a formatter.");
		return true;
	}
	for (int i = 0; i < FILE_COLUMNS; i++)
		if (get_attnum(batch, file_columns[i].name) > 0)
			batch_needs(batch, file_columns[FILE_PATH].name,
						psprintf("It has a column \"%s\", which is about a file.", file_columns[i].name));
	return false;
}

static void
write_batch_query(StringInfo query, Ingest *ingest)
{
	StringInfoData columns;

	initStringInfo(&columns);
	for (int i = 0; i < ingest->dimensions.n; i++)
	{
		batch_needs(ingest->batch, ingest->dimensions.names[i],
					psprintf("It is a dimension of dataset type \"%s\".", ingest->type->name));
		batch_column(&columns, ingest->batch, ingest->dimensions.names[i], ingest->dimensions.types[i]);
	}
	batch_column(&columns, ingest->batch, "dataset_id", UUIDOID);
	batch_column(&columns, ingest->batch, "datastore", TEXTOID);
	for (int i = 0; i < FILE_COLUMNS && ingest->has_files; i++)
		batch_column(&columns, ingest->batch, file_columns[i].name, file_columns[i].type);
	appendStringInfo(query, "SELECT %s FROM %s b", columns.data, query_relation(ingest->batch));
}

/*
 * The datastore that files go to: the one that holds files already.
 */
static Datum
known_datastore(Ingest *ingest)
{
	MemoryContext before = MemoryContextSwitchTo(ingest->context);
	char	   *first;
	char	   *last;

	butler_select(SELECT_LATEST,
				  psprintf("SELECT pg_catalog.min(l.datastore_name), pg_catalog.max(l.datastore_name) FROM %s l",
						   query_relation(ingest->locations)), 0, NULL, NULL);
	first = selected_text(0, 1);
	last = selected_text(0, 2);
	MemoryContextSwitchTo(before);
	if (first == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("the name of the datastore is not known"),
				 errdetail("The registry holds no file yet."),
				 errhint("Name it in a column \"datastore\" of the batch; the client's is Butler.get_datastore_names().")));
	if (strcmp(first, last) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_AMBIGUOUS_PARAMETER),
				 errmsg("the registry has several datastores"),
				 errdetail("\"%s\" and \"%s\" are two.", first, last),
				 errhint("Name one in a column \"datastore\" of the batch.")));
	return CStringGetTextDatum(first);
}

static Oid
file_table(const Ingest *ingest, const char *name)
{
	Oid			table = registry_table(ingest->registry, name);

	if (!OidIsValid(table))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("the registry has no table \"%s\"", name),
				 errdetail("The batch has files, and this is where a file datastore keeps its records.")));
	return table;
}

static void
begin_files(Reading *reading)
{
	Ingest	   *ingest = reading->ingest;
	MemoryContext before = MemoryContextSwitchTo(ingest->context);
	Oid			components[2] = {INT8OID, TEXTOID};
	Oid			datastores[1] = {TEXTOID};

	ingest->locations = file_table(ingest, "dataset_location");
	ingest->trash = file_table(ingest, "dataset_location_trash");
	ingest->records = file_table(ingest, "file_datastore_records");
	if (get_attnum(ingest->batch, file_columns[FILE_COMPONENT].name) > 0)
		ingest->components = key_set_create(2, components);
	ingest->datastores = key_set_create(1, datastores);
	ingest->file_desc = CreateTemplateTupleDesc(FILE_COLUMNS);
	for (int i = 0; i < FILE_COLUMNS; i++)
	{
		AttrNumber	column = get_attnum(ingest->records, file_columns[i].name);
		Oid			type = InvalidOid;
		int32		typmod = -1;
		Oid			collation;

		if (column > 0)
			get_atttypetypmodcoll(ingest->records, column, &type, &typmod, &collation);
		TupleDescInitEntry(ingest->file_desc, i + 1, file_columns[i].name, file_columns[i].type, -1, 0);
		if (type == VARCHAROID && typmod > VARHDRSZ)
			reading->max_lengths[i] = typmod - VARHDRSZ;
	}
	ingest->files = tuplestore_begin_heap(false, false, work_mem);
	reading->default_component = CStringGetTextDatum(NO_COMPONENT);
	reading->default_size = Int64GetDatum(UNKNOWN_SIZE);
	reading->default_storage_class = CStringGetTextDatum(ingest->type->storage_class);
	if (get_attnum(ingest->batch, "datastore") <= 0)
		reading->default_datastore = known_datastore(ingest);
	MemoryContextSwitchTo(before);
}

static void
report_null(const char *column)
{
	ereport(ERROR,
			(errcode(ERRCODE_NOT_NULL_VIOLATION),
			 errmsg("null value in column \"%s\" of the batch", column)));
}

static IngestRow *
add_row(Ingest *ingest)
{
	if (ingest->n_rows == ingest->allocated_rows)
	{
		ingest->allocated_rows *= 2;
		ingest->rows = repalloc_huge(ingest->rows, sizeof(IngestRow) * ingest->allocated_rows);
	}
	return memset(&ingest->rows[ingest->n_rows++], 0, sizeof(IngestRow));
}

static IngestDataset *
dataset_at(Ingest *ingest, int64 number)
{
	if (number >= ingest->allocated_datasets)
	{
		ingest->allocated_datasets *= 2;
		ingest->datasets = repalloc_huge(ingest->datasets,
										 sizeof(IngestDataset) * ingest->allocated_datasets);
	}
	return &ingest->datasets[number];
}

static void
report_repeated(const Ingest *ingest, const Datum *data_id)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNIQUE_VIOLATION),
			 errmsg("dataset \"%s\" %s stands in the batch twice", ingest->type->name,
					data_id_text(&ingest->dimensions, data_id))));
}

/*
 * Makes the dataset of a row whose data id is new to the batch.
 */
static void
init_dataset(Ingest *ingest, IngestDataset *dataset, const Datum *data_id, Datum id, bool given)
{
	bool		found;

	memset(dataset, 0, sizeof(IngestDataset));
	dataset->datastore = -1;
	if (given)
	{
		dataset->own_id = *DatumGetUUIDP(id);
		(void) key_set_add(ingest->given_ids, &id, &found);
		if (found)
			ereport(ERROR,
					(errcode(ERRCODE_UNIQUE_VIOLATION),
					 errmsg("dataset id %s stands in the batch with two data ids", uuid_text(&dataset->own_id)),
					 errdetail("One is %s.", data_id_text(&ingest->dimensions, data_id))));
	}
	else
	{
		dataset_id_make(ingest, data_id, &dataset->own_id);
		dataset->fresh = ingest->id_mode == ID_UNIQUE;
	}
}

/*
 * Gives a row its dataset.  Rows with one data id are the components of one
 * dataset; rows that do not even differ in that are an error, unless conflicts are
 * to be ignored: then the first one counts.
 */
static void
place_row(Ingest *ingest, IngestRow *row, const Datum *data_id, Datum id, bool given, Datum component)
{
	IngestDataset *dataset;
	Datum		key[2];
	bool		found;

	row->dataset = key_set_add(ingest->data_ids, data_id, &found);
	dataset = dataset_at(ingest, row->dataset);
	if (!found)
		init_dataset(ingest, dataset, data_id, id, given);
	else if (given && memcmp(&dataset->own_id, DatumGetUUIDP(id), UUID_LEN) != 0 &&
			 ingest->on_conflict != ON_CONFLICT_IGNORE)
		report_repeated(ingest, data_id);
	row->repeated = found;
	if (ingest->components != NULL)
	{
		key[0] = Int64GetDatum(row->dataset);
		key[1] = component;
		(void) key_set_add(ingest->components, key, &row->repeated);
	}
	if (row->repeated && ingest->on_conflict != ON_CONFLICT_IGNORE)
		report_repeated(ingest, data_id);
}

/*
 * Errors: invalid_parameter_value for an empty text,
 * string_data_right_truncation.
 */
static void
check_text(const char *name, Datum value, int max_length)
{
	int			length = VARSIZE_ANY_EXHDR(DatumGetPointer(value));

	if (length == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("empty value in column \"%s\" of the batch", name)));
	if (max_length > 0 && length > max_length &&
		pg_mbstrlen_with_len(VARDATA_ANY(DatumGetPointer(value)), length) > max_length)
		ereport(ERROR,
				(errcode(ERRCODE_STRING_DATA_RIGHT_TRUNCATION),
				 errmsg("value too long in column \"%s\" of the batch", name),
				 errdetail("The registry takes %d characters: \"%s\".", max_length,
						   TextDatumGetCString(value))));
}

/*
 * Checks a file's record and puts what is left out.  values, nulls: as in
 * FileColumn.
 */
static void
complete_file(Reading *reading, Datum *values, bool *nulls)
{
	const Datum defaults[FILE_COLUMNS] = {
		[FILE_STORAGE_CLASS] = reading->default_storage_class,
		[FILE_COMPONENT] = reading->default_component,
		[FILE_SIZE] = reading->default_size,
	};

	for (int i = 0; i < FILE_COLUMNS; i++)
	{
		if (nulls[i] && (i == FILE_PATH || i == FILE_FORMATTER))
			report_null(file_columns[i].name);
		if (nulls[i] && i != FILE_CHECKSUM)
		{
			values[i] = defaults[i];
			nulls[i] = false;
		}
		if (!nulls[i] && file_columns[i].type == TEXTOID)
		{
			values[i] = PointerGetDatum(PG_DETOAST_DATUM_PACKED(values[i]));
			check_text(file_columns[i].name, values[i], reading->max_lengths[i]);
		}
	}
	if (DatumGetInt64(values[FILE_SIZE]) < UNKNOWN_SIZE)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("file size " INT64_FORMAT " in the batch", DatumGetInt64(values[FILE_SIZE])),
				 errhint("A size that is not known is NULL.")));
}

/*
 * All components of a dataset lie in one datastore.
 */
static void
place_datastore(Reading *reading, IngestRow *row, const Datum *data_id, Datum datastore, bool isnull)
{
	Ingest	   *ingest = reading->ingest;
	IngestDataset *dataset = &ingest->datasets[row->dataset];
	int32		number;
	bool		found;

	if (reading->default_datastore != 0)
		datastore = reading->default_datastore;
	else if (isnull)
		report_null("datastore");
	else
	{
		datastore = PointerGetDatum(PG_DETOAST_DATUM_PACKED(datastore));
		check_text("datastore", datastore, 0);
	}
	number = (int32) key_set_add(ingest->datastores, &datastore, &found);
	if (dataset->datastore < 0)
		dataset->datastore = number;
	else if (dataset->datastore != number && !row->repeated)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the files of dataset \"%s\" %s stand in two datastores", ingest->type->name,
						data_id_text(&ingest->dimensions, data_id))));
}

/*
 * Checks one row and keeps it.  values, nulls: as the query yields them; changed.
 */
static void
read_row(Reading *reading, Datum *values, bool *nulls)
{
	Ingest	   *ingest = reading->ingest;
	int			n = ingest->dimensions.n;
	Datum	   *rest = values + n;
	bool	   *rest_nulls = nulls + n;
	IngestRow  *row = add_row(ingest);

	reading->number = ingest->n_rows;
	for (int i = 0; i < n; i++)
		if (nulls[i])
			report_null(ingest->dimensions.names[i]);
		else if (ingest->dimensions.types[i] == TEXTOID)
			values[i] = PointerGetDatum(PG_DETOAST_DATUM_PACKED(values[i]));
	if (ingest->has_files)
		complete_file(reading, rest + BATCH_FILE, rest_nulls + BATCH_FILE);
	place_row(ingest, row, values, rest[BATCH_DATASET_ID], !rest_nulls[BATCH_DATASET_ID],
			  ingest->has_files ? rest[BATCH_FILE + FILE_COMPONENT] : (Datum) 0);
	if (ingest->has_files)
	{
		place_datastore(reading, row, values, rest[BATCH_DATASTORE], rest_nulls[BATCH_DATASTORE]);
		tuplestore_putvalues(ingest->files, ingest->file_desc, rest + BATCH_FILE, rest_nulls + BATCH_FILE);
	}
}

static void
init_ingest(Ingest *ingest)
{
	MemoryContext before = MemoryContextSwitchTo(ingest->context);
	Oid			uuid = UUIDOID;

	ingest->data_ids = key_set_create(ingest->dimensions.n, ingest->dimensions.types);
	ingest->given_ids = key_set_create(1, &uuid);
	ingest->allocated_rows = ingest->allocated_datasets = 64;
	ingest->rows = palloc(sizeof(IngestRow) * ingest->allocated_rows);
	ingest->datasets = palloc(sizeof(IngestDataset) * ingest->allocated_datasets);
	MemoryContextSwitchTo(before);
}

/*
 * Reads the batch, with the caller's rights, and checks all that can be checked
 * without the registry.  SPI must be connected.  All is kept in the ingest's
 * context.
 *
 * Errors name the row by their context line.
 */
void
ingest_read(Ingest *ingest)
{
	MemoryContext per_row = AllocSetContextCreate(CurrentMemoryContext, "catreg batch row",
												  ALLOCSET_DEFAULT_SIZES);
	Reading		reading = {.ingest = ingest};
	ErrorContextCallback callback = {.callback = name_row,.arg = &reading};
	Datum		values[MAX_DIMENSIONS + BATCH_FILE + FILE_COLUMNS];
	bool		nulls[MAX_DIMENSIONS + BATCH_FILE + FILE_COLUMNS];
	MemoryContext before;
	StringInfoData query;
	Portal		portal;

	batch_check(ingest->batch);
	ingest->has_files = has_files(ingest->batch);
	init_ingest(ingest);
	initStringInfo(&query);
	write_batch_query(&query, ingest);
	if (ingest->has_files)
		begin_files(&reading);
	portal = SPI_cursor_open_with_args(NULL, query.data, 0, NULL, NULL, NULL, false,
									   CURSOR_OPT_NO_SCROLL);
	callback.previous = error_context_stack;
	error_context_stack = &callback;
	do
	{
		reading.number = 0;
		SPI_cursor_fetch(portal, true, ROWS_A_FETCH);
		before = MemoryContextSwitchTo(per_row);
		for (uint64 i = 0; i < SPI_processed; i++)
		{
			CHECK_FOR_INTERRUPTS();
			heap_deform_tuple(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, values, nulls);
			read_row(&reading, values, nulls);
			MemoryContextReset(per_row);
		}
		MemoryContextSwitchTo(before);
		SPI_freetuptable(SPI_tuptable);
	} while (SPI_processed > 0);
	error_context_stack = callback.previous;
	SPI_cursor_close(portal);
	MemoryContextDelete(per_row);
}
