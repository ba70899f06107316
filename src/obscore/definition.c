/*-------------------------------------------------------------------------
 *
 * src/obscore/definition.c
 *	  What catreg.obscore says of a table, compiled and cached.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "core/citus.h"
#include "core/invalidate.h"
#include "core/query.h"
#include "obscore/collections.h"
#include "obscore/path.h"
#include "obscore/pgsphere.h"
#include "obscore/plain.h"
#include "obscore/replica.h"
#include "obscore/tiled.h"

/* A row of catreg.obscore. */
typedef struct Definition
{
	Oid			table;
	Oid			namespace;		/* of the registry */
	char	   *config;
	bool		own_table;
	Obscore    *compiled;		/* NULL: not yet, or not any more */
} Definition;

/* All that there are, of Definition, in a memory context of their own. */
static List *definitions = NIL;
static MemoryContext definitions_context = NULL;
static bool definitions_known = false;
static Oid	definition_table = InvalidOid;

/* Changes whenever something that may have been compiled over does. */
static uint64 n_messages = 0;

/* Compiled definitions that are not valid any more, and may still be in use. */
static List *retired = NIL;
static int	users = 0;

static bool
is_about(const Obscore *obscore, Oid relid)
{
	ListCell   *cell;
	ListCell   *inner;

	if (relid == obscore->table || relid == obscore->registry->dataset_type)
		return true;
	if (obscore->tiled != NULL)
		return obscore_tiled_is_about(obscore->tiled, relid);
	foreach(cell, obscore->selects)
	{
		const ObscoreSelect *select = lfirst(cell);

		if (relid == select->type->tags)
			return true;
		foreach(inner, select->joins)
			if (relid == ((ObscoreJoin *) lfirst(inner))->relation)
				return true;
	}
	return false;
}

/*
 * Marks what has been compiled over a changed relation; all of it where the
 * table of definitions itself has changed.
 */
static void
forget_obscore(Oid relid)
{
	bool		all = relid == InvalidOid || relid == definition_table;
	ListCell   *cell;

	n_messages++;
	if (all)
		definitions_known = false;
	foreach(cell, definitions)
	{
		Obscore    *obscore = ((Definition *) lfirst(cell))->compiled;

		if (obscore == NULL)
			continue;
		if (all || is_about(obscore, relid))
			obscore->valid = false;
		if (all || relid == obscore->registry->collection || relid == obscore->registry->collection_chain)
			obscore_collections_changed(obscore);
	}
}

/* The command at which the rows of a registry's tables were made to follow their paths. */
static Oid	followed_registry = InvalidOid;
static CommandId followed_at = InvalidCommandId;

/*
 * What has been undone, or left to another backend to commit, may have made rows follow a
 * path; and collections that are not there now, or a path that is none, may be
 * remembered: none of it is told by a message where they were new, or where the
 * statement has failed before it could send one.
 */
static void
forget_undone(void)
{
	ListCell   *cell;

	followed_registry = InvalidOid;
	foreach(cell, definitions)
	{
		Obscore    *obscore = ((Definition *) lfirst(cell))->compiled;

		if (obscore != NULL)
			obscore_collections_changed(obscore);
	}
}

static void
forget_at_end(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE)
		forget_undone();
	if (event == XACT_EVENT_ABORT || event == XACT_EVENT_COMMIT)
		users = 0;
	followed_registry = InvalidOid;
}

static void
forget_at_rollback(SubXactEvent event, SubTransactionId id, SubTransactionId parent, void *arg)
{
	if (event == SUBXACT_EVENT_ABORT_SUB)
		forget_undone();
}

void
obscore_init(void)
{
	obscore_replica_init();
	invalidate_subscribe(forget_obscore);
	RegisterXactCallback(forget_at_end, NULL);
	RegisterSubXactCallback(forget_at_rollback, NULL);
}

/*
 * Definitions stay where they are from here on, until obscore_release().
 */
void
obscore_hold(void)
{
	users++;
}

void
obscore_release(void)
{
	users--;
}

/* Plans live as long as what they were written from. */
static void
retire(Obscore *obscore)
{
	MemoryContext old;

	if (obscore == NULL)
		return;
	old = MemoryContextSwitchTo(TopMemoryContext);
	retired = lappend(retired, obscore);
	MemoryContextSwitchTo(old);
}

