"""Datasets brought in by ingest_datasets and its kin, beside a twin registry that the real Butler client fills.

Both start as copies of one registry. What the client has written is turned into a
batch for the other one, and afterwards their tables must be equal, row for row.
"""

import contextlib
import json
import os
import random
import shutil
import uuid

import psycopg
import pytest
from astropy.time import Time, TimeDelta
from lsst.daf.butler import CollectionType, DatasetIdFactory, DatasetIdGenEnum, DatasetRef, DatasetType, FileDataset, Timespan
from lsst.daf.butler.registry import ConflictingDefinitionError, InconsistentDataIdError
from lsst.daf.butler.time_utils import TimeConverter

import butlerkit as kit
from butlerkit import CAM, calexp_ids, coadd_ids, raw_ids
from test_obscore import new_database
from test_obscore_universes import UNIVERSES, Filler, random_groups

CALIBS = "calibs/one"
TAGS = "tags/new"
NAMES = ["ordinary", "Ω Centauri/日本", 'a "quoted" name', "O'Neill, 100%", "=,\\ ", "\U0001f52d"]


@pytest.fixture(scope="module", params=["own", "public", "old"])
def original(request, server_uri, tmp_path_factory):
    "In a schema of its own, or in public, or one of an older version."
    with new_database(server_uri, extensions=()) as uri:
        repository = kit.Repository(uri, request.param, tmp_path_factory.mktemp("butler")).create(
            **({"collections": kit.BY_NAME, "datasets": kit.WITH_TIMESTAMPS} if request.param == "old" else {}))
        with repository.client() as butler:
            kit.fill_dimensions(butler)
            for name, dimensions in kit.DATASET_TYPES.items():
                kit.register_type(butler, name, dimensions)
            # names are the part of a data id that is text
            butler.registry.insertDimensionData("group", *({**CAM, "name": name} for name in NAMES))
            for name, dimensions in {"grouped": ["group"], "flatter": ["group", "detector"],
                                     "reference": ["htm7"], "map": ["healpix9", "physical_filter"]}.items():
                kit.register_type(butler, name, dimensions)
            butler.registry.registerDatasetType(
                DatasetType("bias", ["instrument", "detector"], "StructuredDataDict", universe=butler.dimensions, isCalibration=True))
            for tag in (TAGS, kit.TAG):
                butler.collections.register(tag, CollectionType.TAGGED)
            butler.collections.register(CALIBS, CollectionType.CALIBRATION)
        yield repository


class Twins:
    "Copies of a registry: one is the client's, the other catreg's."

    def __init__(self, theirs, mine):
        self.theirs, self.mine = theirs, mine
        self.schema = mine.schema
        self.client = theirs.client()
        self.sql = mine.connect()

    def close(self):
        self.client.close()
        self.sql.close()

    def batch(self, rows, types=None, name="batch"):
        "A table of these rows; types by column, where a value does not tell."
        columns = list(rows[0])
        types = {"dataset_id": "uuid", "timespan": "int8range", **(types or {})}
        kinds = {c: types.get(c) or ("bigint" if any(isinstance(r[c], int) for r in rows) else "text") for c in columns}
        listed = ", ".join(f'"{c}"' for c in columns)
        self.sql.execute(f"DROP TABLE IF EXISTS pg_temp.{name}")
        self.sql.execute(f"CREATE TEMP TABLE {name} (" + ", ".join(f'"{c}" {kinds[c]}' for c in columns) + ")")
        with self.sql.cursor() as cursor:
            cursor.executemany(f"INSERT INTO {name} ({listed}) VALUES ({', '.join(['%s'] * len(columns))})",
                               [[r[c] for c in columns] for r in rows])
        return name

    def ingest(self, rows, dataset_type, run, on_conflict="error", id_mode="unique", create_run=True, types=None):
        return self.sql.execute(
            "SELECT dataset_id, status FROM catreg.ingest_datasets(%s::regclass, %s, %s, %s, %s::regnamespace, %s, %s)",
            [self.batch(rows, types), dataset_type, run, on_conflict, quoted(self.schema), id_mode, create_run]).fetchall()

    def call(self, function, rows, *arguments):
        return self.sql.execute(
            f"SELECT dataset_id, status FROM catreg.{function}(%s::regclass, {'%s, ' * len(arguments)}%s::regnamespace)",
            [self.batch(rows), *arguments, quoted(self.schema)]).fetchall()

    def compare(self, ingest_dates=False):
        with self.theirs.connect() as theirs:
            tables = [row[0] for row in theirs.execute(
                "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = %s::regnamespace ORDER BY 1",
                [quoted(self.schema)])]
            assert "file_datastore_records" in tables
            for table in tables:
                one, other = (rows_of(c, table, ingest_dates) for c in (theirs, self.sql))
                assert other == one, table


