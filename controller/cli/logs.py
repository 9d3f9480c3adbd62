"""`ptd logs`: what a component printed, or what its build said.

Asks the log route beside the control plane that the kubeconfig names (`controller.api.logs`).
"""

import asyncio
import json
import os
import ssl
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import click

from controller.cli import access, completing, silence
from controller.models import terminal

_LONGEST = 2**20  # bytes of a line that are held until it is whole


@click.command()
@click.argument("component", shell_complete=completing.components)
@click.option("--build", is_flag=True, help="The log of the component's newest build instead.")
@click.option("--follow", "-f", is_flag=True, help="Go on with what is added.")
@click.option(
    "--tail",
    type=click.IntRange(1, 10_000),
    default=500,
    show_default=True,
    help="How many lines back to begin.",
)
@access.options
def logs(  # noqa: PLR0913 - one parameter an option
    *,
    component: str,
    build: bool,
    follow: bool,
    tail: int,
    kubeconfig: str | None,
    tool: str | None,
    namespace: str | None,
) -> None:
    """Show the output of COMPONENT."""
    found = access.find(kubeconfig, tool, namespace)
    parameters = {"lines": str(tail)}
    if follow:
        parameters["follow"] = "true"
    if build:
        parameters["build"] = "latest"
    asyncio.run(_print(found, component, parameters))


async def _print(found: access.Access, component: str, parameters: dict[str, str]) -> None:
    import aiohttp  # noqa: PLC0415 - `ptd --help` does not wait for it

    from controller.store.client import NoAccess, open_kubeconfig  # noqa: PLC0415

    try:
        connection = await open_kubeconfig(Path(found.kubeconfig), time.monotonic)
    except NoAccess as error:
        raise access.NoControlPlane(str(error)) from error
    configuration = connection.calls.configuration
    await connection.close()
    headers = {"Authorization": configuration.api_key.get("BearerToken", "")}
    url = f"{configuration.host}/ptd/v1/tool/{found.tool}/logs/{component}"
    trust = ssl.create_default_context(cafile=configuration.ssl_ca_cert or None)
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=10)
    try:
        async with (
            aiohttp.ClientSession(headers=headers, timeout=timeout) as session,
            session.get(url, params=parameters, ssl=trust) as response,
        ):
            if response.status == 401:
                raise silence.Stranger(found.kubeconfig)
            if response.status != 200:
                raise click.ClickException(_explain(response.status, await response.text()))
            silent = True
            async for line in _lines(response.content.iter_any()):
                silent = False
                click.echo(_shown(line.decode(errors="replace")), nl=False)
            if silent:
                click.echo(f"{component} has printed nothing yet", err=True)
    except aiohttp.ClientPayloadError as error:
        said = f"{configuration.host} ended the connection\n{silence.remedy(found.kubeconfig)}"
        raise silence.Silent(said) from error
    except aiohttp.ClientError as error:
        said = silence.of_control_plane(found.kubeconfig, error)
        raise silence.Silent(said) from error


async def _lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Whole lines, each with its end; one that is longer than a line may be, in pieces.

    The client's own way to read lines gives up on one that is longer than its buffer.
    """
    held = b""
    async for chunk in chunks:
        *whole, held = (held + chunk).split(b"\n")
        for line in whole:
            yield line + b"\n"
        if len(held) > _LONGEST:
            yield held
            held = b""
    if held:
        yield held


def _shown(line: str) -> str:
    """What a line comes to in the end: it may colour a terminal, and not command it."""
    colours = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    return terminal.last_shown(line, colours=colours) + "\n" * line.endswith("\n")


def _explain(status: int, body: str) -> str:
    try:
        return str(json.loads(body)["messages"]["error"][0])
    except (ValueError, KeyError, TypeError, IndexError):
        return f"the server answered {status}: it serves no logs here"
