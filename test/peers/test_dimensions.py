"""Dimension records: the pixels of their regions beside sphgeom's, and whole registries beside the client's."""

import contextlib
import json
import math
import random
import threading
import uuid

import psycopg
import pytest
from lsst import sphgeom as s

import butlerkit as kit
from tiledkit import with_database


@contextlib.contextmanager
def new_database(server_uri):
    name = f"catreg_{uuid.uuid4().hex}"
    with psycopg.connect(with_database(server_uri, "postgres"), autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}")
    try:
        with psycopg.connect(with_database(server_uri, name), autocommit=True) as connection:
            connection.execute("CREATE EXTENSION catreg")
        yield with_database(server_uri, name)
    finally:
        with psycopg.connect(with_database(server_uri, "postgres"), autocommit=True) as server:
            server.execute(f"DROP DATABASE {name} WITH (FORCE)")


# -- pixels ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def connection(server_uri):
    with new_database(server_uri) as uri, psycopg.connect(uri, autocommit=True) as connection:
        yield connection


def vector(lon, lat):
    return s.UnitVector3d(s.LonLat.fromDegrees(lon, lat))


def trixel(rng, level):
    "A triangle of the mesh: near a pole, where longitudes begin, or anywhere."
    pixelization = s.HtmPixelization(level)
    near = rng.choice([(0, 90), (0, -90), (0, 0), (360, 30), (45, 45), None])
    if near is None:
        near = rng.uniform(0, 360), math.degrees(math.asin(rng.uniform(-1, 1)))
    return pixelization.triangle(pixelization.index(vector(*near)))


def nudged(rng, v):
    "The same direction, or one that differs in its last bits."
    if rng.random() < 0.5:
        return v
    xyz = [v.x(), v.y(), v.z()]
    i = rng.randrange(3)
    xyz[i] = math.nextafter(xyz[i], rng.choice([-2, 2]))
    return s.UnitVector3d(*xyz)


def place(rng, level):
    "A direction: a vertex of the mesh, the middle of an edge, or anything."
    vertices = trixel(rng, rng.randint(0, level)).getVertices()
    kind = rng.randrange(4)
    if kind == 0:
        return nudged(rng, rng.choice(vertices))
    if kind == 1:
        return nudged(rng, s.UnitVector3d(vertices[0] + vertices[1]))
    if kind == 2:
        return vector(rng.choice([0, 90, 180, 360 - 1e-13, 1e-14]), rng.choice([0, 90, -90, 45, 1e-13]))
    return vector(rng.uniform(0, 360), math.degrees(math.asin(rng.uniform(-1, 1))))


def size(rng, level):
    "An angle in radians, from far below a pixel's to some dozens of pixels, or the sphere's."
    if rng.random() < 0.1 and level < 7:
        return rng.choice([0.0, math.pi / 2, math.pi, rng.uniform(0, math.pi)])
    return 10 ** rng.uniform(-9, 1) / 2 ** level


def circle(rng, level):
    center = place(rng, level)
    if rng.random() < 0.3:  # through another point of the mesh
        other = rng.choice(trixel(rng, level).getVertices())
        if level < 7:
            return s.Circle(center, (other - center).getSquaredNorm())
    return s.Circle(center, s.Angle(size(rng, level)))


def box(rng, level):
    at = s.LonLat(place(rng, level))
    if rng.random() < 0.2 and level < 7:
        lons = sorted(rng.choice([0, 360, 90, 180, rng.uniform(0, 360)]) for _ in range(2))
        lats = sorted(rng.choice([-90, 90, 0, 45, rng.uniform(-90, 90)]) for _ in range(2))
        if rng.random() < 0.5 and lons != [0, 360]:
            lons.reverse()
        if 360 in lons and lons[0] > lons[1]:
            lons = [lons[0] % 360, lons[1]]
        return s.Box.fromDegrees(lons[0], lats[0], lons[1], lats[1])
    if rng.random() < 0.3 and level < 7:
        corner = s.LonLat(rng.choice(trixel(rng, level).getVertices()))
        latitudes = sorted([at.getLat(), corner.getLat()], key=s.Angle.asRadians)
        return s.Box(s.NormalizedAngleInterval(at.getLon(), corner.getLon()), s.AngleInterval(*latitudes))
    return s.Box(at, s.Angle(size(rng, level)), s.Angle(size(rng, level)))


