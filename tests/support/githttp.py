"""A real git server over HTTP on loopback: aiohttp in front of `git http-backend`.

Used by every test that needs a git host, in process (`async with GitServer(path) as server`) or as
a program (`python -m tests.support.githttp DIR`, which prints the address and serves until it is
ended). `server.faults` makes single repositories misbehave as hosts do: see `Fault`;
`server.private` lets nobody read a repository without a certain Authorization header.
"""

import argparse
import asyncio
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from aiohttp import web

from tests.support.gitrepo import BareRepository


@dataclass(frozen=True, slots=True)
class Fault:
    """What a repository's address answers with instead of git.

    A status with headers and a body, silence (`hang`), refs without end (`endless`), or git that
    knows the oldest version of its protocol only (`oldest`).
    """

    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    hang: bool = False
    endless: bool = False
    oldest: bool = False


@dataclass(frozen=True, slots=True)
class Seen:
    """A request that arrived."""

    method: str
    path: str
    headers: Mapping[str, str]


class GitServer:
    """Serves every repository below `root`; `url` is known once it has started."""

    def __init__(
        self, root: Path, port: int = 0, certificate: tuple[Path, Path] | None = None
    ) -> None:
        self.root = root
        self._trust = None
        if certificate is not None:
            self._trust = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            self._trust.load_cert_chain(*certificate)
        self.url = ""
        self.port = port
        self.faults: dict[str, Fault] = {}
        self.private: dict[str, str] = {}
        self.seen: list[Seen] = []
        self.peers: set[object] = set()
        self._stopping = asyncio.Event()
        self._endless_to: list[asyncio.Transport] = []
        self._runner = web.AppRunner(self._application(), access_log=None, shutdown_timeout=0.1)

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, ssl_context=self._trust)
        await site.start()
        self.port = int(self._runner.addresses[0][1])
        self.url = f"http{'s' if self._trust else ''}://127.0.0.1:{self.port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stopping.set()
        for transport in self._endless_to:
            transport.abort()
        await self._runner.cleanup()
        await asyncio.sleep(0.01)  # sockets are closed by callbacks

    def repository(self, name: str, branch: str = "main") -> BareRepository:
        """A new, empty repository, served at `address(name)`."""
        return BareRepository.create(self.root / name, branch)

    def address(self, name: str) -> str:
        """Where a repository is served."""
        return f"{self.url}/{name}"

    def _application(self) -> web.Application:
        application = web.Application(client_max_size=64 * 1024 * 1024)
        application.router.add_route("*", "/{path:.*}", self._serve)
        return application

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        if request.transport is not None:
            self.peers.add(request.transport.get_extra_info("peername"))
        self.seen.append(Seen(request.method, request.path, dict(request.headers)))
        name, _, service = request.path.lstrip("/").partition(".git/")
        fault = self.faults.get(name + ".git") if service else None
        wanted = self.private.get(name + ".git") if service else None
        if wanted is not None and request.headers.get("Authorization") != wanted:
            return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="git"'})
        if fault is None:
            return await _backend(request, self.root)
        if fault.oldest:
            return await _backend(request, self.root, protocol="")
        if fault.hang:
            await self._stopping.wait()
        if fault.endless:
            return await self._endless(request)
        return web.Response(status=fault.status, headers=fault.headers, body=fault.body)

    async def _endless(self, request: web.Request) -> web.StreamResponse:
        """Refs without end: in the older protocol for a GET, in version 2 for a POST."""
        kind = "advertisement" if request.method == "GET" else "result"
        headers = {"Content-Type": f"application/x-git-upload-pack-{kind}"}
        response = web.StreamResponse(headers=headers)
        await response.prepare(request)
        if request.transport is not None:
            self._endless_to.append(request.transport)
        if request.method == "GET":
            await response.write(b"001e# service=git-upload-pack\n0000")
        first = b"\0multi_ack agent=git/2.39.5" if request.method == "GET" else b""
        await response.write(_packet(b"%040x refs/heads/first%s\n" % (1, first)))
        many = b"".join(_packet(b"%040x refs/heads/%040d\n" % (n, n)) for n in range(1000))
        while not self._stopping.is_set():
            await response.write(many)
        return response


def _packet(content: bytes) -> bytes:
    """A line in the form that git's protocols have: its length in hex digits goes before it."""
    return b"%04x" % (len(content) + 4) + content


async def _backend(request: web.Request, root: Path, protocol: str | None = None) -> web.Response:
    """Run git's own server program (a CGI); `protocol` replaces the version that is asked for."""
    body = await request.read()
    process = await asyncio.create_subprocess_exec(
        "git",
        "http-backend",
        env=_cgi(request, root, len(body))
        | ({} if protocol is None else {"GIT_PROTOCOL": protocol}),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    output, _ = await process.communicate(body)
    head, _, content = output.partition(b"\r\n\r\n")
    lines = [line.decode("latin-1").split(": ", 1) for line in head.split(b"\r\n") if line]
    headers = {line[0]: line[1] for line in lines if len(line) == 2}
    status = int(headers.pop("Status", "200" if headers else "500").split()[0])
    return web.Response(status=status, headers=headers, body=content)


def _cgi(request: web.Request, root: Path, length: int) -> dict[str, str]:
    return {
        "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
        "HOME": "/nonexistent",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_PROJECT_ROOT": str(root.resolve()),
        "GIT_HTTP_EXPORT_ALL": "1",
        "PATH_INFO": request.path,
        "QUERY_STRING": request.query_string,
        "REQUEST_METHOD": request.method,
        "CONTENT_TYPE": request.headers.get("Content-Type", ""),
        "CONTENT_LENGTH": str(length),
        "HTTP_CONTENT_ENCODING": request.headers.get("Content-Encoding", ""),
        "GIT_PROTOCOL": request.headers.get("Git-Protocol", ""),
        "REMOTE_ADDR": "127.0.0.1",
    }


async def _serve_forever(root: Path, port: int) -> None:
    async with GitServer(root, port) as server:
        print(server.url, flush=True)  # noqa: T201
        await asyncio.Event().wait()


def main() -> None:
    """Serve a directory of bare repositories until ended."""
    parser = argparse.ArgumentParser(description="Serve git repositories over HTTP on loopback")
    parser.add_argument("root", type=Path, help="directory of the bare repositories")
    parser.add_argument("--port", type=int, default=0, help="default: any free port")
    options = parser.parse_args()
    try:
        asyncio.run(_serve_forever(options.root, options.port))
    except KeyboardInterrupt:
        return


if __name__ == "__main__":
    main()
