
-- sky: regions ------------------------------------------------------------

CREATE TYPE catreg.region;

CREATE FUNCTION catreg.region_in(cstring) RETURNS catreg.region
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.region_in(cstring) IS 'I/O';
CREATE FUNCTION catreg.region_out(catreg.region) RETURNS cstring
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.region_out(catreg.region) IS 'I/O';
CREATE FUNCTION catreg.region_recv(internal) RETURNS catreg.region
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.region_recv(internal) IS 'I/O';
CREATE FUNCTION catreg.region_send(catreg.region) RETURNS bytea
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.region_send(catreg.region) IS 'I/O';

CREATE TYPE catreg.region (
    INPUT = catreg.region_in, OUTPUT = catreg.region_out,
    RECEIVE = catreg.region_recv, SEND = catreg.region_send,
    INTERNALLENGTH = VARIABLE, ALIGNMENT = double, STORAGE = external
);
COMMENT ON TYPE catreg.region IS 'a region of the sky: point, circle, ellipse, range of coordinates, polygon, or a union or intersection of such; ADQL text, in degrees';

CREATE FUNCTION catreg.region_from_sphgeom(bytes bytea) RETURNS catreg.region
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.region_from_sphgeom(bytea) IS
    'a region from the bytes of sphgeom''s Region.encode()';
CREATE FUNCTION catreg.region_to_sphgeom(region catreg.region) RETURNS bytea
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.region_to_sphgeom(catreg.region) IS
    'the bytes that sphgeom''s Region.decode() reads';
CREATE FUNCTION catreg.region_from_base64(encoded text) RETURNS catreg.region
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.region_from_base64(text) IS
    'a region as a Butler registry stores it: base64 of sphgeom''s bytes; several, joined by a colon, are a union, and the empty text is an empty region';
CREATE FUNCTION catreg.sky_point(lon float8, lat float8) RETURNS catreg.region
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.sky_point(float8, float8) IS 'a point, in degrees';
CREATE FUNCTION catreg.sky_circle(lon float8, lat float8, radius float8) RETURNS catreg.region
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.sky_circle(float8, float8, float8) IS 'a circle, in degrees';

CREATE FUNCTION catreg.s_ra(region catreg.region) RETURNS float8
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'region_s_ra';
COMMENT ON FUNCTION catreg.s_ra(catreg.region) IS
    'right ascension of the centre, in degrees, as ObsCore tables of the Butler have it; NULL for an empty region';
CREATE FUNCTION catreg.s_dec(region catreg.region) RETURNS float8
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'region_s_dec';
COMMENT ON FUNCTION catreg.s_dec(catreg.region) IS
    'declination of the centre, in degrees, as ObsCore tables of the Butler have it; NULL for an empty region';
CREATE FUNCTION catreg.s_fov(region catreg.region) RETURNS float8
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'region_s_fov';
COMMENT ON FUNCTION catreg.s_fov(catreg.region) IS
    'diameter of the bounding circle, in degrees, as ObsCore tables of the Butler have it; NULL for an empty region';
CREATE FUNCTION catreg.adql(region catreg.region) RETURNS text
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'region_adql';
COMMENT ON FUNCTION catreg.adql(catreg.region) IS
    'ADQL text with six decimals, as the Butler''s ObsCore tables have it; the type''s own text is exact';
CREATE FUNCTION catreg.area(region catreg.region) RETURNS float8
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'region_area';
COMMENT ON FUNCTION catreg.area(catreg.region) IS
    'the area in square degrees; an error for a union or intersection of several';

CREATE FUNCTION catreg.htm_envelope(region catreg.region, level int) RETURNS int8multirange
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 20 AS 'MODULE_PATHNAME', 'htm_region_envelope';
COMMENT ON FUNCTION catreg.htm_envelope(catreg.region, int) IS
    'the pixels of the hierarchical triangular mesh that a region touches, those of sphgeom''s HtmPixelization(level).envelope(region)';
CREATE FUNCTION catreg.htm_index(lon float8, lat float8, level int) RETURNS bigint
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'htm_direction_index';
COMMENT ON FUNCTION catreg.htm_index(float8, float8, int) IS
    'the pixel of the hierarchical triangular mesh in which a direction is, that of sphgeom''s HtmPixelization(level).index(); in degrees';

