/*-------------------------------------------------------------------------
 *
 * src/core/btree_find.h
 *	  The entries of a B-tree that have a key, for many keys.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CATREG_BTREE_FIND_H
#define CATREG_BTREE_FIND_H

#include "utils/rel.h"
#include "utils/snapshot.h"

#include "core/key_set.h"

typedef struct BtreeFind BtreeFind;

/* An entry that was found. */
typedef struct BtreeFound
{
	ItemPointerData tid;
	OffsetNumber offset;		/* on the page; InvalidOffsetNumber: in a posting list */
	int			key;			/* the number of the key that it has */
	int64		second;			/* its second column, see btree_find_has_second() */
} BtreeFound;

extern BtreeFind *btree_find_begin(Relation index, Snapshot snapshot);
extern void btree_find_number_second(BtreeFind *find, KeySet *numbers);
extern bool btree_find_has_second(const BtreeFind *find);
extern BtreeFound *btree_find_sorted(BtreeFind *find, const Datum *keys, int n, int *n_found);
extern int	btree_find(BtreeFind *find, Datum key);
extern int	btree_find_more(BtreeFind *find);
extern const BtreeFound *btree_find_entry(const BtreeFind *find, int i);
extern void btree_find_kill(BtreeFind *find, int i);
extern void btree_find_end(BtreeFind *find);

#endif							/* CATREG_BTREE_FIND_H */
