"""What an ObsCore table costs the Butler's clients, its building, and one record's update.

Needs the Butler: `run`, as the other benchmarks have it, starts this file with
CATREG_BUTLER, the Python of an environment of test/peers/requirements-butler.txt.
"""

import argparse
import contextlib
import gc
import json
import os
import statistics
import subprocess
import sys
import time

import harness

HERE = os.path.dirname(os.path.abspath(__file__))
RUNS = ["Cam/raw/all", "Cam/raw/imported", "runs/a", "runs/b"]
DETECTORS = 100
SINGLE = 50
REMOVALS = ("disassociate", "removeDatasets", "pruneDatasets", "removeCollection")


def run(options):
    arguments = ["--runs", str(options.runs)]
    for name in ("put", "datasets"):
        if hasattr(options, name):
            arguments += [f"--{name}", str(getattr(options, name))]
    subprocess.run([os.environ["CATREG_BUTLER"], __file__, *arguments], check=True)


# ---------------------------------------------------------------- registries


def make(database, visits, manager=None, detectors=DETECTORS, collections=None):
    "A registry with so many visits of one exposure each, and no dataset."
    harness.on_server(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)', f'CREATE DATABASE "{database}"')
    repository = kit.Repository(f"{harness.URI}/{database}", "public", os.path.join(harness.FOLDER, database)).create(manager, collections)
    with repository.client() as butler:
        insert = butler.registry.insertDimensionData
        insert("instrument", {"name": "Cam", "class_name": "lsst.obs.Cam", "visit_max": 10**6, "exposure_max": 10**6,
                              "detector_max": 1000, "visit_system": None})
        insert("detector", *({**kit.CAM, "id": d, "full_name": f"D{d}", "purpose": "SCIENCE"} for d in range(detectors)))
        insert("physical_filter", *({**kit.CAM, "name": name, "band": band} for name, band in kit.FILTERS.items()))
        insert("day_obs", {**kit.CAM, "id": 20240110}, {**kit.CAM, "id": 20240111})
        insert("group", *({**kit.CAM, "name": f"group {n}"} for n in range(visits)))
        ordinary = {"zenith_angle": 1.5, "science_program": "p"}

        def when(n):
            return kit.Timespan(kit.moment(40 * n), kit.moment(40 * n + 30))

        insert("exposure", *(kit.exposure(n, timespan=when(n), **ordinary) for n in range(visits)))
        # no region of its own: only the detectors' are used, and the client's sky pixels take their time
        insert("visit", *(kit.visit(n, timespan=when(n), region=None, **ordinary) for n in range(visits)))
        insert("visit_definition", *({**kit.CAM, "exposure": 1000 + n, "visit": 2000 + n} for n in range(visits)))
        for n in range(visits):
            insert("visit_detector_region", *kit.region_records(
                n, range(detectors), lambda visit, d: kit.polygon(visit * 0.37 % 360, visit % 120 - 60 + d / 50, 0.01)))
        for name in ("raw", "calexp"):
            kit.register_type(butler, name, kit.DATASET_TYPES[name])
        for name in RUNS:
            butler.collections.register(name)
        butler.collections.register(kit.TAG, kit.CollectionType.TAGGED)
    return repository


def create_obscore(session, config, name="obscore"):
    text = json.dumps(config).replace("'", "''")
    session.run(f"SELECT catreg.create_obscore('{text}'::json, 'public', '{name}')")


def with_catreg(repository, database, config):
    "A copy in which catreg keeps the table."
    harness.create(database, repository.uri.rsplit("/", 1)[1])
    with harness.Session(database) as session:
        session.run("CREATE EXTENSION catreg")
        create_obscore(session, config)
    return repository.copied(f"{harness.URI}/{database}", os.path.join(harness.FOLDER, database))


# --------------------------------------------------------------- client calls


