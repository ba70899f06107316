/*-------------------------------------------------------------------------
 *
 * src/obscore/config_reader.c
 *	  Reading a JSON document by a schema, with errors that say where.
 *
 * json-c parses the document.  What it lets pass without a word is looked for
 * in the text before and after: bytes that are not UTF-8, keys that come twice
 * (it keeps the last), NaN, numbers that it changes, control characters, half
 * surrogate pairs, and NULs, which C would take for the end of a string.
 *
 *-------------------------------------------------------------------------
 */
#include "obscore/config_reader.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* No valid configuration is nearly as deep */
#define MAX_DEPTH 32

/* Longer texts are cut in messages */
#define MAX_QUOTED 100

/* Each allocation is a block, so that freeing is one walk */
typedef struct ObscoreBlock
{
	struct ObscoreBlock *next;
	double		aligner;
} ObscoreBlock;

typedef struct Scanner
{
	ObscoreReader *reader;
	const char *at;
} Scanner;

static char *format_list(ObscoreReader *reader, const char *format, va_list arguments) OBSCORE_PRINTF(2, 0);
static bool scan_value(Scanner *scanner, const ObscoreNode *node);


/*
 * Notes that there is no memory, in texts that need none.
 */
static void
fail_memory(ObscoreReader *reader)
{
	static char nowhere[] = "";
	static char problem[] = "not enough memory";

	reader->report->path = nowhere;
	reader->report->problem = problem;
	reader->report->hint = NULL;
}

/*
 * Zeroed memory that lasts as long as the configuration.
 */
void *
obscore_reader_allocate(ObscoreReader *reader, size_t count, size_t size)
{
	ObscoreBlock *block = NULL;

	if (size == 0 || count <= (SIZE_MAX - sizeof(ObscoreBlock)) / size)
		block = reader->alloc(reader->context, sizeof(ObscoreBlock) + count * size);
	if (block == NULL)
	{
		fail_memory(reader);
		return NULL;
	}
	memset(block, 0, sizeof(ObscoreBlock) + count * size);
	block->next = reader->blocks;
	reader->blocks = block;
	return block + 1;
}

void
obscore_reader_release(ObscoreBlock *blocks)
{
	while (blocks != NULL)
	{
		ObscoreBlock *next = blocks->next;

		free(blocks);
		blocks = next;
	}
}

static char *
format_list(ObscoreReader *reader, const char *format, va_list arguments)
{
	va_list		again;
	int			length;
	char	   *text;

	va_copy(again, arguments);
	length = vsnprintf(NULL, 0, format, again);
	va_end(again);
	text = obscore_reader_allocate(reader, length < 0 ? 1 : (size_t) length + 1, 1);
	if (text != NULL && length > 0)
		vsnprintf(text, (size_t) length + 1, format, arguments);
	return text;
}

char *
obscore_reader_format(ObscoreReader *reader, const char *format,...)
{
	va_list		arguments;
	char	   *text;

	va_start(arguments, format);
	text = format_list(reader, format, arguments);
	va_end(arguments);
	return text;
}

/*
 * The text in quotes, cut between characters where it is long.
 */
char *
obscore_reader_quote(ObscoreReader *reader, const char *text)
{
	size_t		length = strlen(text);
	bool		cut = length > MAX_QUOTED;

	if (cut)
	{
		length = MAX_QUOTED;
		while (length > 0 && ((unsigned char) text[length] & 0xc0) == 0x80)
			length--;
	}
	return obscore_reader_format(reader, "\"%.*s%s\"", (int) length, text, cut ? "..." : "");
}

/*
 * The way to a value: keys are quoted where they could be taken for more.
 */
char *
obscore_reader_path(ObscoreReader *reader, const ObscoreNode *node)
{
	char	   *before;
	char	   *key;

	if (node->parent == NULL)
		return obscore_reader_format(reader, "%s", "");
	before = obscore_reader_path(reader, node->parent);
	if (before == NULL)
		return NULL;
	if (node->key == NULL)
		return obscore_reader_format(reader, "%s[%zu]", before, node->index);
	if (*node->key == '\0' || strpbrk(node->key, ".[]\" \n") != NULL || strlen(node->key) > MAX_QUOTED)
		key = obscore_reader_quote(reader, node->key);
	else
		key = obscore_reader_format(reader, "%s", node->key);
	if (key == NULL)
		return NULL;
	return obscore_reader_format(reader, "%s%s%s", before, *before != '\0' ? "." : "", key);
}

/*
 * Notes an error, unless there is one, and returns false, to pass on.
 */
