"""A statement that is stopped stops soon, wherever it is, and leaves nothing behind."""

import time

import psycopg
import pytest

import nodes
import tiledkit

N_ARRAYS = 15000

# From the moment the timeout fires. A machine busy with other tests is slower.
SOON = 2.0


def tables(connection):
    return connection.execute(
        "SELECT (SELECT count(*) FROM nodes), (SELECT count(*) FROM nodes_closure), (SELECT count(*) FROM data_sources),"
        " (SELECT count(*) FROM structures), (SELECT count(*) FROM assets)"
    ).fetchone()


def fill_batch(connection):
    connection.execute("CREATE TEMP TABLE batch (LIKE catreg.tiled_batch INCLUDING DEFAULTS)")
    with connection.cursor() as cursor, cursor.copy("COPY batch FROM STDIN") as copy:
        copy.write_row(["", "top", "container"] + [None] * 5)
        for i in range(N_ARRAYS):
            source = nodes.source(nodes.array([i + 1]), [nodes.asset(f"{i}.h5")])
            copy.write_row(["top", f"{i}", "array"] + [None] * 4 + [tiledkit.batch_value({"data_sources": [source]}, "data_sources")])


def run(connection, query, milliseconds=None):
    "Executes; returns whether it was stopped, and the seconds that it took."
    connection.execute(f"SET statement_timeout = {milliseconds or 0}")
    begin = time.monotonic()
    try:
        connection.execute(query)
        return False, time.monotonic() - begin
    except psycopg.errors.QueryCanceled:
        return True, time.monotonic() - begin
    finally:
        connection.execute("SET statement_timeout = 0")


@pytest.mark.parametrize("fk_check", ["set", "row"])
def test_stopped_anywhere(catalog, fk_check):
    "At ten moments of a registration and of a deletion, from the first millisecond to shortly before the end."
    uri = catalog()
    tiledkit.attach(uri)
    register = "SELECT count(*) FROM catreg.register_nodes('batch')"
    delete = "SELECT * FROM catreg.delete_nodes('{top}')"
    with psycopg.connect(uri, autocommit=True) as connection:
        connection.execute(f"SET catreg.fk_check = {fk_check}")
        fill_batch(connection)
        empty = tables(connection)
        _, register_seconds = run(connection, register)
        full = tables(connection)
        _, delete_seconds = run(connection, delete)
        assert tables(connection) == empty
        for query, seconds, before, after, back in [
            (register, register_seconds, empty, full, delete),
            (delete, delete_seconds, full, empty, register),
        ]:
            stopped = 0
            if query == delete:
                run(connection, register)
            for tenth in range(10):
                timeout = max(1, int(seconds * 1000 * tenth / 10))
                was_stopped, took = run(connection, query, timeout)
                assert tables(connection) == (before if was_stopped else after)
                if was_stopped:
                    assert took - timeout / 1000 < SOON
                    stopped += 1
                else:
                    run(connection, back)
            assert stopped >= 5
        assert connection.execute(tiledkit.ORACLE).fetchall() == []
        assert connection.execute("SELECT * FROM catreg.check_closure('nodes')").fetchall() == []
