"""Private repositories: what hosts see of credentials, and what is said when they refuse them."""

import getpass
import os
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from controller import errors
from controller.models import credentials
from controller.models.credentials import HttpLogin, SecretRef, SshKey
from controller.models.reasons import Reason
from tests.contract.git import ways
from tests.contract.git.ways import BASIC, GUARD, SECRET, TOKEN, PrivateServer, Vault
from tests.support.certificates import Authority
from tests.support.githttp import Fault, GitServer
from tests.support.sshserver import SshServer
from watchers.git.addresses import Address, Guard, Policy
from watchers.git.repositories import Repositories
from watchers.git.resolution import RefFound, RefKind, Resolved
from watchers.git.transport import Transport

pytestmark = pytest.mark.timeout(30)

SERVICE = "/info/refs?service=git-upload-pack"
USUAL = Guard(Policy(allow=("127.0.0.1:*", "git.example.org:*")), lambda *_: _loopback())


@pytest.fixture
async def private(tmp_path: Path) -> AsyncIterator[PrivateServer]:
    """A git host of private repositories."""
    async with PrivateServer(tmp_path / "private") as running:
        yield running


async def refused(
    transport: Transport, vault: Vault, address: str, guard: Guard = GUARD
) -> errors.EdgeError:
    """The error that a question ends in."""
    with pytest.raises(errors.EdgeError) as raised:
        await Repositories(guard, transport, vault=vault).resolve(address, ["main"], SECRET)
    error = raised.value
    assert not isinstance(error, errors.Terminal) or error.hint
    assert TOKEN not in f"{error.message} {getattr(error, 'hint', '')}"
    return error


@pytest.mark.parametrize("authorization", [BASIC, f"Bearer {TOKEN}"])
async def test_a_private_repository_is_read_with_the_header_that_its_host_wants(
    authorization: str, private: PrivateServer, transport: Transport
) -> None:
    tip = private.repository("app.git").commit({"a": "1"})
    private.private["app.git"] = authorization
    client = ways.client(transport, ways.login_of(private, authorization))

    answer = await client.resolve_one(private.address("app.git"), "main")

    assert answer == Resolved(tip, RefKind.BRANCH)
    assert {seen.headers.get("Authorization") for seen in private.seen} == {authorization}


async def test_who_names_no_secret_shows_none_to_the_same_host(
    private: PrivateServer, transport: Transport
) -> None:
    private.repository("app.git").commit({"a": "1"})
    repositories = Repositories(GUARD, transport, vault=Vault(ways.login_of(private)))
    address = private.address("app.git")
    await repositories.resolve(address, ["main"], SECRET)
    private.seen.clear()

    with pytest.raises(errors.Terminal) as raised:
        await repositories.resolve(address, ["main"])

    assert raised.value.reason == Reason.REPOSITORY_NOT_FOUND
    assert [seen for seen in private.seen if "Authorization" in seen.headers] == []


async def test_a_token_that_is_not_accepted(private: PrivateServer, transport: Transport) -> None:
    private.repository("app.git").commit({"a": "1"})
    vault = Vault(ways.login_of(private, f"Bearer old-{TOKEN}"))

    error = await refused(transport, vault, private.address("app.git"))

    assert (error.reason, error.message) == (
        Reason.CREDENTIALS_REFUSED,
        "127.0.0.1 does not accept the credentials in the Secret gitlab for this repository "
        "(HTTP 401)",
    )
    # A changed Secret counts at the next question: it is read for each.
    vault.held = ways.login_of(private)
    repositories = Repositories(GUARD, transport, vault=vault)
    await repositories.resolve_one(private.address("app.git"), "main", SECRET)
    assert vault.asked == 2


@pytest.mark.parametrize(
    ("status", "reason"),
    [(403, Reason.CREDENTIALS_REFUSED), (404, Reason.REPOSITORY_NOT_FOUND)],
)
async def test_a_token_without_the_right_to_read(
    status: int, reason: Reason, private: PrivateServer, transport: Transport
) -> None:
    private.repository("app.git")
    private.faults["app.git"] = Fault(status)

    error = await refused(transport, Vault(ways.login_of(private)), private.address("app.git"))

    assert (error.reason, f"(HTTP {status})" in error.message) == (reason, True)
    assert "Secret gitlab" in error.message


