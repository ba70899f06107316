"""Real Butler registries, and what the Butler's own code makes of them for ObsCore.

The oracle is daf_butler's RecordFactory, fed with what a fresh client reports.
Where catreg knowingly differs, a class here says so: LowestVisit, Factory, Lenient.
"""

import contextlib
import copy
import itertools
import logging
import math
import os
import re
import struct
import warnings

import psycopg
import psycopg.conninfo
import sqlalchemy
import yaml
from astropy.time import Time, TimeDelta
from lsst import sphgeom
from lsst.daf.butler import Butler, CollectionType, Config, DataCoordinate, DatasetType, DimensionConfig, Timespan
from lsst.daf.butler.registry import ConflictingDefinitionError
from lsst.daf.butler.registry.obscore import ObsCoreSchema
from lsst.daf.butler.registry.obscore._config import ConfigCollectionType, ObsCoreManagerConfig
from lsst.daf.butler.registry.obscore._records import DafButlerRecordFactory, DerivedRegionFactory
from lsst.daf.butler.registry.obscore._spatial import RegionTypeWarning, SpatialObsCorePlugin

logging.getLogger("lsst.daf.butler.registry.obscore").setLevel(logging.ERROR)  # not every band has a range


# -- configurations -------------------------------------------------------------------------------------------------

LINK = "https://data.lsst.cloud/api/datalink/links?ID=butler%3A//a2/{id}"
DATALINK = "application/x-votable+xml;content=datalink"


def dataset_type(subtype, level, obs_id, **more):
    return {
        "dataproduct_type": "image", "dataproduct_subtype": subtype, "calib_level": level, "obs_id_fmt": obs_id,
        "o_ucd": "phot.count", "access_format": DATALINK, "datalink_url_fmt": LINK, **more,
    }


