/*-------------------------------------------------------------------------
 *
 * src/butler/universe.c
 *	  The dimension universe of a Butler registry.
 *
 * The client stores it as JSON in butler_attributes (config:dimensions.json);
 * daf_butler's DimensionConfig and DimensionElement say what it means.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <json.h>

#include "butler/universe.h"

bool
name_in(const List *names, const char *name)
{
	ListCell   *cell;

	foreach(cell, names)
		if (strcmp(lfirst(cell), name) == 0)
			return true;
	return false;
}

/* The pixels of a finer level than sphgeom has would not be numbered in 64 bits. */
#define MAX_PIXEL_LEVEL 29

/*
 * An element of the universe, or NULL.
 */
const DimensionElement *
universe_element(const Universe *universe, const char *name)
{
	for (int i = 0; i < universe->n_elements; i++)
		if (strcmp(universe->elements[i].name, name) == 0)
			return &universe->elements[i];
	return NULL;
}

/*
 * The dimension that governs an element, itself perhaps, or NULL.
 */
const DimensionElement *
universe_governor(const Universe *universe, const DimensionElement *element)
{
	ListCell   *cell;

	foreach(cell, element->required)
	{
		const DimensionElement *required = universe_element(universe, lfirst(cell));

		if (required->governor)
			return required;
	}
	return NULL;
}

/*
 * Have its records regions?
 */
bool
universe_is_spatial(const Universe *universe, const DimensionElement *element)
{
	ListCell   *family;

	foreach(family, universe->spatial)
		if (name_in(lfirst(family), element->name))
			return true;
	return false;
}

/*
 * The level of a system's dimension, or -1: it is none of its.
 */
int
skypix_level(const SkyPixSystem *system, const char *dimension)
{
	size_t		length = strlen(system->name);
	const char *level = dimension + length;

	if (strncmp(dimension, system->name, length) != 0 || *level == '\0' ||
		strlen(level) > 2 || strspn(level, "0123456789") != strlen(level))
		return -1;
	return atoi(level);
}

bool
universe_is_skypix(const Universe *universe, const char *dimension)
{
	ListCell   *cell;

	foreach(cell, universe->skypix)
		if (skypix_level(lfirst(cell), dimension) >= 0)
			return true;
	return false;
}

/* Pixels of level 0, numbered from first on; each has four of the next level. */
static const struct
{
	const char *class_name;
	int64		first;
	int64		end;
}			roots[] =

{
	{"lsst.sphgeom.HtmPixelization", 8, 16},
	{"lsst.sphgeom.HealpixPixelization", 0, 12},
	{"lsst.sphgeom.Q3cPixelization", 0, 6},
	{"lsst.sphgeom.Mq3cPixelization", 10, 16},
};

/*
 * The range of numbers that the pixels of a dimension have, as universe() of its
 * class in sphgeom; false: it is no dimension of pixels, or of a class that is
 * not known.
 */
bool
universe_pixels(const Universe *universe, const char *dimension, int64 *first, int64 *end)
{
	ListCell   *cell;

	foreach(cell, universe->skypix)
	{
		const SkyPixSystem *system = lfirst(cell);
		int			level = skypix_level(system, dimension);

		for (int i = 0; i < lengthof(roots) && level >= 0 && level <= MAX_PIXEL_LEVEL; i++)
			if (strcmp(roots[i].class_name, system->class_name) == 0)
			{
				*first = roots[i].first << (2 * level);
				*end = roots[i].end << (2 * level);
				return true;
			}
	}
	return false;
}

static void
report_damage(const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("the registry's dimension universe cannot be read: %s", what),
			 errdetail("It is the value of config:dimensions.json in butler_attributes.")));
}

static json_object *
member(json_object *object, const char *key, json_type type)
{
	json_object *value;

	if (!json_object_object_get_ex(object, key, &value) || value == NULL)
		return NULL;
	if (!json_object_is_type(value, type))
		report_damage(psprintf("\"%s\" is of another type", key));
	return value;
}

static List *
read_names(json_object *array)
{
	List	   *names = NIL;

	for (size_t i = 0; array != NULL && i < json_object_array_length(array); i++)
		names = lappend(names, pstrdup(json_object_get_string(json_object_array_get_idx(array, i))));
	return names;
}

/* The table that a dimension without one of its own is a column of. */
static char *
read_view_of(json_object *element)
{
	json_object *storage = member(element, "storage", json_type_object);
	json_object *view_of = member(element, "implied_union_target", json_type_string);

	if (view_of != NULL)
		return pstrdup(json_object_get_string(view_of));

	while (storage != NULL)
	{
		view_of = member(storage, "view_of", json_type_string);
		if (view_of == NULL)
			view_of = member(storage, "implied_union_target", json_type_string);
		if (view_of != NULL)
			return pstrdup(json_object_get_string(view_of));
		storage = member(storage, "nested", json_type_object);
	}
	return NULL;
}

