"""Builds by builds-api: what the service promises, refuses, forgets and cannot do."""

from dataclasses import replace
from datetime import timedelta

import pytest

from controller.backends.base import Build, BuildOptions, BuildRequest, BuildState
from controller.errors import Terminal, Transient, Waiting
from controller.models.reasons import Reason
from tests.support.toolforge.build_runs import Refs, commit_of
from tests.support.toolforge.faults import Fault
from tests.support.toolforge.world import Toolforge

TOOL = "demo"
REPOSITORY = "https://git.example.org/demo.git"
DEPLOYMENT = "20261121-222725-aaaaaaaaaa"  # the second at which the stand-ins' time begins
LATER = "20261121-222725-bbbbbbbbbb"
START = r"^POST /v1/tool/demo/builds$"


def request(
    component: str = "web", ref: str = "main", deployment: str = DEPLOYMENT, **fields: object
) -> BuildRequest:
    base = BuildRequest(
        component, REPOSITORY, ref, commit_of(REPOSITORY, ref), BuildOptions(), deployment
    )
    return replace(base, **fields)  # type: ignore[arg-type]


async def only(world: Toolforge) -> Build:
    [build] = await world.backend.builds.list(TOOL)
    return build


async def test_a_build_is_pending_running_and_then_successful_with_a_digest(
    world: Toolforge,
) -> None:
    started = await world.backend.builds.start(TOOL, request())
    states = [started.state, (await only(world)).state]
    world.advance(1)
    states.append((await only(world)).state)
    world.advance(4)
    done = await only(world)
    assert [*states, done.state] == [
        BuildState.PENDING,
        BuildState.PENDING,
        BuildState.RUNNING,
        BuildState.SUCCESSFUL,
    ]
    assert (done.id, done.component, done.commit) == (started.id, "web", started.commit)
    assert done.image is not None
    assert done.image.startswith("harbor.local/tool-demo/web:latest@sha256:")


async def test_the_full_name_of_the_ref_is_sent_so_that_no_other_branch_is_built(
    world: Toolforge,
) -> None:
    world.builds.resolve = Refs(
        {REPOSITORY: {"refs/heads/feature/main": "1" * 40, "refs/heads/main": "2" * 40}}
    )
    build = await world.backend.builds.start(TOOL, request(commit="2" * 40))
    assert (build.commit, world.builds.runs[TOOL][0].parameters["ref"]) == (
        "2" * 40,
        "refs/heads/main",
    )


async def test_a_name_that_is_no_branch_is_tried_as_a_tag(world: Toolforge) -> None:
    world.builds.resolve = Refs({REPOSITORY: {"refs/tags/v1": "3" * 40}})
    wanted = request(ref="v1", commit="3" * 40)
    first = await world.backend.builds.start(TOOL, wanted)
    assert (first.commit, world.builds.runs[TOOL][0].parameters["ref"]) == (
        "3" * 40,
        "refs/tags/v1",
    )


async def test_an_annotated_tag_is_built_once_though_the_service_tells_the_tag_object(
    world: Toolforge,
) -> None:
    world.builds.resolve = Refs({REPOSITORY: {"refs/tags/v1": "e" * 40}})
    wanted = request(ref="v1", commit="3" * 40)
    builds = [await world.backend.builds.start(TOOL, wanted) for _ in range(2)]
    assert [build.commit for build in builds] == ["3" * 40] * 2
    assert world.builds.started == 1


async def test_a_ref_that_is_neither_is_refused_with_the_words_of_the_first_try(
    world: Toolforge,
) -> None:
    world.builds.resolve = Refs({REPOSITORY: {}})
    with pytest.raises(Terminal, match="Failed to resolve ref refs/heads/main,") as refusal:
        await world.backend.builds.start(TOOL, request())
    assert refusal.value.reason == Reason.REF_NOT_FOUND


async def test_a_bare_commit_is_refused_before_the_service_is_asked(world: Toolforge) -> None:
    with pytest.raises(Terminal, match="is a bare commit") as refusal:
        await world.backend.builds.start(TOOL, request(ref="a" * 40))
    assert (refusal.value.reason, world.recorded) == (Reason.BUILD_REFUSED, [])


async def test_a_ref_that_has_moved_is_said_and_its_build_stopped(world: Toolforge) -> None:
    with pytest.raises(Terminal, match="was 555555555555 and is") as refusal:
        await world.backend.builds.start(TOOL, request(commit="5" * 40))
    world.advance(1)
    assert refusal.value.reason == Reason.COMMIT_MISMATCH
    assert (await only(world)).state == BuildState.CANCELLED


