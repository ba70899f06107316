"""Random templates and constants, of which the client's own RecordFactory says what they come to.

Extra columns of every type, beside ObsCore's own and in place of them, identifiers, URLs; over records with values
that Python writes in a way of its own, or not at all. What catreg cannot do it has to refuse, not to make otherwise.
"""

import json
import random
import re

import psycopg
import pytest

import butlerkit as kit
from test_obscore import create, new_database, watch

pytestmark = pytest.mark.filterwarnings("ignore::lsst.daf.butler.registry.obscore.RegionTypeWarning")

OF_TYPE = {
    "string": ["dataproduct_type", "dataproduct_subtype", "facility_name", "target_name", "obs_id", "obs_collection", "obs_publisher_did",
               "access_url", "access_format", "em_filter_name", "o_ucd", "instrument_name"],
    "int": ["calib_level", "s_xel1", "s_xel2", "t_xel", "em_xel", "pol_xel"],
    "float": ["s_resolution", "t_min", "t_max", "t_exptime", "t_resolution", "em_min", "em_max", "em_res_power"],
}
STATIC = {column: type for type, columns in OF_TYPE.items() for column in columns}
BOUNDS = {"calib_level": 2**15} | dict.fromkeys(["s_xel1", "s_xel2", "t_xel", "em_xel", "pol_xel"], 2**31)
CONSTANTS = {"string": ["c", "", "é", "x" * 40], "int": [0, 1, -1, 7], "float": [1.5, -0.0, 0.1, 3e-7]}
LITERALS = ["", " ", "x", "{{", "}}", "{{}}", "é", "日本", "'", '"', "\\", "%s", "\n", "\t", ":", "!", "[", "]", "12", "-", "+", "1e", ".", "_",
            "\U0001f600", "catreg.", "$1", "NaN"]
NAMES = ["run", "id", "dataset_type", "tract", "visit", "exposure", "band", "physical_filter", "calib_level", "s_xel1", "s_xel2", "o_ucd",
         "access_format", "obs_collection", "dataproduct_type", "dataproduct_subtype", "obs_id", "nothing"]

# What records hold, in SQL.
FLOATS = ["'inf'", "'-inf'", "'nan'", "-0.0", "1e22", "1e16", "123456789.125", "1e-5", "0.1", "5e-324", "1.7976931348623157e308", "1e15",
          "9007199254740993", "1e21", "999999.5", "1e-4", "NULL"]
INTS = ["0", "-1", "9223372036854775807", "-9223372036854775808", "1000000", "65", "128512", "55296"]
TEXTS = ["''", "'a''b\"c'", r"E'tab\there\n'", "'Ωé日'", r"E'\\'", "'{x}'", "' 12 '", "'1_000'", "'0x10'", "'inf'", "'-nan'",
         r"U&'\00A0\200B'", r"U&'\+01F600'", r"E'\x7f\x01'", "'1e5'", "NULL"]
TIMESPANS = ["NULL", "'[0,5)'", "'[-5,0)'", "'[0,4102444800000000000)'", "'[5,)'", "'[1483228836000000000,1483228837500000000)'",
             "'[-1000000000000000000,5)'"]
FIELDS = {"exposure_time": FLOATS[:-1], "zenith_angle": FLOATS, "seq_num": INTS, "target_name": TEXTS, "science_program": TEXTS, "timespan": TIMESPANS}


class Dice(random.Random):
    def spec(self):
        text = ""
        if self.random() < 0.5:
            fill = self.choice(["x", " ", "0", "*", "é", "日", "\U0001f600", "-", "=", "<", "'", "\\", "%"])
            text += self.choice(["", fill]) + self.choice("<>^=")
        for chance, options in [(0.3, "+- "), (0.15, "z"), (0.2, "#"), (0.3, "0")]:
            text += self.choice(options) if self.random() < chance else ""
        text += str(self.choice([0, 1, 2, 3, 5, 8, 12, 20, 33, 64])) if self.random() < 0.6 else ""
        text += self.choice(",_") if self.random() < 0.25 else ""
        text += f".{self.choice([0, 1, 2, 3, 6, 10, 17, 25])}" if self.random() < 0.35 else ""
        return text + (self.choice("bcdeEfFgGosxX%") if self.random() < 0.7 else "")

    def field(self, universe, group):
        "One of a record, a dimension, or what else has a name; or has not."
        names, elements = list(group.names), list(group.elements)
        text = self.choice(NAMES)
        if elements and self.random() < 0.5:
            element = universe[self.choice(elements)]
            field = self.choice([*element.schema.required, *element.schema.remainder])
            text = {"hash": "run", "region": "run"}.get(field.type, f"records[{element.name}].{field.name}")
            if field.type == "timespan":
                text += f".{self.choice(['begin', 'end'])}{self.choice(['', '.utc', '.tai'])}.{self.choice(['isot', 'iso', 'mjd'])}"
        elif names and self.random() < 0.6:
            text = self.choice(names)
        text += f"!{self.choice('rsa')}" if self.random() < 0.25 else ""
        return "{" + text + (f":{self.spec()}" if self.random() < 0.4 else "") + "}"

    def template(self, universe, group, type="string"):
        if type != "string" and self.random() < 0.7:
            return self.choice(["", "", "", "-", "+", "1", "0.", " ", "1_", "\u2003"]) + self.field(universe, group)
        return "".join(self.choice([self.choice(LITERALS), self.field(universe, group), self.field(universe, group)])
                       for _ in range(self.choice([1, 1, 2, 3])))

    def column(self, universe, group, type=None):
        type = type or self.choice(["string", "string", "string", "int", "float", "bool"])
        column = {"template": self.template(universe, group, type), "type": type}
        return column | ({"length": self.choice([1, 5, 10, 32, 33, 255])} if type == "string" and self.random() < 0.4 else {})

    def columns(self, universe, group, prefix, n):
        found = {f"{prefix}_{i}": self.column(universe, group) for i in range(n)}
        for name, type in self.sample(sorted(STATIC.items()), 3):
            found[name] = self.choice(CONSTANTS[type]) if self.random() < 0.3 else self.column(universe, group, type) | {"length": None}
        return found

    def configuration(self, universe, groups):
        types = {}
        some = [groups[name] for name in sorted(groups)]
        for name, group in groups.items():
            types[name] = {
                "dataproduct_type": self.choice(["image", ""]), "calib_level": self.choice([0, 1, 65]),
                "extra_columns": self.columns(universe, group, name, 5),
                "obs_id_fmt": self.choice([None, "", self.template(universe, group)]),
                "datalink_url_fmt": self.choice([None, self.template(universe, group)]),
                "s_xel": self.choice([None, [0, 1], [65, 0x1F600]]),
                **{key: self.choice([None, "v", "", "é\"'"]) for key in ("dataproduct_subtype", "o_ucd", "access_format", "obs_collection")},
            }
        return {
            "version": 1, "collection_type": "RUN", "facility_name": "F", "dataset_types": types, "obs_collection": self.choice([None, "OC"]),
            "extra_columns": self.columns(universe, self.choice(some), "all", 2),
            "facility_map": self.choice([{}, {"Cam": "C"}, {"": "none", "Cam": "C"}]), "fallback_instrument": self.choice([None, "Cam", "Other", ""]),
            "obs_publisher_did_fmt": self.choice([None, "ivo://{id}", self.template(universe, self.choice(some))]),
            "spectral_ranges": self.choice([{}, {"g": [4e-7, 5e-7], "r": [None, 1.0], "r_57": [None, None], "i": [0, 0], "g_01": [1, None]}]),
        }


