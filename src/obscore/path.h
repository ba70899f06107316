/*-------------------------------------------------------------------------
 *
 * src/obscore/path.h
 *	  The search path of a find-first table.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CATREG_OBSCORE_PATH_H
#define CATREG_OBSCORE_PATH_H

#include "butler/search_path.h"
#include "obscore/apply.h"

/* Remembered; see path.c. */
typedef struct ObscorePath
{
	bool		valid;
	bool		is_saved;		/* see obscore_go_by_saved_path() */
	MemoryContext context;
	int			n;
	Collection *sorted;			/* by key */
	int		   *positions;		/* of these, from 0 */
} ObscorePath;

extern SearchPath *obscore_resolve_path(const Obscore *obscore, SelectSnapshot snapshot);
extern int	obscore_path_position(const Obscore *obscore, Datum key);
extern ObscorePath *obscore_path_now(const Obscore *obscore);
extern void obscore_go_by_saved_path(Oid table);

/* definition.c */
extern bool obscore_paths_are_followed(Oid namespace, CommandId command);
extern void obscore_paths_followed(Oid namespace);

/* path_put.c */
extern void obscore_put_collections(const Obscore *obscore, ObscoreSelect *select, const char *members,
									bool at_head, const char *gone, ObscoreCounts *counts);

/* path_change.c */
extern void obscore_apply_path(const Obscore *obscore, ObscoreCounts *counts);
extern void obscore_save_path(const Obscore *obscore);
extern char *obscore_saved_path(const Obscore *obscore);
extern SearchPath *obscore_saved_search_path(const Obscore *obscore);
extern bool obscore_path_had(const Obscore *obscore, Datum key);

#endif							/* CATREG_OBSCORE_PATH_H */
