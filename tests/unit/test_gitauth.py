"""Keys lie in folders that go with their process, or at the next start if it was killed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from controller import gitauth
from controller.models.credentials import Credential, SshKey, Target

HOST = Target("ssh", "git.example.org", 22)
KEY = Credential("mine", ("git.example.org",), SshKey("private", "known"))
HOLDS_A_KEY = """
import signal
from pathlib import Path
from controller import gitauth
from controller.models.credentials import Credential, SshKey, Target

login = Credential("mine", ("git.example.org",), SshKey("private", "known"))
with gitauth.given(login, Target("ssh", "git.example.org", 22)):
    print("ready", flush=True)
    signal.pause()
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files are."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def test_a_key_is_there_for_as_long_as_it_is_given(folder: Path) -> None:
    with gitauth.given(KEY, HOST):
        (made,) = folder.iterdir()
        assert {file.name: file.read_text() for file in made.iterdir()} == {
            "key": "private",
            "known_hosts": "known",
        }
        assert (made.stat().st_mode & 0o777, (made / "key").stat().st_mode & 0o777) == (
            0o700,
            0o600,
        )
        assert gitauth.sweep() == 0
        assert (made / "key").exists()
    assert list(folder.iterdir()) == []


def test_what_a_killed_process_left_is_removed_and_what_a_living_one_has_is_not(
    folder: Path,
) -> None:
    killed, living = (
        subprocess.Popen(
            [sys.executable, "-c", HOLDS_A_KEY],
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[2],
            env={"TMPDIR": str(folder), "PATH": os.defpath},
        )
        for _ in range(2)
    )
    try:
        for process in (killed, living):
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        assert len(list(folder.iterdir())) == 2
        assert (gitauth.sweep(), gitauth.sweep()) == (1, 0)
        (left,) = folder.iterdir()
        assert (left / "key").read_text() == "private"
    finally:
        for process in (killed, living):
            process.kill()
            process.communicate()
    assert gitauth.sweep() == 1


def test_only_folders_of_our_own_making_are_removed(folder: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "kept").touch()
    (folder / "ptd-git-link").symlink_to(elsewhere)
    (folder / "ptd-git-file").touch()
    (folder / "other-git-x").mkdir()
    before = sorted(folder.iterdir())
    assert gitauth.sweep() == 0
    assert sorted(folder.iterdir()) == before
    assert (elsewhere / "kept").exists()


def test_another_users_folder_stays(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "ptd-git-x").mkdir()
    monkeypatch.setattr(os, "getuid", lambda: folder.stat().st_uid + 1)
    assert gitauth.sweep() == 0
    assert (folder / "ptd-git-x").is_dir()
