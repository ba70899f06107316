/*-------------------------------------------------------------------------
 *
 * src/obscore/compile_joins.c
 *	  The records that a row is joined with, and their fields.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "obscore/compile.h"

/* ------------------------------------------------------------- dimensions */

static List *
add_implied(const Universe *universe, List *names, const char *name)
{
	const DimensionElement *element = universe_element(universe, name);
	ListCell   *cell;

	if (element == NULL)
		return names;
	foreach(cell, element->implied)
		if (!name_in(names, lfirst(cell)))
		{
			names = lappend(names, lfirst(cell));
			names = add_implied(universe, names, lfirst(cell));
		}
	return names;
}

/* The required dimensions, and all that they imply. */
List *
compile_group(const Universe *universe, const List *required)
{
	List	   *names = list_copy(required);
	ListCell   *cell;

	foreach(cell, required)
		names = add_implied(universe, names, lfirst(cell));
	return names;
}

/* Does a data id of the dataset type have a record of this element? */
bool
compile_has_element(const Compiler *c, const char *name)
{
	const DimensionElement *element = universe_element(c->universe, name);
	ListCell   *cell;

	if (element == NULL)
		return false;
	foreach(cell, element->required)
		if (!name_in(c->dimensions, lfirst(cell)))
			return false;
	return true;
}

/* ------------------------------------------------------------------ joins */

static const char *join_element(Compiler *c, const char *name);

static ObscoreJoin *
find_join(const Compiler *c, const char *alias)
{
	ListCell   *cell;

	foreach(cell, c->joins)
		if (strcmp(((ObscoreJoin *) lfirst(cell))->alias, alias) == 0)
			return lfirst(cell);
	return NULL;
}

/*
 * The value of a dimension: of the tags table where it is required, else of the
 * record that implies it.  Sets what it depends on, NULL: on t alone, and its
 * type.  NULL: the data id has no such dimension.
 */
const char *
compile_dimension(Compiler *c, const char *name, const char **depends, Oid *type)
{
	*depends = NULL;
	if (name_in(c->type->required, name))
	{
		*type = get_atttype(c->type->tags, get_attnum(c->type->tags, name));
		return psprintf("t.%s", quote_identifier(name));
	}
	if (!name_in(c->dimensions, name))
		return NULL;
	for (int i = 0; i < c->universe->n_elements; i++)
	{
		const DimensionElement *element = &c->universe->elements[i];

		if (element->key != NULL && name_in(element->implied, name) &&
			name_in(c->dimensions, element->name))
		{
			const char *alias = join_element(c, element->name);
			const ObscoreJoin *join = find_join(c, alias);

			*depends = alias;
			*type = get_atttype(join->relation, get_attnum(join->relation, name));
			return psprintf("%s.%s", alias, quote_identifier(name));
		}
	}
	return NULL;
}

ObscoreJoin *
compile_add_join(Compiler *c, const char *alias, const char *table)
{
	ObscoreJoin *join = palloc0(sizeof(ObscoreJoin));

	join->alias = pstrdup(alias);
	join->relation = registry_table(c->obscore->registry, table);
	if (!OidIsValid(join->relation))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("the registry in schema %s has no table \"%s\"",
						c->obscore->registry->schema, table)));
	return join;
}

void
compile_add_key(ObscoreJoin *join, const char *column, const char *value)
{
	join->keys = lappend(join->keys, pstrdup(quote_identifier(column)));
	join->values = lappend(join->values, pstrdup(value));
}

/*
 * Joins a dimension's table, or a combination's, by its key; returns its alias.
 */
static const char *
join_element(Compiler *c, const char *name)
{
	const DimensionElement *element = universe_element(c->universe, name);
	const char *alias = quote_identifier(name);
	ObscoreJoin *join = find_join(c, alias);
	ListCell   *cell;

	if (join != NULL)
		return join->alias;
	join = compile_add_join(c, alias, name);
	join->combination = element->key == NULL;
	foreach(cell, element->required)
	{
		const char *dimension = lfirst(cell);
		const char *column = strcmp(dimension, name) == 0 ? element->key : dimension;
		const char *depends;
		Oid			type;
		const char *value = compile_dimension(c, dimension, &depends, &type);

		compile_add_key(join, column, value);
		if (depends != NULL && !name_in(join->depends, depends))
			join->depends = lappend(join->depends, (void *) depends);
	}
	c->joins = lappend(c->joins, join);
	return join->alias;
}

/* ---------------------------------------------------------------- records */

/* A column of an element's record, or NULL where the element has none such. */
const char *
compile_field(Compiler *c, const char *element_name, const char *column, Oid *type)
{
	const DimensionElement *element = universe_element(c->universe, element_name);
	const char *alias;
	AttrNumber	attnum;
	Oid			relation;

	if (element->view_of != NULL)
	{
		const char *depends;

		if (strcmp(column, element->key) != 0)
			return NULL;
		return compile_dimension(c, element_name, &depends, type);
	}
	relation = registry_table(c->obscore->registry, element_name);
	attnum = OidIsValid(relation) ? get_attnum(relation, column) : InvalidAttrNumber;
	if (attnum <= 0)
		return NULL;
	*type = get_atttype(relation, attnum);
	alias = join_element(c, element_name);
	return psprintf("%s.%s", alias, quote_identifier(column));
}

/* The record's field, or NULL in SQL where there is no such record. */
const char *
compile_field_or_null(Compiler *c, const char *element, const char *column)
{
	Oid			type;
	const char *field = compile_has_element(c, element) ? compile_field(c, element, column, &type) : NULL;

	return field == NULL ? "NULL" : field;
}

/* The first element of a family that the data id has a record of, or NULL. */
const char *
compile_first_of_family(const Compiler *c, const List *family)
{
	ListCell   *cell;

	foreach(cell, family)
		if (compile_has_element(c, lfirst(cell)))
			return lfirst(cell);
	return NULL;
}
