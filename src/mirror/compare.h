/*-------------------------------------------------------------------------
 *
 * src/mirror/compare.h
 *	  How the files that find rows that differ work together.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CATREG_MIRROR_COMPARE_H
#define CATREG_MIRROR_COMPARE_H

#include "mirror/mirror.h"

#define FEW_KEYS 256			/* of a range, of which only keys are read */
#define KEYS_A_QUERY 5000

/* What is compared of a table: whether there are the same keys, or the same rows. */
typedef struct Comparison
{
	const Mirror *mirror;
	MirrorTable *table;
	bool		keys_only;
	bool		by_integer;		/* positions are keys */
	List	   *wanted;			/* keys whose rows differ, or are missing here; as lists of text */
	uint64		n_looked_at;
} Comparison;

/* A range of positions: those whose bits above a number of bits are these. */
typedef struct Range
{
	int64		prefix;
	uint64		rows;			/* on the side that has more */
} Range;

/* compare_ranges.c */
extern bool compare_are_integers(List *columns);
extern void compare_write_checksum(StringInfo text, const Comparison *comparison);
extern void compare_write_source(StringInfo text, const Comparison *comparison, const char *relation,
								 List *ranges, int shift);
extern List *compare_level(Comparison *comparison, List *within, int within_shift, int shift);
extern int	compare_first_shift(const Comparison *comparison);
extern void compare_whole(Mirror *mirror, MirrorTable *table);

/* compare_keys.c */
extern bool compare_is_of_key(const MirrorTable *table, const char *name);
extern void compare_write_same_key(StringInfo text, const MirrorTable *table, const char *a, const char *b);
extern void compare_add_gone(MirrorTable *table, const char *text);
extern List *compare_add_keys(List *keys, const MirrorTable *table, const char *text);
extern void compare_write_keys(StringInfo text, const MirrorTable *table, List *keys, int begin, int end);
extern void compare_by_key(const Mirror *mirror, MirrorTable *table, bool keys_only);

/* compare_gone.c */
extern void compare_find_gone(Mirror *mirror);

#endif							/* CATREG_MIRROR_COMPARE_H */
