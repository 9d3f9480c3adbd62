"""`ptd credentials`: the Secrets that private repositories are read with, without writing YAML.

They are made with the rights of whoever calls, in the tool's namespace, as any Secret is. What is
secret comes from standard input or a file, never from an argument, and is never printed. Where the
control plane has RBAC, `add` and `allow` also let the controller read just this one Secret.
"""

import re
import textwrap
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from controller import errors as edge
from controller.cli import access, secretinput
from controller.models import credentials as rules
from controller.models import knownhosts, lookups, meta
from controller.models.credentials import BASIC, HOSTS, LABEL, MARK, OPAQUE, SSH, Stored

if TYPE_CHECKING:
    from controller.store.calls import Calls
    from controller.store.secrets import Secret

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_HOST = re.compile(r"([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?)(:[0-9]{1,5})?")
_KINDS = {SSH: "ssh key", BASIC: "password"}
_account = click.option(
    "--controller",
    "account",
    default="push-to-deploy:push-to-deploy-controller",
    show_default=True,
    metavar="NAMESPACE:NAME",
    help="The controller's service account.",
)


@click.group()
def credentials() -> None:
    """Keep what private repositories are read with."""


@credentials.command()
@click.argument("name")
@click.option(
    "--host",
    "hosts",
    multiple=True,
    required=True,
    help="A host that may see it: git.example.org, or git.example.org:8443. Repeatable.",
)
@click.option("--token-stdin", is_flag=True, help="Read a token or password from standard input.")
@click.option("--username", help="Its user, where the host wants a certain one.")
@click.option("--bearer", is_flag=True, help="Send the token as Bearer, not as a password.")
@click.option("--ssh-key", type=_FILE, help="A file with a private key that has no passphrase.")
@click.option("--known-hosts", type=_FILE, help="A file with the ssh host's keys.")
@_account
@access.options
def add(name: str, hosts: tuple[str, ...], account: str, **given: Any) -> None:
    """Store credentials NAME, in the place of those that were there.

    For https with --token-stdin; for ssh with --ssh-key and --known-hosts.
    """
    for host in hosts:
        if not _HOST.fullmatch(host):
            raise click.UsageError(f"{host} is no host: write git.example.org, without https://")
    kind, data = _ssh(given, hosts) if given["ssh_key"] else _login(given)
    stored = Stored(name, kind, data, {LABEL: MARK}, {HOSTS: " ".join(hosts)})
    if problem := _problem(stored):
        raise click.UsageError(problem)
    found = access.find(given["kubeconfig"], given["tool"], given["namespace"])
    found.connected(lambda calls: _store(calls, found.tool, stored))
    click.echo(f"{name}: stored, for {' and '.join(hosts)}")
    if denied := found.connected(lambda calls: _grant(calls, found.tool, name, account)):
        click.echo(f"Warning: {denied}", err=True)
    click.echo(f"In the config: `credentials: {name}`, below `repository:`.")


@credentials.command()
@click.argument("name")
@_account
@access.options
def allow(name: str, account: str, **given: Any) -> None:
    """Let the controller read the Secret NAME, and no other."""
    found = access.find(given["kubeconfig"], given["tool"], given["namespace"])
    if denied := found.connected(lambda calls: _grant(calls, found.tool, name, account)):
        raise click.ClickException(denied)
    click.echo(f"{name}: {account} may read it")


@credentials.command("list")
@access.options
def listed(**given: Any) -> None:
    """Show the credentials that there are: names, kinds and hosts, and what is wrong with them."""
    found = access.find(given["kubeconfig"], given["tool"], given["namespace"])
    secrets = found.connected(lambda calls: _all(calls, found.tool))
    for secret in secrets:
        stored = Stored(secret.name, secret.kind, secret.data, secret.labels, secret.annotations)
        hosts = " ".join(rules.hosts_in(secret.annotations.get(HOSTS, "")))
        click.echo(f"{secret.name:<24} {_KINDS.get(secret.kind, 'token'):<9} {hosts}".rstrip())
        if problem := _problem(stored):
            click.echo(textwrap.indent(problem, "    "))
    if not secrets:
        click.echo(f"{found.tool} has no credentials; `ptd credentials add` stores some.")


@credentials.command()
@click.argument("name")
@access.options
def delete(name: str, **given: Any) -> None:
    """Remove the credentials NAME, and the controller's right to read them."""
    found = access.find(given["kubeconfig"], given["tool"], given["namespace"])
    found.connected(lambda calls: _remove(calls, found.tool, name))
    click.echo(f"{name}: deleted")


def _ssh(given: Any, hosts: Sequence[str]) -> tuple[str, dict[str, bytes]]:
    if given["token_stdin"] or given["username"] or given["bearer"]:
        raise click.UsageError("give either a token or an ssh key")
    if given["known_hosts"] is None:
        raise click.UsageError(
            "name a file with the host's keys with --known-hosts: what `ssh-keyscan HOST` prints, "
            "once it is compared with what the host publishes"
        )
    key = secretinput.private_key(given["ssh_key"])
    return SSH, {
        "ssh-privatekey": key,
        "known_hosts": secretinput.known_hosts(given["known_hosts"], hosts),
    }


def _login(given: Any) -> tuple[str, dict[str, bytes]]:
    if not given["token_stdin"]:
        raise click.UsageError("say what to store: --token-stdin, or --ssh-key FILE")
    if given["known_hosts"] is not None:
        raise click.UsageError("--known-hosts goes with --ssh-key")
    token = secretinput.token()
    if given["bearer"]:
        return OPAQUE, {"bearerToken": token}
    if user := given["username"]:
        return BASIC, {"username": user.encode(), "password": token}
    return OPAQUE, {"token": token}


def _problem(stored: Stored) -> str:
    """Why the Secret could not be used, or ""."""
    try:
        found = rules.read(stored)
    except edge.Terminal as error:
        return f"{error.message}\n{error.hint}"
    if not isinstance(found.login, rules.SshKey):
        return ""
    strangers = knownhosts.missing(found.login.known_hosts, found.hosts)
    return secretinput.unknown(f"`known_hosts` in the Secret {found.name}", strangers)


async def _store(calls: "Calls", tool: str, stored: Stored) -> None:
    from controller.store import errors  # noqa: PLC0415
    from controller.store.secrets import Secret, Secrets  # noqa: PLC0415

    kept = Secrets(calls)
    new = Secret(stored.name, stored.data, stored.labels, stored.annotations, kind=stored.kind)
    try:
        there = await kept.get(tool, stored.name)
    except errors.NotFound:
        await kept.create(tool, new)
    else:
        if there.labels.get(LABEL) != MARK:
            raise click.ClickException(
                f"{tool} has a Secret {stored.name} that is not for git; choose another name"
            )
        if there.kind == new.kind:
            await kept.replace(tool, replace(new, version=there.version, uid=there.uid))
        else:  # a Secret's type never changes
            await kept.delete(tool, stored.name)
            await kept.create(tool, new)
    await _look_now(calls, tool)


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


async def _grant(calls: "Calls", tool: str, name: str, account: str) -> str:
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


async def _all(calls: "Calls", tool: str) -> "Sequence[Secret]":
    from controller.store.secrets import Secrets  # noqa: PLC0415

    return await Secrets(calls).marked(tool, LABEL, MARK)


async def _remove(calls: "Calls", tool: str, name: str) -> None:
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
