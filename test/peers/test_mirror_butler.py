"""A Butler client that reads a mirrored registry, and an ObsCore table kept on the mirror."""

import pytest

import butlerkit as kit
import mirrorkit
from test_obscore import create, new_database

pytestmark = pytest.mark.filterwarnings("ignore::lsst.daf.butler.registry.obscore.RegionTypeWarning")

EXTENSIONS = ("btree_gist", "catreg")


@pytest.fixture(params=["own", "public"])
def source(request, server_uri, tmp_path):
    with new_database(server_uri, extensions=()) as uri:
        repository = kit.Repository(uri, request.param, tmp_path / "source").create()
        with repository.client() as butler:
            kit.fill(butler)
        yield repository


def contents(repository):
    "What a client reads: collections, datasets with their data ids, and dimension records."
    with repository.client() as butler:
        registry = butler.registry
        datasets = {
            (type_.name, str(ref.id), ref.run, str(ref.dataId))
            for type_ in registry.queryDatasetTypes()
            for ref in registry.queryDatasets(type_, collections=..., findFirst=False)
        }
        records = {
            (element, str(record.toDict()))
            for element in ("instrument", "detector", "exposure", "visit", "visit_detector_region", "patch")
            for record in registry.queryDimensionRecords(element)
        }
        collections = {(name, registry.getCollectionType(name).name) for name in registry.queryCollections(flattenChains=False)}
        return datasets, records, collections


def test_client_on_mirror(source, server_uri, tmp_path):
    with mirrorkit.mirror_database(server_uri, source.uri, source.schema, EXTENSIONS) as uri:
        mirror = source.copied(uri, tmp_path / "mirror")
        assert contents(mirror) == contents(source)
        config = kit.configuration("RUN")
        with mirror.connect() as connection:
            obscore = create(connection, mirror.schema, config, "obscore_run")

            def check():
                assert mirrorkit.problems(uri, mirror.schema) == []
                assert contents(mirror) == contents(source)
                kit.compare(connection, obscore, kit.expected_rows(source, config))
                return connection.execute(f"SELECT count(*) FROM {obscore}").fetchone()[0]

            before = check()
            with source.client() as butler:
                registry = butler.registry
                registry.insertDatasets("raw", kit.raw_ids(range(8), [1, 2, 5]), run="Cam/raw/all")
                registry.insertDatasets("calexp", kit.calexp_ids(range(4, 8)), run="runs/a")
            changed = mirrorkit.refresh(uri, mirror.schema)
            assert changed["dataset"][0] > 0
            after = check()
            assert after > before

            # datasets are removed, a dataset type comes that has tables of its own
            with source.client() as butler:
                registry = butler.registry
                registry.removeDatasets(list(registry.queryDatasets("calexp", collections=["runs/a"])))
                kit.register_type(butler, "late", ["instrument", "visit"])
                registry.insertDatasets("late", [kit.CAM | {"visit": v["visit"]} for v in kit.calexp_ids(range(4, 6), [1])], run="runs/a")
            assert mirrorkit.refresh(uri, mirror.schema)["dataset"][2] > 0
            assert check() != after
            assert mirrorkit.refresh(uri, mirror.schema) == {}
