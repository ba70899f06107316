/*-------------------------------------------------------------------------
 *
 * src/mirror/apply.c
 *	  Writes all that differs, in one statement.
 *
 * It deletes, updates and inserts, in this order in each table, in all tables at
 * once.  PostgreSQL fires the triggers of all this, with which it checks foreign
 * keys and cascades, at the end of the statement, when every table is as it is to
 * be: no order of tables has to be found, tables may refer to one another in a
 * circle, and nothing is taken along by a cascade that only a moment later would
 * refer to something else.  Derived tables follow by their own triggers, which see
 * the same.
 *
 * Only unique constraints are checked row by row.  If two rows have changed
 * places, the statement is executed again without the constraints in question,
 * which are then made again.  So it is with foreign keys that refer to a table
 * without a primary key, all of whose rows are replaced.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "core/attempt.h"
#include "core/query.h"
#include "mirror/mirror.h"

/* Rows of a table. */
typedef struct RowCounts
{
	int64		inserted;
	int64		updated;
	int64		deleted;
} RowCounts;

static void
write_same_key(StringInfo text, const MirrorTable *table, const char *other)
{
	ListCell   *cell;

	foreach(cell, table->key)
	{
		const char *column = ((MirrorColumn *) lfirst(cell))->quoted;

		appendStringInfo(text, "%st.%s OPERATOR(pg_catalog.=) %s.%s", foreach_current_index(cell) == 0 ? "" : " AND ", column, other, column);
	}
}

static void
write_delete(StringInfo text, const MirrorTable *table, int i)
{
	if (table->all)
		appendStringInfo(text, "d%d AS (DELETE FROM %s t RETURNING 1), ", i, table->local);
	else if (table->n_gone > 0)
	{
		appendStringInfo(text, "d%d AS (DELETE FROM %s t USING catreg_gone_%d g WHERE ", i, table->local, i);
		write_same_key(text, table, "g");

		/* keys can be equal and not look the same, such as 1.0 and 1.00 */
		if (table->n_changed > 0)
		{
			appendStringInfo(text, " AND NOT EXISTS (SELECT FROM catreg_changed_%d t WHERE ", i);
			write_same_key(text, table, "g");
			appendStringInfoString(text, ")");
		}
		appendStringInfoString(text, " RETURNING 1), ");
	}
	else
		appendStringInfo(text, "d%d AS (SELECT WHERE false), ", i);
}

/* Whatever comes after something else in a table waits for its number of rows. */
static void
write_update(StringInfo text, const MirrorTable *table, int i)
{
	const char *separator = "";
	ListCell   *cell;

	if (table->key == NIL || table->n_changed == 0)
	{
		appendStringInfo(text, "u%d AS (SELECT WHERE (SELECT pg_catalog.count(*) FROM d%d) OPERATOR(pg_catalog.<) 0), ", i, i);
		return;
	}
	appendStringInfo(text, "u%d AS (UPDATE %s t SET ", i, table->local);
	foreach(cell, table->columns)
	{
		const MirrorColumn *column = lfirst(cell);

		if (!column->settable)
			continue;
		appendStringInfo(text, "%s%s = n.%s", separator, column->quoted, column->quoted);
		separator = ", ";
	}
	appendStringInfo(text, " FROM catreg_changed_%d n WHERE ", i);
	write_same_key(text, table, "n");
	appendStringInfoString(text, " AND ROW(");
	transfer_write_columns(text, table->columns, "t");
	appendStringInfoString(text, ")::pg_catalog.record OPERATOR(pg_catalog.*<>) ROW(");
	transfer_write_columns(text, table->columns, "n");
	appendStringInfo(text, ")::pg_catalog.record AND (SELECT pg_catalog.count(*) FROM d%d) OPERATOR(pg_catalog.>=) 0 RETURNING 1), ", i);
}

static void
write_insert(StringInfo text, const MirrorTable *table, int i)
{
	if (table->n_changed == 0)
	{
		appendStringInfo(text, "i%d AS (SELECT WHERE (SELECT pg_catalog.count(*) FROM u%d) OPERATOR(pg_catalog.<) 0)", i, i);
		return;
	}
	appendStringInfo(text, "i%d AS (INSERT INTO %s (", i, table->local);
	transfer_write_columns(text, table->columns, NULL);
	appendStringInfoString(text, ") OVERRIDING SYSTEM VALUE SELECT ");
	transfer_write_columns(text, table->columns, "n");
	appendStringInfo(text, " FROM catreg_changed_%d n WHERE ", i);
	if (table->key != NIL)
	{
		appendStringInfo(text, "NOT EXISTS (SELECT FROM %s t WHERE ", table->local);
		write_same_key(text, table, "n");
		appendStringInfoString(text, ") AND ");
	}
	appendStringInfo(text, "(SELECT pg_catalog.count(*) FROM u%d) OPERATOR(pg_catalog.>=) 0 RETURNING 1)", i);
}

