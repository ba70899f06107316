/*-------------------------------------------------------------------------
 *
 * src/butler/registry.h
 *	  What a Butler registry's tables say of themselves.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CATREG_BUTLER_REGISTRY_H
#define CATREG_BUTLER_REGISTRY_H

#include "butler/universe.h"

typedef struct DatasetType
{
	char	   *name;
	int64		id;
	char	   *storage_class;
	Oid			tags;			/* the table that its datasets stand in */
	Oid			calibs;			/* InvalidOid: it is no calibration */
	List	   *required;		/* names of dimensions, columns of that table */
} DatasetType;

typedef struct Registry
{
	Oid			namespace;
	char	   *schema;			/* quoted */
	Universe   *universe;
	/* collections go by a number or, in older registries, by their names */
	char	   *collection_key; /* of collection */
	Oid			collection_type;
	Oid			key_type;		/* of Collection.key: int8, or text */
	char	   *tag_key;		/* of the tags tables */
	char	   *run_key;		/* of dataset */
	Oid			collection;
	Oid			collection_chain;
	Oid			dataset;
	Oid			dataset_type;
} Registry;

extern Registry *registry_open(Oid namespace);
extern char *registry_attribute(const Registry *registry, const char *name);
extern List *registry_dataset_types(const Registry *registry);
extern Oid	registry_table(const Registry *registry, const char *name);
extern Oid	registry_needed_table(const Registry *registry, const char *name);

#endif							/* CATREG_BUTLER_REGISTRY_H */