def ellipse(rng, level):
    alpha, beta = size(rng, level), size(rng, level)
    if (alpha < math.pi / 2) != (beta < math.pi / 2) or (alpha == math.pi / 2) != (beta == math.pi / 2):
        beta = alpha
    return s.Ellipse(place(rng, level), s.Angle(alpha), s.Angle(beta), s.Angle(rng.uniform(0, 7)))


def polygon(rng, level):
    kind = rng.randrange(4)
    if kind == 0:  # a triangle of the mesh, or one that shares vertices and edges with several
        return trixel(rng, rng.randint(max(0, level - 6), level))
    if kind == 1:
        t = trixel(rng, level).getVertices()
        points = [*t, *trixel(rng, level).getVertices()] if level < 4 and rng.random() < 0.3 else list(t)
        points.append(s.UnitVector3d(t[0] + t[1]))
        points.append(nudged(rng, s.UnitVector3d(t[1] + t[2])))
        rng.shuffle(points)
        points = [nudged(rng, p) for p in points[: rng.randint(3, len(points))]]
    else:
        center = place(rng, level)
        radius = min(size(rng, level), 1.5)
        side = s.UnitVector3d.orthogonalTo(center)
        edge = center.rotatedAround(side, s.Angle(radius))
        n = rng.choice([3, 4, 4, 5, 12, 40])
        points = [edge.rotatedAround(center, s.Angle(rng.uniform(0, 2 * math.pi))) for _ in range(n)]
        if rng.random() < 0.3:
            points.append(center)
    with contextlib.suppress(ValueError):  # no polygon is made of these
        made = s.ConvexPolygon(points)
        if is_convex(made.getVertices()):
            return made
    return polygon(rng, level)


def is_convex(vertices):
    """Of points whose last bits differ sphgeom may make a polygon that is not, and of points opposite each other one
    that has no edge between them; catreg refuses both."""
    edges = list(zip(vertices, vertices[1:] + vertices[:1]))
    return all((a + b).getSquaredNorm() > 1e-27 for a, b in edges) and all(
        s.orientation(v, *edge) >= 0 for edge in edges for v in vertices)


def compound(rng, level):
    kind = rng.choice([s.UnionRegion, s.IntersectionRegion])
    if rng.random() < 0.03:
        return kind()
    about = region(rng, level, MAKERS[1:])
    related = [about, region(rng, level, MAKERS[1:])]
    with contextlib.suppress(RuntimeError):  # what is as large as a hemisphere need not have a centre
        related += [about.getBoundingCircle(), about.getBoundingBox()]
    others = [rng.choice(related) for _ in range(rng.randint(1, 3))]
    return kind(about, *others)


MAKERS = [ellipse, circle, box, polygon, polygon, compound]


def region(rng, level, makers=MAKERS):
    return rng.choice(makers)(rng, level)


def envelope(level, region):
    """sphgeom 30 takes the circle around an ellipse, too, but uses it when it is gone: every client that stores an
    ellipse crashes."""
    if isinstance(region, s.Ellipse):
        region = region.getBoundingCircle()
    return list(s.HtmPixelization(level).envelope(region))


def ranges(text):
    return [tuple(map(int, r.split(","))) for r in text.strip("{}[)").replace("),[", " ").split()]


