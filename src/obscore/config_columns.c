/*-------------------------------------------------------------------------
 *
 * src/obscore/config_columns.c
 *	  The part of a configuration that adds columns and indices to the table.
 *
 * The extra columns have to suit each other, and the indices and pgsphere's
 * columns the others; that is checked once the whole document has been read.
 *
 *-------------------------------------------------------------------------
 */
#include "obscore/config_reader.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* PostgreSQL's limits (NAMEDATALEN, INDEX_MAX_KEYS) */
#define MAX_NAME 63
#define MAX_INDEX_COLUMNS 32

/* Columns of strings up to so many characters have a length (see columns.c) */
#define LONGEST_VARCHAR 32

/* What a table has in any case (daf_butler's _STATIC_COLUMNS) */
static const char *const static_columns[] = {
	"dataproduct_type", "dataproduct_subtype", "facility_name", "calib_level", "target_name",
	"obs_id", "obs_collection", "obs_publisher_did", "access_url", "access_format",
	"s_resolution", "s_xel1", "s_xel2", "t_xel", "t_min", "t_max", "t_exptime", "t_resolution",
	"em_xel", "em_min", "em_max", "em_res_power", "em_filter_name", "o_ucd", "pol_xel",
	"instrument_name"
};

/* Those of them that hold numbers; bytes: of an integer's type, or 0 */
typedef struct NumberColumn
{
	const char *name;
	int			bytes;
} NumberColumn;

static const NumberColumn number_columns[] = {
	{"calib_level", 2}, {"s_resolution", 0}, {"s_xel1", 4}, {"s_xel2", 4}, {"t_xel", 4}, {"t_min", 0},
	{"t_max", 0}, {"t_exptime", 0}, {"t_resolution", 0}, {"em_xel", 4}, {"em_min", 0}, {"em_max", 0},
	{"em_res_power", 0}, {"pol_xel", 4}
};

/* What is written beside the configuration's own columns, and by no other */
static const char *const reserved_columns[] = {
	"s_ra", "s_dec", "s_fov", "s_region", "registry_dataset_id", "registry_data_id", "region"
};

/* ObsCore's mandatory columns that the peers lack; a configuration may add them */
static const char *const added_columns[] = {"access_estsize", "pol_states"};

/* Names of a column in a row, which every row has and PostgreSQL keeps to itself */
static const char *const system_columns[] = {
	"tableoid", "cmax", "xmax", "cmin", "xmin", "ctid"
};

static const char pgsphere_class[] = "lsst.daf.butler.registry.obscore.pgsphere.PgSphereObsCorePlugin";
static const char default_class[] = "lsst.daf.butler.registry.obscore.default_spatial.DefaultSpatialObsCorePlugin";

typedef struct Plugin
{
	const char *class_name;
	struct json_object *config;
	ObscoreConfig columns;		/* region_column and position_column only */
} Plugin;


static bool
is_one_of(const char *name, const char *const *names, size_t n_names)
{
	size_t		i;

	for (i = 0; i < n_names; i++)
	{
		if (strcmp(names[i], name) == 0)
			return true;
	}
	return false;
}

/* ---------------------------------------------------------------- names */

/*
 * A name that PostgreSQL can give: it would cut a longer one.
 */
bool
obscore_check_name(ObscoreReader *reader, const ObscoreNode *node, const char *name)
{
	if (*name == '\0')
		return obscore_reader_fail(reader, node, NULL, "an empty name");
	if (strlen(name) > MAX_NAME)
		return obscore_reader_fail(reader, node, "Names in PostgreSQL have at most 63 bytes.",
								   "a name of %zu bytes", strlen(name));
	return true;
}

bool
obscore_read_name(ObscoreReader *reader, const ObscoreNode *node, void *target)
{
	return obscore_reader_string(reader, node, target) &&
		obscore_check_name(reader, node, *(const char **) target);
}

/*
 * A name for a column, which cannot be that of a system column.
 */
static bool
check_column_name(ObscoreReader *reader, const ObscoreNode *node, const char *name)
{
	if (!obscore_check_name(reader, node, name))
		return false;
	if (is_one_of(name, system_columns, LENGTH(system_columns)))
		return obscore_reader_fail(reader, node, NULL,
								   "this is the name of a system column in PostgreSQL");
	return true;
}

static bool
read_column_name(ObscoreReader *reader, const ObscoreNode *node, void *target)
{
	return obscore_reader_string(reader, node, target) &&
		check_column_name(reader, node, *(const char **) target);
}

