/*-------------------------------------------------------------------------
 *
 * src/obscore/fill.h
 *	  Many rows of an ObsCore table at once.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CATREG_OBSCORE_FILL_H
#define CATREG_OBSCORE_FILL_H

#include "obscore/obscore.h"

extern int	obscore_join_to_tags(void);
extern bool obscore_is_new(Oid table);
extern uint64 obscore_write_rows(const Obscore *obscore, const char *query, bool frozen);
extern uint64 obscore_fill_first(const Obscore *obscore, const ObscoreSelect *select, bool frozen);

#endif							/* CATREG_OBSCORE_FILL_H */
