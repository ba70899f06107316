"""Registers nodes with the real client of the Tiled version whose Python runs this.

register_http.py URL API_KEY < nodes.json, where the nodes are dicts in the
form of tiledkit.register_nodes, parents before their children.
"""

import json
import sys

from tiled.client import from_uri
from tiled.structures.core import Spec
from tiled.structures.data_source import DataSource, Management


def data_source(document):
    source = DataSource.from_json(document)
    source.management = Management(source.management)
    return source


url, api_key = sys.argv[1:]
root = from_uri(url, api_key=api_key)
containers = {"": root}
for node in json.load(sys.stdin):
    parent = containers[node["parent"]]
    client = parent.new(
        node["structure_family"],
        [data_source(document) for document in node.get("data_sources") or []],
        key=node["key"],
        metadata=node.get("metadata"),
        specs=[Spec(**spec) for spec in node.get("specs") or []],
    )
    if node["structure_family"] == "container":
        containers[f"{node['parent']}/{node['key']}".lstrip("/")] = client
