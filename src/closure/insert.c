/*-------------------------------------------------------------------------
 *
 * src/closure/insert.c
 *	  The closure rows of nodes that have just been inserted.
 *
 * New nodes are leaves of the old tree, or hang on one another, so the closure
 * only grows: for each of them its own row, one for each new node above it,
 * and one for each ancestor of the old node on which its branch hangs.  One
 * query fetches those ancestors for all branches.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "closure/closure.h"
#include "core/foreign_key.h"
#include "core/key_scan.h"
#include "core/progress.h"
#include "core/query.h"
#include "core/writer.h"

/* Where a new node hangs: on a new one, on an old one, or on none. */
#define UP_NONE			(-1)
#define UP_OLD(branch)	(-2 - (branch))
#define UP_BRANCH(up)	(-2 - (up))

typedef struct NewNode
{
	int64		id;
	int64		parent;			/* where it is no root */
	int32		up;				/* a position in NewNodes, or as above */
	bool		is_root;
	uint8		visit;			/* while looking for cycles */
} NewNode;

/* The ancestors of an old node, itself included. */
typedef struct Branch
{
	int64		id;
	int			n;
	int			first;			/* in Branches.ancestors */
} Branch;

typedef struct Ancestor
{
	int64		id;
	int32		depth;
} Ancestor;

typedef struct Branches
{
	int			n;
	Branch	   *branches;		/* by id */
	Ancestor   *ancestors;
	int			n_ancestors;
	int64		allocated;
} Branches;

typedef struct NodeEntry
{
	int64		id;
	int32		position;
	char		status;
} NodeEntry;

#define SH_PREFIX node
#define SH_ELEMENT_TYPE NodeEntry
#define SH_KEY_TYPE int64
#define SH_KEY id
#define SH_HASH_KEY(tb, key) ID_HASH(key)
#define SH_EQUAL(tb, a, b) ((a) == (b))
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

void
new_nodes_init(NewNodes *nodes)
{
	nodes->n = 0;
	nodes->allocated = 8;
	nodes->nodes = palloc(nodes->allocated * sizeof(NewNode));
	nodes->sealed = true;
}

void
new_nodes_add(NewNodes *nodes, int64 id, int64 parent, bool is_root)
{
	NewNode    *node;

	if (nodes->n == PG_INT32_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("too many nodes for one statement"),
				 errhint("Split the statement.")));
	if (nodes->n == nodes->allocated)
	{
		nodes->allocated *= 2;
		nodes->nodes = repalloc_huge(nodes->nodes, nodes->allocated * sizeof(NewNode));
	}
	node = &nodes->nodes[nodes->n++];
	node->id = id;
	node->parent = parent;
	node->is_root = is_root;
	node->visit = 0;
}

/*
 * Hangs each new node on its parent where that is new too; returns the ids of
 * the parents that are not, sorted.
 */
static IdList *
hang_on_new(NewNodes *nodes)
{
	node_hash  *hash = node_create(CurrentMemoryContext, nodes->n, NULL);
	IdList	   *old = palloc(sizeof(IdList));

	id_list_init(old);
	for (int64 i = 0; i < nodes->n; i++)
	{
		bool		found;

		node_insert(hash, nodes->nodes[i].id, &found)->position = i;
	}
	for (int64 i = 0; i < nodes->n; i++)
	{
		NewNode    *node = &nodes->nodes[i];
		NodeEntry  *parent;

		if (node->is_root)
		{
			node->up = UP_NONE;
			continue;
		}
		parent = node_lookup(hash, node->parent);
		if (parent != NULL)
			node->up = parent->position;
		else
		{
			node->up = UP_OLD(0);
			/* siblings mostly come together */
			if (old->n == 0 || old->ids[old->n - 1] != node->parent)
				id_list_add(old, node->parent);
		}
	}
	node_destroy(hash);
	id_list_sort_unique(old);
	return old;
}

/*
 * Refuses new nodes that hang on one another in a circle: walks up from each,
 * over nodes not yet walked over.
 */
static void
check_no_cycle(const Closure *closure, NewNodes *nodes)
{
	enum
	{
		UNSEEN, ON_WAY, DONE
	};

	for (int64 i = 0; i < nodes->n; i++)
	{
		int32		at;

		for (at = i; at >= 0 && nodes->nodes[at].visit == UNSEEN; at = nodes->nodes[at].up)
			nodes->nodes[at].visit = ON_WAY;
		if (at >= 0 && nodes->nodes[at].visit == ON_WAY)
			ereport(ERROR,
					(errcode(ERRCODE_CHECK_VIOLATION),
					 errmsg("node " INT64_FORMAT " of table \"%s\" would be its own ancestor",
							nodes->nodes[at].id, get_rel_name(closure->tree)),
					 errdetail("Its parents lead back to itself.")));
		for (at = i; at >= 0 && nodes->nodes[at].visit == ON_WAY; at = nodes->nodes[at].up)
			nodes->nodes[at].visit = DONE;
	}
}

