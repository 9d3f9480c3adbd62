"""The expiry that is shown is that of the certificate which the settings name."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from controller.app import certificates
from controller.settings import Settings

EXPIRY = datetime(2031, 5, 1, 12, tzinfo=UTC)


def certificate(expiry: datetime) -> bytes:
    """A certificate in PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "service:push-to-deploy")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(expiry - timedelta(days=90))
        .not_valid_after(expiry)
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM)


def test_of_a_chain_the_first_is_ours(tmp_path: Path) -> None:
    path = tmp_path / "tls.crt"
    path.write_bytes(certificate(EXPIRY) + certificate(EXPIRY + timedelta(days=900)))
    settings = Settings(toolforge_certificate=path, toolforge_key=path)
    assert certificates.expiries(settings) == {"gateway": EXPIRY.timestamp()}


def test_without_certificates_nothing_is_shown() -> None:
    assert certificates.expiries(Settings()) == {}


def test_a_file_that_holds_none_is_a_mistake(tmp_path: Path) -> None:
    path = tmp_path / "tls.crt"
    path.write_text("no certificate")
    with pytest.raises(OSError, match="holds no certificate"):
        certificates.expiries(Settings(toolforge_certificate=path))
