-- an ObsCore table of a Tiled catalog's nodes
\set test obscore_tiled
\set version '0.2.20'
\set ECHO none
\getenv testdir PG_ABS_SRCDIR
\set setup :testdir '/sql/include/tiled.psql'
\i :setup
\set ECHO all
SELECT catreg.attach_tiled();

INSERT INTO batch VALUES ('', 'raw', 'container', NULL, NULL), ('raw', '2026', 'container', NULL, NULL),
    ('raw/2026', 'run 1', 'container', '{"start": {"uid": "a1", "time": 1700000000, "scan_id": 7, "plan_name": "count", "energy": 12.4, "sample": {"name": "NaCl"}},
                                        "stop": {"time": 1700000060.5}}', '[{"name": "BlueskyRun", "version": "3.0"}]'),
    ('raw/2026', 'ключ/%', 'container', '{"start": {"uid": "a2", "time": 1700001000.25, "scan_id": 8, "plan_name": "scan"}}', '[{"name": "other"}, {"name": "BlueskyRun"}]'),
    ('raw/2026/run 1', 'image', 'array', '{"ra": 10, "dec": -5.5, "fov": 1}', NULL),
    ('raw/2026', 'no run', 'container', '{"start": {"uid": "no"}}', NULL),
    ('', 'elsewhere', 'container', '{"start": {"uid": "no"}}', '[{"name": "BlueskyRun"}]');
UPDATE batch SET key = replace(key, '/', '-');
SELECT path, status FROM catreg.register_nodes('batch');

\set config '{"source": "tiled", "nodes": {"specs": ["BlueskyRun", "XDI"], "structure_families": ["container"], "subtree": "raw/2026"}, "columns": {"dataproduct_type": "spectrum", "calib_level": 1, "facility_name": "NSLS-II", "target_name": {"metadata": "start.sample.name", "optional": true}, "obs_id": {"metadata": "start.uid"}, "obs_publisher_did": {"template": "ivo://example.org/runs?{metadata[start][uid]}"}, "access_url": {"template": "https://tiled.example.org/api/v1/metadata/{url_path}"}, "t_min": {"metadata": "start.time", "unit": "unix"}, "t_max": {"metadata": ["stop", "time"], "unit": "unix", "optional": true}, "em_min": {"metadata": "start.energy", "unit": "keV", "optional": true}}, "extra_columns": {"scan_id": {"metadata": "start.scan_id", "type": "int", "doc": "number of the scan"}, "label": {"template": "{id:06d} {metadata.start.plan_name:>6} {path!r}"}, "kind": {"node": "structure_family", "length": 10}, "beamline": "13-ID"}, "indices": {"times": ["t_min", "t_max"]}}'
SELECT catreg.create_obscore(:'config', name => 'runs');
SELECT obs_id, access_url, round(t_min::numeric, 9) AS t_min, round(t_max::numeric, 9) AS t_max, em_min, target_name, scan_id, label, kind, beamline,
    calib_level, obs_publisher_did, catreg.obscore_node_id(registry_dataset_id) AS id FROM runs ORDER BY obs_id;
SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'runs'::regclass AND attnum > 0 ORDER BY attnum;
SELECT name, kind, source, triggers FROM catreg.status ORDER BY 1;
SELECT column_name, ucd, unit, description, datatype, arraysize, std FROM catreg.tap_schema('runs') WHERE column_name IN ('t_min', 'scan_id', 'kind', 'registry_dataset_id');
SELECT * FROM catreg.check_obscore('runs');

-- another table of the same catalog, of the arrays with their files
SELECT catreg.create_obscore('{"source": "tiled", "table_name": "arrays", "nodes": {"structure_families": ["array"]},
    "columns": {"obs_id": {"node": "path"}, "access_url": {"node": "data_uri"}, "access_format": {"node": "mimetype"}, "access_estsize": {"node": "size", "optional": true},
                "s_ra": {"metadata": "ra"}, "s_dec": {"metadata": "dec"}, "s_fov": {"metadata": "fov", "optional": true}, "s_region": {"metadata": "footprint", "optional": true}},
    "extra_columns": {"node": {"node": "id", "type": "int"}}}');
