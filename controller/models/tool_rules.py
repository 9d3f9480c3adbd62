"""Rules between the components of one tool: what they reuse, what they publish, names as hosts.

Used by the ToolConfig model. The rules see raw input as well as models, because they have to speak
even where something else in the file is wrong.
"""

import difflib
from collections.abc import Iterator, Mapping

from controller.models import reuse
from controller.models.components import build_shape
from controller.models.findings import Finding

Components = Mapping[str, object]


def findings(components: Components) -> Iterator[Finding]:
    """Every rule that these components break together."""
    yield from _reused({name: _target(component) for name, component in components.items()})
    yield from _published(components)
    yield from _host_names(components)


def _reused(links: reuse.Links) -> Iterator[Finding]:
    for name in reuse.missing(links):
        near = difflib.get_close_matches(str(links[name])[:64], links, n=1)
        yield Finding(
            ("components", name, "build", "reuse_from"),
            f"Missing components referenced from reuse_from: {links[name]}",
            f"Did you mean {near[0]}?" if near else "Name another component of this file.",
        )
    for circle in reuse.loops(links):
        yield Finding(
            ("components", circle[0], "build", "reuse_from"),
            f"reuse_from goes in a circle: {' -> '.join([*circle, circle[0]])}",
            "One of them has to be built: give it a repository and a ref.",
        )


def _published(components: Components) -> Iterator[Finding]:
    names = [name for name, it in components.items() if _run(it, "publish") is not None]
    for name in names[1:]:
        yield Finding(
            ("components", name, "run", "publish"),
            f"Only one component can be published, and {names[0]} is already",
            "Remove publish from one of them.",
        )


def _host_names(components: Components) -> Iterator[Finding]:
    for name, component in components.items():
        good = "." not in name and name[:1].isalpha()
        if _run(component, "port") is not None and not good:
            yield Finding(
                ("components", name, "run", "port"),
                "The name of a component with a port is a host name: it starts with a letter and "
                "has no dot",
                "Rename the component.",
            )


def _target(component: object) -> str | None:
    build = _get(component, "build")
    target = _get(build, "reuse_from") if build_shape(build) == "reuse" else None
    return target if isinstance(target, str) else None


def _run(component: object, field: str) -> object:
    return _get(_get(component, "run"), field)


def _get(value: object, field: str) -> object:
    return value.get(field) if isinstance(value, Mapping) else getattr(value, field, None)
