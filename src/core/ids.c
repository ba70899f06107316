/*-------------------------------------------------------------------------
 *
 * src/core/ids.c
 *	  Integer and bigint keys, carried as int64.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/qunique.h"
#include "utils/array.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "core/ids.h"

void
id_list_init(IdList *list)
{
	list->n = 0;
	list->allocated = 16;
	list->ids = palloc(list->allocated * sizeof(int64));
}

void
id_list_add(IdList *list, int64 id)
{
	if (list->n == list->allocated)
	{
		list->allocated *= 2;
		list->ids = repalloc_huge(list->ids, list->allocated * sizeof(int64));
	}
	list->ids[list->n++] = id;
}

static int
compare_ids(const void *a, const void *b)
{
	int64		left = *(const int64 *) a;
	int64		right = *(const int64 *) b;

	return (left > right) - (left < right);
}

void
id_list_sort_unique(IdList *list)
{
	if (list->n < 2)
		return;
	qsort(list->ids, list->n, sizeof(int64), compare_ids);
	list->n = qunique(list->ids, list->n, sizeof(int64), compare_ids);
}

/*
 * The list as an array of its keys' own type, INT4OID or INT8OID.
 */
Datum
id_list_array(const IdList *list, Oid type)
{
	int			width = (type == INT4OID) ? sizeof(int32) : sizeof(int64);
	Size		size = ARR_OVERHEAD_NONULLS(1) + (Size) width * list->n;
	ArrayType  *array;

	if (list->n == 0)
		return PointerGetDatum(construct_empty_array(type));
	if (!AllocSizeIsValid(size))
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("too many keys for one statement: " INT64_FORMAT, list->n),
				 errhint("Split the statement.")));

	array = palloc(size);
	SET_VARSIZE(array, size);
	array->ndim = 1;
	array->dataoffset = 0;
	array->elemtype = type;
	ARR_DIMS(array)[0] = (int) list->n;
	ARR_LBOUND(array)[0] = 1;
	if (type == INT4OID)
	{
		int32	   *data = (int32 *) ARR_DATA_PTR(array);

		for (int64 i = 0; i < list->n; i++)
			data[i] = (int32) list->ids[i];
	}
	else
		memcpy(ARR_DATA_PTR(array), list->ids, (Size) width * list->n);
	return PointerGetDatum(array);
}