static void
free_retired(void)
{
	ListCell   *cell;
	List	   *gone = retired;

	if (users > 0)
		return;
	retired = NIL;
	foreach(cell, gone)
	{
		Obscore    *obscore = lfirst(cell);

		obscore_free_plans(obscore);
		obscore_forget_collections(obscore);
		MemoryContextDelete(obscore->context);
	}
	list_free(gone);
}

static void *
allocate(void *context, size_t size)
{
	return MemoryContextAllocExtended(context, size, MCXT_ALLOC_HUGE | MCXT_ALLOC_NO_OOM);
}

/*
 * Reads a configuration, into the current memory context; an error where it is
 * none.  Its warnings are given if the caller wants to.
 */
ObscoreConfig *
obscore_read_config(const char *json, bool warn)
{
	ObscoreConfigReport report = {0};
	ObscoreConfig *config = obscore_config_parse_with(json, strlen(json), allocate, CurrentMemoryContext, &report);

	for (int i = 0; warn && i < report.n_warnings; i++)
		ereport(WARNING,
				(errcode(ERRCODE_WARNING), errmsg("%s", report.warnings[i])));
	if (config == NULL && (report.path == NULL || report.path[0] == '\0'))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid configuration of an ObsCore table: %s", report.problem == NULL ? "out of memory" : report.problem),
				 report.hint == NULL ? 0 : errhint("%s", report.hint)));
	if (config == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid configuration of an ObsCore table at %s: %s", report.path, report.problem),
				 report.hint == NULL ? 0 : errhint("%s", report.hint)));
	return config;
}

/*
 * Compiles every dataset type that the configuration names and the registry has.
 */
static void
compile_selects(Obscore *obscore)
{
	List	   *types = registry_dataset_types(obscore->registry);
	ListCell   *cell;

	foreach(cell, types)
	{
		DatasetType *type = lfirst(cell);
		const ObscoreDatasetType *config = obscore_config_dataset_type(obscore->config, type->name);

		if (config != NULL)
			obscore->selects = lappend(obscore->selects, obscore_compile(obscore, type, config));
	}
}

/* A catalog that is no registry: none of a registry's tables is there. */
static Registry *
catalog_open(Oid namespace)
{
	Registry   *registry = palloc0(sizeof(Registry));

	registry->namespace = namespace;
	registry->schema = pstrdup(quote_identifier(get_namespace_name(namespace)));
	return registry;
}

static void
check_source(Oid relation)
{
	if (OidIsValid(relation) && citus_keeps(relation))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("ObsCore tables cannot be made of table %s, whose rows Citus keeps", query_relation(relation)),
				 errdetail("Its triggers would not see what a statement has changed."),
				 errhint("Keep the tables of the registry or catalog as ordinary ones on this server; the ObsCore table may be Citus's.")));
}

/*
 * Error: one of the tables that rows are made of is Citus's.  Where it has become so since,
 * that is a warning at each statement (see trigger.c).
 */
static void
check_sources(const Obscore *obscore)
{
	const Registry *registry = obscore->registry;
	ListCell   *cell;
	ListCell   *inner;

	if (obscore->tiled != NULL)
	{
		check_source(obscore->tiled->nodes);
		check_source(obscore->tiled->data_sources);
		check_source(obscore->tiled->association);
		check_source(obscore->tiled->assets);
		return;
	}
	check_source(registry->collection);
	check_source(registry->collection_chain);
	check_source(registry->dataset);
	check_source(registry->dataset_type);
	foreach(cell, obscore->selects)
	{
		check_source(((ObscoreSelect *) lfirst(cell))->type->tags);
		foreach(inner, ((ObscoreSelect *) lfirst(cell))->joins)
			check_source(((ObscoreJoin *) lfirst(inner))->relation);
	}
}

/*
 * Makes a definition in a memory context of its own.  table may be InvalidOid,
 * for one that is to be made.  SPI must be connected.
 */
