/*-------------------------------------------------------------------------
 *
 * src/butler/search_path.h
 *	  From names and patterns to collections, in the order of their search.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CATREG_BUTLER_SEARCH_PATH_H
#define CATREG_BUTLER_SEARCH_PATH_H

#include "postgres.h"

#include "nodes/pg_list.h"
#include "utils/array.h"

#include "butler/registry.h"
#include "butler/select.h"

/* As the table collection has them */
typedef enum CollectionType
{
	COLLECTION_RUN = 1,
	COLLECTION_TAGGED = 2,
	COLLECTION_CHAINED = 3,
	COLLECTION_CALIBRATION = 4
} CollectionType;

typedef struct Collection
{
	Datum		key;			/* int8, or text where collections go by their names: Registry.key_type */
	char	   *name;
	CollectionType type;
} Collection;

typedef struct SearchPath
{
	int			n;
	Collection *collections;	/* each once */
} SearchPath;

extern SearchPath *search_path_match(const Registry *registry, const List *expressions,
									 SelectSnapshot snapshot);
extern SearchPath *search_path_flatten(const Registry *registry, const List *expressions,
									   SelectSnapshot snapshot);
extern char *search_path_key_text(const Registry *registry, Datum key);
extern int	search_path_compare_keys(Oid key_type, Datum a, Datum b);
extern ArrayType *search_path_keys(const Registry *registry, const SearchPath *path);
extern ArrayType *search_path_names(const SearchPath *path);
extern const char *collection_type_name(CollectionType type);

#endif							/* CATREG_BUTLER_SEARCH_PATH_H */