SELECT obs_id, access_url, access_format, access_estsize, s_ra, s_dec, s_fov, s_region, region, node FROM arrays;
SELECT * FROM catreg.check_obscore('arrays');

-- a data source with assets comes, changes and goes
INSERT INTO structures VALUES ('s', '{}');
INSERT INTO data_sources (id, node_id, structure_id, mimetype, parameters, properties, management, structure_family)
    SELECT 100, id, 's', 'image/tiff', '{}', '{}', 'external', 'array' FROM nodes WHERE key = 'image';
INSERT INTO assets (id, data_uri, is_directory, size) VALUES (100, 'file:///b', false, 1500), (101, 'file:///a', false, 700), (102, 'file:///c', false, NULL);
INSERT INTO data_source_asset_association VALUES (100, 100, 'data_uris', 1), (100, 101, 'data_uris', 0);
SELECT access_url, access_format, access_estsize FROM arrays;
UPDATE assets SET size = 10000, data_uri = data_uri || '.tiff' WHERE id > 100;
UPDATE data_sources SET mimetype = 'x';
SELECT access_url, access_format, access_estsize FROM arrays;
UPDATE data_source_asset_association SET asset_id = 102 WHERE asset_id = 101;
SELECT access_url, access_format, access_estsize FROM arrays;
DELETE FROM assets WHERE id = 102;
SELECT access_url, access_format, access_estsize FROM arrays;
DELETE FROM data_sources WHERE id = 100;
SELECT access_url, access_format, access_estsize FROM arrays;

-- footprints; what is no region is a problem, and so is what is of another type
UPDATE nodes SET metadata = metadata || '{"footprint": "POLYGON ICRS 10 10 11 10 11 11"}' WHERE key = 'image';
SELECT s_region, region FROM arrays;
UPDATE nodes SET metadata = metadata || '{"footprint": "POLYGON 10"}' WHERE key = 'image';
UPDATE nodes SET metadata = '{"ra": "10", "dec": [1], "fov": 1e400}' WHERE key = 'image';
SELECT s_ra, s_dec, s_fov, s_region, region FROM arrays;
SELECT * FROM catreg.check_obscore('arrays') ORDER BY 2;
UPDATE nodes SET metadata = '{"ra": 10, "dec": 91, "fov": 2}' WHERE key = 'image';
SELECT catreg.drop_obscore('arrays');

-- runs: metadata, specs, family; a stop document comes later
UPDATE nodes SET metadata = metadata || '{"stop": {"time": 1700002000}}' WHERE key LIKE 'ключ%';
UPDATE nodes SET specs = '[{"name": "XDI"}]' WHERE key = 'no run';
UPDATE nodes SET specs = 'null' WHERE key = 'run 1';
SELECT obs_id, round(t_max::numeric, 9) AS t_max, scan_id, label FROM runs ORDER BY 1;
SELECT * FROM catreg.check_obscore('runs');
UPDATE nodes SET specs = '[{"name": "BlueskyRun"}]' WHERE key = 'run 1';
UPDATE nodes SET specs = '[]' WHERE key = 'no run';

-- what does not go into a column: no statement fails
UPDATE nodes SET metadata = '{"start": {"uid": {}, "time": "now", "scan_id": 1.5, "plan_name": true}, "stop": {"time": false}}' WHERE key = 'run 1';
SELECT obs_id, t_min, t_max, scan_id, label, obs_publisher_did FROM runs ORDER BY label;
SELECT * FROM catreg.check_obscore('runs') ORDER BY 2;
UPDATE nodes SET metadata = '{"start": {"uid": 3, "time": 1e300, "scan_id": 1e30, "plan_name": null, "energy": 0}}' WHERE key = 'run 1';
UPDATE nodes SET metadata = '{"start": {"uid": "a1", "time": 0, "scan_id": -1, "plan_name": "p", "energy": 1}}' WHERE key = 'run 1';

