"""The cache: what it holds whole, what it shrinks, and that no old news replaces newer."""

import gc
import json
import tracemalloc
from datetime import UTC, datetime
from typing import Any

import pytest

from controller.models.reasons import Reason
from controller.models.summary import DeploymentSummary, InvalidConfig
from controller.models.toolconfig import ToolConfig
from controller.models.tooldeployment import State, Trigger
from watchers.cache import Cache

DEPLOYMENTS, CONFIGS = "tooldeployments", "toolconfigs"
SHA = "a" * 40


class World:
    """A cache and the tools that it woke."""

    def __init__(self) -> None:
        self.woken: list[str] = []
        self.cache = Cache(self.woken.append)

    def names(self, tool: str = "x") -> tuple[list[str], list[str]]:
        unfinished, finished = self.cache.deployments(tool)
        return [each.name for each in unfinished], [each.name for each in finished]


def stored(
    name: str = "d1", version: int = 1, *, state: str | None = None, **other: Any
) -> dict[str, Any]:
    """A stored ToolDeployment of the tool x."""
    metadata = {
        "name": name,
        "namespace": "tool-x",
        "uid": f"uid-{name}",
        "resourceVersion": str(version),
        "creationTimestamp": "2026-05-01T12:00:00Z",
    }
    metadata.update(other.pop("metadata", {}))
    status = {} if state is None else {"status": {"status": state}}
    return {"metadata": metadata, **status, **other}


def config(version: int = 1, **spec: Any) -> dict[str, Any]:
    """A stored ToolConfig of the tool x."""
    component = {
        "build": {"repository": "https://git.example.org/x.git", "ref": "main"},
        "run": {"command": "serve"},
    }
    return stored("x-config", version, spec={"components": {"web": component}, **spec})


def test_an_unfinished_deployment_is_held_whole() -> None:
    w = World()
    w.cache.put(DEPLOYMENTS, stored(spec={"force_build": True}))
    (unfinished,), finished = w.cache.deployments("x")
    assert (unfinished.spec.force_build, finished) == (True, ())
    assert list(w.cache.unfinished()) == [unfinished]


def test_a_finished_deployment_becomes_a_summary() -> None:
    w = World()
    status = {
        "status": "failed",
        "reason": "BuildFailed",
        "finished_at": "2026-05-01T12:03:00Z",
        "builds": {"web": {"commit": SHA}, "cron": {"commit": ""}},
        "runs": {"worker": {}},
    }
    spec = {"trigger": {"kind": "poll", "commits": {"web": "older", "cron": "c" * 40}}}
    w.cache.put(DEPLOYMENTS, stored(version=7, spec=spec, status=status))
    assert w.cache.deployments("x") == (
        (),
        (
            DeploymentSummary(
                name="d1",
                uid="uid-d1",
                version=7,
                state=State.FAILED,
                created_at=datetime(2026, 5, 1, 12, tzinfo=UTC),
                finished_at=datetime(2026, 5, 1, 12, 3, tzinfo=UTC),
                trigger=Trigger.POLL,
                reason=Reason.BUILD_FAILED,
                commits=(("cron", "c" * 40), ("web", SHA)),
                components=("cron", "web", "worker"),
                history=False,
                pinned=("cron", "web"),
            ),
        ),
    )


def test_what_is_alike_in_a_tools_deployments_is_held_once() -> None:
    runs = {"web": {"change": "updated"}, "worker": {"change": "updated"}}
    alike = {"builds": {"web": {"commit": SHA}}, "runs": runs, "status": "successful"}

    def held(w: World, name: str) -> list[object]:
        w.cache.put(DEPLOYMENTS, stored(name, status=json.loads(json.dumps(alike))))
        summary = w.cache.deployments("x")[1][-1]
        return [summary.commits, summary.components, summary.applied]

    w = World()
    first, second = held(w, "d1"), held(w, "d2")
    assert [a is b for a, b in zip(first, second, strict=True)] == [True] * 3


