/*-------------------------------------------------------------------------
 *
 * src/butler/bulk.c
 *	  What the bulk functions of a Butler registry share.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "core/attempt.h"
#include "core/query.h"
#include "butler/bulk.h"
#include "butler/select.h"

#define VALUES_NAME "catreg_values"

/*
 * SPI_execute() leaves its own memory context behind.
 */
void
bulk_execute(const char *text)
{
	MemoryContext context = CurrentMemoryContext;

	query_execute_once(text);
	MemoryContextSwitchTo(context);
}

/*
 * Reads as butler_select() does, as of this moment, where all look-ups are by
 * unique keys.
 */
uint64
bulk_look_up(const char *text, int nargs, Oid *types, Datum *values)
{
	int			level = query_by_unique_key();
	uint64		n = butler_select(SELECT_LATEST, text, nargs, types, values);

	query_settings_back(level);
	return n;
}

/*
 * The dimensions of a dataset type, as its tags table has them.
 */
void
dimensions_of(const DatasetType *type, Dimensions *dimensions)
{
	Relation	tags = table_open(type->tags, AccessShareLock);
	int			natts = RelationGetNumberOfAttributes(tags);

	table_close(tags, NoLock);
	dimensions->n = 0;
	if (list_length(type->required) > MAX_DIMENSIONS)
		elog(ERROR, "dataset type \"%s\" has too many dimensions", type->name);
	for (AttrNumber column = 1; column <= natts; column++)
	{
		char	   *name = get_attname(type->tags, column, true);
		Oid			own;

		if (name == NULL || !name_in(type->required, name))
			continue;
		own = getBaseType(get_atttype(type->tags, column));
		dimensions->names[dimensions->n] = name;
		dimensions->columns[dimensions->n] = column;
		dimensions->types[dimensions->n++] =
			own == INT2OID || own == INT4OID || own == INT8OID ? INT8OID : TEXTOID;
		if (own != INT8OID && own != TEXTOID && own != VARCHAROID)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("dimension \"%s\" of dataset type \"%s\" is of type %s",
							name, type->name, format_type_be(own))));
	}
	if (dimensions->n != list_length(type->required))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("table %s lacks a dimension of dataset type \"%s\"",
						query_relation(type->tags), type->name)));
}

/*
 * A data id, as the client shows it.
 */
char *
data_id_text(const Dimensions *dimensions, const Datum *values)
{
	StringInfoData shown;

	initStringInfo(&shown);
	appendStringInfoChar(&shown, '{');
	for (int i = 0; i < dimensions->n; i++)
	{
		appendStringInfo(&shown, "%s%s: ", i > 0 ? ", " : "", dimensions->names[i]);
		if (dimensions->types[i] == INT8OID)
			appendStringInfo(&shown, INT64_FORMAT, DatumGetInt64(values[i]));
		else
			appendStringInfo(&shown, "'%s'", TextDatumGetCString(values[i]));
	}
	appendStringInfoChar(&shown, '}');
	return shown.data;
}

char *
uuid_text(const pg_uuid_t *id)
{
	return DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(id)));
}

/*
 * Finds a collection by its name, in the current memory context.  SPI must be
 * connected.
 */
bool
collection_find(const Registry *registry, const char *name, Collection *collection)
{
	Oid			type = TEXTOID;
	Datum		value = CStringGetTextDatum(name);

	if (butler_select(SELECT_LATEST,
					  psprintf("SELECT c.%s, c.type::pg_catalog.int4 FROM %s.collection c WHERE c.name OPERATOR(pg_catalog.=) $1",
							   registry->collection_key, registry->schema),
					  1, &type, &value) == 0)
		return false;
	collection->name = pstrdup(name);
	collection->key = selected_datum(0, 1);
	collection->type = DatumGetInt32(selected_datum(0, 2));
	SPI_freetuptable(SPI_tuptable);
	return true;
}

/*
 * Locks the row that stands for a collection, in the table of collections or of
 * runs, with the rights of the table's owner.
 *
 * Error: undefined_object where it is gone.
 */
void
collection_lock(const Registry *registry, const Collection *collection, Oid table,
				const char *strength)
{
	Oid			type = registry->collection_type;
	Datum		value = collection->key;
	Relation	rel;
	QueryUser	before;
	uint64		n;

	query_lock_table(table, RowShareLock);
	rel = table_open(table, NoLock);
	query_become(RelationGetForm(rel)->relowner, &before);
	n = butler_select(SELECT_LATEST,
					  psprintf("SELECT FROM %s x WHERE x.%s OPERATOR(pg_catalog.=) $1 FOR %s",
							   query_relation(table), registry->collection_key, strength),
					  1, &type, &value);
	query_return(&before);
	table_close(rel, NoLock);
	if (n == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("collection \"%s\" does not exist", collection->name),
				 errdetail("Another session has removed it.")));
}

