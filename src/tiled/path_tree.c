/*-------------------------------------------------------------------------
 *
 * src/tiled/path_tree.c
 *	  The paths that a batch names, as a tree in memory.
 *
 * Entries are found by parent and key, and listed in the order in which they
 * were made, parents first.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "utils/memutils.h"

#include "tiled/path_tree.h"

typedef struct PathSlot
{
	PathEntry  *entry;
	uint32		hash;
	char		status;
} PathSlot;

#define SH_PREFIX slots
#define SH_ELEMENT_TYPE PathSlot
#define SH_KEY_TYPE PathEntry *
#define SH_KEY entry
#define SH_HASH_KEY(tb, key) path_hash(key)
#define SH_EQUAL(tb, a, b) path_equal(a, b)
#define SH_STORE_HASH
#define SH_GET_HASH(tb, slot) (slot)->hash
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE

static inline uint32
path_hash(const PathEntry *entry)
{
	return hash_combine(hash_bytes((const unsigned char *) entry->key, entry->key_length),
						murmurhash32((uint32) ((uintptr_t) entry->parent >> 4)));
}

static inline bool
path_equal(const PathEntry *a, const PathEntry *b)
{
	return a->parent == b->parent && a->key_length == b->key_length &&
		memcmp(a->key, b->key, a->key_length) == 0;
}

#include "lib/simplehash.h"

/* Entries never move: others point at them. */
#define ENTRIES_A_BLOCK 1024

struct PathTree
{
	MemoryContext context;
	slots_hash *slots;
	PathEntry **blocks;
	int64		n_entries;
	int64		n_blocks;
	int64		allocated_blocks;
	int			depth;
};

static PathEntry *
new_entry(PathTree *tree)
{
	if (tree->n_entries == tree->n_blocks * ENTRIES_A_BLOCK)
	{
		if (tree->n_blocks == tree->allocated_blocks)
		{
			tree->allocated_blocks *= 2;
			tree->blocks = repalloc_huge(tree->blocks,
										 tree->allocated_blocks * sizeof(PathEntry *));
		}
		tree->blocks[tree->n_blocks++] =
			MemoryContextAlloc(tree->context, ENTRIES_A_BLOCK * sizeof(PathEntry));
	}
	return path_tree_entry(tree, tree->n_entries++);
}

/*
 * A tree that has just a root; lives in the current memory context.
 */
PathTree *
path_tree_create(int64 expected)
{
	PathTree   *tree = palloc0(sizeof(PathTree));
	PathEntry  *root;

	tree->context = CurrentMemoryContext;
	tree->slots = slots_create(tree->context, expected, NULL);
	tree->allocated_blocks = 16;
	tree->blocks = palloc(tree->allocated_blocks * sizeof(PathEntry *));
	root = new_entry(tree);
	memset(root, 0, sizeof(PathEntry));
	root->key = "";
	root->row = -1;
	return tree;
}

PathEntry *
path_tree_root(PathTree *tree)
{
	return tree->blocks[0];
}

/*
 * The entry of a key under a parent, made where there is none.
 */
PathEntry *
path_tree_child(PathTree *tree, PathEntry *parent, const char *key, int length)
{
	PathEntry	wanted = {.parent = parent,.key = key,.key_length = length};
	PathSlot   *slot;
	PathEntry  *entry;
	char	   *copy;
	bool		found;

	slot = slots_insert(tree->slots, &wanted, &found);
	if (found)
		return slot->entry;

	entry = new_entry(tree);
	copy = MemoryContextAlloc(tree->context, length + 1);
	memcpy(copy, key, length);
	copy[length] = '\0';
	entry->parent = parent;
	entry->key = copy;
	entry->key_length = length;
	entry->depth = parent->depth + 1;
	entry->position = tree->n_entries - 1;
	entry->row = -1;
	entry->id = 0;
	entry->known = false;
	entry->is_new = false;
	slot->entry = entry;
	tree->depth = Max(tree->depth, entry->depth);
	return entry;
}

/*
 * The entry of a '/'-separated path, made where there is none.
 *
 * Error: invalid_parameter_value for an empty key.
 */
PathEntry *
path_tree_find(PathTree *tree, const char *path)
{
	PathEntry  *entry = path_tree_root(tree);
	const char *key = path;

	while (*key != '\0')
	{
		const char *end = strchr(key, '/');
		int			length = (end != NULL) ? (int) (end - key) : (int) strlen(key);

		if (length == 0 || (end != NULL && end[1] == '\0'))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("malformed path \"%s\"", path),
					 errdetail("It has an empty key."),
					 errhint("A path is keys joined by \"/\", with none before the first or after the last; '' is the root.")));
		entry = path_tree_child(tree, entry, key, length);
		key += length + (end != NULL ? 1 : 0);
	}
	return entry;
}

int64
path_tree_size(const PathTree *tree)
{
	return tree->n_entries;
}

PathEntry *
path_tree_entry(const PathTree *tree, int64 i)
{
	return &tree->blocks[i / ENTRIES_A_BLOCK][i % ENTRIES_A_BLOCK];
}

int
path_tree_depth(const PathTree *tree)
{
	return tree->depth;
}

/*
 * The '/'-separated path of an entry; '' for the root.
 */
char *
path_entry_path(const PathEntry *entry)
{
	const PathEntry *at;
	Size		length = 0;
	char	   *path;
	char	   *place;

	for (at = entry; at->parent != NULL; at = at->parent)
		length += at->key_length + 1;
	if (length == 0)
		return pstrdup("");
	path = palloc(length);
	place = path + length - 1;
	*place = '\0';
	for (at = entry; at->parent != NULL; at = at->parent)
	{
		place -= at->key_length;
		memcpy(place, at->key, at->key_length);
		if (at->parent->parent != NULL)
			*--place = '/';
	}
	return path;
}
