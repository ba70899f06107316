"""Runs the benchmarks; ./run prepares a server and the environment."""

import argparse
import datetime
import os
import subprocess

import closure
import deletion
import find_first
import harness
import ingest
import mirror
import obscore
import published
import registration
import scale
import search_paths
import sky
import subscriber

BENCHMARKS = {
    "closure": closure.run, "registration": registration.run, "deletion": deletion.run, "scale": scale.run, "sky": sky.run,
    "obscore": obscore.run, "ingest": ingest.run, "search_paths": search_paths.run, "find_first": find_first.run,
    "mirror": mirror.run, "subscriber": subscriber.run, "published": published.run,
}


def numbers(text):
    return [int(part) for part in text.split(",")]


def parse():
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--nodes", type=int, default=120000)
    parser.add_argument("--inserts", type=int, default=20000)
    parser.add_argument("--big", type=int, default=1000000)
    parser.add_argument("--footprints", type=int, default=1000000)
    parser.add_argument("--put", type=int, default=2500)
    parser.add_argument("--datasets", type=int, default=100000)
    parser.add_argument("--collections", type=int, default=100000)
    parser.add_argument("--members", type=int, default=2000)
    parser.add_argument("--chain", type=int, default=1000)
    parser.add_argument("--catalogs", type=numbers, default=[20000, 200000, 2000000])
    return parser.parse_args()


def cpu_model():
    with open("/proc/cpuinfo") as file:
        for line in file:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return "unknown"


def print_head():
    with harness.Session("postgres") as session:
        (version,) = session.run("SHOW server_version")
        settings = session.run(
            "SELECT name || ' = ' || current_setting(name) FROM pg_settings"
            " WHERE name IN ('shared_buffers', 'work_mem', 'maintenance_work_mem', 'max_wal_size', 'fsync')"
        )
    tiled = subprocess.run(
        [os.path.join(os.path.dirname(harness.TILED), "python"), "-c", "import tiled; print(tiled.__version__)"],
        check=True, capture_output=True, text=True,
    ).stdout.strip()
    changed = os.environ["CATREG_BENCH_SETTINGS"].replace(",", ", ")
    harness.say(f"- date: {datetime.date.today().isoformat()}")
    harness.say(f"- command: `{os.environ['CATREG_BENCH_COMMAND'].strip()}`")
    harness.say(f"- PostgreSQL {version}, Tiled {tiled}")
    harness.say(f"- machine: {cpu_model()}, {os.cpu_count()} CPUs")
    harness.say(f"- settings in force: {', '.join(settings)}")
    harness.say(f"- settings changed: {changed or 'unknown, the server was given'}")
    harness.say("- figures: median (minimum-maximum) of interleaved runs, each on a fresh copy of a database after a CHECKPOINT")


def main():
    options = parse()
    print_head()
    with harness.catalogs():
        for name in options.names or BENCHMARKS:
            BENCHMARKS[name](options)


if __name__ == "__main__":
    main()
