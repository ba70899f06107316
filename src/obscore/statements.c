/*-------------------------------------------------------------------------
 *
 * src/obscore/statements.c
 *	  The statements that bring the rows of some datasets up to date.
 *
 * They make rows with the query that defines the table, over the tags of the
 * datasets concerned.  What is concerned is said by keys: a dataset's id or, in a
 * find-first table, a data id, whose winner and whose row the keys of one dataset
 * cannot tell.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "core/query.h"
#include "obscore/statements.h"

static const char *const rows_names[N_ROWS] = {OBSCORE_NEW, OBSCORE_NEW, OBSCORE_OLD, OBSCORE_TOUCHED};

/* The column of the table that the keys lead to. */
static const char *
key_column(const Obscore *obscore)
{
	return obscore->find_first ? "registry_data_id" : "registry_dataset_id";
}

/* What that column holds for a row of keys. */
static char *
key_value(const Obscore *obscore, const ObscoreSelect *select, const char *alias)
{
	return obscore->find_first ? obscore_data_id_of(select, alias) : psprintf("%s.dataset_id", alias);
}

/* The keys of one dataset type in some rows, as a relation, each once; datasets in order. */
static char *
keys_in(const Obscore *obscore, const ObscoreSelect *select, ObscoreRows rows)
{
	const char *keys = obscore_keys(obscore, select, "k");

	if (rows == ROWS_TOUCHED)
		return psprintf("(SELECT %s FROM %s k)", keys, rows_names[rows]);
	return psprintf("(SELECT DISTINCT %s FROM %s k WHERE k.dataset_type_id OPERATOR(pg_catalog.=) " INT64_FORMAT "%s)",
					keys, rows_names[rows], select->type->id, obscore->find_first ? "" : " ORDER BY k.dataset_id");
}

/*
 * The tags of one key, which is in the row of that alias.  OFFSET: in a table
 * without statistics the index of dataset types is as good to the planner as that
 * of datasets, and leads to all of them.
 */
static char *
tags_by_key(const Obscore *obscore, const ObscoreSelect *select, const char *alias)
{
	const char *same = obscore_same_keys(obscore, select, "y", alias);

	if (obscore->find_first)
		return psprintf("(SELECT * FROM %s y WHERE y.dataset_type_id OPERATOR(pg_catalog.=) " INT64_FORMAT " AND %s OFFSET 0)",
						query_relation(select->type->tags), select->type->id, same);
	return psprintf("(SELECT * FROM %s y WHERE %s OFFSET 0)", query_relation(select->type->tags), same);
}

/* The tags of the keys in some rows. */
static char *
tags_of(const Obscore *obscore, const ObscoreSelect *select, ObscoreRows rows)
{
	return psprintf("(SELECT y.* FROM %s w CROSS JOIN LATERAL %s y OFFSET 0)",
					keys_in(obscore, select, rows), tags_by_key(obscore, select, "w"));
}

static void
write_insert(StringInfo text, const Obscore *obscore, const ObscoreSelect *select, ObscoreRows rows)
{
	appendStringInfo(text, "INSERT INTO %s AS o (%s)\n", query_relation(obscore->table), obscore_column_list(obscore, ""));
	if (rows == ROWS_NEW_MEMBERS)
		obscore_write_select_members(text, obscore, select, rows_names[rows]);
	else
		obscore_write_select(text, obscore, select, rows_names[rows]);
}

/* INSERT of rows that are not there. */
static void
write_put_new(StringInfo text, const Obscore *obscore, const ObscoreSelect *select, ObscoreRows rows)
{
	write_insert(text, obscore, select, rows);
	appendStringInfo(text, "\nON CONFLICT (%s) DO NOTHING", key_column(obscore));
}

/*
 * Writes what follows an INSERT into the table as o: or else UPDATE of what differs.
 * Rows are compared by their bytes: no operator is looked up by its name, and -0 is
 * not 0.
 */
void
obscore_write_or_update(StringInfo text, const Obscore *obscore)
{
	ListCell   *cell;
	bool		first = true;

	appendStringInfo(text, "\nON CONFLICT (%s) DO UPDATE SET ", key_column(obscore));
	foreach(cell, obscore->columns)
	{
		const char *name = quote_identifier(((ObscoreColumn *) lfirst(cell))->name);

		if (strcmp(name, key_column(obscore)) == 0)
			continue;
		appendStringInfo(text, "%s%s = excluded.%s", first ? "" : ", ", name, name);
		first = false;
	}
	appendStringInfo(text, "\nWHERE ROW(%s)::pg_catalog.record OPERATOR(pg_catalog.*<>) ROW(%s)::pg_catalog.record",
					 obscore_column_list(obscore, "o."), obscore_column_list(obscore, "excluded."));
}

