/*-------------------------------------------------------------------------
 *
 * src/tiled/layout.c
 *	  Finds the tables of a Tiled catalog, and which version's they are.
 *
 * A catalog is known by its columns and not by alembic_version: those that a
 * server makes for itself carry none.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/dependency.h"
#include "catalog/pg_enum.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/catcache.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "core/citus.h"
#include "tiled/tiled.h"

#define ANY_ENUM InvalidOid

typedef struct KnownColumn
{
	const char *table;
	const char *column;
	Oid			type;			/* ANY_ENUM: an enum */
} KnownColumn;

/* The columns that every supported version has. */
static const KnownColumn known_columns[] = {
	{"nodes", "id", INT4OID},
	{"nodes", "parent", INT4OID},
	{"nodes", "key", VARCHAROID},
	{"nodes", "structure_family", ANY_ENUM},
	{"nodes", "metadata", JSONBOID},
	{"nodes", "specs", JSONBOID},
	{"nodes", "time_created", TIMESTAMPOID},
	{"nodes", "time_updated", TIMESTAMPOID},
	{"nodes_closure", "ancestor", INT4OID},
	{"nodes_closure", "descendant", INT4OID},
	{"nodes_closure", "depth", INT4OID},
	{"structures", "id", VARCHAROID},
	{"structures", "structure", JSONBOID},
	{"data_sources", "id", INT4OID},
	{"data_sources", "node_id", INT4OID},
	{"data_sources", "structure_id", VARCHAROID},
	{"data_sources", "mimetype", VARCHAROID},
	{"data_sources", "parameters", JSONBOID},
	{"data_sources", "properties", JSONBOID},
	{"data_sources", "management", ANY_ENUM},
	{"data_sources", "structure_family", ANY_ENUM},
	{"data_sources", "time_created", TIMESTAMPOID},
	{"data_sources", "time_updated", TIMESTAMPOID},
	{"assets", "id", INT4OID},
	{"assets", "data_uri", VARCHAROID},
	{"assets", "is_directory", BOOLOID},
	{"assets", "hash_type", VARCHAROID},
	{"assets", "hash_content", VARCHAROID},
	{"assets", "size", INT8OID},
	{"assets", "time_created", TIMESTAMPOID},
	{"assets", "time_updated", TIMESTAMPOID},
	{"data_source_asset_association", "data_source_id", INT4OID},
	{"data_source_asset_association", "asset_id", INT4OID},
	{"data_source_asset_association", "parameter", VARCHAROID},
	{"data_source_asset_association", "num", INT4OID},
	{"revisions", "id", INT4OID},
	{"revisions", "node_id", INT4OID},
	{"revisions", "revision_number", INT4OID},
	{"revisions", "metadata", JSONBOID},
	{"revisions", "specs", JSONBOID},
	{"revisions", "time_created", TIMESTAMPOID},
	{"revisions", "time_updated", TIMESTAMPOID},
};

/* What a version has besides. */
static const KnownColumn blob_columns[] = {
	{"nodes", "access_blob", JSONBOID},
	{"revisions", "access_blob", JSONBOID},
};

static const KnownColumn tag_columns[] = {
	{"access_tags", "id", INT4OID},
	{"access_tags", "name", VARCHAROID},
	{"access_tags", "is_public", BOOLOID},
	{"node_access_tags_association", "node_id", INT4OID},
	{"node_access_tags_association", "tag_id", INT4OID},
};

static void
refuse(Oid schema, const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("schema \"%s\" holds no Tiled catalog of a known layout",
					get_namespace_name(schema)),
			 errdetail_internal("%s", detail),
			 errhint("catreg knows the catalogs of tiled 0.2.16 (nodes with access_blob) and 0.2.20 (node_access_tags_association).")));
}

static void
check_columns(Oid schema, const KnownColumn *columns, int n)
{
	for (int i = 0; i < n; i++)
	{
		Oid			table = get_relname_relid(columns[i].table, schema);
		AttrNumber	column;
		Oid			type;

		if (!OidIsValid(table))
			refuse(schema, psprintf("There is no table \"%s\".", columns[i].table));
		if (get_rel_relkind(table) != RELKIND_RELATION || citus_keeps(table))
			refuse(schema, psprintf("\"%s\" is not a plain table.", columns[i].table));
		column = get_attnum(table, columns[i].column);
		if (column <= 0)
			refuse(schema, psprintf("Table \"%s\" has no column \"%s\".",
									columns[i].table, columns[i].column));
		type = get_atttype(table, column);
		if (columns[i].type == ANY_ENUM ? !type_is_enum(type) : type != columns[i].type)
			refuse(schema, psprintf("Column \"%s\" of table \"%s\" is of type %s.",
									columns[i].column, columns[i].table, format_type_be(type)));
	}
}

static bool
is_known(const char *table, const char *column)
{
	for (int i = 0; i < lengthof(known_columns); i++)
		if (strcmp(known_columns[i].table, table) == 0 &&
			strcmp(known_columns[i].column, column) == 0)
			return true;
	return strcmp(column, "access_blob") == 0;
}

