/*-------------------------------------------------------------------------
 *
 * src/obscore/obscore.h
 *	  An ObsCore table: its definition, compiled.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CATREG_OBSCORE_H
#define CATREG_OBSCORE_H

#include "postgres.h"

#include "lib/stringinfo.h"
#include "nodes/pg_list.h"

#include "obscore/config.h"
#include "butler/registry.h"

/* A column of the table. */
typedef struct ObscoreColumn
{
	char	   *name;
	char	   *type;			/* in SQL */
	Oid			foreign_type;	/* of another extension's, else InvalidOid */
	ObscoreValueType value_type;
	int			length;			/* the most characters, 0: any number */
} ObscoreColumn;

/* A relation that rows are made of, beside the tags table. */
typedef struct ObscoreJoin
{
	char	   *alias;			/* quoted */
	Oid			relation;
	List	   *keys;			/* columns, quoted */
	List	   *values;			/* what they equal: SQL over t and aliases */
	List	   *depends;		/* the aliases that the values name, but t */
	char	   *lateral;		/* joined in this form instead, or NULL */
	char	   *region;			/* or it is the column "region" alone, which is made of the
								 * others once a row; or NULL */
	bool		path_only;		/* not joined itself */
	bool		combination;	/* comes and goes with no regard to datasets */
	struct Bitmapset *reads;	/* see reads.c */
} ObscoreJoin;

/* What makes the rows of one dataset type. */
typedef struct ObscoreSelect
{
	DatasetType *type;
	const ObscoreDatasetType *config;
	List	   *joins;			/* in the order of their dependence */
	List	   *column_values;	/* SQL, for all columns in their order */
	char	   *values;			/* these as a list */
	bool		needs_run;
	struct ObscorePlans *plans; /* see apply.c */
} ObscoreSelect;

typedef struct Obscore
{
	Oid			table;			/* hash key */
	bool		valid;
	bool		own_table;		/* not one that the client has made */
	MemoryContext context;
	Oid			owner;
	Registry   *registry;
	ObscoreConfig *config;
	List	   *columns;		/* of ObscoreColumn */
	List	   *selects;		/* of ObscoreSelect */
	struct ObscoreCollections *collections; /* see collections.c */
	bool		find_first;		/* of each data id the first in a search path */
	struct ObscorePath *path;	/* of find_first, else NULL; see path.c */
	bool		plain;			/* in parts or of Citus, see plain.c */
	struct ObscoreTiled *tiled; /* of a Tiled catalog, see tiled.h; else NULL */
} Obscore;

/* columns.c */
extern List *obscore_columns(const ObscoreConfig *config, bool own_table);

/* compile.c */
extern ObscoreSelect *obscore_compile(const Obscore *obscore, DatasetType *type,
									  const ObscoreDatasetType *config);

/* compile_text.c */
extern void obscore_check_templates(const ObscoreConfig *config);

/* query.c */
extern void obscore_write_collections(StringInfo text, const ObscoreConfig *config);
extern const char *obscore_column_list(const Obscore *obscore, const char *prefix);
extern char *obscore_data_id_of(const ObscoreSelect *select, const char *alias);
extern char *obscore_keys(const Obscore *obscore, const ObscoreSelect *select, const char *alias);
extern char *obscore_same_keys(const Obscore *obscore, const ObscoreSelect *select,
							   const char *alias, const char *other);
extern char *obscore_position_of(const Obscore *obscore, const char *tags);
extern void obscore_write_members(StringInfo text, const Obscore *obscore,
								  const ObscoreSelect *select, const char *source);
extern void obscore_write_select(StringInfo text, const Obscore *obscore,
								 const ObscoreSelect *select, const char *source);
extern void obscore_write_select_first(StringInfo text, const Obscore *obscore,
									   const ObscoreSelect *select, const char *source, bool has_key);
extern void obscore_write_sorted_members(StringInfo text, const Obscore *obscore,
										 const ObscoreSelect *select, const char *path);
extern void obscore_write_select_members(StringInfo text, const Obscore *obscore,
										 const ObscoreSelect *select, const char *source);
extern void obscore_write_query(StringInfo text, const Obscore *obscore);
extern void obscore_write_single_query(StringInfo text, const Obscore *obscore);
extern void obscore_write_named(StringInfo text, const Obscore *obscore, const char *alias);
extern void obscore_write_affected(StringInfo text, const Obscore *obscore, const ObscoreSelect *select,
								   const ObscoreJoin *join, const char *changed);
extern bool obscore_write_locks(StringInfo text, const Obscore *obscore, const ObscoreSelect *select,
								const ObscoreJoin *join, const char *changed);
extern void obscore_write_record_locks(StringInfo text, const Obscore *obscore, Oid relation,
									   const char *changed, bool inserted);
extern bool obscore_write_key_locks(StringInfo text, const Obscore *obscore,
									const ObscoreSelect *select, const char *source);

/* definition.c */
extern ObscoreConfig *obscore_read_config(const char *json, bool warn);
extern Obscore *obscore_make(Oid table, Oid namespace, const char *json, bool own_table, bool warn);
extern Obscore *obscore_get(Oid table, bool missing_ok);
extern List *obscore_of_registry(Oid namespace);
extern bool obscore_is_kept(Oid table);
extern void obscore_check_table(Oid table);
extern bool obscore_may_be_about(Oid table, Oid relid);
extern void obscore_hold(void);
extern void obscore_release(void);
extern void obscore_init(void);

/* compare.c */
extern void obscore_check_owner(Oid table);

/* apply.c */
extern void obscore_free_plans(Obscore *obscore);

#endif							/* CATREG_OBSCORE_H */
