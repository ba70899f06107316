"""ObsCore tables of Tiled catalogs: Bluesky runs by the real client, against rows made in Python.

The oracle reads the catalog's tables and nothing of catreg's.
"""

import decimal
import json
import math
import os
import random
import threading
import urllib.parse

import psycopg
import pytest
from tiled.client import from_uri
from tiled.structures.core import Spec

import mirrorkit
import nodes
import tiledkit

CONFIG = {
    "source": "tiled",
    "nodes": {"specs": ["BlueskyRun"], "structure_families": ["container"], "subtree": "raw"},
    "columns": {
        "dataproduct_type": "spectrum",
        "calib_level": 1,
        "facility_name": "NSLS-II",
        "obs_collection": {"metadata": "start.beamline_id", "optional": True},
        "target_name": {"metadata": ["start", "sample", "name"], "optional": True},
        "obs_id": {"metadata": "start.uid"},
        "obs_publisher_did": {"template": "ivo://example.org/runs?{metadata[start][uid]}"},
        "access_url": {"template": "https://tiled.example.org/api/v1/metadata/{url_path}"},
        "access_format": {"node": "mimetype", "optional": True},
        "access_estsize": {"node": "size", "optional": True},
        "t_min": {"metadata": "start.time", "unit": "unix"},
        "t_max": {"metadata": "stop.time", "unit": "unix", "optional": True},
        "s_xel1": {"metadata": "start.detector.width", "optional": True},
        "em_min": {"metadata": "start.energy", "unit": "keV", "optional": True},
    },
    "extra_columns": {
        "scan_id": {"metadata": "start.scan_id", "type": "int"},
        "path": {"node": "path"},
        "data_uri": {"node": "data_uri", "optional": True},
        "dark": {"metadata": "start.dark", "type": "bool", "optional": True},
        "label": {"template": "{metadata.start.plan_name}/{key}", "optional": True},
    },
}
COLUMNS = [*CONFIG["columns"], *CONFIG["extra_columns"]]
CATALOG = {
    "nodes": "SELECT id, parent, key, structure_family::text, metadata::text, specs::text FROM nodes",
    "sources": "SELECT id, node_id, mimetype FROM data_sources ORDER BY id",
    "associated": """SELECT x.data_source_id, a.id, a.data_uri, a.size FROM data_source_asset_association x
        JOIN assets a ON a.id = x.asset_id ORDER BY 1, x.num NULLS FIRST, 2""",
}


def exact(document):
    "JSON with its numbers as they are written."
    return json.loads(document, parse_int=decimal.Decimal, parse_float=decimal.Decimal)


def text(value):
    if isinstance(value, (str, bool)):
        return value if isinstance(value, str) else str(value).lower()
    return f"{value:f}" if isinstance(value, decimal.Decimal) else None


def number(value, scale=lambda x: x):
    if not isinstance(value, decimal.Decimal):
        return None
    try:
        found = scale(float(value))
    except ZeroDivisionError:
        return None
    return found if math.isfinite(found) else None


def integer(value, bits=64):
    whole = isinstance(value, decimal.Decimal) and value == int(value)
    return int(value) if whole and -2 ** (bits - 1) <= value < 2 ** (bits - 1) else None


def unix(value):
    return number(value, lambda seconds: 40587 + seconds / 86400)


def wavelength(value):
    return number(value, lambda energy: 6.62607015e-34 * 299792458 / 1.602176634e-19 / (energy * 1000))


def row(keys, metadata, files):
    def at(*path):
        found = metadata
        for key in path:
            found = found.get(key) if isinstance(found, dict) else None
        return found

    uid, plan = text(at("start", "uid")), text(at("start", "plan_name"))
    sizes = {asset: size for _, asset, _, size in files["assets"] if size is not None}
    return (
        "spectrum", 1, "NSLS-II", text(at("start", "beamline_id")), text(at("start", "sample", "name")), uid,
        uid if uid is None else f"ivo://example.org/runs?{uid}",
        "https://tiled.example.org/api/v1/metadata/" + "/".join(urllib.parse.quote(k, safe="") for k in keys),
        files["mimetype"], math.ceil(sum(sizes.values()) / 1000) if sizes else None,
        unix(at("start", "time")), unix(at("stop", "time")), integer(at("start", "detector", "width"), 32),
        wavelength(at("start", "energy")), integer(at("start", "scan_id")), "/".join(keys), files["data_uri"],
        at("start", "dark") if isinstance(at("start", "dark"), bool) else None,
        plan if plan is None else f"{plan}/{keys[-1]}",
    )


