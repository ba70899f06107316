/*-------------------------------------------------------------------------
 *
 * src/tiled/data_sources.c
 *	  Reads the data sources of a node, in the form of a register request.
 *
 * The rules are those of tiled/server/schemas.py (DataSource, which forbids
 * members that it does not know, and Asset, which ignores them), and of the
 * constraints and triggers of the association table.  One is stricter: the
 * server takes a data source without "management" for a writable one and makes
 * its storage, which cannot be done here.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"

#include "tiled/registration.h"

#define MAX_MIMETYPE	255
#define MAX_PARAMETER	255
#define MAX_URI			1023

static void pg_attribute_noreturn()
malformed(const char *what, const JsonTreeNode *node)
{
	char	   *value = pnstrdup(node->source, pg_mbcliplen(node->source, node->source_length, 200));

	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("malformed data_sources: %s", what),
			 errdetail("The value is %s.", value),
			 errhint("data_sources is an array of data sources, as in a request to register a node with Tiled's server.")));
}

/*
 * A member that is there and not null, or NULL.
 */
static const JsonTreeNode *
member(const JsonTreeNode *object, const char *name)
{
	const JsonTreeNode *value = json_tree_member(object, name);

	return value == NULL || value->kind == JSON_TREE_NULL ? NULL : value;
}

/*
 * A text of at most so many characters, in the server's encoding.
 */
static const char *
text_of(const JsonTreeNode *node, const char *what, int max_characters, int *length)
{
	char	   *text;

	if (node->kind != JSON_TREE_STRING)
		malformed(psprintf("%s is not a text", what), node);
	if (memchr(node->string, '\0', node->string_length) != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNTRANSLATABLE_CHARACTER),
				 errmsg("%s has the character \\u0000", what),
				 errdetail("\\u0000 cannot be converted to text.")));
	text = pg_any_to_server(node->string, node->string_length, PG_UTF8);
	*length = (text == node->string) ? (int) node->string_length : (int) strlen(text);
	if (*length > max_characters && pg_mbstrlen_with_len(text, *length) > max_characters)
		ereport(ERROR,
				(errcode(ERRCODE_STRING_DATA_RIGHT_TRUNCATION),
				 errmsg("%s is longer than %d characters", what, max_characters),
				 errdetail("It begins with \"%.*s\".",
						   pg_mbcliplen(text, *length, 100), text)));
	return text;
}

/*
 * An integer of the given range.
 */
static int64
integer_of(const JsonTreeNode *node, const char *what, int64 min, int64 max)
{
	char	   *text;
	char	   *end;
	int64		value;

	if (node->kind != JSON_TREE_INTEGER)
		malformed(psprintf("%s is not an integer", what), node);
	text = pnstrdup(node->source, Min(node->source_length, 32));
	errno = 0;
	value = strtoll(text, &end, 10);
	if (errno != 0 || *end != '\0' || value < min || value > max)
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("%s is out of range: %s", what, text)));
	pfree(text);
	return value;
}

static Oid
enum_of(const JsonTreeNode *source, const char *name, Oid type, const char *hint)
{
	const JsonTreeNode *node = member(source, name);
	const char *label;
	int			length;
	Oid			value;

	if (node == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("malformed data_sources: a data source has no %s", name),
				 errhint(hint, tiled_enum_labels(type))));
	label = text_of(node, name, 1000, &length);
	value = tiled_enum_value(type, label);
	if (!OidIsValid(value))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				 errmsg("unknown %s \"%s\"", name, label),
				 errhint("The values are %s.", tiled_enum_labels(type))));
	return value;
}

/*
 * A JSON value as the server's jsonb, in the given context.  The server checks
 * what it cannot hold.
 */
