/*-------------------------------------------------------------------------
 *
 * src/core/references.c
 *	  Foreign keys of any columns, of all new rows of a table at once.
 *
 * As foreign_key.c does it for one integer column: the distinct keys of each
 * constraint are looked up in one query, with the lock that PostgreSQL's row
 * check takes (FOR KEY SHARE) and the rights that it has (those of the referenced
 * table's owner).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_trigger.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "core/key_set.h"
#include "core/query.h"
#include "core/references.h"

#define KEYS_NAME "catreg_keys"

typedef struct Reference
{
	ForeignKeyCacheInfo fk;
	int			places[INDEX_MAX_KEYS]; /* of its columns among those given */
	KeySet	   *keys;			/* NULL: the caller vouches for them */
} Reference;

struct References
{
	Relation	rel;
	int			n;
	Reference  *list;
};

/* A check at the end of the transaction allows what an early one refuses. */
static bool
is_simple(Oid constraint)
{
	HeapTuple	tuple = SearchSysCache1(CONSTROID, ObjectIdGetDatum(constraint));
	Form_pg_constraint form;
	bool		simple;

	if (!HeapTupleIsValid(tuple))
		return false;
	form = (Form_pg_constraint) GETSTRUCT(tuple);
	simple = !form->condeferrable && form->confmatchtype == FKCONSTR_MATCH_SIMPLE;
	ReleaseSysCache(tuple);
	return simple;
}

static int
place_of(AttrNumber column, int n_columns, const AttrNumber *columns)
{
	for (int i = 0; i < n_columns; i++)
		if (columns[i] == column)
			return i;
	return -1;
}

/*
 * Notes a constraint, if its keys can be collected.
 */
static bool
init_reference(Reference *reference, Relation rel, const ForeignKeyCacheInfo *fk,
			   int n_columns, const AttrNumber *columns, Oid vouched)
{
	Oid			types[INDEX_MAX_KEYS];

	if (!is_simple(fk->conoid))
		return false;
	memcpy(&reference->fk, fk, sizeof(ForeignKeyCacheInfo));
	for (int i = 0; i < fk->nkeys; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(RelationGetDescr(rel), fk->conkey[i] - 1);

		reference->places[i] = place_of(fk->conkey[i], n_columns, columns);
		types[i] = attribute->atttypid;
		if (reference->places[i] < 0 || !key_set_takes(types[i]) ||
			!key_set_takes(get_atttype(fk->confrelid, fk->confkey[i])))
			return false;
	}
	reference->keys = fk->confrelid == vouched ? NULL : key_set_create(fk->nkeys, types);
	return true;
}

/*
 * Collects the keys that rows of rel with these columns refer to, but for those
 * of the table vouched: the caller has just inserted them himself.  Lives in the
 * current memory context.
 */
References *
references_create(Relation rel, int n_columns, const AttrNumber *columns, Oid vouched)
{
	References *references = palloc0(sizeof(References));
	List	   *fks = copyObject(RelationGetFKeyList(rel)); /* the relcache's may be freed */
	ListCell   *cell;

	references->rel = rel;
	references->list = palloc0(sizeof(Reference) * (list_length(fks) + 1));
	foreach(cell, fks)
		if (init_reference(&references->list[references->n], rel, lfirst(cell),
						   n_columns, columns, vouched))
			references->n++;
	return references;
}

/*
 * Is a trigger the check of a constraint whose keys are collected here?  For
 * WriterTarget.handles.
 */
bool
references_handle(const Trigger *trigger, void *arg)
{
	References *references = arg;

	if (RI_FKey_trigger_type(trigger->tgfoid) != RI_TRIGGER_FK)
		return false;
	for (int i = 0; i < references->n; i++)
		if (references->list[i].fk.conoid == trigger->tgconstraint)
			return true;
	return false;
}

/*
 * Takes the keys of a row: the values of the columns, in their order.  nulls may
 * be NULL where none is.
 */
void
references_add(References *references, const Datum *values, const bool *nulls)
{
	for (int i = 0; i < references->n; i++)
	{
		Reference  *reference = &references->list[i];
		Datum		key[INDEX_MAX_KEYS];
		bool		is_null = false;
		bool		found;

		if (reference->keys == NULL)
			continue;
		for (int k = 0; k < reference->fk.nkeys; k++)
		{
			key[k] = values[reference->places[k]];
			is_null |= nulls != NULL && nulls[reference->places[k]];
		}
		if (!is_null)
			(void) key_set_add(reference->keys, key, &found);
	}
}

