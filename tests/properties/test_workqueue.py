"""The work queue under random use: no key is lost, none runs twice at a time, none comes too early.

The model knows for each key from when on it must run: now (added), at its earliest delay, or never.
"""

import asyncio
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from controller.runtime.workqueue import WorkQueue
from tests.support.virtualtime import VirtualLoop

KEYS = st.sampled_from(["a", "b", "c", "d"])
DELAYS = st.integers(1, 50)


class QueueUse(RuleBasedStateMachine):
    """What the loop, the watcher and time do to a queue."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = VirtualLoop()
        self.queue = WorkQueue(self.loop.time, lambda: 0.0, first_retry=timedelta(seconds=1))
        self.wanted: dict[str, float] = {}  # key → the moment from which it has to run
        self.running: set[str] = set()

    def teardown(self) -> None:
        self.settle()
        self.loop.close()

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(work)

    def want(self, key: str, delay: float) -> None:
        moment = self.loop.time() + delay
        self.wanted[key] = min(moment, self.wanted.get(key, moment))

    @rule(key=KEYS)
    def add(self, key: str) -> None:
        async def work() -> None:
            self.queue.add(key)

        self.do(work())
        self.want(key, 0)

    @rule(key=KEYS, delay=DELAYS)
    def add_after(self, key: str, delay: int) -> None:
        async def work() -> None:
            self.queue.add_after(key, timedelta(seconds=delay))

        self.do(work())
        self.want(key, delay)

    @rule(key=KEYS)
    def retry(self, key: str) -> None:
        async def work() -> timedelta:
            return self.queue.retry(key)

        self.want(key, self.do(work()).total_seconds())

    @rule(key=KEYS)
    def forget(self, key: str) -> None:
        self.queue.forget(key)

    @rule()
    def take(self) -> None:
        if not self.queue.depth:
            return
        key = self.do(self.queue.take())
        assert key not in self.running, "two workers on one key"
        assert self.wanted.pop(key) <= self.loop.time() + 1e-6, "too early"
        self.running.add(key)

    @rule(which=st.integers(0, 3))
    def done(self, which: int) -> None:
        if self.running:
            key = sorted(self.running)[which % len(self.running)]
            self.running.remove(key)
            self.queue.done(key)

    @rule(seconds=st.integers(1, 30))
    def time_passes(self, seconds: int) -> None:
        self.do(asyncio.sleep(seconds))

    @invariant()
    def whatever_is_due_is_ready(self) -> None:
        late = {key for key, moment in self.wanted.items() if moment < self.loop.time() - 1e-6}
        assert self.queue.depth >= len(late - self.running)

    def settle(self) -> None:
        """Everything that was wanted runs in the end, and then nothing is left."""
        for key in list(self.running):
            self.running.remove(key)
            self.queue.done(key)
        self.do(asyncio.sleep(400))
        while self.queue.depth:
            self.take()
            self.done(0)
        assert (self.wanted, self.queue.depth, self.queue.delayed) == ({}, 0, 0)


QueueUse.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestQueueUse = QueueUse.TestCase
