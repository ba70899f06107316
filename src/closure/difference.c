/*-------------------------------------------------------------------------
 *
 * src/closure/difference.c
 *	  The query that says what a closure table should hold.
 *
 * The one definition behind all uses: check_closure() shows its rows,
 * rebuild_closure() and the maintenance of everything but plain inserts apply
 * them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "closure/closure.h"
#include "core/compat.h"
#include "core/query.h"

/*
 * Appends the common table expressions below, affected, expected and difference.
 *
 * difference (relation, row, ancestor, descendant, depth, expected) has a row
 * for each pair that is wrong: depth is NULL where the pair is missing,
 * expected where it should not be there.  Restricted, it looks at the nodes
 * whose ids are in the array $1 and at all below them, in the tree as it is
 * now; otherwise at every node.
 *
 * The planner's estimates of recursive queries are beyond all bounds.  FULL JOIN,
 * since it can only be hashed or merged: none of them makes it a nested loop.
 * affected, made an array and taken apart again, counts as ten rows, whose
 * ancestors are looked up one by one (LATERAL, OFFSET): then the costs are small
 * enough for query_by_index() to have its way.
 *
 * It never ends on a cycle; see check_tree() and closure_refresh().
 */
void
closure_write_difference(StringInfo text, const Closure *closure, bool restricted)
{
	const char *tree = query_relation(closure->tree);
	const char *id = query_column(closure->tree, closure->id);
	const char *parent = query_column(closure->tree, closure->parent);
	const char *ancestor = query_column(closure->closure, closure->ancestor);
	const char *descendant = query_column(closure->closure, closure->descendant);
	const char *depth = query_column(closure->closure, closure->depth);
	const char *copy = "";
	const char *first = "";

	/* where no index forbids it, a pair may be there twice: one is right */
	if (!closure->unique)
	{
		copy = psprintf(", pg_catalog.row_number() OVER (PARTITION BY c.%s, c.%s ORDER BY c.%s) AS copy",
						ancestor, descendant, depth);
		first = "AND e.copy OPERATOR(pg_catalog.=) c.copy ";
	}

	appendStringInfoString(text, "WITH RECURSIVE ");
	if (restricted)
		appendStringInfo(text,
						 "below (id) AS ("
						 "SELECT pg_catalog.unnest($1) UNION "
						 "SELECT t.%s FROM below b JOIN %s t ON t.%s OPERATOR(pg_catalog.=) b.id), "
						 "affected (id) AS MATERIALIZED (SELECT pg_catalog.unnest(ARRAY(SELECT b.id FROM below b))), ",
						 id, tree, parent);
	appendStringInfo(text,
					 "expected (ancestor, descendant, depth, next) AS ("
					 "SELECT t.%s, t.%s, 0, t.%s FROM %s t",
					 id, id, parent, tree);
	if (restricted)
		appendStringInfo(text, " JOIN affected a ON a.id OPERATOR(pg_catalog.=) t.%s", id);
	appendStringInfo(text,
					 " UNION ALL "
					 "SELECT t.%s, e.descendant, e.depth OPERATOR(pg_catalog.+) 1, t.%s FROM expected e ",
					 id, parent);
	if (restricted)
		appendStringInfo(text,
						 "CROSS JOIN LATERAL (SELECT * FROM %s t WHERE t.%s OPERATOR(pg_catalog.=) e.next OFFSET 0) t), ",
						 tree, id);
	else
		appendStringInfo(text,
						 "JOIN %s t ON t.%s OPERATOR(pg_catalog.=) e.next), ",
						 tree, id);
	appendStringInfo(text,
					 "difference (relation, row, ancestor, descendant, depth, expected) AS MATERIALIZED ("
					 "SELECT c.relation, c.row, coalesce(c.ancestor, e.ancestor), "
					 "coalesce(c.descendant, e.descendant), c.depth, e.depth FROM ("
					 "SELECT c.tableoid AS relation, c.ctid AS row, c.%s AS ancestor, "
					 "c.%s AS descendant, c.%s AS depth%s FROM %s c",
					 ancestor, descendant, depth, copy,
					 query_relation(closure->closure));
	if (restricted)
		appendStringInfo(text, " JOIN affected a ON a.id OPERATOR(pg_catalog.=) c.%s", descendant);
	appendStringInfo(text,
					 ") c FULL JOIN (SELECT *, 1 AS copy FROM expected) e "
					 "ON e.ancestor OPERATOR(pg_catalog.=) c.ancestor "
					 "AND e.descendant OPERATOR(pg_catalog.=) c.descendant %s"
					 "WHERE c.depth IS NULL OR e.depth IS NULL "
					 "OR c.depth OPERATOR(pg_catalog.<>) e.depth) ",
					 first);
}

