"""A mirror of a Tiled catalog: the first copy against pg_dump | psql, refreshes against the first copy.

The catalog is on a server of its own, where nothing else happens, if there is a
second one; else what the mirror writes is something that happens there. Bytes are
counted by a proxy, in runs of their own, since it takes time.
"""

import contextlib
import os
import socket
import subprocess
import threading
import urllib.parse

import harness
import workload
from harness import CATALOG

PRIMARY = os.environ.get("CATREG_BENCH_PRIMARY", "")

SOURCE = "catreg_bench_source"
TARGET = "catreg_bench_target"

DUMP = "pg_dump \\| psql, all tables"
FIRST = "create_mirror"
ATTACHED = "create_mirror, create_closure"
NOTHING = "refresh_mirror, nothing has changed"
ELSEWHERE = "the same, a transaction has written elsewhere on that server"
SOME = "refresh_mirror, 0.1 % of the nodes have"
COMPARED = "the same, by comparison (the remote has been restarted)"
CHECK = "check_mirror"

# of a thousand nodes one, and what hangs on those that are gone
EDITS = """
    UPDATE nodes SET metadata = metadata || '{"edited": true}' WHERE id % 1000 = 7;
    DELETE FROM nodes WHERE id % 12000 = 9;
    INSERT INTO nodes (parent, key, structure_family, metadata, specs)
    SELECT 0, 'new' || i, 'container', '{}', '[]' FROM generate_series(1, (SELECT count(*) FROM nodes) / 12000) i
"""


class Proxy:
    "Forwards connections to the server, and counts what the server sends and receives."

    def __init__(self):
        self.bytes = 0
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            client, _ = self.socket.accept()
            server = connect()
            for pair in ((client, server), (server, client)):
                threading.Thread(target=self.forward, args=pair, daemon=True).start()

    def forward(self, source, target):
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                self.bytes += len(data)
                target.sendall(data)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


def address():
    "Host, or folder of a socket, and port of the catalog's server."
    if PRIMARY:
        options = dict(option.split("=") for option in PRIMARY.split())
        return options["host"], int(options["port"])
    uri = urllib.parse.urlsplit(harness.URI)
    return uri.hostname, uri.port


def connect():
    host, port = address()
    if not host.startswith("/"):
        return socket.create_connection((host, port))
    server = socket.socket(socket.AF_UNIX)
    server.connect(f"{host}/.s.PGSQL.{port}")
    return server


def source(database):
    return f"{PRIMARY} dbname={database}"


def on_source(*statements):
    with harness.Session(source("postgres")) as session:
        for statement in statements:
            session.run(statement)


def drop_source():
    on_source(f"DROP DATABASE IF EXISTS {SOURCE} WITH (FORCE)")


def pipe(origin, target):
    command = f'"{harness.BINDIR}/pg_dump" -d "{origin}" | "{harness.BINDIR}/psql" -X -q -v ON_ERROR_STOP=1 -d "{target}"'
    subprocess.run(["bash", "-o", "pipefail", "-c", command], check=True, stdout=subprocess.DEVNULL)


def make_source(work):
    drop_source()
    on_source(f"CREATE DATABASE {SOURCE} TEMPLATE template0")
    pipe(CATALOG, source(SOURCE))
    with harness.Session(source(SOURCE)) as session:
        # the finished rows, without Tiled's trigger
        session.run("SET session_replication_role = replica")
        for statement in work.copy():
            session.run(statement)
        session.run("RESET session_replication_role")
        session.run("SELECT setval(pg_get_serial_sequence(c.name, 'id'), 1000000) FROM (VALUES ('nodes'), ('assets'), ('data_sources')) c (name)")
        session.run("VACUUM ANALYZE")
        session.run("CHECKPOINT")


def make_target(session, host, port):
    session.run("CREATE EXTENSION IF NOT EXISTS catreg")
    session.run(
        f"CREATE SERVER source FOREIGN DATA WRAPPER catreg OPTIONS (host '{host}', port '{port}', dbname '{SOURCE}', sslmode 'disable')"
    )
    uri = urllib.parse.urlsplit(harness.URI)
    password = f", password '{uri.password}'" if uri.password and not PRIMARY else ""
    session.run(f"CREATE USER MAPPING FOR CURRENT_USER SERVER source OPTIONS (user '{uri.username or 'postgres'}'{password})")


