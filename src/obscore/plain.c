/*-------------------------------------------------------------------------
 *
 * src/obscore/plain.c
 *	  ObsCore tables in parts, some of them on other servers, and those of Citus.
 *
 * A partitioned table has no unique index over all its partitions where one of
 * them is a foreign table, nor can rows be moved from there to another by UPDATE.
 * So rows are not updated: what differs is deleted, and what is missing inserted.
 * The rows are compared here: the table itself is in statements only that give
 * keys, or rows, as arrays, and so are sent to another server as they are, once for
 * each partition.  Citus takes these, too; it would take no transition table, no
 * lock of rows and no comparison of whole ones.
 *
 * Without such an index two who make the same row would not meet.  Whoever puts
 * new tags makes rows that nobody else knows of; all others do it one after the
 * other, by a lock on the table that readers and puts do not see.  Another server
 * shows a transaction one snapshot from its first look on, whatever has been
 * committed since: a primary key on each partition makes that an error instead of a
 * second row.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/tuplestore.h"

#include "core/citus.h"
#include "core/query.h"
#include "obscore/plain.h"

/* The rows as they should be, those that are there, and the keys of those that differ. */
#define ROWS "catreg_rows"
#define STORED "catreg_stored"
#define WRONG "catreg_wrong"

/* All that are there. */
#define ALL_STORED "catreg_all_stored"

#define KEY "registry_dataset_id"

/* So many keys, or rows, are in a statement. */
#define CHUNK 10000

typedef struct Rows
{
	TupleDesc	desc;			/* NULL: none yet */
	Tuplestorestate *store;
	uint64		n;
} Rows;

/* Is a table of this kind?  False, too, where there is none yet. */
bool
obscore_is_plain(Oid table)
{
	return OidIsValid(table) && (get_rel_relkind(table) == RELKIND_PARTITIONED_TABLE || citus_keeps(table));
}

/* -------------------------------------------------------------------- rows */

/* Adds what SPI has found. */
static void
add_found(Rows *rows)
{
	if (rows->desc == NULL)
	{
		rows->desc = CreateTupleDescCopy(SPI_tuptable->tupdesc);
		rows->store = tuplestore_begin_heap(true, false, work_mem);
	}
	for (uint64 i = 0; i < SPI_processed; i++)
		tuplestore_puttuple(rows->store, SPI_tuptable->vals[i]);
	rows->n += SPI_processed;
	SPI_freetuptable(SPI_tuptable);
}

/* The rows that a query finds, as they are committed now, and as this transaction has made them. */
static Rows
find_rows(const char *query)
{
	Rows		rows = {0};
	int			level = query_jit_off();
	Portal		portal;
	uint64		n;

	CommandCounterIncrement();
	PushActiveSnapshot(GetLatestSnapshot());
	portal = SPI_cursor_open_with_args(NULL, query, 0, NULL, NULL, NULL, true, CURSOR_OPT_NO_SCROLL);
	PopActiveSnapshot();
	do
	{
		SPI_cursor_fetch(portal, true, 1000);
		n = SPI_processed;
		add_found(&rows);
		CHECK_FOR_INTERRUPTS();
	} while (n > 0);
	SPI_cursor_close(portal);
	query_settings_back(level);
	return rows;
}

/* The same for a query over the registry, row by row; see apply.c. */
static Rows
make_rows(const char *query)
{
	int			level = query_by_index(true);
	Rows		rows;

	query_set("join_collapse_limit", "1");
	query_set("catreg.plan_by_key", "on");
	rows = find_rows(query);
	query_settings_back(level);
	return rows;
}

static void
register_rows(const char *name, const Rows *rows)
{
	query_register_rows(name, rows->desc, rows->store, rows->n);
}

/* Forgets rows, and the name by which queries know them, if any. */
static void
end_rows(Rows *rows, const char *name)
{
	if (name != NULL)
		SPI_unregister_relation(name);
	if (rows->store != NULL)
		tuplestore_end(rows->store);
}

/* -------------------------------------------------------------- statements */

