"""Fetch exactly one commit of a repository that a stranger named, with git on a short leash.

Called by the builder. Only git over the allowed protocols, without prompts, the user's or the
machine's configuration, redirects or hooks. Knows nothing of builds.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path

import git

_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_SHALLOW = "--depth=1"


class FetchError(Exception):
    """The commit could not be had; the message is for people and holds no credentials."""


@dataclass(frozen=True, slots=True)
class Leash:
    """What git may do. `stall_seconds`: how long a host may send next to nothing."""

    protocols: tuple[str, ...]
    stall_seconds: int
    home: Path


def checkout(repository: str, ref: str, commit: str, into: Path, leash: Leash) -> None:
    """Put the files of `commit` into the directory `into`, and nothing of git.

    A server that refuses to hand out a bare commit is asked for `ref`, whose history must hold it.
    Raises FetchError.
    """
    if not _COMMIT.fullmatch(commit):
        raise FetchError(f"{commit[:80]!r} is not a full commit id")
    try:
        local = git.Repo.init(into).git
        local.update_environment(**_environment(leash))
        _fetch(local, repository, ref, commit)
        local.checkout("--force", "--detach", commit)
    except git.GitCommandError as error:
        raise FetchError(
            f"could not fetch {commit} of {shown(repository)}: {_why(error)}"
        ) from None


def shown(repository: str) -> str:
    """A repository's address without credentials and query."""
    return re.sub(r"//[^/@]*@", "//", repository.partition("?")[0])


def _fetch(local: git.Git, repository: str, ref: str, commit: str) -> None:
    try:
        local.fetch(_SHALLOW, "--no-tags", "--", repository, commit)
    except git.GitCommandError:
        source = ref or "HEAD"
        if source.startswith(("-", "+")) or ":" in source:
            raise
        local.fetch("--no-tags", "--", repository, source)
        try:
            local.cat_file("-e", f"{commit}^{{commit}}")
        except git.GitCommandError:
            why = f"the history of {source} does not hold commit {commit}"
            raise FetchError(f"{why} of {shown(repository)}; it may have been replaced") from None


def _environment(leash: Leash) -> dict[str, str]:
    settings = {
        "http.followRedirects": "false",
        "http.lowSpeedLimit": "1000",
        "http.lowSpeedTime": str(leash.stall_seconds),
        "core.hooksPath": os.devnull,
        "protocol.version": "2",
        "fetch.fsckObjects": "true",
        "safe.directory": "*",  # a repository on this machine may belong to somebody else
        "advice.detachedHead": "false",
        "gc.auto": "0",
    }
    environment = {
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_ALLOW_PROTOCOL": ":".join(leash.protocols),
        "GIT_ASKPASS": "true",
        "GIT_LFS_SKIP_SMUDGE": "1",
        "HOME": str(leash.home),
        "LC_ALL": "C.UTF-8",
        "GIT_CONFIG_COUNT": str(len(settings)),
    }
    for number, (key, value) in enumerate(settings.items()):
        environment |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return environment


def _why(error: git.GitCommandError) -> str:
    """What git complained of first, without its decoration."""
    said = str(error.stderr).replace("stderr: '", "").strip(" \n'")
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    telling = [line for line in lines if line.startswith(("fatal:", "error:"))] or lines
    return shown(telling[0].removeprefix("fatal: ").removeprefix("error: ")) if telling else ""