/*
 * Writes a query for a node that no root leads to, which therefore is on a
 * cycle or below one; NULL: there is none.  FULL JOIN for the reason above: as
 * an anti join it was made a nested loop over all nodes.
 */
static void
write_unreached(StringInfo text, const Closure *closure)
{
	const char *tree = query_relation(closure->tree);
	const char *id = query_column(closure->tree, closure->id);
	const char *parent = query_column(closure->tree, closure->parent);

	appendStringInfo(text,
					 "WITH RECURSIVE reached (id) AS ("
					 "SELECT t.%s FROM %s t WHERE NOT EXISTS ("
					 "SELECT FROM %s p WHERE p.%s OPERATOR(pg_catalog.=) t.%s) UNION ALL "
					 "SELECT t.%s FROM reached r JOIN %s t ON t.%s OPERATOR(pg_catalog.=) r.id) ",
					 id, tree, tree, id, parent, id, tree, parent);
	appendStringInfo(text,
					 "SELECT pg_catalog.min(t.%s) FROM %s t FULL JOIN reached r ON r.id OPERATOR(pg_catalog.=) t.%s "
					 "WHERE r.id IS NULL",
					 id, tree, id);
}

/*
 * Refuses a tree that is none, which the other queries here would never get to
 * the end of.  They have to read with the same snapshot, the active one.
 */
static void
check_tree(const Closure *closure)
{
	StringInfoData text;
	char	   *node;

	initStringInfo(&text);
	write_unreached(&text, closure);
	if (SPI_execute(text.data, true, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not execute \"%s\"", text.data);
	node = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
	if (node != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("table \"%s\" is not a tree", get_rel_name(closure->tree)),
				 errdetail("Node %s is on a cycle of parents, or below one.", node)));
	SPI_freetuptable(SPI_tuptable);
}

PG_FUNCTION_INFO_V1(check_closure);

/*
 * check_closure(tree) -> SETOF (ancestor, descendant, depth, expected): the
 * pairs that are wrong, as the caller sees the two tables.  No lock beyond
 * those of a SELECT.
 */
Datum
check_closure(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Closure		closure = *closure_get(PG_GETARG_OID(0), false);
	StringInfoData text;
	Portal		portal;
	int			level;

	InitMaterializedSRF(fcinfo, 0);
	SPI_connect();
	level = query_jit_off();
	check_tree(&closure);
	initStringInfo(&text);
	closure_write_difference(&text, &closure, false);
	appendStringInfoString(&text,
						   "SELECT ancestor::pg_catalog.int8, descendant::pg_catalog.int8, depth, expected "
						   "FROM difference ORDER BY descendant, ancestor");
	portal = SPI_cursor_open_with_args(NULL, text.data, 0, NULL, NULL, NULL, true,
									   CURSOR_OPT_NO_SCROLL);
	do
	{
		SPI_cursor_fetch(portal, true, 1000);
		for (uint64 i = 0; i < SPI_processed; i++)
			tuplestore_puttuple(rsinfo->setResult, SPI_tuptable->vals[i]);
		SPI_freetuptable(SPI_tuptable);
	} while (SPI_processed > 0);
	SPI_cursor_close(portal);
	query_settings_back(level);
	SPI_finish();
	return (Datum) 0;
}

