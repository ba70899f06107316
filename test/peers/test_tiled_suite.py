"""Tiled's own tests of a catalog on PostgreSQL, as they are and with catreg attached to every catalog."""

import os
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree

import pytest

HERE = os.path.dirname(__file__)

# The files of its suite whose tests make catalogs on PostgreSQL.
FILES = [
    f"tests/test_{name}.py"
    for name in ("catalog", "queries", "deep_search", "pagination", "mount_node", "access_control", "webhooks")
]

# Both runs together take about 330 s on two idle cores, 630 s on two that are busy.
LIMIT = 1500

pytestmark = pytest.mark.timeout(LIMIT + 100)


def start(folder, server_uri, attached):
    "Starts a run of the suite in a copy of its own."
    source = os.environ["CATREG_TILED_TESTS"]
    shutil.copytree(os.path.join(source, "tests"), folder / "tests")
    environment = {
        **os.environ,
        "TILED_TEST_POSTGRESQL_URI": server_uri,
        "HYPOTHESIS_STORAGE_DIRECTORY": str(folder / "hypothesis"),
        "CATREG_HOOK_LOG": str(folder / "hook.log"),
        "PYTHONPATH": HERE,
    }
    if attached:
        environment["PYTHONPATH"] = os.path.join(HERE, "hook") + os.pathsep + HERE
    return subprocess.Popen(
        [
            sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", "-o", "asyncio_mode=auto",
            "--timeout=120", "--junit-xml", "results.xml", "-k", "postgres", *FILES,
        ],
        cwd=folder, env=environment, stdin=subprocess.DEVNULL,
        stdout=open(folder / "output", "w"), stderr=subprocess.STDOUT,
    )


def outcomes(folder):
    "Each test's outcome: passed, or the kinds of what it reports instead."
    results = {}
    for case in xml.etree.ElementTree.parse(folder / "results.xml").iter("testcase"):
        name = f"{case.get('classname')}::{case.get('name')}"
        kinds = {child.tag for child in case} & {"failure", "error", "skipped"}
        results[name] = ",".join(sorted(kinds)) or "passed"
    return results


def wait(processes, folders):
    "Waits until both have ended; of runs that do not end, says how far they got."
    deadline = time.monotonic() + LIMIT
    while any(process.poll() is None for process in processes):
        if time.monotonic() > deadline:
            pytest.fail("\n".join(f"{folder.name}: {(folder / 'output').read_text()[-2000:]}" for folder in folders))
        time.sleep(1)


@pytest.fixture(scope="module")
def runs(server_uri, tmp_path_factory):
    "The folders of a plain run and of one with catreg; they run at the same time."
    folders = {way: tmp_path_factory.mktemp(way) for way in ("plain", "attached")}
    processes = [start(folder, server_uri, way == "attached") for way, folder in folders.items()]
    try:
        wait(processes, folders.values())
    finally:
        for process in processes:
            process.kill()
    for folder in folders.values():
        assert os.path.exists(folder / "results.xml"), (folder / "output").read_text()[-4000:]
    return folders["plain"], folders["attached"]


def test_outcomes_are_the_same(runs):
    plain, attached = map(outcomes, runs)
    different = {
        name: (plain.get(name), attached.get(name))
        for name in plain.keys() | attached.keys()
        if plain.get(name) != attached.get(name)
    }
    assert different == {}, (runs[1] / "output").read_text()[-20000:]


def test_all_pass(runs):
    "As many as Tiled has for PostgreSQL in these files; none fails in the plain run either."
    results = outcomes(runs[1])
    assert {name: outcome for name, outcome in results.items() if outcome not in ("passed", "skipped")} == {}
    assert sum(outcome == "passed" for outcome in results.values()) >= 140


def test_catalogs_were_attached_and_right(runs):
    "The comparison means something only if the catalogs of the second run did have catreg."
    lines = (runs[1] / "hook.log").read_text().splitlines()
    attached = {line.split()[1] for line in lines if line.startswith("attached")}
    checked = dict(line.removeprefix("checked ").split(": ", 1) for line in lines if line.startswith("checked"))
    # 66 with 0.2.20: many tests share a catalog.
    assert len(attached) >= 60
    assert checked.keys() == attached and set(checked.values()) == {"right"}
    assert not os.path.exists(runs[0] / "hook.log")
