/*-------------------------------------------------------------------------
 *
 * src/obscore/statement_tags.c
 *	  What a statement has done to a tags table, in numbers.
 *
 * A transition table is read once for all ObsCore tables and dataset types, to
 * see which of them it is about; most are about none of what a statement does.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "core/rows.h"
#include "obscore/statement_tags.h"

typedef struct TagColumns
{
	AttrNumber	dataset_type;
	AttrNumber	collection;
	bool		narrow_type;	/* int4, as the collection may be */
	bool		narrow_collection;
	bool		by_name;
} TagColumns;

static TagColumns
tag_columns(Oid relid, const Registry *registry)
{
	TagColumns	columns;

	columns.dataset_type = get_attnum(relid, "dataset_type_id");
	columns.collection = get_attnum(relid, registry->tag_key);
	columns.narrow_type = get_atttype(relid, columns.dataset_type) == INT4OID;
	columns.narrow_collection = get_atttype(relid, columns.collection) == INT4OID;
	columns.by_name = registry->key_type == TEXTOID;
	return columns;
}

/* The group of a row: mostly that of the row before. */
static TagGroup *
group_of(StatementTags *tags, int *last, int64 dataset_type, Datum collection, bool by_name)
{
	for (int i = 0; i < tags->n_groups; i++)
	{
		TagGroup   *group = &tags->groups[(*last + i) % tags->n_groups];

		if (group->dataset_type == dataset_type && datumIsEqual(group->collection, collection, !by_name, by_name ? -1 : sizeof(int64)))
		{
			*last = (*last + i) % tags->n_groups;
			return group;
		}
	}
	if ((tags->n_groups & (tags->n_groups + 1)) == 0)
		tags->groups = tags->groups == NULL ? palloc(sizeof(TagGroup))
			: repalloc(tags->groups, sizeof(TagGroup) * (2 * tags->n_groups + 1));
	*last = tags->n_groups++;
	tags->groups[*last].dataset_type = dataset_type;
	tags->groups[*last].collection = datumCopy(collection, !by_name, by_name ? -1 : sizeof(int64));
	tags->groups[*last].n = 0;
	return &tags->groups[*last];
}

/*
 * The rows of a tags table's transition table, by dataset type and collection; in
 * the given memory context.
 */
const StatementTags *
statement_tags(Relation rel, const Registry *registry, Tuplestorestate *rows, MemoryContext context)
{
	MemoryContext old = MemoryContextSwitchTo(context);
	StatementTags *tags = palloc0(sizeof(StatementTags));
	TagColumns	columns = tag_columns(RelationGetRelid(rel), registry);
	TupleTableSlot *slot = MakeSingleTupleTableSlot(RelationGetDescr(rel), &TTSOpsMinimalTuple);
	int			last = 0;

	(void) rows_rewind(rows);
	while (tuplestore_gettupleslot(rows, true, false, slot))
	{
		bool		isnull;
		Datum		type = slot_getattr(slot, columns.dataset_type, &isnull);
		Datum		collection = slot_getattr(slot, columns.collection, &isnull);

		if (columns.narrow_collection)
			collection = Int64GetDatum(DatumGetInt32(collection));
		else if (columns.by_name)
			collection = PointerGetDatum(PG_DETOAST_DATUM_PACKED(collection));
		group_of(tags, &last, columns.narrow_type ? DatumGetInt32(type) : DatumGetInt64(type),
				 collection, columns.by_name)->n++;
	}
	ExecDropSingleTupleTableSlot(slot);
	MemoryContextSwitchTo(old);
	return tags;
}
