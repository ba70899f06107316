/*-------------------------------------------------------------------------
 *
 * src/core/remover.h
 *	  When rows may be deleted without firing triggers.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CATREG_REMOVER_H
#define CATREG_REMOVER_H

#include "commands/trigger.h"
#include "utils/rel.h"

/* What the caller answers for when he deletes rows of a table himself. */
typedef struct RemoverTarget
{
	Oid			table;
	bool		as_owner;		/* the rows go along with others, by cascade */
	/* tables whose references the caller removes first */
	int			n_referrers;
	const Oid  *referrers;
	/* is a trigger's work done by the caller? */
	bool		(*handles) (const Trigger *trigger, void *arg);
	/* does a table refer to the rows by a column?  For all other tables. */
	bool		(*is_referred) (Oid referrer, AttrNumber column, void *arg);
	void	   *arg;
} RemoverTarget;

extern const char *remover_refusal(const RemoverTarget *target);
extern void remover_delete(Oid table, ItemPointerData *tids, uint64 n);

#endif							/* CATREG_REMOVER_H */
