/*-------------------------------------------------------------------------
 *
 * src/obscore/trigger.c
 *	  maintain_obscore: the statement triggers on a registry's tables.
 *
 * A table's place in the registry says what an event on it means: new tags are
 * rows to make, removed tags are rows that may have to go, and of anything else
 * it is asked which datasets' rows it takes part in.
 *
 * A client's statement never fails because of a derived table: whatever goes
 * wrong here is undone, and a warning.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/resowner.h"
#include "utils/tuplestore.h"

#include "core/query.h"
#include "obscore/collections.h"
#include "obscore/touched.h"

PG_FUNCTION_INFO_V1(maintain_obscore);

/*
 * How many rows of a transition table are of a dataset type, and in a collection
 * that counts.
 */
static int64
count_members(const Obscore *obscore, const ObscoreSelect *select, Relation rel, Tuplestorestate *rows)
{
	Oid			relid = RelationGetRelid(rel);
	AttrNumber	type = get_attnum(relid, "dataset_type_id");
	AttrNumber	collection = get_attnum(relid, obscore->registry->tag_key);
	Oid			atttype = get_atttype(relid, type);
	TupleTableSlot *slot = MakeSingleTupleTableSlot(RelationGetDescr(rel), &TTSOpsMinimalTuple);
	int			pointer = tuplestore_alloc_read_pointer(rows, EXEC_FLAG_REWIND);
	int64		n = 0;

	tuplestore_select_read_pointer(rows, pointer);
	tuplestore_rescan(rows);
	while (tuplestore_gettupleslot(rows, true, false, slot))
	{
		bool		isnull;
		Datum		value = slot_getattr(slot, type, &isnull);

		if ((atttype == INT4OID ? DatumGetInt32(value) : DatumGetInt64(value)) == select->type->id &&
			obscore_collection_counts(obscore, slot_getattr(slot, collection, &isnull)))
			n++;
	}
	ExecDropSingleTupleTableSlot(slot);
	return n;
}

static void
tags_changed(const Obscore *obscore, ObscoreSelect *select, TriggerData *trigdata)
{
	Relation	rel = trigdata->tg_relation;
	ObscoreCounts counts = {0};
	int64		n;

	if (trigdata->tg_oldtable != NULL)
	{
		n = count_members(obscore, select, rel, trigdata->tg_oldtable);
		if (n > 0)
			obscore_apply_removed(obscore, select, n, &counts);
	}
	if (trigdata->tg_newtable != NULL)
	{
		n = count_members(obscore, select, rel, trigdata->tg_newtable);
		if (n > 0)
			obscore_apply_put(obscore, select, n, trigdata->tg_oldtable != NULL, &counts);
	}
}

/* The changed rows, as they were and as they are. */
static const char *
changed_rows(const TriggerData *trigdata)
{
	if (trigdata->tg_oldtable == NULL)
		return OBSCORE_NEW;
	if (trigdata->tg_newtable == NULL)
		return OBSCORE_OLD;
	return "(SELECT * FROM " OBSCORE_OLD " UNION ALL SELECT * FROM " OBSCORE_NEW ")";
}

/*
 * Waits for whoever puts datasets at this moment that the changed records are
 * about.
 */
static void
lock_putters(const Obscore *obscore, const ObscoreSelect *select, const ObscoreJoin *join, TriggerData *trigdata)
{
	StringInfoData text;

	initStringInfo(&text);
	if (obscore_write_locks(&text, obscore, select, join, changed_rows(trigdata)))
		query_execute_once(text.data);
}

static void
records_changed(const Obscore *obscore, ObscoreSelect *select, TriggerData *trigdata)
{
	Oid			relid = RelationGetRelid(trigdata->tg_relation);
	StringInfoData text;
	ListCell   *cell;

	initStringInfo(&text);
	foreach(cell, select->joins)
	{
		const ObscoreJoin *join = lfirst(cell);

		if (join->relation != relid)
			continue;
		lock_putters(obscore, select, join, trigdata);
		appendStringInfoString(&text, text.len > 0 ? " UNION ALL " : "");
		obscore_write_affected(&text, obscore, select, join, changed_rows(trigdata));
	}
	if (text.len > 0)
		obscore_touch(obscore, select, text.data, NULL);
}

