"""Large statements and large catalogs: memory, and times that must not grow."""

import statistics

import harness
import registration
from harness import ATTACHED, CATALOG

WORK_MEM = "SET work_mem = '64MB'"

# Not a temporary one: the measured session has nothing behind it.
BATCH = "CREATE TABLE batch (LIKE catreg.tiled_batch INCLUDING DEFAULTS)"

STRUCTURE = """
{"data_type": {"endianness": "little", "kind": "u", "itemsize": 2, "dt_units": null},
 "chunks": [[2048], [2048]], "shape": [2048, 2048], "dims": null, "resizable": false}""".replace("\n", "")

SOURCE = f"""[{{"structure_family": "array", "structure": {STRUCTURE}, "mimetype": "image/tiff", "parameters": {{}},
 "properties": {{}}, "management": "external", "assets": [{{"data_uri": "file://localhost/data/%s.tif",
 "is_directory": false, "size": 8388608, "parameter": "data_uri", "num": null}}]}}]"""

NODES = "INSERT INTO nodes (id, parent, key, structure_family, metadata, specs) SELECT"


def sources(name):
    "The data sources of an array; name is an SQL expression, a part of its file's name."
    return f"format('{SOURCE}', {name})::json"


def run(options):
    big_statements(options)
    growing_catalogs(options)


# ------------------------------------------------------------- one statement


def big_insert(n):
    "Containers with eleven arrays each."
    return f"""{NODES} g, CASE g % 12 WHEN 1 THEN 0 ELSE g - (g + 11) % 12 END, 'k' || g, 'container', '{{"a": 1}}', '[]'
        FROM generate_series(1, {n}) g"""


def big_batch(n):
    return f"""INSERT INTO batch (parent, key, structure_family, metadata, data_sources)
        SELECT CASE g % 12 WHEN 1 THEN '' ELSE 'k' || g - (g + 11) % 12 END, 'k' || g,
               CASE g % 12 WHEN 1 THEN 'container' ELSE 'array' END, jsonb_build_object('a', g % 100),
               CASE WHEN g % 12 <> 1 THEN {sources('g')} END FROM generate_series(1, {n}) g"""


def chain(n):
    return f"{NODES} g, g - 1, 'k' || g, 'container', '{{}}', '[]' FROM generate_series(1, {n}) g"


def siblings(n):
    return f"""{NODES} g, CASE g WHEN 1 THEN 0 ELSE 1 END, 'k' || g, 'container', '{{}}', '[]'
        FROM generate_series(1, {n + 1}) g"""


def one_sibling(n):
    return f"{NODES} {n + 2}, 1, 'one more', 'container', '{{}}', '[]'"


