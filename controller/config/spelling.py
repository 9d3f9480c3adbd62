"""Old spellings of the config format, and the change that brings each up to date.

Used by `config.loading` (which reads old files as they stand, with a warning for each) and by
`config.migrating` (which rewrites the file). A version that is no longer written gets its upgrade
here, so that every other part knows one version only.
"""

from dataclasses import dataclass
from typing import Any

from controller.config.problems import Loc, Problem
from controller.config.vocabulary import COMPONENT, Table, levels
from controller.models.toolconfig import CONFIG_VERSION, UPGRADED_VERSIONS

OLD_SPELLING = "old_spelling"
_RENAMED = {"type": "component_type"}


@dataclass(frozen=True, slots=True)
class Change:
    """A key (`of_key`) or a value at `loc` (the present spelling) that was `old` and is `new`."""

    loc: Loc
    old: str
    new: str
    of_key: bool
    old_loc: Loc

    def warning(self) -> Problem:
        """What to tell the user."""
        what = "spelling" if self.of_key else str(self.loc[-1])
        return Problem(
            self.loc,
            f"`{self.old}` is an old {what}",
            f"Write `{self.new}`, or let `ptd config migrate FILE` write it.",
            OLD_SPELLING,
        )


@dataclass(frozen=True, slots=True)
class Upgraded:
    """The data in the present spelling, what was changed, and what could not be."""

    data: Table
    changes: tuple[Change, ...]
    conflicts: tuple[Problem, ...]


def upgrade(data: Table) -> Upgraded:
    """A copy of `data` with every old spelling replaced; `data` itself is left alone."""
    fresh = _copy(data)
    changes: list[Change] = []
    conflicts: list[Problem] = []
    for loc, table, known, _ in levels(fresh):
        for key in list(table):
            new = _present_name(key, known)
            if new is None:
                continue
            if new in table:
                conflicts.append(_conflict((*loc, new), key, new))
                del table[key]
                continue
            _rename(table, key, new)
            changes.append(Change((*loc, new), key, new, of_key=True, old_loc=(*loc, key)))
    version = fresh.get("config_version")
    if isinstance(version, str) and version in UPGRADED_VERSIONS:
        fresh["config_version"] = CONFIG_VERSION
        at = ("config_version",)
        old = next((change.old_loc for change in changes if change.loc == at), at)
        changes.append(Change(at, version, CONFIG_VERSION, of_key=False, old_loc=old))
    return Upgraded(fresh, tuple(changes), tuple(conflicts))


def _present_name(key: str, known: tuple[str, ...]) -> str | None:
    if key in known:
        return None
    if known is COMPONENT and key in _RENAMED:
        return _RENAMED[key]
    with_underscores = key.replace("-", "_")
    return with_underscores if with_underscores in known else None


def _conflict(loc: Loc, old: str, new: str) -> Problem:
    return Problem(
        loc, f"`{old}` is an old spelling of `{new}`, and both are there", f"Remove `{old}`."
    )


def _rename(table: Table, old: str, new: str) -> None:
    """Rename a key in its place: the order of a file is the user's."""
    items = [(new if key == old else key, value) for key, value in table.items()]
    table.clear()
    table.update(items)


def _copy(data: Table) -> Table:
    """A copy down to the mappings that may change."""
    fresh = dict(data)
    # The key of the components may itself be spelled in an old way only in its dashes, and it has
    # none: no level below is missed by copying them under their present name.
    components = fresh.get("components")
    if isinstance(components, dict):
        fresh["components"] = {name: _copy_component(it) for name, it in components.items()}
    return fresh


def _copy_component(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {key: dict(it) if isinstance(it, dict) else it for key, it in value.items()}