/*
 * Refuses a table that wants a value for a column that nothing is known of.
 */
static void
check_no_others(Oid schema, Oid table)
{
	Relation	rel = table_open(table, AccessShareLock);
	TupleDesc	desc = RelationGetDescr(rel);

	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);

		if (!attribute->attisdropped && attribute->attnotnull &&
			!attribute->atthasdef && attribute->attidentity == '\0' &&
			!is_known(RelationGetRelationName(rel), NameStr(attribute->attname)))
			refuse(schema, psprintf("Column \"%s\" of table \"%s\" is not known, may not be null, and has no default.",
									NameStr(attribute->attname), RelationGetRelationName(rel)));
	}
	table_close(rel, AccessShareLock);
}

/*
 * The sequence behind an id.
 */
static Oid
sequence_of(Oid schema, Oid table)
{
	List	   *sequences = getOwnedSequences(table);

	if (list_length(sequences) != 1)
		refuse(schema, psprintf("Table \"%s\" owns %d sequences instead of one.",
								get_rel_name(table), list_length(sequences)));
	return linitial_oid(sequences);
}

/*
 * Finds the catalog in a schema.
 *
 * Error: feature_not_supported, saying what was found, where it is no catalog,
 * or of a version that this code does not know.
 */
void
tiled_layout(Oid schema, TiledLayout *layout)
{
	if (get_namespace_name(schema) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_SCHEMA),
				 errmsg("schema with OID %u does not exist", schema)));
	check_columns(schema, known_columns, lengthof(known_columns));
	layout->schema = schema;
	layout->nodes = get_relname_relid("nodes", schema);
	layout->closure = get_relname_relid("nodes_closure", schema);
	layout->structures = get_relname_relid("structures", schema);
	layout->data_sources = get_relname_relid("data_sources", schema);
	layout->assets = get_relname_relid("assets", schema);
	layout->association = get_relname_relid("data_source_asset_association", schema);
	layout->revisions = get_relname_relid("revisions", schema);
	layout->access_tags = InvalidOid;
	layout->node_tags = InvalidOid;
	layout->node_tags_have_parent = false;

	layout->has_access_blob = get_attnum(layout->nodes, "access_blob") > 0;
	if (layout->has_access_blob)
		check_columns(schema, blob_columns, lengthof(blob_columns));
	else
	{
		check_columns(schema, tag_columns, lengthof(tag_columns));
		layout->access_tags = get_relname_relid("access_tags", schema);
		layout->node_tags = get_relname_relid("node_access_tags_association", schema);
		layout->node_tags_have_parent = get_attnum(layout->node_tags, "parent_id") > 0;
	}
	check_no_others(schema, layout->nodes);
	check_no_others(schema, layout->structures);
	check_no_others(schema, layout->data_sources);
	check_no_others(schema, layout->assets);
	check_no_others(schema, layout->association);
	check_no_others(schema, layout->revisions);

	layout->family_type = get_atttype(layout->nodes, get_attnum(layout->nodes, "structure_family"));
	layout->management_type = get_atttype(layout->data_sources,
										  get_attnum(layout->data_sources, "management"));
	layout->nodes_sequence = sequence_of(schema, layout->nodes);
	layout->data_sources_sequence = sequence_of(schema, layout->data_sources);
	layout->assets_sequence = sequence_of(schema, layout->assets);
}

/*
 * The value of an enum, or InvalidOid.
 */
Oid
tiled_enum_value(Oid type, const char *label)
{
	HeapTuple	tuple;
	Oid			value;

	if (strlen(label) >= NAMEDATALEN)
		return InvalidOid;
	tuple = SearchSysCache2(ENUMTYPOIDNAME, ObjectIdGetDatum(type), CStringGetDatum(label));
	if (!HeapTupleIsValid(tuple))
		return InvalidOid;
	value = ((Form_pg_enum) GETSTRUCT(tuple))->oid;
	ReleaseSysCache(tuple);
	return value;
}

/*
 * All values of an enum, quoted, for an error's hint.
 */
char *
tiled_enum_labels(Oid type)
{
	CatCList   *list = SearchSysCacheList1(ENUMTYPOIDNAME, ObjectIdGetDatum(type));
	StringInfoData labels;

	initStringInfo(&labels);
	for (int i = 0; i < list->n_members; i++)
		appendStringInfo(&labels, "%s\"%s\"", i > 0 ? ", " : "",
						 NameStr(((Form_pg_enum) GETSTRUCT(&list->members[i]->tuple))->enumlabel));
	ReleaseCatCacheList(list);
	return labels.data;
}

PG_FUNCTION_INFO_V1(tiled_check_layout);

/*
 * tiled_check_layout(catalog) -> text: the version whose layout a catalog has,
 * or an error.
 */
Datum
tiled_check_layout(PG_FUNCTION_ARGS)
{
	TiledLayout layout;

	tiled_layout(PG_GETARG_OID(0), &layout);
	PG_RETURN_TEXT_P(cstring_to_text(layout.has_access_blob ? "access_blob" : "access_tags"));
}
