/*-------------------------------------------------------------------------
 *
 * src/butler/freeze.c
 *	  Collections that must not change.
 *
 * catreg.frozen_collection lists them, by their keys.  While one of a registry
 * is frozen, triggers on the registry's tables refuse what would change it; without
 * any there are no triggers.
 *
 * freeze_collections() locks those tables against writers (SHARE ROW EXCLUSIVE), in
 * the order in which a client writes them: whoever has written before is waited
 * for, and whoever writes later takes his lock on the table after the commit, and
 * with the lock the message that the list has changed.  So every backend's copy of
 * the list is right whenever a trigger looks at it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "butler/freeze.h"
#include "butler/search_path.h"
#include "butler/wildcard.h"
#include "core/compat.h"
#include "core/invalidate.h"
#include "core/query.h"
#include "core/rows.h"

typedef struct Frozen
{
	Oid			registry;
	char	   *key;			/* as text */
} Frozen;

/* What this backend knows of catreg.frozen_collection, sorted. */
static MemoryContext context = NULL;
static Frozen *frozen = NULL;
static int	n_frozen = 0;
static bool frozen_known = false;
static Oid	frozen_table = InvalidOid;

static void
forget_frozen(Oid relid)
{
	if (relid == InvalidOid || relid == frozen_table)
		frozen_known = false;
}

void
freeze_init(void)
{
	invalidate_subscribe(forget_frozen);
}

static Oid
table_of_frozen(void)
{
	return get_relname_relid("frozen_collection", get_namespace_oid("catreg", false));
}

static int
compare_frozen(const void *a, const void *b)
{
	const Frozen *left = a;
	const Frozen *right = b;

	if (left->registry != right->registry)
		return left->registry < right->registry ? -1 : 1;
	return strcmp(left->key, right->key);
}

static void
load_frozen(void)
{
	uint64		n;
	MemoryContext old;

	if (context == NULL)
		context = AllocSetContextCreate(TopMemoryContext, "catreg frozen collections", ALLOCSET_SMALL_SIZES);
	MemoryContextReset(context);
	n_frozen = 0;
	SPI_connect();
	n = butler_select(SELECT_LATEST, "SELECT c.relnamespace, f.collection FROM catreg.frozen_collection f"
					  " JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) f.registry", 0, NULL, NULL);
	old = MemoryContextSwitchTo(context);
	frozen = palloc_extended(sizeof(Frozen) * Max(n, 1), MCXT_ALLOC_HUGE);
	for (uint64 i = 0; i < n; i++)
	{
		frozen[i].registry = DatumGetObjectId(selected_datum(i, 1));
		frozen[i].key = selected_text(i, 2);
	}
	MemoryContextSwitchTo(old);
	n_frozen = n;
	qsort(frozen, n_frozen, sizeof(Frozen), compare_frozen);
	SPI_finish();
}

static void
refresh_frozen(void)
{
	if (frozen_known)
		return;
	frozen_table = table_of_frozen();

	/* a message that arrives from here on may be about rows not seen */
	frozen_known = true;
	PG_TRY();
	{
		load_frozen();
	}
	PG_CATCH();
	{
		frozen_known = false;
		PG_RE_THROW();
	}
	PG_END_TRY();
}

static bool
is_frozen(Oid registry, char *key)
{
	Frozen		wanted = {registry, key};

	return n_frozen > 0 && bsearch(&wanted, frozen, n_frozen, sizeof(Frozen), compare_frozen) != NULL;
}

static bool
is_any_frozen(Oid registry)
{
	for (int i = 0; i < n_frozen; i++)
		if (frozen[i].registry == registry)
			return true;
	return false;
}

static char *
key_text(Datum key, Oid type)
{
	Oid			output;
	bool		is_varlena;

	getTypeOutputInfo(type, &output, &is_varlena);
	return OidOutputFunctionCall(output, key);
}

/*
 * The name of a collection of a registry, by its key; the key where it is not found.
 */
static char *
name_of(Oid registry, char *key)
{
	char	   *schema = get_namespace_name(registry);
	Oid			collection = get_relname_relid("collection", registry);
	bool		by_name = get_attnum(collection, "collection_id") == InvalidAttrNumber;
	Oid			type = TEXTOID;
	Datum		value = CStringGetTextDatum(key);
	MemoryContext old = CurrentMemoryContext;
	char	   *name = key;

	if (by_name)
		return name;
	SPI_connect();
	MemoryContextSwitchTo(old);
	if (butler_select(SELECT_LATEST, psprintf("SELECT c.name::pg_catalog.text FROM %s.collection c"
											  " WHERE c.collection_id::pg_catalog.text OPERATOR(pg_catalog.=) $1",
											  quote_identifier(schema)), 1, &type, &value) > 0)
		name = selected_text(0, 1);
	SPI_finish();
	MemoryContextSwitchTo(old);
	return name;
}