def test_a_finished_deployment_takes_less_than_two_kilobytes() -> None:
    """75,000 of them must fit into 150 MiB."""

    def finished(number: int) -> dict[str, Any]:
        builds = {
            name: {"commit": f"{number:038x}{name[:2]}"} for name in ("web", "cron", "worker")
        }
        status = {"status": "successful", "reason": "Deployed", "builds": builds}
        status["finished_at"] = "2026-05-01T12:03:00.123456Z"
        return stored(f"20260501-120000-{number:010}", number + 1, status=status)

    w = World()
    texts = [json.dumps(finished(number)) for number in range(1_000)]
    tracemalloc.start()
    for text in texts:
        w.cache.put(DEPLOYMENTS, json.loads(text))
    gc.collect()
    # Whatever else goes on in this process (a worker's threads) allocates elsewhere.
    places = ("*/watchers/cache.py", "*/models/summary.py", "*/json/decoder.py", "<string>")
    ours = [tracemalloc.Filter(inclusive=True, filename_pattern=place) for place in places]
    traces = tracemalloc.take_snapshot().filter_traces(ours)
    tracemalloc.stop()
    used = sum(each.size for each in traces.statistics("filename"))
    assert len(w.names()[1]) == 1_000
    assert 500 < used / 1_000 < 2_000


def test_an_object_of_the_older_service_is_history_whatever_its_state() -> None:
    w = World()
    spec = {"status": "running", "builds": {"web": {"build_id": "b"}}}
    w.cache.put(DEPLOYMENTS, stored(spec=spec))
    unfinished, (summary,) = w.cache.deployments("x")
    assert unfinished == ()
    assert (summary.history, summary.state, summary.components) == (True, State.RUNNING, ("web",))


@pytest.mark.parametrize(
    "broken",
    [
        {"status": {"status": "odd"}},
        {"status": {"status": "failed", "builds": [1]}},
        {"status": {"status": "failed", "finished_at": "yesterday"}},
        {"status": {"status": "failed", "builds": {"web": 1}}},
        {"spec": []},
        {"spec": {"trigger": {"kind": "odd"}}},
    ],
    ids=str,
)
def test_an_unreadable_deployment_is_counted_and_hides_nothing(broken: dict[str, Any]) -> None:
    w = World()
    w.cache.put(DEPLOYMENTS, stored("bad", **broken))
    w.cache.put(DEPLOYMENTS, stored("good"))
    shelf = w.cache.shelves[DEPLOYMENTS]
    assert (w.names(), shelf.unread) == ((["good"], []), 1)
    w.cache.put(DEPLOYMENTS, stored("bad", 2))
    assert (w.names(), shelf.unread) == ((["bad", "good"], []), 0)


def test_a_config_is_a_config_or_says_what_is_wrong_with_it() -> None:
    w = World()
    assert w.cache.config("x") is None
    w.cache.put(CONFIGS, config())
    assert isinstance(w.cache.config("x"), ToolConfig)
    w.cache.put(CONFIGS, config(2, components=7))
    invalid = w.cache.config("x")
    assert isinstance(invalid, InvalidConfig)
    assert invalid.metadata.resource_version == "2"
    assert invalid.problems[0].startswith("spec.components: ")


def test_a_config_without_readable_metadata_is_no_config() -> None:
    w = World()
    w.cache.put(CONFIGS, stored("x-config", metadata={"creationTimestamp": "never"}, spec={}))
    assert (w.cache.config("x"), w.cache.shelves[CONFIGS].unread) == (None, 1)


def test_deployments_come_oldest_first_and_by_name_within_a_second() -> None:
    w = World()
    for name, second in (("c", 1), ("b", 2), ("a", 2)):
        for state, prefix in ((None, "u"), ("failed", "f")):
            created = {"creationTimestamp": f"2026-05-01T12:00:0{second}Z"}
            w.cache.put(DEPLOYMENTS, stored(prefix + name, state=state, metadata=created))
    assert w.names() == (["uc", "ua", "ub"], ["fc", "fa", "fb"])


