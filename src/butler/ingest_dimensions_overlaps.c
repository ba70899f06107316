/*-------------------------------------------------------------------------
 *
 * src/butler/ingest_dimensions_overlaps.c
 *	  The sky pixels of dimension records, in the registry's overlap tables.
 *
 * There are several pixels a record, each with four foreign keys and five
 * indexes: the bulk writer feeds the indexes, and the keys are checked here a set
 * at a time.  A key that cannot be proven so is left to PostgreSQL's own check
 * of each row, which says what is missing.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/relcache.h"

#include "core/query.h"
#include "core/writer.h"
#include "butler/ingest_dimensions.h"
#include "sky/htm.h"

/* The system's name, as the client stores it. */
#define HTM "htm"

#define ROWS_A_FETCH 1000

/* The columns that every overlap table has; those of the key follow. */
static const struct
{
	const char *name;
	Oid			type;
}			pixel_columns[] =

{
	{"skypix_system", VARCHAROID},
	{"skypix_level", INT2OID},
	{"skypix_index", INT8OID},
};

#define N_PIXEL_COLUMNS lengthof(pixel_columns)

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
int
record_common_level(const Universe *universe)
{
	const char *common = universe->common_skypix;
	int			level = -1;
	ListCell   *cell;

	foreach(cell, universe->skypix)
	{
		const SkyPixSystem *system = lfirst(cell);

		if (common != NULL && strcmp(system->name, HTM) == 0)
			level = skypix_level(system, common);
	}
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
void
record_check_overlaps(const RecordIngest *ingest)
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

/* ------------------------------------------------------------ foreign keys */

/*
 * What a column of an overlap table holds, in terms of a record r; NULL: the
 * pixel, or something unknown.
 */
static const char *
overlap_value(const RecordIngest *ingest, const char *column)
{
	if (strcmp(column, "skypix_system") == 0)
		return "'" HTM "'::pg_catalog.varchar";
	if (strcmp(column, "skypix_level") == 0)
		return psprintf("%d::pg_catalog.int2", ingest->level);
	if (!name_in(ingest->element->required, column))
		return NULL;
	return psprintf("r.%s", quote_identifier(record_key_column(ingest->element, column)));
}

static uint64
count_rows(const char *sql)
{
	MemoryContext context = CurrentMemoryContext;
	uint64		n_rows;

	if (SPI_execute(sql, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not execute \"%s\"", sql);
	n_rows = SPI_processed;
	SPI_freetuptable(SPI_tuptable);
	MemoryContextSwitchTo(context);
	return n_rows;
}

/*
 * Are all rows there that a foreign key of the overlaps will lead to?  They are
 * locked as PostgreSQL's own check locks them, with the rights of their owner.
 */
static bool
lock_referenced(const RecordIngest *ingest, Oid overlaps, const ForeignKeyCacheInfo *key)
{
	Relation	parent = table_open(key->confrelid, RowShareLock);
	StringInfoData distinct;
	StringInfoData lock;
	QueryUser	before;
	uint64		n_distinct;
	uint64		n_locked;

	initStringInfo(&distinct);
	initStringInfo(&lock);
	for (int i = 0; i < key->nkeys; i++)
	{
		const char *value = overlap_value(ingest, get_attname(overlaps, key->conkey[i], false));

		if (value == NULL)
		{
			table_close(parent, NoLock);
			return false;
		}
		appendStringInfo(&distinct, "%s%s AS k%d", i > 0 ? ", " : "SELECT DISTINCT ", value, i);
		appendStringInfo(&lock, "%sp.%s OPERATOR(pg_catalog.=) d.k%d", i > 0 ? " AND " : "",
						 query_column(key->confrelid, key->confkey[i]), i);
	}
	appendStringInfo(&distinct, " FROM %s", ingest->written);
	n_distinct = count_rows(distinct.data);
	query_become(RelationGetForm(parent)->relowner, &before);
	n_locked = count_rows(psprintf("SELECT FROM %s%s p, (%s) d WHERE %s FOR KEY SHARE OF p",
								   parent->rd_rel->relkind == RELKIND_RELATION ? "ONLY " : "",
								   query_relation(key->confrelid), distinct.data, lock.data));
	query_return(&before);
	table_close(parent, NoLock);
	return n_locked == n_distinct;
}

/*
 * The constraints, of OIDs, that need no check of each row.
 */
static List *
prove_foreign_keys(const RecordIngest *ingest, Relation overlaps)
{
	List	   *keys = copyObject(RelationGetFKeyList(overlaps));
	List	   *proven = NIL;
	ListCell   *cell;

	foreach(cell, keys)
	{
		const ForeignKeyCacheInfo *key = lfirst(cell);

		if (lock_referenced(ingest, RelationGetRelid(overlaps), key))
			proven = lappend_oid(proven, key->conoid);
	}
	return proven;
}

static bool
is_proven(const Trigger *trigger, void *arg)
{
	return OidIsValid(trigger->tgconstraint) && RI_FKey_trigger_type(trigger->tgfoid) == RI_TRIGGER_FK &&
		list_member_oid(arg, trigger->tgconstraint);
}

/* --------------------------------------------------------------- overlaps */

/*
 * The columns that are written, and how many there are.
 *
 * Error: datatype_mismatch.
 */
static AttrNumber *
find_columns(const RecordIngest *ingest, Relation overlaps, int *n_columns)
{
	AttrNumber *columns;

	*n_columns = N_PIXEL_COLUMNS + list_length(ingest->element->required);
	columns = palloc(sizeof(AttrNumber) * *n_columns);
	for (int i = 0; i < *n_columns; i++)
	{
		bool		of_pixel = i < N_PIXEL_COLUMNS;
		const char *name = of_pixel ? pixel_columns[i].name :
			list_nth(ingest->element->required, i - N_PIXEL_COLUMNS);
		AttrNumber	column = get_attnum(RelationGetRelid(overlaps), name);
		Oid			type = of_pixel ? pixel_columns[i].type :
			get_atttype(RelationGetRelid(ingest->table),
						get_attnum(RelationGetRelid(ingest->table), record_key_column(ingest->element, name)));

		if (column <= 0 || get_atttype(RelationGetRelid(overlaps), column) != type)
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("table \"%s\" has no column \"%s\" of type %s",
							RelationGetRelationName(overlaps), name, format_type_be(type))));
		columns[i] = column;
	}
	return columns;
}

