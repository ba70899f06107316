/*-------------------------------------------------------------------------
 *
 * src/core/writer.c
 *	  The bulk writer of narrow tables.
 *
 * Two ways lead to the same rows.  The plain one collects them in a tuplestore
 * and executes INSERT ... SELECT from it, with all that PostgreSQL attaches to
 * an INSERT.  The fast one, taken only where writer_refusal() finds nothing
 * that it would leave out, goes by table_multi_insert() and feeds each index in
 * the index's own order.  Triggers that fire once, after the statement, fire here
 * as there, and find the new rows in their transition tables.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_trigger.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "optimizer/optimizer.h"
#include "rewrite/rewriteHandler.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"

#include "core/citus.h"
#include "core/foreign_key.h"
#include "core/index_feed.h"
#include "core/progress.h"
#include "core/query.h"
#include "core/settings.h"
#include "core/writer.h"

/* As COPY has them (MAX_BUFFERED_TUPLES, MAX_BUFFERED_BYTES in copyfrom.c). */
#define WRITER_MAX_ROWS		1000
#define WRITER_MAX_BYTES	65535

#define ROWS_NAME "catreg_rows"

struct Writer
{
	WriterTarget target;
	bool		fast;
	uint64		n_rows;
	MemoryContext context;		/* all below lives here */

	/* the plain way */
	TupleDesc	row_desc;		/* the target's columns, in the caller's order */
	Tuplestorestate *rows;

	/* the fast way */
	EState	   *estate;
	ResultRelInfo *result;
	ExprState **defaults;		/* by column - 1; NULL: none, or constant */
	Datum	   *row_values;		/* a row in the making; constants stay */
	bool	   *row_nulls;
	BulkInsertState bulk;
	CommandId	cid;
	TupleTableSlot **slots;		/* made when first needed: a thousand of them
								 * would cost a single row dear */
	int			n_slots;		/* made */
	int			n_buffered;
	Size		buffered_bytes;
	IndexFeed **feeds;			/* one for each index */
	bool		collecting;		/* there are many rows: the feeds sort them */
	bool		fires;			/* are there triggers to fire at the end? */
	ItemPointerData *tids;		/* of the new rows, if those want them; or NULL */
	uint64		allocated_tids;
};

static bool
is_given(const WriterTarget *target, AttrNumber column)
{
	for (int i = 0; i < target->n_columns; i++)
		if (target->columns[i] == column)
			return true;
	return false;
}

/*
 * Is a trigger's work done by the caller?
 */
static bool
is_answered(const WriterTarget *target, const Trigger *trigger)
{
	for (int i = 0; i < target->n_keys; i++)
		if (foreign_key_trigger_matches(target->rel, trigger, target->keys[i].column,
										target->keys[i].references))
			return true;
	return target->handles != NULL && target->handles(trigger, target->handles_arg);
}

static bool
fires_after_statement(const Trigger *trigger)
{
	return TRIGGER_FOR_AFTER(trigger->tgtype) && !TRIGGER_FOR_ROW(trigger->tgtype);
}

/*
 * Why rows of a target cannot be written the fast way, in words; NULL: they
 * can.  The rights considered are the current user's.
 */
const char *
writer_refusal(const WriterTarget *target)
{
	Relation	rel = target->rel;
	TupleDesc	desc = RelationGetDescr(rel);
	TriggerDesc *triggers;
	List	   *indexes;
	ListCell   *cell;
	const char *refusal = NULL;

	if (catreg_fk_check == FK_CHECK_ROW)
		return "catreg.fk_check is \"row\"";
	if (rel->rd_rel->relkind != RELKIND_RELATION)
		return "it is not a plain table";
	if (rel->rd_rel->relispartition)
		return "it is a partition";
	if (citus_keeps(RelationGetRelid(rel)))
		return "Citus keeps its rows";
	if (rel->rd_rules != NULL)
		return "it has rules";
	if (check_enable_rls(RelationGetRelid(rel), InvalidOid, true) == RLS_ENABLED)
		return "row security applies";
	if (pg_class_aclcheck(RelationGetRelid(rel), GetUserId(), ACL_INSERT) != ACLCHECK_OK)
		return "the user has no INSERT privilege on the whole table";
	if (desc->constr != NULL && desc->constr->has_generated_stored)
		return "it has generated columns";
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);

		if (attribute->attisdropped)
			continue;
		if (attribute->attidentity != '\0')
			return "it has an identity column";
		/* the default, none included, has to pass the domain's checks */
		if (get_typtype(attribute->atttypid) == TYPTYPE_DOMAIN &&
			!is_given(target, i + 1))
			return "a column is left out whose type is a domain";
	}

	/* a copy: any look into a catalog may free the relcache's */
	triggers = CopyTriggerDesc(rel->trigdesc);
	for (int i = 0; triggers != NULL && i < triggers->numtriggers; i++)
	{
		Trigger    *trigger = &triggers->triggers[i];

		if (TRIGGER_FOR_INSERT(trigger->tgtype) && foreign_key_fires(trigger) &&
			!fires_after_statement(trigger) && !is_answered(target, trigger))
			return psprintf("trigger \"%s\" has to fire", trigger->tgname);
	}
	FreeTriggerDesc(triggers);

	indexes = RelationGetIndexList(rel);
	foreach(cell, indexes)
	{
		Relation	index = index_open(lfirst_oid(cell), RowExclusiveLock);

		if (!index->rd_index->indimmediate)
			refusal = "it has a deferrable unique constraint";
		else if (index->rd_index->indisexclusion)
			refusal = "it has an exclusion constraint";
		index_close(index, RowExclusiveLock);
		if (refusal != NULL)
			break;
	}
	list_free(indexes);
	return refusal;
}

