/*-------------------------------------------------------------------------
 *
 * test/unit/canonical_json_cli.c
 *	  Canonical JSON of documents on standard input, for the oracle test.
 *
 * Reads "<bytes>\n<document>" again and again; answers each with
 * "ok <bytes>\n<canonical>\n" or "error <code> <offset> <text>\n".  With -t it
 * writes nothing but the time taken, per document, on standard error.
 *
 * Each document is copied to a block of its very size, for a sanitizer to see
 * a read beyond its end.
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tiled/canonical_json.h"
#include "unit_memory.h"

static void
answer(JsonTreeArena *arena, const char *text, size_t length, int quiet)
{
	const JsonTreeNode *root;
	const char *canonical = NULL;
	size_t		canonical_length = 0;
	JsonTreeError error;

	root = json_tree_parse(arena, text, length, &error);
	if (root != NULL)
		canonical = canonical_json(arena, root, &canonical_length, &error);
	if (quiet)
		return;
	if (canonical != NULL)
	{
		printf("ok %zu\n", canonical_length);
		fwrite(canonical, 1, canonical_length, stdout);
		printf("\n");
	}
	else
		printf("error %d %zu %s\n", (int) error.code, error.offset,
			   json_tree_error_text(error.code));
}

int
main(int argc, char **argv)
{
	int			quiet = argc > 1 && strcmp(argv[1], "-t") == 0;
	UnitMemory	memory = {NULL, -1};
	JsonTreeArena *arena = json_tree_arena_create(unit_allocate, &memory);
	clock_t		taken = 0;
	long		n = 0;
	size_t		length;

	while (scanf("%zu", &length) == 1 && getchar() == '\n')
	{
		char	   *text = malloc(length > 0 ? length : 1);
		clock_t		start;

		if (text == NULL || fread(text, 1, length, stdin) != length)
			return 2;
		start = clock();
		answer(arena, text, length, quiet);
		json_tree_arena_reset(arena);
		taken += clock() - start;
		n++;
		free(text);
#ifdef JSON_TREE_EXACT_ALLOCATIONS
		unit_free_all(&memory);
		arena = json_tree_arena_create(unit_allocate, &memory);
#endif
	}
	unit_free_all(&memory);
	if (quiet && n > 0)
		fprintf(stderr, "%ld documents in %.3f s\n", n, (double) taken / CLOCKS_PER_SEC);
	return 0;
}
