"""`ptd controller` and `ptd api`: a role on a cluster, until SIGTERM.

All of it is set by the environment (docs/settings.md). The parts are put together in
`controller.app`, imported late so that `ptd --help` answers at once.
"""

import asyncio
import os
from collections.abc import Callable
from typing import TYPE_CHECKING

import click
from pydantic import ValidationError

from controller import settings as table
from controller.cli import until
from controller.models import wording

if TYPE_CHECKING:
    from controller.app.role import Role


@click.command()
def controller() -> None:
    """Run the controller against the cluster that the settings name."""
    from controller.app.cluster import Cluster  # noqa: PLC0415

    _serve("controller", Cluster)


@click.command()
def api() -> None:
    """Serve the HTTP API against the cluster that the settings name."""
    from controller.app.api import Api  # noqa: PLC0415

    _serve("api", Api)


def read_settings() -> table.Settings:
    """The settings of the environment; a wrong one is named with what is wrong about it."""
    try:
        return table.Settings()
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        wrong = dict.fromkeys(_name(it["loc"]) + wording.plain(it) for it in found)
        raise click.UsageError("\n".join(["settings:", *wrong])) from error


def _name(loc: tuple[int | str, ...]) -> str:
    """The variable; none where the mistake is in how several go together."""
    return f"{table.PREFIX}{str(loc[0]).upper()}: " if loc else ""


def _serve(name: str, make: "Callable[[table.Settings], Role]") -> None:
    settings = read_settings()
    raise SystemExit(asyncio.run(_run(name, make, settings)))


async def _run(
    name: str, make: "Callable[[table.Settings], Role]", settings: table.Settings
) -> int:
    from controller import errors, logs  # noqa: PLC0415
    from controller.store.client import NoAccess  # noqa: PLC0415

    logs.configure(level=settings.log_level, form=logs.LogFormat(settings.log_format))
    log = logs.logger(name)
    for sentence in table.unknown(os.environ):
        log.warning("setting_unknown", message=sentence)
    stop = until.signals()
    role = make(settings)
    try:
        work = await role.start()
    except NoAccess as error:
        hint = "name a kubeconfig with PTD_KUBECONFIG, or run it in a pod"
        raise click.ClickException(f"no control plane: {error}; {hint}") from error
    except (OSError, errors.Terminal) as error:
        raise click.ClickException(str(error)) from error
    log.info("started", url=role.url)
    try:
        return await until.stopped(stop, work())
    finally:
        await role.stop()
