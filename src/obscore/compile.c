/*-------------------------------------------------------------------------
 *
 * src/obscore/compile.c
 *	  From the configuration of a dataset type to the SQL that makes its rows.
 *
 * A row of a tags table, called t, is joined with the records of its data id's
 * dimensions; each column becomes an expression over them.  The rules are those
 * of daf_butler's RecordFactory (registry/obscore/_records.py).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "obscore/obscore.h"
#include "obscore/template.h"

typedef struct Compiler
{
	const Obscore *obscore;
	const Universe *universe;
	const DatasetType *type;
	const ObscoreDatasetType *config;
	const ObscoreSelect *select;	/* that is being made */
	List	   *dimensions;		/* names: required, then implied */
	List	   *joins;			/* of ObscoreJoin */
	char	   *obs_id;			/* the expression of that column, once it is known */
	bool		needs_run;
} Compiler;

#define VISIT_OF_EXPOSURE "visit_of_exposure"

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
static List *
group_dimensions(const Universe *universe, const List *required)
{
	List	   *names = list_copy(required);
	ListCell   *cell;

	foreach(cell, required)
		names = add_implied(universe, names, lfirst(cell));
	return names;
}

/* Does a data id of the dataset type have a record of this element? */
static bool
has_element(const Compiler *c, const char *name)
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
static const char *
dimension_value(Compiler *c, const char *name, const char **depends, Oid *type)
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

static ObscoreJoin *
add_join(Compiler *c, const char *alias, const char *table)
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

static void
add_key(ObscoreJoin *join, const char *column, const char *value)
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
	join = add_join(c, alias, name);
	join->combination = element->key == NULL;
	foreach(cell, element->required)
	{
		const char *dimension = lfirst(cell);
		const char *column = strcmp(dimension, name) == 0 ? element->key : dimension;
		const char *depends;
		Oid			type;
		const char *value = dimension_value(c, dimension, &depends, &type);

		add_key(join, column, value);
		if (depends != NULL && !name_in(join->depends, depends))
			join->depends = lappend(join->depends, (void *) depends);
	}
	c->joins = lappend(c->joins, join);
	return join->alias;
}

/* ---------------------------------------------------------------- records */

static TemplateType
template_type(Oid type)
{
	switch (type)
	{
		case TEXTOID:
		case VARCHAROID:
		case BPCHAROID:
			return TEMPLATE_TEXT;
		case INT2OID:
		case INT4OID:
		case INT8OID:
			return TEMPLATE_INT;
		case FLOAT4OID:
		case FLOAT8OID:
			return TEMPLATE_FLOAT;
		case BOOLOID:
			return TEMPLATE_BOOL;
		case UUIDOID:
			return TEMPLATE_UUID;
		case INT8RANGEOID:
			return TEMPLATE_TIMESPAN;
		default:
			return TEMPLATE_OTHER;
	}
}

/* A column of an element's record, or NULL where the element has none such. */
static const char *
record_field(Compiler *c, const char *element_name, const char *column, Oid *type)
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
		return dimension_value(c, element_name, &depends, type);
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
static const char *
record_field_or_null(Compiler *c, const char *element, const char *column)
{
	Oid			type;
	const char *field = has_element(c, element) ? record_field(c, element, column, &type) : NULL;

	return field == NULL ? "NULL" : field;
}

/* -------------------------------------------------------------- templates */

/* Of a combination there may be no record; one that is there has all of its key. */
static bool
is_key_of_combination(const Compiler *c, const char *name, const char *column)
{
	const DimensionElement *element = universe_element(c->universe, name);

	return element != NULL && element->key == NULL && name_in(element->required, column);
}

