-- pgsphere's columns where the extension is not in the database: refused.  What is
-- made of regions is shown with other types; test/peers has it with pgsphere's.
SET client_min_messages = warning;
\set SHOW_CONTEXT never
CREATE EXTENSION IF NOT EXISTS catreg;
\getenv testdir PG_ABS_SRCDIR
\set setup :testdir '/sql/include/butler_registry.sql'
\set ECHO none
\i :setup
\set ECHO all
RESET search_path;

SELECT '{"collection_type": "RUN", "facility_name": "F", "dataset_types": {"raw": {"dataproduct_type": "image", "calib_level": 1}},
  "spatial_plugins": {"p": {"cls": "lsst.daf.butler.registry.obscore.pgsphere.PgSphereObsCorePlugin", "config": {"position_column": "center"}}}}' AS config \gset

SELECT catreg.create_obscore(:'config', 'registry');
INSERT INTO registry.butler_attributes VALUES ('config:obscore.json', :'config');
CREATE TABLE registry.obscore (registry_dataset_id uuid PRIMARY KEY);
SELECT catreg.create_obscore(registry => 'registry');
SELECT count(*) FROM registry.butler_attributes WHERE name = 'config:obscore.json';
SELECT obscore FROM catreg.obscore;
SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'catreg%' AND tgrelid::regclass::text LIKE 'registry.%';
-- the types of somebody else are not pgsphere's
CREATE DOMAIN public.spoly AS text;
CREATE DOMAIN public.spoint AS text;
SELECT catreg.create_obscore(:'config', 'registry', 'other');
DROP DOMAIN public.spoly, public.spoint;

-- radians, in decimals that read back; of convex polygons alone
SELECT catreg.obscore_pgsphere_region(region::catreg.region, NULL::text), catreg.obscore_pgsphere_position(region::catreg.region, NULL::text)
FROM (VALUES ('POLYGON ICRS 10 10 20 10 20 20'), ('POLYGON ICRS 359 -1 1 -1 1 1 359 1'), ('CIRCLE ICRS 10 10 1'), (NULL)) r (region);
-- a type that refuses the text
SELECT catreg.obscore_noted('00000000-0000-0000-0000-000000000001', 'center', catreg.obscore_pgsphere_position('POLYGON ICRS 10 10 20 10 20 20', NULL::point)),
       catreg.obscore_noted('00000000-0000-0000-0000-000000000001', 'outline', catreg.obscore_pgsphere_region('POLYGON ICRS 10 10 20 10 20 20', NULL::point)),
       catreg.obscore_noted('00000000-0000-0000-0000-000000000002', 'outline', catreg.obscore_pgsphere_region('POLYGON ICRS 10 10 20 10 20 20', NULL::int[]));

SET client_min_messages = error;
DROP SCHEMA registry CASCADE;
