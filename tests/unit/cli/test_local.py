"""What `ptd local` says when it runs."""

import io
import shlex
from pathlib import Path

from rich.console import Console

from controller.cli.local import greet

FOLDER = Path("/home/somebody/a folder with a name of its own/[red]and another in it")


def test_the_line_that_is_pasted_into_a_shell_is_one_whatever_the_folder_is_called() -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=80, color_system=None)
    greet(console, "http://127.0.0.1:8100", FOLDER / "kubeconfig", ["demo"])
    lines = out.getvalue().splitlines()
    assert shlex.split(lines[1]) == ["export", f"KUBECONFIG={FOLDER}/kubeconfig"]
    assert lines[0] == "ptd local runs at http://127.0.0.1:8100 (namespaces: tool-demo)"
    assert lines[-2:] == [
        "  http://127.0.0.1:8100/components/docs    the HTTP API, for a browser",
        "Ctrl-C stops everything in order.",
    ]
