-- Dimension records in bulk, with the sky pixels of their regions.
\set VERBOSITY default
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS catreg;
\getenv testdir PG_ABS_SRCDIR
\set setup :testdir '/sql/include/butler_registry.sql'
\set overlaps :testdir '/sql/include/butler_overlaps.sql'
\set ECHO none
\i :setup
\i :overlaps
DELETE FROM registry.visit_detector_region; DELETE FROM registry.visit; DELETE FROM registry.patch; DELETE FROM registry.tract; DELETE FROM registry.skymap;
\set ECHO all
SET search_path = registry;
SET jit = off;

-- pixels of the records' regions: as htm_envelope() has them
CREATE VIEW wrong AS
    WITH records AS (
        SELECT 'visit' AS element, instrument AS governor, id, 0 AS other, region FROM visit
        UNION ALL SELECT 'visit_detector_region', instrument, visit, detector, region FROM visit_detector_region
        UNION ALL SELECT 'tract', skymap, id, 0, region FROM tract
        UNION ALL SELECT 'patch', skymap, tract, id, region FROM patch),
    expected AS (
        SELECT element, governor, id, other, pixel FROM records,
            LATERAL unnest(catreg.htm_envelope(catreg.region_from_base64(region), 7)) r, LATERAL generate_series(lower(r), upper(r) - 1) pixel),
    found AS (
        SELECT 'visit' AS element, instrument AS governor, visit AS id, 0 AS other, skypix_index FROM visit_skypix_overlap
        UNION ALL SELECT 'visit_detector_region', instrument, visit, detector, skypix_index FROM visit_detector_region_skypix_overlap
        UNION ALL SELECT 'tract', skymap, tract, 0, skypix_index FROM tract_skypix_overlap
        UNION ALL SELECT 'patch', skymap, tract, patch, skypix_index FROM patch_skypix_overlap)
    (TABLE expected EXCEPT ALL TABLE found) UNION ALL (TABLE found EXCEPT ALL TABLE expected);

-- pixels
SELECT catreg.htm_envelope('CIRCLE ICRS 10 20 0.1', 7), catreg.htm_envelope('RANGE ICRS 0 360 89 90', 3), catreg.htm_envelope('EMPTY ICRS', 7);
SELECT catreg.htm_envelope('ALLSKY ICRS', 2), catreg.htm_envelope('UNION ICRS (CIRCLE ICRS 45 45 1 CIRCLE ICRS 45 -45 1)', 0);
SELECT catreg.htm_index(10, 20, 7), catreg.htm_index(10, 20, 0), catreg.htm_index(0, -90, 24), catreg.htm_index(360, 0, 5);
SELECT catreg.htm_envelope('POINT ICRS 1 1', 7);
SELECT catreg.htm_envelope('POLYGON ICRS 0 0 20 0 10 5 20 20 0 20', 7);
SELECT catreg.htm_envelope('CIRCLE ICRS 10 20 0.1', 25);
SELECT catreg.htm_index(1, 2, -1);
SELECT catreg.htm_index(1, 91, 1);

-- governors: the client's table of which overlaps there are
CREATE TEMP TABLE instruments AS SELECT name::text, 5 AS visit_max FROM unnest('{Cam, Other}'::text[]) name;
SELECT catreg.ingest_dimensions('instruments', 'instrument', 'ignore', 'registry');
SELECT * FROM instrument ORDER BY name;
SELECT 'visit' AS element, s.* FROM visit_skypix_overlap_summary s UNION ALL SELECT 'vdr', s.* FROM visit_detector_region_skypix_overlap_summary s ORDER BY 1, 4;
CREATE TEMP TABLE skymaps AS SELECT 'sky' AS name;
SELECT catreg.ingest_dimensions('skymaps', 'skymap', registry => 'registry');
TABLE tract_skypix_overlap_summary;

