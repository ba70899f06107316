/*-------------------------------------------------------------------------
 *
 * src/tiled/batch.c
 *	  Reads and checks a batch of nodes, row by row, once.
 *
 * What is looked up or shared is kept in memory; the rest of a row, its
 * metadata above all, goes to a tuplestore, which may spill to disk.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "core/progress.h"
#include "core/query.h"
#include "tiled/registration.h"

#define MAX_KEY 1023
#define MAX_TAG 255
#define ROWS_A_FETCH 1000

static const struct
{
	const char *name;
	Oid			type;
}			batch_columns[BATCH_COLUMNS] =

{
	[BATCH_PARENT] = {"parent", TEXTOID},
	[BATCH_KEY] = {"key", TEXTOID},
	[BATCH_FAMILY] = {"structure_family", TEXTOID},
	[BATCH_METADATA] = {"metadata", JSONBOID},
	[BATCH_SPECS] = {"specs", JSONBOID},
	[BATCH_ACCESS_TAGS] = {"access_tags", JSONBOID},
	[BATCH_ACCESS_BLOB] = {"access_blob", JSONBOID},
	[BATCH_DATA_SOURCES] = {"data_sources", JSONOID},
};

/* The row that an error is about. */
typedef struct RowContext
{
	int64		number;			/* from 1 */
	const char *parent;			/* NULL: not known yet */
	const char *key;
} RowContext;

static void
name_row(void *arg)
{
	RowContext *row = arg;

	if (row->number == 0)
		return;
	if (row->parent == NULL || row->key == NULL)
		errcontext("row " INT64_FORMAT " of the batch", row->number);
	else
		errcontext("row " INT64_FORMAT " of the batch, node \"%s%s%s\"", row->number,
				   row->parent, row->parent[0] != '\0' ? "/" : "", row->key);
}

/*
 * Checks the columns of a batch table, and writes the query that reads it.
 */
static void
write_batch_query(StringInfo query, Oid batch)
{
	if (get_rel_name(batch) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation with OID %u does not exist", batch)));
	appendStringInfoString(query, "SELECT ");
	for (int i = 0; i < BATCH_COLUMNS; i++)
	{
		AttrNumber	column = get_attnum(batch, batch_columns[i].name);
		Oid			type;

		if (column <= 0)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_COLUMN),
					 errmsg("batch \"%s\" has no column \"%s\"",
							get_rel_name(batch), batch_columns[i].name),
					 errhint("Make it by CREATE TEMP TABLE batch (LIKE catreg.tiled_batch INCLUDING DEFAULTS).")));
		type = getBaseType(get_atttype(batch, column));
		if (type != batch_columns[i].type &&
			!(type == VARCHAROID && batch_columns[i].type == TEXTOID))
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("column \"%s\" of batch \"%s\" is of type %s, not %s",
							batch_columns[i].name, get_rel_name(batch),
							format_type_be(type), format_type_be(batch_columns[i].type)),
					 errhint("Make it by CREATE TEMP TABLE batch (LIKE catreg.tiled_batch INCLUDING DEFAULTS).")));
		appendStringInfo(query, "%s%s::pg_catalog.%s", i > 0 ? ", " : "",
						 batch_columns[i].name,
						 quote_identifier(format_type_be(batch_columns[i].type)));
	}
	appendStringInfo(query, " FROM %s", query_relation(batch));
}

static void
check_key(const char *key)
{
	if (key[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("empty key \"\""),
				 errdetail("A key has 1 to %d characters.", MAX_KEY)));
	if (strlen(key) > MAX_KEY && pg_mbstrlen(key) > MAX_KEY)
		ereport(ERROR,
				(errcode(ERRCODE_STRING_DATA_RIGHT_TRUNCATION),
				 errmsg("key \"%.*s...\" has %d characters",
						pg_mbcliplen(key, (int) strlen(key), 60), key, pg_mbstrlen(key)),
				 errdetail("A key has 1 to %d characters.", MAX_KEY)));
	if (strchr(key, '/') != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("key \"%s\" has a \"/\"", key),
				 errdetail("No path could address the node."),
				 errhint("Put what comes before it into the column parent.")));
}

static Oid
family_of(const TiledLayout *layout, const char *label)
{
	Oid			value = tiled_enum_value(layout->family_type, label);

	if (!OidIsValid(value))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				 errmsg("unknown structure_family \"%s\"", label),
				 errhint("The values are %s.", tiled_enum_labels(layout->family_type))));
	return value;
}

