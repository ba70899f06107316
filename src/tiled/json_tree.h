/*-------------------------------------------------------------------------
 *
 * src/tiled/json_tree.h
 *	  A strict reader of JSON (RFC 8259) into a light tree.
 *
 * PostgreSQL's own json parser hands numbers out as text but keeps duplicate
 * keys, lone surrogates and the extent of a value from its caller; json-c
 * turns numbers into doubles.  Tiled's structure ids depend on all of these,
 * so the text is read here.  This file needs no server.
 *
 * Everything a tree consists of lives in an arena, which is rewound, not
 * freed, between documents: reading many documents allocates only while the
 * largest of them so far is being read.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CATREG_JSON_TREE_H
#define CATREG_JSON_TREE_H

#include <stddef.h>

/* Deeper documents are refused; Python's own limit is about the same */
#define JSON_TREE_MAX_DEPTH 1000

/* Python's limit for turning text into an integer and back */
#define JSON_TREE_MAX_INTEGER_DIGITS 4300

/*
 * Gets memory that stays valid as long as the arena is used.  May return NULL,
 * which surfaces as JSON_TREE_ERROR_OUT_OF_MEMORY, or not return at all.
 */
typedef void *(*JsonTreeAlloc) (void *context, size_t size);

typedef struct JsonTreeArena JsonTreeArena;

typedef enum JsonTreeKind
{
	JSON_TREE_NULL,
	JSON_TREE_FALSE,
	JSON_TREE_TRUE,
	JSON_TREE_INTEGER,			/* a number without '.', 'e' or 'E' */
	JSON_TREE_FLOAT,
	JSON_TREE_STRING,
	JSON_TREE_ARRAY,
	JSON_TREE_OBJECT
} JsonTreeKind;

typedef struct JsonTreeNode
{
	JsonTreeKind kind;
	int			n_children;		/* members are counted as written */
	const char *source;			/* this value's extent in the input */
	size_t		source_length;
	const char *string;			/* STRING: decoded UTF-8 with a NUL behind it;
								 * may hold NULs itself, from \u0000 */
	size_t		string_length;
	const char *key;			/* a member's key, in the same form */
	size_t		key_length;
	struct JsonTreeNode *first_child;
	struct JsonTreeNode *next;	/* next element or member, as written */
} JsonTreeNode;

typedef enum JsonTreeErrorCode
{
	JSON_TREE_ERROR_NONE,
	JSON_TREE_ERROR_OUT_OF_MEMORY,
	JSON_TREE_ERROR_END,
	JSON_TREE_ERROR_CHARACTER,
	JSON_TREE_ERROR_TRAILING,
	JSON_TREE_ERROR_NUMBER,
	JSON_TREE_ERROR_CONTROL,
	JSON_TREE_ERROR_ESCAPE,
	JSON_TREE_ERROR_SURROGATE,
	JSON_TREE_ERROR_UTF8,
	JSON_TREE_ERROR_INTEGER_DIGITS,
	JSON_TREE_ERROR_FLOAT_RANGE,
	JSON_TREE_ERROR_DEPTH
} JsonTreeErrorCode;

typedef struct JsonTreeError
{
	JsonTreeErrorCode code;
	size_t		offset;			/* in bytes; of the text given */
} JsonTreeError;

extern JsonTreeArena *json_tree_arena_create(JsonTreeAlloc alloc, void *context);
extern void json_tree_arena_reset(JsonTreeArena *arena);
extern void *json_tree_arena_allocate(JsonTreeArena *arena, size_t size);

extern const JsonTreeNode *json_tree_parse(JsonTreeArena *arena,
										   const char *text, size_t length,
										   JsonTreeError *error);
extern const JsonTreeNode *json_tree_member(const JsonTreeNode *object,
											const char *name);
extern const char *json_tree_error_text(JsonTreeErrorCode code);

#endif							/* CATREG_JSON_TREE_H */
