/*-------------------------------------------------------------------------
 *
 * src/closure/trigger.c
 *	  maintain_closure: the statement triggers on a tree.
 *
 * Each event is reduced to a set of nodes.  Inserted nodes go to insert.c; for
 * all others the closure is computed again, by refresh.c, for the nodes whose
 * id or parent has changed and for all below them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_trigger.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "closure/closure.h"
#include "core/foreign_key.h"
#include "core/query.h"
#include "core/rows.h"

PG_FUNCTION_INFO_V1(maintain_closure);

typedef struct ParentEntry
{
	int64		id;
	int64		parent;
	bool		is_root;
	bool		kept;			/* an updated row still has this id */
	char		status;
} ParentEntry;

#define SH_PREFIX parent
#define SH_ELEMENT_TYPE ParentEntry
#define SH_KEY_TYPE int64
#define SH_KEY id
#define SH_HASH_KEY(tb, key) ID_HASH(key)
#define SH_EQUAL(tb, a, b) ((a) == (b))
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

/* The client's last statement that has inserted nodes. */
static TimestampTz inserted_by = 0;

/* A transition table, read row by row. */
typedef struct RowReader
{
	Tuplestorestate *rows;
	TupleTableSlot *slot;
	Oid			type;
	AttrNumber	id;
	AttrNumber	parent;
} RowReader;

static void
reader_begin(RowReader *reader, const Closure *closure, Relation rel,
			 Tuplestorestate *rows)
{
	Oid			relid = RelationGetRelid(rel);

	(void) rows_rewind(rows);
	reader->rows = rows;
	reader->slot = MakeSingleTupleTableSlot(RelationGetDescr(rel), &TTSOpsMinimalTuple);
	reader->type = closure->type;
	reader->id = closure->id;
	reader->parent = closure->parent;
	if (relid != closure->tree)
	{
		/* a partition may have its columns in another order */
		reader->id = get_attnum(relid, get_attname(closure->tree, closure->id, false));
		reader->parent = get_attnum(relid, get_attname(closure->tree, closure->parent, false));
	}
}

static bool
reader_next(RowReader *reader, int64 *id, int64 *parent, bool *is_root)
{
	Datum		value;
	bool		isnull;

	if (!tuplestore_gettupleslot(reader->rows, true, false, reader->slot))
		return false;
	value = slot_getattr(reader->slot, reader->id, &isnull);
	if (isnull)
		ereport(ERROR,
				(errcode(ERRCODE_NOT_NULL_VIOLATION),
				 errmsg("null id in a tree that has a closure")));
	*id = datum_get_id(reader->type, value);
	value = slot_getattr(reader->slot, reader->parent, is_root);
	*parent = *is_root ? 0 : datum_get_id(reader->type, value);
	return true;
}

static void
reader_end(RowReader *reader)
{
	ExecDropSingleTupleTableSlot(reader->slot);
}

/*
 * Is this trigger one of ours, whose work catreg does by itself when it writes
 * the tree?
 */
bool
closure_is_trigger(const Trigger *trigger)
{
	FmgrInfo	function;

	fmgr_info(trigger->tgfoid, &function);
	return function.fn_addr == maintain_closure;
}

static void
inserted(const Closure *closure, TriggerData *trigdata)
{
	RowReader	reader;
	NewNodes	nodes;
	int64		id;
	int64		parent;
	bool		is_root;

	new_nodes_init(&nodes);
	nodes.sealed = !closure_is_disturbed();
	reader_begin(&reader, closure, trigdata->tg_relation, trigdata->tg_newtable);
	while (reader_next(&reader, &id, &parent, &is_root))
		new_nodes_add(&nodes, id, parent, is_root);
	reader_end(&reader);
	closure_insert(closure, &nodes);
	inserted_by = GetCurrentStatementStartTimestamp();
}

/*
 * Can an UPDATE be seen, from the columns it sets, to leave ids and parents
 * alone?  Not where a BEFORE trigger, be it a partition's, may have changed them.
 */
static bool
update_is_elsewhere(const Closure *closure, const TriggerData *trigdata)
{
	return trigdata->tg_relation->rd_rel->relkind == RELKIND_RELATION &&
		RelationGetRelid(trigdata->tg_relation) == closure->tree &&
		!trigdata->tg_relation->trigdesc->trig_update_before_row &&
		!bms_is_member(closure->id - FirstLowInvalidHeapAttributeNumber,
					   trigdata->tg_updatedcols) &&
		!bms_is_member(closure->parent - FirstLowInvalidHeapAttributeNumber,
					   trigdata->tg_updatedcols);
}

/*
 * The nodes whose parent an UPDATE has changed, and the ids that it has made or
 * taken away.
 */