def quoted(schema):
    return f'"{schema}"'


def rows_of(connection, table, ingest_dates):
    cursor = connection.execute(f'SELECT * FROM "{table}"')
    names = [d.name for d in cursor.description]
    left_out = set() if ingest_dates else {"ingest_date"}
    if table.startswith("dataset_calibs"):
        left_out.add("id")  # two rows of one statement are numbered in any order
    return sorted(repr([(n, v) for n, v in zip(names, row) if n not in left_out]) for row in cursor)


@pytest.fixture
def twins(original, server_uri, tmp_path):
    template = original.uri.rsplit("/", 1)[1]
    with new_database(server_uri, template, extensions=()) as one, new_database(server_uri, template) as other:
        # one root's name, since it is the datastore's; the files of both
        twins = Twins(original.copied(one, tmp_path / "theirs"), original.copied(other, tmp_path / "mine"))
        with contextlib.closing(twins):
            yield twins


# -- what the client does -------------------------------------------------------------------------------------------


def put_files(twins, tmp_path, dataset_type, ids, run, mode=DatasetIdGenEnum.UNIQUE, tag=""):
    "The client ingests a file for each data id; returns the refs."
    butler = twins.client
    butler.collections.register(run)
    definition = butler.get_dataset_type(dataset_type)
    datasets = []
    for n, data_id in enumerate(ids):
        path = tmp_path / f"{dataset_type}{tag}{n}.yaml"
        path.write_text(f"number: {n}\ntype: {dataset_type}{tag}\n")
        data_id = butler.registry.expandDataId(data_id, dimensions=definition.dimensions)
        ref = DatasetRef(definition, data_id, run, id_generation_mode=mode)
        datasets.append(FileDataset(path=str(path), refs=[ref]))
    butler.ingest(*datasets, transfer="copy")
    return [ref for d in datasets for ref in d.refs]


def batch_of(twins, refs, ids=True):
    "What a batch has to say to become these datasets; their files come along."
    with twins.theirs.connect() as theirs:
        records = {row[0]: row[1:] for row in theirs.execute(
            "SELECT f.dataset_id, f.path, f.formatter, f.storage_class, f.component, f.checksum, f.file_size, l.datastore_name"
            " FROM file_datastore_records f JOIN dataset_location l USING (dataset_id)")}
    names = ["path", "formatter", "storage_class", "component", "checksum", "file_size", "datastore"]
    rows = []
    for ref in refs:
        record = dict(zip(names, records[ref.id]))
        target = os.path.join(twins.mine.root, record["path"])
        os.makedirs(os.path.dirname(target), exist_ok=True)
        shutil.copy(os.path.join(twins.theirs.root, record["path"]), target)
        rows.append({**dict(ref.dataId.required), **({"dataset_id": ref.id} if ids else {}), **record})
    return rows


CASES = {
    "calexp": calexp_ids(range(4)), "raw": raw_ids(range(3)), "deepCoadd": coadd_ids(), "settings": [{}],
    "flat": [{**CAM, "detector": 1, "physical_filter": "g_01"}, {"instrument": "Other", "detector": 0, "physical_filter": "r_57"}],
    "grouped": [{**CAM, "group": name} for name in NAMES],
    "reference": [{"htm7": 8 << 14}, {"htm7": (16 << 14) - 1}],
    "map": [{**CAM, "physical_filter": "g_01", "healpix9": pixel} for pixel in (0, (12 << 18) - 1)],
}


def test_twin(twins, tmp_path):
    "Every kind of dataset type, with files: equal tables, and what the client reads is equal."
    for number, (name, ids) in enumerate(CASES.items()):
        run = "runs/one" if number % 2 else f"runs/{name} 'new'"
        refs = put_files(twins, tmp_path, name, ids, run)
        rows = batch_of(twins, refs)
        assert twins.ingest(rows, name, run) == [(ref.id, "inserted") for ref in refs]
    twins.compare()
    with twins.mine.client() as butler:
        for number, (name, ids) in enumerate(CASES.items()):
            found = butler.query_datasets(name, "runs/one" if number % 2 else f"runs/{name} 'new'")
            assert len(found) == len(ids)
            for ref in found:
                assert butler.get(ref) == twins.client.get(ref)
                assert [os.path.relpath(b.getURI(ref).ospath, r.root) for b, r in ((butler, twins.mine), (twins.client, twins.theirs))] == 2 * [
                    os.path.relpath(twins.client.getURI(ref).ospath, twins.theirs.root)]
                assert butler.getURI(ref).exists() and butler.stored(ref)


