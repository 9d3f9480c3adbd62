"""Finds Prometheus and promtool for the tests, or unpacks them from Debian's package.

Called by the gate and by the tests' fixtures; uses only the standard library. The package is
downloaded and unpacked below .tools, not installed: no service is started, nothing of the machine
changes. On a machine that is no Debian, install Prometheus, or name its folder in PTD_PROMETHEUS.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.gate import environment

VARIABLE = "PTD_PROMETHEUS"
PACKAGE = "prometheus"
_UNPACKED = environment.ROOT / ".tools" / "prometheus"
_BIN = Path("usr/bin")
_HINT = f"run `make setup` on Debian, or name the folder of both programs in {VARIABLE}"


class PrometheusMissing(Exception):
    """There is no Prometheus to test with; the text says how to get one."""


def find(program: str, unpacked: Path = _UNPACKED) -> Path:
    """The program ("promtool" or "prometheus"): of PTD_PROMETHEUS, the machine's, or `fetch`ed.

    Raises `PrometheusMissing` when there is none.
    """
    named = os.environ.get(VARIABLE)
    if named:
        return Path(named) / program
    for candidate in (shutil.which(program), unpacked / _BIN / program):
        if candidate is not None and Path(candidate).is_file():
            return Path(candidate)
    raise PrometheusMissing(f"no {program}: {_HINT}")


def fetch(target: Path = _UNPACKED) -> None:
    """Download Debian's package and unpack it to `target`. Raises `PrometheusMissing`."""
    apt, dpkg = shutil.which("apt-get"), shutil.which("dpkg-deb")
    if apt is None or dpkg is None:
        raise PrometheusMissing(f"no apt-get and dpkg-deb to bring Prometheus with: {_HINT}")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)  # apt gives up its rights while it downloads
        download = (apt, "-qq", "download", PACKAGE)
        if not _ran(download, folder):
            # A bare machine knows no packages yet.
            _ran((apt, "-qq", "update"), folder)
            if not _ran(download, folder):
                raise PrometheusMissing(f"apt-get cannot download {PACKAGE}: {_HINT}")
        (package,) = Path(folder).glob("*.deb")
        partial = target.with_suffix(".partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run((dpkg, "--extract", str(package), str(partial)), check=True)
    shutil.rmtree(target, ignore_errors=True)
    partial.replace(target)


def _ran(command: tuple[str, ...], folder: str) -> bool:
    # What apt warns of (it may not give up its rights) is no news for who sets up.
    done = subprocess.run(command, check=False, cwd=folder, stderr=subprocess.DEVNULL)
    return done.returncode == 0


def main() -> int:
    """Bring both where they are missing; the tests that need them say so when that fails."""
    try:
        for program in ("promtool", "prometheus"):
            find(program)
    except PrometheusMissing:
        try:
            fetch()
        except PrometheusMissing as missing:
            print(f"the tests of alerts will fail: {missing}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