async def test_no_free_slot_is_a_wait_with_the_services_words(world: Toolforge) -> None:
    for number in range(4):
        await world.backend.builds.start(TOOL, request(f"c{number}"))
    with pytest.raises(Waiting, match="Got too many builds running") as wait:
        await world.backend.builds.start(TOOL, request("c4"))
    assert (wait.value.reason, wait.value.after) == (
        Reason.BUILD_QUEUE_FULL,
        timedelta(seconds=10),
    )


async def test_while_no_slot_becomes_free_the_service_is_asked_every_ten_seconds(
    world: Toolforge,
) -> None:
    calls = []
    for number in range(4):
        await world.backend.builds.start(TOOL, request(f"c{number}", ref="hang"))
    for _ in range(12):
        with pytest.raises(Waiting, match="4 out of 4 max"):
            await world.backend.builds.start(TOOL, request("c4"))
        calls.append(world.builds.faults.calls(START))
        world.advance(1)
    assert calls == [5] * 10 + [6] * 2


async def test_a_slot_that_becomes_free_is_taken_at_once(world: Toolforge) -> None:
    builds = [
        await world.backend.builds.start(TOOL, request(f"c{n}", ref="hang")) for n in range(4)
    ]
    with pytest.raises(Waiting):
        await world.backend.builds.start(TOOL, request("c4"))
    await world.backend.builds.cancel(TOOL, builds[0].id)
    world.advance(1)
    assert (await world.backend.builds.start(TOOL, request("c4"))).state == BuildState.PENDING


async def test_asking_twice_is_one_build(world: Toolforge) -> None:
    first = await world.backend.builds.start(TOOL, request())
    again = await world.backend.builds.start(TOOL, request())
    world.advance(10)
    after_its_end = await world.backend.builds.start(TOOL, request())
    assert {first.id, again.id, after_its_end.id} == {first.id}
    assert (world.builds.started, after_its_end.state) == (1, BuildState.SUCCESSFUL)


async def test_a_build_of_another_commit_is_not_taken_for_it(world: Toolforge) -> None:
    other = await world.backend.builds.start(TOOL, request(ref="other"))
    wanted = await world.backend.builds.start(TOOL, request())
    assert (other.id != wanted.id, world.builds.started) == (True, 2)


async def test_a_build_whose_answer_was_lost_is_found_again(world: Toolforge) -> None:
    world.builds.faults.add(Fault(START, arrives=True))
    with pytest.raises(Transient, match="builds-api cannot be reached"):
        await world.backend.builds.start(TOOL, request())
    async with world.restarted() as backend:
        build = await backend.builds.start(TOOL, request())
    assert (build.id, world.builds.started) == (world.builds.runs[TOOL][0].id, 1)


async def test_a_build_tells_which_deployment_asked_for_it(world: Toolforge) -> None:
    await world.backend.builds.start(TOOL, request())
    assert (await only(world)).deployment == DEPLOYMENT
    assert world.builds.runs[TOOL][0].parameters["envvars"] == {"PTD_DEPLOYMENT": DEPLOYMENT}


async def test_another_deployment_of_the_same_second_gets_its_own(world: Toolforge) -> None:
    first = await world.backend.builds.start(TOOL, request())
    second = await world.backend.builds.start(TOOL, request(deployment=LATER))
    assert (first.id != second.id, world.builds.started) == (True, 2)


@pytest.mark.parametrize("ref", ["fail", "hang"])
async def test_the_bad_end_of_anothers_build_is_not_that_of_one_who_waited(
    world: Toolforge, ref: str
) -> None:
    first = await world.backend.builds.start(TOOL, request(ref=ref))
    world.advance(10)
    await world.backend.builds.cancel(TOOL, first.id)
    world.advance(10)
    waited = request(ref=ref, deployment=DEPLOYMENT.replace("a", "b"))
    second = await world.backend.builds.start(TOOL, waited)
    again = await world.backend.builds.start(TOOL, waited)
    assert (second.id != first.id, again.id, world.builds.started) == (True, second.id, 2)


async def test_a_build_that_somebody_started_by_hand_is_nobody_s(world: Toolforge) -> None:
    body = {"source_url": REPOSITORY, "ref": "main", "image_name": "web"}
    await world.builds.start(TOOL, body)
    assert (await only(world)).deployment == ""
    mine = await world.backend.builds.start(TOOL, request())
    assert (mine.deployment, world.builds.started) == (DEPLOYMENT, 2)


async def test_a_deployment_that_was_named_by_hand_is_found_again_too(world: Toolforge) -> None:
    wanted = request(deployment="by-hand")
    builds = [await world.backend.builds.start(TOOL, wanted) for _ in range(2)]
    assert (builds[0].id == builds[1].id, world.builds.started) == (True, 1)


