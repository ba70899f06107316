"""Real Tiled catalogs and servers, for the tests here and for the demonstration."""

import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

import psycopg

TILED = os.environ.get("CATREG_TILED", "tiled")

# A tree has one path for each node but the root: its ancestors' keys and its own.
PATHS = """
WITH RECURSIVE paths AS (
    SELECT id, key::text AS path FROM nodes WHERE parent = 0
    UNION ALL
    SELECT n.id, p.path || '/' || n.key FROM nodes n JOIN paths p ON n.parent = p.id
)
"""

# What a catalog says, table by table, without ids and times: nodes are named by
# path, assets by URI. Each goes behind PATHS.
CONTENTS = {
    "nodes": """
        SELECT coalesce(path, ''), key, structure_family::text, metadata::text, specs::text
        FROM nodes LEFT JOIN paths USING (id)""",
    "structures": "SELECT id, structure::text FROM structures",
    "data_sources": """
        SELECT path, structure_id, mimetype, parameters::text, properties::text, management::text,
            structure_family::text
        FROM data_sources s JOIN paths p ON p.id = s.node_id""",
    "assets": "SELECT data_uri, is_directory, hash_type, hash_content, size FROM assets",
    "data_source_asset_association": """
        SELECT path, data_uri, parameter, num
        FROM data_source_asset_association x JOIN data_sources s ON s.id = x.data_source_id
            JOIN paths p ON p.id = s.node_id JOIN assets a ON a.id = x.asset_id""",
    "nodes_closure": """
        SELECT coalesce(a.path, ''), coalesce(d.path, ''), depth
        FROM nodes_closure LEFT JOIN paths a ON a.id = ancestor LEFT JOIN paths d ON d.id = descendant""",
    "revisions": "SELECT path, revision_number, metadata::text, specs::text FROM revisions JOIN paths p ON p.id = node_id",
}

CONTENTS_SINCE_0_2_20 = {
    "access_tags": "SELECT name, is_public FROM access_tags",
    "node_access_tags_association": """
        SELECT coalesce(p.path, ''), name, coalesce(q.path, ''), parent_id IS NULL
        FROM node_access_tags_association x JOIN access_tags t ON t.id = x.tag_id
            LEFT JOIN paths p ON p.id = node_id LEFT JOIN paths q ON q.id = parent_id""",
}

CONTENTS_UNTIL_0_2_16 = {
    "access_blob": "SELECT path, access_blob::text FROM nodes JOIN paths USING (id)",
}

# What the closure has to be, from the tree alone. The root is its own parent's
# nobody; UNION ALL, so that a row too many shows.
ORACLE = """
WITH RECURSIVE oracle (ancestor, descendant, depth) AS (
    SELECT id, id, 0 FROM nodes
    UNION ALL
    SELECT n.parent, o.descendant, o.depth + 1
    FROM oracle o JOIN nodes n ON n.id = o.ancestor WHERE n.parent IS NOT NULL
)
SELECT 'missing' AS problem, * FROM
    (TABLE oracle EXCEPT ALL SELECT ancestor, descendant, depth FROM nodes_closure) AS missing
UNION ALL
SELECT 'wrong', * FROM
    (SELECT ancestor, descendant, depth FROM nodes_closure EXCEPT ALL TABLE oracle) AS wrong
"""


def with_database(uri, database):
    "The URI of another database of the same server."
    return uri.rstrip("/").rsplit("@", 1)[0] + "@" + uri.rstrip("/").rsplit("@", 1)[1].split("/")[0] + "/" + database


def create_catalog(server_uri, database, tiled=TILED):
    "Makes a database and has Tiled make a catalog in it; returns its URI."
    with psycopg.connect(with_database(server_uri, "postgres"), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{database}"')
    uri = with_database(server_uri, database)
    subprocess.run([tiled, "catalog", "init", uri], check=True, capture_output=True, text=True)
    return uri


def drop_catalog(server_uri, database):
    with psycopg.connect(with_database(server_uri, "postgres"), autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)')


def attach(uri):
    with psycopg.connect(uri, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS catreg")
        connection.execute("SELECT catreg.attach_tiled()")


def detach(uri):
    with psycopg.connect(uri, autocommit=True) as connection:
        connection.execute("SELECT catreg.detach_tiled()")


def rows(uri, query, *parameters):
    with psycopg.connect(uri, autocommit=True) as connection:
        return connection.execute(query, parameters or None).fetchall()


def closure_problems(uri):
    "What is wrong with a catalog's closure, by a query that shares nothing with catreg."
    return rows(uri, ORACLE)


BATCH_COLUMNS = (
    "parent", "key", "structure_family", "metadata", "specs", "access_tags", "access_blob", "data_sources",
)
JSON_COLUMNS = BATCH_COLUMNS[3:]


def register_nodes(connection, nodes, on_conflict="error"):
    """Registers nodes (dicts with a batch's columns) with catreg, in a transaction of its own.

    Returns the rows of register_nodes.
    """
    with connection.transaction():
        connection.execute(
            "CREATE TEMP TABLE batch (LIKE catreg.tiled_batch INCLUDING DEFAULTS) ON COMMIT DROP"
        )
        with connection.cursor() as cursor:
            with cursor.copy(f"COPY batch ({', '.join(BATCH_COLUMNS)}) FROM STDIN") as copy:
                for node in nodes:
                    copy.write_row([batch_value(node, column) for column in BATCH_COLUMNS])
        return connection.execute(
            "SELECT path, id, status FROM catreg.register_nodes('batch', on_conflict => %s)", [on_conflict]
        ).fetchall()


def batch_value(node, column):
    value = node.get(column)
    if value is None or column not in JSON_COLUMNS:
        return value
    return json.dumps(value, ensure_ascii=False)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    "A running `tiled serve catalog`."

    def __init__(self, process, url, api_key, log):
        self.process = process
        self.url = url
        self.api_key = api_key
        self.log = log

    def get(self, path):
        "GETs a path below /api/v1; returns the status and the document."
        request = urllib.request.Request(
            f"{self.url}/api/v1/{path}", headers={"Authorization": f"Apikey {self.api_key}"}
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            return error.code, None

    def errors(self):
        "The lines of the server's log that tell of a request that it failed to answer."
        with open(self.log) as log:
            return [line for line in log if "Traceback" in line or '" 500' in line]


@contextlib.contextmanager
def serve(uri, folder, tiled=TILED):
    """Serves a catalog on 127.0.0.1.

    The server writes to folder/written, reads also from folder/external, and
    logs to folder/server.log.
    """
    for name in ("written", "external"):
        os.makedirs(os.path.join(folder, name), exist_ok=True)
    port = free_port()
    api_key = secrets.token_hex(16)
    log = os.path.join(folder, "server.log")
    with open(log, "w") as output:
        process = subprocess.Popen(
            [
                tiled, "serve", "catalog", uri, "--host", "127.0.0.1", "--port", str(port),
                "--api-key", api_key, "--write", os.path.join(folder, "written"),
                "--read", os.path.join(folder, "external"),
            ],
            stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
        )
    server = Server(process, f"http://127.0.0.1:{port}", api_key, log)
    try:
        wait_until_up(server)
        yield server
    finally:
        stop(process)


def wait_until_up(server, seconds=120):
    deadline = time.monotonic() + seconds
    while True:
        if server.process.poll() is not None or time.monotonic() > deadline:
            with open(server.log) as log:
                raise RuntimeError(f"the Tiled server did not start:\n{log.read()[-4000:]}")
        with contextlib.suppress(OSError):
            if server.get("")[0] == 200:
                return
        time.sleep(0.2)


def stop(process):
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
