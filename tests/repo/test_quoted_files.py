"""What the docs quote is what stands in the files, and what they show as config is valid.

A fenced block under `<!-- from: PATH -->` must stand in that file word for word; every YAML block
that holds `components:` must be a config that is accepted.
"""

import re
from pathlib import Path

import pytest
import yaml

from controller.models import toolconfig
from tests.repo import tree

_QUOTE = re.compile(r"(?ms)^<!-- from: (\S+) -->\n+```[a-z]*\n(.*?)^```")
_YAML = re.compile(r"(?ms)^```ya?ml\n(.*?)^```")

PAGES = [path for path in tree.named(".md") if path.parts[0] != "tests"]
QUOTES = [(page, *found) for page in PAGES for found in _QUOTE.findall(tree.text(page))]
CONFIGS = [
    (page, block)
    for page in PAGES
    for block in _YAML.findall(tree.text(page))
    if re.search(r"(?m)^components:", block)
]


@pytest.mark.parametrize(("page", "source", "block"), QUOTES, ids=lambda value: str(value)[:40])
def test_a_quoted_block_stands_in_its_file(page: Path, source: str, block: str) -> None:
    assert block in tree.text(Path(source))


@pytest.mark.parametrize(("page", "block"), CONFIGS, ids=lambda value: str(value)[:40])
def test_a_config_that_the_docs_show_is_accepted(page: Path, block: str) -> None:
    assert toolconfig.ToolConfigSpec.model_validate(yaml.safe_load(block)).components


def test_the_docs_quote_the_example() -> None:
    assert "examples/toolforge.yaml" in {source for _, source, _ in QUOTES}
