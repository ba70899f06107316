"""Attaches catreg to every catalog that Tiled makes, in any Python that has this folder in its path.

Tiled's own tests make their catalogs in their own process and by `tiled catalog
init` in others; both import tiled.catalog.core, whose initialize_database is
wrapped here. And before they drop a database (temp_postgres, of tests.utils),
its closure is checked. A line for each goes to the file $CATREG_HOOK_LOG.
"""

import contextlib
import importlib.abc
import importlib.machinery
import os
import sys


def note(text):
    with open(os.environ["CATREG_HOOK_LOG"], "a") as log:
        log.write(text + "\n")


def wrap_core(module):
    import tiledkit

    initialize = module.initialize_database

    async def initialize_database(engine):
        await initialize(engine)
        if engine.dialect.name == "postgresql":
            uri = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
            tiledkit.attach(uri)
            note(f"attached {engine.url.database}")

    module.initialize_database = initialize_database


def wrap_utils(module):
    import psycopg
    import tiledkit

    make = module.temp_postgres

    def check(uri):
        if tiledkit.rows(uri, "SELECT to_regnamespace('catreg')") != [(None,)]:
            with psycopg.connect(uri) as connection:
                wrong = connection.execute("SELECT * FROM catreg.check_closure('nodes')").fetchall()
            wrong += tiledkit.closure_problems(uri)
            note(f"checked {uri.rsplit('/', 1)[1]}: {wrong or 'right'}")

    @contextlib.asynccontextmanager
    async def temp_postgres(uri):
        async with make(uri) as uri_with_database:
            yield uri_with_database
            check(uri_with_database)

    module.temp_postgres = temp_postgres


WRAPPERS = {"tiled.catalog.core": wrap_core, "tests.utils": wrap_utils}


class Finder(importlib.abc.MetaPathFinder):
    "Finds a module as usual, and wraps it when it has been loaded."

    def find_spec(self, name, path, target=None):
        if name not in WRAPPERS:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None:
            load = spec.loader.exec_module

            def exec_module(module):
                load(module)
                WRAPPERS[name](module)

            spec.loader.exec_module = exec_module
        return spec


sys.meta_path.insert(0, Finder())