static TemplateFound
resolve_record(Compiler *c, const TemplatePiece *field, TemplateValue *value)
{
	const char *element;
	const char *column;
	Oid			type;

	if (field->n_accessors < 2 || !field->accessors[0].index || field->accessors[1].index)
	{
		value->problem = "of \"records\" a field of one record can be named, as in {records[visit].name}";
		return TEMPLATE_REFUSED;
	}
	element = field->accessors[0].name;
	column = field->accessors[1].name;
	if (name_in(c->dimensions, element) && universe_is_skypix(c->universe, element))
	{
		const char *depends;

		value->sql = strcmp(column, "id") == 0 ? dimension_value(c, element, &depends, &type) : NULL;
	}
	else if (!has_element(c, element))
		return TEMPLATE_MISSING;
	else
		value->sql = record_field(c, element, column, &type);
	if (value->sql == NULL)
	{
		value->problem = psprintf("a record of \"%s\" has no field \"%s\"", element, column);
		return TEMPLATE_REFUSED;
	}
	value->type = template_type(type);
	value->consumed = 2;
	if (value->type == TEMPLATE_OTHER || strcmp(column, "region") == 0)
	{
		value->problem = psprintf("field \"%s\" of \"%s\" has no text", column, element);
		return TEMPLATE_REFUSED;
	}
	value->not_null = is_key_of_combination(c, element, column);
	if (value->not_null)
		value->sql = psprintf("catreg.python_not_none(%s, %s)", value->sql,
							  quote_literal_cstr(psprintf("there is no record of \"%s\"", element)));
	return TEMPLATE_FOUND;
}

static TemplateFound
found_text(TemplateValue *value, const char *sql)
{
	value->type = TEMPLATE_TEXT;
	value->sql = sql;
	value->not_null = true;
	return TEMPLATE_FOUND;
}

static TemplateFound
found_int(TemplateValue *value, int number)
{
	value->type = TEMPLATE_INT;
	value->sql = psprintf("%d::pg_catalog.int8", number);
	value->not_null = true;
	return TEMPLATE_FOUND;
}

/* What the constants of the dataset type say by a name. */
static TemplateFound
resolve_constant(Compiler *c, const char *name, TemplateValue *value)
{
	const char *text;

	if (strcmp(name, "calib_level") == 0)
		return found_int(value, c->config->calib_level);
	if (strcmp(name, "s_xel1") == 0 && c->config->has_s_xel)
		return found_int(value, c->config->s_xel[0]);
	if (strcmp(name, "s_xel2") == 0 && c->config->has_s_xel)
		return found_int(value, c->config->s_xel[1]);
	if (strcmp(name, "dataproduct_type") == 0)
		text = c->config->dataproduct_type;
	else if (strcmp(name, "dataproduct_subtype") == 0)
		text = c->config->dataproduct_subtype;
	else if (strcmp(name, "o_ucd") == 0)
		text = c->config->o_ucd;
	else if (strcmp(name, "access_format") == 0)
		text = c->config->access_format;
	else if (strcmp(name, "obs_collection") == 0)
		text = c->config->obs_collection != NULL ? c->config->obs_collection : c->obscore->config->obs_collection;
	else
		return TEMPLATE_MISSING;
	(void) found_text(value, text == NULL ? "NULL" : psprintf("%s::pg_catalog.text", quote_literal_cstr(text)));
	value->not_null = text != NULL;
	return TEMPLATE_FOUND;
}

/*
 * The value of a replacement field, for template_compile().
 */
static TemplateFound
resolve_field(const TemplatePiece *field, TemplateValue *value, void *arg)
{
	Compiler   *c = arg;
	const char *name = field->name;
	const char *depends;
	Oid			type;

	memset(value, 0, sizeof(*value));
	if (strcmp(name, "records") == 0)
		return resolve_record(c, field, value);
	if (strcmp(name, "obs_id") == 0)
	{
		/* where it could not be derived nothing can that is made of it */
		if (c->obs_id == NULL)
			return TEMPLATE_MISSING;
		return found_text(value, c->obs_id);
	}
	if (strcmp(name, "id") == 0)
	{
		value->type = TEMPLATE_UUID;
		value->sql = "t.dataset_id";
		value->not_null = true;
		return TEMPLATE_FOUND;
	}
	if (strcmp(name, "run") == 0)
	{
		c->needs_run = true;
		return found_text(value, "t.run");
	}
	if (strcmp(name, "dataset_type") == 0)
		return found_text(value, psprintf("%s::pg_catalog.text", quote_literal_cstr(c->type->name)));
	value->sql = dimension_value(c, name, &depends, &type);
	if (value->sql == NULL && strcmp(name, "visit") == 0)
		value->sql = dimension_value(c, "exposure", &depends, &type);
	if (value->sql != NULL)
	{
		value->type = template_type(type);
		value->not_null = depends == NULL;
		return TEMPLATE_FOUND;
	}
	return resolve_constant(c, name, value);
}

