"""One build, from the pinned commit to a published image: `python -m …builder DIRECTORY`.

Run under a shim by `builds`, once per build, in its own process. It reads plan.json, prints the
log, and leaves result.json: the digest of the image, or the error. It may be run again after it was
killed: it starts from nothing.
"""

import errno
import os
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from controller import errors
from controller.backends.local import digest, fetch, files, handover, images, steps
from controller.backends.local.layout import Layout

RESULT = "result.json"
_HOME = "home"


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be built, where, and within which limits; `credentials` names a Secret."""

    root: Path
    tree: Path
    repository: str
    ref: str
    commit: str
    protocols: tuple[str, ...]
    stall_seconds: int
    image_bytes: int
    credentials: str = ""


PLAN = TypeAdapter(Plan)


class BuildError(Exception):
    """The build cannot go on; the message is for the tool's maintainers."""


def main(directory: Path) -> int:
    """Build what `directory`/plan.json asks for; 0 when there is an image."""
    plan = PLAN.validate_json((directory / "plan.json").read_bytes())
    result = {"error": ""}
    try:
        result["digest"] = build(plan, directory)
    except (BuildError, fetch.FetchError, steps.StepError) as error:
        result["error"] = str(error)
    except errors.Transient as error:
        result["error"] = error.message
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        result["error"] = "disk full: free some space and deploy again" if full else str(error)
    if result["error"]:
        say(f"build failed: {result['error']}")
        files.remove_tree(plan.tree)
    files.write_json(directory / RESULT, result, durable=True)
    return 1 if result["error"] else 0


def build(plan: Plan, directory: Path) -> str:
    """Fetch, build, publish; answers the digest of the image."""
    app, venv = plan.tree / "app", plan.tree / "venv"
    files.remove_tree(plan.tree)
    files.make_directory(app)
    home = directory / _HOME
    files.make_directory(home)
    say(f"Fetching {plan.commit} of {fetch.shown(plan.repository)}")
    credential = handover.take(directory) if plan.credentials else None
    if plan.credentials and credential is None:
        raise BuildError("the credentials were lost on the way; deploy again")
    place = handover.folder(directory) if plan.credentials else None
    leash = fetch.Leash(plan.protocols, plan.stall_seconds, home, credential, place)
    fetch.checkout(plan.repository, plan.ref, plan.commit, app, leash)
    handover.clear(directory)  # before anything of the repository runs
    files.remove_tree(app / ".git")
    environment = _environment(plan, home)
    _check_size(plan)
    processes = steps.processes_of(app)  # before anything that takes long
    for step in steps.steps_for(app, venv, environment["PATH"]):
        _carry_out(step, app, environment)
        _check_size(plan)
    files.write_json(plan.tree / "image.json", {"processes": processes})
    files.remove_tree(home)
    return _publish(plan)


def clear(directory: Path) -> None:
    """Remove what a builder that was killed, or failed, has left of secrets and of its work."""
    handover.clear(directory)
    files.remove_tree(directory / _HOME)


def _publish(plan: Plan) -> str:
    content = digest.of_tree(plan.tree)
    _seal(plan.tree)
    used = images.publish(Layout(plan.root), content, plan.tree)
    if used != plan.tree:
        say("The result is the same as an earlier build's")
        files.remove_tree(plan.tree)
    say(f"Built sha256:{content}")
    return content


def say(line: str) -> None:
    """Add a line to the log, which is what our output becomes."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _carry_out(step: steps.Step, app: Path, environment: Mapping[str, str]) -> None:
    say(step.title)
    done = subprocess.run(
        step.argv, cwd=app, env=environment, stdin=subprocess.DEVNULL, check=False
    )
    if done.returncode != 0:
        raise BuildError(f"{step.title.lower()} failed with code {done.returncode}")


def _environment(plan: Plan, home: Path) -> dict[str, str]:
    cache = Layout(plan.root).cache
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return {
        "PATH": os.defpath,
        **kept,
        "HOME": str(home),
        "TMPDIR": str(home),
        "CI": "1",
        "PIP_CACHE_DIR": str(cache / "pip"),
        "PIP_ROOT_USER_ACTION": "ignore",
        "npm_config_cache": str(cache / "npm"),
        "npm_config_update_notifier": "false",
    }


def _check_size(plan: Plan) -> None:
    size = files.size(plan.tree)
    if size > plan.image_bytes:
        limit, mib = plan.image_bytes // 2**20, size // 2**20
        raise BuildError(f"the image has {mib} MiB, and may have {limit} MiB")


def _seal(tree: Path) -> None:
    """Take away the right to write, from everybody."""
    for path in (tree, *_all(tree)):
        if not path.is_symlink():
            path.chmod(stat.S_IMODE(path.stat().st_mode) & ~0o222)


def _all(tree: Path) -> Iterator[Path]:
    for directory, directories, names in os.walk(tree):
        for name in (*directories, *names):
            yield Path(directory, name)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