def expected(uri):
    "The rows, by the node's id, from the catalog of that URI."
    with psycopg.connect(uri, autocommit=True) as connection:
        catalog = {name: connection.execute(query).fetchall() for name, query in CATALOG.items()}
    known = {n[0]: n for n in catalog["nodes"]}
    rows = {}
    for node, parent, key, family, metadata, specs in catalog["nodes"]:
        keys = [key]
        while parent:
            keys.insert(0, known[parent][2])
            parent = known[parent][1]
        specs = json.loads(specs)
        names = [s.get("name") for s in specs if isinstance(s, dict)] if isinstance(specs, list) else []
        if "BlueskyRun" not in names or family != "container" or keys[0] != "raw" or len(keys) < 2:
            continue
        sources = [s for s in catalog["sources"] if s[1] == node]
        assets = [a for s in sources for a in catalog["associated"] if a[0] == s[0]]
        first = [a for a in assets if a[0] == sources[0][0]]
        files = {"mimetype": sources[0][2] if sources else None, "data_uri": first[0][2] if first else None, "assets": assets}
        rows[node] = row(keys, exact(metadata), files)
    return rows


def found(uri):
    rows = tiledkit.rows(uri, f"SELECT catreg.obscore_node_id(registry_dataset_id), {', '.join(COLUMNS)} FROM obscore")
    return {node: tuple(values) for node, *values in rows}


