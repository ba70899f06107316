/*-------------------------------------------------------------------------
 *
 * src/core/foreign_key.c
 *	  Foreign keys of one integer column: what is proven, and set-wise checks.
 *
 * PostgreSQL checks a new row's foreign key in a trigger for each row
 * (RI_FKey_check() in ri_triggers.c), which is half to two thirds of the cost
 * of any bulk insert.  foreign_key_check() does the same for a set of keys in
 * one query, with the lock that the row check takes (FOR KEY SHARE) and with
 * the rights that it has (those of the referenced table's owner).
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

#include "core/foreign_key.h"
#include "core/key_scan.h"
#include "core/query.h"

/*
 * Does an enabled trigger fire in this session, under its
 * session_replication_role?  (TriggerEnabled() in PostgreSQL's trigger.c.)
 */
bool
foreign_key_fires(const Trigger *trigger)
{
	if (trigger->tgenabled == TRIGGER_DISABLED)
		return false;
	if (SessionReplicationRole == SESSION_REPLICATION_ROLE_REPLICA)
		return trigger->tgenabled != TRIGGER_FIRES_ON_ORIGIN;
	return trigger->tgenabled != TRIGGER_FIRES_ON_REPLICA;
}

/*
 * Is there, among the triggers of a relation, one that belongs to a constraint
 * and fires in ordinary sessions?  side is RI_TRIGGER_FK or RI_TRIGGER_PK.
 */
static bool
constraint_is_live(Relation rel, Oid constraint, int side, int event)
{
	TriggerDesc *triggers = rel->trigdesc;

	if (triggers == NULL)
		return false;
	for (int i = 0; i < triggers->numtriggers; i++)
	{
		Trigger    *trigger = &triggers->triggers[i];

		if (trigger->tgconstraint == constraint &&
			RI_FKey_trigger_type(trigger->tgfoid) == side &&
			(trigger->tgtype & event) != 0 &&
			(trigger->tgenabled == TRIGGER_FIRES_ON_ORIGIN ||
			 trigger->tgenabled == TRIGGER_FIRES_ALWAYS))
			return true;
	}
	return false;
}

/*
 * Is this trigger PostgreSQL's check of rows inserted into rel, for a foreign
 * key of just one column that references that table?  A check that waits for
 * the end of the transaction is not: it allows what an early one refuses.
 */
bool
foreign_key_trigger_matches(Relation rel, const Trigger *trigger,
							AttrNumber column, Oid references)
{
	ListCell   *cell;

	if (RI_FKey_trigger_type(trigger->tgfoid) != RI_TRIGGER_FK ||
		trigger->tgdeferrable)
		return false;
	foreach(cell, RelationGetFKeyList(rel))
	{
		ForeignKeyCacheInfo *fk = lfirst_node(ForeignKeyCacheInfo, cell);

		if (fk->conoid == trigger->tgconstraint)
			return fk->nkeys == 1 && fk->conkey[0] == column &&
				fk->confrelid == references;
	}
	return false;
}

/*
 * The constraint that guarantees, row by row and at the end of each statement,
 * that every value of a column is a key of another table; InvalidOid if none
 * does: there is none, it is NOT VALID, deferrable, or switched off.  Under
 * session_replication_role = replica it guarantees nothing; what is said here
 * does not depend on that, and may be kept.
 */
Oid
foreign_key_enforced(Relation rel, AttrNumber column, Oid references,
					 AttrNumber key)
{
	List	   *fks = copyObject(RelationGetFKeyList(rel)); /* the relcache's may be freed */
	ListCell   *cell;

	foreach(cell, fks)
	{
		ForeignKeyCacheInfo *fk = lfirst_node(ForeignKeyCacheInfo, cell);
		HeapTuple	tuple;
		Form_pg_constraint constraint;
		Relation	referenced;
		bool		live;

		if (fk->nkeys != 1 || fk->conkey[0] != column ||
			fk->confrelid != references || fk->confkey[0] != key)
			continue;

		tuple = SearchSysCache1(CONSTROID, ObjectIdGetDatum(fk->conoid));
		if (!HeapTupleIsValid(tuple))
			continue;
		constraint = (Form_pg_constraint) GETSTRUCT(tuple);
		live = constraint->convalidated && !constraint->condeferrable;
		ReleaseSysCache(tuple);
		if (!live)
			continue;

		referenced = table_open(references, AccessShareLock);
		live = constraint_is_live(rel, fk->conoid, RI_TRIGGER_FK, TRIGGER_TYPE_INSERT) &&
			constraint_is_live(rel, fk->conoid, RI_TRIGGER_FK, TRIGGER_TYPE_UPDATE) &&
			constraint_is_live(referenced, fk->conoid, RI_TRIGGER_PK, TRIGGER_TYPE_DELETE) &&
			constraint_is_live(referenced, fk->conoid, RI_TRIGGER_PK, TRIGGER_TYPE_UPDATE);
		table_close(referenced, AccessShareLock);
		if (live)
			return fk->conoid;
	}
	return InvalidOid;
}

/*
 * Does a foreign key take its rows along when the key's row is deleted?
 */
