#!/usr/bin/env python3
"""Compares the C reader and writer of canonical JSON with Python's own (TAP).

usage: canonical_json_oracle.py CLI VECTORS [COUNT [SEED]]

CLI is the program made of canonical_json_cli.c, VECTORS the file
structure_vectors.json; a test of it is skipped where that is not there. The
reference is what Tiled's compute_structure_id does, in the standard library's
terms. A document is any bytes: both must refuse it, or both accept it and
write the same text.
"""

import hashlib
import json
import os
import random
import struct
import subprocess
import sys

MAX_DEPTH = 1000
BATCH = 2000


class Refused(ValueError):
    pass


def refuse(_):
    raise Refused("no JSON")


def check_strings(value):
    """Lone surrogates are refused even where a later key overrides them."""
    todo = [value]
    while todo:
        value = todo.pop()
        if isinstance(value, str):
            value.encode("utf-8")
        elif isinstance(value, list):
            todo.extend(value)


def members(pairs):
    for key, value in pairs:
        check_strings(key)
        check_strings(value)
    return dict(pairs)


def depth_of(text):
    """The deepest nesting of a document that is known to be well formed."""
    depth = deepest = 0
    in_string = escaped = False
    for c in text:
        if in_string:
            if escaped:
                escaped = False
            elif c == "\\":
                escaped = True
            elif c == '"':
                in_string = False
        elif c == '"':
            in_string = True
        elif c in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif c in "]}":
            depth -= 1
    return deepest


def reference(document):
    """The canonical text in UTF-8, or None where the document is refused."""
    try:
        text = document.decode("utf-8")
        value = json.loads(text, parse_constant=refuse, object_pairs_hook=members)
        check_strings(value)
        if depth_of(text) > MAX_DEPTH:
            return None
        return json.dumps(
            value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), sort_keys=True
        ).encode("utf-8")
    except ValueError:
        return None


def ask(cli, documents):
    """The CLI's answers, None for a document that it refuses."""
    request = b"".join(b"%d\n%s" % (len(d), d) for d in documents)
    done = subprocess.run([cli], input=request, stdout=subprocess.PIPE)
    if done.returncode != 0:
        raise RuntimeError("%s ended with status %d" % (cli, done.returncode))
    answers, at, out = [], 0, done.stdout
    for _ in documents:
        end = out.index(b"\n", at)
        words = out[at:end].split(b" ")
        at = end + 1
        if words[0] == b"ok":
            length = int(words[1])
            answers.append(out[at : at + length])
            at += length + 1
        else:
            answers.append(None)
    if at != len(out):
        raise RuntimeError("more answers than documents")
    return answers


