"""The recording of the real jobs-api, put to the client and to the rule: is it truly running?

For every change in the recording the rule must come to the right verdict, at no moment to a wrong
one, and say why.
"""

from collections.abc import AsyncIterator
from datetime import timedelta
from itertools import groupby
from typing import Any

import pytest
from aiohttp.test_utils import TestServer

from controller.backends.base import Backend, JobSpec
from controller.backends.toolforge import Gateway, connect
from controller.models.reasons import Reason
from controller.models.toolconfig import ContinuousRun, ScheduledRun
from controller.models.tooldeployment import JobChange, RunRecord
from controller.reconcile import verify
from controller.reconcile.observed import Policy
from tests.contract.toolforge import recording
from tests.contract.toolforge.recording import Step
from tests.contract.toolforge.replayed import Replayed

POLICY = Policy(settle_time=timedelta(seconds=1))
# Steps that no deployment of ours makes: another kind of job, or a job that is refused.
SKIPPED = (
    "change of type",
    "one-off by PATCH",
    "without job_type",
    "refused",
    "http health",
)
RESTART = "20261121-222747-aaaaaaaaaa"

OLDER = "NotYet only instances from before the last change are seen"
MAKING, HOLD = "NotYet initializing", "NotYet it is up; it must stay up for a moment"
CHECK = "NotYet it runs, but its check has not passed yet"
UP = "Up"

VERDICTS = {
    "create": ("created", MAKING, HOLD, UP),
    "set a field to its default": ("unchanged", UP),
    "change a setting": ("updated", OLDER, MAKING, HOLD, UP),
    "new image": ("updated", OLDER, MAKING, UP),
    "restart": ("restarted", OLDER, MAKING, UP),
    "two replicas": ("updated", MAKING, OLDER, UP),
    # Two healthy old instances hide a new one that crashes, for as long as one looks.
    "crashing command": ("updated", MAKING, OLDER),
    # The same two were made from what is put back: nothing is to be waited for.
    "repaired": ("unchanged", UP),
    "one replica, crashing from the start": (
        *("created", MAKING, "NotYet restarted (1)", "Broken CrashLoop restarted (2)"),
        "Broken CrashLoop restarted (3)",
    ),
    # First the words of the instance that crashed: not a crash of this definition.
    "image that cannot be pulled": ("updated", OLDER, "Broken ImageUnavailable initializing"),
    "slow to become ready": ("updated", OLDER, MAKING, HOLD),
    "never scheduled": ("updated", OLDER, "NotYet scheduling"),
    "script health check": ("created", MAKING, UP),
    "scheduled": ("created", UP),
    "scheduled, other time": ("updated", UP),
    "scheduled: restart runs it now": ("restarted", UP),
    "more than the quota": (
        *("created", "NotYet Unable to start, out of quota for cpu"),
        "Broken QuotaExceeded Unable to start, out of quota for cpu",
    ),
}
# Without a memory the words differ, for the core compares times; the verdicts must not.
STARTING = "NotYet it is starting"
AMNESIA = VERDICTS | {
    "change a setting": ("updated", CHECK, MAKING, HOLD, UP),
    "new image": ("updated", CHECK, MAKING, UP),
    "restart": ("restarted", CHECK, MAKING, UP),
    "two replicas": ("updated", MAKING, STARTING, UP),
    "crashing command": ("updated", MAKING, STARTING),
    "image that cannot be pulled": (
        *("updated", "NotYet restarted (3)", "Broken ImageUnavailable initializing"),
    ),
    "slow to become ready": ("updated", MAKING, HOLD),
    "never scheduled": ("updated", "NotYet it runs, but not all of it", "NotYet scheduling"),
    "more than the quota": (
        *("created", "Broken QuotaExceeded Unable to start, out of quota for cpu"),
    ),
}


