/*-------------------------------------------------------------------------
 *
 * src/core/foreign_key.h
 *	  Foreign keys of one integer column: what is proven, and set-wise checks.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CATREG_FOREIGN_KEY_H
#define CATREG_FOREIGN_KEY_H

#include "commands/trigger.h"
#include "utils/rel.h"

#include "core/ids.h"

extern bool foreign_key_fires(const Trigger *trigger);
extern bool foreign_key_trigger_matches(Relation rel, const Trigger *trigger,
										AttrNumber column, Oid references);
extern Oid	foreign_key_enforced(Relation rel, AttrNumber column,
								 Oid references, AttrNumber key);
extern bool foreign_key_cascades(Oid constraint);
extern void foreign_key_check(Relation rel, AttrNumber column, Oid references,
							  AttrNumber key, Oid type, IdList *keys);

#endif							/* CATREG_FOREIGN_KEY_H */
