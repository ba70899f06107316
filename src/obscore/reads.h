/*-------------------------------------------------------------------------
 *
 * src/obscore/reads.h
 *	  Which columns of a registry's tables an ObsCore table is made of.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CATREG_OBSCORE_READS_H
#define CATREG_OBSCORE_READS_H

#include "utils/rel.h"
#include "utils/tuplestore.h"

#include "obscore/obscore.h"

extern bool obscore_reads_update(const Obscore *obscore, Relation rel, Tuplestorestate *old, Tuplestorestate *new);
extern bool obscore_reads_types(const Obscore *obscore, Relation rel, Tuplestorestate *types);

#endif							/* CATREG_OBSCORE_READS_H */
