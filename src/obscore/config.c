/*-------------------------------------------------------------------------
 *
 * src/obscore/config.c
 *	  The configuration of an ObsCore table.
 *
 * One pass over the document, key by key, then the checks that need the whole.
 * The peers take unknown keys in silence; here they are errors.
 *
 * Keys that only the exporter knows are checked and then left alone, unless
 * they choose rows: a table without that choice would hold the wrong ones.
 *
 *-------------------------------------------------------------------------
 */
#include "obscore/config.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "obscore/config_reader.h"
#include "obscore/python_regex.h"

/* The exporter's filter, as far as it matters here */
typedef struct WhereBind
{
	const char *where;
	int			n_extra_dims;
	const char **extra_dims;
} WhereBind;


/* ---------------------------------------------------------- simple values */

/*
 * Reads a format; the client takes an empty one for none.
 */
static bool
read_format(ObscoreReader *reader, const ObscoreNode *node, void *target)
{
	const char **format = target;

	if (!obscore_reader_string(reader, node, target))
		return false;
	if (**format == '\0')
		*format = NULL;
	return true;
}

static bool
read_int(ObscoreReader *reader, const ObscoreNode *node, int64_t min, int64_t max, int *target)
{
	int64_t		value = 0;

	if (!obscore_reader_integer(reader, node, min, max, &value))
		return false;
	*target = (int) value;
	return true;
}

/* A smallint in the table */
static bool
read_calib_level(ObscoreReader *reader, const ObscoreNode *node, void *target)
{
	return read_int(reader, node, SHRT_MIN, SHRT_MAX, target);
}

static bool
read_ignored_string(ObscoreReader *reader, const ObscoreNode *node, void *target)
{
	const char *ignored;

	(void) target;
	return obscore_reader_string(reader, node, &ignored);
}

static bool
read_ignored_integer(ObscoreReader *reader, const ObscoreNode *node, void *target)
{
	int64_t		ignored;

	(void) target;
	return obscore_reader_integer(reader, node, INT64_MIN, INT64_MAX, &ignored);
}

static bool
read_ignored_object(ObscoreReader *reader, const ObscoreNode *node, void *target)
{
	(void) target;
	return obscore_reader_is(reader, node, json_type_object);
}

/*
 * A key of published files that the peers know no more.
 */
static bool
read_dead_key(ObscoreReader *reader, const ObscoreNode *node, void *target)
{
	(void) target;
	return obscore_reader_warn(reader, "the key \"%s\" has no effect", node->key);
}

/* ------------------------------------------------------------ collections */

static bool
read_collection_type(ObscoreReader *reader, const ObscoreNode *node, void *target)
{
	static const char *const names[] = {"RUN", "TAGGED", "CHAINED"};
	const char *name;
	char	   *quoted;
	int			i;

	if (!obscore_reader_string(reader, node, &name))
		return false;
	for (i = 0; i < (int) LENGTH(names); i++)
	{
		if (strcmp(name, names[i]) == 0)
		{
			*(ObscoreCollectionType *) target = (ObscoreCollectionType) i;
			return true;
		}
	}
	quoted = obscore_reader_quote(reader, name);
	return quoted != NULL &&
		obscore_reader_fail(reader, node, "Allowed values: RUN, TAGGED, CHAINED.",
							"%s is no collection type", quoted);
}

/*
 * Adds what PostgreSQL is to match instead of a pattern of Python's.
 */
static bool
convert_pattern(ObscoreReader *reader, const ObscoreNode *node, const char *pattern,
				const char **converted)
{
	char	   *text = NULL;
	size_t		where = 0;
	const char *problem = python_regex_to_postgres(pattern, &text, &where);

	if (problem != NULL)
		return obscore_reader_fail(reader, node,
								   "Patterns are Python's regular expressions, matched in full, as far as PostgreSQL can express them.",
								   "this pattern cannot be used: %s, at byte %zu", problem, where + 1);
	*converted = obscore_reader_format(reader, "%s", text);
	free(text);
	return *converted != NULL;
}

