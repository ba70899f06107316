/*-------------------------------------------------------------------------
 *
 * src/mirror/remote.c
 *	  A session on another server.
 *
 * Nothing here blocks: whatever libpq has to wait for is waited for on this
 * backend's latch as well, so that a cancel or a timeout acts at once.  The
 * remote looks every second whether anybody is still there.  Only where it cannot
 * (before PostgreSQL 14, or not on Linux) it is sent a cancel request, which libpq
 * does not send without waiting for an answer.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "libpq-fe.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/fd.h"
#include "storage/latch.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "mirror/mirror.h"

struct Remote
{
	PGconn	   *conn;
	const char *server;
	List	   *secrets;
	char	   *buffer;			/* of libpq, with a piece of a COPY */
	bool		notices;		/* does it notice a closed connection by itself? */
};

/*
 * Texts have to be the same on both sides, and no setting of a role or a
 * database there may end what takes its time here.
 */
static const char *const session_settings =
	"SET search_path = pg_catalog;"
	"SET datestyle = 'ISO, YMD'; SET intervalstyle = postgres; SET timezone = 'UTC';"
	"SET extra_float_digits = 3; SET bytea_output = hex; SET array_nulls = on; SET lc_monetary = 'C'; SET xmloption = content;"
	"SET standard_conforming_strings = on; SET quote_all_identifiers = off; SET row_security = off;"
	"SET statement_timeout = 0; SET lock_timeout = 0; SET idle_in_transaction_session_timeout = 0;"
	"SET jit = off";

/* Not in every version, or an error on systems that cannot do it.  A row if they can. */
static const char *const check_interval_query =
	"SELECT FROM pg_settings WHERE CASE name WHEN 'transaction_timeout' THEN set_config(name, '0', false) IS NULL "
	"WHEN 'client_connection_check_interval' THEN version() ~ 'linux' AND set_config(name, '1000', false) IS NOT NULL END";

/*
 * A message of libpq's or of the remote's, without the secrets that we have sent,
 * and readable.
 */
static char *
scrub(const Remote *remote, const char *message)
{
	char	   *text = message == NULL ? NULL : pchomp(message);
	ListCell   *cell;

	if (text == NULL)
		return NULL;
	foreach(cell, remote->secrets)
	{
		const char *secret = lfirst(cell);
		char	   *at;

		if (secret[0] == '\0')
			continue;
		while ((at = strstr(text, secret)) != NULL)
			text = psprintf("%.*s%s%s", (int) (at - text), text, strstr("***", secret) ? "" : "***",
							at + strlen(secret));
	}

	/* not before: a secret would not be known any more */
	for (char *at = text; !pg_verifymbstr(text, strlen(text), true) && *at != '\0'; at++)
		if (IS_HIGHBIT_SET(*at))
			*at = '?';
	return text;
}

static void
refuse_connection(Remote *remote)
{
	ereport(ERROR,
			(errcode(ERRCODE_SQLCLIENT_UNABLE_TO_ESTABLISH_SQLCONNECTION),
			 errmsg("could not connect to server \"%s\"", remote->server),
			 errdetail_internal("%s", scrub(remote, PQerrorMessage(remote->conn)))));
}

static void
fail_lost(Remote *remote)
{
	ereport(ERROR,
			(errcode(ERRCODE_CONNECTION_FAILURE),
			 errmsg("lost the connection to server \"%s\"", remote->server),
			 errdetail_internal("%s", scrub(remote, PQerrorMessage(remote->conn)))));
}

/*
 * Nothing that arrives is taken for what was asked for before it has been looked
 * at: a server can be of anybody's making.
 */
static void
fail_unexpected(const Remote *remote)
{
	ereport(ERROR,
			(errcode(ERRCODE_FDW_ERROR),
			 errmsg("server \"%s\" has answered something else than it was asked", remote->server)));
}

