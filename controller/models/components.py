"""What a component of a ToolConfig is made of: how it is built and how it runs.

The models behind `components.<name>.build` and `components.<name>.run`, with their defaults, their
words for the docs and the rules between their fields. Imported through `models.toolconfig`, which
puts them together. No rule about more than one component lives here.
"""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from controller.models.fields import (
    ComponentName,
    Cpu,
    HealthPath,
    LogPath,
    Memory,
    Port,
    Replicas,
    Repository,
    Retry,
    Schedule,
    Seconds,
    SecretName,
    Words,
)
from controller.models.findings import Checked, Finding
from controller.models.refs import RefOrPolicy
from controller.models.sources import needs_credentials, target_of


class Emails(StrEnum):
    """When the jobs service sends mail."""

    NONE = "none"
    ALL = "all"
    ON_FINISH = "onfinish"
    ON_FAILURE = "onfailure"


class SourceBuild(Checked):
    """Built from a git repository."""

    repository: Repository = Field(
        description="Address of the git repository with the code: https, http or git; with "
        "`credentials` https or ssh.",
        examples=["https://gitlab.wikimedia.org/toolforge-repos/sample-complex-app-backend"],
    )
    ref: RefOrPolicy = Field(
        description="What to build: a branch, a tag or a full commit SHA. Empty: the repository's "
        "default branch. Or a policy, the newest tag of many: `semver` with a range of versions, "
        "or `tag` with a pattern.",
        examples=["main", "35b594f5d452c288c4a15fe667a7dfb94a7e5489", {"semver": ">=5 <6"}],
    )
    use_latest_versions: bool = Field(
        default=False,
        description="Build with the newest buildpacks and run image instead of the usual ones.",
        examples=[True],
    )
    use_deprecated_versions: bool = Field(
        default=False,
        description="Build with the previous buildpacks and run image, while you move away from "
        "them.",
        examples=[True],
    )
    credentials: SecretName | None = Field(
        default=None,
        description="Name of the Secret that the repository is read with, where it is private: "
        "`ptd credentials add` makes it. Unset: it is public.",
        examples=["gitlab"],
    )
    auto_deploy: bool | None = Field(
        default=None,
        description="Deploy by itself when the ref moves; overrides the tool's `auto_deploy` for "
        "this component. Unset: as the tool says.",
        examples=[True],
    )

    @property
    def ref_text(self) -> str:
        """The ref as a text: its name, or what `models.refs` says of policies."""
        return str(self.ref)

    @classmethod
    def findings(cls, data: Mapping[str, Any]) -> Iterator[Finding]:
        """One source or the other, and an address that goes with the credentials."""
        repository = data.get("repository")
        if needs_credentials(repository) and not data.get("credentials"):
            yield Finding(
                ("repository",),
                "An ssh address needs `credentials`",
                "Name a Secret with the key (`ptd credentials add`), or write the https address.",
            )
        elif data.get("credentials") and _is_open(repository):
            yield Finding(
                ("repository",),
                "Credentials are sent encrypted only, to an https or ssh address",
                "Write the https address of the repository, or remove `credentials`.",
            )
        if "reuse_from" in data:
            yield Finding(
                ("reuse_from",),
                "Cannot specify both repository and reuse_from",
                "Build from the repository, or use the image of another component.",
            )


def _is_open(repository: object) -> bool:
    """Whether everybody on the way could read what is sent there."""
    if not isinstance(repository, str):
        return False
    try:
        target = target_of(repository)
    except ValueError:
        return False  # its own mistake is reported
    return target.scheme in ("git", "file") or (target.scheme == "http" and not target.loopback)


class ReuseBuild(Checked):
    """Uses the image of another component."""

    reuse_from: ComponentName = Field(
        description="Use the image of this other component instead of building one. Chains are "
        "followed to the component that is built.",
        examples=["web"],
    )


def build_shape(value: object) -> str:
    """`source` or `reuse`: which of the two models a build is read as."""
    if isinstance(value, ReuseBuild):
        return "reuse"
    return (
        "reuse"
        if isinstance(value, Mapping) and "reuse_from" in value and "repository" not in value
        else "source"
    )


Build = Annotated[
    Annotated[SourceBuild, Tag("source")] | Annotated[ReuseBuild, Tag("reuse")],
    Discriminator(build_shape),
]