bool
writer_is_fast(const Writer *writer)
{
	return writer->fast;
}

static void
begin_plain(Writer *writer)
{
	TupleDesc	desc = RelationGetDescr(writer->target.rel);

	writer->row_desc = CreateTemplateTupleDesc(writer->target.n_columns);
	for (int i = 0; i < writer->target.n_columns; i++)
		TupleDescCopyEntry(writer->row_desc, i + 1, desc, writer->target.columns[i]);
	writer->rows = tuplestore_begin_heap(false, false, work_mem);
}

/*
 * Prepares the values of the columns that the caller leaves out.  A default
 * that is the same for all rows of a statement is computed once.
 */
static void
begin_defaults(Writer *writer)
{
	TupleDesc	desc = RelationGetDescr(writer->target.rel);
	ExprContext *econtext = GetPerTupleExprContext(writer->estate);
	bool	   *given = palloc0(sizeof(bool) * desc->natts);

	writer->defaults = palloc0(sizeof(ExprState *) * desc->natts);
	writer->row_values = palloc0(sizeof(Datum) * desc->natts);
	writer->row_nulls = palloc(sizeof(bool) * desc->natts);
	memset(writer->row_nulls, true, sizeof(bool) * desc->natts);
	for (int i = 0; i < writer->target.n_columns; i++)
		given[writer->target.columns[i] - 1] = true;

	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);
		Expr	   *expr;
		ExprState  *state;
		Datum		value;
		bool		isnull;

		if (given[i] || attribute->attisdropped)
			continue;
		expr = (Expr *) build_column_default(writer->target.rel, i + 1);
		if (expr == NULL)
			continue;
		expr = expression_planner(expr);
		state = ExecInitExpr(expr, NULL);
		if (contain_volatile_functions((Node *) expr))
		{
			writer->defaults[i] = state;
			continue;
		}
		value = ExecEvalExprSwitchContext(state, econtext, &isnull);
		writer->row_nulls[i] = isnull;
		if (!isnull)
			writer->row_values[i] = datumCopy(value, attribute->attbyval,
											  attribute->attlen);
		ResetExprContext(econtext);
	}
	pfree(given);
}

/*
 * Leaves to the executor, of all triggers, those that fire after the statement and
 * are not the caller's.
 */
static void
begin_triggers(Writer *writer)
{
	TriggerDesc *triggers = writer->result->ri_TrigDesc;	/* a copy */

	if (triggers == NULL)
		return;
	triggers->trig_insert_after_row = false;
	triggers->trig_insert_new_table = false;
	for (int i = 0; i < triggers->numtriggers; i++)
	{
		Trigger    *trigger = &triggers->triggers[i];

		if (!TRIGGER_FOR_INSERT(trigger->tgtype) || !fires_after_statement(trigger) ||
			!foreign_key_fires(trigger))
			continue;
		if (is_answered(&writer->target, trigger))
		{
			trigger->tgenabled = TRIGGER_DISABLED;
			continue;
		}
		writer->fires = true;
		triggers->trig_insert_new_table |= trigger->tgnewtable != NULL;
	}
	if (triggers->trig_insert_new_table)
	{
		writer->allocated_tids = WRITER_MAX_ROWS;
		writer->tids = palloc(sizeof(ItemPointerData) * writer->allocated_tids);
	}
}