/*
 * The type of a column of ObsCore's that a configuration may fill; bytes: of an
 * integer's type.  False: there is none of this name.
 */
bool
obscore_standard_column(const char *name, ObscoreValueType *type, int *bytes)
{
	static const char *const angles[] = {"s_ra", "s_dec", "s_fov"};
	size_t		i;

	*type = OBSCORE_STRING;
	*bytes = 0;
	if (is_one_of(name, angles, LENGTH(angles)))
		*type = OBSCORE_FLOAT;
	else if (strcmp(name, "access_estsize") == 0)
	{
		*type = OBSCORE_INT;
		*bytes = 8;
	}
	for (i = 0; i < LENGTH(number_columns); i++)
	{
		if (strcmp(number_columns[i].name, name) != 0)
			continue;
		*type = number_columns[i].bytes == 0 ? OBSCORE_FLOAT : OBSCORE_INT;
		*bytes = number_columns[i].bytes;
	}
	return is_one_of(name, static_columns, LENGTH(static_columns)) || is_one_of(name, added_columns, LENGTH(added_columns)) ||
		is_one_of(name, angles, LENGTH(angles)) || strcmp(name, "s_region") == 0;
}

/*
 * A name for a column beside ObsCore's own.
 */
bool
obscore_check_extra_name(ObscoreReader *reader, const ObscoreNode *node)
{
	ObscoreValueType type;
	int			bytes;

	if (!check_column_name(reader, node, node->key))
		return false;
	if (obscore_standard_column(node->key, &type, &bytes))
		return obscore_reader_fail(reader, node, "Columns of ObsCore are filled by \"columns\".",
								   "the table has a column of this name");
	if (is_one_of(node->key, reserved_columns, LENGTH(reserved_columns)))
		return obscore_reader_fail(reader, node, NULL,
								   "the table has a column of this name, which no other value can fill");
	return true;
}

/* -------------------------------------------------------------- indices */

/*
 * Reads one index: a column's name, or several.
 */
static bool
read_index(ObscoreReader *reader, const ObscoreNode *node, ObscoreIndex *found)
{
	if (!obscore_check_name(reader, node, node->key))
		return false;
	found->name = obscore_reader_format(reader, "%s", node->key);
	if (found->name == NULL)
		return false;
	if (json_object_is_type(node->value, json_type_string))
	{
		found->columns = obscore_reader_allocate(reader, 1, sizeof(char *));
		found->n_columns = 1;
		return found->columns != NULL && obscore_reader_string(reader, node, found->columns);
	}
	if (!json_object_is_type(node->value, json_type_array))
		return obscore_reader_wrong_type(reader, node, "a column's name or an array of them");
	if (!obscore_reader_strings(reader, node, &found->n_columns, &found->columns))
		return false;
	if (found->n_columns < 1 || found->n_columns > MAX_INDEX_COLUMNS)
		return obscore_reader_fail(reader, node, "Allowed are 1 to 32 columns.",
								   "an index of %d columns", found->n_columns);
	return true;
}

bool
obscore_read_indices(ObscoreReader *reader, const ObscoreNode *node, void *target)
{
	ObscoreConfig *config = target;
	ObscoreMembers members;
	ObscoreNode member;

	if (!obscore_reader_is(reader, node, json_type_object))
		return false;
	config->indices = obscore_reader_allocate(reader, obscore_reader_count(node),
											  sizeof(ObscoreIndex));
	if (config->indices == NULL)
		return false;
	members = obscore_reader_walk(node);
	while (obscore_reader_next(&members, &member))
	{
		if (!read_index(reader, &member, &config->indices[config->n_indices++]))
			return false;
	}
	return true;
}

/* ---------------------------------------------------------- extra columns */

bool
obscore_read_value_type(ObscoreReader *reader, const ObscoreNode *node, void *target)
{
	static const char *const names[] = {"string", "int", "float", "bool"};
	static const ObscoreValueType types[] = {OBSCORE_STRING, OBSCORE_INT, OBSCORE_FLOAT, OBSCORE_BOOL};
	const char *name;
	char	   *quoted;
	size_t		i;

	if (!obscore_reader_string(reader, node, &name))
		return false;
	for (i = 0; i < LENGTH(names); i++)
	{
		if (strcmp(name, names[i]) == 0)
		{
			*(ObscoreValueType *) target = types[i];
			return true;
		}
	}
	quoted = obscore_reader_quote(reader, name);
	return quoted != NULL && obscore_reader_fail(reader, node, "Allowed values: bool, int, float, string.",
												 "%s is no type of a column", quoted);
}

