/*-------------------------------------------------------------------------
 *
 * src/mirror/catalog.c
 *	  What tables a remote schema has, and the same tables here.
 *
 * The remote is asked in plain SQL, and writes the statements that make its
 * tables itself.  What makes a column is asked for by one query on both sides,
 * so that a difference is a difference.
 *
 * pg_get_constraintdef() and its kin leave the schema of a name away where the
 * search_path finds it.  It is set to pg_catalog and the remote schema there, and
 * to pg_catalog and the local one here: a name then means the table or the type
 * of the same name here.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "parser/parser.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "core/citus.h"
#include "core/compat.h"
#include "core/query.h"
#include "mirror/mirror.h"

#define MAX_ATTEMPTS 5

/* Hash functions tell machines of another byte order by these. */
#define SOME_HASHES "hashint8extended(-1234567890123, hashint8extended(42, 0)), hashtextextended('a text', -42), " \
	"hashtextextended(repeat('another one', 100), 1234567890123)"

/* $1: the schema; $2: the tables, NULL for all */
static const char *const list_query =
	"SELECT c.relname, format('%I.%I', n.nspname, c.relname) "
	"FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
	"WHERE n.nspname = $1 AND c.relkind IN ('r', 'p') AND c.relpersistence <> 't' "
	"AND CASE WHEN $2::text[] IS NULL THEN NOT c.relispartition ELSE c.relname = ANY ($2::text[]) END "
	"AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e') "
	"ORDER BY 1";

/*
 * A row for each column of the tables $2 in schema $1.  The key is the primary
 * key, else a unique index on columns that are not null, the same one on both
 * sides, in whatever order they were made.  A text follows from a row's bytes
 * unless names are looked up for it, or the labels of an enum that are not part
 * of the column's type, or the attributes of a composite type.
 */
static const char *const columns_query =
	"SELECT c.relname, c.oid, c.relkind = 'r' AND c.amname = 'heap', c.relkind = 'r' AND c.relhassubclass "
	"AND EXISTS (SELECT FROM pg_inherits h WHERE h.inhparent = c.oid), a.attname, a.attnum, "
	"CASE WHEN t.typnamespace = c.relnamespace THEN format('%I.%I', c.nspname, t.typname) ELSE format_type(a.atttypid, a.atttypmod) END, "
	"format_type(a.atttypid, a.atttypmod) || coalesce((SELECT ' (' || string_agg(quote_literal(e.enumlabel), ', ' ORDER BY e.enumsortorder) || ')' "
	"FROM pg_enum e WHERE e.enumtypid IN (t.oid, t.typelem)), ''), "
	"t.typtype = 'e' OR t.typnamespace = 'pg_catalog'::regnamespace AND t.typtype IN ('b', 'r', 'm') AND t.typsend <> 0 AND t.typname !~ '^_?reg', "
	"a.attgenerated <> 'v' AND CASE y.typtype WHEN 'b' THEN y.typnamespace <> 'pg_catalog'::regnamespace OR y.typname !~ '^(reg|aclitem)' "
	"WHEN 'e' THEN t.typtype <> 'd' ELSE y.typtype IN ('r', 'm') AND y.typnamespace = 'pg_catalog'::regnamespace END, "
	"array_position(c.key, a.attnum) "
	/* once for each table, and not for each column */
	"FROM (SELECT c.oid, c.relname, c.relnamespace, n.nspname, c.relkind, c.relhassubclass, m.amname, "
	"(SELECT (i.indkey::int2[])[0:i.indnkeyatts - 1] FROM pg_index i WHERE i.indrelid = c.oid "
	"AND i.indisunique AND i.indimmediate AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL "
	"AND NOT EXISTS (SELECT FROM unnest(i.indkey) WITH ORDINALITY k (attnum, n) "
	"JOIN pg_attribute b ON b.attrelid = c.oid AND b.attnum = k.attnum JOIN pg_type y ON y.oid = b.atttypid "
	"WHERE k.n <= i.indnkeyatts AND (NOT b.attnotnull OR y.typnamespace <> 'pg_catalog'::regnamespace AND y.typtype NOT IN ('e', 'd'))) "
	"ORDER BY NOT i.indisprimary, i.indnkeyatts, (SELECT array_agg(b.attname ORDER BY b.attname) FROM unnest(i.indkey) WITH ORDINALITY k (attnum, n) "
	"JOIN pg_attribute b ON b.attrelid = c.oid AND b.attnum = k.attnum WHERE k.n <= i.indnkeyatts), i.indexrelid LIMIT 1) AS key "
	"FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_am m ON m.oid = c.relam "
	"WHERE n.nspname = $1 AND c.relname = ANY ($2::text[]) OFFSET 0) c "
	"JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped "
	"JOIN pg_type t ON t.oid = a.atttypid "
	"JOIN pg_type b ON b.oid = CASE t.typtype WHEN 'd' THEN t.typbasetype ELSE t.oid END "
	"JOIN pg_type y ON y.oid = CASE WHEN b.typcategory = 'A' AND b.typelem <> 0 THEN b.typelem ELSE b.oid END "
	"ORDER BY 1, a.attnum";

