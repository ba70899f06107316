/*-------------------------------------------------------------------------
 *
 * src/obscore/tiled_config.c
 *	  The configuration of an ObsCore table of a Tiled catalog's nodes.
 *
 * The document is one of its own, known by its key "source".  A column is filled
 * by a constant, by a value in a node's metadata, by something else that a node
 * has, or by a template over both.  What cannot suit the column is an error here,
 * as far as the document tells; a template's fields are looked up when it is
 * compiled (tiled_query.c).
 *
 *-------------------------------------------------------------------------
 */
#include "obscore/tiled_config.h"

#include <limits.h>
#include <string.h>

#include "obscore/config_reader.h"

const char *const obscore_tiled_fields[N_TILED_FIELDS] = {
	"id", "key", "path", "url_path", "structure_family", "data_uri", "mimetype", "size"
};

static const char *const unit_names[N_TILED_UNITS] = {
	NULL, "unix", "iso", "eV", "keV", "nm", "um", "angstrom", "ms", "rad"
};

/* What tells where values come from, of which there is one. */
static const char *const kind_names[] = {"metadata", "node", "template"};


/* ------------------------------------------------------------------ values */

/*
 * Reads one of some names, as its place among them.
 */
static bool
read_choice(ObscoreReader *reader, const ObscoreNode *node, const char *const *names, int n, int *choice)
{
	char	   *hint = obscore_reader_format(reader, "%s", "");
	const char *separator = "Allowed values: ";
	const char *name;
	char	   *quoted;
	int			i;

	if (!obscore_reader_string(reader, node, &name))
		return false;
	for (i = 0; i < n && hint != NULL; i++)
	{
		if (names[i] == NULL)
			continue;
		if (strcmp(names[i], name) == 0)
		{
			*choice = i;
			return true;
		}
		hint = obscore_reader_format(reader, "%s%s%s", hint, separator, names[i]);
		separator = ", ";
	}
	hint = hint == NULL ? NULL : obscore_reader_format(reader, "%s.", hint);
	quoted = hint == NULL ? NULL : obscore_reader_quote(reader, name);
	return quoted != NULL && obscore_reader_fail(reader, node, hint, "%s is not allowed here", quoted);
}

static bool
read_field(ObscoreReader *reader, const ObscoreNode *node, void *target)
{
	ObscoreTiledColumn *column = target;
	int			choice = 0;

	if (!read_choice(reader, node, obscore_tiled_fields, N_TILED_FIELDS, &choice))
		return false;
	column->kind = TILED_FIELD;
	column->field = (ObscoreTiledField) choice;
	return true;
}

static bool
read_unit(ObscoreReader *reader, const ObscoreNode *node, void *target)
{
	int			choice = 0;

	if (!read_choice(reader, node, unit_names, N_TILED_UNITS, &choice))
		return false;
	((ObscoreTiledColumn *) target)->unit = (ObscoreTiledUnit) choice;
	return true;
}

static bool
read_optional(ObscoreReader *reader, const ObscoreNode *node, void *target)
{
	((ObscoreTiledColumn *) target)->optional = json_object_get_boolean(node->value) != 0;
	return obscore_reader_is(reader, node, json_type_boolean);
}

static bool
read_type(ObscoreReader *reader, const ObscoreNode *node, void *target)
{
	((ObscoreTiledColumn *) target)->has_type = true;
	return obscore_read_value_type(reader, node, &((ObscoreTiledColumn *) target)->base.type);
}

/*
 * Takes a text apart at a separator.
 */
static bool
split(ObscoreReader *reader, const char *text, char separator, int *n, const char ***parts)
{
	char	   *copy = obscore_reader_format(reader, "%s", text);
	size_t		count = 1;
	const char *at;

	for (at = text; *at != '\0'; at++)
		count += *at == separator;
	*parts = obscore_reader_allocate(reader, count, sizeof(char *));
	if (copy == NULL || *parts == NULL)
		return false;
	for (*n = 0; copy != NULL; (*n)++)
	{
		char	   *end = strchr(copy, separator);

		(*parts)[*n] = copy;
		if (end != NULL)
			*end++ = '\0';
		copy = end;
	}
	return true;
}

