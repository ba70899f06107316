/*-------------------------------------------------------------------------
 *
 * test/unit/canonical_json_test.c
 *	  The JSON reader and the canonical writer, rule by rule (TAP).
 *
 * What canonical text is expected was written by hand from Python's rules;
 * canonical_json_oracle.py asks Python itself.
 *
 *-------------------------------------------------------------------------
 */
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "tiled/canonical_json.h"
#include "unit_memory.h"
#include "unit_tap.h"

/* Literals with NULs inside, and their length */
#define BYTES(literal) literal, sizeof(literal) - 1

static UnitMemory memory = {NULL, -1};
static JsonTreeArena *arena;

/*
 * The canonical text of a document, or NULL.  The document is read from a
 * block of its own size, and the arena is used again and again.
 */
static const char *
canonical_of(const char *text, size_t length, size_t *canonical_length, JsonTreeError *error)
{
	char	   *copy = malloc(length > 0 ? length : 1);
	const JsonTreeNode *root;
	const char *canonical = NULL;

	memcpy(copy, text, length);
	json_tree_arena_reset(arena);
	root = json_tree_parse(arena, copy, length, error);
	if (root != NULL)
		canonical = canonical_json(arena, root, canonical_length, error);
	free(copy);
	return canonical;
}

static void
gives_bytes(const char *text, size_t length, const char *expected, size_t expected_length,
			const char *name)
{
	JsonTreeError error;
	size_t		got_length = 0;
	const char *got = canonical_of(text, length, &got_length, &error);

	if (ok(got != NULL && got_length == expected_length &&
		   memcmp(got, expected, expected_length) == 0 && got[got_length] == '\0' &&
		   error.code == JSON_TREE_ERROR_NONE, name))
		return;
	if (got == NULL)
		note("%s, at %zu", json_tree_error_text(error.code), error.offset);
	else
		note("got %.200s, expected %.200s", got, expected);
}

static void
gives(const char *text, const char *expected, const char *name)
{
	gives_bytes(text, strlen(text), expected, strlen(expected), name);
}

static void
refuses_bytes(const char *text, size_t length, JsonTreeErrorCode code, size_t offset,
			  const char *name)
{
	JsonTreeError error;
	size_t		got_length;
	const char *got = canonical_of(text, length, &got_length, &error);

	if (ok(got == NULL && error.code == code && error.offset == offset, name))
		return;
	if (got != NULL)
		note("got %.200s, expected an error: %s", got, json_tree_error_text(code));
	else
		note("got an error: %s, at %zu, expected: %s, at %zu",
			 json_tree_error_text(error.code), error.offset,
			 json_tree_error_text(code), offset);
}

static void
refuses(const char *text, JsonTreeErrorCode code, size_t offset, const char *name)
{
	refuses_bytes(text, strlen(text), code, offset, name);
}

/*
 * "before", "middle" so many times, "after", on the heap.
 */
static char *
repeated(const char *before, const char *middle, size_t n, const char *after)
{
	size_t		step = strlen(middle);
	char	   *text = malloc(strlen(before) + step * n + strlen(after) + 1);
	char	   *to = text;
	size_t		i;

	to += sprintf(to, "%s", before);
	for (i = 0; i < n; i++, to += step)
		memcpy(to, middle, step);
	strcpy(to, after);
	return text;
}

