"""Files that a Butler registry is to know, brought in by the client and with catreg.

Both registries are told of the same files, which stay where they are.
"""

import os

import butlerkit as kit
from claims import Timer, say
from lsst.daf.butler import DataCoordinate, DatasetIdGenEnum, DatasetRef, FileDataset

# The third column is of the dataset type: what it is counted by.
BATCH = "instrument text, detector int, {} bigint, path text, formatter text, file_size bigint, datastore text"
CALL = ("SELECT status, count(*) FROM catreg.ingest_datasets('batch', '{}', '{}', '{}', id_mode => 'dataid_type_run', "
        "create_run => true) GROUP BY 1")
FORMATTER = "lsst.daf.butler.formatters.yaml.YamlFormatter"

# What a registry says of its datasets and their files, but when they came.
CONTENTS = {
    "dataset": "SELECT id, dataset_type_id, run_id FROM dataset",
    **{table: f"SELECT * FROM {table}" for table in (
        "dataset_tags_00000001", "dataset_tags_00000002", "collection", "run", "collection_summary_dataset_type",
        "collection_summary_instrument", "dataset_location", "file_datastore_records")},
}


def contents(data_id):
    return f"detector: {data_id['detector']}\nof: {data_id.get('exposure', data_id.get('visit'))}\n"


def write_files(folder, dataset_type, data_ids):
    "A file for each data id; returns their paths."
    os.makedirs(folder, exist_ok=True)
    paths = []
    for data_id in data_ids:
        number = data_id.get("exposure", data_id.get("visit"))
        paths.append(os.path.join(folder, f"{dataset_type}_{number}_{data_id['detector']:03}.yaml"))
        with open(paths[-1], "w") as file:
            file.write(contents(data_id))
    return paths


def by_client(butler, dataset_type, run, data_ids, paths):
    "butler.ingest() of the files, as they lie."
    butler.collections.register(run)
    definition = butler.get_dataset_type(dataset_type)
    coordinates = [DataCoordinate.standardize(d, dimensions=definition.dimensions) for d in data_ids]
    refs = [DatasetRef(definition, c, run, id_generation_mode=DatasetIdGenEnum.DATAID_TYPE_RUN) for c in coordinates]
    butler.ingest(*(FileDataset(path=path, refs=[ref]) for path, ref in zip(paths, refs)),
                  transfer="direct", record_validation_info=True)


def copy_batch(sql, data_ids, paths, datastore):
    (counter,) = set(data_ids[0]) - {"instrument", "detector"}
    sql.execute(f"DROP TABLE IF EXISTS batch; CREATE TEMP TABLE batch ({BATCH.format(counter)})")
    with sql.cursor() as cursor, cursor.copy("COPY batch FROM STDIN") as copy:
        for data_id, path in zip(data_ids, paths):
            copy.write_row([data_id["instrument"], data_id["detector"], data_id[counter], f"file://{path}", FORMATTER,
                            os.path.getsize(path), datastore])


def with_catreg(sql, dataset_type, run, on_conflict="error"):
    "How many datasets have which status."
    return dict(sql.execute(CALL.format(dataset_type, run, on_conflict)).fetchall())


def bring_in(theirs, client, mine, datasets, folder):
    "All datasets, (dataset type, run, data ids), by the client and with catreg; their seconds, and catreg's statuses."
    client_timer, timer, statuses = Timer(), Timer(), {}
    (datastore,) = client.get_datastore_names()
    with timer.step("CREATE EXTENSION"):
        mine.execute("CREATE EXTENSION catreg")
    for dataset_type, run, data_ids in datasets:
        paths = write_files(folder, dataset_type, data_ids)
        theirs.execute("CHECKPOINT")
        with client_timer.step(dataset_type):
            by_client(client, dataset_type, run, data_ids, paths)
        mine.execute("CHECKPOINT")
        with timer.step(f"COPY {dataset_type}"):
            copy_batch(mine, data_ids, paths, datastore)
        with timer.step(dataset_type):
            statuses[dataset_type] = with_catreg(mine, dataset_type, run)
    return client_timer, timer, statuses


def show_times(datasets, client, catreg):
    def line(step, rows, theirs, mine, ratio=""):
        cells = ["" if s is None else f"{s:.2f}" for s in (theirs, mine)]
        say(f"  {step:<34}{rows:>9}{cells[0]:>10}{cells[1]:>10}{ratio:>9}".rstrip())

    say(f"  {'step':<34}{'rows':>9}{'client s':>10}{'catreg s':>10}{'ratio':>9}")
    line("CREATE EXTENSION", "", None, catreg.seconds["CREATE EXTENSION"])
    for dataset_type, _, data_ids in datasets:
        rows = f"{len(data_ids):,}"
        line(f"COPY batch of {dataset_type}s", rows, None, catreg.seconds[f"COPY {dataset_type}"])
        line(f"{dataset_type}s: ingest, ingest_datasets", rows, client.seconds[dataset_type], catreg.seconds[dataset_type])
    line("in all", "", client.total(), catreg.total(), f"{client.total() / catreg.total():.2f}x")


def digest(sql):
    return {table: sql.execute(f"SELECT count(*), sum(hashtextextended(c::text, 0)) FROM ({query}) AS c").fetchone()
            for table, query in CONTENTS.items()}


def check(claims, client, theirs, mine, datasets, folder, statuses):
    "Are the registries equal, and does a client find and read everything?  client: on the registry that catreg filled."
    n = sum(len(data_ids) for _, _, data_ids in datasets)
    claims.check(f"ingest_datasets says 'inserted' of all {n:,} datasets",
                 statuses == {name: {"inserted": len(data_ids)} for name, _, data_ids in datasets})
    one, other = digest(theirs), digest(mine)
    claims.check(f"the two registries hold the same rows, ids and all, in all {len(one)} tables about datasets and files",
                 one == other and one["dataset"][0] == n)
    found = [ref for name, run, _ in datasets for ref in client.query_datasets(name, run, limit=None)]
    claims.check(f"the client finds {len(found):,} datasets", len(found) == n)
    some = found[:: max(1, n // 50)]
    read = all(client.get(ref) == {"detector": ref.dataId["detector"], "of": ref.dataId.get("exposure", ref.dataId.get("visit"))}
               for ref in some)
    claims.check(f"butler.get() of {len(some)} of them: what is in their files", read)
    places = {client.getURI(ref).ospath for ref in found}
    claims.check(f"butler.getURI() of all: {len(places):,} files, which are there",
                 places == {os.path.join(folder, name) for name in os.listdir(folder)})
    again = {}
    for name, run, data_ids in datasets:
        copy_batch(mine, data_ids, write_files(folder, name, data_ids), client.get_datastore_names()[0])
        again |= with_catreg(mine, name, run, "ignore")
    claims.check("all once more, with on_conflict 'ignore': nothing but 'existing'", set(again) == {"existing"} and digest(mine) == other)
