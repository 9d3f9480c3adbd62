"""The certificate of the HTTPS listener: made once, for loopback, signed by itself.

kubectl sends a token over TLS only, so the embedded control plane needs a certificate although it
never leaves the machine. Kubeconfigs carry it as their authority. Called by `server`.
"""

import datetime
import ipaddress
import pathlib
import ssl

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from controller.local import kubeconfig

LIFETIME = datetime.timedelta(days=3650)
RENEWED = datetime.timedelta(days=30)
"""A certificate is made anew when it is good for less than this."""


def context(path: pathlib.Path, now: datetime.datetime) -> tuple[ssl.SSLContext, str]:
    """The server's TLS settings, and the certificate in PEM; the file is made when needed."""
    if not _is_good(path, now):
        kubeconfig.write_private(path, _made(now))
    found = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    found.load_cert_chain(path)
    certificate = x509.load_pem_x509_certificate(_part(path.read_text(), "CERTIFICATE").encode())
    return found, certificate.public_bytes(serialization.Encoding.PEM).decode()


def _is_good(path: pathlib.Path, now: datetime.datetime) -> bool:
    if not path.exists():
        return False
    try:
        found = x509.load_pem_x509_certificate(_part(path.read_text(), "CERTIFICATE").encode())
    except ValueError:
        return False
    return found.not_valid_after_utc - RENEWED > now >= found.not_valid_before_utc


def _part(text: str, name: str) -> str:
    begin, end = f"-----BEGIN {name}-----", f"-----END {name}-----"
    return begin + text.partition(begin)[2].partition(end)[0] + end + "\n"


def _made(now: datetime.datetime) -> str:
    """A new key and its certificate, in one PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ptd local")])
    public = key.public_key()
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + LIFETIME)
    )
    for extension, critical in _extensions(public):
        builder = builder.add_extension(extension, critical=critical)
    certificate = builder.sign(key, hashes.SHA256())
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return (private + certificate.public_bytes(serialization.Encoding.PEM)).decode()


def _extensions(public: ec.EllipticCurvePublicKey) -> list[tuple[x509.ExtensionType, bool]]:
    loopback = [ipaddress.ip_address("127.0.0.1"), ipaddress.ip_address("::1")]
    names = [x509.DNSName("localhost"), *map(x509.IPAddress, loopback)]
    usage = dict.fromkeys(
        (
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "crl_sign",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )
    return [
        (x509.BasicConstraints(ca=True, path_length=0), True),
        (x509.KeyUsage(digital_signature=True, key_cert_sign=True, **usage), True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
        (x509.SubjectAlternativeName(names), False),
        (x509.SubjectKeyIdentifier.from_public_key(public), False),
    ]