/* Writes the pixels of a row: an array of them, and the key. */
static void
put_pixels(Writer *writer, HeapTuple tuple, TupleDesc desc, Datum *values)
{
	Datum	   *fields = palloc(sizeof(Datum) * desc->natts);
	bool	   *nulls = palloc(sizeof(bool) * desc->natts);
	ArrayType  *pixels;
	int64	   *first;

	heap_deform_tuple(tuple, desc, fields, nulls);
	if (nulls[0])
		return;
	pixels = DatumGetArrayTypeP(fields[0]);
	first = (int64 *) ARR_DATA_PTR(pixels);
	for (int i = 1; i < desc->natts; i++)
		values[N_PIXEL_COLUMNS + i - 1] = fields[i];
	for (int i = 0; i < ArrayGetNItems(ARR_NDIM(pixels), ARR_DIMS(pixels)); i++)
	{
		values[2] = Int64GetDatum(first[i]);
		writer_put(writer, values, NULL);
	}
}

static void
put_all(const RecordIngest *ingest, Writer *writer)
{
	MemoryContext per_row = AllocSetContextCreate(CurrentMemoryContext, "catreg overlaps", ALLOCSET_DEFAULT_SIZES);
	MemoryContext context = CurrentMemoryContext;
	Datum	   *values = palloc(sizeof(Datum) * (N_PIXEL_COLUMNS + list_length(ingest->element->required)));
	StringInfoData sql;
	StringInfoData keys;
	ListCell   *cell;
	Portal		portal;
	uint64		n_fetched;

	initStringInfo(&sql);
	initStringInfo(&keys);
	foreach(cell, ingest->element->required)
		appendStringInfo(&keys, "%sr.%s", keys.len > 0 ? ", " : "",
						 quote_identifier(record_key_column(ingest->element, lfirst(cell))));
	appendStringInfo(&sql, "SELECT r." RECORDS_PIXELS ", %s FROM %s ORDER BY %s", keys.data, ingest->written, keys.data);
	values[0] = CStringGetTextDatum(HTM);
	values[1] = Int16GetDatum((int16) ingest->level);
	portal = SPI_cursor_open_with_args(NULL, sql.data, 0, NULL, NULL, NULL, false, CURSOR_OPT_NO_SCROLL);
	do
	{
		SPI_cursor_fetch(portal, true, ROWS_A_FETCH);
		n_fetched = SPI_processed;
		MemoryContextSwitchTo(per_row);
		for (uint64 i = 0; i < n_fetched; i++)
		{
			CHECK_FOR_INTERRUPTS();
			put_pixels(writer, SPI_tuptable->vals[i], SPI_tuptable->tupdesc, values);
			MemoryContextReset(per_row);
		}
		MemoryContextSwitchTo(context);
		SPI_freetuptable(SPI_tuptable);
	} while (n_fetched > 0);
	SPI_cursor_close(portal);
	MemoryContextDelete(per_row);
}

static void
delete_overlaps(const RecordIngest *ingest)
{
	MemoryContext context = CurrentMemoryContext;
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
	query_execute(sql.data);
	MemoryContextSwitchTo(context);
}

/*
 * Writes the pixels of the records written, in place of those from before.
 */
void
record_write_overlaps(const RecordIngest *ingest)
{
	Relation	overlaps = table_open(overlap_table(ingest->registry, ingest->element->name, ""), RowExclusiveLock);
	WriterTarget target = {.rel = overlaps,.in_order = true,.handles = is_proven};
	Writer	   *writer;

	if (ingest->on_conflict == RECORD_CONFLICT_REPLACE)
		delete_overlaps(ingest);
	target.columns = find_columns(ingest, overlaps, &target.n_columns);
	target.handles_arg = prove_foreign_keys(ingest, overlaps);
	writer = writer_begin(&target);
	put_all(ingest, writer);
	writer_end(writer);
	table_close(overlaps, NoLock);
}

/*
 * Notes for instruments and skymaps that the overlaps of what they govern are
 * stored; the overlap tables have foreign keys to that.
 */
void
record_write_summaries(const RecordIngest *ingest)
{
	const Universe *universe = ingest->registry->universe;
	MemoryContext context = CurrentMemoryContext;

	for (int i = 0; i < universe->n_elements; i++)
	{
		const DimensionElement *element = &universe->elements[i];

		if (element->view_of != NULL || !universe_is_spatial(universe, element) ||
			universe_governor(universe, element) != ingest->element)
			continue;
		query_execute(psprintf("INSERT INTO %s (skypix_system, skypix_level, %s) SELECT '" HTM "', %d, r.%s "
							   "FROM " RECORDS_NAME " r ORDER BY r.%s ON CONFLICT DO NOTHING",
							   query_relation(overlap_table(ingest->registry, element->name, "_summary")),
							   quote_identifier(ingest->element->name), record_common_level(universe),
							   quote_identifier(ingest->element->key), quote_identifier(ingest->element->key)));
		MemoryContextSwitchTo(context);
	}
}

