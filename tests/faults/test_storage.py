"""The embedded control plane dies of kill -9 at any moment, at its start, too. Programme test 19.

Eight clients write to it without a pause: they create, change and delete. After each death the file
is whole, every object is as its client was last told, or as it asked in the request that was on its
way, and no version is given twice.
"""

import asyncio
import random
import shutil
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.faults import keeper, trials
from tests.faults.conftest import Tried

pytestmark = pytest.mark.timeout(1800 if trials.WHOLE else 120)
PARTS = 10 if trials.WHOLE else 1
KILLS = 50 if trials.WHOLE else 20
LANES = 8
LONGEST = 0.25  # seconds from the first request to a kill
STARTING = 0.06  # seconds; as long as a start takes, more or less
PATH = "/api/v1/namespaces/default/configmaps"
State = str | None  # what an object holds; None: there is no such object


@dataclass
class Lane:
    """One client, and the one object that it writes."""

    name: str
    told: State = None  # what the control plane acknowledged
    asked: State = None  # what the request wants that may be on its way
    version: int = 0  # of the object, as it was told
    least: int = 0  # any version to come is newer
    count: int = 0

    async def write(self, session: aiohttp.ClientSession, url: str, chance: random.Random) -> None:
        """Write until the control plane is dead."""
        while True:
            self.count += 1
            self.asked = f"{self.name} {self.count}"
            body: Any = {"metadata": {"name": self.name}, "data": {"is": self.asked}}
            method, path, kind = "POST", url + PATH, "application/json"
            if self.told is not None:
                path += f"/{self.name}"
                method, kind = "PATCH", "application/merge-patch+json"
                if chance.random() < 0.2:
                    method, body, self.asked = "DELETE", None, None
            headers = {"Content-Type": kind}
            async with session.request(method, path, json=body, headers=headers) as answer:
                found = await answer.json()
                assert answer.status in (200, 201), found
            self.told = self.asked
            if method != "DELETE":
                self._newer(found)

    def settle(self, stored: dict[str, Any], newest: int) -> list[str]:
        """What is wrong with what is stored, at version `newest` of everything; it counts now."""
        found = stored.get(self.name)
        state, version = (found["data"]["is"], _version(found)) if found else (None, 0)
        wrong = [] if state in (self.told, self.asked) else [f"{state}, but {self.told} was told"]
        if state is not None and state == self.told and version != self.version:
            wrong.append(f"{state} has version {version}, but {self.version} was told")
        if newest < self.least:
            wrong.append(f"everything has version {newest}, but {self.least} was told")
        self.told = self.asked = state
        self.version, self.least = version, newest
        return wrong

    def _newer(self, found: Any) -> None:
        assert _version(found) > self.least, "versions only rise"
        self.version = self.least = _version(found)


def _version(found: Any) -> int:
    return int(found["metadata"]["resourceVersion"])


def damage(folder: Path) -> str:
    """What SQLite says of a copy; the original is for the next control plane to recover."""
    copy = folder / "copy"
    copy.mkdir()
    for file in folder.glob("state.db*"):
        shutil.copy(file, copy)
    connection = sqlite3.connect(copy / "state.db")
    (found,) = connection.execute("PRAGMA integrity_check").fetchone()
    connection.close()
    shutil.rmtree(copy)
    return str(found)


async def until_dead(url: str, token: str, lanes: list[Lane], chance: random.Random) -> None:
    """All clients write; whoever hears nothing any more stops."""
    headers = {"Authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        ends = await asyncio.gather(
            *(lane.write(session, url, random.Random(chance.random())) for lane in lanes),
            return_exceptions=True,
        )
    bugs = [end for end in ends if not isinstance(end, aiohttp.ClientError)]
    assert bugs == []


async def stored(url: str, token: str) -> tuple[int, dict[str, Any]]:
    """The version of everything, and all objects by name."""
    headers = {"Authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession(headers=headers) as session, session.get(url + PATH) as answer:
        found = await answer.json()
    items = {item["metadata"]["name"]: item for item in found["items"]}
    return int(found["metadata"]["resourceVersion"]), items


@pytest.mark.parametrize("part", range(PARTS))
async def test_kill_9_loses_nothing_that_was_acknowledged(
    tmp_path: Path, part: int, tried: Tried
) -> None:
    chance = random.Random(part)
    lanes = [Lane(f"lane-{number}") for number in range(LANES)]
    async with keeper.kept() as kept:
        for number in range(KILLS):
            await kept.begin(tmp_path)
            if number and chance.random() < 0.2:
                await asyncio.sleep(chance.uniform(0, STARTING))
                await kept.kill()
                continue
            url, token = await kept.ready()
            version, found = await stored(url, token)
            wrong = [bad for lane in lanes for bad in lane.settle(found, version)]
            assert wrong == [], number
            writing = asyncio.create_task(until_dead(url, token, lanes, chance))
            await asyncio.sleep(chance.uniform(0, LONGEST))
            await kept.kill()
            await writing
            assert damage(tmp_path) == "ok"
    assert sum(lane.count for lane in lanes) > KILLS * LANES
    tried("kill -9 of the control plane's store", KILLS)
