"""What the ObsCore managers of a Butler client do with a region (daf_butler, obscore/_spatial.py); prints the seconds."""

import base64
import sys
import time

from lsst.sphgeom import LonLat, Region

with open(sys.argv[1]) as file:
    lines = file.read().splitlines()

begin = time.monotonic()
for line in lines:
    region = Region.decode(base64.b64decode(line))
    center = LonLat(region.getBoundingCircle().getCenter())
    row = {
        "s_ra": center.getLon().asDegrees(),
        "s_dec": center.getLat().asDegrees(),
        "s_fov": region.getBoundingCircle().getOpeningAngle().asDegrees() * 2,
    }
    poly = ["POLYGON ICRS"]
    for vertex in region.getVertices():
        position = LonLat(vertex)
        poly += [f"{position.getLon().asDegrees():.6f}", f"{position.getLat().asDegrees():.6f}"]
    row["s_region"] = " ".join(poly)
print(time.monotonic() - begin)
