/*-------------------------------------------------------------------------
 *
 * src/butler/search_path.c
 *	  From names and patterns to collections, in the order of their search.
 *
 * The rules are those of the client (daf_butler, resolve_wildcard() of
 * DefaultCollectionManager): what patterns match comes first, then what is named,
 * in the order given; where chains are flattened their members stand in their
 * place, depth first, and those of chains that patterns match at the end.  Of a
 * collection that comes up again the first place counts.
 *
 * The client leaves the order of what a pattern matches to chance.  Here it is
 * that of the keys, which for numbers is the order of registration, with chains
 * behind all others, as the client has them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"

#include "butler/search_path.h"
#include "butler/wildcard.h"
#include "core/compat.h"
#include "core/query.h"

/* What is known of a collection on the way. */
typedef struct Place
{
	Datum		key;			/* hash key */
	bool		done;			/* is in the path, or its members are */
	bool		is_known;		/* of a chain: its members are selected ... */
	Collection *members;		/* ... and stand here, in their order */
	int			n_members;
} Place;

typedef struct Search
{
	const Registry *registry;
	SelectSnapshot snapshot;
	HTAB	   *places;
	SearchPath *path;
	int			capacity;		/* of the path */
} Search;

/*
 * The name of a collection's type, as the client writes it.
 */
const char *
collection_type_name(CollectionType type)
{
	switch (type)
	{
		case COLLECTION_RUN:
			return "RUN";
		case COLLECTION_TAGGED:
			return "TAGGED";
		case COLLECTION_CHAINED:
			return "CHAINED";
		case COLLECTION_CALIBRATION:
			return "CALIBRATION";
	}
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("%d is not a type of collections", (int) type)));
	return NULL;
}

/*
 * A Collection.key as text.
 */
char *
search_path_key_text(const Registry *registry, Datum key)
{
	if (registry->key_type == TEXTOID)
		return TextDatumGetCString(key);
	return psprintf(INT64_FORMAT, DatumGetInt64(key));
}

static const char *
columns(const Registry *registry)
{
	return psprintf("c.%s::%s, c.name::pg_catalog.text, c.type::pg_catalog.int4", registry->collection_key,
					registry->key_type == TEXTOID ? "pg_catalog.text" : "pg_catalog.int8");
}

static int
compare_texts(Datum a, Datum b)
{
	const text *left = DatumGetTextPP(a);
	const text *right = DatumGetTextPP(b);
	int			left_size = VARSIZE_ANY_EXHDR(left);
	int			right_size = VARSIZE_ANY_EXHDR(right);
	int			order = memcmp(VARDATA_ANY(left), VARDATA_ANY(right), Min(left_size, right_size));

	return order != 0 ? order : left_size - right_size;
}

/*
 * The order of Collection.key, whose type is Registry.key_type.
 */
int
search_path_compare_keys(Oid key_type, Datum a, Datum b)
{
	int64		left;
	int64		right;

	if (key_type == TEXTOID)
		return compare_texts(a, b);
	left = DatumGetInt64(a);
	right = DatumGetInt64(b);
	return left < right ? -1 : left > right;
}

static uint32
hash_text(const void *key, Size size)
{
	const text *value = DatumGetTextPP(*(const Datum *) key);

	return hash_bytes((const unsigned char *) VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value));
}

static int
match_text(const void *a, const void *b, Size size)
{
	return compare_texts(*(const Datum *) a, *(const Datum *) b);
}

static uint32
hash_number(const void *key, Size size)
{
	int64		value = DatumGetInt64(*(const Datum *) key);

	return hash_bytes((const unsigned char *) &value, sizeof(value));
}

static int
match_number(const void *a, const void *b, Size size)
{
	return DatumGetInt64(*(const Datum *) a) != DatumGetInt64(*(const Datum *) b);
}

