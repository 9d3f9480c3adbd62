"""What polling does about what it saw: the next single write, or nothing. Pure.

Exactly one deployment is made for a new commit, whatever crashes between two writes:

    1. Record   the status names the commit, when it was first seen, and the deployment to be made
    2. Create   the deployment of that name; that it exists already is success
    3. Record   the status says that it was made

`decide` looks only at what is stored and answers with the next of these steps, so a restart goes on
where the last run stopped. The caller (`watchers.repositories`) carries the step out, puts the
result into the case and asks again until it may rest. Status patches carry the resource version
that the decision was based on; a stale view loses and is looked at again.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from controller.models import names
from controller.models.toolconfig import (
    ComponentWatch,
    SourceBuild,
    ToolConfig,
    ToolConfigSpec,
    ToolConfigStatus,
)
from controller.models.tooldeployment import (
    ToolDeployment,
    ToolDeploymentSpec,
    Trigger,
    TriggerSpec,
)

# A check that found nothing new is written down at most this often.
RECORD_CHECKS_EVERY = timedelta(minutes=10)
_MAX_DESCRIPTION = 250


@dataclass(frozen=True, slots=True)
class Seen:
    """A component's ref holds this commit now (full SHA).

    `ref` and `choice`: the tag that a ref policy chose, and why. `pushed`: a webhook has told of
    this very commit, and that is why it was looked for.
    """

    commit: str
    ref: str = ""
    choice: str = ""
    pushed: bool = False


@dataclass(frozen=True, slots=True)
class Trouble:
    """A component's ref could not be looked up; words for the user."""

    reason: str
    message: str
    hint: str = ""


Sight = Seen | Trouble


@dataclass(frozen=True, slots=True)
class Known:
    """A deployment of the tool as far as polling cares.

    `pinned`: the commits that it was made for (component → commit). `resolved`: those that it found
    itself by looking up the refs. `open`: it will still look up the refs of all other components.
    """

    name: str
    created_at: datetime
    pinned: Mapping[str, str] = field(default_factory=dict)
    resolved: Mapping[str, str] = field(default_factory=dict)
    open: bool = False

    def commit_of(self, component: str) -> str | None:
        """The commit that it has for the component, as far as that is known yet."""
        return self.pinned.get(component) or self.resolved.get(component)


@dataclass(frozen=True, slots=True)
class Case:
    """Everything that a decision rests on; the caller's own writes are in it.

    `sights` are those of the check that has just been made (component → sight). `checked` says when
    each component's repository last gave an answer, older checks included.
    """

    tool: str
    config: ToolConfig
    deployments: Sequence[Known]
    now: datetime
    sights: Mapping[str, Sight] = field(default_factory=dict)
    checked: Mapping[str, datetime] = field(default_factory=dict)


class Verdict(StrEnum):
    """What a sight means for its component."""

    NEW = "new"  # a deployment is made for it
    HANDLED = "handled"  # the same commit as before, and it had its deployment
    COVERED = "covered"  # somebody else's deployment has it
    AWAITED = "awaited"  # a deployment that will look up the ref itself is on its way
    TROUBLE = "trouble"  # the ref could not be looked up


@dataclass(frozen=True, slots=True)
class Record:
    """Write this status (whole)."""

    status: ToolConfigStatus


@dataclass(frozen=True, slots=True)
class Create:
    """Create this deployment; if it exists, it was created before."""

    name: str
    spec: ToolDeploymentSpec


@dataclass(frozen=True, slots=True)
class Rest:
    """Nothing to write."""


@dataclass(frozen=True, slots=True)
class Decision:
    """The next step, and what each sight of this check means."""

    step: Record | Create | Rest
    verdicts: Mapping[str, Verdict] = field(default_factory=dict)


def followed(spec: ToolConfigSpec) -> Mapping[str, SourceBuild]:
    """The components that polling follows: built from source, with auto_deploy on."""
    return {
        name: component.build
        for name, component in spec.components.items()
        if isinstance(component.build, SourceBuild)
        and (
            spec.auto_deploy if component.build.auto_deploy is None else component.build.auto_deploy
        )
    }