static void
begin_fast(Writer *writer)
{
	Relation	rel = writer->target.rel;

	writer->estate = CreateExecutorState();
	writer->result = makeNode(ResultRelInfo);
	InitResultRelInfo(writer->result, rel, 0, NULL, 0);
	ExecOpenIndices(writer->result, false);
	begin_defaults(writer);
	begin_triggers(writer);
	writer->bulk = GetBulkInsertState();
	writer->cid = GetCurrentCommandId(true);
	writer->slots = palloc0(sizeof(TupleTableSlot *) * WRITER_MAX_ROWS);
	writer->feeds = palloc(sizeof(IndexFeed *) * (writer->result->ri_NumIndices + 1));
	for (int i = 0; i < writer->result->ri_NumIndices; i++)
		writer->feeds[i] = index_feed_create(rel,
											 writer->result->ri_IndexRelationDescs[i],
											 writer->result->ri_IndexRelationInfo[i],
											 writer->estate);
}

/*
 * Starts writing rows into a table; says at DEBUG1 why it is not done the fast
 * way.  SPI must be connected until writer_end().  The foreign keys that the
 * target names are the caller's to check where writer_is_fast().
 */
Writer *
writer_begin(const WriterTarget *target)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "catreg writer",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext before = MemoryContextSwitchTo(context);
	const char *refusal = writer_refusal(target);
	Writer	   *writer = palloc0(sizeof(Writer));

	/* or rows would be there that a rollback does not take back (see CopyFrom()) */
	if (target->frozen && target->rel->rd_createSubid != GetCurrentSubTransactionId())
		elog(ERROR, "rows are to be frozen in a table that was not made in this subtransaction");
	writer->target = *target;
	writer->context = context;
	writer->fast = (refusal == NULL);
	if (writer->fast)
		begin_fast(writer);
	else
	{
		ereport(DEBUG1,
				(errmsg_internal("catreg: table \"%s\" is written by plain INSERT: %s",
								 RelationGetRelationName(target->rel), refusal)));
		begin_plain(writer);
	}
	MemoryContextSwitchTo(before);
	return writer;
}

/* Notes where the buffered rows are, n_rows of all included. */
static void
note_tids(Writer *writer)
{
	uint64		first = writer->n_rows - writer->n_buffered;

	if (writer->n_rows > writer->allocated_tids)
	{
		writer->allocated_tids = Max(writer->allocated_tids * 2, writer->n_rows);
		writer->tids = repalloc_huge(writer->tids, sizeof(ItemPointerData) * writer->allocated_tids);
	}
	for (int row = 0; row < writer->n_buffered; row++)
		writer->tids[first + row] = writer->slots[row]->tts_tid;
}

/*
 * Writes the buffered rows into the table, and gives them to the feeds.  Those
 * collect, sharing maintenance_work_mem, unless these are all the rows of the statement.
 */
static void
flush(Writer *writer, bool last)
{
	int			n_indexes = writer->result->ri_NumIndices;

	if (writer->n_buffered == 0)
		return;
	CHECK_FOR_INTERRUPTS();

	table_multi_insert(writer->target.rel, writer->slots, writer->n_buffered,
					   writer->cid, writer->target.frozen ? TABLE_INSERT_FROZEN : 0, writer->bulk);
	if (writer->tids != NULL)
		note_tids(writer);
	if (!writer->collecting && (!last || writer->target.in_order))
	{
		for (int i = 0; i < n_indexes; i++)
			index_feed_collect(writer->feeds[i],
							   maintenance_work_mem * (Size) 1024 / n_indexes);
		writer->collecting = true;
	}
	for (int row = 0; row < writer->n_buffered; row++)
	{
		for (int i = 0; i < n_indexes; i++)
			index_feed_put(writer->feeds[i], writer->slots[row]);
		ExecClearTuple(writer->slots[row]);
		ResetPerTupleExprContext(writer->estate);
	}
	writer->n_buffered = 0;
	writer->buffered_bytes = 0;
	progress_rows(writer->n_rows);
}

static void
put_fast(Writer *writer, const Datum *values, const bool *nulls)
{
	Relation	rel = writer->target.rel;
	TupleDesc	desc = RelationGetDescr(rel);
	TupleTableSlot *slot;
	bool		should_free;
	HeapTuple	tuple;

	for (int i = 0; i < writer->target.n_columns; i++)
	{
		int			column = writer->target.columns[i] - 1;

		writer->row_values[column] = values[i];
		writer->row_nulls[column] = nulls != NULL && nulls[i];
	}
	for (int i = 0; i < desc->natts; i++)
		if (writer->defaults[i] != NULL)
			writer->row_values[i] =
				ExecEvalExprSwitchContext(writer->defaults[i],
										  GetPerTupleExprContext(writer->estate),
										  &writer->row_nulls[i]);

	if (writer->n_buffered == writer->n_slots)
	{
		MemoryContext before = MemoryContextSwitchTo(writer->context);

		writer->slots[writer->n_slots++] = table_slot_create(rel, NULL);
		MemoryContextSwitchTo(before);
	}
	slot = writer->slots[writer->n_buffered];
	ExecClearTuple(slot);
	memcpy(slot->tts_values, writer->row_values, sizeof(Datum) * desc->natts);
	memcpy(slot->tts_isnull, writer->row_nulls, sizeof(bool) * desc->natts);
	ExecStoreVirtualTuple(slot);
	if (desc->constr != NULL)
		ExecConstraints(writer->result, slot, writer->estate);

	/* the slot's own copy, so that the caller may let go of his */
	ExecMaterializeSlot(slot);
	tuple = ExecFetchSlotHeapTuple(slot, false, &should_free);
	writer->n_buffered++;
	writer->buffered_bytes += tuple->t_len;
	if (writer->n_buffered == WRITER_MAX_ROWS ||
		writer->buffered_bytes >= WRITER_MAX_BYTES)
		flush(writer, false);
}