bool
obscore_reader_fail(ObscoreReader *reader, const ObscoreNode *node, const char *hint,
					const char *format,...)
{
	ObscoreConfigReport *report = reader->report;
	va_list		arguments;
	char	   *path;
	char	   *problem;
	char	   *hint_copy = NULL;

	if (report->problem != NULL)
		return false;
	va_start(arguments, format);
	problem = format_list(reader, format, arguments);
	va_end(arguments);
	path = problem != NULL ? obscore_reader_path(reader, node) : NULL;
	if (path != NULL && hint != NULL)
		hint_copy = obscore_reader_format(reader, "%s", hint);
	if (path != NULL && (hint == NULL || hint_copy != NULL))
	{
		report->path = path;
		report->problem = problem;
		report->hint = hint_copy;
	}
	return false;
}

/*
 * Adds a warning; false when there is no memory for it.
 */
bool
obscore_reader_warn(ObscoreReader *reader, const char *format,...)
{
	ObscoreConfigReport *report = reader->report;
	char	  **warnings;
	va_list		arguments;
	char	   *text;

	va_start(arguments, format);
	text = format_list(reader, format, arguments);
	va_end(arguments);
	if (text == NULL)
		return false;
	warnings = obscore_reader_allocate(reader, (size_t) report->n_warnings + 1, sizeof(char *));
	if (warnings == NULL)
		return false;
	if (report->n_warnings > 0)
		memcpy(warnings, report->warnings, (size_t) report->n_warnings * sizeof(char *));
	warnings[report->n_warnings++] = text;
	report->warnings = warnings;
	return true;
}

static const char *
type_name(struct json_object *value)
{
	switch (json_object_get_type(value))
	{
		case json_type_null:
			return "null";
		case json_type_boolean:
			return "a boolean";
		case json_type_double:
			return "a number";
		case json_type_int:
			return "an integer";
		case json_type_object:
			return "an object";
		case json_type_array:
			return "an array";
		case json_type_string:
			return "a string";
	}
	return "unknown";
}

bool
obscore_reader_wrong_type(ObscoreReader *reader, const ObscoreNode *node, const char *wanted)
{
	char	   *hint = obscore_reader_format(reader, "Allowed is %s.", wanted);

	if (hint == NULL)
		return false;
	return obscore_reader_fail(reader, node, hint, "this is %s, not %s", type_name(node->value),
							   wanted);
}

/* ------------------------------------------------------------ the document */

/*
 * The first byte that is not part of UTF-8 text, or NULL (Unicode's table 3-7).
 */
static const char *
find_broken_utf8(const char *text, size_t length)
{
	const unsigned char *at = (const unsigned char *) text;
	const unsigned char *end = at + length;

	while (at < end)
	{
		int			n = *at < 0x80 ? 0 : *at < 0xc2 ? -1 : *at < 0xe0 ? 1 : *at < 0xf0 ? 2 : *at < 0xf5 ? 3 : -1;
		int			i;

		if (n < 0 || end - at <= n)
			return (const char *) at;
		for (i = 1; i <= n; i++)
		{
			if ((at[i] & 0xc0) != 0x80)
				return (const char *) at;
		}
		if ((*at == 0xe0 && at[1] < 0xa0) || (*at == 0xed && at[1] > 0x9f) ||
			(*at == 0xf0 && at[1] < 0x90) || (*at == 0xf4 && at[1] > 0x8f))
			return (const char *) at;
		at += n + 1;
	}
	return NULL;
}

/*
 * Notes that the text is no JSON, and where: lines and bytes count from one.
 */
static void
fail_syntax(ObscoreReader *reader, const char *json, size_t offset, const char *problem)
{
	ObscoreNode document = {NULL, NULL, 0, NULL};
	size_t		line = 1;
	size_t		start = 0;
	size_t		i;

	for (i = 0; i < offset; i++)
	{
		if (json[i] == '\n')
		{
			line++;
			start = i + 1;
		}
	}
	obscore_reader_fail(reader, &document, "A configuration is one JSON object, in UTF-8.",
						"this is no JSON: %s at line %zu, byte %zu", problem, line,
						offset - start + 1);
}

static void
skip_space(Scanner *scanner)
{
	scanner->at += strspn(scanner->at, " \t\r\n");
}

/*
 * The value of four hexadecimal digits.
 */
static unsigned long
hex4(const char *at)
{
	char		digits[5];

	memcpy(digits, at, 4);
	digits[4] = '\0';
	return strtoul(digits, NULL, 16);
}

