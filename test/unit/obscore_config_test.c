/*-------------------------------------------------------------------------
 *
 * test/unit/obscore_config_test.c
 *	  The configuration of an ObsCore table, rule by rule (TAP).
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "obscore/config.h"
#include "obscore/tiled_config.h"
#include "obscore/python_regex.h"
#include "unit_memory.h"
#include "unit_tap.h"

/* Literals with NULs inside, and their length */
#define BYTES(literal) literal, sizeof(literal) - 1

/* A document with more keys, of its own, of a dataset type and of both */
#define BASE "\"facility_name\":\"F\",\"dataset_types\":{\"raw\":{\"dataproduct_type\":\"image\",\"calib_level\":1"
#define DOCUMENT(type, more) "{\"collection_type\":\"RUN\"," BASE type "}}" more "}"
#define TYPE(more) DOCUMENT(more, "")
#define TOP(more) DOCUMENT("", more)
#define EXTRA(more) TOP(",\"extra_columns\":{" more "}")
#define PGSPHERE_CLASS "lsst.daf.butler.registry.obscore.pgsphere.PgSphereObsCorePlugin"
#define DEFAULT_CLASS "lsst.daf.butler.registry.obscore.default_spatial.DefaultSpatialObsCorePlugin"
#define PLUGIN(name, class) "\"" name "\":{\"cls\":\"" class "\"}"
#define PLUGINS(plugins) TOP(",\"spatial_plugins\":{" plugins "}")
#define PGSPHERE(config) PLUGINS("\"p\":{\"cls\":\"" PGSPHERE_CLASS "\"" config "}")

/* As a client stored it: obscore_run.yaml less the plugin */
static const char stored_run[] =
	"{\"indices\": {\"lsst_visit_idx\": \"lsst_visit\", \"dataproduct_idx\": [\"dataproduct_type\", "
	"\"dataproduct_subtype\"], \"lsst_exposure_idx\": \"lsst_exposure\", \"instrument_name_idx\": "
	"\"instrument_name\"}, \"version\": 1, \"namespace\": \"a2\", \"table_name\": \"obscore\", "
	"\"collections\": [\"A2Cam/raw/.*\", \"A2Cam/runs/.*\"], \"facility_map\": {\"A2Cam\": "
	"\"Rubin:Simonyi\"}, \"dataset_types\": {\"raw\": {\"o_ucd\": \"phot.count\", \"s_xel\": [4608, "
	"4096], \"obs_id_fmt\": \"{records[exposure].obs_id}\", \"calib_level\": 1, \"access_format\": "
	"\"application/x-votable+xml;content=datalink\", \"extra_columns\": {\"obs_title\": {\"doc\": "
	"null, \"type\": \"string\", \"length\": 255, \"template\": \"{dataset_type} - {band} - "
	"{records[exposure].obs_id}-{records[detector].full_name} "
	"{records[exposure].timespan.begin.utc.isot}Z\"}}, \"obs_collection\": null, "
	"\"datalink_url_fmt\": \"https://data.lsst.cloud/api/datalink/links?ID=butler%3A//a2/{id}\", "
	"\"dataproduct_type\": \"image\", \"dataproduct_subtype\": \"lsst.raw\"}, \"calexp\": {\"o_ucd\": "
	"\"phot.count\", \"s_xel\": [4072, 4000], \"obs_id_fmt\": \"{records[visit].name}\", "
	"\"calib_level\": 2, \"access_format\": \"application/x-votable+xml;content=datalink\", "
	"\"extra_columns\": {\"obs_title\": {\"doc\": null, \"type\": \"string\", \"length\": 255, "
	"\"template\": \"{dataset_type} - {band} - "
	"{records[visit].name}-{records[detector].full_name} "
	"{records[visit].timespan.begin.utc.isot}Z\"}}, \"obs_collection\": null, "
	"\"datalink_url_fmt\": \"https://data.lsst.cloud/api/datalink/links?ID=butler%3A//a2/{id}\", "
	"\"dataproduct_type\": \"image\", \"dataproduct_subtype\": \"lsst.calexp\"}, \"deepCoadd\": "
	"{\"o_ucd\": \"phot.count\", \"s_xel\": [3400, 3400], \"obs_id_fmt\": \"{skymap}-{tract}-{patch}\","
	" \"calib_level\": 3, \"access_format\": \"application/x-votable+xml;content=datalink\", "
	"\"extra_columns\": {\"obs_title\": {\"doc\": null, \"type\": \"string\", \"length\": 255, "
	"\"template\": \"{dataset_type} - {band} - tract={tract} patch={patch}\"}}, "
	"\"obs_collection\": null, \"datalink_url_fmt\": "
	"\"https://data.lsst.cloud/api/datalink/links?ID=butler%3A//a2/{id}\", \"dataproduct_type\": "
	"\"image\", \"dataproduct_subtype\": \"lsst.deepCoadd\"}}, \"extra_columns\": {\"lsst_run\": "
	"{\"doc\": null, \"type\": \"string\", \"length\": 255, \"template\": \"{run}\"}, \"lsst_band\": "
	"{\"doc\": null, \"type\": \"string\", \"length\": 32, \"template\": \"{band}\"}, \"lsst_patch\": "
	"{\"doc\": null, \"type\": \"int\", \"length\": null, \"template\": \"{patch}\"}, \"lsst_tract\": "
	"{\"doc\": null, \"type\": \"int\", \"length\": null, \"template\": \"{tract}\"}, \"lsst_visit\": "
	"{\"doc\": null, \"type\": \"int\", \"length\": null, \"template\": \"{visit}\"}, \"lsst_filter\": "
	"{\"doc\": null, \"type\": \"string\", \"length\": 32, \"template\": \"{physical_filter}\"}, "
	"\"lsst_detector\": {\"doc\": null, \"type\": \"int\", \"length\": null, \"template\": \"{detector}\"},"
	" \"lsst_exposure\": {\"doc\": null, \"type\": \"int\", \"length\": null, \"template\": "
	"\"{exposure}\"}, \"lsst_dataset_type\": {\"doc\": null, \"type\": \"string\", \"length\": 64, "
	"\"template\": \"{dataset_type}\"}}, \"facility_name\": \"Rubin-LSST\", \"obs_collection\": "
	"\"LSST.A2\", \"collection_type\": \"RUN\", \"spatial_plugins\": {}, \"spectral_ranges\": {\"g\": "
	"[4.02e-07, 5.52e-07], \"i\": [6.91e-07, 8.18e-07], \"r\": [5.52e-07, 6.91e-07], \"u\": "
	"[3.3e-07, 4e-07], \"y\": [9.7e-07, 1.06e-06], \"z\": [8.18e-07, 9.22e-07]}, "
	"\"fallback_instrument\": null, \"obs_publisher_did_fmt\": "
	"\"ivo://org.rubinobs/usdac/lsst-a2?repo=a2&id={id}\"}";

