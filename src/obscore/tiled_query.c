/*-------------------------------------------------------------------------
 *
 * src/obscore/tiled_query.c
 *	  From a configuration to the SQL that makes rows of a Tiled catalog's nodes.
 *
 * A node, called n, is joined with what its row is made of: its path, p, its
 * first data source and asset, a, and the size of all its assets, z.  The path is
 * walked upwards by keys, not read from the closure, which is another derived
 * table and may follow a statement later.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/lsyscache.h"

#include "core/query.h"
#include "obscore/template.h"
#include "obscore/tiled.h"
#include "tiled/tiled.h"

#define KEY_OF_N "catreg.obscore_node_key(n.id)"

/* ------------------------------------------------------------- the catalog */

static Oid
find_table(Oid schema, const char *name)
{
	Oid			table = get_relname_relid(name, schema);

	if (!OidIsValid(table))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("schema \"%s\" holds no Tiled catalog", get_namespace_name(schema)),
				 errdetail("It has no table \"%s\".", name),
				 errhint("The argument \"registry\" is the schema of the catalog's tables.")));
	return table;
}

static void
check_column(Oid table, const char *name, Oid type)
{
	AttrNumber	column = get_attnum(table, name);

	if (column == InvalidAttrNumber || (OidIsValid(type) && get_atttype(table, column) != type))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("schema \"%s\" holds no Tiled catalog of a known layout", get_namespace_name(get_rel_namespace(table))),
				 OidIsValid(type) ?
				 errdetail("Table \"%s\" has no column \"%s\" of type %s.", get_rel_name(table), name, format_type_be(type)) :
				 errdetail("Table \"%s\" has no column \"%s\".", get_rel_name(table), name)));
}

static void
find_tables(ObscoreTiled *tiled, Oid schema, bool assets)
{
	tiled->nodes = find_table(schema, "nodes");
	check_column(tiled->nodes, "id", INT4OID);
	check_column(tiled->nodes, "parent", INT4OID);
	check_column(tiled->nodes, "key", VARCHAROID);
	check_column(tiled->nodes, "structure_family", InvalidOid);
	check_column(tiled->nodes, "metadata", JSONBOID);
	check_column(tiled->nodes, "specs", JSONBOID);
	if (!assets)
		return;
	tiled->data_sources = find_table(schema, "data_sources");
	check_column(tiled->data_sources, "id", INT4OID);
	check_column(tiled->data_sources, "node_id", INT4OID);
	check_column(tiled->data_sources, "mimetype", VARCHAROID);
	tiled->association = find_table(schema, "data_source_asset_association");
	check_column(tiled->association, "data_source_id", INT4OID);
	check_column(tiled->association, "asset_id", INT4OID);
	check_column(tiled->association, "num", INT4OID);
	tiled->assets = find_table(schema, "assets");
	check_column(tiled->assets, "id", INT4OID);
	check_column(tiled->assets, "data_uri", VARCHAROID);
	check_column(tiled->assets, "size", INT8OID);
}

/* ------------------------------------------------------------------ values */

/* Which fields are used; those of assets and of paths cost a look-up each. */
typedef struct Compiler
{
	bool		fields[N_TILED_FIELDS];
	const ObscoreTiledColumn *column;
} Compiler;

static char *
literal(const char *text)
{
	return psprintf("%s::pg_catalog.text", quote_literal_cstr(text));
}

/* A text array; NULL elements are not there. */
static char *
text_array(const char *const *elements, int n)
{
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfoString(&text, "ARRAY[");
	for (int i = 0; i < n; i++)
		appendStringInfo(&text, "%s%s", i == 0 ? "" : ", ", quote_literal_cstr(elements[i]));
	appendStringInfoString(&text, "]::pg_catalog.text[]");
	return text.data;
}

