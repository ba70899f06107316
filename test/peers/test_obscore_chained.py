"""Find-first ObsCore tables of registries that the real Butler client writes to.

The oracle is the client's own query_datasets(find_first=True), asked after each call.
"""

import concurrent.futures
import contextlib
import json
import random

import psycopg
import pytest
import sqlalchemy
from lsst.daf.butler import CollectionType, MissingDatasetTypeError, Timespan
from lsst.daf.butler.registry import CollectionTypeError, MissingCollectionError, OrphanedRecordError

import butlerkit as kit
from butlerkit import CAM, TAG, calexp_ids, raw_ids
from test_obscore import Watched, new_database

pytestmark = pytest.mark.filterwarnings("ignore::lsst.daf.butler.registry.obscore.RegionTypeWarning")

RUNS = ["runs/a", "runs/b", "runs/c 'quoted' 100%", "runs/d"]
CHAINS = ["outer", "inner", "innermost"]
# A glob, a chain of chains, a tag that is in a chain, too, and a name that comes and goes.
COLLECTIONS = ["outer", "new/*", TAG, "now and then", "runs/a"]
TYPES = ["raw", "calexp", "flat", "settings"]
DETECTORS = [0, 1, 3]
EXPOSURES = [0, 1, 3, 8, 14]  # the last two without a visit
VISITS = range(4)


def configuration(**changes):
    types = {name: kit.RUN["dataset_types"][name] for name in TYPES}
    return kit.configuration() | {"collection_type": "CHAINED", "collections": COLLECTIONS, "dataset_types": types} | changes


def data_ids(name):
    return {
        "raw": raw_ids(EXPOSURES, DETECTORS), "calexp": calexp_ids(VISITS, DETECTORS), "settings": [{}],
        "flat": [{**CAM, "detector": d, "physical_filter": "g_01"} for d in DETECTORS],
    }[name]


def fill(butler):
    kit.fill_dimensions(butler)
    for name in TYPES:
        kit.register_type(butler, name, kit.DATASET_TYPES[name])
    for name in RUNS:
        butler.collections.register(name)
    butler.collections.register(TAG, CollectionType.TAGGED)
    butler.collections.register("calibs", CollectionType.CALIBRATION)
    for name in CHAINS:
        butler.collections.register(name, CollectionType.CHAINED)
    butler.collections.redefine_chain("innermost", ["runs/c 'quoted' 100%"])
    butler.collections.redefine_chain("inner", ["runs/b", "innermost"])
    butler.collections.redefine_chain("outer", ["runs/a", "inner", TAG])
    for number, run in enumerate(RUNS):
        for name in TYPES:
            ids = data_ids(name)
            butler.registry.insertDatasets(name, ids[number % len(ids) :: 2] or ids, run=run)
    butler.registry.associate(TAG, butler.query_datasets("calexp", "runs/d", find_first=False))


@pytest.fixture(scope="module", params=["own"])
def original(request, server_uri, tmp_path_factory):
    with new_database(server_uri, extensions=()) as uri:
        repository = kit.Repository(uri, request.param, tmp_path_factory.mktemp("butler")).create()
        with repository.client() as butler:
            fill(butler)
        yield repository


@pytest.fixture
def repository(original, server_uri, tmp_path):
    with new_database(server_uri, template=original.uri.rsplit("/", 1)[1]) as uri:
        yield original.copied(uri, tmp_path / "repository")


@contextlib.contextmanager
def watch(repository, *configs):
    with repository.client() as butler, repository.connect() as sql:
        watched = Watched(repository, butler, sql)
        for number, config in enumerate(configs):
            watched.create(config, f"obscore_{number}")
        yield watched


def check_ids(watched, table="obscore_0"):
    "The datasets of the table are those that the client finds, and catreg's own check finds nothing; returns them."
    config = watched.tables[table]
    with watched.registry.caching_context():
        path = kit.search_path(watched.butler, config)
        found = {ref.id for name in config["dataset_types"] for ref in kit.find_first(watched.butler, config, name, path)}
    mine = {id for id, in watched.sql.execute(f"SELECT registry_dataset_id FROM {table}")}
    assert mine == found, f"{len(mine - found)} too many, {len(found - mine)} missing, searching {path}"
    assert watched.problems(table) == []
    return frozenset(mine)


