"""What all roles have in common: parts that are made in order and ended in reverse.

Base of the composition roots. Nothing of any one role belongs here.
"""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

Work = Callable[[], Awaitable[None]]


class Role(ABC):
    """A role while it runs: `start` makes the parts, `stop` ends them. `url`: where it listens."""

    def __init__(self) -> None:
        self._stack = AsyncExitStack()
        self.url = ""

    async def start(self) -> Work:
        """Start everything up to the work itself, which is the answer: await it.

        Raises store.client.NoAccess, errors.Terminal, or OSError for a taken port or an
        unreadable file; what was made until then is ended.
        """
        try:
            return await self._start()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """End the parts in reverse order. Stopping twice is no error."""
        await self._stack.aclose()

    @abstractmethod
    async def _start(self) -> Work:
        """Make the parts; put what must be ended on the stack."""