RUN = {
    "namespace": "catreg_test",
    "version": 1,
    "table_name": "obscore",
    "collection_type": "RUN",
    "collections": ["Cam/raw/.*", "runs/[ab].*"],
    "facility_name": "Rubin-LSST",
    "facility_map": {"Cam": "Rubin:Simonyi"},
    "obs_collection": "LSST.Test",
    "obs_publisher_did_fmt": "ivo://org.rubinobs/usdac/test?repo=a2&id={id}",
    "dataset_types": {
        "raw": dataset_type(
            "lsst.raw", 1, "{records[exposure].obs_id}", s_xel=[4608, 4096],
            extra_columns={
                "obs_title": {
                    "template": "{dataset_type} - {band} - {records[exposure].obs_id}-{records[detector].full_name}"
                                " {records[exposure].timespan.begin.utc.isot}Z",
                    "length": 255,
                },
                "airmass": {"template": "{records[exposure].zenith_angle}", "type": "string"},
                "simulated": {"template": "{records[exposure].has_simulated}", "type": "string", "length": 8},
                "first": {"template": "{records[exposure].seq_num:d}", "type": "bool"},
                "shutter": {"template": "{records[exposure].exposure_time}", "type": "float"},
                "tracking": {
                    "template": "{records[exposure].tracking_ra} {records[exposure].tracking_dec:.3f}"
                                " {records[exposure].sky_angle}",
                },
                "program": {"template": "{records[exposure].science_program!s:>12}", "type": "string"},
            },
        ),
        "dark": dataset_type("lsst.dark", 1, "{exposure:>012d}/{visit}"),
        "calexp": dataset_type(
            "lsst.calexp", 2, "{records[visit].name}", s_xel=[4072, 4000], obs_collection="LSST.Test/calexp",
            extra_columns={
                "obs_title": {
                    "template": "{dataset_type} - {band} - {records[visit].name}-{records[detector].full_name}"
                                " {records[visit].timespan.begin.utc.isot}Z",
                    "length": 255,
                },
                "airmass": {"template": "{records[visit].zenith_angle}", "type": "string"},
                "lsst_run": "a constant instead",
            },
        ),
        "deepCoadd": dataset_type(
            "lsst.deepCoadd", 3, "{skymap}-{tract}-{patch}", s_xel=[3400, 3400],
            extra_columns={
                "obs_title": {"template": "{dataset_type} - {band} - tract={tract} patch={patch}", "length": 255},
                "cell": {"template": "{{{records[patch].cell_x:03d}}}", "type": "string", "length": 16},
            },
        ),
        "warp": dataset_type("lsst.warp", 3, "{visit:012d}-{tract}-{patch}"),
        "visitTable": dataset_type("lsst.visitTable", 2, "{records[visit].name}"),
        "snap": dataset_type("lsst.snap", 2, "{exposure}-{visit}"),
        "flat": dataset_type("lsst.flat", 1, "{records[detector].full_name}/{records[physical_filter].name}"),
        "settings": dataset_type("lsst.settings", 0, "{obs_collection}", datalink_url_fmt=None),
        "diff": dataset_type("lsst.diff", 3, "{subfilter}"),
        "late": dataset_type("lsst.late", 2, "{records[day_obs].timespan.end.tai.iso}", extra_columns={"level": 7}),
        "never": dataset_type("lsst.never", 2, "{dataset_type}"),
    },
    "extra_columns": {
        "lsst_visit": {"template": "{visit}", "type": "int"},
        "lsst_exposure": {"template": "{exposure}", "type": "int"},
        "lsst_detector": {"template": "{detector}", "type": "int"},
        "lsst_tract": {"template": "{tract}", "type": "int"},
        "lsst_patch": {"template": "{patch}", "type": "int"},
        "lsst_band": {"template": "{band}", "type": "string", "length": 32},
        "lsst_filter": {"template": "{physical_filter}", "type": "string", "length": 32},
        "lsst_dataset_type": {"template": "{dataset_type}", "type": "string", "length": 64},
        "lsst_run": {"template": "{run}", "type": "string", "length": 255},
        "instrument_class": {"template": "{records[instrument].class_name}", "type": "string"},
        "purpose": {"template": "{records[detector].purpose}", "type": "string"},
        "constant": 1.5,
        "flag": True,
    },
    "indices": {
        "instrument_name_idx": "instrument_name",
        "lsst_visit_idx": "lsst_visit",
        "dataproduct_idx": ["dataproduct_type", "dataproduct_subtype"],
    },
    "spectral_ranges": {
        "g": [402.0e-9, 552.0e-9],
        "r": [552.0e-9, 691.0e-9],
        "r_57": [560.0e-9, None],
        "i": [691.0e-9, 818.0e-9],
        "i_hidden": [None, None],
    },
}
TAG = "tags/obscore"


def configuration(collection_type="RUN", **changes):
    config = copy.deepcopy(RUN)
    if collection_type == "TAGGED":
        config.update(collection_type="TAGGED", collections=[TAG])
    return config | changes


# Templates over keys and fields that are not there, or None, where the client raises: rule 10 of facts/obscore.md.
TRAPS = {
    "dataset_types": {
        "raw": dataset_type(
            "lsst.raw", 1, "{records[exposure].timespan.begin.utc.isot}",
            extra_columns={
                "airmass": {"template": "{records[exposure].zenith_angle}", "type": "float"},
                "simulated": {"template": "{records[exposure].has_simulated:d}", "type": "bool"},
                "quoted": {"template": "{records[exposure].target_name!r}", "type": "string"},
            },
        ),
        "dark": dataset_type("lsst.dark", 1, "{records[exposure].timespan.end.tai.iso}"),
        "calexp": dataset_type("lsst.calexp", 2, "{tract}", datalink_url_fmt="https://x/{obs_id}"),
        "deepCoadd": dataset_type("lsst.deepCoadd", 3, None, datalink_url_fmt="https://x/{visit}"),
        "settings": dataset_type("lsst.settings", 0, "{run}"),
    },
    "obs_publisher_did_fmt": "ivo://x?{exposure}",
    "extra_columns": {
        "number": {"template": "{run}", "type": "int"},
        "dark": {"template": "{records[exposure].dark_time}", "type": "float"},
        "id_again": {"template": "{obs_id}"},
    },
    "indices": None,
}


# -- the oracle -----------------------------------------------------------------------------------------------------