/*
 * The statements that make the tables $2 of schema $1 in schema $3::text, with what they
 * make and when: 0 is a notice, 1 to 3 before the rows are there, 4 and up after.
 */
static const char *const statements_query =
	"WITH t AS (SELECT c.oid, c.relname, c.relnamespace, n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
	"WHERE n.nspname = $1 AND c.relname = ANY ($2::text[])), "
	"defaults AS (SELECT d.oid, d.adrelid, d.adnum, NOT EXISTS (SELECT FROM pg_depend p LEFT JOIN pg_class s ON p.refclassid = 'pg_class'::regclass AND s.oid = p.refobjid "
	"WHERE p.classid = 'pg_attrdef'::regclass AND p.objid = d.oid "
	"AND (p.refclassid = 'pg_proc'::regclass OR s.relkind = 'S' AND s.relnamespace <> t.relnamespace)) AS simple, pg_get_expr(d.adbin, d.adrelid) AS text "
	"FROM pg_attrdef d JOIN t ON t.oid = d.adrelid), "
	"columns AS (SELECT t.relname, t.oid, a.attname, a.attnum, a.attgenerated, d.simple, d.text, "
	"format('%I %s%s%s%s', a.attname, format_type(a.atttypid, a.atttypmod), "
	"CASE WHEN a.attcollation <> y.typcollation THEN (SELECT format(' COLLATE %I.%I', n.nspname, o.collname) "
	"FROM pg_collation o JOIN pg_namespace n ON n.oid = o.collnamespace WHERE o.oid = a.attcollation) END, "
	"CASE WHEN a.attidentity <> '' THEN ' GENERATED BY DEFAULT AS IDENTITY' "
	"WHEN a.attgenerated = '' AND d.simple THEN ' DEFAULT ' || d.text END, "
	"CASE WHEN a.attnotnull THEN ' NOT NULL' END) AS definition "
	"FROM t JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped "
	"JOIN pg_type y ON y.oid = a.atttypid LEFT JOIN defaults d ON d.adrelid = t.oid AND d.adnum = a.attnum) "
	/* notices */
	"SELECT 0 AS phase, c.relname AS tab, c.attname::text AS name, format('the default of column %I of table %I is not copied, since it depends on a function or on a sequence elsewhere', c.attname, c.relname) AS statement "
	"FROM columns c WHERE c.attgenerated = '' AND NOT c.simple "
	"UNION ALL SELECT 0, c.relname, c.attname, format('column %I of table %I is generated there and a plain column here', c.attname, c.relname) "
	"FROM columns c WHERE c.attgenerated <> '' "
	"UNION ALL SELECT 0, t.relname, k.conname, format('foreign key %I of table %I is not copied, since %s is not mirrored', k.conname, t.relname, k.confrelid::regclass) "
	"FROM pg_constraint k JOIN t ON t.oid = k.conrelid WHERE k.contype = 'f' AND k.conparentid = 0 AND k.confrelid NOT IN (SELECT oid FROM t) "
	/* enums */
	"UNION ALL SELECT 1, NULL, y.typname, format('CREATE TYPE %I.%I AS ENUM (%s)', $3::text, y.typname, "
	"(SELECT string_agg(quote_literal(e.enumlabel), ', ' ORDER BY e.enumsortorder) FROM pg_enum e WHERE e.enumtypid = y.oid)) "
	"FROM pg_type y WHERE y.typtype = 'e' AND y.typnamespace IN (SELECT relnamespace FROM t) "
	"AND EXISTS (SELECT FROM t JOIN pg_attribute a ON a.attrelid = t.oid AND NOT a.attisdropped WHERE a.atttypid IN (y.oid, y.typarray)) "
	/* sequences */
	"UNION ALL SELECT 2, NULL, s.relname, format('CREATE SEQUENCE %I.%I AS %s INCREMENT BY %s MINVALUE %s MAXVALUE %s START WITH %s CACHE %s%s', "
	"$3::text, s.relname, format_type(q.seqtypid, NULL), q.seqincrement, q.seqmin, q.seqmax, q.seqstart, q.seqcache, CASE WHEN q.seqcycle THEN ' CYCLE' END) "
	"FROM pg_class s JOIN pg_sequence q ON q.seqrelid = s.oid WHERE s.relnamespace IN (SELECT relnamespace FROM t) "
	"AND (EXISTS (SELECT FROM pg_depend d JOIN t ON t.oid = d.refobjid WHERE d.classid = 'pg_class'::regclass AND d.objid = s.oid "
	"AND d.refclassid = 'pg_class'::regclass AND d.deptype = 'a') "
	"OR EXISTS (SELECT FROM pg_depend d JOIN defaults f ON f.oid = d.objid WHERE d.classid = 'pg_attrdef'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = s.oid AND f.simple)) "
	/* tables, and what costs nothing to check while rows come in */
	"UNION ALL SELECT 3, t.relname, t.relname, format('CREATE TABLE %I.%I (%s%s)', $3::text, t.relname, "
	"(SELECT string_agg(c.definition, ', ' ORDER BY c.attnum) FROM columns c WHERE c.oid = t.oid), "
	"(SELECT string_agg(format(', CONSTRAINT %I %s', k.conname, pg_get_constraintdef(k.oid)), '' ORDER BY k.conname) FROM pg_constraint k WHERE k.conrelid = t.oid AND k.contype = 'c' AND k.convalidated)) "
	"FROM t "
	/* the rest */
	"UNION ALL SELECT CASE k.contype WHEN 'p' THEN 4 WHEN 'f' THEN 6 ELSE 5 END, t.relname, k.conname, "
	"format('ALTER TABLE %I.%I ADD CONSTRAINT %I %s', $3::text, t.relname, k.conname, pg_get_constraintdef(k.oid)) "
	"FROM pg_constraint k JOIN t ON t.oid = k.conrelid WHERE k.conparentid = 0 AND (k.contype IN ('p', 'u', 'x') "
	"OR k.contype = 'c' AND NOT k.convalidated OR k.contype = 'f' AND k.confrelid IN (SELECT oid FROM t)) "
	"UNION ALL SELECT 5, t.relname, s.relname, format('CREATE %sINDEX %I ON %I.%I%s', CASE WHEN i.indisunique THEN 'UNIQUE ' END, s.relname, $3::text, t.relname, "
	"substr(pg_get_indexdef(s.oid), length(format('CREATE %sINDEX %I ON %s%I.%I', CASE WHEN i.indisunique THEN 'UNIQUE ' END, s.relname, "
	"CASE WHEN s.relkind = 'I' THEN 'ONLY ' END, t.nspname, t.relname)) + 1)) "
	"FROM pg_index i JOIN t ON t.oid = i.indrelid JOIN pg_class s ON s.oid = i.indexrelid "
	"WHERE i.indisvalid AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = s.oid AND k.conrelid = t.oid AND k.contype IN ('p', 'u', 'x')) "
	"UNION ALL SELECT 7, t.relname, s.relname, format('ALTER SEQUENCE %I.%I OWNED BY %I.%I.%I', $3::text, s.relname, $3::text, t.relname, a.attname) "
	"FROM pg_depend d JOIN t ON t.oid = d.refobjid JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S' AND s.relnamespace = t.relnamespace "
	"JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = d.refobjsubid "
	"WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.deptype = 'a' "
	"ORDER BY 1, 2, 3";

