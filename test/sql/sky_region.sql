--
-- Regions of the sky: the type, its functions, its operators, its index
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS catreg;
RESET client_min_messages;
CREATE SCHEMA sky_region;
SET search_path = sky_region, catreg, public;

-- text: ADQL, STC-S, POS
SELECT text, text::region AS region, adql(text::region) FROM unnest(ARRAY[
    'POLYGON ICRS 10 10 20 10 20 20 10 20', 'polygon(''ICRS'', 20,10, 10,10, 10,20, 20,20)',
    'POLYGON 10 10 20 10 12 12 10 20', 'Polygon ICRS 0 0 1 0 1 1 0 1 0 0',
    'CIRCLE ICRS 10 20 0.5', 'CIRCLE(''ICRS'', 10, 20, 0.5)', 'CIRCLE('''', POINT(''ICRS'', 10, 20), 0.5)', 'circle 10 20 .5',
    'Circle ICRS BARYCENTER SPHERICAL2 370e-1 -20 1', 'CIRCLE 0 0 180', 'CIRCLE 0 0 0', 'BOX ICRS 0 0 2 2', 'BOX 10 80 360 20',
    'RANGE 350 10 -5 5', 'RANGE -Inf +Inf -10 Inf', 'RANGE ICRS 10 10 20 20', 'ELLIPSE ICRS 10 20 2 1 0', 'ELLIPSE 10 20 1 2 90',
    'POINT ICRS 10 20', 'Position ICRS 10 -20', 'EMPTY', 'ALLSKY ICRS',
    'UNION ICRS (CIRCLE ICRS 1 2 3 POLYGON 1 1 2 1 2 2)', 'Union ICRS ( Circle 1 2 3 Intersection (Circle 2 2 3, BOX 2 2 1 1) )',
    'INTERSECTION ICRS ()', 'POINT -10 0']) text;

-- what is none
CREATE FUNCTION try(query text, OUT state text, OUT error text, OUT detail text) LANGUAGE plpgsql AS
$$
BEGIN
    EXECUTE query;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, error = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
END
$$;
SELECT left(text, 40) AS text, t.state, t.detail FROM unnest(ARRAY[
    '', 'SQUARE 1 2 3', 'CIRCLE', 'CIRCLE 1 2', 'CIRCLE 1 2 3 4', 'CIRCLE 1 2 -3', 'CIRCLE 1 2 181', 'CIRCLE 1 91 1', 'CIRCLE 361 1 1',
    'CIRCLE FK5 1 2 3', 'CIRCLE(''GALACTIC'', 1, 2, 3)', 'CIRCLE(1, 2, 3', 'CIRCLE 1 2 3)', 'CIRCLE 0x1 2 3', 'CIRCLE 1 2 1e400', 'CIRCLE inf 2 1', 'CIRCLE nan 2 1', 'CIRCLE 1 2 3x',
    'POLYGON 1 2 3', 'POLYGON 1 1 2 2', 'POLYGON 0 0 10 10 0 10 10 0', 'POLYGON 0 0 1 0 1 0 1 1', 'POLYGON 0 0 180 0 90 45', 'POLYGON 0 0 1 0 2 0',
    'POLYGON 0 0 10 0 5 0 5 5', 'BOX 1 89 2 4', 'RANGE 1 2 4 3', 'ELLIPSE 1 2 80 100 0', 'ELLIPSE 1 2 -1 1 0', 'UNION ICRS', 'UNION ICRS (CIRCLE 1 2 3', 'UNION (1 2)',
    repeat('UNION (', 40) || 'CIRCLE 1 2 3' || repeat(')', 40)]) text, LATERAL try(format('SELECT %L::region', text)) t;

-- bytes: nothing is read beyond what is there, and nothing that is not a region
SELECT region_from_sphgeom('\x75'), region_from_sphgeom('\x69'), region_from_base64(''), region_from_base64('dQ==:aQ==');
SELECT bytes, t.state, t.detail FROM unnest(ARRAY['', '70', '63', '78', '750800', '75ffffffffffffffff63', '75010000000000000063', '7500000000000000f8ff',
    '62000000000000f03f000000000000004000000000000000c0000000000000f03f', '62000000000000f07f000000000000004000000000000000000000000000000000',
    '63000000000000f03f0000000000000000000000000000000000000000000000400000000000000000',
    '63000000000000f87f0000000000000000000000000000000000000000000000000000000000000000',
    '70000000000000f03f00000000000000000000000000000000000000000000f03f00000000000000000000000000000000000000000000f03f00000000000000000000000000000000',
    repeat('750000000000000000', 2) || '00']) bytes, LATERAL try(format('SELECT catreg.region_from_sphgeom(decode(%L, ''hex''))', bytes)) t;
SELECT text, t.state, t.error, t.detail FROM unnest(ARRAY['?', 'dQ', 'dQ==:', ':dQ==', 'dQ==::dQ==', 'dQ== ']) text, LATERAL try(format('SELECT catreg.region_from_base64(%L)', text)) t;
SELECT region, region_from_sphgeom(region_to_sphgeom(region)) = region AS same FROM unnest(ARRAY[
    'CIRCLE 1 2 3', 'POLYGON 1 1 2 1 2 2', 'RANGE 1 2 3 4', 'ELLIPSE 1 2 3 2 10', 'UNION (CIRCLE 1 2 3 EMPTY)', 'ALLSKY']::region[]) region;
SELECT * FROM try($$SELECT region_to_sphgeom('POINT 1 2')$$);
SELECT * FROM try($$SELECT region_to_sphgeom('UNION (POLYGON 10 10 20 10 12 12 10 20)')$$);

-- making
SELECT sky_point(10, 20), sky_circle(370 - 360, -20, 0.25);
SELECT a, b, c, t.state, t.error FROM (VALUES ('361', '0', '1'), ('0', '91', '1'), ('0', '0', '-1'), ('0', '0', '181'), ('NaN', '0', '1'), ('0', 'Infinity', '1'), ('0', '0', 'NaN')) v (a, b, c),
    LATERAL try(format('SELECT catreg.sky_circle(%L, %L, %L)', a, b, c)) t;
SELECT sky_point(NULL, 1), NULL::region @> sky_point(1, 1), s_ra(NULL);

-- properties
SELECT region, round(s_ra(region)::numeric, 9) AS s_ra, round(s_dec(region)::numeric, 9) AS s_dec, round(s_fov(region)::numeric, 9) AS s_fov
FROM unnest(ARRAY['POLYGON 10 10 20 10 20 20 10 20', 'POLYGON 10 10 20 10 12 12 10 20', 'CIRCLE 350 10 5', 'POINT 10 20', 'RANGE 350 10 -5 5', 'RANGE 0 360 80 90', 'ELLIPSE 10 20 3 2 45',
    'UNION (CIRCLE 10 0 1 CIRCLE 20 0 1)', 'INTERSECTION (CIRCLE 10 0 5 CIRCLE 12 0 1)', 'EMPTY', 'ALLSKY', 'UNION ()']::region[]) region;
SELECT region, round(area(region)::numeric, 8) AS area
FROM unnest(ARRAY['ALLSKY', 'EMPTY', 'POINT 1 1', 'CIRCLE 0 0 90', 'RANGE 0 90 0 90', 'POLYGON 0 0 90 0 0 90', 'ELLIPSE 0 0 90 90 0', 'ELLIPSE 10 10 3 3 0', 'CIRCLE 10 10 3', 'ELLIPSE 10 10 3 2 0',
    'ELLIPSE 0 0 100 120 0', 'POLYGON 10 10 20 10 12 12 10 20', 'UNION (CIRCLE 0 0 90)']::region[]) region;
SELECT * FROM try($$SELECT area('UNION (CIRCLE 0 0 1 CIRCLE 1 0 1)'::region)$$);
-- a milliarcsecond, at the pole
SELECT area('POLYGON 0 89.9999997 120 89.9999997 240 89.9999997'::region) / (3 * sqrt(3) / 4 * 3e-7 ^ 2) BETWEEN 0.9999 AND 1.0001 AS right;

-- relations
CREATE TABLE shapes (name text PRIMARY KEY, r region);
INSERT INTO shapes VALUES
    ('square', 'POLYGON 10 10 20 10 20 20 10 20'), ('hook', 'POLYGON 10 10 20 10 12 12 10 20'), ('inner', 'POLYGON 11 11 12 11 12 12 11 12'),
    ('notch', 'CIRCLE 17 17 1'), ('cap', 'CIRCLE 0 90 20'), ('band', 'RANGE 0 360 -1 1'), ('west', 'RANGE 350 10 -20 20'), ('corner', 'POINT 20 20'),
    ('far', 'CIRCLE 190 -15 1'), ('nearly all', 'CIRCLE 10 -15 179'), ('ellipse', 'ELLIPSE 15 15 8 1 45'), ('both', 'UNION (CIRCLE 15 15 1 CIRCLE 190 -15 1)'),
    ('lens', 'INTERSECTION (CIRCLE 14 15 2 CIRCLE 17 15 2)'), ('gap', 'INTERSECTION (CIRCLE 14 15 1 CIRCLE 17 15 1)'), ('empty', 'EMPTY'), ('sky', 'ALLSKY');
SELECT a.name, string_agg(b.name, ', ' ORDER BY b.name) FILTER (WHERE a.r && b.r) AS meets, string_agg(b.name, ', ' ORDER BY b.name) FILTER (WHERE a.r @> b.r) AS contains
FROM shapes a, shapes b GROUP BY 1 ORDER BY 1;
SELECT a.name, b.name FROM shapes a, shapes b WHERE (a.r && b.r) <> (b.r && a.r) OR (a.r @> b.r) <> (b.r <@ a.r) OR (a.r @> b.r AND NOT a.r && b.r AND b.name NOT IN ('empty', 'gap'));
SELECT name, round((r <-> sky_point(15, 15))::numeric, 6) FROM shapes ORDER BY r <-> sky_point(15, 15), name;
-- across longitude 0, and at the poles
SELECT 'POLYGON 359 -1 1 -1 1 1 359 1'::region @> sky_point(0, 0) AND 'BOX 0 0 2 2'::region @> sky_point(359.5, 0.5) AND NOT 'BOX 0 0 2 2'::region @> sky_point(358, 0)
    AND 'POLYGON 0 80 90 80 180 80 270 80'::region @> sky_point(77, 90) AND 'RANGE 10 20 80 90'::region @> sky_point(15, 85) AS right;

-- equality, grouping, hashing
SELECT count(*) FROM (SELECT DISTINCT r FROM shapes UNION ALL SELECT r FROM shapes) x;
SELECT count(*), count(DISTINCT r::text) FROM (SELECT r FROM shapes UNION SELECT r FROM shapes) x;
SELECT 'CIRCLE 1 2 3'::region = 'circle(1, 2, 3)' AS equal, 'CIRCLE 0 0 1'::region = 'CIRCLE 0 -0 1' AND hashed.a = hashed.b AS zeros, 'CIRCLE 1 2 3'::region <> 'CIRCLE 1 2 4' AS unequal
FROM (SELECT region_hash('CIRCLE 0 0 1') AS a, region_hash('CIRCLE 0 -0 1') AS b) hashed;
SET enable_hashjoin = on; SET enable_mergejoin = off; SET enable_nestloop = off;
EXPLAIN (COSTS OFF) SELECT count(*) FROM shapes a JOIN shapes b USING (r);
SELECT count(*) FROM shapes a JOIN shapes b USING (r);
RESET enable_mergejoin; RESET enable_nestloop;

-- the index: built at once, and row by row
CREATE TABLE footprints (id int PRIMARY KEY, r region);
SELECT setseed(0.25);
INSERT INTO footprints
    SELECT i, CASE WHEN i % 500 = 0 THEN 'EMPTY' WHEN i % 501 = 0 THEN format('INTERSECTION (CIRCLE %s %s 1 CIRCLE %s %s 1)', lon, lat, lon, -lat)::region WHEN i % 499 = 0 THEN 'ALLSKY' WHEN i % 7 = 0 THEN sky_circle(lon, lat, random() * 5)
                   WHEN i % 11 = 0 THEN format('BOX %s %s 2 1', lon, lat * 0.98)::region WHEN i % 13 = 0 THEN sky_point(lon, lat)
                   ELSE format('POLYGON %s %s %s %s %s %s', lon, lat, lon + 0.5, lat, lon, lat + 0.4)::region END
    FROM (SELECT i, random() * 359 AS lon, degrees(asin(random() * 1.98 - 0.99)) AS lat FROM generate_series(1, 5000) i) x;
CREATE TABLE later (LIKE footprints);
CREATE INDEX later_r ON later USING gist (r);
INSERT INTO later TABLE footprints;
DELETE FROM later WHERE id % 3 = 0;
INSERT INTO later SELECT * FROM footprints WHERE id % 3 = 0;
CREATE INDEX footprints_r ON footprints USING gist (r);
ANALYZE footprints, later;
EXPLAIN (COSTS OFF) SELECT id FROM footprints WHERE r @> sky_point(10, 20);
EXPLAIN (COSTS OFF) SELECT id FROM footprints WHERE r && sky_circle(10, 20, 1);
EXPLAIN (COSTS OFF) SELECT id FROM footprints WHERE r <@ sky_circle(10, 20, 1);
EXPLAIN (COSTS OFF) SELECT id FROM footprints ORDER BY r <-> sky_point(10, 20) LIMIT 5;
EXPLAIN (COSTS OFF) SELECT id FROM footprints WHERE r && 'RANGE 0 360 -80 80';
CREATE TABLE queries (n serial, q region);
INSERT INTO queries (q) SELECT CASE i % 5 WHEN 0 THEN sky_point(random() * 360, degrees(asin(random() * 2 - 1))) WHEN 1 THEN sky_circle(random() * 360, degrees(asin(random() * 2 - 1)), random() * 10)
        WHEN 2 THEN format('RANGE %s %s %s %s', random() * 360, random() * 360, random() * -90, random() * 90)::region WHEN 3 THEN (SELECT r FROM footprints WHERE id = i * 31)
        ELSE sky_circle(random() * 360, 90, random() * 180) END FROM generate_series(1, 60) i;
INSERT INTO queries (q) VALUES ('EMPTY'), ('ALLSKY'), ('POINT 0 90'), ('POINT 0 -90'), ('CIRCLE 0 0 1'), ('UNION (CIRCLE 0 0 1 CIRCLE 180 0 1)'), ('CIRCLE 10 10 0');
CREATE FUNCTION answers(name text) RETURNS TABLE (n int, op text, ids int[]) LANGUAGE plpgsql AS
$$
BEGIN
    RETURN QUERY EXECUTE format(
        'SELECT q.n, o, (SELECT array_agg(id ORDER BY id) FROM %I f WHERE CASE o WHEN ''&&'' THEN f.r && q.q WHEN ''@>'' THEN f.r @> q.q ELSE f.r <@ q.q END)
         FROM queries q, unnest(ARRAY[''&&'', ''@>'', ''<@'']) o', name);
END
$$;
CREATE FUNCTION by_index(name text) RETURNS TABLE (n int, op text, ids int[]) LANGUAGE plpgsql SET enable_seqscan = off AS
$$
DECLARE
    o text;
BEGIN
    FOREACH o IN ARRAY ARRAY['&&', '@>', '<@'] LOOP
        RETURN QUERY EXECUTE format('SELECT q.n, %L::text, (SELECT array_agg(id ORDER BY id) FROM %I f WHERE f.r %s q.q) FROM queries q', o, name, o);
    END LOOP;
END
$$;
CREATE TABLE right_ones AS SELECT * FROM answers('footprints');
SELECT count(*), count(ids), sum(cardinality(ids)) > 20000 AS many FROM right_ones;
SELECT count(*) FROM (TABLE right_ones EXCEPT SELECT * FROM by_index('footprints')) x;
SELECT count(*) FROM (TABLE right_ones EXCEPT SELECT * FROM by_index('later')) x;
-- nearest first
SET enable_seqscan = off;
CREATE TABLE nearest AS SELECT q.n, array_agg(x.d) AS distances FROM queries q, LATERAL (SELECT r <-> q.q AS d FROM later f ORDER BY r <-> q.q LIMIT 20) x GROUP BY 1;
RESET enable_seqscan;
SELECT count(*) FROM (TABLE nearest EXCEPT SELECT n, distances FROM (SELECT q.n, (SELECT array_agg(d) FROM (SELECT f.r <-> q.q AS d FROM footprints f ORDER BY 1 OFFSET 0 LIMIT 20) x) AS distances FROM queries q) y) x;

-- regions whose bounds are not what they reach, or barely; conditions of which some are tested on some keys only
CREATE TABLE tight (name text, r region);
INSERT INTO tight VALUES ('band', 'RANGE 4 16 9.8 10.2'), ('flat', 'POLYGON 4 9.7 16 9.7 16 10.4 4 10.4'), ('above', 'RANGE 4 16 19.7 20.2'),
    ('uneven circle', region_from_sphgeom('\x63000000000000f03f00000000000000000000000000000000501e66958576843f9a9999999999b93f')), -- the chord is of a larger angle
    ('near y = 0', 'POLYGON 5.7e-7 -60 5.7e-7 60 350 0'), ('pole', 'INTERSECTION (RANGE 179 181 89 90 RANGE 85 87 89 90)');
CREATE INDEX ON tight USING gist (r);
CREATE FUNCTION tight_rows(op text, q region, OUT sequential text, OUT by_index text) LANGUAGE plpgsql AS
$$
DECLARE
    query text := format('SELECT string_agg(name, '', '' ORDER BY name) FROM tight WHERE r %s %L', op, q);
BEGIN
    SET LOCAL enable_seqscan = on; SET LOCAL enable_indexscan = off; SET LOCAL enable_bitmapscan = off;
    EXECUTE query INTO sequential;
    SET LOCAL enable_seqscan = off; SET LOCAL enable_indexscan = on;
    EXECUTE query INTO by_index;
    SET LOCAL enable_seqscan = on; SET LOCAL enable_bitmapscan = on;
END
$$;
SELECT op, q, rows.* FROM (VALUES ('@>', 'ELLIPSE 10 10 5 0.05 90'), ('@>', 'INTERSECTION (CIRCLE 10 10 10 CIRCLE 10 29.9 10)'),
    ('@>', 'UNION (ELLIPSE 10 10 5 0.05 90 INTERSECTION (CIRCLE 10 10 0.1))'), ('@>', 'POINT 5.6e-7 0'), ('@>', 'POINT 5.729580816 0'), ('<@', 'CIRCLE 93 89.5 0.1'), ('<@', 'CIRCLE 93 89.9 0.2')) v (op, q),
    tight_rows(op, q::region) rows;
-- a box without an inside, and a polygon of the width of a rounding error
SELECT 'POLYGON 10 10 20 10 12 12 10 20'::region @> 'RANGE 15 15 15 15' AS point, 'POLYGON 10 10 20 10 12 12 10 20'::region @> 'RANGE 11 11 11 11' AS inside, 'RANGE 10 10 15 20'::region @> 'RANGE 10 10 20 20' AS line;
SELECT p @> sky_point(0, 0) AS opposite, p @> sky_point(10, -80) AS far FROM (SELECT 'POLYGON 130.08084503494126 -15.563218577498922 130.08084506809428 -15.563218572025816 130.08084511325728 -15.563218564570002 130.08084513500353 -15.563218560980008 130.08084510881383 -15.563218565303577 130.08084506151806 -15.563218573111458'::region AS p) x;
-- a milliarcsecond from each other, at a pole
SELECT 'CIRCLE 315 -89.999999573567976 1.8231711211322913e-07'::region && 'RANGE 224.9999999187371 225.0000000812629 -89.999999698324402 -89.999999460427844'::region AS parallel,
    'RANGE 269.99999998039425 270.00000001960569 89.99999067985226 89.999990776463932'::region && 'POLYGON 90 89.999999813879924 270 89.999999850593397 90 89.999999892772991'::region AS meridian,
    'RANGE 359.99999853274198 1.4672579955917623e-06 -90 -89.999999938148818'::region && 'POLYGON 357.68175842636811 -89.999998339217697 1.9558344252438928 -89.999998370293838 359.68825784278806 -89.999998355245324'::region AS middle;
SELECT setseed(0.4);
CREATE TABLE circles AS SELECT sky_circle(random() * 360, degrees(asin(random() * 2 - 1)), 0.5 + random()) AS r FROM generate_series(1, 5000);
CREATE INDEX ON circles USING gist (r);
CREATE TABLE pairs AS SELECT n, sky_circle(random() * 360, degrees(asin(random() * 2 - 1)), 5) AS a, sky_circle(random() * 360, degrees(asin(random() * 2 - 1)), 30) AS b FROM generate_series(1, 1000) n;
ANALYZE circles, pairs;
SET enable_seqscan = off; SET enable_bitmapscan = off;
EXPLAIN (COSTS OFF) SELECT count(*) FROM pairs p, LATERAL (SELECT FROM circles f WHERE f.r && p.a AND f.r && p.b OFFSET 0) x;
SELECT count(*) = (SELECT count(*) FROM pairs p JOIN circles f ON CASE WHEN f.r && p.a THEN f.r && p.b END) AS right
FROM pairs p, LATERAL (SELECT FROM circles f WHERE f.r && p.a AND f.r && p.b OFFSET 0) x;
SELECT count(*) FROM (SELECT d, lag(d) OVER (PARTITION BY n ORDER BY i) AS before FROM pairs p,
    LATERAL (SELECT f.r <-> p.a AS d, row_number() OVER () AS i FROM (SELECT r FROM circles f WHERE f.r && p.b ORDER BY f.r <-> p.a LIMIT 20) f) x) y WHERE before > d;
RESET enable_seqscan; RESET enable_bitmapscan;

-- the tip of a lens of two circles, which a third one leaves outside, by so many degrees
SELECT off, ('CIRCLE 9 -50 ' || 50 + degrees(acos(cosd(10) / cosd(9))) - off)::region @> 'INTERSECTION (CIRCLE 0 0 10 CIRCLE 18 0 10)'::region AS contains
FROM unnest(ARRAY[-1e-8, 1e-8, 1e-7, 1e-5]) off;

-- an index that grows by rows holds them as close together as one that is built: a point visits no more of its pages
SELECT setseed(0.5);
CREATE TABLE tiles AS SELECT ('POLYGON ' || (SELECT string_agg(format('%s %s', lon + 0.5 * sind(a) / cosd(lat), lat + 0.5 * cosd(a)), ' ' ORDER BY a)
        FROM unnest(ARRAY[10, 130, 250]) a))::region AS r
    FROM (SELECT 5 + 350 * random() AS lon, degrees(asin(1.9 * random() - 0.95)) AS lat FROM generate_series(1, 40000)) x;
CREATE TABLE points AS SELECT sky_point(5 + 350 * random(), degrees(asin(1.8 * random() - 0.9))) AS p FROM generate_series(1, 500);
CREATE INDEX ON tiles USING gist (r);
VACUUM ANALYZE tiles, points;
CREATE FUNCTION pages_visited() RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    plan json;
BEGIN
    EXECUTE 'EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT json) SELECT (SELECT count(*) FROM tiles WHERE r @> p) FROM points' INTO plan;
    RETURN (plan #>> '{0,Plan,Shared Hit Blocks}')::int + (plan #>> '{0,Plan,Shared Read Blocks}')::int;
END $$;
SET enable_seqscan = off;
SELECT pages_visited() AS built \gset
BEGIN; INSERT INTO tiles SELECT r FROM tiles LIMIT 8000; ROLLBACK;
VACUUM tiles;
SELECT CASE WHEN pages_visited() > 1.06 * :built THEN format('%s pages, and %s before', pages_visited(), :built) ELSE 'as close' END AS grown;
RESET enable_seqscan;

-- copies are the same to the last bit
CREATE TABLE copied (LIKE footprints);
\getenv builddir PG_ABS_BUILDDIR
\set file :builddir '/results/sky_region.copy'
COPY footprints TO :'file' (FORMAT binary);
COPY copied FROM :'file' (FORMAT binary);
SELECT count(*) FROM footprints f JOIN copied c USING (id) WHERE f.r = c.r;
TRUNCATE copied;
COPY footprints TO :'file';
COPY copied FROM :'file';
SELECT count(*) FROM footprints f JOIN copied c USING (id) WHERE f.r = c.r;

SET client_min_messages = warning;
DROP SCHEMA sky_region CASCADE;
