/*-------------------------------------------------------------------------
 *
 * src/core/on_conflict.c
 *	  What a bulk function does about rows that are there already.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "core/on_conflict.h"

/*
 * The argument on_conflict of a bulk function.
 *
 * Error: invalid_parameter_value.
 */
OnConflict
parse_on_conflict(const char *value)
{
	if (strcmp(value, "error") == 0)
		return ON_CONFLICT_ERROR;
	if (strcmp(value, "ignore") == 0)
		return ON_CONFLICT_IGNORE;
	if (strcmp(value, "replace") == 0)
		return ON_CONFLICT_REPLACE;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unknown on_conflict \"%s\"", value),
			 errhint("The values are \"error\", \"ignore\", \"replace\".")));
}
