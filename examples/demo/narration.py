"""How the demo is told: scenes, what is done, and claims with what was seen, each with its time.

Colours in a terminal, plain text in a pipe. A claim that does not hold ends the demo.
"""

import time
from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape


class ClaimBroken(Exception):
    """What the demo promised did not happen."""


class Narrator:
    """Tells what happens, on standard output."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False, soft_wrap=True)
        self._began = time.monotonic()
        self._held = 0

    def scene(self, title: str) -> None:
        """A new part of the story."""
        self._console.print(f"\n[bold]{escape(title)}[/bold]")

    def did(self, text: str) -> None:
        """Something that the tenant did, or that was seen to happen."""
        self._console.print(f"[dim]{self._time()}[/dim]    {escape(text)}")

    def quote(self, text: str) -> None:
        """What somebody else said, word for word."""
        for line in text.strip().splitlines():
            self._console.print(f"           [cyan]│ {escape(line)}[/cyan]")

    def claim(self, text: str, held: bool, seen: object = "") -> None:
        """Something that was promised. Raises `ClaimBroken` when it did not happen."""
        if not held:
            raise ClaimBroken(f"{text}: seen instead: {seen}" if seen != "" else text)
        self._held += 1
        self._console.print(f"[dim]{self._time()}[/dim] [bold green]✓[/bold green]  {escape(text)}")

    def broken(self, claim: ClaimBroken, log: Sequence[str]) -> None:
        """The demo ends because a claim did not hold."""
        mark = "[bold red]✗[/bold red]"
        self._console.print(f"[dim]{self._time()}[/dim] {mark}  {escape(str(claim))}")
        if log:
            self._console.print("\nThe last lines of ptd local:")
            self.quote("\n".join(log))

    def end(self) -> None:
        """Every claim held."""
        seconds = time.monotonic() - self._began
        self._console.print(
            f"\n[bold]All {self._held} claims held, in {seconds:.0f} seconds.[/bold]"
        )

    def _time(self) -> str:
        return f"{time.monotonic() - self._began:5.1f} s"
