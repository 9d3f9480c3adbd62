"""The schedule: one check for everybody, at once where asked, politely where something fails."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from controller import errors
from controller.models import lookups
from controller.models.lookups import Push
from controller.models.reasons import Reason
from controller.models.toolconfig import ToolConfigSpec
from controller.store import errors as store_errors
from tests import builders
from tests.builders import COMMIT, NEWER, REPOSITORY
from tests.support.polledobjects import ObjectsInMemory
from watchers.git.addresses import Address, Policy, parse
from watchers.git.resolution import RefKind, RefProblem, Resolved
from watchers.git.transport import Busy
from watchers.repositories import poller as polling
from watchers.repositories.poller import Pace, RepositoryPoller

OTHER = "https://git.example.org/other.git"
FAST = timedelta(seconds=0.05)
SLOW = timedelta(hours=1)


class Hosts:
    """Git hosts in memory; `asked` are the questions, `failing` what to answer instead."""

    def __init__(self) -> None:
        self.tips: dict[str, dict[str, str]] = {REPOSITORY: {"main": COMMIT}}
        self.failing: dict[str, errors.EdgeError] = {}
        self.asked: list[tuple[str, tuple[str, ...]]] = []
        self.gate = asyncio.Event()
        self.gate.set()

    def normalise(self, repository: str) -> Address:
        return parse(repository, Policy())

    async def resolve(
        self, repository: str, refs: Sequence[str]
    ) -> Mapping[str, Resolved | RefProblem]:
        self.asked.append((repository, tuple(sorted(refs))))
        tips = dict(self.tips.get(repository, {}))
        await self.gate.wait()
        if repository in self.failing:
            raise self.failing[repository]
        missing = RefProblem(Reason.REF_NOT_FOUND, "there is no such branch", "Push it.")
        return {
            ref: Resolved(tips[ref], RefKind.BRANCH) if ref in tips else missing for ref in refs
        }


class Counts:
    """Counts what a Prometheus registry would."""

    def __init__(self) -> None:
        self.good: list[int] = []
        self.bad: list[str] = []
        self.shared = 0
        self.repositories = 0
        self.lags: list[timedelta] = []

    def polled(self, took: timedelta, lag: timedelta, *, refs: int, at: datetime) -> None:
        self.good.append(refs)
        self.lags.append(lag)

    def failed(self, reason: str, lag: timedelta) -> None:
        self.bad.append(reason)

    def saved(self, checks: int) -> None:
        self.shared += checks

    def watched(self, repositories: int) -> None:
        self.repositories = repositories

    def watch(
        self,
        *,
        overdue: Callable[[], timedelta],
        on_host: Callable[[], Mapping[str, int]],
        unreachable: Callable[[], Mapping[str, int]],
    ) -> None:
        self.overdue, self.on_host, self.unreachable = overdue, on_host, unreachable


class World:
    """A poller that runs, and everything around it."""

    def __init__(self) -> None:
        self.objects = ObjectsInMemory(_now)
        self.hosts = Hosts()
        self.counts = Counts()
        self.poller: RepositoryPoller | None = None

    @asynccontextmanager
    async def running(self, interval: timedelta = FAST) -> AsyncIterator[RepositoryPoller]:
        """Poll within the block."""
        pace = Pace(
            _now,
            random.random,
            interval,
            soon=timedelta(milliseconds=10),
            write_again=timedelta(milliseconds=20),
        )
        poller = RepositoryPoller(self.objects, self.hosts, self.counts, lambda: True, pace)
        self.objects.changed = poller.config_changed
        task = asyncio.create_task(poller.run())
        try:
            yield poller
        finally:
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    def watch(self, component: str = "web", tool: str = "demo") -> Any:
        """What the status says of a component."""
        return self.objects.configs[tool].status.components.get(component)


def spec(*, auto: bool = True, **components: Any) -> ToolConfigSpec:
    """A config that asks for polling."""
    return builders.config(prune=True, **components).model_copy(update={"auto_deploy": auto})


@pytest.fixture
async def world() -> World:
    """A world with the tool `demo`, whose `web` follows `main`."""
    world = World()
    world.objects.put("demo", spec())
    return world


async def until(condition: Callable[[], bool]) -> None:
    """Wait until something is so, two seconds at most."""
    async with asyncio.timeout(2):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


def _now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251


async def test_every_push_becomes_one_deployment(world: World) -> None:
    async with world.running():
        await until(lambda: world.objects.commits("demo") == [{"web": COMMIT}])
        world.hosts.tips[REPOSITORY]["main"] = NEWER
        await until(lambda: len(world.objects.made) == 2)
        asked = len(world.hosts.asked)
        await until(lambda: len(world.hosts.asked) >= asked + 3)

    assert world.objects.commits("demo") == [{"web": COMMIT}, {"web": NEWER}]


async def test_nothing_new_means_no_write(world: World) -> None:
    async with world.running():
        await until(lambda: len(world.counts.good) >= 1 and world.watch().created)
        writes = world.objects.writes
        asked = len(world.hosts.asked)
        await until(lambda: len(world.hosts.asked) >= asked + 4)

    assert world.objects.writes == writes


async def test_all_followers_of_a_repository_share_one_check(world: World) -> None:
    world.objects.put("demo", spec(web=builders.component(), api=builders.component(ref="dev")))
    world.objects.put("two", spec())
    world.hosts.tips[REPOSITORY]["dev"] = NEWER

    async with world.running():
        await until(lambda: len(world.objects.made) == 2)
        assert world.counts.repositories == 1

    assert set(world.hosts.asked) == {(REPOSITORY, ("dev", "main"))}
    assert world.counts.shared == 2 * len(world.counts.good)
    assert world.counts.repositories == 0, "who does not lead follows nobody"
    assert sorted(map(str, world.objects.commits("demo") + world.objects.commits("two"))) == sorted(
        map(str, [{"web": COMMIT, "api": NEWER}, {"web": COMMIT}])
    )


async def test_a_changed_config_is_followed_at_once(world: World) -> None:
    world.objects.put("demo", spec(auto=False))
    async with world.running(SLOW):
        await asyncio.sleep(0.03)
        assert world.hosts.asked == []
        world.objects.put("demo", spec())
        await until(lambda: world.objects.commits("demo") == [{"web": COMMIT}])
        world.hosts.tips[OTHER] = {"v2": NEWER}
        world.objects.put("demo", spec(web=builders.component(OTHER, "v2")))
        await until(lambda: len(world.objects.made) == 2)

    assert world.objects.commits("demo") == [{"web": COMMIT}, {"web": NEWER}]


async def test_a_start_does_not_look_at_what_was_recorded_before_its_turn(world: World) -> None:
    async with world.running(SLOW):
        await until(lambda: bool(world.watch() and world.watch().created))
    asked = len(world.hosts.asked)

    async with world.running(SLOW):
        await asyncio.sleep(0.05)

    assert len(world.hosts.asked) == asked


async def test_a_start_looks_at_once_at_what_was_changed_meanwhile(world: World) -> None:
    async with world.running(SLOW):
        await until(lambda: bool(world.watch() and world.watch().created))
    world.hosts.tips[REPOSITORY]["dev"] = NEWER
    world.objects.put("demo", spec(web=builders.component(ref="dev")))

    async with world.running(SLOW):
        await until(lambda: len(world.objects.made) == 2)


async def test_a_start_goes_on_with_what_was_decided_before(world: World) -> None:
    world.objects.crash_before = 3
    async with world.running(SLOW):
        await until(lambda: world.objects.writes >= 3)
    assert (world.objects.made, bool(world.watch().deployment), world.watch().created) == (
        [],
        True,
        False,
    )

    async with world.running(SLOW):
        await until(lambda: bool(world.watch().created))

    assert world.objects.commits("demo") == [{"web": COMMIT}]


async def test_a_tool_that_stops_to_follow_is_not_checked_and_forgets(world: World) -> None:
    async with world.running():
        await until(lambda: bool(world.watch() and world.watch().created))
        world.objects.put("demo", spec(auto=False))
        await until(lambda: world.objects.configs["demo"].status.components == {})
        asked = len(world.hosts.asked)
        await asyncio.sleep(0.15)

    assert len(world.hosts.asked) == asked
    assert world.counts.repositories == 0


async def test_a_deleted_config_is_not_checked(world: World) -> None:
    async with world.running():
        await until(lambda: bool(world.watch() and world.watch().created))
        world.objects.remove("demo")
        await until(lambda: world.counts.repositories == 0)


async def test_look_now_checks_at_once_and_says_whether_anybody_cares(world: World) -> None:
    async with world.running(SLOW) as poller:
        await until(lambda: bool(world.watch() and world.watch().created))
        world.hosts.tips[REPOSITORY]["main"] = NEWER

        assert poller.look_now("https://GIT.example.org/demo.git")
        assert not poller.look_now(OTHER)
        assert not poller.look_now("https://localhost/x")
        await until(lambda: len(world.objects.made) == 2)


async def test_a_push_during_a_check_is_seen_by_another_one_right_after(world: World) -> None:
    world.hosts.gate.clear()
    async with world.running(SLOW) as poller:
        await until(lambda: len(world.hosts.asked) == 1)
        world.hosts.tips[REPOSITORY]["main"] = NEWER
        assert poller.look_now(REPOSITORY)
        world.hosts.gate.set()
        await until(lambda: len(world.objects.made) == 2)

    assert world.objects.commits("demo") == [{"web": COMMIT}, {"web": NEWER}]


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            errors.Terminal(Reason.REPOSITORY_NOT_FOUND, "there is none", "Check it."),
            "There is none. Check it.",
        ),
        (errors.Transient(Reason.REPOSITORY_UNREACHABLE, "it is silent"), "It is silent."),
    ],
)
async def test_a_failed_check_is_in_the_status_and_the_next_one_waits_longer(
    error: errors.EdgeError, message: str, world: World
) -> None:
    world.hosts.failing[REPOSITORY] = error
    async with world.running(timedelta(seconds=0.02)):
        await until(lambda: len(world.hosts.asked) == 3)
        assert (world.watch().error, world.watch().error_reason) == (message, error.reason)
        await asyncio.sleep(0.04)

    assert len(world.hosts.asked) == 3

    assert set(world.counts.bad) == {error.reason}


async def test_a_host_that_asks_for_time_gets_it_for_all_its_repositories(world: World) -> None:
    busy = errors.Transient(Reason.REPOSITORY_UNREACHABLE, "it is busy", timedelta(hours=1))
    world.hosts.failing[REPOSITORY] = busy
    async with world.running():
        await until(lambda: world.counts.bad == [Reason.REPOSITORY_UNREACHABLE])
        world.objects.put("two", spec(web=builders.component(OTHER)))
        await until(lambda: bool(world.watch(tool="two")) and bool(world.watch(tool="two").error))

    assert [url for url, _ in world.hosts.asked] == [REPOSITORY]
    assert world.watch(tool="two").error == "It is busy."


async def test_hosts_that_do_not_answer_are_counted_and_only_those(world: World) -> None:
    silent = errors.Transient(Reason.REPOSITORY_UNREACHABLE, "it is silent")
    world.hosts.failing[REPOSITORY] = silent
    host = "git.example.org"
    async with world.running():
        await until(lambda: world.counts.unreachable() == {host: 1})
        assert world.counts.on_host() == {host: 1}
        world.hosts.failing[REPOSITORY] = errors.Terminal(Reason.REPOSITORY_NOT_FOUND, "no such")
        await until(lambda: world.counts.unreachable() == {})
        world.objects.put("demo", spec(auto=False))
        await until(lambda: world.counts.on_host() == {})


async def test_a_check_that_does_not_end_is_overdue(world: World) -> None:
    world.hosts.gate.clear()
    async with world.running():
        await until(lambda: world.counts.overdue() > timedelta(milliseconds=50))
        world.hosts.gate.set()
        await until(lambda: world.counts.overdue() < timedelta(milliseconds=50))
    assert world.counts.overdue() == timedelta()


async def test_a_ref_that_is_missing_is_trouble_of_its_component_only(world: World) -> None:
    world.objects.put("demo", spec(web=builders.component(), api=builders.component(ref="dev")))
    async with world.running():
        await until(lambda: bool(world.watch() and world.watch().created))

    assert world.watch("api").error == "There is no such branch. Push it."
    assert world.watch("api").error_reason == Reason.REF_NOT_FOUND
    assert world.objects.commits("demo") == [{"web": COMMIT}]


async def test_an_address_that_is_refused_is_in_the_status_without_a_check(world: World) -> None:
    world.objects.put("demo", spec(web=builders.component("https://localhost/x")))
    async with world.running():
        await until(lambda: bool(world.watch() and world.watch().error))

    assert world.watch().error_reason == Reason.REPOSITORY_REFUSED
    assert world.hosts.asked == []


async def test_a_write_that_fails_is_made_good_soon(world: World) -> None:
    world.objects.failures = [store_errors.Unavailable("it is away")] * 3
    async with world.running(SLOW):
        await until(lambda: bool(world.watch() and world.watch().created))

    assert world.objects.commits("demo") == [{"web": COMMIT}]


async def test_a_full_commit_id_is_looked_up_once(world: World) -> None:
    world.hosts.tips[REPOSITORY][NEWER] = NEWER
    world.objects.put("demo", spec(web=builders.component(ref=NEWER)))
    async with world.running():
        await until(lambda: bool(world.watch() and world.watch().created))
        await until(lambda: world.counts.repositories == 0)
        await asyncio.sleep(0.12)

    assert len(world.hosts.asked) == 1


async def test_repositories_have_their_turns_all_over_the_interval() -> None:
    interval, now = timedelta(seconds=100), _now()
    phases = [
        polling._until_turn(f"https://git.example.org/{n}.git", interval, now).total_seconds()
        for n in range(1000)
    ]

    tenths = [sum(1 for phase in phases if n * 10 <= phase < n * 10 + 10) for n in range(10)]
    assert min(tenths) > 70
    assert max(tenths) < 130


async def test_a_check_out_of_turn_does_not_move_the_turn(world: World) -> None:
    interval, now = timedelta(seconds=100), _now()
    turn = polling._until_turn(REPOSITORY, interval, now)
    for later in (0.3, 1, 7.9):
        waited = polling._until_turn(REPOSITORY, interval, now + interval * later)
        assert (waited + interval * later - turn) % interval == timedelta(0)

    async with world.running(timedelta(seconds=0.2)) as poller:
        await until(lambda: len(world.hosts.asked) == 1)
        poller.look_now(REPOSITORY)
        await until(lambda: len(world.hosts.asked) >= 4)


async def test_a_webhook_is_answered_at_once_and_once(world: World) -> None:
    async with world.running(SLOW):
        await until(lambda: len(world.objects.made) == 1)
        world.hosts.tips[REPOSITORY]["main"] = NEWER
        push = lookups.value_of(_now(), Push("refs/heads/main", NEWER))
        world.objects.annotate("demo", {lookups.ANNOTATION: push})
        await until(lambda: world.objects.commits("demo") == [{"web": COMMIT}, {"web": NEWER}])
        asked = len(world.hosts.asked)
        world.objects.annotate("demo", {lookups.ANNOTATION: push, "other": "x"})
        await asyncio.sleep(0.05)

    assert len(world.hosts.asked) == asked


async def test_a_push_that_is_not_visible_yet_is_looked_for_again(world: World) -> None:
    async with world.running(SLOW):
        await until(lambda: len(world.objects.made) == 1)
        push = lookups.value_of(_now(), Push("refs/heads/main", NEWER))
        world.objects.annotate("demo", {lookups.ANNOTATION: push})
        await until(lambda: len(world.hosts.asked) == 2)
        world.hosts.tips[REPOSITORY]["main"] = NEWER
        await until(lambda: world.objects.commits("demo") == [{"web": COMMIT}, {"web": NEWER}])

    assert len(world.hosts.asked) == 3


async def test_a_host_that_is_overloaded_is_asked_more_slowly_by_all(world: World) -> None:
    world.objects.put("demo", spec(web=builders.component(OTHER)))
    world.hosts.failing[OTHER] = Busy(Reason.REPOSITORY_UNREACHABLE, "slow down")
    async with world.running(SLOW) as poller:
        await until(lambda: world.counts.bad == [Reason.REPOSITORY_UNREACHABLE])
        world.objects.put("more", spec())
        await until(lambda: world.objects.commits("more") == [{"web": COMMIT}])
        for _ in range(5):
            poller.look_now(REPOSITORY)
            await asyncio.sleep(0.02)

    assert [repository for repository, _ in world.hosts.asked] == [OTHER, REPOSITORY]
