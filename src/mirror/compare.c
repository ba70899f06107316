/*-------------------------------------------------------------------------
 *
 * src/mirror/compare.c
 *	  Finds the rows that differ, by looking at as few as possible of them.
 *
 * Where state.c can tell what may have changed, those rows are read.  Else both
 * sides compute checksums of their rows by the same SQL, over ranges of positions
 * that become narrower where they differ, until a range holds some ten rows; then
 * keys and checksums of the single rows are compared, and rows that differ read.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/spi.h"

#include "core/query.h"
#include "mirror/compare.h"

static uint64
count_new(const MirrorTable *table)
{
	StringInfoData text;
	uint64		n;

	query_register_rows("catreg_remote", table->changed_desc, table->changed, table->n_changed);
	initStringInfo(&text);
	appendStringInfo(&text, "SELECT count(*) FROM catreg_remote r WHERE NOT EXISTS (SELECT FROM %s t WHERE ", table->local);
	compare_write_same_key(&text, table, "r", "t");
	appendStringInfoString(&text, ")");
	if (SPI_execute(text.data, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not execute \"%s\"", text.data);
	n = strtoull(SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1), NULL, 10);
	SPI_unregister_relation("catreg_remote");
	return n;
}

/*
 * Reads the rows that may have changed, by their transactions, and counts those that
 * have gone.
 */
static void
follow_transactions(Mirror *mirror, MirrorTable *table, uint64 n_may_have_changed)
{
	uint64		n_here = strtoull(table->state.local, NULL, 10);

	if (n_may_have_changed == 0 && n_here == table->n_remote)
		return;
	table->state.local = NULL;
	if (table->key == NIL)
	{
		table->all = true;
		return;
	}
	if (n_may_have_changed > 0)
	{
		transfer_rows(mirror, table, psprintf("%s t WHERE %s", table->quoted, state_changed(table)));
		n_here += count_new(table);
	}

	/* more rows than anybody has written: whatever that server does, it is none of ours */
	if (n_here < table->n_remote)
		compare_by_key(mirror, table, false);
	else
		table->n_missing = n_here - table->n_remote;
}
/*
 * Frees the rows that were found, which may be in temporary files.
 */
void
compare_release(Mirror *mirror)
{
	ListCell   *cell;

	foreach(cell, mirror->tables)
	{
		MirrorTable *table = lfirst(cell);

		if (table->changed != NULL)
			tuplestore_end(table->changed);
		if (table->gone != NULL)
			tuplestore_end(table->gone);
		table->changed = table->gone = NULL;
	}
}

/*
 * Asks how many rows there are, and how many of them may have changed, where that
 * tells something; does not wait.  Returns how many tables it is.
 */
static int
send_watch(Mirror *mirror)
{
	StringInfoData text;
	int			n = 0;
	ListCell   *cell;

	initStringInfo(&text);
	foreach(cell, mirror->tables)
	{
		const MirrorTable *table = lfirst(cell);

		if (table->state.known && !state_is_quiet(mirror, table))
			appendStringInfo(&text, "%sSELECT %d, count(*), count(*) FILTER (WHERE %s) FROM %s t", n++ == 0 ? "" : " UNION ALL ",
							 foreach_current_index(cell), state_changed(table), table->quoted);
	}
	if (n > 0)
		remote_send(mirror->remote, text.data, 0, NULL);
	return n;
}

/*
 * Takes the answer.
 */
static void
receive_watch(Mirror *mirror, uint64 *n_may_have_changed)
{
	RemoteRows *watched = remote_receive(mirror->remote, "iii");

	for (int i = 0; i < watched->n_rows; i++)
	{
		int			number = atoi(remote_value(watched, i, 0));

		if (number < 0 || number >= list_length(mirror->tables))
			elog(ERROR, "unexpected number %d of a table", number);
		((MirrorTable *) list_nth(mirror->tables, number))->n_remote = strtoull(remote_value(watched, i, 1), NULL, 10);
		n_may_have_changed[number] = strtoull(remote_value(watched, i, 2), NULL, 10);
	}
}

/*
 * Finds what differs in every table.  With trust it is read from what was noted the
 * last time, wherever that holds.  SPI must be connected, and settings be such as
 * the remote's.
 */
void
compare_tables(Mirror *mirror, bool trust)
{
	uint64	   *n_may_have_changed = palloc0(sizeof(uint64) * list_length(mirror->tables));
	int			n_watched;
	ListCell   *cell;

	foreach(cell, mirror->tables)
	{
		MirrorTable *table = lfirst(cell);

		table->state.known = trust && !table->fresh && !table->derived && state_is_usable(mirror, table);
		if (table->state.known)
			table->n_remote = strtoull(table->state.local, NULL, 10);
	}
	n_watched = send_watch(mirror);
	foreach(cell, mirror->tables)
	{
		MirrorTable *table = lfirst(cell);

		if (table->state.known)
			table->state.known = state_is_untouched(table);
	}
	if (n_watched > 0)
		receive_watch(mirror, n_may_have_changed);
	foreach(cell, mirror->tables)
	{
		MirrorTable *table = lfirst(cell);

		if (table->fresh || table->derived)
			continue;
		if (table->state.known)
		{
			follow_transactions(mirror, table, n_may_have_changed[foreach_current_index(cell)]);
			continue;
		}
		table->state.local = NULL;
		if (table->key == NIL)
			compare_whole(mirror, table);
		else
			compare_by_key(mirror, table, false);
	}
	compare_find_gone(mirror);
	foreach(cell, mirror->tables)
	{
		MirrorTable *table = lfirst(cell);

		if (table->all && !mirror->count_only)
			transfer_rows(mirror, table, psprintf("%s t", table->quoted));
	}
}
