"""A real server and a real client at work while catreg registers, deletes, comes and goes."""

import threading

import numpy
import psycopg
import pytest
from tiled.client import from_uri
from tiled.queries import Key
from tiled.structures.array import ArrayStructure
from tiled.structures.data_source import Asset, DataSource, Management

import nodes
import tiledkit


@pytest.fixture
def attached(catalog):
    uri = catalog()
    tiledkit.attach(uri)
    return uri


@pytest.fixture
def server(attached, tmp_path):
    with tiledkit.serve(attached, str(tmp_path)) as server:
        yield server
    assert server.errors() == []


def client_of(server):
    return from_uri(server.url, api_key=server.api_key)


def external_array(name):
    array = numpy.zeros((3, 4))
    return DataSource(
        structure_family="array",
        structure=ArrayStructure.from_array(array),
        mimetype="application/x-hdf5",
        parameters={"dataset": "data"},
        management=Management.external,
        assets=[Asset(data_uri=f"file://localhost/data/{name}.h5", is_directory=False, parameter="data_uri")],
    )


def bulk_container(name, size):
    "A container with arrays, as a batch."
    return [nodes.node("", name, metadata={"origin": "bulk"})] + [
        nodes.node(name, f"image_{i}", "array", {"origin": "bulk", "number": i}, data_sources=[
            nodes.source(nodes.array([3, 4]), [nodes.asset(f"{name}/{i}.h5")]),
        ])
        for i in range(size)
    ]


class Workers:
    "Threads that run until they are done or told to stop; an error in one is an error of the test."

    def __init__(self):
        self.stopping = threading.Event()
        self.errors = []
        self.threads = []

    def start(self, function, *arguments):
        thread = threading.Thread(target=self.run, args=(function, *arguments), daemon=True)
        self.threads.append(thread)
        thread.start()
        return thread

    def run(self, function, *arguments):
        try:
            function(*arguments)
        except BaseException as error:
            self.errors.append(error)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.stopping.set()
        for thread in self.threads:
            thread.join(120)
        if kind is None:
            assert self.errors == []
            assert not any(thread.is_alive() for thread in self.threads)


def write_with_client(server, name, count, written):
    "Makes containers that hold a container, an array of the server's own and a registered one."
    root = client_of(server)
    for i in range(count):
        container = root.create_container(f"{name}_{i}", metadata={"origin": "client"})
        stream = container.create_container("stream")
        stream.write_array(numpy.arange(i + 1), key="own")
        stream.new("array", [external_array(f"{name}_{i}")], key="registered", metadata={"origin": "client"})
        written += [f"{name}_{i}{below}" for below in ("", "/stream", "/stream/own", "/stream/registered")]


def write_in_bulk(uri, name, count, size, written):
    with psycopg.connect(uri, autocommit=True) as connection:
        for i in range(count):
            answers = tiledkit.register_nodes(connection, bulk_container(f"{name}_{i}", size))
            assert {status for _, _, status in answers} == {"inserted"}
            written += [path for path, _, _ in answers]


def read_until(stopping, server, reads):
    "Reads what every reader does: lists, and searches at any depth, which goes through the closure."
    root = client_of(server)
    while not stopping.is_set():
        reads.append((len(list(root.keys())), len(root.search_deep(Key("origin") == "client"))))


def all_paths(uri):
    return {path for (path,) in tiledkit.rows(uri, tiledkit.PATHS + "SELECT path FROM paths")}


def assert_closure_is_right(uri):
    assert tiledkit.closure_problems(uri) == []
    assert tiledkit.rows(uri, "SELECT * FROM catreg.check_closure('nodes')") == []


def test_client_and_register_nodes_at_once(attached, server):
    by_client, in_bulk, reads = [], [], []
    with Workers() as workers:
        workers.start(read_until, workers.stopping, server, reads)
        writers = [
            workers.start(write_with_client, server, "client", 12, by_client),
            workers.start(write_in_bulk, attached, "bulk", 30, 40, in_bulk),
            workers.start(write_in_bulk, attached, "other", 30, 40, in_bulk),
        ]
        for writer in writers:
            writer.join(200)
    assert len(by_client) == 12 * 4 and len(in_bulk) == 2 * 30 * 41 and reads
    assert all_paths(attached) == set(by_client) | set(in_bulk)
    assert_closure_is_right(attached)
    # And so the client sees it.
    root = client_of(server)
    assert set(root.keys()) == {path for path in by_client + in_bulk if "/" not in path}
    assert len(root.search_deep(Key("origin") == "bulk")) == len(in_bulk)
    assert len(root.search_deep(Key("origin") == "client")) == 12 * 2
    assert list(root["bulk_7"].keys()) == [f"image_{i}" for i in range(40)]
    image = root["bulk_7"].include_data_sources()["image_3"]
    assert image.shape == (3, 4) and image.dtype == numpy.float64
    assert image.data_sources()[0].assets[0].data_uri == "file://localhost/data/bulk_7/3.h5"
    assert (root["client_5/stream/own"].read() == numpy.arange(6)).all()


def test_register_nodes_below_the_containers_of_a_client(attached, server):
    "One container, into which a client writes and register_nodes too."
    shared = client_of(server).create_container("shared")

    def write(count):
        for i in range(count):
            shared.create_container(f"client_{i}")

    def register(count):
        with psycopg.connect(attached, autocommit=True) as connection:
            for i in range(count):
                tiledkit.register_nodes(connection, [
                    nodes.node("shared", f"bulk_{i}_{j}", "array", data_sources=[
                        nodes.source(nodes.array([2]), [nodes.asset(f"{i}/{j}.h5")]),
                    ])
                    for j in range(10)
                ])

    with Workers() as workers:
        for writer in [workers.start(write, 40), workers.start(register, 20)]:
            writer.join(200)
    keys = {f"client_{i}" for i in range(40)} | {f"bulk_{i}_{j}" for i in range(20) for j in range(10)}
    assert set(client_of(server)["shared"].keys()) == keys
    assert_closure_is_right(attached)


