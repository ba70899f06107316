/*-------------------------------------------------------------------------
 *
 * src/obscore/tiled_config.h
 *	  The configuration of an ObsCore table of a Tiled catalog's nodes.
 *
 * This file needs no server.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CATREG_OBSCORE_TILED_CONFIG_H
#define CATREG_OBSCORE_TILED_CONFIG_H

#include "obscore/config.h"

/* What a node has beside its metadata, by these names in the document. */
typedef enum ObscoreTiledField
{
	TILED_ID,
	TILED_KEY,
	TILED_PATH,
	TILED_URL_PATH,				/* the same with what a URL needs escaped */
	TILED_STRUCTURE_FAMILY,
	TILED_DATA_URI,				/* of its first asset */
	TILED_MIMETYPE,				/* of its first data source */
	TILED_SIZE,					/* of all its assets, in kilobytes */
	N_TILED_FIELDS
} ObscoreTiledField;

extern const char *const obscore_tiled_fields[N_TILED_FIELDS];

/* How a number, or a text, becomes what the column holds. */
typedef enum ObscoreTiledUnit
{
	TILED_UNIT_NONE,
	TILED_UNIX,					/* seconds since 1970: MJD */
	TILED_ISO,					/* text of ISO 8601: MJD */
	TILED_EV,					/* energy of a photon: metres */
	TILED_KEV,
	TILED_NM,					/* metres */
	TILED_UM,
	TILED_ANGSTROM,
	TILED_MS,					/* seconds */
	TILED_RAD,					/* degrees */
	N_TILED_UNITS
} ObscoreTiledUnit;

typedef enum ObscoreTiledKind
{
	TILED_CONSTANT,
	TILED_METADATA,
	TILED_FIELD,
	TILED_TEMPLATE
} ObscoreTiledKind;

/* Where a column's values come from; see obscore_read_tiled(). */
typedef struct ObscoreTiledColumn
{
	ObscoreExtraColumn base;	/* name, type, constant, template */
	int			bytes;			/* of an integer's type in ObsCore, or 0 */
	ObscoreTiledKind kind;
	int			n_metadata;		/* keys that lead to a value */
	const char **metadata;
	ObscoreTiledField field;
	ObscoreTiledUnit unit;
	bool		optional;		/* what is not there is no problem */
	bool		has_type;		/* the document gives one */
} ObscoreTiledColumn;

typedef struct ObscoreTiledConfig
{
	int			n_specs;		/* nodes that have one of these; 0: any */
	const char **specs;
	int			n_families;		/* 0: any */
	const char **families;
	int			n_subtree;		/* keys of the container that they are below; 0: the root */
	const char **subtree;
	int			n_columns;
	ObscoreTiledColumn *columns;
	int			n_extra;
	ObscoreTiledColumn *extra;
} ObscoreTiledConfig;

#endif							/* CATREG_OBSCORE_TILED_CONFIG_H */
