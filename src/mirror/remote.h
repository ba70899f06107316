/*-------------------------------------------------------------------------
 *
 * src/mirror/remote.h
 *	  A session on another server.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CATREG_REMOTE_H
#define CATREG_REMOTE_H

#include "nodes/pg_list.h"

/* How to log in, from the options of a server and a user mapping. */
typedef struct MirrorLogin
{
	const char **keywords;
	const char **values;
	List	   *secrets;		/* values that no message may show */
	int			timeout;		/* for connecting, in seconds; 0: none */
	bool		password_needed;	/* only a password that the remote asks for will do */
} MirrorLogin;

/* The rows of a result, as text; NULL where a value is. */
typedef struct RemoteRows
{
	int			n_rows;
	int			n_columns;
	char	  **values;
} RemoteRows;

/*
 * What is expected of a result is said by a letter for each of its columns: i, an
 * integer; v, any value; n, a value or NULL.
 */
typedef struct Remote Remote;

extern Remote *remote_connect(const char *server);
extern void remote_disconnect(Remote *remote, bool cancel);
extern int	remote_version(const Remote *remote);
extern const char *remote_parameter(const Remote *remote, const char *name);
extern void remote_execute(Remote *remote, const char *text);
extern void remote_send(Remote *remote, const char *text, int nargs, const char *const *args);
extern RemoteRows *remote_receive(Remote *remote, const char *columns);
extern RemoteRows *remote_query(Remote *remote, const char *text, int nargs, const char *const *args, const char *columns);
extern RemoteRows *remote_query_row(Remote *remote, const char *text, const char *columns);
extern void remote_copy_begin(Remote *remote, const char *text);
extern int	remote_copy_read(Remote *remote, char **data);

static inline char *
remote_value(const RemoteRows *rows, int row, int column)
{
	return rows->values[row * rows->n_columns + column];
}

#endif							/* CATREG_REMOTE_H */