Obscore *
obscore_make(Oid table, Oid namespace, const char *json, bool own_table, bool warn)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "catreg obscore", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	Obscore    *obscore = palloc0(sizeof(Obscore));

	obscore->table = table;
	obscore->context = context;
	obscore->own_table = own_table;
	obscore->plain = obscore_is_plain(table);
	obscore->config = obscore_read_config(json, warn);
	obscore->registry = obscore->config->tiled != NULL ? catalog_open(namespace) : registry_open(namespace);
	obscore->find_first = obscore->config->collection_type == OBSCORE_CHAINED;
	if (obscore->plain && obscore->find_first)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("find-first table %s cannot be in parts, or Citus's", query_relation(table))));
	if (obscore->find_first)
		obscore->path = palloc0(sizeof(ObscorePath));
	if (OidIsValid(table))
		pgsphere_leave_lost(obscore->config, table);
	if (obscore->config->tiled == NULL)
		obscore_check_templates(obscore->config);
	obscore->collections = palloc0(OBSCORE_COLLECTIONS_SIZE);
	obscore->columns = obscore_columns(obscore->config, own_table);
	if (obscore->config->tiled != NULL)
		obscore->tiled = obscore_tiled_compile(obscore);
	else
		compile_selects(obscore);
	check_sources(obscore);
	MemoryContextSwitchTo(old);
	return obscore;
}

static Oid
table_owner(Oid table)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(table));
	Oid			owner;

	if (!HeapTupleIsValid(tuple))
		return InvalidOid;
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	return owner;
}

/* Adds the definition in a row of catreg.obscore, where its table is there. */
static void
load_row(HeapTuple row, TupleDesc desc)
{
	bool		isnull;
	Oid			table = DatumGetObjectId(SPI_getbinval(row, desc, 1, &isnull));
	Oid			namespace = get_rel_namespace(DatumGetObjectId(SPI_getbinval(row, desc, 2, &isnull)));
	Definition *definition;
	MemoryContext old;

	if (!OidIsValid(table_owner(table)) || !OidIsValid(namespace))
		return;
	old = MemoryContextSwitchTo(definitions_context);
	definition = palloc0(sizeof(Definition));
	definition->table = table;
	definition->namespace = namespace;
	definition->config = SPI_getvalue(row, desc, 3);
	definition->own_table = DatumGetBool(SPI_getbinval(row, desc, 4, &isnull));
	definitions = lappend(definitions, definition);
	MemoryContextSwitchTo(old);
}

static void
load_definitions(void)
{
	SPITupleTable *rows;
	uint64		n_rows;
	SPIPlanPtr	plan;

	definition_table = get_relname_relid("obscore", get_namespace_oid("catreg", false));
	plan = query_prepare("SELECT o.obscore, o.registry, o.config::pg_catalog.text, o.own_table FROM catreg.obscore o ORDER BY 1", 0, NULL);
	if (query_execute_latest(plan, NULL, false) != SPI_OK_SELECT)
		elog(ERROR, "could not read catreg.obscore");
	rows = SPI_tuptable;
	n_rows = SPI_processed;
	for (uint64 i = 0; i < n_rows; i++)
		load_row(rows->vals[i], rows->tupdesc);
	SPI_freetuptable(rows);
	SPI_freeplan(plan);
}

/* Forgets all definitions.  They are few, and seldom change. */
static void
forget_definitions(void)
{
	ListCell   *cell;

	foreach(cell, definitions)
		retire(((Definition *) lfirst(cell))->compiled);
	definitions = NIL;
	if (definitions_context == NULL)
		definitions_context = AllocSetContextCreate(TopMemoryContext, "catreg obscore definitions", ALLOCSET_SMALL_SIZES);
	MemoryContextReset(definitions_context);
}

/*
 * Brings what this backend knows of catreg.obscore up to date.  Compiles nothing:
 * a registry that has been damaged is no reason to fail here.
 */
static void
refresh_definitions(void)
{
	if (definitions_known)
		return;
	forget_definitions();

	/* a message that arrives from here on may be about rows not seen */
	definitions_known = true;
	SPI_connect();
	PG_TRY();
	{
		load_definitions();
	}
	PG_CATCH();
	{
		definitions_known = false;
		PG_RE_THROW();
	}
	PG_END_TRY();
	SPI_finish();
}

/*
 * Compiles a definition with the rights of its table's owner: whoever is about to
 * put a dataset may not be allowed to read all that this takes.
 */
