/*-------------------------------------------------------------------------
 *
 * src/butler/ingest_dimensions_batch.c
 *	  Reads a batch of dimension records, with the pixels of their regions.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "common/base64.h"
#include "executor/spi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "parser/parse_coerce.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "core/compat.h"
#include "core/progress.h"
#include "core/query.h"
#include "butler/ingest_dimensions.h"
#include "sky/region.h"

#define ROWS_A_FETCH 1000

/* ---------------------------------------------------------------- columns */

static Oid
region_type(void)
{
	return GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid, CStringGetDatum("region"),
						   ObjectIdGetDatum(get_namespace_oid("catreg", false)));
}

static Form_pg_attribute
find_attribute(Relation rel, const char *name)
{
	TupleDesc	desc = RelationGetDescr(rel);

	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);

		if (!attribute->attisdropped && strcmp(NameStr(attribute->attname), name) == 0)
			return attribute;
	}
	return NULL;
}

static char *
list_columns(Relation rel)
{
	TupleDesc	desc = RelationGetDescr(rel);
	StringInfoData list;

	initStringInfo(&list);
	for (int i = 0; i < desc->natts; i++)
		if (!TupleDescAttr(desc, i)->attisdropped)
			appendStringInfo(&list, "%s\"%s\"", list.len > 0 ? ", " : "",
							 NameStr(TupleDescAttr(desc, i)->attname));
	return list.data;
}

/*
 * May the values of a batch's column be given for one of the table, as they are
 * or in a form of which the client's own is made?
 */
static bool
type_fits(const RecordColumn *column)
{
	Oid			from = column->batch_type;

	if (column->kind != RECORD_PLAIN && from == BYTEAOID)
		return true;
	if (column->is_shape)
		return true;
	return can_coerce_type(1, &from, &column->type, COERCION_IMPLICIT);
}

static void
set_column(const RecordIngest *ingest, RecordColumn *column, Relation batch, Form_pg_attribute given)
{
	Form_pg_attribute attribute = find_attribute(ingest->table, NameStr(given->attname));

	if (attribute == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column \"%s\" of batch \"%s\" is none of a record of \"%s\"",
						NameStr(given->attname), RelationGetRelationName(batch), ingest->element->name),
				 errhint("The columns are %s.", list_columns(ingest->table))));
	column->number = attribute->attnum;
	column->name = pstrdup(NameStr(attribute->attname));
	column->type = attribute->atttypid;
	column->typmod = attribute->atttypmod;
	column->not_null = attribute->attnotnull;
	column->batch_type = getBaseType(given->atttypid);
	if (ingest->level >= 0 && strcmp(column->name, "region") == 0)
		column->kind = RECORD_REGION;
	else
		column->kind = name_in(ingest->element->hashes, column->name) ? RECORD_HASH : RECORD_PLAIN;
	column->is_shape = column->kind == RECORD_REGION && column->batch_type == region_type();
	if (!type_fits(column))
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("column \"%s\" of batch \"%s\" is of type %s, not %s", column->name,
						RelationGetRelationName(batch), format_type_be(given->atttypid),
						format_type_be(column->type)),
				 column->kind == RECORD_REGION ? errhint("A region may be of type %s, too, or the bytes of sphgeom.",
														 format_type_be(region_type())) : 0));
}

/*
 * Finds the columns of a batch in the table of the element, by their names.
 *
 * Errors: undefined_column for one that the table does not have, or that the
 * batch lacks although a record needs it; datatype_mismatch.
 */
void
record_match_columns(RecordIngest *ingest, Oid batch)
{
	Relation	rel = relation_open(batch, AccessShareLock);
	TupleDesc	given = RelationGetDescr(rel);
	TupleDesc	needed = RelationGetDescr(ingest->table);

	ingest->columns = palloc0(sizeof(RecordColumn) * given->natts);
	for (int i = 0; i < given->natts; i++)
		if (!TupleDescAttr(given, i)->attisdropped)
			set_column(ingest, &ingest->columns[ingest->n_columns++], rel, TupleDescAttr(given, i));
	for (int i = 0; i < needed->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(needed, i);

		if (!attribute->attisdropped && attribute->attnotnull && !attribute->atthasdef &&
			find_attribute(rel, NameStr(attribute->attname)) == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_COLUMN),
					 errmsg("batch \"%s\" has no column \"%s\", which every record of \"%s\" needs",
							RelationGetRelationName(rel), NameStr(attribute->attname), ingest->element->name),
					 errhint("The columns are %s.", list_columns(ingest->table))));
	}
	relation_close(rel, NoLock);
}

