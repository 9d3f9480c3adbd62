"""A declared port of a job: the proxy on it, and the tries to get it while somebody else has it.

Owned by `continuous`. Two jobs that declare the same port are told of each other.
"""

import asyncio
import errno
from collections.abc import Callable, Sequence

from controller.backends.local.machine import Machine
from controller.backends.local.proxy import Proxy

_AGAIN = 0.25


class Port:
    """Listens as soon as the port is free; `problem` says why it does not yet."""

    def __init__(
        self, machine: Machine, number: int, owner: str, changed: Callable[[], None]
    ) -> None:
        self._machine, self._number, self._owner = machine, number, owner
        self._changed = changed
        self._proxy = Proxy(machine.settings.host, number)
        self.is_open = False
        self.problem = ""
        self.lasting = False
        self._task = asyncio.create_task(self._get())

    def route(self, targets: Sequence[int]) -> None:
        """Where new connections go."""
        self._proxy.route(targets)

    async def drained(self, targets: Sequence[int]) -> None:
        """Until no connection to `targets` is open."""
        await self._proxy.drained(targets)

    async def close(self) -> None:
        """Give the port back."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self._proxy.close()
        if self._machine.ports.get(self._number) == self._owner:
            del self._machine.ports[self._number]

    async def _get(self) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._machine.settings.port_wait.total_seconds()
        while (problem := await self._try()) != "":
            lasting = loop.time() > deadline
            if (problem, lasting) != (self.problem, self.lasting):
                self.problem, self.lasting = problem, lasting
                self._changed()
            await asyncio.sleep(_AGAIN)
        self.problem, self.lasting, self.is_open = "", False, True
        self._changed()

    async def _try(self) -> str:
        holder = self._machine.ports.setdefault(self._number, self._owner)
        if holder != self._owner:
            return f"port {self._number} is used by {holder}: give one of them another `port`"
        try:
            await self._proxy.open()
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return (
                    f"port {self._number} is taken by another program on this machine: "
                    "end it, or change `port`"
                )
            return f"port {self._number} cannot be listened on: {error.strerror or error}"
        return ""
