"""The API as the tool itself sees it: for what a deploy token may not do, however it is reached.

Used by `listing`, `rollback` and `deploytoken`. Beside a control plane (`ptd local`) the
kubeconfig's token says who asks; at an address of its own (DEPLOY_API) its client certificate does,
as with Toolforge's own client. The kubeconfig's token is never sent to another address.
"""

import os
import ssl
from collections.abc import Mapping
from typing import Any

import click

from controller.cli import access, remote
from controller.cli.outcome import Exit
from controller.cli.remote import Failed, Remote

_WHO = """\
{api} does not know who asks: this needs the tool itself, and a deploy token is not that.
{why}
Where the kubeconfig is that of `ptd local`: unset DEPLOY_API, and leave out --api.
On Toolforge: `toolforge components` does the same with the tool's account."""


def find(given: Mapping[str, Any]) -> Remote:
    """The API, asked as the tool; takes what `remote.find` takes, raises Failed as that does."""
    if not given["api"]:
        return remote.find(given)
    base, tool = remote.address(given["api"]), remote.tool_at_address(given)
    file = access.file_of(given["kubeconfig"])
    try:
        trust = _certificate(file)
    except (click.ClickException, ssl.SSLError, OSError) as problem:
        why = problem.message if isinstance(problem, click.ClickException) else str(problem)
        raise Failed(Exit.AUTH, _WHO.format(api=base, why=why.rstrip("."))) from problem
    return Remote(base, tool, "", trust=trust)


def has_token(given: Mapping[str, Any]) -> bool:
    """Whether an address and a deploy token are given, which is enough for a single deployment."""
    token = given["token_file"] or os.environ.get("DEPLOY_TOKEN", "").strip()
    return bool(given["api"] and token)


def _certificate(file: str) -> ssl.SSLContext:
    """What a kubeconfig's client certificate says; ClickException where it has none."""
    access.check_file(file)
    found = remote.configuration(file)
    if not found.cert_file:
        raise click.ClickException(f"The kubeconfig {file} has no client certificate.")
    trust = ssl.create_default_context()
    if found.ssl_ca_cert:
        trust.load_verify_locations(found.ssl_ca_cert)
    trust.load_cert_chain(found.cert_file, found.key_file)
    return trust