def big_statements(options):
    n = options.big
    # What is there before, what is measured, and the closure rows in the end.
    ways = {
        f"INSERT of {n:,} nodes": ([], big_insert(n), 3 * n - (n + 11) // 12),
        f"register_nodes of {n:,} nodes": ([BATCH, big_batch(n)], registration.REGISTER, 3 * n - (n + 11) // 12),
        f"INSERT of a chain, {options.chain:,} deep": (
            [], chain(options.chain), options.chain * (options.chain + 3) // 2,
        ),
        f"INSERT of a node with {n:,} children": ([], siblings(n), 2 + 3 * n),
        f"INSERT of one node beside {n:,}": ([siblings(n), "VACUUM ANALYZE"], one_sibling(n), 5 + 3 * n),
    }

    def measure(way):
        before, statement, rows = ways[way]
        with harness.copy(ATTACHED, *before) as database, harness.Session(database) as session:
            session.run(WORK_MEM)
            with harness.Cost(session, memory=True) as cost:
                session.run(statement)
            (found,) = session.run("SELECT count(*) FROM nodes_closure WHERE descendant <> 0")
            harness.expect("closure rows", found, rows)
        return cost

    harness.heading("scale: one statement, work_mem = 64MB")
    results = harness.rounds(options, ways, measure)
    harness.table(
        ["statement", "closure rows", "wall s", "backend CPU s", "private memory before, MB", "at most, MB"],
        [
            (
                way, f"{ways[way][2]:,}", harness.spread([c.wall for c in costs], 3), harness.spread([c.cpu for c in costs]),
                harness.megabytes([c.before for c in costs]), harness.megabytes([max(c.peak, c.before) for c in costs]),
            )
            for way, costs in results.items()
        ],
    )


# ---------------------------------------------------------- growing catalogs

SCAN = 10  # a container and nine arrays
REPEATS = 3


def fill(session, scans):
    "A catalog of so many scans, written without checks, with statistics."
    nodes = scans * SCAN
    arrays = f"generate_series(1, {nodes}) g WHERE g % {SCAN} <> 1"
    scan_of = f"g - (g + {SCAN - 1}) % {SCAN}"
    session.run("SET session_replication_role = replica")
    session.run(
        f"""{NODES} g, CASE g % {SCAN} WHEN 1 THEN 0 ELSE {scan_of} END,
            CASE g % {SCAN} WHEN 1 THEN 'scan_' || g / {SCAN} ELSE 'det_' || g % {SCAN} END,
            (CASE g % {SCAN} WHEN 1 THEN 'container' ELSE 'array' END)::structurefamily,
            jsonb_build_object('scan', g / {SCAN}, 'detector', 'det' || g % {SCAN}), '[]' FROM generate_series(1, {nodes}) g"""
    )
    session.run(
        f"""INSERT INTO nodes_closure (ancestor, descendant, depth)
            SELECT 0, g, CASE g % {SCAN} WHEN 1 THEN 1 ELSE 2 END FROM generate_series(1, {nodes}) g
            UNION ALL SELECT g, g, 0 FROM generate_series(1, {nodes}) g UNION ALL SELECT {scan_of}, g, 1 FROM {arrays}"""
    )
    session.run(f"INSERT INTO structures SELECT catreg.structure_id(s), s FROM (SELECT '{STRUCTURE}'::json AS s) x")
    session.run(
        f"""INSERT INTO data_sources (id, node_id, structure_id, mimetype, parameters, properties, management, structure_family)
            SELECT g, g, (SELECT id FROM structures), 'image/tiff', '{{}}', '{{}}', 'external', 'array' FROM {arrays}"""
    )
    session.run(
        f"""INSERT INTO assets (id, data_uri, is_directory, size)
            SELECT g, 'file://localhost/data/old/' || g || '.tif', false, 8388608 FROM {arrays}"""
    )
    session.run(
        f"INSERT INTO data_source_asset_association SELECT g, g, 'data_uri', NULL FROM {arrays}"
    )
    session.run("RESET session_replication_role")
    for table in ("nodes", "data_sources", "assets"):
        session.run(f"SELECT setval('{table}_id_seq', {nodes})")
    session.run("SELECT catreg.attach_tiled()")
    session.run("VACUUM ANALYZE")


def operations(scans, repeat):
    "What is done to a catalog; each repeat elsewhere in it."
    first = scans // 2 + repeat * 40

    def scan_id(scan):
        return scan * SCAN + 1

    paths = ",".join(f"scan_{first + i}" for i in range(1, 11))
    return {
        "INSERT of 100 nodes": f"""INSERT INTO nodes (parent, key, structure_family, metadata, specs)
            SELECT {scan_id(first)}, 'new_' || g, 'container', '{{"a": 1}}', '[]' FROM generate_series(1, 100) g""",
        "register_nodes of 100 nodes": registration.REGISTER,
        "delete_nodes of 100 nodes": f"SELECT count(*) FROM catreg.delete_nodes('{{{paths}}}')",
        "move of 10 nodes": f"UPDATE nodes SET parent = {scan_id(first + 11)} WHERE id = {scan_id(first + 12)}",
    }


def fill_batch(session, repeat):
    session.run("TRUNCATE batch")
    session.run(
        f"""INSERT INTO batch (parent, key, structure_family, metadata, data_sources)
            SELECT CASE g % 10 WHEN 1 THEN '' ELSE 'new_{repeat}_' || (g - 1) / 10 END,
                   CASE g % 10 WHEN 1 THEN 'new_{repeat}_' || (g - 1) / 10 ELSE 'det_' || g END,
                   CASE g % 10 WHEN 1 THEN 'container' ELSE 'array' END, '{{"a": 1}}',
                   CASE WHEN g % 10 <> 1 THEN {sources(f"'{repeat}_' || g")} END FROM generate_series(1, 100) g"""
    )


def measure_catalog(template, scans):
    "Milliseconds of each operation, the median of some repeats in one session."
    times = {}
    with harness.copy(template) as database, harness.Session(database) as session:
        session.run(registration.BATCH)
        for repeat in range(REPEATS):
            fill_batch(session, repeat)
            for name, statement in operations(scans, repeat).items():
                with harness.Cost(session) as cost:
                    session.run(statement)
                times.setdefault(name, []).append(cost.wall * 1000)
        (wrong,) = session.run("SELECT count(*) FROM catreg.check_closure('nodes')")
        harness.expect("wrong closure rows", wrong, 0)
    return {name: statistics.median(values) for name, values in times.items()}


def growing_catalogs(options):
    templates = {}
    try:
        for nodes in options.catalogs:
            template = f"catreg_bench_{nodes}"
            harness.create(template, CATALOG)
            templates[nodes] = template
            with harness.Session(template) as session:
                session.run("CREATE EXTENSION catreg")
                fill(session, nodes // SCAN)
        results = harness.rounds(
            options, options.catalogs, lambda nodes: measure_catalog(templates[nodes], nodes // SCAN)
        )
    finally:
        for template in templates.values():
            harness.drop(template)

    harness.heading(f"scale: the same change in larger catalogs, ms (the median of {REPEATS} in a session counts as a run)")
    harness.table(
        ["change", *(f"{nodes:,} nodes" for nodes in options.catalogs)],
        [
            (name, *(harness.spread([run[name] for run in results[nodes]], 1) for nodes in options.catalogs))
            for name in operations(1000, 0)
        ],
    )
