"""Find-first tables over large registries, and several tables over one.

Needs the Butler, as obscore.py does.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time

import harness
import obscore

PARTS = ["chain", "building", "tables", "one"]
DETECTORS = 100
FIRST_VISIT = 100000
OVERLAP = 0.2


def run(options):
    arguments = ["--runs", str(options.runs), "--big", str(options.big), "--put", str(2 * options.put)]
    subprocess.run([os.environ["CATREG_BUTLER"], __file__, *arguments], check=True)


# ---------------------------------------------------------------- registries


def registry(database, visits):
    """A registry of the client's with so many visits of DETECTORS detectors, from FIRST_VISIT on.

    Each is a copy of one that the client has put there, with another time; its
    regions' sky pixels, which ObsCore makes no use of, are not.
    """
    models = 10
    repository = obscore.make(database, models, detectors=DETECTORS)
    with harness.Session(database) as session:
        session.run(f"""
            CREATE TEMP TABLE numbered AS
                SELECT n, 2000 + n % {models} AS model, {FIRST_VISIT} + n AS id FROM generate_series(0, {visits - 1}) n""")
        columns = [c for c in columns_of(session, "visit") if c not in ("id", "name", "timespan")]
        session.run(f"""
            INSERT INTO visit (id, name, timespan, {', '.join(columns)})
                SELECT m.id, 'copy ' || n, int8range(lower(timespan) + n * 40000000000, upper(timespan) + n * 40000000000),
                       {', '.join('v.' + c for c in columns)}
                FROM numbered m JOIN visit v ON v.id = m.model""")
        session.run("""
            INSERT INTO visit_detector_region (instrument, detector, visit, region)
                SELECT instrument, detector, m.id, region FROM numbered m JOIN visit_detector_region r ON r.visit = m.model""")
    return repository


def columns_of(session, table):
    return session.run(f"SELECT quote_ident(attname) FROM pg_attribute WHERE attrelid = '{table}'::regclass AND attnum > 0 ORDER BY attnum")


def add_collections(session, names, type=1):
    "Runs, or chains, named by a query."
    session.run(f"INSERT INTO collection (collection_id, name, type) SELECT nextval('collection_seq_collection_id'), name, {type} FROM ({names}) c (name)")
    if type == 1:
        session.run("INSERT INTO run (collection_id) SELECT collection_id FROM collection c WHERE type = 1"
                    " AND NOT EXISTS (SELECT FROM run r WHERE r.collection_id = c.collection_id)")


def add_runs(session, prefix, runs, size, step, first=0):
    """Runs prefix/0, prefix/1 ... of so many calexps, each beginning so many data ids after the last.

    The foreign keys' checks are left out; what they refer to is made here.
    Dataset ids are in the order of their making, as the client's.
    """
    add_collections(session, f"SELECT '{prefix}/' || n FROM generate_series(0, {runs - 1}) n")
    session.run(f"""
        CREATE TEMP TABLE made AS
            SELECT (lpad(to_hex(1700000000000 + n), 12, '0') || '7' || substr(hash, 1, 3) || '8' || substr(hash, 4, 15))::uuid AS id,
                   c.collection_id, t.id AS dataset_type_id,
                   {first} + {step} * (n / {size}) + n % {size} AS data_id
            FROM generate_series(0, {runs * size - 1}) n
            CROSS JOIN LATERAL (SELECT md5('{prefix}' || n)) h (hash)
            JOIN collection c ON c.name = '{prefix}/' || n / {size}
            JOIN dataset_type t ON t.name = 'calexp'
            ORDER BY n""")
    (tags,) = session.run("SELECT quote_ident(tag_association_table) FROM dataset_type WHERE name = 'calexp'")
    session.run("SET session_replication_role = replica")
    session.run("INSERT INTO collection_summary_dataset_type SELECT DISTINCT collection_id, dataset_type_id FROM made")
    session.run("INSERT INTO collection_summary_instrument SELECT DISTINCT collection_id, 'Cam' FROM made")
    session.run("INSERT INTO dataset (id, dataset_type_id, ingest_date, run_id) SELECT id, dataset_type_id, 0, collection_id FROM made")
    session.run(f"""
        INSERT INTO {tags} (dataset_type_id, dataset_id, collection_id, instrument, detector, visit)
            SELECT dataset_type_id, id, collection_id, 'Cam', data_id % {DETECTORS}, {FIRST_VISIT} + data_id / {DETECTORS} FROM made""")
    session.run("RESET session_replication_role")
    session.run("DROP TABLE made")


def add_chain(session, name, prefix):
    add_collections(session, f"VALUES ('{name}')", type=3)
    session.run(f"""
        INSERT INTO collection_chain (parent, position, child)
            SELECT p.collection_id, split_part(c.name, '/', 2)::int, c.collection_id
            FROM collection p, collection c WHERE p.name = '{name}' AND c.name LIKE '{prefix}/%'""")


def configuration(type, *collections):
    return {**kit.configuration(), "collection_type": type, "collections": list(collections)}


# --------------------------------------------------------------- chain edits


def chain_edits(options):
    """Runs of three sizes come into the chain, one at a time; each is built from nothing too.

    Once as all datasets of the run, and once with the key and its index that a find-first table has.
    """
    database = "catreg_bench_chain"
    size = options.big // 200
    added = [options.big // 100, options.big // 50, options.big // 25]
    registry(database, (options.big + sum(added) * options.runs) // DETECTORS + 1)
    ways = {"edit": prepend, "build": build_alone, "build first": build_first}
    costs = {(n, way): [] for n in added for way in ways}
    with harness.Session(database) as session:
        add_runs(session, "run", 200, size, size)
        first = options.big
        for n in added:
            add_runs(session, f"more{n}", options.runs, n, n, first)
            first += n * options.runs
        add_chain(session, "chain", "run")
        session.run("CREATE EXTENSION catreg")
        obscore.create_obscore(session, configuration("CHAINED", "chain"), "chained")
        harness.expect("rows", session.run("SELECT count(*) FROM chained")[0], options.big)
        session.run("VACUUM ANALYZE")
        # the backend's caches are full before the clock runs
        build_alone(session, "run/0", size)
        for i in range(options.runs):
            for n in added:
                for way, do in list(ways.items())[::1 if i % 2 else -1]:
                    session.run("CHECKPOINT")
                    costs[n, way].append(do(session, f"more{n}/{i}", n))
        harness.expect("differences", session.run("SELECT count(*) FROM catreg.check_obscore('chained')")[0], 0)
    harness.drop(database)

    harness.heading(f"A run is prepended to a chain of 200 runs, {options.big:,} datasets; the table of that run alone is made")
    harness.table(["datasets of the run", "edit and commit, wall s", "backend CPU s", "create_obscore, RUN, wall s", "backend CPU s",
                   "create_obscore, CHAINED, wall s", "backend CPU s"], [
        (f"{n:,}", *(harness.spread([getattr(c, of) for c in costs[n, way]], 3) for way in ways for of in ("wall", "cpu")))
        for n in added])
    harness.ratio_table([
        (f"{n:,} datasets: edit / create_obscore, {name}",
         lambda of, n=n, way=way: harness.ratio(*(harness.median(costs[n, w], of) for w in ("edit", way))))
        for n in added for way, name in (("build", "RUN"), ("build first", "CHAINED"))])
    harness.ratio_table([
        (f"edit, a dataset of {n:,} / one of {added[0]:,}",
         lambda of, n=n: harness.ratio(harness.median(costs[n, "edit"], of) / n, harness.median(costs[added[0], "edit"], of) / added[0]))
        for n in added[1:]])


def prepend(session, run, n):
    "What prepend_chain() of the client comes to."
    before = int(session.run("SELECT count(*) FROM chained")[0])
    with harness.Cost(session) as cost:
        session.run("BEGIN")
        session.run(f"""
            INSERT INTO collection_chain (parent, position, child)
                SELECT p.collection_id, (SELECT min(position) - 1 FROM collection_chain WHERE parent = p.collection_id), c.collection_id
                FROM collection p, collection c WHERE p.name = 'chain' AND c.name = '{run}'""")
        session.run("COMMIT")
    harness.expect("rows", session.run("SELECT count(*) FROM chained")[0], before + n)
    return cost


def build_alone(session, run, n, type="RUN"):
    with harness.Cost(session) as cost:
        obscore.create_obscore(session, configuration(type, run), "alone")
    harness.expect("rows", session.run("SELECT count(*) FROM alone")[0], n)
    session.run("SELECT catreg.drop_obscore('alone')")
    return cost


def build_first(session, run, n):
    return build_alone(session, run, n, "CHAINED")


# ------------------------------------------------------------------ building


def building(options):
    """A chain of 286 runs of which each shares a fifth of its data ids with the next.

    Without find-first all datasets are rows. A table of so many runs as have
    together as many datasets as the chain has data ids compares rows alike.
    """
    database = "catreg_bench_building"
    runs = 286
    size = max(DETECTORS // 10, options.big // runs // 10 * 10)
    step = round(size * (1 - OVERLAP))
    rows = step * (runs - 1) + size
    equal = round(rows / size)
    ways = {
        "find-first": (configuration("CHAINED", "chain"), rows),
        "all datasets of these runs": (configuration("RUN", "run/.*"), runs * size),
        f"all datasets of {equal} of the runs": (configuration("RUN", *(f"run/{n}" for n in range(equal))), equal * size),
    }
    registry(database, rows // DETECTORS + 1)
    with harness.Session(database) as session:
        add_runs(session, "run", runs, size, step)
        add_chain(session, "chain", "run")
        session.run("CREATE EXTENSION catreg")
        session.run("VACUUM ANALYZE")

        def measure(way):
            config, expected = ways[way]
            session.run("CHECKPOINT")
            with harness.Cost(session) as cost:
                obscore.create_obscore(session, config)
            harness.expect("rows", session.run("SELECT count(*) FROM obscore")[0], expected)
            session.run("SELECT catreg.drop_obscore('obscore')")
            return cost

        results = harness.rounds(options, ways, measure)
    harness.drop(database)
    harness.heading(f"create_obscore over a chain of {runs} runs of {size:,} datasets, {runs * size:,} with {rows:,} data ids")
    harness.table(["rows", "how many", "wall s", "backend CPU s"], [
        (way, f"{ways[way][1]:,}", harness.spread([c.wall for c in costs]), harness.spread([c.cpu for c in costs]))
        for way, costs in results.items()])
    names = list(ways)
    harness.ratio_table([
        (f"find-first / {name}", lambda of, name=name: harness.ratio(*(harness.median(results[way], of) for way in (names[0], name))))
        for name in names[1:]])


# -------------------------------------------------------------- client calls


class Client:
    "A client of the Butler, with the driver that it comes with, and what its calls cost."

    def __init__(self, repository):
        self.database = repository.uri.rsplit("/", 1)[1]
        folder = os.path.join(harness.FOLDER, f"client{time.monotonic_ns()}")
        plain = kit.sqlalchemy_uri
        kit.sqlalchemy_uri = lambda uri: plain(uri).replace("+psycopg:", "+psycopg2:")
        try:
            self.butler = repository.copied(repository.uri, folder).client()
        finally:
            kit.sqlalchemy_uri = plain
        self.registry = self.butler.registry

    def backends(self):
        with harness.Session("postgres") as session:
            return [int(pid) for pid in session.run(f"SELECT pid FROM pg_stat_activity WHERE datname = '{self.database}' AND backend_type = 'client backend'")]

    def costs(self, call):
        "Seconds of a clock, of the client's processor time, and of the backend's; the last two need a warm client."
        pids = self.backends()
        with harness.uncollected():
            server, client, wall = sum(map(harness.cpu_seconds, pids)), time.process_time(), time.perf_counter()
            call()
            wall, client = time.perf_counter() - wall, time.process_time() - client
            return {"wall": wall, "client CPU": client, "backend CPU": sum(map(harness.cpu_seconds, pids)) - server}


KINDS = ["wall", "client CPU", "backend CPU"]


def client_table(results, unit, scale, digits=0):
    "results: of a way, a list of costs."
    harness.table(["way", *(f"{kind}, {unit}" for kind in KINDS)], [
        (way, *(harness.spread([cost[kind] * scale for cost in costs], digits) for kind in KINDS)) for way, costs in results.items()])


def processor(costs):
    return statistics.median(cost["client CPU"] + cost["backend CPU"] for cost in costs)


def client_ratios(rows, results):
    "rows: pairs of ways."
    harness.say()
    harness.table(["ratio of medians", "wall", "CPU of client and backend"], [
        (f"{a} / {b}", harness.ratio(*(statistics.median(cost["wall"] for cost in results[way]) for way in (a, b))),
         harness.ratio(processor(results[a]), processor(results[b]))) for a, b in rows])


def copy(repository, database):
    harness.create(database, repository.uri.rsplit("/", 1)[1])
    return repository.copied(f"{harness.URI}/{database}", os.path.join(harness.FOLDER, f"{database}{time.monotonic_ns()}"))


def several_tables(options):
    "Each round fills another run, in each database the same."
    visits = max(1, options.put // DETECTORS)
    plain = registry("catreg_bench_none", visits)
    with harness.Session("catreg_bench_none") as session:
        add_collections(session, f"SELECT 'runs/a' || n FROM generate_series(0, {options.runs}) n")
        session.run("VACUUM ANALYZE")
    ways = {"no table": 0, "1 table": 1, "4 tables": 4}
    repositories = {way: copy(plain, f"catreg_bench_{n}") for way, n in ways.items()}
    for way, n in ways.items():
        with harness.Session(f"catreg_bench_{n}") as session:
            session.run("CREATE EXTENSION catreg")
            for i in range(n):
                obscore.create_obscore(session, kit.configuration(), f"obscore{i}")
    ids = [{"instrument": "Cam", "visit": FIRST_VISIT + v, "detector": d} for v in range(visits) for d in range(DETECTORS)]
    clients = {way: Client(repository) for way, repository in repositories.items()}
    for client in clients.values():
        client.registry.insertDatasets("calexp", ids[:10], run="runs/a0")
    results = {way: [] for way in ways}
    for i in range(options.runs):
        order = list(clients.items())
        for way, client in order[i % 3:] + order[:i % 3]:
            results[way].append(client.costs(lambda: client.registry.insertDatasets("calexp", ids, run=f"runs/a{i + 1}")))
    for client in clients.values():
        client.butler.close()
    for n in (*ways.values(), "none"):
        harness.drop(f"catreg_bench_{n}")
    harness.heading(f"insertDatasets of {len(ids):,} into a run that tables watch")
    client_table(results, "ms", 1e3)
    client_ratios([("4 tables", "1 table"), ("1 table", "no table")], results)


def one_dataset(options):
    "The find-first table follows a chain of 200 runs, and the dataset's run is in the midst of it."
    size = max(DETECTORS // 10, options.big // 2000)
    plain = registry("catreg_bench_single", 200 * size // DETECTORS + 2)
    with harness.Session("catreg_bench_single") as session:
        add_runs(session, "run", 200, size, size, DETECTORS)
        add_chain(session, "chain", "run")
        session.run("VACUUM ANALYZE")
    ways = ["no ObsCore", "find-first"]
    repositories = {way: copy(plain, f"catreg_bench_single{i}") for i, way in enumerate(ways)}
    with harness.Session("catreg_bench_single1") as session:
        session.run("CREATE EXTENSION catreg")
        obscore.create_obscore(session, configuration("CHAINED", "chain"))
        session.run("VACUUM ANALYZE obscore")
    clients = {way: Client(repository) for way, repository in repositories.items()}
    results = {way: [] for way in ways}
    for i in range(DETECTORS):
        data_id = {"instrument": "Cam", "visit": FIRST_VISIT, "detector": i}
        for way in ways if i % 2 else reversed(ways):
            client = clients[way]
            cost = client.costs(lambda: client.registry.insertDatasets("calexp", [data_id], run="run/100"))
            if i >= 10:
                results[way].append(cost)
    with harness.Session("catreg_bench_single1") as session:
        harness.expect("rows", session.run("SELECT count(*) FROM obscore")[0], 200 * size + DETECTORS)
    for client in clients.values():
        client.butler.close()
    for database in ("catreg_bench_single", "catreg_bench_single0", "catreg_bench_single1"):
        harness.drop(database)
    harness.heading(f"insertDatasets of one dataset, {DETECTORS - 10} calls each")
    client_table(results, "ms", 1e3, 2)
    client_ratios([("find-first", "no ObsCore")], results)


MEASURES = dict(zip(PARTS, [chain_edits, building, several_tables, one_dataset]))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--big", type=int, default=1000000, help="datasets of a chain")
    parser.add_argument("--put", type=int, default=5000, help="datasets of a client's call")
    parser.add_argument("parts", nargs="*", help=", ".join(PARTS))
    options = parser.parse_args()
    for part in options.parts or PARTS:
        MEASURES[part](options)


if __name__ == "__main__":
    sys.path.append(os.path.join(obscore.HERE, "..", "peers"))
    import butlerkit as kit

    obscore.kit = kit
    main()
