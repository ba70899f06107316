/*-------------------------------------------------------------------------
 *
 * src/closure/definition.c
 *	  What catreg.closure says of a tree, checked and cached.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/partition.h"
#include "catalog/pg_inherits.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "closure/closure.h"
#include "core/citus.h"
#include "core/compat.h"
#include "core/foreign_key.h"
#include "core/invalidate.h"
#include "core/key_scan.h"
#include "core/query.h"

static HTAB *closures = NULL;	/* of Closure, by tree */
static Oid	definition_table = InvalidOid;

/*
 * Drops what is known of a changed tree or closure table; all of it where the
 * table of definitions itself has changed.
 */
static void
forget_closure(Oid relid)
{
	HASH_SEQ_STATUS scan;
	Closure    *closure;

	if (closures == NULL)
		return;
	hash_seq_init(&scan, closures);
	while ((closure = hash_seq_search(&scan)) != NULL)
		if (relid == InvalidOid || relid == definition_table ||
			relid == closure->tree || relid == closure->closure)
			closure->valid = false;
}

void
closure_init(void)
{
	invalidate_subscribe(forget_closure);
	closure_replica_init();
}

/*
 * The number of a column that must be an integer or a bigint; type is set to
 * which, or, where it is valid already, must be the same.
 */
static AttrNumber
integer_column(Oid relid, const char *name, Oid *type)
{
	AttrNumber	attnum = get_attnum(relid, name);
	Oid			found;

	if (attnum <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column \"%s\" of relation \"%s\" does not exist",
						name, get_rel_name(relid)),
				 errhint("catreg.create_closure() takes the names of all columns; catreg.drop_closure() comes first where it was called before.")));
	found = get_atttype(relid, attnum);
	if (found != INT4OID && found != INT8OID)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("column \"%s\" of relation \"%s\" is of type %s",
						name, get_rel_name(relid), format_type_be(found)),
				 errdetail("Ids are of type integer or bigint.")));
	if (OidIsValid(*type) && found != *type)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("column \"%s\" of relation \"%s\" is of type %s, not %s",
						name, get_rel_name(relid), format_type_be(found),
						format_type_be(*type)),
				 errdetail("All ids of a tree and of its closure are of one type.")));
	*type = found;
	return attnum;
}

/*
 * Is there a unique index on these columns, or on some of them, that holds at
 * every moment?  second is 0 where there is but one column.
 */
static bool
columns_are_unique(Relation rel, AttrNumber first, AttrNumber second)
{
	List	   *indexes = RelationGetIndexList(rel);
	ListCell   *cell;
	bool		unique = false;

	foreach(cell, indexes)
	{
		Relation	index = index_open(lfirst_oid(cell), AccessShareLock);
		Form_pg_index form = index->rd_index;
		bool		covered = true;

		for (int i = 0; i < form->indnkeyatts; i++)
			if (form->indkey.values[i] == 0 ||
				(form->indkey.values[i] != first && form->indkey.values[i] != second))
				covered = false;
		if (covered && form->indisunique && form->indisvalid && form->indimmediate &&
			RelationGetIndexPredicate(index) == NIL)
			unique = true;
		index_close(index, AccessShareLock);
	}
	list_free(indexes);
	return unique;
}

/*
 * Finds the columns, and what constraints prove.  names: id, parent, ancestor,
 * descendant, depth.
 */
static void
resolve(Closure *closure, char *const names[5])
{
	Oid			depth_type = InvalidOid;
	Relation	tree;
	Relation	table;
	Oid			up;
	Oid			down;

	if (get_rel_name(closure->tree) == NULL || get_rel_name(closure->closure) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("a table that catreg.closure names does not exist any more"),
				 errhint("catreg.drop_closure() forgets it.")));

	closure->type = InvalidOid;
	closure->id = integer_column(closure->tree, names[0], &closure->type);
	closure->parent = integer_column(closure->tree, names[1], &closure->type);
	closure->ancestor = integer_column(closure->closure, names[2], &closure->type);
	closure->descendant = integer_column(closure->closure, names[3], &closure->type);
	closure->depth = integer_column(closure->closure, names[4], &depth_type);
	if (depth_type != INT4OID)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("column \"%s\" of relation \"%s\" is of type %s",
						names[4], get_rel_name(closure->closure),
						format_type_be(depth_type)),
				 errdetail("A depth is of type integer.")));

	tree = table_open(closure->tree, AccessShareLock);
	table = table_open(closure->closure, AccessShareLock);
	closure->parents_exist =
		OidIsValid(foreign_key_enforced(tree, closure->parent,
										closure->tree, closure->id));
	up = foreign_key_enforced(table, closure->ancestor, closure->tree, closure->id);
	down = foreign_key_enforced(table, closure->descendant, closure->tree, closure->id);
	closure->cascades = OidIsValid(up) && foreign_key_cascades(up) &&
		OidIsValid(down) && foreign_key_cascades(down);
	closure->unique = columns_are_unique(table, closure->ancestor, closure->descendant);
	closure->indexed = key_scan_has_index(tree, closure->parent) &&
		key_scan_has_index(table, closure->descendant);
	table_close(table, AccessShareLock);
	table_close(tree, AccessShareLock);
}

