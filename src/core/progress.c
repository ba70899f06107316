/*-------------------------------------------------------------------------
 *
 * src/core/progress.c
 *	  Long work, shown in pg_stat_progress_copy.
 *
 * An extension that is not preloaded can have no progress command of its own,
 * so it reports as a COPY FROM into the table it fills.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "commands/progress.h"
#include "utils/backend_progress.h"
#include "utils/backend_status.h"

#include "core/progress.h"

/*
 * Starts to report rows for a table, unless a command is being reported
 * already: a trigger must not take over the display of the client's own COPY.
 * Returns what progress_end() wants.  After an error the report is gone.
 */
bool
progress_begin(Oid relid)
{
	const int	params[] = {PROGRESS_COPY_COMMAND, PROGRESS_COPY_TYPE};
	const int64 values[] = {PROGRESS_COPY_COMMAND_FROM, PROGRESS_COPY_TYPE_CALLBACK};

	if (MyBEEntry != NULL &&
		MyBEEntry->st_progress_command != PROGRESS_COMMAND_INVALID)
		return false;
	pgstat_progress_start_command(PROGRESS_COMMAND_COPY, relid);
	pgstat_progress_update_multi_param(2, params, values);
	return true;
}

void
progress_rows(uint64 rows)
{
	pgstat_progress_update_param(PROGRESS_COPY_TUPLES_PROCESSED, rows);
}

void
progress_end(bool begun)
{
	if (begun)
		pgstat_progress_end_command();
}
