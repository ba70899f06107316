"""Databases, sessions, what they cost, and tables of it.

Nothing but the standard library: sessions are psql processes, and a backend's
costs are read from /proc on the same machine.
"""

import contextlib
import gc
import os
import statistics
import subprocess
import threading
import time

BINDIR = os.environ["CATREG_BENCH_BINDIR"]
FOLDER = os.environ["CATREG_BENCH_FOLDER"]
URI = os.environ["CATREG_BENCH_URI"]
TILED = os.environ["CATREG_TILED"]

MARK = "-- done --"

# Databases that are only copied: as Tiled makes it, and with catreg attached.
CATALOG = "catreg_bench_catalog"
ATTACHED = "catreg_bench_attached"


def say(text=""):
    print(text, flush=True)


class Session:
    "A psql that takes one piece of SQL after the other."

    def __init__(self, database):
        self.process = subprocess.Popen(
            [os.path.join(BINDIR, "psql"), "-X", "-q", "-At", "-v", "ON_ERROR_STOP=1", "-d", database],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        self.run("SET client_min_messages = warning")
        self.pid = int(self.run("SELECT pg_backend_pid()")[0])

    def run(self, sql):
        "Executes, and returns the lines of the result."
        self.process.stdin.write(f"{sql};\n\\echo {MARK}\n")
        self.process.stdin.flush()
        lines = []
        for line in self.process.stdout:
            if line.rstrip("\n") == MARK:
                return lines
            lines.append(line.rstrip("\n"))
        raise RuntimeError(f"{sql}\n" + "\n".join(lines))

    def close(self):
        self.process.stdin.close()
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()


# ------------------------------------------------------------------ databases


def on_server(*statements):
    with Session("postgres") as session:
        for statement in statements:
            session.run(statement)


def create(database, template):
    "FILE_COPY: what was copied is not in the buffers, however small it is."
    on_server(f'DROP DATABASE IF EXISTS "{database}"', f'CREATE DATABASE "{database}" TEMPLATE "{template}" STRATEGY file_copy')


def drop(database):
    on_server(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)')


@contextlib.contextmanager
def copy(template, *preparation):
    "A copy that vanishes, prepared by some statements, with all of it on disk."
    database = "catreg_bench_run"
    create(database, template)
    try:
        with Session(database) as session:
            for statement in preparation:
                session.run(statement)
            session.run("CHECKPOINT")
        yield database
    finally:
        drop(database)


def attach(session):
    session.run("CREATE EXTENSION catreg")
    session.run("SELECT catreg.attach_tiled()")


@contextlib.contextmanager
def catalogs():
    "The two databases above, the catalog made by Tiled."
    create(CATALOG, "template0")
    try:
        subprocess.run([TILED, "catalog", "init", f"{URI}/{CATALOG}"], check=True, capture_output=True)
        create(ATTACHED, CATALOG)
        with Session(ATTACHED) as session:
            attach(session)
        yield
    finally:
        drop(ATTACHED)
        drop(CATALOG)


# ---------------------------------------------------------------------- costs


def cpu_seconds(pid):
    "User and system time of a process of one thread."
    with open(f"/proc/{pid}/schedstat") as file:
        return int(file.read().split()[0]) / 1e9


def private_bytes(pid):
    "Memory of a process that is not shared: RssAnon."
    with open(f"/proc/{pid}/status") as file:
        for line in file:
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) * 1024
    raise RuntimeError("/proc has no RssAnon")


@contextlib.contextmanager
def uncollected():
    """A client's call in a `with` block does not pay for Python's garbage of all calls before: a quarter of a second, always in
    the same call."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


class Cost:
    "What happens in a `with` block costs so many seconds, and so many of a backend's."

    def __init__(self, session, memory=False):
        self.pid = session.pid
        self.memory = memory
        self.peak = 0
        self.before = private_bytes(self.pid) if memory else 0
        self.stop = threading.Event()

    def poll(self):
        while not self.stop.wait(0.02):
            self.peak = max(self.peak, private_bytes(self.pid))

    def __enter__(self):
        if self.memory:
            self.thread = threading.Thread(target=self.poll)
            self.thread.start()
        self.cpu = -cpu_seconds(self.pid)
        self.wall = -time.monotonic()
        return self

    def __exit__(self, *exception):
        self.wall += time.monotonic()
        self.cpu += cpu_seconds(self.pid)
        if self.memory:
            self.stop.set()
            self.thread.join()


def rounds(options, ways, measure):
    "Measures each way in turn, so many times over; returns a list of results a way."
    results = {way: [] for way in ways}
    for _ in range(options.runs):
        for way in ways:
            results[way].append(measure(way))
    return results


def expect(what, is_, should):
    if int(is_) != should:
        raise RuntimeError(f"{what}: {is_} instead of {should}")


# --------------------------------------------------------------------- tables


def spread(values, digits=2):
    low, high = min(values), max(values)
    return f"{statistics.median(values):.{digits}f} ({low:.{digits}f}-{high:.{digits}f})"


def megabytes(values):
    return spread([value / (1 << 20) for value in values], 0)


def ratio(numerator, denominator):
    return f"{numerator / denominator:.3f}" if denominator > 0 else "(nothing to divide by)"


def median(costs, attribute):
    return statistics.median(getattr(cost, attribute) for cost in costs)


def heading(text):
    say(f"\n### {text}\n")


def table(columns, rows):
    say("| " + " | ".join(columns) + " |")
    say("|---" + "|---:" * (len(columns) - 1) + "|")
    for row in rows:
        say("| " + " | ".join(map(str, row)) + " |")


def cost_table(results):
    table(
        ["way", "wall s", "backend CPU s"],
        [(way, spread([c.wall for c in costs]), spread([c.cpu for c in costs])) for way, costs in results.items()],
    )


def ratio_table(rows):
    "rows: a text, and a function from the name of a cost to a ratio."
    say()
    table(["ratio of medians", "wall", "backend CPU"], [(text, of("wall"), of("cpu")) for text, of in rows])
