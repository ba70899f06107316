/*-------------------------------------------------------------------------
 *
 * src/core/query.c
 *	  Running SQL from C: saved plans, whose rights, which snapshot.
 *
 * Plans are kept for the backend's life, keyed by a relation and a query, in
 * the manner of ri_FetchPreparedPlan() and ri_PerformCheck() in PostgreSQL's
 * ri_triggers.c.  The text of every query names its operators and functions
 * with their schema, so that no search_path changes what it means.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "core/query.h"

typedef struct PlanKey
{
	Oid			relid;
	int			query;
} PlanKey;

typedef struct PlanEntry
{
	PlanKey		key;
	SPIPlanPtr	plan;
	bool		forgotten;		/* see query_forget() */
} PlanEntry;

static HTAB *plans = NULL;

static PlanEntry *
plan_entry(Oid relid, QueryId query)
{
	PlanKey		key;
	bool		found;
	PlanEntry  *entry;

	if (plans == NULL)
	{
		HASHCTL		ctl;

		ctl.keysize = sizeof(PlanKey);
		ctl.entrysize = sizeof(PlanEntry);
		plans = hash_create("catreg plans", 32, &ctl, HASH_ELEM | HASH_BLOBS);
	}

	key.relid = relid;
	key.query = query;
	entry = hash_search(plans, &key, HASH_ENTER, &found);
	if (!found)
		entry->plan = NULL;
	return entry;
}

/*
 * SPI_prepare_cursor(), or an error.
 */
SPIPlanPtr
query_prepare_cursor(const char *text, int nargs, Oid *argtypes, int options)
{
	SPIPlanPtr	plan = SPI_prepare_cursor(text, nargs, argtypes, options);

	if (plan == NULL)
		elog(ERROR, "could not prepare \"%s\": %s", text, SPI_result_code_string(SPI_result));
	return plan;
}

/*
 * SPI_prepare(), or an error.
 */
SPIPlanPtr
query_prepare(const char *text, int nargs, Oid *argtypes)
{
	return query_prepare_cursor(text, nargs, argtypes, 0);
}

/*
 * Returns the saved plan of a query about a relation, preparing it where there
 * is none or where the catalogs have changed since.  SPI must be connected.
 *
 * SPI would plan an invalid one again by itself, but from its old text, which
 * names a relation or a column as it was called then.
 */
SPIPlanPtr
query_plan(Oid relid, QueryId query, QueryText write_text, const void *arg,
		   int nargs, Oid *argtypes)
{
	PlanEntry  *entry = plan_entry(relid, query);
	StringInfoData text;
	SPIPlanPtr	plan;

	if (entry->plan != NULL && !entry->forgotten && SPI_plan_is_valid(entry->plan))
		return entry->plan;

	if (entry->plan != NULL)
	{
		SPIPlanPtr	old = entry->plan;

		entry->plan = NULL;
		SPI_freeplan(old);
	}

	initStringInfo(&text);
	write_text(&text, arg);
	plan = query_prepare(text.data, nargs, argtypes);
	SPI_keepplan(plan);
	pfree(text.data);

	/* preparing may have run invalidations, and they may have used the table */
	entry = plan_entry(relid, query);
	entry->plan = plan;
	entry->forgotten = false;
	return plan;
}

/*
 * Has the texts of a relation's queries written again, since they depend on
 * something that is no part of a plan, a definition.
 */
void
query_forget(Oid relid)
{
	HASH_SEQ_STATUS scan;
	PlanEntry  *entry;

	if (plans == NULL)
		return;
	hash_seq_init(&scan, plans);
	while ((entry = hash_seq_search(&scan)) != NULL)
		if (entry->key.relid == relid)
			entry->forgotten = true;
}

/*
 * Sets a setting until query_settings_back(), or an error.
 */
