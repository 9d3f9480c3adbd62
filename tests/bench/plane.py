"""The embedded control plane as a process of its own, for benchmarks.

`python -m tests.bench.plane FOLDER` writes FOLDER/kubeconfig when it serves.
"""

import asyncio
import sys
import time
from pathlib import Path

from prometheus_client import CollectorRegistry

from controller.local.server import ControlPlane
from controller.metrics import RequestMetrics
from controller.models import crds
from controller.store import definitions
from controller.store.calls import Calls
from controller.store.client import open_kubeconfig


async def serve(folder: Path) -> None:
    """Serve until ended."""
    async with ControlPlane(folder / "plane.sqlite") as plane:
        own = folder / "own"
        plane.write_kubeconfig(own)
        connection = await open_kubeconfig(own, time.monotonic)
        calls = Calls(connection, RequestMetrics(CollectorRegistry()), time.monotonic)
        for definition in crds.definitions():
            await definitions.install(calls, definition)
        await connection.close()
        plane.write_kubeconfig(folder / "kubeconfig")
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