-- paths: of the node, of a container above; a move out of the subtree and back
UPDATE nodes SET key = 'run one' WHERE key = 'run 1';
UPDATE nodes SET key = '2027' WHERE key = '2026';
SELECT count(*) FROM runs;
UPDATE nodes SET key = '2026' WHERE key = '2027';
UPDATE nodes SET parent = (SELECT id FROM nodes WHERE key = 'elsewhere') WHERE key = '2026';
SELECT count(*) FROM runs;
UPDATE nodes SET parent = (SELECT id FROM nodes WHERE key = 'raw') WHERE key = '2026';
INSERT INTO nodes (parent, key, structure_family, metadata, specs)
    SELECT id, 'below', 'container', '{"start": {"uid": "a3", "time": 1, "scan_id": 3, "plan_name": "deep"}}', '[{"name": "BlueskyRun"}]' FROM nodes WHERE key = 'run one';
SELECT obs_id, access_url, label FROM runs ORDER BY 1;
SELECT * FROM catreg.check_obscore('runs');
SELECT * FROM catreg.delete_nodes(ARRAY['raw/2026/run one']);
SELECT obs_id FROM runs ORDER BY 1;

-- rows that somebody else has written
UPDATE runs SET obs_id = 'wrong';
INSERT INTO runs (registry_dataset_id, obs_id) VALUES (catreg.obscore_node_key(1), 'not a run'), ('11111111-1111-1111-1111-111111111111', 'none');
SELECT * FROM catreg.check_obscore('runs') ORDER BY 1;
SELECT * FROM catreg.refresh_obscore('runs');
SELECT * FROM catreg.check_obscore('runs');
DELETE FROM runs;
SELECT * FROM catreg.refresh_obscore('runs');

-- another configuration, in the table's place
CREATE VIEW seen AS SELECT obs_id, t_min FROM runs;
SELECT catreg.alter_obscore('runs', jsonb_set(:'config', '{columns, calib_level}', '2')::json);
SELECT calib_level, scan_id, count(*) FROM runs GROUP BY 1, 2;
SELECT * FROM pg_temp.try($$SELECT catreg.alter_obscore('runs', '{"facility_name": "x", "collection_type": "RUN", "dataset_types": {}}')$$);
UPDATE nodes SET metadata = jsonb_set(metadata, '{start, scan_id}', '99') WHERE key LIKE 'ключ%';
SELECT scan_id, (SELECT count(*) FROM seen) FROM runs;

-- as logical replication writes it
SET session_replication_role = replica;
BEGIN;
UPDATE nodes SET metadata = jsonb_set(metadata, '{start, scan_id}', '7') WHERE key LIKE 'ключ%';
UPDATE nodes SET metadata = jsonb_set(metadata, '{start, scan_id}', '8') WHERE key LIKE 'ключ%';
SELECT DISTINCT scan_id FROM runs;
COMMIT;
SELECT DISTINCT scan_id FROM runs;
SELECT * FROM catreg.check_obscore('runs');
RESET session_replication_role;

-- a client needs no right on the table; a constraint in the way is a warning
ALTER TABLE runs ADD CHECK (scan_id < 1000);
CREATE ROLE regress_tiled_client;
GRANT ALL ON ALL TABLES IN SCHEMA public TO regress_tiled_client;
REVOKE ALL ON runs FROM regress_tiled_client;
SET ROLE regress_tiled_client;
UPDATE nodes SET metadata = jsonb_set(metadata, '{start, scan_id}', '5') WHERE key LIKE 'ключ%';
UPDATE nodes SET metadata = jsonb_set(metadata, '{start, scan_id}', '5000') WHERE key LIKE 'ключ%';
RESET ROLE;
DROP OWNED BY regress_tiled_client;
DROP ROLE regress_tiled_client;
SELECT problem FROM catreg.check_obscore('runs');
TRUNCATE nodes CASCADE;
SELECT count(*) FROM runs;
DROP TABLE runs CASCADE;
SELECT count(*) FROM catreg.obscore;
SELECT tgname FROM pg_trigger WHERE tgname LIKE 'catreg_obscore%';

-- units and times
SELECT u, catreg.obscore_json_float(v::jsonb, 'x', false, u)
FROM (VALUES (0, '2.5'), (1, '-86400'), (2, '"2026-11-21T12:00:00Z"'), (2, '"2026-11-21T12:00:00.25+02:00"'), (2, '"2026-11-21"'), (2, '"2016-12-31 23:59:60"'),
             (3, '12398.419843320026'), (4, '12.398419843320026'), (5, '500'), (6, '0.5'), (7, '5000'), (8, '20'), (9, '1')) x (u, v);
