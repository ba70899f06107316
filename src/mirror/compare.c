/*-------------------------------------------------------------------------
 *
 * src/mirror/compare.c
 *	  Finds the rows that differ, by looking at as few as possible of them.
 *
 * Where state.c can tell what may have changed, those rows are read.  Else both
 * sides compute checksums of their rows by the same SQL, over ranges of positions
 * that become narrower where they differ, until a range holds some ten rows; then
 * keys and checksums of the single rows are compared, and rows that differ read.
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

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "executor/tstoreReceiver.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "core/query.h"
#include "mirror/mirror.h"

#define FIRST_BITS 8			/* 256 ranges at first, */
#define MOST_FIRST_BITS 12		/* or up to 4096 where something is known to be gone; */
#define MORE_BITS 6				/* and 64 in each that differs */
#define HASH_BITS 60
#define FEW_ROWS 64				/* that a range is not divided for, */
#define FEW_KEYS 256			/* of which only keys are read */
#define MANY_ROWS 2000000		/* that are rather read as a whole */
#define MANY_ORPHANS 20000		/* that are rather found by checksums */
#define KEYS_A_QUERY 5000

/* What is compared of a table: whether there are the same keys, or the same rows. */
typedef struct Comparison
{
	const Mirror *mirror;
	MirrorTable *table;
	bool		keys_only;
	bool		by_integer;		/* positions are keys */
	List	   *wanted;			/* keys whose rows differ, or are missing here; as lists of text */
	uint64		n_looked_at;
} Comparison;

/* A range of positions: those whose bits above a number of bits are these. */
typedef struct Range
{
	int64		prefix;
	uint64		rows;			/* on the side that has more */
} Range;

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

static bool
are_integers(List *columns)
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
	else if (comparison->mirror->same_hash && are_integers(key))
		write_integer_hash(text, key, comparison->mirror->seed);
	else
		write_hash(text, comparison->mirror, key, HASH_BITS);
}

static void
write_checksum(StringInfo text, const Comparison *comparison)
{
	if (comparison->keys_only)
		write_position(text, comparison);
	else
		write_hash(text, comparison->mirror, comparison->table->columns, 64);
}

/*
 * FROM and WHERE of the rows in some ranges, or of all where there are none.
 */
static void
write_source(StringInfo text, const Comparison *comparison, const char *relation, List *ranges, int shift)
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
static List *
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
		write_checksum(&texts[side], comparison);
		appendStringInfoString(&texts[side], " AS h");
		write_source(&texts[side], comparison, side == 0 ? comparison->table->quoted : comparison->table->local, within, within_shift);
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
static int
first_shift(const Comparison *comparison)
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

/* ------------------------------------------------------------------ leaves */

/* Has a table's key a column of this name? */
static bool
is_of_key(const MirrorTable *table, const char *name)
{
	ListCell   *cell;

	foreach(cell, table->key)
		if (strcmp(((MirrorColumn *) lfirst(cell))->name, name) == 0)
			return true;
	return false;
}

/* What the column of checksums is called beside those of a key. */
static const char *
checksum_name(const MirrorTable *table)
{
	const char *name = "catreg checksum";

	for (int i = 1; is_of_key(table, name); i++)
		name = psprintf("catreg checksum %d", i);
	return name;
}

/* A row type of a key and, if wanted, a checksum. */
static TupleDesc
key_desc(const MirrorTable *table, bool checksum)
{
	int			n = list_length(table->key);
	TupleDesc	desc = CreateTemplateTupleDesc(n + (checksum ? 1 : 0));
	ListCell   *cell;

	foreach(cell, table->key)
	{
		const MirrorColumn *column = lfirst(cell);
		AttrNumber	i = foreach_current_index(cell) + 1;

		TupleDescInitEntry(desc, i, column->name, column->typid, -1, 0);
	}

	if (checksum)
		TupleDescInitEntry(desc, n + 1, checksum_name(table), INT8OID, -1, 0);
	return desc;
}

static void
write_same_key(StringInfo text, const MirrorTable *table, const char *a, const char *b)
{
	ListCell   *cell;

	foreach(cell, table->key)
	{
		const char *column = ((MirrorColumn *) lfirst(cell))->quoted;

		appendStringInfo(text, "%s%s.%s = %s.%s", foreach_current_index(cell) == 0 ? "" : " AND ", a, column, b, column);
	}
}