@pytest.mark.parametrize("path", UNIVERSES, ids=lambda path: path.stem if path else "default")
def test_universe(server_uri, tmp_path, path):
    "Random dataset types and data ids of every dimension universe."
    dice = random.Random(str(path and path.name))
    with new_database(server_uri, extensions=()) as uri:
        repository = kit.Repository(uri, "own", tmp_path / "original").create(dimensions=path and str(path))
        with repository.client() as butler:
            filler = Filler(butler, dice)
            groups = random_groups(dice, butler.dimensions)
            for name, group in groups.items():
                kit.register_type(butler, name, group)
        template = uri.rsplit("/", 1)[1]
        with new_database(server_uri, template, extensions=()) as one, new_database(server_uri, template) as other:
            twins = Twins(repository.copied(one, tmp_path / "theirs"), repository.copied(other, tmp_path / "mine"))
            with contextlib.closing(twins):
                twins.client.collections.register("r")
                n = 0
                for name, group in groups.items():
                    refs = []
                    for data_id in filler.dataset_ids(group):
                        # a visit of another day or filter than its exposure, say
                        with contextlib.suppress(ConflictingDefinitionError, InconsistentDataIdError):
                            refs += twins.client.registry.insertDatasets(name, [data_id], run="r")
                    if refs:
                        rows = [{**dict(ref.dataId.required), "dataset_id": ref.id} for ref in refs]
                        assert twins.ingest(rows, name, "r") == [(ref.id, "inserted") for ref in refs]
                        assert {s for _, s in twins.ingest(rows, name, "r", "ignore")} == {"existing"}
                        n += len(refs)
                assert n > 40
                twins.compare()


@pytest.mark.parametrize("dataset_type, pixel", [
    ("reference", -1), ("reference", 0), ("reference", (8 << 14) - 1), ("reference", 16 << 14), ("reference", 1 << 62),
    ("map", -1), ("map", 12 << 18)])
def test_no_such_pixel(twins, dataset_type, pixel):
    twins.client.collections.register("r")
    data_id = {"reference": {"htm7": pixel}, "map": {**CAM, "physical_filter": "g_01", "healpix9": pixel}}[dataset_type]
    with pytest.raises(Exception, match="Invalid HTM|out of range|incompatible function arguments"):
        twins.client.registry.insertDatasets(dataset_type, [data_id], run="r")
    with pytest.raises(psycopg.errors.NumericValueOutOfRange, match=f"has no pixel {pixel}\n"):
        twins.ingest(CASES[dataset_type] + [data_id], dataset_type, "r")
    assert twins.sql.execute("SELECT count(*) FROM dataset").fetchone() == (0,)


def test_without_files(twins):
    refs = twins.client.registry.insertDatasets("calexp", calexp_ids(range(3)), run=twins.client.collections.register("r") and "r")
    rows = [{**dict(ref.dataId.required), "dataset_id": ref.id} for ref in refs]
    assert twins.ingest(rows, "calexp", "r") == [(ref.id, "inserted") for ref in refs]
    twins.compare()


def test_ids(twins):
    "Ids as DatasetIdFactory makes them; random ones are of version 7, of now, and all different."
    butler = twins.client
    for name, ids in CASES.items():
        definition = butler.get_dataset_type(name)
        for mode in (DatasetIdGenEnum.DATAID_TYPE_RUN, DatasetIdGenEnum.DATAID_TYPE):
            run = f"日本/{mode.name}/{name}"
            expected = [DatasetIdFactory().makeDatasetId(run, definition, butler.registry.expandDataId(d, dimensions=definition.dimensions), mode)
                        for d in ids]
            required = [dict(butler.registry.expandDataId(d, dimensions=definition.dimensions).required) or {"unused": 1} for d in ids]
            assert [i for i, _ in twins.ingest(required, name, run, id_mode=mode.name.lower())] == expected
    made = [i for i, _ in twins.ingest(calexp_ids(range(8)), "calexp", "unique")]
    assert len(set(made)) == 48 and {(i.version, i.variant) for i in made} == {(7, uuid.RFC_4122)}
    assert all(abs((i.int >> 80) / 1000 - Time.now().unix) < 60 for i in made)


