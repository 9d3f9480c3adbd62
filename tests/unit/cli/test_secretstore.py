"""Credentials in a tool's namespace, and that polling hears of them."""

from datetime import timedelta

from controller.cli import secretstore
from controller.models import lookups
from controller.models.credentials import BASIC, LABEL, MARK, Stored
from controller.models.meta import config_name
from controller.store import kinds
from controller.store.objects import Store
from controller.store.secrets import Secrets
from tests.api.service import CONFIG, Clock, connected
from tests.support import controlplane


async def test_new_credentials_are_told_to_polling_with_the_time(
    control_plane: controlplane.Access,
) -> None:
    """Without the time, a controller that has just started takes it for answered."""
    async with connected(control_plane.kubeconfig) as calls:
        await Secrets(calls).ensure_namespace("told")
        kept = Store(calls, Clock(), "tests")
        name = config_name("told")
        before = await kept.put(kinds.CONFIGS, "told", name, CONFIG)
        assert lookups.ANNOTATION not in before.metadata.annotations
        data = {"username": b"u", "password": b"p"}
        await secretstore.store(calls, "told", Stored("git", BASIC, data, {LABEL: MARK}))
        found = await kept.get(kinds.CONFIGS, "told", name)
        at = lookups.asked_at(found.metadata.annotations[lookups.ANNOTATION])
        created = found.metadata.creation_timestamp
        assert at is not None
        assert created is not None
        assert abs(at - created) < timedelta(minutes=1)
