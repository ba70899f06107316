/*-------------------------------------------------------------------------
 *
 * src/obscore/fill.c
 *	  Many rows of an ObsCore table at once.
 *
 * The members of a whole find-first table are found by one sort and kept, and then
 * the rows are made of them: the planner could not tell how many there are, and
 * would join the records as for a tenth of them.  Rows are made by parallel workers
 * where there are enough of them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/xact.h"
#include "executor/spi.h"
#include "executor/tstoreReceiver.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/plancache.h"
#include "utils/snapmgr.h"

#include "core/compat.h"
#include "core/query.h"
#include "core/writer.h"
#include "obscore/fill.h"
#include "obscore/path.h"

/* The members of a dataset type; of a table's name it is the beginning. */
#define MEMBERS "catreg_members"

/*
 * Executes a query, once, that reads what is committed now, and what this
 * transaction has done.  Returns how many rows it finds.
 */
static uint64
send_rows(SPIPlanPtr plan, DestReceiver *dest)
{
	SPIExecuteOptions options = {.read_only = true, .dest = dest};
	int			level = query_jit_off();
	uint64		n_rows;

	CommandCounterIncrement();
	PushActiveSnapshot(GetLatestSnapshot());
	if (SPI_execute_plan_extended(plan, &options) != SPI_OK_SELECT)
		elog(ERROR, "could not make rows of an ObsCore table");
	n_rows = SPI_processed;
	PopActiveSnapshot();
	SPI_freeplan(plan);
	query_settings_back(level);
	return n_rows;
}

/*
 * Has records joined to tags by hashing or by look-ups, whichever is less.  Tags come
 * in the order of their data ids, more or less, so that look-ups lie beside each
 * other, and none comes again; a merge reads all records, however few there are tags.
 * Until query_settings_back().
 */
int
obscore_join_to_tags(void)
{
	int			level = NewGUCNestLevel();

	query_set("enable_mergejoin", "off");
	query_set("random_page_cost", "1.1");
	query_set("join_collapse_limit", "1");
	query_set("catreg.plan_by_key", "on");
	query_set("enable_memoize", "off");
	return level;
}

/* ------------------------------------------------------------------ writing */

static void
find_columns(const Obscore *obscore, AttrNumber *columns)
{
	ListCell   *cell;

	foreach(cell, obscore->columns)
	{
		const char *name = ((ObscoreColumn *) lfirst(cell))->name;

		columns[foreach_current_index(cell)] = get_attnum(obscore->table, name);
		if (columns[foreach_current_index(cell)] <= 0)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_COLUMN),
					 errmsg("table %s has no column \"%s\"", query_relation(obscore->table), name)));
	}
}

/* A query for the table's columns, in the types that they have. */
static char *
typed_query(const Obscore *obscore, const char *query, const AttrNumber *columns)
{
	StringInfoData text;
	ListCell   *cell;

	initStringInfo(&text);
	foreach(cell, obscore->columns)
	{
		Oid			type;
		int32		typmod;
		Oid			collation;

		get_atttypetypmodcoll(obscore->table, columns[foreach_current_index(cell)], &type, &typmod, &collation);
		appendStringInfo(&text, "%sq.%s::%s", cell == list_head(obscore->columns) ? "SELECT " : ", ",
						 quote_identifier(((ObscoreColumn *) lfirst(cell))->name),
						 format_type_extended(type, typmod, FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY));
	}
	appendStringInfo(&text, " FROM (%s) q (%s)", query, obscore_column_list(obscore, ""));
	return text.data;
}

/* Where a query's rows go. */
typedef struct Receiver
{
	DestReceiver pub;
	Writer	   *writer;
} Receiver;

static bool
receive_row(TupleTableSlot *slot, DestReceiver *self)
{
	slot_getallattrs(slot);
	writer_put(((Receiver *) self)->writer, slot->tts_values, slot->tts_isnull);
	return true;
}

static void
receive_start(DestReceiver *self, int operation, TupleDesc desc)
{
}

static void
receive_nothing(DestReceiver *self)
{
}

/*
 * While workers make rows no transaction id can be assigned, nor a subtransaction be
 * begun, as a function of an index or a constraint may do.  Where the table is new the
 * first is done, and there is no second.
 */
static SPIPlanPtr
prepare_rows(const char *query, bool is_new)
{
	return query_prepare_cursor(query, 0, NULL, is_new ? CURSOR_OPT_PARALLEL_OK : 0);
}

