"""What keeping Tiled's closure costs: COPY of many nodes, and single inserts."""

import os
import re
import subprocess

import harness
import workload
from harness import ATTACHED, CATALOG

NO_TRIGGER = "ALTER TABLE nodes DISABLE TRIGGER update_closure_table_when_inserting"

NONE = "COPY nodes, no closure"
TILED = "COPY nodes, Tiled's row trigger"
CATREG = "COPY nodes, catreg"
FINISHED = "COPY nodes and finished closure rows"

# The database copied, and what is done to the copy.
WAYS = {NONE: (CATALOG, [NO_TRIGGER]), TILED: (CATALOG, []), CATREG: (ATTACHED, []), FINISHED: (CATALOG, [NO_TRIGGER])}

INSERT = r"""
INSERT INTO nodes (parent, key, structure_family, metadata, specs)
VALUES (0, md5(random()::text || clock_timestamp()::text), 'container', '{"a": 1}', '[]');
"""


def run(options):
    work = workload.Workload(os.path.join(harness.FOLDER, "closure"), options.nodes)
    copy_nodes(options, work)
    single_inserts(options)


def copy_nodes(options, work):
    def measure(way):
        template, preparation = WAYS[way]
        tables = ["nodes", "nodes_closure"] if way == FINISHED else ["nodes"]
        with harness.copy(template, *preparation) as database, harness.Session(database) as session:
            with harness.Cost(session) as cost:
                for statement in ["BEGIN", *work.copy(*tables), "COMMIT"]:
                    session.run(statement)
            (rows,) = session.run("SELECT count(*) FROM nodes_closure WHERE descendant <> 0")
            harness.expect("closure rows", rows, 0 if way == NONE else work.counts["nodes_closure"])
        return cost

    harness.heading(
        f"closure: COPY of {work.counts['nodes']:,} nodes ({work.scans:,} x {workload.NODES_A_SCAN}), "
        f"{work.counts['nodes_closure']:,} closure rows"
    )
    results = harness.rounds(options, WAYS, measure)
    harness.cost_table(results)

    def of(way, attribute):
        return harness.median(results[way], attribute)

    harness.ratio_table([
        (
            "(catreg - none) / (Tiled's trigger - none)",
            lambda a: harness.ratio(of(CATREG, a) - of(NONE, a), of(TILED, a) - of(NONE, a)),
        ),
        ("catreg / nodes and finished closure rows", lambda a: harness.ratio(of(CATREG, a), of(FINISHED, a))),
    ])


def single_inserts(options):
    "By pgbench, whose backend is gone before its CPU time could be read."
    script = os.path.join(harness.FOLDER, "insert.sql")
    with open(script, "w") as file:
        file.write(INSERT.replace("\n", " ").strip() + "\n")
    names = {NONE: "no closure", TILED: "Tiled's row trigger", CATREG: "catreg"}

    def measure(way_and_mode):
        way, mode = way_and_mode
        template, preparation = WAYS[way]
        with harness.copy(template, *preparation) as database:
            output = subprocess.run(
                [os.path.join(harness.BINDIR, "pgbench"), "-n", "-c", "1", "-M", "prepared", "-t", str(options.inserts),
                 "-f", script, database],
                check=True, capture_output=True, text=True,
                env={**os.environ, "PGOPTIONS": f"-c synchronous_commit=off -c plan_cache_mode={mode}"},
            ).stdout
            with harness.Session(database) as session:
                (rows,) = session.run("SELECT count(*) FROM nodes_closure WHERE descendant <> 0")
            harness.expect("closure rows", rows, 0 if way == NONE else 2 * options.inserts)
        return float(re.search(r"latency average = ([0-9.]+) ms", output)[1])

    modes = ["auto", "force_custom_plan"]
    results = harness.rounds(options, [(way, mode) for mode in modes for way in names], measure)
    harness.heading(
        f"closure: {options.inserts:,} single-row inserts, one client of pgbench, prepared statements, synchronous_commit = off"
    )
    harness.table(
        ["plan_cache_mode", *(f"{name}, ms" for name in names.values()), "Tiled / catreg"],
        [
            (
                mode,
                *(harness.spread(results[way, mode], 3) for way in names),
                harness.ratio(*(harness.statistics.median(results[way, mode]) for way in (TILED, CATREG))),
            )
            for mode in modes
        ],
    )
