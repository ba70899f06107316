/*-------------------------------------------------------------------------
 *
 * src/obscore/reads.c
 *	  Which columns of a registry's tables an ObsCore table is made of.
 *
 * An instrument's record, or a run's, takes part in as many rows as there are
 * datasets.  Most updates of it are of what no row shows: a documentation, the
 * greatest number of a visit, or nothing at all.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "executor/executor.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "core/rows.h"
#include "obscore/reads.h"

/* Is a column named anywhere, or one that begins like it, in what makes the rows of a dataset type? */
static bool
is_named(const ObscoreSelect *select, const char *reference)
{
	ListCell   *cell;
	ListCell   *inner;

	foreach(cell, select->column_values)
		if (strstr(lfirst(cell), reference) != NULL)
			return true;
	foreach(cell, select->joins)
	{
		const ObscoreJoin *join = lfirst(cell);

		if (join->region != NULL && strstr(join->region, reference) != NULL)
			return true;
		foreach(inner, join->values)
			if (strstr(lfirst(inner), reference) != NULL)
				return true;
	}
	return false;
}

/* What is joined in a form of its own has other aliases inside. */
static bool
reads_column(const ObscoreSelect *select, const ObscoreJoin *join, const char *column)
{
	const char *name = quote_identifier(column);

	if (join->lateral != NULL || join->path_only)
		return true;
	return name_in(join->keys, name) || is_named(select, psprintf("%s.%s", join->alias, name));
}

/* Of a joined table the numbers of the columns that are read; remembered. */
static Bitmapset *
columns_of_join(const Obscore *obscore, const ObscoreSelect *select, ObscoreJoin *join, TupleDesc desc)
{
	Bitmapset  *reads = NULL;
	MemoryContext old;

	if (join->reads != NULL)
		return join->reads;
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);

		if (!attribute->attisdropped && reads_column(select, join, NameStr(attribute->attname)))
			reads = bms_add_member(reads, attribute->attnum);
	}
	old = MemoryContextSwitchTo(obscore->context);
	join->reads = bms_copy(reads);
	MemoryContextSwitchTo(old);
	return join->reads;
}

/* All but the storage class. */
static Bitmapset *
columns_of_types(Relation rel)
{
	Bitmapset  *reads = bms_add_range(NULL, 1, RelationGetNumberOfAttributes(rel));

	return bms_del_member(reads, get_attnum(RelationGetRelid(rel), "storage_class"));
}

/* The same of any table of a registry; NULL: it cannot be told. */
static Bitmapset *
columns_of(const Obscore *obscore, Relation rel)
{
	const Registry *registry = obscore->registry;
	Oid			relid = RelationGetRelid(rel);
	Bitmapset  *reads = NULL;
	ListCell   *cell;
	ListCell   *inner;

	if (relid == registry->dataset_type)
		return columns_of_types(rel);
	if (relid == registry->collection)
	{
		reads = bms_add_member(reads, get_attnum(relid, registry->collection_key));
		reads = bms_add_member(reads, get_attnum(relid, "name"));
		return bms_add_member(reads, get_attnum(relid, "type"));
	}
	foreach(cell, obscore->selects)
		foreach(inner, ((ObscoreSelect *) lfirst(cell))->joins)
		{
			ObscoreJoin *join = lfirst(inner);

			if (join->relation == relid)
				reads = bms_add_members(reads, columns_of_join(obscore, lfirst(cell), join, RelationGetDescr(rel)));
		}
	return reads;
}

/* Are two rows the same, to the last bit, in some columns? */
static bool
is_same(const Bitmapset *columns, TupleTableSlot *old, TupleTableSlot *new)
{
	int			column = -1;

	while ((column = bms_next_member(columns, column)) >= 0)
	{
		Form_pg_attribute attribute = TupleDescAttr(old->tts_tupleDescriptor, column - 1);
		bool		old_null;
		bool		new_null;
		Datum		was = slot_getattr(old, column, &old_null);
		Datum		is = slot_getattr(new, column, &new_null);

		if (old_null != new_null || (!old_null && !datum_image_eq(was, is, attribute->attbyval, attribute->attlen)))
			return false;
	}
	return true;
}

static bool
next_row(Tuplestorestate *rows, int pointer, TupleTableSlot *slot)
{
	tuplestore_select_read_pointer(rows, pointer);
	return tuplestore_gettupleslot(rows, true, false, slot);
}

/*
 * Has an UPDATE of a table changed anything that an ObsCore table reads?  Its transition
 * tables have the rows as they were and as they are; row by row in the same order, though
 * where all are the same in that order they are so in any.
 */
bool
obscore_reads_update(const Obscore *obscore, Relation rel, Tuplestorestate *old, Tuplestorestate *new)
{
	Bitmapset  *columns = columns_of(obscore, rel);
	TupleTableSlot *was;
	TupleTableSlot *is;
	int			old_pointer;
	int			new_pointer;
	bool		changed = false;

	if (columns == NULL || tuplestore_tuple_count(old) != tuplestore_tuple_count(new))
		return true;
	was = MakeSingleTupleTableSlot(RelationGetDescr(rel), &TTSOpsMinimalTuple);
	is = MakeSingleTupleTableSlot(RelationGetDescr(rel), &TTSOpsMinimalTuple);
	old_pointer = rows_rewind(old);
	new_pointer = rows_rewind(new);
	while (!changed && next_row(old, old_pointer, was) && next_row(new, new_pointer, is))
		changed = !is_same(columns, was, is);
	ExecDropSingleTupleTableSlot(was);
	ExecDropSingleTupleTableSlot(is);
	return changed;
}

/*
 * Is a dataset type, of those that a transition table of dataset_type has, in an ObsCore
 * table's configuration?  NULL: it has none.
 */
bool
obscore_reads_types(const Obscore *obscore, Relation rel, Tuplestorestate *types)
{
	AttrNumber	name = get_attnum(RelationGetRelid(rel), "name");
	TupleTableSlot *type;
	bool		found = false;

	if (types == NULL)
		return false;
	type = MakeSingleTupleTableSlot(RelationGetDescr(rel), &TTSOpsMinimalTuple);
	(void) rows_rewind(types);
	while (!found && tuplestore_gettupleslot(types, true, false, type))
	{
		bool		isnull;
		Datum		value = slot_getattr(type, name, &isnull);

		found = !isnull && obscore_config_dataset_type(obscore->config, TextDatumGetCString(value)) != NULL;
	}
	ExecDropSingleTupleTableSlot(type);
	return found;
}
