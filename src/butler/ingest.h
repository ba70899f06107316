/*-------------------------------------------------------------------------
 *
 * src/butler/ingest.h
 *	  Bulk ingest of datasets.
 *
 * Written against lsst-daf-butler 30: ByDimensionsDatasetRecordStorageManager's
 * insert() and import_(), MonolithicDatastoreRegistryBridge, FileDatastore and
 * StoredFileInfo say what the client writes.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CATREG_BUTLER_INGEST_H
#define CATREG_BUTLER_INGEST_H

#include "utils/tuplestore.h"

#include "core/on_conflict.h"
#include "butler/bulk.h"

typedef enum IdMode
{
	ID_UNIQUE,
	ID_DATAID_TYPE,
	ID_DATAID_TYPE_RUN
} IdMode;

typedef enum IngestStatus
{
	INGEST_NEW,
	INGEST_EXISTING,
	INGEST_REPLACED,			/* by a dataset with another id */
	INGEST_REWRITTEN,			/* the same id: its files are replaced */
} IngestStatus;

/* One for each data id, numbered as in data_ids. */
typedef struct IngestDataset
{
	pg_uuid_t	id;				/* where it is existing, of the one that is there */
	pg_uuid_t	own_id;
	pg_uuid_t	replaced;
	IngestStatus status;
	bool		fresh;			/* the id is made for it, and can be nowhere else */
	int32		datastore;		/* number in datastores */
} IngestDataset;

typedef struct IngestRow
{
	int64		dataset;
	bool		repeated;		/* an earlier row says the same */
} IngestRow;

/* Columns of the stored rows of files */
typedef enum FileColumn
{
	FILE_PATH,
	FILE_FORMATTER,
	FILE_STORAGE_CLASS,
	FILE_COMPONENT,
	FILE_CHECKSUM,
	FILE_SIZE,
	FILE_COLUMNS
} FileColumn;

typedef struct Ingest
{
	Registry   *registry;
	DatasetType *type;
	Dimensions	dimensions;
	const char *run_name;
	Collection	run;
	bool		create_run;
	OnConflict	on_conflict;
	IdMode		id_mode;
	Oid			batch;
	MemoryContext context;

	KeySet	   *data_ids;
	KeySet	   *given_ids;
	IngestDataset *datasets;
	int64		allocated_datasets;
	IngestRow  *rows;
	int64		n_rows;
	int64		allocated_rows;

	bool		has_files;
	KeySet	   *components;		/* (dataset, component) of the rows; NULL: a dataset has but one */
	KeySet	   *datastores;
	TupleDesc	file_desc;
	Tuplestorestate *files;		/* a row for each of the batch */
	Oid			locations;
	Oid			trash;
	Oid			records;

	/* of an attempt */
	int64		n_new;
	int64		n_replaced;
	int64		n_rewritten;
} Ingest;

/* dataset_id.c */
extern void dataset_id_make(const Ingest *ingest, const Datum *data_id, pg_uuid_t *id);

/* ingest_batch.c */
extern void ingest_read(Ingest *ingest);

/* ingest_check.c */
extern void ingest_check_data_ids(Ingest *ingest);
extern void ingest_find_existing(Ingest *ingest);

/* ingest_remove.c */
extern void ingest_remove(Ingest *ingest);

/* ingest_store.c */
extern void ingest_store(Ingest *ingest);

#endif							/* CATREG_BUTLER_INGEST_H */
