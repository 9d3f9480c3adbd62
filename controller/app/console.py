"""The live view of `ptd local`: one line per tool on a terminal, one line per change elsewhere.

Made by the composition root of local mode, told of transitions by the journal. Display only.
"""

from collections.abc import Callable
from datetime import datetime
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from controller.models import terminal
from controller.models.meta import tool_of
from controller.models.tooldeployment import State, ToolDeployment

_COLOURS = {
    State.PENDING: "yellow",
    State.RUNNING: "yellow",
    State.CANCELLING: "yellow",
    State.SUCCESSFUL: "green",
    State.FAILED: "red",
    State.TIMED_OUT: "red",
    State.CANCELLED: "magenta",
}
_MESSAGE = 100


class StatusView:
    """Shows the last deployment of each tool, as a context manager."""

    def __init__(self, console: Console, clock: Callable[[], datetime]) -> None:
        self._console = console
        self._clock = clock
        self._last: dict[str, ToolDeployment] = {}
        self._live = Live(console=console, get_renderable=self._table, refresh_per_second=4)

    def __enter__(self) -> "StatusView":
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._console.is_terminal:
            self._live.stop()

    def show(self, deployment: ToolDeployment) -> None:
        """A deployment changed."""
        tool = tool_of(deployment.metadata.namespace) or deployment.metadata.namespace
        waits = deployment.status.queue_position > 0
        if not waits:
            self._last[tool] = deployment
        if not self._console.is_terminal:
            line = self._line(tool, deployment)
            self._console.print(line, soft_wrap=True, highlight=False, markup=False)

    def _line(self, tool: str, deployment: ToolDeployment) -> str:
        now = self._clock().strftime("%Y-%m-%dT%H:%M:%SZ")
        status = deployment.status
        return f"{now} {tool} {deployment.name} {status.status.value}: {_short(status.message)}"

    def _table(self) -> Table:
        table = Table.grid(padding=(0, 2))
        rows = [self._row(tool, of) for tool, of in sorted(self._last.items())]
        for column in list(zip(*rows, strict=True))[:-1]:  # what one types or looks for stays whole
            table.add_column(no_wrap=True, min_width=max(cell.cell_len for cell in column))
        for row in rows:
            table.add_row(*row)
        if not rows:
            table.add_row(Text("waiting for the first deployment", style="dim"))
        return table

    def _row(self, tool: str, deployment: ToolDeployment) -> tuple[Text, ...]:
        status = deployment.status
        return (
            Text(tool, style="bold"),
            Text(deployment.name),
            Text(status.status.value, style=_COLOURS[status.status]),
            Text(status.commit),
            Text(_short(status.message), overflow="ellipsis", no_wrap=True),
        )


def _short(message: str) -> str:
    first = terminal.last_shown(message.partition("\n")[0])  # others wrote it
    return first if len(first) <= _MESSAGE else first[: _MESSAGE - 1] + "…"
