/*-------------------------------------------------------------------------
 *
 * src/butler/ingest_remove.c
 *	  Removes what a batch of datasets replaces.
 *
 * Each dataset that is deleted would fire a trigger for every table that refers
 * to datasets, a dozen or more, and each of those would run a query.  So what
 * refers to the datasets is deleted first, a table at a time, and then they
 * are, without those triggers where remover_refusal() finds nothing against it.
 * They are locked FOR UPDATE before: a new reference waits for that lock, and what
 * was there by then is seen, since all is read as of its moment at every
 * isolation level (query_execute_latest()).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/rls.h"

#include "core/query.h"
#include "core/remover.h"
#include "butler/ingest.h"
#include "butler/select.h"

#define IDS_NAME "catreg_ids"
/* the dataset type's tags and calibrations, and locations */
#define MAX_REFERRERS 3

typedef struct Removal
{
	Ingest	   *ingest;
	ItemPointerData *tids;		/* of the datasets, in the order of their ids */
	uint64		n;
	int			n_emptied;
	Oid			emptied[MAX_REFERRERS]; /* they refer to none of the datasets any more */
} Removal;

/* The ids, with their datastores' names if there are files, of datasets. */
static KeySet *
ids_of(const Ingest *ingest, IngestStatus status)
{
	Oid			types[2] = {UUIDOID, TEXTOID};
	KeySet	   *ids = key_set_create(status == INGEST_REWRITTEN ? 2 : 1, types);

	for (int64 i = 0; i < key_set_count(ingest->data_ids); i++)
	{
		IngestDataset *dataset = &ingest->datasets[i];
		Datum		key[2];
		bool		found;

		if (dataset->status != status)
			continue;
		key[0] = UUIDPGetDatum(status == INGEST_REPLACED ? &dataset->replaced : &dataset->id);
		if (status == INGEST_REWRITTEN)
			key_set_get(ingest->datastores, dataset->datastore, &key[1]);
		(void) key_set_add(ids, key, &found);
	}
	return ids;
}

/*
 * Locks the datasets, in one order, so that two sessions do not wait in a
 * circle; and their table before others, as a client's DELETE and
 * freeze_collections() do.
 */
static void
lock_replaced(Removal *removal)
{
	query_lock_table(removal->ingest->registry->dataset, RowExclusiveLock);
	bulk_execute(psprintf("SELECT d.ctid FROM %s.dataset d JOIN " IDS_NAME " i ON i.c1 OPERATOR(pg_catalog.=) d.id "
						  "ORDER BY d.id FOR UPDATE OF d", removal->ingest->registry->schema));
	removal->n = SPI_processed;
	removal->tids = palloc_extended(sizeof(ItemPointerData) * (removal->n + 1), MCXT_ALLOC_HUGE);
	for (uint64 i = 0; i < removal->n; i++)
	{
		bool		isnull;

		removal->tids[i] = *(ItemPointer) DatumGetPointer(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &isnull));
	}
	SPI_freetuptable(SPI_tuptable);
}

/*
 * Deletes a table's rows about the datasets, with the caller's rights.
 */
static void
delete_rows(Removal *removal, Oid table)
{
	bulk_execute(psprintf("DELETE FROM %s x USING " IDS_NAME " i WHERE i.c1 OPERATOR(pg_catalog.=) x.dataset_id",
						  query_relation(table)));
	removal->emptied[removal->n_emptied++] = table;
}

static void
trash_locations(Removal *removal)
{
	Oid			locations = registry_table(removal->ingest->registry, "dataset_location");

	if (!OidIsValid(locations))
		return;
	bulk_execute(psprintf("INSERT INTO %s.dataset_location_trash (datastore_name, dataset_id) "
						  "SELECT l.datastore_name, l.dataset_id FROM %s l "
						  "JOIN " IDS_NAME " i ON i.c1 OPERATOR(pg_catalog.=) l.dataset_id ON CONFLICT DO NOTHING",
						  removal->ingest->registry->schema, query_relation(locations)));
	delete_rows(removal, locations);
}

/*
 * Rows that would go by cascade, with their owner's rights: to be deleted only
 * where the caller may do it himself, and sees all of them.
 */
static void
delete_cascading(Removal *removal, Oid table)
{
	const AclMode needed = ACL_DELETE | ACL_SELECT;

	if (OidIsValid(table) &&
		pg_class_aclmask(table, GetUserId(), needed, ACLMASK_ALL) == needed &&
		check_enable_rls(table, InvalidOid, true) != RLS_ENABLED)
		delete_rows(removal, table);
}

/*
 * Does a table refer to one of the datasets?
 */
