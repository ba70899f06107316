/*-------------------------------------------------------------------------
 *
 * src/tiled/specs.c
 *	  The specs of a node, as Tiled's server accepts and stores them.
 *
 * An array of at most 20 different {"name": ..., "version": ...}, both texts of
 * at most 255 characters, the version possibly null, and written even then
 * (tiled/structures/core.py, Spec; tiled/server/schemas.py, Specs).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

#include "tiled/registration.h"

#define MAX_SPECS		20
#define MAX_SPEC_TEXT	255

static void pg_attribute_noreturn()
refuse(Datum specs, const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("malformed specs %s",
					DatumGetCString(DirectFunctionCall1(jsonb_out, specs))),
			 errdetail_internal("%s", detail),
			 errhint("Specs are an array such as [{\"name\": \"XDI\", \"version\": \"1.0\"}].")));
}

static void
check_text(Datum specs, const JsonbValue *value)
{
	if (value->type != jbvString)
		refuse(specs, "Name and version of a spec are texts.");
	if (pg_mbstrlen_with_len(value->val.string.val, value->val.string.len) > MAX_SPEC_TEXT)
		refuse(specs, "Name and version of a spec have at most 255 characters.");
}

static bool
same_text(const JsonbValue *a, const JsonbValue *b)
{
	return a->type == b->type &&
		(a->type == jbvNull ||
		 (a->val.string.len == b->val.string.len &&
		  memcmp(a->val.string.val, b->val.string.val, a->val.string.len) == 0));
}

/*
 * Takes one spec apart.
 */
static void
read_spec(Datum specs, const JsonbValue *spec, JsonbValue *name, JsonbValue *version)
{
	JsonbContainer *object;
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	part;
	JsonbValue *member = NULL;

	name->type = jbvNull;
	version->type = jbvNull;
	if (spec->type != jbvBinary || !JsonContainerIsObject(spec->val.binary.data))
		refuse(specs, "A spec is an object.");
	object = spec->val.binary.data;
	iterator = JsonbIteratorInit(object);
	while ((token = JsonbIteratorNext(&iterator, &part, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
		{
			if (part.val.string.len == 4 && memcmp(part.val.string.val, "name", 4) == 0)
				member = name;
			else if (part.val.string.len == 7 && memcmp(part.val.string.val, "version", 7) == 0)
				member = version;
			else
				refuse(specs, "A spec has a name and a version, and nothing else.");
		}
		else if (token == WJB_VALUE)
		{
			if (member == name || part.type != jbvNull)
				check_text(specs, &part);
			*member = part;
		}
	}
	if (name->type == jbvNull)
		refuse(specs, "A spec has a name.");
}

static void
push_spec(JsonbParseState **state, JsonbValue *name, JsonbValue *version)
{
	JsonbValue	key = {.type = jbvString};

	pushJsonbValue(state, WJB_BEGIN_OBJECT, NULL);
	key.val.string.val = "name";
	key.val.string.len = 4;
	pushJsonbValue(state, WJB_KEY, &key);
	pushJsonbValue(state, WJB_VALUE, name);
	key.val.string.val = "version";
	key.val.string.len = 7;
	pushJsonbValue(state, WJB_KEY, &key);
	pushJsonbValue(state, WJB_VALUE, version);
	pushJsonbValue(state, WJB_END_OBJECT, NULL);
}

/*
 * Checks specs (jsonb), and returns them as Tiled stores them.
 */
Datum
specs_normalize(Datum specs)
{
	Jsonb	   *array = DatumGetJsonbP(specs);
	JsonbValue	names[MAX_SPECS];
	JsonbValue	versions[MAX_SPECS];
	JsonbParseState *state = NULL;
	int			n;

	if (!JB_ROOT_IS_ARRAY(array) || JB_ROOT_IS_SCALAR(array))
		refuse(specs, "Specs are an array.");
	n = JB_ROOT_COUNT(array);
	if (n == 0)
		return specs;
	if (n > MAX_SPECS)
		refuse(specs, "A node has at most 20 specs.");

	pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	for (int i = 0; i < n; i++)
	{
		read_spec(specs, getIthJsonbValueFromContainer(&array->root, i),
				  &names[i], &versions[i]);
		for (int k = 0; k < i; k++)
			if (same_text(&names[k], &names[i]) && same_text(&versions[k], &versions[i]))
				refuse(specs, "A spec stands there twice.");
		push_spec(&state, &names[i], &versions[i]);
	}
	return JsonbPGetDatum(JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_ARRAY, NULL)));
}
