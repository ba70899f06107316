#!/usr/bin/env python3
"""Compares templates, formats and values of text with Python's own (TAP).

usage: python_format_oracle.py CLI [COUNT [SEED]]

CLI is the program made of python_format_cli.c. What Python answers and what it
refuses, C has to answer and refuse; the few things that C refuses beyond that
are named in the functions below. Python 3.11 to 3.13 agree but for their tables
of printable characters, of which C has 3.11's.
"""

import _string
import random
import string
import struct
import subprocess
import sys
import unicodedata

MAX = 10000


def hexed(text):
    return text.encode("utf-8").hex() or "-"


def bits_of(value):
    return "%016x" % struct.unpack("<Q", struct.pack("<d", value))[0]


def from_bits(bits):
    return struct.unpack("<d", struct.pack("<Q", bits))[0]


def ask(cli, questions):
    """The answers to (kind, specification, value); None where one is refused."""
    lines = "".join("%s %s %s\n" % q for q in questions)
    done = subprocess.run([cli], input=lines.encode(), stdout=subprocess.PIPE)
    if done.returncode != 0:
        raise RuntimeError("%s exited with %d" % (cli, done.returncode))
    answers = done.stdout.decode().splitlines()
    if len(answers) != len(questions):
        raise RuntimeError("%d answers to %d questions" % (len(answers), len(questions)))
    return [a[3:] if a.startswith("ok ") or a == "ok" else None for a in answers]


def formatted(value, spec):
    """What format() makes of it, in hex, or None."""
    # a locale's, and more than C's bounds; digits of other scripts are not made here
    if spec.endswith("n") or any(int(n) > MAX for n in bounded(value, spec)):
        return None
    try:
        text = format(value, spec)
        if "\0" in text:
            return None
        return text.encode("utf-8").hex()
    except (ValueError, OverflowError):
        return None


def bounded(value, spec):
    """The numbers in a specification that C has bounds for."""
    if len(spec) > 1 and spec[1] in "<>=^":
        spec = spec[2:]
    if isinstance(value, str):
        spec = spec.partition(".")[0]
    return "".join(c if c in string.digits else " " for c in spec).split()


def parsed(text):
    """The pieces of a template as the CLI writes them, or None."""
    pieces = []
    try:
        for literal, field, spec, conversion in string.Formatter().parse(text):
            if literal:
                if pieces and pieces[-1][0] == "=":
                    pieces[-1] += literal.encode("utf-8").hex()
                else:
                    pieces.append("=" + literal.encode("utf-8").hex())
            if field is None:
                continue
            name, rest = _string.formatter_field_name_split(field)
            # no fields in specifications, and no positional ones
            if "{" in spec or "}" in spec or name == "" or isinstance(name, int):
                return None
            if conversion not in (None, "r", "s", "a"):
                return None
            piece = "{" + name.encode("utf-8").hex()
            for attribute, key in rest:
                piece += ("." if attribute else "[") + str(key).encode("utf-8").hex()
            pieces.append("%s!%s:%s" % (piece, conversion or "-", spec.encode("utf-8").hex()))
    except ValueError:
        return None
    return " ".join(pieces)


def read(kind, text):
    try:
        if kind == "L":
            value = float(text)
            return bits_of(value)
        value = int(text)
        if kind == "B":
            return str(int(bool(value)))
        return str(value) if -(2**63) <= value < 2**63 else None
    except ValueError:
        return None