/* A text[] of names, as text. */
static const char *
name_array(List *names)
{
	Datum	   *values = palloc(sizeof(Datum) * Max(list_length(names), 1));
	int			n = 0;
	ListCell   *cell;

	foreach(cell, names)
		values[n++] = CStringGetTextDatum(lfirst(cell));
	return OidOutputFunctionCall(F_ARRAY_OUT, PointerGetDatum(construct_array(values, n, TEXTOID, -1, false, TYPALIGN_INT)));
}

static List *
table_names(List *tables)
{
	List	   *names = NIL;
	ListCell   *cell;

	foreach(cell, tables)
		names = lappend(names, ((MirrorTable *) lfirst(cell))->name);
	return names;
}

/*
 * The tables of columns_query's rows.
 */
static List *
parse_columns(const RemoteRows *rows)
{
	List	   *tables = NIL;
	MirrorTable *table = NULL;

	for (int i = 0; i < rows->n_rows; i++)
	{
		MirrorColumn *column = palloc0(sizeof(MirrorColumn));
		const char *position = remote_value(rows, i, 10);

		if (table == NULL || strcmp(table->name, remote_value(rows, i, 0)) != 0)
		{
			table = palloc0(sizeof(MirrorTable));
			table->name = remote_value(rows, i, 0);
			table->oid = remote_value(rows, i, 1);
			table->plain = remote_value(rows, i, 2) != NULL && remote_value(rows, i, 2)[0] == 't';
			if (remote_value(rows, i, 3)[0] == 't')
				ereport(ERROR,
						(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						 errmsg("table \"%s\" has child tables and cannot be mirrored", table->name),
						 errhint("Name the tables to be mirrored, without this one.")));
			tables = lappend(tables, table);
		}
		column->name = remote_value(rows, i, 4);
		column->quoted = quote_identifier(column->name);
		column->remote_attnum = atoi(remote_value(rows, i, 5));
		column->remote_type = remote_value(rows, i, 6);
		column->type = remote_value(rows, i, 7);
		column->binary = remote_value(rows, i, 8)[0] == 't';
		column->stable = remote_value(rows, i, 9)[0] == 't';
		table->columns = lappend(table->columns, column);
		if (position != NULL)
		{
			int			n = atoi(position);

			if (n < 1 || n > INDEX_MAX_KEYS)
				elog(ERROR, "unexpected position %d of a key column", n);
			while (list_length(table->key) < n)
				table->key = lappend(table->key, NULL);
			lfirst(list_nth_cell(table->key, n - 1)) = column;
		}
	}
	return tables;
}