static void
check_object(Datum value, const char *column)
{
	Jsonb	   *jsonb = DatumGetJsonbP(value);

	if (!JB_ROOT_IS_OBJECT(jsonb))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s is not an object: %s", column,
						DatumGetCString(DirectFunctionCall1(jsonb_out, value)))));
	jsonb_check_numbers(value, column);
}

static void
check_tag(const char *name, int length)
{
	if (length > MAX_TAG && pg_mbstrlen_with_len(name, length) > MAX_TAG)
		ereport(ERROR,
				(errcode(ERRCODE_STRING_DATA_RIGHT_TRUNCATION),
				 errmsg("access tag \"%.*s...\" has %d characters",
						pg_mbcliplen(name, length, 60), name, pg_mbstrlen_with_len(name, length)),
				 errdetail("A tag has up to %d characters.", MAX_TAG)));
}

static void
add_tag(Registration *registration, BatchRow *row, const char *name, int length)
{
	bool		found;
	Reference  *tag = intern_text(registration->tags, name, length, &found);

	for (int i = 0; i < row->n_tags; i++)
		if (registration->row_tags[registration->n_row_tags - 1 - i] == tag)
			return;
	if (registration->n_row_tags == registration->allocated_row_tags)
	{
		registration->allocated_row_tags *= 2;
		registration->row_tags = repalloc_huge(registration->row_tags,
											   sizeof(Reference *) * registration->allocated_row_tags);
	}
	registration->row_tags[registration->n_row_tags++] = tag;
	row->n_tags++;
}

/*
 * Reads the access tags of a row, an array of their names.
 */
static void
read_tags(Registration *registration, BatchRow *row, Datum value)
{
	Jsonb	   *tags = DatumGetJsonbP(value);

	if (registration->layout.has_access_blob)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("access_tags is given, and the catalog has none"),
				 errhint("This catalog is of an older Tiled: fill access_blob.")));
	if (!JB_ROOT_IS_ARRAY(tags) || JB_ROOT_IS_SCALAR(tags))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("access_tags is not an array: %s",
						DatumGetCString(DirectFunctionCall1(jsonb_out, value)))));
	for (int i = 0; i < JB_ROOT_COUNT(tags); i++)
	{
		JsonbValue *name = getIthJsonbValueFromContainer(&tags->root, i);

		if (name->type != jbvString)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("access_tags holds what is no text: %s",
							DatumGetCString(DirectFunctionCall1(jsonb_out, value)))));
		check_tag(name->val.string.val, name->val.string.len);
		add_tag(registration, row, name->val.string.val, name->val.string.len);
	}
}

static BatchRow *
add_row(Registration *registration)
{
	BatchRow   *row;

	if (registration->n_rows == registration->allocated_rows)
	{
		registration->allocated_rows *= 2;
		registration->rows = repalloc_huge(registration->rows,
										   sizeof(BatchRow) * registration->allocated_rows);
	}
	row = &registration->rows[registration->n_rows++];
	memset(row, 0, sizeof(BatchRow));
	return row;
}

/*
 * Gives a row its entry.  A node that stands in the batch twice is an error,
 * unless conflicts are to be ignored: then the first one counts.
 */
static void
place_row(Registration *registration, BatchRow *row, PathEntry *container, const char *key)
{
	row->entry = path_tree_child(registration->paths, container, key, (int) strlen(key));
	if (row->entry->row < 0)
		row->entry->row = registration->n_rows - 1;
	else if (registration->on_conflict != ON_CONFLICT_IGNORE)
		ereport(ERROR,
				(errcode(ERRCODE_UNIQUE_VIOLATION),
				 errmsg("node \"%s\" stands in the batch twice", path_entry_path(row->entry)),
				 errdetail("It is in row " INT64_FORMAT " too.", row->entry->row + 1)));
}

static void
missing(const char *column)
{
	ereport(ERROR,
			(errcode(ERRCODE_NOT_NULL_VIOLATION),
			 errmsg("null value in column \"%s\" of the batch", column)));
}

/*
 * Checks one row and keeps it.  values, nulls: as in BatchColumn; changed to
 * what is to be stored.  container: that of the row before, and its path.
 */
