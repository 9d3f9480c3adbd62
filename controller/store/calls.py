"""One request to the control plane: limited in time, measured, and its failure named.

Used by the other modules of this package only. The status is checked before anything is read, a
body that is no JSON is a failure, and a 401 is tried once more with credentials read again. Nothing
else is tried again here: who asks knows whether it may be.
"""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import aiohttp

from controller.metrics import RequestMetrics
from controller.store import errors
from controller.store.client import Connection

JSON = dict[str, Any]
Method = Callable[..., Awaitable[aiohttp.ClientResponse]]
"""A `…_without_preload_content` method of the client library."""

LIMIT = timedelta(seconds=15)


class Calls:
    """Requests over one connection. `clock` is monotonic seconds."""

    def __init__(
        self,
        connection: Connection,
        metrics: RequestMetrics,
        clock: Callable[[], float],
        limit: timedelta = LIMIT,
    ) -> None:
        from kubernetes.aio.client.api.custom_objects_api import (  # noqa: PLC0415
            CustomObjectsApi,
        )

        self.connection = connection
        self.objects = CustomObjectsApi(connection.calls)
        self.watches = CustomObjectsApi(connection.watches)
        self._metrics = metrics
        self._clock = clock
        self._limit = limit

    async def ask(
        self, verb: str, method: Method, *args: Any, within: timedelta | None = None, **options: Any
    ) -> JSON:
        """Make one request and answer its JSON object; raises `store.errors`.

        `within` bounds the whole request, waiting for a socket included.
        """
        seconds = (within or self._limit).total_seconds()
        async with self._request(verb, method, args, {**options, "_request_timeout": seconds}) as (
            response
        ):
            return await _json(response)

    @asynccontextmanager
    async def stream(
        self, method: Method, *args: Any, within: timedelta, **options: Any
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """A request whose answer is read line by line; what is not read is cut off at the end."""
        seconds = within.total_seconds()
        async with self._request(
            "WATCH", method, args, {**options, "_request_timeout": seconds}
        ) as response:
            yield response

    @asynccontextmanager
    async def _request(
        self, verb: str, method: Method, args: tuple[Any, ...], options: JSON
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """The answer with a good status; every failure inside, too, becomes a named error."""
        try:
            response = await self._send(verb, method, args, options)
            if response.status == 401 and await self.connection.reread():
                response.release()
                response = await self._send(verb, method, args, options)
            async with response:
                if response.status >= 300:
                    raise await _failure(response)
                yield response
        except TimeoutError as error:
            seconds = options["_request_timeout"]
            raise errors.Unavailable(
                f"the control plane did not answer a {verb} within {seconds:g} s"
            ) from error
        except (aiohttp.ClientError, OSError) as error:
            raise errors.Unavailable(f"no connection to the control plane: {error}") from error

    async def _send(
        self, verb: str, method: Method, args: tuple[Any, ...], options: JSON
    ) -> aiohttp.ClientResponse:
        started = self._clock()
        code: int | str = "error"
        try:
            response = await method(*args, **options)
            code = response.status
        except TimeoutError:
            code = "timeout"
            raise
        finally:
            self._metrics.control_plane(verb, code, self._clock() - started)
        return response


async def _json(response: aiohttp.ClientResponse) -> JSON:
    data = await response.read()
    try:
        body = json.loads(data)
    except ValueError as error:
        raise errors.Unavailable("the control plane's answer is no JSON") from error
    if not isinstance(body, dict):
        raise errors.Unavailable("the control plane's answer is no JSON object")
    return body


async def _failure(response: aiohttp.ClientResponse) -> Exception:
    text = (await response.read()).decode(errors="replace")
    try:
        body = json.loads(text)
    except ValueError:
        body = {}
    return errors.of_answer(
        response.status,
        body if isinstance(body, dict) else {},
        text,
        response.headers.get("Retry-After"),
    )
