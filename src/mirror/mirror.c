/*-------------------------------------------------------------------------
 *
 * src/mirror/mirror.c
 *	  create_mirror(), refresh_mirror(), check_mirror(), drop_mirror().
 *
 * The order of things in a refresh: the rows of catreg.mirror are locked, so that
 * a second refresh waits; then the tables here, so that nobody writes them
 * meanwhile; then the remote's snapshot is taken, which therefore shows at least
 * what any refresh before it has shown.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "core/compat.h"
#include "core/query.h"
#include "mirror/mirror.h"

/* A row of catreg.mirror. */
typedef struct Definition
{
	Oid			relid;
	char	   *remote_table;
} Definition;

/*
 * Has values look here as they look in a remote's session, and nothing of the
 * caller's come between; until query_settings_back(), or an error.
 */
static int
pin_settings(void)
{
	static const char *const settings[][2] = {
		{"search_path", "pg_catalog, pg_temp"},
		{"datestyle", "ISO, YMD"},
		{"intervalstyle", "postgres"},
		{"timezone", "UTC"},
		{"extra_float_digits", "3"},
		{"bytea_output", "hex"},
		{"array_nulls", "on"},
		{"lc_monetary", "C"},
		{"xmloption", "content"},
		{"standard_conforming_strings", "on"},
		{"quote_all_identifiers", "off"},
		{"row_security", "off"},
		{"jit", "off"},
	};
	int			level = NewGUCNestLevel();

	for (int i = 0; i < lengthof(settings); i++)
		query_set(settings[i][0], settings[i][1]);
	return level;
}

/* ------------------------------------------------------------- definitions */

/*
 * Reads the definition of the mirror in a schema, and its tables, of Definition.
 */
static List *
read_definitions(Mirror *mirror)
{
	List	   *definitions = NIL;
	Oid			type = OIDOID;
	Datum		value = ObjectIdGetDatum(mirror->namespace);

	if (SPI_execute_with_args("SELECT m.relation, m.remote_table, m.server, m.remote_schema, m.whole FROM catreg.mirror m "
							  "JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) m.relation "
							  "WHERE c.relnamespace OPERATOR(pg_catalog.=) $1 ORDER BY 2", 1, &type, &value, NULL, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read catreg.mirror");
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		Definition *definition = palloc(sizeof(Definition));
		HeapTuple	row = SPI_tuptable->vals[i];
		bool		isnull;

		definition->relid = DatumGetObjectId(SPI_getbinval(row, SPI_tuptable->tupdesc, 1, &isnull));
		definition->remote_table = SPI_getvalue(row, SPI_tuptable->tupdesc, 2);
		mirror->server = SPI_getvalue(row, SPI_tuptable->tupdesc, 3);
		mirror->remote_schema = SPI_getvalue(row, SPI_tuptable->tupdesc, 4);
		mirror->whole = DatumGetBool(SPI_getbinval(row, SPI_tuptable->tupdesc, 5, &isnull));
		definitions = lappend(definitions, definition);
	}
	SPI_freetuptable(SPI_tuptable);
	return definitions;
}

static Oid
relation_owner(Oid relid)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	Oid			owner;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for relation %u", relid);
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	return owner;
}

/*
 * The owner alone writes a mirror: what fires on its tables would run with the
 * rights of anybody else, a superuser included.
 */
static void
check_owner(const Mirror *mirror, List *definitions)
{
	ListCell   *cell;

	foreach(cell, definitions)
	{
		Oid			owner = relation_owner(((Definition *) lfirst(cell))->relid);

		if (owner != GetUserId())
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					 errmsg("must be owner of mirror \"%s\"", mirror->local_schema),
					 errdetail("Table \"%s\" is owned by \"%s\".", get_rel_name(((Definition *) lfirst(cell))->relid),
							   GetUserNameFromId(owner, false)),
					 superuser() ? errhint("SET ROLE %s does it.", quote_identifier(GetUserNameFromId(owner, false))) : 0));
	}
}

