"""Every setting of the program: name, default, unit, meaning. One table, in one place.

Read by composition roots only, from the environment (`PTD_…`); everybody else is handed values. No
secret is a setting: where one is needed, the setting is the path of its file. `tests.gate.pages`
writes `docs/settings.md` from this module. Nothing of ours is imported here.
"""

import difflib
import re
from collections.abc import Mapping
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

PREFIX = "PTD_"

_UNITS = {"d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|d|h|m|s)")


def _duration(value: object) -> object:
    """`1h30m`, `90s`, `250ms` → timedelta; anything else is left to pydantic."""
    if not isinstance(value, str):
        return value
    parts = _PART.findall(value)
    if not parts or "".join(number + unit for number, unit in parts) != value.strip():
        raise ValueError("expected a duration such as 30s, 5m, 1h30m or 250ms")
    try:
        return timedelta(seconds=sum(float(number) * _UNITS[unit] for number, unit in parts))
    except OverflowError:
        raise ValueError("expected a duration that is shorter") from None


def _some_time(value: timedelta) -> timedelta:
    if value <= timedelta():
        raise ValueError("expected a duration of more than 0s")
    return value


def spell(duration: timedelta) -> str:
    """A duration as it is written in a setting: `1h30m`."""
    left, words = duration / timedelta(milliseconds=1), []
    for unit, seconds in _UNITS.items():
        count, left = divmod(left, seconds * 1000)
        if count:
            words.append(f"{count:g}{unit}")
    return "".join(words) or "0s"


def _words(value: object) -> object:
    """`a, b` → ("a", "b")."""
    if isinstance(value, str):
        return tuple(word.strip() for word in value.split(",") if word.strip())
    return value


_Span = Annotated[timedelta, BeforeValidator(_duration), PlainSerializer(spell)]
Duration = Annotated[_Span, AfterValidator(_some_time)]
DurationOrZero = Annotated[_Span, Field(ge=timedelta())]
Port = Annotated[int, Field(ge=0, le=65535)]
Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_words)]
Networks = Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode, BeforeValidator(_words)]


