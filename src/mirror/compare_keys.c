/*-------------------------------------------------------------------------
 *
 * src/mirror/compare_keys.c
 *	  Single rows of the ranges that differ, by their keys.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "executor/tstoreReceiver.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "core/query.h"
#include "mirror/compare.h"

#define MORE_BITS 6				/* 64 ranges in each that differs */
#define FEW_ROWS 64				/* that a range is not divided for, */
#define MANY_ROWS 2000000		/* that are rather read as a whole */

/* Has a table's key a column of this name? */
bool
compare_is_of_key(const MirrorTable *table, const char *name)
{
	ListCell   *cell;

	foreach(cell, table->key)
		if (strcmp(((MirrorColumn *) lfirst(cell))->name, name) == 0)
			return true;
	return false;
}

/* What the column of checksums is called beside those of a key. */
static const char *
checksum_name(const MirrorTable *table)
{
	const char *name = "catreg checksum";

	for (int i = 1; compare_is_of_key(table, name); i++)
		name = psprintf("catreg checksum %d", i);
	return name;
}

/* A row type of a key and, if wanted, a checksum. */
static TupleDesc
key_desc(const MirrorTable *table, bool checksum)
{
	int			n = list_length(table->key);
	TupleDesc	desc = CreateTemplateTupleDesc(n + (checksum ? 1 : 0));
	ListCell   *cell;

	foreach(cell, table->key)
	{
		const MirrorColumn *column = lfirst(cell);
		AttrNumber	i = foreach_current_index(cell) + 1;

		TupleDescInitEntry(desc, i, column->name, column->typid, -1, 0);
	}

	if (checksum)
		TupleDescInitEntry(desc, n + 1, checksum_name(table), INT8OID, -1, 0);
	return desc;
}

/* That the rows of two aliases have one key. */
void
compare_write_same_key(StringInfo text, const MirrorTable *table, const char *a, const char *b)
{
	ListCell   *cell;

	foreach(cell, table->key)
	{
		const char *column = ((MirrorColumn *) lfirst(cell))->quoted;

		appendStringInfo(text, "%s%s.%s = %s.%s", foreach_current_index(cell) == 0 ? "" : " AND ", a, column, b, column);
	}
}

/*
 * Executes a SELECT of keys, and adds them to those that are gone.
 */
void
compare_add_gone(MirrorTable *table, const char *text)
{
	SPIExecuteOptions options = {0};

	if (table->gone == NULL)
	{
		table->gone_desc = key_desc(table, false);
		table->gone = tuplestore_begin_heap(true, false, work_mem);
	}
	options.dest = CreateDestReceiver(DestTuplestore);
	SetTuplestoreDestReceiverParams(options.dest, table->gone, CurrentMemoryContext, false, NULL, NULL);
	if (SPI_execute_extended(text, &options) < 0)
		elog(ERROR, "could not execute \"%s\"", text);
	table->n_gone += SPI_processed;
	options.dest->rDestroy(options.dest);
}

/* The keys that a SELECT returns, added to others. */
List *
compare_add_keys(List *keys, const MirrorTable *table, const char *text)
{
	int			n = list_length(table->key);

	if (SPI_execute(text, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not execute \"%s\"", text);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		char	  **key = palloc(sizeof(char *) * n);

		for (int j = 0; j < n; j++)
			key[j] = SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, j + 1);
		keys = lappend(keys, key);
	}
	SPI_freetuptable(SPI_tuptable);
	return keys;
}

/*
 * Makes the remote's keys and checksums known to queries here, as catreg_remote.
 * The rows are the caller's to free.
 */
static Tuplestorestate *
register_keys(const MirrorTable *table, const RemoteRows *rows)
{
	TupleDesc	desc = key_desc(table, true);
	AttInMetadata *input = TupleDescGetAttInMetadata(desc);
	Tuplestorestate *store = tuplestore_begin_heap(true, false, work_mem);

	for (int i = 0; i < rows->n_rows; i++)
	{
		HeapTuple	tuple = BuildTupleFromCStrings(input, &rows->values[i * rows->n_columns]);

		tuplestore_puttuple(store, tuple);
		heap_freetuple(tuple);
	}
	query_register_rows("catreg_remote", desc, store, rows->n_rows);
	return store;
}

/* What is expected of the remote where it is asked for keys and checksums. */
static const char *
row_of_key(const MirrorTable *table)
{
	StringInfoData columns;

	initStringInfo(&columns);
	for (int i = 0; i < list_length(table->key); i++)
		appendStringInfoChar(&columns, 'v');
	appendStringInfoChar(&columns, 'i');
	return columns.data;
}

/*
 * Compares single rows within some ranges: finds keys that are gone, and those
 * wanted.
 */