static bool
differs(const MirrorTable *table)
{
	return table->all || table->n_changed > 0 || table->n_gone > 0;
}

static const char *
write_statement(List *tables)
{
	StringInfoData text;
	const char *separator = "WITH ";
	ListCell   *cell;

	initStringInfo(&text);
	foreach(cell, tables)
	{
		int			i = foreach_current_index(cell);

		appendStringInfoString(&text, separator);
		write_delete(&text, lfirst(cell), i);
		write_update(&text, lfirst(cell), i);
		write_insert(&text, lfirst(cell), i);
		separator = ", ";
	}

	/* an array, since there are schemas with more tables than a list of columns may have columns */
	separator = " SELECT ARRAY[";
	foreach(cell, tables)
	{
		int			i = foreach_current_index(cell);

		appendStringInfo(&text, "%s(SELECT pg_catalog.count(*) FROM d%d), (SELECT pg_catalog.count(*) FROM u%d), (SELECT pg_catalog.count(*) FROM i%d)",
						 separator, i, i, i);
		separator = ", ";
	}
	appendStringInfoString(&text, "]");
	return text.data;
}

/* Takes the statement's array: what it has done in each table. */
static void
take_counts(List *tables)
{
	bool		isnull;
	ArrayType  *array = DatumGetArrayTypeP(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	const int64 *counts = (const int64 *) ARR_DATA_PTR(array);
	ListCell   *cell;

	Assert(ARR_ELEMTYPE(array) == INT8OID && !ARR_HASNULL(array));
	foreach(cell, tables)
	{
		MirrorTable *table = lfirst(cell);

		table->deleted = *counts++;
		table->updated = *counts++;
		table->inserted = *counts++;
	}
}

/*
 * What this transaction has done in each table of a mirror so far, by PostgreSQL's
 * own count of it.
 */
static RowCounts *
count_written(const Mirror *mirror)
{
	RowCounts  *written = palloc(sizeof(RowCounts) * list_length(mirror->tables));
	ListCell   *cell;

	foreach(cell, mirror->tables)
	{
		RowCounts  *counts = &written[foreach_current_index(cell)];
		Datum		relid = ObjectIdGetDatum(((MirrorTable *) lfirst(cell))->relid);

		counts->inserted = DatumGetInt64(DirectFunctionCall1(pg_stat_get_xact_tuples_inserted, relid));
		counts->updated = DatumGetInt64(DirectFunctionCall1(pg_stat_get_xact_tuples_updated, relid));
		counts->deleted = DatumGetInt64(DirectFunctionCall1(pg_stat_get_xact_tuples_deleted, relid));
	}
	return written;
}

/*
 * Are all rows of a table that this transaction has written as they are to be?  A
 * foreign key's action may have written some of them once more, since what refers
 * to a key that looks otherwise follows it (1.0, 1.00).
 */
static bool
is_as_wanted(const MirrorTable *table, int i)
{
	StringInfoData text;

	if (table->key == NIL || table->n_changed == 0)
		return false;
	initStringInfo(&text);
	appendStringInfo(&text, "SELECT FROM catreg_changed_%d n WHERE NOT EXISTS (SELECT FROM %s t WHERE ", i, table->local);
	write_same_key(&text, table, "n");
	appendStringInfoString(&text, " AND ROW(");
	transfer_write_columns(&text, table->columns, "t");
	appendStringInfoString(&text, ")::pg_catalog.record OPERATOR(pg_catalog.*=) ROW(");
	transfer_write_columns(&text, table->columns, "n");

	/* the transaction's own, and those of its subtransactions */
	appendStringInfo(&text, ")::pg_catalog.record) UNION ALL SELECT FROM %s t WHERE pg_catalog.age(t.xmin) <= 0 AND NOT EXISTS (SELECT FROM catreg_changed_%d n WHERE ",
					 table->local, i);
	write_same_key(&text, table, "n");
	appendStringInfoString(&text, ") LIMIT 1");
	query_execute(text.data);
	return SPI_processed == 0;
}

static int
position_of(List *tables, const MirrorTable *table)
{
	ListCell   *cell;

	foreach(cell, tables)
		if (lfirst(cell) == table)
			return foreach_current_index(cell);
	return -1;
}

/*
 * Refuses what the statement has brought about besides: a foreign key here that
 * has been dropped there takes rows along, or changes them, that are still there.
 */
static void
refuse_side_effects(const Mirror *mirror, List *tables, const RowCounts *before)
{
	const RowCounts *after = count_written(mirror);
	ListCell   *cell;

	foreach(cell, mirror->tables)
	{
		const MirrorTable *table = lfirst(cell);
		int			i = foreach_current_index(cell);
		int64		inserted = after[i].inserted - before[i].inserted - (table->fresh ? 0 : table->inserted);
		int64		updated = after[i].updated - before[i].updated - table->updated;
		int64		deleted = after[i].deleted - before[i].deleted - table->deleted;

		if (table->derived || (inserted == 0 && updated == 0 && deleted == 0))
			continue;
		if (inserted != 0 || deleted != 0 || !is_as_wanted(table, position_of(tables, table)))
			ereport(ERROR,
					(errcode(ERRCODE_TRIGGERED_DATA_CHANGE_VIOLATION),
					 errmsg("a trigger or a foreign key's action has changed rows of table \"%s\" that have not changed on server \"%s\"",
							get_rel_name(table->relid), mirror->server),
					 errdetail("It has inserted " INT64_FORMAT ", updated " INT64_FORMAT " and deleted " INT64_FORMAT " rows.",
							   inserted, updated, deleted),
					 errhint("A foreign key that has been dropped there is to be dropped here, too.")));
	}
}

/*
 * Tiled's own trigger functions, where there are any, name their tables without a
 * schema.
 */
static void
execute(const Mirror *mirror, List *tables, const char *text)
{
	int			level = NewGUCNestLevel();
	RowCounts  *before;

	(void) set_config_option("track_counts", "on", PGC_SUSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	before = count_written(mirror);
	query_set("search_path", psprintf("pg_catalog, %s, pg_temp", quote_identifier(mirror->local_schema)));
	if (SPI_execute(text, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not execute \"%s\"", text);
	query_settings_back(level);
	take_counts(tables);
	SPI_freetuptable(SPI_tuptable);
	refuse_side_effects(mirror, tables, before);
}

typedef struct Statement
{
	const Mirror *mirror;
	List	   *tables;
	const char *text;
} Statement;

static void
execute_statement(void *arg)
{
	const Statement *statement = arg;

	execute(statement->mirror, statement->tables, statement->text);
}

/*
 * Executes the statement; false if a unique or exclusion constraint was in the way,
 * and nothing has been done.
 */
static bool
try_execute(const Mirror *mirror, List *tables, const char *text)
{
	Statement	statement = {mirror, tables, text};
	ErrorData  *error = attempt(execute_statement, &statement);

	if (error != NULL && error->sqlerrcode != ERRCODE_UNIQUE_VIOLATION && error->sqlerrcode != ERRCODE_EXCLUSION_VIOLATION)
		ReThrowError(error);
	return error == NULL;
}

/* The relations of tables, or of those that are replaced, as the text of an array. */
static const char *
write_relations(List *tables, bool replaced)
{
	StringInfoData text;
	const char *separator = "";
	ListCell   *cell;

	initStringInfo(&text);
	foreach(cell, tables)
	{
		const MirrorTable *table = lfirst(cell);

		if (replaced && !table->all)
			continue;
		appendStringInfo(&text, "%s%u", separator, table->relid);
		separator = ",";
	}
	return text.data;
}

/*
 * Has deferred constraints be checked now, since no table is altered that has a
 * check before it.
 */
static void
check_deferred(List *tables)
{
	const char *query = psprintf("SELECT string_agg(DISTINCT format('%%I.%%I', n.nspname, k.conname), ', '), "
								 "string_agg(DISTINCT format('%%I.%%I', n.nspname, k.conname), ', ') FILTER (WHERE k.condeferred) "
								 "FROM pg_constraint k JOIN pg_namespace n ON n.oid = k.connamespace "
								 "WHERE k.condeferrable AND (k.conrelid = ANY ('{%s}') OR k.confrelid = ANY ('{%s}'))",
								 write_relations(tables, false), write_relations(tables, false));
	const char *names[2];

	if (SPI_execute(query, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not execute \"%s\"", query);
	for (int i = 0; i < 2; i++)
		names[i] = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, i + 1);
	SPI_freetuptable(SPI_tuptable);
	if (names[0] != NULL)
		query_execute(psprintf("SET CONSTRAINTS %s IMMEDIATE", names[0]));
	if (names[1] != NULL)
		query_execute(psprintf("SET CONSTRAINTS %s DEFERRED", names[1]));
}

/*
 * Executes the statement without unique indexes that are no primary key, if they
 * are in the way, and without what refers to them or to a table that is replaced.
 * All of it is dropped, and made again afterwards.
 */
static void
execute_without_constraints(const Mirror *mirror, List *tables, const char *text)
{
	List	   *drop = NIL;
	List	   *make = NIL;
	ListCell   *cell;
	const char *query = psprintf(
								 "WITH u AS (SELECT i.indexrelid, i.indrelid, k.oid AS constraint, k.conname FROM pg_index i "
								 "LEFT JOIN pg_constraint k ON k.conindid = i.indexrelid AND k.contype IN ('u', 'x') AND k.conrelid = i.indrelid "
								 "WHERE i.indrelid = ANY ('{%s}') AND (i.indisunique OR i.indisexclusion) AND NOT i.indisprimary) "
								 "SELECT format('ALTER TABLE %%s DROP CONSTRAINT %%I', f.conrelid::regclass, f.conname), "
								 "format('ALTER TABLE %%s ADD CONSTRAINT %%I %%s', f.conrelid::regclass, f.conname, pg_get_constraintdef(f.oid)), 1 "
								 "FROM pg_constraint f WHERE f.contype = 'f' AND f.conparentid = 0 "
								 "AND (f.conindid IN (SELECT indexrelid FROM u) OR f.confrelid = ANY ('{%s}')) "
								 "UNION ALL SELECT coalesce(format('ALTER TABLE %%s DROP CONSTRAINT %%I', u.indrelid::regclass, u.conname), format('DROP INDEX %%s', u.indexrelid::regclass)), "
								 "coalesce(format('ALTER TABLE %%s ADD CONSTRAINT %%I %%s', u.indrelid::regclass, u.conname, pg_get_constraintdef(u.constraint)), "
								 "pg_get_indexdef(u.indexrelid)), 2 FROM u ORDER BY 3, 1",
								 write_relations(tables, false), write_relations(tables, true));

	if (SPI_execute(query, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not execute \"%s\"", query);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		drop = lappend(drop, SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1));
		make = lcons(SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 2), make);
	}
	SPI_freetuptable(SPI_tuptable);
	foreach(cell, drop)
		query_execute(lfirst(cell));
	execute(mirror, tables, text);
	check_deferred(tables);
	foreach(cell, make)
		query_execute(lfirst(cell));
}

/* Does a foreign key refer to a table that is replaced as a whole? */
static bool
refers_to_replaced(List *tables)
{
	const char *query = psprintf("SELECT FROM pg_constraint f WHERE f.contype = 'f' AND f.confrelid = ANY ('{%s}') LIMIT 1",
								 write_relations(tables, true));

	if (SPI_execute(query, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not execute \"%s\"", query);
	return SPI_processed > 0;
}

static void
register_changes(List *tables)
{
	ListCell   *cell;

	foreach(cell, tables)
	{
		MirrorTable *table = lfirst(cell);
		int			i = foreach_current_index(cell);

		if (table->n_changed > 0)
			query_register_rows(psprintf("catreg_changed_%d", i), table->changed_desc, table->changed, table->n_changed);
		if (table->n_gone > 0)
			query_register_rows(psprintf("catreg_gone_%d", i), table->gone_desc, table->gone, table->n_gone);
	}
}

static void
unregister_changes(List *tables)
{
	ListCell   *cell;

	foreach(cell, tables)
	{
		MirrorTable *table = lfirst(cell);
		int			i = foreach_current_index(cell);

		if (table->n_changed > 0)
			SPI_unregister_relation(psprintf("catreg_changed_%d", i));
		if (table->n_gone > 0)
			SPI_unregister_relation(psprintf("catreg_gone_%d", i));
	}
}

/*
 * Makes the tables here what compare_tables() has found them to be there.  SPI
 * must be connected.
 */
void
apply_changes(Mirror *mirror)
{
	List	   *tables = NIL;
	const char *text;
	ListCell   *cell;

	foreach(cell, mirror->tables)
		if (differs(lfirst(cell)))
			tables = lappend(tables, lfirst(cell));
	if (tables == NIL)
		return;
	register_changes(tables);
	text = write_statement(tables);
	if (refers_to_replaced(tables) || !try_execute(mirror, tables, text))
		execute_without_constraints(mirror, tables, text);
	unregister_changes(tables);
}