bool
obscore_read_length(ObscoreReader *reader, const ObscoreNode *node, void *target)
{
	int64_t		length = 0;

	if (!obscore_reader_integer(reader, node, 1, INT_MAX, &length))
		return false;
	*(int *) target = (int) length;
	return true;
}

static bool
read_template(ObscoreReader *reader, const ObscoreNode *node, void *target)
{
	ObscoreExtraColumn *column = target;

	column->template_path = obscore_reader_path(reader, node);
	return column->template_path != NULL && obscore_reader_string(reader, node, &column->template);
}

/*
 * The fewest digits that read back as the same number.
 */
static const char *
float_text(ObscoreReader *reader, double value)
{
	char		digits[40];
	int			precision;

	for (precision = 15; precision <= 17; precision++)
	{
		snprintf(digits, sizeof(digits), "%.*g", precision, value);
		if (strtod(digits, NULL) == value)
			break;
	}
	return obscore_reader_format(reader, "%s", digits);
}

bool
obscore_read_constant(ObscoreReader *reader, const ObscoreNode *node, ObscoreExtraColumn *column)
{
	double		number;

	switch (json_object_get_type(node->value))
	{
		case json_type_string:
			column->type = OBSCORE_STRING;
			if (!obscore_reader_string(reader, node, &column->constant))
				return false;
			break;
		case json_type_int:
			column->type = OBSCORE_INT;
			column->constant = obscore_reader_format(reader, "%lld",
													 (long long) json_object_get_int64(node->value));
			break;
		case json_type_double:
			column->type = OBSCORE_FLOAT;
			if (!obscore_reader_number(reader, node, &number))
				return false;
			column->constant = float_text(reader, number);
			break;
		case json_type_boolean:
			column->type = OBSCORE_BOOL;
			column->constant = json_object_get_boolean(node->value) ? "true" : "false";
			break;
		default:
			return obscore_reader_wrong_type(reader, node, "a string, a number, a boolean or an object with a template");
	}
	column->constant_type = column->type;
	return column->constant != NULL;
}

static bool
read_extra_column(ObscoreReader *reader, const ObscoreNode *node, ObscoreExtraColumn *column)
{
	static const ObscoreKey keys[] = {
		WHOLE("template", read_template, true),
		KEY("type", obscore_read_value_type, ObscoreExtraColumn, type, false),
		KEY("length", obscore_read_length, ObscoreExtraColumn, length, false),
		KEY("doc", obscore_reader_string, ObscoreExtraColumn, doc, false)
	};

	column->type = OBSCORE_STRING;
	column->constant_type = OBSCORE_NULL;
	if (!check_column_name(reader, node, node->key))
		return false;
	if (is_one_of(node->key, reserved_columns, LENGTH(reserved_columns)))
		return obscore_reader_fail(reader, node, NULL,
								   "the table has a column of this name, which no other value can fill");
	column->name = obscore_reader_format(reader, "%s", node->key);
	if (column->name == NULL)
		return false;
	if (!json_object_is_type(node->value, json_type_object))
		return obscore_read_constant(reader, node, column);
	return obscore_reader_members(reader, node, keys, LENGTH(keys), column);
}

bool
obscore_read_extra_columns(ObscoreReader *reader, const ObscoreNode *node, int *n_extra,
						   ObscoreExtraColumn **extra)
{
	ObscoreMembers members;
	ObscoreNode member;

	if (!obscore_reader_is(reader, node, json_type_object))
		return false;
	*extra = obscore_reader_allocate(reader, obscore_reader_count(node), sizeof(ObscoreExtraColumn));
	if (*extra == NULL)
		return false;
	members = obscore_reader_walk(node);
	while (obscore_reader_next(&members, &member))
	{
		if (!read_extra_column(reader, &member, &(*extra)[(*n_extra)++]))
			return false;
	}
	return true;
}

/* -------------------------------------------------------- spatial plugins */

static bool
read_plugin_config(ObscoreReader *reader, const ObscoreNode *node, void *target)
{
	((Plugin *) target)->config = node->value;
	return obscore_reader_is(reader, node, json_type_object);
}

/*
 * Reads what pgsphere's plugin is told, once its class is known.
 */
