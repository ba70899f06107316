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

#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "core/query.h"
#include "tiled/registration.h"

/* An attempt fails only where another session commits in between. */
#define MAX_ATTEMPTS 20

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
attempt(Registration *registration)
{
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
 * Is an error a key that another session has committed since it was looked up?
 */
static bool
is_concurrent_key(const Registration *registration, const ErrorData *error)
{
	if (error->sqlerrcode != ERRCODE_UNIQUE_VIOLATION || error->table_name == NULL ||
		error->constraint_name == NULL)
		return false;
	return strcmp(error->table_name, "structures") == 0 ||
		strcmp(error->table_name, "assets") == 0 ||
		strcmp(error->table_name, "nodes") == 0;
}

/*
 * Makes an attempt in a subtransaction.  false: another session was first.
 */
static bool
attempt_in_subtransaction(Registration *registration, bool last)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	volatile bool done = false;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		attempt(registration);
		ReleaseCurrentSubTransaction();
		done = true;
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		/* before anything else: nobody above knows of the subtransaction */
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
		if (last || !is_concurrent_key(registration, error))
			ReThrowError(error);

		/* the row is not in our snapshot, and never will be */
		if (IsolationUsesXactSnapshot())
			ereport(ERROR,
					(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
					 errmsg("could not serialize access due to concurrent update"),
					 errdetail_internal("%s", error->detail ? error->detail : error->message)));
		ereport(DEBUG1,
				(errmsg_internal("catreg: registering again, another session was first: %s",
								 error->message)));
		FreeErrorData(error);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return done;
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
	for (int i = 1; !attempt_in_subtransaction(registration, i == MAX_ATTEMPTS); i++)
		CHECK_FOR_INTERRUPTS();
	AtEOXact_GUC(true, level);
	return_rows(registration, (ReturnSetInfo *) fcinfo->resultinfo);
	tuplestore_end(registration->store);
	SPI_finish();
	return (Datum) 0;
}
