"""Requests to the core group (`/api/v1`), in the client library's own form.

Called by `secrets`. The library has a typed class for this group, and importing that costs 24 MiB
and 0.7 s, because a pod comes with it; what is asked here is JSON by its path, as for custom
objects.
"""

from collections.abc import Mapping
from typing import Any

import aiohttp

from controller.store.calls import JSON, Calls, Method

_JSON = "application/json"


class Core:
    """Objects of the core group, as JSON. Every call raises `store.errors` and nothing else."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def ask(
        self, verb: str, path: str, names: Mapping[str, str], body: JSON | None = None
    ) -> JSON:
        """One request; `path` is below /api/v1, with the names to fill in in braces."""
        return await self._calls.ask(verb, self._method(verb, f"/api/v1/{path}"), names, body)

    def _method(self, verb: str, path: str) -> Method:
        client = self._calls.connection.calls

        async def request(
            names: Mapping[str, str], body: JSON | None, *, _request_timeout: float
        ) -> aiohttp.ClientResponse:
            headers = {"Accept": _JSON} | ({} if body is None else {"Content-Type": _JSON})
            parameters = await client.param_serialize(
                verb,
                path,
                path_params=dict(names),
                query_params=[],
                header_params=headers,
                body=body,
                auth_settings=["BearerToken"],
            )
            found: Any = await client.call_api(
                *parameters, _preload_content=False, _request_timeout=_request_timeout
            )
            return found.response  # type: ignore[no-any-return]

        return request
