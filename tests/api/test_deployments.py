"""Deployments: what a request leaves behind, and what is shown of it."""

import asyncio
from typing import Any

import pytest

from controller.api.deployments import next_id
from controller.models.tooldeployment import (
    BuildRecord,
    BuildStatus,
    Phase,
    RunRecord,
    RunStatus,
    State,
    Trigger,
)
from controller.store import kinds
from tests.api.service import CONFIG, Clock, Draws, Service

WAITING: dict[str, Any] = {
    "builds": {"web": {"build_id": "no-id-yet", "build_status": "pending"}},
    "runs": {"web": {"run_status": "pending"}},
}


async def deploy(service: Service, path: str = "deployment", body: Any = None) -> str:
    answer = await service.ask("POST", path, body)
    assert answer.status == 200, answer.body
    return str(answer.data["deploy_id"])


@pytest.fixture(autouse=True)
async def _config(service: Service) -> None:
    await service.ask("POST", "config", CONFIG)


async def test_a_new_deployment_is_shown_as_the_existing_service_shows_it(
    service: Service,
) -> None:
    answer = await service.ask("POST", "deployment?force-run=yes", {"description": "T401993"})
    name = answer.data["deploy_id"]
    assert answer.body == {
        "data": {
            "deploy_id": name,
            "creation_time": "20261121-120000",
            "description": "T401993",
            **WAITING,
            "tool_config": CONFIG,
            "status": "pending",
            "force_build": False,
            "force_run": True,
            "trigger": "api",
        },
        "messages": {"info": [f"Deployment for {service.tool} created successfully."]},
    }
    shown = await service.ask("GET", f"deployment/{name}")
    assert shown.body == {"data": answer.data, "messages": {}}


async def test_a_request_leaves_an_object_behind_and_nothing_else(service: Service) -> None:
    name = await deploy(service, "deployment?force-build=1", {"description": "x"})
    spec = (await service.deployment(name)).spec
    assert spec.model_dump(exclude_unset=True) == {
        "description": "x",
        "force_build": True,
        "force_run": False,
        "trigger": {"kind": Trigger.API},
    }


async def test_a_webhook_s_payload_is_taken_for_a_wish(service: Service) -> None:
    await deploy(service, body={"ref": "refs/heads/main", "commits": [{"id": "a"}]})
    await deploy(service, body=None)


async def test_w5_later_ones_wait_in_order_and_say_so(service: Service) -> None:
    made = [await service.ask("POST", "deployment") for _ in range(3)]
    shown = [(each.data.get("queue_position", 0), each.data["status"]) for each in made]
    assert shown == [(0, "pending"), (1, "pending"), (2, "pending")]
    assert made[2].data["long_status"] == "waiting for its turn (position 2)"


async def test_w5_the_limit_counts_what_waits_or_goes_on(service: Service) -> None:
    names = [await deploy(service) for _ in range(10)]
    assert (await service.ask("POST", "deployment")).status == 409
    await service.ask("PUT", f"deployment/{names[4]}/cancel")
    assert (await service.ask("POST", "deployment")).status == 200


async def test_w35_of_two_in_one_second_the_later_one_is_the_latest(service: Service) -> None:
    names = [await deploy(service) for _ in range(6)]
    assert names == sorted(names)
    listed = (await service.ask("GET", "deployment")).data["deployments"]
    assert [each["deploy_id"] for each in listed] == names
    assert (await service.ask("GET", "deployment/latest")).data["deploy_id"] == names[-1]


@pytest.mark.parametrize("newest", ["20261121-120000-zzzzzzzzzz", "20261121-120000-zzzzz00000"])
def test_an_id_is_an_id_even_behind_the_last_one(newest: str) -> None:
    name = next_id(Clock()(), newest, Draws())
    assert name.startswith("20261121-120000-")
    assert len(name) == len(newest)


def test_a_name_that_is_nobody_s_id_is_no_order() -> None:
    assert next_id(Clock()(), "20261121-120000-by-hand", Draws())[:16] == "20261121-120000-"


async def test_w3_a_cancel_is_one_field_that_a_status_cannot_undo(service: Service) -> None:
    name = await deploy(service)
    cancelled, _ = await asyncio.gather(
        service.ask("PUT", f"deployment/{name}/cancel"),
        service.set_status(name, status=State.RUNNING, long_status="Started"),
    )
    assert cancelled.data["status"] == "cancelling"
    assert cancelled.body["messages"] == {
        "info": ["Deployment flagged for cancellation, might take a moment to cancel."]
    }
    shown = (await service.ask("GET", f"deployment/{name}")).data
    assert (shown["status"], shown["long_status"]) == ("cancelling", "Started")
    assert (await service.deployment(name)).spec.cancel


async def test_latest_can_be_cancelled(service: Service) -> None:
    await deploy(service)
    name = await deploy(service)
    answer = await service.ask("PUT", "deployment/latest/cancel")
    assert (answer.data["deploy_id"], answer.data["status"]) == (name, "cancelling")


async def test_a_deleted_deployment_frees_its_place_at_once(service: Service) -> None:
    names = [await deploy(service) for _ in range(10)]
    answer = await service.ask("DELETE", f"deployment/{names[0]}")
    assert answer.body["messages"] == {"info": [f"Deployment {names[0]} deleted successfully."]}
    assert (await service.ask("GET", f"deployment/{names[0]}")).status == 404
    assert (await service.ask("POST", "deployment")).status == 200


