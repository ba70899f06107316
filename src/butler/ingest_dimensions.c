/*-------------------------------------------------------------------------
 *
 * src/butler/ingest_dimensions.c
 *	  ingest_dimensions: dimension records in bulk, as a Butler client writes them.
 *
 * The batch is read once, with the pixels of the common pixelization that each
 * region touches (ingest_dimensions_batch.c), and checked
 * (ingest_dimensions_check.c).  The records go into the element's table by one
 * statement, so that triggers fire as for any other, and their pixels into its
 * overlap table (ingest_dimensions_overlaps.c); what the client's
 * StaticDimensionRecordStorageManager.insert() writes, and nothing else.
 *
 * Rows are written in the order of their keys, so that two callers who write
 * the same ones do not wait for each other in a circle.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/xact.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "core/query.h"
#include "butler/ingest_dimensions.h"

static RecordConflict
parse_on_conflict(const char *value)
{
	if (strcmp(value, "error") == 0)
		return RECORD_CONFLICT_ERROR;
	if (strcmp(value, "ignore") == 0)
		return RECORD_CONFLICT_IGNORE;
	if (strcmp(value, "replace") == 0)
		return RECORD_CONFLICT_REPLACE;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unknown on_conflict \"%s\"", value),
			 errhint("The values are \"error\", \"ignore\", \"replace\".")));
}

/*
 * The column of an element's table that holds the value of a dimension which it
 * requires.
 */
const char *
record_key_column(const DimensionElement *element, const char *dimension)
{
	return strcmp(element->name, dimension) == 0 ? element->key : dimension;
}

/* ---------------------------------------------------------------- elements */

static char *
list_elements(const Registry *registry)
{
	StringInfoData list;

	initStringInfo(&list);
	for (int i = 0; i < registry->universe->n_elements; i++)
	{
		const DimensionElement *element = &registry->universe->elements[i];

		if (element->view_of == NULL && OidIsValid(registry_table(registry, element->name)))
			appendStringInfo(&list, "%s\"%s\"", list.len > 0 ? ", " : "", element->name);
	}
	return list.data;
}

/*
 * Errors: undefined_object, wrong_object_type for one without a table.
 */
static const DimensionElement *
find_element(const Registry *registry, const char *name)
{
	const DimensionElement *element = universe_element(registry->universe, name);

	if (element == NULL && universe_is_skypix(registry->universe, name))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("dimension \"%s\" has no records", name),
				 errdetail("The pixels of the sky are computed.")));
	if (element == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("the registry in schema %s has no dimension element \"%s\"", registry->schema, name),
				 errhint("Those that have records are %s.", list_elements(registry))));
	if (element->view_of != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("dimension \"%s\" has no records of its own", name),
				 errdetail("Its values are those of the column \"%s\" of \"%s\".", name, element->view_of),
				 errhint("Ingest the records of \"%s\".", element->view_of)));
	return element;
}

/* -------------------------------------------------------------- statements */

static void
add_keys(StringInfo sql, const RecordIngest *ingest, const char *alias)
{
	ListCell   *cell;

	foreach(cell, ingest->element->required)
		appendStringInfo(sql, "%s%s%s", foreach_current_index(cell) > 0 ? ", " : "", alias,
						 quote_identifier(record_key_column(ingest->element, lfirst(cell))));
}

static void
add_columns(StringInfo sql, const RecordIngest *ingest, const char *alias)
{
	for (int i = 0; i < ingest->n_columns; i++)
		appendStringInfo(sql, "%s%s%s", i > 0 ? ", " : "", alias, quote_identifier(ingest->columns[i].name));
}

static bool
is_key(const RecordIngest *ingest, const char *column)
{
	ListCell   *cell;

	foreach(cell, ingest->element->required)
		if (strcmp(record_key_column(ingest->element, lfirst(cell)), column) == 0)
			return true;
	return false;
}

/*
 * What happens to a record that exists.  Replacing sets every column, one that
 * the batch lacks to its default, as the client's replace() does; a record that
 * is but a key stays as it is.
 */
static void
add_on_conflict(StringInfo sql, const RecordIngest *ingest)
{
	TupleDesc	desc = RelationGetDescr(ingest->table);
	bool		any = false;

	if (ingest->on_conflict == RECORD_CONFLICT_ERROR)
		return;
	appendStringInfoString(sql, " ON CONFLICT (");
	add_keys(sql, ingest, "");
	appendStringInfoString(sql, ") DO ");
	for (int i = 0; i < desc->natts && ingest->on_conflict == RECORD_CONFLICT_REPLACE; i++)
	{
		const char *name = NameStr(TupleDescAttr(desc, i)->attname);

		if (TupleDescAttr(desc, i)->attisdropped || is_key(ingest, name))
			continue;
		appendStringInfo(sql, "%s%s = excluded.%s", any ? ", " : "UPDATE SET ",
						 quote_identifier(name), quote_identifier(name));
		any = true;
	}
	if (!any)
		appendStringInfoString(sql, "NOTHING");
}

