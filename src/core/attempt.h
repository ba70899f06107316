/*-------------------------------------------------------------------------
 *
 * src/core/attempt.h
 *	  What may fail and be undone, and tried again.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CATREG_ATTEMPT_H
#define CATREG_ATTEMPT_H

#include "postgres.h"

/* Is an error a key that another session has committed since it was looked up? */
typedef bool (*AttemptIsConcurrent) (const ErrorData *error, const void *arg);

extern ErrorData *attempt(void (*action) (void *arg), void *arg);
extern void attempt_until_first(void (*action) (void *arg), AttemptIsConcurrent is_concurrent, void *arg);
extern bool attempt_must_end(const ErrorData *error);

#endif							/* CATREG_ATTEMPT_H */
