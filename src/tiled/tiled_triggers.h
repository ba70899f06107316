/*-------------------------------------------------------------------------
 *
 * src/tiled/tiled_triggers.h
 *	  Triggers of Tiled's whose work registration does by itself.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CATREG_TILED_TRIGGERS_H
#define CATREG_TILED_TRIGGERS_H

#include "commands/trigger.h"

extern bool tiled_trigger_is_known(const Trigger *trigger, void *arg);

#endif							/* CATREG_TILED_TRIGGERS_H */
