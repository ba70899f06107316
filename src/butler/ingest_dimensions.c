/*-------------------------------------------------------------------------
 *
 * src/butler/ingest_dimensions.c
 *	  ingest_dimensions: dimension records in bulk, as a Butler client writes them.
 *
 * The batch is read once, with the pixels of the common pixelization that each
 * region touches (ingest_dimensions_batch.c), and checked
 * (ingest_dimensions_check.c).  The records go into the element's table by one
 * statement, so that triggers fire as for any other, and their pixels into its
 * overlap table by another; what the client's
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
#include "sky/htm.h"

/* The system's name, as the client stores it. */
#define HTM "htm"

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

/* Is it the name of a pixelization at some level? */
static bool
is_skypix(const Universe *universe, const char *name)
{
	ListCell   *cell;

	foreach(cell, universe->skypix)
	{
		size_t		length = strlen(lfirst(cell));

		if (strncmp(name, lfirst(cell), length) == 0 && name[length] != '\0' &&
			strspn(name + length, "0123456789") == strlen(name + length))
			return true;
	}
	return false;
}

/*
 * Errors: undefined_object, wrong_object_type for one without a table.
 */
static const DimensionElement *
find_element(const Registry *registry, const char *name)
{
	const DimensionElement *element = universe_element(registry->universe, name);

	if (element == NULL && is_skypix(registry->universe, name))
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

/* A table beside an element's that holds what of the sky its records cover. */
static Oid
overlap_table(const Registry *registry, const char *element, const char *suffix)
{
	char	   *name = psprintf("%s_skypix_overlap%s", element, suffix);
	Oid			table = registry_table(registry, name);

	if (!OidIsValid(table))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("the registry in schema %s has no table \"%s\"", registry->schema, name)));
	return table;
}

/*
 * The level of the pixels that the registry keeps.
 *
 * Error: feature_not_supported for another pixelization.
 */
static int
common_level(const Universe *universe)
{
	const char *common = universe->common_skypix;
	size_t		length = strlen(HTM);
	int			level = -1;

	if (common != NULL && strncmp(common, HTM, length) == 0 && common[length] != '\0' &&
		strspn(common + length, "0123456789") == strlen(common + length) && strlen(common) < length + 3)
		level = atoi(common + length);
	if (level < 0 || level > HTM_MAX_LEVEL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("the registry keeps pixels of \"%s\" for its regions", common != NULL ? common : ""),
				 errdetail("Only those of the hierarchical triangular mesh can be computed here.")));
	return level;
}

/*
 * As the client does: it writes overlaps only where there are none of another
 * pixelization.
 */
static void
check_overlaps(const RecordIngest *ingest)
{
	Oid			summary = overlap_table(ingest->registry, ingest->element->name, "_summary");
	char	   *sql = psprintf("SELECT s.skypix_system, s.skypix_level FROM %s s "
							   "WHERE (s.skypix_system OPERATOR(pg_catalog.=) '" HTM "' AND "
							   "s.skypix_level OPERATOR(pg_catalog.=) %d) IS NOT TRUE",
							   query_relation(summary), ingest->level);

	if (SPI_execute(sql, false, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not execute \"%s\"", sql);
	if (SPI_processed > 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("the registry keeps pixels of \"%s%s\" for the regions of \"%s\"",
						SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1),
						SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2),
						ingest->element->name)));
}

/* -------------------------------------------------------------- statements */

/*
 * Adds the columns of the key: the table's own names, or those of the
 * dimensions, which overlap tables have.
 */
static void
add_keys(StringInfo sql, const RecordIngest *ingest, const char *alias, bool of_table)
{
	ListCell   *cell;

	foreach(cell, ingest->element->required)
	{
		const char *dimension = lfirst(cell);

		appendStringInfo(sql, "%s%s%s", foreach_current_index(cell) > 0 ? ", " : "", alias,
						 quote_identifier(of_table ? record_key_column(ingest->element, dimension) : dimension));
	}
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
	add_keys(sql, ingest, "", true);
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
	appendStringInfo(&sql, " FROM %s r ORDER BY ", source);
	add_keys(&sql, ingest, "r.", true);
	add_on_conflict(&sql, ingest);
	return sql.data;
}

static char *
insert_overlaps_statement(const RecordIngest *ingest, const char *source)
{
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "INSERT INTO %s (skypix_system, skypix_level, skypix_index, ",
					 query_relation(overlap_table(ingest->registry, ingest->element->name, "")));
	add_keys(&sql, ingest, "", false);
	appendStringInfo(&sql, ") SELECT '" HTM "', %d, p.pixel, ", ingest->level);
	add_keys(&sql, ingest, "r.", true);
	appendStringInfo(&sql, " FROM %s r, pg_catalog.unnest(r." RECORDS_PIXELS ") p (pixel) ORDER BY ", source);
	add_keys(&sql, ingest, "r.", true);
	appendStringInfoString(&sql, ", p.pixel");
	return sql.data;
}

