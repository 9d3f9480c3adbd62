"""Random pushes, crashes and restarts: each tip that stays visible gets exactly one deployment.

The world carries decisions out as the poller does, one write at a time, and may be killed before or
after any of them. The view of what others deploy may lag behind. That of the status may not: its
writes carry the version that they were decided on. Our own writes are seen at once.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.models.meta import ObjectMeta
from controller.models.reasons import Reason
from controller.models.toolconfig import ToolConfig, ToolConfigStatus
from controller.models.tooldeployment import ToolDeploymentSpec
from tests import builders
from tests.builders import NOW
from tests.support.size import WHOLE
from watchers.decide import Case, Create, Known, Record, Rest, Seen, Sight, Trouble, decide

COMPONENTS = ("api", "web")
SPEC = builders.config(
    web=builders.component(), api=builders.component("https://git.example.org/api.git")
).model_copy(update={"auto_deploy": True})
METADATA = ObjectMeta(name="demo-config", namespace="tool-demo", creation_timestamp=NOW)
ALL_WRITES = 9
BY_HAND = "manual-"

Component = Literal["api", "web"]


@dataclass(frozen=True)
class Round:
    """What happens between two looks at the world."""

    moved: Component
    move: Literal["nothing", "push", "push back"]
    by_hand: Literal["nothing", "deploy", "roll back"]
    # Each check of the moved component's repository dies after so many writes.
    crashes: tuple[int, ...]
    silent: bool
    checked: bool
    ended: Literal["none", "resolved", "before they resolved"]
    caught_up: bool
    kept: int


ROUNDS = st.lists(
    st.builds(
        Round,
        moved=st.sampled_from(COMPONENTS),
        move=st.sampled_from(["push", "push back", "nothing"]),
        by_hand=st.sampled_from(["nothing", "nothing", "deploy", "roll back"]),
        crashes=st.lists(st.integers(0, 3), max_size=3).map(tuple),
        silent=st.booleans(),
        checked=st.booleans(),
        ended=st.sampled_from(["resolved", "none", "before they resolved"]),
        caught_up=st.booleans(),
        kept=st.integers(0, 3),
    ),
    min_size=1,
    max_size=8,
)


@pytest.mark.timeout(1800 if WHOLE else 60)
@settings(max_examples=20_000 if WHOLE else 200, deadline=None)
@given(ROUNDS)
def test_each_tip_that_stays_visible_gets_exactly_one_deployment(rounds: list[Round]) -> None:
    world = World()
    for each in rounds:
        world.play(each)
    world.settle()

    for component in COMPONENTS:
        watch = world.status.components[component]
        assert (watch.commit, watch.created) == (world.tip(component), True)
        if component not in world.rolled_back:
            assert world.latest(component) in (world.tip(component), None)


@dataclass
class World:
    """Two components of a tool in two repositories, what is stored, and who else deploys."""

    now: datetime = NOW
    numbers: "count[int]" = field(default_factory=lambda: count(1))
    history: dict[str, list[str]] = field(default_factory=dict)
    # Deployments that polling made for the tip since the ref moved there.
    made: dict[str, int] = field(default_factory=dict)
    rolled_back: set[str] = field(default_factory=set)
    status: ToolConfigStatus = field(default_factory=ToolConfigStatus)
    deployments: dict[str, Known] = field(default_factory=dict)
    # What our view of the deployments does not show yet.
    late: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        for component in COMPONENTS:
            self.history[component] = []
            self.point(component, f"{next(self.numbers):040x}")

    def tip(self, component: str) -> str:
        """What the ref holds."""
        return self.history[component][-1]

    def latest(self, component: str) -> str | None:
        """What the newest deployment brought, if one is still known."""
        having = [each for each in self.deployments.values() if each.commit_of(component)]
        newest = max(having, key=lambda each: (each.created_at, each.name), default=None)
        return newest.commit_of(component) if newest else None

    def play(self, each: Round) -> None:
        """Everything in a round, in its order."""
        match each.move:
            case "push":
                self.point(each.moved, f"{next(self.numbers):040x}")
            case "push back":
                older = [it for it in self.history[each.moved] if it != self.tip(each.moved)]
                self.point(each.moved, older[-1] if older else self.tip(each.moved))
        self.by_hand(each)
        for writes in each.crashes:
            self.poll({each.moved: Seen(self.tip(each.moved))}, writes)
        if each.silent:
            self.poll({each.moved: Trouble(Reason.REPOSITORY_UNREACHABLE, "It is silent")})
        if each.checked:
            self.check_everything()
        self.end(each.ended)
        if each.caught_up:
            self.late.clear()
        self.forget(each.kept)

    def settle(self) -> None:
        """Nothing moves any more, and two intervals pass without a fault."""
        self.late.clear()
        for _ in range(2):
            self.check_everything()
            self.end("resolved")
        self.check_everything()

    def point(self, component: str, commit: str) -> None:
        """Move the ref."""
        if not self.history[component] or commit != self.tip(component):
            self.history[component].append(commit)
            self.made[component] = 0
            if not self.seen_before(component, commit):
                self.rolled_back.discard(component)

    def seen_before(self, component: str, commit: str) -> bool:
        """Whether the ref is back where it was known to be: that it was elsewhere does not show."""
        watch = self.status.components.get(component)
        if watch is None or watch.seen_at is None:
            return False
        since = [it for it in self.deployments.values() if it.created_at > watch.seen_at]
        return watch.commit == commit or commit in [it.resolved.get(component) for it in since]

    def by_hand(self, each: Round) -> None:
        """Somebody deploys what the refs hold, or rolls back to an older commit."""
        # Of two that were made in the same second, the names tell which is the newer one.
        name = f"{BY_HAND}{next(self.numbers):04}"
        if each.by_hand == "deploy":
            self.deployments[name] = Known(name, self.now, open=True)
            self.late.add(name)
        if each.by_hand == "roll back":
            commits: dict[str, str] = {each.moved: self.history[each.moved][0]}
            self.deployments[name] = Known(name, self.now, commits, open=True)
            self.rolled_back.add(each.moved)

    def end(self, how: str) -> None:
        """Every open deployment ends, after it has resolved the refs that it had not, or before."""
        tips = {name: self.tip(name) for name in COMPONENTS}
        for name, each in self.deployments.items():
            if each.open and how != "none":
                resolved = tips if how == "resolved" else {}
                found = {it: tip for it, tip in resolved.items() if it not in each.pinned}
                self.deployments[name] = Known(name, each.created_at, each.pinned, found)
                # Rollbacks that were made while it waited come after what it has found.
                after = [it for it in self.deployments.values() if it.created_at >= each.created_at]
                self.rolled_back |= {
                    component
                    for it in after
                    if it.name.startswith(BY_HAND)
                    for component in it.pinned.keys() & found.keys()
                }

    def forget(self, keep: int) -> None:
        """Retention removes finished deployments, the oldest first.

        It keeps so many that what was made just before a crash is never among them.
        """
        unsure = {each.deployment for each in self.status.components.values() if not each.created}
        finished = [
            it for it, each in self.deployments.items() if not each.open and it not in unsure
        ]
        for name in finished[: max(0, len(finished) - keep)]:
            del self.deployments[name]

    def check_everything(self) -> None:
        """Both repositories are checked, and nothing goes wrong."""
        for component in COMPONENTS:
            self.poll({component: Seen(self.tip(component))})

    def poll(self, sights: dict[str, Sight], writes: int = ALL_WRITES) -> None:
        """Decide and carry out, one write after the other, at most so many."""
        self.now += timedelta(seconds=30)
        for _ in range(writes):
            known = [each for name, each in self.deployments.items() if name not in self.late]
            config = ToolConfig(metadata=METADATA, spec=SPEC, status=self.stored())
            checked = dict.fromkeys(sights, self.now)
            match decide(Case("demo", config, known, self.now, sights, checked)).step:
                case Record(status=status):
                    self.status = status
                case Create(name=name, spec=spec):
                    self.create(name, spec)
                case Rest():
                    return
        assert writes < ALL_WRITES, "polling never rests"

    def stored(self) -> ToolConfigStatus:
        """The status as it comes back from the control plane."""
        return ToolConfigStatus.model_validate_json(self.status.model_dump_json(by_alias=True))

    def create(self, name: str, spec: ToolDeploymentSpec) -> None:
        """Create a deployment; what exists stays as it is."""
        if name in self.deployments:
            return
        for component, commit in spec.trigger.commits.items():
            if commit == self.tip(component):
                self.made[component] += 1
                assert self.late or self.latest(component) != commit, "another one has it"
                assert self.made[component] == 1, f"two deployments for {component} {commit}"
        self.deployments[name] = Known(name, self.now, spec.trigger.commits, open=True)
