/*-------------------------------------------------------------------------
 *
 * src/butler/ingest_dimensions_check.c
 *	  What the constraints of a registry's tables would refuse, said clearly.
 *
 * A constraint's own message names it and its columns; these name the record,
 * its row in the batch and what is to be done.  The constraints still hold, for
 * what another session does in between.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/relcache.h"

#include "core/query.h"
#include "butler/ingest_dimensions.h"

/*
 * Runs a query of at most one row.  Is there one?
 */
static bool
find_row(const char *query)
{
	MemoryContext context = CurrentMemoryContext;

	if (SPI_execute(query, false, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not execute \"%s\"", query);
	MemoryContextSwitchTo(context);
	return SPI_processed > 0;
}

static char *
found(int column)
{
	char	   *value = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, column);

	return value == NULL ? "null" : value;
}

/* Adds the columns of a record's key, as a query has them by an alias. */
static void
add_key(StringInfo sql, const RecordIngest *ingest, const char *alias, const char *separator)
{
	ListCell   *cell;

	foreach(cell, ingest->element->required)
		appendStringInfo(sql, "%s%s.%s", foreach_current_index(cell) > 0 ? separator : "", alias,
						 quote_identifier(record_key_column(ingest->element, lfirst(cell))));
}

/*
 * The record found, whose key is in the columns of the result from one on, as a
 * data id: visit {instrument: Cam, visit: 4}.
 */
static char *
record_found(const RecordIngest *ingest, int column)
{
	StringInfoData name;
	ListCell   *cell;

	initStringInfo(&name);
	appendStringInfo(&name, "%s {", ingest->element->name);
	foreach(cell, ingest->element->required)
		appendStringInfo(&name, "%s%s: %s", foreach_current_index(cell) > 0 ? ", " : "",
						 (char *) lfirst(cell), found(column + foreach_current_index(cell)));
	appendStringInfoChar(&name, '}');
	return name.data;
}

/* Of records with one key only the last could stay, or the first. */
static void
check_twice(const RecordIngest *ingest)
{
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfoString(&sql, "SELECT pg_catalog.min(r." RECORDS_ROW "), pg_catalog.max(r." RECORDS_ROW "), ");
	add_key(&sql, ingest, "r", ", ");
	appendStringInfoString(&sql, " FROM " RECORDS_NAME " r GROUP BY ");
	add_key(&sql, ingest, "r", ", ");
	appendStringInfoString(&sql, " HAVING pg_catalog.count(*) OPERATOR(pg_catalog.>) 1 ORDER BY 1");
	if (find_row(sql.data))
		ereport(ERROR,
				(errcode(ERRCODE_UNIQUE_VIOLATION),
				 errmsg("%s stands in the batch twice", record_found(ingest, 3)),
				 errdetail("It is in rows %s and %s.", found(1), found(2))));
}

static void
check_existing(const RecordIngest *ingest)
{
	StringInfoData sql;
	ListCell   *cell;

	initStringInfo(&sql);
	appendStringInfoString(&sql, "SELECT r." RECORDS_ROW ", ");
	add_key(&sql, ingest, "r", ", ");
	appendStringInfo(&sql, " FROM " RECORDS_NAME " r JOIN %s t ON ",
					 query_relation(RelationGetRelid(ingest->table)));
	foreach(cell, ingest->element->required)
	{
		const char *column = quote_identifier(record_key_column(ingest->element, lfirst(cell)));

		appendStringInfo(&sql, "%st.%s OPERATOR(pg_catalog.=) r.%s",
						 foreach_current_index(cell) > 0 ? " AND " : "", column, column);
	}
	appendStringInfoString(&sql, " ORDER BY 1");
	if (find_row(sql.data))
		ereport(ERROR,
				(errcode(ERRCODE_UNIQUE_VIOLATION),
				 errmsg("%s exists already", record_found(ingest, 2)),
				 errdetail("It is in row %s of the batch.", found(1)),
				 errhint("on_conflict may be \"ignore\" or \"replace\".")));
}

static bool
is_given(const RecordIngest *ingest, AttrNumber number)
{
	for (int i = 0; i < ingest->n_columns; i++)
		if (ingest->columns[i].number == number)
			return true;
	return false;
}

/*
 * Is there a record that refers to none of the rows of another table?
 */
static void
check_foreign_key(const RecordIngest *ingest, const ForeignKeyCacheInfo *key)
{
	const char *parent = get_rel_name(key->confrelid);
	Oid			table = RelationGetRelid(ingest->table);
	StringInfoData sql;
	StringInfoData join;
	StringInfoData missing;

	initStringInfo(&sql);
	initStringInfo(&join);
	initStringInfo(&missing);
	appendStringInfoString(&sql, "SELECT r." RECORDS_ROW ", ");
	add_key(&sql, ingest, "r", ", ");
	for (int i = 0; i < key->nkeys; i++)
	{
		const char *column = query_column(table, key->conkey[i]);

		if (!is_given(ingest, key->conkey[i]))
			return;
		appendStringInfo(&sql, ", r.%s", column);
		/* a key that is NULL in part refers to nothing, and nothing equals NULL */
		appendStringInfo(&join, "%sr.%s IS NOT NULL", i > 0 ? " AND " : "", column);
	}
	appendStringInfo(&join, " AND NOT EXISTS (SELECT FROM %s p WHERE ", query_relation(key->confrelid));
	for (int i = 0; i < key->nkeys; i++)
		appendStringInfo(&join, "%sp.%s OPERATOR(pg_catalog.=) r.%s", i > 0 ? " AND " : "",
						 query_column(key->confrelid, key->confkey[i]), query_column(table, key->conkey[i]));
	appendStringInfo(&sql, " FROM " RECORDS_NAME " r WHERE %s) ORDER BY 1", join.data);
	if (!find_row(sql.data))
		return;
	for (int i = 0; i < key->nkeys; i++)
		appendStringInfo(&missing, "%s%s: %s", i > 0 ? ", " : "",
						 get_attname(key->confrelid, key->confkey[i], false),
						 found(2 + list_length(ingest->element->required) + i));
	ereport(ERROR,
			(errcode(ERRCODE_FOREIGN_KEY_VIOLATION),
			 errmsg("%s refers to a record of \"%s\" that is not there", record_found(ingest, 2), parent),
			 errdetail("There is no %s {%s}, to which row %s of the batch refers.", parent, missing.data, found(1)),
			 errhint("Ingest the records of \"%s\" first.", parent),
			 errtable(ingest->table)));
}