async def test_a_redirect_takes_no_credential_to_another_host(
    private: PrivateServer, transport: Transport, tmp_path: Path
) -> None:
    async with GitServer(tmp_path / "other") as other:
        other.repository("app.git").commit({"a": "1"})
        private.repository("app.git")
        private.faults["app.git"] = Fault(302, {"Location": other.address("app.git") + SERVICE})

        error = await refused(transport, Vault(ways.login_of(private)), private.address("app.git"))

        assert error.reason == Reason.CREDENTIALS_UNUSABLE
        assert error.message.endswith(f"and not for 127.0.0.1:{other.port}")
        assert other.seen == []


async def test_a_secret_for_another_host_is_not_shown(
    private: PrivateServer, transport: Transport
) -> None:
    private.repository("app.git").commit({"a": "1"})
    held = replace(ways.login_of(private), hosts=("127.0.0.1", "git.example.org"))

    error = await refused(transport, Vault(held), private.address("app.git"))

    assert error.message == (
        f"the Secret gitlab is for 127.0.0.1 and git.example.org, and not for 127.0.0.1:"
        f"{private.port}"
    )
    assert private.seen == []


async def test_nothing_secret_is_sent_where_others_could_read_it(transport: Transport) -> None:
    public = Guard(Policy(), lambda *_: _public())
    held = credentials.Credential("gitlab", ("git.example.org",), HttpLogin(BASIC))

    error = await refused(transport, Vault(held), "http://git.example.org/a", public)

    assert error.message == (
        "credentials are sent encrypted only, and the repository's address is http"
    )


async def test_over_tls_the_token_is_sent_to_a_host_that_proves_who_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority(tmp_path)
    certificate = authority.issue("git.example.org")
    server = PrivateServer(tmp_path / "tls", certificate=certificate)
    async with server, ways.transports() as transports:
        tip = server.repository("app.git").commit({"a": "1"})
        vault, general = Vault(ways.login_of(server)), transports["ls-remote"]
        error = await refused(general, vault, server.address("app.git"))
        assert (error.reason, server.seen) == (Reason.REPOSITORY_UNREACHABLE, [])

        monkeypatch.setenv("GIT_SSL_CAINFO", str(authority.certificate))
        client = ways.client(general, ways.login_of(server))
        answer = await client.resolve_one(server.address("app.git"), "main")
        assert answer == Resolved(tip, RefKind.BRANCH)


async def test_an_ssh_address_without_a_secret_is_not_asked() -> None:
    class Silent:
        async def refs(self, address: Address, wanted: Sequence[str]) -> Mapping[str, RefFound]:
            raise AssertionError("nobody is asked")

    with pytest.raises(errors.Terminal) as raised:
        await Repositories(USUAL, Silent()).resolve("ssh://git@git.example.org/a", ["main"])
    assert raised.value.message.endswith("an ssh address needs `credentials`")


async def test_the_ssh_host_is_known_by_its_name_and_asked_at_the_checked_address(
    sshd: SshServer, transport: Transport, tmp_path: Path
) -> None:
    sshd.repositories = tmp_path
    tip = sshd.repository("named.git").commit({"a": "1"})
    key = SshKey(sshd.user_key, sshd.known_hosts.replace("127.0.0.1", "git.example.org"))
    held = credentials.Credential("gitlab", (f"git.example.org:{sshd.port}",), key)
    address = sshd.address("named.git").replace("127.0.0.1", "git.example.org")

    answer = await Repositories(USUAL, transport, vault=Vault(held)).resolve_one(
        address, "main", SECRET
    )

    assert answer == Resolved(tip, RefKind.BRANCH)


