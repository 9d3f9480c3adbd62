"""`ptd api` as it is put together: settings in, https with certificates, probes and metrics."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from controller.app.api import Api
from controller.settings import Settings
from tests.api.service import CONFIG, connected
from tests.support import controlplane
from tests.support.certificates import Authority


@contextlib.asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Api]:
    """The role, with its background work."""
    api = Api(settings)
    work = asyncio.ensure_future((await api.start())())
    try:
        yield api
    finally:
        work.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await work
        await api.stop()


async def ready(session: aiohttp.ClientSession, url: str) -> tuple[int, str]:
    """The readiness probe's answer when it has looked once."""
    async with asyncio.timeout(10):
        while True:
            async with session.get(f"{url}/readyz") as answer:
                text = await answer.text()
            if "not asked yet" not in text:
                return answer.status, text
            await asyncio.sleep(0.02)


async def test_behind_a_gateway_the_header_says_who_asks(
    control_plane: controlplane.Access,
) -> None:
    settings = Settings(kubeconfig=control_plane.kubeconfig, api_port=0, trust_gateway=True)
    async with (
        connected(control_plane.kubeconfig),
        running(settings) as api,
        aiohttp.ClientSession() as session,
    ):
        statuses = {}
        for prefix in ("", "/components"):
            for headers in ({}, {"x-toolforge-tool": "web"}, {"x-toolforge-tool": "other"}):
                url = f"{api.url}{prefix}/v1/tool/web/config"
                async with session.get(url, headers=headers) as answer:
                    statuses[prefix, headers.get("x-toolforge-tool", "")] = answer.status
        probe = await ready(session, api.url)
        async with (
            session.get(f"{api.url}/healthz") as alive,
            session.get(f"{api.url}/metrics") as metrics,
        ):
            counted = await metrics.text()
    expected = {"": 401, "web": 404, "other": 403}
    assert statuses == {(p, w): s for p in ("", "/components") for w, s in expected.items()}
    assert probe[0] == 200
    assert alive.status == 200
    assert (
        'ptd_http_requests_total{code="404",method="GET",route="/v1/tool/{toolname}/config"}'
        in (counted)
    )


async def test_without_a_gateway_a_certificate_says_who_asks(
    control_plane: controlplane.Access, tmp_path: Path
) -> None:
    authority = Authority(tmp_path)
    settings = Settings(kubeconfig=control_plane.kubeconfig, api_port=0, **authority.of_the_api())
    context = ssl.create_default_context(cafile=str(authority.certificate))
    context.load_cert_chain(*authority.issue("web"))
    stranger = ssl.create_default_context(cafile=str(authority.certificate))
    async with (
        connected(control_plane.kubeconfig),
        running(settings) as api,
        aiohttp.ClientSession() as session,
    ):
        url = f"{api.url}/v1/tool/web/config"
        async with session.get(url, ssl=context) as known:
            pass
        header = {"x-toolforge-tool": "web"}
        async with session.get(url, ssl=stranger, headers=header) as unknown:
            pass
    assert (known.status, unknown.status) == (404, 401)


async def test_a_missing_namespace_is_a_missing_config(
    control_plane: controlplane.Access,
) -> None:
    settings = Settings(kubeconfig=control_plane.kubeconfig, api_port=0, trust_gateway=True)
    headers = {"x-toolforge-tool": "nobody"}
    async with (
        connected(control_plane.kubeconfig),
        running(settings) as api,
        aiohttp.ClientSession(headers=headers) as session,
    ):
        tool = f"{api.url}/v1/tool/nobody"
        async with session.post(f"{tool}/config", json=CONFIG) as config:
            text = (await config.json())["messages"]["error"][0]
        async with session.post(f"{tool}/deployment/token") as token:
            pass
    assert (config.status, token.status) == (404, 404)
    assert text == "Unable to find namespace tool-nobody or config nobody-config for nobody"


UNSOUND = {
    "a certificate without its key": {"api_certificate": "c.pem"},
    "clients' certificates over http": {"api_client_authority": "a.pem"},
    "a header that certificates could send": {
        "api_certificate": "c.pem",
        "api_key": "k.pem",
        "api_client_authority": "a.pem",
        "trust_gateway": True,
    },
}


@pytest.mark.parametrize("given", UNSOUND.values(), ids=UNSOUND)
def test_settings_that_would_let_strangers_in_are_refused(given: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"api_key come together|needs api_cert|exclude each"):
        Settings(**given)  # type: ignore[arg-type]
