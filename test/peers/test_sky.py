"""Regions as sphgeom has them.

Regions are made with sphgeom and handed over as bytes; what the server says of
them is compared with what sphgeom says, or, where sphgeom does not know, with
points of them.
"""

import base64
import contextlib
import itertools
import math
import pathlib
import random
import shutil
import struct
import subprocess
import uuid

import numpy as np
import psycopg
import pytest
from lsst import sphgeom as s
from psycopg.adapt import Dumper
from psycopg.pq import Format

POLES = [(0, 90), (0, -90)]
SIZES = [3e-7, 1e-5, 1e-3, 0.1, 1, 10, 50]  # degrees; the first is a milliarcsecond
# Of squared chords: what is nearer than this, sphgeom does not tell apart (constants.h: 2.5e-15, and its rounding).
CHORD2_DOUBT = 5e-15
ANGLE_DOUBT = 1e-7


# -- databases ------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def new_database(server_uri, extension=True):
    name = f"catreg_{uuid.uuid4().hex}"
    with psycopg.connect(server_uri, autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}")
    uri = f"{server_uri}/{name}"
    if extension:
        with psycopg.connect(uri, autocommit=True) as connection:
            connection.execute("CREATE EXTENSION catreg")
    yield uri
    with psycopg.connect(server_uri, autocommit=True) as server:
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="module")
def database(server_uri):
    "A database with catreg; its URI."
    with new_database(server_uri) as uri:
        yield uri


@pytest.fixture
def connection(database):
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("SET search_path = catreg, public, pg_catalog")
        yield connection


# -- directions -----------------------------------------------------------------------------------------------------


def vector(lon, lat):
    return s.UnitVector3d(s.LonLat.fromDegrees(lon, lat))


def degrees(v):
    at = s.LonLat(v)
    return at.getLon().asDegrees(), at.getLat().asDegrees()


def array(v):
    return np.array([v.x(), v.y(), v.z()])


def unit(xyz):
    return s.UnitVector3d(*map(float, xyz))


def away(v, distance, position_angle):
    "The direction at a distance from v, in degrees; near a pole too."
    v = array(v)
    d, a = math.radians(distance), math.radians(position_angle)
    h = math.hypot(v[0], v[1])
    north = np.array([-v[0] * v[2] / h, -v[1] * v[2] / h, h]) if h > 1e-30 else np.array([1.0, 0.0, 0.0])
    east = np.cross(north, v)
    return unit(v * math.cos(d) + math.sin(d) * (north * math.cos(a) + east * math.sin(a)))


def somewhere(rng):
    if rng.random() < 0.3:
        return vector(*rng.choice(POLES))
    lon = rng.choice([0, 359.9999, 10, 180, rng.random() * 360, rng.random() * 360])
    return vector(lon, rng.choice([0, 45, 89.999, math.degrees(math.asin(rng.uniform(-1, 1)))]))


# -- regions --------------------------------------------------------------------------------------------------------


def polygon(vertices):
    "None: they make no polygon."
    try:
        return s.ConvexPolygon(vertices)
    except (ValueError, RuntimeError):
        return None


def random_polygon(rng, center, size):
    while True:
        if rng.random() < 0.15:  # a sliver
            angle, width = rng.random() * 360, size * 10 ** rng.uniform(-9, -2)
            ends = [away(center, size, angle), away(center, size, angle + 180)]
            made = polygon(ends + [away(away(center, size * rng.random(), angle), width, angle + 90)])
        elif rng.random() < 0.1:  # a vertex at the pole, and one on the meridian 0
            made = polygon([vector(0, 90), vector(0, 90 - size), away(vector(0, 90), size, rng.random() * 170 + 5)])
        else:
            points = [away(center, size * rng.uniform(0.2, 1), rng.random() * 360) for _ in range(rng.randint(3, 9))]
            made = polygon(points)
        if made:
            return made


def random_region(rng, center, size, kinds="ppcbewui", depth=0):
    kind = rng.choice(kinds)
    center = away(center, size * rng.random() * 1.5, rng.random() * 360)
    angle = s.Angle.fromDegrees
    if kind == "p":
        return random_polygon(rng, center, size)
    if kind == "c":
        return s.Circle(center, angle(size * rng.random()))
    if kind == "w":  # a large one
        return s.Circle(center, angle(rng.choice([90, 120, 179, 180, rng.uniform(80, 180)])))
    if kind == "b":
        width = size * rng.random() / max(0.01, math.hypot(center.x(), center.y()))
        lat = degrees(center)[1]
        return s.Box(s.LonLat(center), angle(min(width, 180)), angle(min(size * rng.random(), 90 + abs(lat))))
    if kind == "e":
        a, b = size * rng.random(), size * rng.random()
        if rng.random() < 0.1:
            a, b = rng.uniform(91, 140), rng.uniform(91, 140)
        made = s.Ellipse(center, angle(a), angle(b), angle(rng.random() * 360))
        # sphgeom says of some narrow ones that they are empty, and that they contain points
        return random_region(rng, center, size, "e") if made.isEmpty() else made
    if depth > 1:
        return random_region(rng, center, size, "pcbe")
    operands = [random_region(rng, center, size, kinds, depth + 1) for _ in range(rng.randint(1, 3))]
    return (s.UnionRegion if kind == "u" else s.IntersectionRegion)(*operands)