/*
 * Writes a row: the values of the target's columns, in its order.  nulls may
 * be NULL where none is.
 */
void
writer_put(Writer *writer, const Datum *values, const bool *nulls)
{
	writer->n_rows++;
	if (writer->fast)
		put_fast(writer, values, nulls);
	else
	{
		static bool no_nulls[MaxHeapAttributeNumber] = {false};

		tuplestore_putvalues(writer->rows, writer->row_desc, unconstify(Datum *, values),
							 nulls != NULL ? unconstify(bool *, nulls) : no_nulls);
	}
}

/*
 * Fires the triggers that fire after the statement, as ExecutorFinish() would, in
 * a query of their own: what else runs meanwhile is none of theirs.
 */
static void
fire_triggers(Writer *writer)
{
	ResultRelInfo *result = writer->result;
	TransitionCaptureState *capture;

	AfterTriggerBeginQuery();
	capture = MakeTransitionCaptureState(result->ri_TrigDesc, RelationGetRelid(writer->target.rel),
										 CMD_INSERT);
	if (writer->tids != NULL)
	{
		TupleTableSlot *slot = table_slot_create(writer->target.rel, NULL);

		for (uint64 i = 0; i < writer->n_rows; i++)
		{
			CHECK_FOR_INTERRUPTS();
			if (!table_tuple_fetch_row_version(writer->target.rel, &writer->tids[i], SnapshotAny, slot))
				elog(ERROR, "could not fetch a row that was just written");
			ExecARInsertTriggers(writer->estate, result, slot, NIL, capture);
			ExecClearTuple(slot);
		}
		ExecDropSingleTupleTableSlot(slot);
	}
	ExecASInsertTriggers(writer->estate, result, capture);
	AfterTriggerEndQuery(writer->estate);
	ExecCloseResultRelations(writer->estate);
}

static void
end_fast(Writer *writer)
{
	flush(writer, !writer->collecting);
	for (int i = 0; i < writer->result->ri_NumIndices; i++)
		index_feed_finish(writer->feeds[i]);

	table_finish_bulk_insert(writer->target.rel, 0);
	FreeBulkInsertState(writer->bulk);
	for (int i = 0; i < writer->n_slots; i++)
		ExecDropSingleTupleTableSlot(writer->slots[i]);
	ExecCloseIndices(writer->result);
	if (writer->n_rows > 0)
		CommandCounterIncrement();
	if (writer->fires && writer->n_rows > 0)
		fire_triggers(writer);
	FreeExecutorState(writer->estate);
}

static void
end_plain(Writer *writer)
{
	Relation	rel = writer->target.rel;
	StringInfoData columns;
	StringInfoData text;

	initStringInfo(&columns);
	for (int i = 0; i < writer->target.n_columns; i++)
		appendStringInfo(&columns, "%s%s", i > 0 ? ", " : "",
						 quote_identifier(NameStr(TupleDescAttr(writer->row_desc, i)->attname)));
	initStringInfo(&text);
	appendStringInfo(&text, "INSERT INTO %s (%s) SELECT %s FROM " ROWS_NAME,
					 query_relation(RelationGetRelid(rel)), columns.data, columns.data);

	for (int i = 0; i < writer->target.n_sorted; i++)
		appendStringInfo(&text, "%s%d", i == 0 ? " ORDER BY " : ", ", i + 1);

	query_register_rows(ROWS_NAME, writer->row_desc, writer->rows, writer->n_rows);
	query_execute(text.data);
	SPI_unregister_relation(ROWS_NAME);
	tuplestore_end(writer->rows);
}

/*
 * Finishes: all rows and index entries are in place, and seen by the next
 * query.  Returns the number of rows.
 */
uint64
writer_end(Writer *writer)
{
	uint64		n_rows = writer->n_rows;

	if (n_rows == 0 && !writer->fast)
		tuplestore_end(writer->rows);
	else if (writer->fast)
		end_fast(writer);
	else
		end_plain(writer);
	MemoryContextDelete(writer->context);
	return n_rows;
}
