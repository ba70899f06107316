"""The demonstration's workload: scans, each a container with an array a detector.

It is written twice, as the finished rows of Tiled's tables and as a batch for
catreg.register_nodes, in the text format of COPY.
"""

import hashlib
import json
import os

# Name, type, shape, file format.
DETECTORS = [
    ("pilatus300k", ("i", 4), (619, 487), "tiff"),
    ("eiger4m", ("u", 4), (10, 2167, 2070), "hdf5"),
    ("eiger1m", ("u", 2), (20, 1065, 1030), "hdf5"),
    ("merlin", ("u", 2), (512, 512), "tiff"),
    ("andor_zyla", ("u", 2), (2160, 2560), "tiff"),
    ("xspress3_ch1", ("f", 8), (501, 4096), "hdf5"),
    ("xspress3_ch2", ("f", 8), (501, 4096), "hdf5"),
    ("sample_camera", ("u", 1), (1024, 1280), "tiff"),
    ("ion_chamber_i0", ("f", 8), (501,), "hdf5"),
    ("ion_chamber_it", ("f", 8), (501,), "hdf5"),
    ("motor_readback", ("f", 8), (501,), "hdf5"),
]

MIMETYPES = {"tiff": "image/tiff", "hdf5": "application/x-hdf5"}


def scan_key(scan):
    return f"scan_{scan:06}"


def scan_metadata(scan):
    return {
        "scan_id": scan,
        "plan_name": "grid_scan",
        "proposal": 312000 + scan % 40,
        "sample": {"name": f"LaB6-{scan % 100:02}", "temperature_K": 80 + scan % 220, "position": [scan % 17, scan % 13]},
        "motors": ["stage_x", "stage_y"],
        "detectors": [name for name, *_ in DETECTORS],
        "operator": "night shift",
    }


def array_metadata(scan, detector):
    return {
        "detector": detector,
        "description": f"frames of {detector} while stage_x and stage_y move, dark current not subtracted",
        "exposure_time_s": 0.05 + scan % 7 / 100,
        "gain": scan % 3,
        "threshold_keV": 4.5,
        "calibration": {"file": f"{detector}_2026_03.poni", "distance_mm": 245.1, "pixel_um": [172, 172]},
        "configuration": {"trigger": "external", "images_per_point": 1, "rois": 4},
    }


def structure(type_, shape):
    kind, itemsize = type_
    return {
        "data_type": {
            "endianness": "little" if itemsize > 1 else "not_applicable", "kind": kind, "itemsize": itemsize, "dt_units": None,
        },
        "chunks": [[n] for n in shape],
        "shape": list(shape),
        "dims": None,
        "resizable": False,
    }


def structure_id(document):
    "As Tiled makes it."
    return hashlib.md5(json.dumps(document, separators=(",", ":"), sort_keys=True).encode()).hexdigest()


def data_uri(folder, scan, detector, format_):
    return f"file://localhost{folder}/{scan_key(scan)}/{detector}.{'tif' if format_ == 'tiff' else 'h5'}"


def parameters(detector, format_):
    return {"dataset": f"entry/instrument/{detector}/data"} if format_ == "hdf5" else {}


SPECS = [{"name": "BlueskyRun", "version": "3.0"}]

# Tiled's tables in the order of their foreign keys, and the columns that a row needs.
COLUMNS = {
    "nodes": ("id", "parent", "key", "structure_family", "metadata", "specs"),
    "structures": ("id", "structure"),
    "data_sources": (
        "id", "node_id", "structure_id", "mimetype", "parameters", "properties", "management", "structure_family",
    ),
    "assets": ("id", "data_uri", "is_directory"),
    "data_source_asset_association": ("data_source_id", "asset_id", "parameter", "num"),
    "batch": ("parent", "key", "structure_family", "metadata", "specs", "data_sources"),
}


class Tables:
    "Files in the text format of COPY, one a table."

    def __init__(self, folder):
        self.files = {table: open(os.path.join(folder, table), "w") for table in COLUMNS}
        self.counts = dict.fromkeys(COLUMNS, 0)

    def add(self, table, *values):
        self.files[table].write("\t".join(map(copy_value, values)) + "\n")
        self.counts[table] += 1

    def close(self):
        for file in self.files.values():
            file.close()


def copy_value(value):
    if value is None:
        return r"\N"
    if isinstance(value, (dict, list)):
        value = json.dumps(value)
    return str(value).replace("\\", r"\\").replace("\t", r"\t").replace("\n", r"\n")


def write(folder, scans, data_folder):
    "Writes the workload into a folder; returns how many rows each table gets."
    tables = Tables(folder)
    structures = {detector: structure(type_, shape) for detector, type_, shape, _ in DETECTORS}
    for id_, document in {structure_id(document): document for document in structures.values()}.items():
        tables.add("structures", id_, document)
    array = 0
    for scan in range(scans):
        node = 1 + scan * (1 + len(DETECTORS))
        tables.add("nodes", node, 0, scan_key(scan), "container", scan_metadata(scan), SPECS)
        tables.add("batch", "", scan_key(scan), "container", scan_metadata(scan), SPECS, [])
        for number, (detector, _, _, format_) in enumerate(DETECTORS, 1):
            array += 1
            add_array(tables, array, node, node + number, scan, detector, format_, structures[detector], data_folder)
    tables.close()
    return tables.counts


def add_array(tables, array, parent, node, scan, detector, format_, document, data_folder):
    uri = data_uri(data_folder, scan, detector, format_)
    metadata = array_metadata(scan, detector)
    mimetype = MIMETYPES[format_]
    tables.add("nodes", node, parent, detector, "array", metadata, [])
    tables.add(
        "data_sources", array, node, structure_id(document), mimetype, parameters(detector, format_), {}, "external", "array",
    )
    tables.add("assets", array, uri, "f")
    tables.add("data_source_asset_association", array, array, "data_uri", None)
    tables.add("batch", scan_key(scan), detector, "array", metadata, [], [{
        "structure_family": "array",
        "structure": document,
        "mimetype": mimetype,
        "parameters": parameters(detector, format_),
        "properties": {},
        "assets": [{"data_uri": uri, "is_directory": False, "parameter": "data_uri", "num": None}],
        "management": "external",
    }])