static Datum
jsonb_of(const JsonTreeNode *node, MemoryContext context)
{
	char	   *utf8 = pnstrdup(node->source, node->source_length);
	char	   *text = pg_any_to_server(utf8, node->source_length, PG_UTF8);
	Datum		value = DirectFunctionCall1(jsonb_in, CStringGetDatum(text));
	MemoryContext before = MemoryContextSwitchTo(context);

	value = datumCopy(value, false, -1);
	MemoryContextSwitchTo(before);
	return value;
}

/*
 * An object that may be left out, as jsonb, kept once for all who have it.
 */
static JsonbEntry *
object_of(DataSources *sources, const JsonTreeNode *source, const char *name)
{
	static const JsonTreeNode empty = {
		.kind = JSON_TREE_OBJECT,.source = "{}",.source_length = 2
	};
	const JsonTreeNode *node = json_tree_member(source, name);
	JsonbEntry *entry;
	bool		found;

	if (node == NULL)
		node = &empty;
	if (node->kind != JSON_TREE_OBJECT)
		malformed(psprintf("%s is not an object", name), node);
	entry = intern_text(sources->jsonbs, node->source, node->source_length, &found);
	if (!found)
	{
		entry->value = jsonb_of(node, GetMemoryChunkContext(entry));
		jsonb_check_numbers(entry->value, name);
	}
	return entry;
}

/*
 * The structure of a data source; NULL: it has none.
 *
 * Texts are looked up as given first: mostly many nodes share one, and its id
 * is computed once.
 */
static StructureEntry *
structure_of(DataSources *sources, const JsonTreeNode *source)
{
	const JsonTreeNode *node = member(source, "structure");
	StructureText *text;
	const char *canonical;
	size_t		length;
	char		id[STRUCTURE_ID_SIZE];
	JsonTreeError error;
	bool		found;

	if (node == NULL)
		return NULL;
	if (node->kind != JSON_TREE_OBJECT)
		malformed("structure is not an object", node);
	text = intern_text(sources->structure_texts, node->source, node->source_length, &found);
	if (found)
		return text->structure;

	canonical = canonical_json(sources->arena, node, &length, &error);
	if (canonical == NULL)
		json_tree_report(&error, node->source, node->source_length);
	structure_id_hash(canonical, length, id);
	text->structure = intern_text(sources->structures, id, STRUCTURE_ID_SIZE - 1, &found);
	if (!found)
		text->structure->structure = jsonb_of(node, GetMemoryChunkContext(text->structure));
	return text->structure;
}

static MimetypeEntry *
short_text_of(InternTable *table, const JsonTreeNode *node, const char *what,
			  int max_characters)
{
	int			length;
	const char *text = text_of(node, what, max_characters, &length);
	bool		found;
	MimetypeEntry *entry = intern_text(table, text, length, &found);

	if (!found)
	{
		MemoryContext before = MemoryContextSwitchTo(GetMemoryChunkContext(entry));

		entry->value = PointerGetDatum(cstring_to_text_with_len(text, length));
		MemoryContextSwitchTo(before);
	}
	return entry;
}

static AssetUse *
add_use(DataSources *sources)
{
	if (sources->n_uses == sources->allocated_uses)
	{
		sources->allocated_uses *= 2;
		sources->uses = repalloc_huge(sources->uses, sizeof(AssetUse) * sources->allocated_uses);
	}
	return &sources->uses[sources->n_uses++];
}

static DataSource *
add_source(DataSources *sources)
{
	if (sources->n_sources == sources->allocated_sources)
	{
		sources->allocated_sources *= 2;
		sources->sources = repalloc_huge(sources->sources,
										 sizeof(DataSource) * sources->allocated_sources);
	}
	return &sources->sources[sources->n_sources++];
}

