"""How git is given a credential: never by an argument, an address or a file that stays.

`given` is the environment of one git process: a header bound to the host, or an ssh command that
trusts the Secret's known_hosts and nothing else of the machine. `verdict` reads from ssh's words
why it was not let in. Used by `watchers.git` and by the local builder. No Secret is read here.
"""

import fcntl
import os
import re
import shlex
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from controller import errors
from controller.models import credentials
from controller.models.credentials import PORTS, Credential, SshKey, Target
from controller.models.reasons import EXPLANATIONS, Reason

CONNECT_SECONDS = 10
_OPTIONS = {
    "BatchMode": "yes",
    "CanonicalizeHostname": "no",
    "CheckHostIP": "no",
    "ClearAllForwardings": "yes",
    "ConnectTimeout": str(CONNECT_SECONDS),
    "ControlMaster": "no",
    "ControlPath": "none",
    "ForwardAgent": "no",
    "ForwardX11": "no",
    "GlobalKnownHostsFile": os.devnull,
    "IdentitiesOnly": "yes",
    "IdentityAgent": "none",
    "PermitLocalCommand": "no",
    "PKCS11Provider": "none",
    "PreferredAuthentications": "publickey",
    "ProxyCommand": "none",
    "RequestTTY": "no",
    "ServerAliveCountMax": "2",
    "ServerAliveInterval": "10",
    "StrictHostKeyChecking": "yes",
    "UpdateHostKeys": "no",
}


@dataclass(frozen=True, slots=True)
class Given:
    """What one git process gets: git config, and environment variables."""

    config: Mapping[str, str] = field(default_factory=dict, repr=False)
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)


@contextmanager
def given(
    credential: Credential | None, target: Target, ip: str = "", within: Path | None = None
) -> Iterator[Given]:
    """The credential as git takes it while the block lasts; `ip`: the only address to connect to.

    A key lies in a folder of its own for so long (below `within`, else where temporary files are),
    readable by this user alone.
    """
    if credential is None:
        yield Given()
    elif isinstance(credential.login, SshKey):
        with _folder(within) as folder:
            key, known = folder / "key", folder / "known_hosts"
            _write(key, credential.login.private_key)
            _write(known, credential.login.known_hosts)
            command = shlex.join(_ssh(key, known, target, ip))
            yield Given(variables={"GIT_SSH_COMMAND": command, **_NO_AGENT})
    else:
        header = f"Authorization: {credential.login.authorization}"
        yield Given({f"http.{_root(target)}.extraHeader": header})


@contextmanager
def _folder(within: Path | None) -> Iterator[Path]:
    """A folder of this process alone, locked for as long as it lives, so that `sweep` sees that.

    It gets its name when it is locked: under that name nobody ever finds one that is neither in
    use nor left over.
    """
    new = Path(tempfile.mkdtemp(prefix=f".{_PREFIX}", dir=within))
    folder = new.with_name(new.name.removeprefix("."))
    lock = os.open(new, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        new.rename(folder)
        yield folder
    finally:
        shutil.rmtree(new, ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def sweep(within: Path | None = None) -> int:
    """Remove what processes of this user that were killed have left of keys; how many folders.

    Called when a program starts. What is in use, or another user's, stays as it is.
    """
    found = 0
    for folder in Path(within or tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with suppress(OSError):
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                if os.fstat(lock).st_uid == os.getuid():
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(folder)
                    found += 1
            finally:
                os.close(lock)
    return found


_PREFIX = "ptd-git-"
_NO_AGENT = {"GIT_SSH_VARIANT": "ssh", "SSH_AUTH_SOCK": "", "SSH_ASKPASS_REQUIRE": "never"}


def _ssh(key: Path, known: Path, target: Target, ip: str) -> list[str]:
    """ssh without any config of the user or the machine."""
    usual = target.port == PORTS["ssh"]
    # The name under which known_hosts has the host, whatever address is connected to.
    alias = target.host if usual else f"[{target.host}]:{target.port}"
    options = {
        **_OPTIONS,
        "HostKeyAlias": alias,
        "UserKnownHostsFile": str(known),
        **({"HostName": ip} if ip else {}),
    }
    words = ["ssh", "-F", os.devnull, "-i", str(key)]
    return words + [word for pair in options.items() for word in ("-o", "=".join(pair))]


def _root(target: Target) -> str:
    """The address that all repositories of the host begin with."""
    host = f"[{target.host}]" if ":" in target.host else target.host
    port = "" if target.port == PORTS[target.scheme] else f":{target.port}"
    return f"{target.scheme}://{host}{port}/"


def _write(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)


class Verdict(StrEnum):
    """Why ssh was not let in."""

    HOST_KEY_CHANGED = "changed"
    HOST_KEY_UNKNOWN = "unknown"
    BAD_KEY = "bad key"
    DENIED = "denied"


_SAYS = (
    (re.compile(r"REMOTE HOST IDENTIFICATION HAS CHANGED"), Verdict.HOST_KEY_CHANGED),
    (re.compile(r"host key is known for|Host key verification failed"), Verdict.HOST_KEY_UNKNOWN),
    (re.compile(r"^Load key .*: |error in libcrypto", re.MULTILINE), Verdict.BAD_KEY),
    (re.compile(r"Permission denied \(|Too many authentication failures"), Verdict.DENIED),
)


def verdict(complaint: str) -> Verdict | None:
    """What ssh says in its complaint; None where it was not ssh that failed."""
    return next((meaning for says, meaning in _SAYS if says.search(complaint)), None)


def refusal(credential: Credential, host: str, complaint: str) -> errors.Terminal | None:
    """The error that ssh's complaint means; None where it is about something else."""
    name = credential.name
    match verdict(complaint):
        case Verdict.HOST_KEY_CHANGED:
            return _host_key(f"{host} shows another ssh host key than the Secret {name} knows")
        case Verdict.HOST_KEY_UNKNOWN:
            return _host_key(f"known_hosts in the Secret {name} has no key that {host} shows")
        case Verdict.BAD_KEY:
            return credentials.unusable(
                f"ssh cannot read the private key in the Secret {name}",
                f"Store it again: `ptd credentials add {name} --host {host} --ssh-key FILE …`.",
            )
        case Verdict.DENIED:
            return credentials.refused(host, name, "ssh: permission denied")
        case _:
            return None


def _host_key(message: str) -> errors.Terminal:
    hint = EXPLANATIONS[Reason.HOST_KEY_REFUSED].hint
    return errors.Terminal(Reason.HOST_KEY_REFUSED, message, hint)