/*
 * Reads the collections: patterns where their type is RUN, else names.
 */
static bool
read_collections(ObscoreReader *reader, const ObscoreNode *node, void *target)
{
	ObscoreConfig *config = target;
	ObscoreNode element = {node, NULL, 0, NULL};
	struct json_object *type = NULL;
	const char *type_name;
	size_t		n;

	if (!obscore_reader_strings(reader, node, &config->n_collections, &config->collections))
		return false;
	n = (size_t) config->n_collections;

	/* the type may come later, and be wrong, which is said then */
	json_object_object_get_ex(node->parent->value, "collection_type", &type);
	type_name = type != NULL ? json_object_get_string(type) : "";
	if (type_name != NULL && strcmp(type_name, "RUN") == 0)
	{
		config->collection_regexes = obscore_reader_allocate(reader, n, sizeof(char *));
		if (config->collection_regexes == NULL)
			return false;
		for (; element.index < n; element.index++)
		{
			if (!convert_pattern(reader, &element, config->collections[element.index],
								 &config->collection_regexes[element.index]))
				return false;
		}
		return true;
	}
	for (; element.index < n; element.index++)
	{
		if (*config->collections[element.index] == '\0')
			return obscore_reader_fail(reader, &element, NULL, "an empty name");
	}
	return true;
}

static bool
check_collections(ObscoreReader *reader, const ObscoreNode *document, const ObscoreConfig *config)
{
	ObscoreNode node = {document, "collections", 0, NULL};

	if (config->collection_type == OBSCORE_TAGGED && config->n_collections != 1)
		return obscore_reader_fail(reader, &node, "Allowed is one name of a TAGGED collection.",
								   "the collection type TAGGED wants one collection, not %d",
								   config->n_collections);
	if (config->collection_type == OBSCORE_CHAINED && config->n_collections == 0)
		return obscore_reader_fail(reader, &node, "Allowed are names of collections, and globs.",
								   "the collection type CHAINED wants at least one collection");
	return true;
}

/* ------------------------------------------------------------------- maps */

static bool
read_facility_map(ObscoreReader *reader, const ObscoreNode *node, void *target)
{
	ObscoreConfig *config = target;
	ObscoreMembers members;
	ObscoreNode member;

	if (!obscore_reader_is(reader, node, json_type_object))
		return false;
	config->facilities = obscore_reader_allocate(reader, obscore_reader_count(node),
												 sizeof(ObscoreFacility));
	if (config->facilities == NULL)
		return false;
	members = obscore_reader_walk(node);
	while (obscore_reader_next(&members, &member))
	{
		ObscoreFacility *facility = &config->facilities[config->n_facilities++];

		facility->instrument = obscore_reader_format(reader, "%s", member.key);
		if (facility->instrument == NULL ||
			!obscore_reader_string(reader, &member, &facility->facility))
			return false;
	}
	return true;
}

/*
 * Reads one end of a range, where null stands for none.
 */
static bool
read_limit(ObscoreReader *reader, const ObscoreNode *range, size_t index, bool *has, double *value)
{
	ObscoreNode element = {range, NULL, index, json_object_array_get_idx(range->value, index)};

	if (element.value == NULL)
		return true;
	*has = true;
	if (json_object_is_type(element.value, json_type_double) ||
		json_object_is_type(element.value, json_type_int))
		return obscore_reader_number(reader, &element, value);
	return obscore_reader_wrong_type(reader, &element, "a number or null");
}

/*
 * An array of as many elements as there have to be.
 */
