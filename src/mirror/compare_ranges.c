/*-------------------------------------------------------------------------
 *
 * src/mirror/compare_ranges.c
 *	  Checksums of ranges of rows, on both sides.
 *
 * A row's position is its key, where that is one integer: a range is then a range
 * of an index.  For any other key it is a hash: ranges are as even as can be,
 * whatever the keys look like, and no two servers have to agree on how texts are
 * sorted.  Ranges are named by the leading bits of a position.
 *
 * Hashes are of texts, in which every difference shows that a type's equality may
 * pass over, and of integers.  They are PostgreSQL's own, which cannot change since
 * tables are partitioned by them; both sides are asked all the same, since they
 * differ with the byte order of a machine.  Their seed is another one each time:
 * two rows whose checksums are the same by chance or by design will differ next
 * time.  Where they are not the same on both sides, or texts are not, for want of
 * one encoding, MD5 takes their place.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/spi.h"
#include "utils/builtins.h"

#include "core/query.h"
#include "mirror/compare.h"

#define FIRST_BITS 8			/* 256 ranges at first, */
#define MOST_FIRST_BITS 12		/* or up to 4096 where something is known to be gone */
#define HASH_BITS 60

/* A row of checksums. */
typedef struct Sum
{
	int64		prefix;
	char	   *count;
	char	   *sum;
} Sum;

/* ------------------------------------------------------------- expressions */

static void
write_row(StringInfo text, List *columns)
{
	appendStringInfoString(text, "ROW(");
	transfer_write_columns(text, columns, "t");
	appendStringInfoString(text, ")::text");
}

/* Some bits of a hash of some columns, as an integer. */
static void
write_hash(StringInfo text, const Mirror *mirror, List *columns, int bits)
{
	if (mirror->same_text && mirror->same_hash)
	{
		appendStringInfoString(text, "(hashtextextended(");
		write_row(text, columns);
		appendStringInfo(text, ", " INT64_FORMAT ")", (int64) mirror->seed);
		if (bits < 64)
			appendStringInfo(text, " & " INT64_FORMAT, (INT64CONST(1) << bits) - 1);
		appendStringInfoString(text, ")");
		return;
	}
	appendStringInfoString(text, "('x' || substr(md5(");
	if (!mirror->same_text)
		appendStringInfoString(text, "convert_to(");
	write_row(text, columns);
	if (!mirror->same_text)
		appendStringInfoString(text, ", 'UTF8')");
	appendStringInfo(text, "), 1, %d))::bit(%d)::int8", bits / 4, bits);
}

static bool
is_integer(const MirrorColumn *column)
{
	return column->typid == INT2OID || column->typid == INT4OID || column->typid == INT8OID;
}

/* Has each of some columns a type of integers? */
bool
compare_are_integers(List *columns)
{
	ListCell   *cell;

	foreach(cell, columns)
		if (!is_integer(lfirst(cell)))
			return false;
	return true;
}

/* A hash of integers, each the seed of the next. */
static void
write_integer_hash(StringInfo text, List *columns, uint64 seed)
{
	ListCell   *cell;

	StringInfoData hash;

	initStringInfo(&hash);
	appendStringInfo(&hash, INT64_FORMAT, (int64) seed);
	foreach(cell, columns)
	{
		char	   *inner = pstrdup(hash.data);

		resetStringInfo(&hash);
		appendStringInfo(&hash, "hashint8extended(t.%s, %s)", ((MirrorColumn *) lfirst(cell))->quoted, inner);
	}
	appendStringInfo(text, "(%s & " INT64_FORMAT ")", hash.data, (INT64CONST(1) << HASH_BITS) - 1);
}

static void
write_position(StringInfo text, const Comparison *comparison)
{
	List	   *key = comparison->table->key;

	if (comparison->by_integer)
		appendStringInfo(text, "t.%s::int8", ((MirrorColumn *) linitial(key))->quoted);
	else if (comparison->mirror->same_hash && compare_are_integers(key))
		write_integer_hash(text, key, comparison->mirror->seed);
	else
		write_hash(text, comparison->mirror, key, HASH_BITS);
}

/* What is summed up over the rows of a range. */
void
compare_write_checksum(StringInfo text, const Comparison *comparison)
{
	if (comparison->keys_only)
		write_position(text, comparison);
	else
		write_hash(text, comparison->mirror, comparison->table->columns, 64);
}

