"""The bearer token of the embedded control plane, and the kubeconfig that names it.

Both are files that only their owner can read. The token stays the same over restarts, so that a
kubeconfig stays good. Called by `server`.
"""

import base64
import os
import pathlib
import secrets
import tempfile

import yaml


def token_of(path: pathlib.Path) -> str:
    """The token in a file; a new one is made when the file is missing or empty."""
    if path.exists():
        text = path.read_text().strip()
        if text:
            path.chmod(0o600)
            return text
    text = secrets.token_urlsafe(32)
    write_private(path, text + "\n")
    return text


def write_private(path: pathlib.Path, text: str) -> None:
    """Replace a file at once, mode 0600 from its first byte."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        pathlib.Path(name).replace(path)
    except BaseException:
        pathlib.Path(name).unlink(missing_ok=True)
        raise


def render(url: str, authority: str, token: str, namespace: str) -> str:
    """The text of a kubeconfig with one context; `authority` is a certificate in PEM."""
    cluster = {
        "server": url,
        "certificate-authority-data": base64.b64encode(authority.encode()).decode(),
    }
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "ptd-local",
            "clusters": [{"name": "ptd-local", "cluster": cluster}],
            "users": [{"name": "ptd-local", "user": {"token": token}}],
            "contexts": [
                {
                    "name": "ptd-local",
                    "context": {
                        "cluster": "ptd-local",
                        "user": "ptd-local",
                        "namespace": namespace,
                    },
                }
            ],
        },
        sort_keys=False,
    )