/*
 * The columns of the next rows, up to CHUNK, as an array each.  Returns how many rows.
 */
static int
next_chunk(const Rows *rows, TupleTableSlot *slot, Datum *arrays)
{
	int			n_columns = rows->desc->natts;
	ArrayBuildState **states = palloc(sizeof(ArrayBuildState *) * n_columns);
	int			n = 0;

	for (int i = 0; i < n_columns; i++)
		states[i] = initArrayResult(TupleDescAttr(rows->desc, i)->atttypid, CurrentMemoryContext, false);
	for (; n < CHUNK && tuplestore_gettupleslot(rows->store, true, false, slot); n++)
	{
		slot_getallattrs(slot);
		for (int i = 0; i < n_columns; i++)
			accumArrayResult(states[i], slot->tts_values[i], slot->tts_isnull[i],
							 TupleDescAttr(rows->desc, i)->atttypid, CurrentMemoryContext);
	}
	for (int i = 0; n > 0 && i < n_columns; i++)
		arrays[i] = makeArrayResult(states[i], CurrentMemoryContext);
	return n;
}

static SPIPlanPtr
prepare_for(const Rows *rows, const char *text)
{
	int			n_columns = rows->desc->natts;
	Oid		   *types = palloc(sizeof(Oid) * n_columns);

	for (int i = 0; i < n_columns; i++)
		types[i] = get_array_type(TupleDescAttr(rows->desc, i)->atttypid);
	return query_prepare(text, n_columns, types);
}

/*
 * Executes a statement about the table, whose parameters are the columns of some rows as
 * arrays, a chunk of them at a time; what it finds is added to others.  postgres_fdw
 * sends parameters as they are in a generic plan, Citus takes them in no other than a
 * custom one.  Returns the number of rows found or written.
 */
static uint64
execute_for(const Obscore *obscore, const Rows *rows, const char *text, Rows *found)
{
	SPIPlanPtr	plan = prepare_for(rows, text);
	Datum	   *arrays = palloc(sizeof(Datum) * rows->desc->natts);
	TupleTableSlot *slot = MakeSingleTupleTableSlot(rows->desc, &TTSOpsMinimalTuple);
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "catreg obscore chunk", ALLOCSET_DEFAULT_SIZES);
	MemoryContext before = CurrentMemoryContext;
	int			level = NewGUCNestLevel();
	uint64		n = 0;

	query_set("plan_cache_mode", citus_keeps(obscore->table) ? "force_custom_plan" : "force_generic_plan");
	tuplestore_select_read_pointer(rows->store, 0);
	tuplestore_rescan(rows->store);
	for (;;)
	{
		MemoryContextSwitchTo(context);
		if (next_chunk(rows, slot, arrays) == 0)
			break;
		MemoryContextSwitchTo(before);
		SPI_tuptable = NULL;
		query_execute_latest(plan, arrays, true);
		n += SPI_processed;
		if (found != NULL)
			add_found(found);
		MemoryContextReset(context);
		CHECK_FOR_INTERRUPTS();
	}
	MemoryContextSwitchTo(before);
	MemoryContextDelete(context);
	query_settings_back(level);
	ExecDropSingleTupleTableSlot(slot);
	SPI_freeplan(plan);
	return n;
}

/* The rows of some keys that are there. */
static Rows
stored_rows(const Obscore *obscore, const Rows *keys)
{
	Rows		stored = {0};

	execute_for(obscore, keys, psprintf("SELECT %s FROM %s WHERE " KEY " OPERATOR(pg_catalog.=) ANY ($1)",
										obscore_column_list(obscore, ""), query_relation(obscore->table)), &stored);
	return stored;
}

/*
 * Error: one of the servers is away that have a copy of the table.  One that is found out
 * while it is being written has Citus fail the whole transaction in the end, though its
 * subtransaction was undone; reading, which finds out in time, goes to the nearest copy.
 */
