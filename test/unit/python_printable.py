#!/usr/bin/env python3
"""Writes src/obscore/python_printable.h: the code points that Python's repr escapes.

usage: python_printable.py > src/obscore/python_printable.h

The table is that of Python 3.11, Unicode 14.0.0.
"""

import sys
import unicodedata

HEAD = """/*-------------------------------------------------------------------------
 *
 * src/obscore/python_printable.h
 *	  Where Unicode's printable code points begin and end, as Python sees them.
 *
 * Made by test/unit/python_printable.py of Unicode %s.  From an even
 * entry on code points are not printable, from an odd one on they are.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CATREG_OBSCORE_PYTHON_PRINTABLE_H
#define CATREG_OBSCORE_PYTHON_PRINTABLE_H

#include <stdint.h>

static const uint32_t python_printable[] = {"""


def main():
    bounds = [c for c in range(1, 0x110000) if chr(c).isprintable() != chr(c - 1).isprintable()]
    print(HEAD % unicodedata.unidata_version)
    words = ["0x%x" % c for c in [0] + bounds]
    for at in range(0, len(words), 12):
        print("\t" + ", ".join(words[at : at + 12]) + ("," if at + 12 < len(words) else ""))
    print("};\n\n#endif\t\t\t\t\t\t\t/* CATREG_OBSCORE_PYTHON_PRINTABLE_H */")
    return 0


if __name__ == "__main__":
    sys.exit(main())
