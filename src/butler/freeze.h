/*-------------------------------------------------------------------------
 *
 * src/butler/freeze.h
 *	  Collections that must not change.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CATREG_BUTLER_FREEZE_H
#define CATREG_BUTLER_FREEZE_H

extern void freeze_init(void);

#endif							/* CATREG_BUTLER_FREEZE_H */