/* The rows of a query here, as those of a remote's. */
static RemoteRows *
local_query(const char *text, int nargs, const char *const *args)
{
	RemoteRows *rows = palloc(sizeof(RemoteRows));
	Oid			types[3] = {TEXTOID, TEXTOID, TEXTOID};
	Datum		values[3];

	for (int i = 0; i < nargs; i++)
		values[i] = CStringGetTextDatum(args[i]);
	if (SPI_execute_with_args(text, nargs, types, values, NULL, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not execute \"%s\"", text);
	rows->n_rows = SPI_processed;
	rows->n_columns = SPI_tuptable->tupdesc->natts;
	rows->values = palloc(sizeof(char *) * (rows->n_rows * rows->n_columns + 1));
	for (int i = 0; i < rows->n_rows; i++)
		for (int j = 0; j < rows->n_columns; j++)
			rows->values[i * rows->n_columns + j] = SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, j + 1);
	SPI_freetuptable(SPI_tuptable);
	return rows;
}

static const char *
local_value(const char *text)
{
	return remote_value(local_query(text, 0, NULL), 0, 0);
}

static void
refuse_missing(const Mirror *mirror, List *names, const RemoteRows *found)
{
	ListCell   *cell;

	foreach(cell, names)
	{
		bool		there = false;

		for (int i = 0; i < found->n_rows; i++)
			there |= strcmp(remote_value(found, i, 0), lfirst(cell)) == 0;
		if (!there)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_TABLE),
					 errmsg("table \"%s.%s\" does not exist on server \"%s\"", mirror->remote_schema, (char *) lfirst(cell), mirror->server),
					 errdetail("Plain and partitioned tables can be mirrored."),
					 OidIsValid(mirror->namespace) && OidIsValid(get_relname_relid(lfirst(cell), mirror->namespace)) ?
					 errhint("If it is gone for good, drop table \"%s.%s\" here.", mirror->local_schema, (char *) lfirst(cell)) : 0));
	}
	if (found->n_rows == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("schema \"%s\" on server \"%s\" has no table", mirror->remote_schema, mirror->server)));
}

