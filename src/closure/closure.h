/*-------------------------------------------------------------------------
 *
 * src/closure/closure.h
 *	  Closure tables of trees.
 *
 * A tree is a table with an id and a parent; its closure holds a row for each
 * pair of a node and one of its ancestors, itself included at depth 0.  A node
 * whose parent is NULL, or not there, is a root.
 *
 * Who may write a closure, and when, is said in docs/closure.md, "Locks".  In
 * short: whoever only adds or removes leaves holds ROW EXCLUSIVE on the
 * closure table to the end of his transaction, whoever rewrites ancestors
 * holds SHARE ROW EXCLUSIVE, and both look at the tables with a snapshot taken
 * after the lock.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CATREG_CLOSURE_H
#define CATREG_CLOSURE_H

#include "commands/trigger.h"
#include "lib/stringinfo.h"
#include "utils/rel.h"

#include "core/ids.h"

/* A row of catreg.closure, resolved. */
typedef struct Closure
{
	Oid			tree;			/* the key of the cache */
	bool		valid;
	Oid			closure;
	Oid			type;			/* of ids: INT4OID or INT8OID */
	AttrNumber	id;				/* of tree */
	AttrNumber	parent;
	AttrNumber	ancestor;		/* of closure */
	AttrNumber	descendant;
	AttrNumber	depth;
	/* is every parent proven to be in the tree, at the end of each statement? */
	bool		parents_exist;
	/* do foreign keys remove a deleted node's rows? */
	bool		cascades;
	/* is no pair there twice? */
	bool		unique;
	/* have parents and descendants an index? */
	bool		indexed;
} Closure;

/* Nodes that have just been inserted, in any order. */
typedef struct NewNodes
{
	int64		n;
	int64		allocated;
	struct NewNode *nodes;
	bool		sealed;			/* nothing has happened to the tree since */
} NewNodes;

/* definition.c */
extern void closure_init(void);
extern const Closure *closure_get(Oid relid, bool missing_ok);
extern Oid	closure_owner(const Closure *closure);
extern void closure_refreshed(Oid tree);

/* difference.c */
extern void closure_write_difference(StringInfo text, const Closure *closure,
									 bool restricted);
extern void closure_compare(const Closure *closure, Snapshot snapshot,
							IdList *wrong, bool *orphans);
extern uint64 closure_mend_found(const Closure *closure, IdList *wrong,
								 bool orphans);
extern uint64 closure_mend(const Closure *closure);

/* insert.c */
extern void new_nodes_init(NewNodes *nodes);
extern void new_nodes_add(NewNodes *nodes, int64 id, int64 parent, bool is_root);
extern void closure_insert(const Closure *closure, NewNodes *nodes);

/* refresh.c */
extern uint64 closure_refresh(const Closure *closure, IdList *touched);
extern void closure_set_disturbed(void);
extern bool closure_is_disturbed(void);

/* trigger.c */
extern bool closure_is_trigger(const Trigger *trigger);

/* replica.c */
extern void closure_replica_init(void);

#endif							/* CATREG_CLOSURE_H */