/* ------------------------------------------------------------------- rows */

/* The row that an error is about. */
static void
name_row(void *arg)
{
	int64		row = *(int64 *) arg;

	if (row > 0)
		errcontext("row " INT64_FORMAT " of the batch", row);
}

static Datum
base64_text(const uint8 *bytes, Size n)
{
	Size		room = pg_b64_enc_len(n);
	text	   *result = palloc(VARHDRSZ + room);
	int			length = pg_b64_encode((const void *) bytes, n, VARDATA(result), room);

	if (length < 0)
		elog(ERROR, "could not encode %zu bytes", n);
	SET_VARSIZE(result, VARHDRSZ + length);
	return PointerGetDatum(result);
}

/* sphgeom's encoding of a region that came in one of three ways. */
static uint8 *
region_bytes(const RecordColumn *column, Datum value, Size *n)
{
	if (column->is_shape)
	{
		const Region *region = DatumGetRegion(value);
		uint8	   *bytes;

		region_check_sphgeom_has(&region->shape);
		*n = shape_encoded_size(&region->shape);
		bytes = palloc(*n);
		shape_encode(&region->shape, bytes);
		return bytes;
	}
	if (column->batch_type == BYTEAOID)
	{
		bytea	   *bytes = DatumGetByteaPP(value);

		*n = VARSIZE_ANY_EXHDR(bytes);
		return (uint8 *) VARDATA_ANY(bytes);
	}
	else
	{
		text	   *encoded = DatumGetTextPP(value);
		uint8	   *bytes = region_base64_bytes(VARDATA_ANY(encoded), VARSIZE_ANY_EXHDR(encoded), n);

		if (bytes == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
					 errmsg("invalid base64 text of a region: \"%s\"",
							pnstrdup(VARDATA_ANY(encoded), Min(VARSIZE_ANY_EXHDR(encoded), 100)))));
		return bytes;
	}
}

static Datum
pixel_array(const Shape *shape, int level)
{
	HtmPixels	pixels = region_envelope(shape, level);
	uint64		n = 0;
	Datum	   *values;

	for (size_t i = 0; i < pixels.n; i++)
		n += pixels.ranges[i].end - pixels.ranges[i].begin;
	if (n > MaxAllocSize / sizeof(Datum))
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("the region has too many pixels")));
	values = palloc(sizeof(Datum) * Max(n, 1));
	n = 0;
	for (size_t i = 0; i < pixels.n; i++)
		for (uint64 pixel = pixels.ranges[i].begin; pixel < pixels.ranges[i].end; pixel++)
			values[n++] = Int64GetDatum((int64) pixel);
	return PointerGetDatum(construct_array(values, (int) n, INT8OID, sizeof(int64), FLOAT8PASSBYVAL,
										   TYPALIGN_DOUBLE));
}

/*
 * Changes a region into the text that is stored, and finds its pixels.
 *
 * Errors: invalid_text_representation, invalid_binary_representation,
 * feature_not_supported.
 */
static void
read_region(const RecordIngest *ingest, const RecordColumn *column, Datum *value, Datum *pixels)
{
	Size		n;
	uint8	   *bytes = region_bytes(column, *value, &n);
	const char *problem;
	Region	   *region = region_of_bytes(bytes, n, false, &problem);

	if (region == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
				 errmsg("invalid encoding of a region of %zu bytes", n),
				 errdetail("%c%s.", pg_toupper((unsigned char) problem[0]), problem + 1)));
	*pixels = pixel_array(&region->shape, ingest->level);
	*value = base64_text(bytes, n);
}

/*
 * A varchar would be cut by a cast, and without the row's number by an INSERT.
 */
static void
check_length(const RecordColumn *column, Datum value)
{
	int			limit = column->typmod - VARHDRSZ;
	text	   *string;
	int			length;

	if (column->type != VARCHAROID || column->typmod < (int32) VARHDRSZ)
		return;
	string = DatumGetTextPP(value);
	length = VARSIZE_ANY_EXHDR(string);
	if (length > limit && pg_mbstrlen_with_len(VARDATA_ANY(string), length) > limit)
		ereport(ERROR,
				(errcode(ERRCODE_STRING_DATA_RIGHT_TRUNCATION),
				 errmsg("value \"%s\" of column \"%s\" is too long for type %s",
						text_to_cstring(string), column->name,
						format_type_with_typemod(column->type, column->typmod))));
}

/*
 * Checks one row, and changes it into what is stored.
 */