static void
test_shape(void)
{
	gives("null", "null", "null");
	gives("true", "true", "true");
	gives("false", "false", "false");
	gives(" \t\r\n{ \"b\" :\t[ 1 ,\r\n2 ] , \"a\" : { } , \"c\" : [ ] } \n",
		  "{\"a\":{},\"b\":[1,2],\"c\":[]}", "white space is dropped wherever it may stand");
	gives("{\"b\":1,\"a\":2,\"aa\":3,\"B\":4,\"_\":5,\"\":6}",
		  "{\"\":6,\"B\":4,\"_\":5,\"a\":2,\"aa\":3,\"b\":1}", "keys are sorted, a prefix first");
	gives("{\"\\ud83d\\ude00\":1,\"\\uffff\":2,\"\\u00e9\":3}",
		  "{\"\xc3\xa9\":3,\"\xef\xbf\xbf\":2,\"\xf0\x9f\x98\x80\":1}",
		  "keys are sorted by code point, not by UTF-16 unit or signed char");
	gives_bytes(BYTES("{\"a\\u0000b\":1,\"a\\u0000\":2,\"a\":3,\"a\\u0000a\":4}"),
				BYTES("{\"a\":3,\"a\\u0000\":2,\"a\\u0000a\":4,\"a\\u0000b\":1}"),
				"keys with NULs inside are compared in full");
	gives("{\"a\":1,\"b\":2,\"a\":3,\"\\u0061\":4}", "{\"a\":4,\"b\":2}",
		  "the last of duplicate keys wins, however it is escaped");
	gives("{\"b\":1e400,\"b\":1}", "{\"b\":1}", "what is overridden is not looked at");
}

static void
test_many_members(void)
{
	char	   *text = malloc(200000);
	char	   *expected = malloc(200000);
	char	   *to = text;
	char	   *want = expected;
	int			i;

	/* 5000 members, 1000 keys: 999 down to 0, five times over */
	for (i = 0; i < 5000; i++)
		to += sprintf(to, "%s\"k%03d\":%d", i ? "," : "{", 999 - i % 1000, i);
	strcpy(to, "}");
	for (i = 0; i < 1000; i++)
		want += sprintf(want, "%s\"k%03d\":%d", i ? "," : "{", i, 4999 - i);
	strcpy(want, "}");
	gives(text, expected, "duplicates among many members: the last wins");

	/* more than the insertion sort takes, in order, and the same key always */
	to = text;
	for (i = 0; i < 40; i++)
		to += sprintf(to, "%s\"k\":%d", i ? "," : "{", i);
	strcpy(to, "}");
	gives(text, "{\"k\":39}", "forty times the same key");
	free(text);
	free(expected);
}

static void
test_strings(void)
{
	gives("\"\"", "\"\"", "the empty string");
	gives("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\\"\\\\/\\b\\f\\n\\r\\t\"",
		  "short escapes stay, but for the slash");
	gives("\"\\u0008\\u000c\\u000a\\u000d\\u0009\\u0022\\u005c\\u002f\"",
		  "\"\\b\\f\\n\\r\\t\\\"\\\\/\"", "short escapes replace long ones");
	gives("\"\\u0000\\u0001\\u000B\\u001F\\u001f\"", "\"\\u0000\\u0001\\u000b\\u001f\\u001f\"",
		  "control characters are escaped, in lower case");
	gives("\"\\u007f\\u0080\\u2028\\u2029 <>&'\"",
		  "\"\x7f\xc2\x80\xe2\x80\xa8\xe2\x80\xa9 <>&'\"", "nothing else is escaped");
	gives("\"\\u00E9\\u20ac\\uD83D\\udE00\\ud800\\udc00\\uDBFF\\uDFFF\"",
		  "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\"",
		  "escapes of two, three and four bytes are decoded");
	gives("\"\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\"",
		  "\"\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\"",
		  "UTF-8 at the ends of its ranges stays");
	refuses("\"\\ud800\"", JSON_TREE_ERROR_SURROGATE, 1, "a lone high surrogate");
	refuses("\"ab\\udc00\"", JSON_TREE_ERROR_SURROGATE, 3, "a lone low surrogate");
	refuses("\"\\ud800\\ud800\"", JSON_TREE_ERROR_SURROGATE, 1, "two high surrogates");
	refuses("\"\\udc00\\ud800\"", JSON_TREE_ERROR_SURROGATE, 1, "a pair the wrong way round");
	refuses("\"\\udc00\\udc00\"", JSON_TREE_ERROR_SURROGATE, 1, "two low surrogates");
	refuses("\"\\ud800\\ue000\"", JSON_TREE_ERROR_SURROGATE, 1, "what is one past the low surrogates");
	refuses("\"\\ud800\\u0041\"", JSON_TREE_ERROR_SURROGATE, 1, "a high surrogate before a letter");
	refuses("\"\\ud800 udc00\"", JSON_TREE_ERROR_SURROGATE, 1, "a low surrogate without a backslash");
	refuses("{\"\\ud800\":1}", JSON_TREE_ERROR_SURROGATE, 2, "a lone surrogate in a key");
	refuses("\"\\x41\"", JSON_TREE_ERROR_ESCAPE, 1, "an unknown escape");
	refuses("\"\\'\"", JSON_TREE_ERROR_ESCAPE, 1, "an escaped apostrophe");
	refuses("\"\\u12g4\"", JSON_TREE_ERROR_ESCAPE, 1, "a digit that is not hexadecimal");
	refuses("\"\\u+123\"", JSON_TREE_ERROR_ESCAPE, 1, "a sign in an escape");
	refuses("\"\\u123\"", JSON_TREE_ERROR_ESCAPE, 1, "three digits in an escape");
	refuses("\"\\ud800\\udc0\"", JSON_TREE_ERROR_SURROGATE, 1, "three digits in the second half");
	refuses("\"\\U0041\"", JSON_TREE_ERROR_ESCAPE, 1, "a capital U");
	refuses("\"a\nb\"", JSON_TREE_ERROR_CONTROL, 2, "a raw newline");
	refuses("\"a\x1f\"", JSON_TREE_ERROR_CONTROL, 2, "a raw control character");
	refuses_bytes(BYTES("\"a\0\""), JSON_TREE_ERROR_CONTROL, 2, "a raw NUL");
	refuses("\"\\\n\"", JSON_TREE_ERROR_CONTROL, 2, "a backslash before a newline");
	refuses("\"abc", JSON_TREE_ERROR_END, 4, "a string without an end");
	refuses("\"abc\\", JSON_TREE_ERROR_END, 5, "a string that ends in a backslash");
	refuses("\"abc\\\"", JSON_TREE_ERROR_END, 6, "a string that ends in an escaped quote");
	gives("\"\\\\\"", "\"\\\\\"", "an escaped backslash before the closing quote");
}

