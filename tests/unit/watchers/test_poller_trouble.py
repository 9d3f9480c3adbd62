"""What fails: it is said, waited for longer and longer, and made good; others do not notice."""

import asyncio
from datetime import timedelta
from itertools import pairwise

import pytest

from controller import errors
from controller.models.reasons import Reason
from controller.store import errors as store_errors
from tests import builders
from tests.builders import COMMIT, REPOSITORY
from tests.support.polling import OTHER, SLOW, World, spec, until
from watchers.git.transport import Busy


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
    interval = timedelta(seconds=0.02)
    async with world.running(interval):
        await until(lambda: len(world.hosts.asked) == 3)
        assert (world.watch().error, world.watch().error_reason) == (message, error.reason)

    # A busy machine only makes the waits longer.
    waits = [later - earlier for earlier, later in pairwise(world.hosts.asked_at)]
    assert [wait >= interval * 2**n * 0.99 for n, wait in enumerate(waits)] == [True] * 2
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


async def test_a_control_plane_that_gives_no_secret_is_no_hosts_silence(world: World) -> None:
    away = errors.Transient(Reason.PLATFORM_UNAVAILABLE, "the control plane does not answer")
    world.hosts.failing[REPOSITORY] = away
    async with world.running(timedelta(seconds=0.02)):
        await until(lambda: world.counts.bad == [Reason.PLATFORM_UNAVAILABLE] * 2)
        assert world.counts.unreachable() == {}


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