/* A collection has got another name, or type.  One that is deleted takes its tags
 * along. */
static void
collections_changed(const Obscore *obscore, ObscoreSelect *select, TriggerData *trigdata)
{
	const Registry *registry = obscore->registry;
	const char *changed = changed_rows(trigdata);
	const char *tags = query_relation(select->type->tags);
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfo(&text, "SELECT y.dataset_id FROM %s y WHERE y.dataset_type_id OPERATOR(pg_catalog.=) " INT64_FORMAT
					 " AND y.%s OPERATOR(pg_catalog.=) ANY (SELECT c.%s FROM %s c)",
					 tags, select->type->id, registry->tag_key, registry->collection_key, changed);
	appendStringInfo(&text, " UNION ALL SELECT d.id FROM %s.dataset d WHERE d.dataset_type_id OPERATOR(pg_catalog.=) " INT64_FORMAT
					 " AND d.%s OPERATOR(pg_catalog.=) ANY (SELECT c.%s FROM %s c)",
					 registry->schema, select->type->id, registry->run_key, registry->collection_key, changed);
	obscore_touch(obscore, select, text.data, NULL);
}

/* A dataset has got another run, or id. */
static void
datasets_changed(const Obscore *obscore, ObscoreSelect *select, TriggerData *trigdata)
{
	obscore_touch(obscore, select,
				  psprintf("SELECT d.id FROM %s d WHERE d.dataset_type_id OPERATOR(pg_catalog.=) " INT64_FORMAT,
						   changed_rows(trigdata), select->type->id), NULL);
}

static void
apply_event(const Obscore *obscore, TriggerData *trigdata)
{
	Oid			relid = RelationGetRelid(trigdata->tg_relation);
	ListCell   *cell;

	/* what is known of collections is not true any more, here or elsewhere */
	if (relid == obscore->registry->collection)
		CacheInvalidateRelcache(trigdata->tg_relation);
	if (TRIGGER_FIRED_BY_TRUNCATE(trigdata->tg_event) || relid == obscore->registry->dataset_type)
	{
		ObscoreCounts counts = {0};

		obscore_refresh(obscore, &counts);
		return;
	}
	foreach(cell, obscore->selects)
	{
		ObscoreSelect *select = lfirst(cell);

		if (relid == select->type->tags)
			tags_changed(obscore, select, trigdata);
		else if (relid == obscore->registry->collection && trigdata->tg_newtable == NULL)
			continue;
		else if (relid == obscore->registry->collection)
			collections_changed(obscore, select, trigdata);
		else if (relid == obscore->registry->dataset)
			datasets_changed(obscore, select, trigdata);
		else
			records_changed(obscore, select, trigdata);
	}
}

/*
 * Errors that are about the client's transaction and not about the derived table:
 * he has been cancelled, waits for no lock, or has to start again.
 */
static bool
goes_on(int sqlerrcode)
{
	int			category = ERRCODE_TO_CATEGORY(sqlerrcode);

	return category == ERRCODE_TRANSACTION_ROLLBACK || category == ERRCODE_OPERATOR_INTERVENTION ||
		sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE;
}

static void
warn(Oid table, const ErrorData *error)
{
	const char *name = get_rel_name(table);

	ereport(WARNING,
			(errcode(error->sqlerrcode),
			 errmsg("could not keep ObsCore table \"%s\": %s", name == NULL ? "" : name, error->message),
			 errdetail("The statement was executed without it."),
			 errhint("catreg.refresh_obscore() brings the table up to date.")));
}