/*
 * Throws what the remote has thrown, with its SQLSTATE.  Frees the result.
 */
static void
fail_result(Remote *remote, PGresult *result)
{
	ExecStatusType status = PQresultStatus(result);
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	char	   *message = scrub(remote, PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY));
	char	   *detail = scrub(remote, PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL));
	char	   *hint = scrub(remote, PQresultErrorField(result, PG_DIAG_MESSAGE_HINT));
	int			code = ERRCODE_CONNECTION_FAILURE;

	if (state != NULL && strlen(state) == 5)
		code = MAKE_SQLSTATE(state[0], state[1], state[2], state[3], state[4]);
	PQclear(result);
	if (PQstatus(remote->conn) != CONNECTION_OK && message == NULL)
		fail_lost(remote);
	if (status != PGRES_FATAL_ERROR)
		fail_unexpected(remote);
	ereport(ERROR,
			(errcode(code),
			 errmsg("server \"%s\": %s", remote->server,
					message != NULL ? message : scrub(remote, PQerrorMessage(remote->conn))),
			 detail != NULL ? errdetail_internal("%s", detail) : 0,
			 hint != NULL ? errhint("%s", hint) : 0));
}

/* timeout is in milliseconds, or -1 */
static void
wait_until(Remote *remote, int events, long timeout)
{
	int			happened = WaitLatchOrSocket(MyLatch, WL_LATCH_SET | WL_EXIT_ON_PM_DEATH | events | (timeout >= 0 ? WL_TIMEOUT : 0),
											 PQsocket(remote->conn), timeout, PG_WAIT_EXTENSION);

	if (happened & WL_LATCH_SET)
	{
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
}

static void
wait_for(Remote *remote, int events)
{
	wait_until(remote, events, -1);
}

/* libpq leaves its option connect_timeout to who polls.  Seconds; 0 is none. */
static void
poll_connection(Remote *remote, int timeout)
{
	PostgresPollingStatusType status = PGRES_POLLING_WRITING;
	TimestampTz end = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), INT64CONST(1000) * timeout);

	while (status != PGRES_POLLING_OK && status != PGRES_POLLING_FAILED && PQstatus(remote->conn) != CONNECTION_BAD)
	{
		long		left = timeout > 0 ? TimestampDifferenceMilliseconds(GetCurrentTimestamp(), end) : -1;

		if (left == 0)
			ereport(ERROR,
					(errcode(ERRCODE_SQLCLIENT_UNABLE_TO_ESTABLISH_SQLCONNECTION),
					 errmsg("could not connect to server \"%s\"", remote->server),
					 errdetail("There was no answer within %d seconds.", timeout)));
		wait_until(remote, status == PGRES_POLLING_READING ? WL_SOCKET_READABLE : WL_SOCKET_CONNECTED, left);
		status = PQconnectPoll(remote->conn);
	}
	if (PQstatus(remote->conn) != CONNECTION_OK)
		refuse_connection(remote);
	PQsetnonblocking(remote->conn, 1);
}

static void
ignore_notice(void *arg, const PGresult *result)
{
}

/*
 * Logs in, as the user mapping of the current user says, with settings under
 * which texts are the same everywhere.
 */
