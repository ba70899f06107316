/*-------------------------------------------------------------------------
 *
 * src/butler/dataset_id.c
 *	  The ids that datasets get.
 *
 * As DatasetIdFactory and generate_uuidv7() in daf_butler: version 7 of RFC
 * 9562, or version 5, the SHA-1 digest of what the dataset is.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/time.h>

#include "catalog/pg_type.h"
#include "common/cryptohash.h"
#include "common/sha1.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"

#include "core/compat.h"
#include "butler/ingest.h"

/* 840b31d9-05cd-5161-b2c8-00d32b280d0f, the version 5 id of lsst.org */
static const unsigned char namespace_id[UUID_LEN] = {
	0x84, 0x0b, 0x31, 0xd9, 0x05, 0xcd, 0x51, 0x61, 0xb2, 0xc8, 0x00, 0xd3, 0x2b, 0x28, 0x0d, 0x0f
};

static void
set_version(pg_uuid_t *id, int version)
{
	id->data[6] = (id->data[6] & 0x0f) | (version << 4);
	id->data[8] = (id->data[8] & 0x3f) | 0x80;
}

/* Milliseconds, then chance: what is ingested together stays together. */
static void
make_version_7(pg_uuid_t *id)
{
	struct timeval now;
	uint64		milliseconds;

	gettimeofday(&now, NULL);
	milliseconds = (uint64) now.tv_sec * 1000 + now.tv_usec / 1000;
	for (int i = 0; i < 6; i++)
		id->data[i] = (unsigned char) (milliseconds >> (8 * (5 - i)));
	if (!pg_strong_random(id->data + 6, UUID_LEN - 6))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate random values")));
	set_version(id, 7);
}

static void
make_version_5(const char *name, int length, pg_uuid_t *id)
{
	pg_cryptohash_ctx *hash = pg_cryptohash_create(PG_SHA1);
	unsigned char digest[SHA1_DIGEST_LENGTH];

	if (hash == NULL ||
		pg_cryptohash_init(hash) < 0 ||
		pg_cryptohash_update(hash, namespace_id, UUID_LEN) < 0 ||
		pg_cryptohash_update(hash, (const uint8 *) name, length) < 0 ||
		pg_cryptohash_final(hash, digest, sizeof(digest)) < 0)
		elog(ERROR, "could not compute SHA-1: %s", pg_cryptohash_error(hash));
	pg_cryptohash_free(hash);
	memcpy(id->data, digest, UUID_LEN);
	set_version(id, 5);
}

/* The places of the dimensions in the order of their names. */
static void
sort_names(const Dimensions *dimensions, int *order)
{
	for (int i = 0; i < dimensions->n; i++)
	{
		int			k = i;

		for (; k > 0 && strcmp(dimensions->names[order[k - 1]], dimensions->names[i]) > 0; k--)
			order[k] = order[k - 1];
		order[k] = i;
	}
}

/*
 * Makes the id of a dataset, as its mode has it.
 */
void
dataset_id_make(const Ingest *ingest, const Datum *data_id, pg_uuid_t *id)
{
	const Dimensions *dimensions = &ingest->dimensions;
	int			order[MAX_DIMENSIONS];
	StringInfoData text;
	char	   *utf8;

	if (ingest->id_mode == ID_UNIQUE)
	{
		make_version_7(id);
		return;
	}
	initStringInfo(&text);
	appendStringInfo(&text, "dataset_type=%s", ingest->type->name);
	if (ingest->id_mode == ID_DATAID_TYPE_RUN)
		appendStringInfo(&text, ",run=%s", ingest->run_name);
	sort_names(dimensions, order);
	for (int i = 0; i < dimensions->n; i++)
	{
		Datum		value = data_id[order[i]];

		appendStringInfo(&text, ",%s=", dimensions->names[order[i]]);
		if (dimensions->types[order[i]] == INT8OID)
			appendStringInfo(&text, INT64_FORMAT, DatumGetInt64(value));
		else
			appendBinaryStringInfo(&text, VARDATA_ANY(DatumGetPointer(value)),
								   VARSIZE_ANY_EXHDR(DatumGetPointer(value)));
	}
	utf8 = pg_server_to_any(text.data, text.len, PG_UTF8);
	make_version_5(utf8, utf8 == text.data ? text.len : (int) strlen(utf8), id);
	if (utf8 != text.data)
		pfree(utf8);
	pfree(text.data);
}