class Values:
    """Random values and specifications, adversarial ones among them."""

    def __init__(self, rng):
        self.rng = rng

    def character(self):
        r = self.rng.random()
        if r < 0.6:
            return chr(self.rng.randint(0x20, 0x7E))
        if r < 0.7:
            return self.rng.choice("'\"\\\n\r\t\x01\x1f\x7f\x80\x85\xa0\xad\xff\u0301\u2028\ufeff\uffff\U0001f600\U0010ffff")
        if r < 0.8:
            return chr(self.rng.randint(1, 0x7FF))
        c = self.rng.randint(0x800, 0x10FFFF if r < 0.9 else 0xFFFF)
        return chr(c if not 0xD800 <= c <= 0xDFFF else c - 0x1000)

    def text(self):
        return "".join(self.character() for _ in range(self.rng.choice((0, 1, 2, 3, 5, 8, 12))))

    def integer(self):
        r = self.rng.random()
        if r < 0.3:
            return self.rng.choice((0, 1, -1, 9, 10, 99, 100, 999, 1000, -999, -1000, 2**63 - 1, -(2**63), 2**53 + 1,
                                    0x10FFFF, 0x110000, 0xD800, 0xDFFF, 0xE000, 0x7F, 0x80, 0x7FF, 0x800, 0xFFFF, 0x10000))
        return self.rng.choice((1, -1)) * self.rng.getrandbits(self.rng.randint(1, 62))

    def float(self):
        kind = self.rng.randint(0, 11)
        sign = self.rng.choice((1, -1))
        if kind == 0:
            return sign * self.rng.choice((0.0, float("inf"), float("nan"), 5e-324, 1.7976931348623157e308, 1e15, 1e16, 1e17,
                                           9999999999999998.0, 1e22, 1e23, 0.0001, 0.00001, 0.00009999999999999999, 2.0**-44,
                                           2.2250738585072014e-308, 9007199254740993.0, 1.0, 0.5, 1.5, 2.5, 0.125, 1e307))
        if kind == 1:
            return sign * 2.0 ** self.rng.randint(-1074, 1023)
        if kind == 2:
            return sign * self.rng.randint(0, 10**6) / 10 ** self.rng.randint(0, 8)
        if kind == 3:
            # ties of rounding
            return sign * self.rng.randint(0, 10**4) / 2 ** self.rng.randint(1, 12)
        if kind == 4:
            return sign * self.rng.uniform(40587, 70000)
        if kind == 5:
            return sign * 10.0 ** self.rng.randint(-20, 25)
        if kind == 6:
            return sign * (10.0 ** self.rng.randint(0, 20) - self.rng.choice((0.5, 0.05, 0.0005, 1e-9)))
        if kind == 7:
            return sign * self.rng.uniform(0, 360)
        if kind == 8:
            # where a shorter decimal lies halfway between two doubles
            power = self.rng.randint(1, 23)
            odd = self.rng.randrange(2**53 // 5**power | 1, max(2**54 // 5**power, 3) + 2, 2)
            return sign * float(odd * 5**power * 2 ** self.rng.randint(0, 60))
        if kind == 9:
            return sign * float(self.rng.getrandbits(self.rng.randint(1, 70)))
        return from_bits(self.rng.getrandbits(64))

    def some(self, likely, *choices):
        return self.rng.choice(choices) if self.rng.random() < likely else ""

    def spec(self, codes):
        rng = self.rng
        if rng.random() < 0.05:
            return "".join(rng.choice("<>=^+- z#0123,_.dfs%éxeg") for _ in range(rng.randint(0, 6)))
        spec = ""
        if rng.random() < 0.4:
            spec += self.some(0.6, " ", "0", "*", "é", "\u20ac", "\U0001f600", "<", "=", "z", "{")
            spec += rng.choice("<>^=" if rng.random() < 0.6 or codes != "s" else "<>^")
        spec += self.some(0.25 if codes != "s" else 0.03, "+", "-", " ")
        spec += self.some(0.08 if codes != "s" else 0.02, "z")
        spec += self.some(0.15 if codes != "s" else 0.02, "#")
        spec += self.some(0.3, "0")
        spec += self.some(0.6, *[str(n) for n in range(1, 26)], "40", "100", "350", "00012")
        spec += self.some(0.2 if codes != "s" else 0.02, ",", "_")
        if codes != "d" or rng.random() < 0.1:
            spec += self.some(0.5, *["." + str(n) for n in range(0, 21)], ".50", ".400", ".1100", ".")
        spec += self.some(0.8, *codes)
        if rng.random() < 0.04:
            spec += rng.choice(("s", "d", "c", "n", "%", "x", "é", "r", " ", "dd", "10001", ".10001f", "99999999999999999999"))
        if rng.random() < 0.001:
            spec = rng.choice(("10000", "10001", ".10000f", ".10001f", "0=10000,d", "09999,", ".10000e", ".10000g", "010000.10000f"))
        return spec

    def number_text(self):
        rng = self.rng
        r = rng.random()
        if r < 0.25:
            text = repr(self.float())
        elif r < 0.5:
            text = str(self.integer())
        elif r < 0.55:
            text = rng.choice(("inf", "-Infinity", "nan", "+NaN", "INF", "infinit", "nan(1)", "0x10", "1e400", "-1e-400", ".", "", "9" * 30,
                               "0" * 4300, "0" * 4301, "1" + "0" * 4299, "9223372036854775807", "9223372036854775808",
                               "-9223372036854775808", "-9223372036854775809", "922337203685477580700"))
        else:
            text = "".join(rng.choice("0123456789_._eE+- 09") for _ in range(rng.randint(1, 8)))
        for _ in range(rng.choice((0, 0, 1, 2))):
            at = rng.randint(0, len(text))
            text = text[:at] + rng.choice(("_", ".", "0", "e5", "-")) + text[at:]
        blanks = " \t\n\v\f\r\x1c\x1f\x85\xa0\u1680\u2000\u2005\u200a\u200b\u2028\u2029\u202f\u205f\u3000\ufeff"
        for _ in range(rng.choice((0, 0, 1, 3))):
            text = rng.choice((rng.choice(blanks) + text, text + rng.choice(blanks)))
        return text

    def template(self):
        rng = self.rng
        if rng.random() < 0.4:
            return "".join(rng.choice("{}{}[].!:rsab0é {{}}") for _ in range(rng.randint(0, 14)))
        parts = []
        for _ in range(rng.randint(0, 4)):
            if rng.random() < 0.4:
                parts.append(rng.choice(("x", "{{", "}}", "a.b[c]", "é", "{{x}}", "!r", ":")))
                continue
            field = rng.choice(("visit", "records", "id", "a b", "0", "", "00", "0a", "é", "-1"))
            for _ in range(rng.choice((0, 0, 1, 2, 4))):
                field += rng.choice((".begin", "[visit]", ".utc", "[a.b]", "[}]", "[:]", "[!r]", "[{]", ".", "[]", "[0]", "[-1]", "]", "[[]"))
            field += rng.choice(("", "", "", "!r", "!s", "!a", "!x", "!", "!rs", "!é"))
            field += rng.choice(("", "", ":", ":012d", ":.3f", ":>{w}", ":}<5", ":!r", ":[", ":{{}}"))
            parts.append("{" + field + "}")
        text = "".join(parts)
        if rng.random() < 0.2 and text:
            at = rng.randrange(len(text))
            text = text[:at] + text[at + 1 :]
        return text


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


def compare(tap, cli, name, make, count, at_least):
    """make() gives a question and Python's answer."""
    wrong, answered = [], 0
    for done in range(0, count, 20000):
        pairs = [make() for _ in range(min(20000, count - done))]
        for (question, expected), answer in zip(pairs, ask(cli, [p[0] for p in pairs])):
            answered += expected is not None
            if answer != expected:
                wrong.append("%r\n#   C      %r\n#   Python %r" % (question, answer and answer[:200], expected and expected[:200]))
    tap.ok(not wrong, "%d %s, %d of them valid" % (count, name, answered), wrong[:5] + ["%d in all" % len(wrong)])
    tap.ok(answered >= at_least * count, "enough of them are")


def main():
    cli = sys.argv[1]
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 20000
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else random.SystemRandom().getrandbits(32)
    if not (3, 11) <= sys.version_info[:2] < (3, 14):
        print("1..0 # SKIP Python %d.%d formats otherwise" % sys.version_info[:2])
        return 0
    print("# seed %d" % seed)
    make = Values(random.Random(seed))
    tap = Tap()

    def question(kind, value, word, codes):
        spec = make.spec(codes)
        return (kind, hexed(spec), word), formatted(value, spec)

    def of_text():
        text = make.text()
        return question("s", text, hexed(text), "s")

    def of_integer():
        value = make.integer()
        return question("i", value, str(value), make.rng.choice(("d", "d", "bcdoxX", "eEfFgG%")))

    def of_float():
        value = make.float()
        return question("f", value, bits_of(value), "eEfFgG%")

    def of_boolean():
        value = make.rng.random() < 0.5
        return question("b", value, str(int(value)), make.rng.choice(("d", "bcoxX", "eEfFgG%")))

    def repr_of_float():
        value = make.float()
        return ("F", "-", bits_of(value)), repr(value).encode().hex()

    def repr_of_text():
        text = make.text()
        return make.rng.choice(((("R", "-", hexed(text)), hexed(repr(text))), (("A", "-", hexed(text)), hexed(ascii(text)))))

    def reading():
        text, kind = make.number_text(), make.rng.choice("ILB")
        return (kind, "-", hexed(text)), read(kind, text)

    def template():
        text = make.template()
        return ("T", "-", hexed(text)), parsed(text)

    compare(tap, cli, "formats of text", of_text, count, 0.5)
    compare(tap, cli, "formats of integers", of_integer, count, 0.4)
    compare(tap, cli, "formats of floats", of_float, 2 * count, 0.5)
    compare(tap, cli, "formats of booleans", of_boolean, count // 4, 0.4)
    compare(tap, cli, "floats", repr_of_float, count, 1)
    if unicodedata.unidata_version == "14.0.0":
        compare(tap, cli, "texts", repr_of_text, count, 1)
        everything = [chr(c) for c in range(1, 0x110000) if not 0xD800 <= c < 0xE000]
        answers = ask(cli, [("R", "-", hexed("".join(everything)[at : at + 4000])) for at in range(0, len(everything), 4000)])
        expected = [hexed(repr("".join(everything[at : at + 4000]))) for at in range(0, len(everything), 4000)]
        tap.ok(answers == expected, "every code point")
    compare(tap, cli, "texts of numbers", reading, count, 0.2)
    compare(tap, cli, "templates", template, count, 0.1)
    print("1..%d" % tap.n)
    return 1 if tap.failed else 0


if __name__ == "__main__":
    sys.exit(main())