static Obscore *
compile(const Definition *definition)
{
	uint64		before_messages = n_messages;
	Oid			owner = table_owner(definition->table);
	char	   *config = pstrdup(definition->config);
	Obscore    *obscore;
	QueryUser	before;

	SPI_connect();
	query_become(owner, &before);
	obscore = obscore_make(definition->table, definition->namespace, config, definition->own_table, false);
	query_return(&before);
	obscore->owner = owner;
	obscore->valid = n_messages == before_messages;
	MemoryContextSetParent(obscore->context, TopMemoryContext);
	SPI_finish();
	return obscore;
}

static Definition *
find_definition(Oid table)
{
	ListCell   *cell;

	refresh_definitions();
	foreach(cell, definitions)
		if (((Definition *) lfirst(cell))->table == table)
			return lfirst(cell);
	return NULL;
}

/*
 * Is a table one that catreg keeps, as far as others have committed?  That it is gone
 * may be seen before the message arrives.
 */
bool
obscore_is_kept(Oid table)
{
	AcceptInvalidationMessages();
	return OidIsValid(table_owner(table)) && find_definition(table) != NULL;
}

/*
 * May an event on a relation of the registry be about an ObsCore table?  True where
 * it is not known.
 */
bool
obscore_may_be_about(Oid table, Oid relid)
{
	const Definition *definition = find_definition(table);
	const Obscore *obscore = definition == NULL ? NULL : definition->compiled;

	return obscore == NULL || !obscore->valid || is_about(obscore, relid) ||
		relid == obscore->registry->collection || relid == obscore->registry->collection_chain ||
		relid == obscore->registry->dataset;
}

/*
 * Have the rows of a registry's tables been made to follow their search paths, or been
 * found not to, after a command of this transaction?  Messages do not tell: where the
 * trigger is not deferred it fires before that which sends them.
 */
bool
obscore_paths_are_followed(Oid namespace, CommandId command)
{
	return followed_registry == namespace && command < followed_at;
}

/*
 * Notes that they have; whatever comes next is a later command.
 */
void
obscore_paths_followed(Oid namespace)
{
	followed_registry = namespace;
	followed_at = GetCurrentCommandId(true);
}

/*
 * Do types of other extensions still have the names that were written down?  No
 * message tells of another schema.
 */
static bool
names_hold(const Obscore *obscore)
{
	ListCell   *cell;

	foreach(cell, obscore->columns)
	{
		const ObscoreColumn *column = lfirst(cell);
		char	   *name;
		bool		same;

		if (!OidIsValid(column->foreign_type))
			continue;
		name = format_type_extended(column->foreign_type, -1, FORMAT_TYPE_FORCE_QUALIFY);
		same = strcmp(name, column->type) == 0;
		pfree(name);
		if (!same)
			return false;
	}
	return true;
}

/*
 * Fails for the OID of a table that is gone.
 */
void
obscore_check_table(Oid table)
{
	if (get_rel_name(table) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("there is no table with the OID %u", table)));
}

/*
 * The definition of a table, compiled; good until the next query, unless
 * obscore_hold().
 */
Obscore *
obscore_get(Oid table, bool missing_ok)
{
	Definition *definition = find_definition(table);
	Obscore    *obscore;

	if (definition != NULL && definition->compiled != NULL && definition->compiled->valid &&
		names_hold(definition->compiled))
		return definition->compiled;
	if (definition != NULL)
	{
		retire(definition->compiled);
		definition->compiled = NULL;
		free_retired();
		obscore = compile(definition);

		/* what was read meanwhile may have had all definitions read again */
		definition = find_definition(table);
		if (definition != NULL && definition->compiled == NULL)
			definition->compiled = obscore;
		else
			retire(obscore);
		return obscore;
	}
	if (missing_ok)
		return NULL;
	obscore_check_table(table);
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("table \"%s\" is not an ObsCore table that catreg keeps", get_rel_name(table)),
			 errhint("catreg.create_obscore() makes one.")));
}

/*
 * The ObsCore tables over the registry in a schema, by their OIDs.
 */
List *
obscore_of_registry(Oid namespace)
{
	List	   *tables = NIL;
	ListCell   *cell;

	refresh_definitions();
	foreach(cell, definitions)
	{
		const Definition *definition = lfirst(cell);

		if (definition->namespace == namespace)
			tables = lappend_oid(tables, definition->table);
	}
	return tables;
}
