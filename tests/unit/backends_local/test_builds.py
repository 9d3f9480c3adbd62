"""Builds of real commits: what is found, what it becomes, what stops it."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from controller.backends import base
from controller.backends.local import images
from controller.backends.local.backend import LocalBackend
from controller.backends.local.layout import Layout
from controller.backends.local.settings import BuildLimits
from controller.models.toolconfig import ContinuousRun
from tests.support import localbackend
from tests.support.gitrepo import BareRepository
from tests.unit.backends_local.site import TOOL, Site, is_up, job_that, until

# A build backend without dependencies, so that pip needs no network.
PLAIN_BACKEND = """
import zipfile
def build_wheel(directory, config_settings=None, metadata_directory=None):
    name = "greeting-1.0-py3-none-any.whl"
    info = "greeting-1.0.dist-info/"
    files = {
        "greeting.py": "def main(): print('good day')",
        info + "METADATA": "Metadata-Version: 2.1\\nName: greeting\\nVersion: 1.0\\n",
        info + "WHEEL": "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
        info + "entry_points.txt": "[console_scripts]\\ngreet = greeting:main\\n",
    }
    with zipfile.ZipFile(f"{directory}/{name}", "w") as wheel:
        for path, text in files.items():
            wheel.writestr(path, text)
        record = "".join(f"{path},,\\n" for path in files)
        wheel.writestr(info + "RECORD", record)
    return name