/*
 * FROM and WHERE of the rows in some ranges, or of all where there are none.
 */
void
compare_write_source(StringInfo text, const Comparison *comparison, const char *relation, List *ranges, int shift)
{
	const char *separator = "";
	ListCell   *cell;

	if (ranges == NIL)
	{
		appendStringInfo(text, " FROM %s t WHERE true", relation);
		return;
	}
	if (comparison->by_integer)
		appendStringInfoString(text, " FROM unnest('{");
	else
	{
		appendStringInfo(text, " FROM %s t WHERE ", relation);
		write_position(text, comparison);
		appendStringInfo(text, " >> %d = ANY ('{", shift);
	}
	foreach(cell, ranges)
	{
		appendStringInfo(text, "%s" INT64_FORMAT, separator, ((Range *) lfirst(cell))->prefix);
		separator = ",";
	}
	if (comparison->by_integer)
		appendStringInfo(text, "}'::int8[]) r (prefix) JOIN %s t ON t.%s BETWEEN r.prefix << %d "
						 "AND (r.prefix << %d) + " INT64_FORMAT " WHERE true",
						 relation, ((MirrorColumn *) linitial(comparison->table->key))->quoted, shift, shift,
						 (INT64CONST(1) << shift) - 1);
	else
		appendStringInfoString(text, "}'::int8[])");
}

/* ------------------------------------------------------------------ levels */

static int
compare_sums(const void *a, const void *b)
{
	int64		left = ((const Sum *) a)->prefix;
	int64		right = ((const Sum *) b)->prefix;

	return left < right ? -1 : left > right ? 1 : 0;
}

static Sum *
remote_sums(Remote *remote, int *n)
{
	RemoteRows *rows = remote_receive(remote, "iiv");
	Sum		   *sums = palloc(sizeof(Sum) * (rows->n_rows + 1));

	for (int i = 0; i < rows->n_rows; i++)
	{
		sums[i].prefix = strtoll(remote_value(rows, i, 0), NULL, 10);
		sums[i].count = remote_value(rows, i, 1);
		sums[i].sum = remote_value(rows, i, 2);
	}
	*n = rows->n_rows;
	qsort(sums, *n, sizeof(Sum), compare_sums);
	return sums;
}

static Sum *
local_sums(const char *text, int *n)
{
	Sum		   *sums;

	if (SPI_execute(text, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not execute \"%s\"", text);
	*n = SPI_processed;
	sums = palloc(sizeof(Sum) * (*n + 1));
	for (int i = 0; i < *n; i++)
	{
		sums[i].prefix = strtoll(SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1), NULL, 10);
		sums[i].count = SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 2);
		sums[i].sum = SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 3);
	}
	SPI_freetuptable(SPI_tuptable);
	qsort(sums, *n, sizeof(Sum), compare_sums);
	return sums;
}

static List *
add_range(List *ranges, const Sum *a, const Sum *b)
{
	Range	   *range = palloc(sizeof(Range));

	range->prefix = a != NULL ? a->prefix : b->prefix;
	range->rows = Max(a == NULL ? 0 : strtoull(a->count, NULL, 10), b == NULL ? 0 : strtoull(b->count, NULL, 10));
	return lappend(ranges, range);
}

/* The ranges of which there is something on one side only, or something else. */
static List *
differing_ranges(const Sum *a, int n_a, const Sum *b, int n_b)
{
	List	   *ranges = NIL;
	int			i = 0;
	int			j = 0;

	while (i < n_a || j < n_b)
	{
		if (j == n_b || (i < n_a && a[i].prefix < b[j].prefix))
			ranges = add_range(ranges, &a[i++], NULL);
		else if (i == n_a || b[j].prefix < a[i].prefix)
			ranges = add_range(ranges, NULL, &b[j++]);
		else
		{
			if (strcmp(a[i].count, b[j].count) != 0 || strcmp(a[i].sum, b[j].sum) != 0)
				ranges = add_range(ranges, &a[i], &b[j]);
			i++;
			j++;
		}
	}
	return ranges;
}

static uint64
count_rows(const Sum *sums, int n)
{
	uint64		rows = 0;

	for (int i = 0; i < n; i++)
		rows += strtoull(sums[i].count, NULL, 10);
	return rows;
}

