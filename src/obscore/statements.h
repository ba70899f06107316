/*-------------------------------------------------------------------------
 *
 * src/obscore/statements.h
 *	  The statements that bring the rows of some datasets up to date.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CATREG_OBSCORE_STATEMENTS_H
#define CATREG_OBSCORE_STATEMENTS_H

#include "obscore/obscore.h"

/* Which rows: the triggers' transition tables, or keys that have been collected. */
typedef enum ObscoreRows
{
	ROWS_NEW,
	ROWS_NEW_MEMBERS,			/* those of the dataset type are in collections that count */
	ROWS_OLD,
	ROWS_TOUCHED,
	N_ROWS
} ObscoreRows;

#define OBSCORE_NEW "catreg_new"
#define OBSCORE_OLD "catreg_old"
#define OBSCORE_TOUCHED "catreg_touched"
#define OBSCORE_TOUCHED_IDS "catreg_touched_ids"	/* of any dataset type */

typedef enum ObscoreStatement
{
	STATEMENT_KEY_LOCKS,		/* of the records that new tags refer to */
	STATEMENT_PUT_NEW,			/* of new tags, rows that are not there */
	STATEMENT_PUT,				/* of new tags, rows that may be */
	STATEMENT_LOCK_KEYS,		/* of rows that are there */
	STATEMENT_PUT_KEYS,			/* rows that may be there */
	STATEMENT_REMOVE_KEYS,		/* rows that should not be there */
	N_STATEMENTS
} ObscoreStatement;

extern void obscore_write_or_update(StringInfo text, const Obscore *obscore);
extern bool obscore_write_statement(StringInfo text, const Obscore *obscore, const ObscoreSelect *select,
									ObscoreStatement statement, ObscoreRows rows);
extern void obscore_write_remove_any(StringInfo text, const Obscore *obscore);

#endif							/* CATREG_OBSCORE_STATEMENTS_H */
