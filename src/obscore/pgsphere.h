/*-------------------------------------------------------------------------
 *
 * src/obscore/pgsphere.h
 *	  The columns of pgsphere's types.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CATREG_OBSCORE_PGSPHERE_H
#define CATREG_OBSCORE_PGSPHERE_H

#include "postgres.h"

#include "obscore/config.h"

#define PGSPHERE_REGION "spoly"
#define PGSPHERE_POSITION "spoint"

extern Oid	pgsphere_type(const char *name, bool missing_ok);
extern void pgsphere_leave_lost(ObscoreConfig *config, Oid table);

#endif							/* CATREG_OBSCORE_PGSPHERE_H */
