"""ObsCore tables of registries of every dimension universe that the client can make, from version 2 on.

Dimension records, dataset types, data ids and templates are random; the tables must
hold what the client's own code makes of them (butlerkit).
"""

import base64
import contextlib
import itertools
import pathlib
import random

import lsst.daf.butler
import psycopg
import pytest
from lsst import sphgeom
from lsst.daf.butler.dimensions import DimensionConfig
from lsst.daf.butler.registry import InconsistentDataIdError

import butlerkit as kit
from test_obscore import new_database, watch

pytestmark = pytest.mark.filterwarnings("ignore::lsst.daf.butler.registry.obscore.RegionTypeWarning")

OLD = pathlib.Path(lsst.daf.butler.__file__).parent / "configs" / "old_dimensions"
UNIVERSES = [*(path for path in sorted(OLD.glob("*.yaml")) if DimensionConfig(str(path))["version"] >= 2), None]


PIXELS = {"htm": lambda level, dice: dice.randrange(8 * 4**level, 16 * 4**level),
          "healpix": lambda level, dice: dice.randrange(12 * 4**level)}


class Filler:
    "Makes records of all elements, which fit each other, and data ids of them."

    def __init__(self, butler, dice):
        self.butler = butler
        self.universe = butler.dimensions
        self.dice = dice
        self.numbers = itertools.count(1)
        self.records = {}  # by element: its fields
        self.data_ids = {}  # the same: {dimension: value}, what is implied included
        for element in self.universe.elements:
            if element.has_own_table:
                self.fill(element)
            elif element.name not in self.universe.skypix_dimensions.names:
                # a column of the table that implies it
                self.data_ids[element.name] = [{element.name: value} for value in "gri"]

    def value(self, field):
        "One for a field of a record; None now and then where that may be."
        dice = self.dice
        if field.nullable and dice.random() < 0.2:
            return None
        if field.type == "string":
            return dice.choice(kit.TARGETS[:3] + kit.TARGETS[6:])[: field.length]
        return {
            "int": lambda: dice.choice([0, -7, 10**6, dice.randrange(2**40)]),
            "float": lambda: dice.choice([0.0, 1e16, dice.random(), -dice.expovariate(1e-3)]),
            "bool": lambda: dice.random() < 0.5,
            "hash": lambda: dice.randbytes(8),
            "region": lambda: dice.choice([kit.polygon, kit.polygon, kit.polygon, kit.circle])(
                dice.uniform(0, 360), dice.uniform(-80, 80), dice.uniform(0.01, 1)),
            "timespan": lambda: kit.exposure_timespan(dice.choice([*range(11), 13, 14])),
        }[field.type]()

    def combined(self, names):
        "Some of the data ids over these dimensions for which there are records."
        found = [{}]
        for name in names:
            found = [a | b for a in found for b in self.data_ids[name] if all(a[k] == b[k] for k in a.keys() & b.keys())]
            self.dice.shuffle(found)
            del found[60:]
        return found

    def fill(self, element):
        "Several records, two of each parent for a dimension."
        own = element.name if element.name in self.universe.dimensions.names else None
        parents = [name for name in element.required.names if name != own]
        data_ids = self.combined([*parents, *element.implied.names])[:5 if own else 30]
        self.records[element.name], self.data_ids[element.name] = [], []
        for data_id in data_ids * (2 if own else 1):
            record = {name: data_id[name] for name in [*parents, *element.implied.names]}
            if own:
                number = next(self.numbers)
                key = list(element.schema.required)[-1]
                data_id = data_id | {own: f"{own[:3]} {number}" if key.type == "string" else number}
                record[key.name] = data_id[own]
            for field in element.schema.remainder:
                record[field.name] = self.value(field)
                if field.type == "string" and field.name in element.alternate_keys.names:
                    record[field.name] = f"{element.name[:3]} {next(self.numbers)}"
            self.records[element.name].append(record)
            self.data_ids[element.name].append(data_id)
        if data_ids:
            self.butler.registry.insertDimensionData(element.name, *self.records[element.name])

    def update(self, element):
        "Another value for each field of a record that is no key."
        record = self.dice.choice(self.records[element.name])
        for field in element.schema.remainder:
            if field.name not in element.alternate_keys.names:
                record[field.name] = self.value(field)
        self.butler.registry.insertDimensionData(element.name, record, replace=True)

    def dataset_ids(self, group):
        pixels = [name for name in group.required if name in self.universe.skypix_dimensions.names]
        found = self.combined([name for name in group.required if name not in pixels])[:4]
        for name in pixels:
            element = self.universe.skypix_dimensions[name]
            found = [data_id | {name: PIXELS[element.system.name](element.level, self.dice)} for data_id in found]
        return [{name: data_id[name] for name in group.required} for data_id in found]


