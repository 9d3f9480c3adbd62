"""A store before a server with faults, and what it told of its writes.

Used by the tests of `controller.store`, in virtual time.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from prometheus_client import CollectorRegistry

from controller.models.tooldeployment import (
    ToolDeployment,
)
from controller.store.kinds import DEPLOYMENTS
from controller.store.objects import Store
from controller.store.secrets import Secrets
from tests.support import kubeclient
from tests.support.fakekube import FakeKube

NOW = datetime(2026, 5, 1, 12, 0, 0, 250_000, tzinfo=UTC)
WHERE = "components-api.toolforge.org/v1/tooldeployments"


@dataclass
class Told:
    """A `Seen` that remembers what it was told."""

    written: list[str] = field(default_factory=list)
    gone: list[tuple[str, str, str, str]] = field(default_factory=list)

    def wrote(self, kind: str, stored: Mapping[str, Any]) -> None:
        self.written.append(f"{kind}/{stored['metadata']['name']}")

    def deleted(self, kind: str, namespace: str, name: str, uid: str) -> None:
        self.gone.append((kind, namespace, name, uid))


@dataclass
class World:
    kube: FakeKube
    store: Store
    secrets: Secrets
    told: Told
    registry: CollectorRegistry

    async def deployment(self, name: str = "d1") -> ToolDeployment:
        return await self.store.create(DEPLOYMENTS, "x", name, {})


@asynccontextmanager
async def world(**settings: Any) -> AsyncIterator[World]:
    registry, told = CollectorRegistry(), Told()
    async with (
        FakeKube() as kube,
        kubeclient.calls_to(kube.url, registry=registry, **settings) as calls,
    ):
        store = Store(calls, lambda: NOW, "me", told)
        yield World(kube, store, Secrets(calls), told, registry)
