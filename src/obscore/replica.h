/*-------------------------------------------------------------------------
 *
 * src/obscore/replica.h
 *	  ObsCore tables of a registry or catalog that logical replication writes.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CATREG_OBSCORE_REPLICA_H
#define CATREG_OBSCORE_REPLICA_H

#include "utils/rel.h"
#include "utils/tuplestore.h"

extern void obscore_replica_init(void);

/* trigger.c */
extern void obscore_rows_changed(Relation rel, Tuplestorestate *old, Tuplestorestate *new);
extern void obscore_paths_changed(Oid relid);

#endif							/* CATREG_OBSCORE_REPLICA_H */
