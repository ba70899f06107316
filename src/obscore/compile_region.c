/*-------------------------------------------------------------------------
 *
 * src/obscore/compile_region.c
 *	  Where the footprint of a row comes from.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "obscore/compile.h"

#define VISIT_OF_EXPOSURE "visit_of_exposure"

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
	join = compile_add_join(c, VISIT_OF_EXPOSURE, "visit_definition");
	compile_add_key(join, "instrument", "t.instrument");
	compile_add_key(join, "exposure", "t.exposure");
	join->combination = true;
	join->path_only = true;
	c->joins = lappend(c->joins, join);

	join = compile_add_join(c, alias, table);
	compile_add_key(join, "instrument", "t.instrument");
	if (detector)
		compile_add_key(join, "detector", "t.detector");
	compile_add_key(join, detector ? "visit" : "id", VISIT_OF_EXPOSURE ".visit");
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
char *
compile_region_arguments(Compiler *c)
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
		const char *element = compile_first_of_family(c, lfirst(cell));

		if (element == NULL)
			continue;
		appendStringInfo(&sql, "%s%s", sql.len > 0 ? ", " : "", compile_field_or_null(c, element, "region"));
	}
	foreach(cell, c->universe->skypix)
	{
		const char *pixel = pixel_region(c, lfirst(cell));

		if (pixel != NULL)
			appendStringInfo(&sql, "%s%s", sql.len > 0 ? ", " : "", pixel);
	}
	return sql.len == 0 ? NULL : sql.data;
}