SPECIAL = [
    s.Circle.empty(),
    s.Circle.full(),
    s.Box.empty(),
    s.Box.full(),
    s.Ellipse.empty(),  # the full one contains not all points, for sphgeom
    s.Circle(vector(10, 20)),
    s.Circle(vector(0, 90), s.Angle.fromDegrees(90)),
    s.Box.fromDegrees(350, -5, 10, 5),
    s.Box.fromDegrees(0, 80, 360, 90),
    s.Box.fromDegrees(0, -90, 360, -89.9999999),
    s.Box.fromDegrees(10, -90, 300, 90),
    s.Box.fromDegrees(10, 20, 10, 20),
    s.UnionRegion(s.Circle(vector(0, 0), s.Angle.fromDegrees(1)), s.Circle(vector(180, 0), s.Angle.fromDegrees(1))),
    s.IntersectionRegion(s.Circle(vector(0, 0), s.Angle.fromDegrees(1)), s.Circle(vector(180, 0), s.Angle(0.1))),
    s.ConvexPolygon([vector(0, 0), vector(90, 0), vector(0, 90)]),
    s.ConvexPolygon([vector(0, 0), vector(120, 0), vector(0, 90)]),
    s.ConvexPolygon([vector(0, -1e-9), vector(120, -1e-9), vector(240, -1e-9)]),
    s.ConvexPolygon([vector(lon, 80) for lon in range(0, 360, 20)]),
]


def random_regions(rng, n, **kinds):
    for _ in range(n):
        yield random_region(rng, somewhere(rng), rng.choice(SIZES), **kinds)


def leaves(region):
    if isinstance(region, (s.UnionRegion, s.IntersectionRegion)):
        return [leaf for i in range(region.nOperands()) for leaf in leaves(region.cloneOperand(i))]
    return [region]