/*
 * The nodes that have a wrong pair, as the active snapshot shows it; orphans is
 * set where pairs are of no node at all.
 */
static void
find_wrong(const Closure *closure, IdList *nodes, bool *orphans)
{
	StringInfoData text;
	Portal		portal;

	initStringInfo(&text);
	closure_write_difference(&text, closure, false);
	appendStringInfoString(&text, "SELECT DISTINCT descendant FROM difference");
	portal = SPI_cursor_open_with_args(NULL, text.data, 0, NULL, NULL, NULL, true,
									   CURSOR_OPT_NO_SCROLL);
	do
	{
		SPI_cursor_fetch(portal, true, 10000);
		for (uint64 i = 0; i < SPI_processed; i++)
		{
			bool		isnull;
			Datum		id = SPI_getbinval(SPI_tuptable->vals[i],
										   SPI_tuptable->tupdesc, 1, &isnull);

			if (isnull)
				*orphans = true;
			else
				id_list_add(nodes, datum_get_id(closure->type, id));
		}
		SPI_freetuptable(SPI_tuptable);
	} while (SPI_processed > 0);
	SPI_cursor_close(portal);
}

/*
 * Compares the whole tree, as a snapshot shows it: what find_wrong() finds.
 */
void
closure_compare(const Closure *closure, Snapshot snapshot, IdList *wrong, bool *orphans)
{
	int			level = query_jit_off();

	id_list_init(wrong);
	*orphans = false;
	PushActiveSnapshot(snapshot);
	check_tree(closure);
	find_wrong(closure, wrong, orphans);
	PopActiveSnapshot();
	query_settings_back(level);
}

/*
 * Mends what closure_compare() has found; returns the number of rows mended.
 */
uint64
closure_mend_found(const Closure *closure, IdList *wrong, bool orphans)
{
	uint64		mended = 0;

	if (wrong->n > 0)
		mended = closure_refresh(closure, wrong);
	if (orphans)
	{
		SPI_execute(psprintf("DELETE FROM %s c WHERE c.%s IS NULL",
							 query_relation(closure->closure),
							 query_column(closure->closure, closure->descendant)),
					false, 0);
		mended += SPI_processed;
	}
	return mended;
}

/*
 * Applies the difference for the whole tree, and returns the number of rows
 * mended.  Runs with the closure owner's rights, SPI connected.
 *
 * It looks first without any lock that stops a writer, and then locks, and
 * computes again, only the nodes found wrong and those below.  Who inserts
 * below a wrong node meanwhile is included: his row is committed, and seen, by
 * the time the lock is granted.
 */
uint64
closure_mend(const Closure *closure)
{
	IdList		wrong;
	bool		orphans;

	/* not the transaction's snapshot, which may be older than our triggers */
	CommandCounterIncrement();
	closure_compare(closure, GetLatestSnapshot(), &wrong, &orphans);
	return closure_mend_found(closure, &wrong, orphans);
}

PG_FUNCTION_INFO_V1(rebuild_closure);

/*
 * rebuild_closure(tree) -> bigint: applies the difference, and returns the number
 * of rows mended.  For the owner of the tree.
 */
Datum
rebuild_closure(PG_FUNCTION_ARGS)
{
	Oid			tree = PG_GETARG_OID(0);
	Closure		closure = *closure_get(tree, false);
	QueryUser	before;
	uint64		mended;

	if (!pg_class_ownercheck(closure.tree, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_TABLE, get_rel_name(closure.tree));

	SPI_connect();
	query_become(closure_owner(&closure), &before);
	mended = closure_mend(&closure);
	query_return(&before);
	SPI_finish();
	closure_refreshed(closure.tree);
	PG_RETURN_INT64(mended);
}
