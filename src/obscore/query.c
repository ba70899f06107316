/*-------------------------------------------------------------------------
 *
 * src/obscore/query.c
 *	  The queries about an ObsCore table, written from what was compiled.
 *
 * One definition, several uses: all of the table (obscore_write_query), the rows
 * of some tags (obscore_write_select over another source), the datasets whose
 * rows a changed record takes part in (obscore_write_affected), and the records
 * that a put must not see change (obscore_write_locks).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "core/query.h"
#include "obscore/tiled.h"

/*
 * The names of all columns, quoted, each after a prefix.
 */
const char *
obscore_column_list(const Obscore *obscore, const char *prefix)
{
	StringInfoData text;
	ListCell   *cell;

	initStringInfo(&text);
	foreach(cell, obscore->columns)
		appendStringInfo(&text, "%s%s%s", text.len > 0 ? ", " : "", prefix,
						 quote_identifier(((ObscoreColumn *) lfirst(cell))->name));
	return text.data;
}

/* Which collections count, as a condition on collection c. */
void
obscore_write_collections(StringInfo text, const ObscoreConfig *config)
{
	if (config->collection_type == OBSCORE_TAGGED)
	{
		appendStringInfo(text, "c.type OPERATOR(pg_catalog.=) 2 AND c.name OPERATOR(pg_catalog.=) %s",
						 quote_literal_cstr(config->collections[0]));
		return;
	}
	appendStringInfoString(text, "c.type OPERATOR(pg_catalog.=) 1");
	for (int i = 0; i < config->n_collections; i++)
		appendStringInfo(text, " %s c.name OPERATOR(pg_catalog.~) %s", i == 0 ? "AND (" : "OR",
						 quote_literal_cstr(config->collection_regexes[i]));
	if (config->n_collections > 0)
		appendStringInfoChar(text, ')');
}

/*
 * The key of a data id, whose dimensions are columns of a relation.
 */
char *
obscore_data_id_of(const ObscoreSelect *select, const char *alias)
{
	StringInfoData text;
	ListCell   *cell;

	initStringInfo(&text);
	appendStringInfo(&text, "catreg.obscore_data_id(" INT64_FORMAT, select->type->id);
	foreach(cell, select->type->required)
		appendStringInfo(&text, ", %s.%s", alias, quote_identifier(lfirst(cell)));

	/* a function cannot be called with no VARIADIC arguments at all */
	if (select->type->required == NIL)
		appendStringInfoString(&text, ", ''::pg_catalog.text");
	appendStringInfoChar(&text, ')');
	return text.data;
}

/* Without dimensions there is one data id, that of the dataset type. */
static List *
key_columns(const Obscore *obscore, const ObscoreSelect *select)
{
	if (!obscore->find_first)
		return list_make1("dataset_id");
	return select->type->required != NIL ? select->type->required : list_make1("dataset_type_id");
}

/*
 * The columns of a tags table that say which row is meant, behind an alias: the
 * dataset, or the data id where only the first dataset of each counts.
 */
char *
obscore_keys(const Obscore *obscore, const ObscoreSelect *select, const char *alias)
{
	StringInfoData text;
	ListCell   *cell;

	initStringInfo(&text);
	foreach(cell, key_columns(obscore, select))
		appendStringInfo(&text, "%s%s.%s", text.len > 0 ? ", " : "", alias, quote_identifier(lfirst(cell)));
	return text.data;
}

/*
 * The condition that these are equal in two relations.
 */
char *
obscore_same_keys(const Obscore *obscore, const ObscoreSelect *select, const char *alias, const char *other)
{
	StringInfoData text;
	ListCell   *cell;

	initStringInfo(&text);
	foreach(cell, key_columns(obscore, select))
	{
		const char *column = quote_identifier(lfirst(cell));

		appendStringInfo(&text, "%s%s.%s OPERATOR(pg_catalog.=) %s.%s", text.len > 0 ? " AND " : "",
						 alias, column, other, column);
	}
	return text.data;
}

static char *
run_joins(const Registry *registry)
{
	return psprintf(" JOIN %s.dataset d ON d.id OPERATOR(pg_catalog.=) x.dataset_id"
					" JOIN %s.collection r ON r.%s OPERATOR(pg_catalog.=) d.%s",
					registry->schema, registry->schema, registry->collection_key, registry->run_key);
}