static bool
same_names(const RemoteRows *a, const RemoteRows *b)
{
	if (a->n_rows != b->n_rows)
		return false;
	for (int i = 0; i < a->n_rows; i++)
		if (strcmp(remote_value(a, i, 0), remote_value(b, i, 0)) != 0)
			return false;
	return true;
}

/*
 * Begins the one transaction in which everything is read.  The locks come before
 * its snapshot: a table that has been truncated or rewritten in between would look
 * empty (PostgreSQL's documentation, "Caveats" of concurrency control).
 */
static RemoteRows *
lock_tables(Mirror *mirror, List *names, bool missing_ok)
{
	const char *args[2] = {mirror->remote_schema, names == NIL ? NULL : name_array(names)};

	for (int attempt = 0; attempt < MAX_ATTEMPTS; attempt++)
	{
		RemoteRows *listed = remote_query(mirror->remote, list_query, 2, args, "vv");
		RemoteRows *locked;
		StringInfoData text;

		refuse_missing(mirror, missing_ok ? NIL : names, listed);
		remote_execute(mirror->remote, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
		initStringInfo(&text);
		for (int i = 0; i < listed->n_rows; i++)
			appendStringInfo(&text, "%s%s", i == 0 ? "LOCK TABLE " : ", ", remote_value(listed, i, 1));
		appendStringInfoString(&text, " IN ACCESS SHARE MODE");
		remote_execute(mirror->remote, text.data);
		locked = remote_query(mirror->remote, list_query, 2, args, "vv");
		if (same_names(listed, locked))
			return locked;
		remote_execute(mirror->remote, "ROLLBACK");
	}
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_IN_USE),
			 errmsg("the tables of schema \"%s\" on server \"%s\" keep changing", mirror->remote_schema, mirror->server)));
	return NULL;
}

/*
 * What says of which run of which server a transaction number is; NULL where that
 * cannot be told.  A crash loses transactions that were not yet on disk, and their
 * numbers are given again; it also resets the statistics.
 */
static void
read_identity(Mirror *mirror)
{
	RemoteRows *rows = remote_query_row(mirror->remote,
										"SELECT pg_snapshot_xmin(s), pg_snapshot_xmax(s), has_function_privilege('pg_control_system()', 'EXECUTE') "
										"AND NOT EXISTS (SELECT FROM pg_extension WHERE extname = 'citus'), concat_ws('/', " SOME_HASHES ") "
										"FROM pg_current_snapshot() s", "iivv");

	mirror->snapshot_xmin = strtoull(remote_value(rows, 0, 0), NULL, 10);
	mirror->snapshot_xmax = strtoull(remote_value(rows, 0, 1), NULL, 10);
	mirror->same_hash = strcmp(remote_value(rows, 0, 3), local_value("SELECT concat_ws('/', " SOME_HASHES ")")) == 0;
	if (!pg_strong_random(&mirror->seed, sizeof(mirror->seed)))
		elog(ERROR, "could not make a random number");
	if (remote_value(rows, 0, 2)[0] != 't')
		return;
	rows = remote_query_row(mirror->remote,
							"SELECT concat_ws('/', c.system_identifier, extract(epoch FROM pg_postmaster_start_time()), extract(epoch FROM b.stats_reset), d.oid) "
							"FROM pg_control_system() c, pg_stat_bgwriter b, pg_database d WHERE d.datname = current_database()", "v");
	mirror->identity = remote_value(rows, 0, 0);
}

static void
set_remote_path(Mirror *mirror, const char *schema)
{
	remote_execute(mirror->remote, psprintf("SET LOCAL search_path = pg_catalog%s%s", schema == NULL ? "" : ", ",
											schema == NULL ? "" : quote_identifier(schema)));
}

/* Reads the columns of tables here, in the way of the remote's. */
static void
read_local(Mirror *mirror, List *names)
{
	const char *args[2] = {mirror->local_schema, name_array(names)};
	int			level = NewGUCNestLevel();

	query_set("search_path", psprintf("pg_catalog, %s, pg_temp", quote_identifier(mirror->local_schema)));
	mirror->local = parse_columns(local_query(columns_query, 2, args));
	query_settings_back(level);
}

