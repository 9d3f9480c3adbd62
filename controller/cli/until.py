"""How a role waits: for its work to end, or for a signal to end it.

Used by the commands that run a role.
"""

import asyncio
import signal
from collections.abc import Awaitable


def signals() -> asyncio.Event:
    """Set by Ctrl-C or SIGTERM; a second Ctrl-C does not wait for the order of shutdown."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def ask() -> None:
        stop.set()
        loop.remove_signal_handler(signal.SIGINT)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ask)
    return stop


async def stopped(stop: asyncio.Event, work: Awaitable[None]) -> int:
    """Work until `stop` is set: exit code 0. Work that ends by itself has failed: 1."""
    working = asyncio.ensure_future(work)
    waiting = asyncio.create_task(stop.wait())
    await asyncio.wait({working, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if working.done():
        working.result()
        return 1
    working.cancel()
    await asyncio.wait({working})
    return 0
