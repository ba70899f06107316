/*-------------------------------------------------------------------------
 *
 * src/core/deletion.h
 *	  What there was before this transaction has deleted a row.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CATREG_DELETION_H
#define CATREG_DELETION_H

#include "access/attnum.h"
#include "utils/snapshot.h"

extern Snapshot snapshot_before_deletion(Oid table, AttrNumber column, Datum key);

#endif							/* CATREG_DELETION_H */
