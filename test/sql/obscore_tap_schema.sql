-- What tap_schema() says of an ObsCore table's columns.
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS catreg;
\getenv testdir PG_ABS_SRCDIR
\set setup :testdir '/sql/include/butler_registry.sql'
\set ECHO none
\i :setup
\set ECHO all
RESET search_path;

SELECT catreg.create_obscore('{"collection_type": "RUN", "facility_name": "F", "dataset_types": {
    "raw": {"dataproduct_type": "image", "calib_level": 1, "extra_columns": {
        "obs_title": {"template": "{exposure}", "length": 255, "doc": "What \"this\" is"}, "lsst_visit": {"template": "{visit}", "type": "int", "doc": "not this"}}},
    "calexp": {"dataproduct_type": "image", "calib_level": 2, "extra_columns": {"Own": true, "proposal_id": null}}},
  "extra_columns": {"lsst_visit": {"template": "{visit}", "type": "int", "doc": "Visit"}, "lsst_band": {"template": "{band}", "length": 32}, "fixed": 1.5,
                    "target_name": {"template": "{visit}", "doc": "Visited"}},
  "indices": {"t": ["t_min", "t_max"]}}', 'registry', 'Obs');
SELECT * FROM catreg.tap_schema('registry."Obs"') ORDER BY column_index;

-- each column that ObsCore 1.1 wants is there
SELECT name FROM catreg.obscore_standard_columns() WHERE mandatory EXCEPT SELECT column_name FROM catreg.tap_schema('registry."Obs"') WHERE std = 1 AND principal = 1;
SELECT count(*), count(DISTINCT name), count(*) FILTER (WHERE mandatory) AS mandatory FROM catreg.obscore_standard_columns();

-- in a table as TAP 1.1 has it; anybody may read it
CREATE TEMP TABLE columns (table_name varchar(128), column_name varchar(64), utype varchar(512), ucd varchar(64), unit varchar(64), description varchar(512),
    datatype varchar(64) NOT NULL, arraysize varchar(16), xtype varchar(64), "size" int, principal int NOT NULL, indexed int NOT NULL, std int NOT NULL, column_index int,
    PRIMARY KEY (table_name, column_name));
GRANT INSERT ON columns TO PUBLIC;
CREATE ROLE catreg_test_tap;
GRANT USAGE ON SCHEMA registry, catreg TO catreg_test_tap;
SET ROLE catreg_test_tap;
INSERT INTO columns (table_name, column_name, utype, ucd, unit, description, datatype, arraysize, xtype, "size", principal, indexed, std, column_index)
    SELECT 'ivoa.ObsCore', column_name, utype, ucd, unit, description, datatype, arraysize, xtype, "size", principal, indexed, std, column_index
    FROM catreg.tap_schema('registry."Obs"');
RESET ROLE;
SELECT count(*) = (SELECT count(*) FROM pg_attribute WHERE attrelid = 'registry."Obs"'::regclass AND attnum > 0) FROM columns;
DROP OWNED BY catreg_test_tap;
DROP ROLE catreg_test_tap;

-- a column that somebody has added, a dropped one, an index for some rows only
ALTER TABLE registry."Obs" ADD COLUMN noted timestamptz, ADD COLUMN label char(8);
ALTER TABLE registry."Obs" DROP COLUMN fixed;
CREATE INDEX ON registry."Obs" (noted) WHERE noted IS NOT NULL;
SELECT * FROM catreg.tap_schema('registry."Obs"') WHERE column_name IN ('region', 'fixed', 'noted', 'label') ORDER BY column_index;

SELECT * FROM catreg.tap_schema('registry.visit');
SELECT * FROM catreg.tap_schema(1::regclass);
SELECT count(*) FROM catreg.tap_schema(NULL);
SELECT catreg.drop_obscore('registry."Obs"');
SET client_min_messages = error;
DROP SCHEMA registry CASCADE;
