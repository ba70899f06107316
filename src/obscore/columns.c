/*-------------------------------------------------------------------------
 *
 * src/obscore/columns.c
 *	  The columns of an ObsCore table.
 *
 * The peers' columns in their order (daf_butler, registry/obscore/_schema.py,
 * default_spatial.py and pgsphere.py); a table of catreg's own then has what IVOA's ObsCore 1.1
 * makes mandatory and the peers lack; last comes the footprint as a region.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "obscore/obscore.h"
#include "obscore/pgsphere.h"

typedef struct StaticColumn
{
	const char *name;
	const char *type;
	ObscoreValueType value_type;
} StaticColumn;

/* Types that are no keywords of SQL have their schema: writers have search paths of their own. */
static const StaticColumn static_columns[] = {
	{"dataproduct_type", "pg_catalog.text", OBSCORE_STRING},
	{"dataproduct_subtype", "pg_catalog.text", OBSCORE_STRING},
	{"facility_name", "pg_catalog.text", OBSCORE_STRING},
	{"calib_level", "smallint", OBSCORE_INT},
	{"target_name", "pg_catalog.text", OBSCORE_STRING},
	{"obs_id", "pg_catalog.text", OBSCORE_STRING},
	{"obs_collection", "pg_catalog.text", OBSCORE_STRING},
	{"obs_publisher_did", "pg_catalog.text", OBSCORE_STRING},
	{"access_url", "pg_catalog.text", OBSCORE_STRING},
	{"access_format", "pg_catalog.text", OBSCORE_STRING},
	{"s_resolution", "double precision", OBSCORE_FLOAT},
	{"s_xel1", "integer", OBSCORE_INT},
	{"s_xel2", "integer", OBSCORE_INT},
	{"t_xel", "integer", OBSCORE_INT},
	{"t_min", "double precision", OBSCORE_FLOAT},
	{"t_max", "double precision", OBSCORE_FLOAT},
	{"t_exptime", "double precision", OBSCORE_FLOAT},
	{"t_resolution", "double precision", OBSCORE_FLOAT},
	{"em_xel", "integer", OBSCORE_INT},
	{"em_min", "double precision", OBSCORE_FLOAT},
	{"em_max", "double precision", OBSCORE_FLOAT},
	{"em_res_power", "double precision", OBSCORE_FLOAT},
	{"em_filter_name", "pg_catalog.text", OBSCORE_STRING},
	{"o_ucd", "pg_catalog.text", OBSCORE_STRING},
	{"pol_xel", "integer", OBSCORE_INT},
	{"instrument_name", "pg_catalog.text", OBSCORE_STRING},
};

static const StaticColumn spatial_columns[] = {
	{"s_ra", "double precision", OBSCORE_FLOAT},
	{"s_dec", "double precision", OBSCORE_FLOAT},
	{"s_fov", "double precision", OBSCORE_FLOAT},
	{"s_region", "pg_catalog.text", OBSCORE_STRING},
};

static const StaticColumn own_columns[] = {
	{"access_estsize", "bigint", OBSCORE_INT},
	{"pol_states", "pg_catalog.text", OBSCORE_STRING},
};

/* Strings longer than this are text (daf_butler, postgresql.py). */
#define LONGEST_VARCHAR 32

static bool
has_column(const List *columns, const char *name)
{
	ListCell   *cell;

	foreach(cell, columns)
		if (strcmp(((ObscoreColumn *) lfirst(cell))->name, name) == 0)
			return true;
	return false;
}

static List *
add_column(List *columns, const char *name, const char *type, ObscoreValueType value_type, int length)
{
	ObscoreColumn *column;

	if (has_column(columns, name))
		return columns;
	column = palloc0(sizeof(ObscoreColumn));
	column->name = pstrdup(name);
	column->type = pstrdup(type);
	column->value_type = value_type;
	column->length = length;
	return lappend(columns, column);
}

static List *
add_static(List *columns, const StaticColumn *added, int n)
{
	for (int i = 0; i < n; i++)
		columns = add_column(columns, added[i].name, added[i].type, added[i].value_type, 0);
	return columns;
}

static List *
add_extra(List *columns, const ObscoreExtraColumn *extra, int n)
{
	for (int i = 0; i < n; i++)
	{
		const ObscoreExtraColumn *column = &extra[i];
		int			length = column->template == NULL ? 255 : column->length;

		switch (column->type)
		{
			case OBSCORE_INT:
				columns = add_column(columns, column->name, "bigint", OBSCORE_INT, 0);
				break;
			case OBSCORE_FLOAT:
				columns = add_column(columns, column->name, "double precision", OBSCORE_FLOAT, 0);
				break;
			case OBSCORE_BOOL:
				columns = add_column(columns, column->name, "boolean", OBSCORE_BOOL, 0);
				break;
			default:
				if (length == 0)
					columns = add_column(columns, column->name, "character varying", OBSCORE_STRING, 0);
				else if (length > LONGEST_VARCHAR)
					columns = add_column(columns, column->name, "pg_catalog.text", OBSCORE_STRING, 0);
				else
					columns = add_column(columns, column->name, psprintf("character varying(%d)", length),
										 OBSCORE_STRING, length);
		}
	}
	return columns;
}

/* A column of pgsphere's type, wherever that is. */
static List *
add_pgsphere(List *columns, const char *name, const char *type_name)
{
	Oid			type;

	if (name == NULL)
		return columns;
	type = pgsphere_type(type_name, false);
	columns = add_column(columns, name, format_type_extended(type, -1, FORMAT_TYPE_FORCE_QUALIFY), OBSCORE_NULL, 0);
	((ObscoreColumn *) llast(columns))->foreign_type = type;
	return columns;
}

/* Those of the spatial plugins, in the order of the plugins. */
static List *
add_spatial(List *columns, const ObscoreConfig *config)
{
	if (!config->pgsphere_first)
		columns = add_static(columns, spatial_columns, lengthof(spatial_columns));
	columns = add_pgsphere(columns, config->region_column, PGSPHERE_REGION);
	columns = add_pgsphere(columns, config->position_column, PGSPHERE_POSITION);
	if (config->pgsphere_first)
		columns = add_static(columns, spatial_columns, lengthof(spatial_columns));
	return columns;
}

/*
 * The columns of a table, of ObscoreColumn; own_table: not one that the client
 * has made.  Error: see pgsphere_type().
 */
List *
obscore_columns(const ObscoreConfig *config, bool own_table)
{
	List	   *columns = add_static(NIL, static_columns, lengthof(static_columns));

	columns = add_extra(columns, config->extra, config->n_extra);
	for (int i = 0; i < config->n_dataset_types; i++)
		columns = add_extra(columns, config->dataset_types[i].extra, config->dataset_types[i].n_extra);
	columns = add_spatial(columns, config);
	columns = add_column(columns, "registry_dataset_id", "pg_catalog.uuid", OBSCORE_NULL, 0);
	if (own_table)
		columns = add_static(columns, own_columns, lengthof(own_columns));
	if (config->collection_type == OBSCORE_CHAINED)
		columns = add_column(columns, "registry_data_id", "pg_catalog.uuid", OBSCORE_NULL, 0);
	return add_column(columns, "region", "catreg.region", OBSCORE_NULL, 0);
}
