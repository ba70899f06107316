/*-------------------------------------------------------------------------
 *
 * src/core/key_set.h
 *	  Distinct keys of several columns, numbered in the order they came.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CATREG_KEY_SET_H
#define CATREG_KEY_SET_H

#include "access/tupdesc.h"

typedef struct KeySet KeySet;

extern bool key_set_takes(Oid type);
extern KeySet *key_set_create(int n_columns, const Oid *types);
extern int64 key_set_add(KeySet *set, const Datum *values, bool *found);
extern int64 key_set_count(const KeySet *set);
extern void key_set_get(const KeySet *set, int64 number, Datum *values);
extern char *key_set_text(const KeySet *set, int64 number, int column);
extern void key_set_register(KeySet *set, const char *name);
extern void key_set_unregister(KeySet *set, const char *name);

#endif							/* CATREG_KEY_SET_H */