"""
PACKAGE = {
    "greeting/pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "plain"\n'
    'backend-path = ["."]\n',
    "greeting/plain.py": PLAIN_BACKEND,
    "requirements.txt": "./greeting\n",
}


class Source:
    """A repository, and builds of it."""

    def __init__(self, path: Path) -> None:
        self.repository = BareRepository.create(path)

    def request(self, files: Mapping[str, str], deployment: str = "first") -> base.BuildRequest:
        return base.BuildRequest(
            component="web",
            repository=self.repository.path.as_uri(),
            ref="main",
            commit=self.repository.commit(files),
            options=base.BuildOptions(),
            deployment=deployment,
        )


@pytest.fixture
def source(tmp_path: Path) -> Source:
    return Source(tmp_path / "repository.git")


@asynccontextmanager
async def limited(root: Path, **limits: object) -> AsyncIterator[LocalBackend]:
    builds = replace(localbackend.QUICK.builds, **limits)  # type: ignore[arg-type]
    settings = replace(localbackend.QUICK, builds=builds)
    async with LocalBackend(root, settings, localbackend.now) as local:
        yield local


async def built(local: LocalBackend, request: base.BuildRequest) -> base.Build:
    started = await local.builds.start(TOOL, request)

    async def ended() -> base.Build | None:
        found = await local.builds.list(TOOL)
        return next((b for b in found if b.id == started.id and not b.state.live), None)

    return await until(ended)


async def log_of(local: LocalBackend, build: base.Build) -> list[str]:
    return [line.partition(" ")[2] async for line in local.builds.log(TOOL, build.id)]


async def test_a_requirements_file_becomes_a_virtual_environment_that_runs(
    site: Site, local: LocalBackend, source: Source
) -> None:
    build = await built(local, source.request({**PACKAGE, "Procfile": "hello: greet; sleep 99"}))
    assert (build.state, build.message) == (base.BuildState.SUCCESSFUL, "")
    assert build.image is not None
    spec = base.JobSpec("web", build.image, ContinuousRun(command="hello"))
    await local.jobs.apply(TOOL, spec)

    async def greeted() -> bool | None:
        return any(["good day" in line async for line in local.jobs.log(TOOL, "web")]) or None

    assert await until(greeted)


async def test_equal_content_of_another_commit_is_the_same_image(
    local: LocalBackend, source: Source
) -> None:
    first = await built(local, source.request({"requirements.txt": ""}))
    second = await built(local, source.request({"requirements.txt": ""}))
    other = await built(local, source.request({"README": "hello"}))
    assert first.commit != second.commit
    assert first.image == second.image != other.image
    assert "The result is the same as an earlier build's" in await log_of(local, second)


async def test_an_image_cannot_be_written(site: Site, local: LocalBackend, source: Source) -> None:
    build = await built(local, source.request({"requirements.txt": "", "a/b": "c"}))
    image = images.find(Layout(site.root), build.image or "")
    assert image is not None
    writable = [path for path in image.tree.rglob("*") if path.lstat().st_mode & 0o222]
    assert [path for path in writable if not path.is_symlink()] == []


async def test_npm_of_the_machine_installs_what_package_json_names(
    site: Site, local: LocalBackend, source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(tmp_path, monkeypatch, 'mkdir -p node_modules/.bin; echo "$@" > node_modules/did')
    build = await built(local, source.request({"package.json": json.dumps({"name": "x"})}))
    image = images.find(Layout(site.root), build.image or "")
    assert image is not None
    did = (image.app / "node_modules" / "did").read_text()
    assert did == "install --no-audit --no-fund\n"
    assert image.app / "node_modules" / ".bin" in image.paths


async def test_a_step_that_fails_fails_the_build_with_its_last_words(
    site: Site,
    local: LocalBackend,
    source: Source,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stand_in(tmp_path, monkeypatch, "echo no such package | tee $TMPDIR/left; exit 5")
    build = await built(local, source.request({"package.json": "{}"}))
    assert build.state is base.BuildState.FAILED
    assert build.message == "running npm install failed with code 5"
    assert build.log_tail[-2:] == ("no such package", f"build failed: {build.message}")
    assert list(site.root.glob("tools/*/builds/*/home")) == []


def stand_in(directory: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Put a program `npm` in front of the PATH."""
    program = directory / "bin" / "npm"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda r: replace(r, commit="0" * 40),
            "the history of main does not hold commit {commit} of {repository}; "
            "push it, or deploy what main holds now",
        ),
        (
            lambda r: replace(r, repository="file:///nowhere/x.git"),
            "could not fetch {commit} of {repository}: '/nowhere/x.git' does not appear to be a "
            "git repository",
        ),
        (
            lambda r: replace(r, repository="ext::sh -c 'touch /tmp/broken'"),
            "could not fetch {commit} of {repository}: transport 'ext' not allowed",
        ),
        (lambda r: replace(r, commit="--upload-pack=x"), "{commit!r} is not a full commit id"),
        (
            lambda r: replace(r, commit="0" * 40, ref="--upload-pack=x"),
            "could not fetch {commit} of {repository}: ",
        ),
    ],
)
async def test_what_cannot_be_fetched_says_why(
    local: LocalBackend,
    source: Source,
    change: Callable[[base.BuildRequest], base.BuildRequest],
    message: str,
) -> None:
    request = change(source.request({"README": "hello"}))
    build = await built(local, request)
    expected = message.format(commit=request.commit, repository=request.repository)
    assert build.state is base.BuildState.FAILED
    assert build.message.startswith(expected)


async def test_a_commit_that_only_the_history_of_the_ref_holds_is_built(
    local: LocalBackend, source: Source
) -> None:
    request = source.request({"README": "first"})
    source.repository.commit({"README": "second"})
    build = await built(local, request)
    assert build.state is base.BuildState.SUCCESSFUL


