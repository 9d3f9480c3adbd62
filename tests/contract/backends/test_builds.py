"""The contract of `base.Builds`, for every backend."""

from dataclasses import replace

import pytest

from controller import errors
from controller.backends import base
from controller.models.reasons import Reason
from tests.contract.backends.worlds import (
    LATER_DEPLOYMENT,
    OTHER_TOOL,
    TOOL,
    World,
    finished,
    until,
)


async def test_a_tool_without_builds_has_none(world: World) -> None:
    assert list(await world.builds.list(TOOL)) == []


async def test_a_build_becomes_an_image_that_names_its_content(world: World) -> None:
    request = world.good_build()
    started = await world.builds.start(TOOL, request)
    build = await finished(world, started.id)
    assert started.state.live
    assert build.state is base.BuildState.SUCCESSFUL
    assert (build.component, build.repository) == (request.component, request.repository)
    assert (build.commit, build.options) == (request.commit, request.options)
    assert build.deployment in (request.deployment, None)
    assert build.image is not None
    assert "@sha256:" in build.image


async def test_an_equal_request_is_the_same_build(world: World) -> None:
    request = world.good_build()
    first = await world.builds.start(TOOL, request)
    joined = await world.builds.start(TOOL, request)
    await finished(world, first.id)
    again = await world.builds.start(TOOL, request)
    assert {first.id, joined.id, again.id} == {first.id}
    assert len(await world.builds.list(TOOL)) == 1


async def test_another_deployment_is_another_build_and_the_newest_comes_first(world: World) -> None:
    request = world.good_build()
    first = await world.builds.start(TOOL, request)
    await finished(world, first.id)
    second = await world.builds.start(TOOL, replace(request, deployment=LATER_DEPLOYMENT))
    await finished(world, second.id)
    assert [build.id for build in await world.builds.list(TOOL)] == [second.id, first.id]


async def test_a_failed_build_has_its_last_lines_and_no_image(world: World) -> None:
    started = await world.builds.start(TOOL, world.bad_build())
    build = await finished(world, started.id)
    assert (build.state, build.image) == (base.BuildState.FAILED, None)
    assert world.last_words in "\n".join(build.log_tail)


async def test_a_cancelled_build_ends_and_stays_cancelled(world: World) -> None:
    started = await world.builds.start(TOOL, world.endless_build("web"))
    await world.builds.cancel(TOOL, started.id)
    build = await finished(world, started.id)
    await world.builds.cancel(TOOL, started.id)
    [after] = await world.builds.list(TOOL)
    assert (build.state, build.image) == (base.BuildState.CANCELLED, None)
    assert after == build


async def test_cancelling_a_build_that_is_not_there_is_no_error(world: World) -> None:
    await world.builds.cancel(TOOL, "nothing")
    await world.builds.cancel("no-such-tool", "nothing")


async def test_a_full_queue_says_when_to_come_again(world: World) -> None:
    for number in range(world.slots):
        await world.builds.start(TOOL, world.endless_build(f"web-{number}"))
    with pytest.raises(errors.Waiting) as refused:
        await world.builds.start(TOOL, world.endless_build("one-more"))
    assert refused.value.reason == Reason.BUILD_QUEUE_FULL
    for build in await world.builds.list(TOOL):
        await world.builds.cancel(TOOL, build.id)


async def test_a_tool_sees_its_own_builds_only(world: World) -> None:
    started = await world.builds.start(TOOL, world.good_build())
    assert list(await world.builds.list(OTHER_TOOL)) == []
    await world.builds.cancel(OTHER_TOOL, started.id)
    assert (await finished(world, started.id)).state is base.BuildState.SUCCESSFUL


async def test_the_log_of_a_build_is_kept(world: World) -> None:
    started = await world.builds.start(TOOL, world.good_build())
    await finished(world, started.id)

    async def logged() -> bool | None:
        return [line async for line in world.builds.log(TOOL, started.id)] != [] or None

    assert await until(world, logged)


async def test_a_followed_log_ends(world: World) -> None:
    started = await world.builds.start(TOOL, world.good_build())
    lines = [line async for line in world.builds.log(TOOL, started.id, follow=True)]
    assert lines
    assert (await finished(world, started.id)).state is base.BuildState.SUCCESSFUL
