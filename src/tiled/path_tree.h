/*-------------------------------------------------------------------------
 *
 * src/tiled/path_tree.h
 *	  The paths that a batch names, as a tree in memory.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CATREG_PATH_TREE_H
#define CATREG_PATH_TREE_H

#include "lib/stringinfo.h"

typedef struct PathEntry
{
	struct PathEntry *parent;	/* NULL: this is the root */
	const char *key;
	int			key_length;
	int			depth;			/* 0: the root */
	int64		position;		/* in the tree's list */
	int64		row;			/* of the batch; -1: none, just a path's part */
	int64		id;				/* of the node; see known and is_new */
	bool		known;			/* it is in the catalog */
	bool		is_new;			/* it is being registered */
} PathEntry;

typedef struct PathTree PathTree;

extern PathTree *path_tree_create(int64 expected);
extern PathEntry *path_tree_root(PathTree *tree);
extern PathEntry *path_tree_child(PathTree *tree, PathEntry *parent,
								  const char *key, int length);
extern PathEntry *path_tree_find(PathTree *tree, const char *path);
extern int64 path_tree_size(const PathTree *tree);
extern PathEntry *path_tree_entry(const PathTree *tree, int64 i);
extern int	path_tree_depth(const PathTree *tree);
extern char *path_entry_path(const PathEntry *entry);

#endif							/* CATREG_PATH_TREE_H */
