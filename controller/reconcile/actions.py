"""What a plan may ask for: one frozen class per action, and what came of it.

Made by `plan`, carried out by `effects`, read by `status`. Data only.
"""

from dataclasses import dataclass

from controller.backends.base import Applied, Build, BuildRequest, JobSpec
from controller.errors import EdgeError

__all__ = [
    "Action",
    "ApplyJob",
    "CancelBuild",
    "DeleteDeployment",
    "DeleteJob",
    "Outcome",
    "ResolveRef",
    "Resolved",
    "StartBuild",
]


@dataclass(frozen=True, slots=True)
class ResolveRef:
    """Find the commit that a component's ref names at this moment.

    `credentials` names the Secret of the tool that the repository is read with, "" for none.
    """

    component: str
    repository: str
    ref: str
    credentials: str = ""


@dataclass(frozen=True, slots=True)
class StartBuild:
    """Start a build (or find the one that an equal request started before)."""

    request: BuildRequest


@dataclass(frozen=True, slots=True)
class CancelBuild:
    """Stop a build that nobody needs any more."""

    build_id: str


@dataclass(frozen=True, slots=True)
class ApplyJob:
    """Make a job what it should be."""

    spec: JobSpec


@dataclass(frozen=True, slots=True)
class DeleteJob:
    """Remove a job whose component left the config, or whose kind changes."""

    name: str


@dataclass(frozen=True, slots=True)
class DeleteDeployment:
    """Forget a finished deployment beyond those that are kept."""

    name: str
    uid: str


Action = ResolveRef | StartBuild | CancelBuild | ApplyJob | DeleteJob | DeleteDeployment


@dataclass(frozen=True, slots=True)
class Resolved:
    """The result of ResolveRef: a full SHA, and what the user should know about the ref.

    `ref` is the full name of the tag that a ref policy chose.
    """

    commit: str
    warning: str = ""
    ref: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one action: its result (None where there is nothing to say), or an error."""

    action: Action
    result: Build | Applied | Resolved | None = None
    error: EdgeError | None = None
