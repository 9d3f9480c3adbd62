"""Lists and watches of a whole kind, for the object watcher.

Speaks the watch protocol and nothing else: the status is checked before a line is read, a line that
is no event ends the stream, and all three forms of 410 become `Gone`. When to list, when to watch
and how long to wait is decided in `watchers.objects`. (The client library's own Watch hands over
the text of an error answer as events, and resumes from versions that it should not.)
"""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError

from controller.store import errors
from controller.store.calls import JSON, Calls
from controller.store.kinds import Kind

PAGE = 200  # a page is in memory three times over, and a deployment has 5 KiB
LIST_LIMIT = timedelta(seconds=30)
_TYPES = ("ADDED", "MODIFIED", "DELETED", "BOOKMARK")
_MARGIN = timedelta(seconds=30)  # beyond the server's own time limit of a watch


class Silent(errors.Unavailable):
    """A watch on which nothing came for too long, not even a bookmark."""


class Broken(errors.Unavailable):
    """A watch that sent something that is no event."""


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list; `version` is that of the whole list."""

    items: list[JSON]
    version: int


@dataclass(frozen=True, slots=True)
class Event:
    """ADDED, MODIFIED, DELETED or BOOKMARK; of a bookmark only the version means something."""

    type: str
    stored: JSON
    version: int


class Feed:
    """All objects of a kind in all namespaces. Raises `store.errors` and nothing else."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def pages(self, kind: Kind[Any]) -> AsyncGenerator[Page, None]:
        """A consistent list as it is now, page by page; Gone if it took too long."""
        token: str | None = None
        while True:
            answer = await self._calls.ask(
                "LIST",
                self._calls.objects.list_custom_object_for_all_namespaces_without_preload_content,
                *(*kind.path, kind.plural),
                within=LIST_LIMIT,
                limit=PAGE,
                **({"_continue": token} if token else {}),
            )
            metadata = answer.get("metadata") or {}
            yield Page(answer.get("items") or [], _version(metadata))
            token = metadata.get("continue")
            if not token:
                return

    @asynccontextmanager
    async def watch(
        self, kind: Kind[Any], version: int, *, lasting: timedelta, idle: timedelta
    ) -> AsyncIterator[AsyncIterator[Event]]:
        """The events after `version`, until the server ends the stream after `lasting`.

        Silent: nothing came for `idle`. Gone: the version is too old. Broken: no event.
        """
        async with AsyncExitStack() as stack:
            try:
                async with asyncio.timeout(idle.total_seconds()):
                    response = await stack.enter_async_context(
                        self._calls.stream(
                            self._calls.watches.list_custom_object_for_all_namespaces_without_preload_content,
                            *(*kind.path, kind.plural),
                            within=lasting + _MARGIN,
                            watch=True,
                            allow_watch_bookmarks=True,
                            resource_version=str(version),
                            timeout_seconds=round(lasting.total_seconds()),
                        )
                    )
            except TimeoutError as error:
                raise Silent(f"no answer to a watch within {idle}") from error
            yield _events(response, idle)


async def _events(response: aiohttp.ClientResponse, idle: timedelta) -> AsyncIterator[Event]:
    while True:
        try:
            async with asyncio.timeout(idle.total_seconds()):
                line = await response.content.readline()
        except TimeoutError as error:
            raise Silent(f"nothing came on a watch for {idle}") from error
        except (HttpProcessingError, ValueError) as error:
            raise Broken(f"a line of a watch cannot be read: {error}") from error
        if not line:
            return
        yield _event(line)


def _event(line: bytes) -> Event:
    try:
        event = json.loads(line)
        kind, stored = event["type"], event["object"]
        metadata = stored.get("metadata") or {}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Broken("a watch sent something that is no event, or half of one") from error
    if kind == "ERROR":
        raise _error(stored)
    if kind not in _TYPES:
        raise Broken("a watch sent an event of an unknown type")
    return Event(kind, stored, _version(metadata))


def _error(status: JSON) -> Exception:
    """The error that an ERROR line means; any of code and reason may be missing."""
    details = status.get("details") or {}
    code = status.get("code") or 500
    if status.get("reason") in ("Expired", "Gone"):
        code = 410
    after = details.get("retryAfterSeconds") if isinstance(details, dict) else None
    return errors.of_answer(code, status, "", None if after is None else str(after))


def _version(metadata: JSON) -> int:
    """A resourceVersion as a number, which it is on every server that we support.

    The documentation of Kubernetes compares them since 1.35 (KEP-5504).
    """
    try:
        return int(metadata["resourceVersion"])
    except (KeyError, TypeError, ValueError) as error:
        raise Broken("an object or list has no numeric resourceVersion") from error