/*
 * The same, and tells of each row its key, whether it was inserted (one that was
 * there has been locked, and says so), and whether it is that of new tags.
 */
static void
write_put_keys(StringInfo text, const Obscore *obscore, const ObscoreSelect *select, ObscoreRows rows)
{
	appendStringInfo(text, "INSERT INTO %s AS o (%s)\n", query_relation(obscore->table), obscore_column_list(obscore, ""));
	obscore_write_select(text, obscore, select, tags_of(obscore, select, rows));
	obscore_write_or_update(text, obscore);
	appendStringInfo(text, "\nRETURNING o.%s, o.xmax OPERATOR(pg_catalog.=) 0, ", key_column(obscore));
	if (rows == ROWS_NEW)
		appendStringInfo(text, "o.registry_dataset_id OPERATOR(pg_catalog.=) ANY (SELECT n.dataset_id FROM %s n)", rows_names[rows]);
	else
		appendStringInfoString(text, "false");
}

/* Rows of keys that are no member's any more. */
static void
write_remove(StringInfo text, const Obscore *obscore, const ObscoreSelect *select, ObscoreRows rows)
{
	appendStringInfo(text, "DELETE FROM %s o USING %s w WHERE o.%s OPERATOR(pg_catalog.=) %s AND NOT EXISTS (SELECT FROM (",
					 query_relation(obscore->table), keys_in(obscore, select, rows),
					 key_column(obscore), key_value(obscore, select, "w"));
	obscore_write_members(text, obscore, select, tags_by_key(obscore, select, "w"));
	appendStringInfoString(text, ") m WHERE m.dataset_id OPERATOR(pg_catalog.=) o.registry_dataset_id)");
}

/*
 * Writes a statement about the rows of one dataset type.  False: there is nothing
 * to execute.
 */
bool
obscore_write_statement(StringInfo text, const Obscore *obscore, const ObscoreSelect *select,
						ObscoreStatement statement, ObscoreRows rows)
{
	switch (statement)
	{
		case STATEMENT_KEY_LOCKS:
			return obscore_write_key_locks(text, obscore, select, rows_names[rows]);
		case STATEMENT_PUT_NEW:
			write_put_new(text, obscore, select, rows);
			return true;
		case STATEMENT_PUT:
			write_insert(text, obscore, select, rows);
			obscore_write_or_update(text, obscore);
			return true;
		case STATEMENT_LOCK_KEYS:
			appendStringInfo(text, "SELECT o.%1$s FROM %2$s o WHERE o.%1$s OPERATOR(pg_catalog.=) ANY (SELECT %3$s FROM %4$s w) "
							 "ORDER BY o.%1$s FOR UPDATE OF o",
							 key_column(obscore), query_relation(obscore->table),
							 key_value(obscore, select, "w"), keys_in(obscore, select, rows));
			return true;
		case STATEMENT_PUT_KEYS:
			write_put_keys(text, obscore, select, rows);
			return true;
		default:
			write_remove(text, obscore, select, rows);
			return true;
	}
}

/*
 * Writes the statement that deletes the rows of datasets, whose ids are touched,
 * that are members of no dataset type.
 */
void
obscore_write_remove_any(StringInfo text, const Obscore *obscore)
{
	ListCell   *cell;

	appendStringInfo(text, "DELETE FROM %s o USING " OBSCORE_TOUCHED_IDS " w "
					 "WHERE o.registry_dataset_id OPERATOR(pg_catalog.=) w.dataset_id",
					 query_relation(obscore->table));
	foreach(cell, obscore->selects)
	{
		const ObscoreSelect *select = lfirst(cell);

		appendStringInfoString(text, " AND NOT EXISTS (SELECT FROM (");
		obscore_write_members(text, obscore, select,
							  psprintf("(SELECT * FROM %s y WHERE y.dataset_id OPERATOR(pg_catalog.=) w.dataset_id OFFSET 0)",
									   query_relation(select->type->tags)));
		appendStringInfo(text, ") m WHERE o.%s OPERATOR(pg_catalog.=) %s)", key_column(obscore),
						 key_value(obscore, select, "m"));
	}
}