def client_calls(options):
    visits = max(1, options.put // 10)
    plain = make("catreg_bench_none", visits, detectors=10)
    repositories = {"no ObsCore": plain}
    for kind in ("RUN", "TAGGED"):
        config = kit.configuration(kind)
        repositories[f"catreg, {kind}"] = with_catreg(plain, f"catreg_bench_kept_{kind.lower()}", config)
        repositories[f"the client's manager, {kind}"] = make(
            f"catreg_bench_client_{kind.lower()}", visits, config, detectors=10)
    results = harness.rounds(options, list(repositories), lambda way: measure_calls(repositories[way], visits))
    for what in ("wall", "CPU of client and backend"):
        show_calls(what, f"Client calls, {visits * 10:,} datasets each: microseconds a dataset, {what}", results)
    call_by_call("", options, {way: repository for way, repository in repositories.items() if "manager" not in way}, visits)
    for repository in repositories.values():
        harness.drop(repository.uri.rsplit("/", 1)[1])


def named_calls(options):
    "The same for an older registry, whose collections go by their names."
    visits = max(1, options.put // 10)
    plain = make("catreg_bench_named", visits, detectors=10, collections=kit.BY_NAME)
    repositories = {"no ObsCore": plain} | {
        f"catreg, {kind}": with_catreg(plain, f"catreg_bench_named_{kind.lower()}", kit.configuration(kind)) for kind in ("RUN", "TAGGED")}
    call_by_call(", collections by name", options, repositories, visits)
    for repository in repositories.values():
        harness.drop(repository.uri.rsplit("/", 1)[1])


def show_calls(what, heading, results):
    harness.heading(heading)
    calls = [call for kind, call in results["no ObsCore"][0] if kind == what]
    harness.table(["call", *results], [
        (call, *(harness.spread([r[what, call] for r in rows], 0) for rows in results.values())) for call in calls])
    harness.say()
    harness.table(["ratio of medians to no ObsCore", *list(results)[1:]], [
        (call, *(harness.ratio(middle(rows, (what, call)), middle(results["no ObsCore"], (what, call)))
                 for way, rows in results.items() if way != "no ObsCore")) for call in calls])


def middle(rows, call):
    return statistics.median(row[call] for row in rows)


def backends(database):
    with harness.Session("postgres") as session:
        return [int(pid) for pid in session.run(f"SELECT pid FROM pg_stat_activity WHERE datname = '{database}'")]


def calls_of(butler, visits):
    "The client's calls, each as (its name, None: of no interest; datasets; what calls it), to be sent the answer."
    registry = butler.registry
    kinds = [("calexp", kit.calexp_ids(range(visits), range(10)), "runs/a", "runs/b"),
             ("raw", kit.raw_ids(range(visits), range(10)), "Cam/raw/all", "Cam/raw/imported")]
    for name, ids, first, second in kinds:
        n = len(ids)
        dataset_type = butler.get_dataset_type(name)
        single = [{**d, "detector": 9} for d in ids[:SINGLE]]
        # the first put pays for the client's caches
        yield None, 1, lambda: registry.removeDatasets(registry.insertDatasets(name, ids[:1], run=first))
        some = [d for i, d in enumerate({d.get("visit", d.get("exposure")): d for d in single}.values()) if i < SINGLE]
        refs = yield (f"insertDatasets of one {name}", len(some),
                      lambda: [ref for d in some for ref in registry.insertDatasets(name, [d], run=second)])
        yield None, len(some), lambda: registry.removeDatasets(refs)
        refs = yield f"insertDatasets, {name}", n, lambda: registry.insertDatasets(name, ids, run=first)
        more = [DatasetRef(dataset_type, ref.dataId, second) for ref in refs]
        yield f"_importDatasets, {name}", n, lambda: registry._importDatasets(more, expand=False)
        yield f"associate, {name}", n, lambda: registry.associate(kit.TAG, refs)
        yield f"disassociate, {name}", n, lambda: registry.disassociate(kit.TAG, refs)
        yield None, 1, lambda: butler.collections.register("tags/other", kit.CollectionType.TAGGED)
        for tag, what in ("tags/other", "another tag"), (kit.TAG, "the table's own tag"):
            yield None, n, lambda: registry.associate(tag, refs)
            yield f"removeCollection of {what}, {name}", n, lambda: registry.removeCollection(tag)
        yield None, 1, lambda: butler.collections.register(kit.TAG, kit.CollectionType.TAGGED)
        yield f"removeDatasets, {name}", n, lambda: registry.removeDatasets(more)
        yield None, n, lambda: registry._importDatasets(more, expand=False)
        yield (f"pruneDatasets, {name}", n,
               lambda: butler.pruneDatasets(more, disassociate=True, unstore=True, purge=True))
        yield f"removeCollection of a run, {name}", n, lambda: registry.removeCollection(first)
        yield None, 1, lambda: butler.collections.register(first)


class Clock:
    "Microseconds that a client's call takes for each of some datasets."

    def __init__(self, database):
        self.pids = backends(database)

    def cpu(self):
        return time.process_time() + sum(map(harness.cpu_seconds, self.pids))

    def time(self, number, call):
        "The answer, and what it took by a clock, and of the client's and the backend's processors."
        with harness.uncollected():
            start = time.perf_counter()
            spent = self.cpu()
            answer = call()
            spent = self.cpu() - spent
            return answer, (time.perf_counter() - start) / number * 1e6, spent / number * 1e6


def measure_calls(repository, visits):
    "Each call once, in a fresh copy; what it costs a dataset."
    took = {}
    folder = os.path.join(harness.FOLDER, f"run{time.monotonic_ns()}")
    with harness.copy(repository.uri.rsplit("/", 1)[1]) as database:
        with repository.copied(f"{harness.URI}/{database}", folder).client() as butler:
            calls = calls_of(butler, visits)
            what, number, call = next(calls)
            while True:
                answer, wall, cpu = Clock(database).time(number, call)
                took["wall", what], took["CPU of client and backend", what] = wall, cpu
                try:
                    what, number, call = calls.send(answer)
                except StopIteration:
                    return {key: cost for key, cost in took.items() if key[1] is not None}


def call_by_call(which, options, repositories, visits):
    """The same where registries last: each call is made in all of them, one after the other, before the next one is.
    Ratios of two that were made within a second or so say more on a machine whose speed changes."""
    took = {}
    with contextlib.ExitStack() as stack:
        butlers = {way: stack.enter_context(repository.client()) for way, repository in repositories.items()}
        for n in range(1 + options.runs * 3):
            gc.collect()
            calls = {way: calls_of(butler, visits) for way, butler in butlers.items()}
            steps = {way: next(some) for way, some in calls.items()}
            while steps:
                answers = {}
                for way in sorted(steps, reverse=n % 2):
                    what, number, call = steps[way]
                    clock = Clock(repositories[way].uri.rsplit("/", 1)[1])
                    answers[way], *cost = clock.time(number, call)
                    # the first round pays for all caches
                    if what is not None and n > 0:
                        took.setdefault(what, {}).setdefault(way, []).append(cost)
                steps = next_steps(calls, answers)
    for kind in ("calexp", "raw"):
        took[f"all removals, {kind}"] = together([took[what] for what in took if what.endswith(kind) and what.startswith(REMOVALS)])
    harness.heading(f"Client calls{which}, {visits * 10:,} datasets each, by turns in registries that last:"
                    f" ratios to no ObsCore, median (quartiles) of {options.runs * 3}")
    others = [way for way in repositories if way != "no ObsCore"]
    harness.table(["call", "no ObsCore, us CPU", *(f"{way}, {kind}" for way in others for kind in ("wall", "CPU"))], [
        (what, f"{statistics.median(cost[1] for cost in ways['no ObsCore']):.0f}",
         *(paired(ways["no ObsCore"], ways[way], kind) for way in others for kind in (0, 1)))
        for what, ways in took.items()])


def together(calls):
    "What several calls cost in each run."
    return {way: [tuple(map(sum, zip(*costs))) for costs in zip(*(call[way] for call in calls))] for way in calls[0]}


def next_steps(calls, answers):
    "What each client calls next; nothing where all are done."
    try:
        return {way: some.send(answers[way]) for way, some in calls.items()}
    except StopIteration:
        return {}


def paired(base, costs, kind):
    low, middle, high = statistics.quantiles([cost[kind] / other[kind] for other, cost in zip(base, costs)], n=4)
    return f"{middle:.3f} ({low:.2f}-{high:.2f})"


# ------------------------------------------------------- building, and updates


def fill_in(repository, visits):
    with repository.client() as butler:
        for n in range(0, visits, 20):
            ids = kit.calexp_ids(range(n, min(n + 20, visits)), range(DETECTORS))
            butler.registry.insertDatasets("calexp", ids, run="runs/a")
    with harness.Session(repository.uri.rsplit("/", 1)[1]) as session:
        session.run("VACUUM ANALYZE")


def building(options, repository, visits):
    "Finished rows into a table with the same indexes, or the whole of it."
    full = "catreg_bench_full"
    with_catreg(repository, full, kit.configuration())
    same = "SELECT count(*) FROM obscore"

    def measure(way):
        with harness.copy(full) as database, harness.Session(database) as session:
            expected = int(session.run(same)[0])
            if way == "create_obscore":
                session.run("SELECT catreg.drop_obscore('obscore')")
                with harness.Cost(session, memory=True) as cost:
                    create_obscore(session, kit.configuration())
                harness.expect("rows", session.run(same)[0], expected)
            else:
                session.run("CREATE TABLE finished (LIKE obscore INCLUDING ALL)")
                session.run("SELECT count(obscore) FROM obscore")
                with harness.Cost(session, memory=True) as cost:
                    session.run("INSERT INTO finished SELECT * FROM obscore")
            return cost

    ways = ["create_obscore", "INSERT ... SELECT of finished rows"]
    results = harness.rounds(options, ways, measure)
    harness.drop(full)
    harness.heading(f"Building the table of {visits * DETECTORS:,} datasets, indexes included")
    harness.cost_table(results)
    harness.ratio_table([("create_obscore / finished rows",
                          lambda of: harness.ratio(*(harness.median(results[way], of) for way in ways)))])
    harness.say(f"\nPeak of private memory, MB: {harness.megabytes([c.peak for c in results[ways[0]]])}"
                f" against {harness.megabytes([c.peak for c in results[ways[1]]])}")


def export_config():
    "In the manner of published ones; good for the export script and for catreg."
    names = ("lsst_visit", "lsst_detector", "lsst_band", "lsst_filter", "lsst_dataset_type", "lsst_run")
    calexp = kit.dataset_type("lsst.calexp", 2, "{records[visit].name}", s_xel=[4072, 4000], extra_columns={
        "obs_title": {"template": "{dataset_type} - {band} - {records[visit].name}-{records[detector].full_name}"
                                  " {records[visit].timespan.begin.utc.isot}Z", "length": 255}})
    return kit.configuration(collections=["runs/a"], dataset_types={"calexp": calexp},
                             extra_columns={name: kit.RUN["extra_columns"][name] for name in names})


def export(repository, config, n):
    "Seconds that the script takes, of a clock and of the client's processor time."
    file = os.path.join(harness.FOLDER, f"export{time.monotonic_ns()}")
    with open(f"{file}.yaml", "w") as out:
        yaml.safe_dump(config, out)
    wall, cpu = time.perf_counter(), time.process_time()
    obscore_export(repository.root, f"{file}.csv", f"{file}.yaml", "csv", None, [], [])
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    with open(f"{file}.csv") as lines:
        harness.expect("rows", sum(1 for _ in lines) - 1, n)
    return wall, cpu


def exporting(options, repository, visits):
    "All rows by the export script, once, and by catreg, indexes included."
    n = visits * DETECTORS
    config = export_config()
    costs = []
    for _ in range(options.runs):
        with harness.copy(repository.uri.rsplit("/", 1)[1]) as database, harness.Session(database) as session:
            session.run("CREATE EXTENSION catreg")
            with harness.Cost(session) as cost:
                create_obscore(session, config)
            harness.expect("rows", session.run("SELECT count(*) FROM obscore")[0], n)
            costs.append(cost)
        if not costs[1:]:
            script = export(repository, config, n)
    ways = {"export script": script, "create_obscore": tuple(statistics.median(getattr(cost, of) for cost in costs) for of in ("wall", "cpu"))}
    harness.heading(f"{n:,} rows by the export script, as a file, and with catreg, as a table with indexes")
    harness.table(["way", "wall s", "CPU s of the script or the backend, workers apart", "rows/s, wall"], [
        (way, f"{wall:.2f}", f"{cpu:.2f}", f"{n / wall:,.0f}") for way, (wall, cpu) in ways.items()])
    harness.say()
    harness.table(["ratio", "wall", "CPU"], [
        ("export script / create_obscore",
         *(harness.ratio(*(ways[way][kind] for way in ("export script", "create_obscore"))) for kind in (0, 1)))])


def updates(options, full, sizes):
    "One visit of 100 datasets, in registries of several sizes."

    def measure(size):
        with harness.copy(full[size]) as database, harness.Session(database) as session:
            session.run("UPDATE visit SET name = name || 'x' WHERE id = 2001")
            with harness.Cost(session) as cost:
                for n in range(20):
                    session.run(f"UPDATE visit SET target_name = 'target {n}' WHERE id = {2000 + n % 10}")
            return cost

    results = harness.rounds(options, sizes, measure)
    harness.heading(f"One visit updated, of {DETECTORS} datasets: milliseconds")
    harness.table(["datasets in the registry", "wall", "backend CPU"], [
        (f"{size:,}", harness.spread([c.wall * 50 for c in costs]), harness.spread([c.cpu * 50 for c in costs]))
        for size, costs in results.items()])


def whole_registries(options):
    sizes = [options.datasets // 10, options.datasets]
    full = {}
    for size in sizes:
        visits = max(10, size // DETECTORS)
        repository = make(f"catreg_bench_{size}", visits)
        fill_in(repository, visits)
        if size == sizes[-1]:
            building(options, repository, visits)
            exporting(options, repository, visits)
        full[size] = f"catreg_bench_{size}_kept"
        with_catreg(repository, full[size], kit.configuration())
        harness.drop(f"catreg_bench_{size}")
    updates(options, full, sizes)
    for database in full.values():
        harness.drop(database)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--put", type=int, default=2500, help="datasets of a client's call")
    parser.add_argument("--datasets", type=int, default=100000, help="of the larger registry")
    parser.add_argument("--driver", default="psycopg2", help="of the client's; psycopg sends each row of an INSERT by itself")
    options = parser.parse_args()
    kit.DRIVER = options.driver
    client_calls(options)
    named_calls(options)
    whole_registries(options)


if __name__ == "__main__":
    sys.path.append(os.path.join(HERE, "..", "peers"))
    import butlerkit as kit
    import yaml
    from lsst.daf.butler import DatasetRef
    from lsst.dax.obscore.script import obscore_export

    main()
