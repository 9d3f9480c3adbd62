"""`ptd local`: the whole platform on this machine, until Ctrl-C.

Turns options into settings, prints how to use what runs, and waits for a signal. The parts are put
together in `controller.app.local`, imported late so that `ptd --help` answers at once.
"""

import asyncio
import errno
import io
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TextIO, cast

import click

from controller.cli import access, roles, until
from controller.settings import Settings, for_local, unknown

if TYPE_CHECKING:
    from rich.console import Console


@click.command()
@click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder that everything is kept in. [default: $PTD_DATA_DIR]",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    help="The HTTP port. [default: any free one]",
)
@click.option(
    "--tool",
    "tools",
    multiple=True,
    default=["demo"],
    show_default=True,
    help="A tool that has a namespace from the start; repeatable.",
)
def local(data: Path | None, port: int, tools: Sequence[str]) -> None:
    """Run the platform on this machine: control plane, polling, builds and components.

    Everything is kept in one folder; after a kill -9 the next start goes on where it was.
    """
    for tool in tools:
        access.check_name(tool)
    settings = for_local(roles.read_settings())
    for sentence in unknown(os.environ):
        click.echo(f"Warning: {sentence}", err=True)
    folder = (data or settings.data_dir).expanduser().absolute()
    raise SystemExit(asyncio.run(_run(folder, port, tools, settings)))


class _Above(io.TextIOBase):
    """Standard error as it is now: the live view replaces it, to put lines above itself."""

    def write(self, text: str) -> int:
        """Write to whatever standard error is now."""
        return sys.stderr.write(text)

    def flush(self) -> None:
        """Flush that."""
        sys.stderr.flush()


async def _run(data: Path, port: int, tools: Sequence[str], settings: Settings) -> int:
    from rich.console import Console  # noqa: PLC0415

    from controller import errors, logs  # noqa: PLC0415
    from controller.app.local import Local  # noqa: PLC0415

    console = Console()
    logs.configure(
        level=settings.log_level,
        form=logs.LogFormat(settings.log_format),
        stream=cast(TextIO, _Above()),
    )
    stop = until.signals()
    running = Local(data, port, tools, settings, console)
    try:
        work = await running.start()
    except errors.Terminal as error:
        raise click.ClickException(f"{error.message}\n{error.hint}".strip()) from error
    except errors.EdgeError as error:
        raise click.ClickException(error.message) from error
    except OSError as error:
        raise click.ClickException(_explain(error, data, port)) from error
    greet(console, running.url, running.kubeconfig, tools)
    try:
        return await until.stopped(stop, work())
    finally:
        console.print("stopping: components, builds, then the control plane")
        await running.stop()


def _explain(error: OSError, data: Path, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} is taken: choose another with --port, or leave it out"
    return f"the folder {data} cannot be used: {error.strerror or error}; choose one with --data"


def greet(console: "Console", url: str, kubeconfig: Path, tools: Sequence[str]) -> None:
    """Say how to use what runs, in lines that a shell takes as they are: no wrapping, no markup."""
    said = _welcome(url, shlex.quote(str(kubeconfig)), tools)
    console.print(said, soft_wrap=True, highlight=False, markup=False, emoji=False)


def _welcome(url: str, kubeconfig: str, tools: Sequence[str]) -> str:
    namespaces = ", ".join(f"tool-{tool}" for tool in tools)
    return (
        f"ptd local runs at {url} (namespaces: {namespaces})\n"
        f"  export KUBECONFIG={kubeconfig}\n"
        "  ptd config apply FILE          store a tool's config\n"
        "  ptd deploy --wait              deploy it now, and wait for the end\n"
        "  ptd status                     see how the last deployment went\n"
        "  ptd list                       see all of them; `ptd rollback` goes back\n"
        "  ptd logs COMPONENT -f          follow a component's output\n"
        f"  {url}/components/docs    the HTTP API, for a browser\n"
        "Ctrl-C stops everything in order."
    )