/*
 * Was a table made in this subtransaction?  Then its rows may be frozen.
 */
bool
obscore_is_new(Oid table)
{
	Relation	rel = table_open(table, AccessShareLock);
	bool		is_new = rel->rd_createSubid == GetCurrentSubTransactionId();

	table_close(rel, NoLock);
	return is_new;
}

/*
 * Writes the rows that a query makes, which are not there yet, in bulk.  Frozen
 * rows, for a table made in this (sub)transaction only, are seen by whoever sees
 * the table, however old his snapshot.  SPI must be connected, with the rights of
 * the table's owner in force.  Returns how many there are.
 */
uint64
obscore_write_rows(const Obscore *obscore, const char *query, bool frozen)
{
	AttrNumber *columns = palloc(sizeof(AttrNumber) * list_length(obscore->columns));
	WriterTarget target = {.n_columns = list_length(obscore->columns), .columns = columns, .frozen = frozen};
	int			level = NewGUCNestLevel();
	Receiver	receiver = {{receive_row, receive_start, receive_nothing, receive_nothing, DestIntoRel}};
	uint64		n_rows;

	/* a new table has no foreign keys, and the plain way freezes nothing */
	if (frozen)
		query_set("catreg.fk_check", "set");
	target.rel = table_open(obscore->table, RowExclusiveLock);
	find_columns(obscore, columns);
	receiver.writer = writer_begin(&target);
	n_rows = send_rows(prepare_rows(typed_query(obscore, query, columns), frozen), &receiver.pub);
	writer_end(receiver.writer);
	table_close(target.rel, NoLock);
	query_settings_back(level);
	return n_rows;
}

/* --------------------------------------------------------------- find-first */

/*
 * The members of a dataset type: in a table, which parallel workers can read, or where
 * the user may not make one, in rows of this process.
 */
typedef struct Members
{
	char	   *name;
	Tuplestorestate *rows;		/* NULL: a table */
	uint64		n;
} Members;

/* What a query finds, as rows that go by a name. */
static void
keep_rows(Members *members, const char *query)
{
	SPIPlanPtr	plan = query_prepare(query, 0, NULL);
	TupleDesc	desc = CreateTupleDescCopy(((CachedPlanSource *) linitial(SPI_plan_get_plan_sources(plan)))->resultDesc);
	DestReceiver *dest = CreateDestReceiver(DestTuplestore);

	members->name = MEMBERS;
	members->rows = tuplestore_begin_heap(true, false, work_mem);
	SetTuplestoreDestReceiverParams(dest, members->rows, CurrentMemoryContext, false, NULL, NULL);
	members->n = send_rows(plan, dest);
	query_register_rows(members->name, desc, members->rows, members->n);
}

static Members
keep_members(const Obscore *obscore, const char *query)
{
	Oid			namespace = get_rel_namespace(obscore->table);
	Members		members = {NULL};

	if (catreg_namespace_aclcheck(namespace, GetUserId(), ACL_CREATE) != ACLCHECK_OK)
	{
		keep_rows(&members, query);
		return members;
	}
	members.name = quote_qualified_identifier(get_namespace_name(namespace), psprintf(MEMBERS "_%u", obscore->table));
	members.n = query_execute_once(psprintf("CREATE UNLOGGED TABLE %s AS %s", members.name, query));
	return members;
}

static void
forget_members(Members *members)
{
	if (members->rows == NULL)
	{
		query_execute(psprintf("DROP TABLE %s", members->name));
		return;
	}
	SPI_unregister_relation(members->name);
	tuplestore_end(members->rows);
}

/*
 * Makes all rows of a dataset type in a find-first table that has none of it yet and
 * whose search path is saved.  SPI must be connected, with the rights of the table's owner in force.
 */
uint64
obscore_fill_first(const Obscore *obscore, const ObscoreSelect *select, bool frozen)
{
	StringInfoData text;
	Members		members;
	int			level;

	initStringInfo(&text);
	obscore_write_sorted_members(&text, obscore, select, obscore_saved_path(obscore));
	members = keep_members(obscore, text.data);
	resetStringInfo(&text);
	obscore_write_select_first(&text, obscore, select, members.name, false);
	level = obscore_join_to_tags();
	obscore_write_rows(obscore, text.data, frozen);
	query_settings_back(level);
	forget_members(&members);
	return members.n;
}
