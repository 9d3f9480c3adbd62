"""Whose build a component uses: `reuse_from` followed to the component that is built.

Used by the rules of the ToolConfig model (on raw input, before it is a model) and by whoever asks a
valid config. Works on names only: a mapping of component to the component that it reuses, or None.
"""

from collections.abc import Mapping

Links = Mapping[str, str | None]


def missing(links: Links) -> list[str]:
    """The components that reuse one that does not exist, in the order of the config."""
    return [name for name, target in links.items() if target is not None and target not in links]


def loops(links: Links) -> list[list[str]]:
    """Every circle once, from its first component in the order of the config."""
    found: list[list[str]] = []
    done: set[str] = set()
    for start in links:
        path: list[str] = []
        name: str | None = start
        while name is not None and name in links and name not in done and name not in path:
            path.append(name)
            name = links[name]
        if name in path:
            found.append(_from_first(path[path.index(name) :], links))
        done.update(path)
    return found


def _from_first(circle: list[str], links: Links) -> list[str]:
    first = min(circle, key=list(links).index)
    at = circle.index(first)
    return circle[at:] + circle[:at]


def source_of(name: str, links: Links) -> str:
    """The component whose build `name` uses: itself, or the end of its chain.

    Raises KeyError where the chain leaves the config; `links` must be free of loops.
    """
    while (target := links[name]) is not None:
        name = target
    return name