static HTAB *
create_places(const Registry *registry)
{
	bool		by_name = registry->key_type == TEXTOID;
	HASHCTL		control;

	control.keysize = sizeof(Datum);
	control.entrysize = sizeof(Place);
	control.hash = by_name ? hash_text : hash_number;
	control.match = by_name ? match_text : match_number;
	control.hcxt = CurrentMemoryContext;
	return hash_create("catreg collections", 256, &control, HASH_ELEM | HASH_FUNCTION | HASH_COMPARE | HASH_CONTEXT);
}

static Place *
place_of(Search *search, const Collection *collection)
{
	bool		found;
	Place	   *place = hash_search(search->places, &collection->key, HASH_ENTER, &found);

	if (!found)
	{
		place->done = place->is_known = false;
		place->n_members = 0;
	}
	return place;
}

/*
 * Selects collections by a query of columns() and maybe more.
 */
static SearchPath *
select_collections(const Search *search, const char *text, int nargs, Oid *types, Datum *values)
{
	SearchPath *selected = palloc(sizeof(SearchPath));
	uint64		n = butler_select(search->snapshot, text, nargs, types, values);

	selected->n = n;
	selected->collections = palloc_extended(sizeof(Collection) * Max(n, 1), MCXT_ALLOC_HUGE);
	for (uint64 i = 0; i < n; i++)
	{
		selected->collections[i].key = selected_datum(i, 1);
		selected->collections[i].name = selected_text(i, 2);
		selected->collections[i].type = DatumGetInt32(selected_datum(i, 3));
	}
	return selected;
}

static void
add(Search *search, const Collection *collection)
{
	SearchPath *path = search->path;

	if (path->n == search->capacity)
	{
		search->capacity *= 2;
		path->collections = repalloc_huge(path->collections, sizeof(Collection) * search->capacity);
	}
	path->collections[path->n++] = *collection;
}

static void
add_once(Search *search, const Collection *collection)
{
	Place	   *place = place_of(search, collection);

	if (!place->done)
	{
		place->done = true;
		add(search, collection);
	}
}

static int
compare_collections(const void *a, const void *b, void *arg)
{
	const Collection *left = a;
	const Collection *right = b;

	if ((left->type == COLLECTION_CHAINED) != (right->type == COLLECTION_CHAINED))
		return left->type == COLLECTION_CHAINED ? 1 : -1;
	return search_path_compare_keys(*(const Oid *) arg, left->key, right->key);
}

/*
 * What the patterns match, in order; duplicates where several do.
 *
 * One query a pattern, so that each is compiled but once; and where names are
 * sorted as in C their index serves one with a fixed beginning.
 */
static SearchPath *
select_matches(const Search *search, const Wildcard *wildcard)
{
	const Registry *registry = search->registry;
	Oid			key_type = registry->key_type;
	Oid			type = TEXTOID;
	char	   *text = psprintf("SELECT %s FROM %s.collection c", columns(registry), registry->schema);
	SearchPath *matches = palloc0(sizeof(SearchPath));
	ListCell   *cell;

	if (wildcard->all)
		matches = select_collections(search, text, 0, NULL, NULL);
	text = psprintf("%s WHERE c.name OPERATOR(pg_catalog.~) $1", text);
	foreach(cell, wildcard->all ? NIL : wildcard->patterns)
	{
		Datum		value = CStringGetTextDatum(lfirst(cell));
		SearchPath *more = select_collections(search, text, 1, &type, &value);
		SearchPath *both = palloc(sizeof(SearchPath));

		if (matches->n == 0)
		{
			matches = more;
			continue;
		}
		both->n = matches->n + more->n;
		both->collections = palloc_extended(sizeof(Collection) * both->n, MCXT_ALLOC_HUGE);
		memcpy(both->collections, matches->collections, sizeof(Collection) * matches->n);
		memcpy(both->collections + matches->n, more->collections, sizeof(Collection) * more->n);
		matches = both;
	}
	if (matches->n > 1)
		qsort_arg(matches->collections, matches->n, sizeof(Collection), compare_collections, &key_type);
	return matches;
}

static int
compare_names(const void *a, const void *b)
{
	return strcmp(((const Collection *) a)->name, ((const Collection *) b)->name);
}

