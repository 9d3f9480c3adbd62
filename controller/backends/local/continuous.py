"""A continuous job: the version that does the work, and the newer one that is to take over.

Owned by `jobs`. The newer version is started beside the serving one and takes its place on the
declared port when all of its instances are up; until then nothing of the serving one changes.
"""

import asyncio
import contextlib
from dataclasses import replace
from pathlib import Path

from controller import errors
from controller.backends import base
from controller.backends.local import files, logs, records, shims
from controller.backends.local.machine import Machine
from controller.backends.local.ports import Port
from controller.backends.local.tasks import Tasks
from controller.backends.local.versions import Version, as_continuous
from controller.models.reasons import Reason
from controller.models.tooldeployment import JobChange

_TAIL = 20
_AGAIN = 1.0


class ContinuousJob:
    """One job. Its directory holds job.json, instances/<generation>-<replica>/ and logs/."""

    kind = base.JobKind.CONTINUOUS

    def __init__(
        self, machine: Machine, directory: Path, tool: str, definition: records.Definition
    ) -> None:
        self._machine, self._directory, self._tool = machine, directory, tool
        self.definition = definition
        self._versions: dict[int, Version] = {}
        self._leaving: dict[int, Version] = {}
        self._ports: dict[int, Port] = {}
        self._tasks = Tasks()
        self._lock = asyncio.Lock()  # whoever changes the definition holds it
        self._shown: object = None
        self._moving = False

    async def start(self) -> None:
        """Find the instances that run already, start what is missing, end what is left over."""
        files.make_directory(self._directory / "logs")
        wanted = self.definition
        if wanted.serving is not None and wanted.took_over is not None:
            self._begin(wanted.took_over, wanted.serving)
        self._begin(wanted.generation, wanted.spec)
        self._tasks.start(self._remove_leftovers())

    async def apply(self, spec: base.JobSpec) -> base.Applied:
        """Become `spec`, stored first; the version that serves goes on until it is replaced."""
        async with self._lock:
            before = self.definition
            if spec == before.spec:
                return base.Applied(JobChange.UNCHANGED)
            now = self._machine.clock()
            back = spec == before.serving
            after = before.given_up(now) if back else before.changed(spec, now)
            await self._store(after)
            for generation in set(self._versions) - {after.generation, after.took_over}:
                self._end(generation)
            if after.generation not in self._versions:
                await self._make_room(spec)
                self._begin(after.generation, spec)
        self._settle()
        if back:
            words = "the version that serves stays, and the newer one is dropped"
            return base.Applied(JobChange.UPDATED, (words,))
        same = replace(before.spec, restart_id=spec.restart_id) == spec
        return base.Applied(JobChange.RESTARTED if same else JobChange.UPDATED)

    async def leave(self) -> None:
        """Look after it no longer; its processes go on."""
        await self._close()
        await asyncio.gather(*(version.leave() for version in self._all_versions()))

    async def stop(self) -> None:
        """End all of it; what is on disk stays."""
        await self._close()
        await asyncio.gather(*(version.stop() for version in self._all_versions()))

    def job(self) -> base.Job:
        """The job as it is now."""
        wanted = self.definition
        return base.Job(
            name=wanted.spec.name,
            kind=self.kind,
            spec=wanted.spec,
            status=self._status(),
            serving=wanted.serving,
            owned=True,
        )

    def _status(self) -> base.JobStatus:
        version = self._versions[self.definition.generation]
        replicas, port = version.records, self._port(version)
        trouble = next((record.trouble for record in replicas if record.trouble), None)
        if port is not None and port.lasting:
            trouble = trouble or Reason.JOB_REFUSED
        words = [port.problem if port else "", *(record.message for record in replicas)]
        return base.JobStatus(
            phase=self._phase(version),
            since=max(record.since for record in replicas),
            restarts=sum(record.restarts for record in replicas),
            healthy=version.up if version.checked else None,
            trouble=trouble,
            messages=tuple(dict.fromkeys(word for word in words if word)),
            log_tail=self._tail() if trouble else (),
            outlook=next((record.outlook for record in replicas if record.outlook), ""),
        )

    def _phase(self, version: Version) -> base.JobPhase:
        phases = {record.phase for record in version.records}
        if base.JobPhase.DOWN in phases:
            return base.JobPhase.DOWN
        working = self.definition.took_over == self.definition.generation
        ready = working and version.up and self._reachable(version)
        return base.JobPhase.UP if ready else base.JobPhase.PENDING

    def _tail(self) -> tuple[str, ...]:
        files_of_all = logs.files_in(self._directory / "logs")
        newest = [f for f in files_of_all if logs.generation_of(f) == self.definition.generation]
        return logs.without_stamps(logs.merged_tail(newest, _TAIL, lambda _: ""))

    def _begin(self, generation: int, spec: base.JobSpec) -> None:
        version = Version(
            self._machine,
            self._directory / "instances",
            self._tool,
            (generation, spec),
            self._settle,
        )
        self._versions[generation] = version
        if version.port is not None and version.port not in self._ports:
            owner = f"{self._tool}/{spec.name}"
            self._ports[version.port] = Port(self._machine, version.port, owner, self._settle)

    async def _make_room(self, spec: base.JobSpec) -> None:
        """A udp port has no proxy, so the old version must go before the new one can listen."""
        old = self._versions.get(self.definition.took_over or 0)
        if old and old.port is None and old.run.port and old.run.port == as_continuous(spec).port:
            await old.stop()

    def _settle(self) -> None:
        """After any change: who serves, where connections go, and who wants to know."""
        wanted = self.definition
        newest = self._versions.get(wanted.generation)
        if newest is None:
            return
        ready = newest.up and self._reachable(newest)
        if ready and wanted.took_over != wanted.generation and not self._moving:
            self._moving = True
            self._tasks.start(self._take_over(wanted.generation))
        serving = self._versions.get(wanted.took_over or 0)
        if serving and (port := self._port(serving)):
            port.route(serving.targets)
        status = replace(self._status(), messages=(), log_tail=(), since=None)
        if (status, wanted) != self._shown:
            self._shown = status, wanted
            self._machine.on_change(self._tool)

    async def _take_over(self, generation: int) -> None:
        """The newest version does the work from now on; the one before is drained and ended."""
        before = None
        try:
            async with self._lock:
                if self.definition.generation == generation and self._versions[generation].up:
                    before = self.definition.took_over
                    await self._store(self.definition.taken_over())
        except errors.Transient:  # a full disk: the old one stays meanwhile
            await asyncio.sleep(_AGAIN)
        finally:
            self._moving = False
        self._settle()
        if before not in (None, self.definition.took_over):
            self._end(before)

    async def _store(self, definition: records.Definition) -> None:
        await asyncio.to_thread(records.store, self._directory, definition)
        self.definition = definition

    def _end(self, generation: int) -> None:
        version = self._versions.pop(generation, None)
        if version is not None:
            self._leaving[generation] = version
            self._tasks.start(self._drain_and_stop(generation, version))

    async def _drain_and_stop(self, generation: int, version: Version) -> None:
        port = self._port(version)
        if port is not None:
            if not self._used(version.port):
                port.route(())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._machine.settings.drain.total_seconds()):
                    await port.drained(version.targets)
        await version.stop()
        if port is not None and version.port and not self._used(version.port):
            self._ports.pop(version.port, None)
            await port.close()
        for place in version.places:
            await shims.remove(place)
        del self._leaving[generation]
        logs.forget(self._directory / "logs")

    async def _remove_leftovers(self) -> None:
        """End and delete what an earlier ptd had no time to."""
        known = {place for version in self._all_versions() for place in version.places}
        for place in set((self._directory / "instances").glob("*")) - known:
            await shims.remove(place)

    def _reachable(self, version: Version) -> bool:
        port = self._port(version)
        return port is None or port.is_open

    def _port(self, version: Version) -> Port | None:
        return None if version.port is None else self._ports.get(version.port)

    def _used(self, port: int | None) -> bool:
        return any(version.port == port for version in self._versions.values())

    def _all_versions(self) -> list[Version]:
        return [*self._versions.values(), *self._leaving.values()]

    async def _close(self) -> None:
        await self._tasks.close()
        await asyncio.gather(*(port.close() for port in self._ports.values()))
        self._ports.clear()
