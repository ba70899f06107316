/*-------------------------------------------------------------------------
 *
 * src/tiled/structure_id.c
 *	  Tiled's id of a structure: the md5 of its canonical JSON.
 *
 * Tiled's catalog/utils.py compute_structure_id defines it.  The argument is
 * json, never jsonb: jsonb turns 1e16 into 10000000000000000, and with that
 * the id of a float into that of an integer.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/md5.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "core/compat.h"
#include "tiled/tiled_json.h"

/* Bytes shown of the text before and from the place of an error on */
#define EXCERPT_BEFORE 24
#define EXCERPT_BEHIND 24

static void *
allocate_in_context(void *context, size_t size)
{
	return MemoryContextAllocHuge((MemoryContext) context, size);
}

/*
 * An arena for JSON that goes with the memory context.  Where that is reset,
 * the arena is gone too.
 */
JsonTreeArena *
json_tree_arena_in(MemoryContext context)
{
	return json_tree_arena_create(allocate_in_context, context);
}

static bool
utf8_is_continuation(char c)
{
	return (c & 0xc0) == 0x80;
}

/*
 * The part of a UTF-8 text from "start" to "end", in the server's encoding,
 * cut between characters.
 */
static char *
json_excerpt(const char *json, size_t length, size_t start, size_t end)
{
	char	   *excerpt;

	while (start > 0 && start < length && utf8_is_continuation(json[start]))
		start--;
	while (end > start && end < length && utf8_is_continuation(json[end]))
		end--;
	excerpt = pnstrdup(json + start, end - start);
	excerpt = pg_any_to_server(excerpt, strlen(excerpt), PG_UTF8);
	return psprintf("%s%s%s", start > 0 ? "..." : "", excerpt, end < length ? "..." : "");
}

/*
 * Raises the error that json_tree_parse or canonical_json met.  "json" is what
 * its offset counts from: the document of the former, the source of the value
 * given to the latter.
 */
void
json_tree_report(const JsonTreeError *error, const char *json, size_t length)
{
	size_t		offset = Min(error->offset, length);
	size_t		start = offset > EXCERPT_BEFORE ? offset - EXCERPT_BEFORE : 0;
	size_t		end = Min(length, offset + EXCERPT_BEHIND);
	int			position = 1;
	size_t		i;

	for (i = 0; i < offset; i++)
		position += utf8_is_continuation(json[i]) ? 0 : 1;

	switch (error->code)
	{
		case JSON_TREE_ERROR_OUT_OF_MEMORY:
			ereport(ERROR,
					(errcode(ERRCODE_OUT_OF_MEMORY),
					 errmsg("out of memory"),
					 errdetail("Failed while reading %zu bytes of JSON.", length)));
			break;
		case JSON_TREE_ERROR_UTF8:
			/* nothing that the client could be shown */
			ereport(ERROR,
					(errcode(ERRCODE_CHARACTER_NOT_IN_REPERTOIRE),
					 errmsg("invalid byte sequence in JSON: 0x%02x",
							offset < length ? (unsigned char) json[offset] : 0),
					 errdetail("At character %d there is %s.",
							   position, json_tree_error_text(error->code))));
			break;
		case JSON_TREE_ERROR_INTEGER_DIGITS:
		case JSON_TREE_ERROR_FLOAT_RANGE:
			for (i = offset; i < length && strchr("+-.0123456789Ee", json[i]) != NULL; i++)
				;
			end = Min(i, end);
			ereport(ERROR,
					(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					 errmsg("number \"%.*s%s\" in JSON is out of range",
							(int) (end - offset), json + offset, end < i ? "..." : ""),
					 errdetail("At character %d there is %s.",
							   position, json_tree_error_text(error->code))));
			break;
		case JSON_TREE_ERROR_DEPTH:
			ereport(ERROR,
					(errcode(ERRCODE_STATEMENT_TOO_COMPLEX),
					 errmsg("JSON \"%s\" is nested too deeply",
							json_excerpt(json, length, 0, Min(length, EXCERPT_BEHIND))),
					 errdetail("At character %d there is %s.",
							   position, json_tree_error_text(error->code))));
			break;
		default:
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
					 errmsg("invalid JSON: \"%s\"",
							json_excerpt(json, length, start, end)),
					 errdetail("At character %d there is %s.",
							   position, json_tree_error_text(error->code))));
			break;
	}
	pg_unreachable();
}

/*
 * Writes the id that belongs to a canonical text to "hexsum", which has room
 * for STRUCTURE_ID_SIZE bytes.
 */
void
structure_id_hash(const char *canonical, size_t length, char *hexsum)
{
	const char *problem = NULL;

	if (!pg_md5_hash(canonical, length, hexsum, &problem))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not compute %s hash: %s", "MD5", problem)));
}

/*
 * structure_id(structure json) returns text
 */
PG_FUNCTION_INFO_V1(structure_id);

Datum
structure_id(PG_FUNCTION_ARGS)
{
	text	   *structure = PG_GETARG_TEXT_PP(0);
	const char *source = VARDATA_ANY(structure);
	size_t		length = VARSIZE_ANY_EXHDR(structure);
	JsonTreeArena *arena = json_tree_arena_in(CurrentMemoryContext);
	const JsonTreeNode *root;
	const char *canonical;
	size_t		canonical_length;
	JsonTreeError error;
	char		hexsum[STRUCTURE_ID_SIZE];
	char	   *utf8;

	utf8 = pg_server_to_any(source, (int) length, PG_UTF8);
	if (utf8 != source)
		length = strlen(utf8);

	root = json_tree_parse(arena, utf8, length, &error);
	if (root == NULL)
		json_tree_report(&error, utf8, length);
	canonical = canonical_json(arena, root, &canonical_length, &error);
	if (canonical == NULL)
		json_tree_report(&error, root->source, root->source_length);
	structure_id_hash(canonical, canonical_length, hexsum);
	PG_RETURN_TEXT_P(cstring_to_text(hexsum));
}