/*
 * Opens the mirror in a schema, without connecting.  SPI must be connected.
 */
static List *
open_mirror(Mirror *mirror, Name local_schema)
{
	List	   *definitions;

	memset(mirror, 0, sizeof(Mirror));
	mirror->local_schema = pstrdup(NameStr(*local_schema));
	mirror->namespace = get_namespace_oid(mirror->local_schema, false);
	definitions = read_definitions(mirror);
	if (definitions == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("schema \"%s\" is not a mirror", mirror->local_schema),
				 errhint("catreg.create_mirror() makes one.")));
	return definitions;
}

/*
 * Keeps other refreshes and writers away, to the end of the transaction.
 */
static List *
lock_mirror(Mirror *mirror, Name local_schema)
{
	List	   *definitions = open_mirror(mirror, local_schema);
	Oid			type = OIDOID;
	Datum		value = ObjectIdGetDatum(mirror->namespace);
	ListCell   *cell;

	check_owner(mirror, definitions);
	(void) query_execute_on_definitions("mirror",
										"SELECT 1 FROM catreg.mirror m WHERE m.relation::pg_catalog.oid OPERATOR(pg_catalog.=) ANY "
										"(SELECT c.oid FROM pg_catalog.pg_class c WHERE c.relnamespace OPERATOR(pg_catalog.=) $1) "
										"ORDER BY m.relation::pg_catalog.oid FOR UPDATE OF m", 1, &type, &value, NULL);

	/* another one may have added tables, or dropped the mirror */
	definitions = open_mirror(mirror, local_schema);
	foreach(cell, definitions)
		query_execute(psprintf("LOCK TABLE ONLY %s IN SHARE ROW EXCLUSIVE MODE", query_relation(((Definition *) lfirst(cell))->relid)));
	check_owner(mirror, definitions);
	return definitions;
}

static void
define(const Mirror *mirror, const MirrorTable *table)
{
	Oid			types[5] = {REGCLASSOID, NAMEOID, NAMEOID, NAMEOID, BOOLOID};
	NameData	names[3];
	Datum		values[5];

	namestrcpy(&names[0], mirror->server);
	namestrcpy(&names[1], mirror->remote_schema);
	namestrcpy(&names[2], table->name);
	values[0] = ObjectIdGetDatum(table->relid);
	for (int i = 0; i < 3; i++)
		values[i + 1] = NameGetDatum(&names[i]);
	values[4] = BoolGetDatum(mirror->whole);
	(void) query_execute_on_definitions("mirror",
										"INSERT INTO catreg.mirror (relation, server, remote_schema, remote_table, whole) "
										"VALUES ($1, $2, $3, $4, $5)", 5, types, values, NULL);
}

/* The tables that catreg keeps here from others.  What the remote has of them is left there. */
static List *
derived_tables(void)
{
	List	   *derived = NIL;

	if (SPI_execute("SELECT c.closure::pg_catalog.oid FROM catreg.closure c UNION ALL SELECT o.obscore::pg_catalog.oid FROM catreg.obscore o",
					false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read catreg's definitions");
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		bool		isnull;

		derived = lappend_oid(derived, DatumGetObjectId(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &isnull)));
	}
	SPI_freetuptable(SPI_tuptable);
	return derived;
}

/* -------------------------------------------------------------- the tables */

static Oid
defined_relation(List *definitions, const char *remote_table)
{
	ListCell   *cell;

	foreach(cell, definitions)
		if (strcmp(((Definition *) lfirst(cell))->remote_table, remote_table) == 0)
			return ((Definition *) lfirst(cell))->relid;
	return InvalidOid;
}

static MirrorTable *
find_table(const Mirror *mirror, const char *name)
{
	ListCell   *cell;

	foreach(cell, mirror->tables)
		if (strcmp(((MirrorTable *) lfirst(cell))->name, name) == 0)
			return lfirst(cell);
	return NULL;
}

