"""The same nodes, once over HTTP by the real client and once by register_nodes, make the same rows."""

import json
import os
import subprocess

import psycopg
import pytest

import nodes
import tiledkit

VERSIONS = {
    "0.2.20": ("CATREG_TILED", {**tiledkit.CONTENTS, **tiledkit.CONTENTS_SINCE_0_2_20}),
    "0.2.16": ("CATREG_TILED_OLD", {**tiledkit.CONTENTS, **tiledkit.CONTENTS_UNTIL_0_2_16}),
}


@pytest.fixture(scope="module", params=VERSIONS)
def twins(request, server_uri, tmp_path_factory):
    "The URIs of a catalog filled over HTTP and of one filled by register_nodes, and the queries to compare them."
    command, queries = VERSIONS[request.param]
    tiled = os.environ[command]
    names = [f"catreg_twin_{request.param}_{way}" for way in ("http", "catreg")]
    try:
        http, bulk = [tiledkit.create_catalog(server_uri, name, tiled) for name in names]
        register_over_http(http, tiled, tmp_path_factory.mktemp("server"))
        tiledkit.attach(bulk)
        with psycopg.connect(bulk) as connection:
            answers = tiledkit.register_nodes(connection, nodes.one_of_each())
        yield http, bulk, queries, answers
    finally:
        for name in names:
            tiledkit.drop_catalog(server_uri, name)


def register_over_http(uri, tiled, folder):
    with tiledkit.serve(uri, str(folder), tiled) as server:
        result = subprocess.run(
            [os.path.join(os.path.dirname(tiled), "python"), os.path.join(os.path.dirname(__file__), "register_http.py"),
             server.url, server.api_key],
            input=json.dumps(nodes.one_of_each()), capture_output=True, text=True,
        )
        assert result.returncode == 0, result.stderr[-4000:]


def test_rows(twins):
    http, bulk, queries, _ = twins
    different = {}
    for table, query in queries.items():
        theirs, ours = [sorted(tiledkit.rows(uri, tiledkit.PATHS + query), key=repr) for uri in (http, bulk)]
        assert theirs or table == "revisions"
        if theirs != ours:
            different[table] = {
                "theirs": [row for row in theirs if row not in ours],
                "ours": [row for row in ours if row not in theirs],
            }
    assert different == {}


def test_answers(twins):
    "A row for each node of the batch, in its order, with the id of the node at that path."
    _, bulk, _, answers = twins
    wanted = [f"{node['parent']}/{node['key']}".lstrip("/") for node in nodes.one_of_each()]
    assert [path for path, _, _ in answers] == wanted
    assert {status for _, _, status in answers} == {"inserted"}
    assert dict((path, id) for path, id, _ in answers) == dict(
        (path, id) for id, path in tiledkit.rows(bulk, tiledkit.PATHS + "SELECT id, path FROM paths")
    )


def test_closure(twins):
    http, bulk, _, _ = twins
    assert tiledkit.closure_problems(http) == []
    assert tiledkit.closure_problems(bulk) == []


def test_comparison_sees_a_difference(twins):
    "Of the queries that compare, every one sees a change to what it reads."
    http, _, queries, _ = twins
    changes = {
        "nodes": "UPDATE nodes SET metadata = '{}' WHERE key = 'run-1'",
        "structures": "UPDATE structures SET structure = '{}'",
        "data_sources": "UPDATE data_sources SET parameters = '{\"a\": 1}'",
        "assets": "UPDATE assets SET size = 1",
        "data_source_asset_association": "UPDATE data_source_asset_association SET num = 7 WHERE num = 0",
        "nodes_closure": "DELETE FROM nodes_closure WHERE depth = 2",
        "access_blob": "UPDATE nodes SET access_blob = '{\"a\": 1}'",
        "access_tags": "UPDATE access_tags SET is_public = false",
        "node_access_tags_association": "DELETE FROM node_access_tags_association",
    }
    for table in queries.keys() & changes.keys():
        query = tiledkit.PATHS + queries[table]
        with psycopg.connect(http) as connection:
            before = sorted(connection.execute(query).fetchall(), key=repr)
            connection.execute(changes[table])
            assert sorted(connection.execute(query).fetchall(), key=repr) != before, table
            connection.rollback()