class LowestVisit(DerivedRegionFactory):
    """The client takes any one of an exposure's visits that have a region record, and of those only with the
    exposure's filter and day, on which it joins; catreg the one with the lowest id, by visit_definition alone."""

    def __init__(self, registry):
        self.registry = registry
        self.regions = {}

    def of(self, element):
        "By instrument, exposure, and detector if that element has one."
        if element not in self.regions:
            table = f'"{self.registry._db.namespace}".visit_definition'
            with self.registry._db.query(sqlalchemy.text(f"SELECT instrument, exposure, visit FROM {table}")) as result:
                definitions = result.fetchall()
            with self.registry._query() as query:
                records = list(query.dimension_records(element))
            of_visit = {}
            for r in records:
                key = (r.instrument, r.visit if element != "visit" else r.id)
                of_visit.setdefault(key, {})[getattr(r, "detector", None)] = r.region
            found = self.regions[element] = {}
            for d in sorted(definitions, key=lambda d: d.visit):
                for detector, region in of_visit.get((d.instrument, d.visit), {}).items():
                    found.setdefault((d.instrument, d.exposure, detector), region)
        return self.regions[element]

    def derived_region(self, data_id):
        element = "visit_detector_region" if "detector" in data_id.dimensions else "visit"
        return self.of(element).get((data_id["instrument"], data_id["exposure"], data_id.get("detector")))


class Factory(DafButlerRecordFactory):
    "The client raises at an empty timespan, catreg leaves t_min and t_max NULL."

    def make_universe_records(self, ref):
        if ref.dataId.timespan is None or not ref.dataId.timespan.isEmpty():
            return super().make_universe_records(ref)
        element = ref.dataId.dimensions.timespan_dimension
        records = {name: ref.dataId.records[name] for name in ref.dataId.dimensions.elements}
        fields = records[element].toDict() | {"timespan": Timespan(None, None)}
        records[element] = records[element].definition.RecordClass(**fields)
        data_id = DataCoordinate.from_full_values(ref.dataId.dimensions, ref.dataId.full_values)
        return super().make_universe_records(ref.expanded(data_id.expanded(records)))


class Lenient:
    "Where a template makes the client raise, catreg has NULL. Which ones, is found by leaving them out."

    def __init__(self, config, schema, registry, plugins):
        self.config = config
        regions = LowestVisit(registry)
        self.make_factory = lambda config: Factory(
            config, schema, registry.dimensions, plugins, regions
        )
        self.factory = self.make_factory(config)
        self.failed = {}  # (dataset id, what has no value)

    def __call__(self, ref):
        try:
            return self.factory(ref)
        except Exception:
            return self.without_failures(ref)

    def without_failures(self, ref):
        name = ref.datasetType.name
        own = self.config.dataset_types[name]
        templates = ["obs_id_fmt", "datalink_url_fmt", "obs_publisher_did_fmt"]
        columns = (self.config.extra_columns or {}) | (own.extra_columns or {})
        good, extra = {template: None for template in templates}, {}

        def attempt(good, extra):
            changed = self.config.model_copy(deep=True)
            changed.obs_publisher_did_fmt = good["obs_publisher_did_fmt"]
            changed.extra_columns = None
            changed.dataset_types[name] = own.model_copy(
                update={t: good[t] for t in templates[:2]} | {"extra_columns": extra or None}
            )
            return self.make_factory(changed)(ref)

        record = attempt(good, extra)
        for template in templates:
            value = getattr(self.config if template == "obs_publisher_did_fmt" else own, template)
            with self.noted(ref, template):
                record = attempt(good | {template: value}, extra)
                good[template] = value
        for column, value in columns.items():
            with self.noted(ref, column):
                record = attempt(good, extra | {column: value})
                extra[column] = value
        return record

    @contextlib.contextmanager
    def noted(self, ref, what):
        try:
            yield
        except Exception as error:
            self.failed[ref.id, what] = error


def is_of(config, info):
    "Whether a collection's datasets belong into the table."
    if config.collection_type is ConfigCollectionType.TAGGED:
        return info.name == config.collections[0]
    patterns = config.collections or [".*"]
    return info.type is CollectionType.RUN and any(re.fullmatch(p, info.name) for p in patterns)