static bool
check_array(ObscoreReader *reader, const ObscoreNode *node, size_t n, const char *wanted)
{
	char	   *hint;

	if (!json_object_is_type(node->value, json_type_array))
		return obscore_reader_wrong_type(reader, node, wanted);
	if (json_object_array_length(node->value) == n)
		return true;
	hint = obscore_reader_format(reader, "Allowed is %s.", wanted);
	return hint != NULL &&
		obscore_reader_fail(reader, node, hint, "an array of %zu elements, not %zu",
							(size_t) json_object_array_length(node->value), n);
}

static bool
read_spectral_ranges(ObscoreReader *reader, const ObscoreNode *node, void *target)
{
	ObscoreConfig *config = target;
	ObscoreMembers members;
	ObscoreNode member;

	if (!obscore_reader_is(reader, node, json_type_object))
		return false;
	config->spectral = obscore_reader_allocate(reader, obscore_reader_count(node),
											   sizeof(ObscoreSpectralRange));
	if (config->spectral == NULL)
		return false;
	members = obscore_reader_walk(node);
	while (obscore_reader_next(&members, &member))
	{
		ObscoreSpectralRange *range = &config->spectral[config->n_spectral++];

		range->name = obscore_reader_format(reader, "%s", member.key);
		if (range->name == NULL ||
			!check_array(reader, &member, 2, "an array of two numbers, or null for either") ||
			!read_limit(reader, &member, 0, &range->has_min, &range->min) ||
			!read_limit(reader, &member, 1, &range->has_max, &range->max))
			return false;
	}
	return true;
}

static bool
read_global_columns(ObscoreReader *reader, const ObscoreNode *node, void *target)
{
	ObscoreConfig *config = target;

	return obscore_read_extra_columns(reader, node, &config->n_extra, &config->extra);
}

static bool
read_type_columns(ObscoreReader *reader, const ObscoreNode *node, void *target)
{
	ObscoreDatasetType *type = target;

	return obscore_read_extra_columns(reader, node, &type->n_extra, &type->extra);
}

/* ---------------------------------------------------------- dataset types */

static bool
read_s_xel(ObscoreReader *reader, const ObscoreNode *node, void *target)
{
	ObscoreDatasetType *type = target;
	ObscoreNode element = {node, NULL, 0, NULL};

	if (!check_array(reader, node, 2, "an array of two integers"))
		return false;
	for (; element.index < 2; element.index++)
	{
		element.value = json_object_array_get_idx(node->value, element.index);
		if (!read_int(reader, &element, INT_MIN, INT_MAX, &type->s_xel[element.index]))
			return false;
	}
	type->has_s_xel = true;
	return true;
}

static bool
read_dataset_types(ObscoreReader *reader, const ObscoreNode *node, void *target)
{
	static const ObscoreKey keys[] = {
		KEY("dataproduct_type", obscore_reader_string, ObscoreDatasetType, dataproduct_type, true),
		KEY("dataproduct_subtype", obscore_reader_string, ObscoreDatasetType, dataproduct_subtype, false),
		KEY("calib_level", read_calib_level, ObscoreDatasetType, calib_level, true),
		KEY("o_ucd", obscore_reader_string, ObscoreDatasetType, o_ucd, false),
		KEY("access_format", obscore_reader_string, ObscoreDatasetType, access_format, false),
		KEY("obs_id_fmt", read_format, ObscoreDatasetType, obs_id_fmt, false),
		KEY("datalink_url_fmt", read_format, ObscoreDatasetType, datalink_url_fmt, false),
		KEY("obs_collection", obscore_reader_string, ObscoreDatasetType, obs_collection, false),
		WHOLE("s_xel", read_s_xel, false),
		WHOLE("extra_columns", read_type_columns, false)
	};
	ObscoreConfig *config = target;
	ObscoreMembers members;
	ObscoreNode member;

	if (!obscore_reader_is(reader, node, json_type_object))
		return false;
	config->dataset_types = obscore_reader_allocate(reader, obscore_reader_count(node),
													sizeof(ObscoreDatasetType));
	if (config->dataset_types == NULL)
		return false;
	members = obscore_reader_walk(node);
	while (obscore_reader_next(&members, &member))
	{
		ObscoreDatasetType *type = &config->dataset_types[config->n_dataset_types++];

		if (*member.key == '\0')
			return obscore_reader_fail(reader, &member, NULL, "an empty name");
		type->name = obscore_reader_format(reader, "%s", member.key);
		if (type->name == NULL ||
			!obscore_reader_members(reader, &member, keys, LENGTH(keys), type))
			return false;
	}
	return true;
}