static void
test_utf8(void)
{
	refuses("\"\x80\"", JSON_TREE_ERROR_UTF8, 1, "a continuation byte alone");
	refuses("\"\xc3\"", JSON_TREE_ERROR_UTF8, 1, "a sequence cut short by the quote");
	refuses("\"\xe2\x82\"", JSON_TREE_ERROR_UTF8, 1, "three bytes, the last missing");
	refuses("\"\xf0\x9f\x98", JSON_TREE_ERROR_UTF8, 1, "four bytes, cut short by the end");
	refuses("\"\xc0\x80\"", JSON_TREE_ERROR_UTF8, 1, "an overlong NUL");
	refuses("\"\xc1\xbf\"", JSON_TREE_ERROR_UTF8, 1, "an overlong sequence of two");
	refuses("\"\xe0\x9f\xbf\"", JSON_TREE_ERROR_UTF8, 1, "an overlong sequence of three");
	refuses("\"\xf0\x8f\xbf\xbf\"", JSON_TREE_ERROR_UTF8, 1, "an overlong sequence of four");
	refuses("\"\xed\xa0\x80\"", JSON_TREE_ERROR_UTF8, 1, "a surrogate in UTF-8");
	refuses("\"\xf4\x90\x80\x80\"", JSON_TREE_ERROR_UTF8, 1, "beyond U+10FFFF");
	refuses("\"\xf5\x80\x80\x80\"", JSON_TREE_ERROR_UTF8, 1, "a first byte that UTF-8 never has");
	refuses("\"\xff\"", JSON_TREE_ERROR_UTF8, 1, "0xff");
	refuses("\"\xf0\x9f\x98\x41\"", JSON_TREE_ERROR_UTF8, 1, "a letter for a continuation byte");
	refuses("\"\xe2\x82\xc0\"", JSON_TREE_ERROR_UTF8, 1, "a first byte for a continuation byte");
	refuses("\xef\xbb\xbf{}", JSON_TREE_ERROR_CHARACTER, 0, "a byte order mark");
	refuses("{\"\xc3\":1}", JSON_TREE_ERROR_UTF8, 2, "bad UTF-8 in a key");
}