/*
 * Executes a SELECT of keys, and adds them to those that are gone.
 */
static void
add_gone(MirrorTable *table, const char *text)
{
	SPIExecuteOptions options = {0};

	if (table->gone == NULL)
	{
		table->gone_desc = key_desc(table, false);
		table->gone = tuplestore_begin_heap(true, false, work_mem);
	}
	options.dest = CreateDestReceiver(DestTuplestore);
	SetTuplestoreDestReceiverParams(options.dest, table->gone, CurrentMemoryContext, false, NULL, NULL);
	if (SPI_execute_extended(text, &options) < 0)
		elog(ERROR, "could not execute \"%s\"", text);
	table->n_gone += SPI_processed;
	options.dest->rDestroy(options.dest);
}

/* The keys that a SELECT returns, added to others. */
static List *
add_keys(List *keys, const MirrorTable *table, const char *text)
{
	int			n = list_length(table->key);

	if (SPI_execute(text, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not execute \"%s\"", text);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		char	  **key = palloc(sizeof(char *) * n);

		for (int j = 0; j < n; j++)
			key[j] = SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, j + 1);
		keys = lappend(keys, key);
	}
	SPI_freetuptable(SPI_tuptable);
	return keys;
}

/*
 * Makes the remote's keys and checksums known to queries here, as catreg_remote.
 * The rows are the caller's to free.
 */
static Tuplestorestate *
register_keys(const MirrorTable *table, const RemoteRows *rows)
{
	TupleDesc	desc = key_desc(table, true);
	AttInMetadata *input = TupleDescGetAttInMetadata(desc);
	Tuplestorestate *store = tuplestore_begin_heap(true, false, work_mem);

	for (int i = 0; i < rows->n_rows; i++)
	{
		HeapTuple	tuple = BuildTupleFromCStrings(input, &rows->values[i * rows->n_columns]);

		tuplestore_puttuple(store, tuple);
		heap_freetuple(tuple);
	}
	query_register_rows("catreg_remote", desc, store, rows->n_rows);
	return store;
}

/* What is expected of the remote where it is asked for keys and checksums. */
static const char *
row_of_key(const MirrorTable *table)
{
	StringInfoData columns;

	initStringInfo(&columns);
	for (int i = 0; i < list_length(table->key); i++)
		appendStringInfoChar(&columns, 'v');
	appendStringInfoChar(&columns, 'i');
	return columns.data;
}

/*
 * Compares single rows within some ranges: finds keys that are gone, and those
 * wanted.
 */
static void
compare_rows(Comparison *comparison, List *ranges, int shift)
{
	MirrorTable *table = comparison->table;
	Tuplestorestate *keys = NULL;
	StringInfoData source;
	StringInfoData text;

	for (int side = 0; side < 2; side++)
	{
		initStringInfo(&source);
		appendStringInfoString(&source, "SELECT ");
		transfer_write_columns(&source, table->key, "t");
		appendStringInfoString(&source, ", ");
		write_checksum(&source, comparison);
		appendStringInfo(&source, " AS \"%s\"", checksum_name(table));
		write_source(&source, comparison, side == 0 ? table->quoted : table->local, ranges, shift);
		if (side == 0)
			keys = register_keys(table, remote_query(comparison->mirror->remote, source.data, 0, NULL, row_of_key(table)));
	}

	initStringInfo(&text);
	appendStringInfo(&text, "WITH t AS MATERIALIZED (%s) SELECT ", source.data);
	transfer_write_columns(&text, table->key, "t");
	appendStringInfoString(&text, " FROM t WHERE NOT EXISTS (SELECT FROM catreg_remote r WHERE ");
	write_same_key(&text, table, "r", "t");
	appendStringInfoString(&text, ")");
	add_gone(table, text.data);

	if (!comparison->keys_only)
	{
		resetStringInfo(&text);
		appendStringInfo(&text, "WITH t AS MATERIALIZED (%s) SELECT ", source.data);
		transfer_write_columns(&text, table->key, "r");
		appendStringInfoString(&text, " FROM catreg_remote r WHERE NOT EXISTS (SELECT FROM t WHERE ");
		write_same_key(&text, table, "r", "t");
		appendStringInfo(&text, " AND t.\"%s\" = r.\"%s\")", checksum_name(table), checksum_name(table));
		comparison->wanted = add_keys(comparison->wanted, table, text.data);
	}
	if (SPI_unregister_relation("catreg_remote") != SPI_OK_REL_UNREGISTER)
		elog(ERROR, "could not unregister the remote's keys");
	tuplestore_end(keys);
}