def template(dice, universe, group):
    "One that can be used: over something that the data id has, more often than not."
    elements = [universe[name] for name in (group.elements if dice.random() < 0.9 else universe.elements.names)]
    if elements and dice.random() < 0.7:
        element = dice.choice(elements)
        field = dice.choice([*element.schema.required, *element.schema.remainder])
        text = {"hash": "constant", "region": "constant",
                "timespan": f"{{records[{element.name}].timespan.begin.utc.isot}}"}.get(
            field.type, f"{{records[{element.name}].{field.name}}}")
        return text
    return f"{{{dice.choice([*group.names, 'run', 'id', 'dataset_type', 'tract', 'visit'])}}}"


def configuration(dice, universe, groups, **changes):
    types = {}
    for name, group in groups.items():
        extra = {f"x_{i}": {"template": " ".join(template(dice, universe, group) for _ in range(dice.choice([1, 1, 2])))}
                 for i in range(3)}
        types[name] = {"dataproduct_type": "image", "calib_level": 2, "extra_columns": extra,
                       "obs_id_fmt": template(dice, universe, group)}
    # few, since of a dataset with a template that fails the oracle tries each column alone
    keys = {f"d_{i}": {"template": f"{{{name}}}"} for i, name in enumerate(["htm7", *dice.sample(sorted(
        universe.dimensions.names - universe.skypix_dimensions.names), 4)])}
    return {"namespace": "test", "version": 1, "obs_collection": "C", "collection_type": "RUN", "facility_name": "F", "dataset_types": types, "extra_columns": keys,
            "spectral_ranges": {"g": [4e-7, 5e-7], "phy 3": [1, None]}, **changes}


def random_groups(dice, universe):
    "Sets of dimensions, those of the usual dataset types among them."
    names = [name for name in sorted(universe.dimensions.names) if name not in universe.skypix_dimensions.names]
    # the client lists htm0 among the dimensions, too, but knows nothing of it; of HEALPix see test_healpix
    pixels = sorted(n for n in universe.skypix_dimensions.names & universe.elements.names if n.startswith("htm"))
    groups = {f"usual_{i}": universe.conform(dimensions) for i, dimensions in enumerate(
        [["visit", "detector"], ["exposure", "detector"], ["exposure"], ["patch", "band"], ["tract"], ["visit", "patch"],
         ["instrument"], [], ["visit", "tract"], ["skymap"]])}
    for i in range(12):
        groups[f"random_{i}"] = universe.conform(dice.sample(names, dice.choice([1, 2, 2, 3])))
    for i in range(6):
        groups[f"pixel_{i}"] = universe.conform(
            [*dice.sample(pixels, dice.choice([1, 1, 2])), *dice.sample(names, dice.choice([0, 1]))])
    # where a band is implied and a subfilter requires it, the client cannot make the tags table
    return {name: group for name, group in groups.items()
            if all(universe[n].required.names <= set(group.required) for n in group.required)}


