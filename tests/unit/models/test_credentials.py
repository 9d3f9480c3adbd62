"""What a Secret must be to be used as credentials, and to which hosts it may be shown."""

import base64

import pytest

from controller import errors
from controller.models import credentials
from controller.models.credentials import (
    BASIC,
    HOSTS,
    LABEL,
    MARK,
    OPAQUE,
    SSH,
    Credential,
    HttpLogin,
    SshKey,
    Stored,
    Target,
)
from controller.models.reasons import Reason

WORD = "canary-5ec7e7"
MARKED, ANNOTATED = {LABEL: MARK}, {HOSTS: "git.example.org"}


def pem(content: bytes) -> bytes:
    """A private key in OpenSSH's format, as far as it is looked into."""
    text = base64.b64encode(content).decode()
    kind = "OPENSSH PRIVATE KEY"
    return f"-----BEGIN {kind}-----\n{text}\n-----END {kind}-----".encode()


OPEN = pem(b"openssh-key-v1\0\0\0\0\4none\0\0\0\4none" + WORD.encode())
LOCKED = pem(b"openssh-key-v1\0\0\0\0\12aes256-ctr" + WORD.encode())
KNOWN = b"git.example.org ssh-ed25519 AAAA"


def stored(kind: str, **data: bytes | str) -> Stored:
    """A Secret that may be used."""
    content = {
        name.replace("ssh_privatekey", "ssh-privatekey"): value.encode()
        if isinstance(value, str)
        else value
        for name, value in data.items()
    }
    return Stored("gitlab", kind, content, MARKED, ANNOTATED)


def basic(user: str) -> HttpLogin:
    """A password login."""
    return HttpLogin("Basic " + base64.b64encode(f"{user}:{WORD}".encode()).decode())


@pytest.mark.parametrize(
    ("secret", "login"),
    [
        pytest.param(stored(BASIC, username="me", password=WORD), basic("me"), id="user, password"),
        pytest.param(stored(BASIC, password=WORD), basic("git"), id="a password alone"),
        pytest.param(stored(OPAQUE, token=f"{WORD}\n"), basic("git"), id="a token from a file"),
        pytest.param(
            stored(OPAQUE, username="oauth2", token=WORD), basic("oauth2"), id="a token's user"
        ),
        pytest.param(
            stored(OPAQUE, bearerToken=WORD), HttpLogin(f"Bearer {WORD}"), id="as Flux calls it"
        ),
        pytest.param(
            stored(SSH, ssh_privatekey=OPEN, known_hosts=KNOWN),
            SshKey(OPEN.decode() + "\n", KNOWN.decode() + "\n"),
            id="an ssh key",
        ),
        pytest.param(
            stored(OPAQUE, ssh_privatekey=OPEN.replace(b"\n", b"\r\n"), known_hosts=KNOWN),
            SshKey(OPEN.decode() + "\n", KNOWN.decode() + "\n"),
            id="an ssh key with the line ends of Windows",
        ),
    ],
)
def test_a_secret_that_can_be_used(secret: Stored, login: HttpLogin | SshKey) -> None:
    found = credentials.read(secret)
    assert found == Credential("gitlab", ("git.example.org",), login)
    assert WORD not in repr(found) + repr(secret)


@pytest.mark.parametrize(
    ("secret", "message"),
    [
        (
            Stored("gitlab", OPAQUE, {"token": WORD.encode()}, {}, ANNOTATED),
            "the Secret gitlab is not marked as credentials for git",
        ),
        (
            Stored("deploy-token", OPAQUE, {"token": WORD.encode()}, {LABEL: "other"}, ANNOTATED),
            "the Secret deploy-token is not marked as credentials for git",
        ),
        (
            Stored("gitlab", OPAQUE, {"token": WORD.encode()}, MARKED),
            "the Secret gitlab does not say for which host it is",
        ),
        (
            stored("kubernetes.io/tls", token=WORD),
            "the Secret gitlab is of the type kubernetes.io/tls",
        ),
        (stored(BASIC, username=WORD), "the Secret gitlab has no `password`"),
        (stored(OPAQUE, passwort=WORD), "the Secret gitlab has no `token`"),
        (
            stored(OPAQUE, bearerToken=f"{WORD}\r\nX-Evil: 1"),
            "`bearerToken` in the Secret gitlab has characters that no token has",
        ),
        (stored(OPAQUE, token=b"\xff"), "`token` in the Secret gitlab is no text"),
        (
            stored(OPAQUE, token=WORD * 10_000),
            "`token` in the Secret gitlab is no text",
        ),
        (
            stored(SSH, ssh_privatekey=WORD, known_hosts=KNOWN),
            "the Secret gitlab has no private key in `ssh-privatekey`",
        ),
        (
            stored(SSH, ssh_privatekey=OPEN),
            "the Secret gitlab has no `known_hosts`, so that the host could be anybody",
        ),
        (
            stored(SSH, ssh_privatekey=LOCKED, known_hosts=KNOWN),
            "the private key in the Secret gitlab has a passphrase, which nobody is there to type",
        ),
        (
            stored(
                SSH,
                ssh_privatekey="-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED",
                known_hosts=KNOWN,
            ),
            "the private key in the Secret gitlab has a passphrase, which nobody is there to type",
        ),
    ],
)
def test_a_secret_that_cannot_be_used_says_what_to_do(secret: Stored, message: str) -> None:
    with pytest.raises(errors.Terminal) as raised:
        credentials.read(secret)
    error = raised.value
    assert (error.reason, error.message) == (Reason.CREDENTIALS_UNUSABLE, message)
    assert error.hint
    assert WORD not in error.message + error.hint


TOKEN = Credential("gitlab", ("git.example.org", "other.org:8443"), HttpLogin("Bearer x"))
KEY = Credential("key", ("git.example.org",), SshKey("k", "h"))


@pytest.mark.parametrize(
    ("credential", "target", "refusal"),
    [
        (TOKEN, Target("https", "git.example.org", 443), ""),
        (TOKEN, Target("https", "other.org", 8443), ""),
        (KEY, Target("ssh", "git.example.org", 22), ""),
        (TOKEN, Target("https", "other.org", 443), "and not for other.org"),
        (TOKEN, Target("https", "git.example.org", 8443), "and not for git.example.org:8443"),
        (TOKEN, Target("https", "a.git.example.org", 443), "and not for a.git.example.org"),
        (TOKEN, Target("https", "example.org", 443), "and not for example.org"),
        (KEY, Target("ssh", "git.example.org", 2222), "and not for git.example.org:2222"),
        (KEY, Target("https", "git.example.org", 443), "holds an ssh key"),
        (TOKEN, Target("ssh", "git.example.org", 22), "holds a token or password"),
        (TOKEN, Target("http", "git.example.org", 80), "sent encrypted only"),
        (TOKEN, Target("http", "git.example.org", 80, loopback=True), ""),
        (TOKEN, Target("git", "git.example.org", 9418, loopback=True), "sent encrypted only"),
        (TOKEN, Target("file", "", 0, loopback=True), "sent encrypted only"),
    ],
)
def test_a_credential_is_shown_to_its_own_hosts_only(
    credential: Credential, target: Target, refusal: str
) -> None:
    if not refusal:
        credentials.check(credential, target)
        return
    with pytest.raises(errors.Terminal, match=refusal) as raised:
        credentials.check(credential, target)
    assert raised.value.reason == Reason.CREDENTIALS_UNUSABLE