CREATE TEMP TABLE bad (v text);
INSERT INTO bad VALUES ('"2026-02-30"'), ('"2026-11-21T24:00:00"'), ('"2026-11-21T12"'), ('"2026-11-21T12:00:00+25:00"'), ('"2026-11-21T12:00:00."'), ('"2026-11-21T12:00Zz"'), ('"now"'), ('""'), ('5');
SELECT v, catreg.obscore_noted('00000000-0000-0000-0000-000000000001', 'c', catreg.obscore_json_float(v::jsonb, 'x', false, 2)) FROM bad;

-- configurations that are none
SELECT catreg.create_obscore('{"source": "tiled", "columns": {}}', name => 'empty');
SELECT catreg.drop_obscore('empty');
CREATE FUNCTION pg_temp.refused(config text) RETURNS SETOF text LANGUAGE sql AS $$ SELECT pg_temp.try(format('SELECT catreg.create_obscore(%L)', config)) $$;
SELECT pg_temp.refused('{"source": "ldap"}');
SELECT pg_temp.refused('{"source": 1}');
SELECT pg_temp.refused('{"source": "tiled"}');
SELECT pg_temp.refused('{"source": "tiled", "columns": {}, "collections": []}');
SELECT pg_temp.refused('{"source": "tiled", "columns": {"obs": 1}}');
SELECT pg_temp.refused('{"source": "tiled", "columns": {"region": "x"}}');
SELECT pg_temp.refused('{"source": "tiled", "columns": {"calib_level": "x"}}');
SELECT pg_temp.refused('{"source": "tiled", "columns": {"calib_level": 40000}}');
SELECT pg_temp.refused('{"source": "tiled", "columns": {"obs_id": {}}}');
SELECT pg_temp.refused('{"source": "tiled", "columns": {"obs_id": {"metadata": "a", "template": "b"}}}');
SELECT pg_temp.refused('{"source": "tiled", "columns": {"obs_id": {"metadata": "a..b"}}}');
SELECT pg_temp.refused('{"source": "tiled", "columns": {"obs_id": {"metadata": []}}}');
SELECT pg_temp.refused('{"source": "tiled", "columns": {"obs_id": {"metadata": "a", "unit": "unix"}}}');
SELECT pg_temp.refused('{"source": "tiled", "columns": {"t_min": {"metadata": "a", "unit": "fortnight"}}}');
SELECT pg_temp.refused('{"source": "tiled", "columns": {"t_min": {"template": "a"}}}');
SELECT pg_temp.refused('{"source": "tiled", "columns": {"t_min": {"node": "path"}}}');
SELECT pg_temp.refused('{"source": "tiled", "columns": {"obs_id": {"node": "name"}}}');
SELECT pg_temp.refused('{"source": "tiled", "columns": {"obs_id": {"metadata": "a", "type": "int"}}}');
SELECT pg_temp.refused('{"source": "tiled", "columns": {"obs_id": {"template": "{name}"}}}');
SELECT pg_temp.refused('{"source": "tiled", "columns": {"obs_id": {"template": "{path"}}}');
SELECT pg_temp.refused('{"source": "tiled", "columns": {"obs_id": {"template": "{metadata}"}}}');
SELECT pg_temp.refused('{"source": "tiled", "columns": {}, "extra_columns": {"obs_id": 1}}');
SELECT pg_temp.refused('{"source": "tiled", "columns": {}, "extra_columns": {"x": {"metadata": "a", "type": "int", "length": 3}}}');
SELECT pg_temp.refused('{"source": "tiled", "columns": {}, "nodes": {"subtree": "a//b"}}');
SELECT pg_temp.refused('{"source": "tiled", "columns": {}, "nodes": {"keys": []}}');
SELECT pg_temp.refused('{"source": "tiled", "columns": {}, "indices": {"i": "x"}}');
CREATE SCHEMA other;
SELECT pg_temp.try($$SELECT catreg.create_obscore('{"source": "tiled", "columns": {}}', registry => 'other')$$);
SELECT count(*) FROM catreg.obscore;
\c postgres