static Template *
parse_template(const char *text, const char *path)
{
	Template   *template;
	size_t		where = 0;
	const char *problem = template_parse(text, &template, &where);

	if (problem != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid template at %s: \"%s\"", path, text),
				 errdetail("At character %d: %s.", (int) where + 1, problem),
				 errhint("Templates are in the language of Python's str.format().")));
	return template;
}

static void
check_templates(const ObscoreExtraColumn *extra, int n)
{
	for (int i = 0; i < n; i++)
		if (extra[i].template != NULL)
			(void) parse_template(extra[i].template, extra[i].template_path);
}

/*
 * Errors: a template that is none, be it of a dataset type that the registry does
 * not have yet.
 */
void
obscore_check_templates(const ObscoreConfig *config)
{
	if (config->obs_publisher_did_fmt != NULL)
		(void) parse_template(config->obs_publisher_did_fmt, "obs_publisher_did_fmt");
	check_templates(config->extra, config->n_extra);
	for (int i = 0; i < config->n_dataset_types; i++)
	{
		const ObscoreDatasetType *type = &config->dataset_types[i];

		if (type->obs_id_fmt != NULL)
			(void) parse_template(type->obs_id_fmt, psprintf("dataset_types.%s.obs_id_fmt", type->name));
		if (type->datalink_url_fmt != NULL)
			(void) parse_template(type->datalink_url_fmt, psprintf("dataset_types.%s.datalink_url_fmt", type->name));
		check_templates(type->extra, type->n_extra);
	}
}

/*
 * The text that a template makes, as an SQL expression; *missing: a key is not
 * there, and Python would raise a KeyError.
 */
static char *
compile_text(Compiler *c, const char *text, const char *path, bool *missing)
{
	Template   *template = parse_template(text, path);
	StringInfoData sql;
	const char *problem;

	initStringInfo(&sql);
	*missing = false;
	problem = template_compile(&sql, template, resolve_field, c, missing);
	if (problem != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("template at %s cannot be used for dataset type \"%s\": \"%s\"", path, c->type->name, text),
				 errdetail("%s.", problem)));
	return sql.data;
}

/* The field that a template consists of, NULL: it is not just one. */
static const TemplatePiece *
lone_field(const Template *template)
{
	if (template->n_pieces != 1 || template->pieces[0].literal != NULL ||
		template->pieces[0].conversion != 0 || template->pieces[0].spec[0] != '\0')
		return NULL;
	return &template->pieces[0];
}

/* ---------------------------------------------------------------- columns */

/*
 * Has problems that were met on the way reported, with the dataset's id.  Only
 * catreg's own functions meet any.
 */
static char *
noted(const char *column, const char *sql)
{
	if (strstr(sql, "catreg.") == NULL)
		return pstrdup(sql);
	return psprintf("catreg.obscore_noted(t.dataset_id, %s, %s)", quote_literal_cstr(column), sql);
}

static char *
text_constant(const char *text)
{
	return text == NULL ? "NULL" : psprintf("%s", quote_literal_cstr(text));
}

/* An identifier or a URL: where a key is missing, that is a problem. */
static char *
identifier_value(Compiler *c, const char *column, const char *template, const char *path)
{
	bool		missing;
	char	   *sql;

	if (template == NULL)
		return "NULL";
	sql = compile_text(c, template, path, &missing);
	if (missing)
		sql = psprintf("catreg.obscore_failed(%s)",
					   quote_literal_cstr(psprintf("a key of the template \"%s\" is not in the data id", template)));
	return noted(column, sql);
}

static char *
convert_text(const ObscoreColumn *column, const char *sql)
{
	/* a column of the peers keeps its own type, whatever the extra column's */
	switch (column->value_type)
	{
		case OBSCORE_INT:
			if (strcmp(column->type, "bigint") == 0)
				return psprintf("catreg.python_int(%s)", sql);
			return psprintf("catreg.obscore_fit(catreg.python_int(%s), %s)", sql,
							strcmp(column->type, "smallint") == 0 ? "2" : "4");
		case OBSCORE_FLOAT:
			return psprintf("catreg.python_float(%s)", sql);
		case OBSCORE_BOOL:
			return psprintf("catreg.python_bool(%s)", sql);
		default:
			return column->length > 0 ? psprintf("catreg.obscore_fit(%s, %d)", sql, column->length) : pstrdup(sql);
	}
}

