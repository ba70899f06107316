/*-------------------------------------------------------------------------
 *
 * src/core/key_scan.h
 *	  Rows looked up by a column of integers or UUIDs, through an index, without a
 *	  planner.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CATREG_KEY_SCAN_H
#define CATREG_KEY_SCAN_H

#include "executor/tuptable.h"
#include "nodes/lockoptions.h"
#include "utils/rel.h"

#include "core/btree_find.h"

typedef struct KeyScan KeyScan;

typedef void (*KeyScanVisit) (KeyScan *scan, TupleTableSlot *row, int key, void *arg);

extern bool key_scan_has_index(Relation rel, AttrNumber column);
extern KeyScan *key_scan_begin(Relation rel, AttrNumber column, Oid type);
extern void key_scan_seek(KeyScan *scan, int64 key);
extern TupleTableSlot *key_scan_next(KeyScan *scan);
extern void key_scan_number_second(KeyScan *scan, KeySet *numbers);
extern AttrNumber key_scan_second(const KeyScan *scan);
extern BtreeFound *key_scan_find(KeyScan *scan, const Datum *keys, int n, int *n_found);
extern void key_scan_visit(KeyScan *scan, const Datum *keys, BtreeFound *entries, int n, KeyScanVisit visit, void *arg);
extern bool key_scan_lock(KeyScan *scan, LockTupleMode mode);
extern TupleTableSlot *key_scan_lock_key(KeyScan *scan, int64 key, LockTupleMode mode);
extern bool key_scan_delete(KeyScan *scan);
extern void key_scan_end(KeyScan *scan);

#endif							/* CATREG_KEY_SCAN_H */
