"""The embedded control plane as a whole: listeners, shared routes, clock, clients that go away."""

import asyncio
import pathlib
import socket
import ssl
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
import yaml
from aiohttp import web

from controller.local import ports, server
from tests.support import controlplane

START = datetime(2026, 1, 1, tzinfo=UTC)


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now


async def test_other_routes_share_the_listener_and_authenticate_for_themselves(
    tmp_path: pathlib.Path,
) -> None:
    async def hello(_request: web.Request) -> web.Response:
        return web.Response(text="hello")

    def extra(app: web.Application) -> None:
        app.router.add_get("/components/v1/healthz", hello)

    async with (
        server.ControlPlane(tmp_path / "state.db", extra=extra) as plane,
        aiohttp.ClientSession() as session,
    ):
        async with session.get(f"{plane.url}/components/v1/healthz") as response:
            assert (response.status, await response.text()) == (200, "hello")
        async with session.get(f"{plane.url}/api/v1/namespaces") as response:
            assert response.status == 401
        for path in ("/healthz", "/readyz", "/livez"):
            async with session.get(plane.url + path) as response:
                assert (response.status, await response.text()) == (200, "ok")


async def test_the_kubeconfig_leads_to_the_secure_listener(tmp_path: pathlib.Path) -> None:
    async with server.ControlPlane(tmp_path / "state.db") as plane:
        plane.write_kubeconfig(tmp_path / "config", namespace="tool-sample")
        config = yaml.safe_load((tmp_path / "config").read_text())
        (context,) = config["contexts"]
        assert context["context"]["namespace"] == "tool-sample"
        assert config["clusters"][0]["cluster"]["server"] == plane.secure_url
        trust = ssl.create_default_context(cadata=plane.authority)
        headers = {"Authorization": f"Bearer {config['users'][0]['user']['token']}"}
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.get(f"{plane.secure_url}/api/v1/namespaces/default", ssl=trust) as response,
        ):
            assert response.status == 200


async def test_the_certificate_is_kept_and_made_anew_before_it_ends(
    tmp_path: pathlib.Path,
) -> None:
    clock, path = Clock(), tmp_path / "state.db"

    async def authority() -> str:
        async with server.ControlPlane(path, clock=clock) as plane:
            return plane.authority

    first = await authority()
    assert await authority() == first
    clock.now += timedelta(days=3645)
    assert await authority() != first


async def listening(path: pathlib.Path, port: int = 0) -> tuple[str, str]:
    """The addresses of a control plane that was there for a moment."""
    async with server.ControlPlane(path, port=port) as plane:
        return plane.url, plane.secure_url


async def test_the_addresses_stay_from_start_to_start(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "state.db"
    first = await listening(path)
    assert await listening(path) == first
    # What nobody can read any more counts as nothing.
    path.with_suffix(".ports").write_text("{}")
    assert len(await listening(path)) == 2


async def test_a_port_that_was_taken_meanwhile_is_left_to_who_has_it(
    tmp_path: pathlib.Path,
) -> None:
    path = tmp_path / "state.db"
    plain, secure = await listening(path)
    with socket.create_server((ports.LOOPBACK, int(plain.rpartition(":")[2]))):
        other, same = await listening(path)
        assert other != plain
        assert same == secure
        with pytest.raises(OSError, match="address already in use"):
            await listening(path, int(plain.rpartition(":")[2]))
    assert await listening(path) == (other, same)


async def test_a_given_token_counts(tmp_path: pathlib.Path) -> None:
    async with (
        server.ControlPlane(tmp_path / "state.db", token="mine") as plane,
        aiohttp.ClientSession() as session,
        session.get(f"{plane.url}/api", headers={"Authorization": "Bearer mine"}) as response,
    ):
        assert response.status == 200
    assert not (tmp_path / "state.token").exists()


async def test_a_header_of_any_bytes_is_refused(tmp_path: pathlib.Path) -> None:
    async with server.ControlPlane(tmp_path / "state.db") as plane:
        for value in (b"Bearer \xff\xfe", b"Bearer", b"\xff", b"Bearer " + b"x" * 4000):
            port = int(plane.url.rpartition(":")[2])
            reader, writer = await asyncio.open_connection(ports.LOOPBACK, port)
            head = b"GET /api HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: "
            writer.write(head + value + b"\r\n\r\n")
            assert (await reader.readline()).split()[1] == b"401"
            writer.close()
            await writer.wait_closed()


async def test_clients_that_hang_up_leave_nothing_behind(tmp_path: pathlib.Path) -> None:
    async with controlplane.embedded(tmp_path) as access:
        widgets = await controlplane.Widgets.made(access)
        before = len(asyncio.all_tasks())
        for _ in range(20):
            async with access.watch(f"{widgets.path}?watch=1") as events:
                events.response.close()
        for _ in range(100):
            if len(asyncio.all_tasks()) <= before:
                break
            await asyncio.sleep(0.02)
        assert len(asyncio.all_tasks()) <= before


async def test_open_watches_do_not_hold_up_the_end(tmp_path: pathlib.Path) -> None:
    async with aiohttp.ClientSession() as session:
        async with server.ControlPlane(tmp_path / "state.db") as plane:
            session.headers["Authorization"] = f"Bearer {plane.token}"
            response = await session.get(f"{plane.url}/api/v1/secrets?watch=1")
            start = asyncio.get_running_loop().time()
        assert asyncio.get_running_loop().time() - start < 1.5
        response.close()


def event(name: str, namespace: str = "default") -> dict[str, Any]:
    involved = {"kind": "Widget", "name": "one", "namespace": namespace}
    return {"kind": "Event", "metadata": {"name": name}, "involvedObject": involved}


async def test_events_go_an_hour_after_they_were_last_written(tmp_path: pathlib.Path) -> None:
    clock, path = Clock(), tmp_path / "state.db"
    events = "/api/v1/namespaces/default/events"

    async def names(minutes: int, *creations: str) -> list[str]:
        """What is there after a start at that minute, and some creations."""
        clock.now = START + timedelta(minutes=minutes)
        async with (
            server.ControlPlane(path, clock=clock) as plane,
            aiohttp.ClientSession(headers={"Authorization": f"Bearer {plane.token}"}) as session,
        ):
            for name in creations:
                async with session.post(plane.url + events, json=event(name)) as response:
                    assert response.status == 201, await response.text()
            # The sweep is the first thing that the background work does.
            await asyncio.sleep(0.1)
            async with session.get(plane.url + events) as response:
                return [each["metadata"]["name"] for each in (await response.json())["items"]]

    assert await names(0, "first") == ["first"]
    assert await names(30, "second") == ["first", "second"]
    assert await names(61) == ["second"]
    assert await names(91) == []
