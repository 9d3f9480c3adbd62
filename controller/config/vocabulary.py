"""Which names may stand where in a config, and what a stray name was probably meant to be.

Used by `config.spelling` (old names) and `config.loading` (unknown names). The names are the
models' own; nothing is listed twice.
"""

import difflib
import re
from collections.abc import Iterator, Mapping
from typing import Any

from controller.config.problems import UNKNOWN_FIELD, Loc, Problem
from controller.models import toolconfig

TOP = tuple(toolconfig.ToolConfigSpec.model_fields)
COMPONENT = tuple(toolconfig.ContinuousComponent.model_fields)
_BUILDS = {
    "source": tuple(toolconfig.SourceBuild.model_fields),
    "reuse": tuple(toolconfig.ReuseBuild.model_fields),
}
_RUNS = {
    "continuous": tuple(toolconfig.ContinuousRun.model_fields),
    "scheduled": tuple(toolconfig.ScheduledRun.model_fields),
}
BUILD = tuple(dict.fromkeys([*_BUILDS["source"], *_BUILDS["reuse"]]))
RUN = tuple(dict.fromkeys([*_RUNS["continuous"], *_RUNS["scheduled"]]))
_HOMES = {"the top of the file": TOP, "the component": COMPONENT, "build": BUILD, "run": RUN}

_OTHER_SHAPE = {
    _RUNS["continuous"]: "`{}` is for scheduled components.",
    _RUNS["scheduled"]: "`{}` is for continuous components.",
    _BUILDS["source"]: "`{}` goes with `reuse_from`.",
    _BUILDS["reuse"]: "`{}` goes with `repository`, not with `reuse_from`.",
}

MAX_UNKNOWN = 100
_LONGEST_GUESSED = 64

Table = dict[str, Any]
Level = tuple[Loc, Table, tuple[str, ...], tuple[str, ...]]


def levels(data: Table) -> Iterator[Level]:
    """Every mapping of the format in `data`: path, mapping, names of its kind, names of its shape.

    The last differs where two shapes share a place: `port` is of the kind `run`, but not of the
    shape of a scheduled component's run.
    """
    yield (), data, TOP, TOP
    components = data.get("components")
    for name, component in components.items() if isinstance(components, dict) else ():
        if not isinstance(component, dict):
            continue
        loc: Loc = ("components", name)
        yield loc, component, COMPONENT, COMPONENT
        build, run = component.get("build"), component.get("run")
        if isinstance(build, dict):
            yield (*loc, "build"), build, BUILD, _BUILDS[toolconfig.build_shape(build)]
        if isinstance(run, dict):
            yield (*loc, "run"), run, RUN, _RUNS[toolconfig.component_shape(component)]


def unknown(data: Table) -> list[Problem]:
    """A warning for every name that the format does not have at its place."""
    found: list[Problem] = []
    for loc, table, kind, shape in levels(data):
        for key in table:
            # A rule of the models speaks about these two: they contradict something else.
            contradiction = key in ("schedule", "reuse_from") and key in kind
            if key in shape or contradiction:
                continue
            if len(found) == MAX_UNKNOWN:
                # Each guess costs time, and nobody reads a hundred of them.
                more = f"There are more than {MAX_UNKNOWN} unknown fields"
                return [*found, Problem(loc, more, "Is this the right file?", "more")]
            hint = _guess(key, kind, shape)
            message = "Unknown field, it is skipped"
            found.append(Problem((*loc, key), message, hint, UNKNOWN_FIELD))
    return found


def nearest(word: str, known: Mapping[str, object] | tuple[str, ...]) -> str | None:
    """The known name that a word was probably meant to be."""
    if len(word) > _LONGEST_GUESSED:
        return None
    plain = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", word).replace("-", "_").lower()
    matches = difflib.get_close_matches(plain, known, n=1)
    return matches[0] if matches else None


def _guess(key: str, kind: tuple[str, ...], shape: tuple[str, ...]) -> str:
    if key in kind:
        return _OTHER_SHAPE[shape].format(key)
    homes = [home for home, names in _HOMES.items() if key in names]
    if homes:
        return f"`{key}` belongs in {homes[0]}."
    near = nearest(key, shape)
    return f"Did you mean `{near}`?" if near else ""
