-- times: what clients of a Butler registry get of the same nanoseconds; test/unit and test/peers have the rest
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS catreg;
RESET client_min_messages;

-- MJD in UTC, to the last bit
SELECT name, nanoseconds, catreg.tai_to_mjd(nanoseconds) AS mjd, catreg.tai_to_mjd(nanoseconds) = expected AS ok
FROM (VALUES
    ('an exposure', 1731129187125000000, 60623.21701533565),
    ('midnight', 1704067237000000000, 60310.0),
    ('five nines', 1731129187123456789, 60623.21701531779),
    ('31 s before the leap second', 1483228806000000000, 57753.999641207854),
    ('2 s before it', 1483228835000000000, 57753.99997685212),
    ('just after it', 1483228837000000000, 57754.0),
    ('noon on its day', 1483185636000000000, 57753.49999421303),
    ('5 s before 1999', 915148829000000000, 51178.99996527818),
    ('2030', 1904187942000000000, 62626.211863425924),
    ('2100', 4102358437000000000, 88068.0),
    ('an instant before unbounded', 4102444799999999999, 88068.99957175925),
    ('before 1972', 44582439337554900, 41103.00034722222),
    ('one', 1, 40586.99990740646),
    ('below zero', -5000000000, 40586.99984953609)) v (name, nanoseconds, expected);

-- all scales and formats
SELECT catreg.time_mjd(1731129187125000000, 'tai') AS tai, catreg.time_mjd(1731129187125000000, 'utc') AS utc;
SELECT catreg.time_isot(1731129187125000000, 'tai') AS isot_tai, catreg.time_isot(1731129187125000000, 'utc') AS isot_utc,
       catreg.time_iso(1731129187125000000, 'tai') AS iso_tai, catreg.time_iso(1731129187125000000, 'utc') AS iso_utc;

-- a leap second, and what rounds up to it, within it and out of it
SELECT t AS nanoseconds, catreg.time_iso(t, 'utc') AS utc, catreg.time_iso(t, 'tai') AS tai
FROM unnest('{1483228835999999000, 1483228835999999900, 1483228836000000000, 1483228836500000000,
              1483228836999999000, 1483228836999999900, 1483228837000000000}'::bigint[]) t;
-- midnight without one
SELECT t AS nanoseconds, catreg.time_isot(t, 'utc') AS utc
FROM unnest('{1704067236999999000, 1704067236999999900, 1704067237000000000}'::bigint[]) t;

-- nothing is out of range
SELECT t AS nanoseconds, catreg.time_iso(t, 'utc') AS utc, catreg.time_mjd(t, 'tai') AS tai
FROM unnest('{-9223372036854775808, 0, 9223372036854775807}'::bigint[]) t;
SELECT catreg.tai_to_mjd(NULL) IS NULL AND catreg.time_mjd(0, NULL) IS NULL AND catreg.time_isot(NULL, 'utc') IS NULL
       AND catreg.time_iso(0, NULL) IS NULL AS strict;
DO $$ BEGIN PERFORM catreg.time_mjd(0, 'UTC'); EXCEPTION WHEN invalid_parameter_value THEN RAISE NOTICE '%', sqlerrm; END $$;
SELECT catreg.time_isot(0, 'tdb');
SELECT catreg.time_iso(0, '');

-- in parallel workers, with a table that this very transaction has changed
BEGIN;
CREATE TABLE sky_instants AS SELECT 1893456000000000000 + i * 86400000000000 AS t FROM generate_series(1, 2000) i;
INSERT INTO catreg.leap_second VALUES ('2030-07-01', 38);
SET LOCAL parallel_setup_cost = 0;
SET LOCAL parallel_tuple_cost = 0;
SET LOCAL min_parallel_table_scan_size = 0;
SET LOCAL max_parallel_workers_per_gather = 2;
SET LOCAL parallel_leader_participation = off;
EXPLAIN (COSTS OFF) SELECT count(*) FROM sky_instants WHERE catreg.time_iso(t, 'utc') LIKE '%23:59:22%';
SELECT count(*) FROM sky_instants WHERE catreg.time_iso(t, 'utc') LIKE '%23:59:22%';
SELECT count(*) FROM sky_instants WHERE catreg.time_iso(t, 'utc') LIKE '%23:59:23%';
ROLLBACK;

-- another leap second is known at once, and forgotten with its transaction
SELECT count(*), min(day), max(day), min(tai_minus_utc), max(tai_minus_utc) FROM catreg.leap_second;
SELECT catreg.time_iso(1861920037000000000, 'utc') AS before;
BEGIN;
INSERT INTO catreg.leap_second VALUES ('2029-01-01', 38);
SELECT catreg.time_iso(1861920037000000000, 'utc') AS inserted, catreg.tai_to_mjd(1861920037000000000) < 62137 AS before_midnight;
SAVEPOINT s;
UPDATE catreg.leap_second SET tai_minus_utc = 36 WHERE day = '2029-01-01';
SELECT catreg.time_iso(1861920037000000000, 'utc') AS updated, catreg.time_iso(1861920035999999000, 'utc') AS a_second_less;
ROLLBACK TO s;
SELECT catreg.time_iso(1861920037000000000, 'utc') AS inserted;
DELETE FROM catreg.leap_second WHERE day = '2029-01-01';
SELECT catreg.time_iso(1861920037000000000, 'utc') AS deleted;
INSERT INTO catreg.leap_second VALUES ('2029-01-01', 38);
SELECT catreg.time_iso(1861920037000000000, 'utc') AS inserted;
ROLLBACK;
SELECT catreg.time_iso(1861920037000000000, 'utc') AS forgotten;

