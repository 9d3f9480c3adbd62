"""What `ptd status` says of components that do not run as their deployment left them."""

from typing import Any

import pytest

from controller.cli import live

DONE = {
    "deploy_id": "20261122-030412-k3v9d0aq1z",
    "status": "successful",
    "message": "every component runs as configured",
    "finished_at": "2026-11-22T03:05:00Z",
    "runs": {"web": {}, "job": {}},
}
UP = {"phase": "up", "since": "2026-11-22T03:05:00+00:00", "restarts": 0}
FINE = {"web": UP, "job": UP | {"phase": "installed"}}
HEAD = "components now (times in UTC)"
LOG = "its log: `ptd logs web`"


@pytest.mark.parametrize(
    ("web", "said"),
    [
        pytest.param(
            {
                "phase": "down",
                "since": "2026-11-22T05:10:00+01:00",
                "restarts": 7,
                "trouble": "CrashLoop",
                "message": "exited with code 1 (7 times)",
                "outlook": "starts again in 60 s",
            },
            [
                "CrashLoop since 2026-11-22 04:10, has ended by itself 7 times",
                "exited with code 1 (7 times); starts again in 60 s",
                LOG,
            ],
            id="a crash loop, between two starts",
        ),
        pytest.param(
            UP | {"restarts": 1},
            ["up since 2026-11-22 03:05, has ended by itself 1 time", LOG],
            id="up again for now",
        ),
        pytest.param(UP | {"phase": "pending", "since": ""}, ["pending", LOG], id="starting again"),
        pytest.param(None, ["it is not there any more"], id="removed by hand"),
    ],
)
def test_what_does_not_run_as_it_was_left_is_told(web: Any, said: list[str]) -> None:
    found = {name: job for name, job in (FINE | {"web": web}).items() if job}
    head, first, *others = live.lines(DONE, found)
    assert (head, first[:19]) == (HEAD, "  web              ")
    assert [line.strip() for line in (first[19:], *others)] == said
    assert live.believed(DONE, found)["message"] == (
        "when it ended (2026-11-22 03:05): every component runs as configured"
    )


def test_that_everything_runs_is_said_only_where_it_is_known() -> None:
    assert live.lines(DONE, FINE) == []
    assert live.believed(DONE, FINE) == DONE
    assert live.believed(DONE, None)["message"].startswith("when it ended (2026-11-22 03:05): ")
    assert live.lines(DONE, None) == []


def test_what_failed_keeps_its_own_message() -> None:
    failed = DONE | {"status": "failed", "message": "component web: it stopped"}
    assert live.believed(failed, None) == failed
    assert live.lines(failed, {"web": UP}) == []