/*
 * Steps over a string, and says whether it has escapes.
 */
static bool
scan_string(Scanner *scanner, const ObscoreNode *node, bool *escaped)
{
	const char *at = scanner->at + 1;
	unsigned long c;

	*escaped = false;
	for (; *at != '"'; at++)
	{
		if ((unsigned char) *at < 0x20)
			return obscore_reader_fail(scanner->reader, node, "Write it as an escape, such as \\n.",
									   "a control character in a string");
		if (*at != '\\')
			continue;
		*escaped = true;
		at++;
		if (*at != 'u')
			continue;
		c = hex4(at + 1);
		if (c == 0)
			return obscore_reader_fail(scanner->reader, node, "PostgreSQL's texts cannot hold it.",
									   "the character NUL in a string");
		if (c >= 0xd800 && c <= 0xdbff && at[5] == '\\' && at[6] == 'u' &&
			hex4(at + 7) >= 0xdc00 && hex4(at + 7) <= 0xdfff)
			at += 6;
		else if (c >= 0xd800 && c <= 0xdfff)
			return obscore_reader_fail(scanner->reader, node, NULL,
									   "half a surrogate pair in a string");
		at += 4;
	}
	scanner->at = at + 1;
	return true;
}

/*
 * Steps over a number, of which json-c admits more than JSON has and whose
 * integers it cuts to 64 bits.
 */
static bool
scan_number(Scanner *scanner, const ObscoreNode *node)
{
	const char *start = scanner->at;
	const char *digits = start + (*start == '-' ? 1 : 0);
	size_t		length = strspn(start, "+-.0123456789eE");
	const char *point = memchr(start, '.', length);
	bool		integer = strcspn(start, ".eE") >= length;

	if ((digits[0] == '0' && digits[1] >= '0' && digits[1] <= '9') ||
		digits[0] < '0' || digits[0] > '9' || (point != NULL && (point[1] < '0' || point[1] > '9')))
		return obscore_reader_fail(scanner->reader, node, NULL, "a number that JSON does not have");
	if (integer)
	{
		errno = 0;
		strtoll(start, NULL, 10);
		if (errno == ERANGE)
			return obscore_reader_fail(scanner->reader, node, NULL,
									   "an integer beyond what 64 bits hold");
	}
	scanner->at += length;
	return true;
}

/*
 * Reads a key and puts it into the set of those seen; *key is the caller's to
 * release.
 */
static bool
scan_key(Scanner *scanner, const ObscoreNode *object, struct json_object *seen,
		 struct json_object **key)
{
	const char *start = scanner->at;
	ObscoreNode node = {object, "", 0, NULL};
	struct json_tokener *tokener;
	bool		escaped;

	if (!scan_string(scanner, object, &escaped))
		return false;
	if (escaped)
	{
		tokener = json_tokener_new();
		*key = tokener == NULL ? NULL :
			json_tokener_parse_ex(tokener, start, (int) (scanner->at - start));
		if (tokener != NULL)
			json_tokener_free(tokener);
	}
	else
		*key = json_object_new_string_len(start + 1, (int) (scanner->at - start - 2));
	if (*key == NULL)
	{
		fail_memory(scanner->reader);
		return false;
	}
	node.key = json_object_get_string(*key);
	if (json_object_object_get_ex(seen, node.key, NULL))
		return obscore_reader_fail(scanner->reader, &node, NULL, "this key comes twice");
	if (json_object_object_add_ex(seen, node.key, NULL, 0) != 0)
	{
		fail_memory(scanner->reader);
		return false;
	}
	return true;
}

static bool
scan_object(Scanner *scanner, const ObscoreNode *node)
{
	struct json_object *seen = json_object_new_object();
	bool		good = seen != NULL;

	if (!good)
		fail_memory(scanner->reader);
	scanner->at++;
	skip_space(scanner);
	while (good && *scanner->at != '}')
	{
		struct json_object *key = NULL;
		ObscoreNode member = {node, NULL, 0, NULL};

		good = scan_key(scanner, node, seen, &key);
		if (good)
		{
			member.key = json_object_get_string(key);
			skip_space(scanner);
			scanner->at++;
			skip_space(scanner);
			good = scan_value(scanner, &member);
			skip_space(scanner);
			if (good && *scanner->at == ',')
			{
				scanner->at++;
				skip_space(scanner);
			}
		}
		json_object_put(key);
	}
	if (good)
		scanner->at++;
	json_object_put(seen);
	return good;
}

/*
 * Steps over a value that json-c has accepted, and looks for what it should
 * not have.
 */
