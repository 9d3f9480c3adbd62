"""What pydantic finds, in words for whoever wrote the value: what is wrong and what is expected.

Used wherever a validation error reaches a person: configs, stored objects, settings. The kinds are
those of pydantic's documentation ("validation errors"); a rule of ours comes with its own words and
keeps them. No field is known here by name. Pure.
"""

from collections.abc import Callable, Mapping
from typing import Any

_MAPPING = "This has to be a mapping: names, with a value each"
_NUMBER = "This has to be a whole number"
_SWITCH = "This has to be true or false"
_NETWORK = "This has to be a network such as 10.0.0.0/8 or fd00::/8"
_FIXED = {
    "dict_type": _MAPPING,
    "model_type": _MAPPING,
    "model_attributes_type": _MAPPING,
    "int_parsing": _NUMBER,
    "int_parsing_size": _NUMBER + " of usual size",
    "int_type": _NUMBER,
    "int_from_float": _NUMBER,
    "finite_number": _NUMBER,
    "bool_parsing": _SWITCH,
    "bool_type": _SWITCH,
    "string_type": "This has to be text",
    "string_unicode": "This is text in no valid Unicode",
    "list_type": "This has to be a list",
    "tuple_type": "This has to be a list",
    "path_type": "This has to be the path of a file",
    "time_delta_type": "This has to be a duration such as 30s or 5m",
    "ip_v4_network": _NETWORK,
    "ip_v6_network": _NETWORK,
    "datetime_type": "This has to be a time such as 2026-11-22T03:04:05Z",
    "datetime_parsing": "This has to be a time such as 2026-11-22T03:04:05Z",
    "datetime_from_date_parsing": "This has to be a time such as 2026-11-22T03:04:05Z",
    "extra_forbidden": "This is not known here",
}
# The bound stands at the end of their sentence, readable whatever its type.
_BOUNDS = {
    "greater_than_equal": ("Input should be greater than or equal to ", "This has to be at least "),
    "greater_than": ("Input should be greater than ", "This has to be more than "),
    "less_than_equal": ("Input should be less than or equal to ", "This may be at most "),
    "less_than": ("Input should be less than ", "This has to be less than "),
}
_MADE: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "string_too_long": lambda it: f"This may have at most {it['max_length']} characters",
    "string_too_short": lambda it: _at_least(it["min_length"], "characters"),
    "too_long": lambda it: f"These are too many: there may be at most {it['max_length']}",
    "too_short": lambda it: _at_least(it["min_length"], "of them"),
    "enum": lambda it: _one_of(it["expected"]),
    "literal_error": lambda it: _one_of(it["expected"]),
    "value_error": lambda it: str(it["error"]),
}


def plain(mistake: Mapping[str, Any]) -> str:
    """The sentence for one entry of `ValidationError.errors()`, taken with its context."""
    kind, loc = mistake["type"], mistake["loc"]
    if kind == "missing":
        return f"`{loc[-1]}` is missing" if loc else "It is missing"
    if kind in _FIXED:
        return _FIXED[kind]
    if kind in _BOUNDS:
        return str(mistake["msg"]).replace(*_BOUNDS[kind])
    return _MADE[kind](mistake["ctx"]) if kind in _MADE else str(mistake["msg"])


def _at_least(number: int, what: str) -> str:
    return "This is empty" if number == 1 else f"There have to be at least {number} {what}"


def _one_of(expected: str) -> str:
    """`'a', 'b' or 'c'`, as pydantic lists what is allowed."""
    return f"This has to be {expected.replace(chr(39), '`')}"