async def test_a_failed_build_tells_the_end_of_its_log_and_asks_for_it_once(
    world: Toolforge,
) -> None:
    await world.backend.builds.start(TOOL, request(ref="fail"))
    world.advance(10)
    builds = [await only(world) for _ in range(3)]
    assert {build.state for build in builds} == {BuildState.FAILED}
    assert builds[0].log_tail[-1].endswith("ERROR: failed to build: exit status 1")
    assert builds[0] == builds[2]
    assert world.builds.faults.calls("/logs") == 1


async def test_a_log_that_cannot_be_read_hides_no_failure(world: Toolforge) -> None:
    await world.backend.builds.start(TOOL, request(ref="fail"))
    world.advance(10)
    world.builds.faults.add(Fault("/logs", status=500, body='{"error": ["no"]}'))
    assert ((await only(world)).state, (await only(world)).log_tail != ()) == (
        BuildState.FAILED,
        True,
    )


async def test_success_without_a_digest_is_a_failure(world: Toolforge) -> None:
    await world.backend.builds.start(TOOL, request(ref="nodigest"))
    world.advance(10)
    build = await only(world)
    text = "the build ended well, but its image has no digest"
    assert (build.state, build.image, build.message) == (BuildState.FAILED, None, text)


async def test_the_next_build_of_a_component_takes_the_image_of_the_one_before(
    world: Toolforge,
) -> None:
    first = await world.backend.builds.start(TOOL, request())
    other = await world.backend.builds.start(TOOL, request("worker"))
    world.advance(10)
    second = await world.backend.builds.start(TOOL, request(ref="newer", deployment=LATER))
    world.advance(10)
    found = {build.id: build for build in await world.backend.builds.list(TOOL)}
    good = {build_id for build_id, build in found.items() if build.image is not None}
    assert good == {other.id, second.id}
    text = f"the build ended well, but build {second.id} has replaced its image"
    replaced = found[first.id]
    assert (replaced.state, replaced.message, replaced.log_tail) == (BuildState.FAILED, text, ())


async def test_all_builds_before_the_last_one_that_ended_well_have_lost_their_image(
    world: Toolforge,
) -> None:
    """Whichever began last, and whatever failed since."""
    builds = []
    for number, ref in enumerate(("main", "newer", "newer", "fail")):
        deployment = f"20261121-12000{number}-abcdefghij"
        builds.append(
            await world.backend.builds.start(TOOL, request(ref=ref, deployment=deployment))
        )
        world.advance(10)
    found = {build.id: build for build in await world.backend.builds.list(TOOL)}
    text = f"the build ended well, but build {builds[2].id} has replaced its image"
    told = [(found[build.id].message, found[build.id].image is not None) for build in builds]
    assert told[:2] == [(text, False)] * 2
    assert [has_image for _, has_image in told] == [False, False, True, False]


async def test_a_cancel_that_somebody_else_answered_is_not_believed(world: Toolforge) -> None:
    build = await world.backend.builds.start(TOOL, request(ref="hang"))
    world.builds.faults.add(Fault("^PUT", status=200, body="<html>welcome</html>"))
    with pytest.raises(Transient, match="not the service's"):
        await world.backend.builds.cancel(TOOL, build.id)


async def test_cancelling_stops_a_build_and_may_be_repeated(world: Toolforge) -> None:
    build = await world.backend.builds.start(TOOL, request(ref="hang"))
    await world.backend.builds.cancel(TOOL, build.id)
    await world.backend.builds.cancel(TOOL, build.id)
    world.advance(1)
    await world.backend.builds.cancel(TOOL, build.id)
    await world.backend.builds.cancel(TOOL, "demo-buildpacks-pipelinerun-nobdy")
    await world.backend.builds.cancel(TOOL, "of another tool/../../x")
    assert (await only(world)).state == BuildState.CANCELLED


async def test_the_log_can_be_followed_to_its_end(world: Toolforge) -> None:
    build = await world.backend.builds.start(TOOL, request())
    world.advance(10)
    lines = [line async for line in world.backend.builds.log(TOOL, build.id, follow=True)]
    assert [line.split()[0] for line in lines] == ["[step-clone]", "[step-build]", "[step-build]"]


async def test_the_log_of_an_unknown_build_is_refused(world: Toolforge) -> None:
    with pytest.raises(Terminal, match="not found"):
        _ = [_ async for _ in world.backend.builds.log(TOOL, "demo-buildpacks-pipelinerun-nobdy")]


async def test_no_line_of_a_kept_log_is_endless(world: Toolforge) -> None:
    await world.backend.builds.start(TOOL, request(ref="fail"))
    world.advance(10)
    lines = "".join(f'{{"line": "{"x" * 5_000}{n}"}}\n' for n in range(100))
    world.builds.faults.add(Fault("/logs", status=200, body=lines))
    assert (await only(world)).log_tail == ("x" * 500,) * 20
