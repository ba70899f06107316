/*-------------------------------------------------------------------------
 *
 * src/tiled/json_tree.c
 *	  A strict reader of JSON (RFC 8259) into a light tree.
 *
 * What is accepted is the intersection of RFC 8259 and what Tiled can make a
 * structure id of (catalog/utils.py compute_structure_id, which stands on
 * Python's json and the canonicaljson package): UTF-8 without a byte order
 * mark, no lone surrogates, no NaN or Infinity, integers of any size up to
 * Python's limit of 4300 digits.
 *
 *-------------------------------------------------------------------------
 */
#include "tiled/json_tree.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* What one ordinary block takes from the allocator, its header included */
#define ARENA_BLOCK_SIZE 8192

/* Large requests are rounded to powers of two up to here, then to multiples */
#define ARENA_LARGE_GRAIN ((size_t) 1024 * 1024)

#define ARENA_ALIGNMENT 8

typedef struct ArenaBlock
{
	struct ArenaBlock *next;
	size_t		size;			/* of the bytes behind this header */
} ArenaBlock;

#define ARENA_BLOCK_ROOM (ARENA_BLOCK_SIZE - sizeof(ArenaBlock))

/*
 * Requests of up to ARENA_BLOCK_ROOM bytes are cut from the blocks of one list
 * in turn; larger ones each take a block of the other list.  Two lists, so
 * that after a reset neither kind has to search among the other's blocks.
 */
struct JsonTreeArena
{
	JsonTreeAlloc alloc;
	void	   *context;
	ArenaBlock *first;
	ArenaBlock *current;
	size_t		used;			/* of the current block */
	ArenaBlock *first_large;
	ArenaBlock **free_large;	/* link to the first one not yet handed out */
};

typedef struct JsonParser
{
	JsonTreeArena *arena;
	const char *text;
	const char *at;
	const char *end;
	int			depth;
	JsonTreeError *error;
} JsonParser;

static bool parse_value(JsonParser *parser, JsonTreeNode *node);


/*
 * Makes an arena, or returns NULL when there is no memory.
 */
JsonTreeArena *
json_tree_arena_create(JsonTreeAlloc alloc, void *context)
{
	JsonTreeArena *arena = alloc(context, sizeof(JsonTreeArena));

	if (arena == NULL)
		return NULL;
	memset(arena, 0, sizeof(JsonTreeArena));
	arena->alloc = alloc;
	arena->context = context;
	arena->free_large = &arena->first_large;
	return arena;
}

/*
 * Takes back all that was handed out, to be handed out again.
 */
void
json_tree_arena_reset(JsonTreeArena *arena)
{
	arena->current = arena->first;
	arena->used = 0;
	arena->free_large = &arena->first_large;
}

static ArenaBlock *
arena_add_block(JsonTreeArena *arena, size_t room)
{
	ArenaBlock *block = arena->alloc(arena->context, sizeof(ArenaBlock) + room);

	if (block == NULL)
		return NULL;
	block->next = NULL;
	block->size = room;
	return block;
}

/*
 * A block for one large request.  The sizes are rounded, lest a run of ever
 * slightly larger documents keep a block for each.
 */
static void *
arena_allocate_large(JsonTreeArena *arena, size_t size)
{
	ArenaBlock **link = arena->free_large;
	ArenaBlock *block;
	size_t		room = ARENA_BLOCK_SIZE;

	while (*link != NULL && (*link)->size < size)
		link = &(*link)->next;
	if (*link == NULL)
	{
		while (room < size && room < ARENA_LARGE_GRAIN)
			room *= 2;
		if (room < size)
		{
			if (size > SIZE_MAX - 2 * ARENA_LARGE_GRAIN)
				return NULL;
			room = (size + ARENA_LARGE_GRAIN - 1) / ARENA_LARGE_GRAIN * ARENA_LARGE_GRAIN;
		}
		block = arena_add_block(arena, room);
		if (block == NULL)
			return NULL;
	}
	else
	{
		block = *link;
		*link = block->next;
	}

	/* those handed out stand before those that are free */
	block->next = *arena->free_large;
	*arena->free_large = block;
	arena->free_large = &block->next;
	return block + 1;
}

