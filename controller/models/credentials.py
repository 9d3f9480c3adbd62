"""What a tool's Secret must be to be used as credentials for a git host, and what is in it.

`read` turns a Secret into a `Credential`, `check` says whether that may be shown to a host: only to
one that the Secret itself names, encrypted, and only where a tenant has marked the Secret for this
use, so that no config can make the controller read a deploy token or send a key elsewhere. Used by
`watchers.git`, the local builder and `ptd credentials`. Pure. No message holds a value of a Secret.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from controller import errors
from controller.models.meta import GROUP
from controller.models.reasons import EXPLANATIONS, Reason

LABEL, MARK = f"{GROUP}/credentials", "git"
"""A Secret may be used when it has this label with this value."""
HOSTS = f"{GROUP}/hosts"
"""The annotation that says for which hosts: `git.example.org`, `git.example.org:8443`, …"""

BASIC, SSH, OPAQUE = "kubernetes.io/basic-auth", "kubernetes.io/ssh-auth", "Opaque"
PORTS = {"https": 443, "http": 80, "git": 9418, "ssh": 22}
ANY_USER = "git"
"""The user name where a host wants none in particular beside a token."""

MAX_VALUE = 64 * 1024
_SEPARATOR = re.compile(r"[\s,]+")
_HEADER_SAFE = re.compile(r"[\x21-\x7e]+")
_OPENSSH = re.compile(
    r"-----BEGIN OPENSSH PRIVATE KEY-----(.+?)-----END OPENSSH PRIVATE KEY-----", re.DOTALL
)
_MAGIC = b"openssh-key-v1\0\0\0\0\4none"


@dataclass(frozen=True, slots=True)
class SecretRef:
    """A Secret of a tool."""

    tool: str
    name: str


@dataclass(frozen=True, slots=True)
class HttpLogin:
    """The value of an Authorization header."""

    authorization: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class SshKey:
    """A private key, and the keys by which its hosts are known."""

    private_key: str = field(repr=False)
    known_hosts: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Credential:
    """What the Secret `name` holds, for these hosts (`host` or `host:port`, in lower case)."""

    name: str
    hosts: tuple[str, ...]
    login: HttpLogin | SshKey = field(repr=False)

    def is_for(self, target: "Target") -> bool:
        """Whether the Secret names the host; without a port it stands for the usual one."""
        usual = target.port == PORTS[target.scheme]
        return f"{target.host}:{target.port}" in self.hosts or (usual and target.host in self.hosts)


@dataclass(frozen=True, slots=True)
class Target:
    """Where credentials would be sent. `loopback`: to this machine only, so that http is safe."""

    scheme: str
    host: str
    port: int
    loopback: bool = False


@dataclass(frozen=True, slots=True)
class Stored:
    """A Secret as the control plane has it. `kind` is its type."""

    name: str
    kind: str
    data: Mapping[str, bytes] = field(repr=False)
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)


def read(stored: Stored) -> Credential:
    """The credential in a Secret. Raises Terminal(CREDENTIALS_UNUSABLE), saying what to change."""
    if stored.labels.get(LABEL) != MARK:
        raise unusable(
            f"the Secret {stored.name} is not marked as credentials for git",
            f"If it is meant to be used: `kubectl label secret {stored.name} {LABEL}={MARK}`.",
        )
    hosts = hosts_in(stored.annotations.get(HOSTS, ""))
    if not hosts:
        raise unusable(
            f"the Secret {stored.name} does not say for which host it is",
            f"`kubectl annotate secret {stored.name} {HOSTS}=git.example.org`, with your host.",
        )
    return Credential(stored.name, hosts, _login(stored))


def hosts_in(text: str) -> tuple[str, ...]:
    """The hosts that an annotation names."""
    return tuple(host.lower().removesuffix(".") for host in _SEPARATOR.split(text) if host)


def check(credential: Credential, target: Target) -> None:
    """Raises Terminal(CREDENTIALS_UNUSABLE) unless the credential may be shown to the target."""
    name = credential.name
    by_ssh = isinstance(credential.login, SshKey)
    if by_ssh != (target.scheme == "ssh"):
        holds, instead = ("an ssh key", "ssh") if by_ssh else ("a token or password", "https")
        raise unusable(
            f"the Secret {name} holds {holds}, and the repository's address is {target.scheme}",
            f"Write the {instead} address of the repository, or name another Secret.",
        )
    if (
        not by_ssh
        and target.scheme != "https"
        and not (target.scheme == "http" and target.loopback)
    ):
        raise unusable(
            f"credentials are sent encrypted only, and the repository's address is {target.scheme}",
            "Write the https address of the repository.",
        )
    if not credential.is_for(target):
        usual = target.port == PORTS[target.scheme]
        there = target.host if usual else f"{target.host}:{target.port}"
        raise unusable(
            f"the Secret {name} is for {' and '.join(credential.hosts)}, and not for {there}",
            f"Name another Secret in `credentials`, or add {there} to the annotation {HOSTS}.",
        )


def missing(name: str) -> errors.Terminal:
    """There is no such Secret."""
    return unusable(
        f"the tool has no Secret called {name}",
        f"Make it: `ptd credentials add {name} --host HOST --token-stdin` (or `--ssh-key FILE "
        "--known-hosts FILE`), or correct `credentials` in the config.",
    )


def forbidden(name: str) -> errors.Terminal:
    """The controller's account may not read the Secret."""
    return unusable(
        f"the controller may not read the Secret {name}",
        f"Allow it: `ptd credentials allow {name}`, or by kubectl as docs/credentials.md shows.",
    )