def test_conflicts_of_client_and_register_nodes(attached, server):
    "A key that a client took is an error, or left as it is; one that register_nodes took is the client's 409."
    root = client_of(server)
    root.create_container("taken", metadata={"by": "client"})
    with psycopg.connect(attached, autocommit=True) as connection:
        batch = [nodes.node("", "taken", metadata={"by": "bulk"}), nodes.node("", "free", metadata={"by": "bulk"})]
        with pytest.raises(psycopg.errors.UniqueViolation):
            tiledkit.register_nodes(connection, batch)
        assert set(root.keys()) == {"taken"}
        answers = tiledkit.register_nodes(connection, batch, on_conflict="ignore")
        assert [(path, status) for path, _, status in answers] == [("taken", "existing"), ("free", "inserted")]
        assert root["taken"].metadata["by"] == "client"
        answers = tiledkit.register_nodes(connection, batch, on_conflict="replace")
        assert [status for _, _, status in answers] == ["replaced", "replaced"]
    taken = root["taken"]
    assert taken.metadata["by"] == "bulk"
    assert [revision["attributes"]["metadata"] for revision in taken.metadata_revisions[:]] == [{"by": "client"}]
    with pytest.raises(Exception, match="409"):
        root.create_container("free")
    assert_closure_is_right(attached)


def test_attach_and_detach_beside_a_writer(attached, server):
    "Whoever keeps the closure, and however often that changes, a writer notices nothing."
    written = []
    with Workers() as workers:
        writer = workers.start(write_with_client, server, "client", 15, written)
        turns = 0
        while writer.is_alive():
            tiledkit.detach(attached)
            tiledkit.attach(attached)
            turns += 1
        writer.join()
    assert turns >= 2
    assert all_paths(attached) == set(written) and len(written) == 15 * 4
    assert_closure_is_right(attached)


def row_triggers(uri):
    return tiledkit.rows(
        uri, "SELECT tgname, tgtype::int & 1, tgenabled FROM pg_trigger WHERE tgrelid = 'nodes'::regclass AND NOT tgisinternal"
    )


def test_detach_gives_the_closure_back(catalog, tmp_path):
    uri = catalog()
    before = sorted(row_triggers(uri))
    tiledkit.attach(uri)
    assert sorted(row_triggers(uri)) != before
    with tiledkit.serve(uri, str(tmp_path)) as server:
        write_with_client(server, "attached", 2, [])
        tiledkit.detach(uri)
        assert sorted(row_triggers(uri)) == before
        write_with_client(server, "detached", 2, [])
        assert tiledkit.closure_problems(uri) == []
        assert len(client_of(server).search_deep(Key("origin") == "client")) == 8
        assert server.errors() == []
    # Nothing of catreg is in the way of a later removal.
    with psycopg.connect(uri, autocommit=True) as connection:
        connection.execute("DROP EXTENSION catreg")


def test_client_deletes(attached, server):
    with psycopg.connect(attached, autocommit=True) as connection:
        tiledkit.register_nodes(connection, bulk_container("gone", 10) + bulk_container("stays", 10))
    written = []
    write_with_client(server, "client", 1, written)
    root = client_of(server)
    root["gone"].delete(recursive=True)
    root["client_0"].delete(recursive=True, external_only=False)
    assert server.get("metadata/gone")[0] == 404
    assert server.get("metadata/gone/image_1")[0] == 404
    assert list(root.keys()) == ["stays"]
    assert all_paths(attached) == {"stays"} | {f"stays/image_{i}" for i in range(10)}
    uris = tiledkit.rows(attached, "SELECT data_uri FROM assets")
    assert len(uris) == 10 and all("/stays/" in uri for (uri,) in uris)
    assert_closure_is_right(attached)


def test_delete_nodes(attached, server):
    "delete_nodes takes a subtree with its assets; what another node refers to stays."
    shared = nodes.source(nodes.array([9]), [nodes.asset("shared.h5")])
    with psycopg.connect(attached, autocommit=True) as connection:
        tiledkit.register_nodes(connection, bulk_container("gone", 10) + bulk_container("stays", 10) + [
            nodes.node("gone", "shares", "array", data_sources=[shared]),
            nodes.node("stays", "shares", "array", data_sources=[shared]),
        ])
        root = client_of(server)
        assert len(root["gone"]) == 11
        deleted = connection.execute(
            "SELECT path, nodes, assets FROM catreg.delete_nodes(ARRAY['gone', 'stays/image_3'])"
        ).fetchall()
    assert sorted(deleted) == [("gone", 12, 10), ("stays/image_3", 1, 1)]
    assert server.get("metadata/gone")[0] == 404
    assert server.get("metadata/gone/image_1")[0] == 404
    assert server.get("metadata/stays/image_3")[0] == 404
    assert server.get("metadata/stays/image_4")[0] == 200
    assert list(client_of(server).keys()) == ["stays"]
    with pytest.raises(KeyError):
        client_of(server)["gone"]
    uris = {uri for (uri,) in tiledkit.rows(attached, "SELECT data_uri FROM assets")}
    assert uris == {f"file://localhost/data/stays/{i}.h5" for i in range(10) if i != 3} | {"file://localhost/data/shared.h5"}
    assert_closure_is_right(attached)
    # The key is free again, for a client too.
    client_of(server).create_container("gone").create_container("again")
    assert server.get("metadata/gone/again")[0] == 200
    assert_closure_is_right(attached)
