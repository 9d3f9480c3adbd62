"""What becomes of one line of a watch on its way.

`through` answers what comes out; the kinds are those of `tape.Fault` with kind "view".
"""

import asyncio
import json
from collections.abc import Sequence

from tests.faults.tape import Fault

_EVER = 10_000_000.0
_GONE = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"}
BREAKING = ("half", "cut")
"""After these the connection is cut."""


async def through(line: bytes, fault: Fault | None) -> Sequence[bytes]:
    """What is sent for a line: nothing, itself, half of it, twice, later, an ERROR, or silence."""
    match fault.how if fault is not None else "":
        case "drop" | "cut":
            return ()
        case "twice":
            return (line, line)
        case "half":
            return (line[: len(line) // 2],)
        case "expire":
            return (json.dumps({"type": "ERROR", "object": _GONE}).encode() + b"\n",)
        case "silence":
            await asyncio.sleep(_EVER)
        case "hold":
            await asyncio.sleep(fault.seconds if fault is not None else 0)
    return (line,)