class _Section(BaseSettings):
    """A part of the table; its docstring is the heading."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid")


class ControlPlane(_Section):
    """Control plane"""

    kubeconfig: Path | None = Field(
        None, description="Kubeconfig file; unset: the service account of the pod."
    )
    kube_context: str | None = Field(None, description="Context in that file; unset: its current.")
    kube_timeout: Duration = Field(
        timedelta(seconds=15), description="Limit of one request to the Kubernetes API."
    )


class Leader(_Section):
    """Leader election"""

    lease_namespace: str = Field("push-to-deploy", description="Namespace of the Lease.")
    lease_name: str = Field("push-to-deploy-controller", description="Name of the Lease.")
    lease_duration: Duration = Field(
        timedelta(seconds=15),
        description="A candidate takes over when the Lease has not changed for this long.",
    )
    lease_renew_deadline: Duration = Field(
        timedelta(seconds=10),
        description="A leader that could not renew for this long stops acting; less than the "
        "duration.",
    )
    lease_retry: Duration = Field(
        timedelta(seconds=2), description="Time between two tries to get or renew the Lease."
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.lease_retry < self.lease_renew_deadline < self.lease_duration:
            raise ValueError("lease_retry < lease_renew_deadline < lease_duration must hold")
        return self


class Reconciling(_Section):
    """Reconciling"""

    workers: int = Field(8, ge=1, le=256, description="Tools that are worked on at once.")
    reconcile_timeout: Duration = Field(
        timedelta(minutes=2), description="Limit of one look at one tool; then it is tried again."
    )
    retry_first: Duration = Field(
        timedelta(milliseconds=5), description="Pause after a first failure; doubles each time."
    )
    retry_longest: Duration = Field(
        timedelta(minutes=5), description="Longest pause between two tries."
    )


class Deployments(_Section):
    """Deployments"""

    deployment_timeout: Duration = Field(
        timedelta(hours=1), description="Every deployment is final this long after its start."
    )
    build_timeout: Duration = Field(timedelta(minutes=30), description="Limit of one build.")
    start_timeout: Duration = Field(
        timedelta(minutes=5), description="A job that is not up after this long has not started."
    )
    give_way: Duration = Field(
        timedelta(seconds=30),
        description="A job that is not up after this long gives way to a newer deployment that "
        "waits, if it came by polling or a webhook.",
    )
    settle_time: DurationOrZero = Field(
        timedelta(seconds=10),
        description="A job is a success when it has been up and healthy for this long; may be 0s.",
    )
    cleanup_timeout: Duration = Field(
        timedelta(seconds=30),
        description="Limit for stopping the builds of a cancelled deployment.",
    )
    unfinished_limit: int = Field(
        10,
        ge=1,
        le=1000,
        description="Deployments of a tool that may wait or be worked on; the HTTP API refuses "
        "more.",
    )
    retention: int = Field(
        25, ge=1, le=1000, description="Finished deployments that are kept of each tool."
    )
    build_interval: Duration = Field(
        timedelta(seconds=2), description="How often running builds are looked at."
    )
    report_interval: Duration = Field(
        timedelta(seconds=5),
        description="Mere progress of a deployment is written at most this often.",
    )
    job_interval: Duration = Field(
        timedelta(seconds=1), description="How often starting jobs are looked at."
    )


class Polling(_Section):
    """Polling"""

    poll_interval: Duration = Field(
        timedelta(minutes=5), description="Interval where a config does not say `poll_interval`."
    )
    poll_interval_min: Duration = Field(
        timedelta(seconds=30), description="Shortest interval that a config may ask for."
    )
    poll_timeout: Duration = Field(
        timedelta(seconds=30), description="Limit of one check of a repository."
    )
    poll_concurrency: int = Field(
        16, ge=1, le=256, description="git processes at once, for hosts that only git can ask."
    )
    poll_host_concurrency: int = Field(
        4, ge=1, le=64, description="Checks at once of repositories on one host."
    )

    poll_operator: str = Field(
        "",
        max_length=200,
        pattern=r"^[!-\[\]-~ ]*$",
        description="Who runs this, for the User-Agent that git hosts see: an address of a page or "
        "a mailbox.",
    )


class Git(_Section):
    """Repositories that may be fetched from"""

    git_schemes: Words = Field(
        ("https", "http", "git", "ssh"),
        description="Schemes of addresses, separated by commas; ssh with credentials only.",
    )
    git_allow: Words = Field(
        (),
        description="Hosts that are allowed whatever their addresses: `git.example.org`, "
        "`*.example.org:8443`.",
    )
    git_deny: Words = Field((), description="Hosts that are refused; `*` leaves the allowed only.")
    git_denied_networks: Networks = Field(
        (), description="Networks that are refused although they look public, as `10.0.0.0/8`."
    )
    git_allow_private: bool = Field(
        False, description="Allow private and loopback addresses: only on one's own machine."
    )
    git_allow_file: bool = Field(
        False, description="Allow paths of this machine: only on one's own machine."
    )


class Backends(_Section):
    """Build and job services"""

    toolforge_url: str = Field("", description="Toolforge's API gateway.")
    toolforge_certificate: Path | None = Field(
        None, description="Client certificate (PEM file) that the gateway knows us by."
    )
    toolforge_key: Path | None = Field(None, description="Its key (PEM file).")
    toolforge_authority: Path | None = Field(
        None, description="Certificates (PEM file) that the gateway's own is checked against."
    )
    toolforge_builds_url: str = Field("", description="builds-api, where there is no gateway.")
    toolforge_jobs_url: str = Field("", description="jobs-api, where there is no gateway.")
    toolforge_tool_header: bool = Field(
        False, description="Send the gateway's header ourselves: only where there is no gateway."
    )
    toolforge_timeout: Duration = Field(
        timedelta(seconds=20), description="Limit of one request to these services."
    )


class Serving(_Section):
    """HTTP"""

    api_host: str = Field("127.0.0.1", description="Address that the HTTP API listens on.")
    api_port: Port = Field(8000, description="Its port; 0: any free one.")
    ops_host: str = Field(
        "127.0.0.1", description="Address of /metrics, /healthz and /readyz of the controller."
    )
    ops_port: Port = Field(9090, description="Its port; 0: any free one.")
    api_certificate: Path | None = Field(
        None, description="Certificate (PEM file) of the HTTP API; unset: plain http."
    )
    api_key: Path | None = Field(None, description="Its key (PEM file).")
    api_client_authority: Path | None = Field(
        None,
        description="Certificates (PEM file) that clients' own are checked against; the common "
        "name of a client's certificate is its tool.",
    )
    trust_gateway: bool = Field(
        False,
        description="A gateway in front sets `x-toolforge-tool`, so that header says who asks.",
    )
    token_lifetime: Duration = Field(
        timedelta(days=365), description="A deploy token is refused when it is older than this."
    )
    wait_longest: Duration = Field(
        timedelta(minutes=5), description="Longest time that a request may wait for a deployment."
    )
    waiters_limit: int = Field(
        20_000, ge=1, description="Requests that may wait for deployments at one process."
    )
    waiters_tool_limit: int = Field(
        100, ge=1, description="Those of them that may wait for one tool."
    )
    waiters_token_limit: int = Field(
        50, ge=1, description="Those of them that may come with one deploy token."
    )

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if (self.api_certificate is None) != (self.api_key is None):
            raise ValueError("api_certificate and api_key come together")
        if self.api_client_authority and not self.api_certificate:
            raise ValueError("api_client_authority needs api_certificate: it is about https")
        if self.api_client_authority and self.trust_gateway:
            raise ValueError(
                "trust_gateway and api_client_authority exclude each other: whoever has a "
                "client certificate could send the gateway's header"
            )
        return self


class Local(_Section):
    """Local mode"""

    data_dir: Path = Field(
        Path("~/.local/share/push-to-deploy"), description="Where everything is kept."
    )


class Logging(_Section):
    """Logs"""

    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="The least important lines to write."
    )
    log_format: Literal["json", "console"] = Field(
        "json", description="JSON lines, or text for people."
    )


SECTIONS: tuple[type[_Section], ...] = (
    ControlPlane,
    Leader,
    Reconciling,
    Deployments,
    Polling,
    Git,
    Backends,
    Serving,
    Local,
    Logging,
)


class Settings(
    Logging,
    Local,
    Serving,
    Backends,
    Git,
    Polling,
    Deployments,
    Reconciling,
    Leader,
    ControlPlane,
):
    """All settings; `Settings()` reads the environment, keywords win over it."""


# What suits one person at one machine.
LOCAL_DEFAULTS: Mapping[str, Any] = {
    "git_allow_private": True,
    "git_allow_file": True,
    "poll_interval_min": timedelta(seconds=1),
    "settle_time": timedelta(seconds=3),
    "start_timeout": timedelta(minutes=2),
    "build_interval": timedelta(seconds=1),
    "report_interval": timedelta(milliseconds=500),
    "log_format": "console",
    "log_level": "warning",
}
# What `ptd local` does not read: it has its own control plane, services and listener, and no rival.
LOCAL_IGNORES = frozenset(
    {
        *ControlPlane.model_fields,
        *Leader.model_fields,
        *Backends.model_fields,
        *("api_host", "api_port", "ops_host", "ops_port"),
        *("api_certificate", "api_key", "api_client_authority", "trust_gateway"),
    }
)


def for_local(given: Settings) -> Settings:
    """The settings of `ptd local`: its own defaults where `given` was told nothing else."""
    unset = {k: v for k, v in LOCAL_DEFAULTS.items() if k not in given.model_fields_set}
    return given.model_copy(update=unset)


def unknown(environment: Mapping[str, str]) -> list[str]:
    """Sentences about variables that look like settings and are none."""
    known = [f"{PREFIX}{name.upper()}" for name in Settings.model_fields]
    found = []
    for name in sorted(environment):
        if name.startswith(PREFIX) and name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            found.append(f"{name} is no setting" + (f"; did you mean {near[0]}?" if near else ""))
    return found
