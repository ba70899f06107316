/*-------------------------------------------------------------------------
 *
 * src/obscore/problem.h
 *	  Values that cannot be derived: never a reason to fail a put.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CATREG_OBSCORE_PROBLEM_H
#define CATREG_OBSCORE_PROBLEM_H

#include "postgres.h"

#include "utils/tuplestore.h"

extern void obscore_note(const char *format,...) pg_attribute_printf(1, 2);
extern void obscore_problems_forget(void);
extern void obscore_problems_wait(void);
extern void obscore_problems_begin(Tuplestorestate *rows, TupleDesc desc);
extern void obscore_problems_end(void);

#endif							/* CATREG_OBSCORE_PROBLEM_H */