static void
read_row(Registration *registration, RowContext *context, Datum *values, bool *nulls,
		 StringInfo container_path, PathEntry **container)
{
	BatchRow   *row = add_row(registration);
	const char *parent;
	const char *key;

	context->number = registration->n_rows;
	context->parent = context->key = NULL;
	for (int i = BATCH_PARENT; i <= BATCH_FAMILY; i++)
		if (nulls[i])
			missing(batch_columns[i].name);

	parent = context->parent = TextDatumGetCString(values[BATCH_PARENT]);
	key = context->key = TextDatumGetCString(values[BATCH_KEY]);
	check_key(key);
	if (*container == NULL || strcmp(parent, container_path->data) != 0)
	{
		*container = path_tree_find(registration->paths, parent);
		resetStringInfo(container_path);
		appendStringInfoString(container_path, parent);
	}
	place_row(registration, row, *container, key);
	row->family = family_of(&registration->layout, TextDatumGetCString(values[BATCH_FAMILY]));

	if (!nulls[BATCH_METADATA])
		check_object(values[BATCH_METADATA], "metadata");
	if (!nulls[BATCH_SPECS])
		values[BATCH_SPECS] = specs_normalize(values[BATCH_SPECS]);
	if (!nulls[BATCH_ACCESS_TAGS])
		read_tags(registration, row, values[BATCH_ACCESS_TAGS]);
	if (!nulls[BATCH_ACCESS_BLOB])
	{
		if (!registration->layout.has_access_blob)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("access_blob is given, and the catalog has none"),
					 errhint("This catalog is of a newer Tiled: fill access_tags.")));
		check_object(values[BATCH_ACCESS_BLOB], "access_blob");
	}
	if (!nulls[BATCH_DATA_SOURCES])
	{
		text	   *json = DatumGetTextPP(values[BATCH_DATA_SOURCES]);

		row->n_sources = data_sources_parse(&registration->sources, &registration->layout,
											VARDATA_ANY(json), VARSIZE_ANY_EXHDR(json));
	}
}

/*
 * What of a row is stored for later: it is wide, and read once more.
 */
static void
store_row(Registration *registration, Datum *values, bool *nulls)
{
	nulls[BATCH_PARENT] = nulls[BATCH_KEY] = nulls[BATCH_FAMILY] = true;
	nulls[BATCH_ACCESS_TAGS] = nulls[BATCH_DATA_SOURCES] = true;
	tuplestore_putvalues(registration->store, registration->store_desc, values, nulls);
}

/*
 * Reads a batch, with the caller's rights, and checks all that can be checked
 * without the catalog.  SPI must be connected.  All is kept in the
 * registration's context.
 *
 * Errors name the row by their context line.
 */
void
batch_read(Registration *registration, Oid batch)
{
	MemoryContext per_row = AllocSetContextCreate(CurrentMemoryContext, "catreg batch row",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext before;
	RowContext	context = {0};
	ErrorContextCallback callback = {.callback = name_row,.arg = &context};
	StringInfoData container_path;
	StringInfoData query;
	PathEntry  *container = NULL;
	Portal		portal;

	initStringInfo(&container_path);
	initStringInfo(&query);
	write_batch_query(&query, batch);
	portal = SPI_cursor_open_with_args(NULL, query.data, 0, NULL, NULL, NULL, false,
									   CURSOR_OPT_NO_SCROLL);

	before = MemoryContextSwitchTo(registration->context);
	registration->store_desc = CreateTupleDescCopy(portal->tupDesc);
	registration->store = tuplestore_begin_heap(false, false, work_mem);
	MemoryContextSwitchTo(before);

	callback.previous = error_context_stack;
	error_context_stack = &callback;
	do
	{
		context.number = 0;
		SPI_cursor_fetch(portal, true, ROWS_A_FETCH);
		before = MemoryContextSwitchTo(per_row);
		for (uint64 i = 0; i < SPI_processed; i++)
		{
			Datum		values[BATCH_COLUMNS];
			bool		nulls[BATCH_COLUMNS];

			CHECK_FOR_INTERRUPTS();
			heap_deform_tuple(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, values, nulls);
			read_row(registration, &context, values, nulls, &container_path, &container);
			store_row(registration, values, nulls);
			MemoryContextReset(per_row);
		}
		MemoryContextSwitchTo(before);
		SPI_freetuptable(SPI_tuptable);
	} while (SPI_processed > 0);
	error_context_stack = callback.previous;
	SPI_cursor_close(portal);
	MemoryContextDelete(per_row);
}
