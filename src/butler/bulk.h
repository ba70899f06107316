/*-------------------------------------------------------------------------
 *
 * src/butler/bulk.h
 *	  What the bulk functions of a Butler registry share.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CATREG_BUTLER_BULK_H
#define CATREG_BUTLER_BULK_H

#include "fmgr.h"
#include "lib/stringinfo.h"
#include "utils/rel.h"
#include "utils/uuid.h"

#include "core/key_set.h"
#include "core/references.h"
#include "core/writer.h"
#include "butler/registry.h"

#define MAX_DIMENSIONS 24
#define MAX_TABLE_COLUMNS (MAX_DIMENSIONS + 8)
#define ROWS_A_FETCH 1000
#define NAMED_IN_ERROR 10		/* so many rows at most */

/*
 * Rows that are registered, with the parameters of the query as columns p1 and p2,
 * to be compared with a table's columns in place of $1 and $2.  Of a value that it
 * knows the planner believes that the table has hardly a row if its statistics
 * are older than the collection or the dataset type; then it would compare each of
 * the rows with each of the table's.  For the same reason all that a unique key is
 * compared with has to come from one subquery with OFFSET 0: from two, it may
 * look up by the part that is in one of them.
 */
#define WITH_PARAMETER(name) "(SELECT r.*, $1 AS p1 FROM " name " r OFFSET 0)"
#define WITH_PARAMETERS(name) "(SELECT r.*, $1 AS p1, $2 AS p2 FROM " name " r OFFSET 0)"

/* The relation of a batch of members, while it is registered: n, c1 (their ids) */
#define MEMBERS_NAME "catreg_members"

/* collection.type */
#define COLLECTION_RUN 1
#define COLLECTION_TAGGED 2
#define COLLECTION_CALIBRATION 4

typedef struct Collection
{
	char	   *name;
	int			type;
	Datum		key;			/* of registry->collection_type */
} Collection;

/* The dimensions of a dataset type, in the order of the tags table's columns. */
typedef struct Dimensions
{
	int			n;
	const char *names[MAX_DIMENSIONS];
	AttrNumber	columns[MAX_DIMENSIONS];	/* of the tags table */
	Oid			types[MAX_DIMENSIONS];	/* INT8OID or TEXTOID */
} Dimensions;

/* Datasets of a batch that become members of a collection, or cease to be. */
typedef struct Member
{
	pg_uuid_t	id;				/* that is returned */
	const char *status;			/* NULL: nothing is known of it yet */
} Member;

typedef struct Members
{
	Registry   *registry;
	Collection	collection;
	KeySet	   *ids;			/* of the batch, each once */
	Member	   *list;			/* numbered as ids */
	int64	   *rows;			/* the number of each row's dataset */
	int64		n_rows;
	MemoryContext context;
} Members;

/* A table being written: its columns are given by name. */
typedef struct TableWriter
{
	Relation	rel;
	int			n_columns;
	AttrNumber	columns[MAX_TABLE_COLUMNS];
	References *references;
	Writer	   *writer;
} TableWriter;

/* batch.c */
extern void batch_check(Oid batch);
extern bool batch_column(StringInfo query, Oid batch, const char *name, Oid type);
extern void batch_needs(Oid batch, const char *name, const char *why);

/* bulk.c */
extern void dimensions_of(const DatasetType *type, Dimensions *dimensions);
extern char *data_id_text(const Dimensions *dimensions, const Datum *values);
extern char *uuid_text(const pg_uuid_t *id);
extern bool collection_find(const Registry *registry, const char *name, Collection *collection);
extern void collection_lock(const Registry *registry, const Collection *collection, Oid table,
							const char *strength);
extern void summaries_ensure(const Registry *registry, const DatasetType *type,
							 const Collection *collection, const Dimensions *dimensions,
							 KeySet **governors);
extern void governors_create(const Registry *registry, const Dimensions *dimensions, KeySet **governors);
extern void governors_add(const Dimensions *dimensions, KeySet **governors, const Datum *values);
extern void bulk_attempts(const Registry *registry, void (*attempt) (void *arg), void *arg);
extern void bulk_execute(const char *text);
extern uint64 bulk_look_up(const char *text, int nargs, Oid *types, Datum *values);

/* members.c */
extern void members_read(Members *members, Oid batch);
extern void members_collection(Members *members, const char *name, int type);
extern void members_report_untagged(const char *id) pg_attribute_noreturn();
extern List *members_types(Members *members, bool all_known);
extern void members_return(const Members *members, FunctionCallInfo fcinfo);

/* table_writer.c */
extern void table_writer_begin(TableWriter *table, Oid relid, int n_columns,
							   const char *const *names, Oid vouched);
extern void table_writer_put(TableWriter *table, const Datum *values, const bool *nulls);
extern void table_writer_end(TableWriter *table);
extern void tag_writer_begin(TableWriter *table, const Registry *registry, const DatasetType *type,
							 const Dimensions *dimensions, Oid vouched);

#endif							/* CATREG_BUTLER_BULK_H */