static void
check_copies(const Obscore *obscore)
{
	bool		isnull;
	uint64		n;

	if (!citus_has_copies(obscore->table))
		return;
	n = query_execute_once("SELECT n.nodename, n.nodeport FROM pg_catalog.pg_dist_node n "
						   "WHERE n.groupid OPERATOR(pg_catalog.<>) 0 AND n.isactive AND n.noderole OPERATOR(pg_catalog.=) 'primary' "
						   "AND NOT pg_catalog.citus_check_connection_to_node(n.nodename, n.nodeport)");
	if (n > 0)
		ereport(ERROR,
				(errcode(ERRCODE_CONNECTION_FAILURE),
				 errmsg("server %s:%d, which has a copy of it, cannot be reached",
						SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1),
						DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2, &isnull)))));
	SPI_freetuptable(SPI_tuptable);
}

static uint64
write_for(const Obscore *obscore, const Rows *rows, const char *text)
{
	if (rows->n == 0)
		return 0;
	check_copies(obscore);
	return execute_for(obscore, rows, text, NULL);
}

static uint64
delete_rows(const Obscore *obscore, const Rows *keys)
{
	return write_for(obscore, keys, psprintf("DELETE FROM %s WHERE " KEY " OPERATOR(pg_catalog.=) ANY ($1)",
											 query_relation(obscore->table)));
}

static uint64
insert_rows(const Obscore *obscore, const Rows *rows)
{
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfo(&text, "INSERT INTO %s (%s) SELECT * FROM ROWS FROM (", query_relation(obscore->table), obscore_column_list(obscore, ""));
	for (int i = 1; i <= rows->desc->natts; i++)
		appendStringInfo(&text, "%spg_catalog.unnest($%d)", i == 1 ? "" : ", ", i);
	appendStringInfoString(&text, ") e");
	return write_for(obscore, rows, text.data);
}

/* ---------------------------------------------------------------- what to do */

/* Keys of rows that are there and not, value for value, among the right ones. */
static char *
wrong_text(const Obscore *obscore)
{
	return psprintf("SELECT s." KEY " FROM " STORED " s WHERE NOT EXISTS (SELECT FROM " ROWS " e WHERE e." KEY " OPERATOR(pg_catalog.=) s." KEY
					" AND NOT ROW(%s)::pg_catalog.record OPERATOR(pg_catalog.*<>) ROW(%s)::pg_catalog.record)",
					obscore_column_list(obscore, "s."), obscore_column_list(obscore, "e."));
}

/* The right ones that are not there, or were wrong. */
static char *
missing_text(const Obscore *obscore)
{
	return psprintf("SELECT %s FROM " ROWS " e LEFT JOIN (SELECT s." KEY " FROM " STORED " s EXCEPT SELECT w." KEY " FROM " WRONG " w) r (key)"
					" ON r.key OPERATOR(pg_catalog.=) e." KEY " WHERE r.key IS NULL", obscore_column_list(obscore, "e."));
}

/* Deletes the rows that are wrong, and inserts those that are missing. */
static void
write_rows(const Obscore *obscore, const Rows *rows, const Rows *stored, uint64 *deleted, uint64 *inserted)
{
	Rows		wrong;
	Rows		missing;

	register_rows(ROWS, rows);
	register_rows(STORED, stored);
	wrong = find_rows(wrong_text(obscore));
	register_rows(WRONG, &wrong);
	missing = find_rows(missing_text(obscore));
	*deleted = delete_rows(obscore, &wrong);
	*inserted = insert_rows(obscore, &missing);
	end_rows(&missing, NULL);
	end_rows(&wrong, WRONG);
	SPI_unregister_relation(STORED);
	SPI_unregister_relation(ROWS);
}

/*
 * Makes the rows of keys as a query makes them; keys is a query, too.  SPI must be
 * connected, with the rights of the table's owner in force.
 */
