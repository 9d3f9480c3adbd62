"""`ptd api`: the HTTP API on a cluster, until SIGTERM.

All of it is set by the environment (docs/settings.md). The parts are put together in
`controller.app.api`, imported late so that `ptd --help` answers at once.
"""

import asyncio
import os

import click

from controller import settings as table
from controller.cli import until


@click.command()
def api() -> None:
    """Serve the HTTP API against the cluster that the settings name."""
    settings = table.Settings()
    raise SystemExit(asyncio.run(_run(settings)))


async def _run(settings: table.Settings) -> int:
    from controller import logs  # noqa: PLC0415
    from controller.app.api import Api  # noqa: PLC0415
    from controller.store.client import NoAccess  # noqa: PLC0415

    logs.configure(level=settings.log_level, form=logs.LogFormat(settings.log_format))
    log = logs.logger("api")
    for sentence in table.unknown(os.environ):
        log.warning("setting_unknown", message=sentence)
    stop = until.signals()
    running = Api(settings)
    try:
        work = await running.start()
    except (NoAccess, OSError) as error:
        raise click.ClickException(str(error)) from error
    log.info("started", url=running.url)
    try:
        return await until.stopped(stop, work())
    finally:
        await running.stop()