/* Writes the remote's rows of some of a list of keys, as FROM has them. */
static void
write_keys(StringInfo text, const MirrorTable *table, List *keys, int begin, int end)
{
	appendStringInfoString(text, "(VALUES ");
	for (int i = begin; i < end; i++)
	{
		char	  **key = list_nth(keys, i);

		appendStringInfoString(text, i == begin ? "(" : ", (");
		for (int j = 0; j < list_length(table->key); j++)
			appendStringInfo(text, "%s%s", j == 0 ? "" : ", ", quote_literal_cstr(key[j]));
		appendStringInfoString(text, ")");
	}
	appendStringInfoString(text, ") k (");
	transfer_write_columns(text, table->key, NULL);
	appendStringInfo(text, ") JOIN %s t ON ", table->quoted);
	for (int j = 0; j < list_length(table->key); j++)
	{
		const MirrorColumn *column = list_nth(table->key, j);

		appendStringInfo(text, "%st.%s = k.%s::%s", j == 0 ? "" : " AND ", column->quoted, column->quoted, column->remote_type);
	}
}

/* Reads the rows wanted. */
static void
fetch_wanted(Comparison *comparison)
{
	int			n = list_length(comparison->wanted);

	for (int done = 0; done < n; done += KEYS_A_QUERY)
	{
		StringInfoData text;

		initStringInfo(&text);
		write_keys(&text, comparison->table, comparison->wanted, done, Min(done + KEYS_A_QUERY, n));
		transfer_rows((Mirror *) comparison->mirror, comparison->table, text.data);
	}
}

/* Reads all rows, and finds the keys that are not among them. */
static void
fetch_all(Comparison *comparison)
{
	MirrorTable *table = comparison->table;
	StringInfoData text;

	transfer_rows((Mirror *) comparison->mirror, table, psprintf("%s t", table->quoted));
	if (table->gone != NULL)
		tuplestore_end(table->gone);
	table->gone = NULL;
	table->n_gone = 0;
	query_register_rows("catreg_remote", table->changed_desc, table->changed, table->n_changed);
	initStringInfo(&text);
	appendStringInfoString(&text, "SELECT ");
	transfer_write_columns(&text, table->key, "t");
	appendStringInfo(&text, " FROM %s t WHERE NOT EXISTS (SELECT FROM catreg_remote r WHERE ", table->local);
	write_same_key(&text, table, "r", "t");
	appendStringInfoString(&text, ")");
	add_gone(table, text.data);
	SPI_unregister_relation("catreg_remote");
}

/*
 * Finds what differs in a table that has a key.  With keys_only that is the keys
 * that are gone, else rows that are new or changed as well.
 */
static void
compare_by_key(const Mirror *mirror, MirrorTable *table, bool keys_only)
{
	Comparison	comparison = {mirror, table, keys_only};
	List	   *within = NIL;
	int			within_shift = 0;
	int			shift;

	comparison.by_integer = list_length(table->key) == 1 && are_integers(table->key);
	shift = first_shift(&comparison);
	for (;;)
	{
		List	   *leaves = NIL;
		List	   *inner = NIL;
		ListCell   *cell;

		foreach(cell, compare_level(&comparison, within, within_shift, shift))
		{
			Range	   *range = lfirst(cell);

			if (range->rows > (keys_only ? FEW_KEYS : FEW_ROWS) && shift > 0)
				inner = lappend(inner, range);
			else
			{
				leaves = lappend(leaves, range);
				comparison.n_looked_at += range->rows;
			}
		}
		if (comparison.n_looked_at > MANY_ROWS && !keys_only && !mirror->count_only)
			break;
		if (leaves != NIL)
			compare_rows(&comparison, leaves, shift);
		if (inner == NIL)
			break;
		within = inner;
		within_shift = shift;
		shift = Max(shift - MORE_BITS, 0);
	}
	if (mirror->count_only)
		table->n_changed = list_length(comparison.wanted);
	else if (comparison.n_looked_at > MANY_ROWS && !keys_only)
		fetch_all(&comparison);
	else
		fetch_wanted(&comparison);
}

