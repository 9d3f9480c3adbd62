"""Configs for the tests: the owner's example of 2025, and a small valid one to break."""

from pathlib import Path

EXAMPLES = Path(__file__).parents[3] / "docs" / "examples"
OLD = (EXAMPLES / "old-spelling.yaml").read_text()

GOOD = """\
components:
  web:
    build:
      repository: https://git.example.org/demo.git
      ref: main
    run:
      command: serve
      port: 8000
"""


def with_run(*lines: str) -> str:
    """A config whose component runs with these lines; the first is line 7."""
    return "\n".join([*GOOD.splitlines()[:6], *(f"      {line}" for line in lines), ""])


def with_build(*lines: str) -> str:
    """A config whose component is built with these lines; the first is line 4."""
    rest = GOOD.splitlines()
    return "\n".join([*rest[:3], *(f"      {line}" for line in lines), *rest[5:], ""])


def with_kind(text: str, kind: str) -> str:
    """A config whose component is of this kind, said in line 3."""
    return text.replace("    build:", f"    component_type: {kind}\n    build:")


def with_top(*lines: str) -> str:
    """A config that begins with these lines."""
    return "\n".join([*lines, GOOD])
