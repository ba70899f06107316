/*-------------------------------------------------------------------------
 *
 * src/obscore/config_reader.h
 *	  Reading a JSON document by a schema, with errors that say where.
 *
 * A function that reads returns false once an error has been noted; only the
 * first is kept.  This file needs no server.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CATREG_OBSCORE_CONFIG_READER_H
#define CATREG_OBSCORE_CONFIG_READER_H

#include <stdint.h>

#include <json-c/json.h>

#include "obscore/config.h"

typedef struct ObscoreReader
{
	ObscoreAlloc alloc;
	void	   *context;
	struct ObscoreBlock *blocks;
	ObscoreConfigReport *report;
} ObscoreReader;

/* A value of the document and the way to it */
typedef struct ObscoreNode
{
	const struct ObscoreNode *parent;	/* NULL: the document */
	const char *key;			/* NULL: an element of an array */
	size_t		index;
	struct json_object *value;
} ObscoreNode;

/* A walk over an object's members, which leaves out those that are null */
typedef struct ObscoreMembers
{
	const ObscoreNode *object;
	struct json_object_iterator at;
	struct json_object_iterator end;
} ObscoreMembers;

typedef bool (*ObscoreRead) (ObscoreReader *reader, const ObscoreNode *node, void *target);

/* A key that an object may have, and what reads its value */
typedef struct ObscoreKey
{
	const char *name;
	ObscoreRead read;
	size_t		offset;			/* of read's target in the object's */
	bool		required;
} ObscoreKey;

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/* For tables of keys: what is read goes into a field, or is for the whole */
#define KEY(name, read, type, field, required) {name, read, offsetof(type, field), required}
#define WHOLE(name, read, required) {name, read, 0, required}

#if defined(__GNUC__)
#define OBSCORE_PRINTF(f, a) __attribute__((format(printf, f, a)))
#else
#define OBSCORE_PRINTF(f, a)
#endif

/* memory and texts; NULL, and an error noted, when there is no memory */
extern void *obscore_reader_allocate(ObscoreReader *reader, size_t count, size_t size);
extern char *obscore_reader_format(ObscoreReader *reader, const char *format,...) OBSCORE_PRINTF(2, 3);
extern char *obscore_reader_quote(ObscoreReader *reader, const char *text);
extern char *obscore_reader_path(ObscoreReader *reader, const ObscoreNode *node);
extern void obscore_reader_release(struct ObscoreBlock *blocks);

/* errors and warnings */
extern bool obscore_reader_fail(ObscoreReader *reader, const ObscoreNode *node, const char *hint,
								const char *format,...) OBSCORE_PRINTF(4, 5);
extern bool obscore_reader_warn(ObscoreReader *reader, const char *format,...) OBSCORE_PRINTF(2, 3);
extern bool obscore_reader_wrong_type(ObscoreReader *reader, const ObscoreNode *node,
									  const char *wanted);

/* the document and its values */
extern struct json_object *obscore_reader_document(ObscoreReader *reader, const char *json,
												   size_t length);
extern bool obscore_reader_members(ObscoreReader *reader, const ObscoreNode *node,
								   const ObscoreKey *keys, size_t n_keys, void *target);
extern bool obscore_reader_is(ObscoreReader *reader, const ObscoreNode *node, json_type type);
extern ObscoreMembers obscore_reader_walk(const ObscoreNode *object);
extern bool obscore_reader_next(ObscoreMembers *members, ObscoreNode *member);
extern size_t obscore_reader_count(const ObscoreNode *object);
extern bool obscore_reader_string(ObscoreReader *reader, const ObscoreNode *node, void *target);
extern bool obscore_reader_integer(ObscoreReader *reader, const ObscoreNode *node,
								   int64_t min, int64_t max, int64_t *value);
extern bool obscore_reader_number(ObscoreReader *reader, const ObscoreNode *node, double *value);
extern bool obscore_reader_strings(ObscoreReader *reader, const ObscoreNode *node,
								   int *n, const char ***strings);

/* config_columns.c */
extern bool obscore_check_name(ObscoreReader *reader, const ObscoreNode *node, const char *name);
extern bool obscore_read_name(ObscoreReader *reader, const ObscoreNode *node, void *target);
extern bool obscore_standard_column(const char *name, ObscoreValueType *type, int *bytes);
extern bool obscore_check_extra_name(ObscoreReader *reader, const ObscoreNode *node);
extern bool obscore_read_value_type(ObscoreReader *reader, const ObscoreNode *node, void *target);
extern bool obscore_read_length(ObscoreReader *reader, const ObscoreNode *node, void *target);
extern bool obscore_read_constant(ObscoreReader *reader, const ObscoreNode *node, ObscoreExtraColumn *column);
extern bool obscore_read_indices(ObscoreReader *reader, const ObscoreNode *node, void *target);
extern bool obscore_read_extra_columns(ObscoreReader *reader, const ObscoreNode *node, int *n_extra,
									   ObscoreExtraColumn **extra);
extern bool obscore_read_spatial_plugins(ObscoreReader *reader, const ObscoreNode *node, void *target);
extern bool obscore_check_columns(ObscoreReader *reader, const ObscoreNode *document,
								  const ObscoreConfig *config);

/* tiled_config.c */
extern bool obscore_is_tiled(struct json_object *document);
extern bool obscore_read_tiled(ObscoreReader *reader, const ObscoreNode *document, ObscoreConfig *config);

#endif							/* CATREG_OBSCORE_CONFIG_READER_H */
