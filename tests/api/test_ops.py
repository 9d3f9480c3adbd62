"""Metrics and probes."""

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client import CollectorRegistry, Counter

from controller.app.ops import OpsRoutes


async def test_metrics_are_those_of_the_registry_and_probes_tell_each_check() -> None:
    registry = CollectorRegistry()
    Counter("seen", "Things seen.", registry=registry).inc()
    app = web.Application()
    checks = {"watch": lambda: None}
    OpsRoutes(registry, checks, checks | {"sync": lambda: "not yet"}).mount(app, "/x")
    async with TestClient(TestServer(app)) as client:
        metrics = await client.get("/x/metrics")
        alive, ready = await client.get("/x/healthz"), await client.get("/x/readyz")
        assert "seen_total 1.0" in await metrics.text()
        assert (alive.status, await alive.text()) == (200, "[+] watch: ok\n")
        assert (ready.status, await ready.text()) == (503, "[+] watch: ok\n[-] sync: not yet\n")