static bool
read_pgsphere(ObscoreReader *reader, const ObscoreNode *node, Plugin *plugin, ObscoreConfig *config)
{
	static const ObscoreKey keys[] = {
		KEY("region_column", read_column_name, ObscoreConfig, region_column, false),
		KEY("position_column", read_column_name, ObscoreConfig, position_column, false)
	};
	ObscoreNode options = {node, "config", 0, plugin->config};

	if (config->region_column != NULL)
		return obscore_reader_fail(reader, node, NULL, "pgsphere's plugin is there twice");
	plugin->columns.region_column = "pgsphere_region";
	plugin->columns.position_column = "pgsphere_position";
	if (plugin->config != NULL &&
		!obscore_reader_members(reader, &options, keys, LENGTH(keys), &plugin->columns))
		return false;
	config->region_column = plugin->columns.region_column;
	config->position_column = plugin->columns.position_column;
	return true;
}

bool
obscore_read_spatial_plugins(ObscoreReader *reader, const ObscoreNode *node, void *target)
{
	static const ObscoreKey keys[] = {
		KEY("cls", obscore_reader_string, Plugin, class_name, true),
		WHOLE("config", read_plugin_config, false)
	};
	ObscoreMembers members;
	ObscoreNode member;

	if (!obscore_reader_is(reader, node, json_type_object))
		return false;
	members = obscore_reader_walk(node);
	while (obscore_reader_next(&members, &member))
	{
		ObscoreNode class_node = {&member, "cls", 0, NULL};
		Plugin		plugin;
		char	   *hint;

		memset(&plugin, 0, sizeof(plugin));
		if (!obscore_reader_members(reader, &member, keys, LENGTH(keys), &plugin))
			return false;
		if (strcmp(plugin.class_name, pgsphere_class) == 0)
		{
			if (!read_pgsphere(reader, &member, &plugin, target))
				return false;
		}
		else if (strcmp(plugin.class_name, default_class) == 0)
		{
			/* it makes the columns that are there anyway, in its turn */
			((ObscoreConfig *) target)->pgsphere_first = ((ObscoreConfig *) target)->region_column != NULL;
		}
		else
		{
			hint = obscore_reader_format(reader, "Allowed values: %s, %s.", pgsphere_class, default_class);
			return hint != NULL &&
				obscore_reader_fail(reader, &class_node, hint, "an unknown plugin");
		}
	}
	return true;
}

/* -------------------------------------------------------- the whole of it */

typedef struct ColumnPlace
{
	const ObscoreExtraColumn *column;
	const ObscoreDatasetType *type; /* NULL: a global column */
} ColumnPlace;

/*
 * The extra columns of all, in the order in which the table takes them.
 */
static ColumnPlace *
list_extra_columns(ObscoreReader *reader, const ObscoreConfig *config, size_t *n)
{
	size_t		count = (size_t) config->n_extra;
	ColumnPlace *places;
	int			i;
	int			j;

	for (i = 0; i < config->n_dataset_types; i++)
		count += (size_t) config->dataset_types[i].n_extra;
	places = obscore_reader_allocate(reader, count, sizeof(ColumnPlace));
	*n = 0;
	if (places == NULL)
		return NULL;
	for (i = 0; i < config->n_extra; i++)
		places[(*n)++].column = &config->extra[i];
	for (i = 0; i < config->n_dataset_types; i++)
	{
		for (j = 0; j < config->dataset_types[i].n_extra; j++)
		{
			places[*n].column = &config->dataset_types[i].extra[j];
			places[(*n)++].type = &config->dataset_types[i];
		}
	}
	return places;
}

static const char *
value_type_name(ObscoreValueType type)
{
	return type == OBSCORE_STRING ? "string" : type == OBSCORE_INT ? "int" :
		type == OBSCORE_FLOAT ? "float" : "bool";
}

/* The way to an extra column. */
typedef struct ColumnPath
{
	ObscoreNode types;
	ObscoreNode type;
	ObscoreNode extra;
	ObscoreNode column;
} ColumnPath;

static const ObscoreNode *
column_path(ColumnPath *path, const ObscoreNode *document, const ColumnPlace *place)
{
	path->types = (ObscoreNode) {document, "dataset_types", 0, NULL};
	if (place->type != NULL)
		path->type = (ObscoreNode) {&path->types, place->type->name, 0, NULL};
	path->extra = (ObscoreNode) {place->type == NULL ? document : &path->type, "extra_columns", 0, NULL};
	path->column = (ObscoreNode) {&path->extra, place->column->name, 0, NULL};
	return &path->column;
}

