"""The live view: what a person sees of a deployment."""

import io

import pytest
from rich.console import Console

from controller.app.console import StatusView
from tests import builders
from tests.builders import NOW


def shown(*, terminal: bool, **status: object) -> str:
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=120, color_system=None)
    with StatusView(console, lambda: NOW) as view:
        view.show(builders.deployment("d1", status={"status": "running"} | status))
    return out.getvalue()


def test_without_a_terminal_every_change_is_a_line_with_its_time() -> None:
    said = shown(terminal=False, message="building web")
    assert said == "2026-11-21T12:00:00Z demo d1 running: building web\n"


def test_on_a_terminal_each_tool_has_one_line() -> None:
    said = shown(terminal=True, message="building web", commit="aaaaaaaaaa")
    assert "demo  d1  running  aaaaaaaaaa  building web" in said


def test_on_a_narrow_terminal_the_message_gives_way_and_the_id_stays_whole() -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=80, color_system=None)
    name = "20261122-093535-o0dsofwq4f"
    status = {"status": "successful", "commit": "aaaaaaaaaa", "message": "building web and worker"}
    with StatusView(console, lambda: NOW) as view:
        view.show(builders.deployment(name, status=status))
    assert f"demo  {name}  successful  aaaaaaaaaa  building web and work…" in out.getvalue()


def test_a_long_message_is_cut_to_its_beginning() -> None:
    said = shown(terminal=False, message="word " * 100 + "\nsecond line")
    assert said.endswith("…\n")
    assert "second line" not in said


@pytest.mark.parametrize("terminal", [True, False], ids=["a terminal", "a file"])
def test_what_others_wrote_is_shown_and_does_nothing(terminal: bool) -> None:
    said = shown(terminal=terminal, message="10%\r[red]no\x1b]0;mine\x07[/] host\x9b2J")
    assert "[red]no[/] host" in said
    assert "mine" not in said
    assert {"\x07", "\x9b"} & set(said) == set()


def test_deployments_that_wait_do_not_replace_the_one_that_is_worked_on() -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=120, color_system=None)
    with StatusView(console, lambda: NOW) as view:
        view.show(builders.deployment("d1", status={"status": "running"}))
        view.show(builders.deployment("d2", status={"queue_position": 1}))
    assert "d2" not in out.getvalue()