/*
 * Reads names, none of them empty: one text with separators, or an array.
 */
static bool
read_path(ObscoreReader *reader, const ObscoreNode *node, char separator, int *n, const char ***parts)
{
	const char *text;
	int			i;

	if (json_object_is_type(node->value, json_type_string))
	{
		if (!obscore_reader_string(reader, node, &text) || !split(reader, text, separator, n, parts))
			return false;
	}
	else if (!json_object_is_type(node->value, json_type_array))
		return obscore_reader_wrong_type(reader, node, "a string or an array of strings");
	else if (!obscore_reader_strings(reader, node, n, parts))
		return false;
	for (i = 0; i < *n; i++)
		if (*(*parts)[i] == '\0')
			return obscore_reader_fail(reader, node, NULL, "an empty key in a path");
	if (*n == 0)
		return obscore_reader_fail(reader, node, NULL, "an empty path");
	return true;
}

/* Keys joined by dots, or an array of them where they hold dots themselves. */
static bool
read_metadata(ObscoreReader *reader, const ObscoreNode *node, void *target)
{
	ObscoreTiledColumn *column = target;

	column->kind = TILED_METADATA;
	return read_path(reader, node, '.', &column->n_metadata, &column->metadata);
}

static bool
read_template(ObscoreReader *reader, const ObscoreNode *node, void *target)
{
	ObscoreTiledColumn *column = target;

	column->kind = TILED_TEMPLATE;
	column->base.template_path = obscore_reader_path(reader, node);
	return column->base.template_path != NULL && obscore_reader_string(reader, node, &column->base.template);
}

/* ----------------------------------------------------------------- columns */

static const char *
type_name(ObscoreValueType type)
{
	return type == OBSCORE_STRING ? "string" : type == OBSCORE_INT ? "int" : type == OBSCORE_FLOAT ? "float" : "bool";
}

/* May values of a type go into a column of another? */
static bool
suits(ObscoreValueType value, ObscoreValueType column)
{
	return value == column || (value == OBSCORE_INT && column == OBSCORE_FLOAT);
}

static bool
check_constant(ObscoreReader *reader, const ObscoreNode *node, const ObscoreTiledColumn *column)
{
	int64_t		value;

	if (!suits(column->base.constant_type, column->base.type))
		return obscore_reader_fail(reader, node, NULL, "a constant of type %s, for a column of type %s",
								   type_name(column->base.constant_type), type_name(column->base.type));
	if (column->base.type != OBSCORE_INT || column->bytes == 0 || column->bytes == 8)
		return true;
	return obscore_reader_integer(reader, node, column->bytes == 2 ? SHRT_MIN : INT_MIN,
								  column->bytes == 2 ? SHRT_MAX : INT_MAX, &value);
}

/*
 * Does what has been read of a column go together?
 */
static bool
check_column(ObscoreReader *reader, const ObscoreNode *node, const ObscoreTiledColumn *column)
{
	ObscoreValueType type = column->base.type;
	ObscoreNode unit = {node, "unit", 0, NULL};
	ObscoreNode length = {node, "length", 0, NULL};
	ObscoreNode kind = {node, kind_names[column->kind == TILED_TEMPLATE ? 2 : 1], 0, NULL};
	ObscoreValueType made = column->kind == TILED_FIELD && (column->field == TILED_ID || column->field == TILED_SIZE) ?
		OBSCORE_INT : OBSCORE_STRING;

	if (column->unit != TILED_UNIT_NONE && (column->kind != TILED_METADATA || type != OBSCORE_FLOAT))
		return obscore_reader_fail(reader, &unit, "Units are for metadata in columns of type float.",
								   "this column's values have no unit");
	if (column->base.length > 0 && type != OBSCORE_STRING)
		return obscore_reader_fail(reader, &length, NULL, "a column of type %s has no length", type_name(type));
	if (column->kind != TILED_METADATA && !suits(made, type) && !(made == OBSCORE_INT && type == OBSCORE_STRING))
		return obscore_reader_fail(reader, &kind, NULL, "this makes values of type %s, for a column of type %s",
								   type_name(made), type_name(type));
	return true;
}