-- regions as base64 text, as sphgeom's bytes and as catreg's type are the same
CREATE TEMP TABLE tracts AS SELECT 'sky' AS skymap, n AS id, square(100 + n, 0) AS region FROM generate_series(1, 3) n;
SELECT catreg.ingest_dimensions('tracts', 'tract', registry => 'registry');
CREATE TEMP TABLE patches AS SELECT 'sky' AS skymap, 1 AS tract, p AS id, decode(square(100 + p / 10.0, 0), 'base64') AS region FROM generate_series(0, 3) p;
SELECT catreg.ingest_dimensions('patches', 'patch', registry => 'registry');
ALTER TABLE patches ALTER region TYPE catreg.region USING catreg.region_from_sphgeom(region);
UPDATE patches SET id = id + 10;
INSERT INTO patches VALUES ('sky', 2, 1, 'CIRCLE ICRS 101.5 0.5 0.1'), ('sky', 2, 2, NULL), ('sky', 2, 3, 'EMPTY ICRS');
SELECT catreg.ingest_dimensions('patches', 'patch', registry => 'registry');
SELECT count(*), count(DISTINCT region) FROM patch WHERE tract = 1;
-- a union in several pieces becomes what the client writes
CREATE TEMP TABLE pieces AS SELECT 'sky' AS skymap, 3 AS tract, 1 AS id, square(1, 2) || ':' || square(3, 4) AS region;
SELECT catreg.ingest_dimensions('pieces', 'patch', registry => 'registry');
SELECT region ~ ':' AS raw, region_from_base64 FROM patch, catreg.region_from_base64(region) WHERE tract = 3;
TABLE wrong;

-- visits come after the raws: ObsCore follows
CREATE FUNCTION config() RETURNS json LANGUAGE sql AS $$ SELECT '{"collection_type": "RUN", "collections": ["Cam/.*"], "facility_name": "F",
  "dataset_types": {"raw": {"dataproduct_type": "image", "calib_level": 1, "obs_id_fmt": "{records[exposure].obs_id}"}},
  "extra_columns": {"lsst_visit": {"template": "{visit}", "type": "int"}}}'::json $$;
SELECT catreg.create_obscore(config(), 'registry');
SELECT count(put('raw', 'Cam/raw/all', d, e)) FROM generate_series(0, 1) d, generate_series(1, 2) e;
CREATE VIEW shown AS SELECT obs_id, lsst_visit, round(s_ra::numeric, 4) AS s_ra, round(s_fov::numeric, 4) AS s_fov FROM obscore ORDER BY obs_id, s_ra;
TABLE shown;
CREATE TEMP TABLE visits AS SELECT 'Cam' AS instrument, e AS id, 20250101 AS day_obs, 'r_03' AS physical_filter, square(10 * e, 5) AS region,
    int8range(1735700000000000000, NULL) AS timespan, 'visit ' || e AS name FROM generate_series(1, 4) e;
SELECT catreg.ingest_dimensions('visits', 'visit', registry => 'registry');
CREATE TEMP TABLE definitions AS SELECT 'Cam' AS instrument, e AS exposure, e AS visit FROM generate_series(1, 2) e;
SELECT catreg.ingest_dimensions('definitions', 'visit_definition', registry => 'registry');
TABLE shown;
CREATE TEMP TABLE detectors AS SELECT v AS visit, d AS detector, 'Cam' AS instrument, square(10 * v + d, 5) AS region FROM generate_series(1, 4) v, generate_series(0, 3) d;
SELECT catreg.ingest_dimensions('detectors', 'visit_detector_region', registry => 'registry');
TABLE shown;
SELECT problem FROM catreg.check_obscore('obscore') WHERE problem NOT LIKE 'access_url %';
TABLE wrong;

-- replaced, with the pixels; a column that is not given becomes NULL, as by the client
UPDATE detectors SET region = CASE WHEN detector < 3 THEN square(200 + visit + detector, -30) END;
SELECT catreg.ingest_dimensions('detectors', 'visit_detector_region', 'replace', 'registry');
TABLE shown;
SELECT count(*) FROM visit_detector_region_skypix_overlap WHERE detector = 3;
ALTER TABLE visits DROP name;
DELETE FROM visits WHERE id > 1;
INSERT INTO visits SELECT 'Cam', 9, 20250101, 'g_01', square(90, 5), 'empty';
SELECT catreg.ingest_dimensions('visits', 'visit', 'replace', 'registry');
SELECT id, physical_filter, name, timespan FROM visit ORDER BY id;
SELECT catreg.ingest_dimensions('definitions', 'visit_definition', 'replace', 'registry');
TABLE wrong;

