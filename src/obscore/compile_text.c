/*-------------------------------------------------------------------------
 *
 * src/obscore/compile_text.c
 *	  What the fields of a template stand for, and its text as an SQL expression.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "obscore/compile.h"
#include "obscore/template.h"

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

		value->sql = strcmp(column, "id") == 0 ? compile_dimension(c, element, &depends, &type) : NULL;
	}
	else if (!compile_has_element(c, element))
		return TEMPLATE_MISSING;
	else
		value->sql = compile_field(c, element, column, &type);
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
	value->sql = compile_dimension(c, name, &depends, &type);
	if (value->sql == NULL && strcmp(name, "visit") == 0)
		value->sql = compile_dimension(c, "exposure", &depends, &type);
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
char *
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

/*
 * The value of the integer that a template consists of, which is not NULL; NULL: it
 * is something else.
 */
const char *
compile_integer(Compiler *c, const char *text, const char *path)
{
	const TemplatePiece *field = lone_field(parse_template(text, path));
	TemplateValue value;

	if (field == NULL || resolve_field(field, &value, c) != TEMPLATE_FOUND || value.type != TEMPLATE_INT ||
		!value.not_null || value.consumed != field->n_accessors)
		return NULL;
	return value.sql;
}
