/*-------------------------------------------------------------------------
 *
 * src/butler/universe.h
 *	  The dimension universe of a Butler registry.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CATREG_BUTLER_UNIVERSE_H
#define CATREG_BUTLER_UNIVERSE_H

#include "postgres.h"

#include "nodes/pg_list.h"

/* A dimension, or a combination of dimensions that has records of its own. */
typedef struct DimensionElement
{
	char	   *name;			/* of its table, too */
	char	   *key;			/* the column of its own key; NULL: a combination */
	char	   *view_of;		/* the table that it is a column of, or NULL */
	bool		governor;		/* an instrument, a skymap: others require it */
	List	   *required;		/* names, itself included if it is a dimension */
	List	   *implied;		/* names that its records hold */
	List	   *hashes;			/* columns that hold bytes, as base64 text */
} DimensionElement;

/* A system of pixels: dimensions "htm7" and the like, without a table. */
typedef struct SkyPixSystem
{
	char	   *name;			/* of its dimensions, before the level */
	char	   *class_name;
} SkyPixSystem;

typedef struct Universe
{
	int			n_elements;
	DimensionElement *elements;
	List	   *spatial;		/* of lists of names: families, the first that is there counts */
	List	   *temporal;
	List	   *skypix;			/* of SkyPixSystem */
	char	   *common_skypix;	/* the pixels that are stored for records' regions, "htm7"; or NULL */
} Universe;

extern Universe *universe_parse(const char *json);
extern const DimensionElement *universe_element(const Universe *universe, const char *name);
extern const DimensionElement *universe_governor(const Universe *universe, const DimensionElement *element);
extern bool universe_is_spatial(const Universe *universe, const DimensionElement *element);
extern int	skypix_level(const SkyPixSystem *system, const char *dimension);
extern bool universe_is_skypix(const Universe *universe, const char *dimension);
extern bool universe_pixels(const Universe *universe, const char *dimension, int64 *first, int64 *end);
extern bool name_in(const List *names, const char *name);

#endif							/* CATREG_BUTLER_UNIVERSE_H */
