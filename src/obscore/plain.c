/*-------------------------------------------------------------------------
 *
 * src/obscore/plain.c
 *	  ObsCore tables in parts, some of them on other servers.
 *
 * A partitioned table has no unique index over all its partitions where one of
 * them is a foreign table, nor can rows be moved from there to another by UPDATE.
 * So rows are not updated: what differs is deleted, and what is missing inserted,
 * by statements that name keys in arrays and so are sent to another server as they
 * are, once for each partition.
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
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/tuplestore.h"

#include "core/query.h"
#include "obscore/plain.h"

/* The rows as they should be, for the two statements that make them so. */
#define ROWS "catreg_rows"

#define KEY "registry_dataset_id"

/* Is a table of this kind?  False, too, where there is none yet. */
bool
obscore_is_plain(Oid table)
{
	return OidIsValid(table) && get_rel_relkind(table) == RELKIND_PARTITIONED_TABLE;
}

/* The rows that a query finds, as they are committed now, and as this transaction has made them. */
static Tuplestorestate *
find_rows(const char *query, TupleDesc *desc, uint64 *n)
{
	Tuplestorestate *rows = tuplestore_begin_heap(true, false, work_mem);
	int			level = query_by_index(true);
	Portal		portal;

	query_set("join_collapse_limit", "1");
	query_set("catreg.plan_by_key", "on");
	query_set("jit", "off");
	CommandCounterIncrement();
	PushActiveSnapshot(GetLatestSnapshot());
	portal = SPI_cursor_open_with_args(NULL, query, 0, NULL, NULL, NULL, true, CURSOR_OPT_NO_SCROLL);
	PopActiveSnapshot();
	*desc = CreateTupleDescCopy(portal->tupDesc);
	*n = 0;
	do
	{
		SPI_cursor_fetch(portal, true, 1000);
		for (uint64 i = 0; i < SPI_processed; i++)
			tuplestore_puttuple(rows, SPI_tuptable->vals[i]);
		*n += SPI_processed;
		SPI_freetuptable(SPI_tuptable);
		CHECK_FOR_INTERRUPTS();
	} while (SPI_processed > 0);
	SPI_cursor_close(portal);
	query_settings_back(level);
	return rows;
}

/* DELETE of rows of these keys that are not, value for value, among the right ones. */
static char *
delete_text(const Obscore *obscore, const char *keys)
{
	const char *table = query_relation(obscore->table);

	return psprintf("DELETE FROM %1$s o WHERE o." KEY " OPERATOR(pg_catalog.=) ANY (ARRAY(%2$s)) AND o." KEY " OPERATOR(pg_catalog.<>) ALL (ARRAY("
					"SELECT s." KEY " FROM %1$s s JOIN " ROWS " e ON e." KEY " OPERATOR(pg_catalog.=) s." KEY
					" WHERE s." KEY " OPERATOR(pg_catalog.=) ANY (ARRAY(%2$s))"
					" AND NOT ROW(%3$s)::pg_catalog.record OPERATOR(pg_catalog.*<>) ROW(%4$s)::pg_catalog.record))",
					table, keys, obscore_column_list(obscore, "s."), obscore_column_list(obscore, "e."));
}

/* INSERT of the right ones that are not there, of these keys. */
static char *
insert_text(const Obscore *obscore, const char *keys)
{
	return psprintf("INSERT INTO %1$s (%2$s) SELECT %2$s FROM " ROWS " e WHERE e." KEY " OPERATOR(pg_catalog.<>) ALL (ARRAY("
					"SELECT s." KEY " FROM %1$s s WHERE s." KEY " OPERATOR(pg_catalog.=) ANY (ARRAY(%3$s))))",
					query_relation(obscore->table), obscore_column_list(obscore, ""), keys);
}

/*
 * Makes the rows of keys as a query makes them; keys is a query, too.  SPI must be
 * connected, with the rights of the table's owner in force.
 */
void
obscore_plain_write(const Obscore *obscore, const char *query, const char *keys, ObscoreCounts *counts)
{
	TupleDesc	desc;
	uint64		n;
	uint64		deleted;
	uint64		inserted;
	uint64		updated;
	Tuplestorestate *rows = find_rows(psprintf("SELECT * FROM (%s) e (%s)", query, obscore_column_list(obscore, "")), &desc, &n);

	query_register_rows(ROWS, desc, rows, n);
	deleted = query_execute_once(delete_text(obscore, keys));
	inserted = n == 0 ? 0 : query_execute_once(insert_text(obscore, keys));
	SPI_unregister_relation(ROWS);
	tuplestore_end(rows);

	/* a row that has been made anew was there before */
	updated = Min(deleted, inserted);
	counts->updated += updated;
	counts->inserted += inserted - updated;
	counts->deleted += deleted - updated;
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

	LockRelationOid(obscore->table, ShareUpdateExclusiveLock);
	initStringInfo(&text);
	appendStringInfo(&text, "DELETE FROM %s o WHERE o." KEY " OPERATOR(pg_catalog.=) ANY (ARRAY("
					 "SELECT w.dataset_id FROM " OBSCORE_TOUCHED_IDS " w WHERE true", query_relation(obscore->table));
	foreach(cell, obscore->selects)
	{
		const ObscoreSelect *select = lfirst(cell);

		appendStringInfoString(&text, " AND NOT EXISTS (");
		obscore_write_members(&text, obscore, select,
							  psprintf("(SELECT * FROM %s y WHERE y.dataset_id OPERATOR(pg_catalog.=) w.dataset_id OFFSET 0)",
									   query_relation(select->type->tags)));
		appendStringInfoChar(&text, ')');
	}
	appendStringInfoString(&text, "))");
	return query_execute_once(text.data);
}