-- at REPEATABLE READ too; nothing is kept of an error
BEGIN ISOLATION LEVEL REPEATABLE READ;
INSERT INTO catreg.leap_second VALUES ('2029-01-01', 38);
SELECT catreg.time_iso(1861920037000000000, 'utc') AS inserted;
SELECT 1 / 0;
ROLLBACK;
SELECT catreg.time_iso(1861920037000000000, 'utc') AS forgotten;

-- a row that is there already is passed over, another for its day is not
INSERT INTO catreg.leap_second VALUES ('2017-01-01', 37);
INSERT INTO catreg.leap_second VALUES ('2017-01-01', 38);
-- what a dump holds: what was added
SELECT extcondition[array_position(extconfig, 'catreg.leap_second'::regclass::oid)]
FROM pg_extension WHERE extname = 'catreg';

-- rows that cannot be
INSERT INTO catreg.leap_second VALUES ('2029-01-02', 38);
INSERT INTO catreg.leap_second VALUES ('1971-07-01', 9);
INSERT INTO catreg.leap_second VALUES ('infinity', 38);
INSERT INTO catreg.leap_second VALUES ('2029-01-01', 380);
INSERT INTO catreg.leap_second VALUES ('2029-01-01', NULL);
-- tables that cannot be: a warning, and no time in UTC until they are mended
BEGIN;
INSERT INTO catreg.leap_second VALUES ('2029-01-01', 83);
SAVEPOINT s;
SELECT catreg.tai_to_mjd(0);
ROLLBACK TO s;
SELECT catreg.time_iso(0, 'tai') AS tai_can_be_told;
UPDATE catreg.leap_second SET tai_minus_utc = 38 WHERE day = '2029-01-01';
SELECT catreg.tai_to_mjd(1861920037000000000) AS mended;
DELETE FROM catreg.leap_second WHERE day = '1972-01-01';
SAVEPOINT s;
SELECT catreg.tai_to_mjd(0);
ROLLBACK TO s;
TRUNCATE catreg.leap_second;
SELECT catreg.tai_to_mjd(0);
ROLLBACK;
-- in any order, as a restore may have it
BEGIN;
INSERT INTO catreg.leap_second VALUES ('2031-01-01', 39);
INSERT INTO catreg.leap_second VALUES ('2029-01-01', 38);
SELECT catreg.time_iso(1924992038000000000, 'utc') AS utc;
ROLLBACK;

-- anybody may ask, and see the table, and nobody may write it
CREATE ROLE catreg_sky_time;
SET ROLE catreg_sky_time;
SELECT catreg.tai_to_mjd(1704067237000000000), (SELECT count(*) FROM catreg.leap_second);
INSERT INTO catreg.leap_second VALUES ('2029-01-01', 38);
RESET ROLE;
REVOKE SELECT ON catreg.leap_second FROM PUBLIC;
BEGIN;
UPDATE catreg.leap_second SET tai_minus_utc = tai_minus_utc;
SET LOCAL ROLE catreg_sky_time;
SELECT catreg.tai_to_mjd(1704067237000000000) AS does_not_depend_on_who_asks;
ROLLBACK;
GRANT SELECT ON catreg.leap_second TO PUBLIC;
DROP ROLE catreg_sky_time;

-- the triggers are triggers, of this table
SELECT catreg.leap_second_check();
CREATE TABLE sky_other (a text);
CREATE TRIGGER t AFTER INSERT ON sky_other FOR EACH STATEMENT EXECUTE FUNCTION catreg.leap_second_check();
INSERT INTO sky_other VALUES ('x');
DROP TABLE sky_other;

-- whatever operators are found first
CREATE SCHEMA sky_hostile;
CREATE FUNCTION sky_hostile.f(date, date) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''hijacked''; END';
CREATE OPERATOR sky_hostile.= (LEFTARG = date, RIGHTARG = date, FUNCTION = sky_hostile.f);
CREATE OPERATOR sky_hostile.>= (LEFTARG = date, RIGHTARG = date, FUNCTION = sky_hostile.f);
BEGIN;
SET LOCAL search_path = sky_hostile, pg_catalog;
INSERT INTO catreg.leap_second VALUES ('2029-01-01', 38);
SELECT catreg.time_iso(1861920037000000000, 'utc');
ROLLBACK;
SET client_min_messages = warning;
DROP SCHEMA sky_hostile CASCADE;