static bool
scan_value(Scanner *scanner, const ObscoreNode *node)
{
	ObscoreNode element = {node, NULL, 0, NULL};
	bool		escaped;

	switch (*scanner->at)
	{
		case '{':
			return scan_object(scanner, node);
		case '"':
			return scan_string(scanner, node, &escaped);
		case '[':
			scanner->at++;
			skip_space(scanner);
			for (; *scanner->at != ']'; element.index++)
			{
				if (!scan_value(scanner, &element))
					return false;
				skip_space(scanner);
				if (*scanner->at == ',')
					scanner->at++;
				skip_space(scanner);
			}
			scanner->at++;
			return true;
		case 't':
		case 'n':
			scanner->at += 4;
			return true;
		case 'f':
			scanner->at += 5;
			return true;
		default:
			/* NaN and the infinities too */
			return scan_number(scanner, node);
	}
}

/*
 * Parses the document, which the caller releases by json_object_put.  Returns
 * NULL after noting what is wrong.
 */
struct json_object *
obscore_reader_document(ObscoreReader *reader, const char *json, size_t length)
{
	struct json_tokener *tokener;
	struct json_object *document;
	enum json_tokener_error error;
	size_t		end;
	const char *broken = memchr(json, '\0', length);
	ObscoreNode root = {NULL, NULL, 0, NULL};
	Scanner		scanner;
	char	   *text;

	if (broken != NULL || (broken = find_broken_utf8(json, length)) != NULL)
	{
		fail_syntax(reader, json, (size_t) (broken - json),
					*broken == '\0' ? "the byte zero" : "bytes that are not UTF-8");
		return NULL;
	}
	text = length > INT_MAX - 1 ? NULL : obscore_reader_allocate(reader, length + 1, 1);
	tokener = text == NULL ? NULL : json_tokener_new_ex(MAX_DEPTH);
	if (tokener == NULL)
	{
		fail_memory(reader);
		return NULL;
	}
	memcpy(text, json, length);

	/* the NUL behind the text tells json-c where a number ends */
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT);
	document = json_tokener_parse_ex(tokener, text, (int) length + 1);
	error = json_tokener_get_error(tokener);
	end = json_tokener_get_parse_end(tokener);
	json_tokener_free(tokener);
	if (end > length)
		end = length;
	if (error == json_tokener_success)
	{
		end += strspn(text + end, " \t\r\n");
		if (end < length)
			fail_syntax(reader, json, end, "text after the end");
	}
	else
		fail_syntax(reader, json, end, json_tokener_error_desc(error));

	root.value = document;
	scanner.reader = reader;
	scanner.at = text + strspn(text, " \t\r\n");
	if (reader->report->problem == NULL && obscore_reader_is(reader, &root, json_type_object) &&
		scan_value(&scanner, &root))
		return document;
	json_object_put(document);
	return NULL;
}

/* ------------------------------------------------------------------ values */

bool
obscore_reader_is(ObscoreReader *reader, const ObscoreNode *node, json_type type)
{
	if (json_object_get_type(node->value) == type)
		return true;
	return obscore_reader_wrong_type(reader, node, type == json_type_object ? "an object" :
									 type == json_type_array ? "an array" :
									 type == json_type_boolean ? "a boolean" : "a string");
}

ObscoreMembers
obscore_reader_walk(const ObscoreNode *object)
{
	ObscoreMembers members;

	members.object = object;
	members.at = json_object_iter_begin(object->value);
	members.end = json_object_iter_end(object->value);
	return members;
}

/*
 * The next member, in the order of the document; false behind the last.
 */
bool
obscore_reader_next(ObscoreMembers *members, ObscoreNode *member)
{
	while (!json_object_iter_equal(&members->at, &members->end))
	{
		member->parent = members->object;
		member->key = json_object_iter_peek_name(&members->at);
		member->index = 0;
		member->value = json_object_iter_peek_value(&members->at);
		json_object_iter_next(&members->at);
		if (member->value != NULL)
			return true;
	}
	return false;
}

size_t
obscore_reader_count(const ObscoreNode *object)
{
	ObscoreMembers members = obscore_reader_walk(object);
	ObscoreNode member;
	size_t		n = 0;

	while (obscore_reader_next(&members, &member))
		n++;
	return n;
}

/*
 * The names of all keys, or of those required, for a hint.
 */
