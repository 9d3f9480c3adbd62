"""Which tag a ref policy means, given the tags that a repository has, and why. Pure.

semver: the highest version in the range. tag: of the names that match, the one with the highest
version after the pattern's fixed beginning; names without a version come below, in natural order
(release-9 before release-10). Called by `resolution.pick`; may take a second for 100,000 tags.
"""

import fnmatch
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from semantic_version import NpmSpec

from controller.models.refs import RefPolicy, version_of

TAGS = "refs/tags/"
_NUMBER = re.compile(r"([0-9]+)")
_LONGEST_SHOWN = 80


@dataclass(frozen=True, slots=True)
class Choice:
    """The full name of the chosen tag ("" where none fits), and the reason in words."""

    name: str
    why: str


def choose(policy: RefPolicy, names: Iterable[str]) -> Choice:
    """The tag that the policy means among refs with these full names."""
    tags = [name.removeprefix(TAGS) for name in names if name.startswith(TAGS)]
    return _by_version(policy.semver, tags) if policy.semver else _by_pattern(policy, tags)


def _by_version(wanted: str, tags: Iterable[str]) -> Choice:
    versions = {tag: version for tag in tags if (version := version_of(tag)) is not None}
    span = NpmSpec(wanted)
    fitting = {tag: version for tag, version in versions.items() if version in span}
    if fitting:
        tag = _highest(fitting)
        return Choice(TAGS + tag, f"{tag} is the highest version in the range {wanted}")
    if not versions:
        return Choice("", "the repository has no tag that is a version such as v1.2.3")
    highest = shown(_highest(versions))
    return Choice("", f"the repository has no version in the range {wanted}; its last is {highest}")


def _highest(versions: Mapping[str, Any]) -> str:
    """The tag with the highest version; of equals (v1.0.0 and 1.0) the last by name."""
    return max(versions, key=lambda tag: (versions[tag].precedence_key, tag))


def _by_pattern(policy: RefPolicy, tags: Iterable[str]) -> Choice:
    pattern = policy.tag or ""
    fitting = [tag for tag in tags if fnmatch.fnmatchcase(tag, pattern)]
    if not fitting:
        return Choice("", f"the repository has no tag that matches {pattern}")
    tag = max(fitting, key=lambda each: _age(each.removeprefix(policy.prefix), each))
    return Choice(TAGS + tag, f"{tag} is the newest of the tags that match {pattern}")


def _age(ending: str, tag: str) -> tuple[Any, ...]:
    """By what tags are compared: with a version above without."""
    version = version_of(ending)
    if version is not None:
        return (1, version.precedence_key, tag)
    parts = _NUMBER.split(ending)
    # Text and digits take turns, so that equal places hold equal kinds.
    return (0, tuple(int(p) if n % 2 else p for n, p in enumerate(parts)), tag)


def shown(text: str) -> str:
    """A tag as it may be shown: one short line of printable characters."""
    cut = text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 3] + "..."
    return cut if cut.isprintable() else ascii(cut)
