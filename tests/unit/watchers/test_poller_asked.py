"""Whoever asks for a look now gets one at once, and one only."""

import asyncio

from controller.models import lookups
from controller.models.lookups import Push
from controller.models.tooldeployment import Trigger
from tests.builders import COMMIT, NEWER, REPOSITORY
from tests.support.polling import SLOW, World, now, until


async def test_a_webhook_is_answered_at_once_and_once(world: World) -> None:
    async with world.running(SLOW):
        await until(lambda: len(world.objects.made) == 1)
        world.hosts.tips[REPOSITORY]["main"] = NEWER
        push = lookups.value_of(now(), Push("refs/heads/main", NEWER))
        world.objects.annotate("demo", {lookups.ANNOTATION: push})
        await until(lambda: world.objects.commits("demo") == [{"web": COMMIT}, {"web": NEWER}])
        asked = len(world.hosts.asked)
        world.objects.annotate("demo", {lookups.ANNOTATION: push, "other": "x"})
        await asyncio.sleep(0.05)

    assert len(world.hosts.asked) == asked
    kinds = [spec.trigger.kind for _, _, spec in world.objects.made]
    assert (kinds, world.watch().found_by) == ([Trigger.POLL, Trigger.WEBHOOK], "webhook")


async def test_another_commit_than_the_webhook_named_was_found_by_polling(world: World) -> None:
    async with world.running(SLOW):
        await until(lambda: len(world.objects.made) == 1)
        world.hosts.tips[REPOSITORY]["main"] = NEWER
        push = lookups.value_of(now(), Push("refs/heads/other", "c" * 40))
        world.objects.annotate("demo", {lookups.ANNOTATION: push})
        await until(lambda: world.objects.commits("demo") == [{"web": COMMIT}, {"web": NEWER}])

    assert world.watch().found_by == ""


async def test_a_push_that_is_not_visible_yet_is_looked_for_again(world: World) -> None:
    async with world.running(SLOW):
        await until(lambda: len(world.objects.made) == 1)
        push = lookups.value_of(now(), Push("refs/heads/main", NEWER))
        world.objects.annotate("demo", {lookups.ANNOTATION: push})
        await until(lambda: len(world.hosts.asked) == 2)
        world.hosts.tips[REPOSITORY]["main"] = NEWER
        await until(lambda: world.objects.commits("demo") == [{"web": COMMIT}, {"web": NEWER}])

    assert len(world.hosts.asked) == 3