/* The search path as a relation, for queries over all datasets. */
static char *
path_join(const Obscore *obscore, const char *path, const char *tags)
{
	return psprintf(" JOIN catreg.obscore_search_path%s(%s::pg_catalog.regclass) %s (collection, position)"
					" ON %s.collection OPERATOR(pg_catalog.=) %s.%s",
					obscore->registry->key_type == TEXTOID ? "_names" : "",
					quote_literal_cstr(query_relation(obscore->table)), path, path, tags, obscore->registry->tag_key);
}

/*
 * A collection's place in the search path as a function, for queries over a few.
 */
char *
obscore_position_of(const Obscore *obscore, const char *tags)
{
	return psprintf("catreg.obscore_position(%s::pg_catalog.regclass, %s.%s)",
					quote_literal_cstr(query_relation(obscore->table)), tags, obscore->registry->tag_key);
}

/*
 * The members of a find-first table: of all datasets of a data id the one whose
 * collection comes first.
 */
static void
write_first_members(StringInfo text, const Obscore *obscore, const ObscoreSelect *select, const char *source)
{
	bool		whole = source == NULL;
	const char *tags = query_relation(select->type->tags);
	const char *same = obscore_same_keys(obscore, select, "y", "x");

	appendStringInfo(text, " FROM %s x%s%s WHERE x.dataset_type_id OPERATOR(pg_catalog.=) " INT64_FORMAT,
					 whole ? tags : source, whole ? path_join(obscore, "p", "x") : "",
					 select->needs_run ? run_joins(obscore->registry) : "", select->type->id);
	if (!whole)
		appendStringInfo(text, " AND %s IS NOT NULL", obscore_position_of(obscore, "x"));
	appendStringInfo(text, " AND NOT EXISTS (SELECT FROM %s y%s WHERE y.dataset_type_id OPERATOR(pg_catalog.=) " INT64_FORMAT " AND %s AND %s OPERATOR(pg_catalog.<) %s)",
					 tags, whole ? path_join(obscore, "q", "y") : "", select->type->id, same,
					 whole ? "q.position" : obscore_position_of(obscore, "y"), whole ? "p.position" : obscore_position_of(obscore, "x"));
}

/*
 * A client puts a dataset into its own run only, but the tables allow for tags in others.
 * Of several in runs that count it is the own run's that makes the row, as for the
 * client, or else that of the first.
 */
static void
write_only_tag(StringInfo text, const Obscore *obscore, const ObscoreSelect *select, bool by_key)
{
	const Registry *registry = obscore->registry;

	appendStringInfo(text, " AND NOT EXISTS (SELECT FROM %1$s z JOIN %2$s.collection c ON c.%3$s OPERATOR(pg_catalog.=) z.%4$s AND ",
					 query_relation(select->type->tags), registry->schema, registry->collection_key, registry->tag_key);
	obscore_write_collections(text, obscore->config);
	appendStringInfo(text, " WHERE z.dataset_id OPERATOR(pg_catalog.=) x.dataset_id AND z.%2$s OPERATOR(pg_catalog.<>) x.%2$s"
					 " AND (SELECT CASE WHEN d.%3$s OPERATOR(pg_catalog.=) x.%2$s THEN false WHEN d.%3$s OPERATOR(pg_catalog.=) z.%2$s THEN true"
					 " ELSE z.%2$s OPERATOR(pg_catalog.<) x.%2$s END FROM %1$s.dataset d WHERE d.id OPERATOR(pg_catalog.=) x.dataset_id)%4$s)",
					 registry->schema, registry->tag_key, registry->run_key, by_key ? " OFFSET 0" : "");
}

/*
 * counted: the rows of source are in collections that count, which are joined only for
 * the run's name.  single: no dataset has two tags that count.
 */
static void
write_other_members(StringInfo text, const Obscore *obscore, const ObscoreSelect *select, const char *source,
					bool counted, bool single)
{
	const Registry *registry = obscore->registry;
	bool		run = obscore->config->collection_type == OBSCORE_RUN;

	appendStringInfo(text, " FROM %s x", source == NULL ? query_relation(select->type->tags) : source);
	if (!counted || (run && select->needs_run))
		appendStringInfo(text, " JOIN %s.collection c ON c.%s OPERATOR(pg_catalog.=) x.%s",
						 registry->schema, registry->collection_key, registry->tag_key);
	if (!counted)
	{
		appendStringInfoString(text, " AND ");
		obscore_write_collections(text, obscore->config);
	}
	if (select->needs_run && !run)
		appendStringInfoString(text, run_joins(registry));
	appendStringInfo(text, " WHERE x.dataset_type_id OPERATOR(pg_catalog.=) " INT64_FORMAT, select->type->id);
	if (run && !single)
		write_only_tag(text, obscore, select, source != NULL);
}

