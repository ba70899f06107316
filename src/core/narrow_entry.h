/*-------------------------------------------------------------------------
 *
 * src/core/narrow_entry.h
 *	  An entry of a B-tree over a few integers.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CATREG_NARROW_ENTRY_H
#define CATREG_NARROW_ENTRY_H

#include "access/itup.h"
#include "access/nbtree.h"
#include "utils/rel.h"

#define NARROW_MAX_COLUMNS 3

typedef struct NarrowEntry
{
	int64		keys[NARROW_MAX_COLUMNS];	/* those past the last column are 0 */
	ItemPointerData tid;
} NarrowEntry;

/* How the entries of one index look there: all their keys are of fixed width. */
typedef struct NarrowForm
{
	Relation	heap;
	Relation	index;
	int			n_columns;
	Oid			types[NARROW_MAX_COLUMNS];	/* INT4OID or INT8OID */
	IndexTuple	tuple;			/* reused for each entry */
	char	   *places[NARROW_MAX_COLUMNS]; /* of the keys in it */
	BTScanInsert key;			/* that searches for it; reused */
} NarrowForm;

extern void narrow_form_set(const NarrowForm *form, const NarrowEntry *entry);
extern int64 leaf_fill(const NarrowForm *form, const NarrowEntry *entries, int64 n);

#endif							/* CATREG_NARROW_ENTRY_H */
