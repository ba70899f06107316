/*-------------------------------------------------------------------------
 *
 * src/obscore/change.h
 *	  What changed rows of a registry mean for an ObsCore table.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CATREG_OBSCORE_CHANGE_H
#define CATREG_OBSCORE_CHANGE_H

#include "obscore/obscore.h"

typedef enum ObscoreChange
{
	CHANGE_INSERT,
	CHANGE_UPDATE,
	CHANGE_DELETE,
	N_CHANGES
} ObscoreChange;

extern void obscore_lock_change(const Obscore *obscore, Oid relid, const char *changed,
								ObscoreChange change);
extern void obscore_lock_records_of(const Obscore *obscore, const ObscoreSelect *select,
									 const char *collections);
extern void obscore_apply_change(const Obscore *obscore, ObscoreSelect *select, Oid relid,
								 const char *changed, ObscoreChange change);

#endif							/* CATREG_OBSCORE_CHANGE_H */
