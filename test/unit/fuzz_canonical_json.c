/*-------------------------------------------------------------------------
 *
 * test/unit/fuzz_canonical_json.c
 *	  libFuzzer target: whatever the bytes, nothing breaks, and the canonical
 *	  form of a canonical form is itself.
 *
 *-------------------------------------------------------------------------
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tiled/canonical_json.h"
#include "unit_memory.h"

extern int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(int condition, const char *what)
{
	if (!condition)
	{
		fprintf(stderr, "violated: %s\n", what);
		abort();
	}
}

/*
 * Every node lies within its document, and strings end in a NUL.
 */
static void
check_tree(const JsonTreeNode *node, const char *text, size_t length)
{
	const JsonTreeNode *child;
	int			n = 0;

	require(node->source >= text && node->source_length > 0 &&
			node->source + node->source_length <= text + length, "extent");
	if (node->kind == JSON_TREE_STRING)
		require(node->string[node->string_length] == '\0', "string's NUL");
	for (child = node->first_child; child != NULL; child = child->next)
	{
		if (node->kind == JSON_TREE_OBJECT)
			require(child->key[child->key_length] == '\0', "key's NUL");
		check_tree(child, node->source, node->source_length);
		n++;
	}
	require(n == node->n_children, "n_children");
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	UnitMemory	memory = {NULL, -1};
	JsonTreeArena *arena = json_tree_arena_create(unit_allocate, &memory);
	const JsonTreeNode *root;
	const JsonTreeNode *again;
	const char *canonical = NULL;
	const char *second;
	size_t		length;
	size_t		second_length;
	JsonTreeError error;

	root = json_tree_parse(arena, (const char *) data, size, &error);
	if (root != NULL)
	{
		check_tree(root, (const char *) data, size);
		canonical = canonical_json(arena, root, &length, &error);
	}
	if (canonical != NULL)
	{
		require(error.code == JSON_TREE_ERROR_NONE, "no error code with a result");
		again = json_tree_parse(arena, canonical, length, &error);
		require(again != NULL, "the canonical form is JSON");
		second = canonical_json(arena, again, &second_length, &error);
		require(second != NULL, "the canonical form has a canonical form");
		require(second_length == length && memcmp(second, canonical, length) == 0,
				"the canonical form is its own");
	}
	else
	{
		require(error.code != JSON_TREE_ERROR_NONE, "an error code without a result");
		require(error.offset <= size, "the error's offset");
	}
	unit_free_all(&memory);
	return 0;
}
