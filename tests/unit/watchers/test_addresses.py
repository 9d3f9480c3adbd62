"""Which addresses of strangers are asked, and which never are."""

import socket
from collections.abc import Sequence
from ipaddress import ip_network

import pytest

from controller import errors
from controller.models.reasons import Reason
from watchers.git.addresses import Address, Guard, Policy, is_public, parse, system_lookup

PUBLIC = "203.0.114.7"


class Dns:
    """A resolver that answers from a table, and remembers what it was asked."""

    def __init__(self, answer: Sequence[str] | OSError) -> None:
        self.answer = answer
        self.asked: list[tuple[str, int]] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append((host, port))
        if isinstance(self.answer, OSError):
            raise self.answer
        return self.answer


@pytest.mark.parametrize(
    ("text", "url", "scheme", "host", "port"),
    [
        ("https://Git.Example.ORG/A/b.git", "https://git.example.org/A/b.git", "https", None, 443),
        ("HTTPS://git.example.org:443/a", "https://git.example.org/a", "https", None, 443),
        ("http://git.example.org./a", "http://git.example.org/a", "http", None, 80),
        ("git://git.example.org/a", "git://git.example.org/a", "git", None, 9418),
        (
            "https://git.example.org/~me/x%20y",
            "https://git.example.org/~me/x%20y",
            "https",
            None,
            443,
        ),
        (
            "https://bücher.example/a",
            "https://xn--bcher-kva.example/a",
            "https",
            "xn--bcher-kva.example",
            443,
        ),
        ("https://[2a02:ec80::1]/a", "https://[2a02:ec80::1]/a", "https", "2a02:ec80::1", 443),
        ("ssh://git.example.org/A/b", "ssh://git@git.example.org/A/b", "ssh", None, 22),
        ("ssh://me@Git.example.org:22/a", "ssh://me@git.example.org/a", "ssh", None, 22),
        ("git@Git.Example.org:A/b.git", "git@git.example.org:A/b.git", "ssh", None, 22),
        ("git@git.example.org:/a", "ssh://git@git.example.org/a", "ssh", None, 22),
        ("git@[2a02:ec80::1]:a", "git@[2a02:ec80::1]:a", "ssh", "2a02:ec80::1", 22),
    ],
)
def test_each_repository_has_one_spelling(
    text: str, url: str, scheme: str, host: str | None, port: int
) -> None:
    assert parse(text, Policy()) == Address(url, scheme, host or "git.example.org", port)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "git.example.org/a",
        "git.example.org:a/b.git",
        "git@localhost:a/b.git",
        "git@git.example.org:-a",
        "git@git.example.org::a",
        "/srv/git/a.git",
        "file:///srv/git/a.git",
        "ssh://git:secret@git.example.org/a",
        "ssh://git.example.org:2222/a",
        "ssh://-oProxyCommand=x@git.example.org/a",
        "ssh://-oProxyCommand=x/a",
        "ext::sh -c touch% /tmp/x",
        "fd::7",
        "ftp://git.example.org/a",
        "--upload-pack=touch /tmp/x",
        "-https://git.example.org/a",
        "https:///a",
        "https:git.example.org/a",
        "https://user@git.example.org/a",
        "https://user:secret@git.example.org/a",
        "https://git.example.org/a?private_token=secret",
        "https://git.example.org/a?",
        "https://git.example.org/a#b",
        "https://git.example.org/a b",
        "https://git.example.org/a\nb",
        "https://git.example.org/a\x00b",
        "https://git.example.org/a%0ab",
        "https://git.example.org/a%0D%0Ab",
        "https://git.example.org\\@127.0.0.1/a",
        "https://git.example.org/$HOME",
        "https://git.example.org/`id`",
        "https://git.example.org:8443/a",
        "https://git.example.org:notaport/a",
        "https://git.example.org:70000/a",
        "https://2130706433/a",
        "https://0x7f000001/a",
        "https://0177.0.0.1/a",
        "https://127.1/a",
        "https://1.2.3.4.5/a",
        "https://localhost/a",
        "https://foo.localhost/a",
        "https://kubernetes.default.svc.cluster.local/a",
        "https://metadata.google.internal/a",
        "https://builds/a",
        "https://[fe80::1%25eth0]/a",
        "https://[::1/a",
        "https://[2a02:ec80::1]x/a",
        "https://[v1.x]/a",
        "https://builds.builds-api.svc/a",
        "https://git.exa%6dple.org/a",
        "https://git..example.org/a",
        "https://-git.example.org/a",
        "https://" + "a" * 64 + ".example/a",
        "https://git.example.org/" + "a" * 2048,
        "https://git.example.org/\u202egit",
    ],
)
async def test_an_address_that_could_lead_elsewhere_is_refused_before_dns(text: str) -> None:
    dns = Dns([PUBLIC])

    with pytest.raises(errors.Terminal) as raised:
        await Guard(Policy(), dns).admit(text)

    assert raised.value.reason == Reason.REPOSITORY_REFUSED
    assert "secret" not in raised.value.message
    assert raised.value.hint
    assert dns.asked == []


