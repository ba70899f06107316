/*-------------------------------------------------------------------------
 *
 * src/sky/htm.h
 *	  Pixels of the Hierarchical Triangular Mesh.
 *
 * Part of the pure sky code: see vector.h.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CATREG_SKY_HTM_H
#define CATREG_SKY_HTM_H

#include <stdint.h>

#include "sky/vector.h"

#define HTM_MAX_LEVEL 24

extern bool htm_triangle(int level, int64_t id, Vec vertices[3]);

#endif							/* CATREG_SKY_HTM_H */
