/*-------------------------------------------------------------------------
 *
 * src/core/key_set.c
 *	  Distinct keys of several columns, numbered in the order they came.
 *
 * A key is kept as the bytes of its values, each in the form in which it serves
 * as a Datum: integers in eight bytes, uuids in sixteen, texts with a header of
 * four.  Types whose equality is not that of their bytes are not taken.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/tuplestore.h"
#include "utils/uuid.h"

#include "core/compat.h"
#include "core/key_set.h"
#include "core/query.h"

#define BLOCK_SIZE 65536

typedef struct Key
{
	char	   *data;
	uint32		length;
	uint32		hash;
} Key;

typedef struct KeySlot
{
	int64		number;
	uint32		hash;			/* of the key, which lies elsewhere */
	char		status;
} KeySlot;

struct KeySet
{
	MemoryContext context;
	int			n_columns;
	Oid		   *types;
	struct keys_hash *slots;
	Key		   *keys;
	int64		n_keys;
	int64		allocated;
	StringInfoData scratch;
	char	   *free;			/* in the last block */
	Size		n_free;
	Tuplestorestate *rows;		/* while it is registered */
};

#define SET_KEY(tb, key) (&((KeySet *) (tb)->private_data)->keys[key])
#define SH_PREFIX keys
#define SH_ELEMENT_TYPE KeySlot
#define SH_KEY_TYPE int64
#define SH_KEY number
#define SH_STORE_HASH
#define SH_GET_HASH(tb, slot) ((slot)->hash)
#define SH_HASH_KEY(tb, key) (SET_KEY(tb, key)->hash)
#define SH_EQUAL(tb, a, b) \
	(SET_KEY(tb, a)->length == SET_KEY(tb, b)->length && \
	 memcmp(SET_KEY(tb, a)->data, SET_KEY(tb, b)->data, SET_KEY(tb, a)->length) == 0)
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

/*
 * Can a column of a key be of this type?
 */
bool
key_set_takes(Oid type)
{
	return type == INT2OID || type == INT4OID || type == INT8OID || type == TEXTOID ||
		type == VARCHAROID || type == UUIDOID;
}

/*
 * An empty set, in the current memory context.
 */
KeySet *
key_set_create(int n_columns, const Oid *types)
{
	KeySet	   *set = palloc0(sizeof(KeySet));

	set->context = CurrentMemoryContext;
	set->n_columns = n_columns;
	set->types = palloc(sizeof(Oid) * (n_columns + 1));
	for (int i = 0; i < n_columns; i++)
	{
		if (!key_set_takes(types[i]))
			elog(ERROR, "no key can have a column of type %u", types[i]);
		set->types[i] = types[i];
	}
	set->allocated = 64;
	set->keys = palloc(sizeof(Key) * set->allocated);
	set->slots = keys_create(CurrentMemoryContext, 64, set);
	initStringInfo(&set->scratch);
	return set;
}

static void
pack(KeySet *set, const Datum *values)
{
	StringInfo	scratch = &set->scratch;

	resetStringInfo(scratch);
	for (int i = 0; i < set->n_columns; i++)
	{
		int64		number = 0;
		struct varlena *text;
		int			length;

		switch (set->types[i])
		{
			case UUIDOID:
				appendBinaryStringInfo(scratch, (char *) DatumGetUUIDP(values[i])->data, UUID_LEN);
				continue;
			case INT2OID:
				number = DatumGetInt16(values[i]);
				break;
			case INT4OID:
				number = DatumGetInt32(values[i]);
				break;
			case INT8OID:
				number = DatumGetInt64(values[i]);
				break;
			default:
				text = PG_DETOAST_DATUM_PACKED(values[i]);
				length = VARSIZE_ANY_EXHDR(text);
				enlargeStringInfo(scratch, VARHDRSZ + length + MAXIMUM_ALIGNOF);
				SET_VARSIZE(scratch->data + scratch->len, VARHDRSZ + length);
				memcpy(scratch->data + scratch->len + VARHDRSZ, VARDATA_ANY(text), length);
				memset(scratch->data + scratch->len + VARHDRSZ + length, 0, MAXIMUM_ALIGNOF);
				scratch->len += MAXALIGN(VARHDRSZ + length);
				if ((Pointer) text != DatumGetPointer(values[i]))
					pfree(text);
				continue;
		}
		appendBinaryStringInfo(scratch, (char *) &number, sizeof(number));
	}
}

