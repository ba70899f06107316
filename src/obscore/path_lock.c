/*-------------------------------------------------------------------------
 *
 * src/obscore/path_lock.c
 *	  Who puts into a collection or removes from it, and who gives it another place.
 *
 * Each has to wait for the other.  Of puts the collection's row would do, which a
 * tag's foreign key locks, if chains had none: two who put the same run into two
 * chains both hold it, and neither could lock out the other.  Of removals the tags
 * themselves would, at a microsecond for each.
 *
 * Who removes tags takes his lock when they are gone, but he has not committed: if a
 * path was changed before he got it, he finds their rows, and removes these.
 *
 * So these are locks on the registry's table of collections (on a part of it, so that
 * they meet no lock of PostgreSQL's own), by a number made of the collection's key.
 * There is a bound to the numbers, since a transaction may put into any number of
 * collections, and locks need shared memory.  Two that share a number wait for one
 * another without need.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/inval.h"

#include "obscore/path_lock.h"

/* No attribute has such a number. */
#define FIRST_SUBID 0x1000
#define N_SUBIDS 1024

static uint16
subid_of(const char *key)
{
	return FIRST_SUBID + hash_bytes((const unsigned char *) key, strlen(key)) % N_SUBIDS;
}

static void
lock(const Registry *registry, uint16 subid, LOCKMODE mode)
{
	LOCKTAG		tag;

	SET_LOCKTAG_OBJECT(tag, MyDatabaseId, RelationRelationId, registry->collection, subid);
	(void) LockAcquire(&tag, mode, false, false);
}

/*
 * Says until the end of the transaction that tags have been put into some
 * collections, or removed; afterwards it is known where these stand.
 */
void
obscore_lock_members(const Registry *registry, const StatementTags *tags)
{
	for (int i = 0; i < tags->n_groups; i++)
	{
		char	   *key = search_path_key_text(registry, tags->groups[i].collection);

		lock(registry, subid_of(key), RowExclusiveLock);
		pfree(key);
	}
	AcceptInvalidationMessages();
}

static int
compare_subids(const void *a, const void *b)
{
	return *(const uint16 *) a - *(const uint16 *) b;
}

/*
 * Waits for whoever has put into some collections or removed from them, and keeps
 * others from it until the end of the transaction.
 */
void
obscore_lock_out_members(const Registry *registry, char *const *keys, int n)
{
	uint16	   *subids = palloc_extended(sizeof(uint16) * Max(n, 1), MCXT_ALLOC_HUGE);

	for (int i = 0; i < n; i++)
		subids[i] = subid_of(keys[i]);
	qsort(subids, n, sizeof(uint16), compare_subids);
	for (int i = 0; i < n; i++)
		if (i == 0 || subids[i] != subids[i - 1])
			lock(registry, subids[i], ShareRowExclusiveLock);
	pfree(subids);
}
