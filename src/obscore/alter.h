/*-------------------------------------------------------------------------
 *
 * src/obscore/alter.h
 *	  Another configuration for an ObsCore table, while it is used.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CATREG_OBSCORE_ALTER_H
#define CATREG_OBSCORE_ALTER_H

#include "commands/trigger.h"

#include "obscore/change.h"

extern bool obscore_lock_writer(Oid table);
extern void obscore_note_change(const Obscore *obscore, Oid relid, const char *changed,
								ObscoreChange change);

#endif							/* CATREG_OBSCORE_ALTER_H */
