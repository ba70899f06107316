"""A closure that is kept on a subscriber: what the primary's inserts cost.

The primary is a cluster of its own without catreg, and has Tiled's tables without
Tiled's closure trigger, beside which anything else would be small.
"""

import os
import subprocess
import time

import harness
import workload
from harness import CATALOG

PRIMARY = os.environ.get("CATREG_BENCH_PRIMARY", "")

TEMPLATE = "catreg_bench_published"
SOURCE = "catreg_bench_primary"
TARGET = "catreg_bench_subscriber"

ALONE = "no subscriber"
PLAIN = "a subscriber without catreg"
CLOSURE = "a subscriber with a closure by catreg"

TABLES = [table for table in workload.COLUMNS if table not in ("batch", "nodes_closure")]

NO_TRIGGER = "DROP TRIGGER update_closure_table_when_inserting ON nodes"

# A transaction each.
INSERTS = """
    DO $$ BEGIN FOR i IN 1..{} LOOP
        INSERT INTO nodes (id, parent, key, structure_family, metadata, specs) VALUES (100000000 + i, 0, 'single' || i, 'container', '{{}}', '[]');
        COMMIT;
    END LOOP; END $$
"""


def primary(database):
    return f"{PRIMARY} dbname={database}"


def on_primary(*statements):
    with harness.Session(primary("postgres")) as session:
        for statement in statements:
            session.run(statement)


def make_template():
    on_primary(f"DROP DATABASE IF EXISTS {TEMPLATE}", f"CREATE DATABASE {TEMPLATE} TEMPLATE template0")
    pipe = f'"{harness.BINDIR}/pg_dump" -d {CATALOG} | "{harness.BINDIR}/psql" -X -q -v ON_ERROR_STOP=1 -d "{primary(TEMPLATE)}"'
    subprocess.run(["bash", "-o", "pipefail", "-c", pipe], check=True, stdout=subprocess.DEVNULL)
    with harness.Session(primary(TEMPLATE)) as session:
        session.run(NO_TRIGGER)
        session.run(f"CREATE PUBLICATION catalog FOR TABLE {', '.join(TABLES)}")


def make_subscriber(session, with_closure):
    session.run(NO_TRIGGER)
    if with_closure:
        session.run("CREATE EXTENSION catreg")
        session.run("SELECT catreg.create_closure('nodes', 'nodes_closure')")
    session.run(f"CREATE SUBSCRIPTION catreg_bench CONNECTION '{primary(SOURCE)}' PUBLICATION catalog WITH (copy_data = false)")


def sender(session):
    while not (pids := session.run("SELECT pid FROM pg_stat_replication WHERE application_name = 'catreg_bench'")):
        time.sleep(0.1)
    return int(pids[0])


def wait_for_subscriber(session):
    (end,) = session.run("SELECT pg_current_wal_insert_lsn()")
    while session.run(f"SELECT replay_lsn >= '{end}' FROM pg_stat_replication WHERE application_name = 'catreg_bench'") != ["t"]:
        time.sleep(0.1)


def insert(source, work, inserts):
    "Returns what the finished rows by COPY cost, and single rows."
    costs = []
    for statements in (work.copy(*TABLES), [INSERTS.format(inserts)]):
        with harness.Cost(source) as cost:
            for statement in statements:
                source.run(statement)
        costs.append(cost)
    return costs


def measure_with_subscriber(source, work, inserts, with_closure):
    with harness.Session(TARGET) as target:
        make_subscriber(target, with_closure)
        try:
            pid = sender(source)
            before = harness.cpu_seconds(pid)
            costs = insert(source, work, inserts)
            wait_for_subscriber(source)
            costs[0].sender = harness.cpu_seconds(pid) - before
        finally:
            target.run("DROP SUBSCRIPTION catreg_bench")
        expect_rows(target, work.counts["nodes"] + inserts + 1, with_closure)
    return costs


def measure(way, work, inserts):
    on_primary(f"CREATE DATABASE {SOURCE} TEMPLATE {TEMPLATE}", "CHECKPOINT")
    harness.create(TARGET, CATALOG)
    try:
        with harness.Session(primary(SOURCE)) as source:
            if way != ALONE:
                return measure_with_subscriber(source, work, inserts, way == CLOSURE)
            costs = insert(source, work, inserts)
            costs[0].sender = 0
            return costs
    finally:
        harness.drop(TARGET)
        on_primary(f"DROP DATABASE {SOURCE} WITH (FORCE)")


def expect_rows(target, nodes, with_closure):
    harness.expect("nodes on the subscriber", target.run("SELECT count(*) FROM nodes")[0], nodes)
    if with_closure:
        harness.expect("wrong rows of the closure", target.run("SELECT count(*) FROM catreg.check_closure('nodes')")[0], 0)


def run(options):
    harness.heading(f"A subscriber: what {options.nodes:,} nodes cost the primary")
    if not PRIMARY:
        harness.say("(CATREG_BENCH_PRIMARY names no second cluster)")
        return
    work = workload.Workload(os.path.join(harness.FOLDER, "subscriber"), options.nodes)
    inserts = options.inserts
    make_template()
    costs = harness.rounds(options, (ALONE, PLAIN, CLOSURE), lambda way: measure(way, work, inserts))
    on_primary(f"DROP DATABASE {TEMPLATE}")
    harness.table(
        ["the primary has", "COPY: backend CPU s", f"{inserts:,} single inserts: backend CPU s", "both: CPU s of the process that sends"],
        [
            (way, *(harness.spread([pair[i].cpu for pair in pairs]) for i in (0, 1)), harness.spread([pair[0].sender for pair in pairs]))
            for way, pairs in costs.items()
        ],
    )
    copies = {way: harness.median([pair[0] for pair in pairs], "cpu") for way, pairs in costs.items()}
    singles = {way: harness.median([pair[1] for pair in pairs], "cpu") for way, pairs in costs.items()}
    harness.say()
    harness.table(
        ["ratio of medians of backend CPU", "COPY", "single inserts"],
        [
            (f"{CLOSURE} / {other}", harness.ratio(copies[CLOSURE], copies[other]), harness.ratio(singles[CLOSURE], singles[other]))
            for other in (ALONE, PLAIN)
        ],
    )