/* obscore_tagged.yaml */
static const char written_tagged[] =
	"{\"namespace\": \"a2\", \"version\": 1, \"table_name\": \"obscore\", \"collection_type\": \"TAGGED\", "
	"\"collections\": [\"A2Cam/obscore\"], \"facility_name\": \"Rubin-LSST\", \"facility_map\": "
	"{\"A2Cam\": \"Rubin:Simonyi\"}, \"obs_collection\": \"LSST.A2\", \"obs_publisher_did_fmt\": "
	"\"ivo://org.rubinobs/usdac/lsst-a2?repo=a2&id={id}\", \"dataset_types\": {\"raw\": "
	"{\"dataproduct_type\": \"image\", \"dataproduct_subtype\": \"lsst.raw\", \"calib_level\": 1, "
	"\"obs_id_fmt\": \"{records[exposure].obs_id}\", \"o_ucd\": \"phot.count\", \"access_format\": "
	"\"application/x-votable+xml;content=datalink\", \"datalink_url_fmt\": "
	"\"https://data.lsst.cloud/api/datalink/links?ID=butler%3A//a2/{id}\", \"s_xel\": [4608, "
	"4096], \"extra_columns\": {\"obs_title\": {\"template\": \"{dataset_type} - {band} - "
	"{records[exposure].obs_id}-{records[detector].full_name} "
	"{records[exposure].timespan.begin.utc.isot}Z\", \"length\": 255}}}, \"calexp\": "
	"{\"dataproduct_type\": \"image\", \"dataproduct_subtype\": \"lsst.calexp\", \"calib_level\": 2, "
	"\"obs_id_fmt\": \"{records[visit].name}\", \"o_ucd\": \"phot.count\", \"access_format\": "
	"\"application/x-votable+xml;content=datalink\", \"datalink_url_fmt\": "
	"\"https://data.lsst.cloud/api/datalink/links?ID=butler%3A//a2/{id}\", \"s_xel\": [4072, "
	"4000], \"extra_columns\": {\"obs_title\": {\"template\": \"{dataset_type} - {band} - "
	"{records[visit].name}-{records[detector].full_name} "
	"{records[visit].timespan.begin.utc.isot}Z\", \"length\": 255}}}, \"deepCoadd\": "
	"{\"dataproduct_type\": \"image\", \"dataproduct_subtype\": \"lsst.deepCoadd\", \"calib_level\": 3,"
	" \"obs_id_fmt\": \"{skymap}-{tract}-{patch}\", \"o_ucd\": \"phot.count\", \"access_format\": "
	"\"application/x-votable+xml;content=datalink\", \"datalink_url_fmt\": "
	"\"https://data.lsst.cloud/api/datalink/links?ID=butler%3A//a2/{id}\", \"s_xel\": [3400, "
	"3400], \"extra_columns\": {\"obs_title\": {\"template\": \"{dataset_type} - {band} - "
	"tract={tract} patch={patch}\", \"length\": 255}}}}, \"extra_columns\": {\"lsst_visit\": "
	"{\"template\": \"{visit}\", \"type\": \"int\"}, \"lsst_exposure\": {\"template\": \"{exposure}\", "
	"\"type\": \"int\"}, \"lsst_detector\": {\"template\": \"{detector}\", \"type\": \"int\"}, "
	"\"lsst_tract\": {\"template\": \"{tract}\", \"type\": \"int\"}, \"lsst_patch\": {\"template\": "
	"\"{patch}\", \"type\": \"int\"}, \"lsst_band\": {\"template\": \"{band}\", \"type\": \"string\", "
	"\"length\": 32}, \"lsst_filter\": {\"template\": \"{physical_filter}\", \"type\": \"string\", "
	"\"length\": 32}, \"lsst_dataset_type\": {\"template\": \"{dataset_type}\", \"type\": \"string\", "
	"\"length\": 64}, \"lsst_run\": {\"template\": \"{run}\", \"type\": \"string\", \"length\": 255}}, "
	"\"indices\": {\"instrument_name_idx\": \"instrument_name\", \"lsst_visit_idx\": \"lsst_visit\", "
	"\"lsst_exposure_idx\": \"lsst_exposure\", \"dataproduct_idx\": [\"dataproduct_type\", "
	"\"dataproduct_subtype\"]}, \"spectral_ranges\": {\"u\": [3.3e-07, 4e-07], \"g\": [4.02e-07, "
	"5.52e-07], \"r\": [5.52e-07, 6.91e-07], \"i\": [6.91e-07, 8.18e-07], \"z\": [8.18e-07, "
	"9.22e-07], \"y\": [9.7e-07, 1.06e-06]}, \"spatial_plugins\": {\"pgsphere\": {\"cls\": "
	"\"lsst.daf.butler.registry.obscore.pgsphere.PgSphereObsCorePlugin\", \"config\": "
	"{\"region_column\": \"pgs_region\", \"position_column\": \"pgs_center\"}}}}";

static ObscoreConfigReport report;

/*
 * Parses from a block of the document's own size.
 */
static ObscoreConfig *
parse_bytes(const char *json, size_t length)
{
	char	   *copy = malloc(length > 0 ? length : 1);
	ObscoreConfig *config;

	memcpy(copy, json, length);
	config = obscore_config_parse(copy, length, &report);
	free(copy);
	return config;
}

static ObscoreConfig *
parse(const char *json)
{
	return parse_bytes(json, strlen(json));
}

static bool
has(const char *text, const char *part)
{
	return part == NULL ? text == NULL : text != NULL && strstr(text, part) != NULL;
}

static bool
is(const char *text, const char *expected)
{
	return expected == NULL ? text == NULL : text != NULL && strcmp(text, expected) == 0;
}

/*
 * A document that is refused: the path in full, parts of problem and hint.
 */
static void
refuses_bytes(const char *json, size_t length, const char *path, const char *problem,
			  const char *hint, const char *name)
{
	ObscoreConfig *config = parse_bytes(json, length);

	if (!ok(config == NULL && is(report.path, path) && has(report.problem, problem) &&
			has(report.hint, hint), name))
		note("got path %s, problem %s, hint %s", report.path ? report.path : "(none)",
			 report.problem ? report.problem : "(none)", report.hint ? report.hint : "(none)");
	obscore_config_free(&report);
}

static void
refuses(const char *json, const char *path, const char *problem, const char *hint, const char *name)
{
	refuses_bytes(json, strlen(json), path, problem, hint, name);
}

/*
 * A document that is accepted, with so many warnings.
 */