static void
updated(const Closure *closure, TriggerData *trigdata)
{
	parent_hash *old = parent_create(CurrentMemoryContext, 256, NULL);
	parent_iterator scan;
	ParentEntry *entry;
	RowReader	reader;
	IdList		touched;
	int64		id;
	int64		parent;
	bool		is_root;
	bool		found;

	if (update_is_elsewhere(closure, trigdata))
		return;

	reader_begin(&reader, closure, trigdata->tg_relation, trigdata->tg_oldtable);
	while (reader_next(&reader, &id, &parent, &is_root))
	{
		entry = parent_insert(old, id, &found);
		entry->parent = parent;
		entry->is_root = is_root;
		entry->kept = false;
	}
	reader_end(&reader);

	id_list_init(&touched);
	reader_begin(&reader, closure, trigdata->tg_relation, trigdata->tg_newtable);
	while (reader_next(&reader, &id, &parent, &is_root))
	{
		entry = parent_lookup(old, id);
		if (entry != NULL)
			entry->kept = true;
		if (entry == NULL || entry->is_root != is_root || entry->parent != parent)
			id_list_add(&touched, id);
	}
	reader_end(&reader);

	parent_start_iterate(old, &scan);
	while ((entry = parent_iterate(old, &scan)) != NULL)
		if (!entry->kept)
			id_list_add(&touched, entry->id);

	if (touched.n > 0)
		closure_refresh(closure, &touched);
}

/*
 * Where foreign keys take a deleted node's closure rows along, and no node can
 * outlive its parent, nothing is left to do.  Unless the same statement of the
 * client has inserted nodes: it may have deleted one of them before its closure
 * rows were there to be taken along.
 */
static void
deleted(const Closure *closure, TriggerData *trigdata)
{
	RowReader	reader;
	IdList		touched;
	int64		id;
	int64		parent;
	bool		is_root;

	if (closure->cascades && closure->parents_exist &&
		SessionReplicationRole != SESSION_REPLICATION_ROLE_REPLICA &&
		inserted_by != GetCurrentStatementStartTimestamp())
	{
		closure_set_disturbed();
		return;
	}

	id_list_init(&touched);
	reader_begin(&reader, closure, trigdata->tg_relation, trigdata->tg_oldtable);
	while (reader_next(&reader, &id, &parent, &is_root))
		id_list_add(&touched, id);
	reader_end(&reader);
	closure_refresh(closure, &touched);
}

/*
 * Empties the closure, unless the TRUNCATE itself, which then still holds the
 * table open, has done so.  A tree that has lost the rows of a partition is
 * looked through instead.
 */
static void
truncated(const Closure *closure, Relation rel)
{
	const char *table = query_relation(closure->closure);

	if (rel->rd_rel->relispartition)
	{
		closure_mend(closure);
		return;
	}
	LockRelationOid(closure->closure, AccessExclusiveLock);
	SPI_execute(psprintf("SELECT FROM %s LIMIT 1", table), false, 1);
	if (SPI_processed > 0)
		SPI_execute(psprintf("TRUNCATE %s", table), false, 0);
}

static bool
is_empty(Tuplestorestate *rows)
{
	return tuplestore_tuple_count(rows) == 0;
}

/*
 * Trigger, AFTER INSERT, UPDATE or DELETE, with transition tables, or TRUNCATE,
 * FOR EACH STATEMENT, on a tree or a partition of one: keeps its closure.
 */
Datum
maintain_closure(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;
	TriggerEvent event;
	Closure		closure;
	QueryUser	before;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" was not called by the trigger manager",
						"maintain_closure")));
	event = trigdata->tg_event;
	if (!TRIGGER_FIRED_AFTER(event) || TRIGGER_FIRED_FOR_ROW(event) ||
		((TRIGGER_FIRED_BY_INSERT(event) || TRIGGER_FIRED_BY_UPDATE(event)) &&
		 trigdata->tg_newtable == NULL) ||
		((TRIGGER_FIRED_BY_DELETE(event) || TRIGGER_FIRED_BY_UPDATE(event)) &&
		 trigdata->tg_oldtable == NULL))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("trigger \"%s\" is not one that catreg.create_closure() makes",
						trigdata->tg_trigger->tgname),
				 errhint("Drop it and call catreg.create_closure().")));

	/* statements over no rows are common, and cost nothing */
	if (TRIGGER_FIRED_BY_TRUNCATE(event) ? false :
		is_empty(TRIGGER_FIRED_BY_DELETE(event) ? trigdata->tg_oldtable : trigdata->tg_newtable))
		return PointerGetDatum(NULL);

	closure = *closure_get(RelationGetRelid(trigdata->tg_relation), false);
	SPI_connect();
	query_become(closure_owner(&closure), &before);
	if (TRIGGER_FIRED_BY_INSERT(event))
		inserted(&closure, trigdata);
	else if (TRIGGER_FIRED_BY_UPDATE(event))
		updated(&closure, trigdata);
	else if (TRIGGER_FIRED_BY_DELETE(event))
		deleted(&closure, trigdata);
	else
		truncated(&closure, trigdata->tg_relation);
	query_return(&before);
	SPI_finish();
	return PointerGetDatum(NULL);
}