static void
test_integers(void)
{
	char	   *text;

	gives("0", "0", "zero");
	gives("-0", "0", "minus zero as an integer is zero");
	gives("-7", "-7", "a negative integer");
	gives("123456789012345678901234567890", "123456789012345678901234567890",
		  "an integer beyond 64 bits stays as it is");
	text = repeated("-", "9", 4300, "");
	gives(text, text, "an integer of 4300 digits and a sign");
	free(text);
	text = repeated("[-", "9", 4301, "]");
	refuses(text, JSON_TREE_ERROR_INTEGER_DIGITS, 1, "an integer of 4301 digits");
	free(text);
	refuses("01", JSON_TREE_ERROR_NUMBER, 0, "a leading zero");
	refuses("-01", JSON_TREE_ERROR_NUMBER, 0, "a leading zero behind the sign");
	refuses("00", JSON_TREE_ERROR_NUMBER, 0, "two zeros");
	refuses("+1", JSON_TREE_ERROR_CHARACTER, 0, "a plus sign");
	refuses("-", JSON_TREE_ERROR_END, 1, "a sign alone");
	refuses("--1", JSON_TREE_ERROR_CHARACTER, 1, "two signs");
	refuses("- 1", JSON_TREE_ERROR_CHARACTER, 1, "a space behind the sign");
	refuses("0x10", JSON_TREE_ERROR_TRAILING, 1, "a hexadecimal number");
	refuses("1_000", JSON_TREE_ERROR_TRAILING, 1, "an underscore among digits");
}

static void
test_float_forms(void)
{
	gives("1.0", "1.0", "a float keeps its point");
	gives("1E5", "100000.0", "a float in scientific form gets one");
	gives("1.50", "1.5", "trailing zeros go");
	gives("100e-2", "1.0", "an exponent that cancels");
	gives("0.00100e+03", "1.0", "leading zeros in a fraction");
	gives("-0.0", "-0.0", "minus zero as a float");
	gives("-0e7", "-0.0", "minus zero with an exponent");
	gives("0.0e999999999999999999999", "0.0", "zero with a huge exponent");
	gives("1e16", "1e+16", "the first power of ten with an exponent");
	gives("1e15", "1000000000000000.0", "the last one without");
	gives("9999999999999998.0", "9999999999999998.0", "sixteen digits before the point");
	gives("12345678901234567.0", "1.2345678901234568e+16", "seventeen digits before the point");
	gives("0.0001", "0.0001", "the last small number without an exponent");
	gives("0.00012345", "0.00012345", "the same with digits");
	gives("0.00001", "1e-05", "the first one with, of two digits");
	gives("0.000012345", "1.2345e-05", "the same with more digits");
	gives("1e-7", "1e-07", "a leading zero in an exponent");
	gives("1e+007", "10000000.0", "zeros in an exponent read");
	gives("1e100", "1e+100", "an exponent of three digits");
	gives("0.1", "0.1", "below one");
	gives("123.456", "123.456", "a point among the digits");
	gives("100.25", "100.25", "zeros before the point");
	refuses("1.", JSON_TREE_ERROR_END, 2, "no digit behind the point");
	refuses(".5", JSON_TREE_ERROR_CHARACTER, 0, "no digit before the point");
	refuses("-.5", JSON_TREE_ERROR_CHARACTER, 1, "no digit between sign and point");
	refuses("1.e5", JSON_TREE_ERROR_CHARACTER, 2, "an exponent right behind the point");
	refuses("1e", JSON_TREE_ERROR_END, 2, "an exponent without digits");
	refuses("1e+", JSON_TREE_ERROR_END, 3, "an exponent of a sign");
	refuses("1e1.5", JSON_TREE_ERROR_TRAILING, 3, "a fraction in an exponent");
	refuses("01.5", JSON_TREE_ERROR_NUMBER, 0, "a leading zero in a float");
	refuses("NaN", JSON_TREE_ERROR_CHARACTER, 0, "NaN");
	refuses("Infinity", JSON_TREE_ERROR_CHARACTER, 0, "Infinity");
	refuses("-Infinity", JSON_TREE_ERROR_CHARACTER, 1, "-Infinity");
}