/* has_key: the source has the keys of the data ids, too. */
static void
write_member_columns(StringInfo text, const Obscore *obscore, const ObscoreSelect *select, bool has_key)
{
	ListCell   *cell;

	appendStringInfoString(text, "SELECT x.dataset_id");
	foreach(cell, select->type->required)
		appendStringInfo(text, ", x.%s", quote_identifier(lfirst(cell)));
	if (select->needs_run)
		appendStringInfo(text, ", %s.name AS run", obscore->config->collection_type == OBSCORE_RUN ? "c" : "r");
	if (obscore->find_first)
		appendStringInfo(text, ", %s AS registry_data_id", has_key ? "x.registry_data_id" : obscore_data_id_of(select, "x"));
}

/*
 * Writes the query for the members of a dataset type, with the columns dataset_id,
 * those of the required dimensions, run where it is needed, and the key of the data
 * id where only the first dataset of each counts.  source has the
 * columns of the tags table; NULL: all of that.
 */
void
obscore_write_members(StringInfo text, const Obscore *obscore, const ObscoreSelect *select, const char *source)
{
	write_member_columns(text, obscore, select, false);
	if (obscore->find_first)
		write_first_members(text, obscore, select, source);
	else
		write_other_members(text, obscore, select, source, false, false);
}

static void
write_conditions(StringInfo text, const ObscoreJoin *join)
{
	ListCell   *key;
	ListCell   *value;
	bool		first = true;

	forboth(key, join->keys, value, join->values)
	{
		appendStringInfo(text, "%s%s.%s OPERATOR(pg_catalog.=) %s", first ? "" : " AND ", join->alias,
						 (char *) lfirst(key), (char *) lfirst(value));
		first = false;
	}
}

/*
 * A subquery without FROM is what takes least for each row, but before PostgreSQL 16 no parallel
 * worker executes it; VALUES they do.
 */
static void
write_region(StringInfo text, const ObscoreJoin *join, bool parallel)
{
	if (parallel)
		appendStringInfo(text, "\nLEFT JOIN LATERAL (VALUES (%s)) AS %s (region) ON true", join->region, join->alias);
	else
		appendStringInfo(text, "\nLEFT JOIN LATERAL (SELECT %s AS region OFFSET 0) AS %s ON true", join->region, join->alias);
}

/* parallel: for a query of all rows. */
static void
write_joins(StringInfo text, const ObscoreSelect *select, bool parallel)
{
	ListCell   *cell;

	foreach(cell, select->joins)
	{
		const ObscoreJoin *join = lfirst(cell);

		if (join->path_only)
			continue;
		if (join->region != NULL)
			write_region(text, join, parallel);
		else if (join->lateral != NULL)
			appendStringInfo(text, "\nLEFT JOIN LATERAL %s AS %s ON true", join->lateral, join->alias);
		else
		{
			appendStringInfo(text, "\nLEFT JOIN %s AS %s ON ", query_relation(join->relation), join->alias);
			write_conditions(text, join);
		}
	}
}

/*
 * Writes the query that makes the rows of a dataset type; source: see
 * obscore_write_members().
 */
void
obscore_write_select(StringInfo text, const Obscore *obscore, const ObscoreSelect *select, const char *source)
{
	appendStringInfo(text, "SELECT %s\nFROM (", select->values);
	obscore_write_members(text, obscore, select, source);
	appendStringInfoString(text, ") t");
	write_joins(text, select, source == NULL);
}

/*
 * The same in a find-first table, for tags that are known to come first; has_key:
 * with the keys of their data ids, registry_data_id.
 */
void
obscore_write_select_first(StringInfo text, const Obscore *obscore, const ObscoreSelect *select, const char *source, bool has_key)
{
	appendStringInfo(text, "SELECT %s\nFROM (", select->values);
	write_member_columns(text, obscore, select, has_key);
	appendStringInfo(text, " FROM %s x%s) t", source, select->needs_run ? run_joins(obscore->registry) : "");
	/* tags with keys are rows of this process */
	write_joins(text, select, !has_key);
}

/*
 * Writes the query for the tags of all members of a dataset type in a find-first
 * table: of those of a data id, sorted by their places, the first.  What tells most
 * data ids apart is sorted by first.  path has its collections, too, as an array in
 * SQL, which tells the planner how many tags there are in them.
 */