CREATE FUNCTION catreg.region_eq(catreg.region, catreg.region) RETURNS boolean
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.region_eq(catreg.region, catreg.region) IS 'implementation of = operator';
CREATE FUNCTION catreg.region_ne(catreg.region, catreg.region) RETURNS boolean
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.region_ne(catreg.region, catreg.region) IS 'implementation of <> operator';
CREATE FUNCTION catreg.region_hash(catreg.region) RETURNS int
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.region_hash(catreg.region) IS 'hash';
CREATE FUNCTION catreg.region_hash_extended(catreg.region, bigint) RETURNS bigint
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.region_hash_extended(catreg.region, bigint) IS 'hash';
CREATE FUNCTION catreg.region_contains(catreg.region, catreg.region) RETURNS boolean
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 20 AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.region_contains(catreg.region, catreg.region) IS 'implementation of @> operator';
CREATE FUNCTION catreg.region_contained(catreg.region, catreg.region) RETURNS boolean
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 20 AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.region_contained(catreg.region, catreg.region) IS 'implementation of <@ operator';
CREATE FUNCTION catreg.region_intersects(catreg.region, catreg.region) RETURNS boolean
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 20 AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.region_intersects(catreg.region, catreg.region) IS 'implementation of && operator';
CREATE FUNCTION catreg.region_center_distance(catreg.region, catreg.region) RETURNS float8
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 20 AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.region_center_distance(catreg.region, catreg.region) IS 'implementation of <-> operator';

CREATE FUNCTION catreg.region_selectivity(internal, oid, internal, int) RETURNS float8
    LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.region_selectivity(internal, oid, internal, int) IS
    'internal: restriction selectivity of operators on regions';

CREATE OPERATOR catreg.= (
    LEFTARG = catreg.region, RIGHTARG = catreg.region, FUNCTION = catreg.region_eq,
    COMMUTATOR = OPERATOR(catreg.=), NEGATOR = OPERATOR(catreg.<>), RESTRICT = eqsel, JOIN = eqjoinsel, HASHES
);
COMMENT ON OPERATOR catreg.= (catreg.region, catreg.region) IS 'the same shape, written the same way?';
CREATE OPERATOR catreg.<> (
    LEFTARG = catreg.region, RIGHTARG = catreg.region, FUNCTION = catreg.region_ne,
    COMMUTATOR = OPERATOR(catreg.<>), NEGATOR = OPERATOR(catreg.=), RESTRICT = neqsel, JOIN = neqjoinsel
);
COMMENT ON OPERATOR catreg.<> (catreg.region, catreg.region) IS 'not the same shape, or not written the same way?';
CREATE OPERATOR catreg.@> (
    LEFTARG = catreg.region, RIGHTARG = catreg.region, FUNCTION = catreg.region_contains,
    COMMUTATOR = OPERATOR(catreg.<@), RESTRICT = catreg.region_selectivity, JOIN = contjoinsel
);
COMMENT ON OPERATOR catreg.@> (catreg.region, catreg.region) IS 'contains?';
CREATE OPERATOR catreg.<@ (
    LEFTARG = catreg.region, RIGHTARG = catreg.region, FUNCTION = catreg.region_contained,
    COMMUTATOR = OPERATOR(catreg.@>), RESTRICT = catreg.region_selectivity, JOIN = contjoinsel
);
COMMENT ON OPERATOR catreg.<@ (catreg.region, catreg.region) IS 'is contained by?';
CREATE OPERATOR catreg.&& (
    LEFTARG = catreg.region, RIGHTARG = catreg.region, FUNCTION = catreg.region_intersects,
    COMMUTATOR = OPERATOR(catreg.&&), RESTRICT = catreg.region_selectivity, JOIN = contjoinsel
);
COMMENT ON OPERATOR catreg.&& (catreg.region, catreg.region) IS 'have a point in common?';
CREATE OPERATOR catreg.<-> (
    LEFTARG = catreg.region, RIGHTARG = catreg.region, FUNCTION = catreg.region_center_distance,
    COMMUTATOR = OPERATOR(catreg.<->)
);
COMMENT ON OPERATOR catreg.<-> (catreg.region, catreg.region) IS 'angle between the centres, in degrees';