def known_of(deployment: ToolDeployment) -> Known:
    """What polling needs to know of a deployment."""
    pinned = deployment.spec.trigger.commits
    builds = deployment.status.builds.items()
    return Known(
        deployment.name,
        deployment.metadata.creation_timestamp,
        pinned,
        {name: record.commit for name, record in builds if record.commit and name not in pinned},
        open=not (deployment.final or deployment.spec.cancel),
    )


def decide(case: Case) -> Decision:
    """The next single write that brings the stored state up to what was seen."""
    stored = case.config.status
    before = _carried_over(case)
    unmade = _intents(before)
    if unmade:
        name = min(unmade)
        return Decision(_create(name, unmade[name], before))
    watches = dict(before)
    verdicts: dict[str, Verdict] = {}
    for name, sight in case.sights.items():
        if name in watches:
            watches[name], verdicts[name] = _looked_at(name, watches[name], sight, case)
    new = [name for name, verdict in verdicts.items() if verdict == Verdict.NEW]
    if new:
        watches |= _with_intent({name: watches[name] for name in new}, case)
    status = ToolConfigStatus(
        components=watches,
        conditions=stored.conditions,
        observed_generation=case.config.metadata.generation,
    )
    if not watches and not stored.components:
        return Decision(Rest())  # most tools are not followed: they need no status
    if status == stored and not _checks_are_due(status, case):
        return Decision(Rest(), verdicts)
    return Decision(Record(_with_checks(status, case)), verdicts)


def _carried_over(case: Case) -> dict[str, ComponentWatch]:
    """The stored watches that the config still asks for; new ones where it asks for others.

    What was decided but not made is looked at again in the light of the deployments there are.
    """
    stored = case.config.status.components
    watches = {}
    for name, build in followed(case.config.spec).items():
        watch = stored.get(name)
        if watch is None or (watch.repository, watch.ref) != (build.repository, build.ref_text):
            watch = ComponentWatch(repository=build.repository, ref=build.ref_text)
        watches[name] = _if_made(name, watch, case)
    return watches


def _if_made(name: str, watch: ComponentWatch, case: Case) -> ComponentWatch:
    """The watch with an intent that was carried out, or overtaken by another's deployment."""
    if watch.created or not watch.deployment or watch.seen_at is None:
        return watch
    if any(each.name == watch.deployment for each in case.deployments):
        return _changed(watch, created=True)
    latest = _latest(name, case)
    if latest is None:
        return watch
    if latest.commit_of(name) == watch.commit:
        return _changed(watch, created=True, deployment=latest.name)
    overtaken = latest.created_at > watch.seen_at
    return _changed(watch, commit="", seen_at=None, deployment="") if overtaken else watch


def _intents(watches: Mapping[str, ComponentWatch]) -> dict[str, list[str]]:
    """Deployments that were decided on and perhaps not made: name → its components."""
    unmade: dict[str, list[str]] = {}
    for name, watch in watches.items():
        if watch.deployment and not watch.created:
            unmade.setdefault(watch.deployment, []).append(name)
    return unmade


def _looked_at(
    name: str, watch: ComponentWatch, sight: Sight, case: Case
) -> tuple[ComponentWatch, Verdict]:
    """The watch after a sight, and what it means."""
    if isinstance(sight, Trouble):
        error = f"{sight.message}. {sight.hint}".strip()
        return _changed(watch, error=error, error_reason=sight.reason), Verdict.TROUBLE
    chosen = {"resolved_ref": sight.ref, "choice": sight.choice}
    watch = _changed(watch, error="", error_reason="", **chosen)
    latest = _latest(name, case)
    # A deployment that found another commit by itself proves that the ref moved there and back.
    # One that was pinned to another commit is a rollback, which polling does not undo.
    was_elsewhere = latest is not None and latest.resolved.get(name, sight.commit) != sight.commit
    if watch.commit != sight.commit or (watch.created and was_elsewhere):
        found = _found_since(name, watch, case)
        # One that waited may have found what was pushed after the next one was made for the commit
        # before: that one runs last, and the newer commit would be lost.
        undone = latest is not None and latest.name == watch.deployment
        watch = _changed(watch, commit=sight.commit, seen_at=case.now, deployment="", created=False)
        if found is not None and found.resolved[name] == sight.commit and not undone:
            # It had its turn before polling saw it, and somebody may have rolled back since.
            return _changed(watch, deployment=found.name, created=True), Verdict.COVERED
    if watch.created:
        return watch, Verdict.HANDLED
    if latest is not None and latest.commit_of(name) == sight.commit:
        return _changed(watch, deployment=latest.name, created=True), Verdict.COVERED
    if any(each.open and each.commit_of(name) is None for each in case.deployments):
        return watch, Verdict.AWAITED
    found_by = Trigger.WEBHOOK.value if sight.pushed else ""
    return _changed(watch, found_by=found_by), Verdict.NEW