# -- any order ------------------------------------------------------------------------------------------------------

# What the client refuses, leaving things as they were.
REFUSALS = (kit.ConflictingDefinitionError, CollectionTypeError, MissingCollectionError, OrphanedRecordError)


class Player:
    "Makes random calls; each leaves in `said` what it was."

    def __init__(self, watched, seed):
        self.dice = random.Random(seed)
        self.watched = watched
        self.butler = watched.butler
        self.registry = watched.registry
        self.numbers = iter(range(40, 10000))
        self.said = []

    def some(self, things, *sizes):
        things = list(things)
        return self.dice.sample(things, min(len(things), self.dice.choice(sizes or (1, 2, 5))))

    def names(self, type):
        return sorted(info.name for info in self.butler.collections.query_info("*", collection_types=type))

    def runs(self):
        return self.names(CollectionType.RUN)

    def refs(self, collection):
        "Of all types, or of one."
        names = self.dice.choice([TYPES, *([name] for name in TYPES)])
        return sorted((r for name in names for r in self.butler.query_datasets(
            name, collection, find_first=False, limit=None, explain=False)), key=lambda r: r.id)

    def insert(self):
        name, run = self.dice.choice(TYPES), self.dice.choice(self.runs())
        there = {ref.dataId for ref in self.butler.query_datasets(name, run, find_first=False, limit=None, explain=False)}
        dimensions = self.butler.get_dataset_type(name).dimensions
        free = [i for i in data_ids(name) if kit.DataCoordinate.standardize(
            i, dimensions=dimensions, universe=self.butler.dimensions) not in there]
        self.watched.insert(name, self.some(free, 1, 3, 8), run)
        return name, run

    def remove_datasets(self):
        run = self.dice.choice(self.runs())
        self.registry.removeDatasets(self.some(self.refs(run), 1, 3, 10))
        return run

    def remove_run(self):
        run = self.dice.choice(self.runs())
        if len(self.runs()) < 4:
            return None
        self.butler.removeRuns([run], unlink_from_chains=True)
        return run

    def new_run(self):
        run = self.dice.choice(["now and then", "new/é %", f"new/{next(self.numbers)}", *RUNS])
        self.butler.collections.register(run)
        self.watched.insert("calexp", calexp_ids(VISITS, [0]), run)
        return run

    def new_chain(self):
        "One that the glob matches."
        self.butler.collections.register("new/chain", CollectionType.CHAINED)
        self.butler.collections.redefine_chain("new/chain", children := self.some(self.runs()))
        return children

    def associate(self):
        refs = self.some(self.refs(self.dice.choice(self.runs())))
        self.registry.associate(TAG, refs)
        return len(refs)

    def disassociate(self):
        self.registry.disassociate(TAG, self.some(self.refs(TAG), 1, 5))

    def certify(self):
        refs = {ref.dataId: ref for ref in self.butler.query_datasets("flat", "*", find_first=False, limit=None, explain=False)}
        self.registry.certify("calibs", self.some(refs.values(), 1), Timespan(kit.moment(-9), kit.moment(next(self.numbers))))

    def remove_tag(self):
        for parent in self.butler.collections.get_info(TAG, include_parents=True).parents:
            self.butler.collections.remove_from_chain(parent, TAG)
        self.registry.removeCollection(TAG)
        self.butler.collections.register(TAG, CollectionType.TAGGED)

    def redefine(self):
        chain = self.dice.choice(CHAINS)
        children = self.children(chain, 1, 3, 5, 7)
        self.butler.collections.redefine_chain(chain, children)
        return chain, children

    def prepend(self):
        chain = self.dice.choice(CHAINS)
        self.butler.collections.prepend_chain(chain, children := self.children(chain, 1, 2))
        return chain, children

    def extend(self):
        chain = self.dice.choice(CHAINS)
        self.butler.collections.extend_chain(chain, children := self.children(chain, 1, 2))
        return chain, children

    def remove_from_chain(self):
        chain = self.dice.choice(self.names(CollectionType.CHAINED))
        children = self.some(self.butler.collections.get_info(chain).children, 1, 2)
        self.butler.collections.remove_from_chain(chain, children)
        return chain, children

    def children(self, chain, *sizes):
        "Chains go into those before them, so that there are no cycles."
        return self.some([*self.runs(), TAG, "calibs", *CHAINS[CHAINS.index(chain) + 1 :]], *sizes)

    def sync(self):
        visit = self.dice.choice(VISITS)
        self.watched.sync("visit", {**kit.visit(visit), "target_name": self.dice.choice(kit.TARGETS)})
        return visit

    def late_visit(self):
        visit, exposure = next(self.numbers), self.dice.choice(EXPOSURES)
        kit.define_visits(self.butler, [visit], exposures=[(exposure, visit)])
        return visit, exposure

    def several(self):
        "In one transaction, rolled back or not."
        back = self.dice.random() < 0.3
        said = [back]
        with contextlib.suppress(ZeroDivisionError), self.butler.transaction():
            for call in self.dice.choices([Player.insert, Player.remove_datasets, Player.associate, Player.redefine,
                                           Player.prepend, Player.remove_from_chain, Player.sync], k=3):
                said.append((call.__name__, call(self)))
            if back:
                1 / 0
        return said

    CALLS = [insert, insert, insert, insert, remove_datasets, remove_datasets, remove_run, new_run, new_chain, associate, associate,
             disassociate, certify, remove_tag, redefine, redefine, prepend, prepend, extend, extend, remove_from_chain, sync, late_visit,
             several]

    def play(self):
        call = self.dice.choice(self.CALLS)
        try:
            self.said.append((call.__name__, call(self)))
        except REFUSALS as error:
            self.said.append((call.__name__, type(error).__name__))


