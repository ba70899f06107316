/*-------------------------------------------------------------------------
 *
 * src/core/plan_by_key.h
 *	  Has the planner look rows up by their keys.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CATREG_PLAN_BY_KEY_H
#define CATREG_PLAN_BY_KEY_H

extern void plan_by_key_init(void);

#endif							/* CATREG_PLAN_BY_KEY_H */
