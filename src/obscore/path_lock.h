/*-------------------------------------------------------------------------
 *
 * src/obscore/path_lock.h
 *	  Who puts into a collection, and who gives it another place on a search path.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CATREG_OBSCORE_PATH_LOCK_H
#define CATREG_OBSCORE_PATH_LOCK_H

#include "butler/search_path.h"
#include "obscore/statement_tags.h"

extern void obscore_lock_puts(const Registry *registry, const StatementTags *tags);
extern void obscore_lock_out_puts(const Registry *registry, char *const *keys, int n);

#endif							/* CATREG_OBSCORE_PATH_LOCK_H */