/* Room for a key's bytes, aligned. */
static char *
allocate(KeySet *set, Size length)
{
	char	   *data;

	if (length > set->n_free)
	{
		set->n_free = Max(BLOCK_SIZE, length);
		set->free = MemoryContextAlloc(set->context, set->n_free);
	}
	data = set->free;
	set->free += length;
	set->n_free -= length;
	return data;
}

/*
 * Adds a key, none of whose values is NULL, if it is not there.  Returns its
 * number, from 0.
 */
int64
key_set_add(KeySet *set, const Datum *values, bool *found)
{
	KeySlot    *slot;
	Key		   *key;

	pack(set, values);
	if (set->n_keys == set->allocated)
	{
		set->allocated *= 2;
		set->keys = repalloc_huge(set->keys, sizeof(Key) * set->allocated);
	}
	key = &set->keys[set->n_keys];
	key->data = set->scratch.data;
	key->length = set->scratch.len;
	key->hash = hash_bytes((unsigned char *) key->data, key->length);
	slot = keys_insert(set->slots, set->n_keys, found);
	if (*found)
		return slot->number;
	key->data = allocate(set, key->length);
	memcpy(key->data, set->scratch.data, key->length);
	return set->n_keys++;
}

int64
key_set_count(const KeySet *set)
{
	return set->n_keys;
}

/*
 * The values of a key; they live as long as the set.
 */
void
key_set_get(const KeySet *set, int64 number, Datum *values)
{
	char	   *data = set->keys[number].data;

	for (int i = 0; i < set->n_columns; i++)
		switch (set->types[i])
		{
			case UUIDOID:
				values[i] = PointerGetDatum(data);
				data += UUID_LEN;
				break;
			case INT2OID:
				values[i] = Int16GetDatum((int16) *(int64 *) data);
				data += sizeof(int64);
				break;
			case INT4OID:
				values[i] = Int32GetDatum((int32) *(int64 *) data);
				data += sizeof(int64);
				break;
			case INT8OID:
				values[i] = Int64GetDatum(*(int64 *) data);
				data += sizeof(int64);
				break;
			default:
				values[i] = PointerGetDatum(data);
				data += MAXALIGN(VARSIZE(data));
				break;
		}
}

/*
 * One value of a key, as text.
 */
char *
key_set_text(const KeySet *set, int64 number, int column)
{
	Datum	   *values = palloc(sizeof(Datum) * set->n_columns);
	Oid			output;
	bool		varlena;

	key_set_get(set, number, values);
	getTypeOutputInfo(set->types[column], &output, &varlena);
	return OidOutputFunctionCall(output, values[column]);
}

/*
 * Makes the keys known to queries, until key_set_unregister(), as a relation of
 * columns n, a key's number, and c1, c2, ...
 */
void
key_set_register(KeySet *set, const char *name)
{
	TupleDesc	desc = CreateTemplateTupleDesc(set->n_columns + 1);
	Datum	   *values = palloc(sizeof(Datum) * (set->n_columns + 1));
	bool	   *nulls = palloc0(sizeof(bool) * (set->n_columns + 1));

	TupleDescInitEntry(desc, 1, "n", INT8OID, -1, 0);
	for (int i = 0; i < set->n_columns; i++)
		TupleDescInitEntry(desc, i + 2, psprintf("c%d", i + 1), set->types[i], -1, 0);
	set->rows = tuplestore_begin_heap(true, false, work_mem);
	for (int64 i = 0; i < set->n_keys; i++)
	{
		values[0] = Int64GetDatum(i);
		key_set_get(set, i, values + 1);
		tuplestore_putvalues(set->rows, desc, values, nulls);
		if (i % 1024 == 0)
			CHECK_FOR_INTERRUPTS();
	}
	query_register_rows(name, desc, set->rows, set->n_keys);
}

void
key_set_unregister(KeySet *set, const char *name)
{
	SPI_unregister_relation(name);
	tuplestore_end(set->rows);
	set->rows = NULL;
}
