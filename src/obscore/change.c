/*-------------------------------------------------------------------------
 *
 * src/obscore/change.c
 *	  What changed rows of a registry mean for an ObsCore table.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "core/query.h"
#include "obscore/change.h"
#include "obscore/touched.h"

static bool
takes_part(const ObscoreJoin *join, Oid relid, ObscoreChange change)
{
	/* a dimension's record is there before any tag that refers to it */
	return join->relation == relid && (change != CHANGE_INSERT || join->combination);
}

static void
execute_if(bool written, const StringInfoData *text)
{
	if (written)
		query_execute_once(text->data);
}

/*
 * Waits for whoever puts datasets at this moment that the changed records are
 * about, or joins them to others by a record.
 */
static void
lock_records(const Obscore *obscore, Oid relid, const char *changed, ObscoreChange change)
{
	ListCell   *cell;
	ListCell   *inner;
	StringInfoData text;

	initStringInfo(&text);
	obscore_write_record_locks(&text, obscore, relid, changed, change == CHANGE_INSERT);
	if (text.len > 0)
		query_execute_once(text.data);
	foreach(cell, obscore->selects)
		foreach(inner, ((ObscoreSelect *) lfirst(cell))->joins)
		{
			resetStringInfo(&text);
			execute_if(takes_part(lfirst(inner), relid, change) &&
					   obscore_write_locks(&text, obscore, lfirst(cell), lfirst(inner), changed), &text);
		}
}

/* The tags of a dataset type in some collections, an SQL list or a query. */
static char *
tags_in(const Obscore *obscore, const ObscoreSelect *select, const char *collections)
{
	return psprintf("SELECT * FROM %s y WHERE y.dataset_type_id OPERATOR(pg_catalog.=) " INT64_FORMAT
					" AND y.%s OPERATOR(pg_catalog.=) ANY (%s)",
					query_relation(select->type->tags), select->type->id, obscore->registry->tag_key, collections);
}

/*
 * Keeps the records from being changed that rows are made of in collections that come
 * in, as putting their datasets does; who does so at this moment is waited for.
 */
void
obscore_lock_records_of(const Obscore *obscore, const ObscoreSelect *select, const char *collections)
{
	StringInfoData text;

	initStringInfo(&text);
	execute_if(obscore_write_key_locks(&text, obscore, select, psprintf("(%s)", tags_in(obscore, select, collections))), &text);
}

/* The same, and keeps their datasets from being removed. */
static void
lock_collections(const Obscore *obscore, const ObscoreSelect *select, const char *collections)
{
	query_execute_once(psprintf("SELECT pg_catalog.count(*) FROM (%s FOR KEY SHARE OF y) l", tags_in(obscore, select, collections)));
	obscore_lock_records_of(obscore, select, collections);
}

static void
records_changed(const Obscore *obscore, ObscoreSelect *select, Oid relid, const char *changed, ObscoreChange change)
{
	StringInfoData text;
	ListCell   *cell;

	initStringInfo(&text);
	foreach(cell, select->joins)
	{
		const ObscoreJoin *join = lfirst(cell);

		if (!takes_part(join, relid, change))
			continue;
		appendStringInfoString(&text, text.len > 0 ? " UNION ALL " : "");
		obscore_write_affected(&text, obscore, select, join, changed);
	}
	if (text.len > 0)
		obscore_touch(obscore, select, text.data, NULL);
}

/* A collection has got another name, or type. */
static void
collections_changed(const Obscore *obscore, ObscoreSelect *select, const char *changed)
{
	const Registry *registry = obscore->registry;
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfo(&text, "SELECT z.dataset_id FROM %s z WHERE z.dataset_type_id OPERATOR(pg_catalog.=) " INT64_FORMAT
					 " AND z.%s OPERATOR(pg_catalog.=) ANY (SELECT c.%s FROM %s c)",
					 query_relation(select->type->tags), select->type->id, registry->tag_key, registry->collection_key, changed);
	appendStringInfo(&text, " UNION ALL SELECT d.id FROM %s.dataset d WHERE d.dataset_type_id OPERATOR(pg_catalog.=) " INT64_FORMAT
					 " AND d.%s OPERATOR(pg_catalog.=) ANY (SELECT c.%s FROM %s c)",
					 registry->schema, select->type->id, registry->run_key, registry->collection_key, changed);
	obscore_touch_datasets(obscore, select, text.data, NULL);
}

/* A dataset has got another run, or id. */
static void
datasets_changed(const Obscore *obscore, ObscoreSelect *select, const char *changed)
{
	obscore_touch_datasets(obscore, select,
						   psprintf("SELECT d.id FROM %s d WHERE d.dataset_type_id OPERATOR(pg_catalog.=) " INT64_FORMAT,
									changed, select->type->id), NULL);
}

/*
 * Takes all locks that a change needs, before anybody looks at what it is about.
 * SPI must be connected, with the rights of the table's owner in force.
 */
void
obscore_lock_change(const Obscore *obscore, Oid relid, const char *changed, ObscoreChange change)
{
	const Registry *registry = obscore->registry;
	ListCell   *cell;

	if (relid == registry->collection_chain || relid == registry->dataset)
		return;
	if (relid != registry->collection)
		lock_records(obscore, relid, changed, change);
	else if (change == CHANGE_UPDATE)
		foreach(cell, obscore->selects)
			lock_collections(obscore, lfirst(cell),
							 psprintf("SELECT c.%s FROM %s c", registry->collection_key, changed));
}

/*
 * Brings the rows of one dataset type up to date that rows of a table take part
 * in, by whichever event: changed is a relation that has them as they were and as
 * they are.  SPI must be connected, with the rights of the table's owner in force.
 *
 * A collection that has come has no tags, and one that is gone has taken its own
 * along; what a search path has become is seen at the end of the transaction.
 */
void
obscore_apply_change(const Obscore *obscore, ObscoreSelect *select, Oid relid,
					 const char *changed, ObscoreChange change)
{
	const Registry *registry = obscore->registry;

	if (relid == registry->collection_chain || (relid == registry->collection && change != CHANGE_UPDATE))
		return;
	if (relid == select->type->tags)
		obscore_touch(obscore, select,
					  psprintf("SELECT %s FROM %s y WHERE y.dataset_type_id OPERATOR(pg_catalog.=) " INT64_FORMAT,
							   obscore_keys(obscore, select, "y"), changed, select->type->id), NULL);
	else if (relid == registry->collection)
		collections_changed(obscore, select, changed);
	else if (relid == registry->dataset)
		datasets_changed(obscore, select, changed);
	else
		records_changed(obscore, select, relid, changed, change);
}