@pytest.mark.parametrize("seed, calls", [(0, 500), *((seed, 100) for seed in range(1, 5))])
def test_random(repository, seed, calls):
    with watch(repository, configuration()) as watched:
        player = Player(watched, seed)
        seen = {check_ids(watched)}
        for _ in range(calls):
            player.play()
            try:
                seen.add(check_ids(watched))
            except AssertionError as error:
                raise AssertionError(f"seed {seed}, after {player.said[-8:]}: {error}") from error
        watched.check()
        # not that most calls were refused, or were about what is not in the table
        assert len(seen) > 10


# -- search paths ---------------------------------------------------------------------------------------------------


def runs_of(watched, dataset_type, table="obscore_0"):
    return {run for run, in watched.sql.execute(
        f"SELECT DISTINCT lsst_run FROM {table} WHERE lsst_dataset_type = %s", [dataset_type])}


def test_names_and_globs(repository):
    "What globs match comes before what is named, in the order of registration, and chains behind all."
    config = configuration(collections=["runs/a", "runs/[bc]*", "inner?", "not there"], dataset_types={
        "settings": kit.RUN["dataset_types"]["settings"]})
    with watch(repository, config) as watched:
        collections = watched.butler.collections
        for gone, left in [(None, "runs/b"), ("runs/b", "runs/c 'quoted' 100%"), ("runs/c 'quoted' 100%", "runs/a")]:
            if gone:
                watched.registry.removeDatasets(watched.refs("settings", [gone]))
            check_ids(watched)
            assert runs_of(watched, "settings") == {left}
        collections.register("inner2", CollectionType.CHAINED)
        collections.redefine_chain("inner2", ["runs/d"])
        check_ids(watched)
        assert runs_of(watched, "settings") == {"runs/a"}
        watched.registry.removeDatasets(watched.refs("settings", ["runs/a"]))
        check_ids(watched)
        assert runs_of(watched, "settings") == {"runs/d"}
        collections.x_remove("inner2")
        assert check_ids(watched) == set()
        collections.register("not there")
        watched.insert("settings", [{}], "not there")
        assert len(check_ids(watched)) == 1
        watched.check()


