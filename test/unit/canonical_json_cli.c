/*-------------------------------------------------------------------------
 *
 * test/unit/canonical_json_cli.c
 *	  Canonical JSON of documents on standard input, for the oracle test.
 *
 * Reads "<bytes>\n<document>" again and again; answers each with
 * "ok <bytes>\n<canonical>\n" or "error <code> <offset> <text>\n".  With a number
 * as its argument it goes over each document so many times instead, and writes
 * the time that this took.
 *
 * Each document is copied to a block of its very size, for a sanitizer to see
 * a read beyond its end.
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "tiled/canonical_json.h"
#include "unit_memory.h"

static const char *
canonical_of(JsonTreeArena *arena, const char *text, size_t length,
			 size_t *canonical_length, JsonTreeError *error)
{
	const JsonTreeNode *root = json_tree_parse(arena, text, length, error);

	return root ? canonical_json(arena, root, canonical_length, error) : NULL;
}

static void
answer(JsonTreeArena *arena, const char *text, size_t length)
{
	JsonTreeError error;
	size_t		canonical_length;
	const char *canonical = canonical_of(arena, text, length, &canonical_length, &error);

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

static void
measure(JsonTreeArena *arena, const char *text, size_t length, long times)
{
	clock_t		start = clock();
	JsonTreeError error;
	size_t		canonical_length;
	long		i;

	for (i = 0; i < times; i++)
	{
		json_tree_arena_reset(arena);
		canonical_of(arena, text, length, &canonical_length, &error);
	}
	printf("%ld times %zu bytes: %.3f s\n", times, length,
		   (double) (clock() - start) / CLOCKS_PER_SEC);
}

int
main(int argc, char **argv)
{
	long		times = argc > 1 ? atol(argv[1]) : 0;
	UnitMemory	memory = {NULL, -1};
	size_t		length;

	while (scanf("%zu", &length) == 1 && getchar() == '\n')
	{
		JsonTreeArena *arena = json_tree_arena_create(unit_allocate, &memory);
		char	   *text = malloc(length > 0 ? length : 1);

		if (text == NULL || fread(text, 1, length, stdin) != length)
			return 2;
		if (times > 0)
			measure(arena, text, length, times);
		else
			answer(arena, text, length);
		free(text);
		unit_free_all(&memory);
	}
	return 0;
}
