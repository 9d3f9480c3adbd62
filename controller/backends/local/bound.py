"""Become a command that ends when whoever started it does: `python -I -S bound.py COMMAND …`.

For health check scripts, which must not outlive ptd. Anything that needs a log, a limit or a life
of its own belongs under `shim.py`. Stands alone: standard library only.
"""

import ctypes
import os
import signal
import sys

NOT_FOUND = 127
_PR_SET_PDEATHSIG = 1


def main(argv: list[str]) -> int:
    """Replace this process; returns only when that is not possible."""
    parent = os.getppid()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        return 1
    try:
        os.execvp(argv[0], argv)  # noqa: S606  (no shell is wanted)
    except OSError:
        return NOT_FOUND


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