static void
compare_rows(Comparison *comparison, List *ranges, int shift)
{
	MirrorTable *table = comparison->table;
	Tuplestorestate *keys = NULL;
	StringInfoData source;
	StringInfoData text;

	for (int side = 0; side < 2; side++)
	{
		initStringInfo(&source);
		appendStringInfoString(&source, "SELECT ");
		transfer_write_columns(&source, table->key, "t");
		appendStringInfoString(&source, ", ");
		compare_write_checksum(&source, comparison);
		appendStringInfo(&source, " AS \"%s\"", checksum_name(table));
		compare_write_source(&source, comparison, side == 0 ? table->quoted : table->local, ranges, shift);
		if (side == 0)
			keys = register_keys(table, remote_query(comparison->mirror->remote, source.data, 0, NULL, row_of_key(table)));
	}

	initStringInfo(&text);
	appendStringInfo(&text, "WITH t AS MATERIALIZED (%s) SELECT ", source.data);
	transfer_write_columns(&text, table->key, "t");
	appendStringInfoString(&text, " FROM t WHERE NOT EXISTS (SELECT FROM catreg_remote r WHERE ");
	compare_write_same_key(&text, table, "r", "t");
	appendStringInfoString(&text, ")");
	compare_add_gone(table, text.data);

	if (!comparison->keys_only)
	{
		resetStringInfo(&text);
		appendStringInfo(&text, "WITH t AS MATERIALIZED (%s) SELECT ", source.data);
		transfer_write_columns(&text, table->key, "r");
		appendStringInfoString(&text, " FROM catreg_remote r WHERE NOT EXISTS (SELECT FROM t WHERE ");
		compare_write_same_key(&text, table, "r", "t");
		appendStringInfo(&text, " AND t.\"%s\" = r.\"%s\")", checksum_name(table), checksum_name(table));
		comparison->wanted = compare_add_keys(comparison->wanted, table, text.data);
	}
	if (SPI_unregister_relation("catreg_remote") != SPI_OK_REL_UNREGISTER)
		elog(ERROR, "could not unregister the remote's keys");
	tuplestore_end(keys);
}

/* Writes the remote's rows of some of a list of keys, as FROM has them. */
void
compare_write_keys(StringInfo text, const MirrorTable *table, List *keys, int begin, int end)
{
	appendStringInfoString(text, "(VALUES ");
	for (int i = begin; i < end; i++)
	{
		char	  **key = list_nth(keys, i);

		appendStringInfoString(text, i == begin ? "(" : ", (");
		for (int j = 0; j < list_length(table->key); j++)
			appendStringInfo(text, "%s%s", j == 0 ? "" : ", ", quote_literal_cstr(key[j]));
		appendStringInfoString(text, ")");
	}
	appendStringInfoString(text, ") k (");
	transfer_write_columns(text, table->key, NULL);
	appendStringInfo(text, ") JOIN %s t ON ", table->quoted);
	for (int j = 0; j < list_length(table->key); j++)
	{
		const MirrorColumn *column = list_nth(table->key, j);

		appendStringInfo(text, "%st.%s = k.%s::%s", j == 0 ? "" : " AND ", column->quoted, column->quoted, column->remote_type);
	}
}

/* Reads the rows wanted. */
static void
fetch_wanted(Comparison *comparison)
{
	int			n = list_length(comparison->wanted);

	for (int done = 0; done < n; done += KEYS_A_QUERY)
	{
		StringInfoData text;

		initStringInfo(&text);
		compare_write_keys(&text, comparison->table, comparison->wanted, done, Min(done + KEYS_A_QUERY, n));
		transfer_rows((Mirror *) comparison->mirror, comparison->table, text.data);
	}
}

/* Reads all rows, and finds the keys that are not among them. */
static void
fetch_all(Comparison *comparison)
{
	MirrorTable *table = comparison->table;
	StringInfoData text;

	transfer_rows((Mirror *) comparison->mirror, table, psprintf("%s t", table->quoted));
	if (table->gone != NULL)
		tuplestore_end(table->gone);
	table->gone = NULL;
	table->n_gone = 0;
	query_register_rows("catreg_remote", table->changed_desc, table->changed, table->n_changed);
	initStringInfo(&text);
	appendStringInfoString(&text, "SELECT ");
	transfer_write_columns(&text, table->key, "t");
	appendStringInfo(&text, " FROM %s t WHERE NOT EXISTS (SELECT FROM catreg_remote r WHERE ", table->local);
	compare_write_same_key(&text, table, "r", "t");
	appendStringInfoString(&text, ")");
	compare_add_gone(table, text.data);
	SPI_unregister_relation("catreg_remote");
}

/*
 * Finds what differs in a table that has a key.  With keys_only that is the keys
 * that are gone, else rows that are new or changed as well.
 */
void
compare_by_key(const Mirror *mirror, MirrorTable *table, bool keys_only)
{
	Comparison	comparison = {mirror, table, keys_only};
	List	   *within = NIL;
	int			within_shift = 0;
	int			shift;

	comparison.by_integer = list_length(table->key) == 1 && compare_are_integers(table->key);
	shift = compare_first_shift(&comparison);
	for (;;)
	{
		List	   *leaves = NIL;
		List	   *inner = NIL;
		ListCell   *cell;

		foreach(cell, compare_level(&comparison, within, within_shift, shift))
		{
			Range	   *range = lfirst(cell);

			if (range->rows > (keys_only ? FEW_KEYS : FEW_ROWS) && shift > 0)
				inner = lappend(inner, range);
			else
			{
				leaves = lappend(leaves, range);
				comparison.n_looked_at += range->rows;
			}
		}
		if (comparison.n_looked_at > MANY_ROWS && !keys_only && !mirror->count_only)
			break;
		if (leaves != NIL)
			compare_rows(&comparison, leaves, shift);
		if (inner == NIL)
			break;
		within = inner;
		within_shift = shift;
		shift = Max(shift - MORE_BITS, 0);
	}
	if (mirror->count_only)
		table->n_changed = list_length(comparison.wanted);
	else if (comparison.n_looked_at > MANY_ROWS && !keys_only)
		fetch_all(&comparison);
	else
		fetch_wanted(&comparison);
}
