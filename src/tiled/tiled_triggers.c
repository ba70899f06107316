/*-------------------------------------------------------------------------
 *
 * src/tiled/tiled_triggers.c
 *	  Triggers of Tiled's whose work registration does by itself.
 *
 * A trigger may be left out only if it is known what it does.  Tiled's are
 * known by the text of their function, white space aside; one that somebody
 * has changed is a stranger, and fires.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_proc.h"
#include "common/md5.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/syscache.h"

#include "closure/closure.h"
#include "obscore/tiled.h"
#include "tiled/tiled_triggers.h"

#define MD5_TEXT_SIZE 33

/*
 * The digests of the functions' texts, each run of white space made one blank,
 * in tiled 0.2.16 and 0.2.20 (tiled/catalog/orm.py).
 */
static const struct
{
	const char *function;
	const char *digest;
}			known_functions[] =

{
	/* what check_uses() in data_sources.c checks */
	{"raise_if_null_parameter_exists", "df3dafc11fb54533f19faa7941e432cf"},
	{"raise_if_parameter_exists", "844a2ac84a47431d5798d5b4c5a3d2db"},
	/* store_tags() in store.c fills parent_id */
	{"node_access_tags_set_parent", "2fe89323551ce4526b29f4198bb02509"},
};

/*
 * The digest of a function's text, its white space folded.
 */
static void
digest_function(const char *text, char *digest)
{
	StringInfoData folded;
	const char *error = NULL;

	initStringInfo(&folded);
	for (; *text != '\0'; text++)
	{
		if (strchr(" \t\r\n", *text) == NULL)
			appendStringInfoChar(&folded, *text);
		else if (folded.len > 0 && folded.data[folded.len - 1] != ' ')
			appendStringInfoChar(&folded, ' ');
	}
	if (folded.len > 0 && folded.data[folded.len - 1] == ' ')
		folded.data[--folded.len] = '\0';
	if (!pg_md5_hash(folded.data, folded.len, digest, &error))
		elog(ERROR, "could not compute an MD5 digest: %s", error);
	pfree(folded.data);
}

/*
 * Is this a trigger whose work registration does: the closure's on nodes, ObsCore's,
 * which sets *left_out, or one of Tiled's checks?  For WriterTarget.handles.
 */
bool
tiled_trigger_is_known(const Trigger *trigger, void *left_out)
{
	HeapTuple	tuple;
	const char *name;
	Datum		source;
	bool		isnull;
	bool		known = false;
	char		digest[MD5_TEXT_SIZE];

	if (closure_is_trigger(trigger))
		return true;
	if (obscore_is_trigger(trigger))
	{
		*(bool *) left_out = true;
		return true;
	}
	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(trigger->tgfoid));
	if (!HeapTupleIsValid(tuple))
		return false;
	name = NameStr(((Form_pg_proc) GETSTRUCT(tuple))->proname);
	source = SysCacheGetAttr(PROCOID, tuple, Anum_pg_proc_prosrc, &isnull);
	for (int i = 0; i < lengthof(known_functions) && !isnull && !known; i++)
	{
		if (strcmp(name, known_functions[i].function) != 0)
			continue;
		digest_function(TextDatumGetCString(source), digest);
		known = strcmp(digest, known_functions[i].digest) == 0;
	}
	ReleaseSysCache(tuple);
	return known;
}
