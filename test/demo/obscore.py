"""Brings datasets into a Butler registry by the client and with catreg, and compares what both have written.
Then makes the ObsCore table of that registry by the export script and with catreg, compares them, and watches
the table while the client and catreg go on, and a find-first table while the client edits the chain that it follows.

obscore.py SERVER_URI FOLDER VISITS; ./demo prepares all of these.
"""

import importlib.metadata
import json
import os
import sys

import butlerkit as kit
import ingest
import psycopg
import yaml
from claims import Claims, Timer, say
from lsst.daf.butler import CollectionType
from lsst.dax.obscore.script import obscore_export

DETECTORS = range(20)
RAWS, CALEXPS = "Cam/raw/all", "Cam/runs/1"
AGAIN, CHAIN = "Cam/runs/2", "Cam/defaults"

# In the manner of those that Rubin Observatory publishes; good for the script and for catreg.
CONFIG = kit.configuration(
    collections=[RAWS, CALEXPS],
    dataset_types={
        "raw": kit.dataset_type("lsst.raw", 1, "{records[exposure].obs_id}", s_xel=[4608, 4096], extra_columns={
            "obs_title": {"template": "{dataset_type} - {band} - {records[exposure].obs_id}-{records[detector].full_name}"
                                      " {records[exposure].timespan.begin.utc.isot}Z", "length": 255}}),
        "calexp": kit.dataset_type("lsst.calexp", 2, "{records[visit].name}", s_xel=[4072, 4000], extra_columns={
            "obs_title": {"template": "{dataset_type} - {band} - {records[visit].name}-{records[detector].full_name}"
                                      " {records[visit].timespan.begin.utc.isot}Z", "length": 255}}),
    },
    extra_columns={
        name: kit.RUN["extra_columns"][name]
        for name in ("lsst_visit", "lsst_exposure", "lsst_detector", "lsst_band", "lsst_filter", "lsst_dataset_type", "lsst_run")
    },
)

# The columns of both, and in what two values may differ: the last digits of an angle.
COLUMNS = """
SELECT attname FROM pg_attribute WHERE attrelid = 'exported'::regclass AND attnum > 0
    AND attname NOT IN ('s_ra', 's_dec', 's_fov') ORDER BY attnum"""
DIFFERENCES = """
SELECT count(*) FROM obscore o FULL JOIN exported e USING (obs_publisher_did)
WHERE ({mine}) IS DISTINCT FROM ({theirs})
    OR (o.s_ra IS NULL) <> (e.s_ra IS NULL)
    OR abs(o.s_ra - e.s_ra) > 1e-9 OR abs(o.s_dec - e.s_dec) > 1e-9 OR abs(o.s_fov - e.s_fov) > 1e-9"""


def when(number):
    return kit.Timespan(kit.moment(40 * number), kit.moment(40 * number + 30))


