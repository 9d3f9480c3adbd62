"""The build service of this machine: `base.Builds`, one shim with one builder per build.

Used through `backend.LocalBackend`. Knows which builds there are, and how many may go at a time;
each build looks after itself. A build exists when its build.json does.
"""

import asyncio
import hashlib
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta

from controller import errors
from controller.backends import base
from controller.backends.local import files, images, logs, records
from controller.backends.local.build import LOG, LocalBuild
from controller.backends.local.layout import check_name
from controller.backends.local.machine import Machine
from controller.models.reasons import Reason

_AFTER = timedelta(seconds=2)


class LocalBuilds:
    """Implements `base.Builds`."""

    def __init__(self, machine: Machine) -> None:
        self._machine, self._limits = machine, machine.settings.builds
        self._builds: dict[tuple[str, str], LocalBuild] = {}
        self._lock = asyncio.Lock()  # builds come and go one at a time

    async def load(self) -> None:
        """Take over whatever the disk knows."""
        for directory in self._machine.layout.tools.glob("*/builds/*"):
            shown = records.build(files.read_json(directory / "build.json"))
            if shown is not None:
                tool = directory.parts[-3]
                build = LocalBuild(self._machine, tool, directory, shown)
                self._builds[tool, shown.id] = build
                if build.live:
                    build.start(self._machine.on_change)

    async def close(self, *, stop: bool) -> None:
        """Look after the builds no longer. A stopped one begins again with the next ptd."""
        builds = self._builds.values()
        await asyncio.gather(*(build.stop() if stop else build.leave() for build in builds))

    async def start(self, tool: str, request: base.BuildRequest) -> base.Build:
        """As `base.Builds.start`."""
        check_name("tool", tool, Reason.BUILD_REFUSED)
        check_name("component", request.component, Reason.BUILD_REFUSED)
        build_id = _identity(request)
        async with self._lock:
            if (known := self._builds.get((tool, build_id))) is not None:
                return known.shown
            self._check_room()
            shown = base.Build(
                id=build_id,
                component=request.component,
                repository=request.repository,
                commit=request.commit,
                options=request.options,
                state=base.BuildState.PENDING,
                created_at=self._machine.clock(),
                deployment=request.deployment,
            )
            directory = self._machine.layout.builds(tool) / build_id
            build = LocalBuild(self._machine, tool, directory, shown)
            await asyncio.to_thread(build.store, request)
            self._builds[tool, build_id] = build
            build.start(self._machine.on_change)
            return shown

    async def cancel(self, tool: str, build_id: str) -> None:
        """As `base.Builds.cancel`."""
        build = self._builds.get((tool, build_id))
        if build is not None and build.live:
            await build.cancel()

    async def log(self, tool: str, build_id: str, *, follow: bool = False) -> AsyncIterator[str]:
        """As `base.Builds.log`. Lines begin with their time; an unknown build has none."""
        build = self._builds.get((tool, build_id))
        if build is None:
            return
        directory = build.directory / LOG.parent

        def going() -> bool:
            return follow and build.live

        everything = self._machine.settings.log_bytes * self._machine.settings.log_files
        async for line in logs.follow(
            lambda: logs.files_in(directory),
            everything,
            lambda _: "",
            going,
        ):
            yield line

    async def collect(self, in_use: set[str]) -> None:
        """Forget old builds, and remove what no job (`in_use`: image names) and no build needs.

        Does nothing while a build is going, which may be about to use what nobody else does.
        """
        async with self._lock:
            if any(build.live for build in self._builds.values()):
                return
            for key in self._too_many(in_use):
                await asyncio.to_thread(files.remove_tree, self._builds.pop(key).directory)
            made = {build.shown.image or "" for build in self._builds.values()}
            digests = {digest for image in in_use | made if (digest := images.digest_of(image))}
            await asyncio.to_thread(images.collect, self._machine.layout, digests)
            await asyncio.to_thread(self._trim_cache)

    def _trim_cache(self) -> None:
        """Throw the downloads away when they take too much room; builds bring what they need."""
        cache = self._machine.layout.cache
        if files.size(cache) > self._limits.cache_bytes:
            for each in cache.iterdir():
                files.remove_tree(each)

    def _too_many(self, in_use: set[str]) -> Sequence[tuple[str, str]]:
        """The builds of each component but for the newest good and the newest bad ones."""
        counts: Counter[tuple[str, str, bool]] = Counter()
        old = []
        for key, build in sorted(self._builds.items(), key=_age, reverse=True):
            kind = (key[0], build.shown.component, build.shown.image is not None)
            counts[kind] += 1
            if counts[kind] > self._limits.keep and build.shown.image not in in_use:
                old.append(key)
        return old

    def _check_room(self) -> None:
        going = sum(build.live for build in self._builds.values())
        if going >= self._limits.parallel:
            message = f"{going} builds are going on this machine, as many as may at a time"
            raise errors.Waiting(Reason.BUILD_QUEUE_FULL, message, _AFTER)

    def _there(self, image: str) -> bool:
        return images.find(self._machine.layout, image) is not None

    async def list(self, tool: str) -> Sequence[base.Build]:
        """As `base.Builds.list`; a build whose image was removed is no longer known."""
        mine = [build.shown for (owner, _), build in self._builds.items() if owner == tool]
        shown = [build for build in mine if build.image is None or self._there(build.image)]
        return sorted(shown, key=lambda build: build.created_at, reverse=True)


def _age(item: tuple[tuple[str, str], LocalBuild]) -> datetime:
    return item[1].shown.created_at


def _identity(request: base.BuildRequest) -> str:
    parts = (
        request.component,
        request.repository,
        request.commit,
        repr(request.options),
        request.deployment,
    )
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()
    return f"{request.component}-{request.commit[:8]}-{digest[:8]}"
