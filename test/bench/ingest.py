"""Bulk ingest and association: beside COPY of the finished rows, and beside the Butler client.

Needs the Butler: `run`, as the other benchmarks have it, starts this file with
CATREG_BUTLER, the Python of an environment of test/peers/requirements-butler.txt.
"""

import argparse
import os
import subprocess
import sys
import time

import harness

HERE = os.path.dirname(os.path.abspath(__file__))
RUN = "runs/a"
TABLES = ["dataset", "dataset_tags", "dataset_location", "file_datastore_records"]
CALL = "SELECT status, count(*) FROM catreg.ingest_datasets('batch', 'calexp', '{run}', '{conflict}') GROUP BY 1"


def run(options):
    arguments = ["--runs", str(options.runs)]
    for name in ("put", "datasets"):
        if hasattr(options, name):
            arguments += [f"--{name}", str(getattr(options, name))]
    subprocess.run([os.environ["CATREG_BUTLER"], __file__, *arguments], check=True)


def add_batch(session, visits):
    session.run(
        "CREATE TABLE batch AS SELECT 'Cam' AS instrument, d AS detector, 2000 + v AS visit,"
        " format('runs/a/calexp/20240110/g/g_01/%s/calexp_Cam_g_g_01_%s_D%s_runs_a.yaml', 2000 + v, 2000 + v, d) AS path,"
        " 'lsst.daf.butler.formatters.yaml.YamlFormatter' AS formatter, 1000::bigint AS file_size, 'FileDatastore@<butlerRoot>' AS datastore"
        f" FROM generate_series(0, {visits - 1}) v, generate_series(0, {obscore.DETECTORS - 1}) d")
    session.run("VACUUM ANALYZE batch")


def tags_table(session):
    return session.run("SELECT tag_association_table FROM dataset_type WHERE name = 'calexp'")[0]


# ------------------------------------------------------- beside COPY of finished rows


def finished_rows(database, folder):
    "Files with what an ingest writes, in the order in which the tables are to be filled."
    os.makedirs(folder, exist_ok=True)
    os.chmod(folder, 0o777)
    with harness.copy(database) as copy, harness.Session(copy) as session:
        session.run(CALL.format(run=RUN, conflict="error"))
        tables = [tags_table(session) if name == "dataset_tags" else name for name in TABLES]
        for table in tables:
            session.run(f"COPY {table} TO '{folder}/{table}' WITH (FORMAT binary)")
        summaries = {t: session.run(f"SELECT {t} FROM {t}") for t in ("collection_summary_dataset_type", "collection_summary_instrument")}
    return tables, summaries


def beside_copy(options, database, n):
    folder = os.path.join(harness.FOLDER, "finished")
    tables, summaries = finished_rows(database, folder)
    again, replaced = [], []

    def measure(way):
        with harness.copy(database) as copy, harness.Session(copy) as session:
            if way == "COPY of finished rows":
                for table, rows in summaries.items():
                    for row in rows:
                        session.run(f"INSERT INTO {table} SELECT ('{row}'::{table}).*")
                with harness.Cost(session) as cost:
                    session.run("BEGIN")
                    for table in tables:
                        session.run(f"COPY {table} FROM '{folder}/{table}' WITH (FORMAT binary)")
                    session.run("COMMIT")
            else:
                if way == "the plain way":
                    session.run("SET catreg.fk_check = row")
                with harness.Cost(session, memory=True) as cost:
                    status = session.run(CALL.format(run=RUN, conflict="error"))
                if status != [f"inserted|{n}"]:
                    raise RuntimeError(f"ingest_datasets: {status}")
                if way == "ingest_datasets":
                    with harness.Cost(session) as second:
                        status = session.run(CALL.format(run=RUN, conflict="ignore"))
                    if status != [f"existing|{n}"]:
                        raise RuntimeError(f"ingest_datasets again: {status}")
                    again.append(second)
                    session.run("VACUUM ANALYZE")
                    with harness.Cost(session) as third:
                        status = session.run(CALL.format(run=RUN, conflict="replace"))
                    if status != [f"replaced|{n}"]:
                        raise RuntimeError(f"ingest_datasets instead: {status}")
                    replaced.append(third)
            harness.expect("datasets", session.run("SELECT count(*) FROM dataset")[0], n)
            return cost

    ways = ["ingest_datasets", "COPY of finished rows", "the plain way"]
    results = harness.rounds(options, ways, measure)
    results["again, with 'ignore'"] = again
    results["again, with 'replace'"] = replaced
    harness.heading(f"Ingest of {n:,} datasets with files, all in one call")
    harness.cost_table(results)

    def against(one, other):
        return lambda of: harness.ratio(*(harness.median(results[way], of) for way in (one, other)))

    harness.ratio_table([
        ("ingest_datasets / COPY of finished rows", against("ingest_datasets", "COPY of finished rows")),
        ("the plain way / COPY of finished rows", against("the plain way", "COPY of finished rows")),
        ("again, with 'ignore' / ingest_datasets", against("again, with 'ignore'", "ingest_datasets")),
        ("again, with 'replace' / ingest_datasets", against("again, with 'replace'", "ingest_datasets"))])
    harness.say(f"\nPeak of private memory of ingest_datasets, MB: {harness.megabytes([c.peak for c in results['ingest_datasets']])}")
    return results["ingest_datasets"]


