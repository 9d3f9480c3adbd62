"""What `ptd credentials add` is given: a token on standard input, or files for ssh.

What cannot work is refused here, with the file's name and what to do; no message holds anything of
what is secret. Nothing is stored here.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from controller.models import credentials as rules
from controller.models import knownhosts
from controller.models.credentials import MAX_VALUE

_NEW_KEY = "`ssh-keygen -q -t ed25519 -N '' -f deploy_key` makes one of its own"


def token() -> bytes:
    """The token or password, asked for at a terminal; UsageError where there is none."""
    if sys.stdin.isatty():
        typed: str = click.prompt("Token", hide_input=True, err=True)
        text = typed.strip().encode()
    else:
        text = sys.stdin.buffer.read(MAX_VALUE + 1).strip()
    if not text:
        raise click.UsageError(
            "standard input is empty, so that there is no token to store\n"
            "Pass the file that holds it (`--token-stdin < token.txt`), or type it at the prompt "
            "of a terminal."
        )
    if any(byte < 0x20 or byte == 0x7F for byte in text):
        raise click.UsageError(
            "standard input holds more than a token: a token is one line\nPass the token alone."
        )
    return text


def private_key(file: Path) -> bytes:
    """The content of a file that ssh can use as a key when nobody is there."""
    content = _content(file)
    text = content.decode(errors="replace")
    if not text.strip():
        raise click.UsageError(f"{file} is empty, so that there is no key to store")
    if text.startswith("PuTTY-User-Key-File"):
        raise click.UsageError(
            f"{file} is a key of PuTTY's, which ssh cannot read\n"
            "PuTTYgen writes the other form: Conversions, Export OpenSSH key."
        )
    if "PRIVATE KEY-----" not in text:
        public = text.startswith(("ssh-", "ecdsa-", "sk-"))
        found = "holds a public key" if public else "holds no private key"
        raise click.UsageError(f"{file} {found}: name the file of the private one\n{_NEW_KEY}.")
    if rules.has_passphrase(text):
        raise click.UsageError(
            f"the key in {file} has a passphrase, and nobody is there to type it\n"
            f"{_NEW_KEY}; give its public half to the host as a deploy key that may only read."
        )
    return content


def known_hosts(file: Path, hosts: Sequence[str]) -> bytes:
    """The content of a known_hosts file that has keys of all the hosts."""
    content = _content(file)
    strangers = knownhosts.missing(content.decode(errors="replace"), hosts)
    if problem := unknown(str(file), strangers, file):
        raise click.UsageError(problem)
    return content


def unknown(where: str, hosts: Sequence[str], file: Path | None = None) -> str:
    """That `where` lacks the keys of hosts, and how to get them; "" where there are none."""
    if not hosts:
        return ""
    target = file or Path("known_hosts")
    named = " and ".join(hosts)
    asked = [_scan(host, target) for host in hosts]
    return (
        f"{where} has no key of {named}, so that the host could be anybody\n"
        f"{' and '.join(asked)} asks for it. Compare what `ssh-keygen -lf {target}` shows with "
        "the fingerprints that the host publishes, before you use it."
    )


def _scan(host: str, file: Path) -> str:
    name, _, port = host.partition(":")
    where = f"-p {port} {name}" if port else name
    return f"`ssh-keyscan {where} >> {file}`"


def _content(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            content = stream.read(MAX_VALUE + 1)
    except OSError as error:
        raise click.UsageError(f"{file} cannot be read: {error.strerror}") from error
    if len(content) > MAX_VALUE:
        most = f"{MAX_VALUE // 1024} KiB"
        raise click.UsageError(f"{file} has more than {most}: is it the right one?")
    return content
