"""Hosts in known_hosts: what is said of them is what ssh-keygen says."""

import shutil
import subprocess
from pathlib import Path

import pytest

from controller.models import knownhosts

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGKGK/PTJm1oHk0MyLFEfGmOHZPkN7bTRA7BZtDxoWRu"
KNOWN = f"""\
# written by hand
git.example.org,192.0.2.1 {KEY} a comment
[git.example.org]:2222 {KEY}
*.wild.org,!not.wild.org {KEY}
host?.example.org {KEY}
[*.ports.org]:29418 {KEY}
@cert-authority *.signed.org {KEY}
@revoked gone.example.org {KEY}
short.example.org ssh-ed25519
broken.example.org ssh-ed25519 not-base64!
#commented.example.org {KEY}
UPPER.example.org {KEY}
"""
HOSTS = {
    "git.example.org": True,
    "GIT.example.org": True,
    "git.example.org:22": True,
    "git.example.org:2222": True,
    "git.example.org:2223": False,
    "192.0.2.1": True,
    "a.wild.org": True,
    "not.wild.org": False,
    "wild.org": False,
    "host1.example.org": True,
    "host12.example.org": False,
    "a.ports.org:29418": True,
    "a.ports.org": False,
    "a.signed.org": True,
    "short.example.org": False,
    "commented.example.org": False,
    "upper.example.org": True,
    "example.org": False,
}


@pytest.mark.parametrize(("host", "there"), HOSTS.items())
def test_a_host_has_a_key_where_ssh_keygen_finds_one(
    host: str, there: bool, tmp_path: Path
) -> None:
    assert (knownhosts.missing(KNOWN, [host]) == ()) is there
    assert found_by_ssh_keygen(tmp_path, KNOWN, host) is there


@pytest.mark.parametrize("host", ["git.example.org", "git.example.org:2222"])
def test_a_hashed_host_is_found_by_its_name_alone(host: str, tmp_path: Path) -> None:
    file = tmp_path / "known_hosts"
    file.write_text(f"{knownhosts.called(host)} {KEY}\n")
    subprocess.run([program(), "-q", "-H", "-f", str(file)], check=True, capture_output=True)
    hashed = file.read_text()
    assert "example" not in hashed
    assert knownhosts.missing(hashed, [host, "other.org"]) == ("other.org",)


@pytest.mark.parametrize("host", ["gone.example.org", "broken.example.org"])
def test_a_key_that_is_revoked_or_none_at_all_lets_nobody_in(host: str) -> None:
    assert knownhosts.missing(KNOWN, [host]) == (host,)


@pytest.mark.parametrize("text", ["", "\n", "|1|x|y ssh-rsa AAAA\n", "|1|AA== ssh-rsa AAAA\n"])
def test_a_file_without_hosts_has_none(text: str) -> None:
    assert knownhosts.missing(text, ["git.example.org"]) == ("git.example.org",)


def found_by_ssh_keygen(folder: Path, known: str, host: str) -> bool:
    """Whether `ssh-keygen -F` finds a key."""
    file = folder / "known_hosts"
    file.write_text(known)
    command = [program(), "-F", knownhosts.called(host), "-f", str(file)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def program() -> str:
    found = shutil.which("ssh-keygen")
    assert found is not None, "install openssh-client, as `make packages` does"
    return found
