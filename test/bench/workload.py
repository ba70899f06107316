"""Scans, each a container with eleven arrays, in the text format of COPY.

Written as the finished rows of Tiled's tables, closure included, and as a batch
for catreg.register_nodes.
"""

import contextlib
import hashlib
import json
import os

ARRAYS = 11
NODES_A_SCAN = 1 + ARRAYS

# In the order of their foreign keys.
COLUMNS = {
    "nodes": "id, parent, key, structure_family, metadata, specs",
    "nodes_closure": "ancestor, descendant, depth",
    "structures": "id, structure",
    "data_sources": "id, node_id, structure_id, mimetype, parameters, properties, management, structure_family",
    "assets": "id, data_uri, is_directory, size",
    "data_source_asset_association": "data_source_id, asset_id, parameter, num",
    "batch": "parent, key, structure_family, metadata, specs, data_sources",
}

STRUCTURE = {
    "data_type": {"endianness": "little", "kind": "u", "itemsize": 2, "dt_units": None},
    "chunks": [[2048], [2048]],
    "shape": [2048, 2048],
    "dims": None,
    "resizable": False,
}


def scan_metadata(scan, large):
    if not large:
        return {"scan_id": scan, "plan_name": "count", "sample": f"s{scan % 97}"}
    return {
        "scan_id": scan,
        "plan_name": "count",
        "sample": f"sample-{scan % 97}",
        "start": {
            "uid": f"{scan:032x}", "time": 1700000000.5 + scan, "motors": ["x", "y"], "detectors": ["det1", "det2"],
        },
        "operator": "night shift",
        "notes": f"what the beamline scientist has to say of scan {scan}",
    }


def array_metadata(scan, array, large):
    if not large:
        return {"detector": f"det{array}", "exposure": 0.1 * array, "gain": array}
    return {
        "detector": f"det{array}",
        "exposure": 0.1 * array,
        "gain": array,
        "threshold_keV": 4.5,
        "frame": {"number": scan * ARRAYS + array, "units": "counts", "shape": [2048, 2048]},
        "calibration": {"file": f"det{array}_2026_03.poni", "distance_mm": 245.1, "pixel_um": [172, 172]},
        "comment": f"frames of scan {scan} by detector {array}, dark current not subtracted",
    }


def structure_id():
    return hashlib.md5(json.dumps(STRUCTURE, separators=(",", ":"), sort_keys=True).encode()).hexdigest()


def value(value):
    if value is None:
        return r"\N"
    if isinstance(value, (dict, list)):
        value = json.dumps(value)
    return str(value).replace("\\", r"\\")


class Workload:
    "Files in a folder, one a table, and what is in them."

    def __init__(self, folder, nodes, large=False, groups=0):
        "With groups, the scans are spread over so many containers below the root."
        self.folder = folder
        self.large = large
        self.counts = dict.fromkeys(COLUMNS, 0)
        self.metadata_bytes = 0
        self.scans = max(nodes // NODES_A_SCAN, 1)
        self.groups = groups
        os.makedirs(folder, exist_ok=True)
        with contextlib.ExitStack() as stack:
            self.files = {
                name: stack.enter_context(open(os.path.join(folder, name), "w")) for name in COLUMNS
            }
            self.write()

    def add(self, table, *values):
        self.files[table].write("\t".join(map(value, values)) + "\n")
        self.counts[table] += 1

    def add_node(self, above, parent_path, key, family, metadata, sources):
        "above: the ids of the ancestors, the nearest first. Returns the node's own."
        node = self.counts["nodes"] + 1
        self.metadata_bytes += len(json.dumps(metadata))
        self.add("nodes", node, above[0], key, family, metadata, [])
        self.add("batch", parent_path, key, family, metadata, [], sources)
        for depth, ancestor in enumerate([node, *above]):
            self.add("nodes_closure", ancestor, node, depth)
        return node

    def write(self):
        self.add("structures", structure_id(), STRUCTURE)
        groups = [
            (f"group_{g}", self.add_node([0], "", f"group_{g}", "container", {}, None)) for g in range(self.groups)
        ]
        for scan in range(self.scans):
            path, above = "", [0]
            if groups:
                path, group = groups[scan * self.groups // self.scans]
                above = [group, 0]
            self.write_scan(scan, path, above)

    def write_scan(self, scan, path, above):
        key = f"scan_{scan:06}"
        node = self.add_node(above, path, key, "container", scan_metadata(scan, self.large), None)
        path = f"{path}/{key}" if path else key
        for array in range(ARRAYS):
            self.write_array(scan, array, path, [node, *above])

    def write_array(self, scan, array, path, above):
        uri = f"file://localhost/data/2026/{scan // 100:04}/scan_{scan:06}/det_{array:02}.tif"
        source = {
            "structure_family": "array",
            "structure": STRUCTURE,
            "mimetype": "image/tiff",
            "parameters": {},
            "properties": {},
            "assets": [
                {"data_uri": uri, "is_directory": False, "size": 8388608, "parameter": "data_uri", "num": None}
            ],
            "management": "external",
        }
        node = self.add_node(above, path, f"det_{array:02}", "array", array_metadata(scan, array, self.large), [source])
        number = self.counts["assets"] + 1
        self.add("data_sources", number, node, structure_id(), "image/tiff", {}, {}, "external", "array")
        self.add("assets", number, uri, "f", 8388608)
        self.add("data_source_asset_association", number, number, "data_uri", None)

    def copy(self, *tables):
        "The COPY statements for some tables, or for all of Tiled's."
        return [
            f"COPY {table} ({columns}) FROM '{os.path.join(self.folder, table)}'"
            for table, columns in COLUMNS.items()
            if table in tables or (not tables and table != "batch")
        ]