/* The keys of a path, as messages show it. */
static char *
dotted(const char *const *keys, int n)
{
	StringInfoData text;

	initStringInfo(&text);
	for (int i = 0; i < n; i++)
		appendStringInfo(&text, "%s%s", i == 0 ? "" : ".", keys[i]);
	return text.data;
}

/* A value in the metadata, by the function that makes it of a type. */
static char *
metadata_value(const char *const *keys, int n, ObscoreValueType type, ObscoreTiledUnit unit, bool optional)
{
	static const char *const functions[] = {"text", "int", "float", "bool"};
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfo(&text, "catreg.obscore_json_%s(n.metadata OPERATOR(pg_catalog.#>) %s, %s, %s",
					 functions[type], text_array(keys, n), literal(dotted(keys, n)), optional ? "true" : "false");
	if (type == OBSCORE_FLOAT)
		appendStringInfo(&text, ", %d", unit);
	appendStringInfoChar(&text, ')');
	return text.data;
}

/* What there is a problem without, unless it is optional. */
static char *
unless_missing(const char *value, const char *problem, bool optional)
{
	return optional ? pstrdup(value) : psprintf("COALESCE(%s, catreg.obscore_failed(%s))", value, literal(problem));
}

/* A field of a node, which is a text but for id and size. */
static char *
field_value(Compiler *compiler, ObscoreTiledField field)
{
	bool		optional = compiler->column->optional;

	compiler->fields[field] = true;
	switch (field)
	{
		case TILED_ID:
			return pstrdup("n.id");
		case TILED_KEY:
			return pstrdup("n.key::pg_catalog.text");
		case TILED_PATH:
			return pstrdup("pg_catalog.array_to_string(p.keys, '/')");
		case TILED_URL_PATH:
			return pstrdup("catreg.obscore_url_path(p.keys)");
		case TILED_STRUCTURE_FAMILY:
			return pstrdup("n.structure_family::pg_catalog.text");
		case TILED_DATA_URI:
			return unless_missing("a.data_uri", "the node has no asset", optional);
		case TILED_MIMETYPE:
			return unless_missing("a.mimetype", "the node has no data source", optional);
		default:
			return unless_missing("z.kilobytes::pg_catalog.text", "no size of an asset is known", optional);
	}
}

static bool
is_integer(ObscoreTiledField field)
{
	return field == TILED_ID || field == TILED_SIZE;
}

/* The place of a name among the fields, or -1. */
static int
field_of(const char *name)
{
	for (int i = 0; i < N_TILED_FIELDS; i++)
		if (strcmp(obscore_tiled_fields[i], name) == 0)
			return i;
	return -1;
}

/*
 * What a template's field stands for: metadata, with all accessors as keys, or
 * something else that a node has.
 */
static TemplateFound
resolve(const TemplatePiece *field, TemplateValue *value, void *arg)
{
	Compiler   *compiler = arg;
	int			found = field_of(field->name);
	const char **keys = palloc(sizeof(char *) * (field->n_accessors + 1));

	value->type = TEMPLATE_TEXT;
	value->not_null = true;
	value->consumed = field->n_accessors;
	if (found >= 0 && field->n_accessors == 0)
	{
		value->sql = psprintf("(%s)::pg_catalog.%s", field_value(compiler, found), is_integer(found) ? "int8" : "text");
		value->type = is_integer(found) ? TEMPLATE_INT : TEMPLATE_TEXT;
		return TEMPLATE_FOUND;
	}
	if (strcmp(field->name, "metadata") != 0 || field->n_accessors == 0)
	{
		value->problem = "there are id, key, path, url_path, structure_family, data_uri, mimetype, size, and metadata with keys, as in {metadata[start][uid]}";
		return TEMPLATE_REFUSED;
	}
	for (int i = 0; i < field->n_accessors; i++)
		keys[i] = field->accessors[i].name;
	value->sql = metadata_value(keys, field->n_accessors, OBSCORE_STRING, TILED_UNIT_NONE, compiler->column->optional);
	return TEMPLATE_FOUND;
}