def footprint(number, detector):
    "The detectors are a square degree apart, the visits look here and there."
    return kit.polygon((number * 37.7 + detector % 5) % 360, number % 120 - 60 + detector // 5, 0.6)


def fill_dimensions(butler, visits):
    insert = butler.registry.insertDimensionData
    insert("instrument", {"name": "Cam", "class_name": "lsst.obs.Cam", "visit_max": 10**6, "exposure_max": 10**6,
                          "detector_max": 1000, "visit_system": None})
    insert("detector", *({**kit.CAM, "id": d, "full_name": f"R{d // 5}_S{d % 5}", "purpose": "SCIENCE"} for d in DETECTORS))
    insert("physical_filter", *({**kit.CAM, "name": name, "band": band} for name, band in kit.FILTERS.items()))
    insert("day_obs", {**kit.CAM, "id": 20240110}, {**kit.CAM, "id": 20240111})
    insert("group", *({**kit.CAM, "name": f"group {n}"} for n in range(visits)))
    insert("exposure", *(kit.exposure(n, timespan=when(n)) for n in range(visits)))
    insert("visit", *(kit.visit(n, timespan=when(n), region=None) for n in range(visits)))
    insert("visit_definition", *({**kit.CAM, "exposure": 1000 + n, "visit": 2000 + n} for n in range(visits)))
    insert("visit_detector_region", *(r for n in range(visits) for r in kit.region_records(n, DETECTORS, footprint)))


def make_registry(butler, visits):
    "All but datasets."
    fill_dimensions(butler, visits)
    for name in ("raw", "calexp"):
        kit.register_type(butler, name, kit.DATASET_TYPES[name])
    butler.collections.register(kit.TAG, CollectionType.TAGGED)


def datasets_of(visits):
    return [("raw", RAWS, kit.raw_ids(visits, DETECTORS)), ("calexp", CALEXPS, kit.calexp_ids(visits, DETECTORS))]


def export(repository, folder):
    "What the script writes: a file for COPY."
    config, file = os.path.join(folder, "obscore.yaml"), os.path.join(folder, "obscore.csv")
    with open(config, "w") as out:
        yaml.safe_dump(CONFIG, out)
    obscore_export(repository.root, file, config, "csv", None, [], [])
    return file


def load(sql, file):
    "The file in a table, with the indexes that catreg's has."
    with open(file) as lines:
        names = [name.strip('"') for name in next(lines).rstrip("\n").split(",")]
    types = dict(sql.execute(
        "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'obscore'::regclass AND attnum > 0"))
    sql.execute(f"DROP TABLE IF EXISTS exported; CREATE TABLE exported ({', '.join(f'{n} {types[n]}' for n in names)})")
    with open(file, "rb") as data, sql.cursor() as cursor:
        with cursor.copy(r"COPY exported FROM STDIN (FORMAT csv, HEADER, NULL '\N')") as copy:
            while block := data.read(1 << 18):
                copy.write(block)
    sql.execute("CREATE UNIQUE INDEX ON exported (obs_publisher_did)")
    for columns in CONFIG["indices"].values():
        sql.execute(f"CREATE INDEX ON exported ({columns if isinstance(columns, str) else ', '.join(columns)})")


def differences(sql):
    columns = [name for name, in sql.execute(COLUMNS)]
    mine, theirs = (", ".join(f"{side}.{name}" if name != "obs_publisher_did" else name for name in columns) for side in "oe")
    return value(sql, DIFFERENCES.format(mine=mine, theirs=theirs))


def value(sql, query, *parameters):
    return sql.execute(query, parameters).fetchone()[0]


def create(sql, config, name):
    sql.execute("SELECT catreg.create_obscore(%s::json, name => %s)", [json.dumps(config), name])


def make_tables(repository, folder, sql):
    "By the script and with catreg; the seconds."
    timer = Timer()
    with timer.step("export"):
        file = export(repository, folder)
    with timer.step("create_obscore"):
        create(sql, CONFIG, "obscore")
    with timer.step("load"):
        load(sql, file)
    return timer.seconds


def show_times(rows, seconds):
    def line(step, rows, plain, catreg, ratio=""):
        cells = ["" if s is None else f"{s:.2f}" for s in (plain, catreg)]
        say(f"  {step:<34}{rows:>9}{cells[0]:>10}{cells[1]:>10}{ratio:>9}".rstrip())

    plain = seconds["export"] + seconds["load"]
    catreg = seconds["create_obscore"]
    say(f"  {'step':<34}{'rows':>9}{'plain s':>10}{'catreg s':>10}{'ratio':>9}")
    line("export by dax_obscore", rows, seconds["export"], None)
    line("COPY of the file, and indexes", rows, seconds["load"], None)
    line("create_obscore, indexes included", rows, None, seconds["create_obscore"])
    line("in all", "", plain, catreg, f"{plain / catreg:.2f}x")


def check_table(claims, sql, what, rows):
    differing = differences(sql)
    claims.check(f"{what}: the table has {value(sql, 'SELECT count(*) FROM obscore'):,} rows, {differing} of which differ from the export's",
                 differing == 0 and value(sql, "SELECT count(*) FROM obscore") == rows == value(sql, "SELECT count(*) FROM exported"))
    wrong = sum(value(sql, "SELECT count(*) FROM catreg.check_obscore(%s::text::regclass)", name)
                for name, in sql.execute("SELECT obscore::text FROM catreg.obscore").fetchall())
    claims.check(f"{what}: catreg.check_obscore lists {wrong} rows", wrong == 0)


def watch_ingest(claims, butler, sql, visit, folder):
    "ingest_datasets of one more visit; returns how many rows are more."
    names = kit.exposure(visit)["obs_id"], kit.visit(visit)["name"]
    more = 0
    for name, run, data_ids in datasets_of([visit]):
        paths = ingest.write_files(folder, name, data_ids)
        ingest.copy_batch(sql, data_ids, paths, butler.get_datastore_names()[0])
        more += ingest.with_catreg(sql, name, run)["inserted"]
    found = value(sql, "SELECT count(*) FROM obscore WHERE obs_id IN (%s, %s) AND s_region IS NOT NULL AND t_min > 0", *names)
    claims.check(f"ingest_datasets of another visit, {more} datasets: {found} rows, with footprints and times", found == more)
    return more


def watch(claims, butler, sql, visits):
    "What the client does, and what is in the table when it has done it; returns how many rows are more."
    registry = butler.registry
    of_visit = "SELECT count(*) FROM obscore WHERE obs_id IN (%s, %s)"
    names = kit.exposure(visits - 1)["obs_id"], kit.visit(visits - 1)["name"]

    raws = registry.insertDatasets("raw", kit.raw_ids([visits - 1], DETECTORS), run=RAWS)
    calexps = registry.insertDatasets("calexp", kit.calexp_ids([visits - 1], DETECTORS), run=CALEXPS)
    more = len(raws) + len(calexps)
    found = value(sql, f"{of_visit} AND s_region IS NOT NULL AND t_min > 0 AND obs_title LIKE '%%Z'", *names)
    claims.check(f"it puts {more} datasets of another visit: {found} rows, with footprints, times and titles", found == more)

    registry.associate(kit.TAG, calexps[:12])
    found = value(sql, "SELECT count(*) FROM good")
    claims.check(f"it associates 12 of them with {kit.TAG}: table \"good\" has {found}", found == 12)
    registry.disassociate(kit.TAG, calexps[:5])
    found = value(sql, "SELECT count(*) FROM good")
    claims.check(f"it disassociates 5: {found}", found == 7)

    inside = "SELECT count(*) FROM obscore WHERE region OPERATOR(catreg.@>) catreg.sky_point(201.5, 79.5)"
    before = value(sql, inside)
    registry.insertDimensionData(
        "visit_detector_region", *kit.region_records(visits - 1, [3], lambda *_: kit.polygon(201.5, 79.5, 0.6)), replace=True)
    found = value(sql, inside)
    claims.check(f"it replaces the region of the visit's detector 3: at 201.5 +79.5 there were {before} rows, now {found}",
                 (before, found) == (0, 2))

    registry.syncDimensionData("visit", kit.visit(visits - 1, timespan=when(visits - 1), region=None, target_name="Messier 31"), update=True)
    found = value(sql, "SELECT count(*) FROM obscore WHERE target_name = 'Messier 31'")
    claims.check(f"it updates the visit's target: {found} rows have the new one", found == len(calexps))

    registry.removeDatasets(raws)
    found = value(sql, of_visit, *names)
    claims.check(f"it removes the {len(raws)} raws: {found} rows of the visit are left", found == len(calexps))
    return more - len(raws)


def check_first(claims, butler, sql, what):
    "Is table first what the client finds first in the chain, and how many of its datasets are in the later run?"
    found = {ref.id for ref in butler.query_datasets("calexp", CHAIN, find_first=True, limit=None)}
    ids = {id for id, in sql.execute("SELECT registry_dataset_id FROM first")}
    again = value(sql, "SELECT count(*) FROM first WHERE lsst_run = %s", AGAIN)
    claims.check(f"{what}: {len(ids):,} rows, {again} of {AGAIN}; {len(ids ^ found)} differ from the client's find_first", ids == found)
    return again


def watch_chain(claims, butler, sql, visit):
    "The client edits a chain, and rows of the table that follows it change places."
    collections = butler.collections
    collections.register(AGAIN)
    refs = butler.registry.insertDatasets("calexp", kit.calexp_ids([visit], DETECTORS)[:12], run=AGAIN)
    collections.register(CHAIN, CollectionType.CHAINED)
    collections.redefine_chain(CHAIN, [CALEXPS])
    create(sql, CONFIG | {"collection_type": "CHAINED", "collections": [CHAIN]}, "first")
    before = check_first(claims, butler, sql, f"chain {CHAIN} = {CALEXPS}")
    collections.prepend_chain(CHAIN, AGAIN)
    moved = check_first(claims, butler, sql, f"it prepends {AGAIN}, where {len(refs)} of them were made again")
    collections.remove_from_chain(CHAIN, AGAIN)
    after = check_first(claims, butler, sql, "it removes that run from the chain")
    claims.check(f"the edits moved {moved} rows there and back", (before, moved, after) == (0, len(refs), 0))


def make_twins(server_uri, folder, visits):
    "Two registries without datasets, of one client's making; what their roots hold is named alike."
    repository = kit.Repository(f"{server_uri}/butler", "public", os.path.join(folder, "butler", "repository")).create()
    with repository.client() as butler:
        make_registry(butler, visits)
    with psycopg.connect(f"{server_uri}/postgres", autocommit=True) as server:
        server.execute("CREATE DATABASE twin TEMPLATE butler")
    return repository, repository.copied(f"{server_uri}/twin", os.path.join(folder, "twin", "repository"))


def fill(claims, mine, twin, sql, visits, folder):
    "All but the last two visits have datasets; returns how many."
    datasets = datasets_of(range(visits - 2))
    say(f"{visits:,} visits of {len(DETECTORS)} detectors; a file for each raw and each calexp of {visits - 2:,} of them. A copy of the")
    say("registry is told of the files by the client, butler.ingest(); the registry with catreg:")
    say("  CREATE EXTENSION catreg;")
    say(f"  CREATE TEMP TABLE batch ({ingest.BATCH.format('exposure')});")
    say("  COPY batch FROM ...;")
    say(f"  {ingest.CALL.format('raw', RAWS, 'error')};")
    with twin.client() as client, twin.connect() as theirs:
        client_timer, timer, statuses = ingest.bring_in(theirs, client, sql, datasets, folder)
        say()
        ingest.show_times(datasets, client_timer, timer)
        say("\nIs it right? A client, unmodified, on the registry that catreg filled:")
        with mine.client() as butler:
            ingest.check(claims, butler, theirs, sql, datasets, folder, statuses)
    return sum(len(data_ids) for _, _, data_ids in datasets)


def main(server_uri, folder, visits):
    os.environ["HOME"] = folder
    claims = Claims()
    files = os.path.join(folder, "datasets")
    with psycopg.connect(f"{server_uri}/postgres", autocommit=True) as server:
        server.execute("CREATE DATABASE butler")
    say(f"A Butler registry by the client, lsst-daf-butler {importlib.metadata.version('lsst-daf-butler')}:")
    repository, twin = make_twins(server_uri, folder, visits)
    with repository.connect() as sql:
        datasets = fill(claims, repository, twin, sql, visits, files)
    with repository.client() as butler, repository.connect() as sql:
        sql.execute("VACUUM ANALYZE")
        say(f"\nIts ObsCore table by the export script, dax_obscore {importlib.metadata.version('lsst-dax-obscore')}, whose file is loaded into")
        say("a table; and with catreg, by the same configuration:")
        say("  SELECT catreg.create_obscore('{...}');")
        seconds = make_tables(repository, folder, sql)
        say()
        show_times(f"{datasets:,}", seconds)

        say("\nIs it right?")
        create(sql, CONFIG | {"collection_type": "TAGGED", "collections": [kit.TAG]}, "good")
        check_table(claims, sql, "at first", datasets)
        say("\nCatreg and the client, unmodified, go on; nothing is run but what they do:")
        datasets += watch_ingest(claims, butler, sql, visits - 2, files)
        datasets += watch(claims, butler, sql, visits)
        say("\nA find-first table, which follows a chain of collections:")
        say("  SELECT catreg.create_obscore('{\"collection_type\": \"CHAINED\", ...}', name => 'first');")
        watch_chain(claims, butler, sql, visits - 3)
        say("\nAnd in the end:")
        load(sql, export(repository, folder))
        check_table(claims, sql, "afterwards, exported again", datasets)
    return 1 if claims.wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
