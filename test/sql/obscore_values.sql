-- Values that two things could make: which counts is the client's rule.  And what
-- cannot be made is told of the column that it belongs to, and of no other.
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS catreg;
\getenv testdir PG_ABS_SRCDIR
\set setup :testdir '/sql/include/butler_registry.sql'
\set ECHO none
\i :setup
\set ECHO all
RESET search_path;
INSERT INTO registry.dimension_graph_key VALUES (4);
INSERT INTO registry.dataset_type (name, storage_class, dimensions_key, tag_association_table) VALUES ('settings', 'x', 4, 'dataset_tags_00000004');
CREATE TABLE registry.dataset_tags_00000004 (dataset_type_id bigint NOT NULL, dataset_id uuid REFERENCES registry.dataset ON DELETE CASCADE,
    collection_id bigint REFERENCES registry.collection ON DELETE CASCADE, PRIMARY KEY (dataset_id, collection_id), UNIQUE (dataset_type_id, collection_id));

SELECT '{"collection_type": "RUN", "facility_name": "F", "facility_map": {"": "none", "Cam": "Summit"}, "obs_collection": "C",
  "obs_publisher_did_fmt": "ivo://{id}",
  "dataset_types": {
    "raw": {"dataproduct_type": "image", "calib_level": 1, "obs_id_fmt": "{records[exposure].obs_id}", "s_xel": [7, 8], "o_ucd": "u"},
    "calexp": {"dataproduct_type": "image", "calib_level": 2, "obs_id_fmt": "{records[visit].name}",
               "extra_columns": {"at": {"template": "{records[visit_detector_region].detector}"}}},
    "settings": {"dataproduct_type": "image", "calib_level": 0, "obs_id_fmt": "{run}"}},
  "extra_columns": {
    "obs_id": {"template": "{tract}"}, "obs_collection": {"template": "{visit}/{tract}"}, "access_url": {"template": "{patch}"},
    "obs_publisher_did": {"template": "{nothing}"}, "calib_level": {"template": "{tract}", "type": "int"}, "s_xel1": {"template": "{tract}", "type": "int"},
    "o_ucd": {"template": "{tract}"}, "dataproduct_type": {"template": "{tract}"}, "t_resolution": {"template": "{tract}", "type": "float"},
    "em_min": 0.5, "em_max": {"template": "1", "type": "float"}, "t_min": -1.5, "t_max": {"template": "-2", "type": "float"},
    "none": {"template": "{o_ucd} {o_ucd!s:>6} {o_ucd!r} {o_ucd!a:<6}|"}},
  "spectral_ranges": {"g": [4e-7, 5.5e-7], "r_03": [null, 7e-7]}}' AS config \gset
SELECT catreg.create_obscore(:'config', 'registry');
CREATE VIEW shown AS SELECT calib_level AS level, obs_id, obs_collection AS collection, dataproduct_type AS type, replace(obs_publisher_did, registry_dataset_id::text, '(id)') AS did,
    s_xel1, o_ucd, facility_name AS facility, t_min, t_max, em_min, em_max, "none", at FROM registry.obscore ORDER BY level, obs_id;

\echo a key that is missing leaves what else there is
SELECT count(registry.put('raw', 'Cam/raw/all', 0, e)) FROM generate_series(1, 2) e;
INSERT INTO registry.dataset VALUES (registry.id('settings'), 5, 0, 1);
INSERT INTO registry.dataset_tags_00000004 VALUES (5, registry.id('settings'), 1);
SELECT level, obs_id, collection, type, did, s_xel1, o_ucd, facility FROM shown;

\echo an end of a spectral range may be NULL; times count where there are any, and the ends of all times are none
UPDATE registry.exposure SET timespan = '[0,1735700000000000000)' WHERE id = 1;
UPDATE registry.exposure SET timespan = '[1735700000000000000,4102444800000000000)' WHERE id = 2;
SELECT obs_id, em_min, em_max, t_min, t_max FROM shown;
SELECT obs_id, "none" FROM shown WHERE level < 2;

\echo a record of a visit and detector that is not there has no fields
SELECT count(registry.put('calexp', 'Cam/runs/1', 2, v)) FROM generate_series(3, 4) v;
SELECT obs_id, at FROM shown WHERE level = 2;
INSERT INTO registry.visit_detector_region VALUES ('Cam', 2, 4, NULL);
SELECT obs_id, at FROM shown WHERE level = 2;
SELECT * FROM catreg.check_obscore('registry.obscore');

\echo what cannot be made whatever the dataset is listed of each
SELECT catreg.create_obscore('{"collection_type": "RUN", "facility_name": "F",
  "dataset_types": {"raw": {"dataproduct_type": "image", "calib_level": 0, "obs_id_fmt": "{o_ucd:>3}", "datalink_url_fmt": "{calib_level:c}",
      "extra_columns": {"a": {"template": "x", "type": "int"}, "b": {"template": "{dataset_type}", "type": "float"}, "c": {"template": "long", "length": 3},
                        "d": {"template": "100000", "type": "int"}, "t_xel": {"template": "99999999999", "type": "int"}, "calib_level": {"template": "y", "type": "int"}}}}}',
  'registry', 'constants');
SELECT registry_dataset_id = registry.id('raw Cam/raw/all 0 1') AS first, problem FROM catreg.check_obscore('registry.constants'), registry.constants
    WHERE registry_dataset_id = dataset_id ORDER BY 1, 2;
SELECT FROM registry.put('raw', 'Cam/raw/all', 0, 3);

\echo what was noted for another call is told of none
SELECT catreg.drop_obscore('registry.constants');
SELECT catreg.python_int('x');
SELECT FROM registry.put('raw', 'Cam/raw/all', 0, 4);
SELECT catreg.python_int('x');
DELETE FROM registry.obscore;
SELECT catreg.refresh_obscore('registry.obscore');
SELECT * FROM catreg.check_obscore('registry.obscore');

SET client_min_messages = error;
DROP SCHEMA registry CASCADE;
