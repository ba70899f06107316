"""delete_nodes against the recursive delete of Tiled's own catalog adapter."""

import os
import subprocess

import closure
import harness
import workload
from harness import CATALOG

GROUPS = 10
TEMPLATE = "catreg_bench_registered"
PATH = f"group_{GROUPS // 2}"

TILED = "Tiled: CatalogNodeAdapter.delete(recursive=True)"
CATREG = "catreg.delete_nodes"


def run(options):
    work = workload.Workload(os.path.join(harness.FOLDER, "deletion"), options.nodes, groups=GROUPS)
    harness.create(TEMPLATE, CATALOG)
    try:
        fill(work)
        compare(options, work)
    finally:
        harness.drop(TEMPLATE)


def fill(work):
    with harness.Session(TEMPLATE) as session:
        session.run(closure.NO_TRIGGER)
        for statement in work.copy():
            session.run(statement)
        session.run(closure.NO_TRIGGER.replace("DISABLE", "ENABLE"))
        session.run("VACUUM ANALYZE")


class TiledCost:
    "As harness.Cost, of all backends that serve Tiled."

    def __init__(self, database):
        self.database = database

    def backends(self, session):
        return session.run(
            f"SELECT pid FROM pg_stat_activity WHERE datname = '{self.database}' AND backend_type = 'client backend'"
        )

    def measure(self, process):
        "Lets tiled_delete.py, which waits, delete."
        with harness.Session("postgres") as session:
            before = {pid: harness.cpu_seconds(pid) for pid in self.backends(session)}
            process.stdin.write("go\n")
            process.stdin.flush()
            self.wall = float(process.stdout.readline())
            self.cpu = sum(harness.cpu_seconds(pid) - before.get(pid, 0) for pid in self.backends(session))


def delete_by_tiled(database):
    process = subprocess.Popen(
        [os.path.join(os.path.dirname(harness.TILED), "python"),
         os.path.join(os.path.dirname(__file__), "tiled_delete.py"), f"{harness.URI}/{database}", PATH],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )
    with process:
        if process.stdout.readline() != "ready\n":
            raise RuntimeError("tiled_delete.py does not start")
        cost = TiledCost(database)
        cost.measure(process)
        process.stdin.close()
    return cost


def delete_by_catreg(database):
    with harness.Session(database) as session, harness.Cost(session) as cost:
        session.run(f"SELECT nodes, assets FROM catreg.delete_nodes('{{{PATH}}}')")
    return cost


def compare(options, work):
    gone = []

    def measure(way):
        preparation = ["CREATE EXTENSION catreg", "SELECT catreg.attach_tiled()"] if way == CATREG else []
        with harness.copy(TEMPLATE, *preparation) as database:
            cost = delete_by_catreg(database) if way == CATREG else delete_by_tiled(database)
            with harness.Session(database) as session:
                (nodes,) = session.run("SELECT count(*) FROM nodes WHERE id <> 0")
                (assets,) = session.run("SELECT count(*) FROM assets")
            gone.append((work.counts["nodes"] - int(nodes), work.counts["assets"] - int(assets)))
        return cost

    results = harness.rounds(options, [TILED, CATREG], measure)
    if len(set(gone)) != 1:
        raise RuntimeError(f"not the same was deleted: {gone}")
    harness.heading(
        f"deletion: a subtree of {gone[0][0]:,} nodes and {gone[0][1]:,} assets, out of {work.counts['nodes']:,} nodes"
    )
    harness.cost_table(results)
    harness.ratio_table([
        (
            "catreg / Tiled",
            lambda a: harness.ratio(harness.median(results[CATREG], a), harness.median(results[TILED], a)),
        )
    ])