void
query_set(const char *name, const char *value)
{
	(void) set_config_option(name, value, PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
}

/*
 * Switches JIT compilation off, until query_settings_back() with what is
 * returned, or an error.  A recursive query looks far more expensive to the planner than
 * it is, and compiling it takes a hundred times as long as a move of a few
 * nodes.
 */
int
query_jit_off(void)
{
	int			level = NewGUCNestLevel();

	query_set("jit", "off");
	return level;
}

/*
 * Has every look-up go through an index, where all that are needed are there,
 * until query_settings_back() with what is returned, or an error.
 *
 * The planner cannot know how many rows a recursive query or an array yields:
 * it guesses far too many, and scans whole tables for a handful of rows.  With
 * its choices gone one plan serves for good, however small the tables were when
 * it was made.  Where an index is missing whole tables have to be read, but once
 * and not for each row.
 */
int
query_by_index(bool possible)
{
	int			level = NewGUCNestLevel();

	if (possible)
	{
		query_set("enable_seqscan", "off");
		query_set("enable_hashjoin", "off");
		query_set("enable_mergejoin", "off");
		query_set("plan_cache_mode", "force_generic_plan");
	}
	else
	{
		query_set("enable_nestloop", "off");
		query_set("plan_cache_mode", "force_custom_plan");
	}
	return level;
}

/*
 * Has every look-up go by a unique key, whatever statistics there are, until
 * query_settings_back() with what is returned, or an error.
 */
int
query_by_unique_key(void)
{
	int			level = NewGUCNestLevel();

	query_set("catreg.plan_by_unique_key", "on");
	/* it may merge by a part of the key, and compare each with each */
	query_set("enable_mergejoin", "off");
	return level;
}

void
query_settings_back(int level)
{
	AtEOXact_GUC(true, level);
}

/*
 * Executes a plan that takes no NULL, with a snapshot of this moment, at every
 * isolation level.
 *
 * Derived tables follow what is committed, not what the transaction's snapshot
 * happens to show: at REPEATABLE READ it may be older than a change whose lock
 * this transaction has just waited for.  PostgreSQL's referential actions read
 * the same way.  The caller takes his locks first, or the snapshot may still
 * be older than what they protect.
 */
int
query_execute_latest(SPIPlanPtr plan, Datum *values, bool fire_triggers)
{
	int			level = query_jit_off();
	int			result = query_execute_planned(plan, values, fire_triggers);

	query_settings_back(level);
	return result;
}

/*
 * The same for a plan that has been executed before: what the planner was told
 * then need not be said again.
 */
int
query_execute_planned(SPIPlanPtr plan, Datum *values, bool fire_triggers)
{
	int			result = SPI_execute_snapshot(plan, values, NULL, GetLatestSnapshot(),
											  InvalidSnapshot, false, fire_triggers, 0);

	if (result < 0)
		elog(ERROR, "could not execute a saved plan: %s",
			 SPI_result_code_string(result));
	return result;
}

/*
 * Locks a table and, where it has any, all its partitions, to the end of the
 * transaction.  Before the snapshot is taken: a query would lock the partitions
 * only afterwards, and of one that ALTER TABLE has rewritten in between it would
 * see no row (PostgreSQL's documentation, "Caveats" of concurrency control).
 */
void
query_lock_table(Oid relid, LOCKMODE mode)
{
	LockRelationOid(relid, mode);
	if (get_rel_relkind(relid) == RELKIND_PARTITIONED_TABLE)
		list_free(find_all_inheritors(relid, mode, NULL));
}

/*
 * Executes a statement that is used once.
 */
void
query_execute(const char *text)
{
	int			result = SPI_execute(text, false, 0);

	if (result < 0)
		elog(ERROR, "could not execute \"%s\": %s", text,
			 SPI_result_code_string(result));
}

/*
 * Executes a statement that is used once, with a snapshot of this moment; see
 * query_execute_latest().  Returns the number of rows.
 */
uint64
query_execute_once(const char *text)
{
	SPIPlanPtr	plan = query_prepare(text, 0, NULL);
	uint64		n_rows;

	query_execute_latest(plan, NULL, true);
	n_rows = SPI_processed;
	SPI_freeplan(plan);
	return n_rows;
}

/*
 * Makes rows known to queries by a name, until SPI_unregister_relation().
 */
void
query_register_rows(const char *name, TupleDesc desc, Tuplestorestate *rows,
					uint64 n_rows)
{
	EphemeralNamedRelation relation = palloc0(sizeof(EphemeralNamedRelationData));

	relation->md.name = pstrdup(name);
	relation->md.reliddesc = InvalidOid;
	relation->md.tupdesc = desc;
	relation->md.enrtype = ENR_NAMED_TUPLESTORE;
	relation->md.enrtuples = n_rows;
	relation->reldata = rows;
	if (SPI_register_relation(relation) != SPI_OK_REL_REGISTER)
		elog(ERROR, "could not register the rows \"%s\"", name);
}

/*
 * Goes on with another role's rights, past its own forced row security, as
 * referential actions do.  An error gives the caller's rights back by itself.
 */
void
query_become(Oid role, QueryUser *before)
{
	GetUserIdAndSecContext(&before->userid, &before->context);
	SetUserIdAndSecContext(role, before->context |
						   SECURITY_LOCAL_USERID_CHANGE |
						   SECURITY_NOFORCE_RLS);
}

void
query_return(const QueryUser *before)
{
	SetUserIdAndSecContext(before->userid, before->context);
}

/*
 * Goes on with the rights of the owner of one of catreg's own tables, which no
 * client may write himself.  Returns the table, for query_close_own_table().
 */
Relation
query_open_own_table(const char *table, LOCKMODE mode, QueryUser *before)
{
	Relation	own = table_openrv(makeRangeVar("catreg", pstrdup(table), -1), mode);

	query_become(RelationGetForm(own)->relowner, before);
	return own;
}

void
query_close_own_table(Relation own, const QueryUser *before)
{
	query_return(before);
	table_close(own, NoLock);
}

/* InvalidSnapshot: that of the transaction, or of its command. */
static uint64
execute_on_definitions(const char *table, const char *text, int nargs, Oid *types,
					   Datum *values, const char *nulls, Snapshot snapshot)
{
	Relation	definitions;
	QueryUser	before;
	SPIPlanPtr	plan;
	uint64		n_rows;

	SPI_connect();
	definitions = query_open_own_table(table, RowExclusiveLock, &before);
	plan = query_prepare(text, nargs, types);
	if (SPI_execute_snapshot(plan, values, nulls, snapshot, InvalidSnapshot, false, true, 0) < 0)
		elog(ERROR, "could not execute \"%s\"", text);
	n_rows = SPI_processed;
	query_close_own_table(definitions, &before);
	SPI_finish();
	return n_rows;
}

/*
 * Executes a statement about one of catreg's tables of definitions with the rights
 * of that table's owner.  Returns the number of rows.
 */
uint64
query_execute_on_definitions(const char *table, const char *text, int nargs, Oid *types,
							 Datum *values, const char *nulls)
{
	return execute_on_definitions(table, text, nargs, types, values, nulls, InvalidSnapshot);
}

/*
 * The same with a snapshot of this moment: what others have committed since the
 * transaction began is there, be it seen or not.
 */
uint64
query_execute_on_definitions_now(const char *table, const char *text, int nargs, Oid *types,
								 Datum *values, const char *nulls)
{
	return execute_on_definitions(table, text, nargs, types, values, nulls, GetLatestSnapshot());
}

/*
 * A relation's qualified and quoted name.
 */
const char *
query_relation(Oid relid)
{
	char	   *name = get_rel_name(relid);

	if (name == NULL)
		elog(ERROR, "cache lookup failed for relation %u", relid);
	return quote_qualified_identifier(get_namespace_name(get_rel_namespace(relid)),
									  name);
}

/*
 * A column's quoted name.
 */
const char *
query_column(Oid relid, AttrNumber attnum)
{
	return quote_identifier(get_attname(relid, attnum, false));
}