class RunSettings(Checked):
    """What both kinds of component share."""

    command: Words = Field(
        description="What to start: words as in a shell, but without shell syntax. `launcher` is "
        "put before it where the image needs that.",
        examples=[
            "gunicorn app:app --bind 0.0.0.0:8000",
            "bash -c 'while date; do sleep 10; done'",
        ],
    )
    cpu: Cpu | None = Field(
        default=None,
        description="Processor share of one instance, as a Kubernetes quantity. Unset: the "
        "platform's default.",
        examples=["500m", "1"],
    )
    memory: Memory | None = Field(
        default=None,
        description="Memory of one instance, as a Kubernetes quantity. Unset: the platform's "
        "default.",
        examples=["512Mi", "1Gi"],
    )
    emails: Emails = Field(
        default=Emails.NONE,
        description="When the tool's maintainers get mail about this component.",
        examples=["onfailure"],
    )
    filelog: bool | None = Field(
        default=None,
        description="Write the output to files in the tool's home; needs `mount: all`.",
        examples=[True],
    )
    filelog_stdout: LogPath | None = Field(
        default=None,
        description="File for the standard output, relative to the tool's home.",
        examples=["logs/web.out"],
    )
    filelog_stderr: LogPath | None = Field(
        default=None,
        description="File for the error output, relative to the tool's home.",
        examples=["logs/web.err"],
    )
    mount: Literal["all", "none"] = Field(
        default="none",
        description="Whether the tool's home and the shared storage are mounted.",
        examples=["all"],
    )

    @classmethod
    def findings(cls, data: Mapping[str, Any]) -> Iterator[Finding]:
        """Rules that hold for both kinds."""
        if data.get("filelog") is True and data.get("mount") == "none":
            yield Finding(
                ("filelog",),
                "File logging is only available with mount set to all",
                "Write mount: all, or remove filelog.",
            )


class ContinuousRun(RunSettings):
    """Always up."""

    port: Port | None = Field(
        default=None,
        description="Port that the component listens on; it gets it in $PORT. Other components "
        "reach it at `http://<component>:<port>`; with `ptd local` everything is at 127.0.0.1.",
        examples=[8000],
    )
    port_protocol: Literal["tcp", "udp"] = Field(
        default="tcp", description="Protocol of the port.", examples=["udp"]
    )
    publish: Literal["/"] | None = Field(
        default=None,
        description="Show the component to the internet at `https://<tool>.toolforge.org/`. Only "
        "`/` is possible; needs a tcp port; one component of a tool.",
        examples=["/"],
    )
    replicas: Replicas = Field(
        default=1, description="How many instances run side by side.", examples=[2]
    )
    health_check_script: Words | None = Field(
        default=None,
        description="Command that ends with 0 as long as the instance is well; it runs inside it.",
        examples=["test -e /tmp/everything_is_ok"],
    )
    health_check_http: HealthPath | None = Field(
        default=None,
        description="Path that answers with success as long as the instance is well; needs a tcp "
        "port.",
        examples=["/healthz"],
    )

    @classmethod
    def findings(cls, data: Mapping[str, Any]) -> Iterator[Finding]:
        """Rules between port, publish and the health checks; the sentences are upstream's."""
        yield from super().findings(data)
        port, udp = data.get("port") is not None, data.get("port_protocol") == "udp"
        http = data.get("health_check_http") is not None
        if http and data.get("health_check_script") is not None:
            yield Finding(
                ("health_check_script",),
                "Cannot specify both health_check_script and health_check_http",
                "Remove one of them.",
            )
        if http and (udp or not port):
            yield Finding(
                ("health_check_http",),
                "A tcp port must be set for health_check_http",
                "Remove port_protocol: udp." if udp else "Add port: with the port it listens on.",
            )
        if data.get("publish") is not None and not port:
            yield Finding(
                ("publish",), "publish requires port to be set", "Add port: to the component."
            )
        elif data.get("publish") is not None and udp:
            yield Finding(
                ("publish",),
                "publish requires port_protocol set to tcp",
                "Remove port_protocol: udp.",
            )


class ScheduledRun(RunSettings):
    """Started by the clock."""

    schedule: Schedule = Field(
        description="When to start, in UTC: five fields of cron, or @hourly, @daily, @weekly, "
        "@monthly, @yearly.",
        examples=["*/15 * * * *", "@daily"],
    )
    retry: Retry = Field(
        default=0, description="How often a failed run is tried again.", examples=[2]
    )
    timeout: Seconds = Field(
        default=0,
        description="Seconds after which a run is stopped and counts as failed; 0: never.",
        examples=[3600],
    )
