"""Times as astropy has them, bit for bit.

A time is made as daf_butler's TimeConverter makes it, and what the server says
of the same nanoseconds is compared: the MJD's very bits, and every character.
"""

import contextlib
import uuid
import warnings

import erfa
import numpy as np
import psycopg
import pytest
from astropy.time import Time, TimeDelta
from astropy.utils import iers

iers.conf.auto_download = False

DAY = 86400 * 10**9
SECOND = 10**9
EPOCH = Time("1970-01-01 00:00:00", format="iso", scale="tai", precision=6)
UNBOUNDED = 4102444800 * SECOND  # 2100-01-01
SCALES = ["tai", "utc"]

QUERY = """
    SELECT catreg.tai_to_mjd(t), catreg.time_mjd(t, 'tai'), catreg.time_mjd(t, 'utc'),
           catreg.time_isot(t, 'tai'), catreg.time_isot(t, 'utc'), catreg.time_iso(t, 'tai'), catreg.time_iso(t, 'utc')
    FROM unnest(%s::bigint[]) WITH ORDINALITY u (t, n) ORDER BY n
"""


@pytest.fixture(autouse=True)
def dubious_years():
    "ERFA warns of UTC before 1960, and of years to come."
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", erfa.ErfaWarning)
        yield


@pytest.fixture
def database(server_uri):
    "A database with catreg; its URI."
    name = f"catreg_{uuid.uuid4().hex}"
    with psycopg.connect(server_uri, autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}")
    uri = f"{server_uri}/{name}"
    with psycopg.connect(uri, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION catreg")
    yield uri
    with psycopg.connect(server_uri, autocommit=True) as server:
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def connection(database):
    with psycopg.connect(database, autocommit=True) as connection:
        yield connection


def mjd_of(year, month):
    return round(Time(f"{year}-{month:02}-01", scale="tai").mjd)


def since_epoch(year, month):
    "The day's 0h as if it were TAI."
    return (mjd_of(year, month) - 40587) * DAY


def tai(times):
    days, rest = np.divmod(np.asarray(times, dtype=np.int64), DAY)
    return EPOCH + TimeDelta(days.astype(float), rest.astype(float) / DAY, format="jd", scale="tai")


def compare(connection, times):
    "All of these times; says which one differs, and in what."
    for some in np.array_split(np.asarray(times, dtype=np.int64), len(times) // 20000 + 1):
        with connection.cursor(binary=True) as cursor:
            mine = list(zip(*cursor.execute(QUERY, [some.tolist()])))
        expected = {scale: getattr(tai(some), scale) for scale in SCALES}
        columns = [expected["utc"].mjd, expected["tai"].mjd, expected["utc"].mjd]
        columns += [getattr(expected[scale], format) for format in ["isot", "iso"] for scale in SCALES]
        for got, wanted in zip(mine, columns, strict=True):
            got = np.array(got)
            assert len(got) == len(some)
            if wanted.dtype == float:
                got, wanted = got.view(np.int64), wanted.view(np.int64)
            differs = np.nonzero(got != wanted)[0]
            assert not len(differs), [(int(some[i]), got[i], wanted[i]) for i in differs[:5]]


def around_steps(rng):
    "Around each step of UTC, the second before it, and the day before that."
    for row in erfa.leap_seconds.get():
        step = since_epoch(row["year"], row["month"]) + round(float(row["tai_utc"]) * SECOND)
        for time in [step, step - SECOND, step - SECOND // 2, step - DAY, step - DAY - SECOND, step + DAY]:
            yield from range(time - 20, time + 21)
            yield from range(time - 1010, time + 1011, 10)
            yield from (time + micro * 1000 + 500 + off for micro in range(-6, 6) for off in (-1, 0, 1))
            yield from (time + rng.integers(-2 * SECOND, 2 * SECOND, 100)).tolist()


@pytest.mark.parametrize(
    "number, first, last",
    [
        (200000, 0, UNBOUNDED),
        (50000, since_epoch(1959, 12), since_epoch(1972, 2)),
        (50000, -(2**63), 2**63 - 1),
    ],
)
def test_random(connection, number, first, last):
    rng = np.random.default_rng([number, abs(first)])
    compare(connection, rng.integers(first, last, number, dtype=np.int64, endpoint=True))


def test_steps(connection):
    compare(connection, list(around_steps(np.random.default_rng(1))))


@pytest.mark.parametrize("ahead", [0, 10, 37])
def test_midnights(connection, ahead):
    "What may round up to the next day, and noon, where the two parts of a time change over."
    rng = np.random.default_rng(ahead)
    halves = rng.integers(2 * -3653, 2 * 47482, 10000) * (DAY // 2)
    compare(connection, halves + ahead * SECOND + rng.integers(-2000, 2001, len(halves)))


def test_halves(connection):
    "Half microseconds, which may go either way."
    rng = np.random.default_rng(2)
    compare(connection, rng.integers(0, UNBOUNDED // 1000, 50000) * 1000 + 500)


def test_ends(connection):
    edges = [-(2**63), 2**63 - 1, 0, UNBOUNDED, DAY, DAY // 2, -DAY, -DAY // 2]
    compare(connection, [t + off for t in edges for off in range(-3, 4) if -(2**63) <= t + off < 2**63])


@contextlib.contextmanager
def leap_seconds(added):
    "More leap seconds in ERFA, for a while; its own set() takes none that is left out."
    known = erfa.leap_seconds.get()
    try:
        erfa.ufunc.set_leap_seconds(np.concatenate([known, np.array(added, dtype=known.dtype)]))
        yield
    finally:
        erfa.ufunc.set_leap_seconds(known)


def test_table_is_erfas(connection):
    rows = connection.execute("SELECT extract(year FROM day)::int, extract(month FROM day)::int, tai_minus_utc"
                              " FROM catreg.leap_second ORDER BY day").fetchall()
    assert rows == [(y, m, int(s)) for y, m, s in erfa.leap_seconds.get().tolist() if y >= 1972]


def test_added(database, connection):
    "Leap seconds that are added, and one that is left out, in another session."
    added = [(2028, 1, 38), (2029, 7, 39), (2031, 7, 38), (2040, 1, 39)]
    rng = np.random.default_rng(3)
    times = rng.integers(since_epoch(2027, 1), UNBOUNDED, 20000)
    compare(connection, times)
    with psycopg.connect(database) as dba:
        for year, month, ahead in added:
            dba.execute("INSERT INTO catreg.leap_second VALUES (make_date(%s, %s, 1), %s)", [year, month, ahead])
        compare(connection, times)
        with leap_seconds(added):
            compare(dba, times)
        dba.commit()
        with leap_seconds(added):
            compare(connection, np.concatenate([times, list(around_steps(rng))]))
        dba.execute("DELETE FROM catreg.leap_second WHERE day > '2017-01-01'")
        dba.commit()
    compare(connection, times)