static uint64
execute(const char *sql)
{
	MemoryContext context = CurrentMemoryContext;

	query_execute(sql);
	MemoryContextSwitchTo(context);
	return SPI_processed;
}

/*
 * Of the records with one key the first is written, if there is none yet, and
 * only then its pixels.  That has to be one statement: what has been written is
 * known while it runs.
 */
static uint64
write_new(const RecordIngest *ingest)
{
	StringInfoData sql;
	StringInfoData first;
	MemoryContext context = CurrentMemoryContext;
	ListCell   *cell;
	bool		isnull;

	initStringInfo(&first);
	appendStringInfoString(&first, "(SELECT DISTINCT ON (");
	add_keys(&first, ingest, "d.", true);
	appendStringInfoString(&first, ") d.* FROM " RECORDS_NAME " d ORDER BY ");
	add_keys(&first, ingest, "d.", true);
	appendStringInfoString(&first, ", d." RECORDS_ROW ")");
	if (ingest->level < 0)
		return execute(insert_statement(ingest, first.data));

	initStringInfo(&sql);
	appendStringInfo(&sql, "WITH added AS (%s RETURNING ", insert_statement(ingest, first.data));
	add_keys(&sql, ingest, "t.", true);
	appendStringInfo(&sql, "), written AS (SELECT f.* FROM %s f JOIN added a ON ", first.data);
	foreach(cell, ingest->element->required)
	{
		const char *column = quote_identifier(record_key_column(ingest->element, lfirst(cell)));

		appendStringInfo(&sql, "%sf.%s OPERATOR(pg_catalog.=) a.%s",
						 foreach_current_index(cell) > 0 ? " AND " : "", column, column);
	}
	appendStringInfo(&sql, "), covered AS (%s) SELECT pg_catalog.count(*) FROM added",
					 insert_overlaps_statement(ingest, "written"));
	if (SPI_execute(sql.data, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not execute \"%s\"", sql.data);
	MemoryContextSwitchTo(context);
	return (uint64) DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
}

static void
delete_overlaps(const RecordIngest *ingest)
{
	StringInfoData sql;
	ListCell   *cell;

	initStringInfo(&sql);
	appendStringInfo(&sql, "DELETE FROM %s o USING " RECORDS_NAME " r "
					 "WHERE o.skypix_system OPERATOR(pg_catalog.=) '" HTM "' "
					 "AND o.skypix_level OPERATOR(pg_catalog.=) %d",
					 query_relation(overlap_table(ingest->registry, ingest->element->name, "")), ingest->level);
	foreach(cell, ingest->element->required)
		appendStringInfo(&sql, " AND o.%s OPERATOR(pg_catalog.=) r.%s", quote_identifier(lfirst(cell)),
						 quote_identifier(record_key_column(ingest->element, lfirst(cell))));
	execute(sql.data);
}

/*
 * Notes for instruments and skymaps that the overlaps of what they govern are
 * stored; the overlap tables have foreign keys to that.
 */
static void
write_summaries(const RecordIngest *ingest)
{
	const Universe *universe = ingest->registry->universe;

	for (int i = 0; i < universe->n_elements && ingest->element->governor; i++)
	{
		const DimensionElement *element = &universe->elements[i];

		if (element->view_of != NULL || !universe_is_spatial(universe, element) ||
			universe_governor(universe, element) != ingest->element)
			continue;
		execute(psprintf("INSERT INTO %s (skypix_system, skypix_level, %s) SELECT '" HTM "', %d, r.%s "
						 "FROM " RECORDS_NAME " r ORDER BY r.%s ON CONFLICT DO NOTHING",
						 query_relation(overlap_table(ingest->registry, element->name, "_summary")),
						 quote_identifier(ingest->element->name), common_level(universe),
						 quote_identifier(ingest->element->key), quote_identifier(ingest->element->key)));
	}
}

static uint64
write_records(const RecordIngest *ingest)
{
	uint64		n_written;

	if (ingest->on_conflict == RECORD_CONFLICT_IGNORE)
		n_written = write_new(ingest);
	else
	{
		n_written = execute(insert_statement(ingest, RECORDS_NAME));
		if (ingest->level >= 0 && ingest->on_conflict == RECORD_CONFLICT_REPLACE)
			delete_overlaps(ingest);
		if (ingest->level >= 0)
			execute(insert_overlaps_statement(ingest, RECORDS_NAME));
	}
	write_summaries(ingest);
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
		ingest.level = common_level(ingest.registry->universe);
		check_overlaps(&ingest);
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
	}
	tuplestore_end(ingest.rows);
	table_close(ingest.table, NoLock);
	SPI_finish();
	PG_RETURN_INT64((int64) n_written);
}
