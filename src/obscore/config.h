/*-------------------------------------------------------------------------
 *
 * src/obscore/config.h
 *	  The configuration of an ObsCore table.
 *
 * The schema is that of daf_butler's manager (registry/obscore/_config.py) and
 * of dax_obscore's exporter (config.py), as JSON.  This file needs no server.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CATREG_OBSCORE_CONFIG_H
#define CATREG_OBSCORE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

typedef enum ObscoreCollectionType
{
	OBSCORE_RUN,
	OBSCORE_TAGGED,
	OBSCORE_CHAINED
} ObscoreCollectionType;

typedef enum ObscoreValueType
{
	OBSCORE_STRING,
	OBSCORE_INT,
	OBSCORE_FLOAT,
	OBSCORE_BOOL,
	OBSCORE_NULL
} ObscoreValueType;

/*
 * An extra column: a template or a constant.  Where several dataset types have
 * one of the same name, the table's column is as the first of them says, the
 * global ones before all others; "type" is then what each one's own text is
 * converted to.
 */
typedef struct ObscoreExtraColumn
{
	const char *name;
	const char *template;		/* str.format text, or NULL: a constant */
	const char *template_path;	/* where in the document, for errors */
	ObscoreValueType constant_type; /* OBSCORE_NULL: a template */
	const char *constant;		/* its text; numbers read back exactly */
	ObscoreValueType type;
	int			length;			/* 0: none given */
	const char *doc;			/* or NULL */
} ObscoreExtraColumn;

/* What is absent is NULL; so is an empty format, which the client ignores */
typedef struct ObscoreDatasetType
{
	const char *name;
	const char *dataproduct_type;
	const char *dataproduct_subtype;
	const char *o_ucd;
	const char *access_format;
	const char *obs_id_fmt;
	const char *datalink_url_fmt;
	const char *obs_collection;
	int			calib_level;
	bool		has_s_xel;
	int			s_xel[2];
	int			n_extra;
	ObscoreExtraColumn *extra;
} ObscoreDatasetType;

typedef struct ObscoreFacility
{
	const char *instrument;
	const char *facility;
} ObscoreFacility;

typedef struct ObscoreIndex
{
	const char *name;
	int			n_columns;
	const char **columns;
} ObscoreIndex;

typedef struct ObscoreSpectralRange
{
	const char *name;			/* of a physical filter or a band */
	bool		has_min;
	bool		has_max;
	double		min;
	double		max;
} ObscoreSpectralRange;

typedef struct ObscoreConfig
{
	const char *table_name;
	ObscoreCollectionType collection_type;
	int			n_collections;
	const char **collections;
	const char **collection_regexes;	/* of RUN: the same for PostgreSQL,
										 * anchored; else NULL */
	const char *facility_name;
	int			n_facilities;
	ObscoreFacility *facilities;
	const char *fallback_instrument;
	const char *obs_collection;
	const char *obs_publisher_did_fmt;
	int			n_dataset_types;
	ObscoreDatasetType *dataset_types;
	int			n_extra;
	ObscoreExtraColumn *extra;
	int			n_indices;
	ObscoreIndex *indices;
	int			n_spectral;
	ObscoreSpectralRange *spectral;
	const char *region_column;	/* of pgsphere, NULL: not asked for */
	const char *position_column;
	bool		pgsphere_first; /* before s_ra, s_dec, s_fov, s_region */
	struct ObscoreTiledConfig *tiled;	/* of a Tiled catalog's nodes, see
										 * tiled_config.h; NULL: of a registry */
} ObscoreConfig;

/*
 * What is wrong: "path" leads to the place, as in
 * dataset_types.raw.s_xel[1], and is empty for the document as a whole;
 * "problem" is a phrase, "hint" one or more sentences or NULL.  All are NULL
 * where nothing is wrong; the warnings are there in either case.
 */
typedef struct ObscoreConfigReport
{
	char	   *path;
	char	   *problem;
	char	   *hint;
	int			n_warnings;
	char	  **warnings;
	struct ObscoreBlock *blocks;	/* for obscore_config_free only */
} ObscoreConfigReport;

/* Memory that the caller frees; NULL when there is none */
typedef void *(*ObscoreAlloc) (void *context, size_t size);

extern ObscoreConfig *obscore_config_parse(const char *json, size_t length,
										   ObscoreConfigReport *report);
extern ObscoreConfig *obscore_config_parse_with(const char *json, size_t length,
												ObscoreAlloc alloc, void *context,
												ObscoreConfigReport *report);
extern const ObscoreDatasetType *obscore_config_dataset_type(const ObscoreConfig *config, const char *name);
extern void obscore_config_free(ObscoreConfigReport *report);

#endif							/* CATREG_OBSCORE_CONFIG_H */
