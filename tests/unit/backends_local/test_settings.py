"""Every limit of the local backend is explained, with its name, in its page of the docs."""

from dataclasses import fields, is_dataclass
from pathlib import Path

from controller.backends.local.settings import LocalSettings

PAGE = Path(__file__).parents[3] / "docs" / "local.md"


def names(settings: object, prefix: str = "") -> list[str]:
    """`host`, `builds.parallel` and so on."""
    found = []
    for field in fields(settings):  # type: ignore[arg-type]
        value = getattr(settings, field.name)
        deeper = names(value, f"{field.name}.") if is_dataclass(value) else [prefix + field.name]
        found += deeper
    return found


def test_every_limit_is_in_the_docs() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert [name for name in names(LocalSettings()) if f"`{name}`" not in page] == []
