/*-------------------------------------------------------------------------
 *
 * src/tiled/register.c
 *	  register_nodes: a batch of nodes, with their data sources, in one call.
 *
 * The batch is read and checked once (batch.c).  Then it is attempted: what it
 * refers to is looked up in the catalog (resolve.c), and what is not there is
 * written (store.c).  If another session turns out to have written the same
 * asset, structure or node meanwhile, the attempt is rolled back, to a
 * subtransaction's start, and made again: by then the other one's rows are
 * there to be found.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_index.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "core/query.h"
#include "core/attempt.h"
#include "tiled/registration.h"

static Registration *
create_registration(Oid catalog, OnConflict on_conflict)
{
	Registration *registration = palloc0(sizeof(Registration));

	tiled_layout(catalog, &registration->layout);
	registration->on_conflict = on_conflict;
	registration->context = CurrentMemoryContext;
	registration->paths = path_tree_create(1024);
	registration->allocated_rows = 64;
	registration->rows = palloc(sizeof(BatchRow) * registration->allocated_rows);
	data_sources_init(&registration->sources);
	registration->tags = intern_create(sizeof(Reference));
	registration->allocated_row_tags = 64;
	registration->row_tags = palloc(sizeof(Reference *) * registration->allocated_row_tags);
	return registration;
}

static void
register_batch(void *arg)
{
	Registration *registration = arg;
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "catreg registration attempt",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext before;

	SPI_connect();
	before = MemoryContextSwitchTo(context);
	do
		resolve_nodes(registration);
	while (!lock_known_nodes(registration));
	resolve_references(registration);
	store_batch(registration);
	MemoryContextSwitchTo(before);
	SPI_finish();
	MemoryContextDelete(context);
}

/*
 * Does a unique index consist of columns that a batch is resolved by, or of the id?
 * Where another one is violated, that is for the caller to know, and no attempt
 * would go better.
 */
static bool
is_resolved_by(Oid index, const char *const columns[3])
{
	HeapTuple	tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(index));
	Form_pg_index form;
	bool		resolved = true;

	if (!HeapTupleIsValid(tuple))
		return false;
	form = (Form_pg_index) GETSTRUCT(tuple);
	for (int i = 0; i < form->indnkeyatts; i++)
	{
		const char *column = get_attname(form->indrelid, form->indkey.values[i], true);
		bool		found = false;

		for (int k = 0; column != NULL && k < 3 && columns[k] != NULL; k++)
			found |= strcmp(column, columns[k]) == 0;
		resolved &= found;
	}
	ReleaseSysCache(tuple);
	return resolved;
}

static bool
is_concurrent_key(const ErrorData *error, const void *arg)
{
	static const struct
	{
		const char *table;
		const char *columns[3];
	}			keys[] =

	{
		{"structures", {"id"}},
		{"assets", {"id", "data_uri"}},
		{"nodes", {"id", "key", "parent"}},
	};
	const Registration *registration = arg;

	if (error->sqlerrcode != ERRCODE_UNIQUE_VIOLATION || error->table_name == NULL ||
		error->constraint_name == NULL)
		return false;
	for (int i = 0; i < lengthof(keys); i++)
		if (strcmp(error->table_name, keys[i].table) == 0)
			return is_resolved_by(get_relname_relid(error->constraint_name,
													registration->layout.schema),
								  keys[i].columns);
	return false;
}

/*
 * Puts the catalog's schema, and nothing that the caller could plant, into the
 * search path: Tiled's trigger functions name their tables without a schema.
 */
static int
enter_catalog(Oid schema)
{
	int			level = NewGUCNestLevel();
	char	   *path = psprintf("%s, pg_temp", quote_identifier(get_namespace_name(schema)));

	(void) set_config_option("search_path", path, PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	return level;
}

static void
return_rows(Registration *registration, ReturnSetInfo *rsinfo)
{
	static const char *const names[] = {"inserted", "existing", "replaced"};
	MemoryContext per_row = AllocSetContextCreate(CurrentMemoryContext, "catreg result row",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext before;
	Datum		statuses[lengthof(names)];

	for (int i = 0; i < lengthof(names); i++)
		statuses[i] = CStringGetTextDatum(names[i]);
	before = MemoryContextSwitchTo(per_row);
	for (int64 i = 0; i < registration->n_rows; i++)
	{
		BatchRow   *row = &registration->rows[i];
		Datum		values[3];
		bool		nulls[3] = {false};

		values[0] = CStringGetTextDatum(path_entry_path(row->entry));
		values[1] = Int64GetDatum(row->entry->id);
		values[2] = statuses[row->status];
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
		MemoryContextReset(per_row);
	}
	MemoryContextSwitchTo(before);
	MemoryContextDelete(per_row);
}

PG_FUNCTION_INFO_V1(register_nodes);

/*
 * register_nodes(batch, catalog, on_conflict) -> SETOF (path, id, status): a row
 * for each of the batch, in its order.  With the caller's rights.
 */
Datum
register_nodes(PG_FUNCTION_ARGS)
{
	Oid			batch = PG_GETARG_OID(0);
	Oid			catalog = PG_GETARG_OID(1);
	OnConflict	on_conflict = parse_on_conflict(text_to_cstring(PG_GETARG_TEXT_PP(2)));
	Registration *registration;
	int			level;

	PreventCommandIfReadOnly("register_nodes()");
	InitMaterializedSRF(fcinfo, 0);

	registration = create_registration(catalog, on_conflict);
	SPI_connect();
	MemoryContextSwitchTo(registration->context);
	level = enter_catalog(catalog);
	batch_read(registration, batch);
	attempt_until_first(register_batch, is_concurrent_key, registration);
	AtEOXact_GUC(true, level);
	return_rows(registration, (ReturnSetInfo *) fcinfo->resultinfo);
	tuplestore_end(registration->store);
	SPI_finish();
	return (Datum) 0;
}