def search_path(butler, config):
    """What the client is to search for a find-first table. It takes no globs there, nor names that are not there, and
    leaves the order of what globs match to chance: here it is that of registration, before what is named, and chains
    behind all. It finds what is certified in a CALIBRATION collection, of which nothing can be told without a time."""
    patterns = [c for c in config["collections"] if set(c) & set("*?[")]
    names = [c for c in config["collections"] if c not in patterns]
    types = {info.name: info.type for info in butler.collections.query_info("*")}
    matched = set(butler.collections.query(patterns)) if patterns else ()
    table = f'"{butler._registry._db.namespace}".collection'
    with butler._registry._db.query(sqlalchemy.text(f"SELECT name FROM {table} ORDER BY collection_id")) as result:
        matched = [name for name, in result.fetchall() if name in matched]
    chains = [name for name in matched if types[name] is CollectionType.CHAINED]
    path = [n for n in matched if n not in chains] + [n for n in names if n in types] + chains
    flat = butler.collections.query_info(path, flatten_chains=True) if path else []
    if any(info.type is CollectionType.CALIBRATION for info in flat):
        return [info.name for info in flat if info.type is not CollectionType.CALIBRATION]
    return path


def find_first(butler, config, name, path=None):
    "The client's own answer."
    path = search_path(butler, config) if path is None else path
    return butler.query_datasets(name, path, find_first=True, limit=None, explain=False) if path else []


def expand(registry, ref_list):
    """All at once; but there the client leaves out a visit's and detector's region that is not there, and fails
    later on. Alone, it is None, from which follows NULL: rule 10 of facts/obscore.md."""
    for ref, expanded in zip(ref_list, registry.expand_refs(ref_list)):
        try:
            for element in ref.dimensions.elements:
                expanded.dataId.records[element]
            yield expanded
        except KeyError:
            yield ref.expanded(registry.expandDataId(ref.dataId))


def as_the_client_knows(config):
    "Its manager has no find-first tables; their columns and values are those of others."
    return config | {"collection_type": "RUN", "collections": None} if config["collection_type"] == "CHAINED" else config


class Expected:
    """The rows of a table: columns, and by dataset id the values. `failed` says what could not be made. Plugins need
    what they need of the database; without them the configuration's are left out."""

    def __init__(self, butler, config, with_plugins=False):
        given, config = config, ObsCoreManagerConfig.model_validate(as_the_client_knows(config))
        registry = butler._registry
        plugins = SpatialObsCorePlugin.load_plugins(config.spatial_plugins if with_plugins else {}, registry._db)
        schema = ObsCoreSchema(config, plugins, type(registry._managers.datasets))
        make = Lenient(config, schema, registry, plugins)
        collections = [i.name for i in butler.collections.query_info("*") if is_of(config, i)]
        self.columns = list(schema.table_spec.fields.names)
        self.rows = {}
        self.failed = make.failed
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RegionTypeWarning)
            for name in config.dataset_types.keys() & {t.name for t in registry.queryDatasetTypes()}:
                if given["collection_type"] == "CHAINED":
                    refs = find_first(butler, given, name)
                else:
                    with registry._query() as query:
                        # what is in two of the collections is in the table once
                        refs = set(query.datasets(name, collections, find_first=False)) if collections else ()
                for ref in expand(registry, list(refs)):
                    row = make(ref)
                    self.rows[ref.id] = tuple(row[column] for column in self.columns)


def expected_rows(repository, *configs):
    "What a client that comes up now would have in the tables of these configurations."
    with repository.client() as butler:
        expected = [Expected(butler, config) for config in configs]
    return expected if len(configs) > 1 else expected[0]


# -- comparing ------------------------------------------------------------------------------------------------------

# What catreg adds to the client's columns; and one of type region, the last.
ADDED = ("access_estsize", "pol_states")
KEY = "registry_data_id"  # of a find-first table, and of no meaning to others
ANGLE = 1e-9


def bits(value):
    return struct.pack("<d", value)


