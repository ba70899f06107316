/*-------------------------------------------------------------------------
 *
 * src/tiled/tiled_json.h
 *	  What binds the JSON reader and the canonical text to the server.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CATREG_TILED_JSON_H
#define CATREG_TILED_JSON_H

#include "postgres.h"

#include "tiled/canonical_json.h"
#include "tiled/json_tree.h"

/* Bytes of a structure id's text, the terminating NUL included */
#define STRUCTURE_ID_SIZE 33

extern JsonTreeArena *json_tree_arena_in(MemoryContext context);
extern void json_tree_report(const JsonTreeError *error, const char *json,
							 size_t length) pg_attribute_noreturn();
extern void structure_id_hash(const char *canonical, size_t length,
							  char *hexsum);

#endif							/* CATREG_TILED_JSON_H */