/*
 * Is there one source of values, no more?
 */
static bool
check_kinds(ObscoreReader *reader, const ObscoreNode *node)
{
	const char *first = NULL;
	size_t		i;

	for (i = 0; i < LENGTH(kind_names); i++)
	{
		struct json_object *value = NULL;

		if (!json_object_object_get_ex(node->value, kind_names[i], &value) || value == NULL)
			continue;
		if (first != NULL)
			return obscore_reader_fail(reader, node, "A column has one of the keys metadata, node, template.",
									   "both \"%s\" and \"%s\"", first, kind_names[i]);
		first = kind_names[i];
	}
	if (first == NULL)
		return obscore_reader_fail(reader, node, "A column has one of the keys metadata, node, template.",
								   "nothing that fills the column");
	return true;
}

/*
 * Reads where a column's values come from; its name and, of ObsCore's own, its
 * type are there.
 */
static bool
read_source(ObscoreReader *reader, const ObscoreNode *node, const ObscoreKey *keys, size_t n_keys,
			ObscoreTiledColumn *column, bool extra)
{
	ObscoreValueType type = column->base.type;

	column->base.constant_type = OBSCORE_NULL;
	column->base.template = "";
	if (json_object_is_type(node->value, json_type_object))
		return obscore_reader_members(reader, node, keys, n_keys, column) &&
			check_kinds(reader, node) &&
			check_column(reader, node, column);
	if (json_object_is_type(node->value, json_type_array))
		return obscore_reader_wrong_type(reader, node, "a string, a number, a boolean or an object");
	column->kind = TILED_CONSTANT;
	if (!obscore_read_constant(reader, node, &column->base))
		return false;
	column->base.template = NULL;
	if (!extra)
		column->base.type = type;
	return check_constant(reader, node, column);
}

#define SOURCE_KEYS \
	WHOLE("metadata", read_metadata, false), \
	WHOLE("node", read_field, false), \
	WHOLE("template", read_template, false), \
	WHOLE("unit", read_unit, false), \
	WHOLE("optional", read_optional, false)

static bool
read_columns(ObscoreReader *reader, const ObscoreNode *node, void *target)
{
	static const ObscoreKey keys[] = {SOURCE_KEYS};
	ObscoreTiledConfig *tiled = ((ObscoreConfig *) target)->tiled;
	ObscoreMembers members;
	ObscoreNode member;

	if (!obscore_reader_is(reader, node, json_type_object))
		return false;
	tiled->columns = obscore_reader_allocate(reader, obscore_reader_count(node), sizeof(ObscoreTiledColumn));
	if (tiled->columns == NULL)
		return false;
	members = obscore_reader_walk(node);
	while (obscore_reader_next(&members, &member))
	{
		ObscoreTiledColumn *column = &tiled->columns[tiled->n_columns++];

		column->base.name = obscore_reader_format(reader, "%s", member.key);
		if (column->base.name == NULL)
			return false;
		if (!obscore_standard_column(column->base.name, &column->base.type, &column->bytes))
			return obscore_reader_fail(reader, &member, "Columns beside ObsCore's own belong to \"extra_columns\".",
									   "this is no column of ObsCore that can be filled");
		if (!read_source(reader, &member, keys, LENGTH(keys), column, false))
			return false;
	}
	return true;
}

