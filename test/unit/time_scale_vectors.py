"""Writes time_scale_vectors.h, what astropy makes of some times, for time_scale_test.c.

    python time_scale_vectors.py shared/data/timespan_vectors.json > time_scale_vectors.h

Needs astropy; the test itself does not.
"""

import json
import sys
import warnings

import erfa
from astropy.time import Time, TimeDelta

DAY = 86400 * 10**9
EPOCH = Time("1970-01-01 00:00:00", format="iso", scale="tai", precision=6)
DRIFTING = [(1960, 1), (1961, 8), (1963, 11), (1964, 4), (1965, 9), (1968, 2), (1972, 1)]


def tai(nanoseconds):
    "A time as daf_butler's TimeConverter makes it."
    days, rest = divmod(nanoseconds, DAY)
    return EPOCH + TimeDelta(float(days), float(rest) / DAY, format="jd", scale="tai")


def around(row):
    "Before, within and after a step of UTC, and within the day that it ends."
    days = round(Time(f"{row['year']}-{row['month']:02}-01", scale="tai").mjd) - 40587
    step = days * DAY + round(float(row["tai_utc"]) * 10**9)
    for back in (DAY, DAY // 2 + 1, 10**9 + 1000, 10**9 + 500, 10**9 + 499, 10**9, 1001, 501, 500, 499, 1, 0, -500, -501):
        yield step - back


def main():
    with open(sys.argv[1]) as file:
        vectors = json.load(file)["vectors"]
    times = {-(2**63), 2**63 - 1, -1, 0, 1, -DAY, DAY // 2, DAY // 2 + 1, 4102444800 * 10**9}
    for v in vectors:
        for end in ("begin", "end"):
            hexadecimal = v["t_min_hex" if end == "begin" else "t_max_hex"]
            if hexadecimal is not None:
                times.add(v[f"{end}_nsec"])
                assert tai(v[f"{end}_nsec"]).utc.mjd == float.fromhex(hexadecimal), v
    for row in erfa.leap_seconds.get():
        if row["year"] > 1972 and row["year"] < 1999 and row["year"] % 5:
            continue
        if row["year"] > 1972 or (row["year"], row["month"]) in DRIFTING:
            times.update(around(row))

    print("/* Written by time_scale_vectors.py: nanoseconds, MJD and text in TAI, in UTC. */")
    print("static const TimeVector vectors[] = {")
    for t in sorted(times):
        number = "INT64_MIN" if t == -(2**63) else f"INT64_C({t})"
        made = tai(t)
        print(f'\t{{{number},\n\t{made.mjd.hex()}, "{made.isot}",\n\t{made.utc.mjd.hex()}, "{made.utc.isot}"}},')
    print("};")


warnings.simplefilter("ignore", erfa.ErfaWarning)
main()