static char *
template_value(Compiler *compiler, const ObscoreExtraColumn *column)
{
	Template   *template = NULL;
	size_t		where = 0;
	const char *problem = template_parse(column->template, &template, &where);
	StringInfoData text;
	bool		missing;

	initStringInfo(&text);
	if (problem != NULL)
		problem = psprintf("At character %d: %s.", (int) where + 1, problem);
	else
		problem = template_compile(&text, template, resolve, compiler, &missing);
	if (problem != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid template at %s: \"%s\"", column->template_path, column->template),
				 errdetail_internal("%s", problem),
				 errhint("Templates are in the language of Python's str.format().")));
	return psprintf("(%s)", text.data);
}

/* An expression of the type that is given, less what a column is too small for. */
static char *
raw_value(Compiler *compiler, const ObscoreTiledColumn *column, ObscoreValueType type)
{
	char	   *value;

	compiler->column = column;
	switch (column->kind)
	{
		case TILED_METADATA:
			return metadata_value(column->metadata, column->n_metadata, type, column->unit, column->optional);
		case TILED_TEMPLATE:
			return template_value(compiler, &column->base);
		case TILED_FIELD:
			value = field_value(compiler, column->field);
			if (!is_integer(column->field))
				return value;
			return psprintf("(%s)::pg_catalog.%s", value, type == OBSCORE_STRING ? "text" : "int8");
		default:
			return literal(column->base.constant);
	}
}

static char *
column_value(Compiler *compiler, const ObscoreTiledColumn *column, const ObscoreColumn *target)
{
	char	   *value = raw_value(compiler, column, target->value_type);

	if (column->kind == TILED_CONSTANT && target->length == 0)
		return psprintf("%s::%s", value, target->type);
	if (target->value_type == OBSCORE_STRING && target->length > 0)
		value = psprintf("catreg.obscore_fit(%s, %d)", value, target->length);
	else if (strcmp(target->type, "smallint") == 0 || strcmp(target->type, "integer") == 0)
		value = psprintf("catreg.obscore_fit(%s, %d)", value, target->type[0] == 's' ? 2 : 4);
	return psprintf("catreg.obscore_noted(" KEY_OF_N ", %s, %s)::%s", literal(target->name), value, target->type);
}

static const ObscoreTiledColumn *
find_source(const ObscoreTiledConfig *config, const char *name)
{
	for (int i = 0; i < config->n_columns; i++)
		if (strcmp(config->columns[i].base.name, name) == 0)
			return &config->columns[i];
	for (int i = 0; i < config->n_extra; i++)
		if (strcmp(config->extra[i].base.name, name) == 0)
			return &config->extra[i];
	return NULL;
}

/* The columns that the footprint is made of, which are computed once for both. */
static bool
is_footprint_field(const char *name)
{
	return strcmp(name, "s_ra") == 0 || strcmp(name, "s_dec") == 0 || strcmp(name, "s_fov") == 0 ||
		strcmp(name, "s_region") == 0;
}

static void
append_item(StringInfo list, const char *item)
{
	appendStringInfo(list, "%s%s", list->len > 0 ? ", " : "", item);
}

static void
compile_columns(ObscoreTiled *tiled, const Obscore *obscore, Compiler *compiler)
{
	StringInfoData values;
	StringInfoData fields;
	ListCell   *cell;

	initStringInfo(&values);
	initStringInfo(&fields);
	foreach(cell, obscore->columns)
	{
		const ObscoreColumn *column = lfirst(cell);
		const ObscoreTiledColumn *source = find_source(obscore->config->tiled, column->name);
		const char *value = source == NULL ? psprintf("NULL::%s", column->type) : column_value(compiler, source, column);

		if (is_footprint_field(column->name))
		{
			append_item(&fields, psprintf("%s AS %s", value, column->name));
			value = psprintf("f.%s", column->name);
		}
		else if (strcmp(column->name, "registry_dataset_id") == 0)
			value = KEY_OF_N;
		else if (strcmp(column->name, "region") == 0)
			value = "catreg.obscore_noted(" KEY_OF_N ", 'region'::pg_catalog.text, catreg.obscore_footprint(f.s_region, f.s_ra, f.s_dec, f.s_fov))";
		append_item(&values, value);
	}
	tiled->values = values.data;
	tiled->fields = fields.data;
}

