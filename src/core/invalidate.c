/*-------------------------------------------------------------------------
 *
 * src/core/invalidate.c
 *	  The module's one relation cache callback, and what stands for it.
 *
 * A backend has ten slots for such callbacks and the eleventh is FATAL, so
 * every cache of catreg shares this one.  A cache over the rows of a
 * configuration table works the same way: a statement trigger on that table
 * (signal_change) sends the table's own invalidation message, which reaches
 * every backend at commit, and this one at its next command.
 *
 * That a schema has got another name is told of no relation in it; the texts of
 * queries hold it, and so all caches are dropped.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "commands/trigger.h"
#include "fmgr.h"
#include "utils/inval.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "core/invalidate.h"

#define MAX_SUBSCRIBERS 8

static InvalidateCallback subscribers[MAX_SUBSCRIBERS];
static int	n_subscribers = 0;

static void
invalidate_relation(Datum arg, Oid relid)
{
	for (int i = 0; i < n_subscribers; i++)
		subscribers[i] (relid);
}

static void
invalidate_schema(Datum arg, int cache, uint32 hash)
{
	invalidate_relation(arg, InvalidOid);
}

/*
 * Registers the callback; once, when the module is loaded.
 */
void
invalidate_init(void)
{
	CacheRegisterRelcacheCallback(invalidate_relation, (Datum) 0);
	CacheRegisterSyscacheCallback(NAMESPACEOID, invalidate_schema, (Datum) 0);
}

/*
 * Calls the given function from now on; once for each cache.
 */
void
invalidate_subscribe(InvalidateCallback callback)
{
	if (n_subscribers == MAX_SUBSCRIBERS)
		elog(ERROR, "too many caches");
	subscribers[n_subscribers++] = callback;
}

PG_FUNCTION_INFO_V1(signal_change);

/*
 * Trigger: tells every backend that the rows of this configuration table have
 * changed.  It validates nothing, since pg_restore loads the table before the
 * tables that it names.
 */
Datum
signal_change(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" was not called by the trigger manager",
						"signal_change")));
	CacheInvalidateRelcache(trigdata->tg_relation);
	return PointerGetDatum(NULL);
}
