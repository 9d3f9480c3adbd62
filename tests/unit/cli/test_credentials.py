"""`ptd credentials add` refuses what could not work, before anything is stored, and says why."""

import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from controller.cli.main import main

HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGKGK/PTJm1oHk0MyLFEfGmOHZPkN7bTRA7BZtDxoWRu"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with keys and known_hosts; no control plane, as none may be asked."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    keygen = ["ssh-keygen", "-q", "-t", "ed25519", "-C", ""]
    subprocess.run([*keygen, "-N", "", "-f", "key"], check=True)
    subprocess.run([*keygen, "-N", "secret", "-f", "guarded"], check=True)
    for name, text in {
        "known_hosts": f"git.example.org {HOST_KEY}\n[git.example.org]:2222 {HOST_KEY}\n",
        "others": f"other.example.org {HOST_KEY}\n",
        "empty": "",
        "putty": "PuTTY-User-Key-File-3: ssh-ed25519\n",
        "large": "x" * 70_000,
    }.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def ptd(*arguments: str, stdin: str | bytes = "") -> Result:
    return CliRunner().invoke(main, ["credentials", "add", "mine", *arguments], input=stdin)


def said(result: Result) -> str:
    assert result.exit_code == 2
    return result.stderr.partition("Error: ")[2]


def by_ssh(key: str = "key", known: str = "known_hosts", host: str = "git.example.org") -> Result:
    return ptd("--host", host, "--ssh-key", key, "--known-hosts", known)


def test_a_known_hosts_file_without_the_host_is_refused_at_once() -> None:
    assert said(by_ssh(known="others")) == (
        "others has no key of git.example.org, so that the host could be anybody\n"
        "`ssh-keyscan git.example.org >> others` asks for it. Compare what `ssh-keygen -lf others` "
        "shows with the fingerprints that the host publishes, before you use it.\n"
    )


def test_each_host_that_is_missing_is_named_with_its_port() -> None:
    result = ptd(
        *("--host", "git.example.org", "--host", "git.example.org:2222"),
        *("--host", "b.org", "--host", "git.example.org:2223"),
        *("--ssh-key", "key", "--known-hosts", "known_hosts"),
    )
    assert said(result).splitlines()[0] == (
        "known_hosts has no key of b.org and git.example.org:2223, "
        "so that the host could be anybody"
    )
    assert "`ssh-keyscan -p 2223 git.example.org >> known_hosts`" in said(result)


def test_what_is_complete_gets_as_far_as_the_control_plane() -> None:
    for result in (
        by_ssh(),
        by_ssh(host="git.example.org:2222"),
        ptd("--host", "h", "--token-stdin", stdin="t0ken\n"),
        ptd("--host", "h", "--token-stdin", "--username", "me", stdin="a pässword"),
    ):
        assert (result.exit_code, "no control plane" in result.stderr) == (2, True), result.stderr


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("empty", "empty is empty, so that there is no key to store"),
        ("key.pub", "key.pub holds a public key: name the file of the private one"),
        ("others", "others holds no private key: name the file of the private one"),
        ("putty", "putty is a key of PuTTY's, which ssh cannot read"),
        ("guarded", "the key in guarded has a passphrase, and nobody is there to type it"),
        ("large", "large has more than 64 KiB: is it the right one?"),
    ],
)
def test_a_file_that_is_no_usable_key_is_named(key: str, words: str) -> None:
    assert said(by_ssh(key)).splitlines()[0] == words


def test_a_name_that_no_secret_can_have_is_refused_before_anybody_is_asked() -> None:
    words = ["credentials", "add", "My_key", "--host", "h", "--token-stdin"]
    result = CliRunner().invoke(main, words, input="t0ken")
    assert said(result) == "My_key is no name: it is made of a-z, 0-9, - and .\n"


def test_an_empty_known_hosts_file_is_named() -> None:
    assert said(by_ssh(known="empty")).startswith("empty has no key of git.example.org, so that")


@pytest.mark.parametrize("more", [(), ("--bearer",), ("--username", "me")])
@pytest.mark.parametrize("stdin", ["", " \n"])
def test_empty_standard_input_is_said_to_be_empty(stdin: str, more: tuple[str, ...]) -> None:
    words = said(ptd("--host", "h", "--token-stdin", *more, stdin=stdin))
    assert words.splitlines()[0] == "standard input is empty, so that there is no token to store"


@pytest.mark.parametrize("stdin", ["one\ntwo\n", "t\0o\0k\0", "\x1b[31mred"])
def test_standard_input_that_is_more_than_a_token_is_not_shown(stdin: str) -> None:
    words = said(ptd("--host", "h", "--token-stdin", stdin=stdin))
    assert words.startswith("standard input holds more than a token")
    assert stdin.strip() not in words