static void
parse_asset(DataSources *sources, const JsonTreeNode *node)
{
	const JsonTreeNode *uri;
	const JsonTreeNode *is_directory;
	const JsonTreeNode *value;
	AssetUse   *use;
	AssetEntry *asset;
	const char *text;
	int			length;
	bool		found;

	if (node->kind != JSON_TREE_OBJECT)
		malformed("an asset is not an object", node);
	uri = member(node, "data_uri");
	if (uri == NULL)
		malformed("an asset has no data_uri", node);
	text = text_of(uri, "data_uri", MAX_URI, &length);
	is_directory = member(node, "is_directory");
	if (is_directory == NULL)
		malformed("an asset has no is_directory", node);
	if (is_directory->kind != JSON_TREE_TRUE && is_directory->kind != JSON_TREE_FALSE)
		malformed("is_directory is neither true nor false", is_directory);

	asset = intern_text(sources->assets, text, length, &found);
	use = add_use(sources);
	use->asset = asset;
	use->is_directory = is_directory->kind == JSON_TREE_TRUE;
	value = member(node, "size");
	use->has_size = (value != NULL);
	use->size = value == NULL ? 0 : integer_of(value, "size", PG_INT64_MIN, PG_INT64_MAX);
	value = member(node, "parameter");
	use->parameter = value == NULL ? NULL :
		short_text_of(sources->parameters, value, "parameter", MAX_PARAMETER);
	value = member(node, "num");
	use->has_num = (value != NULL);
	use->num = value == NULL ? 0 : (int32) integer_of(value, "num", PG_INT32_MIN, PG_INT32_MAX);
}

static int
compare_by_asset(const void *a, const void *b)
{
	uintptr_t	left = (uintptr_t) (*(AssetUse *const *) a)->asset;
	uintptr_t	right = (uintptr_t) (*(AssetUse *const *) b)->asset;

	return (left > right) - (left < right);
}

/* NULL nums come first within a parameter. */
static int
compare_by_parameter(const void *a, const void *b)
{
	const AssetUse *left = *(AssetUse *const *) a;
	const AssetUse *right = *(AssetUse *const *) b;

	if (left->parameter != right->parameter)
		return (uintptr_t) left->parameter < (uintptr_t) right->parameter ? -1 : 1;
	if (left->has_num != right->has_num)
		return left->has_num ? 1 : -1;
	return (left->num > right->num) - (left->num < right->num);
}

/*
 * Checks how a data source uses its assets, as the association table's primary
 * key, its unique constraint (data_source_id, parameter, num), and Tiled's
 * triggers cannot_insert_num_... do.
 */
static void
check_uses(AssetUse *uses, int n)
{
	AssetUse  **order;

	if (n < 2)
		return;
	order = palloc(sizeof(AssetUse *) * n);
	for (int i = 0; i < n; i++)
		order[i] = &uses[i];

	qsort(order, n, sizeof(AssetUse *), compare_by_asset);
	for (int i = 1; i < n; i++)
		if (order[i]->asset == order[i - 1]->asset)
			ereport(ERROR,
					(errcode(ERRCODE_UNIQUE_VIOLATION),
					 errmsg("asset \"%s\" stands twice in a data source",
							order[i]->asset->reference.text.text)));

	qsort(order, n, sizeof(AssetUse *), compare_by_parameter);
	for (int i = 1; i < n; i++)
	{
		if (order[i]->parameter == NULL || order[i]->parameter != order[i - 1]->parameter)
			continue;
		if (!order[i - 1]->has_num)
			ereport(ERROR,
					(errcode(ERRCODE_CHECK_VIOLATION),
					 errmsg("parameter \"%s\" has an asset without num beside another",
							order[i]->parameter->text.text),
					 errdetail("Without num it takes one asset, with num 0, 1, ... a list.")));
		if (order[i]->num == order[i - 1]->num)
			ereport(ERROR,
					(errcode(ERRCODE_UNIQUE_VIOLATION),
					 errmsg("parameter \"%s\" has two assets with num %d",
							order[i]->parameter->text.text, order[i]->num)));
	}
	pfree(order);
}

