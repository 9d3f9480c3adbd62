"""Many tools that follow a repository each, and people who push: what polling must make of it.

Beside `world`: the same controllers, control plane and proxies, but builds and jobs in memory, and
git hosts of one's own. `wrong` is the oracle of the programme's test 24.
"""

import asyncio
import bisect
import itertools
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from controller.models import lookups
from controller.models.lookups import Push
from controller.models.meta import API_VERSION, config_name, namespace_of
from controller.models.tooldeployment import State
from tests import builders
from tests.faults import timeline
from tests.faults.candidates import leads
from tests.faults.world import POLICY, POLL, World
from tests.support.fakebackend import FakeBackend
from watchers.git.addresses import Address
from watchers.git.resolution import RefFound

# A push is seen within the interval, its jitter and this much time in which somebody led. Each new
# leader makes good what was missed in a short time without one; what was missed in a longer one
# has its next turn.
SLACK, SHORT, MADE_GOOD = 5.0, 20.0, 26.0
BOUND = POLL.total_seconds() * 1.1 + SLACK
_LOOK = 0.5
INSTANT = replace(POLICY, settle_time=timedelta())


@dataclass
class Tip:
    """A commit that the followed branch got, and when the host showed it."""

    commit: str
    at: float


@dataclass
class Town(World):
    """A world of many tools. The repository of tool n is on one of eight hosts, in memory."""

    policy: Any = INSTANT
    tools: int = 0
    tips: dict[str, list[Tip]] = field(default_factory=dict)
    other_refs: dict[str, dict[str, str]] = field(default_factory=dict)
    leaders: list[tuple[float, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__post_init__()
        none = timedelta()
        self.fake = FakeBackend(timeline.now, build_time=none, start_time=none)
        self.wrap = lambda _: self.fake.backend
        self._commits = 0

    async def settle(self) -> None:
        """Every tool gets its namespace, its repository with a commit, and its config."""
        for name in self.names_of_tools():
            body = {"apiVersion": "v1", "kind": "Namespace"}
            await self.ask(
                "POST", "/api/v1/namespaces", body | {"metadata": {"name": namespace_of(name)}}
            )
            await self.push(name)
            web = builders.component(self.url_of(name))
            spec = builders.config(web=web).model_copy(update={"auto_deploy": True})
            await self.configure(spec, name)

    def names_of_tools(self) -> list[str]:
        """All of them."""
        return [f"t{number}" for number in range(self.tools)]

    def url_of(self, tool: str) -> str:
        """Where the tool's repository is."""
        return f"https://git{int(tool[1:]) % 8}.example.org/{tool}.git"

    # ------------------------------------------------------------------ what people do

    async def push(self, tool: str, *, force: bool = False) -> str:
        """Another commit for the branch that is followed."""
        commit = self.committed(tool, force=force)
        self.tips.setdefault(tool, []).append(Tip(commit, timeline.seconds()))
        return commit

    def committed(self, tool: str, *, force: bool) -> str:
        """A commit, with the one before as its parent or not: in memory that is the same."""
        return self.fresh()

    async def clutter(self, tool: str) -> None:
        """A tag with the name of the branch, and branches that end in it."""
        names = ("refs/tags/main", "refs/heads/dependabot/main", "refs/heads/xmain")
        self.other_refs.setdefault(tool, {}).update({name: self.fresh() for name in names})

    async def webhook(self, tool: str, commit: str) -> None:
        """What the API does when a host calls."""
        value = lookups.value_of(timeline.now(), Push("refs/heads/main", commit))
        path = f"/apis/{API_VERSION}/namespaces/{namespace_of(tool)}/toolconfigs/"
        body = {"metadata": {"annotations": {lookups.ANNOTATION: value}}}
        await self.ask("PATCH", path + config_name(tool), body, "merge")

    def fresh(self) -> str:
        """A commit that there was not before."""
        self._commits += 1
        return f"{self._commits:040x}"

    async def refs(self, address: Address, wanted: Sequence[str]) -> Mapping[str, RefFound]:
        """What git answers the controller."""
        await asyncio.sleep(0.05)
        tool = address.url.rpartition("/")[2].removesuffix(".git")
        known = self.other_refs.get(tool, {}) | {"refs/heads/main": self.tips[tool][-1].commit}
        return {name: RefFound(known[name]) for name in wanted if name in known}

    # ------------------------------------------------------------------ what came of it

    def made(self) -> dict[str, list[Tip]]:
        """The deployments that were made, in order, by tool: of which commit, and when."""
        made: dict[str, list[Tip]] = {name: [] for name in self.names_of_tools()}
        for entry in self.tape.done("kube", "POST", "/tooldeployments"):
            tool = entry.path.split("/")[5].removeprefix(namespace_of(""))
            made[tool].append(Tip(entry.sent["spec"]["trigger"]["commits"]["web"], entry.at))
        return made

    def is_done(self) -> bool:
        """Whether the last commit of every repository has its deployment."""
        made = self.made()
        return all(
            made[tool] and made[tool][-1].commit == tips[-1].commit
            for tool, tips in self.tips.items()
        )

    async def watch_leaders(self) -> None:
        """Remember who led when, "" for nobody."""
        while True:
            leader = next((life.name for life in self.lives if leads(life)), "")
            self.leaders.append((timeline.seconds(), leader))
            await asyncio.sleep(_LOOK)

    async def wrong(self) -> list[str]:
        """Everything that is not as it should be: doubles, losses, lateness, unfinished ends."""
        made = self.made()
        wrong = [
            f"{tool}: {problem}"
            for tool, tips in self.tips.items()
            for problem in self._of_tool(tips, made[tool])
        ]
        for tool in self.tips:
            last = (await self.deployments(tool))[-1:]
            wrong += [
                f"{tool}: it ends as {each.status.status}"
                for each in last
                if each.status.status != State.SUCCESSFUL
            ]
        return wrong + [f"{life.name}: {life.bugs()} bugs" for life in self.lives if life.bugs()]

    def _of_tool(self, tips: Sequence[Tip], made: Sequence[Tip]) -> list[str]:
        places = {tip.commit: place for place, tip in enumerate(tips)}
        order = [places.get(each.commit, -1) for each in made]
        when = {each.commit: each.at for each in made}
        wrong = []
        if sorted(set(order)) != order or -1 in order:
            wrong.append(f"the deployments {order} are not some of the pushes, once and in order")
        for tip, after in zip(tips, [*(tip.at for tip in tips[1:]), float("inf")], strict=True):
            seen, late = when.get(tip.commit, float("inf")), self.latest(tip.at)
            if seen > late and after > late:
                wrong.append(f"{tip} was deployed after {seen - tip.at:.1f} s")
        return wrong

    def latest(self, at: float) -> float:
        """Until when a push at this time has to be seen, by who led since."""
        first = bisect.bisect(self.leaders, (at - POLL.total_seconds() * 0.1, ""))
        last, alone, led, allowed = self.leaders[first][1], 0.0, 0.0, BOUND
        for now, leader in itertools.islice(self.leaders, first, None):
            if not leader:
                alone += _LOOK
                continue
            if leader != last:
                allowed += MADE_GOOD if alone <= SHORT else BOUND
                last, alone = leader, 0.0
            led += _LOOK if now >= at else 0.0
            if led > allowed:
                return now
        return float("inf")


async def live(town: Town, pushes: int, chance: random.Random) -> None:
    """So many pushes, spread over all tools; with clutter, and with calls of webhooks."""
    span = pushes / town.tools * POLL.total_seconds()
    moments = sorted(chance.uniform(0, span) for _ in range(pushes))
    began = timeline.seconds()
    for moment in moments:
        await asyncio.sleep(max(0.0, began + moment - timeline.seconds()))
        tool = f"t{chance.randrange(town.tools)}"
        if chance.random() < 0.1:
            await town.clutter(tool)
        commit = await town.push(tool, force=chance.random() < 0.2)
        if chance.random() < 0.4:
            for _ in range(chance.choice((1, 1, 2))):
                await town.webhook(tool, commit)


async def trouble(town: Town, chance: random.Random, *, often: float = 60.0) -> None:
    """Again and again the leader is killed, stopped, or cut off for a while."""
    while True:
        await asyncio.sleep(chance.uniform(0.3, 1.7) * often)
        for life in [each for each in town.lives if leads(each)][:1]:
            how = chance.choice(("kill", "stop", "cut"))
            if how == "cut":
                life.wire.cut = True
                life.wire.sever()
                asyncio.get_running_loop().call_later(25, setattr, life.wire, "cut", False)
                continue
            if how == "kill":
                town.kill(life)
            else:
                life.task.cancel()
            await town.start()


async def end(town: Town) -> None:
    """Wait until the last commits are deployed, and two more intervals for what may not come."""
    for _ in range(int(10 * BOUND / 5)):
        if town.is_done():
            break
        await asyncio.sleep(5)
    await asyncio.sleep(2 * BOUND)
