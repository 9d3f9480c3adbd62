"""What to say when nobody answers or knows us: where, why, and what to do, in two short lines.

Used by every command that asks the HTTP API or the control plane. Words, and the exception that
carries them.
"""

import re
import socket
import ssl
from pathlib import Path

import click

from controller.cli.outcome import Exit

_OURS = "current-context: ptd-local"
_ANSWERED = "the control plane answered "
_ADDRESS = re.compile(r"host (\S+?:\d+)")


class Silent(click.ClickException):
    """Nothing answers; the exit code is that of `outcome.Exit.PLATFORM`."""

    exit_code = int(Exit.PLATFORM)


class Stranger(click.ClickException):
    """The control plane of this kubeconfig does not know who asks; exit code of `Exit.AUTH`."""

    exit_code = int(Exit.AUTH)

    def __init__(self, kubeconfig: str) -> None:
        super().__init__(f"{unknown(kubeconfig)}\n{known_by(kubeconfig)}")


def unknown(kubeconfig: str) -> str:
    """That a kubeconfig's account is a stranger's."""
    return f"the control plane does not accept the token of {kubeconfig} (HTTP 401)"


def known_by(kubeconfig: str) -> str:
    """What to do about that."""
    if is_of_local(kubeconfig):
        return "Take the kubeconfig that `ptd local` names when it starts."
    return "Log in anew, or name another with --kubeconfig."


def words(address: str, failure: object) -> str:
    """`no answer from ADDRESS: connection refused`."""
    return f"no answer from {address}: {_why(failure)}"


def of_control_plane(kubeconfig: str, failure: object) -> str:
    """The same about the control plane that a kubeconfig names, with what to do.

    A fault that it names itself is told as it is: it answers, so that starting it would not help.
    """
    if str(failure).startswith(_ANSWERED):
        return str(failure)
    found = _ADDRESS.search(str(failure))
    address = found[1] if found else "the control plane"
    said = str(failure)
    why = "connection refused" if "Connect call failed" in said else said
    return f"{words(address, why)}\n{remedy(kubeconfig)}"


def remedy(kubeconfig: str) -> str:
    """What to do when the address of a kubeconfig is silent; "" is that of DEPLOY_API."""
    if not kubeconfig:
        return "Is the address right? DEPLOY_API or --api names it."
    if is_of_local(kubeconfig):
        return f"It is the one of {kubeconfig}: start it with `ptd local`."
    return f"It is the one of {kubeconfig}; --kubeconfig names another."


def is_of_local(kubeconfig: str) -> bool:
    """Whether `ptd local` wrote the kubeconfig, and so it leads to one."""
    try:
        return _OURS in Path(kubeconfig).read_text(encoding="utf-8")
    except (OSError, ValueError):
        return False


def _why(failure: object) -> str:
    match failure:
        case TimeoutError():
            return "it took too long"
        case socket.gaierror():
            return "there is no such host"
        case ssl.SSLCertVerificationError():
            return f"its certificate is not valid ({failure.verify_message})"
        case ssl.SSLError() if failure.reason:
            return f"no secure connection ({failure.reason.lower().replace('_', ' ')})"
        case OSError() if failure.strerror:
            return failure.strerror.lower()
    return str(failure)
