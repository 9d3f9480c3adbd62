"""A ref policy through everything, with Toolforge's services: a pushed tag is deployed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pytest

from controller.models.refs import RefPolicy
from controller.models.tooldeployment import State
from tests import builders
from tests.faults import timeline
from tests.faults.world import World, opened
from watchers.git.addresses import Address
from watchers.git.resolution import RefFound
from watchers.git.transport import of_names


@dataclass
class TaggedWorld(World):
    """`heads` also holds tags, by their full names."""

    async def refs(self, _address: Address, wanted: Sequence[str]) -> Mapping[str, RefFound]:
        """What git answers the controller."""
        full = {
            name if "/" in name else f"refs/heads/{name}": it for name, it in self.heads.items()
        }
        return of_names(wanted, {name: RefFound(commit) for name, commit in full.items()})


@pytest.mark.parametrize(
    ("policy", "first", "others", "second"),
    [
        (RefPolicy(semver=">=1 <2"), "v1.9.0", ("v2.0.0", "v1.11.0-rc.1", "v0.9"), "v1.10.0"),
        (RefPolicy(tag="web-*"), "web-9", ("api-12", "web", "v3"), "web-10"),
    ],
    ids=["a range", "a pattern"],
)
def test_the_newest_tag_is_built_and_run(
    policy: RefPolicy, first: str, others: Sequence[str], second: str
) -> None:
    async def work() -> None:
        heads = {"main": "1" * 40, f"refs/tags/{first}": "2" * 40}
        async with opened((), TaggedWorld, heads=heads) as world:
            web = builders.component(ref=policy, port=8000)
            spec = builders.config(web=web).model_copy(update={"auto_deploy": True})
            await world.configure(spec)
            await world.until(lambda found: len(found) == 1 and found[0].final)
            world.heads |= {f"refs/tags/{name}": "3" * 40 for name in others}
            world.heads |= {"main": "4" * 40, f"refs/tags/{second}": "5" * 40}
            await world.until(lambda found: len(found) == 2 and found[1].final)

            found = await world.deployments()
            assert [each.status.status for each in found] == [State.SUCCESSFUL] * 2
            assert [each.status.builds["web"].commit for each in found] == ["2" * 40, "5" * 40]
            assert [each.spec.trigger.refs for each in found] == [
                {"web": f"refs/tags/{name}"} for name in (first, second)
            ]
            asked = [entry.sent["ref"] for entry in world.tape.done("builds", "POST", "/builds")]
            assert len(asked) == 2, asked

    timeline.run(work)
