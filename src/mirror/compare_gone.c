/*-------------------------------------------------------------------------
 *
 * src/mirror/compare_gone.c
 *	  What has gone along with what it referred to.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/spi.h"
#include "utils/builtins.h"

#include "core/query.h"
#include "mirror/compare.h"

#define MANY_ORPHANS 20000		/* that are rather found by checksums */

/* A foreign key of one mirrored table to another one's key. */
typedef struct Reference
{
	MirrorTable *from;
	MirrorTable *to;
	char	   *condition;		/* t is the one, g the key of the other */
} Reference;

/*
 * Reads the foreign keys here that refer to columns of a key, but those of a table
 * to itself.
 */
static List *
read_references(const Mirror *mirror)
{
	List	   *references = NIL;
	Reference  *reference = NULL;
	Oid			last = InvalidOid;
	TupleDesc	desc;

	if (SPI_execute("SELECT k.oid, k.conrelid, k.confrelid, b.attname, format('t.%I = g.%I', a.attname, b.attname) "
					"FROM pg_constraint k CROSS JOIN LATERAL unnest(k.conkey, k.confkey) u (here, there) "
					"JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.here "
					"JOIN pg_attribute b ON b.attrelid = k.confrelid AND b.attnum = u.there "
					"WHERE k.contype = 'f' AND k.conrelid <> k.confrelid ORDER BY 1", false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read foreign keys");
	desc = SPI_tuptable->tupdesc;
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		HeapTuple	row = SPI_tuptable->vals[i];
		bool		isnull;
		Oid			oid = DatumGetObjectId(SPI_getbinval(row, desc, 1, &isnull));
		MirrorTable *from = catalog_find(mirror, DatumGetObjectId(SPI_getbinval(row, desc, 2, &isnull)));
		MirrorTable *to = catalog_find(mirror, DatumGetObjectId(SPI_getbinval(row, desc, 3, &isnull)));
		char	   *condition = SPI_getvalue(row, desc, 5);

		if (from == NULL || to == NULL || !compare_is_of_key(to, SPI_getvalue(row, desc, 4)))
			continue;
		if (oid == last)
		{
			reference->condition = psprintf("%s AND %s", reference->condition, condition);
			continue;
		}
		reference = palloc(sizeof(Reference));
		reference->from = from;
		reference->to = to;
		reference->condition = condition;
		references = lappend(references, reference);
		last = oid;
	}
	SPI_freetuptable(SPI_tuptable);
	return references;
}

/*
 * The keys of rows here that refer to what has gone, and have not been read anew;
 * NULL if none can.
 */
static const char *
write_orphans(const MirrorTable *table, List *references)
{
	const char *separator = "";
	StringInfoData text;
	ListCell   *cell;

	initStringInfo(&text);
	appendStringInfoString(&text, "SELECT ");
	transfer_write_columns(&text, table->key, "t");
	appendStringInfoString(&text, " FROM (");
	foreach(cell, references)
	{
		const Reference *reference = lfirst(cell);

		if (reference->from != table || reference->to->n_gone == 0)
			continue;
		appendStringInfo(&text, "%sSELECT ", separator);
		transfer_write_columns(&text, table->key, "t");
		appendStringInfo(&text, " FROM %s t JOIN catreg_gone_%d g ON %s", table->local, foreach_current_index(cell), reference->condition);
		separator = " UNION ";
	}
	if (separator[0] == '\0')
		return NULL;
	appendStringInfoString(&text, ") t");
	if (table->n_changed > 0)
	{
		appendStringInfoString(&text, " WHERE NOT EXISTS (SELECT FROM catreg_remote r WHERE ");
		compare_write_same_key(&text, table, "r", "t");
		appendStringInfoString(&text, ")");
	}
	appendStringInfo(&text, " LIMIT " UINT64_FORMAT, table->n_missing + 1);
	return text.data;
}

/* Is none of some keys there? */
static bool
are_gone(const Mirror *mirror, const MirrorTable *table, List *keys)
{
	for (int done = 0; done < list_length(keys); done += KEYS_A_QUERY)
	{
		StringInfoData text;

		initStringInfo(&text);
		appendStringInfoString(&text, "SELECT FROM ");
		compare_write_keys(&text, table, keys, done, Min(done + KEYS_A_QUERY, list_length(keys)));
		appendStringInfoString(&text, " LIMIT 1");
		if (remote_query(mirror->remote, text.data, 0, NULL, "")->n_rows > 0)
			return false;
	}
	return true;
}

/*
 * Finds what has gone from a table because what it refers to has gone.  False if
 * that is not all; then nothing is noted.
 */
static bool
find_orphans(const Mirror *mirror, MirrorTable *table, List *references)
{
	const char *text = write_orphans(table, references);
	List	   *keys;
	bool		all;
	ListCell   *cell;

	if (text == NULL)
		return false;
	if (table->n_changed > 0)
		query_register_rows("catreg_remote", table->changed_desc, table->changed, table->n_changed);
	foreach(cell, references)
	{
		const Reference *reference = lfirst(cell);

		if (reference->from == table && reference->to->n_gone > 0)
			query_register_rows(psprintf("catreg_gone_%d", foreach_current_index(cell)), reference->to->gone_desc,
								reference->to->gone, reference->to->n_gone);
	}
	keys = compare_add_keys(NIL, table, text);
	all = list_length(keys) == table->n_missing && are_gone(mirror, table, keys);
	if (all)
		compare_add_gone(table, text);
	foreach(cell, references)
	{
		const Reference *reference = lfirst(cell);

		if (reference->from == table && reference->to->n_gone > 0)
			SPI_unregister_relation(psprintf("catreg_gone_%d", foreach_current_index(cell)));
	}
	if (table->n_changed > 0)
		SPI_unregister_relation("catreg_remote");
	return all;
}

static bool
waits_for_another(const MirrorTable *table, List *references)
{
	ListCell   *cell;

	foreach(cell, references)
		if (((Reference *) lfirst(cell))->from == table && ((Reference *) lfirst(cell))->to->n_missing != 0)
			return true;
	return false;
}

/*
 * A table of which something has gone, one that refers to no other such table if
 * there is one; NULL: none is left.
 */
static MirrorTable *
next_missing(const Mirror *mirror, List *references)
{
	MirrorTable *next = NULL;
	ListCell   *cell;

	foreach(cell, mirror->tables)
	{
		MirrorTable *table = lfirst(cell);

		if (table->n_missing != 0 && !waits_for_another(table, references))
			return table;
		if (table->n_missing != 0)
			next = table;
	}
	return next;
}

/*
 * Finds the keys that have gone.  Most have gone along with something else: these
 * are looked up here, and asked for there.  The keys there are a part of those here
 * and those just read, so that what is not there, and is as much as is missing, is
 * all of it.  Else checksums of the keys tell.
 */
void
compare_find_gone(Mirror *mirror)
{
	List	   *references = NIL;
	MirrorTable *table;

	if (next_missing(mirror, NIL) != NULL)
		references = read_references(mirror);
	while ((table = next_missing(mirror, references)) != NULL)
	{
		if (table->n_missing > MANY_ORPHANS || !find_orphans(mirror, table, references))
			compare_by_key(mirror, table, true);
		table->n_missing = 0;
	}
}
