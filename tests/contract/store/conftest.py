"""A store on the control plane of the tests, and on the fake one with faults."""

import contextlib
import pathlib
import secrets
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
import yaml
from prometheus_client import CollectorRegistry

from controller.metrics import RequestMetrics
from controller.store import definitions
from controller.store.calls import Calls
from controller.store.client import open_kubeconfig
from controller.store.objects import Store
from controller.store.secrets import Secrets
from tests.support import controlplane, kubeclient
from tests.support.fakekube import FakeKube

CRDS = pathlib.Path("manifests/crds")
NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


@dataclass
class Plane:
    """A control plane, and a tool of the test's own."""

    calls: Calls
    tool: str

    def store(self) -> Store:
        return Store(self.calls, lambda: NOW, "contract-tests")

    def secrets(self) -> Secrets:
        return Secrets(self.calls)


@contextlib.asynccontextmanager
async def connected(kubeconfig: pathlib.Path) -> AsyncIterator[Calls]:
    """Calls as a kubeconfig says, with our definitions installed."""
    connection = await open_kubeconfig(kubeconfig, time.monotonic)
    try:
        calls = Calls(connection, RequestMetrics(CollectorRegistry()), time.monotonic)
        for path in sorted(CRDS.glob("tool*.yaml")):
            await definitions.install(calls, yaml.safe_load(path.read_text()))
        yield calls
    finally:
        await connection.close()


@pytest.fixture(params=["fake", "real"])
async def plane(request: pytest.FixtureRequest, tmp_path: pathlib.Path) -> AsyncIterator[Plane]:
    """The fake control plane, and the real one: embedded, or what TEST_KUBECONFIG names."""
    tool = f"t{secrets.token_hex(4)}"
    async with contextlib.AsyncExitStack() as stack:
        if request.param == "fake":
            kube = await stack.enter_async_context(FakeKube())
            calls = await stack.enter_async_context(kubeclient.calls_to(kube.url))
        else:
            opened = (
                controlplane.named() if controlplane.is_named() else controlplane.embedded(tmp_path)
            )
            access = await stack.enter_async_context(opened)
            calls = await stack.enter_async_context(connected(access.kubeconfig))
        made = Plane(calls, tool)
        await made.secrets().ensure_namespace(tool)
        yield made
