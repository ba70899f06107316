/*-------------------------------------------------------------------------
 *
 * src/sky/region_selectivity.c
 *	  How many rows the planner expects of an operator on regions.
 *
 * PostgreSQL keeps no statistics of regions.  What is known is the query, if it
 * is a constant: the larger the part of the sky that it covers, the more regions
 * it meets.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "nodes/pathnodes.h"
#include "utils/selfuncs.h"

#include "sky/region.h"

/* Footprints at a point of the sky, of all: a survey visits each often, and
 * has much of its data there where it has any. */
#define AT_A_POINT 0.0001

/* Surveys cover a part of the sky, and are so many times as dense there. */
#define DENSITY 4

PG_FUNCTION_INFO_V1(region_selectivity);

/*
 * Restriction selectivity of @>, <@ and &&.
 */
Datum
region_selectivity(PG_FUNCTION_ARGS)
{
	PlannerInfo *root = (PlannerInfo *) PG_GETARG_POINTER(0);
	List	   *args = (List *) PG_GETARG_POINTER(2);
	VariableStatData variable;
	Node	   *other;
	bool		variable_on_left;
	double		selectivity = AT_A_POINT;

	if (!get_restriction_variable(root, args, PG_GETARG_INT32(3), &variable, &other, &variable_on_left))
		PG_RETURN_FLOAT8(AT_A_POINT);
	if (IsA(other, Const))
	{
		if (((Const *) other)->constisnull)
			selectivity = 0;
		else
		{
			ShapeCircle circle = shape_bounding_circle(&DatumGetRegion(((Const *) other)->constvalue)->shape);

			if (circle.chord2 > 0)
				selectivity += DENSITY * 0.25 * circle.chord2;
		}
	}
	ReleaseVariableStats(variable);
	CLAMP_PROBABILITY(selectivity);
	PG_RETURN_FLOAT8(selectivity);
}
