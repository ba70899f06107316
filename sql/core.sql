/* catreg: derived tables of scientific catalogs, kept inside the server. */

-- complain if the script is sourced in psql rather than by CREATE EXTENSION
\echo Use "CREATE EXTENSION catreg" to load this file. \quit

GRANT USAGE ON SCHEMA catreg TO PUBLIC;

-- A registry or catalog is its schema; in tables it is noted by a table in there: that
-- has the same OID after pg_upgrade, which refuses columns of type regnamespace.

CREATE FUNCTION catreg.table_of_registry(registry regnamespace) RETURNS regclass
    LANGUAGE c STABLE STRICT AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.table_of_registry(regnamespace) IS
    'internal: the table by which a Butler registry or a Tiled catalog is noted';

CREATE FUNCTION catreg.schema_of_registry(registry regclass) RETURNS regnamespace
    LANGUAGE sql STABLE STRICT SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT c.relnamespace::regnamespace FROM pg_class c WHERE c.oid = registry;
END;
COMMENT ON FUNCTION catreg.schema_of_registry(regclass) IS
    'internal: the schema of a registry or catalog that is noted by a table';

CREATE FUNCTION catreg.signal_change() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.signal_change() IS
    'trigger: tells every backend that the rows of a configuration table have changed';

CREATE FUNCTION catreg.citus_keeps(relation regclass) RETURNS boolean
    LANGUAGE c STABLE STRICT AS 'MODULE_PATHNAME', 'catreg_citus_keeps';
COMMENT ON FUNCTION catreg.citus_keeps(regclass) IS
    'internal: are the rows of a table kept by the extension Citus?';