/*
 * Checksums on both sides of ranges of 2^shift positions, within those given.  The
 * remote computes its own while we do ours.
 */
List *
compare_level(Comparison *comparison, List *within, int within_shift, int shift)
{
	StringInfoData texts[2];
	int			n[2];
	Sum		   *sums[2];

	for (int side = 0; side < 2; side++)
	{
		initStringInfo(&texts[side]);
		appendStringInfo(&texts[side], "SELECT s.p >> %d, count(*), sum(s.h) FROM (SELECT ", shift);
		write_position(&texts[side], comparison);
		appendStringInfoString(&texts[side], " AS p, ");
		compare_write_checksum(&texts[side], comparison);
		appendStringInfoString(&texts[side], " AS h");
		compare_write_source(&texts[side], comparison, side == 0 ? comparison->table->quoted : comparison->table->local, within, within_shift);
		appendStringInfoString(&texts[side], ") s GROUP BY 1");
	}
	remote_send(comparison->mirror->remote, texts[0].data, 0, NULL);
	sums[1] = local_sums(texts[1].data, &n[1]);
	sums[0] = remote_sums(comparison->mirror->remote, &n[0]);
	if (within == NIL)
		comparison->table->n_remote = count_rows(sums[0], n[0]);
	return differing_ranges(sums[0], n[0], sums[1], n[1]);
}

/* The bits that name the first ranges: enough for a range of few keys. */
static int
first_bits(const Comparison *comparison)
{
	uint64		rows = comparison->table->n_remote;
	int			bits = FIRST_BITS;

	while (comparison->keys_only && bits < MOST_FIRST_BITS && (rows >> bits) > FEW_KEYS * 3 / 4)
		bits++;
	return bits;
}

/* How many bits of a position are below those that name the first ranges. */
int
compare_first_shift(const Comparison *comparison)
{
	int			bits = first_bits(comparison);
	const char *column = ((MirrorColumn *) linitial(comparison->table->key))->quoted;
	int64		min = PG_INT64_MAX;
	int64		max = PG_INT64_MIN;
	int			shift = 0;

	if (!comparison->by_integer)
		return HASH_BITS - bits;
	for (int side = 0; side < 2; side++)
	{
		const char *text = psprintf("SELECT min(t.%s), max(t.%s) FROM %s t", column, column,
									side == 0 ? comparison->table->quoted : comparison->table->local);
		const char *ends[2];

		if (side == 0)
		{
			RemoteRows *rows = remote_query_row(comparison->mirror->remote, text, "nn");

			ends[0] = remote_value(rows, 0, 0);
			ends[1] = remote_value(rows, 0, 1);
		}
		else
		{
			if (SPI_execute(text, false, 0) != SPI_OK_SELECT)
				elog(ERROR, "could not execute \"%s\"", text);
			ends[0] = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
			ends[1] = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2);
		}
		if (ends[0] == NULL || ends[1] == NULL)
			continue;
		min = Min(min, strtoll(ends[0], NULL, 10));
		max = Max(max, strtoll(ends[1], NULL, 10));
	}
	while (min < max && (max >> shift) - (uint64) (min >> shift) >= (UINT64CONST(1) << bits))
		shift++;
	return shift;
}
/* ------------------------------------------------------------------ wholes */

/* Compares a table without a key, which is read as a whole if it differs. */
void
compare_whole(Mirror *mirror, MirrorTable *table)
{
	Comparison	comparison = {mirror, table, false};
	StringInfoData texts[2];
	Sum		   *sums[2];
	int			n[2];

	for (int side = 0; side < 2; side++)
	{
		initStringInfo(&texts[side]);
		appendStringInfoString(&texts[side], "SELECT 0, count(*), coalesce(sum(s.h), 0) FROM (SELECT ");
		compare_write_checksum(&texts[side], &comparison);
		appendStringInfo(&texts[side], " AS h FROM %s t) s", side == 0 ? table->quoted : table->local);
	}
	remote_send(mirror->remote, texts[0].data, 0, NULL);
	sums[1] = local_sums(texts[1].data, &n[1]);
	sums[0] = remote_sums(mirror->remote, &n[0]);
	table->n_remote = count_rows(sums[0], n[0]);
	table->all = differing_ranges(sums[0], n[0], sums[1], n[1]) != NIL;
}
