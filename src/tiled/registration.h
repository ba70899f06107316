/*-------------------------------------------------------------------------
 *
 * src/tiled/registration.h
 *	  What register_nodes() knows of its batch.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CATREG_REGISTRATION_H
#define CATREG_REGISTRATION_H

#include "executor/spi.h"
#include "utils/tuplestore.h"

#include "core/on_conflict.h"
#include "tiled/interned.h"
#include "tiled/path_tree.h"
#include "tiled/tiled.h"
#include "tiled/tiled_json.h"

typedef enum NodeStatus
{
	NODE_INSERTED,
	NODE_EXISTING,
	NODE_REPLACED
} NodeStatus;

/* The columns of a batch, in the order in which they are read. */
typedef enum BatchColumn
{
	BATCH_PARENT,
	BATCH_KEY,
	BATCH_FAMILY,
	BATCH_METADATA,
	BATCH_SPECS,
	BATCH_ACCESS_TAGS,
	BATCH_ACCESS_BLOB,
	BATCH_DATA_SOURCES,
	BATCH_COLUMNS
} BatchColumn;

typedef struct BatchRow
{
	PathEntry  *entry;
	Oid			family;
	int32		n_sources;
	int32		n_tags;
	NodeStatus	status;
} BatchRow;

/* Something that nodes refer to, once for all who do. */
typedef struct Reference
{
	Interned	text;			/* first; its key in the catalog */
	bool		needed;			/* by a new node */
	bool		known;			/* it is in the catalog */
	int64		id;				/* where it has one */
} Reference;

/* Its key is its data_uri. */
typedef struct AssetEntry
{
	Reference	reference;		/* first */
	bool		is_directory;	/* this and size: by its uses in new nodes */
	bool		has_size;
	bool		has_old_size;
	int64		size;
	int64		old_size;
} AssetEntry;

typedef struct StructureEntry
{
	Reference	reference;		/* first */
	Datum		structure;		/* jsonb */
} StructureEntry;

/* A text that stands for a jsonb. */
typedef struct JsonbEntry
{
	Interned	text;			/* first */
	Datum		value;
} JsonbEntry;

/* The text of a structure, as given, and its id. */
typedef struct StructureText
{
	Interned	text;			/* first */
	StructureEntry *structure;
} StructureText;

typedef struct MimetypeEntry
{
	Interned	text;			/* first */
	Datum		value;			/* text */
} MimetypeEntry;

typedef MimetypeEntry ParameterEntry;

/* The data sources of all rows follow one another in a row's order, and so do
 * the assets of all data sources. */
typedef struct DataSource
{
	StructureEntry *structure;	/* NULL: none */
	MimetypeEntry *mimetype;
	JsonbEntry *parameters;
	JsonbEntry *properties;
	Oid			family;
	Oid			management;
	int32		n_assets;
} DataSource;

typedef struct AssetUse
{
	AssetEntry *asset;
	ParameterEntry *parameter;	/* NULL: none */
	int64		size;
	int32		num;
	bool		has_num;
	bool		has_size;
	bool		is_directory;
} AssetUse;

typedef struct DataSources
{
	DataSource *sources;
	int64		n_sources;
	int64		allocated_sources;
	AssetUse   *uses;
	int64		n_uses;
	int64		allocated_uses;
	InternTable *assets;		/* AssetEntry */
	InternTable *structures;	/* StructureEntry */
	InternTable *structure_texts;	/* StructureText */
	InternTable *jsonbs;		/* JsonbEntry */
	InternTable *mimetypes;		/* MimetypeEntry */
	InternTable *parameters;	/* ParameterEntry */
	JsonTreeArena *arena;
} DataSources;

typedef struct Registration
{
	TiledLayout layout;
	OnConflict	on_conflict;
	MemoryContext context;
	Tuplestorestate *store;		/* the batch, row by row, as in BatchColumn */
	TupleDesc	store_desc;
	PathTree   *paths;
	BatchRow   *rows;
	int64		n_rows;
	int64		allocated_rows;
	DataSources sources;
	InternTable *tags;			/* Reference; the key is a tag's name */
	Reference **row_tags;		/* of all rows, one after the other */
	int64		n_row_tags;
	int64		allocated_row_tags;
	bool		publish;		/* were ObsCore's triggers left out? */
} Registration;

/* batch.c */
extern void batch_read(Registration *registration, Oid batch);

/* data_sources.c */
extern void data_sources_init(DataSources *sources);
extern int32 data_sources_parse(DataSources *sources, const TiledLayout *layout,
								const char *text, Size length);

/* jsonb_numbers.c */
extern void jsonb_check_numbers(Datum value, const char *what);

/* specs.c */
extern Datum specs_normalize(Datum specs);

/* resolve.c */
extern void resolve_paths(PathTree *paths, Oid nodes);
extern void resolve_nodes(Registration *registration);
extern bool lock_known_nodes(Registration *registration);
extern void resolve_references(Registration *registration);

/* store.c */
extern void store_batch(Registration *registration);

#endif							/* CATREG_REGISTRATION_H */
