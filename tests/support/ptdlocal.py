"""A real `ptd local` as a process: started, asked through its kubeconfig, killed, started again."""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from controller.metrics import RequestMetrics
from controller.models.meta import config_name
from controller.models.tooldeployment import ToolDeployment
from controller.store import kinds
from controller.store.calls import Calls
from controller.store.client import open_kubeconfig
from controller.store.objects import Store
from controller.store.secrets import Secret, Secrets

TOOL = "demo"
_PATIENCE = 30.0


def environment() -> dict[str, str]:
    """Ours, but Python may keep what it compiled: each start is twice as fast then."""
    return {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}


@dataclass
class PtdLocal:
    """One folder, and the process that works in it."""

    folder: Path
    settings: Mapping[str, str] = field(default_factory=dict)
    process: asyncio.subprocess.Process | None = None

    @property
    def kubeconfig(self) -> Path:
        """What `ptd local` writes."""
        return self.folder / "kubeconfig"

    async def start(self) -> None:
        """Start it, and wait until it says how it is used."""
        self.kubeconfig.unlink(missing_ok=True)
        with (self.folder.parent / "ptd.log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "controller", "local", "--data", str(self.folder)),
                stdout=log,
                stderr=log,
                env=environment() | {"PTD_SETTLE_TIME": "500ms"} | dict(self.settings),
            )
        async with asyncio.timeout(_PATIENCE):
            while not self.kubeconfig.is_file():
                assert self.process.returncode is None, self.log()
                await asyncio.sleep(0.02)

    async def kill(self) -> None:
        """kill -9."""
        assert self.process is not None
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGKILL)
        await self.process.wait()

    async def stop(self) -> int:
        """Ctrl-C; its exit code."""
        assert self.process is not None
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGINT)
        async with asyncio.timeout(_PATIENCE):
            return await self.process.wait()

    def log(self) -> str:
        """What it printed so far, of all its lives."""
        return (self.folder.parent / "ptd.log").read_text()

    @contextlib.asynccontextmanager
    async def store(self) -> AsyncIterator[Store]:
        """A client of its control plane."""
        connection = await open_kubeconfig(self.kubeconfig, time.monotonic)
        try:
            calls = Calls(connection, RequestMetrics(CollectorRegistry()), time.monotonic)
            yield Store(calls, lambda: datetime.now(UTC), "test")
        finally:
            await connection.close()

    async def secret(self, name: str) -> Secret:
        """A Secret of the tool."""
        connection = await open_kubeconfig(self.kubeconfig, time.monotonic)
        try:
            calls = Calls(connection, RequestMetrics(CollectorRegistry()), time.monotonic)
            return await Secrets(calls).get(TOOL, name)
        finally:
            await connection.close()

    async def configure(self, spec: Mapping[str, Any]) -> None:
        """Store the tool's config."""
        async with self.store() as store:
            await store.put(kinds.CONFIGS, TOOL, config_name(TOOL), spec)

    async def deploy(self, name: str, **spec: Any) -> None:
        """Create a ToolDeployment."""
        async with self.store() as store:
            await store.create(kinds.DEPLOYMENTS, TOOL, name, spec)

    async def deployments(self) -> list[ToolDeployment]:
        """All deployments of the tool, by name."""
        async with self.store() as store:
            return await store.list(kinds.DEPLOYMENTS, TOOL)

    async def ended(self, name: str) -> ToolDeployment:
        """Wait until a deployment has ended."""
        async with asyncio.timeout(_PATIENCE), self.store() as store:
            while True:
                found = await store.get(kinds.DEPLOYMENTS, TOOL, name)
                if found.final:
                    return found
                await asyncio.sleep(0.05)
