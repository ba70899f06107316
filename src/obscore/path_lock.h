/*-------------------------------------------------------------------------
 *
 * src/obscore/path_lock.h
 *	  Who puts into a collection or removes from it, and who gives it another place.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CATREG_OBSCORE_PATH_LOCK_H
#define CATREG_OBSCORE_PATH_LOCK_H

#include "butler/search_path.h"
#include "obscore/statement_tags.h"

extern void obscore_lock_members(const Registry *registry, const StatementTags *tags);
extern void obscore_lock_out_members(const Registry *registry, char *const *keys, int n);

#endif							/* CATREG_OBSCORE_PATH_LOCK_H */