static void
accepts(const char *json, int n_warnings, const char *name)
{
	ObscoreConfig *config = parse(json);

	if (!ok(config != NULL && report.problem == NULL && report.path == NULL &&
			report.n_warnings == n_warnings, name))
		note("%s: %s", report.path ? report.path : "", report.problem ? report.problem : "warnings");
	obscore_config_free(&report);
}

static void
test_stored_run(void)
{
	ObscoreConfig *c = parse(stored_run);
	ObscoreDatasetType *raw;

	if (!ok(c != NULL && report.n_warnings == 0, "the stored configuration of type RUN"))
	{
		note("%s: %s", report.path, report.problem);
		return;
	}
	raw = &c->dataset_types[0];
	ok(is(c->table_name, "obscore") && c->collection_type == OBSCORE_RUN &&
	   c->n_collections == 2 && is(c->collections[1], "A2Cam/runs/.*") &&
	   is(c->collection_regexes[1], "^(?:A2Cam/runs/[^\\n]*)$"), "collections");
	ok(is(c->facility_name, "Rubin-LSST") && c->n_facilities == 1 &&
	   is(c->facilities[0].instrument, "A2Cam") && is(c->facilities[0].facility, "Rubin:Simonyi") &&
	   c->fallback_instrument == NULL && is(c->obs_collection, "LSST.A2") &&
	   is(c->obs_publisher_did_fmt, "ivo://org.rubinobs/usdac/lsst-a2?repo=a2&id={id}"),
	   "facilities and formats");
	ok(c->n_dataset_types == 3 && is(raw->name, "raw") && is(raw->dataproduct_type, "image") &&
	   is(raw->dataproduct_subtype, "lsst.raw") && is(raw->o_ucd, "phot.count") &&
	   is(raw->access_format, "application/x-votable+xml;content=datalink") &&
	   is(raw->obs_id_fmt, "{records[exposure].obs_id}") && raw->obs_collection == NULL &&
	   raw->calib_level == 1 && raw->has_s_xel && raw->s_xel[0] == 4608 && raw->s_xel[1] == 4096 &&
	   is(c->dataset_types[1].name, "calexp") && is(c->dataset_types[2].name, "deepCoadd"),
	   "dataset types, in their order");
	ok(raw->n_extra == 1 && is(raw->extra[0].name, "obs_title") &&
	   has(raw->extra[0].template, "{records[exposure].timespan.begin.utc.isot}Z") &&
	   is(raw->extra[0].template_path, "dataset_types.raw.extra_columns.obs_title.template") &&
	   raw->extra[0].constant == NULL && raw->extra[0].constant_type == OBSCORE_NULL &&
	   raw->extra[0].type == OBSCORE_STRING && raw->extra[0].length == 255 &&
	   raw->extra[0].doc == NULL, "a dataset type's extra column");
	ok(c->n_extra == 9 && is(c->extra[0].name, "lsst_run") && c->extra[2].type == OBSCORE_INT &&
	   c->extra[2].length == 0 && is(c->extra[2].template_path, "extra_columns.lsst_patch.template"),
	   "extra columns, in their order");
	ok(c->n_indices == 4 && is(c->indices[0].name, "lsst_visit_idx") && c->indices[0].n_columns == 1 &&
	   is(c->indices[0].columns[0], "lsst_visit") && c->indices[1].n_columns == 2 &&
	   is(c->indices[1].columns[1], "dataproduct_subtype"), "indices");
	ok(c->n_spectral == 6 && is(c->spectral[0].name, "g") && c->spectral[0].has_min &&
	   c->spectral[0].has_max && c->spectral[0].min == 402e-9 && c->spectral[0].max == 552e-9,
	   "spectral ranges");
	ok(c->region_column == NULL && c->position_column == NULL, "no plugin");
	obscore_config_free(&report);
	ok(report.blocks == NULL, "it can be freed");
}

static void
test_written_tagged(void)
{
	ObscoreConfig *c = parse(written_tagged);

	if (!ok(c != NULL && report.n_warnings == 0, "the written configuration of type TAGGED"))
	{
		note("%s: %s", report.path, report.problem);
		return;
	}
	ok(c->collection_type == OBSCORE_TAGGED && c->n_collections == 1 &&
	   is(c->collections[0], "A2Cam/obscore") && c->collection_regexes == NULL, "one collection");
	ok(is(c->region_column, "pgs_region") && is(c->position_column, "pgs_center"), "pgsphere's columns");
	obscore_config_free(&report);
}

static void
test_absent(void)
{
	ObscoreConfig *c = parse(DOCUMENT(",\"o_ucd\":null,\"s_xel\":null,\"extra_columns\":null,\"obs_id_fmt\":\"\"",
									  ",\"collections\":null,\"indices\":{\"i\":null},\"spectral_ranges\":null,"
									  "\"table_name\":null,\"extra_columns\":{\"x\":null},\"surprise\":null,"
									  "\"spatial_plugins\":{\"p\":null},\"facility_map\":{\"I\":null}"));

	ok(c != NULL && c->n_indices == 0 && c->n_extra == 0 && c->n_facilities == 0 &&
	   c->n_collections == 0 && is(c->table_name, "obscore") && !c->dataset_types[0].has_s_xel &&
	   c->dataset_types[0].obs_id_fmt == NULL, "null means absent, and so does an empty format");
	obscore_config_free(&report);
}

static void
test_constants(void)
{
	ObscoreConfig *c = parse(EXTRA("\"s\":\"a\\u00e9\",\"i\":-9223372036854775808,\"f\":0.1,\"g\":1e300,"
								   "\"t\":true,\"u\":false,\"h\":1.0,\"third\":0.33333333333333331"));

	if (!ok(c != NULL && c->n_extra == 8, "constants"))
		return;
	ok(c->extra[0].type == OBSCORE_STRING && is(c->extra[0].constant, "a\xc3\xa9") &&
	   c->extra[0].template == NULL && c->extra[0].constant_type == OBSCORE_STRING, "a string");
	ok(c->extra[1].type == OBSCORE_INT && is(c->extra[1].constant, "-9223372036854775808"), "an integer");
	ok(c->extra[2].type == OBSCORE_FLOAT && is(c->extra[2].constant, "0.1") &&
	   strtod(c->extra[3].constant, NULL) == 1e300 && c->extra[6].type == OBSCORE_FLOAT &&
	   strtod(c->extra[7].constant, NULL) == 1.0 / 3, "floats read back");
	ok(c->extra[4].constant_type == OBSCORE_BOOL && is(c->extra[4].constant, "true") &&
	   is(c->extra[5].constant, "false"), "booleans");
	obscore_config_free(&report);

	c = parse(TOP(",\"spectral_ranges\":{\"white\":[null,null],\"u~nd\":[1,null]}"));
	ok(c != NULL && c->n_spectral == 2 && !c->spectral[0].has_min && !c->spectral[0].has_max &&
	   c->spectral[1].has_min && c->spectral[1].min == 1 && !c->spectral[1].has_max,
	   "an open range, and an integer for a float");
	obscore_config_free(&report);
}

