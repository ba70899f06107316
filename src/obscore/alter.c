/*-------------------------------------------------------------------------
 *
 * src/obscore/alter.c
 *	  Another configuration for an ObsCore table, while it is used.
 *
 * alter_obscore() makes a table beside the old one.  Whoever changes the registry
 * in the meantime keeps the old one, and cannot see the other yet; he notes what
 * he has changed in catreg.obscore_journal.  At the end writers are kept out, what
 * they have noted is applied to the new table, and it takes the place of the old.
 *
 * That the others note is said by a lock on the old table's entry in pg_class (of
 * a part of it, so that it meets no lock of PostgreSQL's own): a writer takes it
 * in a mode that others' writes do not conflict with, and if he does not get it at
 * once, the table is being altered.  alter_obscore() waits for those who have it
 * before it looks at the registry, so that nobody is missed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/portal.h"
#include "utils/tuplestore.h"

#include "core/compat.h"
#include "core/query.h"
#include "obscore/alter.h"
#include "obscore/fill.h"
#include "obscore/path.h"
#include "obscore/problem.h"
#include "obscore/touched.h"

/* No attribute has this number. */
#define ALTER_SUBID 0xCA7

/* Rows that are noted, or that others have noted, for a query. */
#define NOTED_ROWS "catreg_noted"

/* So many of them are fetched at a time. */
#define FETCH 1000

static void
set_lock_tag(LOCKTAG *tag, Oid table)
{
	SET_LOCKTAG_OBJECT(*tag, MyDatabaseId, RelationRelationId, table, ALTER_SUBID);
}

/*
 * Says until the end of the transaction that the registry is being changed of which
 * a table is made.  False: the table is being altered, and changes have to be noted.
 */
bool
obscore_lock_writer(Oid table)
{
	LOCKTAG		tag;

	set_lock_tag(&tag, table);
	return LockAcquire(&tag, RowExclusiveLock, false, true) != LOCKACQUIRE_NOT_AVAIL;
}

/* Rows as JSON, which casts of their types may make: with the rights in force. */
static Tuplestorestate *
rows_as_json(const char *changed, TupleDesc *desc, uint64 *n)
{
	Tuplestorestate *rows = tuplestore_begin_heap(true, false, work_mem);
	Portal		portal = SPI_cursor_open_with_args(NULL, psprintf("SELECT pg_catalog.to_jsonb(r) AS changed FROM %s r", changed),
												   0, NULL, NULL, NULL, true, CURSOR_OPT_NO_SCROLL);

	*desc = CreateTupleDescCopy(portal->tupDesc);
	*n = 0;
	do
	{
		CHECK_FOR_INTERRUPTS();
		SPI_cursor_fetch(portal, true, FETCH);
		for (uint64 i = 0; i < SPI_processed; i++)
			tuplestore_puttuple(rows, SPI_tuptable->vals[i]);
		*n += SPI_processed;
		SPI_freetuptable(SPI_tuptable);
	} while (SPI_processed > 0);
	SPI_cursor_close(portal);
	return rows;
}

/*
 * Notes rows that an event has changed, as they were and as they are, for
 * whoever alters the table; changed is NULL where there are too many to say.  SPI
 * must be connected, with the rows known to it and the rights of the table's owner
 * in force.
 */
void
obscore_note_change(const Obscore *obscore, Oid relid, const char *changed, ObscoreChange change)
{
	Relation	journal;
	QueryUser	before;
	TupleDesc	desc;
	uint64		n;
	Tuplestorestate *rows = changed == NULL ? NULL : rows_as_json(changed, &desc, &n);

	journal = query_open_own_table("obscore_journal", RowExclusiveLock, &before);
	if (rows == NULL)
		query_execute(psprintf("INSERT INTO catreg.obscore_journal (obscore, relation) VALUES (%u, %u)",
							   obscore->table, relid));
	else
	{
		query_register_rows(NOTED_ROWS, desc, rows, n);
		query_execute(psprintf("INSERT INTO catreg.obscore_journal (obscore, relation, change, changed)"
							   " SELECT %u, %u, %d, r.changed FROM " NOTED_ROWS " r",
							   obscore->table, relid, change));
		SPI_unregister_relation(NOTED_ROWS);
		tuplestore_end(rows);
	}
	query_close_own_table(journal, &before);
}

/* ------------------------------------------------------------- alter_obscore */

PG_FUNCTION_INFO_V1(obscore_begin_alter);

/*
 * obscore_begin_alter(obscore): has writers note what they change from here on;
 * waits for those that do not yet.  For the table's owner.
 */
Datum
obscore_begin_alter(PG_FUNCTION_ARGS)
{
	Oid			table = PG_GETARG_OID(0);
	LOCKTAG		tag;

	(void) obscore_get(table, false);
	obscore_check_owner(table);
	set_lock_tag(&tag, table);
	(void) LockAcquire(&tag, ShareRowExclusiveLock, false, false);
	PG_RETURN_VOID();
}

