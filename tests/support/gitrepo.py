"""Bare git repositories for tests: commits, tags, branches and what goes wrong with them.

Each call is one git process (`fast-import` writes a commit without a working tree). Used by tests
directly and through `githttp`, which serves them. No HTTP here.
"""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_ENVIRONMENT = {
    "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
    "HOME": "/nonexistent",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
}
_WHO = b"Ada <ada@example.org> 1750000000 +0000"


@dataclass(frozen=True, slots=True)
class BareRepository:
    """A bare repository on disk."""

    path: Path

    @classmethod
    def create(cls, path: Path, branch: str = "main") -> "BareRepository":
        """A new, empty repository that may be pushed to over HTTP."""
        path.mkdir(parents=True)
        repository = cls(path)
        repository._git("init", "-q", "--bare", f"--initial-branch={branch}", ".")
        repository._git("config", "http.receivepack", "true")
        return repository

    def commit(
        self,
        files: Mapping[str, str],
        branch: str = "main",
        message: str = "Change something",
        *,
        orphan: bool = False,
    ) -> str:
        """Add a commit with these files to the branch and return its id.

        With `orphan` the branch forgets its history, as a force push can make it do.
        """
        ref = f"refs/heads/{branch}"
        parent = "" if orphan else self.ref(ref)
        lines = [f"commit {ref}".encode(), b"committer " + _WHO, *_data(message)]
        if parent:
            lines.append(f"from {parent}".encode())
        for name, content in files.items():
            lines += [f"M 100644 inline {name}".encode(), *_data(content)]
        if orphan:
            self.delete_ref(ref)
        self._git("fast-import", "--quiet", "--force", stdin=b"\n".join(lines) + b"\n")
        return self.ref(ref)

    def tag(self, name: str, commit: str, *, annotated: bool = False) -> None:
        """Set a tag (or move it): a plain ref, or a tag object that points at the object."""
        if annotated:
            self._git(
                *("-c", "user.name=Ada", "-c", "user.email=ada@example.org"),
                *("tag", "--force", "--annotate", "--message", f"Release {name}", name, commit),
            )
        else:
            self.set_ref(f"refs/tags/{name}", commit)

    def ref(self, name: str) -> str:
        """What a ref of this full name holds, or "" where there is none."""
        listed = self._git("for-each-ref", "--format=%(refname) %(objectname)", name)
        return dict(line.split() for line in listed.splitlines()).get(name, "")

    def set_ref(self, name: str, commit: str) -> None:
        """Make a ref of this full name hold the commit."""
        self._git("update-ref", name, commit)

    def set_refs(self, refs: Mapping[str, str]) -> None:
        """Many new refs at once (full name → commit), packed."""
        lines = "".join(f"create {name} {commit}\n" for name, commit in refs.items())
        self._git("update-ref", "--stdin", stdin=lines.encode())
        self._git("pack-refs", "--all")

    def pack_many(self, refs: Mapping[str, str]) -> None:
        """Very many refs in an instant (full name → commit), beside those that are loose."""
        lines = sorted(f"{name} {commit}" for name, commit in refs.items())
        swapped = (line.split(" ") for line in lines)
        text = "".join(f"{commit} {name}\n" for name, commit in swapped)
        header = "# pack-refs with: peeled fully-peeled sorted \n"
        (self.path / "packed-refs").write_text(header + text)

    def delete_ref(self, name: str) -> None:
        """Remove a ref of this full name."""
        self._git("update-ref", "-d", name)

    def set_default_branch(self, branch: str) -> None:
        """Point HEAD at the branch."""
        self._git("symbolic-ref", "HEAD", f"refs/heads/{branch}")

    def _git(self, *arguments: str, stdin: bytes = b"") -> str:
        ended = subprocess.run(
            ["git", *arguments],
            cwd=self.path,
            env=_ENVIRONMENT,
            input=stdin,
            capture_output=True,
            check=False,
        )
        if ended.returncode:
            raise RuntimeError(f"git {arguments[0]}: {ended.stderr.decode()}")
        return ended.stdout.decode()


def _data(text: str) -> list[bytes]:
    content = text.encode()
    return [f"data {len(content)}".encode(), content]