async def test_a_build_that_takes_too_long_is_stopped(
    site: Site, source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(tmp_path, monkeypatch, "sleep 1000")
    request = source.request({"package.json": "{}"})
    async with limited(site.root, timeout=localbackend.seconds(1)) as local:
        build = await built(local, request)
    assert build.state is base.BuildState.TIMED_OUT
    assert build.message == "the build took longer than 1 s and was stopped"
    assert build.log_tail[-1] == "[the build took longer than 1 s and was stopped]"
    assert list(site.root.glob("tools/*/builds/*/home")) == []


async def test_an_image_that_is_too_large_fails(site: Site, source: Source) -> None:
    request = source.request({"big": "x" * 3_000_000})
    async with limited(site.root, image_bytes=2**20) as local:
        build = await built(local, request)
    assert (build.state, build.message) == (
        base.BuildState.FAILED,
        "the image has 2 MiB, and may have 1 MiB",
    )
    assert list((site.root / "trees").glob("*/app/big")) == []


async def test_builds_are_known_to_the_next_ptd(site: Site, source: Source) -> None:
    request = source.request({"README": "hello"})
    async with site.backend() as local:
        before = await built(local, request)
    async with site.backend() as local:
        assert list(await local.builds.list(TOOL)) == [before]
        assert (await local.builds.start(TOOL, request)) == before


async def test_a_build_that_ptd_stopped_begins_again(
    site: Site, source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = tmp_path / "gate"
    stand_in(tmp_path, monkeypatch, f"echo waits; while ! test -e {gate}; do sleep 0.05; done")
    request = source.request({"package.json": "{}"})
    async with site.backend() as local:
        started = await local.builds.start(TOOL, request)
        async for line in local.builds.log(TOOL, started.id, follow=True):
            if "waits" in line:
                break
    gate.write_text("")
    async with site.backend() as local:
        build = await built(local, request)
        log = await log_of(local, build)
    assert (build.id, build.state) == (started.id, base.BuildState.SUCCESSFUL)
    assert log.count("[the build ended before it was done, and begins again]") == 1
    assert [line for line in log if line.startswith("Fetching ")] == [log[0], log[4]]


async def test_what_nobody_needs_is_removed_and_what_a_job_runs_is_not(
    site: Site, source: Source
) -> None:
    limits = BuildLimits(keep=1, collect_after=localbackend.seconds(0.2))
    settings = replace(localbackend.QUICK, builds=limits)
    async with LocalBackend(site.root, settings, localbackend.now) as local:
        made = [await built(local, source.request({"number": "0"}))]
        spec = base.JobSpec("web", made[0].image or "", ContinuousRun(command="sleep 1000"))
        await local.jobs.apply(TOOL, spec)
        await job_that(local, is_up)
        made += [await built(local, source.request({"number": str(n)})) for n in (1, 2)]

        async def collected() -> bool | None:
            return len(list((site.root / "trees").iterdir())) == 2 or None

        assert await until(collected)
        left = {link.name for link in (site.root / "images").iterdir()}
        assert left == {images.digest_of(made[number].image or "") for number in (0, 2)}
        known = {build.id for build in await local.builds.list(TOOL)}
        assert known == {made[0].id, made[2].id}


async def test_downloads_that_have_become_too_many_are_thrown_away(
    site: Site, source: Source
) -> None:
    cache = site.root / "cache" / "pip" / "http"
    cache.mkdir(parents=True)
    few, many = cache / "few", cache / "many"
    few.write_bytes(b"x" * 90_000)
    limits = BuildLimits(cache_bytes=100_000, collect_after=localbackend.seconds(0.05))
    settings = replace(localbackend.QUICK, builds=limits)
    async with LocalBackend(site.root, settings, localbackend.now) as local:
        await built(local, source.request({"number": "1"}))
        await asyncio.sleep(0.3)
        assert few.exists()
        many.write_bytes(b"x" * 90_000)
        await built(local, source.request({"number": "2"}))

        async def collected() -> bool | None:
            return not few.exists() or None

        assert await until(collected)
        assert (site.root / "cache").is_dir()


async def test_a_followed_log_ends_with_the_build(local: LocalBackend, source: Source) -> None:
    started = await local.builds.start(TOOL, source.request({"README": "hello"}))
    lines = [line async for line in local.builds.log(TOOL, started.id, follow=True)]
    [build] = await local.builds.list(TOOL)
    assert build.state is base.BuildState.SUCCESSFUL
    assert lines[-1].partition(" ")[2] == f"Built sha256:{images.digest_of(build.image or '')}"