static void
refuse_drift(const Mirror *mirror, const char *table, const char *problem)
{
	ereport(ERROR,
			(errcode(ERRCODE_FDW_INCONSISTENT_DESCRIPTOR_INFORMATION),
			 errmsg("table \"%s\" of schema \"%s\" on server \"%s\" is not the same as table \"%s\" of schema \"%s\" here",
					table, mirror->remote_schema, mirror->server, table, mirror->local_schema),
			 errdetail_internal("%c%s.", pg_toupper(problem[0]), problem + 1),
			 errhint("Alter the table here, or drop it: a mirror of a whole schema makes it again.")));
}

static List *
defined_names(List *definitions)
{
	List	   *names = NIL;
	ListCell   *cell;

	foreach(cell, definitions)
		names = lappend(names, ((Definition *) lfirst(cell))->remote_table);
	return names;
}

/* Under which names the remote's tables are here. */
static List *
local_names(List *definitions)
{
	List	   *names = NIL;
	ListCell   *cell;

	foreach(cell, definitions)
		names = lappend(names, get_rel_name(((Definition *) lfirst(cell))->relid));
	return names;
}

/*
 * Finds each of the remote's tables here, by the definitions; those that are not
 * there are to be made.
 */
static void
match_tables(Mirror *mirror, List *definitions)
{
	List	   *derived = derived_tables();
	ListCell   *cell;

	foreach(cell, definitions)
	{
		const char *name = ((Definition *) lfirst(cell))->remote_table;

		if (find_table(mirror, name) == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_TABLE),
					 errmsg("table \"%s.%s\" does not exist on server \"%s\"", mirror->remote_schema, name, mirror->server),
					 errhint("If it is gone for good, drop table \"%s.%s\" here.", mirror->local_schema,
							 get_rel_name(((Definition *) lfirst(cell))->relid))));
	}
	foreach(cell, mirror->tables)
	{
		MirrorTable *table = lfirst(cell);
		Oid			relid = defined_relation(definitions, table->name);
		const char *problem;

		if (!OidIsValid(relid) && definitions != NIL && OidIsValid(get_relname_relid(table->name, mirror->namespace)))
			ereport(ERROR,
					(errcode(ERRCODE_DUPLICATE_TABLE),
					 errmsg("table \"%s.%s\" is not of the mirror, which is to make a table of this name", mirror->local_schema, table->name),
					 errhint("Rename it or drop it.")));
		if (!OidIsValid(relid) && definitions == NIL)
			relid = get_relname_relid(table->name, mirror->namespace);
		table->fresh = !OidIsValid(relid);
		table->derived = !table->fresh && list_member_oid(derived, relid);
		if (table->fresh)
			continue;
		if (table->derived)
			table->relid = relid;
		else if ((problem = catalog_match(mirror, table, relid)) != NULL)
			refuse_drift(mirror, table->name, problem);
	}
}

/*
 * Makes the tables that are not there, and everything equal.
 */
static void
bring_up_to_date(Mirror *mirror, bool trust)
{
	ListCell   *cell;

	catalog_create(mirror);
	state_read(mirror);
	foreach(cell, mirror->tables)
	{
		MirrorTable *table = lfirst(cell);

		if (table->fresh)
			table->inserted = table->n_remote = transfer_copy(mirror, table);
	}
	compare_tables(mirror, trust);

	/* its snapshot holds VACUUM up there, and what is left takes a while */
	remote_disconnect(mirror->remote, false);
	apply_changes(mirror);
	compare_release(mirror);
	catalog_finish(mirror);
	foreach(cell, mirror->tables)
	{
		MirrorTable *table = lfirst(cell);

		if (table->inserted > 0)
			catalog_advance_sequences(table);
		if (table->fresh)
		{
			query_execute(psprintf("ANALYZE %s", table->local));
			define(mirror, table);
		}
	}
	state_note(mirror);
}