/* Adds the names of the columns that are of type hash. */
static List *
read_hashes(List *names, json_object *columns)
{
	for (size_t i = 0; columns != NULL && i < json_object_array_length(columns); i++)
	{
		json_object *column = json_object_array_get_idx(columns, i);
		json_object *name = member(column, "name", json_type_string);
		json_object *type = member(column, "type", json_type_string);

		if (name != NULL && type != NULL && strcmp(json_object_get_string(type), "hash") == 0)
			names = lappend(names, pstrdup(json_object_get_string(name)));
	}
	return names;
}

static void
read_element(DimensionElement *element, const char *name, json_object *json)
{
	json_object *keys = member(json, "keys", json_type_array);
	json_object *governor = member(json, "governor", json_type_boolean);

	element->name = pstrdup(name);
	element->key = NULL;
	if (keys != NULL && json_object_array_length(keys) > 0)
	{
		json_object *key = json_object_array_get_idx(keys, 0);
		json_object *key_name = member(key, "name", json_type_string);

		if (key_name == NULL)
			report_damage("a key has no name");
		element->key = pstrdup(json_object_get_string(key_name));
	}
	element->view_of = read_view_of(json);
	element->governor = governor != NULL && json_object_get_boolean(governor);
	element->hashes = read_hashes(read_hashes(NIL, keys), member(json, "metadata", json_type_array));
	element->required = read_names(member(json, "requires", json_type_array));
	element->implied = read_names(member(json, "implies", json_type_array));
}

/* Adds what the required dimensions require themselves. */
static List *
close_required(const Universe *universe, List *names, const char *name, int depth)
{
	const DimensionElement *element = universe_element(universe, name);
	ListCell   *cell;

	if (element == NULL)
		report_damage(psprintf("there is no element \"%s\"", name));
	if (depth > universe->n_elements)
		report_damage(psprintf("\"%s\" requires itself", name));
	foreach(cell, element->required)
		if (strcmp(lfirst(cell), name) != 0)
			names = close_required(universe, names, lfirst(cell), depth + 1);
	if (element->key != NULL && !name_in(names, name))
		names = lappend(names, element->name);
	return names;
}

/* Families of elements, of which the first that is there counts. */
static List *
read_families(json_object *root, const char *kind)
{
	json_object *topology = member(root, "topology", json_type_object);
	json_object *families = topology == NULL ? NULL : member(topology, kind, json_type_object);
	List	   *result = NIL;

	if (families != NULL)
	{
		json_object_object_foreach(families, key, value)
		{
			(void) key;
			result = lappend(result, read_names(value));
		}
	}
	return result;
}

static List *
read_skypix(json_object *root)
{
	json_object *skypix = member(root, "skypix", json_type_object);
	List	   *result = NIL;

	if (skypix != NULL)
	{
		json_object_object_foreach(skypix, name, value)
		{
			SkyPixSystem *system;
			json_object *class_name;

			/* beside the systems it says which dimension is common to all records */
			if (!json_object_is_type(value, json_type_object))
				continue;
			class_name = member(value, "class", json_type_string);
			system = palloc(sizeof(SkyPixSystem));
			system->name = pstrdup(name);
			system->class_name = pstrdup(class_name == NULL ? "" : json_object_get_string(class_name));
			result = lappend(result, system);
		}
	}
	return result;
}

/* The one whose overlaps with records are stored. */
static char *
read_common_skypix(json_object *root)
{
	json_object *skypix = member(root, "skypix", json_type_object);
	json_object *common = skypix == NULL ? NULL : member(skypix, "common", json_type_string);

	return common == NULL ? NULL : pstrdup(json_object_get_string(common));
}

static void
read_universe(Universe *universe, json_object *root)
{
	json_object *elements;
	List	  **closed;
	int			i = 0;

	if (!json_object_is_type(root, json_type_object) ||
		(elements = member(root, "elements", json_type_object)) == NULL)
		report_damage("there are no \"elements\"");
	universe->elements = palloc0(sizeof(DimensionElement) * json_object_object_length(elements));
	{
		json_object_object_foreach(elements, name, value)
			read_element(&universe->elements[i++], name, value);
	}
	universe->n_elements = i;
	closed = palloc(sizeof(List *) * universe->n_elements);
	for (i = 0; i < universe->n_elements; i++)
		closed[i] = close_required(universe, NIL, universe->elements[i].name, 0);
	for (i = 0; i < universe->n_elements; i++)
		universe->elements[i].required = closed[i];
	universe->spatial = read_families(root, "spatial");
	universe->temporal = read_families(root, "temporal");
	universe->skypix = read_skypix(root);
	universe->common_skypix = read_common_skypix(root);
}

/*
 * Reads the universe, in the current memory context.
 */
Universe *
universe_parse(const char *json)
{
	Universe   *universe = palloc0(sizeof(Universe));
	json_object *root = json_tokener_parse(json);

	if (root == NULL)
		report_damage("it is not JSON");
	PG_TRY();
	{
		read_universe(universe, root);
	}
	PG_FINALLY();
	{
		json_object_put(root);
	}
	PG_END_TRY();
	return universe;
}