@pytest.mark.parametrize(
    ("expected", "remembers"),
    [pytest.param(VERDICTS, True, id="one"), pytest.param(AMNESIA, False, id="restarted")],
)
async def test_every_change_of_the_recording_is_judged_right_by_a_controller_that_is(
    expected: dict[str, tuple[str, ...]], remembers: bool
) -> None:
    replayed = Replayed(recording.steps())
    async with TestServer(replayed.app()) as server:
        gateway = Gateway(jobs_url=str(server.make_url("")), tool_header=True)
        async with connect(gateway, replayed.clock) as backend:
            judged = [row async for row in _judge_all(replayed, backend, gateway, remembers)]
    found = {title: verdicts for title, verdicts in judged if len(verdicts) > 1}
    assert {title: _in_short(found[title], expected[title]) for title in found} == expected


async def test_a_crash_that_old_instances_hide_fails_the_deployment_in_the_end() -> None:
    replayed = Replayed(recording.steps())
    async with TestServer(replayed.app()) as server:
        gateway = Gateway(jobs_url=str(server.make_url("")), tool_header=True)
        async with connect(gateway, replayed.clock) as backend:
            replayed.position = next(i for i, s in enumerate(replayed.steps) if s.number == 57)
            [job] = await backend.jobs.list("sample")
    applied_at = replayed.clock() - timedelta(seconds=11.5)
    record = RunRecord(change=JobChange.UPDATED, applied_at=applied_at)
    later = applied_at + POLICY.start_timeout
    assert isinstance(verify.verdict_on(job, record, POLICY, replayed.clock()), verify.NotYet)
    verdict = verify.verdict_on(job, record, POLICY, later)
    assert isinstance(verdict, verify.Broken)
    assert verdict.reason == Reason.NOT_STARTED


async def _judge_all(
    replayed: Replayed, backend: Backend, gateway: Gateway, remembers: bool
) -> AsyncIterator[tuple[str, list[str]]]:
    """Every change with what became of it: the client's word, then the rule's verdicts."""
    record, name, title, verdicts = RunRecord(), "", "", list[str]()
    sent: dict[str, Any] = {}
    for position, step in enumerate(replayed.steps):
        replayed.position = position
        if step.title.startswith(SKIPPED):
            sent |= {step.sent["name"]: step.sent} if step.status == 200 and step.sent else {}
        elif (spec := _asked(step, sent)) is not None:
            yield title, verdicts
            applied = await backend.jobs.apply("sample", spec)
            record = RunRecord(change=applied.change, applied_at=replayed.clock())
            name, title, verdicts = spec.name, step.title, [applied.change.value]
        elif step.job is not None and step.job["name"] == name:
            if remembers:
                [job] = await backend.jobs.list("sample")
            else:
                async with connect(gateway, replayed.clock) as other:
                    [job] = await other.jobs.list("sample")
            verdicts.append(_told(verify.verdict_on(job, record, POLICY, replayed.clock())))
    yield title, verdicts


def _asked(step: Step, sent: dict[str, Any]) -> JobSpec | None:
    """The spec that makes the client send what was recorded."""
    if step.status != 200 or step.method not in ("PATCH", "POST"):
        return None
    if step.method == "PATCH":
        sent[step.sent["name"]] = step.sent
        return _spec(step.sent)
    return _spec(sent[step.path.split("/")[-2]], restart_id=RESTART)


def _spec(body: dict[str, Any], restart_id: str = "") -> JobSpec:
    fields = dict(body)
    kind, name, image = fields.pop("job_type"), fields.pop("name"), fields.pop("imagename")
    if (check := fields.pop("health_check", None)) is not None:
        fields[f"health_check_{check['type']}"] = check.get("path") or check["script"]
    fields["command"] = fields.pop("cmd")
    run = ScheduledRun(**fields) if kind == "scheduled" else ContinuousRun(**fields)
    return JobSpec(name, image, run, restart_id)


def _told(verdict: verify.Verdict) -> str:
    match verdict:
        case verify.Up():
            return UP
        case verify.NotYet(message=message):
            return f"NotYet {message}"
        case verify.Broken(reason=reason, message=message):
            return f"Broken {reason} {message}"


def _in_short(verdicts: list[str], expected: tuple[str, ...]) -> tuple[str, ...]:
    """The verdicts without repetitions, and without what follows an expected beginning."""
    short = (next((e for e in expected if verdict.startswith(e)), verdict) for verdict in verdicts)
    return tuple(verdict for verdict, _ in groupby(short))
