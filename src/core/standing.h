/*-------------------------------------------------------------------------
 *
 * src/core/standing.h
 *	  Saved INSERTs from transition tables, executed over and over.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CATREG_STANDING_H
#define CATREG_STANDING_H

#include "executor/spi.h"
#include "utils/relcache.h"
#include "utils/tuplestore.h"

typedef struct Standing Standing;

extern bool standing_begin(Standing **place, SPIPlanPtr plan, const char *name, Relation rel, Tuplestorestate *rows);
extern bool standing_is_valid(const Standing *standing);
extern uint64 standing_execute(Standing *standing, Tuplestorestate *rows);
extern void standing_end(Standing *standing);
extern void standing_init(void);

#endif							/* CATREG_STANDING_H */
