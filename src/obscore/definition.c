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
#include "commands/extension.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "core/invalidate.h"
#include "core/query.h"
#include "obscore/collections.h"

/* Every definition that this backend knows, of Obscore, in TopMemoryContext. */
static List *definitions = NIL;
static bool definitions_known = false;
static Oid	definition_table = InvalidOid;

/* Definitions that are not valid any more, and may still be in use. */
static List *retired = NIL;
static int	users = 0;

static bool
is_about(const Obscore *obscore, Oid relid)
{
	ListCell   *cell;
	ListCell   *inner;

	if (relid == obscore->table || relid == obscore->registry->dataset_type ||
		relid == obscore->registry->collection)
		return true;
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
	ListCell   *cell;

	if (relid == InvalidOid || relid == definition_table)
		definitions_known = false;
	foreach(cell, definitions)
	{
		Obscore    *obscore = lfirst(cell);

		if (relid == InvalidOid || relid == definition_table || is_about(obscore, relid))
			obscore->valid = false;
	}
}

static void
forget_users(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_ABORT || event == XACT_EVENT_COMMIT)
		users = 0;
}

void
obscore_init(void)
{
	invalidate_subscribe(forget_obscore);
	RegisterXactCallback(forget_users, NULL);
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
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);

	definitions = list_delete_ptr(definitions, obscore);
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

		for (int i = 0; i < obscore->config->n_dataset_types; i++)
			if (strcmp(obscore->config->dataset_types[i].name, type->name) == 0)
				obscore->selects = lappend(obscore->selects,
										   obscore_compile(obscore, type, &obscore->config->dataset_types[i]));
	}
}

/*
 * Refuses pgsphere's columns.
 */
static void
check_pgsphere(const ObscoreConfig *config)
{
	if (config->region_column == NULL && config->position_column == NULL)
		return;
	if (!OidIsValid(get_extension_oid("pg_sphere", true)))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("extension \"%s\" is not installed", "pg_sphere"),
				 errdetail("The configuration's spatial_plugins ask for columns of its types."),
				 errhint("Install it, or leave spatial_plugins out: column \"region\" holds every footprint.")));
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("columns of pgsphere's types are not supported yet"),
			 errhint("Leave spatial_plugins out: column \"region\" holds every footprint.")));
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
	obscore->registry = registry_open(namespace);
	obscore->config = obscore_read_config(json, warn);
	if (obscore->config->collection_type == OBSCORE_CHAINED)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("collection_type \"CHAINED\" is not supported yet")));
	check_pgsphere(obscore->config);
	obscore->collections = palloc0(OBSCORE_COLLECTIONS_SIZE);
	obscore->columns = obscore_columns(obscore->config, own_table);
	compile_selects(obscore);
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
	Oid			namespace = DatumGetObjectId(SPI_getbinval(row, desc, 2, &isnull));
	char	   *json = SPI_getvalue(row, desc, 3);
	bool		own_table = DatumGetBool(SPI_getbinval(row, desc, 4, &isnull));
	ListCell   *cell;
	Obscore    *obscore;
	Oid			owner;
	QueryUser	before;
	MemoryContext old;

	foreach(cell, definitions)
		if (((Obscore *) lfirst(cell))->table == table)
			return;
	owner = table_owner(table);
	if (!OidIsValid(owner) || get_namespace_name(namespace) == NULL)
		return;

	/* whoever is about to put a dataset may not be allowed to read all of this */
	query_become(owner, &before);
	obscore = obscore_make(table, namespace, json, own_table, false);
	query_return(&before);
	obscore->owner = owner;
	obscore->valid = true;
	MemoryContextSetParent(obscore->context, TopMemoryContext);
	old = MemoryContextSwitchTo(TopMemoryContext);
	definitions = lappend(definitions, obscore);
	MemoryContextSwitchTo(old);
}

static void
load_definitions(void)
{
	SPITupleTable *rows;
	uint64		n_rows;
	SPIPlanPtr	plan;

	definition_table = get_relname_relid("obscore", get_namespace_oid("catreg", false));
	plan = query_prepare("SELECT o.obscore, o.registry, o.config::pg_catalog.text, o.own_table FROM catreg.obscore o", 0, NULL);
	if (query_execute_latest(plan, NULL, false) != SPI_OK_SELECT)
		elog(ERROR, "could not read catreg.obscore");
	rows = SPI_tuptable;
	n_rows = SPI_processed;
	for (uint64 i = 0; i < n_rows; i++)
		load_row(rows->vals[i], rows->tupdesc);
	SPI_freetuptable(rows);
	SPI_freeplan(plan);
}

/*
 * Brings what this backend knows up to date.
 */
static void
refresh_definitions(void)
{
	bool		stale = !definitions_known;
	ListCell   *cell;
	List	   *old = list_copy(definitions);

	foreach(cell, old)
	{
		Obscore    *obscore = lfirst(cell);

		if (!obscore->valid)
		{
			stale = true;
			retire(obscore);
		}
	}
	list_free(old);
	free_retired();
	if (!stale)
		return;

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
 * The definition of a table; good until the next query, unless obscore_hold().
 */
Obscore *
obscore_get(Oid table, bool missing_ok)
{
	ListCell   *cell;

	refresh_definitions();
	foreach(cell, definitions)
		if (((Obscore *) lfirst(cell))->table == table)
			return lfirst(cell);
	if (!missing_ok)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table \"%s\" is not an ObsCore table that catreg keeps", get_rel_name(table)),
				 errhint("catreg.create_obscore() makes one.")));
	return NULL;
}

/*
 * The definitions over the registry in a schema; a list of its own.
 */
List *
obscore_of_registry(Oid namespace)
{
	List	   *found = NIL;
	ListCell   *cell;

	refresh_definitions();
	foreach(cell, definitions)
		if (((Obscore *) lfirst(cell))->registry->namespace == namespace)
			found = lappend(found, lfirst(cell));
	return found;
}