Remote *
remote_connect(const char *server)
{
	Remote	   *remote = palloc0(sizeof(Remote));
	MirrorLogin login;

	mirror_options(server, &login);
	remote->server = pstrdup(server);
	remote->secrets = login.secrets;
	if (!AcquireExternalFD())
		ereport(ERROR,
				(errcode(ERRCODE_SQLCLIENT_UNABLE_TO_ESTABLISH_SQLCONNECTION),
				 errmsg("could not connect to server \"%s\"", server),
				 errdetail("There are too many open files on the local server.")));
	remote->conn = PQconnectStartParams(login.keywords, login.values, false);
	if (remote->conn == NULL)
	{
		ReleaseExternalFD();
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	}
	PG_TRY();
	{
		poll_connection(remote, login.timeout);
		if (login.password_needed && !PQconnectionUsedPassword(remote->conn))
			ereport(ERROR,
					(errcode(ERRCODE_S_R_E_PROHIBITED_SQL_STATEMENT_ATTEMPTED),
					 errmsg("password is required"),
					 errdetail("Non-superuser cannot connect if the server does not request a password."),
					 errhint("Target server's authentication method must be changed or password_required=false set in the user mapping attributes.")));
		PQsetNoticeReceiver(remote->conn, ignore_notice, NULL);
		if (remote_version(remote) < 130000)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("server \"%s\" is older than PostgreSQL 13", server)));
		remote_execute(remote, session_settings);
		remote->notices = remote_query(remote, check_interval_query, 0, NULL, "")->n_rows > 0;
	}
	PG_CATCH();
	{
		remote_disconnect(remote, true);
		PG_RE_THROW();
	}
	PG_END_TRY();
	return remote;
}

static void
send_cancel(PGconn *conn)
{
	PGcancel   *cancel = PQgetCancel(conn);
	char		error[256];

	if (cancel == NULL)
		return;
	(void) PQcancel(cancel, error, sizeof(error));
	PQfreeCancel(cancel);
}

/*
 * Closes the connection; throws nothing.  With cancel the remote is made to stop
 * what it is doing.
 */
void
remote_disconnect(Remote *remote, bool cancel)
{
	if (remote->conn == NULL)
		return;
	if (remote->buffer != NULL)
		PQfreemem(remote->buffer);
	if (cancel && !remote->notices && PQstatus(remote->conn) == CONNECTION_OK && PQtransactionStatus(remote->conn) == PQTRANS_ACTIVE)
		send_cancel(remote->conn);
	PQfinish(remote->conn);
	ReleaseExternalFD();
	remote->conn = NULL;
}

/* As server_version_num. */
int
remote_version(const Remote *remote)
{
	return PQserverVersion(remote->conn);
}

const char *
remote_parameter(const Remote *remote, const char *name)
{
	const char *value = PQparameterStatus(remote->conn, name);

	return value == NULL ? "" : value;
}

static void
flush(Remote *remote)
{
	int			left;

	while ((left = PQflush(remote->conn)) > 0)
	{
		wait_for(remote, WL_SOCKET_READABLE | WL_SOCKET_WRITEABLE);
		if (PQconsumeInput(remote->conn) == 0)
			fail_lost(remote);
	}
	if (left < 0)
		fail_lost(remote);
}

/* The next result of what was sent, NULL where there is none; freed by the caller. */
static PGresult *
next_result(Remote *remote)
{
	while (PQisBusy(remote->conn))
	{
		wait_for(remote, WL_SOCKET_READABLE);
		if (PQconsumeInput(remote->conn) == 0)
			fail_lost(remote);
	}
	return PQgetResult(remote->conn);
}

/*
 * Sends a query, and does not wait.  remote_receive() has to follow.
 */
void
remote_send(Remote *remote, const char *text, int nargs, const char *const *args)
{
	if (PQsendQueryParams(remote->conn, text, nargs, NULL, args, NULL, NULL, 0) == 0)
		fail_lost(remote);
	flush(remote);
}

static bool
is_integer(const char *text)
{
	char	   *end;

	errno = 0;
	(void) strtoll(text, &end, 10);
	return errno == 0 && end != text && *end == '\0';
}

static bool
is_expected(const PGresult *result, int row, int column, char kind)
{
	const char *value = PQgetvalue(result, row, column);

	if (PQgetisnull(result, row, column))
		return kind == 'n';
	return pg_verifymbstr(value, strlen(value), true) && (kind != 'i' || is_integer(value));
}

