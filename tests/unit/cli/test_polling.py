"""What `ptd status` says of polling."""

from typing import Any

import pytest

from controller.cli import polling

COMMIT, SEEN, CHECKED = "4f0c9d1e2b" * 4, "2026-11-22T03:04:05Z", "2026-11-22T03:10:00Z"
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
    ],
)
def test_a_component_that_is_followed(watch: dict[str, Any], said: list[str]) -> None:
    first, *others = polling.lines({"web": watch})
    assert (first, [line.removeprefix("  web").strip() for line in others]) == ("polling", said)


def test_nothing_that_is_followed_is_nothing_to_say() -> None:
    assert polling.lines({}) == []