/* What an extra column adds to a row; NULL: nothing, since a key is missing. */
static char *
extra_value(Compiler *c, const ObscoreColumn *column, const ObscoreExtraColumn *extra)
{
	bool		missing;
	char	   *sql;
	const TemplatePiece *field;
	TemplateValue value;

	if (extra->template == NULL)
		return psprintf("%s::pg_catalog.text::%s", text_constant(extra->constant), column->type);

	/* one integer as it is: through its text it would come to the same */
	field = lone_field(parse_template(extra->template, extra->template_path));
	if (field != NULL && strcmp(column->type, "bigint") == 0 &&
		resolve_field(field, &value, c) == TEMPLATE_FOUND &&
		value.type == TEMPLATE_INT && value.not_null && value.consumed == field->n_accessors)
		return psprintf("%s", value.sql);

	sql = compile_text(c, extra->template, extra->template_path, &missing);
	return missing ? NULL : noted(column->name, convert_text(column, sql));
}

static const ObscoreExtraColumn *
find_extra(const ObscoreExtraColumn *extra, int n, const char *name)
{
	for (int i = 0; i < n; i++)
		if (strcmp(extra[i].name, name) == 0)
			return &extra[i];
	return NULL;
}

/* The instrument as rows name it. */
static const char *
instrument_value(Compiler *c)
{
	const char *depends;
	Oid			type;
	const char *value = dimension_value(c, "instrument", &depends, &type);

	return value != NULL ? value : text_constant(c->obscore->config->fallback_instrument);
}

static char *
facility_value(Compiler *c)
{
	const ObscoreConfig *config = c->obscore->config;
	const char *instrument;
	StringInfoData sql;

	if (config->n_facilities == 0)
		return text_constant(config->facility_name);

	/* the client looks up "" where there is no instrument */
	instrument = psprintf("COALESCE(%s::pg_catalog.text, '')", instrument_value(c));
	initStringInfo(&sql);
	appendStringInfoString(&sql, "CASE");
	for (int i = 0; i < config->n_facilities; i++)
		appendStringInfo(&sql, " WHEN %s OPERATOR(pg_catalog.=) %s THEN %s", instrument,
						 quote_literal_cstr(config->facilities[i].instrument),
						 quote_literal_cstr(config->facilities[i].facility));
	appendStringInfo(&sql, " ELSE %s END", text_constant(config->facility_name));
	return sql.data;
}

/* -------------------------------------------------------------------- times */

/* The first element of a family that the data id has a record of, or NULL. */
static const char *
first_of_family(const Compiler *c, const List *family)
{
	ListCell   *cell;

	foreach(cell, family)
		if (has_element(c, lfirst(cell)))
			return lfirst(cell);
	return NULL;
}

static char *
time_value(Compiler *c, const char *column, const char *bound)
{
	const char *element = NULL;
	ListCell   *cell;

	foreach(cell, c->universe->temporal)
		if (element == NULL)
			element = first_of_family(c, lfirst(cell));
	if (element == NULL)
		return "NULL";
	return noted(column, psprintf("catreg.obscore_mjd(catreg.timespan_bound(pg_catalog.%s(%s), NULL))", bound,
								  record_field_or_null(c, element, "timespan")));
}

static char *
observation_field(Compiler *c, const char *column)
{
	return pstrdup(record_field_or_null(c, name_in(c->dimensions, "exposure") ? "exposure" : "visit", column));
}

/* ------------------------------------------------------------------ spectral */

/* The names that there are ranges of, as an array in SQL. */
static char *
spectral_names(const ObscoreConfig *config)
{
	StringInfoData names;

	initStringInfo(&names);
	for (int i = 0; i < config->n_spectral; i++)
		appendStringInfo(&names, "%s%s", i == 0 ? "" : ", ", quote_literal_cstr(config->spectral[i].name));
	return psprintf("ARRAY[%s]::pg_catalog.text[]", names.data);
}

/*
 * One end of the filter's range, else of the band's.  One call, since an
 * expression with a branch for each filter takes longer to get ready than a
 * single row to make.
 */
