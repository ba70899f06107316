/*-------------------------------------------------------------------------
 *
 * src/obscore/python_regex.h
 *	  Python's regular expressions, as PostgreSQL's.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CATREG_PYTHON_REGEX_H
#define CATREG_PYTHON_REGEX_H

#include <stddef.h>

extern const char *python_regex_to_postgres(const char *pattern, char **converted,
											size_t *where);

#endif							/* CATREG_PYTHON_REGEX_H */
