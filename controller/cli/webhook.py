"""`ptd webhook`: the address and the secret that a git host's webhook is given.

The secret is made on the first call, by the person who calls, as a Secret in the tool's namespace;
the HTTP API only reads it (`controller.api.webhooks`).
"""

import secrets
from dataclasses import replace
from typing import Any

import click

from controller.cli import access, remote

_PASTE = """\
URL:          {url}
Content type: application/json
Secret:       {secret}
Events:       pushes (and tags, where a ref is a policy)

On GitHub, Gitea and Forgejo: Settings, Webhooks, Add webhook. On GitLab:
Settings, Webhooks, where the secret is called Secret token. Whoever has the
secret can have the repositories looked at, and nothing else."""

_OF_LOCAL = """\

This is the address of {kubeconfig},
as `ptd local` serves it: to this machine alone, with a certificate that only
that file knows. For curl, name the plain one that `ptd local` printed:
`--api http://127.0.0.1:PORT/components`. On a cluster, name the API's address
so."""

_UNUSED = """\

Polling is off for {tool}, so that no call has anything to look at: switch it
on with `auto_deploy: true` in its config."""


@click.command()
@click.option("--rotate", is_flag=True, help="Make another secret; the old one ends in seconds.")
@remote.api_option
@access.options
def webhook(
    *,
    rotate: bool,
    api: str | None,
    kubeconfig: str | None,
    tool: str | None,
    namespace: str | None,
) -> None:
    """Show the URL and the secret to paste into a git host's webhook settings."""
    found = access.find(kubeconfig, tool, namespace)
    named = (api or "").rstrip("/")
    base = named or remote.of_kubeconfig(found).base
    secret = found.connected(lambda calls: _secret(calls, found.tool, rotate=rotate))
    click.echo(_PASTE.format(url=f"{base}/v1/tool/{found.tool}/webhook", secret=secret))
    if not found.call(lambda store: _is_followed(store, found.tool)):
        click.echo(_UNUSED.format(tool=found.tool), err=True)
    if not named:
        click.echo(_OF_LOCAL.format(kubeconfig=found.kubeconfig), err=True)


async def _secret(calls: Any, tool: str, *, rotate: bool) -> str:
    from controller.api.webhooks import KEY, NAME  # noqa: PLC0415
    from controller.store import errors  # noqa: PLC0415
    from controller.store.secrets import Secret, Secrets  # noqa: PLC0415

    kept = Secrets(calls)
    new = secrets.token_urlsafe(32)
    try:
        there = await kept.get(tool, NAME)
    except errors.NotFound:
        await kept.create(tool, Secret(NAME, {KEY: new.encode()}))
        return new
    if there.data.get(KEY) and not rotate:
        return there.data[KEY].decode("utf-8", "replace")
    await kept.replace(tool, replace(there, data={**there.data, KEY: new.encode()}))
    return new


async def _is_followed(store: Any, tool: str) -> bool:
    """Whether polling follows anything; also where nobody may tell."""
    from controller.errors import EdgeError  # noqa: PLC0415
    from controller.models import meta  # noqa: PLC0415
    from controller.store import kinds  # noqa: PLC0415
    from controller.store.errors import NotFound  # noqa: PLC0415
    from watchers import decide  # noqa: PLC0415

    try:
        config = await store.get(kinds.CONFIGS, tool, meta.config_name(tool))
    except NotFound:
        return False
    except EdgeError:
        return True
    return bool(decide.followed(config.spec))
