"""Fetching a config from a stranger's address: real servers on loopback, and no way around."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from controller.api.configs import SourceError
from controller.api.sources import Fetcher
from watchers.git.addresses import Guard, Policy

TEXT = "components: {}\n"
OWN_MACHINE = Policy(schemes=frozenset({"https", "http"}), allow_private=True)
STRANGERS = Policy(schemes=frozenset({"https", "http"}))


class Names:
    """A DNS that answers as it is told, and remembers how often it was asked."""

    def __init__(self, **known: str) -> None:
        self.known = known
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        return [self.known.get(host.replace(".", "_"), "127.0.0.1")]


async def text(request: web.Request) -> web.Response:
    return web.Response(text=TEXT)


async def echo(request: web.Request) -> web.Response:
    return web.json_response(
        {"query": request.rel_url.raw_query_string, "headers": dict(request.headers)}
    )


async def page(request: web.Request) -> web.Response:
    return web.Response(text="<html>", content_type="text/html")


async def large(request: web.Request) -> web.Response:
    return web.Response(text="x" * 65_537)


async def endless(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    response.enable_chunked_encoding()
    await response.prepare(request)
    with contextlib.suppress(ConnectionError):
        while True:
            await response.write(b"x" * 4096)
    return response


async def packed(request: web.Request) -> web.Response:
    return web.Response(body=b"\x1f\x8b", headers={"Content-Encoding": "gzip"})


async def binary(request: web.Request) -> web.Response:
    return web.Response(body=b"\xff\xfe")


async def silent(request: web.Request) -> web.Response:
    await asyncio.sleep(5)
    return web.Response()


async def loop(request: web.Request) -> web.Response:
    raise web.HTTPFound("/loop")


async def moved(request: web.Request) -> web.Response:
    raise web.HTTPFound(request.query["to"])


async def secret(request: web.Request) -> web.Response:
    return web.Response(status=500, text="the database's password is 12345")


@pytest.fixture
async def host() -> AsyncIterator[str]:
    """A server with a page of each kind; its address."""
    app = web.Application()
    for handler in (text, echo, page, large, endless, packed, binary, silent, loop, moved, secret):
        app.router.add_get(f"/{handler.__name__}", handler)
    async with TestServer(app) as server:
        yield str(server.make_url("")).rstrip("/")


async def fetched(url: str, policy: Policy = OWN_MACHINE) -> str:
    fetcher = Fetcher(Guard(policy, Names()), timedelta(seconds=0.5))
    try:
        return await fetcher.fetch(url)
    except SourceError as error:
        return f"refused: {error}"


ROWS = {
    "a text": ("/text", TEXT),
    "a text at the end of redirects": ("/moved?to=/moved?to=/text", TEXT),
    "a fragment is for browsers": ("/text#L1", TEXT),
    "a missing page": ("/nope", "refused: it answers HTTP 404"),
    "w27 an error page is not repeated": ("/secret", "refused: it answers HTTP 500"),
    "a web page": ("/page", "refused: it is a web page; use the address of the raw file"),
    "w36 a large file": ("/large", "refused: it is larger than 64 KiB"),
    "w36 a file without end": ("/endless", "refused: it is larger than 64 KiB"),
    "a packed file": ("/packed", "refused: it is compressed"),
    "no text": ("/binary", "refused: it is no text in UTF-8"),
    "w28 a host that hangs": ("/silent", "refused: it did not answer within 0.5 s"),
    "redirects without end": ("/loop", "refused: it redirects more than 5 times"),
    "a redirect to a file": (
        "/moved?to=file:///etc/passwd",
        "refused: it is refused: it does not begin with http:// or https://",
    ),
}


@pytest.mark.parametrize(("path", "answer"), ROWS.values(), ids=ROWS)
async def test_a_config_is_fetched_within_limits(host: str, path: str, answer: str) -> None:
    assert await fetched(host + path) == answer


async def test_nothing_of_ours_is_sent_but_the_question(host: str) -> None:
    answer = await fetched(host + "/echo?ref=main&x=%2F")
    assert '"query": "ref=main&x=%2F"' in answer
    assert "Authorization" not in answer
    assert "Cookie" not in answer
    assert "push-to-deploy" in answer


PRIVATE = {
    "loopback": "http://127.0.0.1/",
    "loopback by another name": "http://2130706433/",
    "a name inside": "http://kubernetes.default.svc.cluster.local/",
    "a link-local address": "http://169.254.169.254/latest/meta-data",
    "loopback in IPv6": "http://[::1]/",
    "an odd port": "https://conf.example.org:6443/",
    "a password": "https://me:secret@conf.example.org/",
    "a name that resolves to a private address": "https://conf.example.org/",
}


@pytest.mark.parametrize("url", PRIVATE.values(), ids=PRIVATE)
async def test_w27_no_private_address_is_asked(url: str) -> None:
    answer = await fetched(url, STRANGERS)
    assert answer.startswith("refused: it is refused: ")
    assert "secret" not in answer


async def test_w27_a_redirect_is_checked_like_the_address_itself(host: str) -> None:
    names = Names(conf_example_org="127.0.0.1")
    allowed = Policy(schemes=frozenset({"http", "https"}), allow=(host.removeprefix("http://"),))
    with pytest.raises(SourceError, match="inside this platform"):
        await Fetcher(Guard(allowed, names)).fetch(f"{host}/moved?to=http://conf.example.org/")
    assert names.asked == ["127.0.0.1", "conf.example.org"]


@pytest.mark.parametrize("name", ["conf.example.org", "Conf.Example.ORG", "conf.example.org."])
async def test_w27_the_connection_goes_where_the_look_up_said(host: str, name: str) -> None:
    """A host that resolves to something else a moment later is never asked for."""
    names = Names()
    url = host.replace("127.0.0.1", name)
    assert await Fetcher(Guard(OWN_MACHINE, names)).fetch(f"{url}/text") == TEXT
    assert names.asked == ["conf.example.org"]


async def test_a_host_that_refuses_is_told_in_our_words() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert await fetched(f"http://127.0.0.1:{port}/") == (
        "refused: no connection to 127.0.0.1: it does not answer"
    )