def same(column, mine, theirs, declination):
    if mine is None or theirs is None:
        return mine is theirs
    if type(mine) is not type(theirs):
        return False
    if column == "s_ra":
        # at a pole any longitude will do
        off = abs(mine - theirs) % 360
        return min(off, 360 - off) * math.cos(math.radians(declination)) <= ANGLE
    if column in ("s_dec", "s_fov"):
        return abs(mine - theirs) <= ANGLE
    return bits(mine) == bits(theirs) if isinstance(mine, float) else mine == theirs


def read(connection, table):
    "A table's columns but those that catreg adds, and its rows by dataset id."
    columns = connection.execute(
        "SELECT attname, atttypid::regtype::text FROM pg_attribute"
        " WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum", [table]
    ).fetchall()
    added = [i for i, (name, type) in enumerate(columns) if type.split(".")[-1] == "region"]
    assert all(i == len(columns) - 1 for i in added), columns
    names = [name for name, type in columns if name not in (*ADDED, KEY) and type.split(".")[-1] != "region"]
    listed = ", ".join(f'"{name}"' for name in names)
    with connection.cursor(binary=True) as cursor:
        rows = cursor.execute(f"SELECT {listed} FROM {table}").fetchall()
    extra = [name for name, _ in columns if name in ADDED]
    for name in extra:
        assert connection.execute(f"SELECT count({name}) FROM {table}").fetchone() == (0,), name
    key = names.index("registry_dataset_id")
    return names, {row[key]: row for row in rows}


def differences(columns, mine, theirs):
    "Tells in what the rows of a table differ from those expected."
    found = []
    for id in mine.keys() | theirs.keys():
        if id not in mine or id not in theirs:
            found.append((str(id), "missing" if id in theirs else "too much"))
            continue
        declination = theirs[id][columns.index("s_dec")]
        for column, one, other in zip(columns, mine[id], theirs[id], strict=True):
            if not same(column, one, other, declination):
                found.append((str(id), column, one, other))
    return found


def compare(connection, table, expected):
    "Fails unless the table has the rows that are expected; in a message: what the table has, what it should have."
    columns, rows = read(connection, table)
    assert columns == expected.columns
    found = differences(columns, rows, expected.rows)
    assert not found, f"{table}: {len(found)} differences of {len(expected.rows)} rows: {found[:8]}"


# -- registries -----------------------------------------------------------------------------------------------------


# SQLAlchemy 2.0 takes psycopg2 unless told otherwise, which sends an INSERT of many rows as one; 2.1 takes psycopg.
DRIVER = "psycopg"


def sqlalchemy_uri(uri):
    "The server may listen on a socket, whose folder SQLAlchemy wants among the parameters."
    parts = psycopg.conninfo.conninfo_to_dict(uri)
    where = {key: parts[key] for key in ("host", "port") if key in parts}
    return sqlalchemy.URL.create(
        f"postgresql+{DRIVER}", parts.get("user"), parts.get("password"), database=parts["dbname"], query=where
    ).render_as_string(hide_password=False)


# Older registries key collections by their names.
BY_NAME = "lsst.daf.butler.registry.collections.nameKey.NameKeyCollectionManager"
# And note the ingest as a TIMESTAMP.
WITH_TIMESTAMPS = {
    "cls": "lsst.daf.butler.registry.datasets.byDimensions.ByDimensionsDatasetRecordStorageManagerUUID", "schema_version": "1.0.0",
}