static bool
read_extra_columns(ObscoreReader *reader, const ObscoreNode *node, void *target)
{
	static const ObscoreKey keys[] = {
		SOURCE_KEYS,
		WHOLE("type", read_type, false),
		KEY("length", obscore_read_length, ObscoreTiledColumn, base.length, false),
		KEY("doc", obscore_reader_string, ObscoreTiledColumn, base.doc, false)
	};
	ObscoreConfig *config = target;
	ObscoreTiledConfig *tiled = config->tiled;
	ObscoreMembers members;
	ObscoreNode member;
	size_t		n;

	if (!obscore_reader_is(reader, node, json_type_object))
		return false;
	n = obscore_reader_count(node);
	tiled->extra = obscore_reader_allocate(reader, n, sizeof(ObscoreTiledColumn));
	config->extra = obscore_reader_allocate(reader, n, sizeof(ObscoreExtraColumn));
	if (tiled->extra == NULL || config->extra == NULL)
		return false;
	members = obscore_reader_walk(node);
	while (obscore_reader_next(&members, &member))
	{
		ObscoreTiledColumn *column = &tiled->extra[tiled->n_extra++];

		if (!obscore_check_extra_name(reader, &member))
			return false;
		column->base.name = obscore_reader_format(reader, "%s", member.key);
		column->base.type = OBSCORE_STRING;
		if (column->base.name == NULL || !read_source(reader, &member, keys, LENGTH(keys), column, true))
			return false;
		config->extra[config->n_extra++] = column->base;
	}
	return true;
}

/* ------------------------------------------------------------- which nodes */

static bool
read_specs(ObscoreReader *reader, const ObscoreNode *node, void *target)
{
	ObscoreTiledConfig *tiled = target;

	return obscore_reader_strings(reader, node, &tiled->n_specs, &tiled->specs);
}

static bool
read_families(ObscoreReader *reader, const ObscoreNode *node, void *target)
{
	ObscoreTiledConfig *tiled = target;

	return obscore_reader_strings(reader, node, &tiled->n_families, &tiled->families);
}

/* Keys joined by slashes, as a client has them, or an array. */
static bool
read_subtree(ObscoreReader *reader, const ObscoreNode *node, void *target)
{
	ObscoreTiledConfig *tiled = target;

	return read_path(reader, node, '/', &tiled->n_subtree, &tiled->subtree);
}

static bool
read_nodes(ObscoreReader *reader, const ObscoreNode *node, void *target)
{
	static const ObscoreKey keys[] = {
		WHOLE("specs", read_specs, false),
		WHOLE("structure_families", read_families, false),
		WHOLE("subtree", read_subtree, false)
	};

	return obscore_reader_members(reader, node, keys, LENGTH(keys), ((ObscoreConfig *) target)->tiled);
}

/* ------------------------------------------------------------ the document */

/*
 * Is this the configuration of a table of nodes?  No registry's has such a key.
 */
bool
obscore_is_tiled(struct json_object *document)
{
	struct json_object *source = NULL;

	return json_object_is_type(document, json_type_object) &&
		json_object_object_get_ex(document, "source", &source) && source != NULL;
}

static bool
read_tiled_source(ObscoreReader *reader, const ObscoreNode *node, void *target)
{
	static const char *const names[] = {"tiled"};
	int			choice;

	(void) target;
	return read_choice(reader, node, names, LENGTH(names), &choice);
}

bool
obscore_read_tiled(ObscoreReader *reader, const ObscoreNode *document, ObscoreConfig *config)
{
	static const ObscoreKey keys[] = {
		WHOLE("source", read_tiled_source, true),
		KEY("table_name", obscore_read_name, ObscoreConfig, table_name, false),
		WHOLE("nodes", read_nodes, false),
		WHOLE("columns", read_columns, true),
		WHOLE("extra_columns", read_extra_columns, false),
		WHOLE("indices", obscore_read_indices, false)
	};

	config->tiled = obscore_reader_allocate(reader, 1, sizeof(ObscoreTiledConfig));
	return config->tiled != NULL &&
		obscore_reader_members(reader, document, keys, LENGTH(keys), config) &&
		obscore_check_columns(reader, document, config);
}