static void
test_syntax(void)
{
	static const char *const broken[] = {
		"", " ", "{", "{\"a\"", "{\"a\":}", "{\"a\":1,}", "{'a':1}", "{\"a\":01}", "{\"a\":1.}", "{\"a\":-01}",
		"{\"a\":+1}", "{\"a\":.5}", "{\"a\":NaN}", "{\"a\":-Infinity}", "{\"a\":Infinity}", "{\"a\":TRUE}",
		"{\"a\":1 /* */}", "{\"a\":\"\\x41\"}", "{\"a\":\"\\u12\"}", "{} {}", "{}x", "\xef\xbb\xbf{}",
		"{\"a\":1e}", "{a:1}", "{\"a\" 1}", "[1 2]", "{\"a\":\"b}", "{\"a\":-}"
	};
	size_t		i;
	size_t		failed = 0;
	char		deep[500];

	for (i = 0; i < sizeof(broken) / sizeof(broken[0]); i++)
	{
		if (parse(broken[i]) != NULL || report.problem == NULL || report.path == NULL)
		{
			failed++;
			note("accepted: %s", broken[i]);
		}
		obscore_config_free(&report);
	}
	ok(failed == 0, "what is no JSON is refused");
	refuses("{\n \"a\": 1,\n  x}", "", "this is no JSON", "one JSON object", "with a hint");
	ok(parse("{\n \"a\": 1,\n  x}") == NULL && has(report.problem, "at line 3, byte 3"), "and the place");
	obscore_config_free(&report);
	refuses("[1]", "", "this is an array, not an object", "Allowed is an object.", "an array");
	refuses("null", "", "this is null", "an object", "null");
	refuses_bytes(BYTES("{\"a\0\":1}"), "", "the byte zero", "JSON", "a zero byte");
	refuses_bytes(BYTES("{}\0"), "", "the byte zero", "JSON", "a zero byte at the end");
	refuses("{\"a\":\"\xff\"}", "", "not UTF-8", "UTF-8", "a byte that is never UTF-8");
	refuses("{\"a\":\"\xc0\x80\"}", "", "not UTF-8", "UTF-8", "an overlong sequence");
	refuses("{\"a\":\"\xed\xa0\x80\"}", "", "not UTF-8", "UTF-8", "a surrogate in UTF-8");
	refuses("{\"a\":\"\xe2\x82", "", "not UTF-8", "UTF-8", "a sequence cut short");
	refuses(TOP(",\"obs_collection\":\"a\\u0000b\""), "obs_collection", "NUL", "PostgreSQL", "an escaped NUL");
	refuses("{\"a\\u0000b\":1}", "", "NUL", "PostgreSQL", "an escaped NUL in a key");
	refuses(TOP(",\"obs_collection\":\"\\ud800\""), "obs_collection", "surrogate", NULL, "half a surrogate pair");
	refuses(TOP(",\"obs_collection\":\"\\udc00\\ud800\""), "obs_collection", "surrogate", NULL, "a pair the wrong way round");
	refuses(TOP(",\"obs_collection\":\"a\nb\""), "obs_collection", "control character", "\\n", "a raw newline");
	accepts(TOP(",\"obs_collection\":\"\\ud83d\\ude00\""), 0, "a surrogate pair");
	refuses(TOP(",\"version\":99999999999999999999"), "version", "64 bits", NULL, "an integer too large");
	refuses(TOP(",\"version\":9223372036854775808"), "version", "64 bits", NULL, "an integer one too large");
	accepts(TOP(",\"version\":9223372036854775807"), 0, "the largest integer");

	memset(deep, '[', 200);
	strcpy(deep + 200, "1");
	refuses(deep, "", "nesting too deep", "JSON", "nesting too deep");
}

static void
test_duplicates(void)
{
	refuses(TOP(",\"version\":1,\"version\":1"), "version", "twice", NULL, "a key twice");
	refuses(TOP(",\"version\":1,\"v\\u0065rsion\":2"), "version", "twice", NULL, "a key twice, once escaped");
	refuses(TYPE("},\"raw\":{"), "dataset_types.raw", "twice", NULL, "a dataset type twice");
	refuses(EXTRA("\"x\":1,\"y\":2,\"x\":3"), "extra_columns.x", "twice", NULL, "an extra column twice");
	refuses(TOP(",\"indices\":{\"a.b\":\"obs_id\",\"a.b\":\"obs_id\"}"), "indices.\"a.b\"", "twice", NULL,
			"an index twice, its name quoted");
	refuses(TOP(",\"where\":{\"bind\":{\"x\":[{\"k\":1,\"k\":null}]}}"), "where.bind.x[0].k", "twice", NULL,
			"a key twice in what is not looked at");
}

static void
test_keys(void)
{
	refuses(TOP(",\"surprise\":1"), "surprise", "unknown key", "Allowed keys: namespace, version, table_name, collection_type",
			"an unknown key");
	refuses(TYPE(",\"exptime\":1"), "dataset_types.raw.exptime", "unknown key",
			"Allowed keys: dataproduct_type, dataproduct_subtype, calib_level", "an unknown key of a dataset type");
	refuses(EXTRA("\"x\":{\"template\":\"\",\"unit\":\"s\"}"), "extra_columns.x.unit", "unknown key",
			"Allowed keys: template, type, length, doc.", "an unknown key of a column");
	refuses("{}", "collection_type", "required", "Required keys: ", "no collection type");
	refuses("{\"collection_type\":\"RUN\",\"dataset_types\":{}}", "facility_name", "required", "Required keys: ", "no facility");
	refuses("{\"collection_type\":\"RUN\",\"facility_name\":\"F\"}", "dataset_types", "required", "Required keys: ", "no dataset types");
	refuses("{\"collection_type\":\"RUN\",\"facility_name\":null,\"dataset_types\":{}}", "facility_name", "required", "Required keys: ",
			"a required key that is null");
	refuses(TYPE("},\"b\":{\"calib_level\":1"), "dataset_types.b.dataproduct_type", "required", "Required keys: ", "no product type");
	refuses(TYPE("},\"b\":{\"dataproduct_type\":\"x\""), "dataset_types.b.calib_level", "required", "Required keys: ", "no level");
	refuses(EXTRA("\"x\":{\"type\":\"int\"}"), "extra_columns.x.template", "required", "Required keys: ", "no template");
	refuses(TOP(",\"spatial_plugins\":{\"p\":{}}"), "spatial_plugins.p.cls", "required", "Required keys: ", "no class");
	refuses(TOP(",\"version\":\"1\",\"surprise\":1"), "version", "string", "an integer", "the first error is reported");
	accepts("{\"collection_type\":\"RUN\",\"facility_name\":\"F\",\"dataset_types\":{}}", 0, "what is required, and no more");
}