static void
check_members(const JsonTreeNode *node)
{
	static const char *const allowed[] = {
		"id", "structure_family", "structure", "mimetype", "parameters",
		"properties", "assets", "management"
	};

	for (const JsonTreeNode *child = node->first_child; child != NULL; child = child->next)
	{
		bool		known = false;

		for (int i = 0; i < lengthof(allowed) && !known; i++)
			known = strcmp(child->key, allowed[i]) == 0;
		if (!known)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("malformed data_sources: unknown member \"%s\"", child->key),
					 errhint("A data source has structure_family, structure, mimetype, parameters, properties, assets, management.")));
	}
}

static void
parse_source(DataSources *sources, const TiledLayout *layout, const JsonTreeNode *node)
{
	const JsonTreeNode *mimetype;
	const JsonTreeNode *assets;
	DataSource	source;
	int64		first_use = sources->n_uses;

	if (node->kind != JSON_TREE_OBJECT)
		malformed("a data source is not an object", node);
	check_members(node);
	source.family = enum_of(node, "structure_family", layout->family_type,
							"The values are %s.");
	source.management = enum_of(node, "management", layout->management_type,
								"Registered files are \"external\"; the values are %s.");
	mimetype = member(node, "mimetype");
	if (mimetype == NULL)
		malformed("a data source has no mimetype", node);
	source.mimetype = short_text_of(sources->mimetypes, mimetype, "mimetype", MAX_MIMETYPE);
	source.parameters = object_of(sources, node, "parameters");
	source.properties = object_of(sources, node, "properties");
	source.structure = structure_of(sources, node);

	assets = json_tree_member(node, "assets");
	if (assets != NULL)
	{
		if (assets->kind != JSON_TREE_ARRAY)
			malformed("assets is not an array", assets);
		for (const JsonTreeNode *child = assets->first_child; child != NULL; child = child->next)
			parse_asset(sources, child);
	}
	source.n_assets = (int32) (sources->n_uses - first_use);
	check_uses(&sources->uses[first_use], source.n_assets);
	*add_source(sources) = source;
}

/*
 * Everything is kept in the current memory context.
 */
void
data_sources_init(DataSources *sources)
{
	sources->n_sources = 0;
	sources->allocated_sources = 64;
	sources->sources = palloc(sizeof(DataSource) * sources->allocated_sources);
	sources->n_uses = 0;
	sources->allocated_uses = 64;
	sources->uses = palloc(sizeof(AssetUse) * sources->allocated_uses);
	sources->assets = intern_create(sizeof(AssetEntry));
	sources->structures = intern_create(sizeof(StructureEntry));
	sources->structure_texts = intern_create(sizeof(StructureText));
	sources->jsonbs = intern_create(sizeof(JsonbEntry));
	sources->mimetypes = intern_create(sizeof(MimetypeEntry));
	sources->parameters = intern_create(sizeof(ParameterEntry));
	sources->arena = json_tree_arena_in(CurrentMemoryContext);
}

/*
 * Reads the data sources of one node, after those of the ones before; returns
 * how many there are.  What it leaves in the current memory context is
 * rubbish.
 *
 * Errors: those of JSON (invalid_text_representation, ...); invalid_parameter_
 * value where the form is wrong; unique_violation and check_violation where
 * assets contradict one another; string_data_right_truncation and numeric_
 * value_out_of_range.
 */
int32
data_sources_parse(DataSources *sources, const TiledLayout *layout,
				   const char *text, Size length)
{
	const char *utf8 = pg_server_to_any(text, length, PG_UTF8);
	size_t		utf8_length = (utf8 == text) ? length : strlen(utf8);
	int64		first = sources->n_sources;
	const JsonTreeNode *array;
	JsonTreeError error;

	json_tree_arena_reset(sources->arena);
	array = json_tree_parse(sources->arena, utf8, utf8_length, &error);
	if (array == NULL)
		json_tree_report(&error, utf8, utf8_length);
	if (array->kind != JSON_TREE_ARRAY)
		malformed("it is not an array", array);
	for (const JsonTreeNode *child = array->first_child; child != NULL; child = child->next)
		parse_source(sources, layout, child);
	return (int32) (sources->n_sources - first);
}