def without(config, path):
    "Takes out what has been refused."
    *parents, last = [part for part in path.split(".") if part != "template"]
    for parent in parents:
        config = config[parent]
    del config[last]


def create_what_can_be(connection, config):
    while True:
        try:
            return create(connection, "own", config, "random")
        except psycopg.errors.FeatureNotSupported as error:
            without(config, re.match(r"template at (\S+) cannot be used", error.diag.message_primary)[1])
        except psycopg.errors.InvalidParameterValue as error:
            without(config, re.search(r"invalid .* at ([\w.]+):", error.diag.message_primary)[1])


def fits(column, value, lengths):
    "What PostgreSQL would refuse, and fail the client's put, is NULL."
    if isinstance(value, str):
        return "\0" not in value and len(value) <= (lengths.get(column) or len(value))
    return column not in BOUNDS or value is None or -BOUNDS[column] <= value < BOUNDS[column]


@pytest.fixture(scope="module")
def odd(server_uri, tmp_path_factory):
    "A registry with odd values in its records, a client that has read them, and the datasets."
    dice = Dice(5)
    with new_database(server_uri) as uri:
        repository = kit.Repository(uri, "own", tmp_path_factory.mktemp("butler")).create()
        with watch(repository) as watched:
            kit.fill(watched.butler)
            for table, first, n in [("exposure", 1000, 16), ("visit", 2000, 8)]:
                for number in range(first, first + n):
                    for field, values in FIELDS.items():
                        if dice.random() < 0.5:
                            watched.sql.execute(f"UPDATE {table} SET {field} = {dice.choice(values)} WHERE id = {number}")
        with watch(repository) as watched:
            registry = watched.butler._registry
            runs = [info.name for info in watched.butler.collections.query_info("*") if info.type is kit.CollectionType.RUN]
            with registry._query() as query:
                refs = [ref for name in kit.DATASET_TYPES for ref in sorted(set(query.datasets(name, runs, find_first=False)), key=lambda r: r.id)[:30]]
            yield watched, list(kit.expand(registry, refs))


@pytest.mark.parametrize("seed", range(12))
def test_random(odd, seed):
    watched, refs = odd
    registry = watched.butler._registry
    universe = watched.butler.dimensions
    config = Dice(seed).configuration(universe, {name: universe.conform(dimensions) for name, dimensions in kit.DATASET_TYPES.items()})
    table = create_what_can_be(watched.sql, config)
    model = kit.ObsCoreManagerConfig.model_validate(config)
    spatial = kit.SpatialObsCorePlugin.load_plugins({}, registry._db)
    schema = kit.ObsCoreSchema(model, spatial, type(registry._managers.datasets))
    make = kit.Lenient(model, schema, registry, spatial)
    names = list(schema.table_spec.fields.names)
    lengths = {field.name: field.length for field in schema.table_spec.fields if field.length and field.length <= 32}
    columns, rows = kit.read(watched.sql, table)
    assert columns == names
    differences, compared = [], 0
    for ref in refs:
        for column, expected in make(ref).items():
            found = rows[ref.id][names.index(column)]
            what = {"obs_id": "obs_id_fmt", "access_url": "datalink_url_fmt", "obs_publisher_did": "obs_publisher_did_fmt"}.get(column)
            if (ref.id, column) in make.failed or (ref.id, what) in make.failed:
                continue
            if not fits(column, expected, lengths):
                expected = None
            if isinstance(expected, int) and isinstance(found, float):
                expected = float(expected)
            compared += 1
            if not kit.same(column, found, expected, 0.0):
                own = config["dataset_types"][ref.datasetType.name]
                differences.append((ref.datasetType.name, column, found, expected, own["extra_columns"].get(column, config["extra_columns"].get(column))))
    watched.sql.execute("SELECT catreg.drop_obscore(%s)", [table])
    assert differences == [], json.dumps(differences[:5], default=str)
    assert compared > 5000
