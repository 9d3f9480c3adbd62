"""`python -m tests.bench`: runs every case, prints a table, and fails when a budget is broken."""

import asyncio
import sys
from statistics import median

from rich.console import Console
from rich.table import Table

from tests.bench.cases import CASES


def main() -> int:
    """Measure all cases; 1 when one is over its budget."""
    table = Table("", "times", "median", "99 of 100", "budget")
    broken = 0
    for case in CASES:
        times = sorted(asyncio.run(case.measure()))
        slow = times[min(len(times) - 1, int(len(times) * 0.99))]
        budget = case.budget.total_seconds()
        broken += slow > budget
        table.add_row(
            case.title,
            f"{len(times):,}",
            f"{median(times) * 1000:.2f} ms",
            f"{slow * 1000:.2f} ms",
            f"{budget * 1000:.0f} ms{'' if slow <= budget else '  BROKEN'}",
        )
    Console(width=110).print(table)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
