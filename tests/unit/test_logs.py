"""Logs: one JSON object a line, the tool bound, and no secret in any of them."""

import asyncio
import io
import json
import logging
import time
from collections.abc import Iterator
from typing import Any

import pytest
from aiohttp.http_exceptions import BadHttpMessage

from controller import logs


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def written(level: str = "info", form: logs.LogFormat = logs.LogFormat.JSON) -> io.StringIO:
    out = io.StringIO()
    logs.configure(level=level, form=form, stream=out)
    return out


def lines(out: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_a_line_is_one_json_object_with_utc_time_level_and_module() -> None:
    out = written()
    logs.logger("loop").info("started", tool="x", count=3)
    (line,) = lines(out)
    assert line.pop("timestamp").endswith("Z")
    assert line == {"event": "started", "tool": "x", "count": 3, "level": "info", "module": "loop"}


def test_a_line_break_in_a_value_makes_no_second_line() -> None:
    out = written()
    logs.logger("x").info("said", text='a\n{"event": "forged"}')
    assert [line["event"] for line in lines(out)] == ["said"]


def test_lines_below_the_level_are_not_written() -> None:
    out = written("warning")
    logs.logger("x").info("quiet")
    logs.logger("x").warning("loud")
    assert [line["event"] for line in lines(out)] == ["loud"]


def test_a_logger_made_before_configuration_follows_it() -> None:
    made = logs.logger("early")
    out = written()
    made.info("heard")
    assert lines(out)[0]["module"] == "early"


def test_the_console_form_is_text_for_people() -> None:
    out = written(form=logs.LogFormat.CONSOLE)
    logs.logger("x").info("started", tool="x")
    assert "started" in out.getvalue()
    assert not out.getvalue().startswith("{")


async def test_the_tool_is_bound_within_its_task_only() -> None:
    out = written()

    async def work(tool: str) -> None:
        with logs.bound(tool=tool):
            await asyncio.sleep(0)
            logs.logger("x").info("worked")

    await asyncio.gather(work("a"), work("b"))
    logs.logger("x").info("after")
    assert [line.get("tool") for line in lines(out)] == ["a", "b", None]


def test_libraries_speak_only_when_something_is_wrong_and_are_cleaned_too() -> None:
    out = written("debug")
    logging.getLogger("aiohttp.access").info("GET /?token=s3cret-value")
    logging.getLogger("aiohttp").warning("failed: https://u:pw@h.example/x?token=s3cret-value")
    (line,) = lines(out)
    assert line["event"] == "failed: https://h.example/x"


SECRET = "s3cret-value-0123456789"
LEAKS: dict[str, dict[str, Any]] = {
    "a value named token": {"token": SECRET},
    "a value named Authorization": {"headers": {"Authorization": f"Bearer {SECRET}"}},
    "a value named password, deeply": {"a": [{"b": {"db_password": SECRET}}]},
    "an API key": {"api_key": SECRET, "private-key": SECRET, "credentials": [SECRET]},
    "a query": {"url": f"https://h.example/deploy?token={SECRET}&x=1"},
    "a path with a query": {"path": f"/tool/x/deployment?token={SECRET}"},
    "userinfo": {"url": f"https://user:{SECRET}@h.example/x.git"},
    "userinfo with an @ in it": {"url": f"https://user:p@{SECRET}@h.example/x.git"},
    "userinfo of ssh": {"url": f"ssh://user:{SECRET}@h.example/x.git"},
    "a bearer in a sentence": {"message": f"sent Bearer {SECRET} to h"},
    "an exception": {"error": ValueError(f"https://x:{SECRET}@h.example failed")},
    "an object": {"thing": {"inner": {"access_token": SECRET}}},
    "too deep": {"a": [[[[[[[[[[SECRET]]]]]]]]]]},
}


@pytest.mark.parametrize("values", LEAKS.values(), ids=LEAKS.keys())
def test_no_secret_is_written(values: dict[str, Any]) -> None:
    out = written()
    logs.logger("x").info("event", **values)
    assert SECRET not in out.getvalue()
    assert lines(out)[0]["event"] == "event"


def test_no_secret_is_written_by_a_traceback() -> None:
    out = written()
    try:
        raise ValueError(f"GET https://h.example/?token={SECRET}")
    except ValueError:
        logs.logger("x").exception("failed")
    assert SECRET not in out.getvalue()
    assert "Traceback" in lines(out)[0]["exception"]


@pytest.mark.parametrize(
    "text",
    ["", "main", "refs/heads/x", "https://h.example/x.git", "a = b", "the tokenizer of x"],
)
def test_harmless_text_stays_as_it_is(text: str) -> None:
    assert logs.clean(text) == text


@pytest.mark.parametrize("part", ["a.", "http://", "bearer ", "token", "a-b+"])
def test_a_long_text_is_cleaned_in_a_moment(part: str) -> None:
    began = time.process_time()
    logs.clean(part * 20_000)
    assert time.process_time() - began < 1


def test_an_empty_secret_shows_that_it_is_empty() -> None:
    out = written()
    logs.logger("x").info("event", token="")
    assert lines(out)[0]["token"] == ""


def test_a_request_that_is_no_http_leaves_no_traceback_but_a_bug_does() -> None:
    out = written()
    for error in (BadHttpMessage("junk"), ValueError("a bug")):
        try:
            raise error
        except Exception:
            logging.getLogger("aiohttp.server").exception("Error handling request")
    assert ["a bug" in line["exception"] for line in lines(out)] == [True]
