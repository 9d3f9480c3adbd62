"""``pattern``: regular expressions in RE2's dialect, as the API server has them.

Called by checking and by the checks of CRDs. RE2 differs from Python's ``re`` (``$`` before a
final newline, ``\\z``, character classes) and takes linear time, whatever the value; the CEL
library brings it along.
"""

import functools
from typing import Any


class PatternError(ValueError):
    """The text is no regular expression of RE2."""


@functools.cache
def _environment() -> Any:
    # Loaded with the first pattern: importing this module stays cheap.
    from cel_expr_python import cel  # noqa: PLC0415

    return cel.NewEnv(variables={"text": cel.Type.STRING})


@functools.lru_cache(maxsize=1024)
def _expression(pattern: str) -> Any:
    literal = "".join(
        f"\\u{ord(c):04x}" if ord(c) < 0x10000 else f"\\U{ord(c):08x}" for c in pattern
    )
    expression = _environment().compile(f'text.matches("{literal}")')
    result = expression.eval(data={"text": ""})
    if not isinstance(result.value(), bool):
        raise PatternError(str(result.value()))
    return expression


def check(pattern: str) -> None:
    """Raises PatternError when ``pattern`` cannot be compiled."""
    try:
        _expression(pattern)
    except RuntimeError as error:
        raise PatternError(str(error)) from None


def found(pattern: str, text: str) -> bool:
    """Whether ``pattern`` is found anywhere in ``text``."""
    return bool(_expression(pattern).eval(data={"text": text}).value())