def test_ingest_date(twins):
    twins.sql.execute("SET timezone = 'Asia/Tokyo'")
    before = Time.now()
    ((mine, _),) = twins.ingest(calexp_ids([0], [0]), "calexp", "r")
    after = Time.now()
    (stored,) = twins.sql.execute("SELECT ingest_date FROM dataset").fetchone()
    stored = Time(stored, scale="utc") if twins.schema == "old" else TimeConverter().nsec_to_astropy(stored)
    assert before - TimeDelta(1e-5, format="sec") <= stored <= after
    with twins.mine.client() as butler, butler.query() as query:
        x = query.expression_factory
        ((found,),) = [list(query.datasets("calexp", "r").where(x["calexp"].ingest_date <= after))]
        assert found.id == mine


def test_again(twins, tmp_path):
    "As a client's ingest with skip_existing; and by default it is an error in both."
    ids = raw_ids(range(3))
    refs = put_files(twins, tmp_path, "raw", ids, "Cam/raw", DatasetIdGenEnum.DATAID_TYPE_RUN)
    rows = batch_of(twins, refs, ids=False)
    mode = "dataid_type_run"
    assert twins.ingest(rows, "raw", "Cam/raw", id_mode=mode) == [(ref.id, "inserted") for ref in refs]
    twins.compare()
    dates = rows_of(twins.sql, "dataset", True)
    assert twins.ingest(rows, "raw", "Cam/raw", "ignore", mode) == [(ref.id, "existing") for ref in refs]
    assert twins.ingest(rows, "raw", "Cam/raw", "ignore", "unique") == [(ref.id, "existing") for ref in refs]
    with pytest.raises(psycopg.errors.UniqueViolation, match=str(refs[0].id)):
        twins.ingest(rows, "raw", "Cam/raw", "error", mode)
    with pytest.raises(ConflictingDefinitionError):
        put_files(twins, tmp_path, "raw", ids, "Cam/raw", DatasetIdGenEnum.DATAID_TYPE_RUN)
    more = put_files(twins, tmp_path, "raw", raw_ids([5]), "Cam/raw", DatasetIdGenEnum.DATAID_TYPE_RUN, "more")
    mixed = rows[:4] + batch_of(twins, more, ids=False) + rows[4:]
    status = [s for _, s in twins.ingest(mixed, "raw", "Cam/raw", "ignore", mode)]
    assert status == ["existing"] * 4 + ["inserted"] * len(more) + ["existing"] * (len(rows) - 4)
    twins.compare()
    assert set(dates) < set(rows_of(twins.sql, "dataset", True))


def test_replace(twins, tmp_path):
    "What is replaced leaves as the client's own removal would have it, associations and all."
    first = put_files(twins, tmp_path, "calexp", calexp_ids(range(3)), "r")
    twins.ingest(batch_of(twins, first), "calexp", "r")
    twins.client.registry.associate(TAGS, first)
    twins.call("associate_datasets", [{"dataset_id": ref.id} for ref in first], TAGS, "error")
    twins.compare()
    old = first[:7]
    # no trash is emptied yet: that is the next step of a client's removal
    with twins.client.transaction():
        twins.client._datastore.trash(old)
        twins.client.registry.removeDatasets(old)
    second = put_files(twins, tmp_path, "calexp", [dict(ref.dataId.required) for ref in old], "r", tag="second")
    # the files lie where the first ones lay
    rows = batch_of(twins, second)
    kept = [{**dict(ref.dataId.required), "dataset_id": ref.id} for ref in first[7:]]
    assert twins.ingest(rows, "calexp", "r", "replace") == [(ref.id, "replaced") for ref in second]
    assert twins.ingest(kept, "calexp", "r", "replace") == [(ref.id, "existing") for ref in first[7:]]
    twins.compare()
    for repository in (twins.mine, twins.theirs):
        with repository.client() as butler:
            butler._datastore.emptyTrash()
            assert all(butler.get(ref)["type"] == "calexpsecond" for ref in second)
    twins.compare()