static void
write_definition(StringInfo text, const void *arg)
{
	appendStringInfoString(text,
						   "SELECT closure, id, parent, ancestor, descendant, depth "
						   "FROM catreg.closure WHERE tree OPERATOR(pg_catalog.=) $1");
}

/*
 * Reads the definition of a tree; false: there is none.
 */
static bool
load(Closure *closure)
{
	Oid			type = REGCLASSOID;
	Datum		tree = ObjectIdGetDatum(closure->tree);
	bool		found;

	/* the extension may have been dropped and created again */
	definition_table = get_relname_relid("closure",
										 get_namespace_oid("catreg", false));

	SPI_connect();
	query_execute_latest(query_plan(definition_table, QUERY_CLOSURE_DEFINITION,
									write_definition, NULL, 1, &type),
						 &tree, false);
	found = SPI_processed == 1;
	if (found)
	{
		HeapTuple	row = SPI_tuptable->vals[0];
		TupleDesc	desc = SPI_tuptable->tupdesc;
		bool		isnull;
		char	   *names[5];

		closure->closure = DatumGetObjectId(SPI_getbinval(row, desc, 1, &isnull));
		for (int i = 0; i < 5; i++)
			names[i] = SPI_getvalue(row, desc, i + 2);
		resolve(closure, names);
		query_forget(closure->tree);
	}
	SPI_finish();
	return found;
}

static void
report_no_closure(Oid relid)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("table \"%s\" has no closure", get_rel_name(relid)),
			 errhint("catreg.create_closure() makes one.")));
}

/*
 * The closure of a tree, or of the tree that a partition belongs to.  The
 * result is good until the next query, which may run invalidations: copy it.
 */
const Closure *
closure_get(Oid relid, bool missing_ok)
{
	Closure    *closure;
	bool		found;

	if (get_rel_relispartition(relid))
		relid = llast_oid(get_partition_ancestors(relid));

	if (closures == NULL)
	{
		HASHCTL		ctl;

		ctl.keysize = sizeof(Oid);
		ctl.entrysize = sizeof(Closure);
		closures = hash_create("catreg closures", 8, &ctl, HASH_ELEM | HASH_BLOBS);
	}
	closure = hash_search(closures, &relid, HASH_ENTER, &found);
	if (found && closure->valid)
		return closure;

	/* loading may run invalidations: an entry they hit must stay invalid */
	for (int attempt = 0;; attempt++)
	{
		closure->closure = InvalidOid;
		closure->valid = true;
		PG_TRY();
		{
			found = load(closure);
		}
		PG_CATCH();
		{
			closure->valid = false;
			PG_RE_THROW();
		}
		PG_END_TRY();
		if (!found || closure->valid || attempt == 3)
			break;
	}
	if (found)
		return closure;
	closure->valid = false;
	if (!missing_ok)
		report_no_closure(relid);
	return NULL;
}

/*
 * Whose rights maintenance has: those of the closure table's owner.
 */
Oid
closure_owner(const Closure *closure)
{
	Relation	rel = table_open(closure->closure, AccessShareLock);
	Oid			owner = RelationGetForm(rel)->relowner;

	table_close(rel, AccessShareLock);
	return owner;
}

/*
 * Refuses a table that no closure can be kept of, or in.  One that vanishes
 * with its session, without a trace, would leave its definition behind.
 */
static void
check_table(Oid relid)
{
	Relation	rel = table_open(relid, AccessShareLock);
	char		relkind = RelationGetForm(rel)->relkind;

	if (relkind != RELKIND_RELATION && relkind != RELKIND_PARTITIONED_TABLE)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not a table", RelationGetRelationName(rel))));
	if (RelationGetForm(rel)->relispartition)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is a partition", RelationGetRelationName(rel)),
				 errhint("Name the partitioned table.")));
	if (citus_keeps(relid))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("the rows of \"%s\" are kept by Citus", RelationGetRelationName(rel))));
	if (RelationGetForm(rel)->relpersistence == RELPERSISTENCE_TEMP)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("\"%s\" is a temporary table", RelationGetRelationName(rel))));
	if (relkind == RELKIND_RELATION &&
		(find_inheritance_children(relid, NoLock) != NIL || has_superclass(relid)))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("\"%s\" takes part in inheritance", RelationGetRelationName(rel)),
				 errdetail("Statement triggers do not see rows that go to a child table.")));
	if (!pg_class_ownercheck(relid, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_TABLE, RelationGetRelationName(rel));
	table_close(rel, AccessShareLock);
}

