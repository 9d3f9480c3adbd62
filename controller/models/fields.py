"""The kinds of value that a ToolConfig is made of, each with its limits and its own words for them.

Used by the ToolConfig model only. What needs more than one field is a rule of the model that has
the fields. The patterns are part of the schemas that are generated from the models, so they keep to
the regular expressions that Python, Go and JSON Schema share.
"""

import re
import shlex
from datetime import timedelta
from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, ValidationInfo

from controller.models import durations
from controller.models.findings import Policy, mistake
from controller.models.schedule import check_schedule
from controller.models.sources import (
    MAX_REF,
    MAX_URL,
    check_ref,
    check_repository,
    check_source_url,
)

NAME_PATTERN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
MAX_NAME = 52
MAX_COMPONENTS = 50
SECRET_PATTERN = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"
MAX_SECRET = 253
MAX_TEXT = 4096
MAX_PATH = 512
QUANTITY_PATTERN = (
    r"^([0-9]*[1-9][0-9]*([.][0-9]*)?|[0-9]*[.][0-9]*[1-9][0-9]*)"
    r"([numkMGTPE]|[KMGTPE]i|[eE][+-]?[0-9]{1,2})?$"
)
LONGEST_POLL_INTERVAL = timedelta(days=7)

_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_SUFFIX = re.compile(r"(?P<number>[0-9.]+)(?P<suffix>[numkMGTPE]|[KMGTPE]i)?")


def quantity(text: str) -> Decimal:
    """A Kubernetes quantity as a number: `500m` → 0.5, `1Gi` → 1073741824.

    Raises ValueError where it is none, or where it is zero.
    """
    if not re.fullmatch(QUANTITY_PATTERN.strip("^$"), text):
        raise ValueError(f"{text!r} is not a quantity")
    match = _SUFFIX.fullmatch(text)
    if not match:
        return Decimal(text)
    number, suffix = Decimal(match["number"]), match["suffix"] or ""
    if suffix in _BINARY:
        return number * Decimal(2 ** _BINARY[suffix])
    return number.scaleb(_DECIMAL[suffix])


def _check_name(value: str) -> str:
    if len(value) > MAX_NAME:
        raise mistake(f"A component's name may have {MAX_NAME} characters, this has {len(value)}")
    if not re.fullmatch(NAME_PATTERN.strip("^$"), value):
        raise mistake(
            "A component's name is made of a-z, 0-9, `-` and `.`, and starts and ends with a "
            "letter or a digit"
        )
    return value


def _check_secret(value: str, info: ValidationInfo) -> str:
    if not re.fullmatch(SECRET_PATTERN.strip("^$"), value):
        raise mistake(
            "This is not the name of a Secret",
            "Write a name here, never a token: `ptd credentials add NAME` stores what is secret.",
        )
    if isinstance(info.context, Policy) and not info.context.credentials:
        raise mistake(
            "What builds here takes no credentials: only public repositories can be built",
            "Make the repository public, or build from a public mirror of it.",
        )
    return value


def _check_cpu(value: str) -> str:
    try:
        quantity(value)
    except ValueError:
        raise mistake(
            "This is not an amount of cpu", "Write cores (`1`, `0.5`) or thousandths (`500m`)."
        ) from None
    return value


def _check_memory(value: str) -> str:
    try:
        amount = quantity(value)
    except ValueError:
        raise mistake(
            "This is not an amount of memory", "Write for example `512Mi`, `1Gi` or `1.5G`."
        ) from None
    if amount < 2**20:
        raise mistake(
            f"This is less than one MiB of memory ({amount.normalize():f} bytes)",
            "Write the unit: `512Mi`, `1Gi`. A small `m` means thousandths of a byte.",
        )
    return value


def _check_words(value: str) -> str:
    try:
        words = shlex.split(value)
    except ValueError:
        raise mistake(
            "The command has a quotation mark that is not closed",
            "It is split into words as a shell does it; for shell syntax write bash -c '…'.",
        ) from None
    if not words:
        raise mistake("The command is empty")
    return _check_no_nul(value)


def _check_no_nul(value: str) -> str:
    if "\0" in value:
        raise mistake("A NUL character is not allowed")
    return value


