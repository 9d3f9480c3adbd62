"""From settings to what is started: words, environment, limits."""

from pathlib import Path

import pytest

from controller.backends.local import launch
from controller.backends.local.images import Image

IMAGE = Image(Path("/image"), {"web": "serve --port $PORT"})


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("web", ("/bin/sh", "-c", "serve --port $PORT")),
        ("./serve --name 'a b'", ("./serve", "--name", "a b")),
        ("./serve -b :$PORT ${PORT}x", ("./serve", "-b", ":8000", "8000x")),
        ("echo $HOME_PAGE $5 100%", ("echo", "$HOME_PAGE", "$5", "100%")),
        ("bash -c 'echo $PORT; true'", ("bash", "-c", "echo 8000; true")),
        ("sh -c 'kill $$'", ("sh", "-c", "kill $$")),
        ("web --extra", ("web", "--extra")),
        ("say 'open", ("say", "'open")),
        ("", ("",)),
    ],
)
def test_a_command_becomes_words(command: str, words: tuple[str, ...]) -> None:
    assert launch.arguments(command, IMAGE, {"PORT": "8000"}) == words


@pytest.mark.parametrize(
    ("memory", "limits"),
    [
        (None, {}),
        ("", {}),
        ("much", {}),
        ("64Mi", {"RLIMIT_DATA": 256 * 2**20}),
        ("512Mi", {"RLIMIT_DATA": 2**30}),
        ("0.5Gi", {"RLIMIT_DATA": 2**30}),
        ("1G", {"RLIMIT_DATA": 2 * 10**9}),
        ("1000000000", {"RLIMIT_DATA": 2 * 10**9}),
    ],
)
def test_a_memory_setting_is_a_wide_limit(memory: str | None, limits: dict[str, int]) -> None:
    assert launch.limits(memory) == limits


def test_a_component_sees_little_of_our_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in launch.passed_on({"PATH": "", "LANG": "", "LC_ALL": "", "TZ": ""}):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", "/bin")
    monkeypatch.setenv("DEPLOY_TOKEN", "secret")
    (tmp_path / "venv" / "bin").mkdir(parents=True)
    seen = launch.environment(Image(tmp_path), Path("/data"), 8000)
    proxies = {name for name in seen if name.lower().endswith("_proxy") or name == "SSL_CERT_FILE"}
    assert {name: value for name, value in seen.items() if name not in proxies} == {
        "PATH": f"{tmp_path}/venv/bin:/bin",
        "HOME": "/data",
        "TOOL_DATA_DIR": "/data",
        "VIRTUAL_ENV": f"{tmp_path}/venv",
        "PYTHONUNBUFFERED": "1",
        "PORT": "8000",
    }
