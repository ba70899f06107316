/*-------------------------------------------------------------------------
 *
 * src/core/query.h
 *	  Running SQL from C: saved plans, whose rights, which snapshot.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CATREG_QUERY_H
#define CATREG_QUERY_H

#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "storage/lockdefs.h"
#include "utils/relcache.h"
#include "utils/tuplestore.h"

/* Every saved plan of the module; with a relation's OID it is a plan's key. */
typedef enum QueryId
{
	QUERY_FOREIGN_KEY,
	QUERY_FOREIGN_KEY_MISSING,
	QUERY_CLOSURE_DEFINITION,
	QUERY_CLOSURE_ANCESTORS,
	QUERY_CLOSURE_CYCLE,
	QUERY_CLOSURE_REFRESH,
} QueryId;

/* Writes the text of a query whose saved plan is missing or out of date. */
typedef void (*QueryText) (StringInfo text, const void *arg);

/* Whose rights are in force; see query_become(). */
typedef struct QueryUser
{
	Oid			userid;
	int			context;
} QueryUser;

extern SPIPlanPtr query_prepare(const char *text, int nargs, Oid *argtypes);
extern SPIPlanPtr query_prepare_cursor(const char *text, int nargs, Oid *argtypes, int options);
extern SPIPlanPtr query_plan(Oid relid, QueryId query, QueryText write_text,
							 const void *arg, int nargs, Oid *argtypes);
extern void query_forget(Oid relid);
extern void query_set(const char *name, const char *value);
extern int	query_jit_off(void);
extern int	query_by_index(bool possible);
extern int	query_by_unique_key(void);
extern void query_settings_back(int level);
extern int	query_execute_latest(SPIPlanPtr plan, Datum *values,
								 bool fire_triggers);
extern int	query_execute_planned(SPIPlanPtr plan, Datum *values,
								  bool fire_triggers);
extern void query_lock_table(Oid relid, LOCKMODE mode);
extern void query_execute(const char *text);
extern uint64 query_execute_once(const char *text);
extern void query_register_rows(const char *name, TupleDesc desc,
								Tuplestorestate *rows, uint64 n_rows);
extern void query_become(Oid role, QueryUser *before);
extern void query_return(const QueryUser *before);
extern Relation query_open_own_table(const char *table, LOCKMODE mode, QueryUser *before);
extern void query_close_own_table(Relation own, const QueryUser *before);
extern uint64 query_execute_on_definitions(const char *table, const char *text, int nargs,
										   Oid *types, Datum *values, const char *nulls);
extern uint64 query_execute_on_definitions_now(const char *table, const char *text, int nargs,
											   Oid *types, Datum *values, const char *nulls);
extern const char *query_relation(Oid relid);
extern const char *query_column(Oid relid, AttrNumber attnum);

#endif							/* CATREG_QUERY_H */
