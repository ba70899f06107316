"""What an ObsCore table of a Tiled catalog costs those who write the catalog, and who makes it.

Rows are made of scans, one node in twelve, of their metadata alone, or with their
paths, or with the files of the arrays, which then are the nodes.
"""

import json
import os
import statistics

import harness
import registration
import workload
from harness import ATTACHED

COLUMNS = {
    "dataproduct_type": "image", "calib_level": 1,
    "obs_id": {"metadata": "scan_id", "optional": True},
    "target_name": {"metadata": "sample", "optional": True},
}
SCANS = {"source": "tiled", "table_name": "obscore", "nodes": {"structure_families": ["container"]}, "columns": COLUMNS}
PATHS = {**SCANS, "columns": {**COLUMNS, "access_url": {"template": "https://tiled.example.org/api/v1/metadata/{url_path}"}}}
FILES = {
    **PATHS, "nodes": {"structure_families": ["array"]},
    "columns": {**PATHS["columns"], "access_estsize": {"node": "size"}, "access_format": {"node": "mimetype"}},
}

WAYS = {
    "no ObsCore table": None,
    "one of scans, by their metadata": SCANS,
    "one of scans, with their paths": PATHS,
    "one of arrays, with their paths and files": FILES,
}

# A scan with one array and its file, in a transaction each, as a client writes them.
INSERTS = """
    DO $$
    DECLARE scan int; node int; source int; asset int;
    BEGIN
        FOR i IN 1..{} LOOP
            INSERT INTO nodes (parent, key, structure_family, metadata, specs)
            VALUES (0, 'single' || i, 'container', '{{"scan_id": 1, "sample": "s"}}', '[]') RETURNING id INTO scan;
            COMMIT;
            INSERT INTO nodes (parent, key, structure_family, metadata, specs)
            VALUES (scan, 'det', 'array', '{{}}', '[]') RETURNING id INTO node;
            INSERT INTO data_sources (node_id, structure_id, mimetype, parameters, properties, management, structure_family)
            VALUES (node, (SELECT id FROM structures), 'image/tiff', '{{}}', '{{}}', 'external', 'array') RETURNING id INTO source;
            INSERT INTO assets (data_uri, is_directory, size) VALUES ('file://localhost/single' || i, false, 8388608) RETURNING id INTO asset;
            INSERT INTO data_source_asset_association (data_source_id, asset_id, parameter) VALUES (source, asset, 'data_uri');
            COMMIT;
        END LOOP;
    END $$
"""


def run(options):
    work = workload.Workload(os.path.join(harness.FOLDER, "published"), options.nodes)
    inserts = options.inserts // 10

    def measure(way):
        with harness.copy(ATTACHED) as database, harness.Session(database) as session:
            if WAYS[way]:
                session.run(f"SELECT catreg.create_obscore('{json.dumps(WAYS[way])}')")
            for statement in (registration.BATCH, *work.copy("batch")):
                session.run(statement)
            with harness.Cost(session) as register:
                session.run(registration.REGISTER)
            session.run("VACUUM ANALYZE")
            with harness.Cost(session) as single:
                session.run(INSERTS.format(inserts))
            if WAYS[way]:
                check(session, work, inserts, WAYS[way] is FILES)
        return register, single

    results = harness.rounds(options, WAYS, measure)
    harness.heading(f"An ObsCore table of a Tiled catalog: {work.counts['nodes']:,} nodes registered, {inserts:,} scans of one array by single inserts")
    harness.table(
        ["the catalog has", "register_nodes: backend CPU s", "a scan: backend CPU ms"],
        [
            (way, harness.spread([pair[0].cpu for pair in pairs]), harness.spread([pair[1].cpu / inserts * 1000 for pair in pairs], 3))
            for way, pairs in results.items()
        ],
    )
    unpublished, published = (
        [pair[0].cpu for pair in results[way]] for way in ("no ObsCore table", "one of arrays, with their paths and files")
    )
    harness.say()
    harness.say(f"register_nodes with a table of arrays / with none: {harness.ratio(statistics.median(published), statistics.median(unpublished))}")
    made_later(options, work)


def made_later(options, work):
    "create_obscore when all nodes are there."

    def measure(way):
        with harness.copy(ATTACHED) as database, harness.Session(database) as session:
            for statement in (registration.BATCH, *work.copy("batch"), registration.REGISTER):
                session.run(statement)
            costs = []
            for preparation in ("", "VACUUM ANALYZE"):
                if preparation:
                    session.run(preparation)
                with harness.Cost(session) as cost:
                    session.run(f"SELECT catreg.create_obscore('{json.dumps(WAYS[way])}')")
                costs.append(cost)
                check(session, work, 0, WAYS[way] is FILES)
                session.run("SELECT catreg.drop_obscore('obscore')")
        return costs

    results = harness.rounds(options, [way for way in WAYS if WAYS[way]], measure)
    harness.heading(f"create_obscore for {work.counts['nodes']:,} nodes that are there")
    harness.table(
        ["the table", "never analyzed: backend CPU s", "analyzed"],
        [(way, *(harness.spread([costs[i].cpu for costs in all_costs]) for i in range(2))) for way, all_costs in results.items()],
    )


def check(session, work, inserts, arrays):
    scans = work.scans * workload.ARRAYS if arrays else work.scans
    harness.expect("rows of ObsCore", session.run("SELECT count(*) FROM obscore")[0], scans + inserts)
    harness.expect("wrong rows of ObsCore", session.run("SELECT count(*) FROM catreg.check_obscore('obscore')")[0], 0)
