"""A ref policy: instead of one ref, the tags that may be deployed, of which the newest is meant.

`ref: {semver: ">=5 <6"}` or `{tag: "web-v*"}` in the config file. Everywhere else a policy is the
text `semver:>=5 <6` or `tag:web-v*`, which no ref of git can be called: a colon may not stand in
one. Which tag it is, given the tags that there are, decides `watchers.git.choosing`. Used by the
ToolConfig model, the poller and the core. No I/O.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    Discriminator,
    Field,
    StringConstraints,
    Tag,
    ValidationError,
)
from semantic_version import NpmSpec, Version

from controller.models.fields import Ref
from controller.models.findings import Checked, Finding, mistake

MAX_POLICY = 128
_EXACTLY_ONE = "Name either a range (semver) or a pattern (tag)"
_HINT = 'Write for example {semver: ">=5 <6"} or {tag: "v*"}.'
# Leading zeros, a `v` and missing numbers are usual in tags (v5, 2026.04.01), four numbers are not.
_VERSION = re.compile(
    r"v?([0-9]{1,18}(?:\.[0-9]{1,18}){0,2})(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?", re.IGNORECASE
)
_NEVER_IN_PATTERN = re.compile(r"[\x00-\x20\x7f~^:\\]")
_WILDCARD = re.compile(r"[*?\[]")


def _check_range(value: str) -> str:
    try:
        NpmSpec(value)
    except ValueError:
        raise mistake(
            "This is not a range of versions",
            "Write it as npm does, for example `>=5 <6`, `^1.2`, `1.x` or `~1.4.2`: no comma, and "
            "no space after `>=`.",
        ) from None
    return value


def _check_pattern(value: str) -> str:
    bad = _NEVER_IN_PATTERN.search(value)
    if bad or not value.isprintable():
        raise mistake(
            "A pattern may contain only what a tag may, and `*`, `?` and `[...]`",
            "Write for example `v*` or `web-v*`.",
        )
    if not _WILDCARD.search(value):
        raise mistake("The pattern has no `*`", f"For one tag write ref: {value}.")
    return value


class RefPolicy(Checked):
    """Which tags may be deployed; exactly one of the two fields is set."""

    semver: (
        Annotated[
            str,
            StringConstraints(min_length=1, max_length=MAX_POLICY),
            AfterValidator(_check_range),
        ]
        | None
    ) = Field(
        default=None,
        description="The tag with the highest version in this range (as npm writes ranges). "
        "Pre-releases only where the range names one.",
        examples=[">=5 <6", "^1.2"],
    )
    tag: (
        Annotated[
            str,
            StringConstraints(min_length=1, max_length=MAX_POLICY),
            AfterValidator(_check_pattern),
        ]
        | None
    ) = Field(
        default=None,
        description="The newest of the tags that match this pattern, by the version or the number "
        "that stands where the pattern's first wildcard is.",
        examples=["v*", "release-*"],
    )

    @classmethod
    def findings(cls, data: Mapping[str, Any]) -> Iterator[Finding]:
        """Exactly one of the two, and nothing that was meant to be one of them."""
        unknown = sorted(str(name)[:MAX_POLICY] for name in data if name not in cls.model_fields)
        for name in unknown:
            yield Finding((name,), f"A ref has no `{name}`", _HINT)
        if len(data) != 1 and not unknown:
            yield Finding((), _EXACTLY_ONE, _HINT)

    def __str__(self) -> str:
        return f"tag:{self.tag}" if self.semver is None else f"semver:{self.semver}"

    @property
    def prefix(self) -> str:
        """How the name of every tag that it may choose begins."""
        return "" if self.tag is None else _WILDCARD.split(self.tag, maxsplit=1)[0]


def policy_of(ref: str) -> RefPolicy | None:
    """The policy that a ref's text stands for; None where it is the name of a ref."""
    kind, colon, value = ref.partition(":")
    if not colon or kind not in RefPolicy.model_fields:
        return None
    try:
        return RefPolicy.model_validate({kind: value})
    except ValidationError:
        return None


def version_of(tag: str) -> Version | None:
    """The version that a tag names: `v5` is 5.0.0; None where it names none."""
    match = _VERSION.fullmatch(tag)
    if match is None:
        return None
    numbers = [str(int(number)) for number in match[1].split(".")]
    numbers += ["0"] * (3 - len(numbers))
    try:
        return Version(".".join(numbers) + (match[2] or "") + (match[3] or ""))
    except ValueError:
        return None


def ref_shape(value: object) -> str:
    """`ref_name` or `ref_policy`: how a ref is read."""
    return "ref_policy" if isinstance(value, RefPolicy | Mapping) else "ref_name"


RefOrPolicy = Annotated[
    Annotated[Ref, Tag("ref_name")] | Annotated[RefPolicy, Tag("ref_policy")],
    Discriminator(ref_shape),
]