static void *
arena_allocate(JsonTreeArena *arena, size_t size, size_t alignment)
{
	ArenaBlock *next;
	size_t		start;

#ifdef JSON_TREE_EXACT_ALLOCATIONS
	/* for the tests: shows a sanitizer where each allocation ends */
	return arena->alloc(arena->context, size);
#endif

	if (size > ARENA_BLOCK_ROOM)
		return arena_allocate_large(arena, size);

	start = (arena->used + alignment - 1) / alignment * alignment;
	if (arena->current == NULL || start + size > ARENA_BLOCK_ROOM)
	{
		next = arena->current ? arena->current->next : NULL;
		if (next == NULL)
		{
			next = arena_add_block(arena, ARENA_BLOCK_ROOM);
			if (next == NULL)
				return NULL;
			if (arena->current)
				arena->current->next = next;
			else
				arena->first = next;
		}
		arena->current = next;
		start = 0;
	}
	arena->used = start + size;
	return (char *) (arena->current + 1) + start;
}

/*
 * Memory for any use that lasts until the arena is reset, or NULL.
 */
void *
json_tree_arena_allocate(JsonTreeArena *arena, size_t size)
{
	return arena_allocate(arena, size, ARENA_ALIGNMENT);
}

/*
 * Notes the error and returns false, for the callers to pass on.
 */
static bool
fail(JsonParser *parser, JsonTreeErrorCode code, const char *at)
{
	parser->error->code = code;
	parser->error->offset = (size_t) (at - parser->text);
	return false;
}

static bool
fail_unexpected(JsonParser *parser)
{
	return fail(parser,
				parser->at < parser->end ? JSON_TREE_ERROR_CHARACTER : JSON_TREE_ERROR_END,
				parser->at);
}

static void
skip_space(JsonParser *parser)
{
	while (parser->at < parser->end &&
		   (*parser->at == ' ' || *parser->at == '\n' ||
			*parser->at == '\t' || *parser->at == '\r'))
		parser->at++;
}

/*
 * The length of the UTF-8 sequence at "at", or 0 if it is none: cut short,
 * overlong, a surrogate's, or beyond U+10FFFF (Unicode's table 3-7).
 */
static int
utf8_length(const char *at, const char *end)
{
	const unsigned char *byte = (const unsigned char *) at;
	unsigned char low = 0x80;
	unsigned char high = 0xbf;
	int			length;
	int			i;

	if (byte[0] < 0x80)
		return 1;
	if (byte[0] >= 0xc2 && byte[0] <= 0xdf)
		length = 2;
	else if (byte[0] >= 0xe0 && byte[0] <= 0xef)
		length = 3;
	else if (byte[0] >= 0xf0 && byte[0] <= 0xf4)
		length = 4;
	else
		return 0;
	if (end - at < length)
		return 0;

	/* the second byte's range depends on the first */
	if (byte[0] == 0xe0)
		low = 0xa0;
	else if (byte[0] == 0xed)
		high = 0x9f;
	else if (byte[0] == 0xf0)
		low = 0x90;
	else if (byte[0] == 0xf4)
		high = 0x8f;
	if (byte[1] < low || byte[1] > high)
		return 0;
	for (i = 2; i < length; i++)
	{
		if (byte[i] < 0x80 || byte[i] > 0xbf)
			return 0;
	}
	return length;
}

/*
 * The value of four hexadecimal digits, or -1.
 */
static int
parse_hex4(const char *at, const char *end)
{
	int			value = 0;
	int			i;

	if (end - at < 4)
		return -1;
	for (i = 0; i < 4; i++)
	{
		char		c = at[i];

		if (c >= '0' && c <= '9')
			value = value * 16 + (c - '0');
		else if (c >= 'a' && c <= 'f')
			value = value * 16 + (c - 'a' + 10);
		else if (c >= 'A' && c <= 'F')
			value = value * 16 + (c - 'A' + 10);
		else
			return -1;
	}
	return value;
}

static char *
put_utf8(char *to, int code_point)
{
	if (code_point < 0x80)
		*to++ = (char) code_point;
	else if (code_point < 0x800)
	{
		*to++ = (char) (0xc0 | code_point >> 6);
		*to++ = (char) (0x80 | (code_point & 0x3f));
	}
	else if (code_point < 0x10000)
	{
		*to++ = (char) (0xe0 | code_point >> 12);
		*to++ = (char) (0x80 | (code_point >> 6 & 0x3f));
		*to++ = (char) (0x80 | (code_point & 0x3f));
	}
	else
	{
		*to++ = (char) (0xf0 | code_point >> 18);
		*to++ = (char) (0x80 | (code_point >> 12 & 0x3f));
		*to++ = (char) (0x80 | (code_point >> 6 & 0x3f));
		*to++ = (char) (0x80 | (code_point & 0x3f));
	}
	return to;
}

