"""An event loop whose time jumps: an hour of timers passes in milliseconds.

When nothing is ready, the loop does not wait for the next timer but moves its clock there. Sockets
on loopback work (what one end sent is ready at once); threads and other processes do not.
"""

import asyncio
import functools
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec

P = ParamSpec("P")
START = 1_000.0


class _JumpingSelector(selectors.DefaultSelector):
    """Answers what is ready, and moves the clock instead of waiting."""

    def __init__(self) -> None:
        super().__init__()
        self.now = START

    def select(self, timeout: float | None = None) -> list[Any]:
        ready: list[Any] = super().select(0)
        if ready or timeout is None or timeout <= 0:
            return ready if ready or timeout is not None else super().select(_REAL_WAIT)
        if len(self.get_map()) > 1:  # more than the loop's own wake-up socket
            ready = super().select(_GRACE)
        if not ready:
            self.now += timeout
        return ready


_REAL_WAIT = 1.0  # no timer at all: something outside has to happen
_GRACE = 0.0002  # lets bytes on loopback arrive before time jumps


class VirtualLoop(asyncio.SelectorEventLoop):
    """`time()` is virtual and begins at START."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now


def virtual_time(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run an async test on a VirtualLoop. An exception in a callback fails it, too."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        problems: list[dict[str, Any]] = []
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            runner.get_loop().set_exception_handler(lambda _, problem: problems.append(problem))
            runner.run(test(*args, **kwargs))
        assert problems == []

    return run
