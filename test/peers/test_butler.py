"""Collections, search paths and summaries, as the real Butler client has them.

The oracle is the client's Registry on the same tables: queryCollections(),
queryDatasetTypes(), query.datasets(find_first=True), findDataset() and
getCollectionSummary(), over random registries with nested chains.
"""

import os
import random
import re
import subprocess

import psycopg
import pytest
import sqlalchemy
from lsst.daf.butler import CollectionType, Timespan
from lsst.daf.butler._exceptions import CalibrationLookupError, MissingCollectionError

import butlerkit as kit
from butlerkit import CAM, calexp_ids, raw_ids
from test_obscore import new_database

TYPES = ["raw", "dark", "calexp", "deepCoadd", "visitTable", "settings", "flat", "other", "warp"]
NAMES = ["u/a", "u/b", "u/ab", "u/[a]", "u/a-b", "x!y", "x^y", "Ω/ω", "a.b", "a+b", "(a|b)", "a&&b", "a\\b", "-", "]", "é", "{}", "a b", "A", "a\tb"]


def build(butler, random_):
    "Runs, tags, calibration collections and nested chains over what kit.fill() puts."
    kit.fill(butler)
    registry = butler.registry
    runs = list(kit.RUNS)
    for name in NAMES:
        if random_.random() < 0.7:
            butler.collections.register(name)
            runs.append(name)
    refs = list(registry.queryDatasets("calexp", collections="runs/a"))
    for run in random_.sample(runs[len(kit.RUNS):], 10):
        refs += registry.insertDatasets("other", calexp_ids(random_.sample(range(4), 2), random_.sample(range(6), 2)), run=run)
        refs += registry.insertDatasets("raw", raw_ids([0, 1], random_.sample(range(6), 2)), run=run)
        refs += registry.insertDatasets("settings", [{}] * random_.randrange(2), run=run)
    tags = [f"tag {i}" for i in range(4)]
    for tag in tags:
        butler.collections.register(tag, CollectionType.TAGGED)
        unique = {(r.datasetType.name, r.dataId): r for r in random_.sample(refs, len(refs) // 3)}
        registry.associate(tag, unique.values())
    calibs = ["calib/one", "calib/empty", "calib/two"]
    for calib in calibs:
        butler.collections.register(calib, CollectionType.CALIBRATION)
    flats = list(registry.queryDatasets("flat", collections="runs/a"))
    registry.certify("calib/one", flats, Timespan(kit.moment(0), kit.moment(100)))
    registry.certify("calib/two", flats, Timespan(kit.moment(0), kit.moment(100)))
    registry.certify("calib/one", flats[:1], Timespan(kit.moment(100), kit.moment(200)))
    later = registry.insertDatasets("flat", [flats[0].dataId], run="runs/c")
    registry.certify("calib/two", later, Timespan(kit.moment(100), kit.moment(200)))
    collections = runs + tags + calibs
    for i in range(8):
        chain = f"chain/{i}"
        butler.collections.register(chain, CollectionType.CHAINED)
        butler.collections.redefine_chain(chain, random_.sample(collections, random_.randrange(min(7, len(collections)))))
        if random_.random() < 0.5:
            butler.collections.prepend_chain(chain, random_.choice(collections[:-i] if i else collections))
        collections.append(chain)
    return collections


@pytest.fixture(scope="module", params=range(3))
def shared(request, server_uri, tmp_path_factory):
    "A random registry that no test changes: a client, a connection, its collections."
    with new_database(server_uri) as uri:
        repository = kit.Repository(uri, "own", tmp_path_factory.mktemp("butler")).create()
        with repository.client() as butler:
            collections = build(butler, random.Random(request.param))
            with repository.connect() as sql:
                yield butler, sql, collections


@pytest.fixture(scope="module")
def original(server_uri, tmp_path_factory):
    with new_database(server_uri) as uri:
        repository = kit.Repository(uri, "own", tmp_path_factory.mktemp("butler")).create()
        with repository.client() as butler:
            repository.collections = build(butler, random.Random(7))
        yield repository


@pytest.fixture
def fresh(original, server_uri, tmp_path):
    "One to be changed."
    with new_database(server_uri, template=original.uri.rsplit("/", 1)[1], extensions=()) as uri:
        repository = original.copied(uri, tmp_path / "repository")
        with repository.client() as butler, repository.connect() as sql:
            yield butler, sql, original.collections


def matched(sql, patterns):
    return sql.execute("SELECT name, type FROM catreg.match_collections(%s, 'own')", [patterns]).fetchall()


def flattened(sql, names):
    rows = sql.execute("SELECT position, name, type FROM catreg.flatten_collections(%s, 'own')", [names]).fetchall()
    assert [r[0] for r in rows] == list(range(1, len(rows) + 1))
    return [r[1:] for r in rows]


def order(sql):
    "The place of each collection in the order of registration, chains last."
    rows = sql.execute("SELECT name FROM collection ORDER BY type = 3, collection_id").fetchall()
    return {name: place for place, (name,) in enumerate(rows)}


def random_glob(random_, names):
    name = random_.choice(names)
    glob = ""
    for c in name:
        draw = random_.random()
        if draw < 0.12:
            glob += "*"
        elif draw < 0.24:
            glob += "?"
        elif draw < 0.45:
            members = "".join(random_.choices([c, "!", "-", "]", "[", "^", "a", "z", "\\", "&", "&", "~", "|", "ω", "0", "9"], k=random_.randrange(5)))
            glob += f"[{members}]"
        elif draw < 0.5:
            glob += random_.choice("[]!^\\-")
        else:
            glob += c
    return glob


def test_match_names_and_globs(shared):
    butler, sql, collections = shared
    types = {i.name: i.type.name for i in butler.collections.query_info("*")}
    place = order(sql)
    random_ = random.Random(1)
    hits = 0
    for _ in range(400):
        names = random_.sample(collections, random_.randrange(3))
        globs = [random_glob(random_, collections) for _ in range(random_.randrange(3))]
        given = names + [g for g in globs if not g.startswith("~")]
        random_.shuffle(given)
        try:
            theirs = butler.registry.queryCollections(given)
        except MissingCollectionError:
            with pytest.raises(psycopg.errors.UndefinedObject):
                matched(sql, given)
            continue
        mine = matched(sql, given)
        assert sorted(n for n, _ in mine) == sorted(theirs), given
        assert all(types[n] == t for n, t in mine)
        # by patterns, in the order of registration; the rest, as in the client, in that of the names
        by_pattern = butler.registry.queryCollections([g for g in given if is_glob(g)])
        assert [n for n, _ in mine] == sorted(by_pattern, key=place.get) + [n for n in theirs if n not in by_pattern], given
        hits += len(by_pattern)
    assert hits > 100


def is_glob(expression):
    from lsst.daf.butler.utils import has_globs

    return has_globs([expression])


@pytest.mark.parametrize("alphabet", ["ab-]!", "a[]^!-z", "ab&|~\\-", "*?[]a"])
def test_globs_of_any_kind(shared, alphabet):
    "What there is in brackets, in any order; the client's own patterns say what they match."
    from lsst.daf.butler.utils import globToRegex

    _, sql, _ = shared
    random_ = random.Random(alphabet)
    names = [n for n, _ in matched(sql, ["*"])]
    seen = set()
    for _ in range(500):
        glob = "".join(random_.choices(alphabet, k=random_.randrange(1, 8)))
        glob = random_.choice(["", "u/", "*", "x"]) + glob + random_.choice(["", "*", "?y"])
        converted = globToRegex([glob])
        if glob.startswith("~") or converted is ... or isinstance(converted[0], str):
            continue
        mine = {n for n, _ in matched(sql, [glob])}
        assert mine == {n for n in names if converted[0].fullmatch(n)}, glob
        seen |= mine
    assert seen


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_regular_expressions(shared):
    butler, sql, _ = shared
    for pattern in [r".*", r"u/.", r"u/[^a]+", r"(?i)a", r"runs/(a|c)", r"chain/\d", r"tag [0-2]", r"(?!u/).*", r"[A-Za-z/ ]+", r"", r"a\\b", r".*(?<!b)"]:
        theirs = butler.registry.queryCollections(re.compile(pattern))
        assert {n for n, _ in matched(sql, ["~" + pattern])} == set(theirs), pattern


def test_match_dataset_types(shared):
    butler, sql, _ = shared
    random_ = random.Random(2)
    for _ in range(100):
        given = random_.sample([*TYPES, "never", "*a*", "d*", "?a?", "[!a-f]*", "*"], random_.randrange(4))
        theirs = [t.name for t in butler.registry.queryDatasetTypes(given)]
        mine = [n for (n,) in sql.execute("SELECT * FROM catreg.match_dataset_types(%s, 'own')", [given])]
        assert sorted(mine) == sorted(set(theirs)), given
        if not any(is_glob(g) for g in given):
            assert mine == theirs


def test_flatten(shared):
    butler, sql, collections = shared
    random_ = random.Random(3)
    types = {i.name: i.type.name for i in butler.collections.query_info("*")}
    for _ in range(200):
        names = random_.sample(collections, random_.randrange(1, 5))
        theirs = butler.registry.queryCollections(names, flattenChains=True)
        mine = flattened(sql, names)
        assert [n for n, _ in mine] == theirs, names
        assert all(types[n] == t != "CHAINED" for n, t in mine)
    for patterns in [["chain/*"], ["chain/[0-3]", "u/*", "chain/7"], ["*"], ["tag*", "chain/6"]]:
        theirs = butler.registry.queryCollections(patterns, flattenChains=True)
        assert sorted(n for n, _ in flattened(sql, patterns)) == sorted(theirs)


def found(sql, dataset_type, collections, data_id=None):
    return sql.execute(
        "SELECT dataset_id, run, position FROM catreg.find_datasets(%s, %s, 'own', %s)",
        [dataset_type, collections, None if data_id is None else psycopg.types.json.Jsonb(data_id)],
    ).fetchall()


def first_of(flat, held, name):
    "The first collection on a search path that has datasets of a type; all calibrations are of the same data ids."
    return next((c for c in flat if c in ("calib/one", "calib/two") or held[c, name]), None)


def test_find_datasets(shared):
    butler, sql, collections = shared
    random_ = random.Random(4)
    collections = [c for c in collections if not is_glob(c)]
    with butler.query() as query:
        held = {}  # ids by collection, of every type
        for info in butler.collections.query_info("*"):
            if info.type is not CollectionType.CHAINED:
                for name in TYPES:
                    ids = query.datasets(name, [info.name], find_first=False) if info.type is not CollectionType.CALIBRATION else ()
                    held[info.name, name] = {r.id for r in ids}
    n, ambiguous = 0, 0
    for _ in range(60):
        path = random_.sample(collections, random_.randrange(1, 6))
        flat = [name for name, _ in flattened(sql, path)]
        for name in TYPES:
            if name == "flat" and first_of(flat, held, name) == "calib/two":
                # one data id has two datasets there, and the client takes any of them, or both
                with pytest.raises(psycopg.errors.CardinalityViolation, match="calib/two"):
                    found(sql, name, path)
                ambiguous += 1
                continue
            mine = found(sql, name, path)
            try:
                with butler.query() as query:
                    theirs = {r.id: r for r in query.datasets(name, path, find_first=True)}
            except CalibrationLookupError:  # one dataset, certified for two times
                assert name == "flat" and "calib/one" in flat
                continue
            assert len(mine) == len(theirs)
            assert {id: run for id, run, _ in mine} == {id: r.run for id, r in theirs.items()}, (name, path)
            for id, _, position in mine:
                where = flat[position - 1]
                if not where.startswith("calib/"):
                    assert id in held[where, name]
                assert not any(id in held[earlier, name] for earlier in flat[:position - 1])
            n += len(mine)
    assert n > 100 and ambiguous > 0


def test_find_one_dataset(shared):
    butler, sql, collections = shared
    random_ = random.Random(5)
    collections = [c for c in collections if not is_glob(c)]
    hits = 0
    data_ids = [("calexp", d) for d in calexp_ids(range(4), [0, 1, 5])] + [("raw", d) for d in raw_ids([0, 1], range(3))]
    data_ids += [("other", d) for d in calexp_ids(range(4), range(3))] + [("settings", {})]
    for _ in range(150):
        path = random_.sample(collections, 4)
        name, data_id = random_.choice(data_ids)
        theirs = butler.registry.findDataset(name, data_id, collections=path)
        mine = found(sql, name, path, data_id)
        assert [(id, run) for id, run, _ in mine] == ([(theirs.id, theirs.run)] if theirs else []), (name, data_id, path)
        hits += len(mine)
    assert hits > 20


def content_summary(butler, collection):
    "What a collection does hold: types, instruments, skymaps."
    summary = (set(), {})
    for name in TYPES:
        for association in butler.registry.queryDatasetAssociations(name, collections=[collection], flattenChains=False):
            data_id = association.ref.dataId
            summary[0].add(name)
            for governor in data_id.dimensions.governors:
                summary[1].setdefault(governor, set()).add(data_id[governor])
    return summary


def client_summary(repository_butler, collection):
    summary = repository_butler.registry.getCollectionSummary(collection)
    return {t.name for t in summary.dataset_types}, {k: v for k, v in summary.governors.items() if v}


def test_refresh_summaries(fresh):
    butler, sql, collections = fresh
    random_ = random.Random(6)
    registry = butler.registry
    singles = [i.name for i in butler.collections.query_info("*") if i.type is not CollectionType.CHAINED]
    for name in ("raw", "calexp", "other", "settings"):
        for collection in random_.sample(singles, len(singles) // 2):
            info = butler.collections.get_info(collection)
            refs = list(registry.queryDatasets(name, collections=collection, findFirst=False)) if info.type is not CollectionType.CALIBRATION else []
            if info.type is CollectionType.TAGGED:
                registry.disassociate(collection, refs)
            elif info.type is CollectionType.RUN:
                registry.removeDatasets(refs)
    registry.decertify("calib/one", "flat", Timespan(None, None))
    before = {c: client_summary(butler, c) for c in singles}
    truth = {c: content_summary(butler, c) for c in singles}
    assert before != truth
    # of a few, then of all
    some = random_.sample(singles, 5)
    sql.execute("SELECT catreg.refresh_summaries(%s, 'own')", [some])
    assert {c: client_summary(butler, c) for c in some} == {c: truth[c] for c in some}
    assert {c: client_summary(butler, c) for c in singles if c not in some} == {c: before[c] for c in singles if c not in some}
    inserted, deleted = sql.execute("SELECT * FROM catreg.refresh_summaries('{*}', 'own')").fetchone()
    assert inserted == 0 and deleted > 0
    assert {c: client_summary(butler, c) for c in singles} == truth
    assert sql.execute("SELECT * FROM catreg.refresh_summaries('{*}', 'own')").fetchone() == (0, 0)
    # what has been taken away comes back with the next put
    registry.insertDatasets("raw", raw_ids([2], [0]), run="u/new" if registry.registerRun("u/new") else None)
    assert client_summary(butler, "u/new") == ({"raw"}, {"instrument": {"Cam"}})
    registry.associate("tag 0", registry.queryDatasets("raw", collections="u/new"))
    assert "raw" in client_summary(butler, "tag 0")[0]


def everything(sql):
    tables = [t for (t,) in sql.execute("SELECT relname FROM pg_class WHERE relnamespace = 'own'::regnamespace AND relkind = 'r'"
                                        " AND relname ~ '^(dataset|collection|run)' ORDER BY 1")]
    return {t: sorted(map(repr, sql.execute(psycopg.sql.SQL("SELECT t::text FROM {} t").format(psycopg.sql.Identifier(t))).fetchall())) for t in tables}


def test_frozen(fresh):
    butler, sql, collections = fresh
    registry = butler.registry
    frozen = ["runs/a", "tag 1", "calib/one", "chain/3"]
    raws = list(registry.queryDatasets("calexp", collections="runs/a"))
    flats = list(registry.queryDatasets("flat", collections="runs/a"))
    tagged = list(registry.queryDatasets("other", collections="tag 1", findFirst=True))
    if not tagged:
        pytest.fail("nothing is tagged")
    assert {n for (n,) in sql.execute("SELECT * FROM catreg.freeze_collections(%s, 'own')", [frozen])} == set(frozen)
    before = everything(sql)
    refused = [
        lambda: registry.insertDatasets("calexp", calexp_ids([3], [5]) and [{**CAM, "visit": 2004, "detector": 5}], run="runs/a"),
        lambda: registry.removeDatasets(raws[:2]),
        lambda: butler.pruneDatasets(raws[:2], disassociate=True, unstore=True, purge=True),
        lambda: registry.associate("tag 1", raws[:2]),
        lambda: registry.disassociate("tag 1", tagged),
        lambda: registry.certify("calib/one", flats, Timespan(kit.moment(500), kit.moment(600))),
        lambda: registry.decertify("calib/one", "flat", Timespan(None, None)),
        lambda: butler.collections.redefine_chain("chain/3", ["runs/c", "u/new"]),
        lambda: butler.collections.prepend_chain("chain/3", ["u/new"]),
        lambda: butler.collections.extend_chain("chain/3", ["u/new"]),
        lambda: butler.collections.remove_from_chain("chain/3", registry.getCollectionChain("chain/3")[:1]),
        lambda: registry.removeCollection("tag 1"),
        lambda: registry.removeCollection("calib/one"),
        lambda: butler.removeRuns(["runs/a"], unlink_from_chains=True),
    ]
    registry.registerRun("u/new")
    before = everything(sql)
    for operation in refused:
        with pytest.raises(sqlalchemy.exc.DBAPIError, match=r"is frozen(.|\n)*catreg\.thaw_collections\(ARRAY\["):
            operation()
        assert everything(sql) == before
    # everything else goes on
    registry.insertDatasets("calexp", [{**CAM, "visit": 2004, "detector": 5}], run="u/new")
    registry.associate("tag 0", [r for r in raws[:2]])
    butler.collections.prepend_chain("chain/4", ["u/new"])
    registry.setCollectionDocumentation("tag 1", "no change")
    butler.collections.register("after")
    kit.register_type(butler, "late", ["instrument", "detector", "visit", "skymap"])
    assert {n for (n,) in sql.execute("SELECT * FROM catreg.thaw_collections('{*}', 'own')")} == set(frozen)
    assert sql.execute("SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'catreg%'").fetchone() == (0,)
    for operation in refused[3:11]:
        operation()


def test_frozen_for_new_types(fresh):
    "A dataset type with dimensions of its own, registered while a run is frozen."
    butler, sql, _ = fresh
    sql.execute("SELECT catreg.freeze_collections('{runs/a}', 'own')")
    kit.register_type(butler, "late", ["skymap", "instrument"])
    butler.registry.insertDatasets("late", [{"skymap": "rings", "instrument": "Cam"}], run="runs/c")
    with pytest.raises(sqlalchemy.exc.DBAPIError, match="is frozen"):
        butler.registry.insertDatasets("late", [{"skymap": "rings", "instrument": "Cam"}], run="runs/a")
    assert sql.execute("SELECT bool_and(EXISTS (SELECT FROM pg_trigger WHERE tgrelid = tag_association_table::regclass AND tgname = 'catreg_freeze_insert'))"
                       " FROM dataset_type").fetchone() == (True,)


def test_frozen_after_restore(fresh, server_uri, tmp_path):
    "pg_dump takes what is frozen along."
    butler, sql, _ = fresh
    sql.execute("SELECT catreg.freeze_collections('{runs/a,chain/1}', 'own')")
    uri = f"postgresql://{sql.info.user}@{sql.info.host}:{sql.info.port}/{sql.info.dbname}"
    subprocess.run(["pg_dump", "-Fc", "-f", tmp_path / "dump", uri], check=True,
                   env={**os.environ, "PGPASSWORD": sql.info.password or ""})
    with new_database(server_uri, template="template0", extensions=()) as restored:
        subprocess.run(["pg_restore", "-d", restored, "--exit-on-error", tmp_path / "dump"], check=True)
        with psycopg.connect(restored, autocommit=True) as connection:
            with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState):
                connection.execute("DELETE FROM own.dataset WHERE run_id = (SELECT collection_id FROM own.collection WHERE name = 'runs/a')")
            names = {n for (n,) in connection.execute("SELECT * FROM catreg.thaw_collections('{*}', 'own')")}
            assert names == {"runs/a", "chain/1"}
            connection.execute("DELETE FROM own.dataset_location")
            connection.execute("DELETE FROM own.dataset WHERE run_id = (SELECT collection_id FROM own.collection WHERE name = 'runs/a')")
