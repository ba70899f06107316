/*-------------------------------------------------------------------------
 *
 * src/core/progress.h
 *	  Long work, shown in pg_stat_progress_copy.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CATREG_PROGRESS_H
#define CATREG_PROGRESS_H

extern bool progress_begin(Oid relid);
extern void progress_rows(uint64 rows);
extern void progress_end(bool begun);

#endif							/* CATREG_PROGRESS_H */
