/*-------------------------------------------------------------------------
 *
 * src/mirror/mirror.h
 *	  Mirrors: tables of another server's schema, kept here.
 *
 * remote.c talks with the other server, catalog.c reads what tables there are
 * and how they are made, state.c tells what has certainly not changed since the
 * last time, compare*.c find the rows that differ, apply.c writes them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CATREG_MIRROR_H
#define CATREG_MIRROR_H

#include "access/tupdesc.h"
#include "access/xlogdefs.h"
#include "lib/stringinfo.h"
#include "nodes/pg_list.h"
#include "utils/rel.h"
#include "utils/tuplestore.h"

#include "mirror/remote.h"

/* A column, as the remote has it. */
typedef struct MirrorColumn
{
	char	   *name;
	const char *quoted;
	char	   *type;			/* with its modifiers, and an enum's labels */
	bool		binary;			/* is COPY's binary form the same everywhere? */
	bool		stable;			/* does its text follow from the row's bytes? */
	int			remote_attnum;
	const char *remote_type;	/* there, without an enum's labels */
	AttrNumber	attnum;			/* here */
	Oid			typid;			/* here */
	const char *typname;		/* here, qualified */
	bool		settable;		/* not an identity that only DEFAULT may set */
} MirrorColumn;

/* What was noted about a table when it was last equal to the remote's. */
typedef struct MirrorState
{
	bool		known;
	const char *remote;			/* which table of which server's run */
	uint64		remote_xmin;	/* the oldest transaction not seen */
	const char *local;			/* the print of the rows here */
	uint64		local_xid;		/* the transaction that took it */
	const char *file;			/* that the rows were in; NULL: not known */
	XLogRecPtr	lsn;			/* how long the log was then */
} MirrorState;

typedef struct MirrorTable
{
	char	   *name;			/* in the remote schema */
	const char *quoted;			/* the same, qualified and quoted */
	const char *oid;			/* there */
	bool		plain;			/* a heap of its own, there */
	List	   *columns;		/* of MirrorColumn */
	List	   *key;			/* of MirrorColumn; NIL: it has none */
	Oid			relid;			/* here */
	const char *local;			/* qualified and quoted */
	bool		fresh;			/* made by this call */
	bool		derived;		/* catreg keeps it here from other tables */
	MirrorState state;

	/* what compare.c has found */
	uint64		n_remote;		/* rows that are there */
	bool		all;			/* without a key: every row is replaced */
	Tuplestorestate *changed;	/* rows to be here; NULL: none */
	TupleDesc	changed_desc;
	uint64		n_changed;
	Tuplestorestate *gone;		/* keys not to be here */
	TupleDesc	gone_desc;
	uint64		n_gone;
	uint64		n_missing;		/* how many are to be found that are gone; 0: none, or all are */
	uint64		inserted;
	uint64		updated;
	uint64		deleted;
} MirrorTable;

typedef struct Mirror
{
	Remote	   *remote;
	const char *server;
	const char *remote_schema;
	const char *local_schema;
	Oid			namespace;		/* here */
	bool		whole;			/* all tables of the schema, or chosen ones */
	bool		same_text;		/* a text is the same bytes on both sides */
	bool		same_hash;		/* and so are the hashes of integers and texts */
	uint64		seed;			/* of those hashes, another one each time */
	bool		count_only;		/* read no rows, only say how many differ */
	const char *identity;		/* of the remote's run; NULL: not known */
	uint64		snapshot_xmin;
	uint64		snapshot_xmax;
	List	   *tables;			/* of MirrorTable, by name */
	List	   *local;			/* the tables of the schema here, in the same way */
	RemoteRows *statements;		/* that make them; NULL: not read */
} Mirror;

/* options.c */
extern void mirror_options(const char *server, MirrorLogin *login);

/* catalog.c */
extern void catalog_read(Mirror *mirror, List *names, List *local_names, bool missing_ok);
extern void catalog_create(Mirror *mirror);
extern void catalog_finish(Mirror *mirror);
extern MirrorTable *catalog_find(const Mirror *mirror, Oid relid);
extern const char *catalog_match(const Mirror *mirror, MirrorTable *table, Oid relid);
extern void catalog_advance_sequences(const MirrorTable *table);

/* transfer.c */
extern uint64 transfer_copy(Mirror *mirror, const MirrorTable *table);
extern void transfer_rows(Mirror *mirror, MirrorTable *table, const char *source);
extern void transfer_write_columns(StringInfo text, List *columns, const char *alias);

/* state.c */
extern void state_read(Mirror *mirror);
extern bool state_is_usable(const Mirror *mirror, const MirrorTable *table);
extern bool state_is_quiet(const Mirror *mirror, const MirrorTable *table);
extern bool state_is_untouched(const MirrorTable *table);
extern const char *state_print(const MirrorTable *table);
extern const char *state_changed(const MirrorTable *table);
extern void state_note(Mirror *mirror);

/* compare.c */
extern void compare_tables(Mirror *mirror, bool trust);
extern void compare_release(Mirror *mirror);

/* apply.c */
extern void apply_changes(Mirror *mirror);

#endif							/* CATREG_MIRROR_H */
