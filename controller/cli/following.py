"""Following a deployment to its end: one line per change, and a spinner on a terminal.

Used by the commands that wait. Speaks to the API through `remote.Remote` and asks again whatever
may pass.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console

from controller.cli import outcome, standing
from controller.cli.outcome import Exit, Outcome
from controller.cli.remote import Away, Failed, Remote, Reply
from controller.models import terminal

_HELD = 25.0  # seconds that the API holds an answer; less than proxies cut
_LAST = 5.0  # seconds for the last words, when the time is over


@dataclass(slots=True)
class Following:
    """One deployment, or what replaced it. `out` shows progress; None says nothing."""

    remote: Remote
    name: str
    seconds: float
    follows: bool = True
    out: Console | None = None
    clock: Callable[[], float] = time.monotonic
    _said: str = field(default="", init=False)

    def end(self) -> Outcome:
        """Wait for its end, at most the given time; raises remote.Failed."""
        if self.out is None or not self.out.is_terminal:
            return self._end(lambda _: None)
        with self.out.status(f"{self.name}: waiting") as spinner:
            return self._end(spinner.update)

    def _end(self, show: Callable[[str], None]) -> Outcome:
        until, tag = self.clock() + self.seconds, ""
        while True:
            left = until - self.clock()
            reply = self._next(max(0.0, min(_HELD, left)), tag, max(until, self.clock()) + _LAST)
            if reply.status not in (200, 304):
                return outcome.refused(reply.status, reply.problem)
            if reply.status == 200:
                shown, tag = reply.body["data"], reply.headers.get("ETag", "")
                self.name = shown["deploy_id"]  # that `latest` was, when it was asked for
                self._say(shown, show)
                if shown["status"] in standing.ENDED:
                    ended = self._verdict(until)
                    if ended is not None:
                        return ended
                    tag = ""
                    continue
            if left <= 0:
                return self._out_of_time()

    def _next(self, held: float, tag: str, until: float) -> Reply:
        headers = {"If-None-Match": tag} if tag else {}
        path = f"deployment/{self.name}?wait={held:.1f}"
        return self.remote.insist(
            "GET", path, until, self._line, headers=headers, patience=held + 20
        )

    def _verdict(self, until: float) -> Outcome | None:
        """What a final state means; None where one has to look again, or at what replaced it."""
        mode = "follow" if self.follows else "fail"
        path = f"deployment/{self.name}/wait?timeout=0&on_superseded={mode}"
        try:
            reply = self.remote.ask("GET", path)
        except Away as away:
            self._pause(until, str(away))
            return None
        if reply.status == 429 and reply.body.get("deploy_id", self.name) != self.name:
            self.name = reply.body["deploy_id"]
            self._line(f"replaced by {self.name}, which is followed")
            return None
        if reply.status == 200:
            return outcome.of(_success(reply.body["data"]))
        if reply.status in (409, 422):
            return outcome.of(reply.body)
        if reply.status in (429, 500, 502, 503, 504):
            self._pause(until, str(reply.problem.get("detail")))
            return None
        return outcome.refused(reply.status, reply.problem)

    def _pause(self, until: float, problem: str) -> None:
        """Before the verdict is asked for again, after another look; Failed when time is over."""
        if self.clock() >= until:
            end = f"{self.name} has ended, and what became of it was not to be had: {problem}"
            raise Failed(Exit.PLATFORM, end)
        self.remote.sleep(1)

    def _out_of_time(self) -> Outcome:
        record = {
            "deploy_id": self.name,
            "title": "Not finished in the time that was given",
            "status": 429,
            "detail": f"{self.name} is not finished after {self.seconds:g} s, and goes on",
            "hint": f"`ptd wait {self.name}` waits on, `ptd cancel {self.name}` stops it.",
        }
        return Outcome(Exit.OUT_OF_TIME, record)

    def _say(self, shown: dict[str, Any], show: Callable[[str], None]) -> None:
        line = _news(shown)
        show(f"{self.name}: {shown.get('phase', 'waiting')}")
        if line != self._said:
            self._said = line
            self._line(line)

    def _line(self, text: str) -> None:
        if self.out is not None:
            at = time.strftime("%H:%M:%SZ", time.gmtime())  # UTC, as everything that ptd shows
            line = terminal.safe(f"{at} {self.name} {text}")
            self.out.print(line, highlight=False, markup=False)


def _news(shown: dict[str, Any]) -> str:
    """A line of progress; why it failed is told once, at the end."""
    state, message = shown["status"], str(shown.get("message") or shown.get("long_status") or "")
    failure = shown.get("failure") or {}
    if state in standing.ENDED:
        return f"{state:<21} {message if state == 'successful' else ''}".rstrip()
    if message and message == failure.get("message"):
        message = "it failed"
    return f"{state:<10} {shown.get('phase', 'waiting'):<10} {message}".rstrip()


def _success(shown: dict[str, Any]) -> dict[str, Any]:
    """The record of a success, with the names of all records."""
    builds, runs = shown.get("builds", {}), shown.get("runs", {})
    components = {
        name: {
            "build": builds.get(name, {}).get("build_status", "unknown"),
            "run": runs.get(name, {}).get("run_status", "unknown"),
        }
        for name in {**builds, **runs}
    }
    return {
        "status": 200,
        "deploy_id": shown["deploy_id"],
        "state": shown["status"],
        "final": True,
        "reason": "deployed",
        "commits": {name: b["commit"] for name, b in builds.items() if b.get("commit")},
        "components": components,
        "started_at": shown.get("started_at", ""),
        "finished_at": shown.get("finished_at", ""),
    }