/* What is done while the remote is connected. */
typedef struct Work
{
	Mirror	   *mirror;
	List	   *names;			/* of the tables wanted; NIL: all */
	List	   *definitions;
	ReturnSetInfo *rsinfo;
} Work;

/*
 * Connects, works, and disconnects, after an error as well.
 */
static void
with_remote(Work *work, void (*function) (Work *work))
{
	Remote	   *remote = remote_connect(work->mirror->server);

	work->mirror->remote = remote;
	PG_TRY();
	{
		function(work);
	}
	PG_CATCH();
	{
		remote_disconnect(remote, true);
		PG_RE_THROW();
	}
	PG_END_TRY();
	remote_disconnect(remote, false);
}

/* ----------------------------------------------------------------- callers */

static List *
names_of_array(ArrayType *array)
{
	List	   *names = NIL;
	Datum	   *values;
	bool	   *nulls;
	int			n;

	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &values, &nulls, &n);
	for (int i = 0; i < n; i++)
	{
		if (nulls[i])
			ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("the name of a table must not be NULL")));
		names = lappend(names, TextDatumGetCString(values[i]));
	}
	if (names == NIL)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("no tables are named"),
						errhint("NULL stands for all tables of the schema.")));
	return names;
}

/* Tables that are there already are taken if they are the caller's. */
static void
check_existing(Mirror *mirror)
{
	ListCell   *cell;

	foreach(cell, mirror->tables)
	{
		MirrorTable *table = lfirst(cell);

		if (table->fresh)
			continue;
		if (relation_owner(table->relid) != GetUserId())
			aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_TABLE, table->name);
		query_execute(psprintf("LOCK TABLE ONLY %s IN SHARE ROW EXCLUSIVE MODE", query_relation(table->relid)));
		define(mirror, table);
	}
}

static void
create(Work *work)
{
	Mirror	   *mirror = work->mirror;
	Mirror		old = {.namespace = get_namespace_oid(mirror->local_schema, true)};

	if (!OidIsValid(old.namespace))
		query_execute(psprintf("CREATE SCHEMA %s", quote_identifier(mirror->local_schema)));
	else if (read_definitions(&old) != NIL)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("schema \"%s\" is a mirror already", mirror->local_schema),
				 errdetail("It is one of schema \"%s\" on server \"%s\".", old.remote_schema, old.server),
				 errhint("catreg.refresh_mirror() brings it up to date.")));
	mirror->namespace = get_namespace_oid(mirror->local_schema, false);
	catalog_read(mirror, work->names, NIL, false);
	match_tables(mirror, NIL);
	check_existing(mirror);
	bring_up_to_date(mirror, false);
}

PG_FUNCTION_INFO_V1(create_mirror);

/*
 * create_mirror(server, remote_schema, local_schema, tables)
 */
Datum
create_mirror(PG_FUNCTION_ARGS)
{
	Mirror		mirror = {0};
	Work		work = {&mirror};
	int			level;

	for (int i = 0; i < 3; i++)
		if (PG_ARGISNULL(i))
			ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("server and schemas must not be NULL")));
	PreventCommandIfReadOnly("create_mirror()");
	SPI_connect();
	level = pin_settings();
	mirror.server = pstrdup(NameStr(*PG_GETARG_NAME(0)));
	mirror.remote_schema = pstrdup(NameStr(*PG_GETARG_NAME(1)));
	mirror.local_schema = pstrdup(NameStr(*PG_GETARG_NAME(2)));
	mirror.whole = PG_ARGISNULL(3);
	if (!mirror.whole)
		work.names = names_of_array(PG_GETARG_ARRAYTYPE_P(3));
	with_remote(&work, create);
	query_settings_back(level);
	SPI_finish();
	PG_RETURN_VOID();
}

