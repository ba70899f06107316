"""What a client works out about collections by itself, beside the same in the database.

Needs the Butler, as obscore.py.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time

import harness

HERE = os.path.dirname(os.path.abspath(__file__))
DATABASE = "catreg_bench_collections"
DATA_ID = {"instrument": "Cam", "visit": 2002, "detector": 3}
GLOBS = ["DRP/7*/*5", "*/77/*"]


def run(options):
    arguments = [f"--{name}={getattr(options, name)}" for name in ("runs", "collections", "members")]
    subprocess.run([os.environ["CATREG_BUTLER"], __file__, *arguments], check=True)


def make(options):
    "A registry of many runs, the first of them in a chain, where a data id is found in the later half only."
    harness.on_server(f'DROP DATABASE IF EXISTS "{DATABASE}" WITH (FORCE)', f'CREATE DATABASE "{DATABASE}"')
    repository = kit.Repository(f"{harness.URI}/{DATABASE}", "public", os.path.join(harness.FOLDER, DATABASE)).create()
    with repository.client() as butler:
        kit.fill_dimensions(butler)
        kit.register_type(butler, "calexp", kit.DATASET_TYPES["calexp"])
        butler.collections.register("chain", kit.CollectionType.CHAINED)
    with harness.Session(DATABASE) as session:
        for statement in (
            "CREATE EXTENSION catreg",
            f"""WITH made AS (INSERT INTO collection (collection_id, name, type)
                SELECT nextval('collection_seq_collection_id'), format('DRP/%s/%s', i / 100, i), 1
                FROM generate_series(1, {options.collections}) i RETURNING collection_id)
                INSERT INTO run SELECT collection_id FROM made""",
            f"""INSERT INTO collection_chain SELECT c.collection_id, row_number() OVER (ORDER BY r.collection_id) - 1, r.collection_id
                FROM collection c, (SELECT collection_id FROM run ORDER BY 1 LIMIT {options.members}) r WHERE c.name = 'chain'""",
            f"""CREATE TEMP TABLE put AS SELECT gen_random_uuid() AS id, t.id AS type, child AS run, visit, detector
                FROM collection_chain, dataset_type t, generate_series(2000, 2003) visit, generate_series(0, 5) detector
                WHERE position >= {options.members // 2} + visit % 10""",
            "INSERT INTO dataset SELECT id, type, 0, run FROM put",
            "INSERT INTO collection_summary_dataset_type (collection_id, dataset_type_id) SELECT DISTINCT run, type FROM put",
            "INSERT INTO collection_summary_instrument (collection_id, instrument) SELECT DISTINCT run, 'Cam' FROM put",
            "DO $$ BEGIN EXECUTE format('INSERT INTO %I (dataset_type_id, dataset_id, collection_id, instrument, visit, detector)"
            " SELECT type, id, run, ''Cam'', visit, detector FROM put', (SELECT tag_association_table FROM dataset_type)); END $$",
            "VACUUM ANALYZE",
        ):
            session.run(statement)
    return repository


def milliseconds(options, call):
    "The first call pays for caches, here and there."
    call()
    took = []
    for _ in range(options.runs):
        start = time.perf_counter()
        answer = call()
        took.append((time.perf_counter() - start) * 1000)
    return took, answer


def compare(options, repository):
    rows = []
    with repository.client() as butler, repository.connect() as sql:
        def ask(query, *arguments):
            return sql.execute(f"SELECT * FROM catreg.{query}", arguments).fetchall()

        def row(what, client, database, same):
            theirs, mine = milliseconds(options, client), milliseconds(options, database)
            if not same(theirs[1], mine[1]):
                raise RuntimeError(f"{what}: {mine[1]} instead of {theirs[1]}")
            rows.append((what, harness.spread(theirs[0]), harness.spread(mine[0]),
                         harness.ratio(statistics.median(mine[0]), statistics.median(theirs[0]))))

        registry = butler.registry
        row(f"first dataset of a data id, chain of {options.members:,} runs: find_dataset, find_datasets",
            lambda: registry.findDataset("calexp", DATA_ID, collections="chain"),
            lambda: ask("find_datasets('calexp', '{chain}', data_id => %s)", kit.psycopg.types.json.Jsonb(DATA_ID)),
            lambda theirs, mine: [(theirs.id, theirs.run)] == [m[:2] for m in mine])
        row("its members: queryCollections(flattenChains=True), flatten_collections",
            lambda: registry.queryCollections("chain", flattenChains=True),
            lambda: ask("flatten_collections('{chain}')"),
            lambda theirs, mine: list(theirs) == [m[1] for m in mine])
        for glob in GLOBS:
            row(f"`{glob}` over {options.collections:,} collections: queryCollections, match_collections",
                lambda: registry.queryCollections(glob), lambda: ask("match_collections(%s)", [glob]),
                lambda theirs, mine: sorted(theirs) == sorted(m[0] for m in mine))
    harness.heading("Collections: milliseconds")
    harness.table(["question", "the client", "catreg", "ratio of medians"], rows)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--collections", type=int, default=100000)
    parser.add_argument("--members", type=int, default=2000, help="of the chain")
    options = parser.parse_args()
    compare(options, make(options))
    harness.drop(DATABASE)


if __name__ == "__main__":
    sys.path.append(os.path.join(HERE, "..", "peers"))
    import butlerkit as kit

    main()
