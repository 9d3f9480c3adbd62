"""When the certificates expire that a process identifies itself with, for its metrics.

Called by the composition roots, once: what a process has loaded is what it uses until it ends, even
if the file is renewed meanwhile.
"""

from collections.abc import Mapping
from pathlib import Path

from cryptography import x509

from controller.settings import Settings


def expiries(settings: Settings) -> Mapping[str, float]:
    """Unix times by our names of the certificates that the settings name.

    Raises OSError for a file that cannot be read or holds no certificate.
    """
    named = {"gateway": settings.toolforge_certificate, "api": settings.api_certificate}
    return {name: _expiry(path) for name, path in named.items() if path is not None}


def _expiry(path: Path) -> float:
    try:
        chain = x509.load_pem_x509_certificates(path.read_bytes())
    except ValueError as error:
        raise OSError(f"{path} holds no certificate (PEM): {error}") from error
    return chain[0].not_valid_after_utc.timestamp()  # the first of a chain is our own
