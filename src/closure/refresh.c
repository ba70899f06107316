/*-------------------------------------------------------------------------
 *
 * src/closure/refresh.c
 *	  Computes the closure of some nodes again, and of all below them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/xact.h"
#include "executor/spi.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "closure/closure.h"
#include "core/key_scan.h"
#include "core/query.h"

/* The client's last statement that called closure_set_disturbed(). */
static TimestampTz disturbed_by = 0;

/*
 * Notes that, in the client's current statement, old nodes were moved or
 * deleted.  Such a change may have reached nodes that an INSERT around it, or
 * beside it, has put into the tree but not yet into the closure.
 */
void
closure_set_disturbed(void)
{
	disturbed_by = GetCurrentStatementStartTimestamp();
}

/*
 * Has any tree been disturbed in the client's current statement, whatever
 * functions, triggers and common table expressions it consists of?
 */
bool
closure_is_disturbed(void)
{
	return disturbed_by == GetCurrentStatementStartTimestamp();
}

/* A node on the way up from a touched one. */
typedef struct WayEntry
{
	int64		id;
	int64		walk;			/* the number of the walk that came here first */
	char		status;
} WayEntry;

#define SH_PREFIX way
#define SH_ELEMENT_TYPE WayEntry
#define SH_KEY_TYPE int64
#define SH_KEY id
#define SH_HASH_KEY(tb, key) ID_HASH(key)
#define SH_EQUAL(tb, a, b) ((a) == (b))
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

static void
report_cycle(const Closure *closure, const char *node)
{
	ereport(ERROR,
			(errcode(ERRCODE_CHECK_VIOLATION),
			 errmsg("node %s of table \"%s\" would be its own ancestor",
					node, get_rel_name(closure->tree)),
			 errdetail("Its parents lead back to itself.")));
}

/*
 * Goes from a node to its parent; false: it has none, or is not there.
 */
static bool
go_up(const Closure *closure, KeyScan *tree, int64 *id)
{
	TupleTableSlot *slot;
	bool		isnull;
	Datum		parent;

	key_scan_seek(tree, *id);
	slot = key_scan_next(tree);
	if (slot == NULL)
		return false;
	parent = slot_getattr(slot, closure->parent, &isnull);
	if (isnull)
		return false;
	*id = datum_get_id(closure->type, parent);
	return true;
}

/*
 * Refuses touched nodes whose parents lead back to them: walks up from each,
 * until where another walk has been.
 */
static void
check_ways(const Closure *closure, KeyScan *tree, const IdList *touched)
{
	way_hash   *ways = way_create(CurrentMemoryContext, touched->n, NULL);

	for (int64 walk = 0; walk < touched->n; walk++)
	{
		int64		at = touched->ids[walk];
		bool		found;

		do
		{
			WayEntry   *entry = way_insert(ways, at, &found);

			if (!found)
				entry->walk = walk;
			else if (entry->walk == walk)
				report_cycle(closure, psprintf(INT64_FORMAT, at));
		} while (!found && go_up(closure, tree, &at));
	}
	way_destroy(ways);
}

/*
 * The same as a query, which serves for partitioned trees: for a node that the
 * way up from the nodes of $1 passes twice.
 */
static void
write_cycle(StringInfo text, const void *arg)
{
	const Closure *closure = arg;
	const char *tree = query_relation(closure->tree);
	const char *id = query_column(closure->tree, closure->id);
	const char *parent = query_column(closure->tree, closure->parent);

	appendStringInfo(text,
					 "WITH RECURSIVE up (node) AS ("
					 "SELECT t.%s FROM %s t WHERE t.%s OPERATOR(pg_catalog.=) ANY ($1) UNION ALL "
					 "SELECT t.%s FROM up JOIN %s t ON t.%s OPERATOR(pg_catalog.=) up.node "
					 "WHERE t.%s IS NOT NULL) CYCLE node SET again USING way "
					 "SELECT node FROM up WHERE again LIMIT 1",
					 id, tree, id, parent, tree, id, parent);
}

/*
 * Refuses a tree in which the touched nodes' parents lead back to them.
 */
