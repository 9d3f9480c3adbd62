"""Runs the real `toolforge-components` client, with no configuration of this machine.

The program is named by PTD_TOOLFORGE_CLIENT, else the one that `make setup` has put into its own
environment; none is a failure, not a skip.
"""

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.gate import environment

SECONDS = 30.0


@dataclass(frozen=True)
class Done:
    """What a run of the client said."""

    code: int
    out: str
    err: str


def program() -> Path:
    """The path of the client."""
    own = environment.environments()["cli-client"].folder / "bin" / "toolforge-components"
    found = Path(os.environ.get("PTD_TOOLFORGE_CLIENT", own))
    assert found.is_file(), "the Toolforge client is missing: make setup"
    return found


def kubeconfig(path: Path, tool: str, user: Mapping[str, str]) -> Path:
    """Write all of a kubeconfig that the client reads."""
    content: dict[str, Any] = {
        "current-context": "c",
        "contexts": [
            {"name": "c", "context": {"cluster": "k", "user": "u", "namespace": f"tool-{tool}"}}
        ],
        "clusters": [{"name": "k", "cluster": {"server": "https://unused"}}],
        "users": [{"name": "u", "user": dict(user)}],
    }
    path.write_text(yaml.safe_dump(content))
    return path


@dataclass(frozen=True)
class Client:
    """The client for one tool of one server."""

    url: str
    kubeconfig: Path

    async def run(self, *words: str, stdin: str = "") -> Done:
        """One command."""
        process = await asyncio.create_subprocess_exec(
            str(program()),
            *words,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={
                "HOME": str(self.kubeconfig.parent),
                "KUBECONFIG": str(self.kubeconfig),
                "TOOL_TOOLFORGE_API_URL": self.url,
                "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
                "NO_PROXY": "127.0.0.1",
            },
        )
        out, err = await asyncio.wait_for(process.communicate(stdin.encode()), SECONDS)
        return Done(process.returncode or 0, out.decode(), err.decode())
