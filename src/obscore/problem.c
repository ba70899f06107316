/*-------------------------------------------------------------------------
 *
 * src/obscore/problem.c
 *	  Values that cannot be derived: never a reason to fail a put.
 *
 * A function that cannot make a value notes why, and returns NULL.  The
 * expression around it, obscore_noted(), knows which dataset and column that
 * happened to: it warns, or has it listed while check_obscore() looks.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/uuid.h"

#include "obscore/problem.h"

#define MAX_NOTE 400

/* The first thing that went wrong since the last report; empty: nothing. */
static char pending[MAX_NOTE];

/* Is what a value lacks yet to come? */
static bool waiting = false;

/* Where problems are listed, instead of being warned of. */
static Tuplestorestate *listed = NULL;
static TupleDesc listed_desc = NULL;

/*
 * Notes why a value cannot be made.
 */
void
obscore_note(const char *format,...)
{
	va_list		args;

	if (pending[0] != '\0')
		return;
	va_start(args, format);
	vsnprintf(pending, sizeof(pending), format, args);
	va_end(args);
}

/*
 * Forgets what has been noted and not reported: by somebody's own call of these
 * functions, or before an error.  To be called before rows are made.
 */
void
obscore_problems_forget(void)
{
	pending[0] = '\0';
	waiting = false;
}

/*
 * Until then obscore_failed() notes nothing: what is not there is expected from the
 * client's next statement.
 */
void
obscore_problems_wait(void)
{
	waiting = true;
}

/*
 * From now on problems are rows (dataset_id, problem) and no warnings.  The
 * caller ends it, after an error too.
 */
void
obscore_problems_begin(Tuplestorestate *rows, TupleDesc desc)
{
	listed = rows;
	listed_desc = desc;
	obscore_problems_forget();
}

void
obscore_problems_end(void)
{
	listed = NULL;
	listed_desc = NULL;
	obscore_problems_forget();
}

static void
report(Datum dataset_id, text *column)
{
	char		note[MAX_NOTE];

	strlcpy(note, pending, sizeof(note));
	pending[0] = '\0';
	if (listed != NULL)
	{
		Datum		values[2];
		bool		nulls[2] = {false, false};

		values[0] = dataset_id;
		values[1] = CStringGetTextDatum(psprintf("%s cannot be derived: %s", text_to_cstring(column), note));
		tuplestore_putvalues(listed, listed_desc, values, nulls);
		return;
	}
	ereport(WARNING,
			(errcode(ERRCODE_WARNING),
			 errmsg("%s of dataset %s cannot be derived: %s", text_to_cstring(column),
					DatumGetCString(DirectFunctionCall1(uuid_out, dataset_id)), note),
			 errdetail("The column is NULL. catreg.check_obscore() lists what cannot be derived.")));
}

PG_FUNCTION_INFO_V1(obscore_noted);

/*
 * obscore_noted(dataset_id, column, value) -> value: reports what was noted while
 * the value was made.
 */
Datum
obscore_noted(PG_FUNCTION_ARGS)
{
	if (pending[0] != '\0' && !PG_ARGISNULL(0) && !PG_ARGISNULL(1))
		report(PG_GETARG_DATUM(0), PG_GETARG_TEXT_PP(1));
	if (PG_ARGISNULL(2))
		PG_RETURN_NULL();
	PG_RETURN_DATUM(PG_GETARG_DATUM(2));
}

PG_FUNCTION_INFO_V1(obscore_failed);

/*
 * obscore_failed(problem) -> text: NULL, and the problem is noted.
 */
Datum
obscore_failed(PG_FUNCTION_ARGS)
{
	char	   *problem = text_to_cstring(PG_GETARG_TEXT_PP(0));

	if (!waiting)
		obscore_note("%s", problem);
	PG_RETURN_NULL();
}
