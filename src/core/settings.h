/*-------------------------------------------------------------------------
 *
 * src/core/settings.h
 *	  The settings catreg.*
 *
 *-------------------------------------------------------------------------
 */
#ifndef CATREG_SETTINGS_H
#define CATREG_SETTINGS_H

typedef enum FkCheck
{
	FK_CHECK_SET,				/* a set of keys at a time, where that is proven safe */
	FK_CHECK_ROW				/* PostgreSQL's own trigger for each row */
} FkCheck;

extern int	catreg_fk_check;

extern void settings_define(void);

#endif							/* CATREG_SETTINGS_H */