/*
 * Decodes the \u escape at *from, of two halves where it is a surrogate pair,
 * and steps over it.  Returns -1 after noting an error.
 */
static int
parse_unicode_escape(JsonParser *parser, const char **from, const char *end)
{
	const char *at = *from;
	int			high = parse_hex4(at + 2, end);
	int			low;

	if (high < 0)
	{
		fail(parser, JSON_TREE_ERROR_ESCAPE, at);
		return -1;
	}
	*from = at + 6;
	if (high < 0xd800 || high > 0xdfff)
		return high;

	low = -1;
	if (high <= 0xdbff && end - at >= 12 && at[6] == '\\' && at[7] == 'u')
		low = parse_hex4(at + 8, end);
	if (low < 0xdc00 || low > 0xdfff)
	{
		fail(parser, JSON_TREE_ERROR_SURROGATE, at);
		return -1;
	}
	*from = at + 12;
	return 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
}

/*
 * Decodes the inside of a string literal, from "from" to "end", to "to", which
 * has room for as many bytes: no escape is shorter than what it stands for.
 * Returns the end of what was written, or NULL after noting an error.
 */
static char *
decode_escapes(JsonParser *parser, const char *from, const char *end, char *to)
{
	while (from < end)
	{
		const char *escape = memchr(from, '\\', (size_t) (end - from));
		size_t		run = (size_t) ((escape ? escape : end) - from);
		int			code_point;

		memcpy(to, from, run);
		to += run;
		from += run;
		if (escape == NULL)
			break;

		/* the scan before has seen to it that a character follows */
		switch (from[1])
		{
			case '"':
			case '\\':
			case '/':
				code_point = from[1];
				break;
			case 'b':
				code_point = '\b';
				break;
			case 'f':
				code_point = '\f';
				break;
			case 'n':
				code_point = '\n';
				break;
			case 'r':
				code_point = '\r';
				break;
			case 't':
				code_point = '\t';
				break;
			case 'u':
				code_point = parse_unicode_escape(parser, &from, end);
				if (code_point < 0)
					return NULL;
				to = put_utf8(to, code_point);
				continue;
			default:
				fail(parser, JSON_TREE_ERROR_ESCAPE, from);
				return NULL;
		}
		*to++ = (char) code_point;
		from += 2;
	}
	return to;
}

/*
 * Reads the string literal that starts at the parser's place: finds its end
 * and checks its bytes first, so that one allocation of the right size does.
 */
static bool
parse_string(JsonParser *parser, const char **string, size_t *length)
{
	const char *start = parser->at + 1;
	const char *at = start;
	const char *end = parser->end;
	bool		escaped = false;
	char	   *decoded;
	char	   *decoded_end;

	for (;;)
	{
		unsigned char c;
		int			n;

		if (at >= end)
			return fail(parser, JSON_TREE_ERROR_END, end);
		c = (unsigned char) *at;
		if (c == '"')
			break;
		if (c < 0x20)
			return fail(parser, JSON_TREE_ERROR_CONTROL, at);
		if (c == '\\')
		{
			escaped = true;
			if (end - at < 2)
				return fail(parser, JSON_TREE_ERROR_END, end);

			/* only '"' and '\' must not be taken for themselves next */
			at += (at[1] == '"' || at[1] == '\\') ? 2 : 1;
		}
		else if (c < 0x80)
			at++;
		else
		{
			n = utf8_length(at, end);
			if (n == 0)
				return fail(parser, JSON_TREE_ERROR_UTF8, at);
			at += n;
		}
	}

	decoded = arena_allocate(parser->arena, (size_t) (at - start) + 1, 1);
	if (decoded == NULL)
		return fail(parser, JSON_TREE_ERROR_OUT_OF_MEMORY, parser->at);
	if (escaped)
	{
		decoded_end = decode_escapes(parser, start, at, decoded);
		if (decoded_end == NULL)
			return false;
	}
	else
	{
		memcpy(decoded, start, (size_t) (at - start));
		decoded_end = decoded + (at - start);
	}
	*decoded_end = '\0';

	*string = decoded;
	*length = (size_t) (decoded_end - decoded);
	parser->at = at + 1;
	return true;
}