static char *
list_keys(ObscoreReader *reader, const ObscoreKey *keys, size_t n_keys, bool required)
{
	const char *separator = required ? "Required keys: " : "Allowed keys: ";
	char	   *list = obscore_reader_format(reader, "%s", "");
	size_t		i;

	for (i = 0; i < n_keys && list != NULL; i++)
	{
		if (required && !keys[i].required)
			continue;
		list = obscore_reader_format(reader, "%s%s%s", list, separator, keys[i].name);
		separator = ", ";
	}
	return list == NULL ? NULL : obscore_reader_format(reader, "%s.", list);
}

/*
 * Reads an object that may have the given keys and no others.  A member that
 * is null counts as absent.
 */
bool
obscore_reader_members(ObscoreReader *reader, const ObscoreNode *node, const ObscoreKey *keys,
					   size_t n_keys, void *target)
{
	ObscoreMembers members;
	ObscoreNode member;
	size_t		i;

	if (!obscore_reader_is(reader, node, json_type_object))
		return false;
	members = obscore_reader_walk(node);
	while (obscore_reader_next(&members, &member))
	{
		for (i = 0; i < n_keys && strcmp(keys[i].name, member.key) != 0; i++)
			;
		if (i == n_keys)
		{
			char	   *hint = list_keys(reader, keys, n_keys, false);

			return hint != NULL && obscore_reader_fail(reader, &member, hint, "unknown key");
		}
		if (!keys[i].read(reader, &member, (char *) target + keys[i].offset))
			return false;
	}
	for (i = 0; i < n_keys; i++)
	{
		ObscoreNode missing = {node, keys[i].name, 0, NULL};
		struct json_object *value = NULL;

		if (keys[i].required &&
			(!json_object_object_get_ex(node->value, keys[i].name, &value) || value == NULL))
		{
			char	   *hint = list_keys(reader, keys, n_keys, true);

			return hint != NULL &&
				obscore_reader_fail(reader, &missing, hint, "this key is required, but missing");
		}
	}
	return true;
}

/*
 * Reads a string, into a const char *.
 */
bool
obscore_reader_string(ObscoreReader *reader, const ObscoreNode *node, void *target)
{
	char	   *copy;

	if (!obscore_reader_is(reader, node, json_type_string))
		return false;
	copy = obscore_reader_format(reader, "%s", json_object_get_string(node->value));
	*(const char **) target = copy;
	return copy != NULL;
}

/*
 * Reads an integer.  As in the client, a number such as 2.0 will do.
 */
bool
obscore_reader_integer(ObscoreReader *reader, const ObscoreNode *node, int64_t min, int64_t max,
					   int64_t *value)
{
	char	   *hint;

	if (json_object_is_type(node->value, json_type_double))
	{
		double		number = json_object_get_double(node->value);

		if (!(fabs(number) <= 9007199254740992.0) || number != floor(number))
			return obscore_reader_wrong_type(reader, node, "an integer");
		*value = (int64_t) number;
	}
	else if (json_object_is_type(node->value, json_type_int))
		*value = json_object_get_int64(node->value);
	else
		return obscore_reader_wrong_type(reader, node, "an integer");
	if (*value >= min && *value <= max)
		return true;
	hint = obscore_reader_format(reader, "Allowed are integers from %lld to %lld.",
								 (long long) min, (long long) max);
	return hint != NULL && obscore_reader_fail(reader, node, hint, "%lld is out of range",
											   (long long) *value);
}

bool
obscore_reader_number(ObscoreReader *reader, const ObscoreNode *node, double *value)
{
	if (!json_object_is_type(node->value, json_type_double) &&
		!json_object_is_type(node->value, json_type_int))
		return obscore_reader_wrong_type(reader, node, "a number");
	*value = json_object_get_double(node->value);
	if (isfinite(*value))
		return true;
	return obscore_reader_fail(reader, node, "Allowed are finite numbers.",
							   "a number beyond the range of double precision");
}

/*
 * Reads an array of strings.
 */
bool
obscore_reader_strings(ObscoreReader *reader, const ObscoreNode *node, int *n,
					   const char ***strings)
{
	ObscoreNode element = {node, NULL, 0, NULL};
	size_t		length;

	if (!json_object_is_type(node->value, json_type_array))
		return obscore_reader_wrong_type(reader, node, "an array of strings");
	length = json_object_array_length(node->value);
	*strings = obscore_reader_allocate(reader, length, sizeof(char *));
	if (*strings == NULL)
		return false;
	for (; element.index < length; element.index++)
	{
		element.value = json_object_array_get_idx(node->value, element.index);
		if (!obscore_reader_string(reader, &element, &(*strings)[element.index]))
			return false;
	}
	*n = (int) length;
	return true;
}