void
obscore_write_sorted_members(StringInfo text, const Obscore *obscore, const ObscoreSelect *select, const char *path)
{
	StringInfoData keys;

	initStringInfo(&keys);
	for (int i = list_length(select->type->required) - 1; i >= 0; i--)
		appendStringInfo(&keys, "x.%s, ", quote_identifier(list_nth(select->type->required, i)));
	appendStringInfoString(&keys, "x.dataset_type_id");
	appendStringInfo(text, "SELECT DISTINCT ON (%s) x.* FROM %s x%s WHERE x.dataset_type_id OPERATOR(pg_catalog.=) " INT64_FORMAT
					 " AND x.%s OPERATOR(pg_catalog.=) ANY (%s) ORDER BY %s, p.position",
					 keys.data, query_relation(select->type->tags), path_join(obscore, "p", "x"), select->type->id,
					 obscore->registry->tag_key, path, keys.data);
}

/*
 * The same where all rows of source that are of the dataset type are known to be
 * in collections that count, each the only one of its dataset; not for a find-first
 * table.
 */
void
obscore_write_select_members(StringInfo text, const Obscore *obscore, const ObscoreSelect *select, const char *source)
{
	appendStringInfo(text, "SELECT %s\nFROM (", select->values);
	write_member_columns(text, obscore, select, false);
	write_other_members(text, obscore, select, source, true, true);
	appendStringInfoString(text, ") t");
	write_joins(text, select, false);
}

/*
 * Writes the query that defines the whole table.
 */
void
obscore_write_query(StringInfo text, const Obscore *obscore)
{
	ListCell   *cell;
	bool		first = true;

	if (obscore->tiled != NULL)
	{
		obscore_tiled_write_select(text, obscore, NULL);
		return;
	}
	foreach(cell, obscore->selects)
	{
		const ObscoreSelect *select = lfirst(cell);

		appendStringInfoString(text, first ? "" : "\nUNION ALL\n");
		obscore_write_select(text, obscore, select, NULL);
		first = false;
	}
	if (!first)
		return;

	/* the registry has none of the dataset types, yet */
	appendStringInfoString(text, "SELECT ");
	foreach(cell, obscore->columns)
		appendStringInfo(text, "%sNULL::%s", cell == list_head(obscore->columns) ? "" : ", ",
						 ((ObscoreColumn *) lfirst(cell))->type);
	appendStringInfoString(text, " WHERE false");
}

/*
 * The same for a table that is not find-first, of datasets with one tag each that
 * counts, as those of clients have: to look for others takes a seventh of the time.
 * A dataset that has more comes up more than once.
 */
void
obscore_write_single_query(StringInfo text, const Obscore *obscore)
{
	ListCell   *cell;

	if (obscore->tiled != NULL || obscore->selects == NIL)
	{
		obscore_write_query(text, obscore);
		return;
	}
	foreach(cell, obscore->selects)
	{
		const ObscoreSelect *select = lfirst(cell);

		appendStringInfo(text, "%sSELECT %s\nFROM (", cell == list_head(obscore->selects) ? "" : "\nUNION ALL\n", select->values);
		write_member_columns(text, obscore, select, false);
		write_other_members(text, obscore, select, NULL, false, true);
		appendStringInfoString(text, ") t");
		write_joins(text, select, true);
	}
}

/*
 * Writes the names of all columns behind a query for all of it.
 */
void
obscore_write_named(StringInfo text, const Obscore *obscore, const char *alias)
{
	appendStringInfoChar(text, '(');
	obscore_write_query(text, obscore);
	appendStringInfo(text, ") AS %s (%s)", alias, obscore_column_list(obscore, ""));
}

static const ObscoreJoin *
join_of_alias(const ObscoreSelect *select, const char *alias)
{
	ListCell   *cell;

	foreach(cell, select->joins)
		if (strcmp(((ObscoreJoin *) lfirst(cell))->alias, alias) == 0)
			return lfirst(cell);
	elog(ERROR, "no join \"%s\"", alias);
}

/* Adds what a join depends on, directly or not, to a list of joins. */
static List *
add_depends(const ObscoreSelect *select, List *joins, const ObscoreJoin *join)
{
	ListCell   *cell;

	foreach(cell, join->depends)
	{
		const ObscoreJoin *other = join_of_alias(select, lfirst(cell));

		if (!list_member_ptr(joins, other))
			joins = add_depends(select, lappend(joins, (void *) other), other);
	}
	return joins;
}

