/*-------------------------------------------------------------------------
 *
 * src/core/references.h
 *	  Foreign keys of any columns, of all new rows of a table at once.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CATREG_REFERENCES_H
#define CATREG_REFERENCES_H

#include "commands/trigger.h"
#include "utils/rel.h"

typedef struct References References;

extern References *references_create(Relation rel, int n_columns, const AttrNumber *columns,
									 Oid vouched);
extern bool references_handle(const Trigger *trigger, void *arg);
extern void references_add(References *references, const Datum *values, const bool *nulls);
extern void references_check(References *references);

#endif							/* CATREG_REFERENCES_H */
