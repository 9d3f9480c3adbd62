"""Every edit of every field of a config, one after the other: the jobs are what the config says.

A tool that went from config to config ends with the jobs that a new tool gets from the last one. A
config that is wrong is refused with path and line, or fails with its path; either way the jobs stay
what they were, and the good config after it restarts nothing.
"""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest
import yaml

from controller import config
from controller.models.meta import API_VERSION, config_name, namespace_of
from controller.models.reasons import Reason
from controller.models.tooldeployment import State, ToolDeployment
from tests import builders
from tests.faults import timeline, transitions, trials
from tests.faults.conftest import Tried
from tests.faults.transitions import ABSENT, BASE, JSON, Operation, Path
from tests.faults.world import POLICY, World, opened
from tests.support.toolforge import job_models
from tests.support.toolforge.cluster import Cluster

TOOL = builders.TOOL
RULES = config.Policy(min_poll_seconds=30)
PARTS = 8 if trials.WHOLE else 2  # each from a new tool
GOOD = ("set", "change", "boundary", "remove")
NOT_TO_BE_HAD = (Reason.BUILD_REFUSED, Reason.CREDENTIALS_UNUSABLE)
"""Good configs that fail: a bare commit, which Toolforge cannot build, and a Secret that is not."""
Jobs = dict[str, tuple[JSON, str]]


@dataclass
class Trial:
    """One tool on its way through many configs, in a world with plenty of room.

    `now` is the last good config, `jobs` what it led to, `commits` what the images' digests mean.
    """

    world: World
    now: JSON = field(default_factory=dict)
    jobs: Jobs = field(default_factory=dict)
    commits: dict[str, str] = field(default_factory=dict)
    number: int = 0
    wrong: list[str] = field(default_factory=list)

    async def make(self, operation: Operation) -> None:
        """Do one edit and note what is wrong with what follows."""
        self.number += 1
        try:
            following = operation.of(self.now)
            if not _is_what_it_should_be(following, operation):
                following = operation.of(BASE)  # an edit before has made it something else
            if operation.kind == "invalid":
                await self._refuse(following, operation)
            else:
                await self.accept(following)
        except AssertionError as error:
            self.wrong.append(f"{self.number}, {operation}: {error}")

    async def accept(self, following: JSON) -> None:
        """The tool takes the config, and so does a new tool: their jobs are the same."""
        before, started = self.jobs, dict(self.world.jobs.tool(TOOL).started)
        fresh = f"fresh-{self.number}"
        await self.world.ask("POST", "/api/v1/namespaces", _namespace(fresh))
        ends = [await self._deploy(tool, following) for tool in (TOOL, fresh)]
        mine, theirs = [await self._ended(tool, name) for tool, name in ends]
        assert _how(mine) == _how(theirs), f"{_how(mine)}, and a new tool {_how(theirs)}"
        if mine.status.status != State.SUCCESSFUL:
            assert mine.status.reason in NOT_TO_BE_HAD, _how(mine)
            await self._back()
            return
        self.now, self.jobs = following, self._jobs()
        kept = {name: self.jobs[name] for name in following["components"]}
        assert kept == self._jobs(fresh), "not the jobs of a new tool"
        assert {name: body for name, (body, _) in kept.items()} == _expected(following)
        if following.get("prune", True):
            assert kept.keys() == self.jobs.keys(), "jobs of components that left"
        same = [name for name in kept if before.get(name) == self.jobs[name]]
        again = self.world.jobs.tool(TOOL).started
        restarted = [name for name in same if started.get(name) != again.get(name)]
        assert restarted == [], "restarted without a reason"

    async def _refuse(self, bad: JSON, operation: Operation) -> None:
        """It is named with its place; the control plane refuses it, or its deployment fails."""
        _names_the_place(bad, operation)
        if await self._put(TOOL, bad) is None:
            return
        _, name = await self._deploy(TOOL)
        found = await self._ended(TOOL, name)
        told = " ".join([found.status.message, *(c.message for c in found.status.conditions)])
        assert _how(found) == (State.FAILED, Reason.CONFIG_INVALID), _how(found)
        assert ".".join(operation.path[:-1]) in told, told
        await self._back()

    async def _back(self) -> None:
        """What failed changed no job, and the good config before it changes none either."""
        started = dict(self.world.jobs.tool(TOOL).started)
        assert self._jobs() == self.jobs, "what failed changed jobs"
        _, name = await self._deploy(TOOL, self.now)
        found = await self._ended(TOOL, name)
        assert found.status.status == State.SUCCESSFUL, f"back to what was good: {_how(found)}"
        assert self._jobs() == self.jobs, "back, but the jobs are others"
        assert self.world.jobs.tool(TOOL).started == started, "restarted without a reason"

    async def _deploy(self, tool: str, wanted: JSON | None = None) -> tuple[str, str]:
        if wanted is not None:
            assert await self._put(tool, wanted) is not None, "refused by the control plane"
        name = f"{tool}-{len(self.world.names)}"
        await self.world.deploy(name, tool)
        return tool, self.world.names[name]

    async def _put(self, tool: str, spec: JSON) -> JSON | None:
        """Store a config as kubectl does; None where it is refused."""
        path = f"/apis/{API_VERSION}/namespaces/{namespace_of(tool)}/toolconfigs"
        body = {
            "apiVersion": API_VERSION,
            "kind": "ToolConfig",
            "metadata": {"name": config_name(tool)},
            "spec": spec,
        }
        listed = await self.world.ask("GET", path)
        try:
            if not listed["items"]:
                return await self.world.ask("POST", path, body)
            version = listed["items"][0]["metadata"]["resourceVersion"]
            body["metadata"] = {"name": config_name(tool), "resourceVersion": version}
            return await self.world.ask("PUT", f"{path}/{config_name(tool)}", body)
        except AssertionError as refused:
            if refused.args[0]["code"] != 422:
                raise
            return None

    def _jobs(self, tool: str = TOOL) -> Jobs:
        """A tool's jobs as they are stored: instead of the image's name the commit in it."""
        builds = self.world.builds.runs.get(tool, [])
        self.commits |= {run.digest(): run.commit for run in builds}
        return {
            name: (
                job.model_dump(mode="json", exclude_unset=True, exclude={"imagename"}),
                self.commits[job.imagename.partition("@")[2]],
            )
            for name, job in self.world.jobs.tool(tool).stored.items()
        }

    async def _ended(self, tool: str, name: str) -> ToolDeployment:
        """The deployment when it and all others of its tool have ended."""
        found: Sequence[ToolDeployment] = ()
        end = timeline.seconds() + 600
        while not (found and all(one.final for one in found)):
            assert timeline.seconds() < end, f"stuck: {[_how(one) for one in found]}"
            await asyncio.sleep(1)
            found = await self.world.deployments(tool)
        return next(one for one in found if one.name == name)


