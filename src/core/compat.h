/*-------------------------------------------------------------------------
 *
 * src/core/compat.h
 *	  All that differs between PostgreSQL 15, 16, 17 and 18.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CATREG_COMPAT_H
#define CATREG_COMPAT_H

#include "postgres.h"

#include "access/genam.h"
#include "utils/acl.h"

#if PG_VERSION_NUM < 150000
#error "catreg needs PostgreSQL 15 or later"
#endif

/* 16 moved VARDATA() and its kin out of postgres.h. */
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

/* 16 folded pg_class_ownercheck() and its kin into object_ownercheck(). */
#if PG_VERSION_NUM >= 160000
#include "catalog/pg_class.h"
#define pg_class_ownercheck(relid, roleid) \
	object_ownercheck(RelationRelationId, (relid), (roleid))
#endif

/* 16 folded pg_foreign_server_aclcheck(), pg_namespace_aclcheck() and their kin into object_aclcheck(). */
#if PG_VERSION_NUM >= 160000
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_namespace.h"
#define catreg_server_aclcheck(serverid, roleid, mode) \
	object_aclcheck(ForeignServerRelationId, (serverid), (roleid), (mode))
#define catreg_namespace_aclcheck(namespaceid, roleid, mode) \
	object_aclcheck(NamespaceRelationId, (namespaceid), (roleid), (mode))
#else
#define catreg_server_aclcheck(serverid, roleid, mode) \
	pg_foreign_server_aclcheck((serverid), (roleid), (mode))
#define catreg_namespace_aclcheck(namespaceid, roleid, mode) \
	pg_namespace_aclcheck((namespaceid), (roleid), (mode))
#endif

/* 16 told the B-tree of its heap; 17 took the snapshot from its search. */
#if PG_VERSION_NUM >= 170000
#define catreg_bt_search(index, heap, key, buffer, access) \
	_bt_search((index), (heap), (key), (buffer), (access))
#elif PG_VERSION_NUM >= 160000
#define catreg_bt_search(index, heap, key, buffer, access) \
	_bt_search((index), (heap), (key), (buffer), (access), NULL)
#else
#define catreg_bt_search(index, heap, key, buffer, access) \
	_bt_search((index), (key), (buffer), (access), NULL)
#endif

/* 16 let make_range() return an error softly. */
#if PG_VERSION_NUM >= 160000
#define catreg_make_range(type, lower, upper, empty) \
	make_range((type), (lower), (upper), (empty), NULL)
#else
#define catreg_make_range(type, lower, upper, empty) \
	make_range((type), (lower), (upper), (empty))
#endif

/* 16 let parseTypeString() return an error softly. */
#if PG_VERSION_NUM >= 160000
#define catreg_parse_type(text, type, typmod) \
	parseTypeString((text), (type), (typmod), NULL)
#else
#define catreg_parse_type(text, type, typmod) \
	parseTypeString((text), (type), (typmod), false)
#endif

/* 16 calls the number of a relation's file otherwise. */
#if PG_VERSION_NUM >= 160000
#define catreg_file_number(rel) ((rel)->rd_locator.relNumber)
#else
#define catreg_file_number(rel) ((rel)->rd_node.relNode)
#endif

/* 18 took from ExecutorRun() that it may be told to run but once. */
#if PG_VERSION_NUM >= 180000
#define catreg_executor_run(desc) ExecutorRun((desc), ForwardScanDirection, 0)
#else
#define catreg_executor_run(desc) ExecutorRun((desc), ForwardScanDirection, 0, false)
#endif

#endif							/* CATREG_COMPAT_H */
