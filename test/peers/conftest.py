"""A server to make catalogs in, from ./check.

CATREG_TEST_URI       a PostgreSQL server, as superuser, with catreg installed
CATREG_TILED          the `tiled` command of version 0.2.20
CATREG_TILED_OLD      the same of version 0.2.16
CATREG_TILED_TESTS    the unpacked source distribution of 0.2.20, for its tests
CATREG_BUTLER_TESTS   that of daf_butler, for its tests
"""

import os
import uuid

import pytest

import tiledkit


@pytest.fixture(scope="session")
def server_uri():
    return os.environ["CATREG_TEST_URI"]


@pytest.fixture(scope="session", autouse=True)
def private_home(tmp_path_factory):
    "A client keeps tokens, caches and profiles in the user's home."
    os.environ["HOME"] = str(tmp_path_factory.mktemp("home"))


@pytest.fixture
def catalog(server_uri):
    "Makes catalogs, by Tiled's version, that vanish afterwards; returns their URIs."
    made = []

    def make(tiled=tiledkit.TILED):
        made.append(f"catreg_{uuid.uuid4().hex}")
        return tiledkit.create_catalog(server_uri, made[-1], tiled)

    yield make
    for database in made:
        tiledkit.drop_catalog(server_uri, database)
