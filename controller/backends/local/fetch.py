"""Fetch exactly one commit of a repository that a stranger named, with git on a short leash.

Called by the builder. Only git over the allowed protocols, without prompts, the user's or the
machine's configuration, redirects or hooks. Knows nothing of builds.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path

import git

from controller import gitauth
from controller.models import credentials
from controller.models.credentials import Credential
from controller.models.sources import target_of

_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_SHALLOW = "--depth=1"


class FetchError(Exception):
    """The commit could not be had; the message is for people and holds no credentials."""


@dataclass(frozen=True, slots=True)
class Leash:
    """What git may do. `stall_seconds`: how long a host may send next to nothing.

    `credential` is shown to the repository's host; files that git needs for it lie in `private`.
    """

    protocols: tuple[str, ...]
    stall_seconds: int
    home: Path
    credential: Credential | None = None
    private: Path | None = None


def checkout(repository: str, ref: str, commit: str, into: Path, leash: Leash) -> None:
    """Put the files of `commit` into the directory `into`, and nothing of git.

    A server that refuses to hand out a bare commit is asked for `ref`, whose history must hold it.
    Raises FetchError.
    """
    if not _COMMIT.fullmatch(commit):
        raise FetchError(f"{commit[:80]!r} is not a full commit id")
    try:
        local = git.Repo.init(into).git
        target = target_of(repository)
        with gitauth.given(leash.credential, target, within=leash.private) as login:
            local.update_environment(**_environment(leash, login))
            _fetch(local, repository, ref, commit)
        local.checkout("--force", "--detach", commit)
    except git.GitCommandError as error:
        why = _refusal(error, leash.credential, repository) or _why(error)
        raise FetchError(f"could not fetch {commit} of {shown(repository)}: {why}") from None


def shown(repository: str) -> str:
    """A repository's address without user, password and query."""
    return re.sub(r"//[^/\s]*@", "//", repository.partition("?")[0])


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
            todo = f"push it, or deploy what {source} holds now"
            raise FetchError(f"{why} of {shown(repository)}; {todo}") from None


def _environment(leash: Leash, login: gitauth.Given) -> dict[str, str]:
    settings = {
        **login.config,
        "credential.helper": "",
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
        "GIT_ASKPASS": "",
        "SSH_ASKPASS": "",
        **login.variables,
        "GIT_LFS_SKIP_SMUDGE": "1",
        "HOME": str(leash.home),
        "LC_ALL": "C.UTF-8",
        "GIT_CONFIG_COUNT": str(len(settings)),
    }
    for number, (key, value) in enumerate(settings.items()):
        environment |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return environment


def _refusal(error: git.GitCommandError, credential: Credential | None, repository: str) -> str:
    """That the host refuses the credential, and what to do; "" where that is not why."""
    if credential is None:
        return ""
    said, target = str(error.stderr), target_of(repository)
    if target.scheme == "ssh":
        refused = gitauth.refusal(credential, target.host, said)
    else:
        told = re.search(r"could not read Username|Authentication failed|returned error: 403", said)
        refused = told and credentials.refused(target.host, credential.name, told[0])
    return f"{refused.message}. {refused.hint}" if refused else ""


def _why(error: git.GitCommandError) -> str:
    """What git complained of first, without its decoration."""
    said = str(error.stderr).replace("stderr: '", "").strip(" \n'")
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    telling = [line for line in lines if line.startswith(("fatal:", "error:"))] or lines
    return shown(telling[0].removeprefix("fatal: ").removeprefix("error: ")) if telling else ""
