/*-------------------------------------------------------------------------
 *
 * src/core/ids.h
 *	  Integer and bigint keys, carried as int64.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CATREG_IDS_H
#define CATREG_IDS_H

#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"

/* The hash of a key, for lib/simplehash.h. */
#define ID_HASH(id) murmurhash32((uint32) (id) ^ (uint32) ((uint64) (id) >> 32))

/* A growing list of keys. */
typedef struct IdList
{
	int64	   *ids;
	int64		n;
	int64		allocated;
} IdList;

extern void id_list_init(IdList *list);
extern void id_list_add(IdList *list, int64 id);
extern void id_list_sort_unique(IdList *list);
extern Datum id_list_array(const IdList *list, Oid type);

static inline Datum
id_get_datum(Oid type, int64 id)
{
	return type == INT4OID ? Int32GetDatum((int32) id) : Int64GetDatum(id);
}

static inline int64
datum_get_id(Oid type, Datum datum)
{
	return type == INT4OID ? DatumGetInt32(datum) : DatumGetInt64(datum);
}

#endif							/* CATREG_IDS_H */