static void
report_missing(const Registry *registry, const List *names)
{
	StringInfoData text;
	ListCell   *cell;

	initStringInfo(&text);
	foreach(cell, names)
		appendStringInfo(&text, "%s\"%s\"", text.len == 0 ? "" : ", ", (char *) lfirst(cell));
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg_plural("collection %s does not exist", "collections %s do not exist",
						   list_length(names), text.data),
			 errdetail("The registry is that in schema %s.", registry->schema)));
}

/*
 * What is named, in the order of the names; an error where one does not exist.
 */
static SearchPath *
select_named(const Search *search, const List *names)
{
	const Registry *registry = search->registry;
	SearchPath *named = palloc0(sizeof(SearchPath));
	SearchPath *rows;
	List	   *missing = NIL;
	Oid			type = TEXTARRAYOID;
	Datum		value = PointerGetDatum(array_of_expressions(names));
	ListCell   *cell;

	if (names == NIL)
		return named;
	rows = select_collections(search,
							  psprintf("SELECT %s FROM %s.collection c WHERE c.name OPERATOR(pg_catalog.=) ANY ($1)",
									   columns(registry), registry->schema),
							  1, &type, &value);
	qsort(rows->collections, rows->n, sizeof(Collection), compare_names);
	named->collections = palloc_extended(sizeof(Collection) * list_length(names), MCXT_ALLOC_HUGE);
	foreach(cell, names)
	{
		Collection	wanted = {.name = lfirst(cell)};
		Collection *row = bsearch(&wanted, rows->collections, rows->n, sizeof(Collection), compare_names);

		if (row != NULL)
			named->collections[named->n++] = *row;
		else
			missing = lappend(missing, lfirst(cell));
	}
	if (missing != NIL)
		report_missing(registry, missing);
	return named;
}

static SearchPath *
only_chains(const SearchPath *path)
{
	SearchPath *chains = palloc(sizeof(SearchPath));

	chains->n = 0;
	chains->collections = palloc_extended(sizeof(Collection) * Max(path->n, 1), MCXT_ALLOC_HUGE);
	for (int i = 0; i < path->n; i++)
		if (path->collections[i].type == COLLECTION_CHAINED)
			chains->collections[chains->n++] = path->collections[i];
	return chains;
}

/*
 * Selects the members of chains that have none yet, and returns the chains among
 * those.
 */
static SearchPath *
select_level(Search *search, const SearchPath *chains)
{
	const Registry *registry = search->registry;
	Oid			key_type = registry->key_type;
	Oid			type = get_array_type(key_type);
	Datum		value = PointerGetDatum(search_path_keys(registry, chains));
	SearchPath *members =
		select_collections(search,
						   psprintf("SELECT %3$s, h.parent::%4$s FROM %1$s.collection_chain h"
									" JOIN %1$s.collection c ON c.%2$s OPERATOR(pg_catalog.=) h.child"
									" WHERE h.parent OPERATOR(pg_catalog.=) ANY ($1) ORDER BY h.parent, h.position",
									registry->schema, registry->collection_key, columns(registry),
									key_type == TEXTOID ? "pg_catalog.text" : "pg_catalog.int8"),
						   1, &type, &value);

	for (int i = 0; i < members->n; i++)
	{
		Collection	parent = {.key = selected_datum(i, 4)};
		Place	   *place = place_of(search, &parent);

		if (place->n_members++ == 0)
			place->members = &members->collections[i];
	}
	return only_chains(members);
}

/*
 * Selects the members of chains, and of the chains among them, level by level: for
 * a recursive query the planner would have to know how many there are.
 */
static void
select_members(Search *search, SearchPath *chains)
{
	int			level = query_by_index(true);

	while (chains->n > 0)
	{
		int			n = 0;

		for (int i = 0; i < chains->n; i++)
		{
			Place	   *place = place_of(search, &chains->collections[i]);

			if (!place->is_known)
				chains->collections[n++] = chains->collections[i];
			place->is_known = true;
		}
		chains->n = n;
		if (n > 0)
			chains = select_level(search, chains);
	}
	query_settings_back(level);
}