static void
test_float_values(void)
{
	gives("0.30000000000000004", "0.30000000000000004", "seventeen digits where they are needed");
	gives("0.1000000000000000055511151231257827", "0.1", "digits that make no difference go");
	gives("9007199254740993.0", "9007199254740992.0", "a tie goes to the even double");
	gives("1e23", "1e+23", "a shortest decimal that is a midpoint, 1e23");
	gives("9.999999999999999e22", "1e+23", "another decimal of the same double");
	gives("1.0000000000000001e23", "1.0000000000000001e+23", "the double above it");
	gives("9.5e21", "9.5e+21", "a shortest decimal of two digits");
	gives("5e-324", "5e-324", "the smallest double");
	gives("2.4703282292062328e-324", "5e-324", "a little over half of it");
	gives("2.4703282292062327e-324", "0.0", "a little under half of it");
	gives("-1e-400", "-0.0", "underflow keeps the sign");
	gives("1e-99999999999999999999", "0.0", "underflow by a huge exponent");
	gives("2.2250738585072014e-308", "2.2250738585072014e-308", "the smallest normal double");
	gives("2.2250738585072011e-308", "2.225073858507201e-308", "a denormal next to it");
	gives("1.7976931348623157e308", "1.7976931348623157e+308", "the largest double");
	gives("1.797693134862315807e308", "1.7976931348623157e+308", "what still rounds to it");
	refuses("[1, 1.797693134862315808e308]", JSON_TREE_ERROR_FLOAT_RANGE, 4, "what does not");
	refuses(" [-1e400]", JSON_TREE_ERROR_FLOAT_RANGE, 1,
			"overflow; the offset counts from the value");
	refuses("1e99999999999999999999", JSON_TREE_ERROR_FLOAT_RANGE, 0, "overflow by a huge exponent");
	gives("5.684341886080802e-14", "5.684341886080802e-14", "a power of two, 2^-44");
	gives("9.5367431640625e-07", "9.5367431640625e-07", "a power of two, 2^-20");
}

/*
 * Numbers of many digits: the digit that decides may come late, and the time
 * must not grow with the square of the length.
 */
static void
test_long_floats(void)
{
	char	   *text;
	clock_t		start;

	text = repeated("9007199254740993.", "0", 10000, "");
	gives(text, "9007199254740992.0", "ten thousand digits on a tie go to the even double");
	free(text);
	text = repeated("9007199254740993.", "0", 10000, "1");
	gives(text, "9007199254740994.0", "and up when the last is not zero");
	free(text);
	text = repeated("9007199254740992.", "9", 10000, "");
	gives(text, "9007199254740992.0", "and down from below the tie");
	free(text);
	text = repeated("0.", "0", 10000, "15e10001");
	gives(text, "1.5", "ten thousand zeros, made up for by the exponent");
	free(text);
	text = repeated("15", "0", 10000, "e-10001");
	gives(text, "1.5", "the same to the left of the point");
	free(text);
	text = repeated("15", "0", 10000, ".0");
	refuses(text, JSON_TREE_ERROR_FLOAT_RANGE, 0, "ten thousand digits overflow");
	free(text);
	text = repeated("0.", "3", 3000000, "");
	start = clock();
	gives(text, "0.3333333333333333", "three million digits");
	ok((double) (clock() - start) / CLOCKS_PER_SEC < 2.0, "three million digits in under 2 s");
	free(text);
}