class Repository:
    "A Butler repository with its registry in a schema of a PostgreSQL database."

    def __init__(self, uri, schema, root):
        self.uri = uri
        self.schema = schema
        self.root = str(root)

    def create(self, obscore=None, collections=None, dimensions=None, datasets=None):
        """Makes it, with the client's own ObsCore manager if there is a configuration for that, and with another
        manager of collections or of datasets, or another file of dimensions, than a new one has."""
        with psycopg.connect(self.uri, autocommit=True) as connection:
            connection.execute("CREATE EXTENSION IF NOT EXISTS btree_gist")
            if self.schema != "public":
                connection.execute(f'CREATE SCHEMA "{self.schema}"')
        config = Config()
        config["registry", "db"] = sqlalchemy_uri(self.uri)
        if self.schema != "public":
            config["registry", "namespace"] = self.schema
        if obscore:
            config["registry", "managers", "obscore"] = {
                "cls": "lsst.daf.butler.registry.obscore.ObsCoreLiveTableManager", "config": obscore,
            }
        if collections:
            config["registry", "managers", "collections"] = collections
        if datasets:
            config["registry", "managers", "datasets"] = datasets
        Butler.makeRepo(self.root, config=config, dimensionConfig=dimensions and DimensionConfig(dimensions))
        return self

    def copied(self, uri, root):
        "The same in a copy of the database."
        with open(os.path.join(self.root, "butler.yaml")) as file:
            config = yaml.safe_load(file)
        config["registry"]["db"] = sqlalchemy_uri(uri)
        os.makedirs(root)
        with open(os.path.join(root, "butler.yaml"), "w") as file:
            yaml.safe_dump(config, file)
        return Repository(uri, self.schema, root)

    def client(self):
        "A new client, to be closed; as a context manager it closes itself."
        return Butler.from_config(self.root, writeable=True)

    def connect(self):
        "A connection that finds the registry's tables without their schema."
        connection = psycopg.connect(self.uri, autocommit=True)
        connection.execute("SELECT set_config('search_path', quote_ident(%s), false)", [self.schema])
        return connection


# -- contents -------------------------------------------------------------------------------------------------------

START = Time("2024-01-10 02:00:00", format="iso", scale="tai", precision=6)
CAM = {"instrument": "Cam"}
DETECTORS = range(6)
TARGETS = ["M 31", 'the "Crab"', "O'Neill 100%", "Ω Centauri/日本", None, "", "%s {braces} \\", " padded "]
FILTERS = {"g_01": "g", "r_57": "r", "r_03": "r", "i_hidden": "i", "empty~1": "white"}


def moment(seconds):
    return START + TimeDelta(seconds, format="sec", scale="tai")


def polygon(lon, lat, size, corners=4, phase=0.3):
    "A convex polygon around a point; what it is made of need not be round numbers."
    center = sphgeom.UnitVector3d(sphgeom.LonLat.fromDegrees(lon, lat))
    side = sphgeom.UnitVector3d.orthogonalTo(center)
    vertices = []
    for i in range(corners):
        v = center.rotatedAround(side, sphgeom.Angle.fromDegrees(size))
        vertices.append(v.rotatedAround(center, sphgeom.Angle(phase + 2 * math.pi * i / corners)))
    return sphgeom.ConvexPolygon(vertices)


def box(lon, lat, size):
    return sphgeom.Box(sphgeom.LonLat.fromDegrees(lon, lat), sphgeom.Angle.fromDegrees(size), sphgeom.Angle.fromDegrees(size))


def circle(lon, lat, size):
    return sphgeom.Circle(sphgeom.UnitVector3d(sphgeom.LonLat.fromDegrees(lon, lat)), sphgeom.Angle.fromDegrees(size))


# For each visit where it looks: across RA 0, at the poles, and elsewhere.
POINTINGS = [(53.1, -28.1), (359.99, 12.0), (0.004, -0.003), (120.0, 90.0), (10.0, -89.9), (180.0, 45.0), (271.5, 1.25), (33.3, -5.5)]


def detector_region(visit, detector):
    lon, lat = POINTINGS[visit % len(POINTINGS)]
    at = (lon + 0.01 * detector) % 360, lat - math.copysign(0.02 * detector, lat)
    if visit % 4 == 3 and detector == 1:
        return circle(*at, 0.05)
    if visit % 4 == 3 and detector == 2:
        return box(*at, 0.05)
    if visit % 4 == 3 and detector == 3:
        return sphgeom.UnionRegion(polygon(*at, 0.05), polygon(lon, lat, 0.05))
    if detector == 5:
        return None
    return polygon(*at, 0.03 + detector / 700, corners=3 + detector)


def visit_region(visit):
    return polygon(*POINTINGS[visit % len(POINTINGS)], 0.4, corners=6)


EMPTY_TIMESPAN = 11
ODD_TIMESPANS = (9, 10, EMPTY_TIMESPAN, 12, 13)