static RemoteRows *
read_rows(const Remote *remote, const PGresult *result, const char *columns)
{
	RemoteRows *rows = palloc(sizeof(RemoteRows));

	rows->n_rows = PQntuples(result);
	rows->n_columns = PQnfields(result);
	if (rows->n_columns != (int) strlen(columns))
		fail_unexpected(remote);
	rows->values = MemoryContextAllocHuge(CurrentMemoryContext,
										  sizeof(char *) * ((Size) rows->n_rows * rows->n_columns + 1));
	for (int i = 0; i < rows->n_rows; i++)
		for (int j = 0; j < rows->n_columns; j++)
		{
			if (!is_expected(result, i, j, columns[j]))
				fail_unexpected(remote);
			rows->values[(Size) i * rows->n_columns + j] =
				PQgetisnull(result, i, j) ? NULL : pstrdup(PQgetvalue(result, i, j));
		}
	return rows;
}

/* Copies the rows of a result, and frees it. */
static RemoteRows *
take_rows(const Remote *remote, PGresult *result, const char *columns)
{
	RemoteRows *volatile rows = NULL;

	PG_TRY();
	{
		rows = read_rows(remote, result, columns);
	}
	PG_CATCH();
	{
		PQclear(result);
		PG_RE_THROW();
	}
	PG_END_TRY();
	PQclear(result);
	return rows;
}

/*
 * The rows that a query has returned.  Waits for the end of what was sent.
 */
RemoteRows *
remote_receive(Remote *remote, const char *columns)
{
	RemoteRows *rows = NULL;
	PGresult   *result;

	while ((result = next_result(remote)) != NULL)
	{
		if (PQresultStatus(result) != PGRES_TUPLES_OK)
			fail_result(remote, result);
		rows = take_rows(remote, result, columns);
	}
	if (rows == NULL)
		fail_lost(remote);
	return rows;
}

RemoteRows *
remote_query(Remote *remote, const char *text, int nargs, const char *const *args, const char *columns)
{
	remote_send(remote, text, nargs, args);
	return remote_receive(remote, columns);
}

/* A query that returns one row. */
RemoteRows *
remote_query_row(Remote *remote, const char *text, const char *columns)
{
	RemoteRows *rows = remote_query(remote, text, 0, NULL, columns);

	if (rows->n_rows != 1)
		fail_unexpected(remote);
	return rows;
}

/* Waits for the end of commands. */
static void
receive_commands(Remote *remote)
{
	PGresult   *result;

	while ((result = next_result(remote)) != NULL)
	{
		if (PQresultStatus(result) != PGRES_COMMAND_OK)
			fail_result(remote, result);
		PQclear(result);
	}
}

/*
 * Executes commands that return nothing, one or several.
 */
void
remote_execute(Remote *remote, const char *text)
{
	if (PQsendQuery(remote->conn, text) == 0)
		fail_lost(remote);
	flush(remote);
	receive_commands(remote);
}

/*
 * Sends a COPY TO STDOUT; its data are for remote_copy_read().
 */
void
remote_copy_begin(Remote *remote, const char *text)
{
	PGresult   *result;

	if (PQsendQuery(remote->conn, text) == 0)
		fail_lost(remote);
	flush(remote);
	result = next_result(remote);
	if (PQresultStatus(result) != PGRES_COPY_OUT)
		fail_result(remote, result);
	PQclear(result);
}

/*
 * The next piece of a COPY, good until the next call; 0 at its end.
 */
int
remote_copy_read(Remote *remote, char **data)
{
	int			length;

	if (remote->buffer != NULL)
		PQfreemem(remote->buffer);
	remote->buffer = NULL;
	while ((length = PQgetCopyData(remote->conn, &remote->buffer, 1)) == 0)
	{
		wait_for(remote, WL_SOCKET_READABLE);
		if (PQconsumeInput(remote->conn) == 0)
			fail_lost(remote);
	}
	if (length > 0)
	{
		*data = remote->buffer;
		return length;
	}
	receive_commands(remote);
	return 0;
}