/* The joins, and what they join by, behind a FROM and a WHERE that hold one thing each. */
static void
write_path(StringInfo from, StringInfo where, const List *joins)
{
	ListCell   *cell;

	foreach(cell, joins)
	{
		const ObscoreJoin *join = lfirst(cell);

		appendStringInfo(from, ", %s AS %s", query_relation(join->relation), join->alias);
		appendStringInfoString(where, " AND ");
		write_conditions(where, join);
	}
}

/*
 * Writes the query for the keys of the rows that are made of some records, as
 * they were or as they are: changed has the columns of the joined relation.
 */
void
obscore_write_affected(StringInfo text, const Obscore *obscore, const ObscoreSelect *select,
					   const ObscoreJoin *join, const char *changed)
{
	StringInfoData from;
	StringInfoData where;

	initStringInfo(&from);
	initStringInfo(&where);
	appendStringInfo(&from, "%s AS %s, %s AS t", changed, join->alias, query_relation(select->type->tags));
	appendStringInfo(&where, "t.dataset_type_id OPERATOR(pg_catalog.=) " INT64_FORMAT " AND ", select->type->id);
	write_conditions(&where, join);
	write_path(&from, &where, add_depends(select, NIL, join));
	appendStringInfo(text, "SELECT %s FROM %s WHERE %s", obscore_keys(obscore, select, "t"), from.data, where.data);
}

/* -------------------------------------------------------------------- locks */

static bool
in_families(const List *families, const char *name)
{
	ListCell   *cell;

	foreach(cell, families)
		if (name_in(lfirst(cell), name))
			return true;
	return false;
}

/* Does a value name this dimension of the tags table? */
static bool
is_dimension(const char *value, const char *dimension)
{
	return strncmp(value, "t.", 2) == 0 && strcmp(value + 2, quote_identifier(dimension)) == 0;
}

static bool
path_names(const List *path, const char *dimension)
{
	ListCell   *cell;
	ListCell   *value;

	foreach(cell, path)
		foreach(value, ((ObscoreJoin *) lfirst(cell))->values)
			if (is_dimension(lfirst(value), dimension))
				return true;
	return false;
}

/*
 * The dimension whose records stand for the datasets that a join leads to: the
 * one that narrows them most, and of two such an observation rather than a
 * detector, at which all observations meet.  NULL: there is none.
 */
static const DimensionElement *
standing_dimension(const Obscore *obscore, const ObscoreSelect *select, const List *path)
{
	const Universe *universe = obscore->registry->universe;
	const DimensionElement *best = NULL;
	int			best_score = 0;
	ListCell   *cell;

	foreach(cell, select->type->required)
	{
		const DimensionElement *element = universe_element(universe, lfirst(cell));
		int			score;

		if (element == NULL || element->view_of != NULL || !path_names(path, element->name) ||
			!OidIsValid(registry_table(obscore->registry, element->name)))
			continue;
		score = 2 * list_length(element->required) +
			(in_families(universe->temporal, element->name) || in_families(universe->spatial, element->name));
		if (score > best_score)
		{
			best = element;
			best_score = score;
		}
	}
	return best;
}

/* The column of a dimension's table that holds another dimension, or its own key. */
static const char *
dimension_column(const DimensionElement *element, const char *dimension)
{
	return quote_identifier(strcmp(element->name, dimension) == 0 ? element->key : dimension);
}

/* The conditions of a join, with the dimension's records, a, in place of the tags. */
static void
write_standing_conditions(StringInfo text, const ObscoreJoin *join, const DimensionElement *element)
{
	ListCell   *key;
	ListCell   *value;
	ListCell   *cell;

	forboth(key, join->keys, value, join->values)
	{
		const char *equal = strncmp(lfirst(value), "t.", 2) == 0 ? NULL : lfirst(value);

		foreach(cell, element->required)
			if (is_dimension(lfirst(value), lfirst(cell)))
				equal = psprintf("a.%s", dimension_column(element, lfirst(cell)));
		if (equal != NULL)
			appendStringInfo(text, " AND %s.%s OPERATOR(pg_catalog.=) %s", join->alias, (char *) lfirst(key), equal);
	}
}

/*
 * Writes a query that waits for whoever is putting datasets whose rows some
 * changed records take part in, and keeps others from it: FOR UPDATE on records
 * that the tags refer to, which conflicts with the locks that their foreign keys
 * take.  changed: see obscore_write_affected().  False: there is nothing to lock.
 */