class Documents:
    """Random documents, well formed and not."""

    def __init__(self, rng):
        self.rng = rng

    def space(self):
        if self.rng.random() < 0.85:
            return ""
        return "".join(self.rng.choice(" \t\n\r") for _ in range(self.rng.randint(1, 3)))

    def character(self):
        r = self.rng.random()
        if r < 0.5:
            return chr(self.rng.randint(0x20, 0x7F))
        if r < 0.6:
            return chr(self.rng.randint(0, 0x1F))
        if r < 0.7:
            return chr(self.rng.randint(0x80, 0x7FF))
        if r < 0.8:
            return self.rng.choice("\"\\/\b\f\n\r\t\x00\x7f\x80\u2028\u2029\ud7ff\ue000\uffff\U00010000\U0010ffff")
        if r < 0.9:
            c = self.rng.randint(0x800, 0xFFFF)
            return chr(c if not 0xD800 <= c <= 0xDFFF else c - 0x1000)
        return chr(self.rng.randint(0x10000, 0x10FFFF))

    def hex4(self, unit):
        return "".join(self.rng.choice((c, c.upper())) for c in "\\u%04x" % unit).replace("\\U", "\\u")

    def escaped(self, c):
        """One of the ways to write a character in a string."""
        short = {'"': '\\"', "\\": "\\\\", "/": "\\/", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
        if c in short and self.rng.random() < 0.7:
            return short[c]
        if ord(c) >= 0x20 and c not in '"\\' and self.rng.random() < 0.7:
            return c
        units = struct.unpack("<%dH" % (1 if ord(c) < 0x10000 else 2), c.encode("utf-16-le"))
        return "".join(self.hex4(u) for u in units)

    def string(self):
        length = self.rng.choice((0, 1, 1, 2, 3, 8, 30))
        return '"%s"' % "".join(self.escaped(self.character()) for _ in range(length))

    def key(self, seen):
        r = self.rng.random()
        if seen and r < 0.2:
            return self.rng.choice(seen)
        if r < 0.7:
            return '"%s"' % "".join(self.escaped(self.rng.choice("abA_1")) for _ in range(self.rng.randint(0, 3)))
        return self.string()

    def digits(self, n):
        return "".join(self.rng.choice("0123456789") for _ in range(n))

    def integer(self):
        r = self.rng.random()
        sign = self.rng.choice(("", "-"))
        if r < 0.5:
            return sign + str(self.rng.randint(0, 300))
        if r < 0.97:
            return sign + str(self.rng.getrandbits(self.rng.randint(1, 300)))
        return sign + self.rng.choice("123456789") + self.digits(self.rng.choice((50, 4298, 4299, 4300, 4301)))

    def from_bits(self):
        """Any finite double at all, its exponent evenly spread."""
        while True:
            value = struct.unpack("<d", struct.pack("<Q", self.rng.getrandbits(64)))[0]
            if value == value and abs(value) != float("inf"):
                return value

    def midpoint(self):
        """The exact text of the midpoint of two doubles, or a hair off it."""
        bits = self.rng.getrandbits(63) % 0x7FE0000000000000
        if self.rng.random() < 0.5:
            # where midpoints are short decimals
            bits = struct.unpack("<Q", struct.pack("<d", 10.0 ** self.rng.uniform(15, 41)))[0]
        exponent, mantissa = bits >> 52, bits & ((1 << 52) - 1)
        if exponent:
            mantissa |= 1 << 52
        else:
            exponent = 1
        power = exponent - 1075 - 1
        whole = (2 * mantissa + 1) * (2**power if power > 0 else 5**-power)
        digits, shift = str(whole), min(power, 0)
        r = self.rng.random()
        if r < 0.3:
            digits, shift = digits + "0" * 30 + "1", shift - 31
        elif r < 0.6:
            digits = str(whole - 1) if r < 0.45 else str(whole * 10**30 - 1)
            shift -= 0 if r < 0.45 else 30
        return "%se%d" % (digits, shift)

    def short_midpoint(self):
        """A double that a shorter decimal stands for on the midpoint's tie."""
        power = self.rng.randint(1, 23)
        odd = self.rng.randrange(2**53 // 5**power | 1, max(2**54 // 5**power, 3) + 2, 2)
        value = float(odd * 5**power * 2 ** self.rng.randint(0, 60))
        return repr(value) if self.rng.random() < 0.5 else "%.20e" % value

    def power_of_two(self):
        value = 2.0 ** self.rng.randint(-1074, 1023)
        bits = struct.unpack("<Q", struct.pack("<d", value))[0] + self.rng.choice((-1, 0, 0, 1))
        return struct.unpack("<d", struct.pack("<Q", max(bits, 0)))[0]

    def float(self):
        sign = self.rng.choice(("", "", "-"))
        kind = self.rng.randint(0, 12)
        e = self.rng.choice("eE")
        if kind == 0:
            return repr(self.from_bits())
        if kind == 1:
            return sign + "%.*e" % (self.rng.randint(0, 40), abs(self.from_bits()))
        if kind == 2:
            return sign + self.midpoint()
        if kind == 3:
            return sign + self.short_midpoint()
        if kind == 4:
            return sign + repr(self.power_of_two())
        if kind == 5:
            return sign + "%.*f" % (self.rng.randint(1, 20), self.rng.uniform(0, 10 ** self.rng.randint(0, 20)))
        if kind == 6:
            return "%s%d%s%d" % (sign, self.rng.randint(0, 1000), e, self.rng.randint(-340, 320))
        if kind == 7:
            return "%s1%s%s%d" % (sign, e, self.rng.choice(("", "+", "+00")), self.rng.randint(14, 24))
        if kind == 8:
            return "%s0.%s%s" % (sign, "0" * self.rng.randint(0, 8), self.digits(self.rng.randint(1, 18)))
        if kind == 9:
            return sign + self.rng.choice(
                (
                    "0.0", "0e0", "0e99999999999999999999", "0.000e-5", "5e-324", "2.4703282292062327e-324",
                    "2.4703282292062328e-324", "2.2250738585072014e-308", "2.2250738585072011e-308",
                    "1.7976931348623157e308", "1.7976931348623158e308", "1.7976931348623159e308", "1e309", "1e400",
                    "1e99999999999999999999", "1e-99999999999999999999", "1e-400", "1e22", "1e23", "1e16", "1e15",
                    "9007199254740993.0", "9007199254740992.0", "9007199254740991.5", "123456789012345680.0",
                    "0.0001", "0.00001", "0.00009999999999999999", "9999999999999999.0", "99999999999999990.0",
                )
            )
        if kind == 10:
            n = self.rng.choice((20, 400, 799, 800, 801, 2000))
            return "%s%d.%s%s%d" % (sign, self.rng.randint(0, 99), self.digits(n), e, self.rng.randint(-320, 320))
        if kind == 11:
            n = self.rng.randint(1, 1500)
            shift = self.rng.choice((-n, -n - 3, -n + 300, -n - 320))
            return "%s%d%s%s%d" % (sign, self.rng.randint(1, 99999), "0" * n, e, shift)
        n = self.rng.randint(1, 1500)
        return "%s0.%s%d%s%d" % (sign, "0" * n, self.rng.randint(1, 99999), e, self.rng.choice((n, n + 308, n - 320)))

    def value(self, depth):
        r = self.rng.random()
        if depth <= 0 or r < 0.45:
            r = self.rng.random()
            if r < 0.15:
                return self.rng.choice(("null", "true", "false"))
            if r < 0.35:
                return self.string()
            if r < 0.6:
                return self.integer()
            return self.float()
        n = self.rng.choice((0, 1, 2, 3, 5, 8))
        if self.rng.random() < 0.02:
            n = self.rng.randint(15, 60)
            depth = min(depth, 1)
        if r < 0.7:
            parts = [self.space() + self.value(depth - 1) + self.space() for _ in range(n)]
            return "[%s]" % (",".join(parts) if parts else self.space())
        seen, parts = [], []
        for _ in range(n):
            seen.append(self.key(seen))
            parts.append("".join((self.space(), seen[-1], self.space(), ":", self.space(), self.value(depth - 1), self.space())))
        return "{%s}" % (",".join(parts) if parts else self.space())

    def nested(self):
        n = self.rng.choice((10, 100, 998, 999, 1000, 1001, 1002, 3000))
        opening = [self.rng.choice(("[", '{"a":', '[0,{"b":', "[[],")) for _ in range(n)]
        total, parts = 0, []
        for part in opening:
            if total + part.count("[") - part.count("[]") + part.count("{") > n:
                part = "["
            if total >= n:
                break
            total += part.count("[") - part.count("[]") + part.count("{")
            parts.append(part)
        closing = "".join({"[": "]", "{": "}"}[c] for c in reversed("".join(parts).replace("[]", "")) if c in "[{")
        return "".join(parts) + self.rng.choice(("1", "[]", "1.5")) + closing

    def well_formed(self):
        if self.rng.random() < 0.01:
            return self.nested().encode("utf-8")
        return (self.space() + self.value(self.rng.randint(0, 5)) + self.space()).encode("utf-8")

    def mutated(self):
        document = bytearray((self.space() + self.value(self.rng.randint(0, 3)) + self.space()).encode("utf-8"))
        for _ in range(self.rng.choice((1, 1, 1, 2, 4))):
            at = self.rng.randint(0, len(document))
            r = self.rng.random()
            if r < 0.25:
                document[at : at + self.rng.randint(1, 3)] = b""
            elif r < 0.45:
                document[at:at] = bytes([self.rng.choice(b'"\\{}[]:,0123456789.eE+-untf/ \n\x00\x1f\x7f')])
            elif r < 0.6:
                document[at : at + 1] = bytes([self.rng.randint(0, 255)])
            elif r < 0.7:
                other = self.rng.randint(0, len(document))
                document[at:at] = document[min(at, other) : min(at, other) + 8]
            elif r < 0.8:
                del document[at:]
            else:
                document[at:at] = self.rng.choice(
                    (
                        b"\\ud800", b"\\udc00", b"\\uDBFF\\u0041", b"\\ud83d\\ude00", b"\\u00", b"\\x41", b"NaN", b"Infinity",
                        b"-Infinity", b"\xed\xa0\x80", b"\xc0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82", b"\xef\xbb\xbf", b"\xff",
                        b"\xc2\xa0", b"\x0b", b"//", b"/**/", b"01", b"-", b"1.", b".5", b"1e", b"+1", b"0x1", b",", b"null",
                        b'{"a":"\\ud800","a":1}', b'{"a":1e400,"a":1}', b'"\\u0000"', b"1e400", b"'", b"\\\n",
                    )
                )
        return bytes(document)


class Tap:
    def __init__(self):
        self.n = self.failed = 0

    def ok(self, passed, name, notes=()):
        self.n += 1
        self.failed += not passed
        print("%sok %d - %s" % ("" if passed else "not ", self.n, name))
        for line in notes if not passed else ():
            print("# " + line)
        sys.stdout.flush()


def compare(tap, cli, name, make, count):
    wrong, accepted, done = [], 0, 0
    while done < count:
        documents = [make() for _ in range(min(BATCH, count - done))]
        done += len(documents)
        for document, answer in zip(documents, ask(cli, documents)):
            expected = reference(document)
            accepted += expected is not None
            if answer != expected:
                wrong.append("document %r\n#   C      %r\n#   Python %r" % (document[:300], answer and answer[:300], expected and expected[:300]))
    tap.ok(not wrong, "%d %s, %d of them accepted" % (count, name, accepted), wrong[:5] + ["%d in all" % len(wrong)])
    return accepted


def vectors(tap, cli, path):
    if not os.path.exists(path):
        tap.n += 1
        print("ok %d # SKIP no file %s" % (tap.n, path))
        return
    with open(path, encoding="utf-8") as file:
        data = json.load(file)
    cases = []
    for v in data["vectors"]:
        cases.append((v["name"], json.dumps(v["structure"]).encode(), v["canonical"], v["id"]))
        raw = json.dumps(v["structure"], ensure_ascii=False, indent=1).encode("utf-8")
        cases.append((v["name"] + ", other spelling", raw, v["canonical"], v["id"]))
    for v in data["raw_text_vectors"]:
        cases.append((v["name"], v["text"].encode("utf-8"), v.get("canonical"), v.get("id")))
    for (name, _, canonical, digest), answer in zip(cases, ask(cli, [c[1] for c in cases])):
        if canonical is None:
            tap.ok(answer is None, "vector %s is refused" % name)
        else:
            tap.ok(
                answer == canonical.encode("utf-8") and hashlib.md5(answer).hexdigest() == digest,
                "vector %s" % name,
                ["got %r" % answer],
            )


def main():
    cli, path = sys.argv[1:3]
    count = int(sys.argv[3]) if len(sys.argv) > 3 else 24000
    seed = int(sys.argv[4]) if len(sys.argv) > 4 else random.SystemRandom().getrandbits(32)
    sys.setrecursionlimit(20000)
    print("# seed %d" % seed)
    make = Documents(random.Random(seed))
    tap = Tap()
    vectors(tap, cli, path)
    accepted = compare(tap, cli, "random documents", make.well_formed, count // 2)
    tap.ok(accepted > count // 4, "most of them are valid")
    accepted = compare(tap, cli, "floats", lambda: make.float().encode(), count)
    tap.ok(accepted > count // 2, "most of them are in range")
    accepted = compare(tap, cli, "mutated documents", make.mutated, count // 2)
    tap.ok(count // 40 < accepted < count // 4, "many of them are malformed, and some are not")
    print("1..%d" % tap.n)
    return 1 if tap.failed else 0


if __name__ == "__main__":
    sys.exit(main())