static char *
spectral_value(Compiler *c, bool upper)
{
	const ObscoreConfig *config = c->obscore->config;
	const char *depends;
	Oid			type;
	const char *band = dimension_value(c, "band", &depends, &type);
	const char *filter = dimension_value(c, "physical_filter", &depends, &type);
	StringInfoData values;

	if (band == NULL || config->n_spectral == 0)
		return "NULL";
	initStringInfo(&values);
	for (int i = 0; i < config->n_spectral; i++)
	{
		bool		known = upper ? config->spectral[i].has_max : config->spectral[i].has_min;
		double		value = upper ? config->spectral[i].max : config->spectral[i].min;

		appendStringInfo(&values, "%s%s", i == 0 ? "" : ", ",
						 known ? psprintf("'%.17g'::pg_catalog.float8", value) : "NULL");
	}
	return psprintf("catreg.obscore_spectral(%s, %s, %s, ARRAY[%s]::pg_catalog.float8[])",
					filter == NULL ? "NULL" : filter, band, spectral_names(config), values.data);
}

/* Is there a range of the filter or the band, be its ends NULL? */
static char *
spectral_is_known(Compiler *c)
{
	const ObscoreConfig *config = c->obscore->config;
	const char *depends;
	Oid			type;
	const char *band = dimension_value(c, "band", &depends, &type);
	const char *filter = dimension_value(c, "physical_filter", &depends, &type);
	const char *names = spectral_names(config);

	if (band == NULL || config->n_spectral == 0)
		return "false";
	return psprintf("(%s::pg_catalog.text OPERATOR(pg_catalog.=) ANY (%s) OR %s::pg_catalog.text OPERATOR(pg_catalog.=) ANY (%s))",
					filter == NULL ? "NULL" : filter, names, band, names);
}

/* -------------------------------------------------------------------- regions */

/*
 * The region of an exposure is that of its visit, with the detector if there is
 * one.  It may be defined later; of several visits that have one the lowest id
 * counts, where the client takes any (daf_butler, obscore/_manager.py,
 * derived_region()).
 */
static const char *
exposure_region(Compiler *c)
{
	const char *schema = c->obscore->registry->schema;
	bool		detector = name_in(c->dimensions, "detector");
	const char *table = detector ? "visit_detector_region" : "visit";
	const char *alias = "region_of_exposure";
	ObscoreJoin *join;

	if (universe_element(c->universe, "visit_definition") == NULL || universe_element(c->universe, table) == NULL)
		return NULL;

	/* both tables in one look-up; each of them by itself leads to the datasets */
	join = add_join(c, VISIT_OF_EXPOSURE, "visit_definition");
	add_key(join, "instrument", "t.instrument");
	add_key(join, "exposure", "t.exposure");
	join->combination = true;
	join->path_only = true;
	c->joins = lappend(c->joins, join);

	join = add_join(c, alias, table);
	add_key(join, "instrument", "t.instrument");
	if (detector)
		add_key(join, "detector", "t.detector");
	add_key(join, detector ? "visit" : "id", VISIT_OF_EXPOSURE ".visit");
	join->depends = list_make1(VISIT_OF_EXPOSURE);
	join->combination = detector;

	/* LATERAL, OFFSET: from the exposure to its visits, never from all visits of the detector */
	join->lateral = psprintf("(SELECT r.region FROM %s.visit_definition d CROSS JOIN LATERAL "
							 "(SELECT * FROM %s.%s r WHERE r.instrument OPERATOR(pg_catalog.=) d.instrument "
							 "AND r.%s OPERATOR(pg_catalog.=) d.visit%s OFFSET 0) r "
							 "WHERE d.instrument OPERATOR(pg_catalog.=) t.instrument AND d.exposure OPERATOR(pg_catalog.=) t.exposure "
							 "ORDER BY d.visit LIMIT 1)",
							 schema, schema, table, detector ? "visit" : "id",
							 detector ? " AND r.detector OPERATOR(pg_catalog.=) t.detector" : "");
	c->joins = lappend(c->joins, join);
	return psprintf("%s.region", alias);
}

/* The pixel of a system that a data id has, the smallest, encoded; NULL: none. */
static char *
pixel_region(const Compiler *c, const SkyPixSystem *system)
{
	ListCell   *cell;
	const char *finest = NULL;
	int			finest_level = -1;

	foreach(cell, c->dimensions)
	{
		int			level = skypix_level(system, lfirst(cell));

		if (level > finest_level)
		{
			finest = lfirst(cell);
			finest_level = level;
		}
	}
	if (finest == NULL)
		return NULL;
	return psprintf("catreg.obscore_pixel(%s, %d, t.%s)", quote_literal_cstr(system->class_name), finest_level,
					quote_identifier(finest));
}

