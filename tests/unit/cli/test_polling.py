"""What `ptd status` says of polling."""

from typing import Any

import pytest

from controller.cli import polling
from controller.cli.standing import Running

COMMIT, SEEN, CHECKED = "4f0c9d1e2b" * 4, "2026-11-22T03:04:05Z", "2026-11-22T03:10:00Z"
HEAD = "polling last saw (times in UTC)"
KNOWN: dict[str, Any] = {"commit": COMMIT, "seen_at": SEEN, "checked_at": CHECKED}
AGO = "4f0c9d1e2b since 2026-11-22 03:04"


@pytest.mark.parametrize(
    ("watch", "said"),
    [
        pytest.param({"ref": "main"}, ["main; not checked yet"], id="new"),
        pytest.param(
            KNOWN, [f"the default branch, {AGO}; checked 2026-11-22 03:10"], id="the default branch"
        ),
        pytest.param(
            KNOWN | {"ref": "semver:>=5", "choice": "v5.1 is the highest"},
            [f"v5.1 is the highest, {AGO}; checked 2026-11-22 03:10"],
            id="a policy and why",
        ),
        pytest.param(
            KNOWN | {"ref": "main", "found_by": "webhook"},
            [f"main, {AGO} (a webhook told of it); checked 2026-11-22 03:10"],
            id="a webhook",
        ),
        pytest.param(
            KNOWN | {"ref": "main", "error_reason": "RefNotFound", "error": "No main. Push it."},
            [f"main, {AGO}; checked 2026-11-22 03:10", "RefNotFound: No main. Push it."],
            id="an error and what to do",
        ),
        pytest.param(
            {"ref": "main", "error_reason": "RefNotFound", "error": "No main. Push it."},
            ["main; no check has succeeded yet", "RefNotFound: No main. Push it."],
            id="an error from the first check on",
        ),
    ],
)
def test_a_component_that_is_followed(watch: dict[str, Any], said: list[str]) -> None:
    first, *others = polling.lines({"web": watch})
    assert (first, [line.removeprefix("  web").strip() for line in others]) == (HEAD, said)


@pytest.mark.parametrize(
    ("runs", "said"),
    [
        pytest.param(Running("20261122-030900-abcdefghij", {"web": COMMIT}), [], id="the same"),
        pytest.param(
            Running("20261122-031000-abcdefghij", {"web": "b" * 40}),
            ["bbbbbbbbbb runs: it was deployed after that"],
            id="deployed by hand since",
        ),
        pytest.param(
            Running("20261122-030900-abcdefghij", {"web": "b" * 40}),
            ["not deployed: bbbbbbbbbb runs"],
            id="seen, and not deployed",
        ),
        pytest.param(
            Running("by-hand", {"web": "b" * 40}),
            ["not deployed: bbbbbbbbbb runs"],
            id="when it was deployed is not known",
        ),
        pytest.param(Running("20261122-030900-abcdefghij", {"job": "b" * 40}), [], id="another's"),
        pytest.param(None, [], id="what runs is not known"),
    ],
)
def test_what_runs_is_told_apart_from_what_polling_saw(
    runs: Running | None, said: list[str]
) -> None:
    head, first, *others = polling.lines({"web": KNOWN | {"ref": "main"}}, runs)
    assert (head, first) == (HEAD, f"  web              main, {AGO}; checked 2026-11-22 03:10")
    assert [line.strip() for line in others] == said


def test_nothing_that_is_followed_is_nothing_to_say() -> None:
    assert polling.lines({}) == []