-- what exists is left alone, and of two with one key the first counts
UPDATE detectors SET region = square(7, 7), visit = 9 WHERE visit = 2;
INSERT INTO detectors SELECT visit, detector, instrument, square(60, 60) FROM detectors WHERE visit = 9;
SELECT catreg.ingest_dimensions('detectors', 'visit_detector_region', 'ignore', 'registry');
SELECT catreg.adql(catreg.region_from_base64(region)), count(*) FROM visit_detector_region WHERE visit = 9 GROUP BY 1;
TABLE wrong;
SELECT catreg.ingest_dimensions('definitions', 'visit_definition', 'ignore', 'registry');
TRUNCATE definitions;
SELECT catreg.ingest_dimensions('definitions', 'visit_definition', registry => 'registry');

-- the same rows where each foreign key is checked for each row
BEGIN;
SET LOCAL catreg.fk_check = 'row';
DELETE FROM visit_detector_region; DELETE FROM visit_detector_region_skypix_overlap;
SELECT catreg.ingest_dimensions('detectors', 'visit_detector_region', 'ignore', 'registry');
TABLE wrong;
ROLLBACK;

-- nobody has noted that the overlaps of an instrument are stored
BEGIN;
INSERT INTO instrument VALUES ('Plain');
INSERT INTO day_obs VALUES ('Plain', 20250101);
INSERT INTO physical_filter VALUES ('Plain', 'g_01', 'g'), ('Plain', 'r_03', 'r');
UPDATE visits SET instrument = 'Plain';
SAVEPOINT s;
\set VERBOSITY terse
SELECT catreg.ingest_dimensions('visits', 'visit', registry => 'registry');
\set VERBOSITY default
ROLLBACK TO s;
SET LOCAL catreg.fk_check = 'row';
\set VERBOSITY terse
SELECT catreg.ingest_dimensions('visits', 'visit', registry => 'registry');
\set VERBOSITY default
ROLLBACK;

-- everything or nothing
BEGIN;
DELETE FROM visit_detector_region; DELETE FROM visit_detector_region_skypix_overlap;
SELECT catreg.ingest_dimensions('detectors', 'visit_detector_region', 'ignore', 'registry');
TABLE wrong;
ROLLBACK;
TABLE wrong;

-- errors
\set VERBOSITY default
CREATE FUNCTION pg_temp.try(batch regclass, element text, how text DEFAULT 'error') RETURNS TABLE (error text) LANGUAGE plpgsql AS $$
DECLARE
    state text; message text; detail text; hint text; context text;
BEGIN
    PERFORM catreg.ingest_dimensions(batch, element, how, 'registry');
    RETURN QUERY SELECT 'no error';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT, context = PG_EXCEPTION_CONTEXT;
    RETURN QUERY SELECT state || ' ' || message;
    RETURN QUERY SELECT 'detail: ' || detail WHERE detail <> '';
    RETURN QUERY SELECT 'hint: ' || hint WHERE hint <> '';
    RETURN QUERY SELECT 'context: ' || l FROM regexp_split_to_table(context, E'\n') l WHERE l ~ '^row';
