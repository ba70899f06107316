#!/usr/bin/env python3
"""Compares what the C code says of regions with sphgeom's answers (TAP).

usage: sky_vectors_test.py CLI VECTORS

CLI is the program made of region_cli.c, VECTORS the file region_vectors.json;
all is skipped where that is not there. Areas of polygons are compared with
rational arithmetic: sphgeom's own lose their digits where a polygon is small.
"""

import json
import math
import os
import subprocess
import sys
from fractions import Fraction

NUMBER = 0


def ok(passed, name, notes=()):
    global NUMBER
    NUMBER += 1
    print(f"{'' if passed else 'not '}ok {NUMBER} - {name}")
    for note in list(notes)[:20]:
        print(f"# {note}")
    return passed


def cross(a, b):
    return (a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0])


def dot(a, b):
    return sum(x * y for x, y in zip(a, b))


def area_of(vertices):
    """A polygon's area: of each triangle tan(area / 2) is rational, but for lengths."""
    v = [[Fraction(x) for x in vertex] for vertex in vertices]

    def root(x):
        """A root to 40 digits."""
        return Fraction(math.isqrt(x.numerator * 10**80 // x.denominator), 10**40)

    length = [root(dot(a, a)) for a in v]
    area = 0.0
    for i in range(1, len(v) - 1):
        a, b, c = v[0], v[i], v[i + 1]
        la, lb, lc = length[0], length[i], length[i + 1]
        determinant = dot(a, cross(b, c))
        rest = la * lb * lc + dot(a, b) * lc + dot(b, c) * la + dot(c, a) * lb
        area += 2 * math.atan2(determinant, rest)
    return area + 4 * math.pi if area < 0 else area


def main():
    cli, path = sys.argv[1:3]
    if not os.path.exists(path):
        print(f"1..0 # SKIP {path} is not there")
        return 0
    with open(path) as file:
        vectors = json.load(file)["vectors"]
    lines = []
    for v in vectors:
        points = " ".join(f"{lon!r} {lat!r}" for lon, lat, _ in v.get("contains", []))
        lines.append(f"{v['hex'] or '-'} {points}")
    # sphgeom writes an empty circle's radius as -1 radian, which is no circle's
    texts = [
        (v, v[key]) for v in vectors for key in ("ivoa_pos", "stcs")
        if v["ok"] and isinstance(v.get(key), str) and not v["bounding_circle"]["empty"]
    ]
    lines += [f"t {text}" for _, text in texts]
    run = subprocess.run(
        [cli], input="\n".join(lines) + "\n", capture_output=True, text=True, timeout=300
    )
    answers = [line.split("\t") for line in run.stdout.splitlines()]
    passed = ok(
        run.returncode == 0 and len(answers) == len(lines) and not run.stderr,
        "every line is answered", run.stderr.splitlines())
    if not passed:
        print("1..1")
        return 1

    wrong = {what: [] for what in (
        "ok", "encoding", "empty", "circle", "area", "box3d", "contains", "s_region", "again")}
    written = []
    for v, a in zip(vectors, answers):
        name = v["name"]
        if (a[0] == "ok") != v["ok"]:
            wrong["ok"].append(f"{name}: {a}")
        if a[0] != "ok" or not v["ok"]:
            continue
        _, same, empty, circle, area, bounds, contains, six, text, _ = a
        circle = [float.fromhex(x) for x in circle.split()]
        area = float.fromhex(area)
        bounds = [float.fromhex(x) for x in bounds.split()]
        written.append((v, text))
        if same != "1":
            wrong["encoding"].append(name)
        if "empty" in v and v["empty"] != (empty == "1"):
            wrong["empty"].append(name)

        expected = v["bounding_circle"]
        if expected["empty"]:
            good = circle[3] < 0
        elif expected["full"]:
            good = circle[3] >= 4
        else:
            good = circle == [*expected["center_xyz"], expected["squared_chord"],
                              expected["opening_deg"]]
        if not good:
            wrong["circle"].append(f"{name}: {circle}, expected {expected}")

        if v["type"] == "ConvexPolygon":
            numbers = memoryview(bytes.fromhex(v["hex"])[1:]).cast("d").tolist()
            expected = area_of([numbers[i:i + 3] for i in range(0, len(numbers), 3)])
        else:
            expected = v["area_sr"]
        if expected is not None and area >= 0 and abs(area - expected) > 1e-9 * expected:
            wrong["area"].append(f"{name}: {area}, expected {expected}")

        for axis, interval in enumerate(v["box3d"]):
            if interval == "empty":
                continue
            low, high = interval[:2]
            if abs(bounds[2 * axis] - low) > 2e-8 or abs(bounds[2 * axis + 1] - high) > 2e-8:
                wrong["box3d"].append(f"{name}: {bounds}, expected {v['box3d']}")
                break
        expected = "".join("1" if inside else "0" for _, _, inside in v["contains"])
        if contains != expected:
            wrong["contains"].append(f"{name}: {contains}, expected {expected}")
        expected = (v.get("obscore") or {}).get("s_region")
        if expected is not None and six != expected:
            wrong["s_region"].append(f"{name}: {six}, expected {expected}")

    run = subprocess.run(
        [cli], input="".join(f"t {text}\n" for _, text in written), capture_output=True,
        text=True, timeout=300)
    for (v, text), line in zip(written, run.stdout.splitlines()):
        a = line.split("\t")
        # an ellipse's text, and those of the empty and full, do not say all
        exact = "ELLIPSE" not in text and "EMPTY" not in text and "ALLSKY" not in text
        if a[0] != "ok" or (exact and a[9] != v["hex"]):
            wrong["again"].append(f"{v['name']}: {text}: {a}")

    count = sum(v["ok"] for v in vectors)
    ok(not wrong["ok"], f"{count} of {len(vectors)} encodings are accepted, the others refused", wrong["ok"])
    ok(not wrong["encoding"], "what was read is written as it was", wrong["encoding"])
    ok(not wrong["empty"], "the empty are empty", wrong["empty"])
    ok(not wrong["circle"], "bounding circles, bit for bit", wrong["circle"])
    ok(not wrong["area"], "areas", wrong["area"])
    ok(not wrong["box3d"], "bounding boxes in space", wrong["box3d"])
    ok(not wrong["contains"], "points inside", wrong["contains"])
    ok(not wrong["s_region"], "text with six decimals", wrong["s_region"])
    ok(not wrong["again"] and len(run.stdout.splitlines()) == len(written),
       "the text of each is read as what was written", wrong["again"])
    refused = [f"{v['name']}: {text}: {a}" for (v, text), a in
               zip(texts, answers[len(vectors):]) if a[0] != "ok"]
    ok(not refused, f"{len(texts)} IVOA texts are read", refused)
    print(f"1..{NUMBER}")
    return 1 if refused or any(wrong.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