void
obscore_plain_write(const Obscore *obscore, const char *query, const char *keys, ObscoreCounts *counts)
{
	Rows		rows = make_rows(psprintf("SELECT * FROM (%s) e (%s)", query, obscore_column_list(obscore, "")));
	Rows		of_keys = find_rows(keys);
	Rows		stored = stored_rows(obscore, &of_keys);
	uint64		deleted = 0;
	uint64		inserted = 0;
	uint64		updated;

	if (stored.n > 0)
		write_rows(obscore, &rows, &stored, &deleted, &inserted);
	else
		inserted = insert_rows(obscore, &rows);
	end_rows(&stored, NULL);
	end_rows(&of_keys, NULL);
	end_rows(&rows, NULL);

	/* a row that has been made anew was there before */
	updated = Min(deleted, inserted);
	counts->updated += updated;
	counts->inserted += inserted - updated;
	counts->deleted += deleted - updated;
}

/*
 * What a query that makes rows, too, is to read the table's rows from, until
 * obscore_plain_end_read().  Citus would send such a query elsewhere, and gets none: it
 * is asked for all rows first.
 */
const char *
obscore_plain_read(const Obscore *obscore)
{
	Rows		rows;

	if (!citus_keeps(obscore->table))
		return query_relation(obscore->table);
	rows = find_rows(psprintf("SELECT %s FROM %s", obscore_column_list(obscore, ""), query_relation(obscore->table)));
	register_rows(ALL_STORED, &rows);
	return ALL_STORED;
}

/* The rows go with SPI's memory. */
void
obscore_plain_end_read(const Obscore *obscore)
{
	if (citus_keeps(obscore->table))
		SPI_unregister_relation(ALL_STORED);
}

/* The ids of datasets of one type in some rows, as a query. */
static char *
keys_in(const ObscoreSelect *select, ObscoreRows rows)
{
	if (rows == ROWS_TOUCHED)
		return pstrdup("SELECT k.dataset_id FROM " OBSCORE_TOUCHED " k");
	return psprintf("SELECT k.dataset_id FROM %s k WHERE k.dataset_type_id OPERATOR(pg_catalog.=) " INT64_FORMAT,
					rows == ROWS_NEW ? OBSCORE_NEW : OBSCORE_OLD, select->type->id);
}

/*
 * Makes the rows of datasets as they should be; see obscore_apply_put() and the
 * others.
 */
void
obscore_plain_apply(const Obscore *obscore, const ObscoreSelect *select, ObscoreRows rows, ObscoreCounts *counts)
{
	const char *keys = keys_in(select, rows);
	StringInfoData text;

	if (rows != ROWS_NEW)
		LockRelationOid(obscore->table, ShareUpdateExclusiveLock);
	initStringInfo(&text);
	obscore_write_select(&text, obscore, select,
						 psprintf("(SELECT y.* FROM (SELECT DISTINCT i.id FROM (%s) i (id)) w CROSS JOIN LATERAL "
								  "(SELECT * FROM %s y WHERE y.dataset_id OPERATOR(pg_catalog.=) w.id OFFSET 0) y OFFSET 0)",
								  keys, query_relation(select->type->tags)));
	obscore_plain_write(obscore, text.data, keys, counts);
}

/*
 * Deletes the rows of datasets, whose ids are touched, that are members of no
 * dataset type.  Returns how many they were.
 */
int64
obscore_plain_remove_any(const Obscore *obscore)
{
	StringInfoData text;
	ListCell   *cell;
	Rows		keys;
	int64		n;

	LockRelationOid(obscore->table, ShareUpdateExclusiveLock);
	initStringInfo(&text);
	appendStringInfoString(&text, "SELECT w.dataset_id FROM " OBSCORE_TOUCHED_IDS " w WHERE true");
	foreach(cell, obscore->selects)
	{
		const ObscoreSelect *select = lfirst(cell);

		appendStringInfoString(&text, " AND NOT EXISTS (");
		obscore_write_members(&text, obscore, select,
							  psprintf("(SELECT * FROM %s y WHERE y.dataset_id OPERATOR(pg_catalog.=) w.dataset_id OFFSET 0)",
									   query_relation(select->type->tags)));
		appendStringInfoChar(&text, ')');
	}
	keys = find_rows(text.data);
	n = delete_rows(obscore, &keys);
	end_rows(&keys, NULL);
	return n;
}