static void
return_counts(ReturnSetInfo *rsinfo, const Mirror *mirror)
{
	ListCell   *cell;

	foreach(cell, mirror->tables)
	{
		const MirrorTable *table = lfirst(cell);
		NameData	name;
		Datum		values[4];
		bool		nulls[4] = {false};

		if (table->derived)
			continue;
		namestrcpy(&name, table->name);
		values[0] = NameGetDatum(&name);
		values[1] = Int64GetDatum(table->inserted);
		values[2] = Int64GetDatum(table->updated);
		values[3] = Int64GetDatum(table->deleted);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
}

static void
refresh(Work *work)
{
	catalog_read(work->mirror, work->names, local_names(work->definitions), false);
	match_tables(work->mirror, work->definitions);
	bring_up_to_date(work->mirror, true);
}

PG_FUNCTION_INFO_V1(refresh_mirror);

/*
 * refresh_mirror(local_schema)
 */
Datum
refresh_mirror(PG_FUNCTION_ARGS)
{
	Mirror		mirror;
	Work		work = {&mirror};
	int			level;

	PreventCommandIfReadOnly("refresh_mirror()");
	InitMaterializedSRF(fcinfo, 0);
	SPI_connect();
	level = pin_settings();
	work.definitions = lock_mirror(&mirror, PG_GETARG_NAME(0));
	if (!mirror.whole)
		work.names = defined_names(work.definitions);
	with_remote(&work, refresh);
	return_counts((ReturnSetInfo *) fcinfo->resultinfo, &mirror);
	query_settings_back(level);
	SPI_finish();
	return (Datum) 0;
}

static void
return_problem(ReturnSetInfo *rsinfo, const char *table, const char *problem)
{
	NameData	name;
	Datum		values[2];
	bool		nulls[2] = {false};

	namestrcpy(&name, table);
	values[0] = NameGetDatum(&name);
	values[1] = CStringGetTextDatum(problem);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/*
 * Reports tables that are only here, or only there, or not the same, and leaves
 * those that can be compared.
 */
static void
check_tables(ReturnSetInfo *rsinfo, Mirror *mirror, List *definitions)
{
	List	   *comparable = NIL;
	List	   *derived = derived_tables();
	ListCell   *cell;

	foreach(cell, definitions)
		if (find_table(mirror, ((Definition *) lfirst(cell))->remote_table) == NULL)
			return_problem(rsinfo, ((Definition *) lfirst(cell))->remote_table, "it is missing there");
	foreach(cell, mirror->tables)
	{
		MirrorTable *table = lfirst(cell);
		Oid			relid = defined_relation(definitions, table->name);
		const char *problem = OidIsValid(relid) ? NULL : "it is missing here";

		if (problem == NULL && list_member_oid(derived, relid))
			continue;
		if (problem == NULL)
			problem = catalog_match(mirror, table, relid);
		if (problem == NULL)
			comparable = lappend(comparable, table);
		else
			return_problem(rsinfo, table->name, problem);
	}
	mirror->tables = comparable;
}

static void
return_differences(ReturnSetInfo *rsinfo, const Mirror *mirror)
{
	ListCell   *cell;

	foreach(cell, mirror->tables)
	{
		const MirrorTable *table = lfirst(cell);

		if (table->all)
			return_problem(rsinfo, table->name, "its rows are not the same");
		if (table->n_changed > 0)
			return_problem(rsinfo, table->name, psprintf("rows that differ or are missing here: " UINT64_FORMAT, table->n_changed));
		if (table->n_gone > 0)
			return_problem(rsinfo, table->name, psprintf("rows that are missing there: " UINT64_FORMAT, table->n_gone));
	}
}

static void
check(Work *work)
{
	catalog_read(work->mirror, work->names, local_names(work->definitions), true);
	check_tables(work->rsinfo, work->mirror, work->definitions);
	if (work->mirror->tables != NIL)
		compare_tables(work->mirror, false);
	return_differences(work->rsinfo, work->mirror);
	compare_release(work->mirror);
}

PG_FUNCTION_INFO_V1(check_mirror);

/*
 * check_mirror(local_schema).  Compares every row, and trusts nothing that was noted.
 */
Datum
check_mirror(PG_FUNCTION_ARGS)
{
	Mirror		mirror;
	Work		work = {&mirror};
	int			level;

	InitMaterializedSRF(fcinfo, 0);
	SPI_connect();
	level = pin_settings();
	work.definitions = open_mirror(&mirror, PG_GETARG_NAME(0));
	if (!mirror.whole)
		work.names = defined_names(work.definitions);
	work.rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	mirror.count_only = true;
	with_remote(&work, check);
	query_settings_back(level);
	SPI_finish();
	return (Datum) 0;
}

/*
 * The sequences of a mirror's schema that only defaults of its tables use, and that
 * do not go with a column.
 */
static List *
used_sequences(const Mirror *mirror)
{
	List	   *sequences = NIL;

	if (SPI_execute(psprintf("SELECT s.oid::regclass FROM pg_class s WHERE s.relkind = 'S' AND s.relnamespace = %u "
							 "AND EXISTS (SELECT FROM pg_depend d WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = s.oid) "
							 "AND NOT EXISTS (SELECT FROM pg_depend d LEFT JOIN pg_attrdef f ON d.classid = 'pg_attrdef'::regclass AND f.oid = d.objid "
							 "WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = s.oid "
							 "AND (f.oid IS NULL OR f.adrelid NOT IN (SELECT m.relation FROM catreg.mirror m))) "
							 "AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = s.oid "
							 "AND d.refclassid = 'pg_class'::regclass)", mirror->namespace), false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read the sequences of a mirror");
	for (uint64 i = 0; i < SPI_processed; i++)
		sequences = lappend(sequences, SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1));
	SPI_freetuptable(SPI_tuptable);
	return sequences;
}

PG_FUNCTION_INFO_V1(drop_mirror);

/*
 * drop_mirror(local_schema): drops its tables, and enums and sequences that only
 * they have used.
 */
Datum
drop_mirror(PG_FUNCTION_ARGS)
{
	Mirror		mirror;
	List	   *definitions;
	List	   *types = NIL;
	List	   *sequences;
	StringInfoData tables;
	ListCell   *cell;
	int			level;

	SPI_connect();
	level = pin_settings();
	definitions = lock_mirror(&mirror, PG_GETARG_NAME(0));
	initStringInfo(&tables);
	foreach(cell, definitions)
		appendStringInfo(&tables, "%s%s", foreach_current_index(cell) == 0 ? "" : ", ", query_relation(((Definition *) lfirst(cell))->relid));
	if (SPI_execute(psprintf("SELECT DISTINCT y.oid::regtype FROM pg_type y JOIN pg_attribute a ON a.atttypid IN (y.oid, y.typarray) AND NOT a.attisdropped "
							 "JOIN pg_class c ON c.oid = a.attrelid AND c.relkind NOT IN ('i', 'I') "
							 "WHERE y.typtype = 'e' AND y.typnamespace = %u GROUP BY y.oid "
							 "HAVING bool_and(a.attrelid IN (SELECT m.relation FROM catreg.mirror m))", mirror.namespace), false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read the types of a mirror");
	for (uint64 i = 0; i < SPI_processed; i++)
		types = lappend(types, SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1));
	SPI_freetuptable(SPI_tuptable);
	sequences = used_sequences(&mirror);
	query_execute(psprintf("DROP TABLE %s", tables.data));
	foreach(cell, types)
		query_execute(psprintf("DROP TYPE %s", (char *) lfirst(cell)));
	foreach(cell, sequences)
		query_execute(psprintf("DROP SEQUENCE %s", (char *) lfirst(cell)));
	query_settings_back(level);
	SPI_finish();
	PG_RETURN_VOID();
}
