"""What every transport makes of hosts that are absent, angry, silent, endless or cunning."""

import pytest

from controller import errors
from controller.models.reasons import Reason
from tests.support.githttp import Fault, GitServer
from watchers.git.addresses import Guard, Policy
from watchers.git.repositories import Repositories
from watchers.git.resolution import RefKind, Resolved
from watchers.git.transport import Busy, Transport

pytestmark = pytest.mark.timeout(20)

MISSING = Reason.REPOSITORY_NOT_FOUND
UNREACHABLE = Reason.REPOSITORY_UNREACHABLE
REFUSED = Reason.REPOSITORY_REFUSED
SERVICE = "/info/refs?service=git-upload-pack"


@pytest.mark.parametrize(
    ("fault", "kind", "reason"),
    [
        pytest.param(Fault(404), errors.Terminal, MISSING, id="404: there is none"),
        pytest.param(
            Fault(401, {"WWW-Authenticate": 'Basic realm="git"'}),
            errors.Terminal,
            MISSING,
            id="401: it is not public",
        ),
        pytest.param(Fault(403), errors.Terminal, MISSING, id="403: it is not public"),
        pytest.param(Fault(500), errors.Transient, UNREACHABLE, id="500: tried again"),
        pytest.param(Fault(503), errors.Transient, UNREACHABLE, id="503: tried again"),
        pytest.param(Fault(429), errors.Transient, UNREACHABLE, id="429: tried again"),
        pytest.param(Fault(418), errors.Terminal, REFUSED, id="418: no git here"),
        pytest.param(Fault(hang=True), errors.Transient, UNREACHABLE, id="silence: tried again"),
        pytest.param(
            Fault(302, {"Location": "/users/sign_in"}),
            errors.Terminal,
            MISSING,
            id="a redirect to a login page: it is not public",
        ),
        pytest.param(
            Fault(302, {"Location": "file:///etc/passwd"}),
            errors.Terminal,
            MISSING,
            id="a redirect to a file leads nowhere",
        ),
        pytest.param(
            Fault(200, {"Content-Type": "text/html"}, b"<h1>Welcome</h1>"),
            errors.Terminal,
            MISSING,
            id="a web page is no repository",
        ),
    ],
)
async def test_a_host_that_gives_no_refs(
    fault: Fault,
    kind: type[errors.EdgeError],
    reason: Reason,
    server: GitServer,
    repositories: Repositories,
) -> None:
    server.repository("app.git").commit({"a": "1"})
    server.faults["app.git"] = fault

    with pytest.raises(kind) as raised:
        await repositories.resolve(server.address("app.git"), ["main"])

    assert raised.value.reason == reason
    assert "127.0.0.1" in raised.value.message


async def test_a_missing_repository_is_a_404_of_the_real_server(
    server: GitServer, repositories: Repositories
) -> None:
    with pytest.raises(errors.Terminal) as raised:
        await repositories.resolve(server.address("none.git"), ["main"])

    assert (raised.value.reason, raised.value.message) == (
        MISSING,
        "127.0.0.1 has no public repository at this address (HTTP 404)",
    )


async def test_retry_after_is_handed_on(server: GitServer, repositories: Repositories) -> None:
    server.faults["app.git"] = Fault(429, {"Retry-After": "120"})

    with pytest.raises(errors.Transient) as raised:
        await repositories.resolve(server.address("app.git"), ["main"])

    assert isinstance(raised.value, Busy)
    assert raised.value.after is not None
    assert raised.value.after.total_seconds() == 120


async def test_a_host_that_refuses_the_connection_is_unreachable(
    server: GitServer, repositories: Repositories
) -> None:
    address = server.address("app.git")
    await server.__aexit__()

    with pytest.raises(errors.Transient) as raised:
        await repositories.resolve(address, ["main"])

    assert raised.value.reason == UNREACHABLE


async def test_endless_refs_are_cut_off(server: GitServer, repositories: Repositories) -> None:
    server.faults["app.git"] = Fault(endless=True)

    with pytest.raises(errors.EdgeError) as raised:
        await repositories.resolve(server.address("app.git"), ["main"])

    assert raised.value.reason in (REFUSED, UNREACHABLE)


async def test_a_redirect_to_an_address_that_may_be_asked_is_followed(
    server: GitServer, repositories: Repositories
) -> None:
    tip = server.repository("new.git").commit({"a": "1"})
    server.faults["old.git"] = Fault(301, {"Location": server.address("new.git") + SERVICE})

    resolved = await repositories.resolve_one(server.address("old.git"), "main")

    assert resolved == Resolved(tip, RefKind.BRANCH)


async def test_a_redirect_to_an_address_that_may_not_be_asked_is_not_followed(
    server: GitServer, transport: Transport
) -> None:
    server.repository("secret.git").commit({"a": "1"})
    server.faults["app.git"] = Fault(302, {"Location": server.address("secret.git") + SERVICE})

    # git.example.org may be asked although it is at 127.0.0.1; 127.0.0.1 itself may not.
    guard = Guard(Policy(allow=("git.example.org:*",)), _loopback)
    with pytest.raises(errors.Terminal) as raised:
        await Repositories(guard, transport).resolve(
            f"http://git.example.org:{server.port}/app.git", ["main"]
        )

    assert raised.value.reason == REFUSED
    assert [seen.path for seen in server.seen if "secret" in seen.path] == []


async def test_redirects_in_a_circle_end(server: GitServer, repositories: Repositories) -> None:
    server.faults["app.git"] = Fault(302, {"Location": server.address("app.git") + SERVICE})

    with pytest.raises(errors.Terminal) as raised:
        await repositories.resolve(server.address("app.git"), ["main"])

    assert raised.value.reason == REFUSED
    assert len(server.seen) <= 8


async def test_the_checked_ip_address_is_the_one_that_is_asked(
    server: GitServer, transport: Transport
) -> None:
    tip = server.repository("app.git").commit({"a": "1"})
    guard = Guard(Policy(allow_private=True), _loopback)

    resolved = await Repositories(guard, transport).resolve_one(
        f"http://Does-Not-Exist.example:{server.port}/app.git", "main"
    )

    assert resolved == Resolved(tip, RefKind.BRANCH)
    assert server.seen[-1].headers["Host"] == f"does-not-exist.example:{server.port}"


async def test_no_proxy_and_no_credentials_are_used_and_the_program_says_its_name(
    server: GitServer, repositories: Repositories, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.repository("app.git").commit({"a": "1"})
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")

    await repositories.resolve(server.address("app.git"), ["main"])

    assert {seen.headers["User-Agent"].split("/")[0] for seen in server.seen} == {"push-to-deploy"}
    assert [seen for seen in server.seen if "Authorization" in seen.headers] == []


async def _loopback(host: str, port: int) -> list[str]:
    return ["127.0.0.1"]
