"""Random batches, conflicts and deletions, against a model in Python.

The model knows paths and what they have; the structures' ids come from Tiled's
own function. Each step is done to both, and then the whole catalog is compared.
"""

import json
import random

import psycopg
import pytest
from tiled.catalog.utils import compute_structure_id

import nodes
import tiledkit

KEYS = ["a", "b", "c", "é", "a b", '"', "\\", "日本", "%", "x" * 300]
SPECS = [[], [{"name": "s", "version": None}], [{"name": "s", "version": "1"}, {"name": "t", "version": None}]]
METADATA = [{}, {"a": 1}, {"b": [1, 2.5, None, "é"], "c": {"d": True}}, {"long": "x" * 9000}]


class Model:
    "A catalog: for each path its metadata, specs and sources; the sizes of assets."

    def __init__(self):
        self.nodes = {}
        self.sizes = {}
        self.revisions = {}

    def below(self, path):
        return {p for p in self.nodes if p == path or p.startswith(path + "/")}

    def register(self, batch, on_conflict):
        "The statuses that the batch has to get; None where it has to be refused."
        paths = [path_of(node) for node in batch]
        known = set(self.nodes) | set(paths) | {""}
        if any(node["parent"] not in known for node in batch):
            return None
        if on_conflict != "ignore" and len(set(paths)) < len(paths):
            return None
        if on_conflict == "error" and set(paths) & set(self.nodes):
            return None
        statuses = []
        for path, node in zip(paths, batch):
            old = self.nodes.get(path)
            if old is None:
                self.nodes[path] = dict(node)
                for source in node["data_sources"]:
                    for asset in source["assets"]:
                        if asset["size"] is not None or asset["data_uri"] not in self.sizes:
                            self.sizes[asset["data_uri"]] = asset["size"]
                statuses.append("inserted")
            elif on_conflict == "ignore":
                statuses.append("existing")
            else:
                self.revisions[path] = self.revisions.get(path, 0) + 1
                self.nodes[path] = {**old, "metadata": node["metadata"], "specs": node["specs"]}
                statuses.append("replaced")
        return statuses

    def assets_of(self, paths):
        return {a["data_uri"] for p in paths for s in self.nodes[p]["data_sources"] for a in s["assets"]}

    def structures_of(self, paths):
        return {structure_id(s) for p in paths for s in self.nodes[p]["data_sources"]}

    def delete(self, paths):
        "How many nodes, assets and structures go in all."
        gone = set().union(*(self.below(path) for path in paths))
        kept = set(self.nodes) - gone
        assets = self.assets_of(gone) - self.assets_of(kept)
        structures = self.structures_of(gone) - self.structures_of(kept)
        for path in gone:
            del self.nodes[path]
            self.revisions.pop(path, None)
        for uri in assets:
            del self.sizes[uri]
        return len(gone), len(assets), len(structures)

    def contents(self):
        uses = [
            (path, asset["data_uri"], asset["parameter"], asset["num"])
            for path, node in self.nodes.items() for source in node["data_sources"] for asset in source["assets"]
        ]
        return {
            "nodes": sorted((p, n["structure_family"], canonical(n["metadata"]), canonical(n["specs"])) for p, n in self.nodes.items()),
            "sources": sorted((p, structure_id(s)) for p, n in self.nodes.items() for s in n["data_sources"]),
            "structures": sorted(self.structures_of(self.nodes)),
            "assets": sorted(self.sizes.items()),
            "uses": sorted(uses, key=repr),
            "revisions": sorted(self.revisions.items()),
        }


QUERIES = {
    "nodes": "SELECT path, structure_family::text, metadata, specs FROM nodes JOIN paths USING (id)",
    "sources": "SELECT path, structure_id FROM data_sources s JOIN paths p ON p.id = s.node_id",
    "structures": "SELECT id FROM structures",
    "assets": "SELECT data_uri, size FROM assets",
    "uses": tiledkit.CONTENTS["data_source_asset_association"],
    "revisions": "SELECT path, max(revision_number) FROM revisions JOIN paths p ON p.id = node_id GROUP BY 1",
}


def canonical(value):
    return json.dumps(value, sort_keys=True)


def structure_id(source):
    return compute_structure_id(source["structure"])


def path_of(node):
    return f"{node['parent']}/{node['key']}".lstrip("/")


def contents(connection):
    found = {name: connection.execute(tiledkit.PATHS + query).fetchall() for name, query in QUERIES.items()}
    found["nodes"] = sorted((p, f, canonical(m), canonical(s)) for p, f, m, s in found["nodes"])
    found["structures"] = sorted(id for id, in found["structures"])
    for name in ("sources", "assets", "revisions"):
        found[name].sort()
    found["uses"].sort(key=repr)
    return found


def random_source(dice):
    n = dice.choice([0, 1, 1, 2, 3])
    uris = dice.sample(range(60), n)
    assets = [nodes.asset(uris[i], "data_uris", i, size=dice.choice([None, 1, 2**40])) for i in range(n)]
    return nodes.source(nodes.array([dice.randint(1, 12)]), assets)


def random_batch(dice, model):
    "Nodes below old ones and one another, in any order; now and then a parent that is not there."
    parents = dice.sample(sorted(model.nodes), min(len(model.nodes), 5)) + [""]
    batch = []
    for _ in range(dice.choice([1, 3, 10, 40])):
        parent = dice.choice(parents)
        key = dice.choice(KEYS) + dice.choice(["", str(dice.randint(0, 30))])
        family = dice.choice(["container", "array"])
        node = nodes.node(parent, key, family, dice.choice(METADATA), dice.choice(SPECS),
                          [random_source(dice)] if family == "array" else [])
        if path_of(node) in map(path_of, batch) and dice.random() < 0.9:
            continue
        batch.append(node)
        parents.append(path_of(node))
    if dice.random() < 0.1:
        batch.append(nodes.node("not/there", "x"))
    dice.shuffle(batch)
    return batch


@pytest.mark.parametrize("seed", range(4))
def test_random(catalog, seed):
    dice = random.Random(seed)
    model = Model()
    uri = catalog()
    refused = 0
    tiledkit.attach(uri)
    with psycopg.connect(uri, autocommit=True) as connection:
        for step in range(60):
            connection.execute("SELECT set_config('catreg.fk_check', %s, false)", [dice.choice(["set", "set", "row"])])
            if model.nodes and dice.random() < 0.3:
                paths = dice.sample(sorted(model.nodes), min(dice.choice([1, 1, 3]), len(model.nodes)))
                answer = connection.execute(
                    "SELECT sum(nodes), sum(assets), sum(structures) FROM catreg.delete_nodes(%s)", [paths]
                ).fetchone()
                assert tuple(map(int, answer)) == model.delete(paths), (seed, step, paths)
            else:
                batch = random_batch(dice, model)
                on_conflict = dice.choice(["error", "ignore", "ignore", "replace"])
                expected = model.register(batch, on_conflict)
                if expected is None:
                    refused += 1
                    with pytest.raises((psycopg.errors.UniqueViolation, psycopg.errors.ForeignKeyViolation)):
                        tiledkit.register_nodes(connection, batch, on_conflict)
                else:
                    answer = tiledkit.register_nodes(connection, batch, on_conflict)
                    assert [(path, status) for path, _, status in answer] == list(zip(map(path_of, batch), expected)), (seed, step)
            assert contents(connection) == model.contents(), (seed, step)
            assert connection.execute(tiledkit.ORACLE).fetchall() == [], (seed, step)
    assert refused > 0
