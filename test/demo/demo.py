"""Registers a workload in two catalogs, plainly and with catreg, and compares them.

demo.py SERVER_URI FOLDER SCANS; ./demo prepares all of these.
"""

import contextlib
import os
import sys
import threading
import time

import numpy
import psycopg
import tifffile
import tiledkit
import workload
from claims import Claims, Timer, say
from tiled.client import from_uri
from tiled.queries import Key

REGISTER = "SELECT status, count(*) FROM catreg.register_nodes('batch') GROUP BY 1"

PROGRESS = r"""
SELECT regexp_replace(relid::regclass::text, '^pg_temp_\d+\.', ''), tuples_processed
FROM pg_stat_progress_copy WHERE datname = %s"""


@contextlib.contextmanager
def progress(uri, database):
    "Shows what a second session sees in pg_stat_progress_copy: on a terminal in place, else now and then a line."
    done = threading.Event()
    on_terminal = sys.stdout.isatty()

    def show():
        with psycopg.connect(uri, autocommit=True) as connection:
            while not done.wait(0.3 if on_terminal else 15):
                for table, tuples in connection.execute(PROGRESS, [database]):
                    line = f"  ... {table}: {tuples:,} rows"
                    print(f"\r{line:<60}" if on_terminal else line, end="" if on_terminal else "\n", flush=True)

    thread = threading.Thread(target=show, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        if on_terminal:
            print("\r" + " " * 60 + "\r", end="", flush=True)


def checkpoint(uri):
    "Each way starts with nothing left to write."
    with psycopg.connect(uri, autocommit=True) as connection:
        connection.execute("CHECKPOINT")


def copy_file(connection, table, folder):
    columns = ", ".join(workload.COLUMNS[table])
    with open(os.path.join(folder, table), "rb") as file, connection.cursor() as cursor:
        with cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
            while block := file.read(1 << 18):
                copy.write(block)


def register_plainly(uri, folder):
    timer = Timer()
    checkpoint(uri)
    tables = [table for table in workload.COLUMNS if table != "batch"]
    with psycopg.connect(uri) as connection, progress(uri, "plain"):
        for table in tables:
            with timer.step(table):
                copy_file(connection, table, folder)
        with timer.step("COMMIT"):
            for table in ("nodes", "data_sources", "assets"):
                connection.execute(f"SELECT setval('{table}_id_seq', (SELECT max(id) FROM {table}))")
            connection.commit()
    return timer


def register_with_catreg(uri, folder):
    "Returns the times, and how many nodes have which status."
    timer = Timer()
    checkpoint(uri)
    with psycopg.connect(uri, autocommit=True) as connection, progress(uri, "catreg"):
        with timer.step("attach"):
            connection.execute("CREATE EXTENSION catreg")
            connection.execute("SELECT catreg.attach_tiled()")
        connection.autocommit = False
        with timer.step("batch"):
            connection.execute("CREATE TEMP TABLE batch (LIKE catreg.tiled_batch INCLUDING DEFAULTS)")
            copy_file(connection, "batch", folder)
        with timer.step("register_nodes"):
            statuses = dict(connection.execute(REGISTER).fetchall())
        with timer.step("COMMIT"):
            connection.commit()
    return timer, statuses


def show_times(counts, plain, catreg):
    def line(step, rows, *seconds):
        cells = ["" if s is None else f"{s:.2f}" for s in seconds]
        text = f"  {step:<34}{rows:>9}{cells[0]:>10}{cells[1]:>10}" + (f"{cells[2]:>8}x" if len(cells) > 2 else "")
        say(text.rstrip())

    say(f"  {'step':<34}{'rows':>9}{'plain s':>10}{'catreg s':>10}{'ratio':>9}")
    for table in counts:
        if table in plain.seconds:
            name = f"COPY {table}" if table != "nodes" else "COPY nodes, closure by row trigger"
            line(name, f"{counts[table]:,}", plain.seconds[table], None)
    line("CREATE EXTENSION, attach_tiled", "", None, catreg.seconds["attach"])
    line("COPY batch", f"{counts['batch']:,}", None, catreg.seconds["batch"])
    line("register_nodes", f"{counts['batch']:,}", None, catreg.seconds["register_nodes"])
    line("COMMIT", "", plain.seconds["COMMIT"], catreg.seconds["COMMIT"])
    line("in all", "", plain.total(), catreg.total(), plain.total() / catreg.total())


def digest(uri):
    "What a catalog says, a number of rows and a checksum a table; ids and times do not count."
    contents = {**tiledkit.CONTENTS, **tiledkit.CONTENTS_SINCE_0_2_20}
    with psycopg.connect(uri, autocommit=True) as connection:
        connection.execute("ANALYZE")
        return {
            table: connection.execute(
                f"{tiledkit.PATHS} SELECT count(*), sum(hashtextextended(contents::text, 0)) FROM ({query}) AS contents"
            ).fetchone()
            for table, query in contents.items()
        }


def check_rows(claims, plain_uri, catreg_uri, counts, statuses):
    nodes = counts["nodes"]
    claims.check(f"register_nodes says 'inserted' of all {nodes:,} nodes", statuses == {"inserted": nodes})
    plain, catreg = digest(plain_uri), digest(catreg_uri)
    claims.check(
        f"the two catalogs hold the same rows in all {len(plain)} tables, up to ids and times",
        plain == catreg and plain["nodes"][0] == nodes + 1,
    )
    start = time.monotonic()
    ((wrong,),) = tiledkit.rows(catreg_uri, "SELECT count(*) FROM catreg.check_closure('nodes')")
    claims.check(
        f"catreg.check_closure: {wrong} of {catreg['nodes_closure'][0]:,} closure rows are wrong, "
        f"in {time.monotonic() - start:.1f} s",
        wrong == 0 and catreg["nodes_closure"][0] == 1 + nodes * 2 + counts["assets"],
    )


def write_image(folder, scan, detector):
    "Writes the one file of the workload that exists; returns what is in it."
    shape = next(shape for name, _, shape, _ in workload.DETECTORS if name == detector)
    frame = numpy.random.default_rng(scan).integers(0, 4096, shape, dtype="uint16")
    path = os.path.join(folder, workload.scan_key(scan), f"{detector}.tif")
    os.makedirs(os.path.dirname(path))
    tifffile.imwrite(path, frame)
    return frame


def check_client(claims, server, scans, data_folder, image):
    root = from_uri(server.url, api_key=server.api_key)
    claims.check(f"the client's catalog has {scans:,} containers", len(root) == scans)

    scan = scans // 2
    container = root[workload.scan_key(scan)]
    names = [name for name, *_ in workload.DETECTORS]
    claims.check(
        f"{workload.scan_key(scan)} has {len(names)} arrays: {', '.join(names[:2])}, ...", list(container.keys()) == names
    )

    array = container.include_data_sources()["eiger4m"]
    claims.check(f"its eiger4m is {array.shape} {array.dtype}", array.shape == (10, 2167, 2070) and array.dtype == "uint32")
    uri = array.data_sources()[0].assets[0].data_uri
    claims.check(
        f"its file is .../{'/'.join(uri.split('/')[-2:])}", uri == workload.data_uri(data_folder, scan, "eiger4m", "hdf5")
    )

    found = root.search_deep(Key("sample.name") == "LaB6-05")
    expected = len([s for s in range(scans) if s % 100 == 5])
    claims.check(f"a search at any depth for sample LaB6-05 finds the scans that have it: {len(found):,}", len(found) == expected)
    found = root[workload.scan_key(scan)].search_deep(Key("detector") == "merlin")
    claims.check("one below a scan for detector merlin finds its one array", list(found.keys()) == [("merlin",)])

    read = root[f"{workload.scan_key(0)}/merlin"].read()
    claims.check(
        f"the client reads merlin.tif of {workload.scan_key(0)}, {read.nbytes:,} bytes, as it was written",
        numpy.array_equal(read, image) and read.dtype == image.dtype,
    )


def check_writing(claims, server, uri):
    "The client's own writes go on as before."
    root = from_uri(server.url, api_key=server.api_key)
    root.create_container("afterwards").create_container("stream").write_array(numpy.arange(3), key="array")
    ((depth,),) = tiledkit.rows(
        uri, "SELECT max(depth) FROM nodes_closure JOIN nodes ON id = ancestor WHERE descendant = (SELECT max(id) FROM nodes)"
    )
    wrong = tiledkit.rows(uri, "SELECT * FROM catreg.check_closure('nodes')")
    claims.check("the client writes a container, one in it and an array in that: in the closure", depth == 3 and not wrong)
    claims.check("the Tiled server answered every request", server.errors() == [])


def main(server_uri, folder, scans):
    files = os.path.join(folder, "files")
    data_folder = os.path.join(folder, "external")
    for name in (files, data_folder):
        os.makedirs(name)
    os.environ["HOME"] = folder
    claims = Claims()
    ((version, buffers),) = tiledkit.rows(
        server_uri + "/postgres", "SELECT current_setting('server_version'), current_setting('shared_buffers')"
    )
    say(f"PostgreSQL {version}, default settings (shared_buffers {buffers}). Two new catalogs by `tiled catalog init`.")
    plain_uri = tiledkit.create_catalog(server_uri, "plain")
    catreg_uri = tiledkit.create_catalog(server_uri, "catreg")
    counts = workload.write(files, scans, data_folder)
    image = write_image(data_folder, 0, "merlin")

    say(f"\n{scans:,} scans of {len(workload.DETECTORS)} arrays, {counts['nodes']:,} nodes, the plain way: COPY of finished rows,")
    say("ids and all, into Tiled's tables; Tiled's trigger keeps the closure row by row.")
    plain = register_plainly(plain_uri, files)

    say("\nThe same with catreg, which is given paths and makes ids, structures, assets and closure itself:")
    say("  CREATE EXTENSION catreg;")
    say("  SELECT catreg.attach_tiled();")
    say("  CREATE TEMP TABLE batch (LIKE catreg.tiled_batch INCLUDING DEFAULTS);")
    say("  COPY batch FROM ...;")
    say(f"  {REGISTER};")
    catreg, statuses = register_with_catreg(catreg_uri, files)
    say()
    show_times(counts, plain, catreg)

    say("\nIs it right?")
    check_rows(claims, plain_uri, catreg_uri, counts, statuses)
    say("\nA Tiled server and client, both unmodified, on the catalog that catreg filled:")
    with tiledkit.serve(catreg_uri, folder) as server:
        check_client(claims, server, scans, data_folder, image)
        check_writing(claims, server, catreg_uri)
    return 1 if claims.wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
