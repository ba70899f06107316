/*-------------------------------------------------------------------------
 *
 * src/mirror/state.c
 *	  What has certainly not changed since the last time.
 *
 * There, a row that is written, inserted or updated, is stamped with the number of
 * its transaction (xmin), which VACUUM, CLUSTER and the like leave alone.  A row
 * that a snapshot did not show, and a later one shows, has a number that is not
 * below the older snapshot's xmin.  So the rows with such numbers are all that can
 * be new or different; and where there are as many rows as those and the known
 * ones make together, none is gone.  That is true
 *
 * - within one run of one server (Mirror.identity): what has been restored, or has
 *	 crashed, gives numbers a second time;
 * - while the older snapshot is not 2^31 transactions back, where numbers begin to
 *	 come round;
 * - for a plain table on PostgreSQL's heap, not for partitions, which may be of
 *	 any kind;
 * - while the columns are the same ones: one that is dropped and added again with
 *	 a default shows other values without any row being written;
 * - for types whose text depends on nothing else.
 *
 * Otherwise, and here where others may have written, rows are compared.  Whether
 * they have is told by the print of a table: the count of its rows and a sum of
 * hashes of their places and transaction numbers, which together name a version
 * of a row for good.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"

#include "core/query.h"
#include "mirror/mirror.h"

#define MAX_AGE (UINT64CONST(1) << 30)

/*
 * Reads what was noted.  SPI must be connected.
 */
void
state_read(Mirror *mirror)
{
	ListCell   *cell;

	foreach(cell, mirror->tables)
	{
		MirrorTable *table = lfirst(cell);
		Oid			type = REGCLASSOID;
		Datum		value = ObjectIdGetDatum(table->relid);
		TupleDesc	desc;
		HeapTuple	row;

		if (table->fresh ||
			SPI_execute_with_args("SELECT m.remote_state, m.remote_xmin, m.local_state, m.local_xid FROM catreg.mirror m "
								  "WHERE m.relation OPERATOR(pg_catalog.=) $1 AND m.remote_state IS NOT NULL",
								  1, &type, &value, NULL, false, 0) != SPI_OK_SELECT || SPI_processed == 0)
			continue;
		desc = SPI_tuptable->tupdesc;
		row = SPI_tuptable->vals[0];
		table->state.known = true;
		table->state.remote = SPI_getvalue(row, desc, 1);
		table->state.remote_xmin = strtoull(SPI_getvalue(row, desc, 2), NULL, 10);
		table->state.local = SPI_getvalue(row, desc, 3);
		table->state.local_xid = strtoull(SPI_getvalue(row, desc, 4), NULL, 10);
		SPI_freetuptable(SPI_tuptable);
	}
}

/* Which columns of which table of which run of the remote. */
static const char *
remote_state(const Mirror *mirror, const MirrorTable *table)
{
	StringInfoData text;
	ListCell   *cell;

	if (mirror->identity == NULL || !table->plain)
		return NULL;
	initStringInfo(&text);
	appendStringInfo(&text, "%s/%s/", mirror->identity, table->oid);
	foreach(cell, table->columns)
	{
		const MirrorColumn *column = lfirst(cell);

		if (!column->stable)
			return NULL;
		appendStringInfo(&text, "%d,", column->remote_attnum);
	}
	return text.data;
}

/*
 * Do the transaction numbers there tell what has changed?
 */
bool
state_is_usable(const Mirror *mirror, const MirrorTable *table)
{
	const char *remote = remote_state(mirror, table);
	uint64		xid = U64FromFullTransactionId(ReadNextFullTransactionId());

	return remote != NULL && table->state.known &&
		strcmp(remote, table->state.remote) == 0 &&
		table->state.remote_xmin <= mirror->snapshot_xmin &&
		mirror->snapshot_xmax - table->state.remote_xmin < MAX_AGE &&
		table->state.local_xid <= xid && xid - table->state.local_xid < MAX_AGE;
}

/*
 * The print of the rows here: their number first.  age() is as seen from this
 * transaction, and the age of a constant, computed once, makes a constant of it.
 */
const char *
state_print(const MirrorTable *table)
{
	StringInfoData text;
	ListCell   *cell;
	char	   *print;

	initStringInfo(&text);
	appendStringInfoString(&text, "SELECT pg_catalog.concat_ws('/', pg_catalog.count(*), "
						   "pg_catalog.sum(pg_catalog.hashtidextended(t.ctid, (pg_catalog.age(t.xmin)::pg_catalog.int8 "
						   "OPERATOR(pg_catalog.-) (SELECT pg_catalog.age('3'::pg_catalog.xid))) OPERATOR(pg_catalog.&) 4294967295)), '");
	foreach(cell, table->columns)
		appendStringInfo(&text, "%d,", ((MirrorColumn *) lfirst(cell))->attnum);
	appendStringInfo(&text, "') FROM %s t", table->local);
	if (SPI_execute(text.data, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not execute \"%s\"", text.data);
	print = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
	SPI_freetuptable(SPI_tuptable);
	return print;
}

/*
 * The condition, there, of a row that may have changed.
 */
const char *
state_changed(const MirrorTable *table)
{
	TransactionId xmin = (TransactionId) table->state.remote_xmin;

	if (!TransactionIdIsNormal(xmin))
		xmin = FirstNormalTransactionId;
	return psprintf("pg_catalog.age(t.xmin) <= (SELECT pg_catalog.age('%u'::pg_catalog.xid))", xmin);
}

/*
 * Notes that a table is now equal to the remote's.
 */
void
state_note(const Mirror *mirror, MirrorTable *table)
{
	Oid			types[5] = {REGCLASSOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID};
	Datum		values[5];
	char		nulls[6] = "     ";
	const char *remote = remote_state(mirror, table);
	const char *print = table->state.local;

	if (print == NULL && remote != NULL)
		print = state_print(table);
	values[0] = ObjectIdGetDatum(table->relid);
	if (remote == NULL || strtoull(print, NULL, 10) != strtoull(table->remote_rows, NULL, 10))
		memset(nulls + 1, 'n', 4);
	else
	{
		values[1] = CStringGetTextDatum(remote);
		values[2] = CStringGetTextDatum(psprintf(UINT64_FORMAT, mirror->snapshot_xmin));
		values[3] = CStringGetTextDatum(print);
		values[4] = CStringGetTextDatum(psprintf(UINT64_FORMAT, U64FromFullTransactionId(GetTopFullTransactionId())));
	}
	(void) query_execute_on_definitions("mirror",
										"UPDATE catreg.mirror SET remote_state = $2, remote_xmin = $3::pg_catalog.numeric, local_state = $4, "
										"local_xid = $5::pg_catalog.numeric, refreshed = pg_catalog.clock_timestamp() WHERE relation OPERATOR(pg_catalog.=) $1",
										5, types, values, nulls);
}
