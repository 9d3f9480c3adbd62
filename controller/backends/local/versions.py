"""One generation of a continuous job: its instances side by side.

Owned by `continuous`. Only facts and starts and stops of all of them together; no decisions.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import cast

from controller.backends import base
from controller.backends.local import records
from controller.backends.local.instance import Instance
from controller.backends.local.machine import Machine
from controller.models.toolconfig import ContinuousRun


def as_continuous(spec: base.JobSpec) -> ContinuousRun:
    """The settings of a spec whose kind has been looked at before."""
    return cast("ContinuousRun", spec.run)


class Version:
    """The instances of one generation, in `<directory>/<generation>-<replica>/`."""

    def __init__(
        self,
        machine: Machine,
        directory: Path,
        tool: str,
        definition: tuple[int, base.JobSpec],
        changed: Callable[[], None],
    ) -> None:
        generation, spec = definition
        self.run = as_continuous(spec)
        self.places = [
            directory / f"{generation}-{replica}" for replica in range(self.run.replicas)
        ]
        self._instances = [
            Instance(machine, place, tool, (spec.image, self.run), changed) for place in self.places
        ]
        for instance in self._instances:
            instance.start()

    @property
    def up(self) -> bool:
        """Whether every replica is up."""
        return all(instance.up for instance in self._instances)

    @property
    def port(self) -> int | None:
        """The port that a proxy listens on for it."""
        return self.run.port if self.run.port_protocol == "tcp" else None

    @property
    def checked(self) -> bool:
        """Whether there is a health check."""
        return self.port is not None or self.run.health_check_script is not None

    @property
    def targets(self) -> list[int]:
        """The ports of the instances that are up."""
        return [port for instance in self._instances if instance.up and (port := instance.port)]

    @property
    def records(self) -> list[records.InstanceRecord]:
        """The facts about each replica."""
        return [instance.record for instance in self._instances]

    async def stop(self) -> None:
        """End every process."""
        await asyncio.gather(*(instance.stop() for instance in self._instances))

    async def leave(self) -> None:
        """Look after none any longer; the processes go on."""
        await asyncio.gather(*(instance.leave() for instance in self._instances))
