/*-------------------------------------------------------------------------
 *
 * src/obscore/compile.h
 *	  What the files share that compile the configuration of a dataset type.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CATREG_OBSCORE_COMPILE_H
#define CATREG_OBSCORE_COMPILE_H

#include "obscore/obscore.h"

typedef struct Compiler
{
	const Obscore *obscore;
	const Universe *universe;
	const DatasetType *type;
	const ObscoreDatasetType *config;
	const ObscoreSelect *select;	/* that is being made */
	List	   *dimensions;		/* names: required, then implied */
	List	   *joins;			/* of ObscoreJoin */
	char	   *obs_id;			/* the expression of that column, once it is known */
	bool		needs_run;
} Compiler;

/* compile_joins.c */
extern List *compile_group(const Universe *universe, const List *required);
extern bool compile_has_element(const Compiler *c, const char *name);
extern const char *compile_first_of_family(const Compiler *c, const List *family);
extern const char *compile_dimension(Compiler *c, const char *name, const char **depends, Oid *type);
extern const char *compile_field(Compiler *c, const char *element_name, const char *column, Oid *type);
extern const char *compile_field_or_null(Compiler *c, const char *element, const char *column);
extern ObscoreJoin *compile_add_join(Compiler *c, const char *alias, const char *table);
extern void compile_add_key(ObscoreJoin *join, const char *column, const char *value);

/* compile_text.c */
extern char *compile_text(Compiler *c, const char *text, const char *path, bool *missing);
extern const char *compile_integer(Compiler *c, const char *text, const char *path);

/* compile_region.c */
extern char *compile_region_arguments(Compiler *c);

#endif							/* CATREG_OBSCORE_COMPILE_H */