static void
test_types(void)
{
	refuses(TOP(",\"namespace\":1"), "namespace", "this is an integer, not a string", "Allowed is a string.", "namespace");
	refuses(TOP(",\"version\":true"), "version", "a boolean", "an integer", "a boolean is no integer");
	refuses(TOP(",\"version\":1.5"), "version", "a number", "an integer", "nor is a fraction");
	accepts(TOP(",\"version\":2.0"), 0, "a whole number will do");
	refuses(TYPE(",\"obs_id_fmt\":[]"), "dataset_types.raw.obs_id_fmt", "an array", "a string", "a format");
	refuses(TYPE("},\"b\":{\"dataproduct_type\":\"i\",\"calib_level\":40000"), "dataset_types.b.calib_level", "40000",
			"from -32768 to 32767", "a level beyond smallint");
	refuses(TYPE(",\"s_xel\":[1]"), "dataset_types.raw.s_xel", "1 elements, not 2", "two integers", "one pixel count");
	refuses(TYPE(",\"s_xel\":[1,\"2\"]"), "dataset_types.raw.s_xel[1]", "a string", "an integer", "text for a pixel count");
	refuses(TYPE(",\"s_xel\":[1,null]"), "dataset_types.raw.s_xel[1]", "null", "an integer", "null for a pixel count");
	refuses(TYPE(",\"s_xel\":[1,2147483648]"), "dataset_types.raw.s_xel[1]", "out of range", "2147483647", "too many pixels");
	refuses(TYPE(",\"s_xel\":7"), "dataset_types.raw.s_xel", "an integer", "array of two integers", "no array");
	refuses(TYPE("},\"b\":1,\"c\":{"), "dataset_types.b", "an integer", "an object", "a dataset type that is no object");
	refuses(TYPE("},\"\":{\"dataproduct_type\":\"\",\"calib_level\":1"), "dataset_types.\"\"", "empty name", NULL, "a dataset type without a name");
	refuses(TOP(",\"facility_map\":[]"), "facility_map", "an array", "an object", "a facility map");
	refuses(TOP(",\"facility_map\":{\"I\":1}"), "facility_map.I", "an integer", "a string", "a facility");
	refuses(TOP(",\"spectral_ranges\":{\"g\":[1]}"), "spectral_ranges.g", "1 elements", "two numbers", "half a range");
	refuses(TOP(",\"spectral_ranges\":{\"u~nd\":[\"4e-7\",1]}"), "spectral_ranges.u~nd[0]", "a string", "a number or null", "a text in a range");
	refuses(TOP(",\"spectral_ranges\":{\"a.b\":[0,1e400]}"), "spectral_ranges.\"a.b\"[1]", "beyond the range", "finite", "an infinite range");
	refuses(TOP(",\"spectral_ranges\":{\"g\":[true,1]}"), "spectral_ranges.g[0]", "a boolean", "a number or null", "a boolean in a range");
	refuses(TOP(",\"table_name\":\"\""), "table_name", "empty name", NULL, "no table name");
	refuses(TOP(",\"table_name\":\"0123456789012345678901234567890123456789012345678901234567890123\""), "table_name",
			"64 bytes", "at most 63 bytes", "a table name too long");
	accepts(TOP(",\"table_name\":\"012345678901234567890123456789012345678901234567890123456789012\""), 0, "63 bytes are fine");
}

static void
test_collections(void)
{
#define COLLECTED(type, collections) \
	"{\"collection_type\":\"" type "\"" collections ",\"facility_name\":\"F\",\"dataset_types\":{}}"
	refuses(COLLECTED("CALIBRATION", ""), "collection_type", "\"CALIBRATION\"", "Allowed values: RUN, TAGGED, CHAINED.", "another type");
	refuses(COLLECTED("run", ""), "collection_type", "\"run\"", "RUN", "a type in lower case");
	refuses(COLLECTED("TAGGED", ""), "collections", "TAGGED wants one", "one name", "TAGGED without a collection");
	refuses(COLLECTED("TAGGED", ",\"collections\":[\"a\",\"b\"]"), "collections", "not 2", "one name", "TAGGED with two");
	refuses(COLLECTED("TAGGED", ",\"collections\":[\"\"]"), "collections[0]", "empty name", NULL, "an empty collection name");
	refuses(COLLECTED("CHAINED", ",\"collections\":[]"), "collections", "at least one", "globs", "CHAINED without a collection");
	refuses(COLLECTED("RUN", ",\"collections\":\"a\""), "collections", "a string", "an array of strings", "a string for a list");
	refuses(COLLECTED("RUN", ",\"collections\":[\"a\",null]"), "collections[1]", "null", "a string", "null in a list");
	refuses(COLLECTED("RUN", ",\"collections\":[\"a\",\"(b\"]"), "collections[1]", "a group without an end, at byte 1",
			"Python's regular expressions", "a pattern that is none");
	refuses("{\"collections\":[\"(a)\\\\1\"],\"collection_type\":\"RUN\"}", "collections[0]", "a back reference, at byte 4", "Python's",
			"a pattern that PostgreSQL cannot express, ahead of the type");
	accepts(COLLECTED("RUN", ""), 0, "RUN without collections");
	accepts(COLLECTED("RUN", ",\"collections\":[]"), 0, "RUN with none");
	accepts(COLLECTED("CHAINED", ",\"collections\":[\"HSC/*\",\"(\"]"), 0, "globs are no patterns");
}

/* Do pgsphere's columns come before those of the default plugin? */
static bool
pgsphere_first(const char *json)
{
	ObscoreConfig *config = parse(json);
	bool		first = config != NULL && config->pgsphere_first;

	obscore_config_free(&report);
	return first;
}