/* Compares a table without a key, which is read as a whole if it differs. */
static void
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
		write_checksum(&texts[side], &comparison);
		appendStringInfo(&texts[side], " AS h FROM %s t) s", side == 0 ? table->quoted : table->local);
	}
	remote_send(mirror->remote, texts[0].data, 0, NULL);
	sums[1] = local_sums(texts[1].data, &n[1]);
	sums[0] = remote_sums(mirror->remote, &n[0]);
	table->n_remote = count_rows(sums[0], n[0]);
	table->all = differing_ranges(sums[0], n[0], sums[1], n[1]) != NIL;
}

static uint64
count_new(const MirrorTable *table)
{
	StringInfoData text;
	uint64		n;

	query_register_rows("catreg_remote", table->changed_desc, table->changed, table->n_changed);
	initStringInfo(&text);
	appendStringInfo(&text, "SELECT count(*) FROM catreg_remote r WHERE NOT EXISTS (SELECT FROM %s t WHERE ", table->local);
	write_same_key(&text, table, "r", "t");
	appendStringInfoString(&text, ")");
	if (SPI_execute(text.data, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not execute \"%s\"", text.data);
	n = strtoull(SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1), NULL, 10);
	SPI_unregister_relation("catreg_remote");
	return n;
}

/*
 * Reads the rows that may have changed, by their transactions, and counts those that
 * have gone.
 */
static void
follow_transactions(Mirror *mirror, MirrorTable *table, uint64 n_may_have_changed)
{
	uint64		n_here = strtoull(table->state.local, NULL, 10);

	if (n_may_have_changed == 0 && n_here == table->n_remote)
		return;
	table->state.local = NULL;
	if (table->key == NIL)
	{
		table->all = true;
		return;
	}
	if (n_may_have_changed > 0)
	{
		transfer_rows(mirror, table, psprintf("%s t WHERE %s", table->quoted, state_changed(table)));
		n_here += count_new(table);
	}

	/* more rows than anybody has written: whatever that server does, it is none of ours */
	if (n_here < table->n_remote)
		compare_by_key(mirror, table, false);
	else
		table->n_missing = n_here - table->n_remote;
}

/* ---------------------------------------------------------- what has gone */

/* A foreign key of one mirrored table to another one's key. */
typedef struct Reference
{
	MirrorTable *from;
	MirrorTable *to;
	char	   *condition;		/* t is the one, g the key of the other */
} Reference;

/*
 * Reads the foreign keys here that refer to columns of a key, but those of a table
 * to itself.
 */