@pytest.mark.parametrize("level", [0, 1, 3, 5, 6, 7, 8, 10, 16, 24])
def test_envelope(connection, level):
    "The pixels of a region are sphgeom's, however the region lies to the mesh."
    rng = random.Random(f"envelope {level}")
    # a box that sphgeom puts around what is at longitude 0 may go around the sphere: too many pixels
    makers = MAKERS if level <= 10 else [circle, polygon]
    regions = [region(rng, level, makers) for _ in range(400)]
    kinds = {}
    for first in range(0, len(regions), 100):
        some = regions[first : first + 100]
        rows = connection.execute(
            "SELECT catreg.htm_envelope(catreg.region_from_sphgeom(b), %s)::text"
            " FROM unnest(%s::bytea[]) WITH ORDINALITY u (b, n) ORDER BY n", [level, [r.encode() for r in some]]
        ).fetchall()
        for r, (text,) in zip(some, rows, strict=True):
            assert ranges(text) == envelope(level, r), (level, r.encode().hex())
            kinds.setdefault(type(r).__name__, set()).add(len(text))
    assert len(kinds) == len(set(makers)) + (compound in makers) and all(len(lengths) > 1 for lengths in kinds.values()), kinds


@pytest.mark.parametrize("level", [0, 1, 7, 13, 24])
def test_index(connection, level):
    rng = random.Random(f"index {level}")
    pixelization = s.HtmPixelization(level)
    for _ in range(500):
        at = s.LonLat(place(rng, level))
        lon, lat = at.getLon().asDegrees(), at.getLat().asDegrees()
        found, = connection.execute("SELECT catreg.htm_index(%s, %s, %s)", [lon, lat, level]).fetchone()
        assert found == pixelization.index(vector(lon, lat)), (lon, lat)


# -- twins: a registry that the client fills, and one that ingest_dimensions() does -----------------------------------

# Each after those it refers to.
ELEMENTS = [
    "instrument", "skymap", "physical_filter", "subfilter", "detector", "day_obs", "group", "exposure", "visit_system",
    "visit", "visit_definition", "visit_system_membership", "visit_detector_region", "tract", "patch",
]
FORMS = {"text": None, "bytea": "decode({}, 'base64')", "catreg.region": "catreg.region_from_base64({})"}


def odd_region(rng):
    "Anything that a client can store; of an ellipse it would crash, and thousands of pixels take it long."
    while True:
        some = region(rng, 7, MAKERS[1:])
        if sum(end - begin for begin, end in envelope(7, some)) < 100:
            return some


def fill(butler, rng):
    kit.fill_dimensions(butler)
    insert = butler.registry.insertDimensionData
    insert("subfilter", *({"band": band, "id": i} for band in "gr" for i in range(2)))
    insert("visit_system", {**kit.CAM, "id": 0, "name": "one-to-one"}, {**kit.CAM, "id": 1, "name": "by'group"})
    insert("visit_system_membership", *({**kit.CAM, "visit": 2000 + v, "visit_system": v % 2} for v in kit.VISITS))
    late = [kit.visit(n % 16, id=5000 + n, name=f"odd {n}", region=odd_region(rng)) for n in range(40)]
    insert("visit", *late)
    insert("visit_detector_region", *(
        {**kit.CAM, "visit": v["id"], "detector": d, "region": odd_region(rng)} for v in late for d in kit.DETECTORS
    ))
    insert("patch", *({"skymap": "rings", "tract": 1, "id": 100 + n, "cell_x": n, "cell_y": 0, "region": odd_region(rng)}
                      for n in range(40)))


def tables(repository):
    "All rows of all tables of a registry, but what is the registry's own."
    with repository.connect() as connection:
        names = connection.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = %s::regnamespace AND relkind = 'r' ORDER BY 1",
            [repository.schema]).fetchall()
        return {
            name: connection.execute(f'SELECT t::text FROM "{name}" t ORDER BY 1').fetchall()
            for name, in names if name != "butler_attributes"
        }


def batch_of(source, target, schema, element, where="true", form="text"):
    "A temporary table, batch, with some of the records of another registry, in no order."
    target.execute("DROP TABLE IF EXISTS batch")
    target.execute(f'CREATE TEMP TABLE batch (LIKE {schema}."{element}")')
    query = f'COPY (SELECT * FROM {schema}."{element}" WHERE {where} ORDER BY random()) TO STDOUT'
    with source.cursor() as reading, target.cursor() as writing:
        with reading.copy(query) as rows, writing.copy("COPY batch FROM STDIN") as batch:
            for piece in rows:
                batch.write(piece)
    columns = {name for name, in target.execute("SELECT attname FROM pg_attribute WHERE attrelid = 'batch'::regclass")}
    if FORMS[form] and "region" in columns:
        target.execute(f"ALTER TABLE batch ALTER region TYPE {form} USING {FORMS[form].format('region')}")
    if form == "bytea" and "hash" in columns:
        target.execute("ALTER TABLE batch ALTER hash TYPE bytea USING decode(hash, 'base64')")


