/*-------------------------------------------------------------------------
 *
 * src/obscore/trigger.c
 *	  maintain_obscore: the statement triggers on a registry's tables.
 *
 * A table's place in the registry says what an event on it means: new tags are
 * rows to make, removed tags are rows that may have to go, and of anything else
 * it is asked which datasets' rows it takes part in (see change.c).
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
#include "utils/tuplestore.h"

#include "core/attempt.h"
#include "core/query.h"
#include "obscore/alter.h"
#include "obscore/change.h"
#include "obscore/collections.h"
#include "obscore/path.h"
#include "obscore/path_lock.h"
#include "obscore/problem.h"
#include "obscore/reads.h"
#include "obscore/remove.h"
#include "obscore/replica.h"
#include "obscore/statement_tags.h"
#include "obscore/tiled.h"
#include "obscore/touched.h"

/*
 * What a deadlock has undone is done again so often.  The other one is first given so many
 * microseconds to wake up, then four times as many each time.
 */
#define MAX_DEADLOCKS 3
#define WAKING_TIME 10000L

PG_FUNCTION_INFO_V1(maintain_obscore);
PG_FUNCTION_INFO_V1(maintain_obscore_path);

/* A call of the trigger. */
typedef struct Event
{
	TriggerData *trigdata;
	MemoryContext context;		/* of the call */
	const StatementTags *old;	/* NULL: not read yet */
	const StatementTags *new;
	bool		again;			/* rows of other keys were in the way */
	bool		replicated;		/* the changes of several statements, some of which
								 * may have undone others */
	const ObscoreRegistered *registered;	/* or NULL */
} Event;

typedef void (*Action) (const Obscore *obscore, Event *event);

/* Rows of a transition table that are of a dataset type, and in collections that count. */
typedef struct Members
{
	int64		n;
	bool		all;			/* the dataset type's other rows: none, as is known */
} Members;

static Members
count_members(const Obscore *obscore, const ObscoreSelect *select, const StatementTags *tags, bool removed)
{
	Members		members = {0, true};

	for (int i = 0; i < tags->n_groups; i++)
	{
		const TagGroup *group = &tags->groups[i];

		if (group->dataset_type != select->type->id)
			continue;
		if (obscore_collection_counts(obscore, group->collection, removed))
			members.n += group->n;
		if (!obscore_collection_is_known(obscore, group->collection))
			members.all = false;
	}
	return members;
}

/*
 * Counts the rows of a transition table, once for all ObsCore tables, and waits for
 * whoever gives their collections another place in a search path.
 */
static void
read_tags(const Obscore *obscore, const Event *event, Tuplestorestate *rows, const StatementTags **tags)
{
	if (*tags == NULL)
		*tags = statement_tags(event->trigdata->tg_relation, obscore->registry, rows, event->context);
	if (obscore->find_first)
		obscore_lock_members(obscore->registry, *tags);
}

/* The transaction that has put tags last. */
static TransactionId last_put = InvalidTransactionId;

/*
 * A statement may remove a tag and put it again, and the trigger for what it has put fire
 * first.
 */
static RemovedTags
kind_of_removal(TriggerEvent event)
{
	if (!TRIGGER_FIRED_BY_DELETE(event))
		return TAGS_CHANGED;
	return TransactionIdEquals(last_put, GetTopTransactionIdIfAny()) ? TAGS_DELETED : TAGS_DELETED_FOR_GOOD;
}

static void
tags_removed(const Obscore *obscore, ObscoreSelect *select, const Event *event)
{
	TriggerData *trigdata = event->trigdata;
	ObscoreCounts counts = {0};
	Members		members = count_members(obscore, select, event->old, true);

	if (members.n > 0 &&
		!obscore_remove_directly(obscore, select, trigdata->tg_relation, trigdata->tg_oldtable,
								 kind_of_removal(trigdata->tg_event), &counts))
		obscore_apply_removed(obscore, select, members.n, &counts);
}

