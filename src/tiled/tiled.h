/*-------------------------------------------------------------------------
 *
 * src/tiled/tiled.h
 *	  A Tiled catalog, and bulk registration in it.
 *
 * Written against tiled 0.2.20 and 0.2.16: tiled/catalog/orm.py has the
 * tables, tiled/catalog/adapter.py (create_node, delete, replace_metadata)
 * what the server does.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CATREG_TILED_H
#define CATREG_TILED_H

#include "postgres.h"

/* The tables of a catalog and what its version has. */
typedef struct TiledLayout
{
	Oid			schema;
	Oid			nodes;
	Oid			closure;
	Oid			structures;
	Oid			data_sources;
	Oid			assets;
	Oid			association;
	Oid			revisions;
	bool		has_access_blob;	/* nodes and revisions have it; to 0.2.16 */
	Oid			access_tags;	/* with node_tags, in place of it; from 0.2.20 */
	Oid			node_tags;
	bool		node_tags_have_parent;
	Oid			family_type;	/* enums */
	Oid			management_type;
	Oid			nodes_sequence;
	Oid			data_sources_sequence;
	Oid			assets_sequence;
} TiledLayout;

#define TILED_ROOT 0			/* the id of a catalog's root */

/* layout.c */
extern void tiled_layout(Oid schema, TiledLayout *layout);
extern Oid	tiled_enum_value(Oid type, const char *label);
extern char *tiled_enum_labels(Oid type);

#endif							/* CATREG_TILED_H */