static char *
insert_statement(const RecordIngest *ingest, const char *source)
{
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "INSERT INTO %s AS t (", query_relation(RelationGetRelid(ingest->table)));
	add_columns(&sql, ingest, "");
	appendStringInfoString(&sql, ") SELECT ");
	add_columns(&sql, ingest, "r.");
	appendStringInfo(&sql, " FROM %s ORDER BY ", source);
	add_keys(&sql, ingest, "r.");
	add_on_conflict(&sql, ingest);
	return sql.data;
}

/*
 * Writes the records that do not exist yet, of those with one key the first.
 * Which ones that were is known as RECORDS_ADDED afterwards.
 */
static uint64
write_new(RecordIngest *ingest)
{
	MemoryContext context = CurrentMemoryContext;
	StringInfoData first;
	StringInfoData sql;
	StringInfoData join;
	Tuplestorestate *added;
	ListCell   *cell;
	uint64		n_added;

	initStringInfo(&first);
	appendStringInfoString(&first, "(SELECT DISTINCT ON (");
	add_keys(&first, ingest, "d.");
	appendStringInfoString(&first, ") d.* FROM " RECORDS_NAME " d ORDER BY ");
	add_keys(&first, ingest, "d.");
	appendStringInfoString(&first, ", d." RECORDS_ROW ") r");

	initStringInfo(&sql);
	appendStringInfo(&sql, "%s RETURNING ", insert_statement(ingest, first.data));
	add_keys(&sql, ingest, "t.");
	if (SPI_execute(sql.data, false, 0) != SPI_OK_INSERT_RETURNING)
		elog(ERROR, "could not execute \"%s\"", sql.data);
	n_added = SPI_processed;
	MemoryContextSwitchTo(context);

	added = tuplestore_begin_heap(false, false, work_mem);
	for (uint64 i = 0; i < n_added; i++)
		tuplestore_puttuple(added, SPI_tuptable->vals[i]);
	query_register_rows(RECORDS_ADDED, CreateTupleDescCopy(SPI_tuptable->tupdesc), added, n_added);
	SPI_freetuptable(SPI_tuptable);

	initStringInfo(&join);
	appendStringInfo(&join, "%s JOIN " RECORDS_ADDED " a ON ", first.data);
	foreach(cell, ingest->element->required)
	{
		const char *column = quote_identifier(record_key_column(ingest->element, lfirst(cell)));

		appendStringInfo(&join, "%sa.%s OPERATOR(pg_catalog.=) r.%s",
						 foreach_current_index(cell) > 0 ? " AND " : "", column, column);
	}
	ingest->written = join.data;
	return n_added;
}

static uint64
write_records(RecordIngest *ingest)
{
	MemoryContext context = CurrentMemoryContext;
	uint64		n_written;

	if (ingest->on_conflict == RECORD_CONFLICT_IGNORE)
		n_written = write_new(ingest);
	else
	{
		ingest->written = RECORDS_NAME " r";
		query_execute(insert_statement(ingest, ingest->written));
		n_written = SPI_processed;
		MemoryContextSwitchTo(context);
	}
	if (ingest->level >= 0)
		record_write_overlaps(ingest);
	if (ingest->element->governor)
		record_write_summaries(ingest);
	return n_written;
}

PG_FUNCTION_INFO_V1(ingest_dimensions);

/*
 * ingest_dimensions(batch, element, on_conflict, registry) -> bigint: how many
 * records were inserted or replaced.  With the caller's rights.
 */
Datum
ingest_dimensions(PG_FUNCTION_ARGS)
{
	Oid			batch = PG_GETARG_OID(0);
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(1));
	RecordIngest ingest = {0};
	MemoryContext context = CurrentMemoryContext;
	uint64		n_written = 0;

	PreventCommandIfReadOnly("ingest_dimensions()");
	ingest.on_conflict = parse_on_conflict(text_to_cstring(PG_GETARG_TEXT_PP(2)));
	SPI_connect();
	MemoryContextSwitchTo(context);
	ingest.registry = registry_open(PG_GETARG_OID(3));
	ingest.element = find_element(ingest.registry, name);
	ingest.table = table_open(registry_needed_table(ingest.registry, name), RowExclusiveLock);
	ingest.level = -1;
	if (universe_is_spatial(ingest.registry->universe, ingest.element))
	{
		ingest.level = record_common_level(ingest.registry->universe);
		record_check_overlaps(&ingest);
	}
	MemoryContextSwitchTo(context);
	record_match_columns(&ingest, batch);
	record_read_batch(&ingest, batch);
	if (ingest.n_rows > 0)
	{
		query_register_rows(RECORDS_NAME, ingest.desc, ingest.rows, (uint64) ingest.n_rows);
		record_check(&ingest);
		n_written = write_records(&ingest);
		SPI_unregister_relation(RECORDS_NAME);
		if (ingest.on_conflict == RECORD_CONFLICT_IGNORE)
			SPI_unregister_relation(RECORDS_ADDED);
	}
	tuplestore_end(ingest.rows);
	table_close(ingest.table, NoLock);
	SPI_finish();
	PG_RETURN_INT64((int64) n_written);
}