def _check_health_path(value: str) -> str:
    if not re.fullmatch("/[!-~]*", value):
        raise mistake(
            "The path of the health check starts with `/` and has no spaces",
            "Write for example /healthz.",
        )
    return value


def _check_poll_interval(value: str, info: ValidationInfo) -> str:
    try:
        interval = durations.parse(value)
    except ValueError:
        raise mistake("This is not a duration", "Write for example 90s, 5m or 1h30m.") from None
    least = info.context.min_poll_seconds if isinstance(info.context, Policy) else 1
    if interval < timedelta(seconds=least):
        raise mistake(f"The shortest poll_interval is {least}s", "Longer is kinder to git hosts.")
    if interval > LONGEST_POLL_INTERVAL:
        raise mistake(f"The longest poll_interval is {LONGEST_POLL_INTERVAL.days * 24}h")
    return value


def _not_bool(value: object) -> object:
    if isinstance(value, bool):
        raise mistake("This has to be a whole number, not true or false")
    return value


Port = Annotated[int, Field(ge=1, le=65535), BeforeValidator(_not_bool)]
Replicas = Annotated[int, Field(ge=1, le=1000), BeforeValidator(_not_bool)]
Retry = Annotated[int, Field(ge=0, le=5), BeforeValidator(_not_bool)]
Seconds = Annotated[int, Field(ge=0, le=2**31 - 1), BeforeValidator(_not_bool)]
Text = Annotated[str, StringConstraints(max_length=MAX_TEXT), AfterValidator(_check_no_nul)]
ComponentName = Annotated[
    str,
    AfterValidator(_check_name),
    Field(json_schema_extra={"pattern": NAME_PATTERN, "minLength": 1, "maxLength": MAX_NAME}),
]
SecretName = Annotated[
    str,
    StringConstraints(max_length=MAX_SECRET),
    AfterValidator(_check_secret),
    Field(json_schema_extra={"pattern": SECRET_PATTERN, "minLength": 1}),
]
Words = Annotated[
    str,
    StringConstraints(max_length=MAX_TEXT),
    AfterValidator(_check_words),
    Field(json_schema_extra={"minLength": 1}),
]
LogPath = Annotated[
    str, StringConstraints(min_length=1, max_length=MAX_PATH), AfterValidator(_check_no_nul)
]
Cpu = Annotated[
    str,
    StringConstraints(max_length=32),
    AfterValidator(_check_cpu),
    Field(json_schema_extra={"pattern": QUANTITY_PATTERN}),
]
Memory = Annotated[
    str,
    StringConstraints(max_length=32),
    AfterValidator(_check_memory),
    Field(json_schema_extra={"pattern": QUANTITY_PATTERN}),
]
HealthPath = Annotated[
    str,
    StringConstraints(max_length=MAX_URL),
    AfterValidator(_check_health_path),
    Field(json_schema_extra={"pattern": "^/[!-~]*$"}),
]
Duration = Annotated[
    str,
    StringConstraints(max_length=16),
    AfterValidator(_check_poll_interval),
    Field(json_schema_extra={"pattern": durations.PATTERN, "minLength": 2}),
]
Schedule = Annotated[
    str,
    StringConstraints(max_length=256),
    AfterValidator(check_schedule),
    Field(
        json_schema_extra={"pattern": "^ *(@[A-Za-z]+|[0-9A-Za-z*/,-]+( +[0-9A-Za-z*/,-]+){4}) *$"}
    ),
]
Repository = Annotated[
    str,
    StringConstraints(min_length=1, max_length=MAX_URL),
    AfterValidator(check_repository),
    Field(json_schema_extra={"pattern": "^[!,./0-~][!-~]*$"}),
]
Ref = Annotated[
    str,
    StringConstraints(max_length=MAX_REF),
    AfterValidator(check_ref),
    Field(
        json_schema_extra={"pattern": r"^([^\-~^:?*\[\\\x00-\x20\x7f][^~^:?*\[\\\x00-\x20\x7f]*)?$"}
    ),
]
SourceUrl = Annotated[
    str,
    StringConstraints(min_length=1, max_length=MAX_URL),
    AfterValidator(check_source_url),
    Field(json_schema_extra={"pattern": "^https?://[!-~]+$"}),
]
