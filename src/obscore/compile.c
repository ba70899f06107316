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
#include "postgres.h"

#include "utils/builtins.h"

#include "obscore/compile.h"

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
	const char *integer;

	if (extra->template == NULL)
		return psprintf("%s::pg_catalog.text::%s", text_constant(extra->constant), column->type);

	/* one integer as it is: through its text it would come to the same */
	integer = strcmp(column->type, "bigint") == 0 ? compile_integer(c, extra->template, extra->template_path) : NULL;
	if (integer != NULL)
		return pstrdup(integer);

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
	const char *value = compile_dimension(c, "instrument", &depends, &type);

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

static char *
time_value(Compiler *c, const char *column, const char *bound)
{
	const char *element = NULL;
	ListCell   *cell;

	foreach(cell, c->universe->temporal)
		if (element == NULL)
			element = compile_first_of_family(c, lfirst(cell));
	if (element == NULL)
		return "NULL";
	return noted(column, psprintf("catreg.obscore_mjd(catreg.timespan_bound(pg_catalog.%s(%s), NULL))", bound,
								  compile_field_or_null(c, element, "timespan")));
}

static char *
observation_field(Compiler *c, const char *column)
{
	return pstrdup(compile_field_or_null(c, name_in(c->dimensions, "exposure") ? "exposure" : "visit", column));
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
	const char *band = compile_dimension(c, "band", &depends, &type);
	const char *filter = compile_dimension(c, "physical_filter", &depends, &type);
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
	const char *band = compile_dimension(c, "band", &depends, &type);
	const char *filter = compile_dimension(c, "physical_filter", &depends, &type);
	const char *names = spectral_names(config);

	if (band == NULL || config->n_spectral == 0)
		return "false";
	return psprintf("(%s::pg_catalog.text OPERATOR(pg_catalog.=) ANY (%s) OR %s::pg_catalog.text OPERATOR(pg_catalog.=) ANY (%s))",
					filter == NULL ? "NULL" : filter, names, band, names);
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
		const char *band = compile_dimension(c, "band", &depends, &oid);

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
	join->region = psprintf("catreg.obscore_noted(t.dataset_id, 'region', catreg.obscore_region(%s))", arguments);
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
	c.dimensions = compile_group(c.universe, type->required);
	arguments = compile_region_arguments(&c);
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
