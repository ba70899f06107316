"""Regions: their index beside others, and decoding beside the client's Python.

A million footprints of the size of a CCD (0.11 degrees around the centre, 4 to
10 vertices), all over the sky but its caps and the meridian at 0, where boxes
of longitude and latitude would need more than one query.
"""

import os
import subprocess

import harness

DATABASE = "catreg_bench_sky"
RADIUS = 0.11
# Queries of each radius in one statement, whose own cost would be a third of that of 200 points.
QUERIES = {0: 1000, 0.1: 1000, 1: 200, 5: 200}
INSERTS = 20000

POLYGON = """'POLYGON ICRS ' || (SELECT string_agg(
    format('%s %s', lon + {radius} * sind(a) / cosd(lat), lat + {radius} * cosd(a)), ' ' ORDER BY a)
    FROM (SELECT 360.0 * (v + 0.8 * random()) / n AS a FROM generate_series(0, n - 1) v) x)"""

FOOTPRINTS = f"""
CREATE UNLOGGED TABLE footprints AS
    SELECT id, ({POLYGON.format(radius=RADIUS)})::catreg.region AS region
    FROM (SELECT g AS id, 1 + 358 * random() AS lon, degrees(asin(1.9 * random() - 0.95)) AS lat, 4 + (random() * 6)::int AS n
          FROM generate_series(1, %d) g) c"""

# For each way: what a row holds besides the region, the index, and the
# condition that goes before the exact test of a cone (0 is a point).
WAYS = {
    "catreg": ("", "gist (region)", None),
    "core box": (
        "box(point(ra - r / cosd(abs(dec) + r), dec - r), point(ra + r / cosd(abs(dec) + r), dec + r)) AS key",
        "gist (key)",
        "key && box(point(lon - radius / cosd(abs(lat) + radius), lat - radius), point(lon + radius / cosd(abs(lat) + radius), lat + radius))",
    ),
    "cube": (
        """cube(ARRAY[x - d, y - d, z - d], ARRAY[x + d, y + d, z + d]) AS key""",
        "gist (key)",
        """key && cube(ARRAY[qx - qd, qy - qd, qz - qd], ARRAY[qx + qd, qy + qd, qz + qd])""",
    ),
    "q3c": ("ra, dec", "btree (q3c_ang2ipix(ra, dec))", "q3c_join(lon, lat, ra, dec, radius + {largest})"),
    # its own test is exact, and not the same for points and cones: see query()
    "pgsphere": ("catreg.obscore_pgsphere_region(region, NULL::spoly) AS key", "gist (key)", None),
}
# Whose extension, where it is installed.
EXTENSIONS = {"cube": "cube", "q3c": "q3c", "pgsphere": "pg_sphere"}

SOURCE = """
(SELECT id, region, ra, dec, r, cosd(ra) * cosd(dec) AS x, sind(ra) * cosd(dec) AS y, sind(dec) AS z, 2 * sind(r / 2) + 1e-9 AS d
 FROM (SELECT id, region, catreg.s_ra(region) AS ra, catreg.s_dec(region) AS dec, catreg.s_fov(region) / 2 + 1e-9 AS r FROM footprints) c) c"""


def available(session):
    ways = ["catreg", "core box"]
    for way, name in EXTENSIONS.items():
        # pgsphere's package is there, and cannot be created, where PostgreSQL has been mended since
        session.run(f"DO $$ BEGIN CREATE EXTENSION IF NOT EXISTS {name}; EXCEPTION WHEN OTHERS THEN NULL; END $$")
        if session.run(f"SELECT count(*) FROM pg_extension WHERE extname = '{name}'") == ["1"]:
            ways.append(way)
    return ways


def table(way):
    return "t_" + way.replace(" ", "_")


def create_table(session, way):
    columns = WAYS[way][0]
    session.run(
        f"CREATE UNLOGGED TABLE {table(way)} AS SELECT id, region{', ' + columns if columns else ''} FROM {SOURCE} ORDER BY id"
    )
    session.run(f"VACUUM ANALYZE {table(way)}")


def build(session, way):
    session.run(f"DROP INDEX IF EXISTS {table(way)}_index")
    with harness.Cost(session) as cost:
        session.run(f"CREATE INDEX {table(way)}_index ON {table(way)} USING {WAYS[way][1]}")
    return cost


def insert(session, way):
    session.run("BEGIN")
    with harness.Cost(session) as cost:
        session.run(f"INSERT INTO {table(way)} SELECT * FROM {table(way)}_more")
    session.run("ROLLBACK")
    session.run(f"VACUUM {table(way)}")
    return cost


def query(session, way, radius, largest):
    "The cost of all queries of a radius; the number of rows found."
    condition = WAYS[way][2]
    exact = "t.region OPERATOR(catreg.@>) q.region" if radius == 0 else "t.region OPERATOR(catreg.&&) q.region"
    if way == "pgsphere":
        condition = f"key {'@> spoint(radians(lon), radians(lat))' if radius == 0 else '&& scircle(spoint(radians(lon), radians(lat)), radians(radius))'}"
    elif condition:
        condition = f"{condition.replace('{largest}', largest)} AND {exact}"
    else:
        condition = exact
    with harness.Cost(session) as cost:
        (found,) = session.run(
            f"SELECT sum((SELECT count(*) FROM {table(way)} t WHERE {condition}))"
            f" FROM queries q WHERE radius = {radius}"
        )
    cost.rows = int(found)
    return cost


