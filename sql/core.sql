/* catreg: derived tables of scientific catalogs, kept inside the server. */

-- complain if the script is sourced in psql rather than by CREATE EXTENSION
\echo Use "CREATE EXTENSION catreg" to load this file. \quit

GRANT USAGE ON SCHEMA catreg TO PUBLIC;

CREATE FUNCTION catreg.signal_change() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.signal_change() IS
    'trigger: tells every backend that the rows of a configuration table have changed';