/*
 * Steps over a run of digits and returns its length.
 */
static size_t
skip_digits(JsonParser *parser)
{
	const char *start = parser->at;

	while (parser->at < parser->end && *parser->at >= '0' && *parser->at <= '9')
		parser->at++;
	return (size_t) (parser->at - start);
}

/*
 * Reads a number; its value stays in its source text.
 */
static bool
parse_number(JsonParser *parser, JsonTreeNode *node)
{
	const char *start = parser->at;
	const char *first_digit;
	size_t		n_digits;

	node->kind = JSON_TREE_INTEGER;
	if (*parser->at == '-')
		parser->at++;
	first_digit = parser->at;
	n_digits = skip_digits(parser);
	if (n_digits == 0)
		return fail_unexpected(parser);
	if (n_digits > 1 && *first_digit == '0')
		return fail(parser, JSON_TREE_ERROR_NUMBER, start);

	if (parser->at < parser->end && *parser->at == '.')
	{
		node->kind = JSON_TREE_FLOAT;
		parser->at++;
		if (skip_digits(parser) == 0)
			return fail_unexpected(parser);
	}
	if (parser->at < parser->end && (*parser->at == 'e' || *parser->at == 'E'))
	{
		node->kind = JSON_TREE_FLOAT;
		parser->at++;
		if (parser->at < parser->end && (*parser->at == '+' || *parser->at == '-'))
			parser->at++;
		if (skip_digits(parser) == 0)
			return fail_unexpected(parser);
	}
	if (node->kind == JSON_TREE_INTEGER && n_digits > JSON_TREE_MAX_INTEGER_DIGITS)
		return fail(parser, JSON_TREE_ERROR_INTEGER_DIGITS, start);
	return true;
}

static bool
parse_word(JsonParser *parser, JsonTreeNode *node, const char *word, JsonTreeKind kind)
{
	for (; *word != '\0'; word++)
	{
		if (parser->at >= parser->end || *parser->at != *word)
			return fail_unexpected(parser);
		parser->at++;
	}
	node->kind = kind;
	return true;
}

/*
 * Reads an object member's key, its colon and the space behind.
 */
static bool
parse_key(JsonParser *parser, JsonTreeNode *member)
{
	if (parser->at >= parser->end || *parser->at != '"')
		return fail_unexpected(parser);
	if (!parse_string(parser, &member->key, &member->key_length))
		return false;
	skip_space(parser);
	if (parser->at >= parser->end || *parser->at != ':')
		return fail_unexpected(parser);
	parser->at++;
	skip_space(parser);
	return true;
}

static JsonTreeNode *
new_node(JsonParser *parser)
{
	JsonTreeNode *node = arena_allocate(parser->arena, sizeof(JsonTreeNode),
										ARENA_ALIGNMENT);

	if (node == NULL)
		fail(parser, JSON_TREE_ERROR_OUT_OF_MEMORY, parser->at);
	else
		memset(node, 0, sizeof(JsonTreeNode));
	return node;
}

/*
 * Reads an array or an object.  This and parse_value are what recurses: their
 * frames have to stay small, since the stack is the backend's.
 */
static bool
parse_container(JsonParser *parser, JsonTreeNode *node, JsonTreeKind kind, char close)
{
	JsonTreeNode **tail = &node->first_child;
	JsonTreeNode *child;

	node->kind = kind;
	if (++parser->depth > JSON_TREE_MAX_DEPTH)
		return fail(parser, JSON_TREE_ERROR_DEPTH, parser->at);
	parser->at++;
	skip_space(parser);
	if (parser->at < parser->end && *parser->at == close)
	{
		parser->at++;
		parser->depth--;
		return true;
	}

	for (;;)
	{
		child = new_node(parser);
		if (child == NULL)
			return false;
		if (kind == JSON_TREE_OBJECT && !parse_key(parser, child))
			return false;
		if (!parse_value(parser, child))
			return false;
		if (node->n_children == INT_MAX)
			return fail(parser, JSON_TREE_ERROR_OUT_OF_MEMORY, parser->at);
		node->n_children++;
		*tail = child;
		tail = &child->next;

		skip_space(parser);
		if (parser->at < parser->end && *parser->at == close)
			break;
		if (parser->at >= parser->end || *parser->at != ',')
			return fail_unexpected(parser);
		parser->at++;
		skip_space(parser);
	}
	parser->at++;
	parser->depth--;
	return true;
}