static void
test_syntax(void)
{
	refuses("", JSON_TREE_ERROR_END, 0, "no text");
	refuses(" \n", JSON_TREE_ERROR_END, 2, "only white space");
	refuses("[", JSON_TREE_ERROR_END, 1, "an open array");
	refuses("{", JSON_TREE_ERROR_END, 1, "an open object");
	refuses("[1", JSON_TREE_ERROR_END, 2, "an array without an end");
	refuses("[1,]", JSON_TREE_ERROR_CHARACTER, 3, "a comma before the bracket");
	refuses("[,1]", JSON_TREE_ERROR_CHARACTER, 1, "a comma behind the bracket");
	refuses("[1 2]", JSON_TREE_ERROR_CHARACTER, 3, "no comma");
	refuses("[1}", JSON_TREE_ERROR_CHARACTER, 2, "the wrong bracket");
	refuses("{\"a\":1,}", JSON_TREE_ERROR_CHARACTER, 7, "a comma before the brace");
	refuses("{\"a\" 1}", JSON_TREE_ERROR_CHARACTER, 5, "no colon");
	refuses("{\"a\":}", JSON_TREE_ERROR_CHARACTER, 5, "no value");
	refuses("{\"a\"", JSON_TREE_ERROR_END, 4, "a key and nothing more");
	refuses("{\"a\":", JSON_TREE_ERROR_END, 5, "a colon and nothing more");
	refuses("{1:2}", JSON_TREE_ERROR_CHARACTER, 1, "a number for a key");
	refuses("{a:1}", JSON_TREE_ERROR_CHARACTER, 1, "a key without quotes");
	refuses("{'a':1}", JSON_TREE_ERROR_CHARACTER, 1, "apostrophes");
	refuses("[1]]", JSON_TREE_ERROR_TRAILING, 3, "a bracket too many");
	refuses("1 2", JSON_TREE_ERROR_TRAILING, 2, "two values");
	refuses_bytes(BYTES("1\0"), JSON_TREE_ERROR_TRAILING, 1, "a NUL behind the value");
	refuses("nul", JSON_TREE_ERROR_END, 3, "null cut short");
	refuses("nulL", JSON_TREE_ERROR_CHARACTER, 3, "null misspelt");
	refuses("True", JSON_TREE_ERROR_CHARACTER, 0, "a word in upper case");
	refuses("[1] // no", JSON_TREE_ERROR_TRAILING, 4, "a comment");
	refuses("[1,\v2]", JSON_TREE_ERROR_CHARACTER, 3, "a vertical tab is no white space");
	refuses("[1,\xc2\xa0" "2]", JSON_TREE_ERROR_CHARACTER, 3, "nor is a no-break space");
}

static void
test_depth(void)
{
	char	   *open = repeated("", "[", JSON_TREE_MAX_DEPTH, "");
	char	   *text = repeated(open, "]", JSON_TREE_MAX_DEPTH, "");
	char	   *wide;

	gives(text, text, "a thousand levels of arrays");
	free(text);
	text = repeated("[[1],", "[", JSON_TREE_MAX_DEPTH, "");
	refuses(text, JSON_TREE_ERROR_DEPTH, 5 + JSON_TREE_MAX_DEPTH - 1, "a thousand and one");
	free(text);
	free(open);

	open = repeated("", "{\"a\":", JSON_TREE_MAX_DEPTH, "1");
	text = repeated(open, "}", JSON_TREE_MAX_DEPTH, "");
	gives(text, text, "a thousand levels of objects");
	free(text);
	text = repeated("", "{\"a\":", JSON_TREE_MAX_DEPTH + 1, "1");
	refuses(text, JSON_TREE_ERROR_DEPTH, 5 * JSON_TREE_MAX_DEPTH, "a thousand and one of objects");
	free(text);
	free(open);

	wide = repeated("[", "[{\"a\":[]}],", 2000, "0]");
	gives(wide, wide, "what is closed again does not count");
	free(wide);
}

static int
source_is(const JsonTreeNode *node, const char *expected)
{
	return node != NULL && node->source_length == strlen(expected) &&
		memcmp(node->source, expected, node->source_length) == 0;
}