/*
 * Reads the tables of the remote schema, all or those named, in a transaction that
 * stays open; without those that are missing if that is all right.  Meanwhile the
 * tables here are read, of other names if they are given.  SPI must be connected,
 * and settings be such as the remote's.
 */
void
catalog_read(Mirror *mirror, List *names, List *local_names, bool missing_ok)
{
	RemoteRows *listed = lock_tables(mirror, names, missing_ok);
	List	   *all = NIL;
	const char *args[2];
	ListCell   *cell;

	read_identity(mirror);
	set_remote_path(mirror, mirror->remote_schema);
	for (int i = 0; i < listed->n_rows; i++)
		all = lappend(all, remote_value(listed, i, 0));
	args[0] = mirror->remote_schema;
	args[1] = name_array(all);
	remote_send(mirror->remote, columns_query, 2, args);
	read_local(mirror, local_names == NIL ? all : local_names);
	mirror->tables = parse_columns(remote_receive(mirror->remote, "vvnvvivvvvn"));
	set_remote_path(mirror, NULL);
	mirror->same_text = strcmp(remote_parameter(mirror->remote, "server_encoding"), GetDatabaseEncodingName()) == 0;
	foreach(cell, mirror->tables)
	{
		MirrorTable *table = lfirst(cell);

		table->quoted = quote_qualified_identifier(mirror->remote_schema, table->name);
	}
	foreach(cell, mirror->tables)
		if (list_member_ptr(((MirrorTable *) lfirst(cell))->key, NULL))
			elog(ERROR, "a column of the key of table \"%s\" is missing", ((MirrorTable *) lfirst(cell))->name);
	if (list_length(mirror->tables) != list_length(all))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("a table without columns cannot be mirrored")));
}

/*
 * Looks a table of the remote's up here.
 */
static void
resolve(const Mirror *mirror, MirrorTable *table, Oid relid)
{
	ListCell   *cell;

	table->relid = relid;
	table->local = pstrdup(query_relation(relid));
	foreach(cell, table->columns)
	{
		MirrorColumn *column = lfirst(cell);
		HeapTuple	tuple;

		column->attnum = get_attnum(relid, column->name);
		if (column->attnum <= 0)
			ereport(ERROR,
					(errcode(ERRCODE_FDW_ERROR),
					 errmsg("the remote's definition of table \"%s\" is without its column \"%s\"", table->name, column->name)));
		column->typid = get_atttype(relid, column->attnum);
		column->typname = format_type_extended(column->typid, -1, FORMAT_TYPE_FORCE_QUALIFY);
		tuple = SearchSysCache2(ATTNUM, ObjectIdGetDatum(relid), Int16GetDatum(column->attnum));
		if (!HeapTupleIsValid(tuple))
			elog(ERROR, "cache lookup failed for attribute %d of relation %u", column->attnum, relid);
		column->settable = ((Form_pg_attribute) GETSTRUCT(tuple))->attidentity != ATTRIBUTE_IDENTITY_ALWAYS;
		ReleaseSysCache(tuple);
	}
}

static const MirrorColumn *
find_column(List *columns, const char *name)
{
	ListCell   *cell;

	foreach(cell, columns)
		if (strcmp(((MirrorColumn *) lfirst(cell))->name, name) == 0)
			return lfirst(cell);
	return NULL;
}

static bool
same_key(List *a, List *b)
{
	ListCell   *cell;

	if (list_length(a) != list_length(b))
		return false;
	foreach(cell, a)
		if (find_column(b, ((MirrorColumn *) lfirst(cell))->name) == NULL)
			return false;
	return true;
}

static const MirrorTable *
find_local(const Mirror *mirror, const char *name)
{
	ListCell   *cell;

	foreach(cell, mirror->local)
		if (strcmp(((MirrorTable *) lfirst(cell))->name, name) == 0)
			return lfirst(cell);
	return NULL;
}

