/*-------------------------------------------------------------------------
 *
 * src/sky/leap_seconds.c
 *	  The table catreg.leap_second, and times in SQL.
 *
 * A backend reads the table once, and again after a change of it (signal_change,
 * see core/invalidate.c).  It is read as the server reads its own catalogs, with
 * a snapshot of this moment: what is kept outlives the transaction, whose own
 * snapshot may be too old.  Nobody's rights are looked at, since what a time is
 * does not depend on who asks.  SPI would not do: GetLatestSnapshot() fails in
 * parallel mode.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "commands/trigger.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "core/invalidate.h"
#include "sky/leap_seconds.h"

/* The columns of catreg.leap_second */
#define LEAP_SECOND_DAY				1
#define LEAP_SECOND_TAI_MINUS_UTC	2

/* A date counts days from 2000-01-01, whose MJD this is. */
#define DATE_MJD 51544

static LeapSecond *known_rows = NULL;
static int	n_known_rows = 0;
static Oid	known_table = InvalidOid;
static bool known_valid = false;
static bool changed = false;	/* since the table was last read */

static void
forget_leap_seconds(Oid relid)
{
	if (relid == InvalidOid || relid == known_table)
	{
		known_valid = false;
		changed = true;
	}
}

/*
 * Has changes of the table noticed; once, when the module is loaded.
 */
void
leap_seconds_init(void)
{
	invalidate_subscribe(forget_leap_seconds);
}

static Oid
leap_second_table(void)
{
	Oid			relid = get_relname_relid("leap_second", get_namespace_oid("catreg", false));

	if (!OidIsValid(relid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation \"%s\" does not exist", "catreg.leap_second")));
	return relid;
}

static int
compare_days(const void *a, const void *b)
{
	int64		day_a = ((const LeapSecond *) a)->mjd;
	int64		day_b = ((const LeapSecond *) b)->mjd;

	return day_a < day_b ? -1 : day_a > day_b;
}

/*
 * Reads the table's committed rows, and those of this transaction's earlier
 * commands, in the order of their days.
 */
static LeapSeconds
read_leap_seconds(Relation rel)
{
	int			allocated = 64;
	LeapSecond *rows = palloc(allocated * sizeof(LeapSecond));
	int			n = 0;
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	TableScanDesc scan = table_beginscan_catalog(rel, 0, NULL);

	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		bool		day_null;
		bool		offset_null;
		Datum		day = slot_getattr(slot, LEAP_SECOND_DAY, &day_null);
		Datum		offset = slot_getattr(slot, LEAP_SECOND_TAI_MINUS_UTC, &offset_null);

		CHECK_FOR_INTERRUPTS();
		if (day_null || offset_null)
			elog(ERROR, "unexpected null in table \"%s\"", RelationGetRelationName(rel));
		if (n == allocated)
		{
			allocated *= 2;
			rows = repalloc(rows, allocated * sizeof(LeapSecond));
		}
		rows[n].mjd = (int64) DatumGetDateADT(day) + DATE_MJD;
		rows[n].tai_minus_utc = DatumGetInt32(offset);
		n++;
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);

	qsort(rows, n, sizeof(LeapSecond), compare_days);
	return (LeapSeconds) {rows, n};
}

/*
 * Reports a table that cannot be right, where it is.
 */
static void
complain(LeapSeconds leaps, int elevel)
{
	int			wrong = leap_seconds_wrong(leaps);
	DateADT		day;

	if (wrong < 0)
		return;
	if (wrong == 0)
	{
		ereport(elevel,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table \"%s\" does not begin as UTC does", "catreg.leap_second"),
				 errdetail("Its first row is that of 1972-01-01, on which TAI-UTC is %d s.",
						   LEAP_SECONDS_FIRST_OFFSET),
				 errhint("No time in UTC can be told until the table is mended.")));
		return;
	}

	day = (DateADT) (leaps.rows[wrong].mjd - DATE_MJD);
	ereport(elevel,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("table \"%s\" is wrong on %s", "catreg.leap_second",
					DatumGetCString(DirectFunctionCall1(date_out, DateADTGetDatum(day)))),
			 errdetail("TAI-UTC goes from %d s to %d s there; it changes by one second at a time.",
					   leaps.rows[wrong - 1].tai_minus_utc,
					   leaps.rows[wrong].tai_minus_utc),
			 errhint("No time in UTC can be told until the table is mended.")));
}

/*
 * The leap seconds, from the table where it has changed.  What is returned
 * serves until the next call, or until anything is done that may look at
 * invalidation messages.  False: the table cannot be right.
 */
