"""register_nodes against COPY of finished rows, ids and closure included."""

import collections
import os
import shutil
import signal
import subprocess

import closure
import harness
import workload
from harness import ATTACHED, CATALOG

BATCH = "CREATE TEMP TABLE batch (LIKE catreg.tiled_batch INCLUDING DEFAULTS)"
REGISTER = "SELECT status, count(*) FROM catreg.register_nodes('batch') GROUP BY 1"

CATREG = "COPY batch, register_nodes"
CALL = "of that, register_nodes and COMMIT"
FINISHED = "COPY of all finished rows, closure too"
TILED = "the same but the closure, by Tiled's row trigger"
LIMIT = "COPY of all finished rows, session_replication_role = replica"

# The functions that register_nodes consists of, and some that run within them.
STEPS = {
    "batch_read": "read and check the batch",
    "resolve_nodes": "look up paths",
    "lock_known_nodes": "lock the nodes above",
    "resolve_references": "look up structures, assets, tags",
    "store_structures": "write structures",
    "store_new_assets": "write assets",
    "store_nodes": "write nodes, with the closure",
    "store_data_sources": "write data sources",
    "store_associations": "write associations",
    "return_rows": "return the result",
}
WITHIN = {
    "closure_insert": "the closure",
    "table_multi_insert": "heaps",
    "index_feed_put": "indexes: collecting entries",
    "index_feed_finish": "indexes: sorted entries put in",
    "foreign_key_check": "set-wise foreign keys of the closure",
}


def run(options):
    works = {}
    for large in (False, True):
        name = "large" if large else "small"
        works[name] = workload.Workload(os.path.join(harness.FOLDER, name), options.nodes, large)
        compare(options, works[name])
    profile(works["small"])


def statements(way, work):
    if way == CATREG:
        return [BATCH, *work.copy("batch"), REGISTER]
    if way == TILED:
        return work.copy(*(table for table in workload.COLUMNS if table not in ("batch", "nodes_closure")))
    return work.copy()


def compare(options, work):
    calls = []

    def measure(way):
        template = ATTACHED if way == CATREG else CATALOG
        preparation = [closure.NO_TRIGGER] if way == FINISHED else []
        with harness.copy(template, *preparation) as database, harness.Session(database) as session:
            if way == LIMIT:
                session.run("SET session_replication_role = replica")
            *first, last = ["BEGIN", *statements(way, work)]
            with harness.Cost(session) as cost:
                for statement in first:
                    session.run(statement)
                with harness.Cost(session) as call:
                    session.run(last)
                    session.run("COMMIT")
            if way == CATREG:
                calls.append(call)
            check(session, work)
        return cost

    harness.heading(
        f"registration: {work.counts['nodes']:,} nodes, {work.counts['assets']:,} assets, "
        f"metadata of {work.metadata_bytes / work.counts['nodes']:.0f} bytes on average"
    )
    results = harness.rounds(options, [CATREG, FINISHED, TILED, LIMIT], measure)
    harness.cost_table({CATREG: results[CATREG], CALL: calls, **results})

    def row(text, way):
        return text, lambda a: harness.ratio(harness.median(results[CATREG], a), harness.median(results[way], a))

    harness.ratio_table([
        row("catreg / COPY of all finished rows", FINISHED),
        row("catreg / the same, Tiled's row trigger", TILED),
        row("catreg / the same without checks or triggers", LIMIT),
    ])


def check(session, work):
    for table in workload.COLUMNS:
        if table == "batch":
            continue
        (rows,) = session.run(f"SELECT count(*) FROM {table}")
        is_root = table in ("nodes", "nodes_closure")
        harness.expect(f"rows of {table}", rows, work.counts[table] + is_root)


# ------------------------------------------------------------------- profile


def record(perf, session, data, statement):
    "Whether perf could watch the backend while it executed a statement."
    recorder = subprocess.Popen(
        [perf, "record", "-q", "-F", "500", "--call-graph", "dwarf,16384", "-p", str(session.pid), "-o", data],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )
    try:
        # it says by its file that it has begun
        for _ in range(50):
            if recorder.poll() is not None or os.path.exists(data):
                break
            harness.time.sleep(0.1)
        harness.time.sleep(0.5)
        session.run(statement)
    finally:
        recorder.send_signal(signal.SIGINT)
        status = recorder.wait()
    # perf passes the signal on
    return os.path.exists(data) and status in (0, -signal.SIGINT, 128 + signal.SIGINT)


def count_samples(perf, data):
    "How many samples lie in each function, those that it calls included; and how many there are."
    script = subprocess.run(
        [perf, "script", "-i", data, "-F", "ip,sym"], capture_output=True, text=True, errors="replace"
    ).stdout
    counts = collections.Counter()
    total = 0
    for block in script.split("\n\n"):
        functions = {
            part[1].split("+")[0].replace(" (inlined)", "")
            for part in (line.split(None, 1) for line in block.splitlines()) if len(part) == 2
        }
        if "register_nodes" in functions:
            total += 1
            counts.update(functions)
    return total, counts


def profile(work):
    perf = shutil.which("perf")
    if perf is None:
        return
    data = os.path.join(harness.FOLDER, "perf.data")
    with harness.copy(ATTACHED) as database, harness.Session(database) as session:
        for statement in [BATCH, *work.copy("batch")]:
            session.run(statement)
        if not record(perf, session, data, REGISTER):
            return
    total, counts = count_samples(perf, data)
    os.remove(data)
    if total == 0:
        return
    harness.heading(f"registration: where register_nodes spends its time, {total:,} samples of perf")
    harness.table(
        ["step", "function", "share"],
        [(text, f"`{name}`", f"{100 * counts[name] / total:.1f}%") for name, text in STEPS.items() if counts[name]],
    )
    harness.say()
    harness.table(
        ["within these steps", "function", "share"],
        [(text, f"`{name}`", f"{100 * counts[name] / total:.1f}%") for name, text in WITHIN.items() if counts[name]],
    )
