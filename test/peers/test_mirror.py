"""A Tiled server on a mirror, which knows nothing of that."""

import psycopg
import pytest
from tiled.client import from_uri
from tiled.queries import Key

import mirrorkit
import nodes
import tiledkit


def batch(scans, arrays, prefix="scan"):
    found = [nodes.node("", f"{prefix}_{s}", metadata={"scan": s}) for s in range(scans)]
    for s in range(scans):
        for a in range(arrays):
            found.append(nodes.node(
                f"{prefix}_{s}", f"image_{a}", "array", {"scan": s, "number": a, "text": "é\\\"\n"},
                data_sources=[nodes.source(nodes.array([3, a + 1]), [nodes.asset(f"{prefix}/{s}/{a}.h5")])],
            ))
    return found


@pytest.fixture
def source(catalog):
    uri = catalog()
    tiledkit.attach(uri)
    with psycopg.connect(uri, autocommit=True) as connection:
        tiledkit.register_nodes(connection, batch(12, 5))
    return uri


def contents(uri):
    "Every row of every table of Tiled's that says something."
    return {
        table: sorted(map(repr, tiledkit.rows(uri, tiledkit.PATHS + query)))
        for table, query in (tiledkit.CONTENTS | tiledkit.CONTENTS_SINCE_0_2_20).items()
    }


CREATE_CLOSURE = "SELECT catreg.create_closure('nodes', 'nodes_closure')"
ATTACH = "SELECT catreg.attach_tiled()"


def keep_closure(uri, how=CREATE_CLOSURE):
    with psycopg.connect(uri, autocommit=True) as connection:
        connection.execute(how)


def documents(server):
    "What a server says of every node."
    found = {}

    def visit(path):
        status, document = server.get(f"search/{path}?page[limit]=300")
        assert status == 200, path
        for item in document["data"]:
            child = f"{path}/{item['id']}" if path else item["id"]
            found[child] = item["attributes"]
            if item["attributes"]["structure_family"] == "container":
                visit(child)

    visit("")
    return found


@pytest.mark.parametrize("with_closure", [CREATE_CLOSURE, ATTACH, None])
def test_server_on_mirror(source, server_uri, tmp_path, with_closure):
    with mirrorkit.mirror_database(server_uri, source, "public") as mirror:
        if with_closure:
            keep_closure(mirror, with_closure)
        assert contents(mirror) == contents(source)
        (tmp_path / "source").mkdir()
        (tmp_path / "mirror").mkdir()
        with tiledkit.serve(source, str(tmp_path / "source")) as there, tiledkit.serve(mirror, str(tmp_path / "mirror")) as here:
            assert documents(here) == documents(there) != {}

            # clients write there, and read here
            client = from_uri(there.url, api_key=there.api_key)
            client["scan_3"].update_metadata({"scan": 3, "edited": "yes"})
            client.create_container("written", metadata={"by": "client"})
            client["written"].write_array([1, 2, 3], key="a", metadata={"number": 77})
            client["scan_4"].delete_contents(list(client["scan_4"]), external_only=False)
            client.delete_contents(["scan_4"], external_only=False)
            with psycopg.connect(source, autocommit=True) as connection:
                tiledkit.register_nodes(connection, batch(3, 2, "late"))

            assert documents(here) != documents(there)
            changed = mirrorkit.refresh(mirror, "public")
            assert changed["nodes"] == (3 + 6 + 2, 1, 6)
            assert ("nodes_closure" in changed) == (with_closure is None)
            assert documents(here) == documents(there)
            assert mirrorkit.refresh(mirror, "public") == {}
            reader = from_uri(here.url, api_key=here.api_key)
            assert sorted(reader.search(Key("edited") == "yes")) == ["scan_3"]
            assert sorted(reader.search(Key("by") == "client")) == ["written"]
            assert here.errors() == []
        assert contents(mirror) == contents(source)
        assert tiledkit.closure_problems(mirror) == []
        assert mirrorkit.problems(mirror, "public") == []


def test_mirror_becomes_catalog(source, server_uri, tmp_path):
    "A mirror that is let go is a catalog that can be written: ids go on, the closure is kept."
    with mirrorkit.mirror_database(server_uri, source, "public") as mirror:
        keep_closure(mirror)
        with tiledkit.serve(mirror, str(tmp_path)) as server:
            client = from_uri(server.url, api_key=server.api_key)
            client.create_container("own", metadata={})
            client["own"].write_array([1, 2], key="a")
            assert server.errors() == []
        assert tiledkit.closure_problems(mirror) == []

        # and a refresh takes it away again
        assert mirrorkit.refresh(mirror, "public")["nodes"] == (0, 0, 2)
        assert contents(mirror) == contents(source)
        assert tiledkit.closure_problems(mirror) == []


def test_attach_and_detach(source, server_uri):
    "A mirror has no trigger of Tiled's to give its closure back to: it is mirrored again."
    with mirrorkit.mirror_database(server_uri, source, "public") as mirror, psycopg.connect(mirror, autocommit=True) as connection:
        before = contents(mirror)
        connection.execute(ATTACH)
        connection.execute("DELETE FROM nodes WHERE key = 'scan_2'")
        assert tiledkit.closure_problems(mirror) == []
        connection.execute("SELECT catreg.detach_tiled()")
        assert mirrorkit.refresh(mirror, "public")["nodes_closure"] == (2 + 5 * 3, 0, 0)
        assert contents(mirror) == before
        assert mirrorkit.problems(mirror, "public") == []
        connection.execute(ATTACH)
        assert "nodes_closure" not in mirrorkit.refresh(mirror, "public")

        # and a catalog of which nothing is known is refused as ever
        connection.execute("DELETE FROM catreg.mirror")
        with pytest.raises(psycopg.errors.UndefinedObject, match="update_closure_table_when_inserting"):
            connection.execute("SELECT catreg.detach_tiled()")