/* -------------------------------------------------- keys of the exporter */

static bool
read_extra_dims(ObscoreReader *reader, const ObscoreNode *node, void *target)
{
	WhereBind  *bind = target;

	return obscore_reader_strings(reader, node, &bind->n_extra_dims, &bind->extra_dims);
}

/*
 * Reads a filter, which must not filter.
 */
static bool
read_where(ObscoreReader *reader, const ObscoreNode *node, void *target)
{
	static const ObscoreKey keys[] = {
		KEY("where", obscore_reader_string, WhereBind, where, false),
		WHOLE("bind", read_ignored_object, false),
		WHOLE("extra_dims", read_extra_dims, false)
	};
	WhereBind	bind = {NULL, 0, NULL};

	(void) target;
	if (!obscore_reader_members(reader, node, keys, LENGTH(keys), &bind))
		return false;
	if ((bind.where == NULL || *bind.where == '\0') && bind.n_extra_dims == 0)
		return true;
	return obscore_reader_fail(reader, node,
							   "Choose the rows by collections, for example a TAGGED one, and dataset types.",
							   "the exporter can filter datasets, a table that is kept cannot");
}

static bool
read_constraints(ObscoreReader *reader, const ObscoreNode *node, void *target)
{
	ObscoreMembers members;
	ObscoreNode member;

	if (!obscore_reader_is(reader, node, json_type_object))
		return false;
	members = obscore_reader_walk(node);
	while (obscore_reader_next(&members, &member))
	{
		ObscoreNode element = {&member, NULL, 0, NULL};
		size_t		n;

		if (!json_object_is_type(member.value, json_type_array))
			return obscore_reader_wrong_type(reader, &member, "an array of objects");
		n = json_object_array_length(member.value);
		if (n == 0)
			return obscore_reader_fail(reader, &member, NULL, "an empty array");
		for (; element.index < n; element.index++)
		{
			element.value = json_object_array_get_idx(member.value, element.index);
			if (!read_where(reader, &element, target))
				return false;
		}
	}
	return true;
}

static bool
read_date(ObscoreReader *reader, const ObscoreNode *node, void *target)
{
	const char *date;
	unsigned	year;
	unsigned	month;
	unsigned	day;
	int			end = 0;

	(void) target;
	if (!obscore_reader_string(reader, node, &date))
		return false;
	if (strlen(date) == 10 && strspn(date, "-0123456789") == 10 &&
		sscanf(date, "%4u-%2u-%2u%n", &year, &month, &day, &end) == 3 && end == 10 &&
		year >= 1 && month >= 1 && month <= 12 && day >= 1 && day <= 31)
		return true;
	return obscore_reader_fail(reader, node, "Allowed are dates such as 2025-06-30.", "this is no date");
}

static bool
read_origin(ObscoreReader *reader, const ObscoreNode *node, void *target)
{
	static const ObscoreKey keys[] = {
		WHOLE("publisher", read_ignored_string, true),
		WHOLE("publication_date", read_date, true),
		WHOLE("citation", read_ignored_string, false),
		WHOLE("reference_url", read_ignored_string, false),
		WHOLE("article", read_ignored_string, false),
		WHOLE("title", read_ignored_string, false)
	};

	return obscore_reader_members(reader, node, keys, LENGTH(keys), target);
}

/* ------------------------------------------------------- the whole of it */

