-- Another configuration for an ObsCore table: other columns, templates, collections
-- and dataset types; what depends on the table stays.
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS catreg;
\getenv testdir PG_ABS_SRCDIR
\set setup :testdir '/sql/include/butler_registry.sql'
\set ECHO none
\i :setup
\set ECHO all
RESET search_path;
SELECT count(registry.put('raw', 'Cam/raw/all', d, e)) FROM generate_series(0, 1) d, generate_series(1, 3) e;
SELECT count(registry.put('calexp', 'Cam/runs/1', d, e)) FROM generate_series(0, 1) d, generate_series(1, 2) e;
SELECT count(registry.put('calexp', 'u/someone', d, 3)) FROM generate_series(0, 1) d;

SELECT '{"collection_type": "RUN", "collections": ["Cam/.*"], "facility_name": "F",
  "dataset_types": {
    "raw": {"dataproduct_type": "image", "calib_level": 1, "obs_id_fmt": "{records[exposure].obs_id}"},
    "calexp": {"dataproduct_type": "image", "calib_level": 2, "obs_id_fmt": "{records[visit].name}"}},
  "extra_columns": {"lsst_visit": {"template": "{visit}", "type": "int"}}, "indices": {"v": "lsst_visit"}}' AS config \gset
SELECT catreg.create_obscore(:'config', 'registry', 'kept');
CREATE ROLE regress_catreg_reader;
GRANT SELECT ON registry.kept TO regress_catreg_reader;
GRANT UPDATE (obs_id) ON registry.kept TO regress_catreg_reader WITH GRANT OPTION;
COMMENT ON TABLE registry.kept IS 'our observations';
COMMENT ON COLUMN registry.kept.obs_id IS 'theirs';
CREATE VIEW registry.raws WITH (security_barrier) AS SELECT registry_dataset_id, obs_id FROM registry.kept WHERE calib_level = 1;
CREATE VIEW registry.raws_again AS TABLE registry.raws;
GRANT SELECT ON registry.raws TO regress_catreg_reader;

CREATE FUNCTION show() RETURNS TABLE (level text, n bigint, obs_ids text, wrong bigint) LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY EXECUTE 'SELECT calib_level::text, count(*), string_agg(DISTINCT obs_id, '','' ORDER BY obs_id), (SELECT count(*) FROM catreg.check_obscore(''registry.kept''))
                          FROM registry.kept GROUP BY 1 ORDER BY 1';
END
$$;
SELECT * FROM show();

\echo another template; the rows of the other dataset type are copied
UPDATE registry.kept SET facility_name = 'copied';
SELECT catreg.alter_obscore('registry.kept', replace(:'config', '{records[visit].name}', 'visit {visit}')::json);
SELECT calib_level, facility_name, count(*) FROM registry.kept GROUP BY 1, 2 ORDER BY 1, 2;
SELECT FROM catreg.refresh_obscore('registry.kept');
SELECT * FROM show();
SELECT obs_id FROM registry.raws_again ORDER BY 1 LIMIT 1;
-- PostgreSQL 17 has a privilege more, m
SELECT reloptions, replace(relacl::text, 'tm/', 't/') AS relacl FROM pg_class WHERE oid = 'registry.raws'::regclass;
SELECT replace(relacl::text, 'tm/', 't/') AS relacl, obj_description(oid), col_description(oid, 6) FROM pg_class WHERE oid = 'registry.kept'::regclass;
SELECT attname, attacl FROM pg_attribute WHERE attrelid = 'registry.kept'::regclass AND attacl IS NOT NULL;
\di registry.kept*

\echo other collections
SELECT catreg.alter_obscore('registry.kept', replace(:'config', '"Cam/.*"', '"u/.*", "Cam/runs/.*"')::json);
SELECT * FROM show();
SELECT FROM registry.put('calexp', 'u/someone', 2, 3);
SELECT FROM registry.put('raw', 'Cam/raw/all', 2, 3);
SELECT * FROM show();

\echo other dataset types, and columns
SELECT '{"collection_type": "RUN", "collections": ["Cam/.*"], "facility_name": "F",
  "dataset_types": {
    "calexp": {"dataproduct_type": "image", "calib_level": 2, "obs_id_fmt": "{records[visit].name}"},
    "src": {"dataproduct_type": "measurements", "calib_level": 3, "obs_id_fmt": "{detector}"}},
  "extra_columns": {"lsst_run": {"template": "{run}"}}, "indices": {"r": "lsst_run"}}' AS config \gset
SELECT FROM registry.put('src', 'Cam/runs/1', 0, 1);
SELECT catreg.alter_obscore('registry.kept', :'config');
SELECT FROM registry.put('src', 'Cam/runs/1', 1, 1);
SELECT * FROM show();
\di registry.kept*
SELECT obscore, own_table FROM catreg.obscore;
SELECT count(*) FROM catreg.obscore_journal;
SELECT name, triggers FROM catreg.status;