static void
test_columns(void)
{
	static const char long_name[] = EXTRA("\"0123456789012345678901234567890123456789012345678901234567890123\":1");

	refuses(EXTRA("\"x\":[1]"), "extra_columns.x", "an array", "an object with a template", "an array for a column");
	refuses(EXTRA("\"x\":{\"template\":1}"), "extra_columns.x.template", "an integer", "a string", "a template that is no text");
	refuses(EXTRA("\"x\":{\"template\":\"\",\"type\":\"str\"}"), "extra_columns.x.type", "\"str\"",
			"Allowed values: bool, int, float, string.", "another type");
	refuses(EXTRA("\"x\":{\"template\":\"\",\"length\":0}"), "extra_columns.x.length", "0 is out of range", "from 1", "no length");
	refuses(EXTRA("\"x\":{\"template\":\"\",\"length\":\"9\"}"), "extra_columns.x.length", "a string", "an integer", "a length in text");
	refuses(EXTRA("\"x\":{\"template\":\"\",\"doc\":1}"), "extra_columns.x.doc", "an integer", "a string", "a doc that is no text");
	refuses(EXTRA("\"\":1"), "extra_columns.\"\"", "empty name", NULL, "an empty column name");
	refuses(long_name, "extra_columns.0123456789012345678901234567890123456789012345678901234567890123", "64 bytes", "63", "a long one");
	refuses(EXTRA("\"s_region\":\"x\""), "extra_columns.s_region", "a column of this name", NULL, "a reserved column");
	refuses(EXTRA("\"registry_dataset_id\":\"x\""), "extra_columns.registry_dataset_id", "a column of this name", NULL, "the key");
	refuses(EXTRA("\"ctid\":\"x\""), "extra_columns.ctid", "system column", NULL, "a system column");
	refuses(EXTRA("\"x\":1e999"), "extra_columns.x", "beyond the range", "finite", "an infinite constant");
	accepts(EXTRA("\"target_name\":\"x\",\"access_estsize\":1,\"a \\\"b\\\"\":1"), 0, "a static column, ObsCore's own, and an odd name");
	refuses(TYPE(",\"extra_columns\":{\"x\":1}},\"b\":{\"dataproduct_type\":\"i\",\"calib_level\":1,\"extra_columns\":{\"x\":\"a\"}"),
			"dataset_types.b.extra_columns.x", "type string, but was of type int", "one type", "a column of two types");
	refuses(DOCUMENT(",\"extra_columns\":{\"x\":1.5}", ",\"extra_columns\":{\"y\":0,\"x\":{\"template\":\"a\",\"type\":\"int\"}}"),
			"dataset_types.raw.extra_columns.x", "type float, but was of type int", "one type", "the global columns come first");
	accepts(DOCUMENT(",\"extra_columns\":{\"x\":1,\"calib_level\":\"2\"}", ",\"extra_columns\":{\"x\":1.5,\"calib_level\":3}"), 0,
			"an integer in a column of floats, and a static column");
	refuses(EXTRA("\"t_xel\":1.5"), "extra_columns.t_xel", "cannot hold \"1.5\"", "integers", "a fraction in a static column of integers");
	refuses(EXTRA("\"em_xel\":2147483648"), "extra_columns.em_xel", "cannot hold", "2147483647", "more than the static column holds");
	accepts(EXTRA("\"em_xel\":-2147483648,\"t_min\":\"1e3\""), 0, "what a static column can just hold");
	refuses(EXTRA("\"t_max\":\"nan\""), "extra_columns.t_max", "cannot hold \"nan\"", "number", "no number");
	refuses(EXTRA("\"t_max\":\"1e999\""), "extra_columns.t_max", "cannot hold \"1e999\"", "number", "a number beyond the range in a string");
	refuses(EXTRA("\"t_max\":\"-1e-999\""), "extra_columns.t_max", "cannot hold \"-1e-999\"", "number", "one that is nothing");
	accepts(EXTRA("\"t_max\":\"5e-324\""), 0, "the least there is");
	refuses(DOCUMENT(",\"extra_columns\":{\"x\":\"\xc3\xa9""bcd\"}", ",\"extra_columns\":{\"x\":{\"template\":\"a\",\"length\":3}}"),
			"dataset_types.raw.extra_columns.x", "4 characters, but the column was made for 3", "one type", "a constant too long for the column");
	accepts(DOCUMENT(",\"extra_columns\":{\"x\":\"\xc3\xa9""bc\",\"y\":\"abcd\",\"obs_id\":\"abcd\"}",
					 ",\"extra_columns\":{\"x\":{\"template\":\"a\",\"length\":3},\"y\":{\"template\":\"a\",\"length\":33},\"obs_id\":{\"template\":\"a\",\"length\":3}}"), 0,
			"one that fits, and columns without a length");
	refuses(TYPE(",\"extra_columns\":{\"calib_level\":true}"), "dataset_types.raw.extra_columns.calib_level", "cannot hold \"true\"", "32767", "a boolean for a number");

	refuses(PGSPHERE(",\"config\":{\"region\":\"a\"}"), "spatial_plugins.p.config.region", "unknown key",
			"Allowed keys: region_column, position_column.", "an unknown option");
	refuses(PGSPHERE(",\"config\":{\"region_column\":\"obs_id\"}"), "spatial_plugins", "\"obs_id\" is there already", "another", "a taken column");
	refuses(PGSPHERE(",\"config\":{\"region_column\":\"s\",\"position_column\":\"s\"}"), "spatial_plugins", "\"s\"", "another", "the same twice");
	refuses(PGSPHERE("}},\"extra_columns\":{\"pgsphere_region\":{\"template\":\"\""), "spatial_plugins", "\"pgsphere_region\"", "another",
			"an extra column with pgsphere's name");
	refuses(TOP(",\"spatial_plugins\":{\"p\":{\"cls\":\"my.Plugin\"}}"), "spatial_plugins.p.cls", "unknown plugin", "PgSphereObsCorePlugin", "another plugin");
	accepts(PGSPHERE(",\"config\":{\"region_column\":null}"), 0, "pgsphere with its own names");
	accepts(PLUGINS(PLUGIN("d", DEFAULT_CLASS)), 0, "the default plugin");
	ok(!pgsphere_first(PLUGINS(PLUGIN("p", PGSPHERE_CLASS))) && !pgsphere_first(PLUGINS(PLUGIN("d", DEFAULT_CLASS) "," PLUGIN("p", PGSPHERE_CLASS))) &&
	   pgsphere_first(PLUGINS(PLUGIN("p", PGSPHERE_CLASS) "," PLUGIN("d", DEFAULT_CLASS))), "plugins make their columns in turn");
}