def unusable(message: str, hint: str) -> errors.Terminal:
    """The Secret cannot be used; the tool's maintainers can mend that."""
    return errors.Terminal(Reason.CREDENTIALS_UNUSABLE, message, hint)


def refused(where: str, name: str, evidence: str) -> errors.Terminal:
    """The host does not want the credential."""
    return errors.Terminal(
        Reason.CREDENTIALS_REFUSED,
        f"{where} does not accept the credentials in the Secret {name} for this repository "
        f"({evidence})",
        EXPLANATIONS[Reason.CREDENTIALS_REFUSED].hint,
    )


def _login(stored: Stored) -> HttpLogin | SshKey:
    values = {name: _text(stored.name, name, value) for name, value in stored.data.items()}
    if stored.kind == SSH or (stored.kind == OPAQUE and values.get("ssh-privatekey")):
        return _ssh_key(stored.name, values)
    if stored.kind not in (BASIC, OPAQUE):
        raise unusable(
            f"the Secret {stored.name} is of the type {stored.kind}",
            f"It must be {BASIC}, {SSH}, or Opaque with the key `token`.",
        )
    if bearer := values.get("bearerToken", "").strip():
        return HttpLogin(f"Bearer {_in_header(stored.name, 'bearerToken', bearer)}")
    word = values.get("password", "") or values.get("token", "").strip()
    if not word:
        wanted = "password" if stored.kind == BASIC else "token"
        raise unusable(
            f"the Secret {stored.name} has no `{wanted}`",
            f"Store it again: `ptd credentials add {stored.name} --host HOST --token-stdin`.",
        )
    user = values.get("username", "") or ANY_USER
    return HttpLogin(f"Basic {base64.b64encode(f'{user}:{word}'.encode()).decode()}")


def _ssh_key(name: str, values: Mapping[str, str]) -> SshKey:
    key, known = values.get("ssh-privatekey", ""), values.get("known_hosts", "")
    again = f"Store it again: `ptd credentials add {name} --host HOST --ssh-key FILE …`."
    if "PRIVATE KEY-----" not in key:
        raise unusable(f"the Secret {name} has no private key in `ssh-privatekey`", again)
    if has_passphrase(key):
        raise unusable(
            f"the private key in the Secret {name} has a passphrase, which nobody is there to type",
            "Use a key of its own without one, as a deploy key that may only read.",
        )
    if not known.strip():
        raise unusable(
            f"the Secret {name} has no `known_hosts`, so that the host could be anybody",
            "Add what `ssh-keyscan HOST` prints, after comparing it with what the host publishes.",
        )
    # ssh refuses a key whose last line does not end.
    return SshKey(key.replace("\r\n", "\n").rstrip("\n") + "\n", known.rstrip("\n") + "\n")


def has_passphrase(key: str) -> bool:
    """By the names of ciphers in the two formats that there are (PEM, and OpenSSH's own)."""
    match = _OPENSSH.search(key)
    if match is None:
        return "ENCRYPTED" in key
    try:
        content = base64.b64decode("".join(match[1].split()), validate=True)
    except (binascii.Error, ValueError):
        return False
    return content.startswith(_MAGIC[:15]) and not content.startswith(_MAGIC)


def _text(name: str, key: str, value: bytes) -> str:
    try:
        text = value.decode()
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text or len(text) > MAX_VALUE:
        raise unusable(
            f"`{key}` in the Secret {name} is no text",
            f"Store it again: `ptd credentials add {name} …`.",
        )
    return text


def _in_header(name: str, key: str, value: str) -> str:
    if not _HEADER_SAFE.fullmatch(value):
        raise unusable(
            f"`{key}` in the Secret {name} has characters that no token has",
            f"Store it again: `ptd credentials add {name} --host HOST --token-stdin`.",
        )
    return value