def exposure_timespan(number):
    "Most are ordinary; one has no end, one no beginning, one is empty, one is NULL, one is all of time."
    begin, end = moment(number * 40.123456789), moment(number * 40.123456789 + 30.5)
    return {
        9: Timespan(begin, None), 10: Timespan(None, end), EMPTY_TIMESPAN: Timespan.makeEmpty(), 12: None, 13: Timespan(None, None),
        14: Timespan(Time("2016-12-31 23:59:60.5", scale="utc"), Time("2017-01-01 00:00:01", scale="utc")),
    }.get(number, Timespan(begin, end))


def exposure(number, **changes):
    return {
        **CAM, "id": 1000 + number, "obs_id": f"Cam_{number:03}", "physical_filter": list(FILTERS)[number % len(FILTERS)],
        "day_obs": 20240110 + number % 2, "group": f"group {number // 2}", "exposure_time": 30 + number / 7,
        "dark_time": None if number % 3 else 31.25, "observation_type": "science", "observation_reason": None,
        "seq_num": number, "seq_start": number, "seq_end": number, "target_name": TARGETS[number % len(TARGETS)],
        "science_program": None if number % 2 else "DD'F", "tracking_ra": 1e16, "tracking_dec": -0.0, "sky_angle": 1e-7,
        "azimuth": None, "zenith_angle": None if number % 5 == 4 else number / 3, "has_simulated": [True, False, None][number % 3],
        "can_see_sky": True, "timespan": exposure_timespan(number), **changes,
    }


def visit(number, like=None, **changes):
    """A visit of exposures like that one: where a visit's filter or day is another than its exposure's, the client
    finds no region for the exposure."""
    e = exposure(number) | {k: exposure(number if like is None else like)[k] for k in ("physical_filter", "day_obs")}
    kept = ("instrument", "physical_filter", "day_obs", "seq_num", "exposure_time", "target_name", "observation_reason",
            "science_program", "azimuth", "zenith_angle", "timespan")
    return {**{k: e[k] for k in kept}, "id": 2000 + number, "name": f"visit {number}", "region": visit_region(number), **changes}


def region_records(number, detectors=DETECTORS, region=detector_region):
    return [{**CAM, "visit": 2000 + number, "detector": d, "region": region(number, d)} for d in detectors]


def define_visits(butler, numbers, regions=True, exposures=None):
    "Visits of the exposures with the same numbers, or of pairs (exposure, visit)."
    numbers = list(numbers)
    pairs = exposures or [(n, n) for n in numbers]
    butler.registry.insertDimensionData("visit", *(visit(n, next(e for e, v in pairs if v == n)) for n in numbers))
    butler.registry.insertDimensionData(
        "visit_definition", *({**CAM, "exposure": 1000 + e, "visit": 2000 + v} for e, v in pairs)
    )
    if regions:
        insert_regions(butler, numbers)


def insert_regions(butler, numbers, replace=False, **how):
    rows = itertools.chain.from_iterable(region_records(n, **how) for n in numbers)
    butler.registry.insertDimensionData("visit_detector_region", *rows, replace=replace)


DATASET_TYPES = {
    "raw": ["exposure", "detector"],
    "dark": ["exposure", "detector"],
    "calexp": ["visit", "detector"],
    "deepCoadd": ["patch", "band"],
    "warp": ["visit", "patch"],
    "visitTable": ["visit"],
    "snap": ["exposure", "visit", "detector"],
    "flat": ["detector", "physical_filter"],
    "settings": [],
    "other": ["visit", "detector"],  # not in the configuration
}
EXPOSURES = range(16)
VISITS = range(8)
PATCHES = range(6)


def register_type(butler, name, dimensions):
    butler.registry.registerDatasetType(
        DatasetType(name, dimensions, "StructuredDataDict", universe=butler.dimensions, isCalibration=name == "flat")
    )


