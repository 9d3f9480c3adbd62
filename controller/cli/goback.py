"""What `ptd rollback` goes back to: which deployment, which commits, and what is said of it.

Used by `rollback`. Made from answers of the API (deployments, the config); no request is made here.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from controller.cli import display, standing
from controller.cli.standing import GOING, Running

JSON = Mapping[str, Any]
_ENDED = {"failed": "has failed", "timed_out": "has timed out", "cancelled": "was cancelled"}
_LOOK = "`ptd list` shows which ones were successful."


class Refused(Exception):
    """There is nothing to go back to: why, and what to do instead."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def checked(found: JSON) -> JSON:
    """The deployment that somebody named, if it ran; else Refused."""
    name, state = found["deploy_id"], found["status"]
    if state in GOING:
        raise Refused(f"{name} is not over yet", f"`ptd wait {name}` waits for it. {_LOOK}")
    if state != "successful":
        raise Refused(f"{name} {_ENDED[state]}: it is nothing to go back to", _LOOK)
    if not standing.commits(found):
        raise Refused(f"{name} does not say which commits it ran", _LOOK)
    return found


def choose(tool: str, made: Sequence[JSON]) -> JSON:
    """The last successful one before what runs now that had other commits; Refused if none.

    `made` are all deployments, newest first. Where the newest one has not succeeded, what runs now
    is not plain: if some of its components came up, the version before it is the one to go back to;
    if none did, nothing was changed, and nobody is taken further back without naming it.
    """
    if not made:
        raise Refused(f"{tool} has no deployments", "`ptd deploy --wait` makes the first one.")
    newest, good = made[0], [each for each in made if each["status"] == "successful"]
    name = newest["deploy_id"]
    if newest["status"] in GOING:
        hint = f"`ptd cancel {name}` stops it, `ptd wait {name}` waits for it; or name one of these"
        raise Refused(f"{name} goes on: what it leaves is not known yet", f"{hint}: {_ids(good)}.")
    if newest["status"] == "successful":
        back = _before(newest, good)
    else:
        back = next(iter(good), None)
        if back is not None and not _came_up(newest):
            older = _before(back, good)
            hint = f"`ptd rollback {older['deploy_id']}` goes back further." if older else _LOOK
            why = f"{name} {_ENDED[newest['status']]} and changed nothing"
            raise Refused(f"{why}: {back['deploy_id']} still runs", hint)
    if back is None:
        why = "before what runs now was successful with other commits"
        hint = "`ptd deploy --commit COMPONENT=SHA --wait` deploys any commit."
        raise Refused(f"{tool} has nothing to go back to: no deployment {why}", hint)
    return back


def pins(target: JSON, config: JSON) -> dict[str, str]:
    """The commit of each component; Refused where the config cannot take it.

    `config` is the one of now, {} where it may not be read: then the API has the only word.
    """
    commits, name = standing.commits(target), target["deploy_id"]
    now = config.get("components", {})
    if not now:
        return commits
    missing = [each for each in commits if each not in now]
    reusing = [each for each in commits if each in now and _reuses(now[each])]
    if not missing and not reusing:
        return commits
    said = [f"{each} is not in the config now" for each in missing]
    said += [f"{each} uses the build of another component now" for each in reusing]
    left = {each: sha for each, sha in commits.items() if each not in (*missing, *reusing)}
    options = " ".join(f"--commit {each}={sha}" for each, sha in left.items())
    hint = "`ptd config apply FILE` brings it back."
    if left:
        hint += f" Without it: `ptd deploy {options} --wait`."
    raise Refused(f"{name} cannot be deployed again: {', '.join(said)}", hint)


def lines(
    target: JSON,
    commits: Mapping[str, str],
    config: JSON,
    runs: Running | None,
    followed: Mapping[str, JSON],
) -> Iterator[str]:
    """What will run, said before it is asked for."""
    what = f" ({target['description']})" if target.get("description") else ""
    yield f"going back to {target['deploy_id']}{what}, with the config as it is now"
    present = runs.commits if runs else {}
    for name, sha in commits.items():
        yield f"  {name:<16} {display.short(sha)}{_difference(sha, present.get(name, ''))}"
    for name, component in config.get("components", {}).items():
        if name not in commits and not _reuses(component):
            yield f"  {name:<16} was not in it: what its ref holds is deployed"
    if any(name in followed for name in commits):
        yield "polling follows: the next push is deployed, what is pushed already is not"


def _difference(sha: str, present: str) -> str:
    if not present:
        return ""
    return "  as now" if sha == present else f"  instead of {display.short(present)}"


def _before(newest: JSON, good: Sequence[JSON]) -> JSON | None:
    """The last of the good ones before `newest` that had other commits."""
    names = [each["deploy_id"] for each in good]
    older = good[names.index(newest["deploy_id"]) + 1 :]
    mine = standing.commits(newest)
    different = (each for each in older if standing.commits(each) not in ({}, mine))
    return next(different, None)


def _came_up(newest: JSON) -> bool:
    """Whether a component of one that has not succeeded runs its version all the same."""
    runs = newest.get("runs", {}).values()
    return any(
        run.get("run_status") == "successful" and run.get("change", "unchanged") != "unchanged"
        for run in runs
    )


def _reuses(component: JSON) -> bool:
    return bool((component.get("build") or {}).get("reuse_from"))


def _ids(good: Sequence[JSON]) -> str:
    return ", ".join(each["deploy_id"] for each in good[:3]) or "none there is"