static bool
parse_value(JsonParser *parser, JsonTreeNode *node)
{
	bool		ok;

	if (parser->at >= parser->end)
		return fail_unexpected(parser);
	node->source = parser->at;
	switch (*parser->at)
	{
		case '{':
			ok = parse_container(parser, node, JSON_TREE_OBJECT, '}');
			break;
		case '[':
			ok = parse_container(parser, node, JSON_TREE_ARRAY, ']');
			break;
		case '"':
			node->kind = JSON_TREE_STRING;
			ok = parse_string(parser, &node->string, &node->string_length);
			break;
		case 't':
			ok = parse_word(parser, node, "true", JSON_TREE_TRUE);
			break;
		case 'f':
			ok = parse_word(parser, node, "false", JSON_TREE_FALSE);
			break;
		case 'n':
			ok = parse_word(parser, node, "null", JSON_TREE_NULL);
			break;
		default:
			if (*parser->at != '-' && (*parser->at < '0' || *parser->at > '9'))
				return fail_unexpected(parser);
			ok = parse_number(parser, node);
			break;
	}
	node->source_length = (size_t) (parser->at - node->source);
	return ok;
}

/*
 * Reads one document.  The tree points into "text" (the nodes' source) and
 * into the arena.  Returns NULL after filling in "error".
 */
const JsonTreeNode *
json_tree_parse(JsonTreeArena *arena, const char *text, size_t length,
				JsonTreeError *error)
{
	JsonParser	parser;
	JsonTreeNode *root;

	parser.arena = arena;
	parser.text = text;
	parser.at = text;
	parser.end = text + length;
	parser.depth = 0;
	parser.error = error;
	error->code = JSON_TREE_ERROR_NONE;
	error->offset = 0;

	root = new_node(&parser);
	if (root == NULL)
		return NULL;
	skip_space(&parser);
	if (!parse_value(&parser, root))
		return NULL;
	skip_space(&parser);
	if (parser.at < parser.end)
	{
		fail(&parser, JSON_TREE_ERROR_TRAILING, parser.at);
		return NULL;
	}
	return root;
}

/*
 * The value of an object's member, the last one of that name as in Python;
 * NULL where there is none, and for anything that is not an object.
 */
const JsonTreeNode *
json_tree_member(const JsonTreeNode *object, const char *name)
{
	size_t		length = strlen(name);
	const JsonTreeNode *found = NULL;
	const JsonTreeNode *member;

	if (object->kind != JSON_TREE_OBJECT)
		return NULL;
	for (member = object->first_child; member != NULL; member = member->next)
	{
		if (member->key_length == length && memcmp(member->key, name, length) == 0)
			found = member;
	}
	return found;
}

/*
 * What is wrong, as a phrase to follow "there is".
 */
const char *
json_tree_error_text(JsonTreeErrorCode code)
{
	switch (code)
	{
		case JSON_TREE_ERROR_NONE:
			return "no error";
		case JSON_TREE_ERROR_OUT_OF_MEMORY:
			return "no memory left";
		case JSON_TREE_ERROR_END:
			return "the end of the text, with a value incomplete";
		case JSON_TREE_ERROR_CHARACTER:
			return "a character that JSON does not have here";
		case JSON_TREE_ERROR_TRAILING:
			return "text after the end of the value";
		case JSON_TREE_ERROR_NUMBER:
			return "a number with leading zeros";
		case JSON_TREE_ERROR_CONTROL:
			return "a control character in a string, not escaped";
		case JSON_TREE_ERROR_ESCAPE:
			return "an escape sequence that JSON does not have";
		case JSON_TREE_ERROR_SURROGATE:
			return "half a surrogate pair, which is no character";
		case JSON_TREE_ERROR_UTF8:
			return "a byte sequence that is not UTF-8";
		case JSON_TREE_ERROR_INTEGER_DIGITS:
			return "an integer of more than 4300 digits";
		case JSON_TREE_ERROR_FLOAT_RANGE:
			return "a number beyond the range of double precision";
		case JSON_TREE_ERROR_DEPTH:
			return "nesting of more than 1000 levels";
	}
	return "an unknown error";
}