static void
read_row(RecordIngest *ingest, Datum *values, bool *nulls)
{
	int			n = ingest->n_columns;

	values[n] = Int64GetDatum(ingest->n_rows);
	nulls[n] = false;
	if (ingest->level >= 0)
		nulls[n + 1] = true;
	for (int i = 0; i < n; i++)
	{
		const RecordColumn *column = &ingest->columns[i];

		if (nulls[i])
		{
			if (column->not_null)
				ereport(ERROR,
						(errcode(ERRCODE_NOT_NULL_VIOLATION),
						 errmsg("null value in column \"%s\" of the batch", column->name)));
			continue;
		}
		if (column->kind == RECORD_REGION)
		{
			read_region(ingest, column, &values[i], &values[n + 1]);
			nulls[n + 1] = false;
		}
		else if (column->kind == RECORD_HASH && column->batch_type == BYTEAOID)
		{
			bytea	   *bytes = DatumGetByteaPP(values[i]);

			values[i] = base64_text((const uint8 *) VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes));
		}
		check_length(column, values[i]);
	}
}

static char *
batch_query(const RecordIngest *ingest, Oid batch)
{
	StringInfoData query;

	initStringInfo(&query);
	appendStringInfoString(&query, "SELECT ");
	for (int i = 0; i < ingest->n_columns; i++)
	{
		const RecordColumn *column = &ingest->columns[i];
		bool		cast = column->kind == RECORD_PLAIN ||
			(column->batch_type != BYTEAOID && !column->is_shape);

		appendStringInfo(&query, "%sb.%s::%s", i > 0 ? ", " : "", quote_identifier(column->name),
						 format_type_be_qualified(cast ? column->type : column->batch_type));
	}
	appendStringInfo(&query, " FROM %s b", query_relation(batch));
	return query.data;
}

static TupleDesc
make_desc(const RecordIngest *ingest)
{
	int			n = ingest->n_columns;
	TupleDesc	desc = CreateTemplateTupleDesc(n + (ingest->level >= 0 ? 2 : 1));

	for (int i = 0; i < n; i++)
		TupleDescInitEntry(desc, i + 1, ingest->columns[i].name, ingest->columns[i].type, -1, 0);
	TupleDescInitEntry(desc, n + 1, RECORDS_ROW, INT8OID, -1, 0);
	if (ingest->level >= 0)
		TupleDescInitEntry(desc, n + 2, RECORDS_PIXELS, INT8ARRAYOID, -1, 0);
	return desc;
}

/*
 * Reads a batch, with the caller's rights, into ingest->rows.  SPI must be
 * connected.  Errors name the row by their context line.
 */
void
record_read_batch(RecordIngest *ingest, Oid batch)
{
	MemoryContext per_row = AllocSetContextCreate(CurrentMemoryContext, "catreg dimension record",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext before = CurrentMemoryContext;
	int64		row = 0;
	ErrorContextCallback callback = {.callback = name_row,.arg = &row};
	Datum	   *values = palloc(sizeof(Datum) * (ingest->n_columns + 2));
	bool	   *nulls = palloc(sizeof(bool) * (ingest->n_columns + 2));
	bool		progress = progress_begin(RelationGetRelid(ingest->table));
	Portal		portal;
	uint64		n_fetched;

	ingest->desc = make_desc(ingest);
	ingest->rows = tuplestore_begin_heap(false, false, work_mem);
	portal = SPI_cursor_open_with_args(NULL, batch_query(ingest, batch), 0, NULL, NULL, NULL, false,
									   CURSOR_OPT_NO_SCROLL);
	callback.previous = error_context_stack;
	error_context_stack = &callback;
	do
	{
		row = 0;
		SPI_cursor_fetch(portal, true, ROWS_A_FETCH);
		n_fetched = SPI_processed;
		MemoryContextSwitchTo(per_row);
		for (uint64 i = 0; i < n_fetched; i++)
		{
			CHECK_FOR_INTERRUPTS();
			row = ++ingest->n_rows;
			heap_deform_tuple(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, values, nulls);
			read_row(ingest, values, nulls);
			tuplestore_putvalues(ingest->rows, ingest->desc, values, nulls);
			MemoryContextReset(per_row);
		}
		MemoryContextSwitchTo(before);
		SPI_freetuptable(SPI_tuptable);
		progress_rows(ingest->n_rows);
	} while (n_fetched > 0);
	error_context_stack = callback.previous;
	SPI_cursor_close(portal);
	progress_end(progress);
	MemoryContextDelete(per_row);
}
