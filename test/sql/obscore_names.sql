-- What ObsCore tables and registries are called is followed; so is that they are dropped.
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS catreg;
\getenv testdir PG_ABS_SRCDIR
\set setup :testdir '/sql/include/butler_registry.sql'
\set ECHO none
\i :setup
\set ECHO all
RESET search_path;

SELECT '{"collection_type": "RUN", "collections": ["Cam/.*"], "facility_name": "F",
  "dataset_types": {"raw": {"dataproduct_type": "image", "calib_level": 1, "obs_id_fmt": "{records[exposure].obs_id}"},
                    "calexp": {"dataproduct_type": "image", "calib_level": 2, "obs_id_fmt": "{records[visit].name}/{detector}"}}}' AS config \gset
SELECT catreg.create_obscore(:'config', 'registry');
SELECT catreg.create_obscore(:'config', 'registry', 'two');
SELECT FROM registry.put('raw', 'Cam/raw/all', 0, 1);
SELECT FROM registry.put('calexp', 'Cam/runs/1', 0, 1);
-- a dataset as put() has it, in whatever schema and table
CREATE FUNCTION pg_temp.puts(name text, dataset regclass, tags regclass, visit int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('INSERT INTO %s VALUES (md5($1)::uuid, 2, 0, 2)', dataset) USING name;
    EXECUTE format('INSERT INTO %s VALUES (2, md5($1)::uuid, 2, ''Cam'', 2, $2)', tags) USING name, visit;
END
$$;

\echo the tables
ALTER TABLE registry.obscore RENAME TO "An ""other""";
CREATE SCHEMA elsewhere;
ALTER TABLE registry.two SET SCHEMA elsewhere;
SELECT pg_temp.puts('a', 'registry.dataset', 'registry.dataset_tags_00000002', 1);
SELECT obscore, catreg.schema_of_registry(registry) AS registry FROM catreg.obscore ORDER BY obscore::text COLLATE "C";
SELECT (SELECT count(*) FROM registry."An ""other"""), (SELECT count(*) FROM elsewhere.two);
SELECT count(*) FROM catreg.check_obscore('registry."An ""other"""');
SELECT catreg.refresh_obscore('elsewhere.two');

\echo the schema
ALTER SCHEMA registry RENAME TO "Reg 'x'";
SELECT pg_temp.puts('b', '"Reg ''x''".dataset', '"Reg ''x''".dataset_tags_00000002', 2);
UPDATE "Reg 'x'".visit SET name = 'new' WHERE id = 1;
SELECT obs_id FROM "Reg 'x'"."An ""other""" ORDER BY 1;
SELECT obscore, catreg.schema_of_registry(registry) AS registry FROM catreg.obscore ORDER BY obscore::text COLLATE "C";
SELECT count(*) FROM catreg.check_obscore('elsewhere.two');
SELECT bool_and(triggers) FROM catreg.status;
ALTER SCHEMA "Reg 'x'" RENAME TO registry;
UPDATE registry.visit SET name = 'newest' WHERE id = 1;
SELECT count(*) FROM catreg.check_obscore('elsewhere.two');

\echo the tags table, and the row that names it
BEGIN;
ALTER TABLE registry.dataset_tags_00000002 RENAME TO "Tags";
UPDATE registry.dataset_type SET tag_association_table = 'Tags' WHERE tag_association_table = 'dataset_tags_00000002';
COMMIT;
SELECT pg_temp.puts('c', 'registry.dataset', 'registry."Tags"', 3);
SELECT obs_id FROM registry."An ""other""" ORDER BY 1;
SELECT count(*) FROM catreg.check_obscore('elsewhere.two');

\echo a column that rows are made of, there and back: a warning, and no row in the meantime
ALTER TABLE registry.visit RENAME COLUMN name TO title;
SELECT pg_temp.puts('d', 'registry.dataset', 'registry."Tags"', 4);
SELECT count(*) FROM registry.dataset;
ALTER TABLE registry.visit RENAME COLUMN title TO name;
SELECT catreg.refresh_obscore('elsewhere.two'), catreg.refresh_obscore('registry."An ""other"""');
SELECT obs_id FROM elsewhere.two ORDER BY 1;

\echo a column of the table, there and back
ALTER TABLE elsewhere.two RENAME COLUMN obs_id TO identifier;
UPDATE registry.visit SET name = 'newer' WHERE id = 1;
SELECT obs_id FROM registry."An ""other""" WHERE obs_id ~ 'newer';
ALTER TABLE elsewhere.two RENAME COLUMN identifier TO obs_id;
SELECT catreg.refresh_obscore('elsewhere.two');

\echo dropped: rolled back, by its owner, with others
BEGIN;
DROP TABLE elsewhere.two;
SELECT obscore FROM catreg.obscore;
ROLLBACK;
UPDATE registry.visit SET name = 'newest' WHERE id = 1;
SELECT count(*) FROM elsewhere.two WHERE obs_id ~ 'newest';
CREATE ROLE catreg_test_owner;
GRANT USAGE ON SCHEMA elsewhere TO catreg_test_owner;
ALTER TABLE elsewhere.two OWNER TO catreg_test_owner;
SET ROLE catreg_test_owner;
DROP TABLE elsewhere.two;
RESET ROLE;
DROP OWNED BY catreg_test_owner;
DROP ROLE catreg_test_owner;
SELECT obscore FROM catreg.obscore;
SELECT count(*) > 0 FROM pg_trigger WHERE tgname ~ '^catreg_obscore';
SELECT catreg.create_obscore(:'config', 'registry', 'two');
DROP TABLE registry."An ""other""", registry.two;
SELECT count(*) FROM catreg.obscore;
SELECT count(*) FROM pg_trigger WHERE tgname ~ '^catreg_obscore';

\echo the schema of a table, and then that of the registry, with all that is in it
SELECT catreg.create_obscore(:'config', 'registry');
SELECT catreg.create_obscore(:'config', 'registry', 'two');
ALTER TABLE registry.two SET SCHEMA elsewhere;
SET client_min_messages = error;
DROP SCHEMA elsewhere CASCADE;
SELECT obscore FROM catreg.obscore;
SELECT catreg.create_obscore(:'config', 'registry', 'two');
CREATE SCHEMA elsewhere;
ALTER TABLE registry.two SET SCHEMA elsewhere;
DROP SCHEMA registry CASCADE;
-- what is left is a table as any other
SELECT count(*) FROM catreg.obscore;
TABLE catreg.status;
SELECT count(*) FROM elsewhere.two;
SELECT catreg.drop_obscore('elsewhere.two');
DROP SCHEMA elsewhere CASCADE;
