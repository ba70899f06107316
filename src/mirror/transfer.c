/*-------------------------------------------------------------------------
 *
 * src/mirror/transfer.c
 *	  Rows from the remote, by COPY: into a table, or to be looked at first.
 *
 * What arrives goes straight into PostgreSQL's own COPY FROM, which therefore
 * sees to constraints, triggers and progress.  The binary form is used where both
 * servers are of one major version and all types are PostgreSQL's own, or enums.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "commands/copy.h"
#include "executor/executor.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "parser/parse_relation.h"
#include "utils/builtins.h"
#include "utils/rel.h"

#include "core/compat.h"
#include "core/progress.h"
#include "mirror/mirror.h"

/* COPY's callback has no argument. */
static Remote *source_remote = NULL;
static char *source_data = NULL;
static int	source_length = 0;

static int
read_source(void *buffer, int min, int max)
{
	int			done = 0;

	while (done < min)
	{
		int			n;

		if (source_length == 0)
		{
			source_length = remote_copy_read(source_remote, &source_data);
			if (source_length == 0)
				break;
		}
		n = Min(max - done, source_length);
		memcpy((char *) buffer + done, source_data, n);
		source_data += n;
		source_length -= n;
		done += n;
	}
	return done;
}

/*
 * Writes columns, separated by commas, with a table's alias if one is given.
 */
void
transfer_write_columns(StringInfo text, List *columns, const char *alias)
{
	const char *separator = "";
	ListCell   *cell;

	foreach(cell, columns)
	{
		appendStringInfo(text, "%s%s%s%s", separator, alias == NULL ? "" : alias, alias == NULL ? "" : ".",
						 ((MirrorColumn *) lfirst(cell))->quoted);
		separator = ", ";
	}
}

/*
 * Strings in binary data are taken to be in the client's encoding.
 */
static bool
may_be_binary(const Mirror *mirror, const MirrorTable *table)
{
	ListCell   *cell;

	if (remote_version(mirror->remote) / 10000 != PG_VERSION_NUM / 10000 ||
		strcmp(remote_parameter(mirror->remote, "integer_datetimes"), "on") != 0 ||
		pg_get_client_encoding() != GetDatabaseEncoding())
		return false;
	foreach(cell, table->columns)
		if (!((MirrorColumn *) lfirst(cell))->binary)
			return false;
	return true;
}

/* Has the remote send rows; source is what follows the list of columns. */
static CopyFromState
begin(Mirror *mirror, const MirrorTable *table, Relation rel, const char *source)
{
	bool		binary = may_be_binary(mirror, table);
	ParseState *state = make_parsestate(NULL);
	List	   *names = NIL;
	List	   *options;
	StringInfoData text;
	ListCell   *cell;

	initStringInfo(&text);
	appendStringInfoString(&text, "COPY (SELECT ");
	transfer_write_columns(&text, table->columns, "t");
	appendStringInfo(&text, " FROM %s) TO STDOUT (FORMAT %s)", source, binary ? "binary" : "text");
	source_remote = mirror->remote;
	source_length = 0;
	remote_copy_begin(mirror->remote, text.data);

	foreach(cell, table->columns)
		names = lappend(names, makeString(((MirrorColumn *) lfirst(cell))->name));
	options = list_make1(makeDefElem("format", (Node *) makeString(binary ? "binary" : "text"), -1));
	if (!binary)
		options = lappend(options, makeDefElem("encoding", (Node *) makeString(pstrdup(GetDatabaseEncodingName())), -1));
	(void) addRangeTableEntryForRelation(state, rel, AccessShareLock, NULL, false, false);
	return BeginCopyFrom(state, rel, NULL, NULL, false, read_source, names, options);
}

/*
 * Copies all rows into a table that is empty.
 */
uint64
transfer_copy(Mirror *mirror, const MirrorTable *table)
{
	Relation	rel = table_open(table->relid, RowExclusiveLock);
	CopyFromState copy = begin(mirror, table, rel, psprintf("%s t", table->quoted));
	uint64		n_rows = CopyFrom(copy);

	EndCopyFrom(copy);
	table_close(rel, NoLock);
	return n_rows;
}

static TupleDesc
rows_desc(const MirrorTable *table, Relation rel)
{
	TupleDesc	desc = CreateTemplateTupleDesc(list_length(table->columns));
	ListCell   *cell;
	AttrNumber	n = 0;

	foreach(cell, table->columns)
	{
		const MirrorColumn *column = lfirst(cell);
		Form_pg_attribute attribute = TupleDescAttr(RelationGetDescr(rel), column->attnum - 1);

		n++;
		TupleDescInitEntry(desc, n, column->name, attribute->atttypid, attribute->atttypmod, 0);
		TupleDescInitEntryCollation(desc, n, attribute->attcollation);
	}
	return desc;
}

static void
store_row(MirrorTable *table, const Datum *values, const bool *nulls)
{
	int			n = list_length(table->columns);
	Datum	   *row = palloc(sizeof(Datum) * n);
	bool	   *row_nulls = palloc(sizeof(bool) * n);
	ListCell   *cell;

	foreach(cell, table->columns)
	{
		AttrNumber	attnum = ((MirrorColumn *) lfirst(cell))->attnum;

		row[foreach_current_index(cell)] = values[attnum - 1];
		row_nulls[foreach_current_index(cell)] = nulls[attnum - 1];
	}
	tuplestore_putvalues(table->changed, table->changed_desc, row, row_nulls);
}

/*
 * Reads rows into table->changed; source is what follows the list of columns, and
 * calls the table t.
 */
void
transfer_rows(Mirror *mirror, MirrorTable *table, const char *source)
{
	Relation	rel = table_open(table->relid, AccessShareLock);
	int			natts = RelationGetDescr(rel)->natts;
	Datum	   *values = palloc(sizeof(Datum) * natts);
	bool	   *nulls = palloc(sizeof(bool) * natts);
	EState	   *estate = CreateExecutorState();
	ExprContext *econtext = GetPerTupleExprContext(estate);
	CopyFromState copy;

	if (table->changed == NULL)
	{
		table->changed_desc = rows_desc(table, rel);
		table->changed = tuplestore_begin_heap(true, false, work_mem);
	}
	copy = begin(mirror, table, rel, source);
	for (;;)
	{
		MemoryContext old;
		bool		more;

		ResetPerTupleExprContext(estate);
		old = MemoryContextSwitchTo(GetPerTupleMemoryContext(estate));
		more = NextCopyFrom(copy, econtext, values, nulls);
		if (more)
			store_row(table, values, nulls);
		MemoryContextSwitchTo(old);
		if (!more)
			break;
		CHECK_FOR_INTERRUPTS();
		if (++table->n_changed % 1000 == 0)
			progress_rows(table->n_changed);
	}
	EndCopyFrom(copy);
	FreeExecutorState(estate);
	table_close(rel, NoLock);
}