/*
 * The encoded regions of a data id, one for each family that it has, as the
 * arguments of obscore_region(); NULL: it has none.
 */
static char *
region_arguments(Compiler *c)
{
	StringInfoData sql;
	ListCell   *cell;
	const char *exposure = NULL;

	initStringInfo(&sql);
	if (name_in(c->dimensions, "exposure"))
	{
		exposure = exposure_region(c);
		if (exposure != NULL)
			appendStringInfoString(&sql, exposure);
		return sql.len == 0 ? NULL : sql.data;
	}
	foreach(cell, c->universe->spatial)
	{
		const char *element = first_of_family(c, lfirst(cell));

		if (element == NULL)
			continue;
		appendStringInfo(&sql, "%s%s", sql.len > 0 ? ", " : "", record_field_or_null(c, element, "region"));
	}
	foreach(cell, c->universe->skypix)
	{
		const char *pixel = pixel_region(c, lfirst(cell));

		if (pixel != NULL)
			appendStringInfo(&sql, "%s%s", sql.len > 0 ? ", " : "", pixel);
	}
	return sql.len == 0 ? NULL : sql.data;
}

/* --------------------------------------------------------------------- all */

static char *
static_value(Compiler *c, const ObscoreColumn *column, bool has_region)
{
	const char *name = column->name;
	const ObscoreConfig *config = c->obscore->config;
	const ObscoreDatasetType *type = c->config;
	char	   *path = psprintf("dataset_types.%s", type->name);

	if (strcmp(name, "dataproduct_type") == 0)
		return text_constant(type->dataproduct_type);
	if (strcmp(name, "dataproduct_subtype") == 0)
		return text_constant(type->dataproduct_subtype);
	if (strcmp(name, "facility_name") == 0)
		return facility_value(c);
	if (strcmp(name, "calib_level") == 0)
		return psprintf("%d", type->calib_level);
	if (strcmp(name, "target_name") == 0)
		return observation_field(c, "target_name");
	if (strcmp(name, "obs_id") == 0)
	{
		char	   *sql = identifier_value(c, name, type->obs_id_fmt, psprintf("%s.obs_id_fmt", path));

		if (type->obs_id_fmt != NULL)
			c->obs_id = sql;
		return sql;
	}
	if (strcmp(name, "obs_collection") == 0)
		return text_constant(type->obs_collection != NULL ? type->obs_collection : config->obs_collection);
	if (strcmp(name, "obs_publisher_did") == 0)
		return identifier_value(c, name, config->obs_publisher_did_fmt, "obs_publisher_did_fmt");
	if (strcmp(name, "access_url") == 0)
		return identifier_value(c, name, type->datalink_url_fmt, psprintf("%s.datalink_url_fmt", path));
	if (strcmp(name, "access_format") == 0)
		return text_constant(type->access_format);
	if (strcmp(name, "s_xel1") == 0 && type->has_s_xel)
		return psprintf("%d", type->s_xel[0]);
	if (strcmp(name, "s_xel2") == 0 && type->has_s_xel)
		return psprintf("%d", type->s_xel[1]);
	if (strcmp(name, "t_min") == 0)
		return time_value(c, name, "lower");
	if (strcmp(name, "t_max") == 0)
		return time_value(c, name, "upper");
	if (strcmp(name, "t_exptime") == 0)
		return observation_field(c, "exposure_time");
	if (strcmp(name, "em_min") == 0)
		return spectral_value(c, false);
	if (strcmp(name, "em_max") == 0)
		return spectral_value(c, true);
	if (strcmp(name, "em_filter_name") == 0)
	{
		const char *depends;
		Oid			oid;
		const char *band = dimension_value(c, "band", &depends, &oid);

		return band == NULL ? "NULL" : pstrdup(band);
	}
	if (strcmp(name, "o_ucd") == 0)
		return text_constant(type->o_ucd);
	if (strcmp(name, "instrument_name") == 0)
		return pstrdup(instrument_value(c));
	if (strcmp(name, "registry_dataset_id") == 0)
		return "t.dataset_id";
	if (strcmp(name, "registry_data_id") == 0 && c->obscore->find_first)
		return "t.registry_data_id";
	if (!has_region)
		return "NULL";
	if (strcmp(name, "s_ra") == 0 || strcmp(name, "s_dec") == 0 || strcmp(name, "s_fov") == 0)
		return psprintf("catreg.obscore_%s(footprint.region)", name);
	if (strcmp(name, "s_region") == 0)
		return "catreg.obscore_s_region(footprint.region)";
	if (strcmp(name, "region") == 0)
		return "footprint.region";
	if (config->region_column != NULL && strcmp(name, config->region_column) == 0)
		return noted(name, psprintf("catreg.obscore_pgsphere_region(footprint.region, NULL::%s)", column->type));
	if (config->position_column != NULL && strcmp(name, config->position_column) == 0)
		return noted(name, psprintf("catreg.obscore_pgsphere_position(footprint.region, NULL::%s)", column->type));
	return "NULL";
}