static void
write_ancestors(StringInfo text, const void *arg)
{
	const Closure *closure = arg;
	const char *descendant = query_column(closure->closure, closure->descendant);

	appendStringInfo(text,
					 "SELECT c.%s, c.%s, c.%s FROM %s c WHERE c.%s OPERATOR(pg_catalog.=) ANY ($1) ORDER BY 1",
					 descendant,
					 query_column(closure->closure, closure->ancestor),
					 query_column(closure->closure, closure->depth),
					 query_relation(closure->closure), descendant);
}

static int
compare_branch(const void *a, const void *b)
{
	int64		left = ((const Branch *) a)->id;
	int64		right = ((const Branch *) b)->id;

	return (left > right) - (left < right);
}

static Branch *
find_branch(const Branches *branches, int64 id)
{
	Branch		key = {.id = id};

	return bsearch(&key, branches->branches, branches->n, sizeof(Branch), compare_branch);
}

static void
add_ancestor(Branches *branches, Branch *branch, int64 ancestor, int32 depth)
{
	if (branch->n++ == 0)
		branch->first = branches->n_ancestors;
	if (branches->n_ancestors == branches->allocated)
	{
		branches->allocated *= 2;
		branches->ancestors = repalloc_huge(branches->ancestors,
											sizeof(Ancestor) * branches->allocated);
	}
	branches->ancestors[branches->n_ancestors].id = ancestor;
	branches->ancestors[branches->n_ancestors++].depth = depth;
}

static void
fetch_by_query(const Closure *closure, Branches *branches, const IdList *old)
{
	Oid			array_type = get_array_type(closure->type);
	Datum		array = id_list_array(old, closure->type);

	query_execute_latest(query_plan(closure->tree, QUERY_CLOSURE_ANCESTORS,
									write_ancestors, closure, 1, &array_type),
						 &array, false);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		HeapTuple	row = SPI_tuptable->vals[i];
		TupleDesc	desc = SPI_tuptable->tupdesc;
		bool		isnull;
		int64		id = datum_get_id(closure->type, SPI_getbinval(row, desc, 1, &isnull));

		add_ancestor(branches, find_branch(branches, id),
					 datum_get_id(closure->type, SPI_getbinval(row, desc, 2, &isnull)),
					 DatumGetInt32(SPI_getbinval(row, desc, 3, &isnull)));
	}
	SPI_freetuptable(SPI_tuptable);
}

/*
 * Fetches the ancestors of the old nodes on which new ones hang.
 */