def run(options):
    harness.create(DATABASE, "template0")
    try:
        with harness.Session(DATABASE) as session:
            session.run("CREATE EXTENSION catreg")
            session.run("SET jit = off")
            session.run("SET max_parallel_workers_per_gather = 0")
            session.run("SET max_parallel_maintenance_workers = 0")
            session.run("SELECT setseed(0.5)")
            session.run(FOOTPRINTS.replace("%d", str(options.footprints)))
            indexes(options, session)
            decoding(options, session)
    finally:
        harness.drop(DATABASE)


def indexes(options, session):
    ways = available(session)
    radii = list(QUERIES)
    session.run(
        f"""CREATE UNLOGGED TABLE queries AS SELECT lon, lat, radius, CASE radius WHEN 0 THEN catreg.sky_point(lon, lat) ELSE catreg.sky_circle(lon, lat, radius) END AS region,
                cosd(lon) * cosd(lat) AS qx, sind(lon) * cosd(lat) AS qy, sind(lat) AS qz, 2 * sind(radius / 2) AS qd
            FROM (SELECT radius, 10 + 340 * random() AS lon, degrees(asin(1.6 * random() - 0.8)) AS lat
                FROM unnest(ARRAY{radii}::float8[], ARRAY{list(QUERIES.values())}) q (radius, n), generate_series(1, n)) p"""
    )
    for way in ways:
        create_table(session, way)
        session.run(f"CREATE UNLOGGED TABLE {table(way)}_more AS SELECT * FROM {table(way)} ORDER BY random() LIMIT {INSERTS}")
    builds = harness.rounds(options, ways, lambda way: build(session, way))
    sizes = {way: int(session.run(f"SELECT pg_relation_size('{table(way)}_index')")[0]) for way in ways}
    inserts = harness.rounds(options, ways, lambda way: insert(session, way))
    # an index on the centre has to look as far as the largest footprint reaches
    (largest,) = session.run("SELECT max(catreg.s_fov(region)) / 2 + 1e-9 FROM footprints")
    session.run("SET enable_seqscan = off")
    # a radius at a time: the pages that large cones read would drive out those of the points
    queries = {}
    for radius in radii:
        queries.update(harness.rounds(options, [(way, radius) for way in ways], lambda key: query(session, *key, largest)))
    for radius in radii:
        counts = {costs[0].rows for (_, r), costs in queries.items() if r == radius}
        if len(counts) != 1:
            raise RuntimeError(f"not the same answers at {radius} degrees: {counts}")

    harness.heading(f"sky: indexes over {options.footprints:,} footprints; queries in ms, the mean of {' and '.join(str(n) for n in sorted(set(QUERIES.values())))}")
    harness.table(
        ["index", "build s", f"insert of {INSERTS:,} rows s", "size MB", "point", *(f"cone {r} deg" for r in radii[1:])],
        [
            (
                way, harness.spread([c.wall for c in builds[way]]), harness.spread([c.wall for c in inserts[way]]),
                f"{sizes[way] / (1 << 20):.0f}",
                *(harness.spread([1000 * c.wall / QUERIES[r] for c in queries[way, r]], 4) for r in radii),
            )
            for way in ways
        ],
    )

    def best(r):
        return min(harness.median(queries[way, r], "wall") for way in ways[1:])

    harness.say()
    harness.table(
        ["ratio of medians", "build", "insert", "size", "point", *(f"cone {r} deg" for r in radii[1:])],
        [
            (
                "catreg / core box", harness.ratio(harness.median(builds["catreg"], "wall"), harness.median(builds["core box"], "wall")),
                harness.ratio(harness.median(inserts["catreg"], "wall"), harness.median(inserts["core box"], "wall")),
                harness.ratio(sizes["catreg"], sizes["core box"]),
                *(harness.ratio(harness.median(queries["catreg", r], "wall"), harness.median(queries["core box", r], "wall")) for r in radii),
            ),
            (
                f"catreg / the best of {', '.join(ways[1:])}", "", "", "",
                *(harness.ratio(harness.median(queries["catreg", r], "wall"), best(r)) for r in radii),
            ),
        ],
    )


def decoding(options, session):
    "Base64 of sphgeom's bytes to ADQL, centre and field of view."
    session.run(
        "CREATE UNLOGGED TABLE encoded AS SELECT id,"
        " translate(encode(catreg.region_to_sphgeom(region), 'base64'), E'\\n', '') AS text FROM footprints"
    )
    session.run("VACUUM ANALYZE encoded")
    path = os.path.join(harness.FOLDER, "encoded")
    with open(path, "w") as file:
        file.write("\n".join(session.run("SELECT text FROM encoded ORDER BY id")) + "\n")

    def measure(way):
        if way == "catreg":
            with harness.Cost(session) as cost:
                session.run(
                    "SELECT max(catreg.adql(region)), sum(catreg.s_ra(region)), sum(catreg.s_dec(region)), sum(catreg.s_fov(region))"
                    " FROM (SELECT catreg.region_from_base64(text) AS region FROM encoded OFFSET 0) x"
                )
            return cost.wall
        result = subprocess.run(
            [os.path.join(os.path.dirname(harness.TILED), "python"), os.path.join(os.path.dirname(__file__), "sky_decode.py"), path],
            check=True, capture_output=True, text=True,
        )
        return float(result.stdout)

    results = harness.rounds(options, ["catreg", "sphgeom"], measure)
    harness.heading(f"sky: {options.footprints:,} regions of a registry to ADQL, centre and field of view")
    harness.table(
        ["way", "wall s"],
        [("catreg, in the server", harness.spread(results["catreg"])), ("the client's Python, by sphgeom", harness.spread(results["sphgeom"]))],
    )
    harness.say()
    harness.table(
        ["ratio of medians", "wall"],
        [("catreg / sphgeom", harness.ratio(*(sorted(results[way])[len(results[way]) // 2] for way in ("catreg", "sphgeom"))))],
    )
