"""What the overlays of manifests/ come to, by the real `kubectl kustomize`."""

import subprocess
from functools import cache
from typing import Any

import yaml

from tests.gate import environment, kubectl

Object = dict[str, Any]

OVERLAYS = tuple(
    sorted(path.parent.name for path in environment.ROOT.glob("manifests/overlays/*/kustom*.yaml"))
)


@cache
def text(overlay: str) -> str:
    """The manifests of an overlay, as they are applied."""
    folder = environment.ROOT / "manifests" / "overlays" / overlay
    command = (str(kubectl.find()), "kustomize", str(folder))
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=50)
    assert done.returncode == 0, done.stderr
    return done.stdout


def objects(overlay: str, *kinds: str) -> list[Object]:
    """The objects of an overlay, of the named kinds or of all."""
    return [
        each for each in yaml.safe_load_all(text(overlay)) if not kinds or each["kind"] in kinds
    ]


def named(overlay: str, kind: str, name: str) -> Object:
    """One object of an overlay."""
    (found,) = (o for o in objects(overlay, kind) if o["metadata"]["name"] == name)
    return found
