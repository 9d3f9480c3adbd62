"""Secrets by name, and namespaces."""

import pytest

from controller.store import errors
from controller.store.secrets import Secret
from tests.support import fakekube
from tests.support.storing import world
from tests.support.virtualtime import virtual_time


@virtual_time
async def test_secrets_go_by_name_and_keep_what_others_wrote() -> None:
    async with world() as w:
        made = await w.secrets.create("x", Secret("token", {"a": b"\x00\xff"}, {"l": "1"}))
        assert (made.data, made.labels) == ({"a": b"\x00\xff"}, {"l": "1"})
        assert await w.secrets.get("x", "token") == made
        changed = Secret("token", {"a": b"2"}, made.labels, {}, made.version, made.uid)
        changed = await w.secrets.replace("x", changed)
        assert changed.data == {"a": b"2"}
        with pytest.raises(errors.Conflict):
            await w.secrets.replace("x", made)
        await w.secrets.delete("x", "token")
        with pytest.raises(errors.NotFound):
            await w.secrets.get("x", "token")
        assert "\\xff" not in repr(made)


@virtual_time
async def test_a_secret_with_a_broken_value_is_unreadable() -> None:
    async with world() as w:
        body = {"metadata": {"name": "token", "namespace": "tool-x"}, "data": {"a": "*"}}
        w.kube.store("core/v1/secrets", body)
        with pytest.raises(errors.Unreadable, match="token: a value is no base64"):
            await w.secrets.get("x", "token")


@virtual_time
async def test_a_namespace_is_made_once() -> None:
    async with world() as w:
        await w.secrets.ensure_namespace("x")
        await w.secrets.ensure_namespace("x")
        assert len(w.kube.verbs("POST")) == 1
        w.kube.fail("GET", fakekube.status(404, "NotFound"))
        await w.secrets.ensure_namespace("x")
