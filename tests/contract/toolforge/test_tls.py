"""In production the gateway knows us by a client certificate, and we know it by its own."""

import ssl
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from controller.backends.toolforge import Gateway, connect
from controller.errors import Transient
from tests.support.toolforge.clock import EPOCH, SimulatedClock, real_clock

CLIENT = "service:components-api"


def issue(directory: Path, name: str) -> tuple[Path, Path]:
    """A self-signed certificate for a name, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = real_clock()()
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = directory / f"{name}.pem", directory / f"{name}.key"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return paths


async def _list(request: web.Request) -> web.Response:
    assert request.transport is not None
    peer = request.transport.get_extra_info("peercert")
    assert dict(name[0] for name in peer["subject"])["commonName"] == CLIENT
    assert "X-Toolforge-Tool" not in request.headers, "the gateway sets it, not we"
    return web.json_response({"builds": [], "messages": {}})


@pytest.fixture
def own(tmp_path: Path) -> Gateway:
    """What we are given: our certificate, and the gateway's authority."""
    certificate, key = issue(tmp_path, CLIENT)
    authority, _ = issue(tmp_path, "gateway")
    return Gateway(certificate=certificate, key=key, authority=authority)


async def served(own: Gateway, tmp_path: Path) -> TestServer:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=own.certificate)
    context.load_cert_chain(tmp_path / "gateway.pem", tmp_path / "gateway.key")
    context.verify_mode = ssl.CERT_REQUIRED
    app = web.Application()
    app.add_routes([web.get("/builds/v1/tool/demo/builds", _list)])
    server = TestServer(app, host="localhost", scheme="https")
    await server.start_server(ssl=context)
    return server


async def test_both_sides_know_each_other(own: Gateway, tmp_path: Path) -> None:
    server = await served(own, tmp_path)
    gateway = replace(own, url=str(server.make_url("/")))
    async with server, connect(gateway, SimulatedClock(EPOCH)) as backend:
        assert list(await backend.builds.list("demo")) == []


@pytest.mark.parametrize(
    "without", [{"authority": None}, {"certificate": None, "key": None}], ids=["ours", "theirs"]
)
async def test_a_side_that_cannot_be_known_ends_it(
    own: Gateway, tmp_path: Path, without: dict[str, None]
) -> None:
    server = await served(own, tmp_path)
    gateway = replace(own, url=str(server.make_url("/")), **without)  # type: ignore[arg-type]
    async with server, connect(gateway, SimulatedClock(EPOCH)) as backend:
        with pytest.raises(Transient, match="builds-api cannot be reached"):
            await backend.builds.list("demo")