@pytest.mark.parametrize("path", UNIVERSES, ids=lambda path: path.stem if path else "default")
def test_universe(server_uri, tmp_path, path):
    dice = random.Random(str(path and path.name))
    with new_database(server_uri) as uri:
        repository = kit.Repository(uri, "own", tmp_path).create(dimensions=path and str(path))
        with watch(repository) as watched:
            registry = watched.registry
            universe = watched.butler.dimensions
            filler = Filler(watched.butler, dice)
            groups = random_groups(dice, universe)
            watched.butler.collections.register("runs/a")
            watched.butler.collections.register(kit.TAG, kit.CollectionType.TAGGED)
            watched.create(configuration(dice, universe, groups), "before")
            for name, group in groups.items():
                kit.register_type(watched.butler, name, group)
                for data_id in filler.dataset_ids(group):
                    # a visit of another day or filter than its exposure, say
                    with contextlib.suppress(kit.ConflictingDefinitionError, InconsistentDataIdError):
                        with registry.transaction():
                            refs = registry.insertDatasets(name, [data_id], run="runs/a")
                            if dice.random() < 0.5:
                                registry.associate(kit.TAG, refs)
            watched.create(configuration(dice, universe, groups, collection_type="TAGGED", collections=[kit.TAG]), "after")
            sizes = watched.check()
            assert sizes[0] > 40 and sizes[1] > 10
            for element in universe.elements:
                if filler.records.get(element.name) and element.schema.remainder:
                    filler.update(element)
            assert watched.check() == sizes


@pytest.fixture
def connection(server_uri):
    with new_database(server_uri) as uri, psycopg.connect(uri, autocommit=True) as connection:
        yield connection


def test_htm_pixels(connection):
    "Each bit as sphgeom has it, of the first, the last and random pixels of every level."
    dice = random.Random(7)
    for level in range(25):
        first, end = 8 * 4**level, 16 * 4**level
        ids = [first, end - 1, *(dice.randrange(first, end) for _ in range(40))]
        mine = connection.execute(
            "SELECT catreg.obscore_pixel('lsst.sphgeom.HtmPixelization', %s, i) FROM unnest(%s::int8[]) WITH ORDINALITY u (i, n)"
            " ORDER BY n", [level, ids]).fetchall()
        pixels = sphgeom.HtmPixelization(level)
        assert [base64.b64decode(text) for text, in mine] == [pixels.pixel(i).encode() for i in ids], level


@pytest.mark.parametrize("level, id", [(0, 7), (0, 16), (7, 8 * 4**7 - 1), (7, 16 * 4**7), (7, -1), (25, 8 * 4**25), (-1, 2), (24, 2**62)])
def test_no_htm_pixel(connection, level, id):
    sql = "SELECT catreg.obscore_pixel('lsst.sphgeom.HtmPixelization', %s, %s::int8)"
    assert connection.execute(sql, [level, id]).fetchone() == (None,)


def test_healpix(server_uri, tmp_path):
    "Their regions are not made: NULL, and listed. All else is as ever."
    with new_database(server_uri) as uri:
        with watch(kit.Repository(uri, "public", tmp_path).create()) as watched:
            universe = watched.butler.dimensions
            watched.butler.collections.register("runs/a")
            kit.register_type(watched.butler, "map", ["healpix9"])
            dice = random.Random(7)
            config = configuration(dice, universe, {"map": universe.conform(["healpix9"])})
            config["dataset_types"]["map"]["obs_id_fmt"] = "{healpix9:08d}/{records[healpix9].id}"
            watched.create(config, "obscore")
            watched.insert("map", [{"healpix9": i} for i in (0, 12 * 4**9 - 1)], "runs/a")
            columns, rows = kit.read(watched.sql, "obscore")
            expected = watched.expected("obscore")
            different = {column for _, column, *_ in kit.differences(columns, rows, expected.rows)}
            assert different == {"s_ra", "s_dec", "s_fov", "s_region"}
            assert {row[columns.index("s_region")] for row in rows.values()} == {None}
            assert {id for id, problem in watched.problems("obscore") if "HealpixPixelization" in problem} == set(rows)
