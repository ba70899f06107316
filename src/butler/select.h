/*-------------------------------------------------------------------------
 *
 * src/butler/select.h
 *	  Reading a registry's tables.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CATREG_BUTLER_SELECT_H
#define CATREG_BUTLER_SELECT_H

#include "executor/spi.h"

/* With which snapshot */
typedef enum SelectSnapshot
{
	SELECT_STATEMENT,			/* of the statement that asks */
	SELECT_LATEST				/* of this moment, see query_execute_latest() */
} SelectSnapshot;

extern uint64 butler_select(SelectSnapshot snapshot, const char *text, int nargs, Oid *types,
							Datum *values);
extern char *selected_text(uint64 row, int column);
extern Datum selected_datum(uint64 row, int column);

#endif							/* CATREG_BUTLER_SELECT_H */