static char *
summary_name(const char *dimension)
{
	return psprintf("collection_summary_%s", dimension);
}

/*
 * Sets for the values of the dimensions that have summaries: the governors.
 */
void
governors_create(const Registry *registry, const Dimensions *dimensions, KeySet **governors)
{
	for (int i = 0; i < dimensions->n; i++)
		governors[i] = OidIsValid(registry_table(registry, summary_name(dimensions->names[i]))) ?
			key_set_create(1, &dimensions->types[i]) : NULL;
}

void
governors_add(const Dimensions *dimensions, KeySet **governors, const Datum *values)
{
	bool		found;

	for (int i = 0; i < dimensions->n; i++)
		if (governors[i] != NULL)
			(void) key_set_add(governors[i], &values[i], &found);
}

/*
 * Says in a collection's summaries that it has datasets of a type, and of these
 * governors: as CollectionSummaryManager.update() in daf_butler.
 */
void
summaries_ensure(const Registry *registry, const DatasetType *type, const Collection *collection,
				 const Dimensions *dimensions, KeySet **governors)
{
	Oid			types[2] = {registry->collection_type, INT8OID};
	Datum		values[2] = {collection->key, Int64GetDatum(type->id)};
	MemoryContext context = CurrentMemoryContext;
	int			result;

	result = SPI_execute_with_args(psprintf("INSERT INTO %s.collection_summary_dataset_type (%s, dataset_type_id) "
											"VALUES ($1, $2) ON CONFLICT DO NOTHING",
											registry->schema, registry->tag_key),
								   2, types, values, NULL, false, 0);
	for (int i = 0; i < dimensions->n && result == SPI_OK_INSERT; i++)
	{
		if (governors[i] == NULL)
			continue;
		MemoryContextSwitchTo(context);
		key_set_register(governors[i], VALUES_NAME);
		result = SPI_execute_with_args(psprintf("INSERT INTO %s.%s (%s, %s) SELECT $1, v.c1 FROM " VALUES_NAME " v "
												"ORDER BY v.c1 ON CONFLICT DO NOTHING",
												registry->schema,
												quote_identifier(summary_name(dimensions->names[i])),
												registry->tag_key, quote_identifier(dimensions->names[i])),
									   1, types, values, NULL, false, 0);
		key_set_unregister(governors[i], VALUES_NAME);
	}
	if (result != SPI_OK_INSERT)
		elog(ERROR, "could not write summaries: %s", SPI_result_code_string(result));
	MemoryContextSwitchTo(context);
}

/* What bulk_attempts() is to do. */
typedef struct BulkAction
{
	const Registry *registry;
	void		(*action) (void *arg);
	void	   *arg;
} BulkAction;

static bool
is_concurrent_key(const ErrorData *error, const void *arg)
{
	const Registry *registry = ((const BulkAction *) arg)->registry;

	if (error->sqlerrcode != ERRCODE_UNIQUE_VIOLATION || error->table_name == NULL ||
		error->schema_name == NULL ||
		get_namespace_oid(error->schema_name, true) != registry->namespace)
		return false;
	return strcmp(error->table_name, "dataset") == 0 ||
		strcmp(error->table_name, "run") == 0 ||
		strncmp(error->table_name, "collection", strlen("collection")) == 0 ||
		strncmp(error->table_name, "dataset_tags_", strlen("dataset_tags_")) == 0;
}

static void
act(void *arg)
{
	const BulkAction *bulk = arg;
	MemoryContext work = AllocSetContextCreate(CurrentMemoryContext, "catreg attempt", ALLOCSET_DEFAULT_SIZES);

	SPI_connect();
	MemoryContextSwitchTo(work);
	bulk->action(bulk->arg);
	SPI_finish();
	MemoryContextDelete(work);
}

/*
 * Does something that writes rows with unique keys, in a memory context of its
 * own, with SPI connected; see attempt_until_first().
 */
void
bulk_attempts(const Registry *registry, void (*action) (void *arg), void *arg)
{
	BulkAction	bulk = {registry, action, arg};

	attempt_until_first(act, is_concurrent_key, &bulk);
}
