"""What to do next for a tool: ordered, named rules; the first that applies decides.

`make_plan(observed, now)` is called by `reconciler`. It is pure: it reads no clock, network, global
or setting, and does nothing. A rule is a function named by the fact it finds; it answers with a
step, or with None for "this is not the case". What the backends show wins over what status
remembers; status is believed only for what the world cannot tell (pinned commits, finished
results, failures that were recorded before they were cleaned up).
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from controller.models.reasons import Reason
from controller.models.toolconfig import ReuseBuild
from controller.models.tooldeployment import State
from controller.reconcile import actions, ending, running, sources, words
from controller.reconcile.observed import Observed, Policy
from controller.reconcile.steps import Case, Ending, Plan, Step, Turn
from controller.reconcile.turns import Turns, take_turns

__all__ = ["make_plan"]


_FAILED = {
    Reason.DEADLINE_EXCEEDED: State.TIMED_OUT,
    Reason.SUPERSEDED: State.CANCELLED,  # it gave way
}


def make_plan(observed: Observed, now: datetime) -> Plan:
    """The next step of every unfinished deployment of a tool.

    Planning again after everything was done and recorded yields no action.
    """
    at_work = {build.deployment for build in observed.builds if build.state.live}
    turns = take_turns(observed.unfinished, at_work)
    steps = []
    if turns.active:
        steps.append(_next_step(Turn(observed, turns.active, turns.waiting, now)))
    told = (ending.with_what_runs(step, observed) for step in steps + _aside(turns))
    latest = _latest(observed.policy, steps[0], now) if steps else None
    return Plan(tuple(told), _forget(observed), latest)


def _next_step(turn: Turn) -> Step:
    for ends in ENDS:
        if step := ends(turn):
            return step
    if turn.observed.blind:
        return backend_away(turn)
    # A deployment keeps to the config that it began with.
    config = turn.deployment.status.tool_config or turn.observed.config
    if config is None:
        return config_missing(turn)
    views = sources.look_at_builds(turn.observed, turn.deployment, config, turn.now)
    case = Case(turn.observed, turn.deployment, turn.waiting, turn.now, config, views)
    for applies in GOES_ON:
        if step := applies(case):
            return step
    return running.run_jobs(case)


def cancel_requested(turn: Turn) -> Step | None:
    """Cancel is a wish in spec: it holds in every phase and is final."""
    deployment = turn.deployment
    if not deployment.spec.cancel and deployment.metadata.deletion_timestamp is None:
        return None
    return ending.wind_down(turn, Ending(State.CANCELLED, Reason.CANCELLED))


def failure_recorded(turn: Turn) -> Step | None:
    """It failed before; what it left half-done is undone, then it ends."""
    failure = turn.deployment.status.failure
    if failure is None:
        return None
    end = Ending(_FAILED.get(failure.reason, State.FAILED), failure.reason)
    if end.reason == Reason.SUPERSEDED and turn.waiting:
        end = replace(end, superseded_by=turn.waiting[0].name)
    return ending.wind_down(turn, end)


def deadline_passed(turn: Turn) -> Step | None:
    """Every deployment ends by its deadline, whatever it waits for."""
    status = turn.deployment.status
    if status.deadline is None or turn.now < status.deadline:
        return None
    message = f"not done in time; last: {status.message or 'nothing'}"
    return ending.fail(turn.deployment, Reason.DEADLINE_EXCEEDED, message)


def backend_away(turn: Turn) -> Step:
    """Builds and jobs cannot be seen: nothing is begun on a guess."""
    return Step(
        turn.deployment,
        Reason.RETRYING,
        f"waiting for the platform: {turn.observed.blind}",
        builds=turn.deployment.status.builds,
        runs=turn.deployment.status.runs,
        after=turn.observed.policy.look_when_blind,
    )


def config_missing(turn: Turn) -> Step:
    """There is nothing to deploy, or what there is has errors."""
    observed = turn.observed
    if observed.config_problems:
        message = words.few(observed.config_problems)
        return ending.fail(turn.deployment, Reason.CONFIG_INVALID, message)
    message = f"tool {observed.tool} has no config"
    return ending.fail(turn.deployment, Reason.CONFIG_MISSING, message)


def pin_unusable(case: Case) -> Step | None:
    """A commit was asked for what is not built: success without it would be a lie.

    Polling names what it saw, and a component may have left the config since.
    """
    trigger = case.deployment.spec.trigger
    if trigger.kind.automatic:
        return None
    for name, commit in trigger.commits.items():
        component = case.config.components.get(name)
        if component is None or isinstance(component.build, ReuseBuild):
            message = f"commit {commit[:10]} was asked for {name}, which the config does not build"
            hint = "Ask for commits of components that have a build of their own."
            failure = sources.failure_of(Reason.COMMIT_MISMATCH, message, name, commit, hint)
            return ending.failing(
                case.deployment, failure, builds=case.builds, runs=case.runs, config=case.config
            )
    return None


def build_failed(case: Case) -> Step | None:
    """One failed build fails the deployment; the others need not be waited for."""
    failures = {name: view.failure for name, view in case.views.items() if view.failure}
    if not failures:
        return None
    failure = next(iter(failures.values()))
    message = words.failed(list(failures), len(case.views), failure.message)
    failure = failure.model_copy(update={"message": message})
    return ending.failing(
        case.deployment, failure, builds=case.builds, runs=case.runs, config=case.config
    )


def ref_unresolved(case: Case) -> Step | None:
    """All refs are pinned to commits before the first build starts."""
    step = _missing(case, actions.ResolveRef, Reason.RESOLVING, "resolving the refs of")
    return replace(step, after=timedelta()) if step else None


def build_missing(case: Case) -> Step | None:
    """Every component that no build serves gets one, all side by side.

    What earlier deployments left going, and this one has no use for, makes room.
    """
    step = _missing(case, actions.StartBuild, Reason.BUILDING, "starting builds of")
    if step is None:
        return None
    used = {view.record.build_id for view in case.views.values()}
    useless = (build for build in case.observed.left_over() if build.id not in used)
    room = tuple(actions.CancelBuild(build.id) for build in useless)
    return replace(step, actions=(*room, *step.actions))


def build_going(case: Case) -> Step | None:
    """Builds are under way: wait for all of them before any job is touched."""
    going = [name for name, view in case.views.items() if not view.ready]
    if not going:
        return None
    return _under_way(case, Reason.BUILDING, f"building {words.some(going)}")


ENDS = (cancel_requested, failure_recorded, deadline_passed)
GOES_ON: tuple[Callable[[Case], Step | None], ...] = (
    pin_unusable,
    build_failed,
    ref_unresolved,
    build_missing,
    build_going,
)


def _missing(
    case: Case,
    kind: type[actions.ResolveRef] | type[actions.StartBuild],
    reason: Reason,
    verb: str,
) -> Step | None:
    wanted = {n: view.action for n, view in case.views.items() if isinstance(view.action, kind)}
    if not wanted:
        return None
    return _under_way(case, reason, f"{verb} {words.some(list(wanted))}", tuple(wanted.values()))


def _under_way(
    case: Case, reason: Reason, message: str, todo: tuple[actions.Action, ...] = ()
) -> Step:
    return Step(
        case.deployment,
        reason,
        message,
        actions=todo,
        builds=case.builds,
        runs=case.runs,
        config=case.config,
        after=case.soon(case.observed.policy.look_at_builds),
    )


def _aside(turns: Turns) -> list[Step]:
    """The steps of those that are not worked on: they wait, or end without having begun."""
    steps = [
        Step(d, Reason.CANCELLED, "cancelled", ending=Ending(State.CANCELLED, Reason.CANCELLED))
        for d in turns.cancelled
    ]
    for old, new in turns.superseded:
        end = Ending(State.CANCELLED, Reason.SUPERSEDED, superseded_by=new.name)
        steps.append(Step(old, Reason.SUPERSEDED, f"replaced by {new.name}", ending=end))
    before = (turns.active, *turns.waiting)
    for position, (ahead, deployment) in enumerate(zip(before, turns.waiting, strict=False), 1):
        name = ahead.name if ahead else ""
        message = f"waiting for {name} (position {position})"
        waits = Step(deployment, Reason.WAITING_FOR_TURN, message, position=position, behind=name)
        steps.append(waits)
    return steps


def _latest(policy: Policy, step: Step, now: datetime) -> timedelta | None:
    """Until the deadline, or until the time for cleaning up is over."""
    if step.ending:
        return None
    status = step.deployment.status
    due = status.ending_since + policy.cleanup_timeout if status.ending_since else status.deadline
    return due - now if due is not None and due > now else None


def _forget(observed: Observed) -> tuple[actions.DeleteDeployment, ...]:
    """Finished deployments beyond the newest that are kept. History of the old service stays."""
    ours = [f for f in observed.finished if not f.history]
    newest_first = sorted(ours, key=lambda f: (f.created_at, f.name), reverse=True)
    return tuple(
        actions.DeleteDeployment(old.name, old.uid)
        for old in newest_first[observed.policy.retained :]
    )