static List *
read_references(const Mirror *mirror)
{
	List	   *references = NIL;
	Reference  *reference = NULL;
	Oid			last = InvalidOid;
	TupleDesc	desc;

	if (SPI_execute("SELECT k.oid, k.conrelid, k.confrelid, b.attname, format('t.%I = g.%I', a.attname, b.attname) "
					"FROM pg_constraint k CROSS JOIN LATERAL unnest(k.conkey, k.confkey) u (here, there) "
					"JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.here "
					"JOIN pg_attribute b ON b.attrelid = k.confrelid AND b.attnum = u.there "
					"WHERE k.contype = 'f' AND k.conrelid <> k.confrelid ORDER BY 1", false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read foreign keys");
	desc = SPI_tuptable->tupdesc;
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		HeapTuple	row = SPI_tuptable->vals[i];
		bool		isnull;
		Oid			oid = DatumGetObjectId(SPI_getbinval(row, desc, 1, &isnull));
		MirrorTable *from = catalog_find(mirror, DatumGetObjectId(SPI_getbinval(row, desc, 2, &isnull)));
		MirrorTable *to = catalog_find(mirror, DatumGetObjectId(SPI_getbinval(row, desc, 3, &isnull)));
		char	   *condition = SPI_getvalue(row, desc, 5);

		if (from == NULL || to == NULL || !is_of_key(to, SPI_getvalue(row, desc, 4)))
			continue;
		if (oid == last)
		{
			reference->condition = psprintf("%s AND %s", reference->condition, condition);
			continue;
		}
		reference = palloc(sizeof(Reference));
		reference->from = from;
		reference->to = to;
		reference->condition = condition;
		references = lappend(references, reference);
		last = oid;
	}
	SPI_freetuptable(SPI_tuptable);
	return references;
}

/*
 * The keys of rows here that refer to what has gone, and have not been read anew;
 * NULL if none can.
 */
static const char *
write_orphans(const MirrorTable *table, List *references)
{
	const char *separator = "";
	StringInfoData text;
	ListCell   *cell;

	initStringInfo(&text);
	appendStringInfoString(&text, "SELECT ");
	transfer_write_columns(&text, table->key, "t");
	appendStringInfoString(&text, " FROM (");
	foreach(cell, references)
	{
		const Reference *reference = lfirst(cell);

		if (reference->from != table || reference->to->n_gone == 0)
			continue;
		appendStringInfo(&text, "%sSELECT ", separator);
		transfer_write_columns(&text, table->key, "t");
		appendStringInfo(&text, " FROM %s t JOIN catreg_gone_%d g ON %s", table->local, foreach_current_index(cell), reference->condition);
		separator = " UNION ";
	}
	if (separator[0] == '\0')
		return NULL;
	appendStringInfoString(&text, ") t");
	if (table->n_changed > 0)
	{
		appendStringInfoString(&text, " WHERE NOT EXISTS (SELECT FROM catreg_remote r WHERE ");
		write_same_key(&text, table, "r", "t");
		appendStringInfoString(&text, ")");
	}
	appendStringInfo(&text, " LIMIT " UINT64_FORMAT, table->n_missing + 1);
	return text.data;
}

/* Is none of some keys there? */
static bool
are_gone(const Mirror *mirror, const MirrorTable *table, List *keys)
{
	for (int done = 0; done < list_length(keys); done += KEYS_A_QUERY)
	{
		StringInfoData text;

		initStringInfo(&text);
		appendStringInfoString(&text, "SELECT FROM ");
		write_keys(&text, table, keys, done, Min(done + KEYS_A_QUERY, list_length(keys)));
		appendStringInfoString(&text, " LIMIT 1");
		if (remote_query(mirror->remote, text.data, 0, NULL, "")->n_rows > 0)
			return false;
	}
	return true;
}

/*
 * Finds what has gone from a table because what it refers to has gone.  False if
 * that is not all; then nothing is noted.
 */
static bool
find_orphans(const Mirror *mirror, MirrorTable *table, List *references)
{
	const char *text = write_orphans(table, references);
	List	   *keys;
	bool		all;
	ListCell   *cell;

	if (text == NULL)
		return false;
	if (table->n_changed > 0)
		query_register_rows("catreg_remote", table->changed_desc, table->changed, table->n_changed);
	foreach(cell, references)
	{
		const Reference *reference = lfirst(cell);

		if (reference->from == table && reference->to->n_gone > 0)
			query_register_rows(psprintf("catreg_gone_%d", foreach_current_index(cell)), reference->to->gone_desc,
								reference->to->gone, reference->to->n_gone);
	}
	keys = add_keys(NIL, table, text);
	all = list_length(keys) == table->n_missing && are_gone(mirror, table, keys);
	if (all)
		add_gone(table, text);
	foreach(cell, references)
	{
		const Reference *reference = lfirst(cell);

		if (reference->from == table && reference->to->n_gone > 0)
			SPI_unregister_relation(psprintf("catreg_gone_%d", foreach_current_index(cell)));
	}
	if (table->n_changed > 0)
		SPI_unregister_relation("catreg_remote");
	return all;
}

static bool
waits_for_another(const MirrorTable *table, List *references)
{
	ListCell   *cell;

	foreach(cell, references)
		if (((Reference *) lfirst(cell))->from == table && ((Reference *) lfirst(cell))->to->n_missing != 0)
			return true;
	return false;
}

/*
 * A table of which something has gone, one that refers to no other such table if
 * there is one; NULL: none is left.
 */
static MirrorTable *
next_missing(const Mirror *mirror, List *references)
{
	MirrorTable *next = NULL;
	ListCell   *cell;

	foreach(cell, mirror->tables)
	{
		MirrorTable *table = lfirst(cell);

		if (table->n_missing != 0 && !waits_for_another(table, references))
			return table;
		if (table->n_missing != 0)
			next = table;
	}
	return next;
}

/*
 * Finds the keys that have gone.  Most have gone along with something else: these
 * are looked up here, and asked for there.  The keys there are a part of those here
 * and those just read, so that what is not there, and is as much as is missing, is
 * all of it.  Else checksums of the keys tell.
 */
static void
find_gone(Mirror *mirror)
{
	List	   *references = NIL;
	MirrorTable *table;

	if (next_missing(mirror, NIL) != NULL)
		references = read_references(mirror);
	while ((table = next_missing(mirror, references)) != NULL)
	{
		if (table->n_missing > MANY_ORPHANS || !find_orphans(mirror, table, references))
			compare_by_key(mirror, table, true);
		table->n_missing = 0;
	}
}

/*
 * Frees the rows that were found, which may be in temporary files.
 */
void
compare_release(Mirror *mirror)
{
	ListCell   *cell;

	foreach(cell, mirror->tables)
	{
		MirrorTable *table = lfirst(cell);

		if (table->changed != NULL)
			tuplestore_end(table->changed);
		if (table->gone != NULL)
			tuplestore_end(table->gone);
		table->changed = table->gone = NULL;
	}
}

/*
 * Asks how many rows there are, and how many of them may have changed, where that
 * tells something; does not wait.  Returns how many tables it is.
 */
static int
send_watch(Mirror *mirror)
{
	StringInfoData text;
	int			n = 0;
	ListCell   *cell;

	initStringInfo(&text);
	foreach(cell, mirror->tables)
	{
		const MirrorTable *table = lfirst(cell);

		if (table->state.known && !state_is_quiet(mirror, table))
			appendStringInfo(&text, "%sSELECT %d, count(*), count(*) FILTER (WHERE %s) FROM %s t", n++ == 0 ? "" : " UNION ALL ",
							 foreach_current_index(cell), state_changed(table), table->quoted);
	}
	if (n > 0)
		remote_send(mirror->remote, text.data, 0, NULL);
	return n;
}

/*
 * Takes the answer.
 */
static void
receive_watch(Mirror *mirror, uint64 *n_may_have_changed)
{
	RemoteRows *watched = remote_receive(mirror->remote, "iii");

	for (int i = 0; i < watched->n_rows; i++)
	{
		int			number = atoi(remote_value(watched, i, 0));

		if (number < 0 || number >= list_length(mirror->tables))
			elog(ERROR, "unexpected number %d of a table", number);
		((MirrorTable *) list_nth(mirror->tables, number))->n_remote = strtoull(remote_value(watched, i, 1), NULL, 10);
		n_may_have_changed[number] = strtoull(remote_value(watched, i, 2), NULL, 10);
	}
}

/*
 * Finds what differs in every table.  With trust it is read from what was noted the
 * last time, wherever that holds.  SPI must be connected, and settings be such as
 * the remote's.
 */
void
compare_tables(Mirror *mirror, bool trust)
{
	uint64	   *n_may_have_changed = palloc0(sizeof(uint64) * list_length(mirror->tables));
	int			n_watched;
	ListCell   *cell;

	foreach(cell, mirror->tables)
	{
		MirrorTable *table = lfirst(cell);

		table->state.known = trust && !table->fresh && !table->derived && state_is_usable(mirror, table);
		if (table->state.known)
			table->n_remote = strtoull(table->state.local, NULL, 10);
	}
	n_watched = send_watch(mirror);
	foreach(cell, mirror->tables)
	{
		MirrorTable *table = lfirst(cell);

		if (table->state.known)
			table->state.known = state_is_untouched(table);
	}
	if (n_watched > 0)
		receive_watch(mirror, n_may_have_changed);
	foreach(cell, mirror->tables)
	{
		MirrorTable *table = lfirst(cell);

		if (table->fresh || table->derived)
			continue;
		if (table->state.known)
		{
			follow_transactions(mirror, table, n_may_have_changed[foreach_current_index(cell)]);
			continue;
		}
		table->state.local = NULL;
		if (table->key == NIL)
			compare_whole(mirror, table);
		else
			compare_by_key(mirror, table, false);
	}
	find_gone(mirror);
	foreach(cell, mirror->tables)
	{
		MirrorTable *table = lfirst(cell);

		if (table->all && !mirror->count_only)
			transfer_rows(mirror, table, psprintf("%s t", table->quoted));
	}
}