static void
test_indices(void)
{
	refuses(TOP(",\"indices\":{\"i\":\"nothing\"}"), "indices.i", "no column \"nothing\"", "extra_columns", "an unknown column");
	refuses(TOP(",\"indices\":{\"i\":[\"obs_id\",\"obs_iD\"]}"), "indices.i", "\"obs_iD\"", "extra_columns", "letter case counts");
	refuses(TOP(",\"indices\":{\"i\":[]}"), "indices.i", "0 columns", "1 to 32", "an index of nothing");
	refuses(TOP(",\"indices\":{\"i\":1}"), "indices.i", "an integer", "an array", "a number for a column");
	refuses(TOP(",\"indices\":{\"i\":[1]}"), "indices.i[0]", "an integer", "a string", "a number among columns");
	refuses(TOP(",\"indices\":{\"\":\"obs_id\"}"), "indices.\"\"", "empty name", NULL, "an index without a name");
	refuses(TOP(",\"indices\":{\"i\":[\"obs_id\",\"s_ra\"],\"j\":\"obs_id\",\"k\":[\"obs_id\",\"s_ra\"]}"), "indices.k", "\"i\" is over the same", NULL, "two of the same columns");
	refuses(TOP(",\"indices\":{\"i\":\"region\"}"), "indices.i", "no column \"region\"", "extra_columns", "the footprint, which has an index");
	accepts(TOP(",\"indices\":{\"i\":[\"x\",\"s_ra\",\"registry_dataset_id\"]},\"extra_columns\":{\"x\":1}"), 0, "columns of all kinds");
}

static void
test_exporter(void)
{
	refuses(TOP(",\"where\":{\"where\":\"visit > 1\"}"), "where", "cannot", "TAGGED", "a filter");
	refuses(TOP(",\"where\":{\"extra_dims\":[\"visit\"]}"), "where", "cannot", "TAGGED", "more dimensions");
	refuses(TOP(",\"where\":\"visit > 1\""), "where", "a string", "an object", "a filter in text");
	refuses(TOP(",\"where\":{\"what\":1}"), "where.what", "unknown key", "Allowed keys: where, bind, extra_dims.", "an unknown key");
	refuses(TOP(",\"dataset_type_constraints\":{\"raw\":[{},{\"where\":\"x\"}]}"), "dataset_type_constraints.raw[1]", "cannot", "TAGGED",
			"a filter of a dataset type");
	refuses(TOP(",\"dataset_type_constraints\":{\"raw\":{}}"), "dataset_type_constraints.raw", "an object", "an array", "no list");
	accepts(TOP(",\"where\":{\"where\":\"\",\"bind\":{},\"extra_dims\":[]},\"dataset_type_constraints\":{\"raw\":[{}]}"), 0, "filters of nothing");
	accepts(TOP(",\"batch_size\":1,\"parquet_compression\":\"snappy\",\"csv_null_string\":\"\\\\N\","
				"\"origin\":{\"publisher\":\"P\",\"publication_date\":\"2025-06-30\",\"citation\":\"10.1/2\"}"), 0, "what only an export needs");
	refuses(TOP(",\"batch_size\":\"1\""), "batch_size", "a string", "an integer", "a batch size in text");
	refuses(TOP(",\"origin\":{\"publisher\":\"P\"}"), "origin.publication_date", "required", "Required keys: ", "no date");
	refuses(TOP(",\"origin\":{\"publisher\":\"P\",\"publication_date\":\"June\"}"), "origin.publication_date", "no date", "2025-06-30", "a strange date");
	accepts(TOP(",\"use_butler_uri\":false"), 1, "a dead key warns");
	ok(parse(TOP(",\"use_butler_uri\":false,\"surprise\":1")) == NULL && report.n_warnings == 1 &&
	   has(report.warnings[0], "use_butler_uri"), "warnings are there beside an error");
	obscore_config_free(&report);
}

/* Of nodes: specs, subtree, every kind of column */
static const char tiled[] =
	"{\"source\":\"tiled\",\"nodes\":{\"specs\":[\"BlueskyRun\",\"x\"],\"subtree\":\"raw/2026\"},"
	"\"columns\":{\"calib_level\":1,\"obs_id\":{\"metadata\":\"start.uid\"},\"t_max\":{\"metadata\":[\"stop\",\"a.b\"],\"unit\":\"unix\",\"optional\":true},"
	"\"access_url\":{\"template\":\"https://x/{url_path}\"},\"access_estsize\":{\"node\":\"size\"}},"
	"\"extra_columns\":{\"n\":{\"metadata\":\"start.n\",\"type\":\"int\",\"doc\":\"N\"},\"c\":\"v\"},\"indices\":{\"n\":\"n\"}}";

static void
test_tiled(void)
{
	ObscoreConfig *config = parse(tiled);
	const ObscoreTiledConfig *t = config == NULL ? NULL : config->tiled;

	ok(t != NULL && t->n_specs == 2 && is(t->specs[0], "BlueskyRun") && t->n_families == 0 &&
	   t->n_subtree == 2 && is(t->subtree[1], "2026"), "a table of nodes");
	ok(t != NULL && t->n_columns == 5 && t->columns[0].kind == TILED_CONSTANT && is(t->columns[0].base.constant, "1") &&
	   t->columns[1].kind == TILED_METADATA && t->columns[1].n_metadata == 2 && !t->columns[1].optional &&
	   is(t->columns[2].metadata[1], "a.b") && t->columns[2].unit == TILED_UNIX && t->columns[2].optional &&
	   t->columns[3].kind == TILED_TEMPLATE && is(t->columns[3].base.template_path, "columns.access_url.template") &&
	   t->columns[4].field == TILED_SIZE, "its columns");
	ok(t != NULL && t->n_extra == 2 && config->n_extra == 2 && config->extra[0].type == OBSCORE_INT &&
	   is(config->extra[0].doc, "N") && is(config->extra[1].constant, "v") && config->n_indices == 1, "and others");
	obscore_config_free(&report);
	ok(parse(TOP("")) != NULL, "a registry's is none");
	obscore_config_free(&report);
}

static void
test_memory(void)
{
	UnitMemory	memory = {NULL, -1};
	long		allowance;
	long		failed = 0;
	ObscoreConfig *config = NULL;

	for (allowance = 0; config == NULL && allowance < 100000; allowance++)
	{
		memory.allowance = allowance;
		config = obscore_config_parse_with(stored_run, strlen(stored_run), unit_allocate, &memory, &report);
		if (config == NULL && !(is(report.problem, "not enough memory") && is(report.path, "")))
			failed++;
		unit_free_all(&memory);
	}
	ok(failed == 0 && config != NULL, "memory may run out at any time");
	note("%ld allocations", allowance - 1);

	config = NULL;
	for (allowance = 0; config == NULL && allowance < 100000; allowance++)
	{
		memory.allowance = allowance;
		config = obscore_config_parse_with(tiled, strlen(tiled), unit_allocate, &memory, &report);
		if (config == NULL && !(is(report.problem, "not enough memory") && is(report.path, "")))
			failed++;
		unit_free_all(&memory);
	}
	ok(failed == 0 && config != NULL, "for a table of nodes, too");

	config = NULL;
	for (allowance = 0; allowance < 100000; allowance++)
	{
		memory.allowance = allowance;
		config = obscore_config_parse_with(TOP(",\"use_butler_uri\":1,\"surprise\":1"), strlen(TOP(",\"use_butler_uri\":1,\"surprise\":1")),
										   unit_allocate, &memory, &report);
		if (config != NULL || report.problem == NULL || report.path == NULL)
			failed++;
		if (is(report.problem, "unknown key"))
			break;
		unit_free_all(&memory);
	}
	unit_free_all(&memory);
	ok(failed == 0 && allowance < 100000, "while an error is noted too");
}

