"""Runs the real kubectl on a control plane, with no configuration of this machine.

The program is the one that `tests.gate.kubectl` finds; none is a failure, not a skip.
"""

import asyncio
import dataclasses
import os
import pathlib
import shutil
import tempfile

from tests.gate import kubectl as gate_kubectl
from tests.support import controlplane

SECONDS = 30.0


@dataclasses.dataclass(frozen=True)
class Done:
    """What a run of kubectl said."""

    code: int
    out: str
    err: str


def program() -> str:
    """The path of kubectl."""
    return str(gate_kubectl.find())


class Kubectl:
    """kubectl in one namespace of a control plane."""

    def __init__(self, access: controlplane.Access, namespace: str) -> None:
        self._kubeconfig = access.kubeconfig
        self._namespace = namespace
        self._home = pathlib.Path(tempfile.mkdtemp(prefix="kubectl-"))

    def close(self) -> None:
        """Remove what kubectl left behind."""
        shutil.rmtree(self._home, ignore_errors=True)

    async def start(self, *arguments: str, editor: str = "") -> asyncio.subprocess.Process:
        """Start a run."""
        environment = {
            "HOME": str(self._home),
            "KUBECONFIG": str(self._kubeconfig),
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "NO_PROXY": "127.0.0.1",
        }
        if editor:
            environment["KUBE_EDITOR"] = editor
        return await asyncio.create_subprocess_exec(
            program(),
            "--namespace",
            self._namespace,
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environment,
        )

    async def run(self, *arguments: str, text: str = "", editor: str = "") -> Done:
        """Run to the end, with a text on standard input."""
        process = await self.start(*arguments, editor=editor)
        async with asyncio.timeout(SECONDS):
            out, err = await process.communicate(text.encode())
        return Done(process.returncode or 0, out.decode(), err.decode())

    async def ok(self, *arguments: str, text: str = "", editor: str = "") -> str:
        """Run to the end, and expect success; returns the output."""
        done = await self.run(*arguments, text=text, editor=editor)
        assert done.code == 0, f"kubectl {' '.join(arguments)}: {done.out}{done.err}"
        return done.out