\echo indexes that somebody has added, where their columns stay
CREATE INDEX "mine, DESC" ON registry.kept (t_min DESC, s_ra) WHERE calib_level = 2;
CREATE UNIQUE INDEX ON registry.kept (registry_dataset_id, lower(obs_id)) INCLUDE (t_max) WITH (fillfactor = 70);
CREATE INDEX goes ON registry.kept ((lsst_run || obs_id));
SELECT catreg.alter_obscore('registry.kept', replace(replace(:'config', '{"r": "lsst_run"}', '{"t": ["t_min", "t_max"]}'), '"lsst_run"', '"run"')::json);
SELECT indexdef FROM pg_indexes WHERE schemaname = 'registry' AND tablename = 'kept' ORDER BY indexname;
-- one that is now the configuration's is not there twice
CREATE INDEX exposed ON registry.kept (t_exptime);
SELECT catreg.alter_obscore('registry.kept', replace(:'config', '{"r": "lsst_run"}', '{"e": "t_exptime", "r": "lsst_run"}')::json);
SELECT indexname FROM pg_indexes WHERE schemaname = 'registry' AND tablename = 'kept' ORDER BY indexname;
SELECT catreg.alter_obscore('registry.kept', :'config');
SELECT indexname FROM pg_indexes WHERE schemaname = 'registry' AND tablename = 'kept' ORDER BY indexname;

\echo what is refused leaves all as it was
SELECT catreg.alter_obscore('registry.kept', '{"collection_type": "RUN"}');
SELECT catreg.alter_obscore('registry.kept', replace(:'config', '"RUN"', '"CHAINED"')::json);
SELECT catreg.alter_obscore('registry.visit', :'config');
CREATE MATERIALIZED VIEW registry.stored AS TABLE registry.kept;
SELECT catreg.alter_obscore('registry.kept', :'config');
DROP MATERIALIZED VIEW registry.stored;
-- a view needs a column that would go
CREATE VIEW registry.runs AS SELECT lsst_run FROM registry.kept;
\set VERBOSITY sqlstate
SELECT catreg.alter_obscore('registry.kept', replace(:'config', 'lsst_run', 'other')::json);
\set VERBOSITY terse
SET ROLE regress_catreg_reader;
SELECT catreg.alter_obscore('registry.kept', :'config');
RESET ROLE;
SELECT * FROM show();

\echo a name of 63 bytes, and a table in another schema
CREATE SCHEMA "Else 'where";
SELECT catreg.create_obscore(:'config', 'registry', repeat('é', 31) || 'a') AS long \gset
SELECT catreg.create_obscore(:'config', 'registry', 'moved');
ALTER TABLE registry.moved SET SCHEMA "Else 'where";
CREATE VIEW registry.of_moved AS SELECT calib_level, obs_id FROM "Else 'where".moved;
SELECT catreg.alter_obscore(t::regclass, replace(:'config', '"{detector}"', '"<{detector}>"')::json) FROM unnest(ARRAY[:'long', '"Else ''where".moved']) t;
SELECT DISTINCT obs_id, (SELECT count(*) FROM catreg.check_obscore(:'long')) FROM :long WHERE calib_level = 3 ORDER BY 1;
SELECT DISTINCT obs_id, (SELECT count(*) FROM catreg.check_obscore('"Else ''where".moved')) FROM registry.of_moved WHERE calib_level = 3 ORDER BY 1;
SELECT indexname FROM pg_indexes WHERE schemaname LIKE 'Else%' ORDER BY 1;
SELECT count(*) FROM pg_class WHERE relname ~ '^catreg_(old|new)' AND relkind <> 'i';
DROP VIEW registry.of_moved;
SELECT catreg.drop_obscore(:'long'), catreg.drop_obscore('"Else ''where".moved');
DROP SCHEMA "Else 'where";

\echo find-first
INSERT INTO registry.collection (name, type) VALUES ('chain', 3);
INSERT INTO registry.collection_chain SELECT (SELECT collection_id FROM registry.collection WHERE name = 'chain'), collection_id, collection_id FROM registry.collection WHERE name IN ('Cam/runs/1', 'u/someone');
SELECT replace(replace(replace(:'config', '"RUN"', '"CHAINED"'), '"Cam/.*"', '"chain"'), 'lsst_run', 'of_run') AS config \gset
SELECT catreg.create_obscore(:'config', 'registry', 'first');
SELECT FROM registry.put('calexp', 'u/someone', 0, 1);
SELECT of_run, count(*), (SELECT count(*) FROM catreg.check_obscore('registry.first')) FROM registry.first GROUP BY 1 ORDER BY 1;
SELECT catreg.alter_obscore('registry.first', replace(:'config', '"chain"', '"u/someone", "chain"')::json);
SELECT of_run, count(*), (SELECT count(*) FROM catreg.check_obscore('registry.first')) FROM registry.first GROUP BY 1 ORDER BY 1;
DELETE FROM registry.dataset WHERE id = registry.id('calexp u/someone 0 1');
SELECT of_run, count(*), (SELECT count(*) FROM catreg.check_obscore('registry.first')) FROM registry.first GROUP BY 1 ORDER BY 1;
\set ECHO none
SET client_min_messages = error;
DROP SCHEMA registry CASCADE;
DROP ROLE regress_catreg_reader;
