"""What a tenant can see: deployments in the control plane, the page, processes on the machine.

Only reads. Deployments are plain JSON here, as any client gets them.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import psutil
from kubernetes.aio import client, config

Deployment = Mapping[str, Any]

GROUP, VERSION, PLURAL = "components-api.toolforge.org", "v1", "tooldeployments"
_LOOK_AGAIN_SECONDS = 0.1


class Deployments:
    """The tool's deployments, by the kubeconfig that `ptd local` wrote."""

    def __init__(self, kubeconfig: Path, namespace: str) -> None:
        self._kubeconfig, self._namespace = kubeconfig, namespace

    async def all(self) -> list[Deployment]:
        """Every deployment, oldest first."""
        async with await self._connect() as api:
            listed: Any = await client.CustomObjectsApi(api).list_namespaced_custom_object(
                GROUP, VERSION, self._namespace, PLURAL
            )
        return sorted(listed["items"], key=lambda item: str(item["metadata"]["creationTimestamp"]))

    async def _connect(self) -> client.ApiClient:
        new_client: Any = config.new_client_from_config  # the library does not say its types
        made: client.ApiClient = await new_client(config_file=str(self._kubeconfig))
        return made

    async def watched(
        self, wanted: Callable[[Deployment], bool], seconds: float
    ) -> AsyncIterator[Deployment]:
        """The wanted deployment at every change of where it stands, until it is final.

        Ends early, without an error, when it is not final in time.
        """
        before = ("", "")
        until = asyncio.get_running_loop().time() + seconds
        while asyncio.get_running_loop().time() < until:
            found = [deployment for deployment in await self.all() if wanted(deployment)]
            if found and (now := (state(found[-1]), reason(found[-1]))) != before:
                before = now
                yield found[-1]
            if found and is_final(found[-1]):
                return
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)


def state(deployment: Deployment) -> str:
    """pending, running, successful, failed …"""
    return str(deployment.get("status", {}).get("status", "pending"))


def reason(deployment: Deployment) -> str:
    """Building, Verifying, Deployed, HealthCheckFailed …"""
    return str(deployment.get("status", {}).get("reason") or "")


def is_final(deployment: Deployment) -> bool:
    """Whether nothing more will happen to it."""
    return state(deployment) in {"successful", "failed", "timed_out", "cancelled"}


def trigger(deployment: Deployment) -> str:
    """What made it: poll, manual …"""
    return str(deployment.get("spec", {}).get("trigger", {}).get("kind", "manual"))


def asked_for(deployment: Deployment, component: str, commit: str) -> bool:
    """Whether the deployment was made for this commit of the component."""
    commits = deployment.get("spec", {}).get("trigger", {}).get("commits", {})
    return bool(commits.get(component) == commit)


def build(deployment: Deployment, component: str) -> Mapping[str, Any]:
    """What is recorded of the component's build: id, image, commit."""
    record: Mapping[str, Any] = deployment["status"]["builds"][component]
    return record


def change(deployment: Deployment, component: str) -> str:
    """What became of the component's job: created, updated, restarted or unchanged."""
    return str(deployment["status"]["runs"][component].get("change"))


async def page(port: int) -> str:
    """What the web component shows now."""
    timeout = aiohttp.ClientTimeout(total=5)
    async with (
        aiohttp.ClientSession(timeout=timeout) as session,
        session.get(f"http://127.0.0.1:{port}/") as answer,
    ):
        return (await answer.text()).strip()


def processes(folder: Path, program: str = "") -> list[int]:
    """The processes that run `program` from the folder (all of them, without a program)."""
    found = []
    for process in psutil.process_iter(["pid", "cwd", "cmdline"]):
        words = process.info["cmdline"] or []
        from_folder = any(
            str(place).startswith(str(folder)) for place in (process.info["cwd"] or "", *words)
        )
        runs_it = not program or any(Path(word).name == program for word in words[1:])
        if from_folder and runs_it:
            found.append(int(process.info["pid"]))
    return found