static void
check_no_cycle(const Closure *closure, const IdList *touched, Datum *array)
{
	Relation	rel = table_open(closure->tree, AccessShareLock);
	KeyScan    *tree = key_scan_begin(rel, closure->id, closure->type);
	Oid			array_type = get_array_type(closure->type);

	if (tree != NULL)
	{
		check_ways(closure, tree, touched);
		key_scan_end(tree);
	}
	else
	{
		query_execute_latest(query_plan(closure->tree, QUERY_CLOSURE_CYCLE,
										write_cycle, closure, 1, &array_type),
							 array, true);
		if (SPI_processed > 0)
			report_cycle(closure, SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1));
		SPI_freetuptable(SPI_tuptable);
	}
	table_close(rel, AccessShareLock);
}

/*
 * The query that mends what closure_write_difference() finds.  The three
 * changes see the same snapshot and have no row in common.
 */
static void
write_refresh(StringInfo text, const void *arg)
{
	const Closure *closure = arg;
	const char *table = query_relation(closure->closure);
	const char *ancestor = query_column(closure->closure, closure->ancestor);
	const char *descendant = query_column(closure->closure, closure->descendant);
	const char *depth = query_column(closure->closure, closure->depth);

	closure_write_difference(text, closure, true);
	appendStringInfo(text,
					 ", removed AS (DELETE FROM %s c USING difference d "
					 "WHERE d.expected IS NULL AND c.ctid OPERATOR(pg_catalog.=) d.row "
					 "AND c.tableoid OPERATOR(pg_catalog.=) d.relation RETURNING 1), ",
					 table);
	appendStringInfo(text,
					 "changed AS (UPDATE %s c SET %s = d.expected FROM difference d "
					 "WHERE d.expected IS NOT NULL AND c.ctid OPERATOR(pg_catalog.=) d.row "
					 "AND c.tableoid OPERATOR(pg_catalog.=) d.relation RETURNING 1), ",
					 table, depth);
	appendStringInfo(text,
					 "added AS (INSERT INTO %s (%s, %s, %s) "
					 "SELECT ancestor, descendant, expected FROM difference "
					 "WHERE row IS NULL RETURNING 1) ",
					 table, ancestor, descendant, depth);
	appendStringInfoString(text,
						   "SELECT (SELECT pg_catalog.count(*) FROM removed) "
						   "OPERATOR(pg_catalog.+) (SELECT pg_catalog.count(*) FROM changed) "
						   "OPERATOR(pg_catalog.+) (SELECT pg_catalog.count(*) FROM added)");
}

/*
 * Executes the query that mends.
 *
 * At REPEATABLE READ and above it writes rows of nodes that others have inserted
 * after the transaction's snapshot, and PostgreSQL's check of a foreign key,
 * which does not look past that, finds no such node.  Clients know what to do
 * about a serialization failure, which is what it is.
 */
static void
mend(const Closure *closure, Datum *array)
{
	Oid			array_type = get_array_type(closure->type);
	SPIPlanPtr	plan = query_plan(closure->tree, QUERY_CLOSURE_REFRESH,
								  write_refresh, closure, 1, &array_type);
	MemoryContext context = CurrentMemoryContext;

	PG_TRY();
	{
		query_execute_latest(plan, array, true);
	}
	PG_CATCH();
	{
		ErrorData  *error;

		if (!IsolationUsesXactSnapshot())
			PG_RE_THROW();
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		if (error->sqlerrcode != ERRCODE_FOREIGN_KEY_VIOLATION)
			PG_RE_THROW();
		FlushErrorState();
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("could not serialize access due to concurrent insert"),
				 errdetail_internal("%s", error->message)));
	}
	PG_END_TRY();
}

/*
 * Makes the closure right for the nodes with the given ids, there or not any
 * more, and for all below them; sorts the list.  Returns the number of closure
 * rows that were wrong.
 *
 * Runs with the closure owner's rights, SPI connected.  Takes SHARE ROW
 * EXCLUSIVE on the closure table, and reads with a snapshot of after that.
 *
 * Errors: check_violation for a cycle of parents, serialization_failure.
 */
uint64
closure_refresh(const Closure *closure, IdList *touched)
{
	Datum		array;
	Datum		mended;
	bool		isnull;
	int			level;

	closure_set_disturbed();
	query_lock_table(closure->closure, ShareRowExclusiveLock);
	query_lock_table(closure->tree, AccessShareLock);

	id_list_sort_unique(touched);
	array = id_list_array(touched, closure->type);

	level = query_by_index(closure->indexed);
	check_no_cycle(closure, touched, &array);
	mend(closure, &array);
	mended = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
	SPI_freetuptable(SPI_tuptable);
	query_settings_back(level);
	return DatumGetInt64(mended);
}