static bool
read_document(ObscoreReader *reader, struct json_object *document, ObscoreConfig *config)
{
	static const ObscoreKey keys[] = {
		WHOLE("namespace", read_ignored_string, false),
		WHOLE("version", read_ignored_integer, false),
		KEY("table_name", obscore_read_name, ObscoreConfig, table_name, false),
		KEY("collection_type", read_collection_type, ObscoreConfig, collection_type, true),
		WHOLE("collections", read_collections, false),
		WHOLE("dataset_types", read_dataset_types, true),
		KEY("obs_collection", obscore_reader_string, ObscoreConfig, obs_collection, false),
		KEY("facility_name", obscore_reader_string, ObscoreConfig, facility_name, true),
		WHOLE("facility_map", read_facility_map, false),
		KEY("fallback_instrument", obscore_reader_string, ObscoreConfig, fallback_instrument, false),
		KEY("obs_publisher_did_fmt", read_format, ObscoreConfig, obs_publisher_did_fmt, false),
		WHOLE("extra_columns", read_global_columns, false),
		WHOLE("indices", obscore_read_indices, false),
		WHOLE("spectral_ranges", read_spectral_ranges, false),
		WHOLE("spatial_plugins", obscore_read_spatial_plugins, false),
		WHOLE("where", read_where, false),
		WHOLE("dataset_type_constraints", read_constraints, false),
		WHOLE("batch_size", read_ignored_integer, false),
		WHOLE("parquet_compression", read_ignored_string, false),
		WHOLE("csv_null_string", read_ignored_string, false),
		WHOLE("origin", read_origin, false),
		WHOLE("use_butler_uri", read_dead_key, false)
	};
	ObscoreNode root = {NULL, NULL, 0, document};

	config->table_name = "obscore";
	if (obscore_is_tiled(document))
		return obscore_read_tiled(reader, &root, config);
	return obscore_reader_members(reader, &root, keys, LENGTH(keys), config) &&
		check_collections(reader, &root, config) &&
		obscore_check_columns(reader, &root, config);
}

/*
 * Parses and checks a configuration.  All memory of the result and the report
 * comes from "alloc", except for json-c's, which is given back; so "alloc" has
 * to return NULL where it has none, and must not jump away.  Returns NULL when
 * the report has a problem.
 */
ObscoreConfig *
obscore_config_parse_with(const char *json, size_t length, ObscoreAlloc alloc, void *context,
						  ObscoreConfigReport *report)
{
	ObscoreReader reader = {alloc, context, NULL, report};
	ObscoreConfig *config;
	struct json_object *document;

	memset(report, 0, sizeof(ObscoreConfigReport));
	document = obscore_reader_document(&reader, json, length);
	config = document == NULL ? NULL : obscore_reader_allocate(&reader, 1, sizeof(ObscoreConfig));
	if (config != NULL && !read_document(&reader, document, config))
		config = NULL;
	json_object_put(document);
	report->blocks = reader.blocks;
	return config;
}

static void *
allocate(void *context, size_t size)
{
	(void) context;
	return malloc(size);
}

/*
 * The same, for obscore_config_free to release.
 */
ObscoreConfig *
obscore_config_parse(const char *json, size_t length, ObscoreConfigReport *report)
{
	return obscore_config_parse_with(json, length, allocate, NULL, report);
}

/*
 * What is configured for a dataset type, by its name, or NULL.
 */
const ObscoreDatasetType *
obscore_config_dataset_type(const ObscoreConfig *config, const char *name)
{
	for (int i = 0; i < config->n_dataset_types; i++)
		if (strcmp(config->dataset_types[i].name, name) == 0)
			return &config->dataset_types[i];
	return NULL;
}

/*
 * Releases what obscore_config_parse returned, and what it reported.
 */
void
obscore_config_free(ObscoreConfigReport *report)
{
	obscore_reader_release(report->blocks);
	memset(report, 0, sizeof(ObscoreConfigReport));
}
