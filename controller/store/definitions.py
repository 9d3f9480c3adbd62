"""Makes our custom resource definitions known to a control plane that we own (local mode).

On a real cluster an administrator applies `manifests/crds`; there this is not called.
"""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from controller.store import errors
from controller.store.calls import Calls

_PATH = ("apiextensions.k8s.io", "v1", "customresourcedefinitions")
_TRIES = 50
_PAUSE = timedelta(milliseconds=100)


async def install(calls: Calls, definition: Mapping[str, Any]) -> None:
    """Have the definition exist as given, and wait until its objects are served."""
    name = definition["metadata"]["name"]
    try:
        await _create(calls, definition)
    except errors.AlreadyExists:
        await _update(calls, name, definition)
    for _ in range(_TRIES):
        if await _is_served(calls, name):
            return
        await asyncio.sleep(_PAUSE.total_seconds())
    raise errors.Unavailable(f"the definition {name} is stored, but its objects are not served")


async def _create(calls: Calls, definition: Mapping[str, Any]) -> None:
    await calls.ask(
        "POST",
        calls.objects.create_cluster_custom_object_without_preload_content,
        *(*_PATH, dict(definition)),
    )


async def _update(calls: Calls, name: str, definition: Mapping[str, Any]) -> None:
    """Have the spec be the given one. A merge patch, which the server's own defaults and its
    writes to the status cannot get into conflict with; an equal spec makes no new version.
    """
    await calls.ask(
        "PATCH",
        calls.objects.patch_cluster_custom_object_without_preload_content,
        *(*_PATH, name, {"spec": definition["spec"]}),
        _content_type="application/merge-patch+json",
    )


async def _get(calls: Calls, name: str) -> dict[str, Any]:
    return await calls.ask(
        "GET", calls.objects.get_cluster_custom_object_without_preload_content, *(*_PATH, name)
    )


async def _is_served(calls: Calls, name: str) -> bool:
    conditions = ((await _get(calls, name)).get("status") or {}).get("conditions") or ()
    return any(c.get("type") == "Established" and c.get("status") == "True" for c in conditions)