/*
 * Makes what is needed for the queries about a table of nodes, in the current
 * memory context.
 */
ObscoreTiled *
obscore_tiled_compile(const Obscore *obscore)
{
	ObscoreTiled *tiled = palloc0(sizeof(ObscoreTiled));
	Compiler	compiler = {0};

	compile_columns(tiled, obscore, &compiler);
	tiled->needs_path = compiler.fields[TILED_PATH] || compiler.fields[TILED_URL_PATH] ||
		obscore->config->tiled->n_subtree > 0;
	find_tables(tiled, obscore->registry->namespace,
				compiler.fields[TILED_DATA_URI] || compiler.fields[TILED_MIMETYPE] || compiler.fields[TILED_SIZE]);
	return tiled;
}

/* Are rows made of a table's? */
bool
obscore_tiled_is_about(const ObscoreTiled *tiled, Oid relid)
{
	return relid == tiled->nodes || (OidIsValid(tiled->assets) &&
									 (relid == tiled->data_sources || relid == tiled->association || relid == tiled->assets));
}

/* ----------------------------------------------------------------- queries */

/*
 * Has the planner find what rows are made of by their keys, whatever it knows of
 * the tables, until query_settings_back() with what is returned.  Tiled has other
 * indexes that begin with a data source's id, which it would take for its node.
 */
int
obscore_tiled_by_key(void)
{
	int			level = query_by_index(true);

	query_set("catreg.plan_by_key", "on");
	/* a key leads to a row or a few */
	query_set("enable_bitmapscan", "off");
	return level;
}

/* Nodes with a name among their specs. */
static void
write_specs(StringInfo text, const ObscoreTiledConfig *config, const char *alias)
{
	appendStringInfo(text, " AND %s.specs OPERATOR(pg_catalog.@>) ANY (ARRAY[", alias);
	for (int i = 0; i < config->n_specs; i++)
	{
		StringInfoData spec;

		initStringInfo(&spec);
		appendStringInfoString(&spec, "[{\"name\": ");
		escape_json(&spec, config->specs[i]);
		appendStringInfoString(&spec, "}]");
		appendStringInfo(text, "%s%s", i == 0 ? "" : ", ", quote_literal_cstr(spec.data));
	}
	appendStringInfoString(text, "]::pg_catalog.jsonb[])");
}

/*
 * The condition on a row of nodes by itself.  The root is none that is published.
 */
char *
obscore_tiled_filter(const Obscore *obscore, const char *alias)
{
	const ObscoreTiledConfig *config = obscore->config->tiled;
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfo(&text, "%s.id OPERATOR(pg_catalog.<>) %d", alias, TILED_ROOT);
	if (config->n_specs > 0)
		write_specs(&text, config, alias);
	if (config->n_families > 0)
		appendStringInfo(&text, " AND %s.structure_family::pg_catalog.text OPERATOR(pg_catalog.=) ANY (%s)", alias,
						 text_array(config->families, config->n_families));
	return text.data;
}

/*
 * The path of n, as p (keys).  One that leads round in a circle ends where it
 * closes: the edit of a tree is not stopped here.
 */
