"""What `ptd status` says of a deployment."""

from typing import Any

from controller.cli import summary

COMMIT = "4f0c9d1e2b" * 4


def shown(**fields: Any) -> dict[str, Any]:
    return {"deploy_id": "20261122-030412-k3v9d0aq1z", "status": "failed", **fields}


def test_each_component_that_failed_says_why_but_for_what_the_message_says_already() -> None:
    told = summary.lines(
        shown(
            message="2 of 3 components failed: web, worker; component web: no branch called 'x'",
            builds={
                "web": {"build_status": "failed", "build_long_status": "no branch called 'x'"},
                "worker": {"build_status": "failed", "build_long_status": "there is no such host"},
                "job": {
                    "build_status": "cancelled",
                    "build_long_status": "a slot is free soon",
                    "commit": COMMIT,
                },
            },
            runs={name: {"run_status": "skipped"} for name in ("web", "worker", "job")},
        )
    )
    assert told == [
        "20261122-030412-k3v9d0aq1z  failed",
        "  2 of 3 components failed: web, worker; component web: no branch called 'x'",
        "  web              build failed, run skipped",
        "  worker           build failed, run skipped",
        "                   there is no such host",
        "  job              build cancelled, run skipped  4f0c9d1e2b",
    ]


def test_what_does_not_run_says_why() -> None:
    runs = {"web": {"run_status": "failed", "run_long_status": "it ended with 1 (3 times)"}}
    told = summary.lines(shown(builds={"web": {"build_status": "successful"}}, runs=runs))
    assert told[1:] == [
        "  web              build successful, run failed",
        "                   it ended with 1 (3 times)",
    ]


def test_what_has_not_begun_is_its_name_and_state() -> None:
    assert summary.lines(shown(status="pending")) == ["20261122-030412-k3v9d0aq1z  pending"]
