"""A real browser without a screen, led through its DevTools protocol.

It is Debian's `chromium-headless-shell`, run by whoever runs the tests, with a profile of its own
and no way to any host but loopback. For tests of pages; they do what a reader does and look at what
a reader sees.
"""

import asyncio
import base64
import contextlib
import itertools
import os
import shutil
import signal
import struct
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp

PROGRAM = "chromium-headless-shell"
_FLAGS = (
    "--remote-debugging-port=0",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-sync",
    "--hide-scrollbars",
    "--no-first-run",
)
_PATIENCE = 20.0
_KEYS = {"Tab": (9, ""), "Enter": (13, "\r"), "Space": (32, " ")}

JSON = dict[str, Any]


@contextlib.asynccontextmanager
async def browser(folder: Path) -> AsyncIterator["Browser"]:
    """A browser whose profile and log are in `folder`; it has ended when this has."""
    program = shutil.which(PROGRAM)
    assert program, f"{PROGRAM} is missing: .ci/debian-packages names the package"
    folder.mkdir()
    root = ("--no-sandbox",) if os.geteuid() == 0 else ()
    with (folder / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(program, *_FLAGS, *root, f"--user-data-dir={folder}", "about:blank"),
            env={"PATH": os.environ["PATH"], "HOME": str(folder)},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(await _address(process, folder), max_msg_size=0) as socket,
        ):
            opened = Browser(socket)
            reading = asyncio.create_task(opened.read())
            try:
                yield opened
            finally:
                reading.cancel()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # with the processes of its pages
        await process.wait()


async def _address(process: asyncio.subprocess.Process, folder: Path) -> str:
    """Where it listens: it writes the port and the path into its profile."""
    said = folder / "DevToolsActivePort"
    async with asyncio.timeout(_PATIENCE):
        while not said.is_file() or said.read_text().count("\n") < 1:
            assert process.returncode is None, (folder / "log").read_text()
            await asyncio.sleep(0.01)
    port, path = said.read_text().splitlines()
    return f"ws://127.0.0.1:{port}{path}"


class Browser:
    """The connection: commands with their answers, and events by page."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self._asked: dict[int, asyncio.Future[JSON]] = {}
        self._pages: dict[str, Page] = {}

    async def read(self) -> None:
        """Take what it says, until it is gone."""
        async for message in self._socket:
            said: JSON = message.json()
            if "id" in said:
                self._asked.pop(said["id"]).set_result(said)
            elif said.get("sessionId") in self._pages:
                self._pages[said["sessionId"]].happened(said["method"], said["params"])

    async def call(self, method: str, params: JSON, page: str = "") -> JSON:
        """A command's result."""
        number = next(self._numbers)
        answer = self._asked[number] = asyncio.get_running_loop().create_future()
        told = {"id": number, "method": method, "params": params}
        await self._socket.send_json(told | ({"sessionId": page} if page else {}))
        async with asyncio.timeout(_PATIENCE):
            said = await answer
        assert "error" not in said, (method, said["error"])
        result: JSON = said["result"]
        return result

    async def page(self, width: int, height: int, scheme: str) -> "Page":
        """A new page of that size in CSS pixels, for a reader who prefers `light` or `dark`."""
        target = await self.call("Target.createTarget", {"url": "about:blank"})
        attached = await self.call("Target.attachToTarget", target | {"flatten": True})
        page = self._pages[attached["sessionId"]] = Page(self, attached["sessionId"])
        for domain in ("Page", "Runtime", "Network", "Log", "Audits"):
            await page.call(f"{domain}.enable")
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        await page.call("Emulation.setDeviceMetricsOverride", **size)
        prefers = [{"name": "prefers-color-scheme", "value": scheme}]
        await page.call("Emulation.setEmulatedMedia", features=prefers)
        await page.call("Emulation.setFocusEmulationEnabled", enabled=True)
        return page


class Page:
    """One page, as its reader has it."""

    def __init__(self, browser: Browser, session: str) -> None:
        self._browser = browser
        self._session = session
        self._loaded = asyncio.Event()
        self.requests: list[str] = []
        self.complaints: list[str] = []

    def happened(self, event: str, params: JSON) -> None:
        """Keep what a test may ask for: addresses asked for, and whatever a console would show."""
        match event:
            case "Page.loadEventFired":
                self._loaded.set()
            case "Network.requestWillBeSent":
                self.requests.append(params["request"]["url"])
            case "Runtime.consoleAPICalled" | "Runtime.exceptionThrown":
                self.complaints.append(f"{event}: {params}")
            case "Log.entryAdded":
                self.complaints.append(f"{params['entry']['level']}: {params['entry']['text']}")
            case "Audits.issueAdded":
                self.complaints.append(f"{params['issue']['code']}: {params['issue']['details']}")

    async def call(self, method: str, **params: Any) -> JSON:
        """A command to this page."""
        return await self._browser.call(method, params, self._session)

    async def go(self, url: str) -> None:
        """Open an address, and wait until everything of it is there."""
        self._loaded.clear()
        await self.call("Page.navigate", url=url)
        await self._load()

    async def follow(self) -> None:
        """Press Enter on a link to another page, and wait as `go` does."""
        self._loaded.clear()
        await self.press("Enter")
        await self._load()

    async def _load(self) -> None:
        async with asyncio.timeout(_PATIENCE):
            await self._loaded.wait()

    async def see(self, expression: str) -> Any:
        """What a JavaScript expression is in the page."""
        found = await self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    async def press(self, key: str) -> None:
        """A key: Tab, Enter or Space."""
        code, text = _KEYS[key]
        about = {"key": text or key, "code": key, "windowsVirtualKeyCode": code}
        await self.call("Input.dispatchKeyEvent", type="keyDown", text=text, **about)
        await self.call("Input.dispatchKeyEvent", type="keyUp", **about)

    async def photograph(self, **more: Any) -> bytes:
        """A picture of what is in view, as PNG."""
        taken = await self.call("Page.captureScreenshot", format="png", **more)
        return base64.b64decode(taken["data"])

    async def colour(self, x: int, y: int) -> tuple[int, ...]:
        """Red, green and blue of one point of the page."""
        clip = {"x": x, "y": y, "width": 1, "height": 1, "scale": 1}
        return _only_pixel(await self.photograph(clip=clip))


def _only_pixel(png: bytes) -> tuple[int, ...]:
    """The pixel of a picture that has one: no neighbour, so every filter of PNG leaves it as is."""
    at, data = 8, b""
    while at < len(png):
        length, kind = struct.unpack_from(">I4s", png, at)
        if kind == b"IDAT":
            data += png[at + 8 : at + 8 + length]
        at += length + 12
    return tuple(zlib.decompress(data)[1:4])