/*
 * Does something about an ObsCore table, with its owner's rights, within a
 * subtransaction, so that what goes wrong leaves the client's statement alone.
 */
static void
do_safely(Oid table, void (*action) (const Obscore *obscore, TriggerData *trigdata), TriggerData *trigdata)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		const Obscore *obscore = obscore_get(table, true);
		QueryUser	before;

		if (obscore != NULL)
		{
			SPI_connect();
			SPI_register_trigger_data(trigdata);
			query_become(obscore->owner, &before);
			action(obscore, trigdata);
			query_return(&before);
			SPI_finish();
		}
		ReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		if (goes_on(error->sqlerrcode))
			PG_RE_THROW();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
		warn(table, error);
		FreeErrorData(error);
	}
	PG_END_TRY();
}

static void
do_for_all(Oid namespace, void (*action) (const Obscore *obscore, TriggerData *trigdata), TriggerData *trigdata)
{
	ListCell   *cell;

	obscore_hold();
	foreach(cell, obscore_of_registry(namespace))
		do_safely(lfirst_oid(cell), action, trigdata);
	obscore_release();
}

static void
add_triggers(const Obscore *obscore, TriggerData *trigdata)
{
	Oid			type = REGCLASSOID;
	Datum		value = ObjectIdGetDatum(obscore->table);

	if (SPI_execute_with_args("SELECT catreg.obscore_add_triggers($1)", 1, &type, &value, NULL, false, 0) < 0)
		elog(ERROR, "could not add triggers");
}

/*
 * A dataset type has come, gone or changed: what was compiled is out of date in
 * every backend, its tags table may be one that has no triggers yet, and with
 * another name its datasets may come or go.
 */
static void
dataset_types_changed(TriggerData *trigdata)
{
	Oid			namespace = RelationGetNamespace(trigdata->tg_relation);

	CacheInvalidateRelcache(trigdata->tg_relation);
	CommandCounterIncrement();
	if (trigdata->tg_newtable != NULL)
		do_for_all(namespace, add_triggers, trigdata);
	if (!TRIGGER_FIRED_BY_INSERT(trigdata->tg_event))
		do_for_all(namespace, apply_event, trigdata);
}

static bool
is_empty(Tuplestorestate *rows)
{
	return rows == NULL || tuplestore_tuple_count(rows) == 0;
}

/*
 * Trigger, AFTER INSERT, UPDATE or DELETE, with transition tables, or TRUNCATE,
 * FOR EACH STATEMENT, on the tables of a registry that ObsCore tables are made
 * of: keeps those.
 */
Datum
maintain_obscore(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;
	TriggerEvent event;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" was not called by the trigger manager",
						"maintain_obscore")));
	event = trigdata->tg_event;
	if (!TRIGGER_FIRED_AFTER(event) || TRIGGER_FIRED_FOR_ROW(event) ||
		(!TRIGGER_FIRED_BY_TRUNCATE(event) && trigdata->tg_newtable == NULL && trigdata->tg_oldtable == NULL))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("trigger \"%s\" is not one that catreg.create_obscore() makes",
						trigdata->tg_trigger->tgname),
				 errhint("Drop it and call catreg.create_obscore().")));

	/* statements over no rows are common, and cost nothing */
	if (!TRIGGER_FIRED_BY_TRUNCATE(event) && is_empty(trigdata->tg_oldtable) && is_empty(trigdata->tg_newtable))
		return PointerGetDatum(NULL);

	/*
	 * Foreign keys may have waited for whoever has changed a collection; what he
	 * has committed is heard of before anything that is remembered is used.
	 */
	AcceptInvalidationMessages();
	if (strcmp(RelationGetRelationName(trigdata->tg_relation), "dataset_type") == 0)
		dataset_types_changed(trigdata);
	else
		do_for_all(RelationGetNamespace(trigdata->tg_relation), apply_event, trigdata);
	return PointerGetDatum(NULL);
}
