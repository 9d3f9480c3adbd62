"""How many components are spoken of in one sentence: a few by name, the others by number.

Called by the rules of `plan`. Fifty components are one line that a person reads, not fifty. Pure.
"""

from collections.abc import Mapping, Sequence

__all__ = ["each", "failed", "few", "some"]

_NAMED = 3


def some(names: Sequence[str]) -> str:
    """`a, b, c and 47 others`; all of them where there are few."""
    others = len(names) - _NAMED
    if others <= 1:  # a name is as short as "1 other"
        return ", ".join(names)
    return f"{', '.join(names[:_NAMED])} and {others} others"


def each(messages: Mapping[str, str]) -> str:
    """`web: it is starting; job: the image is pulled`: components with one message together."""
    together: dict[str, list[str]] = {}
    for name, message in messages.items():
        together.setdefault(message, []).append(name)
    told = [f"{some(names)}: {message}" for message, names in together.items()]
    return few(told)


def failed(names: Sequence[str], total: int, first: str) -> str:
    """`first`, which is about the first of the names, and which others of how many failed too."""
    if len(names) < 2:
        return first
    return f"{len(names)} of {total} components failed: {some(names)}; {first}"


def few(sentences: Sequence[str]) -> str:
    """The first of them, and how many there are besides."""
    left = len(sentences) - _NAMED
    if left <= 1:
        return "; ".join(sentences)
    return "; ".join([*sentences[:_NAMED], f"and {left} more"])
