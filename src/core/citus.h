/*-------------------------------------------------------------------------
 *
 * src/core/citus.h
 *	  Tables whose rows the extension Citus keeps.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CATREG_CITUS_H
#define CATREG_CITUS_H

extern bool citus_keeps(Oid table);
extern bool citus_has_copies(Oid table);

#endif							/* CATREG_CITUS_H */