static void
write_path(StringInfo text, const ObscoreTiled *tiled)
{
	appendStringInfo(text, "\nCROSS JOIN LATERAL (WITH RECURSIVE up (parent, ids, keys) AS ("
					 "SELECT n.parent, ARRAY[n.id], ARRAY[n.key::pg_catalog.text] "
					 "UNION ALL SELECT y.parent, pg_catalog.array_prepend(y.id, up.ids), pg_catalog.array_prepend(y.key::pg_catalog.text, up.keys) "
					 "FROM up JOIN %s y ON y.id OPERATOR(pg_catalog.=) up.parent "
					 "WHERE y.id OPERATOR(pg_catalog.<>) %d AND y.id OPERATOR(pg_catalog.<>) ALL (up.ids)) "
					 "SELECT up.keys FROM up ORDER BY pg_catalog.cardinality(up.keys) DESC LIMIT 1) AS p",
					 query_relation(tiled->nodes), TILED_ROOT);
}

/*
 * The data sources of n.  OFFSET: they are few, and to be found by their node; the
 * planner would read all of them for the sake of their order.
 */
static char *
sources_of_n(const ObscoreTiled *tiled)
{
	return psprintf("(SELECT y.id, y.mimetype FROM %s y WHERE y.node_id OPERATOR(pg_catalog.=) n.id OFFSET 0)", query_relation(tiled->data_sources));
}

static void
write_assets(StringInfo text, const ObscoreTiled *tiled)
{
	const char *sources = sources_of_n(tiled);
	const char *association = query_relation(tiled->association);
	const char *assets = query_relation(tiled->assets);

	appendStringInfo(text, "\nLEFT JOIN LATERAL (SELECT s.mimetype::pg_catalog.text AS mimetype, t.data_uri::pg_catalog.text AS data_uri "
					 "FROM %s s LEFT JOIN %s x ON x.data_source_id OPERATOR(pg_catalog.=) s.id "
					 "LEFT JOIN %s t ON t.id OPERATOR(pg_catalog.=) x.asset_id "
					 "ORDER BY s.id, x.num NULLS FIRST, t.id LIMIT 1) AS a ON true",
					 sources, association, assets);
	appendStringInfo(text, "\nCROSS JOIN LATERAL (SELECT pg_catalog.ceil(pg_catalog.sum(t.size) OPERATOR(pg_catalog./) 1000)::pg_catalog.int8 AS kilobytes "
					 "FROM %s t WHERE t.id OPERATOR(pg_catalog.=) ANY (SELECT x.asset_id FROM %s s JOIN %s x ON x.data_source_id OPERATOR(pg_catalog.=) s.id)) AS z",
					 assets, sources, association);
}

static void
write_where(StringInfo text, const Obscore *obscore)
{
	const ObscoreTiledConfig *config = obscore->config->tiled;

	appendStringInfo(text, "\nWHERE %s", obscore_tiled_filter(obscore, "n"));
	if (config->n_subtree > 0)
		appendStringInfo(text, " AND pg_catalog.cardinality(p.keys) OPERATOR(pg_catalog.>) %d AND p.keys[:%d] OPERATOR(pg_catalog.=) %s",
						 config->n_subtree, config->n_subtree, text_array(config->subtree, config->n_subtree));
}

/*
 * Writes the query that makes the rows of nodes.  source has the columns of nodes;
 * NULL: all of them.
 */
void
obscore_tiled_write_select(StringInfo text, const Obscore *obscore, const char *source)
{
	const ObscoreTiled *tiled = obscore->tiled;

	appendStringInfo(text, "SELECT %s\nFROM %s AS n", tiled->values, source == NULL ? query_relation(tiled->nodes) : source);
	if (tiled->needs_path)
		write_path(text, tiled);
	if (OidIsValid(tiled->assets))
		write_assets(text, tiled);
	appendStringInfo(text, "\nCROSS JOIN LATERAL (SELECT %s OFFSET 0) AS f", tiled->fields);
	write_where(text, obscore);
}

/*
 * Writes the query for those of a source that have a row.
 */
void
obscore_tiled_write_members(StringInfo text, const Obscore *obscore, const char *source)
{
	appendStringInfo(text, "SELECT FROM %s AS n", source);
	if (obscore->config->tiled->n_subtree > 0)
		write_path(text, obscore->tiled);
	write_where(text, obscore);
}
