"""DNS answers, remembered for seconds: thousands of repositories on one host ask for them once.

Beside `addresses.Guard`, which checks each answer and pins it, so that an old answer is as safe as
a new one. No decision about an address may be put here.
"""

from collections.abc import Callable, Sequence
from datetime import timedelta

from watchers.git.addresses import Lookup
from watchers.git.recent import Recent

REMEMBERED = timedelta(seconds=10)


class Remembered:
    """A `Lookup` that asks another at most every ten seconds; `clock` is monotonic seconds.

    Failures are not remembered.
    """

    def __init__(self, lookup: Lookup, clock: Callable[[], float]) -> None:
        self._lookup = lookup
        self._clock = clock
        self._answers: Recent[tuple[float, Sequence[str]]] = Recent()

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        """All IP addresses of a host."""
        key, now = f"{host} {port}", self._clock()
        until, found = self._answers.get(key, (now, ()))
        if now < until:
            return found
        found = await self._lookup(host, port)
        self._answers[key] = (now + REMEMBERED.total_seconds(), found)
        return found