bool
foreign_key_cascades(Oid constraint)
{
	HeapTuple	tuple = SearchSysCache1(CONSTROID, ObjectIdGetDatum(constraint));
	bool		cascades;

	if (!HeapTupleIsValid(tuple))
		return false;
	cascades = ((Form_pg_constraint) GETSTRUCT(tuple))->confdeltype == FKCONSTR_ACTION_CASCADE;
	ReleaseSysCache(tuple);
	return cascades;
}

typedef struct CheckedKey
{
	Oid			references;
	AttrNumber	key;
} CheckedKey;

/* ONLY, as RI_FKey_check() has it, but for a partitioned table. */
static void
write_from_referenced(StringInfo text, const CheckedKey *checked)
{
	appendStringInfo(text, "FROM %s%s x WHERE x.%s",
					 get_rel_relkind(checked->references) == RELKIND_PARTITIONED_TABLE ? "" : "ONLY ",
					 query_relation(checked->references),
					 query_column(checked->references, checked->key));
}

static void
write_check(StringInfo text, const void *arg)
{
	appendStringInfoString(text, "SELECT pg_catalog.count(*) FROM (SELECT 1 ");
	write_from_referenced(text, arg);
	appendStringInfoString(text, " OPERATOR(pg_catalog.=) ANY ($1) FOR KEY SHARE OF x) locked");
}

static void
write_missing(StringInfo text, const void *arg)
{
	appendStringInfoString(text, "SELECT pg_catalog.min(k) FROM pg_catalog.unnest($1) k WHERE NOT EXISTS (SELECT ");
	write_from_referenced(text, arg);
	appendStringInfoString(text, " OPERATOR(pg_catalog.=) k)");
}

/* The name of a foreign key, as the message of a violation has it. */
static const char *
constraint_name(Relation rel, AttrNumber column, Oid references)
{
	ListCell   *cell;

	foreach(cell, RelationGetFKeyList(rel))
	{
		ForeignKeyCacheInfo *fk = lfirst_node(ForeignKeyCacheInfo, cell);

		if (fk->nkeys == 1 && fk->conkey[0] == column &&
			fk->confrelid == references)
			return get_constraint_name(fk->conoid);
	}
	return "";
}

static void
report_missing(Relation rel, AttrNumber column, Relation referenced, const char *key)
{
	const char *constraint = constraint_name(rel, column, RelationGetRelid(referenced));

	ereport(ERROR,
			(errcode(ERRCODE_FOREIGN_KEY_VIOLATION),
			 errmsg("insert or update on table \"%s\" violates foreign key constraint \"%s\"",
					RelationGetRelationName(rel), constraint),
			 errdetail("Key (%s)=(%s) is not present in table \"%s\".",
					   get_attname(RelationGetRelid(rel), column, false), key,
					   RelationGetRelationName(referenced)),
			 errtableconstraint(rel, constraint)));
}

/*
 * The check where no index of a plain table serves: by queries.
 */
static void
check_by_query(Relation rel, AttrNumber column, Relation referenced,
			   AttrNumber key, Oid type, const IdList *keys)
{
	CheckedKey	checked = {RelationGetRelid(referenced), key};
	Oid			array_type = get_array_type(type);
	Datum		array = id_list_array(keys, type);
	Datum		found;
	bool		isnull;

	query_execute_latest(query_plan(checked.references, QUERY_FOREIGN_KEY, write_check,
									&checked, 1, &array_type),
						 &array, false);
	found = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
	SPI_freetuptable(SPI_tuptable);
	if (DatumGetInt64(found) == keys->n)
		return;
	query_execute_latest(query_plan(checked.references, QUERY_FOREIGN_KEY_MISSING,
									write_missing, &checked, 1, &array_type),
						 &array, false);
	report_missing(rel, column, referenced,
				   SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1));
}

/*
 * Checks, and locks FOR KEY SHARE, the keys that new rows of rel have in a
 * column; sorts the list and drops its duplicates.  type is that of the
 * referenced key.  SPI must be connected.
 *
 * Error: foreign_key_violation, worded as PostgreSQL's own.
 */
void
foreign_key_check(Relation rel, AttrNumber column, Oid references,
				  AttrNumber key, Oid type, IdList *keys)
{
	Relation	referenced;
	QueryUser	before;
	KeyScan    *scan;

	id_list_sort_unique(keys);
	if (keys->n == 0)
		return;

	/* before a snapshot is taken, see query_execute_latest() */
	query_lock_table(references, RowShareLock);
	referenced = table_open(references, NoLock);
	query_become(RelationGetForm(referenced)->relowner, &before);
	scan = key_scan_begin(referenced, key, type);
	if (scan == NULL)
		check_by_query(rel, column, referenced, key, type, keys);
	else
	{
		for (int64 i = 0; i < keys->n; i++)
			if (key_scan_lock_key(scan, keys->ids[i], LockTupleKeyShare) == NULL)
				report_missing(rel, column, referenced, psprintf(INT64_FORMAT, keys->ids[i]));
		key_scan_end(scan);
	}
	query_return(&before);
	table_close(referenced, NoLock);
}