/*
 * A constant for a column of the peers that holds numbers has to be one, if as
 * text: at the first dataset the client would fail.
 */
static bool
check_constant(ObscoreReader *reader, const ObscoreNode *document, const ColumnPlace *place)
{
	const ObscoreExtraColumn *column = place->column;
	const NumberColumn *number = NULL;
	ColumnPath	path;
	char	   *end;
	char	   *quoted;
	double		value;
	size_t		i;

	for (i = 0; i < LENGTH(number_columns); i++)
		if (strcmp(number_columns[i].name, column->name) == 0)
			number = &number_columns[i];
	if (number == NULL || column->constant_type == OBSCORE_NULL)
		return true;
	errno = 0;
	value = strtod(column->constant, &end);
	if (*end == '\0' && end > column->constant && strpbrk(column->constant, " xXnN") == NULL &&
		!(errno == ERANGE && (value == 0 || value >= HUGE_VAL || value <= -HUGE_VAL)) &&
		(number->bytes == 0 ||
		 (strpbrk(column->constant, ".eE") == NULL &&
		  value >= (number->bytes == 2 ? SHRT_MIN : INT_MIN) && value <= (number->bytes == 2 ? SHRT_MAX : INT_MAX))))
		return true;
	quoted = obscore_reader_quote(reader, column->constant);
	return quoted != NULL &&
		obscore_reader_fail(reader, column_path(&path, document, place),
							number->bytes == 0 ? "Allowed is a number." : number->bytes == 2 ?
							"Allowed are integers from -32768 to 32767." : "Allowed are integers from -2147483648 to 2147483647.",
							"this column cannot hold %s", quoted);
}

static bool
check_constants(ObscoreReader *reader, const ObscoreNode *document, const ColumnPlace *places, size_t n)
{
	size_t		i;

	for (i = 0; i < n; i++)
		if (!check_constant(reader, document, &places[i]))
			return false;
	return true;
}

/*
 * A column of several dataset types has the type of the first, and the others'
 * values have to go into it.  The client makes such a table and then fails at
 * the first value that does not, or rounds it.
 */
static bool
check_column_types(ObscoreReader *reader, const ObscoreNode *document,
				   const ColumnPlace *places, size_t n)
{
	size_t		i;
	size_t		j;

	for (i = 1; i < n; i++)
	{
		const ObscoreExtraColumn *column = places[i].column;

		for (j = 0; j < i && strcmp(places[j].column->name, column->name) != 0; j++)
			;
		if (j < i && column->type != places[j].column->type &&
			!is_one_of(column->name, static_columns, LENGTH(static_columns)) &&
			!(places[j].column->type == OBSCORE_FLOAT && column->type == OBSCORE_INT))
		{
			ColumnPath	path;

			return obscore_reader_fail(reader, column_path(&path, document, &places[i]),
									   "A column has one type in all dataset types.",
									   "this column is of type %s, but was of type %s before",
									   value_type_name(column->type),
									   value_type_name(places[j].column->type));
		}
	}
	return true;
}

static size_t
n_characters(const char *text)
{
	size_t		n = 0;

	for (; *text != '\0'; text++)
		n += ((unsigned char) *text & 0xc0) != 0x80;
	return n;
}

/*
 * A constant may be too long for a column that another dataset type's template has
 * made.  PostgreSQL would cut it.
 */
static bool
check_constant_lengths(ObscoreReader *reader, const ObscoreNode *document,
					   const ColumnPlace *places, size_t n)
{
	size_t		i;
	size_t		j;

	for (i = 1; i < n; i++)
	{
		const ObscoreExtraColumn *column = places[i].column;
		const ObscoreExtraColumn *first;
		int			length;

		for (j = 0; j < i && strcmp(places[j].column->name, column->name) != 0; j++)
			;
		first = places[j].column;
		length = first->template == NULL || first->type != OBSCORE_STRING || first->length > LONGEST_VARCHAR ||
			is_one_of(first->name, static_columns, LENGTH(static_columns)) ? 0 : first->length;
		if (column->template == NULL && length > 0 && n_characters(column->constant) > (size_t) length)
		{
			ColumnPath	path;

			return obscore_reader_fail(reader, column_path(&path, document, &places[i]),
									   "A column has one type in all dataset types.",
									   "the constant has %zu characters, but the column was made for %d",
									   n_characters(column->constant), length);
		}
	}
	return true;
}

