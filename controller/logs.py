"""Structured logs: JSON lines or console, one key bound per reconcile, secrets taken out.

A composition root calls `configure` once; everybody else asks `logger(name)` and logs an event name
with key-values. Redaction is a net under the rule that secrets are never logged, not a licence to
log them. Nothing else belongs here.
"""

import logging
import re
import sys
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from enum import StrEnum
from typing import Any, TextIO

import structlog

REDACTED = "[redacted]"

_SECRET_KEYS = re.compile(
    r"token|authorization|password|passwd|secret|cookie|credential|api[-_]?key|private[-_]?key",
    re.IGNORECASE,
)
_TOKEN_IN_TEXT = re.compile(r"(\b\w*(?:token|password|secret)=)[^&\s\"'<>]+", re.IGNORECASE)
_BEARER = re.compile(r"\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE)
# Bounded, and optional at its end, so that no part of a long text is looked at again and again.
_URL_USERINFO = re.compile(r"(\b[a-z][a-z0-9+.-]{0,31}://)[^/\s\"'<>]+@", re.IGNORECASE)
_URL_QUERY = re.compile(r"(\bhttps?://[^\s?\"'<>]+)(?:\?[^\s\"'<>]*)?", re.IGNORECASE)
_DEEPEST = 8


class LogFormat(StrEnum):
    """How lines look."""

    JSON = "json"
    CONSOLE = "console"


def clean(text: str) -> str:
    """The text without tokens, bearer values, and userinfo and query of URLs."""
    text = _URL_USERINFO.sub(r"\1", text)
    text = _URL_QUERY.sub(r"\1", text)
    text = _BEARER.sub(rf"\1 {REDACTED}", text)
    return _TOKEN_IN_TEXT.sub(rf"\1{REDACTED}", text)


def _cleaned(value: Any, depth: int = 0) -> Any:
    if isinstance(value, str):
        return clean(value)
    if depth >= _DEEPEST:
        return REDACTED
    if isinstance(value, Mapping):
        return {key: _cleaned_item(str(key), item, depth) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_cleaned(item, depth + 1) for item in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return clean(str(value))


def _cleaned_item(key: str, value: Any, depth: int) -> Any:
    return REDACTED if _SECRET_KEYS.search(key) and value else _cleaned(value, depth + 1)


def redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The structlog processor that takes secrets out of a whole event."""
    return {key: _cleaned_item(key, value, 0) for key, value in event.items()}


def configure(
    *, level: str = "info", form: LogFormat = LogFormat.JSON, stream: TextIO | None = None
) -> None:
    """Set up structlog and the standard library's logging, both to `stream` (default stderr)."""
    out = stream or sys.stderr
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        redact,
    ]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer(sort_keys=True)
        if form is LogFormat.JSON
        else structlog.dev.ConsoleRenderer(colors=out.isatty())
    )
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(file=out),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logging.getLogger("aiohttp.server").addFilter(_is_no_strangers_mistake)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(number, logging.WARNING))  # libraries speak only when something is wrong


def _is_no_strangers_mistake(record: logging.LogRecord) -> bool:
    """Whoever sends what is no HTTP gets a 400, and may not fill the log with tracebacks."""
    kind = record.exc_info[0] if record.exc_info else None
    return kind is None or kind.__module__ != "aiohttp.http_exceptions"


def logger(name: str) -> structlog.typing.FilteringBoundLogger:
    """A logger whose lines carry `module: name`; it follows a later `configure`."""
    bound: structlog.typing.FilteringBoundLogger = structlog.get_logger(module=name)
    return bound


@contextmanager
def bound(**values: str) -> Iterator[None]:
    """Have every line of this task carry these values, for instance the reconcile's tool."""
    with structlog.contextvars.bound_contextvars(**values):
        yield