bool
leap_seconds_get(LeapSeconds *known)
{
	Relation	rel;
	LeapSeconds leaps;

	if (known_valid)
	{
		*known = (LeapSeconds) {known_rows, n_known_rows};
		return true;
	}

	known_table = leap_second_table();
	rel = table_open(known_table, AccessShareLock);

	/* a message that arrives from here on may be about rows not seen */
	changed = false;
	leaps = read_leap_seconds(rel);
	*known = leaps;
	if (leap_seconds_wrong(leaps) >= 0)
	{
		table_close(rel, AccessShareLock);
		return false;
	}
	if (known_rows == NULL)
		known_rows = MemoryContextAlloc(TopMemoryContext, leaps.n * sizeof(LeapSecond));
	else
		known_rows = repalloc(known_rows, leaps.n * sizeof(LeapSecond));
	memcpy(known_rows, leaps.rows, leaps.n * sizeof(LeapSecond));
	n_known_rows = leaps.n;
	known_valid = !changed;
	table_close(rel, AccessShareLock);
	*known = (LeapSeconds) {known_rows, n_known_rows};
	return true;
}

/*
 * The same; a table that cannot be right is an error, 55000.
 */
LeapSeconds
leap_seconds(void)
{
	LeapSeconds leaps;

	if (!leap_seconds_get(&leaps))
		complain(leaps, ERROR);
	return leaps;
}

PG_FUNCTION_INFO_V1(leap_second_check);

/*
 * Trigger: warns at once of a table that cannot be right.  It refuses none:
 * a restore may come by in any order, a row at a time.
 */
Datum
leap_second_check(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" was not called by the trigger manager",
						"leap_second_check")));
	if (RelationGetRelid(trigdata->tg_relation) != leap_second_table())
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" is a trigger of table \"%s\" only",
						"leap_second_check", "catreg.leap_second")));

	/* what the statement has written is seen from the next command on */
	CommandCounterIncrement();
	complain(read_leap_seconds(trigdata->tg_relation), WARNING);
	return PointerGetDatum(NULL);
}

static TimeScale
scale_of_text(text *name)
{
	const char *data = VARDATA_ANY(name);
	int			length = VARSIZE_ANY_EXHDR(name);

	if (length == 3 && memcmp(data, "utc", 3) == 0)
		return TIME_SCALE_UTC;
	if (length == 3 && memcmp(data, "tai", 3) == 0)
		return TIME_SCALE_TAI;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("time scale \"%s\" does not exist", text_to_cstring(name)),
			 errhint("Time scales are \"utc\" and \"tai\".")));
}

/* What a scale needs: TAI can be told whatever the table says. */
static LeapSeconds
leaps_for(TimeScale scale)
{
	return scale == TIME_SCALE_UTC ? leap_seconds() : (LeapSeconds) {NULL, 0};
}

static Datum
text_of_time(int64 nanoseconds, text *scale_name, char separator)
{
	TimeScale	scale = scale_of_text(scale_name);
	char		buffer[TIME_TEXT_SIZE];

	time_scale_text(nanoseconds, scale, leaps_for(scale), separator, buffer);
	return PointerGetDatum(cstring_to_text_with_len(buffer, TIME_TEXT_SIZE - 1));
}

PG_FUNCTION_INFO_V1(tai_to_mjd);

/*
 * tai_to_mjd(nanoseconds bigint) -> float8: the MJD of a time in UTC.
 */
Datum
tai_to_mjd(PG_FUNCTION_ARGS)
{
	PG_RETURN_FLOAT8(time_scale_mjd(PG_GETARG_INT64(0), TIME_SCALE_UTC, leap_seconds()));
}

PG_FUNCTION_INFO_V1(time_mjd);

/*
 * time_mjd(nanoseconds bigint, scale text) -> float8
 */
Datum
time_mjd(PG_FUNCTION_ARGS)
{
	TimeScale	scale = scale_of_text(PG_GETARG_TEXT_PP(1));

	PG_RETURN_FLOAT8(time_scale_mjd(PG_GETARG_INT64(0), scale, leaps_for(scale)));
}

PG_FUNCTION_INFO_V1(time_isot);

/*
 * time_isot(nanoseconds bigint, scale text) -> text, astropy's format "isot"
 */
Datum
time_isot(PG_FUNCTION_ARGS)
{
	return text_of_time(PG_GETARG_INT64(0), PG_GETARG_TEXT_PP(1), 'T');
}

PG_FUNCTION_INFO_V1(time_iso);

/*
 * time_iso(nanoseconds bigint, scale text) -> text, astropy's format "iso"
 */
Datum
time_iso(PG_FUNCTION_ARGS)
{
	return text_of_time(PG_GETARG_INT64(0), PG_GETARG_TEXT_PP(1), ' ');
}
