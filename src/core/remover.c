/*-------------------------------------------------------------------------
 *
 * src/core/remover.c
 *	  When rows may be deleted without firing triggers.
 *
 * Deleting a row whose key others refer to fires a trigger for each foreign
 * key, and each of those runs a query.  Whoever has removed the references
 * himself, and holds a lock that lets no new one in, may skip them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_trigger.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "core/citus.h"
#include "core/foreign_key.h"
#include "core/remover.h"
#include "core/settings.h"

/*
 * The referring column of a foreign key of one column, or 0.
 */
static AttrNumber
referring_column(Oid constraint)
{
	HeapTuple	tuple = SearchSysCache1(CONSTROID, ObjectIdGetDatum(constraint));
	AttrNumber	column = 0;
	Datum		columns;
	bool		isnull;

	if (!HeapTupleIsValid(tuple))
		return 0;
	columns = SysCacheGetAttr(CONSTROID, tuple, Anum_pg_constraint_conkey, &isnull);
	if (!isnull)
	{
		ArrayType  *array = DatumGetArrayTypeP(columns);

		if (ARR_NDIM(array) == 1 && ARR_DIMS(array)[0] == 1)
			column = ((int16 *) ARR_DATA_PTR(array))[0];
	}
	ReleaseSysCache(tuple);
	return column;
}

static bool
is_referrer(const RemoverTarget *target, Oid table)
{
	for (int i = 0; i < target->n_referrers; i++)
		if (target->referrers[i] == table)
			return true;
	return false;
}

static const char *
trigger_refusal(const RemoverTarget *target, const Trigger *trigger)
{
	AttrNumber	column;

	if (RI_FKey_trigger_type(trigger->tgfoid) != RI_TRIGGER_PK)
	{
		if (target->handles != NULL && target->handles(trigger, target->arg))
			return NULL;
		return psprintf("trigger \"%s\" has to fire", trigger->tgname);
	}
	if (is_referrer(target, trigger->tgconstrrelid))
		return NULL;
	column = referring_column(trigger->tgconstraint);
	if (column == 0 || target->is_referred == NULL)
		return psprintf("table \"%s\" refers to it", get_rel_name(trigger->tgconstrrelid));
	if (target->is_referred(trigger->tgconstrrelid, column, target->arg))
		return psprintf("rows of table \"%s\" refer to it", get_rel_name(trigger->tgconstrrelid));
	return NULL;
}

/*
 * Why rows of a table cannot be deleted without firing triggers, in words;
 * NULL: they can.  The rights considered are the current user's.
 */
const char *
remover_refusal(const RemoverTarget *target)
{
	Relation	rel = table_open(target->table, RowExclusiveLock);
	TriggerDesc *triggers = CopyTriggerDesc(rel->trigdesc);	/* the relcache's may be freed */
	const char *refusal = NULL;

	if (catreg_fk_check == FK_CHECK_ROW)
		refusal = "catreg.fk_check is \"row\"";
	else if (rel->rd_rel->relkind != RELKIND_RELATION)
		refusal = "it is not a plain table";
	else if (citus_keeps(target->table))
		refusal = "Citus keeps its rows";
	else if (rel->rd_rules != NULL)
		refusal = "it has rules";
	else if (!target->as_owner &&
			 check_enable_rls(target->table, InvalidOid, true) == RLS_ENABLED)
		refusal = "row security applies";
	else if (!target->as_owner &&
			 pg_class_aclmask(target->table, GetUserId(), ACL_DELETE | ACL_SELECT,
							  ACLMASK_ALL) != (ACL_DELETE | ACL_SELECT))
		refusal = "the user lacks a privilege";

	for (int i = 0; refusal == NULL && triggers != NULL && i < triggers->numtriggers; i++)
	{
		const Trigger *trigger = &triggers->triggers[i];

		if (TRIGGER_FOR_DELETE(trigger->tgtype) && foreign_key_fires(trigger))
			refusal = trigger_refusal(target, trigger);
	}
	FreeTriggerDesc(triggers);
	/* an error for a published table that has no replica identity */
	if (refusal == NULL)
		CheckCmdReplicaIdentity(rel, CMD_DELETE);
	table_close(rel, NoLock);
	if (refusal != NULL)
		ereport(DEBUG1,
				(errmsg_internal("catreg: rows of table \"%s\" are deleted by plain DELETE: %s",
								 get_rel_name(target->table), refusal)));
	return refusal;
}

/*
 * Deletes rows that the caller has locked FOR UPDATE, without firing triggers:
 * remover_refusal() has found nothing against it.
 */
void
remover_delete(Oid table, ItemPointerData *tids, uint64 n)
{
	Relation	rel = table_open(table, RowExclusiveLock);
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());

	for (uint64 i = 0; i < n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		simple_table_tuple_delete(rel, &tids[i], snapshot);
	}
	UnregisterSnapshot(snapshot);
	table_close(rel, NoLock);
	CommandCounterIncrement();
}
