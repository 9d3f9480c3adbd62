"""Which commit a ref means, given the refs that the host has. Pure.

The rules, in this order: "" or `HEAD` is the default branch; a full name (`refs/...`) is exactly
that ref; else exactly `refs/heads/<ref>`; else exactly `refs/tags/<ref>`, peeled to what an
annotated tag points at; else a full SHA as it is. A policy (`controller.models.refs`) is one of the
tags, chosen by `choosing`. Nothing is ever matched by its end or beginning:
`git ls-remote URL main` answers with `dependabot/main` first. Called by `watchers.git.repositories`
and by the tests of every transport; no I/O may be put here.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from controller import errors
from controller.models.reasons import EXPLANATIONS, Reason
from controller.models.refs import RefPolicy, policy_of
from watchers.git import choosing

MAX_REF_LENGTH = 255
_FULL_SHA = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}", re.IGNORECASE)
# What git check-ref-format refuses, wherever it stands in the name, and wildcards with it.
_NEVER_IN_REF = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|/\.|\.lock(/|$)|[/.]$|^[/.-]|^@$")


class RefKind(StrEnum):
    """What a ref turned out to be."""

    HEAD = "head"
    BRANCH = "branch"
    TAG = "tag"
    SHA = "sha"
    OTHER = "ref"


@dataclass(frozen=True, slots=True)
class RefFound:
    """One ref as a host has it: the object it names, and where a tag object points in the end."""

    target: str
    peeled: str | None = None

    @property
    def commit(self) -> str:
        """The commit: never the tag object of an annotated tag."""
        return self.peeled or self.target


@dataclass(frozen=True, slots=True)
class Resolved:
    """The commit (full, lower case) that a ref means now; `warning` is for the user, or "".

    Of a policy, `ref` is the full name of the tag that it chose and `choice` says why.
    """

    commit: str
    kind: RefKind
    warning: str = ""
    ref: str = ""
    choice: str = ""


@dataclass(frozen=True, slots=True)
class RefProblem:
    """Why one ref has no commit, while the repository itself answered."""

    reason: Reason
    message: str
    hint: str

    def error(self) -> errors.Terminal:
        """The same as an error, for callers that asked for just this ref."""
        return errors.Terminal(self.reason, self.message, self.hint)


def is_full_sha(ref: str) -> bool:
    """Whether the ref is written as a full commit id (40 or 64 hex digits)."""
    return _FULL_SHA.fullmatch(ref) is not None


def malformed(ref: str) -> RefProblem | None:
    """Why git could never have a ref of this name, or None where it could (or for a policy)."""
    if policy_of(ref) is not None:
        return None
    if len(ref) > MAX_REF_LENGTH or _NEVER_IN_REF.search(ref) or not ref.isprintable():
        return RefProblem(
            Reason.REF_NOT_FOUND,
            f"{_quoted(ref)} is not a name that a branch or tag of git can have",
            "Write the plain name of a branch or tag, or a full commit id.",
        )
    return None


def candidates(ref: str) -> tuple[str, ...]:
    """The full names that the ref may stand for, the preferred one first.

    One that ends in `*` means all refs whose names begin so.
    """
    policy = policy_of(ref)
    if policy is not None:
        return (f"{choosing.TAGS}{policy.prefix}*",)
    if ref in ("", "HEAD"):
        return ("HEAD",)
    if ref.startswith("refs/"):
        return (ref,)
    return (f"refs/heads/{ref}", f"refs/tags/{ref}")


def pick(ref: str, found: Mapping[str, RefFound]) -> Resolved | RefProblem:
    """The commit of `ref`, from the refs that the host has (full name → what it names)."""
    policy = policy_of(ref)
    if policy is not None:
        return _choose(policy, found)
    hits = [name for name in candidates(ref) if name in found]
    if not hits:
        return Resolved(ref.lower(), RefKind.SHA) if is_full_sha(ref) else _missing(ref)
    warning = (
        f"{ref} is both a branch and a tag: the branch is used. "
        f"Write refs/tags/{ref} to mean the tag."
        if len(hits) > 1
        else ""
    )
    return Resolved(found[hits[0]].commit.lower(), _kind(hits[0]), warning)


def _choose(policy: RefPolicy, found: Mapping[str, RefFound]) -> Resolved | RefProblem:
    choice = choosing.choose(policy, found)
    if not choice.name:
        hint = "Push such a tag, or widen the range or the pattern in `ref`."
        return RefProblem(Reason.REF_NOT_FOUND, choice.why, hint)
    commit = found[choice.name].commit.lower()
    return Resolved(commit, RefKind.TAG, "", choice.name, choice.why)


def _kind(name: str) -> RefKind:
    if name == "HEAD":
        return RefKind.HEAD
    if name.startswith("refs/heads/"):
        return RefKind.BRANCH
    return RefKind.TAG if name.startswith("refs/tags/") else RefKind.OTHER


def _missing(ref: str) -> RefProblem:
    if ref in ("", "HEAD"):
        message = "the repository has no default branch: it is empty, or its HEAD is wrong"
        hint = "Push a commit, or name a branch in `ref`."
        return RefProblem(Reason.REF_NOT_FOUND, message, hint)
    kind = "ref" if ref.startswith("refs/") else "branch or tag"
    return RefProblem(
        Reason.REF_NOT_FOUND,
        f"the repository has no {kind} called {_quoted(ref)}",
        EXPLANATIONS[Reason.REF_NOT_FOUND].hint,
    )


def _quoted(ref: str) -> str:
    """The ref as it may be shown: one short line of printable characters."""
    return ascii(ref if len(ref) <= 80 else ref[:77] + "...")