static const char *
thaw_hint(Oid registry, const char *name)
{
	return psprintf("catreg.thaw_collections(ARRAY[%s], %s) makes it writable again.",
					quote_literal_cstr(name), quote_literal_cstr(get_namespace_name(registry)));
}

static void
refuse(Oid registry, char *key)
{
	char	   *name = name_of(registry, key);

	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("collection \"%s\" is frozen", name),
			 errdetail("Its datasets, its members and its name stay as they are."),
			 errhint("%s", thaw_hint(registry, name))));
}

/*
 * Refuses rows of frozen collections.
 */
static void
check_rows(Relation rel, AttrNumber column, Tuplestorestate *rows)
{
	Oid			registry = RelationGetNamespace(rel);
	Form_pg_attribute attribute = TupleDescAttr(RelationGetDescr(rel), column - 1);
	TupleTableSlot *slot;
	Datum		last = (Datum) 0;
	bool		is_first = true;

	if (rows == NULL || tuplestore_tuple_count(rows) == 0)
		return;
	slot = MakeSingleTupleTableSlot(RelationGetDescr(rel), &TTSOpsMinimalTuple);
	(void) rows_rewind(rows);
	while (tuplestore_gettupleslot(rows, true, false, slot))
	{
		bool		isnull;
		Datum		value = slot_getattr(slot, column, &isnull);
		char	   *key;

		/* most statements are about one collection */
		if (isnull || (!is_first && datumIsEqual(value, last, attribute->attbyval, attribute->attlen)))
			continue;
		is_first = false;
		last = datumCopy(value, attribute->attbyval, attribute->attlen);
		key = key_text(value, attribute->atttypid);
		if (is_frozen(registry, key))
			refuse(registry, key);
		pfree(key);
		CHECK_FOR_INTERRUPTS();
	}
	ExecDropSingleTupleTableSlot(slot);
}

static Datum
check_row(TriggerData *trigdata, AttrNumber column)
{
	Relation	rel = trigdata->tg_relation;
	Oid			registry = RelationGetNamespace(rel);
	bool		isnull;
	Datum		value = heap_getattr(trigdata->tg_trigtuple, column, RelationGetDescr(rel), &isnull);

	if (!isnull)
	{
		char	   *key = key_text(value, TupleDescAttr(RelationGetDescr(rel), column - 1)->atttypid);

		if (is_frozen(registry, key))
			refuse(registry, key);
	}
	return PointerGetDatum(TRIGGER_FIRED_BY_UPDATE(trigdata->tg_event) ? trigdata->tg_newtuple : trigdata->tg_trigtuple);
}

static void
check_truncate(Relation rel)
{
	Oid			registry = RelationGetNamespace(rel);

	for (int i = 0; i < n_frozen; i++)
		if (frozen[i].registry == registry)
		{
			char	   *name = name_of(registry, frozen[i].key);

			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("cannot truncate \"%s\", since collection \"%s\" is frozen", RelationGetRelationName(rel), name),
					 errhint("%s", thaw_hint(registry, name))));
		}
}

PG_FUNCTION_INFO_V1(refuse_frozen);

/*
 * Trigger on the tables of a registry, made by freeze_add_triggers(): refuses what
 * would change a frozen collection.  Its argument is the column with the
 * collection's key.  On `collection` BEFORE UPDATE or DELETE FOR EACH ROW, on others
 * AFTER and FOR EACH STATEMENT with transition tables; BEFORE TRUNCATE.
 */
Datum
refuse_frozen(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;
	Relation	rel;
	AttrNumber	column;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" was not called by the trigger manager",
						"refuse_frozen")));
	rel = trigdata->tg_relation;
	refresh_frozen();
	if (TRIGGER_FIRED_BY_TRUNCATE(trigdata->tg_event))
	{
		check_truncate(rel);
		return PointerGetDatum(NULL);
	}
	column = trigdata->tg_trigger->tgnargs == 1 ? get_attnum(RelationGetRelid(rel), trigdata->tg_trigger->tgargs[0]) : InvalidAttrNumber;
	if (column <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("trigger \"%s\" is not one that catreg.freeze_collections() makes",
						trigdata->tg_trigger->tgname)));
	if (TRIGGER_FIRED_FOR_ROW(trigdata->tg_event))
		return check_row(trigdata, column);
	check_rows(rel, column, trigdata->tg_oldtable);
	check_rows(rel, column, trigdata->tg_newtable);
	return PointerGetDatum(NULL);
}

