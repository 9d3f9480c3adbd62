"""Configs made by hand: whether they may be used, and the condition that says so."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from controller.config import Policy
from controller.models.meta import config_name
from controller.models.toolconfig import ToolConfigStatus
from controller.store import errors, kinds
from controller.store.objects import Store
from tests import builders
from tests.builders import NOW
from tests.support.fakekube import FakeKube
from tests.support.kubeclient import calls_to
from watchers.cache import Cache
from watchers.validity import Validity

GOOD = builders.config().model_dump(mode="json", exclude_unset=True)
FILE = builders.config(web=builders.component("file:///srv/web.git"))
FROM_A_FILE = FILE.model_dump(mode="json", exclude_unset=True)


@dataclass
class Judge:
    """A config as it is stored, and what is said of it."""

    store: Store
    cache: Cache
    validity: Validity

    async def put(self, spec: Mapping[str, Any]) -> None:
        with contextlib.suppress(errors.Unreadable):  # it is stored all the same
            await self.store.put(kinds.CONFIGS, "demo", config_name("demo"), spec)

    async def said(self) -> tuple[str, str, str] | None:
        """Status, reason and message of the condition after a look."""
        await self.validity.record("demo")
        found = self.cache.config("demo")
        conditions = found.status.conditions if found else ()
        return next(((c.status.value, c.reason, c.message) for c in conditions), None)

    def version(self) -> str:
        found = self.cache.config("demo")
        return found.metadata.resource_version if found else ""


@pytest.fixture
async def judge() -> AsyncIterator[Judge]:
    async with FakeKube() as kube, calls_to(kube.url) as calls:
        cache = Cache(lambda _: None)
        store = Store(calls, lambda: NOW, "me", cache)
        yield Judge(store, cache, Validity(cache, store, Policy(), lambda: NOW))


async def test_a_good_config_is_valid_and_may_be_used(judge: Judge) -> None:
    await judge.put(GOOD)
    assert await judge.said() == ("True", "ConfigValid", "")
    found, problems = judge.validity.usable("demo")
    assert (found is not None, problems) == (True, ())


async def test_an_address_that_the_operator_does_not_allow_is_told_and_not_used(
    judge: Judge,
) -> None:
    await judge.put(FROM_A_FILE)
    told = "components.web.build.repository: Addresses of the kind `file` are not allowed here"
    assert await judge.said() == ("False", "ConfigInvalid", told)
    assert judge.validity.usable("demo") == (None, (told,))


async def test_a_config_that_no_model_reads_is_told_where_and_why(judge: Judge) -> None:
    await judge.put(GOOD | {"config_version": "v9"})
    said = await judge.said()
    assert said is not None
    assert said[:2] == ("False", "ConfigInvalid")
    assert "config_version" in said[2]
    assert judge.validity.usable("demo")[0] is None


async def test_a_mended_config_becomes_valid(judge: Judge) -> None:
    await judge.put(FROM_A_FILE)
    await judge.said()
    await judge.put(GOOD)
    assert await judge.said() == ("True", "ConfigValid", "")


async def test_nothing_is_written_while_nothing_changes(judge: Judge) -> None:
    await judge.put(GOOD)
    await judge.said()
    before = judge.version()
    assert await judge.said() == ("True", "ConfigValid", "")
    assert judge.version() == before


async def test_what_polling_has_written_is_kept(judge: Judge) -> None:
    await judge.put(GOOD)
    found = judge.cache.config("demo")
    assert found is not None
    polled = ToolConfigStatus.model_validate({"components": {"web": {"commit": "a" * 40}}})
    await judge.store.judge(found, polled)
    await judge.said()
    after = judge.cache.config("demo")
    assert after is not None
    assert after.status.components["web"].commit == "a" * 40


async def test_a_tool_without_a_config_has_none_and_no_problems(judge: Judge) -> None:
    assert await judge.said() is None
    assert judge.validity.usable("demo") == (None, ())