/*
 * Adds a collection, or what it leads to.  A chain that has been met before adds
 * nothing new, be it by a cycle.
 */
static void
flatten(Search *search, const Collection *collection)
{
	Place	   *place;

	check_stack_depth();
	if (collection->type != COLLECTION_CHAINED)
	{
		add_once(search, collection);
		return;
	}
	place = place_of(search, collection);
	if (place->done)
		return;
	place->done = true;
	for (int i = 0; i < place->n_members; i++)
		flatten(search, &place->members[i]);
}

static void
begin_search(Search *search, const Registry *registry, SelectSnapshot snapshot)
{
	search->registry = registry;
	search->snapshot = snapshot;
	search->places = create_places(registry);
	search->path = palloc0(sizeof(SearchPath));
	search->capacity = 64;
	search->path->collections = palloc(sizeof(Collection) * search->capacity);
}

/*
 * The collections that expressions choose (see wildcard.c), chains as they are; an
 * error where one that is named does not exist.  SPI must be connected.
 */
SearchPath *
search_path_match(const Registry *registry, const List *expressions, SelectSnapshot snapshot)
{
	Wildcard   *wildcard = wildcard_parse(expressions);
	Search		search;
	SearchPath *matches;
	SearchPath *named;

	begin_search(&search, registry, snapshot);
	matches = select_matches(&search, wildcard);
	named = select_named(&search, wildcard->all ? NIL : wildcard->names);
	for (int i = 0; i < matches->n; i++)
		add_once(&search, &matches->collections[i]);
	for (int i = 0; i < named->n; i++)
		add_once(&search, &named->collections[i]);
	return search.path;
}

/*
 * The same with what chains lead to in their place: a search path, of RUN, TAGGED
 * and CALIBRATION collections.
 */
SearchPath *
search_path_flatten(const Registry *registry, const List *expressions, SelectSnapshot snapshot)
{
	Wildcard   *wildcard = wildcard_parse(expressions);
	Search		search;
	SearchPath *matches;
	SearchPath *named;
	SearchPath *all;

	begin_search(&search, registry, snapshot);
	matches = select_matches(&search, wildcard);
	for (int i = 0; i < matches->n; i++)
		if (matches->collections[i].type != COLLECTION_CHAINED)
			add_once(&search, &matches->collections[i]);
	if (wildcard->all)
		return search.path;

	named = select_named(&search, wildcard->names);
	matches = only_chains(matches);
	all = palloc(sizeof(SearchPath));
	all->n = named->n + matches->n;
	all->collections = palloc_extended(sizeof(Collection) * Max(all->n, 1), MCXT_ALLOC_HUGE);
	if (named->n > 0)
		memcpy(all->collections, named->collections, sizeof(Collection) * named->n);
	memcpy(all->collections + named->n, matches->collections, sizeof(Collection) * matches->n);
	select_members(&search, only_chains(all));
	for (int i = 0; i < all->n; i++)
		flatten(&search, &all->collections[i]);
	return search.path;
}

/*
 * The keys as an array of their type, a parameter of queries.
 */
ArrayType *
search_path_keys(const Registry *registry, const SearchPath *path)
{
	Oid			type = registry->key_type;
	Datum	   *keys = palloc_extended(sizeof(Datum) * Max(path->n, 1), MCXT_ALLOC_HUGE);
	int16		length;
	bool		by_value;
	char		align;

	for (int i = 0; i < path->n; i++)
		keys[i] = path->collections[i].key;
	get_typlenbyvalalign(type, &length, &by_value, &align);
	return construct_array(keys, path->n, type, length, by_value, align);
}

/*
 * The names as an array of text.
 */
ArrayType *
search_path_names(const SearchPath *path)
{
	Datum	   *names = palloc_extended(sizeof(Datum) * Max(path->n, 1), MCXT_ALLOC_HUGE);

	for (int i = 0; i < path->n; i++)
		names[i] = CStringGetTextDatum(path->collections[i].name);
	return construct_array(names, path->n, TEXTOID, -1, false, TYPALIGN_INT);
}
