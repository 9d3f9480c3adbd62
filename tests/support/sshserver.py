"""A real OpenSSH server on loopback, run by whoever runs the tests, that serves git and no shell.

One server knows one user key; what it serves is any repository of this machine, by its path.
"""

import getpass
import os
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from tests.support.gitrepo import BareRepository

_CONFIG = """\
ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/authorized_keys
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
AcceptEnv GIT_PROTOCOL
X11Forwarding no
LogLevel VERBOSE
"""
_FORCED = 'restrict,command="git-shell -c \\"$SSH_ORIGINAL_COMMAND\\"" '
_SEPARATION = Path("/run/sshd")


@dataclass
class SshServer:
    """Use it as a context manager; everything it writes is in `folder`."""

    folder: Path
    port: int = 0
    process: "subprocess.Popen[bytes] | None" = None
    repositories: Path = field(init=False)

    def __post_init__(self) -> None:
        self.repositories = self.folder / "repositories"

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.make_key("host_key")
        self.make_key("user_key")
        self.let_in((self.folder / "user_key.pub").read_text())
        if os.geteuid() == 0:
            _SEPARATION.mkdir(mode=0o755, exist_ok=True)  # a package's service would make it
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        (self.folder / "config").write_text(_CONFIG.format(port=self.port, folder=self.folder))
        program = shutil.which("sshd", path=f"{os.defpath}:/usr/sbin:/usr/local/sbin")
        assert program, "sshd is missing: .ci/debian-packages names the package"
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [program, "-D", "-e", "-f", str(self.folder / "config")],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        until = time.monotonic() + 10
        while not self._answers():
            assert self.process.poll() is None, self.log()
            assert time.monotonic() < until, self.log()
            time.sleep(0.01)

    def stop(self) -> None:
        """End it."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait()

    def let_in(self, public_key: str) -> None:
        """Serve whoever has the private half."""
        with (self.folder / "authorized_keys").open("a") as keys:
            keys.write(_FORCED + public_key)

    def make_key(self, name: str, passphrase: str = "") -> str:
        """A new private key in the folder, as text."""
        path = self.folder / name
        path.unlink(missing_ok=True)
        path.with_name(f"{name}.pub").unlink(missing_ok=True)
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-C", name, "-f", str(path)],
            check=True,
        )
        return path.read_text()

    @property
    def user_key(self) -> str:
        """The private key that is let in."""
        return (self.folder / "user_key").read_text()

    @property
    def known_hosts(self) -> str:
        """The line by which the server is known now."""
        kind, key, *_ = (self.folder / "host_key.pub").read_text().split()
        return f"[127.0.0.1]:{self.port} {kind} {key}\n"

    def repository(self, name: str, branch: str = "main") -> BareRepository:
        """A new, empty repository, served at `address(name)`."""
        return BareRepository.create(self.repositories / name, branch)

    def address(self, name: str) -> str:
        """Where a repository is served."""
        path = (self.repositories / name).resolve()
        return f"ssh://{getpass.getuser()}@127.0.0.1:{self.port}{path}"

    def log(self) -> str:
        """What it said."""
        return (self.folder / "log").read_text()

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0