def test_calibrations(repository):
    "The client finds what is certified in a member of a chain; catreg passes such a member over."
    with watch(repository, configuration(collections=["outer"])) as watched:
        collections = watched.butler.collections
        flats = watched.refs("flat", ["runs/b"])
        watched.registry.certify("calibs", flats, Timespan(None, None))
        collections.redefine_chain("outer", ["runs/a", "calibs"])
        client = {ref.id for ref in watched.butler.query_datasets("flat", "outer")}
        without = {ref.id for ref in watched.butler.query_datasets("flat", "runs/a")}
        assert client > without
        check_ids(watched)
        assert {id for id, in watched.execute("SELECT registry_dataset_id FROM obscore_0 WHERE dataproduct_subtype = 'lsst.flat'")
                } == without
        collections.prepend_chain("outer", "calibs")
        check_ids(watched)
        watched.check()


def test_edits_are_seen_at_the_end(repository):
    "Of the transaction, or where it asks for them."
    with watch(repository, configuration(collections=["outer"])) as watched:
        database = watched.butler._registry._db

        def rows():
            with database.query(sqlalchemy.text("SELECT registry_dataset_id FROM own.obscore_0")) as result:
                return {id for id, in result.fetchall()}

        before = check_ids(watched)
        with watched.butler.transaction():
            watched.butler.collections.redefine_chain("outer", ["runs/d"])
            assert rows() == before
        after = check_ids(watched)
        assert after != before
        with watched.butler.transaction():
            watched.butler.collections.redefine_chain("outer", ["runs/b"])
            with database.query(sqlalchemy.text("SET CONSTRAINTS own.catreg_obscore_path IMMEDIATE")):
                assert rows() not in (before, after)
                assert rows() == {r.id for name in TYPES for r in kit.find_first(watched.butler, {}, name, ["outer"])}
        check_ids(watched)


# -- several tables -------------------------------------------------------------------------------------------------

OTHERS = [kit.configuration("RUN"), kit.configuration("TAGGED")]


def altered(config, number):
    "With another template, another dataset type or less, and a column more or less."
    types = dict(config["dataset_types"])
    types["calexp"] = types["calexp"] | {"obs_id_fmt": f"{number}/{{records[visit].name}}"}
    if number % 2:
        del types["flat"]
    columns = config["extra_columns"] | ({"number": number} if number % 3 else {})
    return config | {"dataset_types": types, "extra_columns": columns}


def test_three_tables(repository):
    "One is altered while the client goes on; all are kept."
    with watch(repository, *OTHERS, configuration()) as watched, concurrent.futures.ThreadPoolExecutor() as thread:
        player = Player(watched, 7)
        assert all(watched.check())
        for number, table in enumerate(list(watched.tables) * 2):
            config = altered(watched.tables[table], number)
            with psycopg.connect(repository.uri, autocommit=True) as other:
                altering = thread.submit(other.execute, "SELECT catreg.alter_obscore(%s::regclass, %s::json)",
                                         [f"own.{table}", json.dumps(config)])
                player.play()
                while not altering.done():
                    player.play()
                altering.result()
            watched.tables[table] = config
            player.play()
            watched.check()


def test_altered_while_chains_are_edited(repository):
    "Runs come onto the path and leave it again while rows are copied and made: what was copied is not made twice."
    with watch(repository, configuration(collections=["outer"])) as watched, concurrent.futures.ThreadPoolExecutor() as threads:
        ids = dict(watched.execute("SELECT name, collection_id FROM collection"))
        done = False

        def edit(run, position):
            with repository.connect() as sql:
                while not done:
                    sql.execute("INSERT INTO collection_chain VALUES (%s, %s, %s)", [ids["outer"], position, ids[run]])
                    sql.execute("DELETE FROM collection_chain WHERE parent = %s AND position = %s", [ids["outer"], position])

        edits = [threads.submit(edit, run, -10 - n) for n, run in enumerate(RUNS)]
        try:
            for number in range(12):
                config = watched.tables["obscore_0"]
                types = config["dataset_types"] | {"calexp": config["dataset_types"]["calexp"] | {"obs_id_fmt": str(number)}}
                config = config | {"dataset_types": types}
                watched.execute("SELECT catreg.alter_obscore('own.obscore_0', %s::json)", json.dumps(config))
                watched.tables["obscore_0"] = config
        finally:
            done = True
        for one in edits:
            one.result()
        check_ids(watched)
        watched.check()