static void
test_tree(void)
{
	static const char text[] =
	" {\"a\" : [ 1, -2.5e3 , \"x\\u0000\\u00e9\" ] , \"b\":{\"a\": true},\"\\u0061\" :null, \"ab\":false } ";
	JsonTreeError error;
	const JsonTreeNode *root;
	const JsonTreeNode *node;

	json_tree_arena_reset(arena);
	root = json_tree_parse(arena, text, strlen(text), &error);
	if (!ok(root != NULL && root->kind == JSON_TREE_OBJECT, "an object is read"))
		return;
	ok(root->source == text + 1 && root->source_length == strlen(text) - 2,
	   "its extent leaves out the white space around it");
	ok(root->n_children == 4, "members are counted as written");
	ok(root->key == NULL && root->next == NULL, "the root has no key and no neighbour");
	node = root->first_child;
	ok(strcmp(node->key, "a") == 0 && source_is(node, "[ 1, -2.5e3 , \"x\\u0000\\u00e9\" ]"),
	   "the first member, its key and source");
	ok(node->kind == JSON_TREE_ARRAY && node->n_children == 3, "an array and its elements");
	node = node->first_child;
	ok(node->kind == JSON_TREE_INTEGER && source_is(node, "1") && node->key == NULL,
	   "an integer");
	node = node->next;
	ok(node->kind == JSON_TREE_FLOAT && source_is(node, "-2.5e3"), "a float");
	node = node->next;
	ok(node->kind == JSON_TREE_STRING && node->string_length == 4 &&
	   memcmp(node->string, "x\0\xc3\xa9", 5) == 0,
	   "a string is decoded, a NUL inside and one behind");
	ok(source_is(node, "\"x\\u0000\\u00e9\"") && node->next == NULL, "its source has the quotes");

	node = json_tree_member(root, "a");
	ok(node != NULL && node->kind == JSON_TREE_NULL && node->key_length == 1,
	   "json_tree_member finds the last of duplicates");
	node = json_tree_member(root, "ab");
	ok(node != NULL && node->kind == JSON_TREE_FALSE, "and tells a key from its prefix");
	ok(json_tree_member(root, "") == NULL && json_tree_member(root, "abc") == NULL,
	   "no member, no node");
	ok(json_tree_member(root->first_child, "a") == NULL, "an array has no members");

	node = json_tree_member(root, "b");
	ok(node != NULL && source_is(node, "{\"a\": true}"), "a nested object's extent");
}

/*
 * The canonical form of a value inside a document, as registration wants it,
 * twice, with the document's tree still good afterwards.
 */
static void
test_subtree(void)
{
	static const char text[] = "[{\"structure\": {\"b\":1.0, \"a\":[1e400]}}, {\"z\":2e1}]";
	JsonTreeError error;
	const JsonTreeNode *root;
	const JsonTreeNode *structure;
	const char *canonical;
	size_t		length = 0;

	json_tree_arena_reset(arena);
	root = json_tree_parse(arena, text, strlen(text), &error);
	structure = json_tree_member(root->first_child, "structure");
	canonical = canonical_json(arena, structure, &length, &error);
	ok(canonical == NULL && error.code == JSON_TREE_ERROR_FLOAT_RANGE && error.offset == 15,
	   "an error's offset counts from the value's start");
	canonical = canonical_json(arena, root->first_child->next, &length, &error);
	ok(canonical != NULL && length == 10 && strcmp(canonical, "{\"z\":20.0}") == 0,
	   "another value's canonical form, without its key");
	ok(source_is(structure, "{\"b\":1.0, \"a\":[1e400]}"), "the tree is untouched");
}

/*
 * A document's worth of text for the tests of the arena: "n" strings of
 * "size" bytes.
 */
static char *
strings(size_t n, size_t size)
{
	char	   *string = repeated("\"", "x", size, "\",");
	char	   *text = repeated("[", string, n, "0]");

	free(string);
	return text;
}

