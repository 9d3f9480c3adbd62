"""How a model says what is wrong: a sentence, the place, and what to write instead.

Used by every model that a user's file ends in. A pydantic model stops at its first broken rule and
says only where the model begins; `Checked` reports all broken rules of a model at once, each at
its own field, together with the field's own errors. No rule of any kind lives here.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from pydantic import ModelWrapValidatorHandler, ValidationError, ValidationInfo, model_validator
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

from controller.models.meta import Frozen

RULE = "rule"
"""pydantic's error type of every rule that is ours."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What a reader of user input allows; passed to validation as its context.

    Without a policy (objects that are read back) only the syntax is checked. With one, addresses
    must have one of `schemes` ("path" stands for a plain directory), polling may not be more
    frequent than `min_poll_seconds`, and a key without a value is an error. `credentials`: whether
    what builds here can fetch with them.
    """

    schemes: frozenset[str] = frozenset({"https", "http", "git", "ssh"})
    min_poll_seconds: int = 30
    credentials: bool = True


@dataclass(frozen=True, slots=True)
class Finding:
    """A broken rule: the field (relative to the model), the sentence, and the remedy."""

    loc: tuple[str | int, ...]
    text: str
    hint: str = ""


def mistake(text: str, hint: str = "") -> PydanticCustomError:
    """The exception that a field's validator raises; `text` may hold anything a user wrote."""
    # Half a character (a lone surrogate) cannot be encoded, and pydantic encodes what it is given.
    said = text.encode("utf-8", "backslashreplace").decode()
    return PydanticCustomError(RULE, "{text}", {"text": said, "hint": hint})


class Checked(Frozen):
    """A model with rules over several of its fields.

    Subclasses override `findings`. It sees the input before pydantic does (any value, any type),
    so it must be tolerant, and it must be cheap: it runs on every validation.
    """

    null_allowed: ClassVar[frozenset[str]] = frozenset()

    @classmethod
    def findings(cls, data: Mapping[str, Any]) -> Iterable[Finding]:  # noqa: ARG003
        """The rules that `data` breaks."""
        return ()

    @model_validator(mode="wrap")
    @classmethod
    def _report_everything(
        cls, data: Any, handler: ModelWrapValidatorHandler[Self], info: ValidationInfo
    ) -> Self:
        found = list(cls._all_findings(data, info.context)) if isinstance(data, Mapping) else []
        try:
            value = handler(data)
        except ValidationError as error:
            own = {finding.loc for finding in found}
            others = [_again(line) for line in error.errors() if line["loc"] not in own]
            raise ValidationError.from_exception_data(
                cls.__name__, [_line(finding, data) for finding in found] + others
            ) from None
        if found:
            raise ValidationError.from_exception_data(
                cls.__name__, [_line(finding, data) for finding in found]
            )
        return value

    @classmethod
    def _all_findings(cls, data: Mapping[str, Any], context: object) -> Iterator[Finding]:
        if isinstance(context, Policy):
            for name, value in data.items():
                if value is None and name in cls.model_fields and name not in cls.null_allowed:
                    yield Finding((name,), "The value is missing", "Give one, or remove the line.")
        yield from cls.findings(data)


def _line(finding: Finding, data: Mapping[str, Any]) -> InitErrorDetails:
    value: object = data
    for step in finding.loc:
        value = value.get(step) if isinstance(value, Mapping) else None
    return InitErrorDetails(type=mistake(finding.text, finding.hint), loc=finding.loc, input=value)


def _again(line: ErrorDetails) -> InitErrorDetails:
    """An error as it came, in the form in which it can be raised once more."""
    context = line.get("ctx", {})
    if line["type"] == RULE:
        return InitErrorDetails(
            type=mistake(context["text"], context["hint"]), loc=line["loc"], input=line["input"]
        )
    return InitErrorDetails(type=line["type"], loc=line["loc"], input=line["input"], ctx=context)
