"""ObsCore tables with the columns of pgsphere's plugin, beside those that the client's own manager makes.

Where the server has no pgsphere, or one whose script it refuses (PostgreSQL 15.20 that of pgsphere 1.2), all of this
is skipped.
"""

import contextlib

import psycopg
import pytest
from lsst.daf.butler.registry.obscore.pgsphere import PgSpherePoint, PgSpherePolygon
from psycopg import sql as SQL

import butlerkit as kit
from butlerkit import TAG, calexp_ids, raw_ids
from test_obscore import create, new_database
from tiledkit import with_database

pytestmark = pytest.mark.filterwarnings("ignore::lsst.daf.butler.registry.obscore.RegionTypeWarning")

CLASS = "lsst.daf.butler.registry.obscore.pgsphere.PgSphereObsCorePlugin"
DEFAULT = "lsst.daf.butler.registry.obscore.default_spatial.DefaultSpatialObsCorePlugin"
NAMES = {"region_column": 'a "region"', "position_column": "Position"}
PLAIN = {"pgsphere": {"cls": CLASS}}
NAMED = {"default": {"cls": DEFAULT}, "pgsphere": {"cls": CLASS, "config": NAMES}}
FIRST = {"pgsphere": {"cls": CLASS, "config": NAMES}, "default": {"cls": DEFAULT}}


def configuration(plugins, **changes):
    return kit.configuration(spatial_plugins=plugins, **changes)


def column_names(config):
    options = config["spatial_plugins"]["pgsphere"].get("config", {})
    return options.get("region_column", "pgsphere_region"), options.get("position_column", "pgsphere_position")


@pytest.fixture(scope="module", autouse=True)
def pgsphere(server_uri):
    with new_database(server_uri, extensions=()) as uri, psycopg.connect(uri) as server:
        if not server.execute("SELECT FROM pg_available_extensions WHERE name = 'pg_sphere'").fetchall():
            pytest.skip("the server has no extension pg_sphere")
        try:
            server.execute("CREATE EXTENSION pg_sphere")
        except psycopg.Error as error:
            pytest.skip(f"pg_sphere cannot be created: {error}")


@pytest.fixture(params=["public", "the sphere's"])
def database(request, server_uri):
    "With pgsphere in a schema that the client, which knows the types by their bare names, finds by its search_path."
    with new_database(server_uri, extensions=()) as uri:
        with psycopg.connect(uri, autocommit=True) as connection:
            schema = SQL.Identifier(request.param)
            connection.execute(SQL.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(schema))
            connection.execute(SQL.SQL("CREATE EXTENSION pg_sphere SCHEMA {}").format(schema))
            connection.execute("CREATE EXTENSION catreg")
            connection.execute(SQL.SQL("ALTER DATABASE {} SET search_path = public, {}").format(
                SQL.Identifier(uri.rsplit("/", 1)[1]), schema))
        yield uri


# -- comparing ------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def everything_found(sql):
    "The types by their bare names, as in the client's session; catreg must not need that."
    schema, = sql.execute("SELECT extnamespace::regnamespace::text FROM pg_extension WHERE extname = 'pg_sphere'").fetchone()
    before, = sql.execute("SELECT current_setting('search_path')").fetchone()
    sql.execute(f"SET search_path = {before}, {schema}")
    yield
    sql.execute(f"SET search_path = {before}")


def same_geometry(sql, one, other, names):
    "The ids of rows whose geometries are not the same to the last bit."
    mine, theirs = (", ".join(f"{t}.{SQL.Identifier(n).as_string()}" for n in names) for t in ("a", "b"))
    return sql.execute(
        f"SELECT a.registry_dataset_id, b.registry_dataset_id FROM {one} a FULL JOIN {other} b USING (registry_dataset_id)"
        f" WHERE ROW({mine})::record *<> ROW({theirs})::record"
        " OR a.registry_dataset_id IS NULL OR b.registry_dataset_id IS NULL"
    ).fetchall()