static void
test_arena(void)
{
	static const size_t sizes[] = {0, 100, 8000, 8150, 8176, 8177, 8192, 20000, 300000, 2000000};
	size_t		n_sizes = sizeof(sizes) / sizeof(sizes[0]);
	UnitMemory	counted = {NULL, -1};
	JsonTreeArena *shared = arena;
	char	   *text;
	size_t		i;
	int			round;
	long		allowance;
	int			passed = 1;

	arena = json_tree_arena_create(unit_allocate, &counted);
	for (round = 0; round < 3; round++)
	{
		/* from the second round on there must be nothing left to allocate */
		counted.allowance = round == 0 ? -1 : 0;
		for (i = 0; i < n_sizes; i++)
		{
			size_t		size = sizes[(i * 7 + (size_t) round * 3) % n_sizes];
			JsonTreeError error;
			size_t		length = 0;
			const char *got;

			text = strings(size > 10000 ? 2 : 5, size);
			got = canonical_of(text, strlen(text), &length, &error);
			passed = passed && got != NULL && strcmp(got, text) == 0;
			if (got == NULL)
				note("size %zu, round %d: %s", size, round, json_tree_error_text(error.code));
			free(text);
		}
	}
	ok(passed, "documents of all sizes, and no allocation when they come again");
	unit_free_all(&counted);

	/* documents that grow by a byte each must not keep a block each */
	counted.allowance = 40;
	arena = json_tree_arena_create(unit_allocate, &counted);
	passed = 1;
	for (i = 0; i < 3000; i++)
	{
		JsonTreeError error;
		size_t		length = 0;

		text = strings(1, 8000 + i);
		passed = passed && canonical_of(text, strlen(text), &length, &error) != NULL;
		free(text);
	}
	ok(passed, "3000 growing documents in 40 allocations");
	unit_free_all(&counted);

	/* run out of memory at every allocation there is */
	text = repeated("{\"o\":[0", ",1e15,{\"a\":\"b\\n\"}", 2000, "]}");
	passed = 1;
	for (allowance = 0; allowance < 1000; allowance++)
	{
		JsonTreeError error;
		size_t		length = 0;
		const char *got;

		counted.allowance = allowance;
		arena = json_tree_arena_create(unit_allocate, &counted);
		if (arena == NULL)
		{
			passed = passed && allowance == 0;
			continue;
		}
		got = canonical_of(text, strlen(text), &length, &error);
		unit_free_all(&counted);
		if (got != NULL)
			break;
		passed = passed && error.code == JSON_TREE_ERROR_OUT_OF_MEMORY;
	}
	ok(passed && allowance > 5 && allowance < 1000, "running out of memory anywhere is an error");
	note("%ld allocations suffice", allowance);
	free(text);
	unit_free_all(&counted);
	arena = shared;
}

/*
 * A number's text must not depend on the process's locale, neither read nor
 * written.
 */
static void
test_locale(void)
{
	static const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "de_DE", "ps_AF.UTF-8"};
	size_t		i;
	const char *set = NULL;

	for (i = 0; i < sizeof(names) / sizeof(names[0]) && set == NULL; i++)
		set = setlocale(LC_NUMERIC, names[i]);
	if (set == NULL || localeconv()->decimal_point[0] == '.')
		printf("ok %d # SKIP no locale with another decimal point\n", ++n_tests);
	else
		gives("[1.5,1e23,0.25,1.2345678901234567e30]", "[1.5,1e+23,0.25,1.2345678901234567e+30]",
			  "numbers where the decimal point is a comma");
	setlocale(LC_NUMERIC, "C");
}

static void
test_error_texts(void)
{
	int			code;
	int			other;
	int			passed = 1;

	for (code = JSON_TREE_ERROR_NONE; code <= JSON_TREE_ERROR_DEPTH; code++)
	{
		const char *text = json_tree_error_text((JsonTreeErrorCode) code);

		passed = passed && text != NULL && strcmp(text, "an unknown error") != 0;
		for (other = JSON_TREE_ERROR_NONE; other < code; other++)
			passed = passed && strcmp(text, json_tree_error_text((JsonTreeErrorCode) other)) != 0;
	}
	ok(passed, "every error has a text of its own");
}

int
main(void)
{
	arena = json_tree_arena_create(unit_allocate, &memory);
	test_shape();
	test_many_members();
	test_strings();
	test_utf8();
	test_integers();
	test_float_forms();
	test_float_values();
	test_long_floats();
	test_syntax();
	test_depth();
	test_tree();
	test_subtree();
	test_arena();
	test_locale();
	test_error_texts();
	unit_free_all(&memory);
	return end_of_tests();
}
