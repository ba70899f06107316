"""daf_butler's own tests of its ObsCore manager, with the table kept by catreg in its place.

They ship in the source distribution only. Their configuration does not ship at all:
the one here has what the tests ask for.
"""

import contextlib
import importlib.util
import os
import pathlib
import unittest

import psycopg
import pytest
import sqlalchemy
from lsst.daf.butler.registry import RegistryConfig, _RegistryFactory
from lsst.daf.butler.registry.sql_registry import SqlRegistry

import butlerkit as kit
from test_obscore import create, new_database

CONFIG = {
    "namespace": "suite", "version": 1, "facility_name": "default_facility", "obs_collection": "suite",
    "facility_map": {"DummyCam": "derived_facility"}, "collection_type": "RUN",
    "dataset_types": {
        "raw": {"dataproduct_type": "image", "calib_level": 1, "obs_id_fmt": "{records[exposure].obs_id}"},
        "calexp": {"dataproduct_type": "image", "calib_level": 2, "obs_id_fmt": "{records[visit].name}"},
    },
    "extra_columns": {"lsst_detector": {"template": "{detector}", "type": "int"}},
    "spectral_ranges": {"r": [552.0e-9, 691.0e-9]},
}
MANAGER = "lsst.daf.butler.registry.obscore.ObsCoreLiveTableManager"

APPLICABLE = ["test_insert_existing_collection", "test_drop_datasets", "test_associate"]
OTHERS = {
    "test_config_errors": "the words of its errors are pydantic's; those of catreg: test/sql/obscore_config_errors.sql",
    "test_schema": "makes no registry",
    "test_region_type_warning": "the client warns, and catreg knows the region: see test_region_column in test_obscore.py",
    "test_update_exposure_region": "a call of the manager that visits defined late make needless: see test_visits_late",
    "test_spatial": "wants pg_sphere",
    "test_missing_config_one": "about SQLite, and a manager without a configuration",
    "test_missing_config_two": "the same",
}


class Reader:
    "What of the manager these tests use."

    def __init__(self, registry, table):
        self.registry = registry
        self.table = sqlalchemy.text(table)

    @contextlib.contextmanager
    def query(self, columns=None):
        listed = [sqlalchemy.column(c) if isinstance(c, str) else c for c in columns or ["registry_dataset_id"]]
        with self.registry._db.query(sqlalchemy.select(*listed).select_from(self.table)) as result:
            yield result


class KeptRegistry(SqlRegistry):
    "A registry without a manager; the tests read the table through this property."

    obsCoreTableManager = property(lambda self: self.reader)


@pytest.fixture(scope="module")
def suite():
    path = pathlib.Path(os.environ["CATREG_BUTLER_TESTS"]) / "tests" / "test_obscore.py"
    spec = importlib.util.spec_from_file_location("daf_butler_test_obscore", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def make_case(suite, server_uri, tmp_path):
    "Makes one of the tests; `checks` gets what is to be looked at when it is over."
    checks = []
    with new_database(server_uri) as uri, psycopg.connect(uri, autocommit=True) as sql:
        sql.execute("CREATE EXTENSION btree_gist")

        class Case(suite.ObsCoreTests, unittest.TestCase):
            root = str(tmp_path)
            taken_over = False
            number = 0

            def make_registry(self, collections=None, collection_type=None):
                "An empty registry in a schema of its own, and its table."
                Case.number += 1
                schema = f"registry_{Case.number}"
                obscore = CONFIG | {"collections": collections, "collection_type": collection_type or "RUN"}
                config = RegistryConfig()
                config["db"], config["namespace"] = kit.sqlalchemy_uri(uri), schema
                sql.execute(f"CREATE SCHEMA {schema}")
                if self.taken_over:
                    config["managers", "obscore"] = {"cls": MANAGER, "config": obscore}
                    _RegistryFactory(config).create_from_config(butlerRoot=self.root).close()
                    table = create(sql, schema)
                    # in the form in which it stands in a repository's butler.yaml
                    config["managers", "obscore"] = MANAGER
                    registry = _RegistryFactory(config).from_config(butlerRoot=self.root)
                else:
                    registry = _RegistryFactory(config).create_from_config(butlerRoot=self.root)
                    table = create(sql, schema, obscore)
                self.addCleanup(registry.close)
                assert registry.obsCoreTableManager is None
                registry.__class__ = KeptRegistry
                registry.reader = Reader(registry, table)
                self.initialize_registry(registry)
                checks.append(table)
                return registry

        yield Case, checks, sql


@pytest.mark.parametrize("taken_over", [False, True], ids=["own", "taken over"])
@pytest.mark.parametrize("name", APPLICABLE)
def test_suite(make_case, name, taken_over):
    case, checks, sql = make_case
    case.taken_over = taken_over
    result = case(name).run()
    assert result.testsRun == 1
    assert [text for _, text in [*result.failures, *result.errors, *result.skipped]] == []
    assert checks
    for table in checks:
        assert sql.execute("SELECT * FROM catreg.check_obscore(%s)", [table]).fetchall() == []


def test_none_is_forgotten(suite):
    names = {name for case in vars(suite).values() if isinstance(case, type) for name in dir(case) if name.startswith("test_")}
    assert names == {*APPLICABLE, *OTHERS}