async def test_gits_short_form_of_an_ssh_address_is_the_path_from_home(
    sshd: SshServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ssh").write_text(f'#!/bin/sh\nexec /usr/bin/ssh -p {sshd.port} "$@"\n')
    (tmp_path / "ssh").chmod(0o755)  # the short form has no port, and the usual one is not ours
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    sshd.repositories = tmp_path / "repositories"
    tip = sshd.repository("short.git").commit({"a": "1"})
    user = getpass.getuser()
    path = os.path.relpath(sshd.repositories / "short.git", Path(f"~{user}").expanduser())
    known = sshd.known_hosts.replace(f"[127.0.0.1]:{sshd.port}", "127.0.0.1")
    held = credentials.Credential("gitlab", ("127.0.0.1",), SshKey(sshd.user_key, known))

    async with ways.transports() as transports:
        client = ways.client(transports["ls-remote"], held)
        answer = await client.resolve_one(f"{user}@127.0.0.1:{path}", "main")

    assert answer == Resolved(tip, RefKind.BRANCH)


@pytest.mark.parametrize(
    ("case", "reason", "message"),
    [
        (
            "another key",
            Reason.CREDENTIALS_REFUSED,
            "127.0.0.1 does not accept the credentials in the Secret gitlab for this repository "
            "(ssh: permission denied)",
        ),
        (
            "another host",
            Reason.HOST_KEY_REFUSED,
            "known_hosts in the Secret gitlab has no key that 127.0.0.1 shows",
        ),
        (
            "another host key",
            Reason.HOST_KEY_REFUSED,
            "127.0.0.1 shows another ssh host key than the Secret gitlab knows",
        ),
        (
            "a broken key",
            Reason.CREDENTIALS_UNUSABLE,
            "ssh cannot read the private key in the Secret gitlab",
        ),
        (
            "no repository",
            Reason.REPOSITORY_NOT_FOUND,
            "127.0.0.1 has no repository at this address that the credentials in the Secret gitlab "
            "may read (git says that there is none)",
        ),
    ],
)
async def test_why_an_ssh_host_does_not_let_us_in(
    case: str, reason: Reason, message: str, sshd: SshServer, transport: Transport
) -> None:
    key = SshKey(sshd.user_key, sshd.known_hosts)
    name = "none.git" if case == "no repository" else "app.git"
    if case == "another key":
        key = replace(key, private_key=sshd.make_key("other"))
    elif case == "another host":
        key = replace(key, known_hosts=key.known_hosts.replace("127.0.0.1", "git.example.org"))
    elif case == "another host key":
        sshd.make_key("stranger")
        public = (sshd.folder / "stranger.pub").read_text()
        key = replace(key, known_hosts=f"[127.0.0.1]:{sshd.port} {public}")
    elif case == "a broken key":
        key = replace(key, private_key=key.private_key.replace("A", "B"))
    vault = Vault(replace(ways.key_of(sshd), login=key))

    error = await refused(transport, vault, sshd.address(name))

    assert (error.reason, error.message) == (reason, message)


async def test_an_ssh_host_that_is_away_may_come_back(tmp_path: Path, transport: Transport) -> None:
    with SshServer(tmp_path / "sshd") as server:
        vault, address = Vault(ways.key_of(server)), server.address("app.git")
    assert (await refused(transport, vault, address)).reason == Reason.REPOSITORY_UNREACHABLE


async def test_no_process_names_a_secret_and_no_file_stays(
    sshd: SshServer, private: PrivateServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (spy := tmp_path / "spy").mkdir()
    (spy / "ssh").write_text(
        '#!/bin/sh\nprintf "%s\\n" "$@" >> "$SPY/said"\nls -lR "$TMPDIR" >> "$SPY/files"\n'
        'exec /usr/bin/ssh "$@"\n'
    )
    (spy / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", str(spy), prepend=os.pathsep)
    monkeypatch.setenv("SPY", str(spy))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    sshd.repositories = tmp_path / "repositories"
    sshd.repository("spied.git").commit({"a": "1"})
    private.repository("app.git").commit({"a": "1"})

    async with ways.transports() as transports:
        general = transports["ls-remote"]
        client = ways.client(general, ways.key_of(sshd))
        await client.resolve_one(sshd.address("spied.git"), "main")
        login = ways.client(general, ways.login_of(private))
        await login.resolve_one(private.address("app.git"), "main")

    said, files = (spy / "said").read_text(), (spy / "files").read_text()
    assert "BEGIN" not in said
    assert "StrictHostKeyChecking=yes" in said.split()
    assert "HostName=127.0.0.1" in said.split()
    assert said.split()[:2] == ["-F", "/dev/null"]
    assert [line[:10] for line in files.splitlines() if line.endswith((" key", "known_hosts"))] == [
        "-rw-------"
    ] * 2
    assert [path.name for path in tmp_path.glob("ptd-git-*")] == []


async def test_the_refusal_of_a_secret_is_no_fault_of_the_host(transport: Transport) -> None:
    class Nothing(Vault):
        async def credential(self, secret: SecretRef) -> credentials.Credential:
            raise credentials.missing(secret.name)

    error = await refused(transport, Nothing(None), "https://git.example.org/a")  # type: ignore[arg-type]
    assert (error.reason, error.message) == (
        Reason.CREDENTIALS_UNUSABLE,
        "the tool has no Secret called gitlab",
    )


async def _loopback() -> list[str]:
    return ["127.0.0.1"]


async def _public() -> list[str]:
    return ["93.184.216.34"]
