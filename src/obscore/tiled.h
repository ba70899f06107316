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
#include "obscore/change.h"
#include "obscore/tiled_config.h"

/* The nodes to look at, of (id, key); key is what the table calls the node. */
#define OBSCORE_NODES "catreg_nodes"

/* The tables that rows are made of. */
typedef enum ObscoreTiledSource
{
	TILED_NODES,
	TILED_DATA_SOURCES,
	TILED_ASSOCIATION,
	TILED_ASSETS,
	N_TILED_SOURCES
} ObscoreTiledSource;

/* What is done about nodes, bits of it. */
typedef enum ObscoreTiledDeeds
{
	TILED_LOCK = 1,				/* they are not the statement's own, which has locked them */
	TILED_LOCK_ABOVE = 2,		/* the containers that a path depends on */
	TILED_PUT = 4,				/* a row may have to be made or changed */
	TILED_REMOVE = 8,			/* one may have to go */
	TILED_ALL = 15
} ObscoreTiledDeeds;

/* What register_nodes() has written of a catalog: arrays of integers. */
typedef struct ObscoreRegistered
{
	Oid			nodes_table;
	Datum		nodes;			/* that are new */
	Datum		containers;		/* not new, with new nodes in them */
	Datum		assets;			/* not new, of new nodes */
} ObscoreRegistered;

typedef struct ObscoreTiled
{
	Oid			nodes;
	Oid			data_sources;	/* InvalidOid, like the next: no row is made of any */
	Oid			association;
	Oid			assets;
	bool		needs_path;
	char	   *values;			/* SQL, for all columns in their order */
	char	   *fields;			/* SQL: what the footprint is made of */
	SPIPlanPtr	touched[N_TILED_SOURCES][N_CHANGES];	/* see tiled_apply.c; NULL: not made yet */
	SPIPlanPtr	lock_assets;
	SPIPlanPtr	lock;
	SPIPlanPtr	lock_above;
	SPIPlanPtr	put;
	SPIPlanPtr	remove;
} ObscoreTiled;

/* tiled_query.c */
extern ObscoreTiled *obscore_tiled_compile(const Obscore *obscore);
extern bool obscore_tiled_is_about(const ObscoreTiled *tiled, Oid relid);
extern int	obscore_tiled_by_key(void);
extern char *obscore_tiled_filter(const Obscore *obscore, const char *alias);
extern void obscore_tiled_write_select(StringInfo text, const Obscore *obscore, const char *source);
extern void obscore_tiled_write_members(StringInfo text, const Obscore *obscore, const char *source);

/* tiled_apply.c */
extern void obscore_tiled_event(const Obscore *obscore, const TriggerData *trigdata,
								ObscoreChange change, bool replicated);
extern void obscore_tiled_registered(const Obscore *obscore, const ObscoreRegistered *registered);
extern void obscore_tiled_apply(const Obscore *obscore, int deeds, ObscoreCounts *counts);
extern void obscore_tiled_free_plans(ObscoreTiled *tiled);

/* trigger.c */
extern bool obscore_is_trigger(const Trigger *trigger);
extern void obscore_nodes_registered(const ObscoreRegistered *registered);

#endif							/* CATREG_OBSCORE_TILED_H */