@pytest.mark.parametrize(
    "ip",
    [
        "127.0.0.1",
        "0.0.0.0",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "169.254.169.254",
        "192.0.0.1",
        "192.0.2.1",
        "192.88.99.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.1.1.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:db8::1",
        "2002:a9fe:a9fe::",
        "3fff::1",
        "5f00::1",
        "fc00::1",
        "fd12:3456::1",
        "fe80::1",
        "fec0::1",
        "fe80::1%eth0",
        "ff02::1",
    ],
)
async def test_a_host_inside_is_refused_also_among_public_answers(ip: str) -> None:
    assert not is_public(ip)
    for answer in ([ip], [PUBLIC, ip]):
        with pytest.raises(errors.Terminal) as raised:
            await Guard(Policy(), Dns(answer)).admit("https://git.example.org/a")
        assert raised.value.reason == Reason.REPOSITORY_REFUSED


async def test_an_ip_address_in_the_url_is_checked_like_any_other() -> None:
    guard = Guard(Policy())
    for url in ("https://127.0.0.1/a", "https://[::1]/a", "https://169.254.169.254/latest"):
        with pytest.raises(errors.Terminal):
            await guard.admit(url)


async def test_a_public_host_is_pinned_to_all_its_addresses() -> None:
    dns = Dns([PUBLIC, "2a02:ec80::1", PUBLIC])

    address = await Guard(Policy(), dns).admit("https://git.example.org/a")

    assert address == Address(
        "https://git.example.org/a", "https", "git.example.org", 443, (PUBLIC, "2a02:ec80::1")
    )
    assert dns.asked == [("git.example.org", 443)]


URL = "https://git.example.org/a"
PORT = "https://git.example.org:8443/a"


@pytest.mark.parametrize(
    ("what", "policy", "url", "ip", "admitted"),
    [
        (
            "an allowed host may be private",
            Policy(allow=("git.example.org",)),
            URL,
            "10.0.0.1",
            True,
        ),
        ("a pattern allows as well", Policy(allow=("*.example.org",)), URL, "10.0.0.1", True),
        (
            "a pattern needs its dot",
            Policy(allow=("*.example.org",)),
            "https://example.org/a",
            "10.0.0.1",
            False,
        ),
        (
            "a host without port is the usual port",
            Policy(allow=("git.example.org",)),
            PORT,
            PUBLIC,
            False,
        ),
        ("a host with that port", Policy(allow=("git.example.org:8443",)), PORT, PUBLIC, True),
        ("a host with any port", Policy(allow=("git.example.org:*",)), PORT, PUBLIC, True),
        ("a denied host", Policy(deny=("git.example.org",)), URL, PUBLIC, False),
        ("allow wins over deny", Policy(allow=("git.*",), deny=("*",)), URL, PUBLIC, True),
        (
            "all but the allowed are denied",
            Policy(allow=("other.org",), deny=("*",)),
            URL,
            PUBLIC,
            False,
        ),
        (
            "the cluster's own range",
            Policy(denied_networks=(ip_network("203.0.114.0/24"),)),
            URL,
            PUBLIC,
            False,
        ),
        (
            "the same, wrapped in IPv6",
            Policy(denied_networks=(ip_network("203.0.114.0/24"),)),
            URL,
            "::ffff:203.0.114.7",
            False,
        ),
        (
            "local mode takes loopback and any port",
            Policy(allow_private=True),
            "http://localhost:8080/a",
            "127.0.0.1",
            True,
        ),
        (
            "fewer schemes",
            Policy(schemes=frozenset({"https"})),
            "http://git.example.org/a",
            PUBLIC,
            False,
        ),
    ],
)
async def test_what_the_operator_says_counts(
    what: str, policy: Policy, url: str, ip: str, *, admitted: bool
) -> None:
    guard = Guard(policy, Dns([ip]))
    if admitted:
        assert (await guard.admit(url)).ips == (ip,)
    else:
        with pytest.raises(errors.Terminal):
            await guard.admit(url)


async def test_files_are_for_local_mode_only() -> None:
    guard = Guard(Policy(allow_file=True), Dns([]))
    expected = Address("file:///srv/git/a.git", "file")

    assert await guard.admit("/srv/git/a.git") == expected
    assert await guard.admit("file:///srv/git/a.git") == expected


@pytest.mark.parametrize(
    ("answer", "kind", "reason"),
    [
        (socket.gaierror(socket.EAI_NONAME, "no"), errors.Terminal, Reason.REPOSITORY_NOT_FOUND),
        (socket.gaierror(socket.EAI_AGAIN, "no"), errors.Transient, Reason.REPOSITORY_UNREACHABLE),
        (OSError("no network"), errors.Transient, Reason.REPOSITORY_UNREACHABLE),
        ([], errors.Transient, Reason.REPOSITORY_UNREACHABLE),
    ],
)
async def test_a_host_that_dns_does_not_know_is_told_from_a_silent_dns(
    answer: Sequence[str] | OSError, kind: type[errors.EdgeError], reason: Reason
) -> None:
    with pytest.raises(kind) as raised:
        await Guard(Policy(), Dns(answer)).admit("https://git.example.org/a")

    assert raised.value.reason == reason
    assert "git.example.org" in raised.value.message


async def test_the_systems_resolver_gives_plain_addresses() -> None:
    assert await system_lookup("127.0.0.1", 80) == ["127.0.0.1"]
