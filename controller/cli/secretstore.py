"""Where `ptd credentials` keeps what it is given: Secrets of a tool, and the right to read each.

Every function takes the calls of whoever asks, and raises what `access.Access.connected` puts into
words. No file or terminal is read here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from controller import errors as edge
from controller.models import lookups, meta
from controller.models.credentials import BASIC, LABEL, MARK, OPAQUE, SSH, Stored

if TYPE_CHECKING:
    from controller.store.calls import Calls
    from controller.store.secrets import Secret


async def store(calls: "Calls", tool: str, stored: Stored) -> None:
    """Have the Secret be there, in one write; raises ClickException, EdgeError."""
    from controller.store import errors  # noqa: PLC0415
    from controller.store.secrets import Secret, Secrets  # noqa: PLC0415

    kept = Secrets(calls)
    new = Secret(stored.name, stored.data, stored.labels, stored.annotations)
    try:
        there = await kept.get(tool, stored.name)
    except errors.NotFound:
        await kept.create(tool, new)
    else:
        if there.labels.get(LABEL) != MARK:
            raise click.ClickException(
                f"{tool} has a Secret {stored.name} that is not for git; choose another name"
            )
        data = _as_type(there.kind, new)
        await kept.replace(
            tool, replace(new, kind=there.kind, data=data, version=there.version, uid=there.uid)
        )
    await _look_now(calls, tool)


def _as_type(kind: str, new: "Secret") -> Mapping[str, bytes]:
    """What the new one holds, in the keys of a type of Secret; ClickException if it has none.

    A Secret's type never changes, and to delete one and make another could lose both.
    """
    data = dict(new.data)
    if kind == BASIC and "token" in data:
        return {"password": data.pop("token"), **data}
    if kind == OPAQUE or (kind == SSH and "ssh-privatekey" in data):
        return data
    raise click.ClickException(
        f"the Secret {new.name} is of the type {kind}, which never changes and cannot hold this\n"
        f"Choose another name, or delete it first: `ptd credentials delete {new.name}`."
    )


async def _look_now(calls: "Calls", tool: str) -> None:
    """Have the tool's repositories be looked at, as whoever waits for the credentials wishes."""
    from controller.store import kinds  # noqa: PLC0415
    from controller.store.objects import Store  # noqa: PLC0415

    def clock() -> datetime:
        return datetime.now(UTC)

    store = Store(calls, clock, "ptd")
    try:
        found = await store.get(kinds.CONFIGS, tool, meta.config_name(tool))
        value = lookups.value_of(clock(), lookups.Push())
        await store.annotate(found, {lookups.ANNOTATION: value})
    except edge.EdgeError:
        return  # no config yet, or another changed it: the next check comes by itself


async def grant(calls: "Calls", tool: str, name: str, account: str) -> str:
    """Let the controller read the Secret; answers what somebody else has to do, or ""."""
    from controller.store import errors  # noqa: PLC0415
    from controller.store.grants import Account, Grants  # noqa: PLC0415

    namespace, colon, service = account.partition(":")
    if not (namespace and colon and service):
        raise click.UsageError("--controller wants NAMESPACE:NAME")
    try:
        await Grants(calls).allow(tool, name, Account(namespace, service))
    except errors.Forbidden:
        return (
            "you may not give the controller the right to read it. Whoever administers the "
            f"namespace can: ptd credentials allow {name} --tool {tool}"
        )
    return ""


async def marked(calls: "Calls", tool: str) -> "Sequence[Secret]":
    """The tool's credentials."""
    from controller.store.secrets import Secrets  # noqa: PLC0415

    return await Secrets(calls).marked(tool, LABEL, MARK)


async def remove(calls: "Calls", tool: str, name: str) -> None:
    """Delete the Secret, and the right to read it."""
    from controller.store import errors  # noqa: PLC0415
    from controller.store.grants import Grants  # noqa: PLC0415
    from controller.store.secrets import Secrets  # noqa: PLC0415

    kept = Secrets(calls)
    try:
        there = await kept.get(tool, name)
    except errors.NotFound:
        raise click.ClickException(f"{tool} has no credentials called {name}") from None
    if there.labels.get(LABEL) != MARK:
        raise click.ClickException(f"the Secret {name} is not for git; nothing was deleted")
    await kept.delete(tool, name)
    try:
        await Grants(calls).revoke(tool, name)
    except errors.Forbidden:
        click.echo("The controller keeps the right to read a Secret of that name.", err=True)