static void
add_source(ReturnSetInfo *rsinfo, Oid table, const char *column)
{
	Datum		values[2];
	bool		nulls[2] = {false, column == NULL};
	NameData	name;

	if (!OidIsValid(table))
		return;
	values[0] = ObjectIdGetDatum(table);
	namestrcpy(&name, column == NULL ? "" : column);
	values[1] = NameGetDatum(&name);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

PG_FUNCTION_INFO_V1(freeze_sources);

/*
 * freeze_sources(registry) -> SETOF (source, key): the tables that say what a
 * collection is, as they are at this moment, and their columns with its key, in
 * the order in which a client writes them; and dataset_type, which has none.
 */
Datum
freeze_sources(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Registry   *registry;
	uint64		n;

	InitMaterializedSRF(fcinfo, 0);
	SPI_connect();
	registry = registry_open(PG_GETARG_OID(0));
	add_source(rsinfo, registry->collection, registry->collection_key);
	add_source(rsinfo, registry_table(registry, "run"), registry->collection_key);
	add_source(rsinfo, registry->collection_chain, "parent");
	add_source(rsinfo, registry->dataset, registry->run_key);
	add_source(rsinfo, registry->dataset_type, NULL);
	n = butler_select(SELECT_LATEST,
					  psprintf("SELECT DISTINCT a.kind, a.name FROM %s.dataset_type d, ROWS FROM (pg_catalog.unnest("
							   "ARRAY[d.tag_association_table::pg_catalog.text, d.calibration_association_table::pg_catalog.text]))"
							   " WITH ORDINALITY a (name, kind) WHERE a.name IS NOT NULL ORDER BY 1, 2", registry->schema),
					  0, NULL, NULL);
	for (uint64 i = 0; i < n; i++)
		add_source(rsinfo, registry_table(registry, selected_text(i, 2)), registry->tag_key);
	SPI_finish();
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(freeze_begin);

/*
 * freeze_begin(registry): one after another, for the owner of the registry.
 */
Datum
freeze_begin(PG_FUNCTION_ARGS)
{
	Registry   *registry;

	SPI_connect();
	registry = registry_open(PG_GETARG_OID(0));
	if (!pg_class_ownercheck(registry->collection, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_TABLE, get_rel_name(registry->collection));
	LockRelationOid(table_of_frozen(), ShareRowExclusiveLock);
	SPI_finish();
	PG_RETURN_VOID();
}

/* Those of the collections that are frozen, or that are not. */
static SearchPath *
only_frozen(const Registry *registry, const SearchPath *path, bool wanted)
{
	SearchPath *chosen = palloc(sizeof(SearchPath));

	chosen->n = 0;
	chosen->collections = palloc_extended(sizeof(Collection) * Max(path->n, 1), MCXT_ALLOC_HUGE);
	for (int i = 0; i < path->n; i++)
		if (is_frozen(registry->namespace, key_text(path->collections[i].key, registry->key_type)) == wanted)
			chosen->collections[chosen->n++] = path->collections[i];
	return chosen;
}

static Datum
write_frozen(FunctionCallInfo fcinfo, bool freeze, const char *text)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext old = CurrentMemoryContext;
	List	   *patterns = expressions_of_array(PG_GETARG_ARRAYTYPE_P(0), "patterns");
	Registry   *registry;
	SearchPath *path;
	Oid			types[2] = {REGNAMESPACEOID, InvalidOid};
	Datum		values[2];

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	SPI_connect();
	MemoryContextSwitchTo(old);
	registry = registry_open(PG_GETARG_OID(1));
	if (!pg_class_ownercheck(registry->collection, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_TABLE, get_rel_name(registry->collection));
	refresh_frozen();
	path = only_frozen(registry, search_path_match(registry, patterns, SELECT_LATEST), !freeze);
	types[1] = get_array_type(registry->key_type);
	values[0] = ObjectIdGetDatum(registry->namespace);
	values[1] = PointerGetDatum(search_path_keys(registry, path));
	query_execute_on_definitions("frozen_collection", text, 2, types, values, NULL);
	for (int i = 0; i < path->n; i++)
	{
		Datum		name = CStringGetTextDatum(path->collections[i].name);
		bool		isnull = false;

		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, &name, &isnull);
	}
	SPI_finish();
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(freeze_define);

/*
 * freeze_define(patterns text[], registry) -> SETOF name: freezes what was not; after
 * freeze_begin().
 */
Datum
freeze_define(PG_FUNCTION_ARGS)
{
	return write_frozen(fcinfo, true,
						"INSERT INTO catreg.frozen_collection (registry, collection)"
						" SELECT catreg.table_of_registry($1), k::pg_catalog.text FROM pg_catalog.unnest($2) k");
}

PG_FUNCTION_INFO_V1(freeze_undefine);

/*
 * freeze_undefine(patterns text[], registry) -> SETOF name: thaws what was frozen; after
 * freeze_begin().
 */
Datum
freeze_undefine(PG_FUNCTION_ARGS)
{
	return write_frozen(fcinfo, false,
						"DELETE FROM catreg.frozen_collection f WHERE f.registry OPERATOR(pg_catalog.=) catreg.table_of_registry($1)"
						" AND f.collection OPERATOR(pg_catalog.=) ANY ($2::pg_catalog.text[])");
}

PG_FUNCTION_INFO_V1(freeze_is_any);

/*
 * freeze_is_any(registry) -> boolean: is a collection frozen?
 */
Datum
freeze_is_any(PG_FUNCTION_ARGS)
{
	refresh_frozen();
	PG_RETURN_BOOL(is_any_frozen(PG_GETARG_OID(0)));
}
