"""Metrics: what is recorded is shown, and labels stay within their bounds."""

from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from controller.metrics import Metrics

SECOND = timedelta(seconds=1)


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(CollectorRegistry(), version="1.2.3", role="controller")


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"ptd_{name}", labels)


SHOWN: dict[str, dict[str, str]] = {
    "deployments_finished_total": {
        "trigger": "poll",
        "state": "failed",
        "reason": "BuildFailed",
    },
    "deployment_phase_seconds_count": {"phase": "building"},
    "commit_to_final_seconds_count": {"state": "failed"},
    "builds_total": {"event": "started"},
    "jobs_total": {"change": "restarted"},
    "repository_poll_errors_total": {"reason": "RepositoryUnreachable"},
    "reconciles_total": {"outcome": "bug"},
    "reconcile_bugs_total": {},
    "reconciles_running": {},
    "control_plane_request_seconds_count": {"verb": "PATCH", "code": "200"},
    "backend_request_seconds_count": {"service": "builds", "verb": "GET", "code": "timeout"},
    "watch_restarts_total": {"kind": "toolconfigs", "cause": "silent"},
    "watch_relists_total": {"kind": "toolconfigs"},
    "leader": {},
    "leader_terms_total": {},
    "http_request_seconds_count": {
        "route": "/tool/{tool}/config",
        "method": "GET",
        "code": "200",
    },
    "build_info": {"version": "1.2.3", "role": "controller"},
}


def test_every_record_function_shows_in_its_metric(metrics: Metrics) -> None:
    metrics.deployments.finished("poll", "failed", "BuildFailed")
    metrics.deployments.phase_took("building", 90 * SECOND)
    metrics.deployments.commit_final("failed", 120 * SECOND)
    metrics.deployments.build("started")
    metrics.deployments.job("restarted")
    metrics.polls.polled(SECOND, 2 * SECOND, refs=3, at=datetime(2026, 5, 1, tzinfo=UTC))
    metrics.polls.failed("RepositoryUnreachable", -SECOND)
    metrics.polls.saved(4)
    metrics.polls.watched(7)
    metrics.reconcile.started()
    metrics.reconcile.started()
    metrics.reconcile.ended("bug", 0.5)
    metrics.requests.control_plane("PATCH", 200, 0.1)
    metrics.requests.backend("builds", "GET", "timeout", 20)
    metrics.watches.restarted("toolconfigs", "silent")
    metrics.watches.relisted("toolconfigs")
    metrics.watches.differed("toolconfigs", 2)
    metrics.leader.leads(True)
    metrics.http.answered("/tool/{tool}/config", "GET", 200, 0.2)
    metrics.http.answered("/tool/{tool}/deployment/{id}", "GET", 200, 60, waited=True)
    metrics.http.watch_waiters(lambda: 2, 500)
    assert {
        name: value(metrics, name, **labels) for name, labels in SHOWN.items()
    } == dict.fromkeys(SHOWN, 1)
    assert value(metrics, "repository_poll_lag_seconds_sum") == 2
    assert value(metrics, "refs_found_total") == 3
    assert value(metrics, "repository_polls_saved_total") == 4
    assert value(metrics, "repositories_watched") == 7
    assert value(metrics, "resync_differences_total", kind="toolconfigs") == 2
    assert value(metrics, "http_waiters") == 2
    last = value(metrics, "repository_last_good_poll_timestamp_seconds")
    assert last == datetime(2026, 5, 1, tzinfo=UTC).timestamp()
    long_poll = {"route": "/tool/{tool}/deployment/{id}", "method": "GET", "code": "200"}
    assert value(metrics, "http_requests_total", **long_poll) == 1
    assert value(metrics, "http_request_seconds_count", **long_poll) is None


def test_gauges_are_read_when_they_are_scraped(metrics: Metrics) -> None:
    depth = [1.0]
    metrics.reconcile.watch_queue(
        depth=lambda: depth[0], delayed=lambda: 2, longest_wait=lambda: 3 * SECOND
    )
    metrics.deployments.watch(
        unfinished=lambda: 4,
        waiting=lambda: 5,
        oldest_waiting=lambda: 6 * SECOND,
        oldest_unserved=lambda: 11 * SECOND,
        phases=lambda: {"building": 12},
        past_deadline=lambda: 7,
    )
    metrics.watches.watch("toolconfigs", age=lambda: 8 * SECOND, unreadable=lambda: 9)
    depth[0] = 10
    assert [
        value(metrics, "workqueue_depth"),
        value(metrics, "workqueue_delayed"),
        value(metrics, "workqueue_longest_wait_seconds"),
        value(metrics, "deployments_unfinished"),
        value(metrics, "deployments_waiting"),
        value(metrics, "deployments_oldest_waiting_seconds"),
        value(metrics, "deployments_past_deadline"),
        value(metrics, "watch_newest_line_age_seconds", kind="toolconfigs"),
        value(metrics, "objects_unreadable", kind="toolconfigs"),
        value(metrics, "resync_differences_total", kind="toolconfigs"),
        value(metrics, "deployments_oldest_unserved_seconds"),
        value(metrics, "deployments_in_phase", phase="building"),
    ] == [10, 2, 3, 4, 5, 6, 7, 8, 9, 0, 11, 12]


def test_of_the_hosts_that_strangers_name_only_the_largest_are_shown(metrics: Metrics) -> None:
    sizes = {f"host{number}": 1 for number in range(1_000)} | {"forge": 50}
    silent = {"forge": 7, "host999": 1, "host998": 1}
    metrics.polls.watch(
        overdue=lambda: 90 * SECOND, on_host=lambda: sizes, unreachable=lambda: silent
    )
    shown = generate_latest(metrics.registry).decode()
    assert shown.count("ptd_repositories_on_host{") == 21
    assert value(metrics, "repository_most_overdue_seconds") == 90
    assert value(metrics, "repositories_on_host", host="forge") == 50
    assert value(metrics, "repositories_on_host", host="other") == 1_000 - 19
    assert value(metrics, "repositories_unreachable", host="forge") == 7
    assert value(metrics, "repositories_unreachable", host="other") == 2
    assert value(metrics, "repositories_unreachable", host="host0") == 0


def test_certificates_and_the_limit_of_waiters_are_shown(metrics: Metrics) -> None:
    metrics.certificates.watch(lambda: {"gateway": 1_780_000_000})
    metrics.http.watch_waiters(lambda: 480, 500)
    expiry = value(metrics, "certificate_expiry_timestamp_seconds", certificate="gateway")
    assert (expiry, value(metrics, "http_waiters_limit")) == (1_780_000_000, 500)


def test_what_strangers_choose_makes_no_series(metrics: Metrics) -> None:
    for number in range(1_000):
        metrics.http.answered("/x", f"BREW{number}", 200, 0.1)
        metrics.requests.control_plane(f"V{number}", 1_000 + number, 0.1)
        metrics.requests.backend(f"s{number}", f"V{number}", f"c{number}", 0.1)
        metrics.deployments.build(f"e{number}")
        metrics.deployments.job(f"c{number}")
        metrics.deployments.phase_took(f"p{number}", SECOND)
    text = generate_latest(metrics.registry).decode()
    assert text.count("\n") < 500
    assert value(metrics, "builds_total", event="other") == 1_000


def test_two_processes_in_one_test_share_nothing(metrics: Metrics) -> None:
    other = Metrics(CollectorRegistry(), version="1", role="api")
    metrics.leader.leads(True)
    assert value(other, "leader") == 0