CREATE OPERATOR CLASS catreg.region_hash_ops DEFAULT FOR TYPE catreg.region USING hash AS
    OPERATOR 1 catreg.= (catreg.region, catreg.region),
    FUNCTION 1 catreg.region_hash(catreg.region),
    FUNCTION 2 catreg.region_hash_extended(catreg.region, bigint);

CREATE TYPE catreg.region_key;
CREATE FUNCTION catreg.region_key_in(cstring) RETURNS catreg.region_key
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.region_key_in(cstring) IS 'I/O';
CREATE FUNCTION catreg.region_key_out(catreg.region_key) RETURNS cstring
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.region_key_out(catreg.region_key) IS 'I/O';
CREATE TYPE catreg.region_key (
    INPUT = catreg.region_key_in, OUTPUT = catreg.region_key_out, INTERNALLENGTH = VARIABLE, ALIGNMENT = int4
);
COMMENT ON TYPE catreg.region_key IS 'internal: what an index holds of a region';

CREATE FUNCTION catreg.region_gist_consistent(internal, catreg.region, smallint, oid, internal) RETURNS boolean
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.region_gist_consistent(internal, catreg.region, smallint, oid, internal) IS 'GiST support';
CREATE FUNCTION catreg.region_gist_union(internal, internal) RETURNS catreg.region_key
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.region_gist_union(internal, internal) IS 'GiST support';
CREATE FUNCTION catreg.region_gist_compress(internal) RETURNS internal
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.region_gist_compress(internal) IS 'GiST support';
CREATE FUNCTION catreg.region_gist_penalty(internal, internal, internal) RETURNS internal
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.region_gist_penalty(internal, internal, internal) IS 'GiST support';
CREATE FUNCTION catreg.region_gist_picksplit(internal, internal) RETURNS internal
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.region_gist_picksplit(internal, internal) IS 'GiST support';
CREATE FUNCTION catreg.region_gist_same(catreg.region_key, catreg.region_key, internal) RETURNS internal
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.region_gist_same(catreg.region_key, catreg.region_key, internal) IS 'GiST support';
CREATE FUNCTION catreg.region_gist_distance(internal, catreg.region, smallint, oid, internal) RETURNS float8
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.region_gist_distance(internal, catreg.region, smallint, oid, internal) IS 'GiST support';
CREATE FUNCTION catreg.region_gist_sortsupport(internal) RETURNS void
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.region_gist_sortsupport(internal) IS 'GiST support';

CREATE OPERATOR CLASS catreg.region_gist_ops DEFAULT FOR TYPE catreg.region USING gist AS
    OPERATOR 3 catreg.&& (catreg.region, catreg.region),
    OPERATOR 7 catreg.@> (catreg.region, catreg.region),
    OPERATOR 8 catreg.<@ (catreg.region, catreg.region),
    OPERATOR 15 catreg.<-> (catreg.region, catreg.region) FOR ORDER BY pg_catalog.float_ops,
    FUNCTION 1 catreg.region_gist_consistent(internal, catreg.region, smallint, oid, internal),
    FUNCTION 2 catreg.region_gist_union(internal, internal),
    FUNCTION 3 catreg.region_gist_compress(internal),
    FUNCTION 5 catreg.region_gist_penalty(internal, internal, internal),
    FUNCTION 6 catreg.region_gist_picksplit(internal, internal),
    FUNCTION 7 catreg.region_gist_same(catreg.region_key, catreg.region_key, internal),
    FUNCTION 8 catreg.region_gist_distance(internal, catreg.region, smallint, oid, internal),
    FUNCTION 11 catreg.region_gist_sortsupport(internal),
    STORAGE catreg.region_key;

-- sky: times --------------------------------------------------------------