bool
obscore_write_locks(StringInfo text, const Obscore *obscore, const ObscoreSelect *select,
					const ObscoreJoin *join, const char *changed)
{
	List	   *path = add_depends(select, list_make1((void *) join), join);
	const DimensionElement *element = standing_dimension(obscore, select, path);
	ListCell   *cell;

	if (element == NULL)
		return false;
	appendStringInfo(text, "SELECT 1 FROM %s AS a", query_relation(registry_table(obscore->registry, element->name)));
	foreach(cell, path)
	{
		const ObscoreJoin *other = lfirst(cell);

		appendStringInfo(text, ", %s AS %s", other == join ? changed : query_relation(other->relation), other->alias);
	}
	appendStringInfoString(text, " WHERE true");
	foreach(cell, path)
		write_standing_conditions(text, lfirst(cell), element);
	appendStringInfoString(text, " FOR UPDATE OF a");
	return true;
}

/*
 * Writes a query that waits for whoever is joining changed records to others, and
 * keeps others from it: by a combination's record, whose foreign keys have locked the
 * observations that both refer to, or, where they are not just inserted, by another
 * record that implies them, whose foreign key has locked them.  Nothing is written
 * where there are none.
 */
void
obscore_write_record_locks(StringInfo text, const Obscore *obscore, Oid relation, const char *changed, bool inserted)
{
	const Universe *universe = obscore->registry->universe;
	const DimensionElement *element = universe_element(universe, get_rel_name(relation));
	ListCell   *cell;
	ListCell   *inner;

	foreach(cell, element == NULL ? NIL : element->required)
	{
		const DimensionElement *observation = universe_element(universe, lfirst(cell));
		Oid			table = registry_table(obscore->registry, lfirst(cell));
		StringInfoData columns;
		StringInfoData values;

		if (observation == NULL || !OidIsValid(table) ||
			(!in_families(universe->temporal, observation->name) && (inserted || observation != element)))
			continue;
		initStringInfo(&columns);
		initStringInfo(&values);
		foreach(inner, observation->required)
		{
			appendStringInfo(&columns, "%sa.%s", columns.len > 0 ? ", " : "", dimension_column(observation, lfirst(inner)));
			appendStringInfo(&values, "%sb.%s", values.len > 0 ? ", " : "", dimension_column(element, lfirst(inner)));
		}
		appendStringInfo(text, "%s (SELECT pg_catalog.count(*) FROM (SELECT 1 FROM %s a WHERE (%s) OPERATOR(pg_catalog.=) ANY (SELECT %s FROM %s b) FOR UPDATE OF a) l)",
						 text->len > 0 ? "," : "SELECT", query_relation(table), columns.data, values.data, changed);
	}
}

/*
 * Writes a query that takes the locks which the foreign keys of tags take, for
 * the rows of source; an UPDATE of other columns does not take them.  False:
 * there are none.
 */
bool
obscore_write_key_locks(StringInfo text, const Obscore *obscore, const ObscoreSelect *select, const char *source)
{
	ListCell   *cell;
	ListCell   *inner;
	int			n = 0;
	StringInfoData counts;

	initStringInfo(&counts);
	foreach(cell, select->type->required)
	{
		const DimensionElement *element = universe_element(obscore->registry->universe, lfirst(cell));
		StringInfoData columns;
		StringInfoData values;
		Oid			table;

		if (element == NULL || element->view_of != NULL)
			continue;
		table = registry_table(obscore->registry, element->name);
		if (!OidIsValid(table))
			continue;
		initStringInfo(&columns);
		initStringInfo(&values);
		foreach(inner, element->required)
		{
			appendStringInfo(&columns, "%sa.%s", columns.len > 0 ? ", " : "", dimension_column(element, lfirst(inner)));
			appendStringInfo(&values, "%st.%s", values.len > 0 ? ", " : "", quote_identifier(lfirst(inner)));
		}
		n++;
		appendStringInfo(text, "%s l%d AS MATERIALIZED (SELECT 1 FROM %s AS a WHERE (%s) OPERATOR(pg_catalog.=) ANY "
						 "(SELECT %s FROM %s t WHERE t.dataset_type_id OPERATOR(pg_catalog.=) " INT64_FORMAT ") FOR KEY SHARE OF a)",
						 n == 1 ? "WITH" : ",", n, query_relation(table), columns.data, values.data, source, select->type->id);
		appendStringInfo(&counts, "%s(SELECT pg_catalog.count(*) FROM l%d)", n == 1 ? "" : ", ", n);
	}
	appendStringInfo(text, " SELECT %s", counts.data);
	return n > 0;
}
