/*-------------------------------------------------------------------------
 *
 * src/core/catalog_table.h
 *	  The table by which a Butler registry or a Tiled catalog is noted.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CATREG_CATALOG_TABLE_H
#define CATREG_CATALOG_TABLE_H

extern Oid	catalog_table(Oid schema);

#endif							/* CATREG_CATALOG_TABLE_H */
