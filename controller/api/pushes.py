"""What git hosts send to a webhook: the proof that they know the secret, and what was pushed.

Pure; used by `webhooks`. GitHub, Gitea, Forgejo, Gogs, Bitbucket and whoever calls with curl sign
the body with HMAC-SHA256; GitLab sends the secret itself.
"""

import hashlib
import hmac
import json
from collections.abc import Mapping
from urllib.parse import parse_qs

from controller.models.lookups import Push, push_of

GITLAB_TOKEN = "X-Gitlab-Token"
_SIGNATURES = {
    "X-Hub-Signature-256": "sha256=",
    "X-Forgejo-Signature": "",
    "X-Gitea-Signature": "",
    "X-Gogs-Signature": "",
    "X-Hub-Signature": "sha256=",  # Bitbucket; GitHub's is SHA-1 and never comes alone
}
PROOFS = (*_SIGNATURES, GITLAB_TOKEN)
"""The headers that may hold a proof."""


def proves(headers: Mapping[str, str], body: bytes, secret: bytes) -> bool:
    """Whether the sender knows the secret; the first header of PROOFS that is there counts."""
    wanted = hmac.new(secret, body, hashlib.sha256).hexdigest()
    for name, prefix in _SIGNATURES.items():
        if name in headers:
            return hmac.compare_digest(_bytes(prefix + wanted), _bytes(headers[name]))
    return hmac.compare_digest(secret, _bytes(headers.get(GITLAB_TOKEN, "")))


def is_signed(headers: Mapping[str, str]) -> bool:
    """Whether the proof is a signature, so that only the body tells whether it is right."""
    return any(name in headers for name in _SIGNATURES)


def pushed(body: bytes) -> Push:
    """The push that the body tells of, if it tells of one that can be understood."""
    try:
        if body.startswith(b"payload="):  # a form, where the hook was not set to JSON
            body = parse_qs(body.decode(), max_num_fields=10)["payload"][0].encode()
        told = json.loads(body)
    except (ValueError, KeyError, RecursionError):
        return Push()
    return push_of(told.get("ref"), told.get("after")) if isinstance(told, dict) else Push()


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "replace")