# ------------------------------------------------------------ beside the client


def ingest_by_client(butler, visits, folder):
    "Of files that are there; returns seconds."
    os.makedirs(folder)
    dataset_type = butler.get_dataset_type("calexp")
    datasets = []
    for number, data_id in enumerate(kit.calexp_ids(range(visits), range(10))):
        path = os.path.join(folder, f"{number}.yaml")
        with open(path, "w") as file:
            file.write("a: 1\n")
        ref = DatasetRef(dataset_type, butler.registry.expandDataId(data_id), RUN)
        datasets.append(FileDataset(path=path, refs=[ref]))
    start = time.perf_counter()
    butler.ingest(*datasets, transfer="direct", record_validation_info=False)
    return time.perf_counter() - start


def beside_client(options, repositories, visits, n):
    "Microseconds a dataset: of so many by the client, of all by catreg."

    def measure(way):
        name, who = way
        repository = repositories[name][who]
        folder = os.path.join(harness.FOLDER, f"run{time.monotonic_ns()}")
        with harness.copy(repository.uri.rsplit("/", 1)[1]) as database:
            took = {}
            if who == "the client":
                with repository.copied(f"{harness.URI}/{database}", folder).client() as butler:
                    few = max(1, options.put // 10)
                    took["ingest"] = ingest_by_client(butler, few, folder + "_files") / (few * 10) * 1e6
                    refs = butler.query_datasets("calexp", RUN, limit=None, with_dimension_records=True)
                    start = time.perf_counter()
                    butler.registry.associate(kit.TAG, refs)
                    took["associate"] = (time.perf_counter() - start) / len(refs) * 1e6
            else:
                with harness.Session(database) as session:
                    with harness.Cost(session) as cost:
                        session.run(CALL.format(run=RUN, conflict="error"))
                    took["ingest"] = cost.wall / n * 1e6
                    session.run("CREATE TABLE members AS SELECT id AS dataset_id FROM dataset")
                    session.run("VACUUM ANALYZE")
                    with harness.Cost(session) as cost:
                        status = session.run(f"SELECT status, count(*) FROM catreg.associate_datasets('members', '{kit.TAG}') GROUP BY 1")
                    took["associate"] = cost.wall / n * 1e6
                    if status != [f"associated|{n}"]:
                        raise RuntimeError(f"associate_datasets: {status}")
        return took

    ways = [(name, who) for name, pair in repositories.items() for who in pair]
    results = harness.rounds(options, ways, measure)
    harness.heading(f"Microseconds a dataset: {max(1, options.put // 10) * 10:,} by the client, {n:,} by catreg")
    calls = ["ingest", "associate"]
    harness.table(["registry", "by", *calls], [
        (*way, *(harness.spread([r[call] for r in rows], 1) for call in calls)) for way, rows in results.items()])
    harness.say()
    harness.table(["the client / catreg", *calls], [
        (name, *(harness.ratio(obscore.middle(results[name, "the client"], call), obscore.middle(results[name, "catreg"], call))
                 for call in calls)) for name in repositories])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--put", type=int, default=2500, help="datasets of a client's call")
    parser.add_argument("--datasets", type=int, default=100000, help="datasets of a call")
    options = parser.parse_args()
    visits = max(1, options.datasets // obscore.DETECTORS)
    n = visits * obscore.DETECTORS

    plain = obscore.make("catreg_bench_plain", visits)
    ready = plain.copied(f"{harness.URI}/catreg_bench_ready", os.path.join(harness.FOLDER, "ready"))
    harness.create("catreg_bench_ready", "catreg_bench_plain")
    with harness.Session("catreg_bench_ready") as session:
        session.run("CREATE EXTENSION catreg")
        add_batch(session, visits)
        session.run("VACUUM ANALYZE")
    beside_copy(options, "catreg_bench_ready", n)

    config = kit.configuration("TAGGED")
    kept = ready.copied(f"{harness.URI}/catreg_bench_kept", os.path.join(harness.FOLDER, "kept"))
    harness.create("catreg_bench_kept", "catreg_bench_ready")
    with harness.Session("catreg_bench_kept") as session:
        obscore.create_obscore(session, config)
    by_manager = obscore.make("catreg_bench_manager", visits, config)
    beside_client(options, {
        "no ObsCore table": {"the client": plain, "catreg": ready},
        "both keep one": {"the client": by_manager, "catreg": kept}}, visits, n)
    for name in ("plain", "ready", "kept", "manager"):
        harness.drop(f"catreg_bench_{name}")


if __name__ == "__main__":
    sys.path.append(os.path.join(HERE, "..", "peers"))
    import obscore
    import butlerkit as kit
    from lsst.daf.butler import DatasetRef, FileDataset

    obscore.kit = kit
    main()
