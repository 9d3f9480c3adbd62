"""The phase in which jobs are brought to their images and watched until they truly run.

Called by the last rule of `plan`, when every build is ready. Pure.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from controller.backends.base import Job, JobKind, JobSpec
from controller.models import terminal
from controller.models.reasons import Reason
from controller.models.toolconfig import ContinuousRun, ScheduledRun, ToolConfigSpec
from controller.models.tooldeployment import (
    Failure,
    JobChange,
    RunRecord,
    RunStatus,
    State,
)
from controller.reconcile import actions, ending, sources, verify, words
from controller.reconcile.observed import Observed
from controller.reconcile.steps import FIRST_LOOK, Case, Ending, Step
from controller.reconcile.turns import turn_began

__all__ = ["run_jobs"]


def run_jobs(case: Case) -> Step:
    """Apply what differs, remove what left the config, wait until everything runs, end well."""
    turned, left_over = _turned(case), _left_over(case.observed, case.config)
    specs = _to_apply(case)
    if turned or left_over:
        # What is new may need the quota that a removal gives back: a renamed component does.
        specs = [spec for spec in specs if case.observed.job(spec.name) is not None]
    removals = tuple(actions.DeleteJob(name) for name in turned + left_over)
    changes = tuple(actions.ApplyJob(spec) for spec in specs)
    if not removals and not changes:
        return _watch(case)
    return Step(
        case.deployment,
        Reason.STARTING,
        _begun([spec.name for spec in specs], left_over, turned),
        actions=removals + changes,
        builds=case.builds,
        runs=case.runs,
        config=case.config,
        after=case.soon(case.observed.policy.look_at_jobs),
    )


def _begun(changed: Sequence[str], left_over: Sequence[str], turned: Sequence[str]) -> str:
    """What is done to which jobs, for people."""
    told = {
        "bringing jobs up to date": changed,
        "removing jobs": left_over,
        "removing jobs to make them anew as another kind": turned,
    }
    return "; ".join(f"{what}: {words.some(names)}" for what, names in told.items() if names)


def _watch(case: Case) -> Step:
    """Everything is applied: does it run?"""
    runs, policy = {}, case.observed.policy
    waiting: dict[str, verify.NotYet] = {}
    broken: dict[str, verify.Broken] = {}
    for name, known in case.runs.items():
        record = _applied(known, case.now)
        verdict = verify.verdict_on(case.observed.job(name), record, policy, case.now)
        runs[name] = _run_record(name, record, verdict)
        if isinstance(verdict, verify.NotYet):
            waiting[name] = verdict
        elif isinstance(verdict, verify.Broken):
            broken[name] = verdict
    failure = _failure(case, broken) if broken else _gives_way(case, waiting)
    if failure is not None:
        return ending.failing(
            case.deployment, failure, builds=case.builds, runs=runs, config=case.config
        )
    end = None if waiting else Ending(State.SUCCESSFUL, Reason.DEPLOYED)
    said = words.each({name: verdict.message for name, verdict in waiting.items()})
    return Step(
        case.deployment,
        Reason.VERIFYING if waiting else Reason.DEPLOYED,
        said or "every component runs as configured",
        builds=case.builds,
        runs=runs,
        config=case.config,
        ending=end,
        after=_next_look(waiting.values(), case.soon(policy.look_at_jobs)) if waiting else None,
    )


def _gives_way(case: Case, waiting: Mapping[str, verify.NotYet]) -> Failure | None:
    """What is not up after a while, and that nobody asked for by itself, ends for a newer one.

    The newer one is most often the fix.
    """
    if not case.waiting or not case.deployment.spec.trigger.kind.automatic:
        return None
    for name, verdict in waiting.items():
        since = case.runs[name].applied_at
        if not verdict.settling and since and case.now - since >= case.observed.policy.give_way:
            seconds = int((case.now - since).total_seconds())
            message = f"component {name} was not up after {seconds} s: {verdict.message}"
            commit = case.builds[case.config.source_of(name)].commit
            return sources.failure_of(Reason.SUPERSEDED, message, name, commit)
    return None


def _next_look(waiting: Iterable[verify.NotYet], regular: timedelta) -> timedelta:
    """Never at once: services round ages, so what is due may not show for a second."""
    soonest = min([regular, *(verdict.after for verdict in waiting if verdict.after is not None)])
    return max(FIRST_LOOK, soonest)


def _to_apply(case: Case) -> list[JobSpec]:
    """The jobs whose definition is not what it should be, but for those to be removed first."""
    specs = []
    began = turn_began(case.deployment, case.observed.finished)
    for name, component in case.config.components.items():
        job = case.observed.job(name)
        image = sources.image_of(case.config, case.views, name)
        mine = JobSpec(name, image, component.run, case.deployment.name, began)
        spec = verify.wanted_job(mine, job, case.deployment)
        if not verify.is_applied(job, spec, case.runs[name]) and not _kind_differs(job, spec.kind):
            specs.append(spec)
    return specs


def _turned(case: Case) -> list[str]:
    """Jobs whose kind changes: no service can turn a kind, so they are removed and made anew."""
    return [
        name
        for name, component in case.config.components.items()
        if _kind_differs(case.observed.job(name), JobSpec(name, "", component.run).kind)
    ]


def _kind_differs(job: Job | None, kind: JobKind) -> bool:
    return job is not None and job.kind != kind


def _left_over(observed: Observed, config: ToolConfigSpec) -> list[str]:
    """Jobs whose component left the config; only those that a deployment of ours applied."""
    if not config.prune:
        return []
    ours = {name for finished in observed.finished for name in finished.applied}
    return [
        job.name
        for job in observed.jobs
        if job.name not in config.components and _is_ours(job, ours)
    ]


def _is_ours(job: Job, ours: set[str]) -> bool:
    return job.name in ours if job.owned is None else job.owned


def _applied(record: RunRecord, now: datetime) -> RunRecord:
    """A job that already is what it should be counts as applied now."""
    if record.applied_at is not None:
        return record
    return record.model_copy(update={"applied_at": now, "change": JobChange.UNCHANGED})


def _run_record(name: str, record: RunRecord, verdict: verify.Verdict) -> RunRecord:
    if isinstance(verdict, verify.Broken):
        update = {"run_status": RunStatus.FAILED, "run_long_status": verdict.message}
    elif isinstance(verdict, verify.Up):
        text = record.run_long_status or f"job {name} is already up to date"
        update = {"run_status": RunStatus.SUCCESSFUL, "run_long_status": text}
    else:
        return record
    return record.model_copy(update=update)


def _failure(case: Case, broken: Mapping[str, verify.Broken]) -> Failure:
    """What the first one that broke has died of, and which others have died."""
    name, verdict = next(iter(broken.items()))
    build = case.builds[case.config.source_of(name)]
    first = f"component {name}: {verdict.message}"
    message = words.failed(list(broken), len(case.config.components), first)
    checked = verdict.reason is Reason.HEALTH_CHECK_FAILED
    hint = _health_hint(name, case.config.components[name].run) if checked else ""
    failure = sources.failure_of(verdict.reason, message, name, build.commit, hint)
    return failure.model_copy(update={"log_tail": terminal.last_lines(verdict.log_tail)})


def _health_hint(name: str, run: ContinuousRun | ScheduledRun) -> str:
    """What to look at, by the kind of check that did not pass."""
    look = f"Read its log: `ptd logs {name}`"
    if isinstance(run, ContinuousRun) and run.health_check_script is not None:
        return f"{look}, and see why the script of the health check does not end with 0."
    if isinstance(run, ContinuousRun) and run.health_check_http is not None:
        return f"{look}, and check the health check's path and the port."
    return f"{look}, and check that it listens on the port that $PORT names."
