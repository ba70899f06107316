/*-------------------------------------------------------------------------
 *
 * src/tiled/interned.c
 *	  Texts that many rows share, kept once.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "utils/memutils.h"

#include "tiled/interned.h"

typedef struct InternSlot
{
	Interned   *entry;
	uint32		hash;
	char		status;
} InternSlot;

#define SH_PREFIX texts
#define SH_ELEMENT_TYPE InternSlot
#define SH_KEY_TYPE Interned *
#define SH_KEY entry
#define SH_HASH_KEY(tb, key) hash_bytes((const unsigned char *) (key)->text, (key)->length)
#define SH_EQUAL(tb, a, b) \
	((a)->length == (b)->length && memcmp((a)->text, (b)->text, (a)->length) == 0)
#define SH_STORE_HASH
#define SH_GET_HASH(tb, slot) (slot)->hash
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

struct InternTable
{
	MemoryContext context;
	Size		entry_size;
	texts_hash *slots;
	void	  **entries;		/* in the order in which they were made */
	int64		n_entries;
	int64		allocated;
};

/*
 * A table of entries of a size, each of which begins with an Interned; lives
 * in the current memory context.
 */
InternTable *
intern_create(Size entry_size)
{
	InternTable *table = palloc(sizeof(InternTable));

	table->context = CurrentMemoryContext;
	table->entry_size = entry_size;
	table->slots = texts_create(table->context, 16, NULL);
	table->n_entries = 0;
	table->allocated = 16;
	table->entries = palloc(sizeof(void *) * table->allocated);
	return table;
}

/*
 * The entry of a text; a new one is all zeros but for the text.
 */
void *
intern_text(InternTable *table, const char *text, int length, bool *found)
{
	Interned	wanted = {text, length};
	InternSlot *slot = texts_insert(table->slots, &wanted, found);
	Interned   *entry;
	char	   *copy;

	if (*found)
		return slot->entry;

	entry = MemoryContextAllocZero(table->context, table->entry_size);
	copy = MemoryContextAlloc(table->context, length + 1);
	memcpy(copy, text, length);
	copy[length] = '\0';
	entry->text = copy;
	entry->length = length;
	slot->entry = entry;

	if (table->n_entries == table->allocated)
	{
		table->allocated *= 2;
		table->entries = repalloc_huge(table->entries, sizeof(void *) * table->allocated);
	}
	table->entries[table->n_entries++] = entry;
	return entry;
}

int64
intern_count(const InternTable *table)
{
	return table->n_entries;
}

void *
intern_entry(const InternTable *table, int64 i)
{
	return table->entries[i];
}
