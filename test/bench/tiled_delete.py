"""tiled_delete.py URI PATH: deletes a node by Tiled's catalog adapter.

Runs in Tiled's own Python. Says "ready", waits for a line, deletes, says how
many seconds that took, and waits for the end of its input, so that its
connections can be looked at.
"""

import asyncio
import sys
import time

from tiled.catalog import from_uri


async def main(uri, path):
    adapter = from_uri(uri)
    await adapter.startup()
    try:
        node = await adapter.lookup_adapter(path.split("/"))
        print("ready", flush=True)
        sys.stdin.readline()
        start = time.monotonic()
        await node.delete(recursive=True, external_only=True)
        print(time.monotonic() - start, flush=True)
        sys.stdin.read()
    finally:
        await adapter.shutdown()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