/*
 * Refuses tables that do not go together.  Maintenance has the rights of just
 * one owner; and a crash empties an unlogged table.
 */
static void
check_pair(Oid tree, Oid table)
{
	Relation	tree_rel = table_open(tree, AccessShareLock);
	Relation	table_rel = table_open(table, AccessShareLock);

	if (RelationGetForm(tree_rel)->relowner != RelationGetForm(table_rel)->relowner)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("tables \"%s\" and \"%s\" have different owners",
						RelationGetRelationName(tree_rel),
						RelationGetRelationName(table_rel)),
				 errdetail("The closure is written with the rights of its owner, who has to read the tree.")));
	if (RelationGetForm(tree_rel)->relpersistence != RelationGetForm(table_rel)->relpersistence)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("one of the tables \"%s\" and \"%s\" is unlogged, and the other is not",
						RelationGetRelationName(tree_rel),
						RelationGetRelationName(table_rel))));
	if (tree == table)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("table \"%s\" cannot be its own closure",
						RelationGetRelationName(tree_rel))));
	table_close(table_rel, AccessShareLock);
	table_close(tree_rel, AccessShareLock);
}

/*
 * Refuses ids that are not unique, since a path would not be either.
 */
static void
check_unique(Oid tree, AttrNumber id)
{
	Relation	rel = table_open(tree, AccessShareLock);

	if (!columns_are_unique(rel, id, 0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TABLE_DEFINITION),
				 errmsg("column \"%s\" of relation \"%s\" is not unique",
						get_attname(tree, id, false), RelationGetRelationName(rel)),
				 errhint("Make it the primary key, or add a unique constraint.")));
	table_close(rel, AccessShareLock);
}

static uint64
execute_on_definitions(const char *text, int nargs, Oid *types, Datum *values)
{
	return query_execute_on_definitions("closure", text, nargs, types, values, NULL);
}

/*
 * Notes that the closure of a tree has been compared with it just now.
 */
void
closure_refreshed(Oid tree)
{
	Oid			type = REGCLASSOID;
	Datum		value = ObjectIdGetDatum(tree);

	execute_on_definitions("UPDATE catreg.closure SET refreshed = pg_catalog.now() "
						   "WHERE tree OPERATOR(pg_catalog.=) $1",
						   1, &type, &value);
}

PG_FUNCTION_INFO_V1(closure_define);

/*
 * closure_define(tree, closure, id, parent, ancestor, descendant, depth): checks
 * a definition and writes it into catreg.closure, for the owner of both tables.
 */
Datum
closure_define(PG_FUNCTION_ARGS)
{
	Oid			types[7] = {REGCLASSOID, REGCLASSOID, NAMEOID, NAMEOID, NAMEOID, NAMEOID, NAMEOID};
	Datum		values[7];
	Closure		closure;
	char	   *names[5];

	closure.tree = PG_GETARG_OID(0);
	closure.closure = PG_GETARG_OID(1);
	for (int i = 0; i < 7; i++)
		values[i] = PG_GETARG_DATUM(i);
	for (int i = 0; i < 5; i++)
		names[i] = NameStr(*PG_GETARG_NAME(i + 2));

	check_table(closure.tree);
	check_table(closure.closure);
	check_pair(closure.tree, closure.closure);
	if (closure_get(closure.tree, true) != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("table \"%s\" already has a closure", get_rel_name(closure.tree)),
				 errhint("catreg.drop_closure() leaves it to itself.")));
	resolve(&closure, names);
	check_unique(closure.tree, closure.id);

	if (execute_on_definitions("INSERT INTO catreg.closure (tree, closure, id, parent, ancestor, descendant, depth) "
							   "VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING",
							   7, types, values) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("table \"%s\" is the closure of another tree already",
						get_rel_name(closure.closure))));
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(closure_undefine);

/*
 * closure_undefine(tree): removes the definition of a tree, for its owner,
 * though its tables may not be what it says any more.
 */
Datum
closure_undefine(PG_FUNCTION_ARGS)
{
	Oid			tree = PG_GETARG_OID(0);
	Oid			type = REGCLASSOID;
	Datum		value = PG_GETARG_DATUM(0);

	if (!pg_class_ownercheck(tree, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_TABLE, get_rel_name(tree));
	if (execute_on_definitions("DELETE FROM catreg.closure WHERE tree OPERATOR(pg_catalog.=) $1",
							   1, &type, &value) == 0)
		report_no_closure(tree);
	PG_RETURN_VOID();
}