/* What keeps a column here from taking any value; NULL: nothing does.  Keys are not updated. */
static const char *
refuse_column(Oid relid, const char *name, bool is_key)
{
	HeapTuple	tuple = SearchSysCacheAttName(relid, name);
	char		generated;
	char		identity;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for attribute \"%s\" of relation %u", name, relid);
	generated = ((Form_pg_attribute) GETSTRUCT(tuple))->attgenerated;
	identity = ((Form_pg_attribute) GETSTRUCT(tuple))->attidentity;
	ReleaseSysCache(tuple);
	if (generated != '\0')
		return psprintf("its column \"%s\" is generated here", name);
	if (identity == ATTRIBUTE_IDENTITY_ALWAYS && !is_key)
		return psprintf("its column \"%s\" is GENERATED ALWAYS AS IDENTITY here, which no update can set", name);
	return NULL;
}

/*
 * The mirrored table that is a relation here; NULL: it is none.
 */
MirrorTable *
catalog_find(const Mirror *mirror, Oid relid)
{
	ListCell   *cell;

	foreach(cell, mirror->tables)
		if (((MirrorTable *) lfirst(cell))->relid == relid)
			return lfirst(cell);
	return NULL;
}

/*
 * What keeps a remote table from being the same as the one here; NULL: nothing
 * does, and it has been looked up.
 */
const char *
catalog_match(const Mirror *mirror, MirrorTable *table, Oid relid)
{
	const MirrorTable *here = find_local(mirror, get_rel_name(relid));
	ListCell   *cell;

	if (here == NULL || get_rel_relkind(relid) != RELKIND_RELATION)
		return "it is not a plain table here";
	if (citus_keeps(relid))
		return "Citus keeps its rows here";
	foreach(cell, table->columns)
	{
		const MirrorColumn *column = lfirst(cell);
		const MirrorColumn *same = find_column(here->columns, column->name);

		if (same == NULL)
			return psprintf("it has a column \"%s\" of type %s there, which is missing here", column->name, column->type);
		if (strcmp(same->type, column->type) != 0)
			return psprintf("its column \"%s\" is of type %s there, and of type %s here", column->name, column->type, same->type);
	}
	foreach(cell, here->columns)
	{
		const MirrorColumn *column = lfirst(cell);

		if (find_column(table->columns, column->name) == NULL)
			return psprintf("it has a column \"%s\" here, which is missing there", column->name);
	}
	foreach(cell, here->columns)
	{
		const MirrorColumn *column = lfirst(cell);
		const char *problem = refuse_column(relid, column->name, find_column(here->key, column->name) != NULL);

		if (problem != NULL)
			return problem;
	}
	if (!same_key(table->key, here->key))
		return "its primary key, or unique columns that are not null, are not the same there and here";
	resolve(mirror, table, relid);
	return NULL;
}

/* Executes a statement that the remote has written, if it is one, and of its kind. */
static void
execute_definition(const char *text)
{
	List	   *parsed = raw_parser(text, RAW_PARSE_DEFAULT);
	Node	   *node = list_length(parsed) == 1 ? linitial_node(RawStmt, parsed)->stmt : NULL;

	if (node == NULL ||
		!(IsA(node, CreateEnumStmt) || IsA(node, CreateSeqStmt) || IsA(node, CreateStmt) || IsA(node, AlterTableStmt) ||
		  IsA(node, IndexStmt) || IsA(node, AlterSeqStmt)))
		ereport(ERROR,
				(errcode(ERRCODE_FDW_ERROR),
				 errmsg("the remote's definition of a table is none: %s", text)));
	query_execute(text);
}

static List *
fresh_tables(const Mirror *mirror)
{
	List	   *fresh = NIL;
	ListCell   *cell;

	foreach(cell, mirror->tables)
		if (((MirrorTable *) lfirst(cell))->fresh)
			fresh = lappend(fresh, lfirst(cell));
	return fresh;
}

static bool
is_fresh(const Mirror *mirror, const char *name)
{
	ListCell   *cell;

	foreach(cell, mirror->tables)
		if (strcmp(((MirrorTable *) lfirst(cell))->name, name) == 0)
			return ((MirrorTable *) lfirst(cell))->fresh;
	return false;
}

/* Is there an enum or a sequence of this name already? */
static bool
exists_here(const Mirror *mirror, int phase, const char *name)
{
	if (phase == 1)
		return SearchSysCacheExists2(TYPENAMENSP, CStringGetDatum(name), ObjectIdGetDatum(mirror->namespace));
	return phase == 2 && OidIsValid(get_relname_relid(name, mirror->namespace));
}