static const ObscoreSelect *
select_of_type(const Obscore *obscore, int64 dataset_type)
{
	ListCell   *cell;

	foreach(cell, obscore->selects)
		if (((ObscoreSelect *) lfirst(cell))->type->id == dataset_type)
			return lfirst(cell);
	return NULL;
}

static bool
same_strings(const List *a, const List *b)
{
	ListCell   *x;
	ListCell   *y;

	if (list_length(a) != list_length(b))
		return false;
	forboth(x, a, y, b)
		if (strcmp(lfirst(x), lfirst(y)) != 0)
			return false;
	return true;
}

static bool
same_text(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool
has_join(const ObscoreSelect *select, const ObscoreJoin *join)
{
	ListCell   *cell;

	foreach(cell, select->joins)
	{
		const ObscoreJoin *other = lfirst(cell);

		if (strcmp(join->alias, other->alias) == 0 && join->relation == other->relation &&
			same_strings(join->keys, other->keys) && same_strings(join->values, other->values) &&
			same_text(join->lateral, other->lateral) && same_text(join->region, other->region))
			return true;
	}
	return false;
}

static bool
has_value(const Obscore *obscore, const ObscoreSelect *select, const ObscoreColumn *column, const char *value)
{
	ListCell   *cell;
	ListCell   *other;

	forboth(cell, obscore->columns, other, select->column_values)
		if (strcmp(((ObscoreColumn *) lfirst(cell))->name, column->name) == 0)
			return strcmp(lfirst(other), value) == 0;
	return false;
}

/* Are all values of a dataset type's rows made as they were? */
static bool
is_unchanged(const Obscore *obscore, const ObscoreSelect *select, const Obscore *old)
{
	const ObscoreSelect *before = select_of_type(old, select->type->id);
	ListCell   *cell;
	ListCell   *value;

	if (before == NULL)
		return false;
	forboth(cell, obscore->columns, value, select->column_values)
		if (!has_value(old, before, lfirst(cell), lfirst(value)))
			return false;
	foreach(cell, select->joins)
		if (!has_join(before, lfirst(cell)))
			return false;
	return true;
}

/* Copies the rows that are members now and were before. */
static void
copy_rows(const Obscore *obscore, const ObscoreSelect *select, const Obscore *old)
{
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfo(&text, "SELECT %s FROM (", obscore_column_list(obscore, "o."));
	obscore_write_members(&text, obscore, select, NULL);
	appendStringInfo(&text, ") m JOIN %s o ON o.registry_dataset_id OPERATOR(pg_catalog.=) m.dataset_id",
					 query_relation(old->table));
	obscore_write_rows(obscore, text.data, true);
}

/* The tags that have no row; of a data id that has one another may have come first since. */
static char *
tags_without_row(const Obscore *obscore, const ObscoreSelect *select)
{
	return psprintf("(SELECT * FROM %s y WHERE NOT EXISTS (SELECT FROM %s n WHERE n.%s OPERATOR(pg_catalog.=) %s))",
					query_relation(select->type->tags), query_relation(obscore->table),
					obscore->find_first ? "registry_data_id" : "registry_dataset_id",
					obscore->find_first ? obscore_data_id_of(select, "y") : "y.dataset_id");
}

/*
 * Makes the rows that are not there; all of them, if there are none.  What has changed
 * since some were copied has been noted.
 */
static void
make_rows(const Obscore *obscore, const ObscoreSelect *select, bool some_there)
{
	StringInfoData text;

	if (obscore->find_first && !some_there)
	{
		obscore_fill_first(obscore, select, true);
		return;
	}
	initStringInfo(&text);
	obscore_write_select(&text, obscore, select, some_there ? tags_without_row(obscore, select) : NULL);
	obscore_write_rows(obscore, text.data, true);
}

static void
fill_from(const Obscore *obscore, const Obscore *old)
{
	int			level = query_jit_off();
	ListCell   *cell;

	foreach(cell, obscore->selects)
	{
		bool		copied = is_unchanged(obscore, lfirst(cell), old);

		if (copied)
			copy_rows(obscore, lfirst(cell), old);
		make_rows(obscore, lfirst(cell), copied);
	}
	query_settings_back(level);
}

PG_FUNCTION_INFO_V1(obscore_fill_from);

/*
 * obscore_fill_from(obscore, old): makes all rows of a table that is empty.  Those
 * of dataset types whose values are made as in the old one are copied.  They are
 * frozen: whoever has a snapshot from before finds them when the name leads him
 * here, and what the others have changed since is as invisible to him as ever.
 * For the owner of both.
 */
Datum
obscore_fill_from(PG_FUNCTION_ARGS)
{
	const Obscore *obscore;
	const Obscore *old;
	QueryUser	before;

	obscore_problems_forget();
	obscore_check_owner(PG_GETARG_OID(0));
	obscore_check_owner(PG_GETARG_OID(1));
	obscore_hold();
	obscore = obscore_get(PG_GETARG_OID(0), false);
	old = obscore_get(PG_GETARG_OID(1), false);
	SPI_connect();
	query_become(obscore->owner, &before);
	if (obscore->find_first)
	{
		obscore_save_path(obscore);
		obscore_go_by_saved_path(obscore->table);
	}
	PG_TRY();
	{
		fill_from(obscore, old);
	}
	PG_FINALLY();
	{
		obscore_go_by_saved_path(InvalidOid);
	}
	PG_END_TRY();
	query_return(&before);
	SPI_finish();
	obscore_release();
	PG_RETURN_VOID();
}

/* What has been noted of one relation, as a relation with its columns. */
static void
apply_noted(const Obscore *obscore, Oid old, Oid relid, ObscoreChange change)
{
	char	   *changed = psprintf("(SELECT (pg_catalog.jsonb_populate_record(NULL::%s, j.changed)).* FROM " NOTED_ROWS " j)",
								   query_relation(relid));
	Relation	journal;
	Tuplestorestate *rows = tuplestore_begin_heap(false, false, work_mem);
	TupleDesc	desc;
	uint64		n;
	QueryUser	before;
	ListCell   *cell;

	journal = query_open_own_table("obscore_journal", AccessShareLock, &before);
	n = butler_select(SELECT_LATEST,
					  psprintf("SELECT j.changed FROM catreg.obscore_journal j WHERE j.obscore OPERATOR(pg_catalog.=) %u"
							   " AND j.relation OPERATOR(pg_catalog.=) %u AND j.change OPERATOR(pg_catalog.=) %d",
							   old, relid, change), 0, NULL, NULL);
	desc = CreateTupleDescCopy(SPI_tuptable->tupdesc);
	for (uint64 i = 0; i < n; i++)
		tuplestore_puttuple(rows, SPI_tuptable->vals[i]);
	SPI_freetuptable(SPI_tuptable);
	query_close_own_table(journal, &before);
	query_register_rows(NOTED_ROWS, desc, rows, n);
	foreach(cell, obscore->selects)
		obscore_apply_change(obscore, lfirst(cell), relid, changed, change);
	SPI_unregister_relation(NOTED_ROWS);
	tuplestore_end(rows);
}

/* Which relations have been changed and how; leaves rows of both in SPI_tuptable. */
static uint64
noted_relations(Oid old)
{
	Relation	journal;
	QueryUser	before;
	uint64		n;

	journal = query_open_own_table("obscore_journal", AccessShareLock, &before);
	n = butler_select(SELECT_LATEST,
					  psprintf("SELECT DISTINCT j.relation::pg_catalog.oid, j.change::pg_catalog.int4 FROM catreg.obscore_journal j"
							   " WHERE j.obscore OPERATOR(pg_catalog.=) %u ORDER BY 1, 2", old), 0, NULL, NULL);
	query_close_own_table(journal, &before);
	return n;
}

PG_FUNCTION_INFO_V1(obscore_catch_up);

/*
 * obscore_catch_up(obscore, old): applies what writers have noted about the old
 * table to the one that takes its place, while they are kept out.  For the owner of
 * both.
 */
Datum
obscore_catch_up(PG_FUNCTION_ARGS)
{
	Oid			old = PG_GETARG_OID(1);
	const Obscore *obscore;
	ObscoreCounts counts = {0};
	SPITupleTable *noted;
	uint64		n;
	bool		all = false;
	QueryUser	before;

	obscore_check_owner(PG_GETARG_OID(0));
	obscore_check_owner(PG_GETARG_OID(1));
	obscore_hold();
	obscore = obscore_get(PG_GETARG_OID(0), false);
	SPI_connect();
	n = noted_relations(old);
	noted = SPI_tuptable;
	query_become(obscore->owner, &before);
	for (uint64 i = 0; i < n && !all; i++)
		(void) SPI_getbinval(noted->vals[i], noted->tupdesc, 2, &all);
	if (all)
		obscore_refresh(obscore, &counts);
	for (uint64 i = 0; i < n && !all; i++)
	{
		bool		isnull;
		Oid			relid = DatumGetObjectId(SPI_getbinval(noted->vals[i], noted->tupdesc, 1, &isnull));

		apply_noted(obscore, old, relid, DatumGetInt32(SPI_getbinval(noted->vals[i], noted->tupdesc, 2, &isnull)));
	}
	if (obscore->find_first)
		obscore_apply_path(obscore, &counts);
	query_return(&before);
	SPI_finish();
	obscore_release();
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(obscore_clear_journal);

/*
 * obscore_clear_journal(obscore): forgets what writers have noted, for the table's
 * owner.
 */
Datum
obscore_clear_journal(PG_FUNCTION_ARGS)
{
	Oid			table = PG_GETARG_OID(0);
	Oid			type = OIDOID;
	Datum		value = ObjectIdGetDatum(table);

	obscore_check_owner(table);
	query_execute_on_definitions("obscore_journal", "DELETE FROM catreg.obscore_journal WHERE obscore OPERATOR(pg_catalog.=) $1",
								 1, &type, &value, NULL);
	PG_RETURN_VOID();
}