def ingest(connection, schema, element, on_conflict="error"):
    return connection.execute(
        "SELECT catreg.ingest_dimensions('batch', %s, %s, %s::regnamespace)", [element, on_conflict, schema]
    ).fetchone()[0]


class Twins:
    def __init__(self, theirs, mine):
        self.theirs, self.mine = theirs, mine
        self.schema = mine.schema

    def copy(self, element, on_conflict="error", where="true", form="text"):
        with self.theirs.connect() as source, self.mine.connect() as target:
            batch_of(source, target, self.schema, element, where, form)
            expected, = target.execute("SELECT count(*) FROM batch").fetchone()
            written = ingest(target, self.schema, element, on_conflict)
            return expected, written

    def compare(self):
        theirs, mine = tables(self.theirs), tables(self.mine)
        assert theirs.keys() == mine.keys()
        for name in theirs:
            assert mine[name] == theirs[name], name
        return theirs


@contextlib.contextmanager
def new_twins(server_uri, path):
    with new_database(server_uri) as theirs, new_database(server_uri) as mine:
        twins = Twins(*(kit.Repository(uri, "own", path / uri[-9:]).create() for uri in (theirs, mine)))
        for repository in (twins.theirs, twins.mine):
            repository.client().close()  # the first one makes the datastore's tables
        yield twins


@pytest.fixture(scope="module", params=FORMS)
def twins(request, server_uri, tmp_path_factory):
    with new_twins(server_uri, tmp_path_factory.mktemp("twins")) as twins:
        with twins.theirs.client() as butler:
            fill(butler, random.Random(f"twins {request.param}"))
        for element in ELEMENTS:
            expected, written = twins.copy(element, form=request.param)
            assert written == expected > 0, element
        yield twins


def test_twins(twins):
    "Every row of every table is the client's own, and its queries find the same."
    rows = twins.compare()
    for element in ("visit", "visit_detector_region", "tract", "patch"):
        assert len(rows[f"{element}_skypix_overlap"]) > len(rows[element])
    found = []
    for repository in (twins.theirs, twins.mine):
        with repository.client() as butler:
            found.append([
                sorted(map(str, butler.registry.queryDataIds(names, where=where, bind={"region": kit.polygon(53.3, -28.1, 0.2)})))
                for names, where in [
                    (["visit", "detector", "patch"], "skymap = 'rings' AND instrument = 'Cam'"),
                    (["visit", "tract"], "skymap = 'rings' AND instrument = 'Cam'"),
                ]
            ])
    assert found[0] == found[1] and all(found[0])


def test_replace_and_ignore(twins):
    "What exists is replaced, with its pixels, or stays as it is; what is new is written either way."
    rng = random.Random(5)
    rows = [{**kit.CAM, "visit": 5000 + n, "detector": d, "region": rng.choice([None, odd_region(rng)])}
            for n in range(12) for d in kit.DETECTORS]
    visits = [kit.visit(n, id=5000 + n, name=f"other {n}", region=odd_region(rng)) for n in (1, 3, 5)]
    new = [kit.visit(n, id=6000 + n, name=f"new {n}", region=odd_region(rng)) for n in range(5)]
    with twins.theirs.client() as butler:
        insert = butler.registry.insertDimensionData
        insert("visit_detector_region", *rows, replace=True)
        insert("visit", *visits, *new[:2], replace=True)
    assert twins.copy("visit_detector_region", "replace", "visit BETWEEN 5000 AND 5011") == (72, 72)
    assert twins.copy("visit", "replace", "id IN (5001, 5003, 5005) OR id > 6000 - 1") == (5, 5)
    twins.compare()
    with twins.theirs.client() as butler:
        butler.registry.insertDimensionData("visit", *new, skip_existing=True)
        butler.registry.insertDimensionData("visit_definition", *(
            {**kit.CAM, "exposure": 1000 + n, "visit": 6000 + n} for n in range(5)), skip_existing=True)
    assert twins.copy("visit", "ignore") == (53, 3)
    assert twins.copy("visit_definition", "ignore") == (13, 5)
    assert twins.copy("visit_definition", "replace") == (13, 0)
    assert twins.copy("visit_detector_region", "ignore") == (288, 0)
    assert twins.copy("instrument", "ignore") == (2, 0)
    twins.compare()