/*
 * Executes those statements of the phases first to last that are about tables
 * which this call makes.
 */
static void
execute_phases(Mirror *mirror, int first, int last)
{
	const char *args[3] = {mirror->remote_schema, name_array(table_names(mirror->tables)), mirror->local_schema};
	RemoteRows *rows;
	int			level;

	if (fresh_tables(mirror) == NIL)
		return;
	if (mirror->statements == NULL)
	{
		set_remote_path(mirror, mirror->remote_schema);
		mirror->statements = remote_query(mirror->remote, statements_query, 3, args, "invv");
		set_remote_path(mirror, NULL);
	}
	rows = mirror->statements;
	level = NewGUCNestLevel();
	query_set("search_path", psprintf("pg_catalog, %s, pg_temp", quote_identifier(mirror->local_schema)));
	for (int i = 0; i < rows->n_rows; i++)
	{
		int			phase = atoi(remote_value(rows, i, 0));
		const char *table = remote_value(rows, i, 1);

		if (phase < first || phase > last || (table != NULL && !is_fresh(mirror, table)))
			continue;
		if (phase == 0)
			ereport(NOTICE, (errmsg("%s", remote_value(rows, i, 3))));
		else if (!exists_here(mirror, phase, remote_value(rows, i, 2)))
			execute_definition(remote_value(rows, i, 3));
	}
	query_settings_back(level);
}

/*
 * Makes the tables that are not there, without anything that is better made when
 * the rows are there.
 */
void
catalog_create(Mirror *mirror)
{
	ListCell   *cell;

	execute_phases(mirror, 0, 0);
	execute_phases(mirror, 1, 3);
	foreach(cell, fresh_tables(mirror))
	{
		MirrorTable *table = lfirst(cell);

		Oid			relid = get_relname_relid(table->name, mirror->namespace);

		if (!OidIsValid(relid) || get_rel_relkind(relid) != RELKIND_RELATION)
			ereport(ERROR,
					(errcode(ERRCODE_FDW_ERROR),
					 errmsg("the remote has not defined table \"%s\"", table->name)));
		resolve(mirror, table, relid);
	}
}

/*
 * Makes constraints and indexes.
 */
void
catalog_finish(Mirror *mirror)
{
	execute_phases(mirror, 4, 7);
}

/*
 * Sets the sequences behind a table's columns, their own or those of their
 * defaults, past its rows, of which those count that a sequence could have
 * numbered.
 */
void
catalog_advance_sequences(const MirrorTable *table)
{
	ListCell   *cell;

	foreach(cell, table->columns)
	{
		const MirrorColumn *column = lfirst(cell);

		if (column->typid != INT2OID && column->typid != INT4OID && column->typid != INT8OID)
			continue;
		query_execute(psprintf("SELECT setval(q.seqrelid::regclass, m.id) "
							   "FROM pg_sequence q, "
							   "LATERAL (SELECT max(t.%s), min(t.%s) FROM %s t WHERE t.%s BETWEEN q.seqmin AND q.seqmax) e (highest, lowest), "
							   "LATERAL (SELECT CASE WHEN q.seqincrement > 0 THEN e.highest ELSE e.lowest END) m (id), "
							   "LATERAL pg_sequence_last_value(q.seqrelid::regclass) l (value) "
							   "WHERE q.seqrelid IN (SELECT d.objid FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass "
							   "AND d.refobjid = %u AND d.refobjsubid = %d AND d.deptype IN ('a', 'i') UNION SELECT d.refobjid FROM pg_depend d JOIN pg_attrdef f ON f.oid = d.objid "
							   "WHERE d.classid = 'pg_attrdef'::regclass AND d.refclassid = 'pg_class'::regclass AND f.adrelid = %u AND f.adnum = %d) "
							   "AND has_sequence_privilege(q.seqrelid, 'UPDATE') "
							   "AND CASE WHEN q.seqincrement > 0 THEN m.id > COALESCE(l.value, q.seqstart::numeric - 1) "
							   "ELSE m.id < COALESCE(l.value, q.seqstart::numeric + 1) END",
							   column->quoted, column->quoted, table->local, column->quoted,
							   table->relid, column->attnum, table->relid, column->attnum));
	}
}