def check(repository, sql, table, config):
    "Rows as the client's code makes them, and listed what pgsphere refuses; returns the number of rows, and of those."
    names = column_names(config)
    region, position = map(SQL.Identifier, names)
    with repository.client() as butler:
        expected = kit.Expected(butler, config, with_plugins=True)
    columns = [name for name, in sql.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
        [table])]
    assert columns == [*expected.columns, *(kit.ADDED if "access_estsize" in columns else ()), "region"]

    # all but the geometries
    kept = [name for name in expected.columns if name not in names]
    places = [expected.columns.index(name) for name in kept]
    listed = SQL.SQL(", ").join(map(SQL.Identifier, kept))
    sql.execute(SQL.SQL("CREATE TEMP VIEW plain AS SELECT {} FROM {}").format(listed, SQL.SQL(table)))
    rows = {id: tuple(row[i] for i in places) for id, row in expected.rows.items()}
    found = kit.differences(kept, kit.read(sql, "plain")[1], rows)
    assert not found, found[:8]
    sql.execute("DROP VIEW plain")

    # geometries, through the types' input functions
    refused = set()
    polygon, point = PgSpherePolygon().bind_processor(None), PgSpherePoint().bind_processor(None)
    with everything_found(sql):
        sql.execute(SQL.SQL("CREATE TEMP TABLE theirs (registry_dataset_id uuid, {} spoly, {} spoint)").format(region, position))
        for id, row in expected.rows.items():
            values = [polygon(row[columns.index(names[0])]), point(row[columns.index(names[1])])]
            try:
                sql.execute("INSERT INTO theirs VALUES (%s, %s, %s)", [id, *values])
            except psycopg.errors.InternalError_:
                refused.add(id)
                sql.execute("INSERT INTO theirs VALUES (%s, NULL, %s)", [id, values[1]])
    assert same_geometry(sql, table, "theirs", names) == []
    filled, = sql.execute(SQL.SQL("SELECT count({}) FROM {}").format(position, SQL.SQL(table))).fetchone()
    assert filled > 20
    sql.execute("DROP TABLE theirs")
    problems = sql.execute("SELECT dataset_id, problem FROM catreg.check_obscore(%s)", [table]).fetchall()
    assert {id for id, problem in problems} == refused
    assert all(problem.startswith(names[0]) and "pgsphere" in problem for _, problem in problems)
    return len(expected.rows), len(refused)


INDEXES = """
    SELECT c.relname, a.amname, pg_get_indexdef(i.indexrelid, 1, false), o.opcname
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am a ON a.oid = c.relam
    JOIN pg_opclass o ON o.oid = i.indclass[0]
    JOIN pg_depend d ON d.classid = 'pg_opclass'::regclass AND d.objid = o.oid AND d.deptype = 'e'
    JOIN pg_extension e ON e.oid = d.refobjid AND d.refclassid = 'pg_extension'::regclass
    WHERE i.indrelid = %s::regclass AND e.extname = 'pg_sphere' ORDER BY 1
"""


# -- tests ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("plugins", [PLAIN, NAMED, FIRST], ids=["plain", "named", "first"])
def test_beside_the_clients(database, tmp_path, plugins):
    "A table of its own has the client's columns, values and indexes; taking over the client's writes nothing."
    config = configuration(plugins)
    names = column_names(config)
    repository = kit.Repository(database, "public", tmp_path / "repository").create(config)
    with repository.client() as butler:
        kit.fill(butler, empty_timespan=False)
    with repository.connect() as sql:
        create(sql, "public", config, "own")
        assert same_geometry(sql, "own", "obscore", names) == []
        theirs = sql.execute(INDEXES, ["obscore"]).fetchall()
        assert len(theirs) == 2
        assert sql.execute(INDEXES, ["own"]).fetchall() == [(name.replace("obscore", "own"), *rest) for name, *rest in theirs]

        versions = "SELECT registry_dataset_id, xmin::text FROM obscore"
        before = sql.execute(versions).fetchall()
        create(sql, "public")
        # a column more makes no other rows
        assert set(sql.execute("SELECT registry_dataset_id FROM obscore").fetchall()) == {row[:1] for row in before}
        assert same_geometry(sql, "own", "obscore", names) == []
        sizes = check(repository, sql, "own", config)
        assert check(repository, sql, "obscore", config) == sizes and sizes[1] == 0
        after = sql.execute(versions).fetchall()
        assert sql.execute("SELECT * FROM catreg.refresh_obscore('obscore')").fetchone() == (0, 0, 0)
        assert sql.execute(versions).fetchall() == after

        # back, and the client goes on with it
        sql.execute("SELECT catreg.drop_obscore('obscore')")
        with repository.client() as butler:
            butler.registry.insertDatasets("calexp", calexp_ids([5, 6]), run="runs/a")
        assert same_geometry(sql, "own", "obscore", names) == []
        sql.execute("SELECT catreg.drop_obscore('own')")
        assert sql.execute("SELECT to_regclass('own')").fetchone() == (None,)


def bad_polygons():
    "Good ones, which pgsphere refuses; and some that it takes."
    return [kit.polygon(10, 20, 1e-8), kit.polygon(0, 24.35, 6.6e-8), kit.polygon(3.02, -20.78, 2.1e-6, corners=60),
            kit.polygon(0, 90, 0.1), kit.polygon(359.99, -1, 30, corners=20), kit.polygon(200, 10, 1e-4)]


@pytest.fixture
def filled(database, tmp_path):
    repository = kit.Repository(database, "public", tmp_path / "repository").create()
    with repository.client() as butler:
        kit.fill(butler)
        yield repository, butler