def _latest(name: str, case: Case) -> Known | None:
    """The newest deployment that has a commit for the component."""
    having = [each for each in case.deployments if each.commit_of(name)]
    return max(having, key=lambda each: (each.created_at, each.name), default=None)


def _found_since(name: str, watch: ComponentWatch, case: Case) -> Known | None:
    """The newest deployment that looked the ref up after it was seen to hold the watch's commit."""
    since = watch.seen_at
    found = [
        each
        for each in case.deployments
        if name in each.resolved and since is not None and each.created_at > since
    ]
    return max(found, key=lambda each: (each.created_at, each.name), default=None)


def _changed(watch: ComponentWatch, **fields: object) -> ComponentWatch:
    return watch.model_copy(update=fields)


def _with_intent(new: Mapping[str, ComponentWatch], case: Case) -> dict[str, ComponentWatch]:
    """The watches of new commits with the name of the one deployment that is to be made."""
    first_seen = min(watch.seen_at or case.now for watch in new.values())
    name = deployment_name(
        case.tool, first_seen, {name: watch.commit for name, watch in new.items()}
    )
    return {each: _changed(watch, deployment=name) for each, watch in new.items()}


def deployment_name(tool: str, first_seen: datetime, commits: Mapping[str, str]) -> str:
    """The id of the deployment: when it was first seen, and a digest of what and when."""
    content = [tool, first_seen.isoformat()]
    content += [f"{component}={commits[component]}" for component in sorted(commits)]
    number = int.from_bytes(hashlib.sha256("\n".join(content).encode()).digest())
    digest = ""
    for _ in range(names.RANDOM_LENGTH):
        number, digit = divmod(number, len(names.RANDOM_ALPHABET))
        digest += names.RANDOM_ALPHABET[digit]
    return names.deployment_id(first_seen, digest)


def _create(name: str, components: Sequence[str], watches: Mapping[str, ComponentWatch]) -> Create:
    commits = {each: watches[each].commit for each in components}
    refs = {each: watches[each].resolved_ref for each in components if watches[each].resolved_ref}
    shown = {each: refs.get(each, watches[each].ref).removeprefix("refs/tags/") for each in commits}
    what = ", ".join(f"{each} {commits[each][:8]} ({shown[each] or 'HEAD'})" for each in components)
    return Create(
        name,
        ToolDeploymentSpec(
            description=f"New commit: {what}"[:_MAX_DESCRIPTION],
            trigger=TriggerSpec(kind=_trigger(components, watches), commits=commits, refs=refs),
        ),
    )


def _trigger(components: Sequence[str], watches: Mapping[str, ComponentWatch]) -> Trigger:
    """What made the deployment come now: a webhook, if one told of any of its commits."""
    told = any(watches[each].found_by == Trigger.WEBHOOK for each in components)
    return Trigger.WEBHOOK if told else Trigger.POLL


def _checks_are_due(status: ToolConfigStatus, case: Case) -> bool:
    """Whether it is time to write down that nothing was new.

    By the newest time written, so that a tool with many repositories is not written to by each;
    a host that gives no answer for long has nothing newer to write.
    """
    done = [case.checked[name] for name in status.components if name in case.checked]
    written = [watch.checked_at for watch in status.components.values() if watch.checked_at]
    return bool(done) and (not written or max(done) - max(written) >= RECORD_CHECKS_EVERY)


def _with_checks(status: ToolConfigStatus, case: Case) -> ToolConfigStatus:
    watches = {
        name: _changed(watch, checked_at=case.checked.get(name, watch.checked_at))
        for name, watch in status.components.items()
    }
    return status.model_copy(update={"components": watches})