def fill_dimensions(butler):
    insert = butler.registry.insertDimensionData
    for name in ("Cam", "Other"):
        insert("instrument", {
            "name": name, "visit_max": 10**6, "exposure_max": 10**6, "detector_max": 100, "visit_system": None,
            "class_name": None if name == "Other" else "lsst.obs.cam.'Cam'",
        })
    insert("detector", *(
        {**CAM, "id": d, "full_name": f"R{d // 3}_S{d % 3}", "name_in_raft": None, "raft": f"R{d // 3}",
         "purpose": [None, "SCIENCE", "GUIDE"][d % 3]} for d in DETECTORS
    ), {"instrument": "Other", "id": 0, "full_name": "only", "name_in_raft": "x", "raft": "y", "purpose": "SCIENCE"})
    insert("physical_filter", *({**CAM, "name": name, "band": band} for name, band in FILTERS.items()),
           {"instrument": "Other", "name": "r_57", "band": "r"})
    insert("day_obs",
           {**CAM, "id": 20240110, "timespan": Timespan(moment(0), moment(86400))},
           {**CAM, "id": 20240111, "timespan": None})
    insert("group", *({**CAM, "name": f"group {n}"} for n in range(len(EXPOSURES))))
    insert("exposure", *map(exposure, EXPOSURES))
    define_visits(butler, VISITS)
    insert("skymap", {"name": "rings", "hash": b"12345", "tract_max": 10, "patch_nx_max": 3, "patch_ny_max": 3})
    insert("tract", *({"skymap": "rings", "id": t, "region": polygon(53 + t, -28, 0.8)} for t in range(2)),
           {"skymap": "rings", "id": 2, "region": None})
    insert("patch", *(
        {"skymap": "rings", "tract": p % 3, "id": p, "cell_x": p % 3, "cell_y": p // 3,
         "region": None if p == 5 else polygon(53 + p / 10, -28, 0.07)} for p in PATCHES
    ))


def raw_ids(exposures, detectors=DETECTORS):
    return [{**CAM, "exposure": 1000 + e, "detector": d} for e in exposures for d in detectors]


def calexp_ids(visits, detectors=DETECTORS):
    return [{**CAM, "visit": 2000 + v, "detector": d} for v in visits for d in detectors]


def coadd_ids(patches=PATCHES, bands=("g", "r")):
    return [{"skymap": "rings", "tract": p % 3, "patch": p, "band": b} for p in patches for b in bands]


RUNS = ["Cam/raw/all", "runs/a", "runs/b 'quoted' 100%", "runs/c", "elsewhere"]


def fill(butler, empty_timespan=True):
    """Datasets for which the table is meant, and some for which it is not.

    The client's own manager fails at an empty timespan.
    """
    fill_dimensions(butler)
    for name, dimensions in DATASET_TYPES.items():
        register_type(butler, name, dimensions)
    for run in RUNS:
        butler.collections.register(run)
    for tag in (TAG, "tags/other"):
        butler.collections.register(tag, CollectionType.TAGGED)
    odd = [n for n in ODD_TIMESPANS if empty_timespan or n != EMPTY_TIMESPAN]
    insert = butler.registry.insertDatasets
    tagged = insert("raw", raw_ids([n for n in EXPOSURES if n not in ODD_TIMESPANS], [0, 3]), run="Cam/raw/all")[::2]
    tagged += insert("dark", raw_ids(odd, [0]), run="Cam/raw/all")[::2]
    tagged += insert("calexp", calexp_ids(range(4)), run="runs/a")[::3]
    insert("calexp", calexp_ids([1], [0]), run="runs/c")
    insert("calexp", calexp_ids(range(2, 5)), run="runs/b 'quoted' 100%")
    insert("calexp", calexp_ids(range(3), [0]), run="elsewhere")
    tagged += insert("deepCoadd", coadd_ids(), run="runs/a")[:5]
    tagged += insert("settings", [{}], run="runs/a")
    insert("settings", [{}], run="runs/c")
    insert("flat", [{**CAM, "detector": 1, "physical_filter": "g_01"},
                    {"instrument": "Other", "detector": 0, "physical_filter": "r_57"}], run="runs/a")
    insert("visitTable", [{**CAM, "visit": 2000 + v} for v in VISITS], run="runs/a")
    tagged += insert("other", calexp_ids([0]), run="runs/a")
    butler.registry.associate(TAG, tagged)
    butler.registry.associate("tags/other", tagged[::2])