async def test_w10_one_that_is_going_is_stopped_before_it_is_deleted(service: Service) -> None:
    name = await deploy(service)
    await service.set_status(name, status=State.RUNNING, started_at=service.clock())

    async def controller() -> bool:
        async with asyncio.timeout(5):
            asked = await service.deployment(name)
            while not asked.spec.cancel:
                await asyncio.sleep(0.01)
                asked = await service.deployment(name)
        await service.set_status(name, status=State.CANCELLED)
        return True

    stopped, answer = await asyncio.gather(
        controller(), service.ask("DELETE", f"deployment/{name}")
    )
    assert (stopped, answer.status, answer.data["status"]) == (True, 200, "running")
    assert (await service.ask("GET", f"deployment/{name}")).status == 404


async def test_w10_without_a_controller_it_is_deleted_all_the_same(service: Service) -> None:
    name = await deploy(service)
    await service.set_status(name, status=State.RUNNING, started_at=service.clock())
    assert (await service.ask("DELETE", f"deployment/{name}")).status == 200


async def test_w7_what_is_shown_is_what_was_deployed_not_what_is_configured(
    service: Service,
) -> None:
    name = await deploy(service)
    config = (await service.store.get(kinds.CONFIGS, service.tool, f"{service.tool}-config")).spec
    await service.set_status(
        name,
        status=State.RUNNING,
        phase=Phase.BUILDING,
        tool_config=config,
        started_at=service.clock(),
        long_status="Started at noon",
        builds={"web": BuildRecord(build_id="b-1", build_status=BuildStatus.RUNNING)},
        runs={"web": RunRecord(run_status=RunStatus.PENDING)},
    )
    await service.ask("POST", "config", {"components": {"other": CONFIG["components"]["web"]}})
    assert (await service.ask("GET", f"deployment/{name}")).data == {
        "deploy_id": name,
        "creation_time": "20261121-120000",
        "description": "",
        "builds": {"web": {"build_id": "b-1", "build_status": "running"}},
        "runs": {"web": {"run_status": "pending"}},
        "tool_config": CONFIG,
        "status": "running",
        "long_status": "Started at noon",
        "force_build": False,
        "force_run": False,
        "trigger": "api",
        "phase": "building",
        "started_at": "2026-11-21T12:00:00.123456Z",
    }


async def test_w21_no_component_is_missing_before_its_build_has_begun(service: Service) -> None:
    name = await deploy(service)
    assert (await service.ask("GET", f"deployment/{name}")).data["builds"] == WAITING["builds"]


async def test_what_ended_before_its_turn_shows_no_config_of_today(service: Service) -> None:
    name = await deploy(service)
    await service.set_status(name, status=State.CANCELLED, long_status="Deployment was cancelled")
    shown = (await service.ask("GET", f"deployment/{name}")).data
    assert (shown["status"], shown["builds"], shown["runs"]) == ("cancelled", {}, {})
    assert "tool_config" not in shown


async def test_an_object_of_the_older_service_is_history_and_never_seems_to_go_on(
    service: Service,
) -> None:
    name = "20250101-101010-abcdefghij"
    old = {
        "deploy_id": name,
        "creation_time": "20250101-101010",
        "builds": {"web": {"build_id": "b-1", "build_status": "successful"}},
        "runs": {"web": {"run_status": "pending"}},
        "tool_config": CONFIG,
        "status": "running",
        "long_status": "Started at 2025-01-01 10:10:10+00:00",
    }
    await service.store.create(kinds.DEPLOYMENTS, service.tool, name, old)
    newer = await deploy(service)
    shown = (await service.ask("GET", f"deployment/{name}")).data
    assert shown == old | {
        "description": "",
        "status": "timed_out",
        "force_build": False,
        "force_run": False,
    }
    assert (await service.ask("PUT", f"deployment/{name}/cancel")).status == 409
    assert (await service.ask("GET", "deployment/latest")).data["deploy_id"] == newer


async def test_an_object_made_by_hand_is_listed_by_its_age(service: Service) -> None:
    await service.store.create(kinds.DEPLOYMENTS, service.tool, "by-hand", {})
    first = await deploy(service)
    listed = (await service.ask("GET", "deployment")).data["deployments"]
    assert {each["deploy_id"] for each in listed} == {first, "by-hand"}
    assert listed[-1]["creation_time"] >= listed[0]["creation_time"]


async def test_w36_a_description_has_a_limit(service: Service) -> None:
    answer = await service.ask("POST", "deployment", {"description": "x" * 4097})
    assert (answer.status, answer.errors) == (
        422,
        ["Validation error at description: String should have at most 4096 characters"],
    )


async def test_an_unknown_parameter_is_refused_with_the_known_names(service: Service) -> None:
    answer = await service.ask("POST", "deployment?force_build=true")
    assert (answer.status, answer.errors) == (
        422,
        [
            "Unknown query parameter 'force_build', did you mean 'force-build'? Known here: "
            "force-build, force-run, token."
        ],
    )
    assert (await service.ask("GET", "deployment")).data == {"deployments": []}


async def test_w24_the_parameter_that_wiped_everything_does_nothing(service: Service) -> None:
    answer = await service.ask("GET", "config?rebuild_storage=true")
    assert answer.data == CONFIG
