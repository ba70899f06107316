"""ObsCore tables of registries that the real Butler client writes to.

Each test does what a client, or an administrator in SQL, may do; afterwards the
tables must hold what the client's own code makes of the registry (butlerkit).
"""

import contextlib
import json
import os
import pathlib
import random
import shutil
import subprocess
import uuid

import psycopg
import pytest
from lsst.daf.butler import CollectionType, DataCoordinate, DatasetRef, Timespan

import butlerkit as kit
from butlerkit import CAM, TAG, calexp_ids, coadd_ids, raw_ids
from tiledkit import with_database

DATA = pathlib.Path(__file__).resolve().parents[3] / "shared" / "data"
KINDS = ["RUN", "TAGGED"]

pytestmark = pytest.mark.filterwarnings("ignore::lsst.daf.butler.registry.obscore.RegionTypeWarning")


# -- databases ------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def new_database(server_uri, template="template1", extensions=("catreg",)):
    name = f"catreg_{uuid.uuid4().hex}"
    with psycopg.connect(with_database(server_uri, "postgres"), autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    uri = with_database(server_uri, name)
    try:
        with psycopg.connect(uri, autocommit=True) as connection:
            for extension in extensions:
                connection.execute(f"CREATE EXTENSION {extension}")
        yield uri
    finally:
        with psycopg.connect(with_database(server_uri, "postgres"), autocommit=True) as server:
            server.execute(f"DROP DATABASE {name} WITH (FORCE)")


# Every test has a schema of its own for the registry. There are two more kinds of registry: in public, and, for tests
# to which collections matter, "named", in which those go by their names.
everywhere = pytest.mark.parametrize("original", ["own", "public", "named"], indirect=True)
either_key = pytest.mark.parametrize("original", ["own", "named"], indirect=True)


@pytest.fixture(scope="module", params=["own"])
def original(request, server_uri, tmp_path_factory):
    "A registry with something of everything, to be copied."
    with new_database(server_uri, extensions=()) as uri:
        repository = kit.Repository(uri, request.param, tmp_path_factory.mktemp("butler"))
        repository.create(collections=request.param == "named" and kit.BY_NAME)
        with repository.client() as butler:
            kit.fill(butler)
        yield repository


@pytest.fixture
def repository(original, server_uri, tmp_path):
    with new_database(server_uri, template=original.uri.rsplit("/", 1)[1]) as uri:
        yield original.copied(uri, tmp_path / "repository")


def create(connection, schema, config=None, name=None):
    return connection.execute(
        "SELECT catreg.create_obscore(%s::json, %s::regnamespace, %s)::text",
        [config and json.dumps(config), schema, name],
    ).fetchone()[0]


class Watched:
    "A registry with tables that catreg keeps, a client and a connection to it."

    def __init__(self, repository, butler, sql):
        self.repository = repository
        self.butler = butler
        self.registry = butler.registry
        self.sql = sql
        self.tables = {}

    def create(self, config, name=None):
        table = create(self.sql, self.repository.schema, config, name)
        self.tables[table] = config
        return table

    def expected(self, table):
        return kit.expected_rows(self.repository, self.tables[table])

    def problems(self, table):
        return self.sql.execute("SELECT dataset_id, problem FROM catreg.check_obscore(%s)", [table]).fetchall()

    def check(self):
        "The number of rows, by table."
        sizes = []
        with self.repository.client() as butler:
            all_expected = [kit.Expected(butler, config) for config in self.tables.values()]
        for table, expected in zip(self.tables, all_expected):
            kit.compare(self.sql, table, expected)
            listed = {id for id, _ in self.problems(table)}
            assert listed >= {id for id, what in expected.failed if what.endswith("_fmt")}, table
            assert listed <= {id for id, _ in expected.failed}, table
            sizes.append(len(expected.rows))
        return sizes

    def insert(self, dataset_type, data_ids, run, **how):
        return self.registry.insertDatasets(dataset_type, data_ids, run=run, **how)

    def refs(self, dataset_type, collections):
        return list(self.registry.queryDatasets(dataset_type, collections=collections, findFirst=False))

    def dimensions(self, element, *rows, **how):
        self.registry.insertDimensionData(element, *rows, **how)

    def sync(self, element, row):
        return self.registry.syncDimensionData(element, row, update=True)

    def execute(self, statement, *parameters):
        "For what has to hit something."
        cursor = self.sql.execute(statement, parameters or None)
        assert cursor.rowcount != 0, statement
        return cursor


@contextlib.contextmanager
def watch(repository):
    with repository.client() as butler, repository.connect() as sql:
        yield Watched(repository, butler, sql)


@pytest.fixture
def watched(repository):
    "With a table of runs and one of a tag."
    with watch(repository) as watched:
        watched.create(kit.configuration("RUN"), "obscore_run")
        watched.create(kit.configuration("TAGGED"), "obscore_tagged")
        yield watched


# -- the oracle, against the client's own manager -------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_oracle(server_uri, tmp_path, kind):
    "Where the client's manager is right, it and the oracle agree."
    with new_database(server_uri, extensions=()) as uri:
        repository = kit.Repository(uri, "public", tmp_path).create(kit.configuration(kind))
        with repository.client() as butler:
            kit.fill(butler, empty_timespan=False)
        with repository.connect() as connection:
            expected = kit.expected_rows(repository, kit.configuration(kind))
            kit.compare(connection, "obscore", expected)
        assert expected.rows and not expected.failed


def test_oracle_sees_differences():
    "Two rows that are the same but for the last bit of a time, a character, or a row."
    columns = ["t_min", "s_ra", "s_dec", "obs_id"]
    row = (60000.25, 359.9999999999, 1.0, "x")
    for other in [(60000.250000000007, *row[1:]), (*row[:3], "x "), (*row[:1], None, *row[2:]), (*row[:1], 1e-8, *row[2:])]:
        assert kit.differences(columns, {1: row}, {1: other})
    assert kit.differences(columns, {1: row}, {}) and kit.differences(columns, {}, {1: row})
    assert not kit.differences(columns, {1: row}, {1: (row[0], 0.0000000001, *row[2:])})


# -- datasets -------------------------------------------------------------------------------------------------------


@everywhere
def test_filled(watched):
    "Tables made after the datasets; with a configuration such as the client stores it."
    sizes = watched.check()
    assert all(sizes)
    stored = kit.ObsCoreManagerConfig.model_validate(kit.configuration()).model_dump(mode="json")
    watched.create(stored, "obscore_stored")
    watched.create(kit.configuration(collections=None, fallback_instrument="Cam"), "obscore_all")
    assert watched.check()[3] > sizes[0]


def test_empty_registry(server_uri, tmp_path):
    "Tables first, all the rest afterwards."
    with new_database(server_uri) as uri:
        with watch(kit.Repository(uri, "public", tmp_path).create()) as watched:
            watched.create(kit.configuration("RUN"), "obscore_run")
            watched.create(kit.configuration("TAGGED"), "obscore_tagged")
            assert watched.check() == [0, 0]
            kit.fill(watched.butler)
            assert all(watched.check())


@everywhere
def test_insert_datasets(watched):
    before = watched.check()
    watched.insert("raw", raw_ids(range(8), [1, 2, 5]), "Cam/raw/all")
    watched.insert("calexp", calexp_ids(range(4, 8)), "runs/a")
    watched.insert("calexp", calexp_ids(range(4, 8)), "runs/c")
    watched.insert("other", calexp_ids(range(4, 8)), "runs/a")
    watched.insert("calexp", [], "runs/a")
    after = watched.check()
    assert after == [before[0] + 24 + 24, before[1]]


@pytest.mark.parametrize(
    "dataset_type, data_id",
    [
        ("raw", {**CAM, "exposure": 1003, "detector": 2}),
        ("calexp", {**CAM, "visit": 2005, "detector": 4}),
        ("warp", {**CAM, "visit": 2001, "skymap": "rings", "tract": 0, "patch": 0}),
        ("snap", {**CAM, "exposure": 1001, "visit": 2001, "detector": 0}),
        ("flat", {**CAM, "detector": 3, "physical_filter": "i_hidden"}),
        ("deepCoadd", {"skymap": "rings", "tract": 1, "patch": 4, "band": "i"}),
        ("settings", {}),
    ],
)
def test_put(watched, dataset_type, data_id):
    "A real put, with a file; the file goes, and then the dataset."
    before = watched.check()[0]
    ref = watched.butler.put({"a": 1}, dataset_type, data_id, run="runs/b 'quoted' 100%")
    assert watched.check()[0] == before + 1
    watched.butler.pruneDatasets([ref], disassociate=False, unstore=True, purge=False)
    assert watched.check()[0] == before + 1
    watched.butler.pruneDatasets([ref], disassociate=True, unstore=True, purge=True)
    assert watched.check()[0] == before


@everywhere
def test_many(watched):
    "More than the client sends in a statement, of a dataset type and of dimensions that come later."
    before = watched.check()[0]
    kit.register_type(watched.butler, "diff", ["subfilter"])
    watched.dimensions("subfilter", *({"band": b, "id": i} for b in "gr" for i in range(1250)))
    refs = watched.insert("diff", [{"band": b, "subfilter": i} for b in "gr" for i in range(1250)], "runs/a")
    assert watched.check()[0] == before + 2500
    watched.registry.associate(TAG, refs[::5])
    watched.registry.removeDatasets(refs[::2])
    assert watched.check()[0] == before + 1250


def imported(watched, dataset_type, data_ids, run):
    dataset_type = watched.butler.get_dataset_type(dataset_type)
    universe = watched.butler.dimensions
    return [DatasetRef(dataset_type, DataCoordinate.standardize(d, universe=universe, dimensions=dataset_type.dimensions), run)
            for d in data_ids]


@everywhere
def test_import_datasets(watched):
    before = watched.check()[0]
    for refs in (imported(watched, "calexp", calexp_ids(range(4, 8)), "runs/a"),
                 imported(watched, "raw", raw_ids(range(8), [1]), "Cam/raw/all"),
                 imported(watched, "settings", [{}], "runs/b 'quoted' 100%")):
        for _ in range(2):
            watched.registry._importDatasets(refs[: len(refs) // 2])
            watched.check()
        watched.registry._importDatasets(refs, expand=False)
        assert watched.check()[0] == before + len(refs)
        before += len(refs)


def test_transfer(watched, server_uri, tmp_path):
    "From another repository: datasets and the records that they need."
    with new_database(server_uri) as uri:
        with watch(kit.Repository(uri, "public", tmp_path / "target").create()) as target:
            target.create(kit.configuration(), "obscore_run")
            refs = watched.refs("calexp", ["runs/a"]) + watched.refs("raw", ["Cam/raw/all"])
            target.butler.transfer_from(
                watched.butler, refs, transfer="copy", skip_missing=False, register_dataset_types=True,
                transfer_dimensions=True,
            )
            assert target.check() == [len(refs)]


@everywhere
def test_associate(watched):
    before = watched.check()
    a, b = watched.refs("calexp", ["runs/a"]), watched.refs("calexp", ["runs/b 'quoted' 100%"])
    watched.registry.associate("tags/other", a + watched.refs("raw", ["Cam/raw/all"]))
    assert watched.check() == before
    watched.registry.associate(TAG, a)
    some = watched.check()
    watched.registry.associate(TAG, a)
    assert watched.check() == some
    # data ids that are there already, of other datasets
    with pytest.raises(kit.ConflictingDefinitionError):
        watched.registry.associate(TAG, b)
    assert watched.check() == some
    watched.registry.disassociate(TAG, a)
    watched.registry.associate(TAG, b)
    watched.registry.associate(TAG, watched.refs("calexp", ["elsewhere"])[:2])
    assert watched.check()[0] == before[0]


@either_key
def test_disassociate(watched):
    before = watched.check()
    refs = watched.refs("calexp", [TAG]) + watched.refs("raw", [TAG])
    watched.registry.disassociate("tags/other", refs)
    assert watched.check() == before
    watched.registry.disassociate(TAG, refs)
    assert watched.check() == [before[0], before[1] - len(refs)]
    watched.registry.disassociate(TAG, refs)
    watched.registry.associate(TAG, refs[:3])
    watched.check()


@either_key
def test_remove_datasets(watched):
    watched.registry.removeDatasets(watched.refs("calexp", ["runs/a"])[::2] + watched.refs("raw", ["Cam/raw/all"])[::3])
    watched.check()
    watched.registry.removeDatasets(watched.refs("calexp", ["elsewhere", "runs/c"]))
    watched.registry.removeDatasets(watched.refs("settings", ["runs/a"]))
    watched.check()
    watched.registry.removeDatasetType("warp")
    watched.check()


# -- collections ----------------------------------------------------------------------------------------------------


@either_key
def test_remove_tag(watched):
    before = watched.check()
    refs = watched.refs("calexp", [TAG])
    watched.registry.removeCollection("tags/other")
    assert watched.check() == before
    watched.registry.removeCollection(TAG)
    assert watched.check() == [before[0], 0]
    watched.butler.collections.register(TAG, CollectionType.TAGGED)
    assert watched.check() == [before[0], 0]
    watched.registry.associate(TAG, refs)
    assert watched.check() == [before[0], len(refs)]


@everywhere
def test_remove_run(watched):
    watched.registry.removeCollection("elsewhere")
    watched.check()
    watched.registry.removeCollection("runs/a")
    watched.check()
    watched.butler.collections.register("runs/a")
    watched.insert("calexp", calexp_ids(range(2)), "runs/a")
    watched.check()
    watched.butler.removeRuns(["Cam/raw/all", "runs/b 'quoted' 100%"], unlink_from_chains=True)
    assert watched.check()[0] == 12


@either_key
def test_new_run(watched):
    "Runs that match a pattern in full, and others."
    before = watched.check()
    for run, matches in {"runs/a/new": True, "runs/z": False, "x/runs/a": False, "Cam/raw/": True, "cam/raw/x": False,
                         "runs/b\nline": False, "runs/bé %": True}.items():
        watched.butler.collections.register(run)
        watched.insert("calexp", calexp_ids([6], [0, 1]), run)
        after = watched.check()
        assert after[0] == before[0] + 2 * matches, run
        before = after


@either_key
def test_chains(watched):
    "Which are nothing to a table of runs or of a tag."
    before = watched.check()
    watched.butler.collections.register("chain", CollectionType.CHAINED)
    watched.butler.collections.redefine_chain("chain", ["runs/a", "runs/c"])
    watched.butler.collections.prepend_chain("chain", [TAG, "elsewhere"])
    watched.butler.collections.remove_from_chain("chain", ["runs/a"])
    watched.butler.collections.register("calibs", CollectionType.CALIBRATION)
    watched.registry.certify("calibs", watched.refs("flat", ["runs/a"]), Timespan(None, None))
    watched.registry.removeCollection("chain")
    assert watched.check() == before


@everywhere
def test_dataset_type_later(watched):
    "Of dimensions that other dataset types have, of new ones, and again after it was removed."
    before = watched.check()[0]
    kit.register_type(watched.butler, "late", ["visit"])
    watched.insert("late", [{**CAM, "visit": 2000 + v} for v in kit.VISITS], "runs/a")
    assert watched.check()[0] == before + 8
    watched.registry.removeDatasets(watched.refs("late", ["runs/a"]))
    watched.registry.removeDatasetType("late")
    assert watched.check()[0] == before
    kit.register_type(watched.butler, "late", ["day_obs", "detector"])
    ref, *_ = watched.insert("late", [{**CAM, "day_obs": 20240110 + n % 2, "detector": n} for n in range(3)], "runs/a")
    watched.registry.associate(TAG, [ref])
    assert watched.check()[0] == before + 3


def test_renamed(watched):
    "In SQL: the client has no call for it."
    before = watched.check()
    for name, new in [("runs/a", "moved"), ("moved", "runs/b again"), ("elsewhere", "runs/a"), (TAG, "gone"), ("tags/other", TAG)]:
        watched.execute("UPDATE collection SET name = %s WHERE name = %s", new, name)
        watched.check()
    watched.execute("UPDATE collection SET name = 'tags/other' WHERE name = %s", TAG)
    assert watched.check()[1] == 0
    watched.execute("UPDATE collection SET name = %s WHERE name = 'gone'", TAG)
    assert watched.check()[1] == before[1]
    watched.execute("UPDATE collection SET name = name || '~' WHERE type = 1")
    assert watched.check()[0] > 0


REFERRING = """
    SELECT conrelid::regclass::text, conname, attname, pg_get_constraintdef(c.oid), cardinality(conkey) = 1
    FROM pg_constraint c JOIN pg_attribute ON attrelid = conrelid AND attnum = conkey[1]
    WHERE connamespace = current_schema()::regnamespace AND contype = 'f'
        AND (confrelid IN ('collection'::regclass, 'run'::regclass) OR confrelid::regclass::text LIKE 'collection_summary_%')
    ORDER BY conrelid::regclass::text LIKE '%_tags_%'
"""


@pytest.mark.parametrize("original", ["named"], indirect=True)
def test_renamed_by_name(watched):
    """Where a collection's name is its key, which all that is in it refers to: in SQL, by a collection of the new name to
    which all goes over, or at once, by foreign keys that somebody has made to go along."""
    before = watched.check()
    referring = watched.sql.execute(REFERRING).fetchall()
    columns = {(table, column) for table, _, column, _, single in referring if single}
    assert {column for _, column in columns} >= {"collection_name", "run_name"}

    def go_over(old, new):
        with watched.sql.transaction():
            watched.execute("INSERT INTO collection SELECT %s, type, doc FROM collection WHERE name = %s", new, old)
            watched.execute("INSERT INTO run SELECT %s, host, timespan FROM run WHERE name = %s", new, old)
            for table, column in sorted(columns, key=lambda c: "_tags_" in c[0]):
                if table.startswith("collection_summary_"):
                    other = table.removeprefix("collection_summary_")
                    other += "_id" if other == "dataset_type" else ""
                    watched.sql.execute(f"INSERT INTO {table} ({column}, {other}) SELECT %s, {other} FROM {table}"
                                        f" WHERE {column} = %s", [new, old])
                elif table != "run":
                    watched.sql.execute(f"UPDATE {table} SET {column} = %s WHERE {column} = %s", [new, old])
            watched.execute("DELETE FROM collection WHERE name = %s", old)
        watched.check()

    def at_once(old, new):
        watched.execute("UPDATE collection SET name = %s WHERE name = %s", new, old)
        watched.check()

    for rename in (go_over, at_once):
        for old, new in [("runs/a", "moved"), ("elsewhere", "runs/a"), ("moved", "elsewhere"), ("runs/a", "runs/a2")]:
            rename(old, new)
        assert watched.check()[0] != before[0]
        rename("elsewhere", "runs/a")
        rename("runs/a2", "elsewhere")
        assert watched.check() == before
        for table, name, _, text, single in referring:
            text += " ON UPDATE CASCADE" if single else " DEFERRABLE INITIALLY DEFERRED"
            watched.sql.execute(f'ALTER TABLE {table} DROP CONSTRAINT "{name}", ADD CONSTRAINT "{name}" {text}')


def test_dataset_type_renamed(watched):
    "What is no longer called by a configured name goes."
    watched.check()
    watched.execute("UPDATE dataset_type SET name = 'calexp_old' WHERE name = 'calexp'")
    watched.check()
    watched.execute("UPDATE dataset_type SET name = 'calexp' WHERE name = 'other'")
    watched.check()


# -- records --------------------------------------------------------------------------------------------------------


@everywhere
def test_visits_late(watched):
    "Visits of exposures whose raws are there; and an exposure's second visit, with a lower id, still later."
    watched.butler.collections.register("Cam/raw/odd")
    watched.insert("raw", raw_ids([8, 14, 15], [1, 4]), "Cam/raw/odd")
    watched.check()
    watched.dimensions("visit", kit.visit(20, like=14), kit.visit(21))
    watched.check()
    watched.dimensions("visit_definition", *({**CAM, "exposure": e, "visit": 2020} for e in (1014, 1004)))
    watched.check()
    kit.insert_regions(watched.butler, [20])
    watched.check()
    kit.define_visits(watched.butler, [17, 30], exposures=[(14, 17), (15, 30), (5, 30)])
    watched.check()
    # one with no region of its own, although the lowest
    kit.define_visits(watched.butler, [16], regions=False, exposures=[(14, 16)])
    watched.check()
    kit.insert_regions(watched.butler, [16], detectors=[4])
    watched.check()
    watched.insert("raw", raw_ids([3, 14, 15], [2]), "Cam/raw/odd")
    watched.insert("snap", [{**CAM, "exposure": 1014, "visit": 2017, "detector": 1}], "runs/a")
    watched.check()


def test_regions_late_and_replaced(watched):
    kit.define_visits(watched.butler, [8, 15], regions=False)
    watched.insert("calexp", calexp_ids([8, 15]), "runs/a", expand=False)
    watched.check()
    kit.insert_regions(watched.butler, [8, 15])
    watched.check()
    kit.insert_regions(watched.butler, [0, 1, 8], replace=True, region=lambda visit, d: kit.detector_region(visit + 1, d))
    watched.check()
    kit.insert_regions(watched.butler, [2, 3, 15], replace=True, region=lambda visit, d: kit.box(10 + d, 20, 0.1))
    watched.check()
    watched.dimensions("visit_detector_region", *kit.region_records(2), skip_existing=True)
    watched.check()
    kit.insert_regions(watched.butler, [3], replace=True, region=lambda visit, d: None)
    watched.check()


UPDATES = {
    "visit": {**kit.visit(1), "name": "another'", "target_name": "%{x}", "exposure_time": 1e16, "zenith_angle": 0.1},
    "visit_time": {**kit.visit(2), "timespan": Timespan(kit.moment(1e7), None)},
    "visit_empty": {**kit.visit(6), "timespan": Timespan.makeEmpty()},
    "visit_region": {**kit.visit(1), "region": kit.polygon(0, 0, 0.3)},
    "visit_no_region": {**kit.visit(2), "region": None},
    "visit_filter": {**kit.visit(3), "physical_filter": "g_01"},
    "visit_day": {**kit.visit(3), "day_obs": 20240110},
    "exposure": {**kit.exposure(1), "obs_id": "é", "target_name": None, "exposure_time": 1e15, "science_program": "a" * 20},
    "exposure_time": {**kit.exposure(3), "timespan": Timespan(kit.moment(-1e8), kit.moment(-1e7))},
    "exposure_unbounded": {**kit.exposure(kit.EMPTY_TIMESPAN), "timespan": Timespan(None, kit.moment(5))},
    "exposure_filter": {**kit.exposure(0), "physical_filter": "i_hidden"},
    "exposure_group": {**kit.exposure(0), "group": "group 7"},
    "physical_filter": {**CAM, "name": "g_01", "band": "r"},
    "physical_filter_range": {**CAM, "name": "r_57", "band": "white"},
    "detector": {**CAM, "id": 3, "full_name": "new 'name'", "name_in_raft": "x", "raft": None, "purpose": None},
    "instrument": {"name": "Cam", "visit_max": 1, "exposure_max": 1, "detector_max": 1, "visit_system": 0, "class_name": None},
    "day_obs": {**CAM, "id": 20240110, "timespan": Timespan(kit.moment(7), kit.moment(8))},
    "tract": {"skymap": "rings", "id": 1, "region": kit.polygon(11, 12, 0.4)},
    "patch": {"skymap": "rings", "tract": 1, "id": 4, "cell_x": 17, "cell_y": 0, "region": kit.polygon(11, 12, 0.1, corners=9)},
    "patch_circle": {"skymap": "rings", "tract": 1, "id": 1, "cell_x": 1, "cell_y": 0, "region": kit.circle(11, 12, 0.1)},
    "visit_detector_region": kit.region_records(1, [0], lambda visit, detector: kit.polygon(77, 7, 0.1))[0],
    "skymap": {"name": "rings", "hash": b"12345", "tract_max": 5, "patch_nx_max": 4, "patch_ny_max": 4},
}


@pytest.mark.parametrize("update", UPDATES)
def test_record_updated(watched, update):
    kit.register_type(watched.butler, "late", ["day_obs"])
    watched.insert("late", [{**CAM, "day_obs": 20240110}, {**CAM, "day_obs": 20240111}], "runs/a")
    watched.insert("warp", [{**CAM, "visit": 2001, "skymap": "rings", "tract": 1, "patch": 4}], "runs/a")
    watched.insert("snap", [{**CAM, "exposure": 1001, "visit": 2001, "detector": 0}], "runs/a")
    watched.check()
    element = max((e for e in watched.butler.dimensions.elements.names if update.startswith(e)), key=len)
    assert isinstance(watched.sync(element, UPDATES[update]), dict)
    watched.check()
    assert watched.sync(element, UPDATES[update]) is False


@everywhere
def test_records_updated_in_sql(watched):
    "Many at once, and statements that change nothing."
    watched.dimensions("visit", kit.visit(17, like=1))
    kit.insert_regions(watched.butler, [17])
    for statement in [
        "UPDATE visit SET target_name = upper(target_name), exposure_time = exposure_time * 3",
        "UPDATE exposure SET obs_id = id || obs_id, timespan = NULL WHERE id % 2 = 0",
        "UPDATE physical_filter SET band = 'i'",
        "UPDATE detector SET purpose = 'x' || id, full_name = id || full_name",
        "UPDATE instrument SET class_name = name",
        "UPDATE patch SET cell_x = -cell_x, region = NULL",
        "UPDATE visit_detector_region a SET region = b.region FROM visit_detector_region b"
        " WHERE b.visit = a.visit + 1 AND b.detector = a.detector",
        "UPDATE visit_definition SET visit = 2017 WHERE exposure = 1001",
        "UPDATE day_obs SET timespan = 'empty'",
    ]:
        watched.execute(statement)
        watched.check()
        watched.sql.execute(statement + (" AND false" if " WHERE " in statement else " WHERE false"))
    watched.check()


def test_records_deleted_in_sql(watched):
    kit.define_visits(watched.butler, [8, 21, 22], exposures=[(8, 8), (0, 21), (1, 22)])
    watched.check()
    for statement in [
        "DELETE FROM visit_detector_region WHERE visit = 2000 OR detector = 3",
        "DELETE FROM visit_definition WHERE exposure IN (1001, 1002)",
        "DELETE FROM visit_definition WHERE visit = 2008",
        "DELETE FROM visit_detector_region WHERE visit = 2021",
        "DELETE FROM visit_definition WHERE exposure = 1000",
    ]:
        watched.execute(statement)
        watched.check()
    watched.execute("DELETE FROM visit_definition")
    watched.check()


@everywhere
def test_truncate(watched):
    "The tags of some dataset types, then those of all."
    before = watched.check()
    name = "SELECT tag_association_table FROM dataset_type WHERE name = %s"
    watched.sql.execute(f"TRUNCATE {watched.execute(name, 'calexp').fetchone()[0]}")
    after = watched.check()
    assert after[0] < before[0] and after[1] < before[1]
    watched.sql.execute("TRUNCATE visit_definition")
    watched.check()
    watched.sql.execute("TRUNCATE visit_detector_region CASCADE")
    watched.check()
    watched.sql.execute("TRUNCATE dataset CASCADE")
    assert watched.check() == [0, 0]


# -- what cannot be derived -----------------------------------------------------------------------------------------


def test_malformed_region(watched):
    "Never fails a put, and is listed; the client itself cannot read such a record."
    watched.butler.collections.register("Cam/raw/new")
    bad = "visit = 2001 AND detector IN (0, 3)"
    for region in ["garbage", "cA==", "€", ":"]:
        watched.execute(f"UPDATE visit_detector_region SET region = %s WHERE {bad}", region)
        run = f"runs/a {region}"
        watched.butler.collections.register(run)
        refs = watched.insert("raw", raw_ids([1], [0, 1]), run)
        refs += watched.insert("calexp", calexp_ids([1], [3, 4]), run, expand=False)
        watched.registry.disassociate(TAG, watched.refs(..., [TAG]))
        watched.registry.associate(TAG, refs)
        # The table is as if there was no region.
        seen = {}
        for table in watched.tables:
            affected = watched.sql.execute(
                f"SELECT registry_dataset_id FROM {table} WHERE lsst_detector IN (0, 3)"
                " AND (lsst_visit = 2001 OR lsst_exposure = 1001)"
            ).fetchall()
            assert {id for id, _ in watched.problems(table)} == {id for id, in affected} != set(), (table, region)
            seen[table] = kit.read(watched.sql, table)
        watched.execute(f"UPDATE visit_detector_region SET region = NULL WHERE {bad}")
        for table, (columns, rows) in seen.items():
            assert kit.differences(columns, rows, watched.expected(table).rows) == [], (table, region)
        watched.check()
        watched.registry.removeDatasets(refs)


@pytest.mark.parametrize("kind", KINDS)
def test_traps(repository, kind):
    "Templates that make the client refuse the whole put."
    with watch(repository) as watched:
        table = watched.create(kit.configuration(kind, **kit.TRAPS), "obscore_traps")

        def check():
            expected = watched.expected(table)
            kit.compare(watched.sql, table, expected)
            listed = {id for id, _ in watched.problems(table)}
            assert listed >= {id for id, what in expected.failed if what.endswith("_fmt")} != set()
            assert listed <= {id for id, _ in expected.failed}

        check()
        refs = watched.insert("calexp", calexp_ids(range(4, 8)), "runs/a")
        refs += watched.insert("raw", raw_ids(kit.ODD_TIMESPANS, [2]), "Cam/raw/all")
        watched.registry.associate(TAG, refs)
        check()
        watched.sync("exposure", {**kit.exposure(1), "science_program": None, "dark_time": None, "target_name": "it's \"q\""})
        check()


def test_region_column(watched):
    "Keeps what the text columns cannot say, and is NULL where there is no region."
    types = {}
    for name, in watched.sql.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = 'obscore_run'::regclass AND atttypid = 'catreg.region'::regtype"
    ):
        rows = watched.sql.execute(
            f'SELECT lsst_detector, "{name}"::text, s_region FROM obscore_run'
            " WHERE lsst_visit = 2003 AND dataproduct_subtype = 'lsst.calexp' ORDER BY 1"
        )
        types = {detector: (region and region.split()[0], text and text.split()[0]) for detector, region, text in rows}
    assert types[0] == types[4] == ("POLYGON", "POLYGON")
    assert types[1] == ("CIRCLE", None)
    assert types[2][0] is not None and types[2][1] is None
    assert types[3] == ("UNION", None)
    assert types[5] == (None, None)


# -- transactions and clients ---------------------------------------------------------------------------------------


@either_key
def test_rolled_back(watched):
    before = watched.check()
    with pytest.raises(ZeroDivisionError):
        with watched.butler.transaction():
            watched.insert("calexp", calexp_ids(range(4, 8)), "runs/a")
            watched.registry.associate(TAG, watched.refs("deepCoadd", ["runs/a"]))
            watched.registry.removeDatasets(watched.refs("raw", ["Cam/raw/all"]))
            watched.sync("visit", UPDATES["visit"])
            1 / 0
    assert watched.check() == before
    with watched.butler.transaction():
        watched.insert("calexp", calexp_ids([4]), "runs/a")
        with contextlib.suppress(ZeroDivisionError):
            with watched.registry.transaction(savepoint=True):
                watched.insert("calexp", calexp_ids([5]), "runs/a")
                kit.insert_regions(watched.butler, [0], replace=True, region=lambda visit, d: None)
                1 / 0
        watched.insert("calexp", calexp_ids([6]), "runs/a")
    assert watched.check() == [before[0] + 12, before[1]]


def test_refused(watched):
    "A put that the client refuses leaves no row."
    before = watched.check()
    with pytest.raises(Exception, match="constraint failure"):
        watched.insert("calexp", calexp_ids([7, 0]), "runs/a")
    assert watched.check() == before


@either_key
def test_two_clients(watched):
    "In turn; the second came up before the first did anything."
    with watched.repository.client() as other:
        watched.butler.collections.register("runs/a2")
        watched.insert("calexp", calexp_ids([4]), "runs/a2")
        other.registry.insertDatasets("calexp", calexp_ids([5]), run="runs/a")
        kit.register_type(other, "late", ["visit"])
        other.registry.refresh()
        watched.check()
        kit.define_visits(watched.butler, [8])
        other.registry.refresh()
        other.registry.insertDatasets("late", [{**CAM, "visit": 2008}], run="runs/a2")
        watched.registry.refresh()
        watched.insert("late", [{**CAM, "visit": 2007}], "runs/a2")
        other.registry.removeDatasets(watched.refs("calexp", ["runs/a2"]))
        watched.registry.associate(TAG, watched.refs("late", ["runs/a2"]))
        watched.check()


@pytest.mark.parametrize("original, seed", [("own", 0), ("own", 1), ("own", 2), ("named", 3)], indirect=["original"])
def test_random(watched, seed):
    "Calls in any order, some refused."
    dice = random.Random(seed)
    registry = watched.registry
    runs = ["Cam/raw/all", "runs/a", "runs/b 'quoted' 100%", "runs/c", "elsewhere"]
    numbers = iter(range(40, 1000))

    def some(refs):
        return dice.sample(refs, min(len(refs), dice.choice([1, 2, 10])))

    def insert():
        name, ids = dice.choice([("raw", raw_ids(range(9), [0, 1, 3, 5])), ("calexp", calexp_ids(kit.VISITS)),
                                 ("deepCoadd", coadd_ids(bands=("g", "r", "i"))), ("settings", [{}])])
        watched.insert(name, some(ids), dice.choice(runs))

    def define():
        visit = next(numbers)
        exposures = [(e, visit) for e in dice.choice([[0], [1], [3], [8], [4, 14], [5, 15]])]
        kit.define_visits(watched.butler, [visit], regions=dice.random() < 0.7, exposures=exposures)

    calls = [
        insert, insert, define,
        lambda: registry.associate(dice.choice([TAG, "tags/other"]), some(watched.refs(..., runs))),
        lambda: registry.disassociate(TAG, some(watched.refs(..., [TAG]))),
        lambda: registry.removeDatasets(some(watched.refs(..., runs))),
        lambda: watched.sync("visit", {**kit.visit(dice.choice(kit.VISITS)), "target_name": dice.choice(kit.TARGETS)}),
        lambda: watched.sync("exposure", {**kit.exposure(dice.choice(range(9))), "exposure_time": dice.random()}),
        lambda: kit.insert_regions(watched.butler, [dice.choice(kit.VISITS)], replace=True,
                                   region=lambda visit, d: kit.detector_region(visit + dice.randrange(8), d)),
        lambda: watched.sync("physical_filter", {**CAM, "name": dice.choice(list(kit.FILTERS)), "band": dice.choice("griz")}),
    ]
    done = []
    for step in range(30):
        call = dice.choice(calls)
        done.append(calls.index(call))
        with contextlib.suppress(kit.ConflictingDefinitionError):
            with watched.butler.transaction():
                call()
                if dice.random() < 0.1:
                    raise kit.ConflictingDefinitionError
        if step % 3 == 2:
            try:
                watched.check()
            except AssertionError as error:
                raise AssertionError(f"seed {seed}, calls {done}: {error}") from error


# -- upkeep ---------------------------------------------------------------------------------------------------------


def test_check_and_refresh(watched):
    "What somebody did to the table itself is seen, and put right."
    watched.check()
    changed = {id for id, in watched.execute(
        "UPDATE obscore_run SET target_name = 'wrong' WHERE lsst_detector = 3 RETURNING registry_dataset_id").fetchall()}
    gone = {id for id, in watched.execute(
        "DELETE FROM obscore_run WHERE dataproduct_subtype = 'lsst.deepCoadd' RETURNING registry_dataset_id").fetchall()}
    extra = {id for id, in watched.execute(
        "INSERT INTO obscore_run (registry_dataset_id) SELECT id FROM dataset"
        " WHERE id NOT IN (SELECT registry_dataset_id FROM obscore_run) AND id <> ALL (%s) RETURNING registry_dataset_id",
        list(gone)).fetchall()}
    assert {id for id, _ in watched.problems("obscore_run")} == changed | gone | extra
    counts = watched.sql.execute("SELECT inserted, updated, deleted FROM catreg.refresh_obscore('obscore_run')").fetchone()
    assert counts == (len(gone), len(changed), len(extra))
    watched.check()
    assert watched.sql.execute("SELECT * FROM catreg.refresh_obscore('obscore_run')").fetchone() == (0, 0, 0)


@everywhere
def test_query(watched):
    "The SELECT that defines a table says the same as the table."
    for table in watched.tables:
        query = watched.sql.execute("SELECT catreg.obscore_query(%s)", [table]).fetchone()[0].rstrip("; \n")
        watched.sql.execute(f"CREATE TABLE copied AS {query}")
        columns, rows = kit.read(watched.sql, "copied")
        expected = watched.expected(table)
        assert columns == expected.columns
        assert kit.differences(columns, rows, expected.rows) == []
        watched.sql.execute("DROP TABLE copied")


TRIGGERS = """
    SELECT tgrelid::regclass::text, tgname FROM pg_trigger
    WHERE NOT tgisinternal AND tgrelid IN (SELECT oid FROM pg_class WHERE relnamespace = current_schema()::regnamespace)
    ORDER BY 1, 2
"""


@everywhere
def test_dropped(watched):
    "One table, then the other; nothing stays behind, and clients go on."
    relations = "SELECT count(*) FROM pg_class WHERE relnamespace = current_schema()::regnamespace"
    assert watched.sql.execute(TRIGGERS).fetchall()
    for table in list(watched.tables):
        watched.sql.execute("SELECT catreg.drop_obscore(%s)", [table])
        del watched.tables[table]
        assert watched.sql.execute("SELECT to_regclass(%s)", [table]).fetchone() == (None,)
        watched.insert("calexp", calexp_ids([4 + len(watched.tables)]), "runs/a")
        watched.check()
    assert watched.sql.execute(TRIGGERS).fetchall() == []
    count = watched.sql.execute(relations).fetchone()
    watched.create(kit.configuration(), "obscore_run")
    watched.check()
    watched.sql.execute("SELECT catreg.drop_obscore('obscore_run')")
    assert watched.sql.execute(relations).fetchone() == count


# -- the client's own table -----------------------------------------------------------------------------------------


@pytest.fixture(params=["public", "named"])
def managed(request, server_uri, tmp_path):
    "Makes registries with the client's own manager, filled by it."
    with contextlib.ExitStack() as stack:

        def make(kind):
            uri = stack.enter_context(new_database(server_uri))
            repository = kit.Repository(uri, request.param, tmp_path / kind)
            repository.create(kit.configuration(kind), collections=request.param == "named" and kit.BY_NAME)
            with repository.client() as butler:
                kit.fill(butler, empty_timespan=False)
            return repository

        yield make


ATTRIBUTE = "SELECT value FROM butler_attributes WHERE name = 'config:obscore.json'"


@pytest.mark.parametrize("kind", KINDS)
def test_taken_over(managed, kind):
    repository = managed(kind)
    with repository.connect() as sql:
        before = kit.read(sql, "obscore")
        stored = sql.execute(ATTRIBUTE).fetchone()
        assert create(sql, repository.schema).split(".")[-1] == "obscore"
        assert kit.read(sql, "obscore") == before
        assert sql.execute(ATTRIBUTE).fetchone() is None
    with watch(repository) as watched:
        assert watched.registry.obsCoreTableManager is None
        watched.tables["obscore"] = kit.configuration(kind)
        rows, = watched.check()
        assert rows == len(before[1])
        watched.registry.associate(TAG, watched.insert("calexp", calexp_ids([5, 6]), "runs/a"))
        # what the client's manager does not see
        kit.define_visits(watched.butler, [8, 14])
        kit.insert_regions(watched.butler, [0, 5], replace=True, region=lambda visit, d: kit.polygon(9, d, 0.1))
        assert watched.check() == [rows + 12]
        assert len(watched.sql.execute(TRIGGERS).fetchall()) > 0
        watched.sql.execute("SELECT catreg.drop_obscore('obscore')")
        assert json.loads(watched.sql.execute(ATTRIBUTE).fetchone()[0]) == json.loads(stored[0])
        assert watched.sql.execute(TRIGGERS).fetchall() == []
    # back to the client's manager
    with watch(repository) as watched:
        assert watched.registry.obsCoreTableManager is not None
        assert kit.read(watched.sql, "obscore")[0] == before[0]
        refs = watched.insert("calexp", calexp_ids([7]), "runs/a")
        watched.registry.associate(TAG, refs)
        kit.compare(watched.sql, "obscore", kit.expected_rows(repository, kit.configuration(kind)))
        assert len(kit.read(watched.sql, "obscore")[1]) == rows + 18


@pytest.mark.parametrize("kind", KINDS)
def test_taken_over_and_the_manager_runs_on(managed, kind):
    "A client that came up before writes its rows as ever; they are there already."
    repository = managed(kind)
    with repository.client() as old, watch(repository) as watched:
        assert old.registry.obsCoreTableManager is not None
        create(watched.sql, repository.schema)
        watched.tables["obscore"] = kit.configuration(kind)
        refs = old.registry.insertDatasets("calexp", calexp_ids([5, 6]), run="runs/a")
        refs += old.registry.insertDatasets("raw", raw_ids([5, 6], [1, 2]), run="Cam/raw/all")
        watched.check()
        old.registry.associate(TAG, refs)
        watched.check()
        old.registry.disassociate(TAG, refs[:5])
        old.registry.removeDatasets(refs[3:9])
        watched.check()
        with old.registry.obsCoreTableManager.query(["s_region", "obs_id"]) as result:
            assert len(result.fetchall()) == len(kit.read(watched.sql, "obscore")[1])


def test_rows_put_right_when_taken_over(managed):
    "What the client's manager had missed."
    repository = managed("TAGGED")
    with repository.client() as butler:
        kit.define_visits(butler, [8, 14])
        kit.insert_regions(butler, [1], replace=True, region=lambda visit, d: kit.polygon(9, d, 0.1))
        butler.registry.syncDimensionData("visit", UPDATES["visit"], update=True)
    with watch(repository) as watched:
        create(watched.sql, repository.schema)
        watched.tables["obscore"] = kit.configuration("TAGGED")
        watched.check()


# -- rows that an older client wrote --------------------------------------------------------------------------------


def differing(sql, mine, theirs):
    "How many rows differ, by column."
    columns = sql.execute(
        "SELECT attname, atttypid::regtype::text FROM pg_attribute"
        " WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped", [theirs]
    ).fetchall()
    found = {}
    for column, type in columns:
        a, b = f'a."{column}"', f'b."{column}"'
        if column in ("s_ra", "s_dec", "s_fov"):
            off = f"abs({a} - {b})"
            if column == "s_ra":
                off = f"least({off}, 360 - {off}) * cosd(b.s_dec)"
            wrong = f"({a} IS NULL) <> ({b} IS NULL) OR {off} > 1e-9"
        elif type == "double precision":
            wrong = f"float8send({a}) IS DISTINCT FROM float8send({b})"
        else:
            wrong = f"{a} IS DISTINCT FROM {b}"
        number, = sql.execute(
            f"SELECT count(*) FROM {mine} a FULL JOIN {theirs} b USING (registry_dataset_id) WHERE {wrong}"
        ).fetchone()
        if number:
            found[column] = number
    return found


@pytest.mark.parametrize("schema", ["small", "large"])
def test_dump(server_uri, schema):
    dump = DATA / f"butler_{schema}.dump"
    if not dump.exists():
        pytest.skip(f"no {dump}")
    program = os.environ.get("CATREG_PG_RESTORE") or shutil.which("pg_restore")
    with new_database(server_uri, extensions=("btree_gist", "catreg")) as uri:
        subprocess.run(
            [program, "--no-owner", "--no-privileges", "--exit-on-error", "-d", uri, dump], check=False, capture_output=True
        )
        with psycopg.connect(uri, autocommit=True) as sql:
            sql.execute(f"SET search_path = {schema}, public")
            sql.execute("ANALYZE")
            config = json.loads(sql.execute(ATTRIBUTE).fetchone()[0])
            del config["spatial_plugins"]
            table = create(sql, schema, config, "obscore_catreg")
            assert differing(sql, table, f"{schema}.obscore") == {}
            assert sql.execute("SELECT * FROM catreg.check_obscore(%s) LIMIT 5", [table]).fetchall() == []
