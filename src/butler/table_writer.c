/*-------------------------------------------------------------------------
 *
 * src/butler/table_writer.c
 *	  Writing a registry's tables, foreign keys included.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "utils/lsyscache.h"

#include "core/query.h"
#include "butler/bulk.h"

/*
 * Starts to write a table.  Of the keys that its rows refer to, the caller has
 * just inserted those of the table vouched himself, if it is one.
 */
void
table_writer_begin(TableWriter *table, Oid relid, int n_columns, const char *const *names,
				   Oid vouched)
{
	WriterTarget target = {.n_columns = n_columns};

	table->rel = table_open(relid, RowExclusiveLock);
	table->n_columns = n_columns;
	for (int i = 0; i < n_columns; i++)
	{
		table->columns[i] = get_attnum(relid, names[i]);
		if (table->columns[i] <= 0)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_COLUMN),
					 errmsg("table %s has no column \"%s\"", query_relation(relid), names[i]),
					 errdetail("Its registry is of a version that is not known.")));
	}
	table->references = references_create(table->rel, n_columns, table->columns, vouched);
	target.rel = table->rel;
	target.columns = table->columns;
	target.in_order = true;
	target.n_sorted = n_columns;
	target.handles = references_handle;
	target.handles_arg = table->references;
	table->writer = writer_begin(&target);
}

void
table_writer_put(TableWriter *table, const Datum *values, const bool *nulls)
{
	if (writer_is_fast(table->writer))
		references_add(table->references, values, nulls);
	writer_put(table->writer, values, nulls);
}

/*
 * Finishes: all is checked, and in place.  The keys come first, so that whoever
 * removes one is not waited for with index entries that others wait for.
 */
void
table_writer_end(TableWriter *table)
{
	MemoryContext context = CurrentMemoryContext;

	if (writer_is_fast(table->writer))
		references_check(table->references);
	writer_end(table->writer);
	table_close(table->rel, NoLock);
	MemoryContextSwitchTo(context);
}

/*
 * Starts to write a tags table; a row is its dimensions' values, the ids of its
 * dataset type, collection and dataset.
 */
void
tag_writer_begin(TableWriter *table, const Registry *registry, const DatasetType *type,
				 const Dimensions *dimensions, Oid vouched)
{
	const char *names[MAX_TABLE_COLUMNS];
	int			n = 0;

	for (int i = 0; i < dimensions->n; i++)
		names[n++] = dimensions->names[i];
	names[n++] = "dataset_type_id";
	names[n++] = registry->tag_key;
	names[n++] = "dataset_id";
	table_writer_begin(table, type->tags, n, names, vouched);
}