/*
 * Documents that are nearly right: none may do harm.
 */
static void
test_damage(void)
{
	static const char bytes[] = "\"\\{}[],:0-u\xc3";
	size_t		length = strlen(written_tagged);
	char	   *copy = malloc(length);
	size_t		accepted = 0;
	size_t		i;
	size_t		j;

	for (i = 0; i < length; i += 3)
	{
		accepted += parse_bytes(written_tagged, i) != NULL;
		obscore_config_free(&report);
	}
	ok(accepted == 0, "no beginning of a document is one");
	for (i = 0; i < length; i++)
	{
		for (j = i % 3; j < sizeof(bytes); j += 3)
		{
			memcpy(copy, written_tagged, length);
			copy[i] = bytes[j];
			if ((parse_bytes(copy, length) == NULL) != (report.problem != NULL))
				accepted++;
			obscore_config_free(&report);
		}
	}
	ok(accepted == 0, "a wrong byte anywhere");
	free(copy);
}

/*
 * A pattern and what it becomes, or (with NULL) why not and where.
 */
static void
pattern(const char *python, const char *postgres, const char *problem, size_t where)
{
	char	   *converted;
	size_t		got_where;
	const char *got = python_regex_to_postgres(python, &converted, &got_where);

	if (!ok(is(got, problem) && is(converted, postgres) && got_where == where, python))
		note("got %s, %s, %zu", converted ? converted : "(none)", got ? got : "(no problem)", got_where);
	free(converted);
}

static void
test_patterns(void)
{
	pattern("", "^(?:)$", NULL, 0);
	pattern("a|b", "^(?:a|b)$", NULL, 0);
	pattern("LATISS/runs/202.*", "^(?:LATISS/runs/202[^\\n]*)$", NULL, 0);
	pattern("(a)(?P<n>b)(?:c)", "^(?:(?:a)(?:b)(?:c))$", NULL, 0);
	pattern("a*?b+?c??d{2}?", "^(?:a*b+c?d{2,2})$", NULL, 0);
	pattern("a{,3}b{2,}c{1", "^(?:a{0,3}b{2,}c\\{1)$", NULL, 0);
	pattern("a{}b{x}c{,}", "^(?:a\\{\\}b\\{x\\}c*)$", NULL, 0);
	pattern("\\d\\w\\D\\.", "^(?:[0-9][\\w][^0-9]\\.)$", NULL, 0);
	pattern("[]a-c\\]^-]", "^(?:[\\]a-c\\]\\^\\-])$", NULL, 0);
	pattern("[[:alpha:]]", "^(?:[\\[:alpha:]\\])$", NULL, 0);
	pattern("[^\\D5]", "^(?:(?:(?![^0-9]|[5]).))$", NULL, 0);
	pattern("\\ba\\B\\A\\Z", "^(?:\\ya\\Y\\A\\Z)$", NULL, 0);
	pattern("a$", "^(?:a(?:$|(?=\\n$)))$", NULL, 0);
	pattern("(?i)a", "(?i)^(?:a)$", NULL, 0);
	pattern("(?x) a [ ] c #d", "^(?:a[ ]c)$", NULL, 0);
	pattern("(?s).(?-s:.)", "^(?:.(?:[^\\n]))$", NULL, 0);
	pattern("a(?#b)*", "^(?:a*)$", NULL, 0);
	pattern("***:a", NULL, "a quantifier with nothing to repeat", 0);
	pattern("\\x41\\u00e9\\101\\t", "^(?:A\xc3\xa9" "A\\u0009)$", NULL, 0);
	pattern("(?=a)a(?<=a)(?!b)(?<!b)", "^(?:(?:(?=a))a(?:(?<=a))(?:(?!b))(?:(?<!b)))$", NULL, 0);
	pattern("(a", NULL, "a group without an end", 0);
	pattern("a)", NULL, "a ')' without its '('", 1);
	pattern("ab[c", NULL, "a bracket without an end", 2);
	pattern("a[b-a]", NULL, "a range that is none", 2);
	pattern("(a)\\1", NULL, "a back reference", 3);
	pattern("(?P<n>a)(?P=n)", NULL, "a back reference", 8);
	pattern("(a)(?(1)b|c)", NULL, "a conditional group", 3);
	pattern("(?>a)", NULL, "an atomic group", 0);
	pattern("a*+", NULL, "a possessive quantifier", 1);
	pattern("a**", NULL, "a quantifier of a quantifier", 2);
	pattern("a{256}", NULL, "a repetition count above 255", 1);
	pattern("a{2,1}", NULL, "repetition counts the wrong way round", 1);
	pattern("(?<=a*)b", NULL, "a look behind of no fixed width", 0);
	pattern("\\N{DIGIT ONE}", NULL, "a character by its name", 0);
	pattern("a\\q", NULL, "an unknown escape", 1);
	pattern("a\\", NULL, "a backslash at the end", 1);
	pattern("\\0", NULL, "the character NUL, which no name holds", 0);
	pattern("\\ud800", NULL, "an escape that stands for no character", 0);
	pattern("a(?i)", NULL, "flags for the whole, but not at its start", 1);
	pattern("(?i:a)", NULL, "letter case ignored in a part only", 0);
	pattern("(?i)\xc3\xa9", NULL, "letter case ignored beside characters beyond ASCII", 4);
	pattern("(?L)a", NULL, "the flag L, which is for bytes", 0);
	pattern("(?P<1>a)", NULL, "a group's name that is no ASCII identifier", 4);
	pattern("(?P<a>a)(?P<a>b)", NULL, "a group's name used twice", 12);
	pattern("(?#a", NULL, "a comment without an end", 0);
}

int
main(void)
{
	char		nested[400];

	test_stored_run();
	test_written_tagged();
	test_absent();
	test_constants();
	test_syntax();
	test_duplicates();
	test_keys();
	test_types();
	test_collections();
	test_columns();
	test_indices();
	test_exporter();
	test_tiled();
	test_memory();
	test_damage();
	test_patterns();
	memset(nested, '(', 300);
	nested[300] = '\0';
	pattern(nested, NULL, "groups nested too deep", 100);
	return end_of_tests();
}
