"""A tool's config: stored as one write, kept as it was sent, fetched with care."""

from typing import Any

import pytest

from controller.models.toolconfig import ComponentWatch
from controller.store import kinds
from tests.api.service import CONFIG, Service

BETA = "You are using a beta feature of Toolforge."
URL = "https://conf.example.org/toolforge.yaml"
FETCHED = """\
components:
  api:
    build: {repository: "https://git.example.org/api.git", ref: main}
    run: {command: api}
"""
API = {
    "api": {
        "build": {"repository": "https://git.example.org/api.git", "ref": "main"},
        "run": {"command": "api"},
    }
}


def with_run(**run: Any) -> dict[str, Any]:
    web = CONFIG["components"]["web"]
    return {"components": {"web": {**web, "run": {"command": "web", **run}}}}


async def stored(service: Service) -> dict[str, Any]:
    return (await service.ask("GET", "config")).data


async def test_a_config_comes_back_as_it_was_sent(service: Service) -> None:
    sent = {"config_version": "v1beta1", "description": "Maps", "auto_deploy": True, **CONFIG}
    answer = await service.ask("POST", "config", sent)
    assert answer.body == {
        "data": sent,
        "messages": {
            "info": [f"Configuration for {service.tool} updated successfully."],
            "warning": [BETA],
        },
    }
    shown = await service.ask("GET", "config")
    assert shown.body == {"data": sent, "messages": {"warning": [BETA]}}


async def test_unknown_fields_are_left_out_one_by_one_and_named(service: Service) -> None:
    answer = await service.ask("POST", "config", {"Warning": "x", **with_run(extra=1)})
    assert answer.data == CONFIG
    assert answer.body["messages"]["warning"] == [
        BETA,
        "Unknown field Warning, skipped",
        "Unknown field components.web.run.extra, skipped",
    ]


async def test_w6_a_replacement_is_one_write_of_the_same_object(service: Service) -> None:
    await service.ask("POST", "config", CONFIG)
    name = f"{service.tool}-config"
    before = await service.store.get(kinds.CONFIGS, service.tool, name)
    await service.ask("POST", "config", with_run(cpu="1"))
    after = await service.store.get(kinds.CONFIGS, service.tool, name)
    assert (after.metadata.uid, after.metadata.generation) == (before.metadata.uid, 2)


async def test_w6_a_replacement_leaves_nothing_of_the_old_one(service: Service) -> None:
    await service.ask("POST", "config", with_run(cpu="1", port=8000))
    await service.ask("POST", "config", {"components": API})
    assert await stored(service) == {"components": API}


async def test_w32_a_deleted_config_is_returned_and_gone(service: Service) -> None:
    await service.ask("POST", "config", CONFIG)
    assert (await service.ask("DELETE", "config")).body == {"data": CONFIG, "messages": {}}
    assert (await service.ask("GET", "config")).status == 404
    assert (await service.ask("DELETE", "config")).status == 404


REFUSED = {
    "w30 a schedule that is none does not become a continuous component": (
        {"component_type": "scheduled", **CONFIG["components"]["web"]},
        "Validation error at components -> web -> run -> schedule: Field required.",
    ),
    "w30 a retry out of range is told": (
        {
            **CONFIG["components"]["web"],
            "component_type": "scheduled",
            "run": {"command": "web", "schedule": "@daily", "retry": 9},
        },
        "Validation error at components -> web -> run -> retry: Input should be less than or "
        "equal to 5. Received value: '9'",
    ),
    "w31 a port out of range is told before anything is built": (
        with_run(port=70000)["components"]["web"],
        "Validation error at components -> web -> run -> port: Input should be less than or "
        "equal to 65535. Received value: '70000'",
    ),
}


@pytest.mark.parametrize(("component", "text"), REFUSED.values(), ids=REFUSED.keys())
async def test_a_mistake_is_told_once_and_nothing_is_stored(
    service: Service, component: dict[str, Any], text: str
) -> None:
    answer = await service.ask("POST", "config", {"components": {"web": component}})
    assert (answer.status, answer.errors) == (422, [text])
    assert (await service.ask("GET", "config")).status == 404


async def test_w31_a_name_that_no_job_can_have_is_refused(service: Service) -> None:
    answer = await service.ask(
        "POST", "config", {"components": {"Web!": CONFIG["components"]["web"]}}
    )
    assert answer.status == 422
    assert answer.errors[0].startswith("Validation error at components -> Web!: ")


async def test_w36_a_body_larger_than_its_limit_is_refused(service: Service) -> None:
    answer = await service.ask(
        "POST",
        "config",
        raw=b'"' + b"x" * (256 * 1024) + b'"',
        headers={"x-toolforge-tool": service.tool, "Content-Type": "application/json"},
    )
    assert (answer.status, answer.errors) == (413, ["The body is larger than 256 KiB"])