def test_older_news_never_replaces_newer() -> None:
    w = World()
    w.cache.wrote(DEPLOYMENTS, stored(version=9, state="running"))
    assert not w.cache.put(DEPLOYMENTS, stored(version=8, state="pending"))
    assert not w.cache.put(DEPLOYMENTS, stored(version=9, state="pending"))
    (held,), _ = w.cache.deployments("x")
    assert held.status.status == State.RUNNING


def test_versions_compare_as_numbers() -> None:
    w = World()
    w.cache.put(DEPLOYMENTS, stored(version=9))
    assert w.cache.put(DEPLOYMENTS, stored(version=10))


def test_each_change_wakes_its_tool_and_old_news_wakes_nobody() -> None:
    w = World()
    w.cache.put(DEPLOYMENTS, stored())
    w.cache.put(DEPLOYMENTS, stored())
    w.cache.drop(DEPLOYMENTS, stored(version=2))
    w.cache.drop(DEPLOYMENTS, stored(version=2))
    assert w.woken == ["x", "x"]


def test_objects_outside_of_tools_namespaces_wake_nobody() -> None:
    w = World()
    w.cache.put(DEPLOYMENTS, stored(metadata={"namespace": "default"}))
    assert (w.woken, w.cache.tools()) == ([], set())


def test_a_tool_is_known_while_it_has_a_config_or_a_deployment() -> None:
    w = World()
    w.cache.put(DEPLOYMENTS, stored())
    w.cache.put(CONFIGS, config())
    assert w.cache.tools() == {"x"}
    w.cache.drop(DEPLOYMENTS, stored(version=2))
    assert w.cache.tools() == {"x"}
    w.cache.drop(CONFIGS, config(2))
    assert w.cache.tools() == set()


def test_what_we_deleted_does_not_come_back_by_older_news() -> None:
    w = World()
    w.cache.put(DEPLOYMENTS, stored(version=1))
    w.cache.deleted(DEPLOYMENTS, "tool-x", "d1", "uid-d1")
    w.cache.put(DEPLOYMENTS, stored(version=2))
    assert (w.names(), w.woken) == (([], []), ["x", "x"])


def test_another_object_of_the_same_name_is_not_taken_for_the_deleted_one() -> None:
    w = World()
    w.cache.put(DEPLOYMENTS, stored(version=1))
    w.cache.drop(DEPLOYMENTS, stored(version=2))
    w.cache.put(DEPLOYMENTS, stored(version=3, metadata={"uid": "another"}))
    w.cache.drop(DEPLOYMENTS, stored(version=2))
    (held,), _ = w.cache.deployments("x")
    assert held.metadata.uid == "another"


def test_deleting_what_is_not_held_is_no_news() -> None:
    w = World()
    w.cache.deleted(DEPLOYMENTS, "tool-x", "d1", "uid-d1")
    assert w.woken == []


def test_graves_are_forgotten_when_a_complete_list_shows_that_nothing_old_can_come() -> None:
    w = World()
    shelf = w.cache.shelves[DEPLOYMENTS]
    shelf.drop(("tool-x", "old"), "old", 5)
    shelf.drop(("tool-x", "new"), "new", 15)
    shelf.drop(("tool-x", "ours"), "ours", None)
    shelf.drop(("tool-x", "listed"), "listed", None)
    assert shelf.graves() == {"old", "new", "ours", "listed"}
    shelf.completed(10, ())
    assert shelf.graves() == {"new", "ours", "listed"}
    shelf.completed(10, {"old", "new", "ours"})
    assert shelf.graves() == {"new", "listed"}


def test_news_that_come_after_their_grave_was_forgotten_do_not_raise_the_dead() -> None:
    """The answer to a write may be on its way for longer than a list takes."""
    w = World()
    w.cache.put(DEPLOYMENTS, stored(version=1))
    w.cache.drop(DEPLOYMENTS, stored(version=3))
    w.cache.shelves[DEPLOYMENTS].completed(10, ())
    w.cache.wrote(DEPLOYMENTS, stored(version=2))
    assert w.names() == ([], [])
    w.cache.put(DEPLOYMENTS, stored(version=11, metadata={"uid": "another"}))
    assert w.names() == (["d1"], [])