def points_of(rng, region, n):
    "Points in degrees: special ones of a region, some hardly off these, and random ones near and far."
    special = []
    for leaf in leaves(region):
        circle = leaf.getBoundingCircle()
        if circle.isEmpty():
            continue
        center, radius = circle.getCenter(), min(circle.getOpeningAngle().asDegrees(), 180)
        special.append(center)
        if isinstance(leaf, s.ConvexPolygon):
            vertices = leaf.getVertices()
            special += vertices
            special += [unit(array(a) + array(b)) for a, b in zip(vertices, vertices[1:] + vertices[:1], strict=True)]
        elif isinstance(leaf, s.Box) and not leaf.isFull():
            lon, lat = leaf.getLon(), leaf.getLat()
            special += [s.UnitVector3d(x, y) for x in (lon.getA(), lon.getB()) for y in (lat.getA(), lat.getB())]
        else:
            special += [away(center, radius, rng.random() * 360) for _ in range(4)]
        for _ in range(n // 4):
            special.append(away(center, min(180, 1.5 * radius * math.sqrt(rng.random())), rng.random() * 360))
    rng.shuffle(special)
    special = special[:n]
    special += [away(v, 10 ** rng.uniform(-16, -6), rng.random() * 360) for v in special[: n // 3]]
    special += [s.UnitVector3d(s.NormalizedAngle.fromDegrees(rng.random() * 360), s.Angle(math.asin(rng.uniform(-1, 1))))
                for _ in range(3)]
    special += [-special[0]] if n else []
    return [degrees(v) for v in special] + [(0.0, 90.0), (0.0, -90.0)]


def encoded(regions):
    return [region.encode() for region in regions]


# -- points and properties ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def regions():
    rng = random.Random(1)
    return SPECIAL + list(random_regions(rng, 1200))


def test_points(connection, regions):
    rng = random.Random(2)
    points = [points_of(rng, region, 24) for region in regions]
    numbers = [n for n, some in enumerate(points) for _ in some]
    flat = [point for some in points for point in some]
    got = connection.execute(
        """WITH r AS MATERIALIZED (SELECT n - 1 AS n, region_from_sphgeom(b) AS r, region_from_base64(t) AS also
                                   FROM unnest(%s::bytea[], %s::text[]) WITH ORDINALITY u (b, t, n))
           SELECT r.r @> p, p <@ r.r, r.r && p, p && r.r, r.also @> p
           FROM unnest(%s::int[], %s::float8[], %s::float8[]) WITH ORDINALITY u (n, lon, lat, k)
               JOIN r USING (n), sky_point(lon, lat) p ORDER BY k""",
        [encoded(regions), [base64.b64encode(b).decode() for b in encoded(regions)], numbers,
         [p[0] for p in flat], [p[1] for p in flat]]).fetchall()
    wrong = []
    for n, point, answers in zip(numbers, flat, got, strict=True):
        expected = regions[n].contains(vector(*point))
        if set(answers) != {expected}:
            wrong.append((type(regions[n]).__name__, regions[n].encode().hex(), point, answers, expected))
    inside = sum(answers[0] for answers in got)
    assert len(got) > 30000 and 0.2 < inside / len(got) < 0.8
    assert not wrong, (len(wrong), wrong[:5])


def test_base64(connection):
    "Several joined by a colon are a union; nothing is an empty region."
    rng = random.Random(3)
    for some in [[], *(list(random_regions(rng, n, kinds="pcbei")) for n in [1, 2, 3, 5])]:
        text = ":".join(base64.b64encode(region.encode()).decode() for region in some)
        got = connection.execute("SELECT region_to_sphgeom(region_from_base64(%s))", [text]).fetchone()[0]
        expected = some[0] if len(some) == 1 else s.UnionRegion(*some)
        assert got == expected.encode()


def properties(connection, regions):
    rows = connection.execute(
        """SELECT s_ra(r), s_dec(r), s_fov(r), adql(r), region_to_sphgeom(r)
           FROM unnest(%s::bytea[]) WITH ORDINALITY u (b, n), region_from_sphgeom(b) r ORDER BY n""",
        [encoded(regions)]).fetchall()
    return zip(regions, rows, strict=True)


def test_obscore(connection, regions):
    "Centre and field of view; the last bits as well, but for a few."
    different, wrong, total = [], [], 0
    for region, (ra, dec, fov, _, _) in properties(connection, regions):
        circle = region.getBoundingCircle()
        if circle.isEmpty():
            assert (ra, dec, fov) == (None, None, None)
            continue
        lon, lat = degrees(circle.getCenter())
        expected = (lon, lat, 2.0 * circle.getOpeningAngle().asDegrees())
        total += 1
        if ra is None:
            wrong.append((type(region).__name__, region.encode().hex(), (ra, dec, fov), (lon, lat, expected[2]), str(region)))
            continue
        if (ra, dec, fov) != expected:
            different.append((type(region).__name__, region.encode().hex(), (ra, dec, fov), expected))
            off = [abs((ra - lon + 180) % 360 - 180) * math.cos(math.radians(lat)), abs(dec - lat), abs(fov - expected[2])]
            if max(off) > 1e-9:
                wrong.append(different[-1])
    print(f"{total - len(different)} of {total} equal to the last bit")
    assert not wrong, (len(wrong), wrong[:5])
    assert len(different) <= total // 100, (len(different), total, different[:5])


def test_adql(connection, regions):
    polygons = 0
    for region, (_, _, _, adql, back) in properties(connection, regions):
        assert back == region.encode() or region.isEmpty()
        if isinstance(region, s.ConvexPolygon):
            directions = [degrees(v) for v in region.getVertices()]
            assert adql == "POLYGON ICRS " + " ".join(f"{lon:.6f} {lat:.6f}" for lon, lat in directions)
            polygons += 1
    assert polygons > 200


# -- pairs ----------------------------------------------------------------------------------------------------------


def adversarial_pairs(rng):
    "Polygons that share vertices and edges, or are nested, and circles around them."
    center, size = somewhere(rng), rng.choice(SIZES)
    whole = random_polygon(rng, center, size)
    vertices = whole.getVertices()
    pieces = [polygon([vertices[0], *pair]) for pair in zip(vertices[1:], vertices[2:], strict=False)]
    pieces = [piece for piece in pieces if piece]
    mirrored = [polygon([-v for v in reversed(piece.getVertices())]) for piece in pieces[:1]]
    middle = unit(sum(array(v) for v in vertices))
    shrunk = polygon([unit(array(v) * (1 - f) + array(middle) * f) for f in [10 ** rng.uniform(-16, -1)] for v in vertices])
    halved = polygon([unit(array(vertices[0]) + array(vertices[1])), *vertices[1:]])
    others = [other for other in [*pieces, *mirrored, shrunk, halved, random_polygon(rng, center, size)] if other]
    radius = whole.getBoundingCircle().getOpeningAngle().asDegrees()
    circles = [s.Circle(v, s.Angle.fromDegrees(radius * f)) for v, f in
               [(middle, 1), (middle, 1 + 1e-6), (vertices[0], 0.5), (vertices[0], 3), (-vertices[0], 1), (middle, 1e-3)]]
    circles.append(s.Circle(middle, s.Angle(math.dist(array(middle), array(vertices[0])))))
    circles.append(s.Circle(-middle, s.Angle.fromDegrees(max(0, 180 - radius * rng.uniform(0.5, 1.5)))))
    everything = [whole, *others, *circles]
    yield from ((whole, other) for other in everything)
    yield from (rng.sample(everything, 2) for _ in range(8))


def edge_chord2s(polygon, center):
    "Squared chords from a direction to a polygon's vertices, and to what is nearest or farthest on its edges."
    c = array(center).astype(np.longdouble)
    vertices = np.array([array(v) for v in polygon.getVertices()], dtype=np.longdouble)
    yield from ((vertices - c) ** 2).sum(axis=1)
    for a, b in zip(vertices, np.roll(vertices, -1, axis=0), strict=True):
        n = np.cross(a, b)
        n /= np.sqrt(n @ n)
        foot = c - n * (c @ n)
        length = np.sqrt(foot @ foot)
        if length > 0:
            yield from (((sign * foot / length - c) ** 2).sum() for sign in (1, -1))


def in_doubt(a, b):
    "Are boundaries nearer than what sphgeom tells apart?  Of polygons, it does all."
    if isinstance(a, s.ConvexPolygon) and isinstance(b, s.ConvexPolygon):
        return False
    if isinstance(a, s.Circle) and isinstance(b, s.Circle):
        apart = (a.getCenter() - b.getCenter()).getNorm()
        apart = 2 * math.asin(min(1, apart / 2))
        r, q = a.getOpeningAngle().asRadians(), b.getOpeningAngle().asRadians()
        return min(abs(apart - r - q), abs(apart - abs(r - q))) < ANGLE_DOUBT
    if isinstance(a, s.Circle):
        a, b = b, a
    return any(abs(d - b.getSquaredChordLength()) < CHORD2_DOUBT for d in edge_chord2s(a, b.getCenter()))


PAIRS = """
    SELECT a && b, b && a, a @> b, b <@ a, b @> a
    FROM unnest(%s::bytea[], %s::bytea[]) WITH ORDINALITY u (x, y, n), region_from_sphgeom(x) a, region_from_sphgeom(y) b
    ORDER BY n
"""


def test_relate(connection):
    "Polygons and circles: exactly what sphgeom says, but where it has doubts; what it is sure of, always."
    rng = random.Random(4)
    pairs = list(itertools.chain.from_iterable(adversarial_pairs(rng) for _ in range(250)))
    for _ in range(1500):
        center, size = somewhere(rng), rng.choice(SIZES)
        pairs.append([random_region(rng, center, size * f, "ppcw") for f in (1, rng.choice([1, 0.3, 0.1]))])
    got = connection.execute(PAIRS, [encoded(a for a, _ in pairs), encoded(b for _, b in pairs)]).fetchall()
    wrong, doubts, seen = [], 0, {}
    for (a, b), answers in zip(pairs, got, strict=True):
        relation = a.relate(b)
        disjoint, contains, within = (bool(relation & r) for r in (s.DISJOINT, s.CONTAINS, s.WITHIN))
        meets, meets_too, contained, contained_too, is_within = answers
        # sphgeom says nothing but the truth; what it does not say is not so, unless there are doubts
        fine = meets == meets_too and contained == contained_too
        fine = fine and not (disjoint and meets) and (contained or not contains) and (is_within or not within)
        if (meets, contained, is_within) != (not disjoint, contains, within) and in_doubt(a, b):
            doubts += 1
        else:
            fine = fine and (meets, contained, is_within) == (not disjoint, contains, within)
        key = (type(a).__name__, type(b).__name__, disjoint, contains, within)
        seen[key] = seen.get(key, 0) + 1
        if not fine:
            wrong.append((*key, answers, a.encode().hex(), b.encode().hex()))
    print(len(pairs), doubts, seen)
    assert not wrong, (len(wrong), wrong[:5])
    assert len(seen) > 12 and doubts < len(pairs) / 8


def test_sampled(connection):
    "All kinds: no point of both where they are disjoint, none of one outside of what contains it."
    rng = random.Random(5)
    pairs = list(itertools.islice(itertools.product(SPECIAL, repeat=2), None))
    for _ in range(1500):
        center, size = somewhere(rng), rng.choice(SIZES)
        pairs.append([random_region(rng, center, size * f) for f in (1, rng.choice([1, 1, 0.3, 0.1]))])
    pairs += [(a, a) for a, _ in pairs[-100:]]
    got = connection.execute(PAIRS, [encoded(a for a, _ in pairs), encoded(b for _, b in pairs)]).fetchall()
    wrong, seen = [], {}
    for (a, b), answers in zip(pairs, got, strict=True):
        meets, meets_too, contained, contained_too, is_within = answers
        points = [vector(*p) for p in points_of(rng, a, 20) + points_of(rng, b, 20)]
        in_a, in_b = ([region.contains(v) for v in points] for region in (a, b))
        both = any(x and y for x, y in zip(in_a, in_b, strict=True))
        problems = []
        if meets != meets_too or contained != contained_too:
            problems.append("not symmetric")
        if both and not meets:
            problems.append("disjoint, with a common point")
        if contained and any(y and not x for x, y in zip(in_a, in_b, strict=True)):
            problems.append("contains, with a point outside")
        if is_within and any(x and not y for x, y in zip(in_a, in_b, strict=True)):
            problems.append("is contained, with a point outside")
        if contained and not meets and any(in_b):
            problems.append("contains, but does not intersect")
        if a is b and not contained:
            problems.append("does not contain itself")
        seen[meets, contained, is_within] = seen.get((meets, contained, is_within), 0) + 1
        if problems:
            wrong.append((problems, type(a).__name__, type(b).__name__, answers, a.encode().hex(), b.encode().hex(), str(a), str(b)))
    print(len(pairs), seen)
    assert not wrong, (len(wrong), wrong[:5])
    assert len(seen) >= 5


# -- the index ------------------------------------------------------------------------------------------------------

N_FOOTPRINTS = 20000


def footprints(rng):
    for i in range(N_FOOTPRINTS):
        center = vector(rng.random() * 360, math.degrees(math.asin(rng.uniform(-1, 1))))
        if i % 400 == 0:
            yield rng.choice(SPECIAL)
        elif i % 300 == 0:
            yield random_region(rng, center, 10, "w")
        elif i % 9 == 0:
            yield random_region(rng, center, rng.choice([0.01, 0.5, 3]), "cbeui")
        elif i % 50 == 1:
            yield random_polygon(rng, center, rng.choice([30, 60, 1e-6]))
        elif i % 50 == 2:
            yield random_polygon(rng, somewhere(rng), 1)
        else:
            side = [(-1, -1), (1, -1), (1, 1), (-1, 1)]
            width, turn = rng.uniform(0.2, 1), rng.random() * 360
            yield s.ConvexPolygon([away(center, width, turn + math.degrees(math.atan2(y, x))) for x, y in side])


@pytest.fixture(scope="module")
def footprint_tables(database):
    "Tables built and grown, the former indexed at once, the latter row by row; and the regions."
    regions = list(footprints(random.Random(6)))
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE TABLE grown (id int PRIMARY KEY, r catreg.region)")
        connection.execute("CREATE INDEX ON grown USING gist (r)")
        connection.execute("INSERT INTO grown SELECT n - 1, catreg.region_from_sphgeom(b)"
                           " FROM unnest(%s::bytea[]) WITH ORDINALITY u (b, n)", [encoded(regions)])
        connection.execute("CREATE TABLE built AS TABLE grown")
        connection.execute("CREATE INDEX ON built USING gist (r)")
        # rows that come, go and change, which VACUUM cleans up after
        connection.execute("UPDATE grown SET r = catreg.sky_point(1, 1) WHERE id % 10 = 0")
        connection.execute("DELETE FROM grown WHERE id % 10 = 1")
        connection.execute("VACUUM grown")
        connection.execute("UPDATE grown g SET r = b.r FROM built b WHERE b.id = g.id AND g.id % 10 = 0")
        connection.execute("INSERT INTO grown SELECT * FROM built WHERE id % 10 = 1")
        connection.execute("VACUUM ANALYZE grown")
        connection.execute("VACUUM ANALYZE built")
    return regions


WAYS = {
    "sequential": ("built", {"enable_indexscan": "off", "enable_bitmapscan": "off", "enable_indexonlyscan": "off"}),
    "index": ("built", {"enable_seqscan": "off", "enable_bitmapscan": "off"}),
    "bitmap": ("built", {"enable_seqscan": "off", "enable_indexscan": "off"}),
    "grown": ("grown", {"enable_seqscan": "off", "enable_bitmapscan": "off"}),
}
NODES = {"sequential": "Seq Scan on built", "index": "Index Scan using built_r_idx", "bitmap": "Bitmap Index Scan on built_r_idx",
         "grown": "Index Scan using grown_r_idx"}


@contextlib.contextmanager
def way(connection, name):
    table, settings = WAYS[name]
    with connection.transaction():
        for setting, value in settings.items():
            connection.execute(f"SET LOCAL {setting} = {value}")
        yield table


def plan(connection, query, parameters=()):
    explain = psycopg.sql.SQL("EXPLAIN (COSTS OFF) {}").format(query if isinstance(query, psycopg.sql.Composed) else psycopg.sql.SQL(query))
    return "\n".join(row[0] for row in psycopg.ClientCursor(connection).execute(explain, parameters))


def index_queries():
    rng = random.Random(7)
    angle = s.Angle.fromDegrees
    points = [vector(*p) for p in [*POLES, (0, 0), (359.9999999, 10), (1, 1)]] + [somewhere(rng) for _ in range(10)]
    yield from (s.Circle(v) for v in points)
    yield from (s.Circle(somewhere(rng), angle(r)) for r in [1e-6, 0.1, 1, 1, 5, 20, 89, 91, 150])
    yield from (random_polygon(rng, somewhere(rng), size) for size in [1e-6, 0.1, 0.5, 1, 1, 3, 10, 40, 80])
    yield from (random_region(rng, somewhere(rng), 5, "b") for _ in range(4))
    yield from SPECIAL[:6]


def test_index(connection, footprint_tables):
    "The same rows by either index as without; of polygons, those that sphgeom finds."
    rows, wrong = 0, []
    polygons = {i: r for i, r in enumerate(footprint_tables) if isinstance(r, s.ConvexPolygon)}
    for number, query in enumerate(index_queries()):
        expression = psycopg.sql.SQL("region_from_sphgeom({})").format(query.encode())
        if number < 15:
            expression = psycopg.sql.SQL("sky_point({}, {})").format(*degrees(query.getCenter()))
        found = {}
        for operator, name in itertools.product(["@>", "<@", "&&"], WAYS):
            with way(connection, name) as table:
                select = psycopg.sql.SQL(f"SELECT id FROM {table} WHERE r {operator} ") + expression
                if number == 0:
                    assert NODES[name] in plan(connection, select)
                found[operator, name] = {row[0] for row in connection.execute(select)}
            different = found[operator, "sequential"] ^ found[operator, name]
            wrong += [(operator, name, i, type(footprint_tables[i]).__name__, query.encode().hex()) for i in different]
        rows += sum(map(len, found.values()))
        if number < 15:
            point = vector(*degrees(query.getCenter()))
            assert found["@>", "index"] == {i for i, r in enumerate(footprint_tables) if r.contains(point)}
        elif isinstance(query, s.ConvexPolygon):
            relations = {i: r.relate(query) for i, r in polygons.items()}
            for operator, flag, wanted in [("@>", s.CONTAINS, True), ("<@", s.WITHIN, True), ("&&", s.DISJOINT, False)]:
                expected = {i for i, relation in relations.items() if bool(relation & flag) == wanted}
                assert found[operator, "index"] & polygons.keys() == expected
    assert not wrong, (len(wrong), wrong[:5], {x[0] for x in wrong})
    assert rows > 100000


def test_nearest(connection, footprint_tables):
    rng = random.Random(8)
    for number in range(12):
        at = degrees(somewhere(rng))
        limit = "" if number == 0 else "LIMIT 100"
        got = {}
        for name in ["sequential", "index", "grown"]:
            with way(connection, name) as table:
                query = f"SELECT id, r <-> sky_point(%s, %s) AS d FROM {table} ORDER BY r <-> sky_point(%s, %s) {limit}"
                if name != "sequential" and limit:
                    assert NODES[name] in plan(connection, query, [*at, *at])
                    assert "Sort" not in plan(connection, query, [*at, *at])
                got[name] = connection.execute(query, [*at, *at]).fetchall()
        distances = [d for _, d in got["sequential"]]
        assert distances == sorted(distances)
        for name in ["index", "grown"]:
            assert [d for _, d in got[name]] == distances
            # ties may come in any order
            assert {row for row in got[name] if row[1] < distances[-1]} == {row for row in got["sequential"] if row[1] < distances[-1]}


@pytest.mark.parametrize("table", ["built", "grown"])
def test_planner(connection, footprint_tables, table):
    for condition in ["r @> sky_point(10, 20)", "r && sky_circle(10, 20, 1)", "r <@ sky_circle(10, 20, 1)", "sky_point(10, 20) <@ r"]:
        assert f"{table}_r_idx" in plan(connection, f"SELECT id FROM {table} WHERE {condition}"), condition
    nearest = f"SELECT id FROM {table} ORDER BY r <-> sky_point(10, 20) LIMIT 5"
    assert f"Index Scan using {table}_r_idx" in plan(connection, nearest)


# -- round trips ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def stored(database, regions):
    "A table of regions whose text is exact; its name."
    rng = random.Random(9)
    exact = [r for r in [*regions, *random_regions(rng, 800, kinds="ppcbwui")]
             if not any(isinstance(leaf, s.Ellipse) for leaf in leaves(r))]
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE TABLE stored (id int PRIMARY KEY, r catreg.region)")
        connection.execute("INSERT INTO stored SELECT n, catreg.region_from_sphgeom(b)"
                           " FROM unnest(%s::bytea[]) WITH ORDINALITY u (b, n)", [encoded(exact)])
        # what sphgeom has none of: points, and polygons that are not convex
        connection.execute("""
            INSERT INTO stored
                SELECT 100000 + n, catreg.sky_point(random() * 360, random() * 180 - 90) FROM generate_series(1, 500) n
                UNION ALL
                SELECT 200000 + n, format('POLYGON %s %s %s %s %s %s %s %s', x, y, x + d, y, x + d * 0.3, y + d * 0.3, x, y + d)::catreg.region
                FROM generate_series(1, 300) n, LATERAL (SELECT random() * 300 + n * 0 AS x, random() * 100 - 60 AS y, 10 ^ (random() * 6 - 5) AS d) v""")
    return "stored"


def contents(connection, table):
    return connection.execute(f"SELECT id, catreg.region_send(r) FROM {table} ORDER BY id").fetchall()


def is_same_but_for_spelling(bytes):
    "Empty and full regions have several encodings, and one text."
    region = s.Region.decode(bytes)
    return region.isEmpty() or any(leaf.getBoundingCircle().isFull() or leaf.isEmpty() for leaf in leaves(region))


def test_text(connection, stored):
    rows = connection.execute(f"SELECT id, r::text, region_send(r), region_send(r::text::region), r::text::region = r,"
                              f" r::text::region::text = r::text FROM {stored}").fetchall()
    wrong = [(id, text, before.hex(), after.hex()) for id, text, before, after, equal, _ in rows
             if not equal and not (id < 100000 and is_same_but_for_spelling(before))]
    assert len(rows) > 2000 and all(row[5] for row in rows)
    assert not wrong, (len(wrong), len(rows), wrong[:5])


@pytest.mark.parametrize("format", ["text", "binary", "csv"])
def test_copy(connection, stored, format):
    connection.execute(f"CREATE TEMP TABLE copied (LIKE {stored})")
    with connection.cursor() as cursor:
        with cursor.copy(f"COPY (SELECT * FROM {stored}) TO STDOUT (FORMAT {format})") as out:
            data = [bytes(piece) for piece in out]
        with cursor.copy(f"COPY copied FROM STDIN (FORMAT {format})") as into:
            for piece in data:
                into.write(piece)
    before, after = contents(connection, stored), contents(connection, "copied")
    wrong = [(x, y) for x, y in zip(before, after, strict=True)
             if x != y and not (format != "binary" and x[0] < 100000 and is_same_but_for_spelling(x[1]))]
    assert not wrong, (len(wrong), wrong[:5])
    connection.execute("DROP TABLE copied")


def client_program(connection, name):
    "The server's own, if it is on this machine."
    bindir = connection.execute("SELECT setting FROM pg_config WHERE name = 'BINDIR'").fetchone()[0]
    program = pathlib.Path(bindir) / name
    return str(program) if program.exists() else shutil.which(name)


def test_dump(server_uri, connection, database, stored, footprint_tables):
    "A database, with an index, as pg_dump writes it."
    commands = [client_program(connection, name) for name in ("pg_dump", "psql")]
    if None in commands:
        pytest.skip("no pg_dump and psql")
    dump = subprocess.run([commands[0], "--exclude-table", "grown", database], stdout=subprocess.PIPE, check=True).stdout
    with new_database(server_uri, extension=False) as uri:
        with psycopg.connect(uri, autocommit=True) as restored:
            subprocess.run([commands[1], "-X", "-q", "-v", "ON_ERROR_STOP=1", uri], input=dump, check=True, stdout=subprocess.DEVNULL)
            before, after = contents(connection, "stored"), contents(restored, "stored")
            assert not [(x, y) for x, y in zip(before, after, strict=True)
                        if x != y and not (x[0] < 100000 and is_same_but_for_spelling(x[1]))]
            restored.execute("SET search_path = catreg, public")
            assert "built_r_idx" in plan(restored, "SELECT id FROM built WHERE r @> sky_point(10, 20)")
            # text of an ellipse is not exact, and its boundary not where random points are
            queries = [f"SELECT id FROM built WHERE r @> sky_point({lon}, {lat}) ORDER BY id" for lon, lat in
                       [(10.123, 20.456), (0, 90), (200.7, -45.1), (359.9, 0.3)]]
            for query in queries:
                assert restored.execute(query).fetchall() == connection.execute(query).fetchall()


# -- what is malformed ----------------------------------------------------------------------------------------------

NASTY = [math.nan, -math.nan, math.inf, -math.inf, 0.0, -0.0, 1.0, -1.0, 1e308, -1e308, 5e-324, 4.0, 1 + 1e-10, math.pi, 7.0]


def nested(depth, letter, inside):
    for _ in range(depth):
        inside = letter + struct.pack("<Q", len(inside)) + inside
    return inside


def malformed(rng, regions):
    samples = [r.encode() for r in rng.sample(regions, 300)] + encoded(SPECIAL)
    for data in samples:
        cut = rng.randrange(len(data) + 1)
        yield data[:cut]
        yield data + rng.randbytes(rng.choice([1, 8, 24]))
        for _ in range(3):
            flipped = bytearray(data)
            for _ in range(rng.choice([1, 1, 3])):
                flipped[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
            yield bytes(flipped)
        for value in rng.sample(NASTY, 3):
            at = rng.randrange(1, len(data), 8) if len(data) > 8 else 0
            yield data[:at] + struct.pack("<d", value) + data[at + 8:]
        yield rng.choice([b"u", b"i", b"p", b"c", b"b", b"e", b"d", b"g"]) + data[1:]
        other = rng.choice(samples)
        yield data[:cut] + other[min(cut, len(other)):]
    for letter, n in itertools.product([b"u", b"i"], [2**64 - 1, 2**64 - 8, 2**64 - 9, 2**63, 2**63 - 1, 2**32, 2**31, 42, 40, 1, 0]):
        circle = s.Circle(vector(1, 2)).encode()
        yield letter + struct.pack("<Q", n) + circle
        yield letter + struct.pack("<Q", len(circle)) + circle + struct.pack("<Q", n) + circle
        yield letter + struct.pack("<Q", n)
    for letter, depth in itertools.product([b"u", b"i"], [1, 31, 32, 33, 34, 1000, 20000]):
        yield nested(depth, letter, b"")
        yield nested(depth, letter, s.Circle(vector(1, 2)).encode())
    yield from (rng.randbytes(n) for n in [*range(1, 60), 1000, 100000])
    yield b""
    same = vector(3, 4)
    xyz = struct.pack("<3d", same.x(), same.y(), same.z())
    yield from (b"p" + xyz * n for n in [1, 2, 3, 4, 1000])
    yield from (b"u" * n for n in [1, 9, 10000])


TRY = """
    CREATE FUNCTION pg_temp.try(bytes bytea) RETURNS text LANGUAGE plpgsql AS
    $$
    DECLARE
        r catreg.region;
        p catreg.region := catreg.sky_point(1, 2);
    BEGIN
        r := catreg.region_from_sphgeom(bytes);
        IF catreg.region_from_sphgeom(catreg.region_send(r)) <> r THEN
            RETURN 'changed';
        END IF;
        PERFORM catreg.adql(r), catreg.s_ra(r), catreg.s_fov(r), r @> p, r && p, r @> r, r && r, r <-> p;
        PERFORM r::text::catreg.region;
        RETURN 'valid';
    EXCEPTION WHEN OTHERS THEN
        RETURN SQLSTATE;
    END
    $$
"""


def test_malformed(connection, regions):
    "An error that says so, or a region that is one."
    cases = list(malformed(random.Random(10), regions))
    connection.execute(TRY)
    got = connection.execute("SELECT pg_temp.try(b) FROM unnest(%s::bytea[]) WITH ORDINALITY u (b, n) ORDER BY n", [cases]).fetchall()
    counts = {}
    for (state,) in got:
        counts[state] = counts.get(state, 0) + 1
    print(counts)
    wrong = [(state, data[:400].hex()) for data, (state,) in zip(cases, got, strict=True)
             if state != "valid" and not state.startswith("22")]
    assert not wrong, (len(wrong), wrong[:5])
    assert counts["valid"] > 300 and counts["22P03"] > 1500
    # what sphgeom has made is valid, after all this
    assert connection.execute("SELECT pg_temp.try(%s)", [regions[-1].encode()]).fetchone() == ("valid",)


def test_malformed_received(connection, regions):
    "The same by the type's own binary input, with its two letters more; and as base64."
    class Raw(bytes):
        pass

    class RawDumper(Dumper):
        format = Format.BINARY
        oid = connection.execute("SELECT 'catreg.region'::regtype::oid").fetchone()[0]

        def dump(self, obj):
            return bytes(obj)

    connection.adapters.register_dumper(Raw, RawDumper)
    rng = random.Random(11)
    hook = connection.execute("SELECT region_send('POLYGON 10 10 20 10 12 12 10 20')").fetchone()[0]
    point = connection.execute("SELECT region_send(sky_point(1, 2))").fetchone()[0]
    cases = [bytes(c) for c in malformed(rng, regions)]
    cases = rng.sample(cases, 800) + [point, hook, *(hook[:n] for n in range(0, 90)), b"u" + struct.pack("<Q", 25) + point]
    for _ in range(300):
        data = bytearray(rng.choice([hook, point]))
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        cases.append(bytes(data))
    seen = set()
    for data in cases:
        for query, value in [("SELECT r::text, adql(r), r @> r, r && r, r = r FROM (SELECT %s::region AS r OFFSET 0) x", Raw(data)),
                             ("SELECT region_from_base64(%s)", base64.b64encode(data).decode()[: rng.choice([10**6, 10**6, 13])])]:
            try:
                connection.execute(query, [value])
                seen.add("valid")
            except psycopg.Error as error:
                assert error.sqlstate and error.sqlstate.startswith("22"), (error, data[:400].hex())
                seen.add(error.sqlstate)
    assert seen == {"valid", "22P02", "22P03"}
    assert connection.execute("SELECT 1").fetchone() == (1,)
