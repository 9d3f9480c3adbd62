"""A real Prometheus as a process, with our rules in quick motion: for the tests of whole alerts."""

import asyncio
import contextlib
import re
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from tests.gate import monitoring, prometheus

_UNITS = {"d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0}
_DURATION = re.compile(r"\b(\d+)([dhms])\b")
_LEAST = 0.5  # seconds: two evaluations


def quick(factor: int, replaced: Mapping[str, tuple[str, str]]) -> str:
    """The rules with every wait and window `factor` times shorter.

    `replaced`: alert → what of its expression stands for what, such as a limit in seconds.
    """
    groups = monitoring.groups()
    for rule in (rule for group in groups for rule in group["rules"]):
        old, new = replaced.get(rule.get("alert", ""), ("", ""))
        assert old in rule["expr"], f"{rule['alert']} does not say {old}"
        expr = rule["expr"].replace(old, new) if old else rule["expr"]
        rule["expr"] = re.sub(
            r"\[([^\]]+)\]", lambda found: f"[{_quick(found[1], factor, 3)}]", expr
        )
        if "for" in rule:
            rule["for"] = _quick(rule["for"], factor, _LEAST)
    return yaml.safe_dump({"groups": [{**group, "interval": "250ms"} for group in groups]})


def _quick(written: str, factor: int, least: float) -> str:
    seconds = sum(float(number) * _UNITS[unit] for number, unit in _DURATION.findall(written))
    return f"{int(max(seconds / factor, least) * 1000)}ms"


@dataclass
class Prometheus:
    """The process, and what it says of alerts."""

    url: str
    session: aiohttp.ClientSession

    async def alerts(self) -> list[dict[str, Any]]:
        """All alerts that are firing, with labels and annotations."""
        async with self.session.get(f"{self.url}/api/v1/alerts") as response:
            found = (await response.json())["data"]["alerts"]
        return [alert for alert in found if alert["state"] == "firing"]

    async def firing(self) -> set[str]:
        """The names of the alerts that are firing."""
        return {alert["labels"]["alertname"] for alert in await self.alerts()}

    async def until(self, wanted: set[str], seconds: float = 30) -> None:
        """Wait until exactly these fire."""
        found: set[str] = set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while (found := await self.firing()) != wanted:  # noqa: ASYNC110
                    await asyncio.sleep(0.1)
        assert found == wanted


@contextlib.asynccontextmanager
async def running(folder: Path, rules: str, targets: Sequence[str]) -> AsyncIterator[Prometheus]:
    """Prometheus that scrapes `targets` (host:port) at /ptd/metrics twice a second."""
    (folder / "rules.yaml").write_text(rules)
    files = [{"targets": [target]} for target in targets]
    (folder / "targets.yaml").write_text(yaml.safe_dump(files))
    job = {
        "job_name": "push-to-deploy",
        "metrics_path": "/ptd/metrics",
        "file_sd_configs": [{"files": ["targets.yaml"], "refresh_interval": "1s"}],
    }
    pace = {"scrape_interval": "500ms", "scrape_timeout": "500ms", "evaluation_interval": "250ms"}
    config = {"global": pace, "rule_files": ["rules.yaml"], "scrape_configs": [job]}
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(config))
    port = _free_port()
    with (folder / "prometheus.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            str(prometheus.find("prometheus")),
            f"--config.file={folder / 'prometheus.yaml'}",
            f"--storage.tsdb.path={folder / 'tsdb'}",
            f"--web.listen-address=127.0.0.1:{port}",
            stdout=log,
            stderr=log,
            cwd=folder,
        )
    try:
        async with aiohttp.ClientSession() as session:
            server = Prometheus(f"http://127.0.0.1:{port}", session)
            await _ready(server, process, folder)
            yield server
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _ready(server: Prometheus, process: asyncio.subprocess.Process, folder: Path) -> None:
    async with asyncio.timeout(30):
        while True:
            assert process.returncode is None, (folder / "prometheus.log").read_text()
            with contextlib.suppress(aiohttp.ClientConnectionError):
                async with server.session.get(f"{server.url}/-/ready") as response:
                    if response.status == 200:
                        return
            await asyncio.sleep(0.1)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])
