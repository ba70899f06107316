/*-------------------------------------------------------------------------
 *
 * src/tiled/canonical_json.h
 *	  The text that Tiled's structure ids are hashes of.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CATREG_CANONICAL_JSON_H
#define CATREG_CANONICAL_JSON_H

#include "tiled/json_tree.h"

extern const char *canonical_json(JsonTreeArena *arena,
								  const JsonTreeNode *node, size_t *length,
								  JsonTreeError *error);

#endif							/* CATREG_CANONICAL_JSON_H */
