/*-------------------------------------------------------------------------
 *
 * src/core/module.c
 *	  The module's start.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"

#include "butler/freeze.h"
#include "closure/closure.h"
#include "core/invalidate.h"
#include "core/plan_by_key.h"
#include "core/settings.h"
#include "core/standing.h"
#include "obscore/obscore.h"
#include "sky/leap_seconds.h"

PG_MODULE_MAGIC;

void		_PG_init(void);

void
_PG_init(void)
{
	plan_by_key_init();
	settings_define();
	invalidate_init();
	standing_init();
	freeze_init();
	closure_init();
	leap_seconds_init();
	obscore_init();
}
