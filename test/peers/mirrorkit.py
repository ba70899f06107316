"""Databases that mirror a schema of another one, which may be on the same server."""

import contextlib
import uuid

import psycopg
import psycopg.conninfo
from psycopg import sql

from tiledkit import with_database


@contextlib.contextmanager
def mirror_database(server_uri, source_uri, schema, extensions=("catreg",)):
    "A new database with a mirror of that schema, under the same name; yields its URI."
    name = f"catreg_{uuid.uuid4().hex}"
    with psycopg.connect(with_database(server_uri, "postgres"), autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'")
    uri = with_database(server_uri, name)
    try:
        with psycopg.connect(uri, autocommit=True) as connection:
            for extension in extensions:
                connection.execute(f"CREATE EXTENSION {extension}")
            create_server(connection, source_uri)
            connection.execute("SELECT catreg.create_mirror('source', %s, %s)", [schema, schema])
        yield uri
    finally:
        with psycopg.connect(with_database(server_uri, "postgres"), autocommit=True) as server:
            server.execute(f"DROP DATABASE {name} WITH (FORCE)")


def create_server(connection, source_uri):
    given = psycopg.conninfo.conninfo_to_dict(source_uri)
    login = {key: given.pop(key) for key in ("user", "password") if key in given}

    def options(values):
        return sql.SQL(", ").join(sql.SQL("{} {}").format(sql.Identifier(k), sql.Literal(str(v))) for k, v in values.items())

    connection.execute(sql.SQL("CREATE SERVER source FOREIGN DATA WRAPPER catreg OPTIONS ({})").format(options(given)))
    connection.execute(sql.SQL("CREATE USER MAPPING FOR CURRENT_USER SERVER source OPTIONS ({})").format(options(login)))


def refresh(uri, schema):
    "What has changed: (inserted, updated, deleted) by table."
    with psycopg.connect(uri, autocommit=True) as connection:
        rows = connection.execute("SELECT * FROM catreg.refresh_mirror(%s)", [schema]).fetchall()
    return {name: tuple(counts) for name, *counts in rows if any(counts)}


def problems(uri, schema):
    with psycopg.connect(uri, autocommit=True) as connection:
        return connection.execute("SELECT * FROM catreg.check_mirror(%s)", [schema]).fetchall()
