"""`ptd controller`: the controller on a cluster, until SIGTERM.

All of it is set by the environment (docs/settings.md). The parts are put together in
`controller.app.cluster`, imported late so that `ptd --help` answers at once.
"""

import asyncio
import os

import click

from controller import settings as table
from controller.cli import until


@click.command()
def controller() -> None:
    """Run the controller against the cluster that the settings name."""
    settings = table.Settings()
    raise SystemExit(asyncio.run(_run(settings)))


async def _run(settings: table.Settings) -> int:
    from controller import logs  # noqa: PLC0415
    from controller.app.cluster import Cluster  # noqa: PLC0415
    from controller.store.client import NoAccess  # noqa: PLC0415

    logs.configure(level=settings.log_level, form=logs.LogFormat(settings.log_format))
    log = logs.logger("controller")
    for sentence in table.unknown(os.environ):
        log.warning("setting_unknown", message=sentence)
    stop = until.signals()
    running = Cluster(settings)
    try:
        work = await running.start()
    except (NoAccess, OSError) as error:
        raise click.ClickException(str(error)) from error
    log.info("started", identity=running.identity, ops=running.ops_url)
    try:
        return await until.stopped(stop, work())
    finally:
        await running.stop()