def test_error_writes_nothing(twins):
    before = tables(twins.mine)
    with twins.theirs.connect() as source, twins.mine.connect() as target:
        batch_of(source, target, twins.schema, "visit", "id < 5003")
        target.execute("UPDATE batch SET id = id + 70000, name = NULL WHERE id <> 2002")
        with pytest.raises(psycopg.errors.UniqueViolation, match=r"visit \{instrument: Cam, visit: 2002\} exists already"):
            ingest(target, twins.schema, "visit")
        target.execute("UPDATE batch SET day_obs = 7, id = 77777 WHERE id = 2002")
        missing = r'visit \{instrument: Cam, visit: 77777\} refers to a record of "day_obs"'
        with pytest.raises(psycopg.errors.ForeignKeyViolation, match=missing):
            ingest(target, twins.schema, "visit", "ignore")
    assert tables(twins.mine) == before


def test_concurrent(server_uri, tmp_path):
    "Several who bring the same records, and each some of his own, all succeed."
    with new_twins(server_uri, tmp_path) as twins:
        with twins.theirs.client() as butler:
            fill(butler, random.Random("concurrent"))
        for element in ELEMENTS[:9]:
            twins.copy(element)
        problems = []

        def bring(n):
            try:
                for element in ("visit", "visit_detector_region"):
                    id = "id" if element == "visit" else "visit"
                    twins.copy(element, "ignore", f"{id} % 4 <> {n}")
            except Exception as problem:
                problems.append(problem)

        threads = [threading.Thread(target=bring, args=[n]) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        # a region may have come before another's visit was there to be seen
        assert all(isinstance(problem, psycopg.errors.ForeignKeyViolation) for problem in problems), problems
        for element in ("visit_definition", "visit_system_membership", "visit_detector_region", "tract", "patch"):
            twins.copy(element, "ignore")
        twins.compare()


def test_late_visits(server_uri, tmp_path):
    "Visits that are brought in after the raws give ObsCore its regions, as the client's own do."
    with new_twins(server_uri, tmp_path) as twins:
        for repository in (twins.theirs, twins.mine):
            with repository.client() as butler, repository.connect() as connection:
                kit.fill_dimensions(butler) if repository is twins.theirs else None
                if repository is twins.mine:
                    for element in ELEMENTS:
                        if not element.startswith("visit") and element != "subfilter":
                            twins.copy(element)
                kit.register_type(butler, "raw", kit.DATASET_TYPES["raw"])
                butler.collections.register("Cam/raw/all")
                connection.execute("SELECT catreg.create_obscore(%s::json, 'own')", [json.dumps(kit.configuration("RUN"))])
                butler.registry.insertDatasets("raw", kit.raw_ids(kit.VISITS, [0, 1, 3]), run="Cam/raw/all")
        with twins.mine.connect() as connection:
            shown = "SELECT count(*), count(s_region) FROM own.obscore"
            n, with_region = connection.execute(shown).fetchone()
            assert n == 24 and with_region == 0
            for element in ("visit", "visit_definition", "visit_detector_region"):
                twins.copy(element)
            n, with_region = connection.execute(shown).fetchone()
            assert n == 24 and with_region > 16  # not of circles and boxes
            assert connection.execute("SELECT * FROM catreg.check_obscore('own.obscore')").fetchall() == []
        with twins.theirs.connect() as connection, twins.mine.connect() as mine:
            query = "SELECT obs_id, obs_title, s_ra, s_dec, s_fov, s_region, t_min FROM own.obscore ORDER BY 2"
            assert mine.execute(query).fetchall() == connection.execute(query).fetchall()