static void
tags_put(const Obscore *obscore, ObscoreSelect *select, const Event *event)
{
	ObscoreCounts counts = {0};
	Members		members = count_members(obscore, select, event->new, false);

	if (members.n > 0)
		obscore_apply_put(obscore, select, event->trigdata, members.n, members.all, &counts);
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

static ObscoreChange
kind_of_change(TriggerEvent event)
{
	return TRIGGER_FIRED_BY_INSERT(event) ? CHANGE_INSERT : TRIGGER_FIRED_BY_UPDATE(event) ? CHANGE_UPDATE : CHANGE_DELETE;
}

static bool
is_tags_table(const Obscore *obscore, Oid relid)
{
	ListCell   *cell;

	foreach(cell, obscore->selects)
		if (((ObscoreSelect *) lfirst(cell))->type->tags == relid)
			return true;
	return false;
}

/*
 * Removes, then puts, for all dataset types: a tag may have gone from one to
 * another.
 */
static void
tags_changed(const Obscore *obscore, Event *event)
{
	TriggerData *trigdata = event->trigdata;
	Oid			relid = RelationGetRelid(trigdata->tg_relation);
	ObscoreCounts counts = {0};
	ListCell   *cell;

	if (event->again || event->replicated)
		obscore_touch_any(obscore, psprintf("SELECT c.dataset_id FROM %s c", changed_rows(trigdata)), &counts);
	if (event->replicated)
		return;
	if (trigdata->tg_oldtable != NULL)
	{
		read_tags(obscore, event, trigdata->tg_oldtable, &event->old);
		foreach(cell, obscore->selects)
			if (relid == ((ObscoreSelect *) lfirst(cell))->type->tags)
				tags_removed(obscore, lfirst(cell), event);
	}
	if (trigdata->tg_newtable != NULL)
	{
		last_put = GetTopTransactionIdIfAny();
		read_tags(obscore, event, trigdata->tg_newtable, &event->new);
		foreach(cell, obscore->selects)
			if (relid == ((ObscoreSelect *) lfirst(cell))->type->tags)
				tags_put(obscore, lfirst(cell), event);
	}
}

/*
 * Is a statement about anything that an ObsCore table reads?  It is not when a collection
 * gets a documentation, or a dataset type that the table does not have is removed.
 */
static bool
is_read(const Obscore *obscore, const TriggerData *trigdata)
{
	Relation	rel = trigdata->tg_relation;

	if (TRIGGER_FIRED_BY_TRUNCATE(trigdata->tg_event))
		return true;
	if (RelationGetRelid(rel) == obscore->registry->dataset_type &&
		!obscore_reads_types(obscore, rel, trigdata->tg_oldtable) && !obscore_reads_types(obscore, rel, trigdata->tg_newtable))
		return false;
	return trigdata->tg_oldtable == NULL || trigdata->tg_newtable == NULL ||
		obscore_reads_update(obscore, rel, trigdata->tg_oldtable, trigdata->tg_newtable);
}

static void
apply_event(const Obscore *obscore, Event *event)
{
	TriggerData *trigdata = event->trigdata;
	Oid			relid = RelationGetRelid(trigdata->tg_relation);
	bool		all = TRIGGER_FIRED_BY_TRUNCATE(trigdata->tg_event) || relid == obscore->registry->dataset_type;
	ListCell   *cell;

	if (obscore->tiled != NULL)
	{
		obscore_tiled_event(obscore, trigdata, kind_of_change(trigdata->tg_event), event->replicated);
		return;
	}

	/* chains are nothing to other tables, and who alters those does not keep their writers out */
	if (relid == obscore->registry->collection_chain && !obscore->find_first)
		return;

	/* whoever makes the table anew meanwhile has to know */
	if (!obscore_lock_writer(obscore->table))
		obscore_note_change(obscore, relid, all ? NULL : changed_rows(trigdata), kind_of_change(trigdata->tg_event));
	if (!event->replicated && !is_read(obscore, trigdata))
		return;
	if (all)
	{
		ObscoreCounts counts = {0};

		obscore_refresh(obscore, &counts);
		return;
	}
	if (is_tags_table(obscore, relid))
	{
		tags_changed(obscore, event);
		return;
	}
	obscore_lock_change(obscore, relid, changed_rows(trigdata), kind_of_change(trigdata->tg_event));
	foreach(cell, obscore->selects)
		obscore_apply_change(obscore, lfirst(cell), relid, changed_rows(trigdata), kind_of_change(trigdata->tg_event));
}

static void
apply_registered(const Obscore *obscore, Event *event)
{
	if (obscore->tiled != NULL)
		obscore_tiled_registered(obscore, event->registered);
}

static void
apply_path(const Obscore *obscore, Event *event)
{
	ObscoreCounts counts = {0};

	if (obscore->find_first)
		obscore_apply_path(obscore, &counts);
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

/* What is to be done about a table. */
typedef struct Deed
{
	Oid			table;
	Action		action;
	Event	   *event;
} Deed;

static void
do_with_rights(void *arg)
{
	const Deed *deed = arg;
	const Obscore *obscore = obscore_get(deed->table, true);
	QueryUser	before;

	if (obscore == NULL)
		return;
	obscore_problems_forget();
	SPI_connect();
	if (deed->event->trigdata != NULL)
		SPI_register_trigger_data(deed->event->trigdata);
	query_become(obscore->owner, &before);
	deed->action(obscore, deed->event);
	query_return(&before);
	SPI_finish();
}

/*
 * Where two wait for each other, and this one is ended, what was undone has let go of
 * the locks that were taken here: the other one goes on, and this one after him.  But he
 * has to wake up first, or this one takes the same locks again and they meet as before.
 */
static ErrorData *
attempt_past_deadlocks(Deed *deed)
{
	ErrorData  *error = attempt(do_with_rights, deed);

	for (int i = 0; i < MAX_DEADLOCKS && error != NULL && error->sqlerrcode == ERRCODE_T_R_DEADLOCK_DETECTED; i++)
	{
		FreeErrorData(error);
		pg_usleep(WAKING_TIME << (2 * i));
		CHECK_FOR_INTERRUPTS();
		error = attempt(do_with_rights, deed);
	}
	return error;
}

/*
 * Does something about an ObsCore table, with its owner's rights, so that what
 * goes wrong leaves the client's statement alone.
 *
 * In a find-first table a dataset whose tag has got another data id has a row yet
 * under the old one.  That is no client's doing, and is found out by the error.
 */
static void
do_safely(Oid table, Action action, Event *event)
{
	Deed		deed = {table, action, event};
	ErrorData  *error = attempt_past_deadlocks(&deed);

	event->again = error != NULL && error->sqlerrcode == ERRCODE_UNIQUE_VIOLATION;
	if (event->again)
	{
		FreeErrorData(error);
		error = attempt_past_deadlocks(&deed);
		event->again = false;
	}
	if (error == NULL)
		return;
	if (attempt_must_end(error))
		ReThrowError(error);
	/* one that somebody has dropped meanwhile need not be kept */
	if (obscore_is_kept(table))
		warn(table, error);
	FreeErrorData(error);
}

static void
do_for_all(Oid relid, Action action, Event *event)
{
	ListCell   *cell;

	obscore_hold();
	foreach(cell, obscore_of_registry(get_rel_namespace(relid)))
		if (!obscore_lock_writer(lfirst_oid(cell)) ||
			obscore_may_be_about(lfirst_oid(cell), relid))
			do_safely(lfirst_oid(cell), action, event);
	obscore_release();
}

/* The command that has changed the row. */
static CommandId
command_of(const TriggerData *trigdata)
{
	if (TRIGGER_FIRED_BY_DELETE(trigdata->tg_event))
		return HeapTupleHeaderGetCmax(trigdata->tg_trigtuple->t_data);
	return HeapTupleHeaderGetCmin((TRIGGER_FIRED_BY_UPDATE(trigdata->tg_event) ? trigdata->tg_newtuple : trigdata->tg_trigtuple)->t_data);
}

/* Makes the rows of a registry's find-first tables follow their search paths. */
static void
apply_paths(Oid namespace, TriggerData *trigdata)
{
	Event		event = {trigdata, CurrentMemoryContext};
	ListCell   *cell;

	obscore_hold();
	foreach(cell, obscore_of_registry(namespace))
		do_safely(lfirst_oid(cell), apply_path, &event);
	obscore_release();
}

/*
 * The same for a row that was changed.  Paths change in several rows, each of which
 * has the trigger fire: after the first there is nothing left to do.
 */
static void
follow_paths(TriggerData *trigdata)
{
	Oid			namespace = RelationGetNamespace(trigdata->tg_relation);

	if (obscore_paths_are_followed(namespace, command_of(trigdata)))
		return;
	apply_paths(namespace, trigdata);
	obscore_paths_followed(namespace);
}

static void
add_triggers(const Obscore *obscore, Event *event)
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
dataset_types_changed(Event *event)
{
	CacheInvalidateRelcache(event->trigdata->tg_relation);
	CommandCounterIncrement();
	if (event->trigdata->tg_newtable != NULL)
		do_for_all(RelationGetRelid(event->trigdata->tg_relation), add_triggers, event);
	if (!TRIGGER_FIRED_BY_INSERT(event->trigdata->tg_event))
		do_for_all(RelationGetRelid(event->trigdata->tg_relation), apply_event, event);
}

static bool
makes_paths(const char *table)
{
	return strcmp(table, "collection") == 0 || strcmp(table, "collection_chain") == 0;
}

/* Rows of one of a registry's tables have changed. */
static void
table_changed(Event *event)
{
	Relation	rel = event->trigdata->tg_relation;

	/*
	 * Foreign keys may have waited for whoever has changed a collection; what he
	 * has committed is heard of before anything that is remembered is used.
	 */
	AcceptInvalidationMessages();
	if (strcmp(RelationGetRelationName(rel), "dataset_type") == 0)
	{
		dataset_types_changed(event);
		return;
	}

	/* what is known of collections is not true any more, here or elsewhere */
	if (makes_paths(RelationGetRelationName(rel)))
		CacheInvalidateRelcache(rel);
	do_for_all(RelationGetRelid(rel), apply_event, event);
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
	Event		call = {trigdata, CurrentMemoryContext};
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

	table_changed(&call);
	return PointerGetDatum(NULL);
}

bool
obscore_is_trigger(const Trigger *trigger)
{
	FmgrInfo	function;

	fmgr_info(trigger->tgfoid, &function);
	return function.fn_addr == maintain_obscore;
}

/*
 * register_nodes() has written into a Tiled catalog without calling the triggers.
 */
void
obscore_nodes_registered(const ObscoreRegistered *registered)
{
	Event		event = {.context = CurrentMemoryContext,.registered = registered};

	AcceptInvalidationMessages();
	do_for_all(registered->nodes_table, apply_registered, &event);
}

/*
 * What replica.c has collected of a table in a transaction: its rows as they were,
 * and as they are.
 */
void
obscore_rows_changed(Relation rel, Tuplestorestate *old, Tuplestorestate *new)
{
	Trigger		trigger = {.tgname = "catreg_obscore_replica", .tgoldtable = OBSCORE_OLD, .tgnewtable = OBSCORE_NEW};
	TriggerData trigdata = {.type = T_TriggerData, .tg_event = TRIGGER_EVENT_AFTER, .tg_relation = rel, .tg_trigger = &trigger};
	Event		event = {&trigdata, CurrentMemoryContext,.replicated = true};

	trigdata.tg_event |= is_empty(old) ? TRIGGER_EVENT_INSERT : is_empty(new) ? TRIGGER_EVENT_DELETE : TRIGGER_EVENT_UPDATE;
	if (!is_empty(old))
		trigdata.tg_oldtable = old;
	if (!is_empty(new))
		trigdata.tg_newtable = new;
	table_changed(&event);
}

/*
 * What replica.c has collected is done: if a table is one that search paths are made
 * of, the rows of find-first tables are made to follow theirs.
 */
void
obscore_paths_changed(Oid relid)
{
	const char *name = get_rel_name(relid);

	if (name == NULL || !makes_paths(name))
		return;
	CommandCounterIncrement();
	apply_paths(get_rel_namespace(relid), NULL);
}

/*
 * Constraint trigger, AFTER INSERT, UPDATE or DELETE, deferred, FOR EACH ROW, on
 * the chains and the collections of a registry: at the end of the transaction,
 * when the last of several edits has been made, brings the rows of find-first
 * tables up to date whose search path has changed.
 */
Datum
maintain_obscore_path(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_AFTER(trigdata->tg_event) ||
		!TRIGGER_FIRED_FOR_ROW(trigdata->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" was not called as a row trigger", "maintain_obscore_path")));
	AcceptInvalidationMessages();
	follow_paths(trigdata);
	return PointerGetDatum(NULL);
}