def test_rewritten(twins, tmp_path):
    "The same ids again, with other files."
    mode = DatasetIdGenEnum.DATAID_TYPE_RUN
    refs = put_files(twins, tmp_path, "calexp", calexp_ids(range(2)), "r", mode)
    rows = batch_of(twins, refs, ids=False)
    twins.ingest(rows, "calexp", "r", id_mode="dataid_type_run")
    changed = [{**row, "path": row["path"] + ".new", "file_size": -1} for row in rows]
    for row in rows:
        shutil.move(os.path.join(twins.mine.root, row["path"]), os.path.join(twins.mine.root, row["path"] + ".new"))
    assert twins.ingest(changed, "calexp", "r", "replace", "dataid_type_run") == [(ref.id, "replaced") for ref in refs]
    with twins.mine.client() as butler:
        assert [butler.get(ref) for ref in refs] == [twins.client.get(ref) for ref in refs]
        assert all(str(butler.getURI(ref)).endswith(".new") for ref in refs)
    assert twins.sql.execute("SELECT count(*) FROM dataset_location_trash").fetchone() == (0,)


def test_components(twins, tmp_path):
    "Rows of one data id are the components of one dataset."
    rows = [{**CAM, "visit": 2000, "detector": d, "path": f"x/{d}/{c}.yaml", "formatter": "lsst.daf.butler.formatters.yaml.YamlFormatter",
             "component": c, "datastore": "d"} for d in range(3) for c in ("a", "b")]
    made = twins.ingest(rows, "calexp", "r")
    assert [s for _, s in made] == ["inserted"] * 6 and len({i for i, _ in made}) == 3 and made[0] == made[1]
    assert twins.sql.execute("SELECT count(*), count(DISTINCT dataset_id) FROM file_datastore_records").fetchone() == (6, 3)
    assert twins.sql.execute("SELECT count(*) FROM dataset_location").fetchone() == (3,)


# -- collections ----------------------------------------------------------------------------------------------------


@pytest.fixture
def filled(twins):
    "Datasets of several types in two runs, of the same ids in both registries."
    refs = []
    for run in ("r", "s"):
        twins.client.collections.register(run)
        for name in ("calexp", "raw", "bias", "deepCoadd"):
            ids = {"calexp": calexp_ids(range(3)), "raw": raw_ids(range(2)), "bias": [{**CAM, "detector": d} for d in kit.DETECTORS],
                   "deepCoadd": coadd_ids()}[name]
            new = twins.client.registry.insertDatasets(name, ids, run=run)
            twins.ingest([{**dict(ref.dataId.required), "dataset_id": ref.id} for ref in new], name, run)
            refs += new
    twins.compare()
    return refs


def test_associate(twins, filled):
    "At random: in, again, out; several types at once."
    generator = random.Random(7)
    registry = twins.client.registry
    inside = set()
    of_run = {run: [ref for ref in filled if ref.run == run] for run in ("r", "s")}
    for _ in range(6):
        some = generator.sample(of_run["r"], 12)
        registry.associate(TAGS, some)
        mine = twins.call("associate_datasets", [{"dataset_id": ref.id} for ref in some], TAGS, "error")
        assert mine == [(ref.id, "existing" if ref in inside else "associated") for ref in some]
        inside |= set(some)
        out = generator.sample(of_run["r"], 10)
        registry.disassociate(TAGS, out)
        mine = twins.call("disassociate_datasets", [{"dataset_id": ref.id} for ref in out], TAGS)
        assert mine == [(ref.id, "removed" if ref in inside else "absent") for ref in out]
        inside -= set(out)
        twins.compare()


def test_associate_conflicts(twins, filled):
    r, s = ([ref for ref in filled if ref.run == run and ref.datasetType.name == "calexp"] for run in ("r", "s"))
    registry = twins.client.registry
    registry.associate(TAGS, r)
    twins.call("associate_datasets", [{"dataset_id": ref.id} for ref in r], TAGS, "error")
    with pytest.raises(ConflictingDefinitionError):
        registry.associate(TAGS, s[:2])
    with pytest.raises(psycopg.errors.UniqueViolation, match=str(r[0].id)):
        twins.call("associate_datasets", [{"dataset_id": ref.id} for ref in s[:2]], TAGS, "error")
    twins.compare()
    ignored = twins.call("associate_datasets", [{"dataset_id": ref.id} for ref in s[:2]], TAGS, "ignore")
    assert ignored == [(ref.id, "existing") for ref in r[:2]]
    twins.compare()
    registry.disassociate(TAGS, r[:5])
    registry.associate(TAGS, s[:5])
    replaced = twins.call("associate_datasets", [{"dataset_id": ref.id} for ref in s[:5]], TAGS, "replace")
    assert replaced == [(ref.id, "replaced") for ref in s[:5]]
    twins.compare()


