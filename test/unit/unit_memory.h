/*-------------------------------------------------------------------------
 *
 * test/unit/unit_memory.h
 *	  An allocator for the unit tests that can free all it gave, and run out.
 *
 *-------------------------------------------------------------------------
 */
#ifndef UNIT_MEMORY_H
#define UNIT_MEMORY_H

#include <stdlib.h>

typedef struct UnitBlock
{
	struct UnitBlock *next;
	double		aligner;
} UnitBlock;

typedef struct UnitMemory
{
	UnitBlock  *blocks;
	long		allowance;		/* allocations to go; negative: no limit */
} UnitMemory;

static inline void *
unit_allocate(void *context, size_t size)
{
	UnitMemory *memory = context;
	UnitBlock  *block;

	if (memory->allowance == 0)
		return NULL;
	if (memory->allowance > 0)
		memory->allowance--;
	block = malloc(sizeof(UnitBlock) + size);
	if (block == NULL)
		return NULL;
	block->next = memory->blocks;
	memory->blocks = block;
	return block + 1;
}

static inline void
unit_free_all(UnitMemory *memory)
{
	while (memory->blocks != NULL)
	{
		UnitBlock  *next = memory->blocks->next;

		free(memory->blocks);
		memory->blocks = next;
	}
}

#endif							/* UNIT_MEMORY_H */