def test_refused(filled):
    "A put of what pgsphere refuses does not fail; nor does an update, or a table over it."
    repository, butler = filled
    config = configuration(PLAIN)
    notices = []
    with repository.connect() as sql:
        sql.add_notice_handler(lambda notice: notices.append(notice.message_primary))
        create(sql, "public", config, "obscore")
        assert check(repository, sql, "obscore", config)[1] == 0
        polygons = bad_polygons()
        kit.define_visits(butler, [8], regions=False)
        kit.insert_regions(butler, [8], region=lambda visit, d: polygons[d])
        butler.registry.insertDatasets("calexp", calexp_ids([8]), run="runs/a")
        rows, refused = check(repository, sql, "obscore", config)
        assert refused == 3
        # those that had a good one
        kit.insert_regions(butler, [0, 1], replace=True, region=lambda visit, d: polygons[(visit + d) % 6])
        rows, more = check(repository, sql, "obscore", config)
        assert more > refused
        notices.clear()
        create(sql, "public", config, "late")
        assert len([n for n in notices if n.startswith("pgsphere_region of dataset")]) == more
        assert check(repository, sql, "late", config) == (rows, more)
        # and in SQL, many at a time
        sql.execute("UPDATE visit_detector_region a SET region = b.region FROM visit_detector_region b"
                    " WHERE b.visit = 2008 AND b.detector = a.detector")
        assert check(repository, sql, "obscore", config)[1] > more
        kit.insert_regions(butler, range(9), replace=True)
        assert check(repository, sql, "obscore", config)[1] == 0


def test_in_transactions(filled):
    "The subtransactions in which pgsphere is asked leave the client's own alone."
    repository, butler = filled
    config = configuration(PLAIN)
    with repository.connect() as sql:
        create(sql, "public", config, "obscore")
        before, _ = check(repository, sql, "obscore", config)
        kit.define_visits(butler, [8], regions=False)
        kit.insert_regions(butler, [8], region=lambda visit, d: bad_polygons()[d])
        with butler.transaction():
            butler.registry.insertDatasets("calexp", calexp_ids([5]), run="runs/a")
            with contextlib.suppress(ZeroDivisionError):
                with butler.registry.transaction(savepoint=True):
                    butler.registry.insertDatasets("calexp", calexp_ids([8]), run="runs/a")
                    1 / 0
            butler.registry.insertDatasets("calexp", calexp_ids([6]), run="runs/a")
            butler.registry.insertDatasets("calexp", calexp_ids([8]), run="runs/b 'quoted' 100%")
        assert check(repository, sql, "obscore", config) == (before + 18, 3)


def test_not_there(server_uri, tmp_path):
    "Where the extension is not in the database: an error, and nothing made."
    with new_database(server_uri) as uri:
        repository = kit.Repository(uri, "public", tmp_path).create()
        with repository.connect() as sql:
            with pytest.raises(psycopg.errors.UndefinedObject, match='extension "pg_sphere" is not installed'):
                create(sql, "public", configuration(PLAIN), "obscore")
            assert sql.execute("SELECT to_regclass('obscore')").fetchone() == (None,)


def test_extension_moves_and_goes(filled):
    "Into another schema, under one that is renamed, and away with its columns: in sessions that are there."
    repository, butler = filled
    config = configuration(PLAIN)
    with repository.connect() as sql:
        create(sql, "public", config, "obscore")
        for number, statement in enumerate([
            "CREATE SCHEMA elsewhere; ALTER EXTENSION pg_sphere SET SCHEMA elsewhere", "ALTER SCHEMA elsewhere RENAME TO \"else'where\"",
        ]):
            butler.registry.insertDatasets("calexp", calexp_ids([4 + number]), run="runs/a")
            sql.execute(statement)
            butler.registry.insertDatasets("raw", raw_ids([number], [1, 2, 4]), run="Cam/raw/all")
            query, = sql.execute("SELECT catreg.obscore_query('obscore')").fetchone()
            sql.execute(f"CREATE TEMP TABLE queried AS {query}")
            assert same_geometry(sql, "obscore", "queried", column_names(config)) == []
            sql.execute("DROP TABLE queried")
            assert check(repository, sql, "obscore", config)[1] == 0
        with pytest.raises(psycopg.errors.DependentObjectsStillExist):
            sql.execute("DROP EXTENSION pg_sphere")
        sql.execute("DROP EXTENSION pg_sphere CASCADE")
        refs = butler.registry.insertDatasets("calexp", calexp_ids([6]), run="runs/a")
        butler.registry.associate(TAG, refs)
        kit.compare(sql, "obscore", kit.expected_rows(repository, config))
        assert sql.execute("SELECT * FROM catreg.check_obscore('obscore')").fetchall() == []
    with repository.client() as other, repository.connect() as sql:
        other.registry.insertDatasets("calexp", calexp_ids([7]), run="runs/a")
        kit.compare(sql, "obscore", kit.expected_rows(repository, config))
        sql.execute("SELECT catreg.drop_obscore('obscore')")


def test_types_of_the_same_names(filled):
    "Somebody else's, which the search_path finds first, are nothing to it."
    repository, butler = filled
    config = configuration(PLAIN)
    with repository.connect() as sql:
        sql.execute("CREATE SCHEMA trap; CREATE DOMAIN trap.spoly AS text; CREATE DOMAIN trap.spoint AS text")
        sql.execute("SET search_path = trap, public")
        create(sql, "public", config, "obscore")
        sql.execute("SET search_path = public")
        butler.registry.insertDatasets("calexp", calexp_ids([4]), run="runs/a")
        check(repository, sql, "obscore", config)