@pytest.mark.parametrize("collection", ["r", CALIBS, "nowhere"])
def test_associate_refused(twins, filled, collection):
    refs = [ref for ref in filled if ref.run == "r"][:3]
    for function, more in (("associate_datasets", ["error"]), ("disassociate_datasets", [])):
        with pytest.raises(psycopg.errors.Error) as error:
            twins.call(function, [{"dataset_id": ref.id} for ref in refs], collection, *more)
        assert error.value.sqlstate in ("42809", "42704")
        with pytest.raises(Exception):
            getattr(twins.client.registry, function.split("_")[0])(collection, refs)
    twins.compare()


def nanoseconds(timespan):
    begin, end = timespan.nsec
    return f"[{begin},{end})"


def test_certify(twins, filled):
    "At random; what the client refuses is refused, and names both."
    generator = random.Random(11)
    biases = [ref for ref in filled if ref.datasetType.name == "bias"]
    refused = 0
    for _ in range(40):
        start = generator.randrange(40)
        timespan = Timespan(kit.moment(start), kit.moment(start + generator.randrange(1, 4)))
        some = generator.sample([ref for ref in biases if ref.run == generator.choice("rs")] or biases, 2)
        rows = [{"dataset_id": ref.id, "timespan": nanoseconds(timespan)} for ref in some]
        same = some[0].dataId == some[1].dataId
        if same:
            # the client looks at what is there only
            with pytest.raises(psycopg.errors.ExclusionViolation):
                twins.call("certify_datasets", rows, CALIBS)
            continue
        try:
            twins.client.registry.certify(CALIBS, some, timespan)
        except ConflictingDefinitionError:
            refused += 1
            with pytest.raises(psycopg.errors.ExclusionViolation, match="(?s)Dataset [0-9a-f-]{36}.*overlap"):
                twins.call("certify_datasets", rows, CALIBS)
        else:
            assert twins.call("certify_datasets", rows, CALIBS) == [(ref.id, "certified") for ref in some]
        twins.compare()
    assert refused > 3
    def valid(butler):
        found = butler.registry.queryDatasetAssociations("bias", CALIBS, collectionTypes={CollectionType.CALIBRATION})
        return {(a.ref.id, a.timespan) for a in found}

    with twins.mine.client() as butler:
        assert valid(butler) == valid(twins.client) != set()


def test_certify_refused(twins, filled):
    calexp = [ref for ref in filled if ref.datasetType.name == "calexp"][:2]
    bias = [ref for ref in filled if ref.datasetType.name == "bias"][:2]
    for refs, collection in ((calexp, CALIBS), (bias, TAGS), (bias, "r")):
        with pytest.raises(psycopg.errors.WrongObjectType):
            twins.call("certify_datasets", [{"dataset_id": ref.id, "timespan": "[1,2)"} for ref in refs], collection)
        with pytest.raises(Exception):
            twins.client.registry.certify(collection, refs, Timespan(None, None))
    twins.compare()


@pytest.mark.parametrize("kind", ["RUN", "TAGGED"])
def test_obscore(twins, kind):
    "ObsCore tables follow, whatever was brought in, replaced, associated."
    config = kit.configuration(kind)
    (table,) = twins.sql.execute("SELECT catreg.create_obscore(%s::json, %s::regnamespace, 'kept')::text",
                                 [json.dumps(config), quoted(twins.schema)]).fetchone()

    def check():
        kit.compare(twins.sql, table, kit.expected_rows(twins.mine, config))

    rows = {"raw": raw_ids(range(8)), "calexp": calexp_ids(range(4)), "deepCoadd": coadd_ids()}
    made = {}
    for name, ids in rows.items():
        made[name] = [i for i, _ in twins.ingest(ids, name, "runs/a")]
        check()
    everything = [{"dataset_id": i} for ids in made.values() for i in ids]
    twins.call("associate_datasets", everything[::2], kit.TAG if kind == "TAGGED" else TAGS, "error")
    check()
    twins.ingest(rows["calexp"][:9], "calexp", "runs/a", "replace")
    check()
    twins.call("disassociate_datasets", everything[::4], kit.TAG if kind == "TAGGED" else TAGS)
    check()
    assert twins.sql.execute(f"SELECT count(*) > 10 FROM {table}").fetchone() == (True,)
