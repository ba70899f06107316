/*-------------------------------------------------------------------------
 *
 * src/butler/ingest_dimensions.h
 *	  A batch of dimension records on its way into a registry.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CATREG_BUTLER_INGEST_DIMENSIONS_H
#define CATREG_BUTLER_INGEST_DIMENSIONS_H

#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/rel.h"
#include "utils/tuplestore.h"

#include "butler/registry.h"

/* What queries call the records that have been read, and two columns of theirs. */
#define RECORDS_NAME "catreg_records"
#define RECORDS_ROW "catreg_row"	/* in the batch, from 1 */
#define RECORDS_PIXELS "catreg_pixels"

/* The keys of those that were written, where some were not. */
#define RECORDS_ADDED "catreg_added"

typedef enum RecordConflict
{
	RECORD_CONFLICT_ERROR,
	RECORD_CONFLICT_IGNORE,
	RECORD_CONFLICT_REPLACE
} RecordConflict;

typedef enum RecordColumnKind
{
	RECORD_PLAIN,
	RECORD_HASH,				/* bytes, stored as base64 text */
	RECORD_REGION				/* sphgeom's bytes, stored likewise */
} RecordColumnKind;

/* A column of an element's table that the batch has, too. */
typedef struct RecordColumn
{
	AttrNumber	number;
	char	   *name;
	Oid			type;
	int32		typmod;
	bool		not_null;
	RecordColumnKind kind;
	Oid			batch_type;		/* less domains */
	bool		is_shape;		/* that is catreg.region */
} RecordColumn;

typedef struct RecordIngest
{
	Registry   *registry;
	const DimensionElement *element;
	RecordConflict on_conflict;
	Relation	table;			/* open until the end */
	int			level;			/* of the pixels that are stored; -1: no regions */
	int			n_columns;
	RecordColumn *columns;
	TupleDesc	desc;			/* of rows: the columns, then those named above */
	Tuplestorestate *rows;
	int64		n_rows;
	const char *written;		/* those written, r, in a FROM clause */
} RecordIngest;

/* ingest_dimensions.c */
extern const char *record_key_column(const DimensionElement *element, const char *dimension);

/* ingest_dimensions_batch.c */
extern void record_match_columns(RecordIngest *ingest, Oid batch);
extern void record_read_batch(RecordIngest *ingest, Oid batch);

/* ingest_dimensions_check.c */
extern void record_check(const RecordIngest *ingest);

/* ingest_dimensions_overlaps.c */
extern int	record_common_level(const Universe *universe);
extern void record_check_overlaps(const RecordIngest *ingest);
extern void record_write_overlaps(const RecordIngest *ingest);
extern void record_write_summaries(const RecordIngest *ingest);

#endif							/* CATREG_BUTLER_INGEST_DIMENSIONS_H */
