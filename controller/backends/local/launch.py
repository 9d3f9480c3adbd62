"""From a run's settings and an image to what is started: words, environment, limits.

Pure but for looking at the environment that is passed in. Used by instances, health checks and
scheduled runs.
"""

import os
import re
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from controller.backends.local.images import Image
from controller.models.toolconfig import ContinuousRun, ScheduledRun

# What a component may know of ptd's own environment; anything else could be a secret.
_PASSED_ON = (
    "PATH",
    "LANG",
    "LC_ALL",
    "TZ",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "SSL_CERT_FILE",
)
_VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)\})")
_QUANTITY = re.compile(r"([0-9]+(?:\.[0-9]+)?)(k|M|G|T|Ki|Mi|Gi|Ti)?")
_UNITS: dict[str | None, int] = {
    None: 1,
    **{unit: 1000**power for power, unit in enumerate("kMGT", start=1)},
    **{unit + "i": 1024**power for power, unit in enumerate("KMGT", start=1)},
}
_LEAST_MEMORY = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Launch:
    """What a process is started with."""

    argv: tuple[str, ...]
    cwd: Path
    env: Mapping[str, str]
    limits: Mapping[str, int]


def launch(run: ContinuousRun | ScheduledRun, image: Image, data: Path, port: int | None) -> Launch:
    """How `run.command` is started from `image`; `data` is the tool's own directory."""
    env = environment(image, data, port)
    return Launch(arguments(run.command, image, env), image.app, env, limits(run.memory))


def environment(image: Image, data: Path, port: int | None) -> dict[str, str]:
    """The environment of a component: little of ours, the image's programs first."""
    env = passed_on(os.environ)
    paths = [str(path) for path in image.paths]
    env["PATH"] = os.pathsep.join([*paths, env.get("PATH", os.defpath)])
    env |= {"HOME": str(data), "TOOL_DATA_DIR": str(data), "PYTHONUNBUFFERED": "1"}
    if image.venv:
        env["VIRTUAL_ENV"] = str(image.venv)
    if port is not None:
        env["PORT"] = str(port)
    return env


def passed_on(surrounding: Mapping[str, str]) -> dict[str, str]:
    """The part of an environment that others may see."""
    names = {*_PASSED_ON, *(name.lower() for name in _PASSED_ON if name.endswith("_PROXY"))}
    return {name: surrounding[name] for name in sorted(names) if name in surrounding}


def arguments(command: str, image: Image, env: Mapping[str, str]) -> tuple[str, ...]:
    """The words of a command: a Procfile's process type through the shell, else without one.

    Without a shell words are split as a shell would, and `$NAME` stands for a variable of `env`,
    as on Toolforge; write `bash -c '…'` for more.
    """
    if (line := image.processes.get(command)) is not None:
        return ("/bin/sh", "-c", line)
    return tuple(_expanded(word, env) for word in split(command))


def named(image: Image) -> str:
    """Which short names a command may use, for who wrote one that is not found."""
    if not image.processes:
        return "there are no process types, as no Procfile names any"
    return f"the process types are {', '.join(sorted(image.processes))}"


def _expanded(word: str, env: Mapping[str, str]) -> str:
    return _VARIABLE.sub(lambda found: env.get(found[1] or found[2], found[0]), word)


def split(command: str) -> list[str]:
    """The words of a command line; an open quote is taken as it stands."""
    try:
        return shlex.split(command) or [command]
    except ValueError:
        return command.split() or [command]


def limits(memory: str | None) -> dict[str, int]:
    """The resource limits for a `memory` setting: twice of it, at least 256 MiB, on Linux.

    It stops what runs away and never what is honest: unlike a container's limit, RLIMIT_DATA also
    counts memory that was asked for and not used. What cannot be read as a quantity sets nothing.
    """
    match = _QUANTITY.fullmatch(memory or "")
    if match is None or sys.platform != "linux":
        return {}
    asked = float(match[1]) * _UNITS[match[2]]
    return {"RLIMIT_DATA": max(_LEAST_MEMORY, int(2 * asked))}