/*
 * Does the value that is made of the data id count more than an extra column of
 * the same name, wherever there is one?
 */
static bool
is_derived(const Compiler *c, const char *name)
{
	if (strcmp(name, "target_name") == 0 || strcmp(name, "t_exptime") == 0)
		return name_in(c->dimensions, "exposure") || name_in(c->dimensions, "visit");
	if (strcmp(name, "em_filter_name") == 0)
		return name_in(c->dimensions, "band");
	return strcmp(name, "instrument_name") == 0 || strcmp(name, "facility_name") == 0;
}

static bool
is_spectral(const char *name)
{
	return strcmp(name, "em_min") == 0 || strcmp(name, "em_max") == 0;
}

static bool
is_time(const char *name)
{
	return strcmp(name, "t_min") == 0 || strcmp(name, "t_max") == 0;
}

/*
 * What is made of the data id counts more than an extra column, times only where
 * there are any; other values count less.
 */
static char *
column_value(Compiler *c, const ObscoreColumn *column, bool has_region)
{
	const ObscoreExtraColumn *extra = find_extra(c->config->extra, c->config->n_extra, column->name);
	char	   *value = static_value(c, column, has_region);
	char	   *added;

	if (extra == NULL)
		extra = find_extra(c->obscore->config->extra, c->obscore->config->n_extra, column->name);
	if (extra == NULL || is_derived(c, column->name))
		return value;
	added = extra_value(c, column, extra);
	if (added == NULL)
		return value;
	if (is_time(column->name))
		return psprintf("COALESCE(%s, (%s)::%s)", value, added, column->type);
	if (is_spectral(column->name))
		return psprintf("CASE WHEN %s THEN %s ELSE (%s)::%s END", spectral_is_known(c), value, added, column->type);
	return added;
}

/* The footprint, decoded once for all columns that are made of it. */
static ObscoreJoin *
footprint_join(const char *arguments)
{
	ObscoreJoin *join = palloc0(sizeof(ObscoreJoin));

	join->alias = "footprint";
	join->lateral = psprintf("(SELECT catreg.obscore_noted(t.dataset_id, 'region', catreg.obscore_region(%s)) AS region OFFSET 0)",
							 arguments);
	return join;
}

/*
 * Compiles what makes the rows of a dataset type, in the current memory context.
 * Errors: a template that cannot be used.
 */
ObscoreSelect *
obscore_compile(const Obscore *obscore, DatasetType *type, const ObscoreDatasetType *config)
{
	ObscoreSelect *select = palloc0(sizeof(ObscoreSelect));
	Compiler	c = {obscore, obscore->registry->universe, type, config, select};
	StringInfoData values;
	char	   *arguments;
	ListCell   *cell;

	select->type = type;
	select->config = config;
	c.dimensions = group_dimensions(c.universe, type->required);
	arguments = region_arguments(&c);
	initStringInfo(&values);
	foreach(cell, obscore->columns)
	{
		const ObscoreColumn *column = lfirst(cell);
		char	   *value = psprintf("(%s)::%s", column_value(&c, column, arguments != NULL), column->type);

		appendStringInfo(&values, "%s%s", values.len > 0 ? ",\n       " : "", value);
		select->column_values = lappend(select->column_values, value);
	}
	if (arguments != NULL)
		c.joins = lappend(c.joins, footprint_join(arguments));
	select->joins = c.joins;
	select->values = values.data;
	select->needs_run = c.needs_run;
	return select;
}