def dump():
    "Returns what it costs, in wall time only: the work is done by four processes."
    harness.create(TARGET, "template0")
    with harness.Session(TARGET) as session, harness.Cost(session) as cost:
        pipe(source(SOURCE), TARGET)
    harness.drop(TARGET)
    return cost


def timed(session, statement):
    with harness.Cost(session) as cost:
        session.run(statement)
    return cost


def check(session):
    problems = session.run("SELECT * FROM catreg.check_mirror('mirror')")
    if problems:
        raise RuntimeError("\n".join(problems))


def mirror(work, attach, host, port, counted):
    "Returns the costs of each step; counted() is called before and after each."
    costs = {}
    make_source(work)
    harness.create(TARGET, "template0")
    with harness.Session(TARGET) as session, harness.Session(source(SOURCE)) as there:
        make_target(session, host, port)

        def step(name, statement):
            before = counted()
            costs[name] = timed(session, statement)
            costs[name].bytes = counted() - before

        if attach:
            step(ATTACHED, "SELECT catreg.create_mirror('source', 'public', 'mirror'); SELECT catreg.create_closure('mirror.nodes', 'mirror.nodes_closure')")
        else:
            step(FIRST, "SELECT catreg.create_mirror('source', 'public', 'mirror')")
        step(NOTHING, "SELECT * FROM catreg.refresh_mirror('mirror')")
        there.run("SELECT txid_current()")
        step(ELSEWHERE, "SELECT * FROM catreg.refresh_mirror('mirror')")
        there.run(EDITS)
        step(SOME, "SELECT * FROM catreg.refresh_mirror('mirror')")
        check(session)
        if attach:
            expect_closure(session)
        there.run(EDITS.replace("new", "newer").replace("= 9", "= 10"))
        session.run("UPDATE catreg.mirror SET remote_state = NULL")
        step(COMPARED, "SELECT * FROM catreg.refresh_mirror('mirror')")
        step(CHECK, "SELECT * FROM catreg.check_mirror('mirror')")
        check(session)
    harness.drop(TARGET)
    drop_source()
    return costs


def expect_closure(session):
    wrong = session.run("SELECT count(*) FROM catreg.check_closure('mirror.nodes')")
    if wrong != ["0"]:
        raise RuntimeError(f"the closure of the mirror is wrong: {wrong}")


def run(options):
    work = workload.Workload(os.path.join(harness.FOLDER, "mirror"), options.nodes)
    results = {}
    for _ in range(options.runs):
        make_source(work)
        results.setdefault(DUMP, []).append(dump())
        for attach in (False, True):
            for name, cost in mirror(work, attach, *address(), lambda: 0).items():
                results.setdefault(name if not attach or name == ATTACHED else f"{name}; closure", []).append(cost)
    harness.heading(f"A mirror of {options.nodes:,} nodes")
    harness.cost_table(results)
    first = harness.median(results[FIRST], "wall")
    harness.say()
    harness.table(
        ["ratio of medians", "wall"],
        [
            (f"{way} / {DUMP}", harness.ratio(harness.median(results[way], "wall"), harness.median(results[DUMP], "wall")))
            for way in (FIRST, ATTACHED)
        ]
        + [(f"{way} / {FIRST}", harness.ratio(harness.median(results[way], "wall"), first)) for way in (NOTHING, ELSEWHERE, SOME, COMPARED, CHECK)],
    )
    proxy = Proxy()
    counted = mirror(work, False, "127.0.0.1", proxy.port, lambda: proxy.bytes)
    harness.say()
    harness.table(
        ["way", "bytes on the wire", f"of those of {FIRST}"],
        [(way, cost.bytes, f"{cost.bytes / counted[FIRST].bytes:.5f}") for way, cost in counted.items()],
    )
