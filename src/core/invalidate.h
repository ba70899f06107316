/*-------------------------------------------------------------------------
 *
 * src/core/invalidate.h
 *	  The module's one relation cache callback.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CATREG_INVALIDATE_H
#define CATREG_INVALIDATE_H

/*
 * Called for a changed relation, or InvalidOid for all of them.  It may be
 * called at any moment, within a transaction or not: set flags, nothing else.
 */
typedef void (*InvalidateCallback) (Oid relid);

extern void invalidate_init(void);
extern void invalidate_subscribe(InvalidateCallback callback);

#endif							/* CATREG_INVALIDATE_H */
