"""Which tool and which control plane a command is about: options, or what kubectl would take.

Used by commands that read or write objects. The kubeconfig's context gives the namespace, and the
namespace `tool-x` gives the tool, so that inside of a tool's account nothing has to be said.
"""

import asyncio
import os
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import click
import yaml

from controller.cli import silence
from controller.cli.outcome import Exit
from controller.models import meta

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,56}[a-z0-9])?")
T = TypeVar("T")
Command = TypeVar("Command", bound=Callable[..., Any])


class NoControlPlane(click.ClickException):
    """What the kubeconfig is lacking; the command line is wrong, so nothing was asked."""

    exit_code = int(Exit.USAGE)

    def __init__(self, why: str) -> None:
        super().__init__(f"no control plane: {why}")


@dataclass(frozen=True, slots=True)
class Access:
    """The control plane (a kubeconfig) and the tool."""

    kubeconfig: str
    tool: str

    def call(self, work: "Callable[[Any], Awaitable[T]]") -> T:
        """Do `work` with a `controller.store.objects.Store`; failures become messages."""
        from controller.store.objects import Store  # noqa: PLC0415

        return self.connected(
            lambda calls: work(Store(calls, lambda: datetime.now(UTC), identity="ptd"))
        )

    def connected(self, work: "Callable[[Any], Awaitable[T]]") -> T:
        """Do `work` with a `controller.store.calls.Calls`; failures become messages."""
        from controller import errors  # noqa: PLC0415
        from controller.store import errors as store_errors  # noqa: PLC0415
        from controller.store.client import NoAccess  # noqa: PLC0415

        try:
            return asyncio.run(self._call(work))
        except NoAccess as error:
            raise NoControlPlane(str(error)) from error
        except store_errors.Unauthorized as error:
            raise silence.Stranger(self.kubeconfig) from error
        except store_errors.Unavailable as error:
            said = silence.of_control_plane(self.kubeconfig, error.message)
            raise silence.Silent(said) from error
        except errors.Terminal as error:
            hint = f"\n{error.hint}" if error.hint else ""
            raise click.ClickException(f"{error.message}{hint}") from error
        except errors.EdgeError as error:
            raise click.ClickException(error.message) from error

    async def _call(self, work: "Callable[[Any], Awaitable[T]]") -> T:
        from prometheus_client import CollectorRegistry  # noqa: PLC0415

        from controller.metrics import RequestMetrics  # noqa: PLC0415
        from controller.store.calls import Calls  # noqa: PLC0415
        from controller.store.client import open_kubeconfig  # noqa: PLC0415

        connection = await open_kubeconfig(Path(self.kubeconfig), time.monotonic)
        try:
            calls = Calls(connection, RequestMetrics(CollectorRegistry()), time.monotonic)
            return await work(calls)
        finally:
            await connection.close()


def options(command: Command) -> Command:
    """The options that say where and for whom: --kubeconfig, --tool, --namespace."""
    for option in (
        click.option("--namespace", "-n", help="The tool's namespace, tool-<name>."),
        click.option("--tool", "-t", help="The tool. [default: that of the namespace]"),
        click.option(
            "--kubeconfig",
            type=click.Path(),
            help="How to reach the control plane. [default: $KUBECONFIG or ~/.kube/config]",
        ),
    ):
        command = option(command)
    return command


def find(kubeconfig: str | None, tool: str | None, namespace: str | None) -> Access:
    """What the options say, completed from the kubeconfig; UsageError where the tool is unknown."""
    if tool:
        check_name(tool)
    file = file_of(kubeconfig)
    if tool and namespace and meta.namespace_of(tool) != namespace:
        raise click.UsageError(f"the tool {tool} lives in the namespace {meta.namespace_of(tool)}")
    check_file(file)
    if tool:
        return Access(file, tool)
    chosen = namespace or _namespace(file)
    found = meta.tool_of(chosen)
    if not found:
        raise click.UsageError(f"the namespace {chosen} is not a tool's; say which with --tool")
    return Access(file, found)


def file_of(kubeconfig: str | None) -> str:
    """The path of the kubeconfig that counts."""
    default = str(Path("~/.kube/config").expanduser())
    return kubeconfig or os.environ.get("KUBECONFIG") or default


def check_name(tool: str) -> None:
    """UsageError for what can be no tool's name: it becomes a part of addresses."""
    if not _NAME.fullmatch(tool):
        said = f"{tool!r} is no tool's name: it is made of a-z, 0-9 and -, as in `my-tool`"
        raise click.UsageError(said)


def _namespace(kubeconfig: str) -> str:
    from kubernetes.aio import config  # noqa: PLC0415

    try:
        _, active = config.list_kube_config_contexts(kubeconfig)  # type: ignore[no-untyped-call]
    except (config.ConfigException, OSError) as error:
        raise NoControlPlane(f"{kubeconfig}: {error}") from error
    return str((active.get("context") or {}).get("namespace") or "default")


def check_file(kubeconfig: str) -> None:
    """NoControlPlane for what is no kubeconfig: the client library answers with tracebacks."""
    files = [Path(part) for part in kubeconfig.split(os.pathsep) if Path(part).is_file()]
    if not files:
        raise NoControlPlane(
            f"there is no file {kubeconfig}\n"
            "`ptd local` says its own when it starts: export KUBECONFIG, or name it with "
            "--kubeconfig."
        )
    for file in files:
        try:
            content = yaml.safe_load(file.read_text(encoding="utf-8"))
        except (yaml.YAMLError, OSError, ValueError):
            content = None
        if not isinstance(content, dict):
            raise NoControlPlane(f"{file} is not a kubeconfig")