CREATE TABLE catreg.leap_second (
    day date PRIMARY KEY CHECK (isfinite(day) AND day >= '1972-01-01' AND extract(day FROM day) = 1),
    tai_minus_utc int NOT NULL CHECK (tai_minus_utc BETWEEN 0 AND 100)
);
COMMENT ON TABLE catreg.leap_second IS 'the steps of UTC since 1972; add a row when the IERS announces one (Bulletin C)';
COMMENT ON COLUMN catreg.leap_second.day IS 'the first day after a leap second, the first of a month';
COMMENT ON COLUMN catreg.leap_second.tai_minus_utc IS 'by how many seconds TAI is ahead of UTC from 0h UTC of that day on';

-- IERS, Leap_Second.dat: https://hpiers.obspm.fr/iers/bul/bulc/Leap_Second.dat
INSERT INTO catreg.leap_second VALUES
    ('1972-01-01', 10), ('1972-07-01', 11), ('1973-01-01', 12), ('1974-01-01', 13), ('1975-01-01', 14),
    ('1976-01-01', 15), ('1977-01-01', 16), ('1978-01-01', 17), ('1979-01-01', 18), ('1980-01-01', 19),
    ('1981-07-01', 20), ('1982-07-01', 21), ('1983-07-01', 22), ('1985-07-01', 23), ('1988-01-01', 24),
    ('1990-01-01', 25), ('1991-01-01', 26), ('1992-07-01', 27), ('1993-07-01', 28), ('1994-07-01', 29),
    ('1996-01-01', 30), ('1997-07-01', 31), ('1999-01-01', 32), ('2006-01-01', 33), ('2009-01-01', 34),
    ('2012-07-01', 35), ('2015-07-01', 36), ('2017-01-01', 37);
SELECT pg_catalog.pg_extension_config_dump('catreg.leap_second', 'WHERE day OPERATOR(pg_catalog.>) ''2017-01-01''');
GRANT SELECT ON catreg.leap_second TO PUBLIC;

-- A row that was added by hand may be restored into a version of catreg that has it.
CREATE FUNCTION catreg.leap_second_known() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS
$$
BEGIN
    IF EXISTS (SELECT FROM catreg.leap_second l WHERE l.day = new.day AND l.tai_minus_utc = new.tai_minus_utc) THEN
        RETURN NULL;
    END IF;
    RETURN new;
END
$$;
COMMENT ON FUNCTION catreg.leap_second_known() IS
    'trigger, before each row: passes over a row that is there already';

CREATE FUNCTION catreg.leap_second_check() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.leap_second_check() IS
    'trigger, for each statement: warns of a table of leap seconds that cannot be right';

CREATE TRIGGER leap_second_known BEFORE INSERT ON catreg.leap_second
    FOR EACH ROW EXECUTE FUNCTION catreg.leap_second_known();
CREATE TRIGGER leap_second_check AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON catreg.leap_second
    FOR EACH STATEMENT EXECUTE FUNCTION catreg.leap_second_check();
CREATE TRIGGER signal_change AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON catreg.leap_second
    FOR EACH STATEMENT EXECUTE FUNCTION catreg.signal_change();

CREATE FUNCTION catreg.tai_to_mjd(nanoseconds bigint) RETURNS float8
    LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.tai_to_mjd(bigint) IS
    'the Modified Julian Date, in UTC, of a time in nanoseconds since 1970-01-01 00:00:00 TAI';

CREATE FUNCTION catreg.time_mjd(nanoseconds bigint, scale text) RETURNS float8
    LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.time_mjd(bigint, text) IS
    'the Modified Julian Date, in a scale (utc or tai), of a time in nanoseconds since 1970-01-01 00:00:00 TAI';

CREATE FUNCTION catreg.time_isot(nanoseconds bigint, scale text) RETURNS text
    LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.time_isot(bigint, text) IS
    'YYYY-MM-DDTHH:MM:SS.ffffff, in a scale (utc or tai), of a time in nanoseconds since 1970-01-01 00:00:00 TAI';

CREATE FUNCTION catreg.time_iso(nanoseconds bigint, scale text) RETURNS text
    LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.time_iso(bigint, text) IS
    'YYYY-MM-DD HH:MM:SS.ffffff, in a scale (utc or tai), of a time in nanoseconds since 1970-01-01 00:00:00 TAI';