def create(uri):
    with psycopg.connect(uri, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS catreg")
        connection.execute("SELECT catreg.create_obscore(%s)", [json.dumps(CONFIG)])


def wrong_rows(uri):
    "What check_obscore says of rows; what cannot be derived is another matter."
    return [p for _, p in tiledkit.rows(uri, "SELECT * FROM catreg.check_obscore('obscore')") if "cannot be derived" not in p]


def underivable(uri):
    return sorted(p for _, p in tiledkit.rows(uri, "SELECT * FROM catreg.check_obscore('obscore')") if "cannot be derived" in p)


def compare(uri, source=None):
    rows = found(uri)
    assert rows == expected(source or uri)
    assert wrong_rows(uri) == []
    return rows


def run_metadata(number, **more):
    return {"start": {
        "uid": f"0000-{number}", "time": 1.7e9 + number / 7, "scan_id": number, "plan_name": "scan", "beamline_id": "13-ID",
        "sample": {"name": "NaCl é"}, "energy": 7.1 + number, "detector": {"width": 1024}, "dark": number % 2 == 0, **more,
    }}


def client_writes(client):
    "What a beamline does: yields after each step."
    raw = client.create_container("raw", metadata={"kind": "runs"})
    yield 0
    for i in range(3):
        raw.create_container(f"run {i}", metadata=run_metadata(i), specs=[Spec("BlueskyRun", "3.0")])
    yield 3
    raw["run 0"].write_array([[1, 2], [3, 4]], key="image", metadata=run_metadata(99), specs=[Spec("BlueskyRun")])
    yield 3
    raw["run 1"].update_metadata({"stop": {"time": 1.7e9 + 60, "exit_status": "success"}})
    yield 3
    raw.create_container("deeper")
    raw["deeper"].create_container("é % /".replace("/", "-"), metadata=run_metadata(4), specs=[Spec("BlueskyRun"), Spec("XDI")])
    yield 4
    raw["run 2"].replace_metadata({"start": {"uid": "only"}})
    yield 4
    raw["run 2"].update_metadata(specs=[Spec("Other")])
    yield 3
    client.create_container("not raw", metadata=run_metadata(5), specs=[Spec("BlueskyRun")])
    yield 3
    raw["run 0"].delete_contents(["image"], external_only=False)
    raw.delete_contents(["run 0"], external_only=False)
    yield 2


@pytest.mark.parametrize("attached", [True, False])
def test_client(catalog, tmp_path, attached):
    uri = catalog()
    if attached:
        tiledkit.attach(uri)
    create(uri)
    with tiledkit.serve(uri, str(tmp_path)) as server:
        client = from_uri(server.url, api_key=server.api_key)
        for rows in client_writes(client):
            assert len(compare(uri)) == rows
        assert server.errors() == []
    assert underivable(uri) == []


@pytest.mark.parametrize("old", [False, True])
def test_existing_catalog(catalog, old):
    "A catalog with runs in it, of either version, gets its table at once."
    uri = catalog(tiledkit_old()) if old else catalog()
    tiledkit.attach(uri)
    register(uri, 40)
    create(uri)
    assert len(compare(uri)) == 40
    register(uri, 20, "more")
    assert len(compare(uri)) == 60


def tiledkit_old():
    if "CATREG_TILED_OLD" not in os.environ:
        pytest.skip("no tiled 0.2.16")
    return os.environ["CATREG_TILED_OLD"]


def register(uri, runs, prefix="run"):
    "Runs with files of their own, in bulk."
    spec = [{"name": "BlueskyRun", "version": "3.0"}]
    batch = [] if prefix != "run" else [nodes.node("", "raw")]
    for i in range(runs):
        batch.append(nodes.node("raw", f"{prefix}_{i}", metadata=run_metadata(i), specs=spec, data_sources=[
            nodes.source(nodes.array([3, 4]), [
                nodes.asset(f"{prefix}/{i}_{n}.h5", "data_uris", n, size=None if i % 5 == 0 else 1000 * i + n) for n in (1, 0)
            ]),
        ]))
    with psycopg.connect(uri, autocommit=True) as connection:
        tiledkit.register_nodes(connection, batch)


def test_mirror(catalog, server_uri, tmp_path):
    "The table of a mirror follows its refreshes; the catalog itself has none of it."
    uri = catalog()
    tiledkit.attach(uri)
    register(uri, 30)
    with mirrorkit.mirror_database(server_uri, uri, "public") as mirror:
        create(mirror)
        assert len(compare(mirror, uri)) == 30
        with tiledkit.serve(uri, str(tmp_path)) as server:
            client = from_uri(server.url, api_key=server.api_key)
            client["raw"]["run_3"].update_metadata({"stop": {"time": 1.7e9}})
            client["raw"].create_container("by client", metadata=run_metadata(77), specs=[Spec("BlueskyRun")])
            client["raw"].delete_contents(["run_4"], external_only=False)
            assert server.errors() == []
        with psycopg.connect(uri, autocommit=True) as connection:
            connection.execute("UPDATE assets SET size = 5, data_uri = data_uri || '.new' WHERE data_uri LIKE '%%/5_%%'")
            connection.execute("UPDATE nodes SET key = 'renamed' WHERE key = 'run_6'")
        register(uri, 10, "late")
        assert found(mirror) != expected(uri)
        mirrorkit.refresh(mirror, "public")
        assert len(compare(mirror, uri)) == 40
        assert mirrorkit.problems(mirror, "public") == []
        with psycopg.connect(uri, autocommit=True) as connection:
            connection.execute("UPDATE nodes SET key = 'cooked' WHERE key = 'raw'")
        mirrorkit.refresh(mirror, "public")
        assert compare(mirror, uri) == {}


VALUES = ["x", "", 3, -7.25, 1e30, 2**31, 10**400, True, None, [], {}, {"name": "n"}, [1], 0, "é" * 40]


def random_statement(chance, moves=True):
    "An edit of the catalog: SQL and parameters."
    node = "(SELECT id FROM nodes WHERE id > 0 ORDER BY md5(id::text || %s) LIMIT 1)"
    salt = str(chance.random())
    metadata = run_metadata(chance.randrange(1000))
    for _ in range(chance.randrange(3)):
        metadata["start"][chance.choice(["uid", "time", "scan_id", "plan_name", "sample", "energy", "detector", "dark"])] = chance.choice(VALUES)
    specs = chance.choice(['[{"name": "BlueskyRun"}]'] * 4 + ["[]", "null", '[{"name": "XDI"}]', '["BlueskyRun"]', '[{"name": "a"}, {"name": "BlueskyRun"}]'])
    uri = f"file:///{chance.randrange(30)}"
    statements = [
        (f"INSERT INTO nodes (parent, key, structure_family, metadata, specs) VALUES ({node}, %s, 'container', %s, %s)",
         [salt, f"k {chance.random()}", json.dumps(metadata), specs]),
        (f"UPDATE nodes SET metadata = %s WHERE id = {node}", [json.dumps(metadata), salt]),
        (f"UPDATE nodes SET specs = %s, structure_family = %s WHERE id = {node}", [specs, chance.choice(["container"] * 5 + ["array"]), salt]),
        (f"UPDATE nodes SET key = key || 'x' WHERE id = {node} AND key <> 'raw'", [salt]),
        (f"""WITH s AS (INSERT INTO data_sources (node_id, mimetype, parameters, properties, management, structure_family)
                 VALUES ({node}, %s, '{{}}', '{{}}', 'external', 'array') RETURNING id)
             INSERT INTO data_source_asset_association (data_source_id, asset_id, parameter, num)
             SELECT s.id, a.id, 'data_uris', a.id FROM s, assets a WHERE a.data_uri <= %s ORDER BY a.data_uri DESC LIMIT 3""",
         [salt, chance.choice(["a/b", "c/d"]), uri]),
        ("INSERT INTO assets (data_uri, is_directory, size) VALUES (%s, false, %s) ON CONFLICT (data_uri) DO UPDATE SET size = excluded.size",
         [uri, chance.choice([None, 0, 999, 10**12])]),
        ("DELETE FROM assets WHERE data_uri = %s", [uri]),
        ("DELETE FROM data_sources WHERE id = (SELECT id FROM data_sources ORDER BY md5(id::text || %s) LIMIT 1)", [salt]),
        ("UPDATE data_source_asset_association SET num = num + 1000 WHERE data_source_id = (SELECT id FROM data_sources ORDER BY md5(id::text || %s) LIMIT 1)", [salt]),
        (f"DELETE FROM nodes WHERE id = {node} AND key <> 'raw' AND NOT EXISTS (SELECT FROM nodes c WHERE c.parent = nodes.id)", [salt]),
        (f"""WITH RECURSIVE n (id) AS (SELECT {node}), below (id) AS (TABLE n UNION SELECT c.id FROM below b JOIN nodes c ON c.parent = b.id)
                UPDATE nodes SET parent = (SELECT p.id FROM nodes p WHERE p.id NOT IN (TABLE below) ORDER BY md5(p.id::text || %s) LIMIT 1)
                WHERE id = (TABLE n) AND key <> 'raw'""", [salt, salt]),
    ]
    return chance.choices(statements, [6, 3, 3, 3, 4, 3, 1, 1, 1, 1, 3 * moves])[0]


@pytest.mark.parametrize("seed", range(3))
def test_random(catalog, seed):
    "Random edits; no statement fails, and after each step the rows are the oracle's."
    uri = catalog()
    chance = random.Random(seed)
    if seed % 2:
        tiledkit.attach(uri)
    create(uri)
    register(uri, 5)
    with psycopg.connect(uri, autocommit=True) as connection:
        connection.execute("SET client_min_messages = error")
        most = 0
        for step in range(400):
            connection.execute(*random_statement(chance))
            if step % 8 == 0:
                most = max(most, len(compare(uri)))
    assert most > 8


def write_at_once(uri, seed, isolation, moves, failures):
    chance = random.Random(seed)
    with psycopg.connect(uri) as connection:
        connection.isolation_level = isolation
        connection.execute("SET client_min_messages = error")
        connection.commit()
        for _ in range(80):
            try:
                for _ in range(chance.randrange(1, 4)):
                    connection.execute(*random_statement(chance, moves))
                connection.commit()
            except (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure, psycopg.errors.IntegrityError):
                connection.rollback()
            except Exception as error:
                failures.append(error)
                return


@pytest.mark.parametrize("attached", [True, False])
@pytest.mark.parametrize("isolation", [psycopg.IsolationLevel.READ_COMMITTED, psycopg.IsolationLevel.REPEATABLE_READ])
def test_writers_at_once(catalog, isolation, attached):
    """Clients that rename, describe and give files to the same nodes: what is committed has the right rows.

    Moves only where the closure is there to refuse circles, which two of them make at once.
    """
    uri = catalog()
    if attached:
        tiledkit.attach(uri)
    create(uri)
    register(uri, 5)
    for round in range(3):
        failures = []
        threads = [threading.Thread(target=write_at_once, args=(uri, 100 * round + n, isolation, attached, failures)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        compare(uri)