/* ONLY, as RI_FKey_check() has it, but for a partitioned table. */
static const char *
only(Oid relid)
{
	return get_rel_relkind(relid) == RELKIND_PARTITIONED_TABLE ? "" : "ONLY ";
}

static void
write_condition(StringInfo text, const ForeignKeyCacheInfo *fk)
{
	for (int i = 0; i < fk->nkeys; i++)
		appendStringInfo(text, "%sx.%s OPERATOR(pg_catalog.=) k.c%d", i > 0 ? " AND " : "",
						 query_column(fk->confrelid, fk->confkey[i]), i + 1);
}

/* The referenced columns, for ORDER BY. */
static const char *
key_order(const ForeignKeyCacheInfo *fk)
{
	StringInfoData text;

	initStringInfo(&text);
	for (int i = 0; i < fk->nkeys; i++)
		appendStringInfo(&text, "%sx.%s", i > 0 ? ", " : "", query_column(fk->confrelid, fk->confkey[i]));
	return text.data;
}

static int64
count(const char *text)
{
	bool		isnull;

	query_execute_once(text);
	return DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
}

static void
report_missing(Relation rel, const Reference *reference, int64 key)
{
	const ForeignKeyCacheInfo *fk = &reference->fk;
	const char *constraint = get_constraint_name(fk->conoid);
	StringInfoData columns;
	StringInfoData values;

	initStringInfo(&columns);
	initStringInfo(&values);
	for (int i = 0; i < fk->nkeys; i++)
	{
		appendStringInfo(&columns, "%s%s", i > 0 ? ", " : "",
						 get_attname(RelationGetRelid(rel), fk->conkey[i], false));
		appendStringInfo(&values, "%s%s", i > 0 ? ", " : "", key_set_text(reference->keys, key, i));
	}
	ereport(ERROR,
			(errcode(ERRCODE_FOREIGN_KEY_VIOLATION),
			 errmsg("insert or update on table \"%s\" violates foreign key constraint \"%s\"",
					RelationGetRelationName(rel), constraint),
			 errdetail("Key (%s)=(%s) is not present in table \"%s\".",
					   columns.data, values.data, get_rel_name(fk->confrelid)),
			 errtableconstraint(rel, constraint)));
}

static void
check(Relation rel, const Reference *reference)
{
	const ForeignKeyCacheInfo *fk = &reference->fk;
	Relation	referenced;
	QueryUser	before;
	StringInfoData condition;
	int64		n;

	if (reference->keys == NULL || key_set_count(reference->keys) == 0)
		return;
	/* before a snapshot is taken, see query_execute_latest() */
	query_lock_table(fk->confrelid, RowShareLock);
	referenced = table_open(fk->confrelid, NoLock);
	query_become(RelationGetForm(referenced)->relowner, &before);
	initStringInfo(&condition);
	write_condition(&condition, fk);
	key_set_register(reference->keys, KEYS_NAME);
	/* in one order, so that two sessions do not wait in a circle */
	n = count(psprintf("SELECT pg_catalog.count(*) FROM (SELECT 1 FROM " KEYS_NAME " k, %s%s x WHERE %s ORDER BY %s FOR KEY SHARE OF x) locked",
					   only(fk->confrelid), query_relation(fk->confrelid), condition.data, key_order(fk)));
	if (n != key_set_count(reference->keys))
		report_missing(rel, reference,
					   count(psprintf("SELECT pg_catalog.min(k.n) FROM " KEYS_NAME " k WHERE NOT EXISTS (SELECT FROM %s%s x WHERE %s)",
									  only(fk->confrelid), query_relation(fk->confrelid), condition.data)));
	key_set_unregister(reference->keys, KEYS_NAME);
	query_return(&before);
	table_close(referenced, NoLock);
}

/*
 * Checks, and locks FOR KEY SHARE, all keys that were added.  SPI must be
 * connected.
 *
 * Error: foreign_key_violation, worded as PostgreSQL's own.
 */
void
references_check(References *references)
{
	int			level = query_by_unique_key();

	for (int i = 0; i < references->n; i++)
		check(references->rel, &references->list[i]);
	query_settings_back(level);
}
