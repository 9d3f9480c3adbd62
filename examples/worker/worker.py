"""The `worker` component: does a piece of work every few seconds, and says so in its log."""

import itertools
import os
import signal
import threading

PAUSE_SECONDS = 5.0


def main() -> None:
    """Work until the signal to end."""
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    for piece in itertools.count(1):
        print(f"process {os.getpid()} did piece {piece}", flush=True)
        if ended.wait(PAUSE_SECONDS):
            break
    print("ended in order", flush=True)


if __name__ == "__main__":
    main()