static bool
is_extra_column(const char *name, const ColumnPlace *places, size_t n)
{
	size_t		i;

	for (i = 0; i < n; i++)
	{
		if (strcmp(places[i].column->name, name) == 0)
			return true;
	}
	return false;
}

/*
 * Whether pgsphere's columns have names of their own.
 */
static bool
check_plugin_columns(ObscoreReader *reader, const ObscoreNode *document,
					 const ObscoreConfig *config, const ColumnPlace *places, size_t n)
{
	const char *const names[] = {config->region_column, config->position_column};
	ObscoreNode node = {document, "spatial_plugins", 0, NULL};
	size_t		i;

	for (i = 0; i < LENGTH(names) && names[i] != NULL; i++)
	{
		if (is_one_of(names[i], static_columns, LENGTH(static_columns)) ||
			is_one_of(names[i], reserved_columns, LENGTH(reserved_columns)) ||
			is_one_of(names[i], added_columns, LENGTH(added_columns)) ||
			is_extra_column(names[i], places, n) ||
			(i > 0 && strcmp(names[0], names[i]) == 0))
			return obscore_reader_fail(reader, &node, "Name another region_column or position_column.",
									   "the column \"%s\" is there already", names[i]);
	}
	return true;
}

static bool
is_column(const ObscoreConfig *config, const char *name, const ColumnPlace *places, size_t n)
{
	return is_one_of(name, static_columns, LENGTH(static_columns)) ||
		(is_one_of(name, reserved_columns, LENGTH(reserved_columns)) && strcmp(name, "region") != 0) ||
		is_one_of(name, added_columns, LENGTH(added_columns)) ||
		(config->region_column != NULL && strcmp(name, config->region_column) == 0) ||
		(config->position_column != NULL && strcmp(name, config->position_column) == 0) ||
		is_extra_column(name, places, n);
}

static bool
same_columns(const ObscoreIndex *a, const ObscoreIndex *b)
{
	int			i;

	for (i = 0; i < a->n_columns && i < b->n_columns; i++)
		if (strcmp(a->columns[i], b->columns[i]) != 0)
			return false;
	return a->n_columns == b->n_columns;
}

/*
 * No two indices over the same columns, after which the client names them.
 */
static bool
check_index_names(ObscoreReader *reader, const ObscoreNode *indices, const ObscoreConfig *config)
{
	int			i;
	int			j;

	for (i = 1; i < config->n_indices; i++)
		for (j = 0; j < i; j++)
		{
			ObscoreNode node = {indices, config->indices[i].name, 0, NULL};

			if (same_columns(&config->indices[i], &config->indices[j]))
				return obscore_reader_fail(reader, &node, NULL, "index \"%s\" is over the same columns",
										   config->indices[j].name);
		}
	return true;
}

/*
 * Whether the columns of indices are there.
 */
static bool
check_indices(ObscoreReader *reader, const ObscoreNode *document, const ObscoreConfig *config,
			  const ColumnPlace *places, size_t n)
{
	ObscoreNode indices = {document, "indices", 0, NULL};
	int			i;
	int			j;

	for (i = 0; i < config->n_indices; i++)
	{
		const ObscoreIndex *found = &config->indices[i];
		ObscoreNode node = {&indices, found->name, 0, NULL};

		for (j = 0; j < found->n_columns; j++)
		{
			char	   *quoted;

			if (is_column(config, found->columns[j], places, n))
				continue;
			quoted = obscore_reader_quote(reader, found->columns[j]);
			return quoted != NULL &&
				obscore_reader_fail(reader, &node,
									"Allowed are the columns of ObsCore and those of extra_columns and spatial_plugins.",
									"there is no column %s", quoted);
		}
	}
	return check_index_names(reader, &indices, config);
}

/*
 * The checks of columns that need the whole configuration.
 */
bool
obscore_check_columns(ObscoreReader *reader, const ObscoreNode *document,
					  const ObscoreConfig *config)
{
	size_t		n;
	ColumnPlace *places = list_extra_columns(reader, config, &n);

	return places != NULL &&
		check_column_types(reader, document, places, n) &&
		check_constants(reader, document, places, n) &&
		check_constant_lengths(reader, document, places, n) &&
		check_plugin_columns(reader, document, config, places, n) &&
		check_indices(reader, document, config, places, n);
}
