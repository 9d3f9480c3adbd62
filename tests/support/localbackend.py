"""The local backend with timings for tests, and images to run without a build.

Used by the contract suite and the tests of the local backend; nothing here replaces a part of it.
"""

import hashlib
import json
import shlex
import socket
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from controller.backends.local import images
from controller.backends.local.layout import Layout
from controller.backends.local.settings import (
    BuildLimits,
    HealthTimings,
    LocalSettings,
    RestartTimings,
)

PYTHON = f"{shlex.quote(sys.executable)} -S"

# Answers with its arguments and its pid; `bad` answers 500; `slow` answers after a moment.
SERVER = """
import os, sys, http.server, time
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if "slow" in sys.argv: time.sleep(0.2)
        body = f"{sys.argv[1]} {os.getpid()}".encode()
        self.send_response(500 if "bad" in sys.argv else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *words): pass
print("ready", flush=True)
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


QUICK = LocalSettings(
    linger=seconds(30),
    grace=seconds(0.3),
    drain=seconds(0.5),
    port_wait=seconds(0.3),
    builds=BuildLimits(timeout=seconds(20)),
    health=HealthTimings(
        start_interval=seconds(0.03),
        start_timeout=seconds(30),
        min_up=seconds(0.1),
        interval=seconds(0.2),
        timeout=seconds(1),
        failures=2,
    ),
    restarts=RestartTimings(first=seconds(0.05), cap=seconds(0.2), retry_first=seconds(0.05)),
)


def now() -> datetime:
    return datetime.now(UTC)


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def make_image(root: Path, name: str = "web", *, processes: dict[str, str] | None = None) -> str:
    """Put an image with SERVER as `server.py` below `root`; answers its name."""
    layout = Layout(root)
    digest = hashlib.sha256(name.encode()).hexdigest()
    tree = layout.trees / digest[:12]
    (tree / "app").mkdir(parents=True, exist_ok=True)
    (tree / "app" / "server.py").write_text(SERVER)
    (tree / "image.json").write_text(json.dumps({"processes": processes or {}}))
    layout.images.mkdir(exist_ok=True)
    images.publish(layout, digest, tree)
    return images.reference("tool-a", name, digest)
