/*-------------------------------------------------------------------------
 *
 * src/obscore/plain.h
 *	  ObsCore tables in parts, some of them on other servers, and those of Citus.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CATREG_OBSCORE_PLAIN_H
#define CATREG_OBSCORE_PLAIN_H

#include "obscore/apply.h"

extern bool obscore_is_plain(Oid table);
extern void obscore_plain_write(const Obscore *obscore, const char *query, const char *keys,
								ObscoreCounts *counts);
extern void obscore_plain_apply(const Obscore *obscore, const ObscoreSelect *select, ObscoreRows rows,
								ObscoreCounts *counts);
extern const char *obscore_plain_read(const Obscore *obscore);
extern void obscore_plain_end_read(const Obscore *obscore);
extern int64 obscore_plain_remove_any(const Obscore *obscore);

#endif							/* CATREG_OBSCORE_PLAIN_H */
