/*-------------------------------------------------------------------------
 *
 * src/core/uuid_order.h
 *	  The order of UUIDs, that of uuid_cmp() in PostgreSQL's uuid.c, inline.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CATREG_UUID_ORDER_H
#define CATREG_UUID_ORDER_H

#include "port/pg_bswap.h"
#include "utils/uuid.h"

/*
 * How two UUIDs compare, by their bytes, wherever these begin: negative, 0 or positive.  The
 * first half mostly decides, which is faster than a call of memcmp().
 */
static inline int
uuid_order(const void *a, const void *b)
{
	uint64		first;
	uint64		second;

	memcpy(&first, a, sizeof(uint64));
	memcpy(&second, b, sizeof(uint64));
	if (first != second)
		return pg_ntoh64(first) < pg_ntoh64(second) ? -1 : 1;
	return memcmp((const char *) a + sizeof(uint64), (const char *) b + sizeof(uint64), UUID_LEN - sizeof(uint64));
}

#endif							/* CATREG_UUID_ORDER_H */