/* Adds that records of two aliases have one key. */
static void
add_same_key(StringInfo sql, const RecordIngest *ingest, const char *one, const char *other)
{
	ListCell   *cell;

	foreach(cell, ingest->element->required)
	{
		const char *column = quote_identifier(record_key_column(ingest->element, lfirst(cell)));

		appendStringInfo(sql, "%s%s.%s OPERATOR(pg_catalog.=) %s.%s",
						 foreach_current_index(cell) > 0 ? " AND " : "", one, column, other, column);
	}
}

/*
 * Has a new record a value that is unique, a visit's name for one, of another
 * record of the table?  What a record that is replaced has may be free by then: that
 * is left to the constraint.
 */
static void
check_unique(const RecordIngest *ingest, Form_pg_index index)
{
	const char *table = query_relation(RelationGetRelid(ingest->table));
	int			n_keys = list_length(ingest->element->required);
	StringInfoData sql;
	StringInfoData join;
	StringInfoData values;

	initStringInfo(&sql);
	initStringInfo(&join);
	initStringInfo(&values);
	appendStringInfoString(&sql, "SELECT r." RECORDS_ROW ", ");
	add_key(&sql, ingest, "r", ", ");
	appendStringInfoString(&sql, ", ");
	add_key(&sql, ingest, "t", ", ");
	for (int i = 0; i < index->indnkeyatts; i++)
	{
		const char *column;

		if (!is_given(ingest, index->indkey.values[i]))
			return;
		column = query_column(RelationGetRelid(ingest->table), index->indkey.values[i]);
		appendStringInfo(&sql, ", r.%s", column);
		appendStringInfo(&join, "%st.%s OPERATOR(pg_catalog.=) r.%s", i > 0 ? " AND " : "", column, column);
	}
	appendStringInfo(&sql, " FROM " RECORDS_NAME " r JOIN %s t ON %s WHERE NOT EXISTS (SELECT FROM %s e WHERE ",
					 table, join.data, table);
	add_same_key(&sql, ingest, "e", "r");
	if (ingest->on_conflict == RECORD_CONFLICT_REPLACE)
	{
		appendStringInfoString(&sql, ") AND NOT EXISTS (SELECT FROM " RECORDS_NAME " b WHERE ");
		add_same_key(&sql, ingest, "b", "t");
	}
	appendStringInfoString(&sql, ") ORDER BY 1");
	if (!find_row(sql.data))
		return;
	for (int i = 0; i < index->indnkeyatts; i++)
		appendStringInfo(&values, "%s%s: %s", i > 0 ? ", " : "",
						 get_attname(RelationGetRelid(ingest->table), index->indkey.values[i], false),
						 found(2 + 2 * n_keys + i));
	ereport(ERROR,
			(errcode(ERRCODE_UNIQUE_VIOLATION),
			 errmsg("%s would not be the only one with {%s}", record_found(ingest, 2), values.data),
			 errdetail("It is in row %s of the batch; the other one is %s.", found(1),
					   record_found(ingest, 2 + n_keys)),
			 errtableconstraint(ingest->table, get_rel_name(index->indexrelid))));
}

/* The constraints beside the primary key. */
static void
check_unique_values(const RecordIngest *ingest)
{
	int			level = query_by_unique_key();
	ListCell   *cell;

	foreach(cell, RelationGetIndexList(ingest->table))
	{
		Relation	index = index_open(lfirst_oid(cell), AccessShareLock);

		if (index->rd_index->indisunique && !index->rd_index->indisprimary &&
			RelationGetIndexExpressions(index) == NIL && RelationGetIndexPredicate(index) == NIL)
			check_unique(ingest, index->rd_index);
		index_close(index, NoLock);
	}
	query_settings_back(level);
}

/*
 * Refuses records that cannot be written.  SPI must be connected, and the
 * records be known to it.
 *
 * Errors: unique_violation, foreign_key_violation.
 */
void
record_check(const RecordIngest *ingest)
{
	List	   *keys = copyObject(RelationGetFKeyList(ingest->table));
	ListCell   *cell;

	foreach(cell, keys)
		check_foreign_key(ingest, lfirst(cell));
	if (ingest->on_conflict != RECORD_CONFLICT_IGNORE)
		check_twice(ingest);
	if (ingest->on_conflict == RECORD_CONFLICT_ERROR)
		check_existing(ingest);
	check_unique_values(ingest);
}
