"""What is remembered of a finished deployment."""

from controller.models.summary import DeploymentSummary


def test_only_jobs_that_a_deployment_had_a_hand_in_count_as_applied() -> None:
    """A job made by hand is not ours because a deployment of that name failed before its turn."""
    runs = {
        "web": {"run_status": "successful", "change": "updated"},
        "cron": {"run_status": "skipped", "change": None},
        "worker": {"run_status": "successful", "change": "unchanged"},
    }
    summary = DeploymentSummary.of(
        {
            "metadata": {
                "name": "d1",
                "uid": "u",
                "resourceVersion": "7",
                "creationTimestamp": "2026-11-21T12:00:00Z",
            },
            "spec": {},
            "status": {"status": "failed", "builds": {"cron": {}}, "runs": runs},
        }
    )
    assert summary.components == ("cron", "web", "worker")
    assert summary.applied == ("web", "worker")
