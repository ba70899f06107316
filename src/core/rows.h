/*-------------------------------------------------------------------------
 *
 * src/core/rows.h
 *	  Rows of a transition table, read without a query.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CATREG_ROWS_H
#define CATREG_ROWS_H

#include "executor/executor.h"
#include "utils/tuplestore.h"

/*
 * Goes to the first of the rows, by a read pointer of the caller's own, which is selected
 * and returned: a new one starts where another trigger's may have stopped.
 */
static inline int
rows_rewind(Tuplestorestate *rows)
{
	int			pointer = tuplestore_alloc_read_pointer(rows, EXEC_FLAG_REWIND);

	tuplestore_select_read_pointer(rows, pointer);
	tuplestore_rescan(rows);
	return pointer;
}

#endif							/* CATREG_ROWS_H */
