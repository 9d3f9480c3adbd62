"""Log lines as a terminal would show them, and nothing that commands one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.models import terminal


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        pytest.param("plain, with\ttab and ü", "plain, with\ttab and ü", id="plain text stays"),
        pytest.param("10%\r55%\r100%", "100%", id="the last state of a progress bar"),
        pytest.param("downloading 9 MB\rdone", "doneloading 9 MB", id="what is not drawn over"),
        pytest.param("downloading\r\x1b[Kdone", "done", id="erased to the end of the line"),
        pytest.param("downloading\x1b[2K\rdone", "done", id="erased as a whole"),
        pytest.param("downloading\r\x1b[Jdone", "done", id="erased with what is below"),
        pytest.param("kept\x1b[2J, all of it", "kept, all of it", id="a screen that is cleared"),
        pytest.param("abcdef\x1b[3D\x1b[1Kx", "   xef", id="erased to the cursor"),
        pytest.param("added 3 packages\r", "added 3 packages", id="a return at the end"),
        pytest.param("text\r\n", "text", id="a line's end of Windows"),
        pytest.param("ab\b\bxy", "xy", id="backspaces"),
        pytest.param("\b\bx", "x", id="backspaces at the start"),
        pytest.param("\x1b[1;31mnpm ERR!\x1b[0m code 1", "npm ERR! code 1", id="colours"),
        pytest.param("\x1b[?25lhid\x1b[?25h", "hid", id="a hidden cursor"),
        pytest.param("a\x1b[3Cb\x1b[1Gc", "c   b", id="a cursor that moves"),
        pytest.param("a\x1b[999999999Cb", "a" + " " * 999 + "b", id="far, but no further"),
        pytest.param("\x1b]0;owned\x07x\x1b]8;;http://e\x1b\\y", "xy", id="titles and links"),
        pytest.param("\x1bP+q544e\x1b\\x", "x", id="device control"),
        pytest.param("x\x1b]0;never ended", "x", id="what never ends"),
        pytest.param("a\x1bcb\x1b(Bc\x1b", "abc", id="reset, character sets, a lone escape"),
        pytest.param("a\x9b31mb\x07\x00\x7fc", "abc", id="8-bit commands, bells"),
        pytest.param("a\u202eb\u2066c", "abc", id="text that runs backwards"),
        pytest.param("", "", id="nothing"),
    ],
)
def test_what_is_left_in_the_end(line: str, shown: str) -> None:
    assert terminal.last_shown(line) == shown


def test_colours_stay_where_they_are_wanted_and_end_with_the_line() -> None:
    line = "\x1b[31mred\x1b[2J\x1b[0m plain\x1b[1m"
    assert terminal.last_shown(line, colours=True) == "\x1b[31mred\x1b[0m plain\x1b[0m"
    assert terminal.last_shown("plain", colours=True) == "plain"


def test_lines_that_were_wiped_out_are_left_out() -> None:
    lines = ["one", "bar 10%\r\x1b[2K", "", "two"]
    assert terminal.last_lines(lines) == ("one", "", "two")


def test_a_text_keeps_its_lines() -> None:
    assert terminal.safe("a\rb\n\x1b[31mc") == "b\nc"


@given(st.text(st.sampled_from("ab\r\b\t\x1b[]0;9mKCDGP\\\x07\x9b\x9d\x00\u202e"), max_size=60))
def test_nothing_that_commands_a_terminal_is_left_of_any_line(line: str) -> None:
    shown = terminal.last_shown(line)
    assert all(character.isprintable() or character == "\t" for character in shown)
    assert terminal.last_shown(shown) == shown
