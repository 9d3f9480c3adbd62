"""`ptd credentials`: the Secrets that private repositories are read with, without writing YAML.

They are made with the rights of whoever calls, in the tool's namespace, as any Secret is. What is
secret comes from standard input or a file, never from an argument, and is never printed. Where the
control plane has RBAC, `add` and `allow` also let the controller read just this one Secret.
"""

import re
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from controller import errors as edge
from controller.cli import access, secretinput, secretstore
from controller.models import credentials as rules
from controller.models import knownhosts
from controller.models.credentials import HOSTS, LABEL, MARK, OPAQUE, Stored
from controller.models.fields import SECRET_PATTERN

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_HOST = re.compile(r"([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?)(:[0-9]{1,5})?")
_NAME = re.compile(SECRET_PATTERN.strip("^$"))
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

    \b
    https:  ptd credentials add NAME --host HOST --token-stdin < token.txt
    ssh:    ptd credentials add NAME --host HOST --ssh-key FILE --known-hosts FILE
    """
    if not _NAME.fullmatch(name):
        raise click.UsageError(f"{name} is no name: it is made of a-z, 0-9, - and .")
    for host in hosts:
        if not _HOST.fullmatch(host):
            raise click.UsageError(f"{host} is no host: write git.example.org, without https://")
    data = _ssh(given, hosts) if given["ssh_key"] else _login(given)
    stored = Stored(name, OPAQUE, data, {LABEL: MARK}, {HOSTS: " ".join(hosts)})
    if problem := _problem(stored):
        raise click.UsageError(problem)
    found = access.find(given["kubeconfig"], given["tool"], given["namespace"])
    found.connected(lambda calls: secretstore.store(calls, found.tool, stored))
    click.echo(f"{name}: stored, for {' and '.join(hosts)}")
    if denied := found.connected(lambda calls: secretstore.grant(calls, found.tool, name, account)):
        click.echo(f"Warning: {denied}", err=True)
    click.echo(f"In the config: `credentials: {name}`, below `repository:`.")


@credentials.command()
@click.argument("name")
@_account
@access.options
def allow(name: str, account: str, **given: Any) -> None:
    """Let the controller read the Secret NAME, and no other."""
    found = access.find(given["kubeconfig"], given["tool"], given["namespace"])
    if denied := found.connected(lambda calls: secretstore.grant(calls, found.tool, name, account)):
        raise click.ClickException(denied)
    click.echo(f"{name}: {account} may read it")


@credentials.command("list")
@access.options
def listed(**given: Any) -> None:
    """Show names, kinds and hosts.

    Where one could not be used, also why.
    """
    found = access.find(given["kubeconfig"], given["tool"], given["namespace"])
    secrets = found.connected(lambda calls: secretstore.marked(calls, found.tool))
    for secret in secrets:
        stored = Stored(secret.name, secret.kind, secret.data, secret.labels, secret.annotations)
        hosts = " ".join(rules.hosts_in(secret.annotations.get(HOSTS, "")))
        click.echo(f"{secret.name:<24} {_held(secret.data):<9} {hosts}".rstrip())
        if problem := _problem(stored):
            click.echo(textwrap.indent(problem, "    "))
    if not secrets:
        click.echo(f"{found.tool} has no credentials; `ptd credentials add` stores some.")


@credentials.command()
@click.argument("name")
@access.options
def delete(name: str, **given: Any) -> None:
    """Remove the credentials NAME.

    The controller's right to read them goes, too.
    """
    found = access.find(given["kubeconfig"], given["tool"], given["namespace"])
    found.connected(lambda calls: secretstore.remove(calls, found.tool, name))
    click.echo(f"{name}: deleted")


def _held(data: Mapping[str, bytes]) -> str:
    if "ssh-privatekey" in data:
        return "ssh key"
    return "password" if {"username", "password"} & data.keys() else "token"


def _ssh(given: Any, hosts: Sequence[str]) -> dict[str, bytes]:
    if given["token_stdin"] or given["username"] or given["bearer"]:
        raise click.UsageError("give either a token or an ssh key")
    if given["known_hosts"] is None:
        raise click.UsageError(
            "name a file with the host's keys with --known-hosts: what `ssh-keyscan HOST` prints, "
            "once it is compared with what the host publishes"
        )
    return {
        "ssh-privatekey": secretinput.private_key(given["ssh_key"]),
        "known_hosts": secretinput.known_hosts(given["known_hosts"], hosts),
    }


def _login(given: Any) -> dict[str, bytes]:
    if not given["token_stdin"]:
        raise click.UsageError("say what to store: --token-stdin, or --ssh-key FILE")
    if given["known_hosts"] is not None:
        raise click.UsageError("--known-hosts goes with --ssh-key")
    token = secretinput.token()
    if given["bearer"]:
        return {"bearerToken": token}
    if user := given["username"]:
        return {"username": user.encode(), "token": token}
    return {"token": token}


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
