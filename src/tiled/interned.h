/*-------------------------------------------------------------------------
 *
 * src/tiled/interned.h
 *	  Texts that many rows share, kept once.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CATREG_INTERNED_H
#define CATREG_INTERNED_H

/* The first member of whatever is kept with a text. */
typedef struct Interned
{
	const char *text;			/* NUL-terminated */
	int			length;
} Interned;

typedef struct InternTable InternTable;

extern InternTable *intern_create(Size entry_size);
extern void *intern_text(InternTable *table, const char *text, int length,
						 bool *found);
extern int64 intern_count(const InternTable *table);
extern void *intern_entry(const InternTable *table, int64 i);

#endif							/* CATREG_INTERNED_H */
