/*-------------------------------------------------------------------------
 *
 * src/core/attempt.c
 *	  What may fail and be undone, and tried again.
 *
 * Subtransactions in the manner of PL/pgSQL's exec_stmt_block() (pl_exec.c).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "core/attempt.h"

/* An attempt fails only where another session commits in between. */
#define MAX_ATTEMPTS 20

/*
 * Does something in a subtransaction, in the current memory context.  Returns NULL
 * or, where it has failed and been undone, the error.
 */
ErrorData *
attempt(void (*action) (void *arg), void *arg)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData  *volatile error = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		action(arg);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		/* in any case: nobody above knows of the subtransaction */
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return error;
}

/*
 * Is an error about the session and not about what was attempted?  It has been
 * cancelled, waits for no lock, or has to start its transaction again.
 */
bool
attempt_must_end(const ErrorData *error)
{
	int			category = ERRCODE_TO_CATEGORY(error->sqlerrcode);

	return category == ERRCODE_TRANSACTION_ROLLBACK || category == ERRCODE_OPERATOR_INTERVENTION ||
		error->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE;
}

/*
 * Does something that writes rows with unique keys.  If another session has
 * committed such a key since it was looked up, what was done is undone and done
 * again: by then the other one's row is there to be found.
 */
void
attempt_until_first(void (*action) (void *arg), AttemptIsConcurrent is_concurrent, void *arg)
{
	for (int i = 1;; i++)
	{
		ErrorData  *error = attempt(action, arg);

		if (error == NULL)
			return;
		if (i == MAX_ATTEMPTS || !is_concurrent(error, arg))
			ReThrowError(error);

		/* the row is not in our snapshot, and never will be */
		if (IsolationUsesXactSnapshot())
			ereport(ERROR,
					(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
					 errmsg("could not serialize access due to concurrent update"),
					 errdetail_internal("%s", error->detail ? error->detail : error->message)));
		ereport(DEBUG1,
				(errmsg_internal("catreg: writing again, another session was first: %s",
								 error->message)));
		FreeErrorData(error);
		CHECK_FOR_INTERRUPTS();
	}
}
