/*-------------------------------------------------------------------------
 *
 * src/butler/wildcard.h
 *	  Expressions that choose names.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CATREG_BUTLER_WILDCARD_H
#define CATREG_BUTLER_WILDCARD_H

#include "postgres.h"

#include "nodes/pg_list.h"
#include "utils/array.h"

typedef struct Wildcard
{
	bool		all;			/* every name; the rest does not count */
	List	   *names;			/* as given */
	List	   *patterns;		/* PostgreSQL's regular expressions, anchored */
} Wildcard;

extern List *expressions_of_array(ArrayType *array, const char *argument);
extern ArrayType *array_of_expressions(const List *expressions);
extern Wildcard *wildcard_parse(const List *expressions);

#endif							/* CATREG_BUTLER_WILDCARD_H */
