"""Effects: errors become outcomes, bugs do not, and who does not lead does not act."""

from collections.abc import Callable

import pytest

from controller.errors import Terminal, Transient
from controller.models.credentials import SecretRef
from controller.models.reasons import Reason
from controller.reconcile import actions
from controller.reconcile.effects import Effects
from tests import builders
from tests.support.world import World

RESOLVE = actions.ResolveRef("web", builders.REPOSITORY, "main")
APPLY = actions.ApplyJob(builders.job_spec())


def effects(world: World, may_act: Callable[[], bool] = lambda: True) -> Effects:
    return Effects(world.backend.backend, world, world, world, may_act)


async def test_an_error_of_one_action_does_not_touch_the_others() -> None:
    world = World(refs={})
    refused, applied = await effects(world).carry_out("demo", [RESOLVE, APPLY])
    assert isinstance(refused.error, Terminal)
    assert refused.error.reason == Reason.REF_NOT_FOUND
    assert (applied.error, world.effects) == (None, ["apply job", "job applied"])


async def test_who_does_not_lead_any_more_does_nothing() -> None:
    world = World()
    outcomes = await effects(world, lambda: False).carry_out("demo", [RESOLVE, APPLY])
    assert [type(outcome.error) for outcome in outcomes] == [Transient, Transient]
    assert world.effects == []


async def test_a_bug_is_raised_after_the_other_actions_have_ended() -> None:
    class Buggy(World):
        async def resolve(
            self, repository: str, ref: str, secret: SecretRef | None = None
        ) -> actions.Resolved:
            raise ZeroDivisionError

    world = Buggy()
    with pytest.raises(ZeroDivisionError):
        await effects(world).carry_out("demo", [RESOLVE, APPLY])
    assert world.effects == ["apply job", "job applied"]


async def test_a_fault_that_may_pass_is_recorded_and_then_raised_to_the_loop() -> None:
    class Away(World):
        async def resolve(
            self, repository: str, ref: str, secret: SecretRef | None = None
        ) -> actions.Resolved:
            raise Transient(Reason.REPOSITORY_UNREACHABLE, "no route to host")

    world = Away()
    world.deploy("d1")
    with pytest.raises(Transient, match="no route"):
        await world.reconciler().reconcile("demo")
    assert world.status("d1").message.endswith("trying again: no route to host")
