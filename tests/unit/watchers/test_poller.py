"""The schedule: one check for everybody, at once where asked, politely where something fails."""

import asyncio
from datetime import timedelta

from tests import builders
from tests.builders import COMMIT, NEWER, REPOSITORY
from tests.support.polling import OTHER, SLOW, World, spec, until


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


async def test_a_full_commit_id_is_looked_up_once(world: World) -> None:
    world.hosts.tips[REPOSITORY][NEWER] = NEWER
    world.objects.put("demo", spec(web=builders.component(ref=NEWER)))
    async with world.running():
        await until(lambda: bool(world.watch() and world.watch().created))
        await until(lambda: world.counts.repositories == 0)
        await asyncio.sleep(0.12)

    assert len(world.hosts.asked) == 1


async def test_after_a_check_out_of_turn_the_turns_go_on(world: World) -> None:
    async with world.running(timedelta(seconds=0.2)) as poller:
        await until(lambda: len(world.hosts.asked) == 1)
        poller.look_now(REPOSITORY)
        await until(lambda: len(world.hosts.asked) >= 4)