static bool
is_referred(Oid referrer, AttrNumber column, void *arg)
{
	Relation	rel = table_open(referrer, AccessShareLock);
	QueryUser	before;
	bool		found;

	query_become(RelationGetForm(rel)->relowner, &before);
	bulk_look_up(psprintf("SELECT pg_catalog.count(*) FROM %s x JOIN " IDS_NAME " i ON i.c1 OPERATOR(pg_catalog.=) x.%s",
						  query_relation(referrer), query_column(referrer, column)), 0, NULL, NULL);
	query_return(&before);
	found = DatumGetInt64(selected_datum(0, 1)) > 0;
	SPI_freetuptable(SPI_tuptable);
	table_close(rel, NoLock);
	return found;
}

/*
 * The caller's own DELETE leaves what row security hides from him, or a trigger
 * keeps.  Such a dataset has lost its tags by now.
 *
 * Error: insufficient_privilege.
 */
static void
check_gone(const Removal *removal)
{
	Oid			table = removal->ingest->registry->dataset;
	Relation	rel = table_open(table, NoLock);
	QueryUser	before;
	uint64		n;

	query_become(RelationGetForm(rel)->relowner, &before);
	n = bulk_look_up(psprintf("SELECT d.id FROM %s d JOIN " IDS_NAME " i ON i.c1 OPERATOR(pg_catalog.=) d.id "
							  "ORDER BY 1 LIMIT 1", query_relation(table)), 0, NULL, NULL);
	query_return(&before);
	if (n > 0)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("dataset %s cannot be replaced", selected_text(0, 1)),
				 errdetail("Row security or a trigger of table %s keeps it from being deleted.",
						   query_relation(table))));
	SPI_freetuptable(SPI_tuptable);
	table_close(rel, NoLock);
}

static void
delete_datasets(Removal *removal, int64 n_ids)
{
	Oid			table = removal->ingest->registry->dataset;
	RemoverTarget target = {
		.table = table,.n_referrers = removal->n_emptied,.referrers = removal->emptied,
		.is_referred = is_referred
	};

	if (remover_refusal(&target) == NULL)
		remover_delete(table, removal->tids, removal->n);
	else
	{
		bulk_execute(psprintf("DELETE FROM %s d USING " IDS_NAME " i WHERE i.c1 OPERATOR(pg_catalog.=) d.id",
							  query_relation(table)));
		if (SPI_processed < n_ids)
			check_gone(removal);
	}
}

/*
 * Removes datasets as pruneDatasets(purge=True, unstore=True) does it, up to the
 * point at which the client empties the trash.
 */
static void
remove_replaced(Ingest *ingest)
{
	KeySet	   *ids = ids_of(ingest, INGEST_REPLACED);
	Removal		removal = {.ingest = ingest};

	key_set_register(ids, IDS_NAME);
	lock_replaced(&removal);
	trash_locations(&removal);
	delete_cascading(&removal, ingest->type->tags);
	delete_cascading(&removal, ingest->type->calibs);
	delete_datasets(&removal, key_set_count(ids));
	key_set_unregister(ids, IDS_NAME);
}

/*
 * Makes room for the files of datasets that stay.  The old ones cannot go through
 * the trash: it goes by dataset ids.
 */
static void
remove_rewritten(Ingest *ingest)
{
	KeySet	   *ids = ids_of(ingest, INGEST_REWRITTEN);

	key_set_register(ids, IDS_NAME);
	bulk_execute(psprintf("SELECT d.id FROM %s.dataset d JOIN " IDS_NAME " i ON i.c1 OPERATOR(pg_catalog.=) d.id "
						  "ORDER BY d.id FOR NO KEY UPDATE OF d", ingest->registry->schema));
	bulk_execute(psprintf("DELETE FROM %s f USING " IDS_NAME " i WHERE i.c1 OPERATOR(pg_catalog.=) f.dataset_id",
						  query_relation(ingest->records)));
	bulk_execute(psprintf("INSERT INTO %s (datastore_name, dataset_id) SELECT i.c2, i.c1 FROM " IDS_NAME " i "
						  "ORDER BY 1, 2 ON CONFLICT DO NOTHING", query_relation(ingest->locations)));
	key_set_unregister(ids, IDS_NAME);
}

/*
 * Removes what datasets of the batch replace, and the files of those that stay.
 * SPI must be connected.
 */
void
ingest_remove(Ingest *ingest)
{
	if (ingest->n_replaced > 0)
		remove_replaced(ingest);
	if (ingest->n_rewritten > 0)
		remove_rewritten(ingest);
}