def walk(operations: Sequence[Operation]) -> list[str]:
    """What was wrong with these edits, done one after the other from BASE."""
    wrong: list[str] = []

    async def main() -> None:
        policy = replace(POLICY, retained=3)
        async with opened((), heads=dict(transitions.HEADS), policy=policy) as world:
            world.jobs.make_cluster = lambda: Cluster(cpu_quota=1e9, pod_quota=10_000)
            trial = Trial(world)
            await trial.accept(BASE)
            for operation in operations:
                await trial.make(operation)
            wrong.extend(trial.wrong)
            wrong.extend(f"{life.bugs()} bugs" for life in world.lives if life.bugs())

    timeline.run(main)
    return wrong


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("seed", range(1, 4 if trials.WHOLE else 2))
def test_every_edit_of_every_field_leads_to_the_jobs_of_a_new_tool(
    tried: Tried, seed: int, part: int
) -> None:
    everything = transitions.operations()
    chosen = everything if trials.WHOLE else _two_of_each(everything)
    if seed > 1:
        random.Random(seed).shuffle(chosen)
    length = -(-len(chosen) // PARTS)
    mine = chosen[part * length : (part + 1) * length]
    wrong = walk(mine)
    tried("edits of a config", len(mine), wrong)
    assert wrong == []


def _two_of_each(operations: list[Operation]) -> list[Operation]:
    """A good edit and a bad one of each field, another one each time the fields change."""
    chance, chosen = random.Random(1), list[Operation]()
    for path in dict.fromkeys(operation.path for operation in operations):
        of_it = [operation for operation in operations if operation.path == path]
        for kinds in (GOOD, ("invalid",)):
            fitting = [operation for operation in of_it if operation.kind in kinds]
            chosen += chance.sample(fitting, min(1, len(fitting)))
    return chosen


def _is_what_it_should_be(spec: JSON, operation: Operation) -> bool:
    """Good or bad as its kind says, without unknown fields, and not too long for a file."""
    read = config.load(yaml.safe_dump(spec, sort_keys=False), policy=RULES)
    as_a_whole = any(not problem.path for problem in read.errors)
    is_bad = bool(read.errors)
    return is_bad == (operation.kind == "invalid") and not read.warnings and not as_a_whole


def _names_the_place(bad: JSON, operation: Operation) -> None:
    """Read as a file, it is refused at its line; what is absent, at the line of what holds it."""
    text = yaml.safe_dump(bad, sort_keys=False)
    problems = config.load(text, policy=RULES).errors
    assert problems, "it is not refused"
    place = operation.path[:-1] if operation.value == ABSENT else operation.path
    fitting = [one for one in problems if one.path.startswith(".".join(place))]
    assert fitting, f"{'.'.join(place)} is not named: {[one.path for one in problems]}"
    lines = _lines(text, place)
    assert fitting[0].line in lines or not place, f"line {fitting[0].line}, and it is in {lines}"


def _lines(text: str, place: Path) -> range:
    """The lines of what is at a place in a file, its key included; they count from 1."""
    node, begin = yaml.compose(text), 1
    for name in place:
        assert node is not None
        key, node = next((k, v) for k, v in node.value if k.value == name)
        begin = key.start_mark.line + 1
    assert node is not None
    return range(begin, node.end_mark.line + 2)


def _namespace(tool: str) -> JSON:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace_of(tool)}}


def _how(deployment: ToolDeployment) -> tuple[str, str | None]:
    status = deployment.status
    return status.status.value, status.reason and status.reason.value


def _expected(spec: JSON) -> dict[str, JSON]:
    """The jobs that a config asks for, in the words of jobs-api; written from its documentation.

    A field of `run` that neither jobs-api nor this function knows is refused by its model.
    """
    found = {}
    for name, component in spec["components"].items():
        run = dict(component["run"])
        body = {"name": name, "cmd": run.pop("command"), "imagename": "any"}
        body["job_type"] = "scheduled" if "schedule" in run else "continuous"
        for kind, word in (("http", "path"), ("script", "script")):
            if (check := run.pop(f"health_check_{kind}", None)) is not None:
                body["health_check"] = {"type": kind, word: check}
        job = job_models.parse(body | run)
        found[name] = job.model_dump(mode="json", exclude_unset=True, exclude={"imagename"})
    return found