static Branches *
fetch_branches(const Closure *closure, Relation table, const IdList *old)
{
	Branches   *branches = palloc0(sizeof(Branches));
	KeyScan    *scan;

	branches->n = old->n;
	branches->branches = palloc_extended(sizeof(Branch) * Max(old->n, 1),
										 MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	branches->allocated = 16;
	branches->ancestors = palloc(sizeof(Ancestor) * branches->allocated);
	for (int i = 0; i < branches->n; i++)
		branches->branches[i].id = old->ids[i];
	if (old->n == 0)
		return branches;

	scan = key_scan_begin(table, closure->descendant, closure->type);
	if (scan == NULL)
	{
		query_lock_table(closure->closure, RowExclusiveLock);
		fetch_by_query(closure, branches, old);
		return branches;
	}
	for (int i = 0; i < branches->n; i++)
	{
		TupleTableSlot *slot;

		key_scan_seek(scan, old->ids[i]);
		while ((slot = key_scan_next(scan)) != NULL)
		{
			bool		isnull;
			Datum		ancestor = slot_getattr(slot, closure->ancestor, &isnull);

			add_ancestor(branches, &branches->branches[i],
						 datum_get_id(closure->type, ancestor),
						 DatumGetInt32(slot_getattr(slot, closure->depth, &isnull)));
		}
	}
	key_scan_end(scan);
	return branches;
}

/*
 * Hangs the new nodes on the old ones.  false: the closure says nothing of one
 * of them, not even that it is its own ancestor.
 */
static bool
hang_on_old(NewNodes *nodes, const Branches *branches)
{
	for (int i = 0; i < branches->n; i++)
		if (branches->branches[i].n == 0)
			return false;
	for (int64 i = 0; i < nodes->n; i++)
	{
		NewNode    *node = &nodes->nodes[i];

		if (node->up <= UP_OLD(0))
			node->up = UP_OLD((int32) (find_branch(branches, node->parent) - branches->branches));
	}
	return true;
}

/*
 * Checks the foreign keys of the rows to be written: the old ancestors.  The
 * new nodes are there, and nobody else can see them, still less remove them.
 */
static void
check_keys(const Closure *closure, Relation table, const Branches *branches)
{
	IdList		ancestors;

	id_list_init(&ancestors);
	for (int i = 0; i < branches->n_ancestors; i++)
		id_list_add(&ancestors, branches->ancestors[i].id);
	foreign_key_check(table, closure->ancestor, closure->tree, closure->id,
					  closure->type, &ancestors);
}

static void
put(Writer *writer, Oid type, int64 ancestor, int64 descendant, int32 depth)
{
	Datum		values[3];

	values[0] = id_get_datum(type, ancestor);
	values[1] = id_get_datum(type, descendant);
	values[2] = Int32GetDatum(depth);
	writer_put(writer, values, NULL);
}

static void
write_rows(const Closure *closure, Writer *writer, const NewNodes *nodes,
		   const Branches *branches)
{
	for (int64 i = 0; i < nodes->n; i++)
	{
		int64		id = nodes->nodes[i].id;
		int32		depth = 0;
		int32		at;

		for (at = i; at >= 0; at = nodes->nodes[at].up)
			put(writer, closure->type, nodes->nodes[at].id, id, depth++);
		if (at != UP_NONE)
		{
			const Branch *branch = &branches->branches[UP_BRANCH(at)];

			for (int b = branch->first; b < branch->first + branch->n; b++)
				put(writer, closure->type, branches->ancestors[b].id, id,
					branches->ancestors[b].depth + depth);
		}
	}
}

/*
 * Are the closure table's foreign keys on this column those that we know?  A
 * table without any needs no check.
 */
static bool
has_foreign_key(Relation table)
{
	return RelationGetFKeyList(table) != NIL;
}

static void
insert_by_refresh(const Closure *closure, const NewNodes *nodes, const char *why)
{
	IdList		ids;

	ereport(DEBUG1,
			(errmsg_internal("catreg: the closure of \"%s\" is computed again for the new nodes: %s",
							 get_rel_name(closure->tree), why)));
	id_list_init(&ids);
	for (int64 i = 0; i < nodes->n; i++)
		id_list_add(&ids, nodes->nodes[i].id);
	closure_refresh(closure, &ids);
}

/*
 * Writes the closure rows of new nodes.  Runs with the closure owner's rights,
 * SPI connected.
 *
 * Locks: ROW EXCLUSIVE on the closure table, or SHARE ROW EXCLUSIVE where no
 * foreign key proves that each parent was there before: then an old node may
 * have been waiting for a new one.  So it is, too, where the new nodes are not
 * sealed, and may have been moved, deleted or given their rows by now.  Either
 * way before anything is read.  The nodes above the new ones are locked FOR KEY
 * SHARE where the closure table has foreign keys.
 *
 * Errors: check_violation for a cycle, foreign_key_violation.
 */
void
closure_insert(const Closure *closure, NewNodes *nodes)
{
	AttrNumber	columns[3] = {closure->ancestor, closure->descendant, closure->depth};
	WriterKey	keys[2] = {{closure->ancestor, closure->tree}, {closure->descendant, closure->tree}};
	WriterTarget target = {.n_columns = 3,.columns = columns,.n_keys = 2,.keys = keys};
	IdList	   *old;
	Branches   *branches;
	Writer	   *writer;
	bool		progress;

	if (nodes->n == 0)
		return;
	if (!closure->parents_exist || SessionReplicationRole == SESSION_REPLICATION_ROLE_REPLICA)
	{
		insert_by_refresh(closure, nodes, "no foreign key proves that parents come first");
		return;
	}
	if (!nodes->sealed)
	{
		insert_by_refresh(closure, nodes, "the same statement moves or deletes nodes");
		return;
	}

	target.rel = table_open(closure->closure, RowExclusiveLock);
	old = hang_on_new(nodes);
	check_no_cycle(closure, nodes);
	branches = fetch_branches(closure, target.rel, old);
	if (!hang_on_old(nodes, branches))
		insert_by_refresh(closure, nodes, "it lacks a parent's own row");
	else
	{
		progress = progress_begin(closure->closure);
		writer = writer_begin(&target);
		if (writer_is_fast(writer) && has_foreign_key(target.rel))
			check_keys(closure, target.rel, branches);
		write_rows(closure, writer, nodes, branches);
		writer_end(writer);
		progress_end(progress);
	}
	table_close(target.rel, NoLock);
}
