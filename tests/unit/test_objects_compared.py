"""The comparison list: what it counts and repairs, and what it leaves to the watch."""

import asyncio
from typing import Any

from tests.support import fakekube
from tests.support.reflected import WHERE, World, world
from tests.support.virtualtime import virtual_time


@virtual_time
async def test_a_comparison_counts_and_repairs_what_a_watch_has_lost() -> None:
    async with world() as w:
        w.put("d1", quietly=True)
        w.put("d3", quietly=True)
        w.kube.remove(WHERE, "tool-y", "d2", quietly=True)
        await asyncio.sleep(620)
        assert w.versions() == w.truth()
        assert w.metric("ptd_resync_differences_total") == 3
        assert sorted(w.woken) == ["x", "x", "y"]


@virtual_time
async def test_a_comparison_does_not_count_what_is_on_its_way() -> None:
    async with world() as w:
        w.kube.fail("LIST", _list_of_the_past(w))
        assert await w.reflector.compare() == 0


@virtual_time
async def test_a_comparison_does_not_raise_what_died_while_it_was_made() -> None:
    """A full list in between has forgotten the grave."""
    async with world() as w:
        w.kube.fail("LIST", _list_before_a_death(w))
        assert await w.reflector.compare() == 0
        assert w.versions() == w.truth() == {}


def _list_before_a_death(w: World) -> fakekube.Answer:
    """Answers a list; then everything in it is deleted, and the watch has to begin anew."""

    async def answer(request: Any) -> Any:
        w.put("d1", spec={"cancel": True})
        listed = w.kube._list(request, WHERE, "")
        w.kube.remove(WHERE, "tool-x", "d1")
        w.kube.remove(WHERE, "tool-y", "d2")
        w.kube.forget_history()
        w.kube.oldest = w.kube.version = w.kube.version + 1
        w.kube.cut()
        return listed

    return answer


def _list_of_the_past(w: World) -> fakekube.Answer:
    """Answers a list of now, then lets the watch tell of a change and of a deletion."""

    async def answer(request: Any) -> Any:
        w.put("d1", spec={"cancel": True})
        listed = w.kube._list(request, WHERE, "")
        w.kube.remove(WHERE, "tool-y", "d2")
        w.put("d5")
        return listed

    return answer


@virtual_time
async def test_a_comparison_that_fails_is_made_the_next_time() -> None:
    async with world() as w:
        w.put("d1", quietly=True)
        w.kube.fail("LIST", fakekube.status(500))
        await asyncio.sleep(620)
        assert w.metric("ptd_resync_differences_total") == 0
        await asyncio.sleep(620)
        assert w.metric("ptd_resync_differences_total") == 1
