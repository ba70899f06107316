/*-------------------------------------------------------------------------
 *
 * src/butler/members.c
 *	  Batches of datasets that are there already, by their ids.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "core/query.h"
#include "butler/bulk.h"
#include "butler/select.h"

static const char *const type_names[] = {NULL, "RUN", "TAGGED", "CHAINED", "CALIBRATION"};

/*
 * Reads the column dataset_id of a batch, with the caller's rights, into the
 * members' context.  SPI must be connected.
 *
 * Error: not_null_violation.
 */
void
members_read(Members *members, Oid batch)
{
	MemoryContext before = MemoryContextSwitchTo(members->context);
	Oid			type = UUIDOID;
	int64		allocated = 64;
	StringInfoData column;
	Portal		portal;

	batch_check(batch);
	batch_needs(batch, "dataset_id", "It says which datasets are meant.");
	initStringInfo(&column);
	batch_column(&column, batch, "dataset_id", UUIDOID);
	members->ids = key_set_create(1, &type);
	members->rows = palloc(sizeof(int64) * allocated);
	portal = SPI_cursor_open_with_args(NULL, psprintf("SELECT %s FROM %s b", column.data, query_relation(batch)),
									   0, NULL, NULL, NULL, false, CURSOR_OPT_NO_SCROLL);
	do
	{
		SPI_cursor_fetch(portal, true, ROWS_A_FETCH);
		for (uint64 i = 0; i < SPI_processed; i++)
		{
			bool		isnull;
			bool		found;
			Datum		id = SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &isnull);

			CHECK_FOR_INTERRUPTS();
			if (isnull)
				ereport(ERROR,
						(errcode(ERRCODE_NOT_NULL_VIOLATION),
						 errmsg("null value in column \"dataset_id\" of the batch"),
						 errcontext("row " INT64_FORMAT " of the batch", members->n_rows + 1)));
			if (members->n_rows == allocated)
			{
				allocated *= 2;
				members->rows = repalloc_huge(members->rows, sizeof(int64) * allocated);
			}
			members->rows[members->n_rows++] = key_set_add(members->ids, &id, &found);
		}
		SPI_freetuptable(SPI_tuptable);
	} while (SPI_processed > 0);
	SPI_cursor_close(portal);
	members->list = MemoryContextAllocHuge(members->context, sizeof(Member) * (key_set_count(members->ids) + 1));
	MemoryContextSwitchTo(before);
}

/*
 * Finds the collection, which must be of a type, and keeps it from being
 * removed.
 *
 * Error: undefined_object, wrong_object_type.
 */
void
members_collection(Members *members, const char *name, int type)
{
	const Registry *registry = members->registry;

	if (!collection_find(registry, name, &members->collection))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("collection \"%s\" does not exist", name)));
	if (members->collection.type != type)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("collection \"%s\" is not of type %s", name, type_names[type]),
				 errdetail("It is of type %s.",
						   members->collection.type > 0 && members->collection.type < lengthof(type_names) ?
						   type_names[members->collection.type] : "unknown")));
	collection_lock(registry, &members->collection, registry->collection, "KEY SHARE");
}

static void
report_unknown(Members *members)
{
	bulk_look_up(psprintf("SELECT k.c1 FROM " MEMBERS_NAME " k WHERE NOT EXISTS "
						  "(SELECT FROM %s.dataset d WHERE d.id OPERATOR(pg_catalog.=) k.c1) ORDER BY k.n LIMIT 1",
						  members->registry->schema), 0, NULL, NULL);
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("dataset %s does not exist", selected_text(0, 1)),
			 errdetail("The registry is that in schema %s.", members->registry->schema)));
}

/*
 * The dataset types of the members, of DatasetType.  The members' own ids are to
 * be returned, and they have no status yet.
 *
 * Error, if all have to be known: undefined_object where an id is of no dataset.
 */
List *
members_types(Members *members, bool all_known)
{
	List	   *all = registry_dataset_types(members->registry);
	List	   *types = NIL;
	ListCell   *cell;
	int64		n = key_set_count(members->ids);
	int64		n_known = 0;
	uint64		n_rows;

	for (int64 i = 0; i < n; i++)
	{
		Datum		id;

		key_set_get(members->ids, i, &id);
		members->list[i].id = *DatumGetUUIDP(id);
		members->list[i].status = NULL;
	}
	key_set_register(members->ids, MEMBERS_NAME);
	n_rows = bulk_look_up(psprintf("SELECT d.dataset_type_id::pg_catalog.int8, pg_catalog.count(*) FROM " MEMBERS_NAME " k "
								   "JOIN %s.dataset d ON d.id OPERATOR(pg_catalog.=) k.c1 GROUP BY 1 ORDER BY 1",
								   members->registry->schema), 0, NULL, NULL);
	for (uint64 i = 0; i < n_rows; i++)
	{
		int64		id = DatumGetInt64(selected_datum(i, 1));

		n_known += DatumGetInt64(selected_datum(i, 2));
		foreach(cell, all)
			if (((DatasetType *) lfirst(cell))->id == id)
				types = lappend(types, lfirst(cell));
	}
	SPI_freetuptable(SPI_tuptable);
	if (all_known && n_known < n)
		report_unknown(members);
	key_set_unregister(members->ids, MEMBERS_NAME);
	return types;
}

/*
 * Error: data_corrupted.  A dataset has a tag in its run, or row security hides
 * it.
 */
void
members_report_untagged(const char *id)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("dataset %s has no data id", id),
			 errdetail("It has no row in its dataset type's table of tags for its run, or none that the user may see.")));
}

/* The status of a dataset whose turn was before. */
static const char *
again(const char *status)
{
	return strcmp(status, "removed") == 0 || strcmp(status, "absent") == 0 ? "absent" : "existing";
}

/*
 * Returns (dataset_id, status) of each row.  Where the batch has a dataset a
 * second time, the first has done it.
 */
void
members_return(const Members *members, FunctionCallInfo fcinfo)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	bool	   *seen = MemoryContextAllocExtended(CurrentMemoryContext, key_set_count(members->ids) + 1,
												  MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);

	for (int64 i = 0; i < members->n_rows; i++)
	{
		int64		number = members->rows[i];
		Member	   *member = &members->list[number];
		Datum		values[2];
		bool		nulls[2] = {false};

		if (member->status == NULL)
			members_report_untagged(uuid_text(&member->id));
		values[0] = UUIDPGetDatum(&member->id);
		values[1] = CStringGetTextDatum(seen[number] ? again(member->status) : member->status);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
		pfree(DatumGetPointer(values[1]));
		seen[number] = true;
	}
	pfree(seen);
}
