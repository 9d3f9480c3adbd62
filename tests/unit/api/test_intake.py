"""Room for bodies: who shares it with whom, and who is refused when it is full."""

import contextlib

import pytest

from controller.api.intake import PLACE, Intake, Room
from controller.api.problems import Refused

ROOM = Room(tool=2 * PLACE, all=3 * PLACE, unproven=3 * PLACE)
FULL: dict[str, tuple[list[tuple[str, bool]], tuple[str, bool], int]] = {
    "a tool's own share": ([("a", True)] * 2, ("a", True), 429),
    "the room of all tools": ([("a", True)] * 2 + [("b", True)], ("c", True), 429),
    "a tool's share of strangers": ([("a", False)] * 2, ("a", False), 429),
    "the room of strangers": ([("a", False)] * 2 + [("b", False)], ("c", False), 503),
}


@pytest.mark.parametrize(("held", "next_", "status"), FULL.values(), ids=FULL)
def test_who_finds_no_room_is_told_when_to_come_again(
    held: list[tuple[str, bool]], next_: tuple[str, bool], status: int
) -> None:
    intake = Intake(ROOM)
    with contextlib.ExitStack() as stack:
        for tool, proven in held:
            stack.enter_context(intake.place(tool, proven=proven))
        tool, proven = next_
        with pytest.raises(Refused) as refused, intake.place(tool, proven=proven):
            pass
        after = refused.value.after
        assert (refused.value.status, after and after.total_seconds()) == (status, 10)
        with intake.place("d", proven=not proven):
            pass
    assert intake.held == {}
    with intake.place(tool, proven=proven):
        pass


def test_bytes_count_beside_the_place_and_are_given_back() -> None:
    intake = Intake(ROOM)
    with intake.place("a", proven=True) as place:
        place.take(PLACE - 1)
        assert intake.held == {"tool a": 2 * PLACE - 1, "tools": 2 * PLACE - 1}
        with pytest.raises(Refused, match="of a are being read"):
            place.take(2)
        place.take(1)
    assert intake.held == {}