END
$$;
SELECT * FROM pg_temp.try('detectors', 'visit_detector_region', 'merge');
SELECT * FROM pg_temp.try('detectors', 'band');
SELECT * FROM pg_temp.try('detectors', 'htm7');
SELECT * FROM pg_temp.try('detectors', 'healpix11');
SELECT * FROM pg_temp.try('detectors', 'htm');
SELECT * FROM pg_temp.try('detectors', 'tract');
SELECT * FROM pg_temp.try('definitions', 'visit_detector_region');
ALTER TABLE definitions DROP exposure;
SELECT * FROM pg_temp.try('definitions', 'visit_definition');
SELECT * FROM pg_temp.try('detectors', 'visit_detector_region');
DELETE FROM detectors WHERE visit <> 9;
UPDATE detectors SET visit = 4, detector = 4;
SELECT * FROM pg_temp.try('detectors', 'visit_detector_region', 'ignore');
UPDATE detectors SET detector = 3;
SELECT * FROM pg_temp.try('detectors', 'visit_detector_region', 'replace');
UPDATE detectors SET instrument = NULL;
SELECT * FROM pg_temp.try('detectors', 'visit_detector_region', 'replace');
UPDATE detectors SET instrument = repeat('ü', 17);
SELECT * FROM pg_temp.try('detectors', 'visit_detector_region', 'replace');
UPDATE detectors SET instrument = 'Cam', region = 'no base64';
SELECT * FROM pg_temp.try('detectors', 'visit_detector_region', 'replace');
UPDATE detectors SET region = encode('pfui', 'base64');
SELECT * FROM pg_temp.try('detectors', 'visit_detector_region', 'replace');
ALTER TABLE detectors ALTER region TYPE catreg.region USING 'POINT ICRS 1 1';
SELECT * FROM pg_temp.try('detectors', 'visit_detector_region', 'replace');
ALTER TABLE detectors ALTER region TYPE int USING 1;
SELECT * FROM pg_temp.try('detectors', 'visit_detector_region');
ALTER TABLE detectors DROP region, ALTER visit TYPE float8;
SELECT * FROM pg_temp.try('detectors', 'visit_detector_region');
-- a value that is unique beside the key: what is another's, and what is one's own or becomes free
ALTER TABLE registry.detector ADD CONSTRAINT only_name UNIQUE (instrument, full_name);
CREATE TEMP TABLE named AS SELECT instrument, id + 500 AS id, full_name FROM registry.detector WHERE id < 2 ORDER BY id;
SELECT how, t.* FROM unnest('{error,ignore,replace}'::text[]) how, pg_temp.try('named', 'detector', how) t;
INSERT INTO named SELECT instrument, id, 'free ' || id FROM registry.detector WHERE id < 2;
BEGIN;
UPDATE named SET full_name = NULL WHERE id > 500;
SELECT * FROM pg_temp.try('named', 'detector', 'ignore');
SELECT * FROM pg_temp.try('named', 'detector', 'replace');
SELECT id, full_name FROM registry.detector WHERE id < 2 OR id >= 500 ORDER BY id;
ROLLBACK;
ALTER TABLE registry.detector DROP CONSTRAINT only_name;
UPDATE instruments SET name = 'New';
SELECT * FROM pg_temp.try('instruments', 'instrument');
SELECT catreg.ingest_dimensions('instruments', 'instrument');
UPDATE visit_skypix_overlap_summary SET skypix_level = 8 WHERE instrument = 'Other';
SELECT * FROM pg_temp.try('visits', 'visit');
UPDATE visit_skypix_overlap_summary SET skypix_level = 7;
UPDATE butler_attributes SET value = replace(value, 'htm7', 'healpix5');
SELECT * FROM pg_temp.try('visits', 'visit');
SELECT * FROM pg_temp.try('skymaps', 'skymap', 'ignore');
UPDATE butler_attributes SET value = replace(value, 'healpix5', 'htm7');
TABLE wrong;

-- with the caller's rights, and in no transaction that only reads
CREATE ROLE regress_dimensions;
GRANT USAGE ON SCHEMA registry TO regress_dimensions;
GRANT SELECT ON ALL TABLES IN SCHEMA registry TO regress_dimensions;
GRANT INSERT ON tract TO regress_dimensions;
GRANT SELECT ON tracts TO regress_dimensions;
\set VERBOSITY terse
UPDATE tracts SET id = id + 10;
SET ROLE regress_dimensions;
SELECT catreg.ingest_dimensions('tracts', 'tract', registry => 'registry');
SELECT catreg.ingest_dimensions('tracts', 'tract', 'replace', registry => 'registry');
RESET ROLE;
GRANT INSERT ON tract_skypix_overlap TO regress_dimensions;
SET ROLE regress_dimensions;
SELECT catreg.ingest_dimensions('tracts', 'tract', registry => 'registry');
RESET ROLE;
BEGIN READ ONLY;
SELECT catreg.ingest_dimensions('tracts', 'tract', registry => 'registry');
ROLLBACK;
TABLE wrong;
SET client_min_messages = warning;
DROP SCHEMA registry CASCADE;
DROP OWNED BY regress_dimensions;
DROP ROLE regress_dimensions;
