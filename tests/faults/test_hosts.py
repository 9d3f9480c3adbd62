"""Good, slow, dead and busy hosts, and restarts, at thousands of repositories. Tests 25 to 27."""

import asyncio
from collections import Counter
from itertools import pairwise

import pytest

from tests.faults import timeline, trials
from tests.faults.conftest import Tried
from tests.faults.hosts import INTERVAL, Street

REPOSITORIES = 10_000 if trials.WHOLE else 400
RESTARTED = 10_000 if trials.WHOLE else 1_000
HOSTS = 40 if trials.WHOLE else 4
MINUTES = 30 if trials.WHOLE else 5
JITTER, LATE = 0.1, 2.0
ROUND = INTERVAL.total_seconds()


def street(total: int, **hosts: int) -> Street:
    """So many repositories, evenly on so many hosts of each kind."""
    names = [f"{kind}-{n}" for kind, count in hosts.items() for n in range(count)]
    return Street(dict.fromkeys(names, total // len(names)))


def gaps(asked: list[float]) -> list[float]:
    """The times between checks."""
    return [later - earlier for earlier, later in pairwise(asked)]


def test_slow_and_dead_hosts_delay_nobody_else(tried: Tried) -> None:
    world = street(REPOSITORIES, good=HOSTS, slow=HOSTS // 4, dead=HOSTS // 4 * 3)

    async def work() -> None:
        async with world.polling():
            await asyncio.sleep(MINUTES * 60)

    timeline.run(work)
    good = [gap for asked in world.asked("good").values() for gap in gaps(asked)]
    late = sorted(max(0.0, gap - ROUND * (1 + JITTER)) for gap in good)
    assert late[int(len(late) * 0.99)] <= LATE
    assert min(map(len, world.asked("good").values())) >= MINUTES - 1
    assert max(world.hosts.most.values()) == 4
    for host, asked in world.hosts.of_host.items():
        if host.startswith("dead-"):
            # Those that were on their way when it turned out are the four of the first minute.
            minutes = Counter(int(at / 60) for at in asked if at > 2 * ROUND)
            assert max(minutes.values()) <= 2, host
            assert sum(minutes.values()) <= MINUTES, host
    tried("checks beside slow and dead hosts", len(good))


@pytest.mark.parametrize("seed", range(10 if trials.WHOLE else 1))
def test_a_restart_is_no_herd_and_misses_nobody(seed: int, tried: Tried) -> None:
    world = street(RESTARTED, good=20)
    began: list[float] = []

    async def work() -> None:
        async with world.polling():
            await asyncio.sleep(2.3 * ROUND + seed)
        await asyncio.sleep(10)
        began.append(timeline.seconds())
        async with world.polling():
            await asyncio.sleep(2.5 * ROUND)

    timeline.run(work, seed)
    asked = world.asked("good").values()
    seconds = Counter(int(at - began[0]) for each in asked for at in each if at >= began[0])
    assert max(seconds.values()) <= 3 * RESTARTED / ROUND
    through = [gap for each in asked for gap in gaps(each)]
    assert max(through) <= ROUND * (1 + JITTER) + 10 + 26
    assert {sum(at >= began[0] for at in each) for each in asked} <= {2, 3, 4}
    tried("repositories through a restart", RESTARTED)


@pytest.mark.parametrize("status", [429, 503] if trials.WHOLE else [429])
def test_a_host_that_says_when_is_not_asked_before_and_the_others_as_ever(
    status: int, tried: Tried
) -> None:
    world = street(200, good=2, busy=2)
    said: list[float] = []

    async def work() -> None:
        async with world.polling():
            await asyncio.sleep(3 * ROUND)
            world.hosts.busy_status = status
            said.append(timeline.seconds())
            await asyncio.sleep(10 * ROUND)
            world.hosts.busy_status = None
            said.append(timeline.seconds())
            await asyncio.sleep(12 * ROUND)

    timeline.run(work)
    for host in ("busy-0.example.org", "busy-1.example.org"):
        asked = [at for at in world.hosts.of_host[host] if said[0] <= at < said[1]]
        first = [at for at in asked if at < asked[0] + 5]
        assert len(first) <= 4, "those on their way when it began"
        assert min(gaps([first[-1], *asked[len(first) :]])) >= 120
        assert len(asked) >= len(first) + 3, "it is tried again after that time"
        later = [at for at in world.hosts.of_host[host] if at > said[1] + 12 * ROUND - 2 * ROUND]
        assert len(later) > 90, "and after a while as often as before"
    for asked in world.asked("good").values():
        assert max(gaps(asked)) <= ROUND * (1 + JITTER) + LATE
    tried("hosts that said when", 2)