async def test_a_config_is_fetched_from_its_source_url(service: Service) -> None:
    service.pages.texts[URL] = FETCHED
    answer = await service.ask("POST", "config", {"source_url": URL, **CONFIG})
    assert answer.data == {"source_url": URL, "components": API}
    assert await stored(service) == {"source_url": URL, "components": API}


async def test_w29_a_failed_fetch_changes_nothing(service: Service) -> None:
    await service.ask("POST", "config", CONFIG)
    answer = await service.ask("POST", "config", {"source_url": URL, **with_run(cpu="1")})
    assert (answer.status, answer.errors) == (
        400,
        [f"Unable to retrive config from source url {URL}: it does not answer"],
    )
    assert await stored(service) == CONFIG


async def test_a_token_in_the_query_of_a_source_url_is_in_no_error(service: Service) -> None:
    secret = f"{URL}?private_token=s3cret"
    for text in (None, FETCHED + "    oops: [\n"):
        if text is not None:
            service.pages.texts[secret] = text
        answer = await service.ask("POST", "config", {"source_url": secret, **CONFIG})
        said = str(answer.body)
        assert (answer.status, URL in said, "s3cret" in said) == (400, True, False)


async def test_w29_a_fetched_file_with_mistakes_changes_nothing_and_says_where(
    service: Service,
) -> None:
    await service.ask("POST", "config", CONFIG)
    service.pages.texts[URL] = FETCHED + "    oops: [\n"
    answer = await service.ask("POST", "config", {"source_url": URL, **CONFIG})
    assert answer.status == 400
    assert answer.errors[0].startswith(
        f"Unable to retrive config from source url {URL}: line 6: This is not YAML"
    )
    assert await stored(service) == CONFIG


async def test_w29_the_user_s_source_url_stays_whatever_the_file_says(service: Service) -> None:
    service.pages.texts[URL] = FETCHED + "source_url: https://elsewhere.example.org/x.yaml\n"
    await service.ask("POST", "config", {"source_url": URL, **CONFIG})
    assert (await stored(service))["source_url"] == URL


async def test_the_config_is_fetched_again_at_each_deployment(service: Service) -> None:
    service.pages.texts[URL] = FETCHED
    await service.ask("POST", "config", {"source_url": URL, **CONFIG})
    service.pages.texts[URL] = FETCHED.replace("command: api", "command: newer")
    made = await service.ask("POST", "deployment")
    assert made.data["tool_config"]["components"]["api"]["run"] == {"command": "newer"}
    assert (await stored(service))["components"]["api"]["run"] == {"command": "newer"}


async def test_w29_a_deployment_that_is_refused_has_fetched_nothing(service: Service) -> None:
    service.pages.texts[URL] = FETCHED
    await service.ask("POST", "config", {"source_url": URL, **CONFIG})
    for _ in range(10):
        await service.ask("POST", "deployment")
    asked = len(service.pages.asked)
    assert (await service.ask("POST", "deployment")).status == 409
    assert len(service.pages.asked) == asked


BROKEN = with_run(command="'never closed")


async def broken_by_hand(service: Service) -> None:
    await service.ask("POST", "config", CONFIG)
    patch = [{"op": "replace", "path": "/spec", "value": BROKEN}]
    calls = service.store._calls
    await calls.ask(
        "PATCH",
        calls.objects.patch_namespaced_custom_object_without_preload_content,
        *(*kinds.CONFIGS.path, f"tool-{service.tool}", "toolconfigs", f"{service.tool}-config"),
        patch,
        _content_type="application/json-patch+json",
    )


async def test_a_config_that_was_broken_by_hand_is_told_and_can_be_replaced(
    service: Service,
) -> None:
    await broken_by_hand(service)
    for request in ("GET config", "POST deployment"):
        answer = await service.ask(*request.split())
        assert answer.status == 422
        assert answer.errors[0].startswith(
            "Validation error at components -> web -> run -> command: "
        )
        assert answer.errors[-1] == "The stored config has errors; replace or delete it"
    assert (await service.ask("POST", "config", CONFIG)).status == 200


async def test_a_config_that_was_broken_by_hand_can_be_deleted(service: Service) -> None:
    await broken_by_hand(service)
    assert (await service.ask("DELETE", "config")).body == {"data": BROKEN, "messages": {}}
    assert (await service.ask("GET", "config")).status == 404


async def test_what_polling_saw_is_shown_with_what_is_wrong(service: Service) -> None:
    await service.ask("POST", "config", CONFIG)
    assert (await service.ask("GET", "polling")).data == {"components": {}}
    found = await service.store.get(kinds.CONFIGS, service.tool, f"{service.tool}-config")
    watch = ComponentWatch(ref="main", error="It is away. Wait.", error_reason="RefNotFound")
    status = found.status.model_copy(update={"components": {"web": watch}})
    await service.store.patch_status(found, status)
    assert (await service.ask("GET", "polling")).data == {
        "components": {
            "web": {"ref": "main", "error": "It is away. Wait.", "error_reason": "RefNotFound"}
        }
    }
