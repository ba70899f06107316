/*-------------------------------------------------------------------------
 *
 * src/obscore/tiled.h
 *	  An ObsCore table of a Tiled catalog's nodes.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CATREG_OBSCORE_TILED_H
#define CATREG_OBSCORE_TILED_H

#include "commands/trigger.h"
#include "executor/spi.h"

#include "obscore/apply.h"
#include "obscore/tiled_config.h"

/* The nodes to look at, of (id, key); key is what the table calls the node. */
#define OBSCORE_NODES "catreg_nodes"

typedef struct ObscoreTiled
{
	Oid			nodes;
	Oid			data_sources;	/* InvalidOid, like the next: no row is made of any */
	Oid			association;
	Oid			assets;
	bool		needs_path;
	char	   *values;			/* SQL, for all columns in their order */
	char	   *fields;			/* SQL: what the footprint is made of */
	SPIPlanPtr	lock;			/* see tiled_apply.c; NULL: not made yet */
	SPIPlanPtr	lock_above;
	SPIPlanPtr	put;
	SPIPlanPtr	remove;
} ObscoreTiled;

/* tiled_query.c */
extern ObscoreTiled *obscore_tiled_compile(const Obscore *obscore);
extern bool obscore_tiled_is_about(const ObscoreTiled *tiled, Oid relid);
extern char *obscore_tiled_filter(const Obscore *obscore, const char *alias);
extern void obscore_tiled_write_select(StringInfo text, const Obscore *obscore, const char *source);
extern void obscore_tiled_write_members(StringInfo text, const Obscore *obscore, const char *source);

/* tiled_apply.c */
extern void obscore_tiled_event(const Obscore *obscore, const TriggerData *trigdata);
extern void obscore_tiled_apply(const Obscore *obscore, bool lock, ObscoreCounts *counts);
extern void obscore_tiled_free_plans(ObscoreTiled *tiled);

#endif							/* CATREG_OBSCORE_TILED_H */
