/*-------------------------------------------------------------------------
 *
 * src/core/writer.h
 *	  The bulk writer of narrow tables.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CATREG_WRITER_H
#define CATREG_WRITER_H

#include "commands/trigger.h"
#include "utils/rel.h"

/* A foreign key that the caller checks himself where the writer is fast. */
typedef struct WriterKey
{
	AttrNumber	column;
	Oid			references;
} WriterKey;

/* What is written, and what the caller answers for. */
typedef struct WriterTarget
{
	Relation	rel;			/* open, with RowExclusiveLock or stronger */
	int			n_columns;
	const AttrNumber *columns;	/* those that writer_put() is given; the others
								 * take their defaults */
	int			n_keys;
	const WriterKey *keys;
	bool		frozen;			/* rows of a table made in this subtransaction that
								 * every snapshot sees, if it is fast */
	/* even a few rows go into each index in its order, so that two sessions
	 * that write the same keys do not wait in a circle */
	bool		in_order;
	int			n_sorted;		/* and the plain way sorts by so many of the columns */
	/* is a trigger's work done by the caller?  NULL: no trigger's is */
	bool		(*handles) (const Trigger *trigger, void *arg);
	void	   *handles_arg;
} WriterTarget;

typedef struct Writer Writer;

extern Writer *writer_begin(const WriterTarget *target);
extern bool writer_is_fast(const Writer *writer);
extern void writer_put(Writer *writer, const Datum *values, const bool *nulls);
extern uint64 writer_end(Writer *writer);

extern const char *writer_refusal(const WriterTarget *target);

#endif							/* CATREG_WRITER_H */
