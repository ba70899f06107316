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

extern bool tiled_trigger_is_known(const Trigger *trigger, void *left_out);

#endif							/* CATREG_TILED_TRIGGERS_H */
