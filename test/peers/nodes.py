"""Nodes of every kind that a registration can bring, in the form of Tiled's HTTP request."""


def dtype(kind="f", itemsize=8, units=None):
    return {"endianness": "little", "kind": kind, "itemsize": itemsize, "dt_units": units}


def array(shape, chunks=None, **more):
    return {
        "data_type": dtype(),
        "chunks": chunks or [[n] for n in shape],
        "shape": list(shape),
        "dims": None,
        "resizable": False,
        **more,
    }


def asset(uri, parameter="data_uri", num=None, is_directory=False, size=None):
    return {
        "data_uri": f"file://localhost/data/{uri}",
        "is_directory": is_directory,
        "parameter": parameter,
        "num": num,
        "id": None,
        "size": size,
    }


def source(structure, assets, family="array", mimetype="application/x-hdf5", **more):
    return {
        "structure_family": family,
        "structure": structure,
        "id": None,
        "mimetype": mimetype,
        "parameters": {},
        "properties": {},
        "assets": assets,
        "management": "external",
        **more,
    }


def node(parent, key, family="container", metadata=None, specs=None, data_sources=None):
    return {
        "parent": parent,
        "key": key,
        "structure_family": family,
        "metadata": metadata or {},
        "specs": specs or [],
        "data_sources": data_sources or [],
    }


STRUCTURED = {
    "itemsize": 12,
    "fields": [
        {"name": "x", "dtype": dtype(), "shape": None},
        {"name": "é", "dtype": dtype("i", 4), "shape": None},
    ],
}

TABLE = {
    "arrow_schema": "data:application/vnd.apache.arrow.file;base64,/////3gAAAAQAAAAAAAKAAwABgAFAAgACgA=",
    "npartitions": 3,
    "columns": ["a", "b c", "ü"],
    "resizable": False,
}

METADATA = {
    "plan": "scan",
    "sample": {"name": "Käfer \U0001f41e", "tags": ["a", "b"], "none": None, "true": True},
    "numbers": [0, -1, 1.5, 1e16, 1e-7, 12345678901234567890, 0.1],
    "text": 'quotes " and \\ and \t and /',
}


def one_of_each():
    "Parents come before their children."
    return [
        node("", "run-1", metadata=METADATA, specs=[{"name": "BlueskyRun", "version": "1.0"}]),
        node("", "run-2"),
        node("run-1", "primary", specs=[{"name": "stream", "version": None}]),
        node("run-1/primary", "deep", metadata={"level": 3}),
        node("run-1/primary/deep", "deeper", metadata={"level": 4}),
        # One file.
        node("run-1/primary", "image", "array", METADATA, [{"name": "image", "version": None}], [
            source(array([5, 7]), [asset("image.h5", size=4096)], parameters={"dataset": "entry/data", "swmr": True}),
        ]),
        # A stack of files, and the chunks of its parts.
        node("run-1/primary", "stack", "array", data_sources=[
            source(
                array([4, 10, 12], [[1, 1, 1, 1], [10], [12]], dims=["t", "y", "x"], resizable=[True, False, False]),
                [asset(f"stack/{i:04}.tif", "data_uris", i, size=100 + i) for i in range(4)],
                mimetype="multipart/related;type=image/tiff",
                properties={"chunks": [[1, 1, 1, 1], [10], [12]], "scale": 0.5},
            ),
        ]),
        # Two parameters.
        node("run-1/primary", "two", "array", data_sources=[
            source(array([3]), [asset("first.h5", "first"), asset("second.h5", "second", 0), asset("third.h5", "second", 1)]),
        ]),
        # A folder.
        node("run-1/primary", "zarr", "array", data_sources=[
            source(array([6]), [asset("array.zarr", is_directory=True)], mimetype="application/x-zarr"),
        ]),
        # The structure of run-1/primary/image, and its file.
        node("run-2", "same", "array", data_sources=[source(array([5, 7]), [asset("image.h5", size=4096)])]),
        # The same file with a size that has changed since.
        node("run-2", "grown", "array", data_sources=[source(array([6, 7]), [asset("image.h5", size=8192)])]),
        # No dimensions; units of time; a record type.
        node("run-2", "scalar", "array", data_sources=[source(array([]), [asset("scalar.h5")])]),
        node("run-2", "time", "array", data_sources=[
            source(array([2], data_type=dtype("M", 8, "[ns]")), [asset("time.h5")]),
        ]),
        node("run-2", "records", "array", data_sources=[
            source(array([2], data_type=STRUCTURED), [asset("records.h5")]),
        ]),
        node("run-2", "table", "table", data_sources=[
            source(TABLE, [asset(f"part-{i}.csv", "data_uris", i) for i in range(3)], "table", "text/csv"),
        ]),
        # A container that is one file.
        node("run-2", "file", "container", data_sources=[
            source(None, [asset("whole.h5")], "container"),
        ]),
        # Nothing but a name.
        node("run-2", "empty-ключ", "container"),
    ]
