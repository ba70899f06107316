/*-------------------------------------------------------------------------
 *
 * src/obscore/statement_tags.h
 *	  What a statement has done to a tags table, in numbers.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CATREG_OBSCORE_STATEMENT_TAGS_H
#define CATREG_OBSCORE_STATEMENT_TAGS_H

#include "postgres.h"

#include "utils/rel.h"
#include "utils/tuplestore.h"

#include "butler/registry.h"

typedef struct TagGroup
{
	int64		dataset_type;
	Datum		collection;		/* int8, or text */
	int64		n;				/* rows */
} TagGroup;

typedef struct StatementTags
{
	int			n_groups;
	TagGroup   *groups;
} StatementTags;

extern const StatementTags *statement_tags(Relation rel, const Registry *registry,
										   Tuplestorestate *rows, MemoryContext context);

#endif							/* CATREG_OBSCORE_STATEMENT_TAGS_H */
