"""A service account's token is replaced each minute under load: no reconcile notices.

And what a kubelet and a control plane can do to it besides: a newline, an empty file for a moment,
a token that expires before its successor is there.
"""

import asyncio
import itertools
from collections.abc import Awaitable, Callable

import pytest

from controller.models.tooldeployment import State
from tests.faults import scenarios, timeline, trials
from tests.faults.conftest import Tried
from tests.faults.gate import Pod
from tests.faults.world import opened

MINUTES = 30 if trials.WHOLE else 2
CURRENT = 60.0  # seconds after which a replaced token may not be shown any more
GRACE = 75.0  # seconds for which the control plane accepts a token that was replaced


async def with_grace(pod: Pod, old: str, new: str) -> None:
    """As Kubernetes does it: the old one holds for a while."""
    pod.rotate(new)
    asyncio.get_running_loop().call_later(GRACE, pod.expire, old)


async def at_once(pod: Pod, old: str, new: str) -> None:
    """The old one is refused from the moment at which the new one is there."""
    pod.rotate(new)
    pod.expire(old)


async def with_a_newline(pod: Pod, old: str, new: str) -> None:
    """As an editor would write it."""
    await at_once(pod, old, new)
    pod.token_file.write_text(f"{new}\n")


async def over_an_empty_file(pod: Pod, old: str, new: str) -> None:
    """The file is empty while it is being replaced, and the old one goes on holding."""
    pod.token_file.write_text("")
    await asyncio.sleep(2)
    await with_grace(pod, old, new)


Rotation = Callable[[Pod, str, str], Awaitable[None]]


async def deploy_all_the_time(pod: Pod, until: float) -> None:
    """One deployment after the other, every tenth of a new commit."""
    await pod.configure(scenarios.config())
    number = 0
    while timeline.seconds() < until:
        number += 1
        await pod.deploy(f"d{number}", force_run=number % 2 == 0)
        await pod.ended()
        await asyncio.sleep(7)


def failures(pod: Pod) -> dict[str, float]:
    """Reconciles that did not succeed, by how they ended."""
    found: dict[str, float] = {}
    registry = pod.lives[0].metrics.registry
    for metric in registry.restricted_registry(["ptd_reconciles_total"]).collect():
        for sample in metric.samples:
            outcome = sample.labels.get("outcome", "")
            if outcome in ("transient", "terminal", "timeout", "bug") and sample.value:
                found[outcome] = sample.value
    return found


@pytest.mark.parametrize(
    "rotation",
    [with_grace, at_once, with_a_newline, over_an_empty_file],
    ids=lambda rotation: rotation.__name__,
)
def test_a_token_that_is_replaced_each_minute_fails_nothing(
    rotation: Rotation, tried: Tried
) -> None:
    async def main() -> None:
        async with opened((), Pod, heads=scenarios.heads()) as pod:
            assert isinstance(pod, Pod)
            working = asyncio.create_task(deploy_all_the_time(pod, MINUTES * 60.0))
            came = {"token-0": 0.0}
            for minute in range(1, MINUTES + 1):
                await asyncio.sleep(60)
                came[f"token-{minute}"] = timeline.seconds()
                await rotation(pod, f"token-{minute - 1}", f"token-{minute}")
            await working
            assert all(one.status.status == State.SUCCESSFUL for one in await pod.deployments())
            assert failures(pod) == {}
            assert _stale(pod, came) == []

    timeline.run(main)
    tried("tokens replaced", MINUTES)


def _stale(pod: Pod, came: dict[str, float]) -> list[tuple[float, str]]:
    """When a token was shown although its successor had been there for a minute."""
    names = list(came)
    replaced = {old: came[new] for old, new in itertools.pairwise(names)}
    return [
        (at, token)
        for at, token, _ in pod.gates[0].shown
        if at > replaced.get(token, at) + CURRENT + 3  # it is read when a request is made
    ]


def test_after_a_token_that_expired_too_early_everything_goes_on() -> None:
    async def main() -> None:
        async with opened((), Pod, heads=scenarios.heads()) as pod:
            assert isinstance(pod, Pod)
            await pod.configure(scenarios.config())
            await pod.deploy("d1")
            await asyncio.sleep(1)
            pod.expire("token-0")
            await asyncio.sleep(20)
            (found,) = await pod.deployments()
            assert not found.final
            pod.rotate("token-1")
            await pod.ended(60)
            (found,) = await pod.deployments()
            assert found.status.status == State.SUCCESSFUL
            refused = [at for at, _, status in pod.gates[0].shown if status == 401]
            assert 0 < len(refused) < 100, "it is tried again, without haste"

    timeline.run(main)
