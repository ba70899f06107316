/*-------------------------------------------------------------------------
 *
 * src/core/btree_put.h
 *	  Sorted entries put into a B-tree, many at once.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CATREG_BTREE_PUT_H
#define CATREG_BTREE_PUT_H

#include "access/genam.h"
#include "access/nbtree.h"

typedef struct BtreePut BtreePut;

struct BtreePut
{
	Relation	heap;
	Relation	index;
	IndexUniqueCheck check;

	/* Makes entry i the one at hand: tuple, and key, which searches for it. */
	void		(*set) (BtreePut *put, int64 i);
	IndexTuple	tuple;
	BTScanInsert key;
};

extern void btree_put(BtreePut *put, int64 n);

#endif							/* CATREG_BTREE_PUT_H */
