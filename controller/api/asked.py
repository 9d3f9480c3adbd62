"""What a POST of a deployment asks for: its body and query, as the spec of the object to be made.

Used by `deployments`. Unknown fields of the body are ignored, so that a webhook's payload may be
sent; its `commits` are a list, ours an object. No requests here.
"""

import re
from collections.abc import Mapping
from typing import Any

from controller.api import reading, texts
from controller.api.calls import Call
from controller.api.problems import Refused
from controller.models.fields import MAX_TEXT
from controller.models.toolconfig import ReuseBuild, ToolConfigSpec
from controller.models.tooldeployment import ToolDeployment

Spec = dict[str, Any]
_SHA = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")


def deployment(call: Call) -> Spec:
    """The spec that a POST asks for; Refused with 422."""
    force_build = reading.flag(call.query, "force-build")
    force_run = reading.flag(call.query, "force-run")
    body = {} if call.body is reading.ABSENT or call.body is None else reading.mapping(call.body)
    description = reading.text(body.get("description", ""), "description", MAX_TEXT)
    return {
        "description": description,
        "force_build": force_build,
        "force_run": force_run,
        "trigger": {"kind": call.caller.value, **_pins(_commits(body.get("commits")))},
    }


def again(call: Call, old: ToolDeployment, config: ToolConfigSpec) -> Spec:
    """The spec of the same thing once more: the same commits, as far as they are still built."""
    built = {name: build.commit for name, build in old.status.builds.items() if build.commit}
    wanted = {**old.spec.trigger.commits, **built}
    known = {name: commit for name, commit in wanted.items() if _builds(config, name)}
    return {
        "description": old.spec.description or f"Retry of {old.name}",
        "force_build": old.spec.force_build,
        "force_run": old.spec.force_run,
        "trigger": {"kind": call.caller.value, **_pins(known)},
    }


def check_pins(spec: Spec, config: ToolConfigSpec) -> None:
    """Refused with 422 for commits of components that the config does not build."""
    for name in spec["trigger"].get("commits", ()):
        component = config.components.get(name)
        place = f"commits -> {name[:64]}"
        if component is None:
            known = ", ".join(config.components)
            message = f"There is no such component; the config has {known}"
            raise Refused(422, texts.invalid(place, message))
        if isinstance(component.build, ReuseBuild):
            other = config.source_of(name)
            message = f"It uses the build of '{other}'; ask for a commit of that one"
            raise Refused(422, texts.invalid(place, message))


def _commits(value: object) -> dict[str, str]:
    if not isinstance(value, dict):
        return {}
    commits = {}
    for name, sha in value.items():
        if not isinstance(sha, str) or not _SHA.fullmatch(sha.lower()):
            message = "Input should be a full commit SHA, 40 or 64 digits of 0-9 and a-f"
            raise Refused(422, texts.invalid(f"commits -> {name[:64]}", message, sha))
        commits[name] = sha.lower()
    return commits


def _pins(commits: Mapping[str, str]) -> Spec:
    return {"commits": dict(commits)} if commits else {}


def _builds(config: ToolConfigSpec, name: str) -> bool:
    component = config.components.get(name)
    return component is not None and not isinstance(component.build, ReuseBuild)
