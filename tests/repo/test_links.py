"""Every link of README and docs that stays inside the project leads somewhere."""

import re
from pathlib import Path

import pytest

from tests.repo import tree

PAGES = tree.named(".md")
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
_FENCE = re.compile(r"(?ms)^```.*?^```")


def anchors(page: str) -> set[str]:
    """The anchors that a page's headings make, as the usual renderers make them."""
    headings = re.findall(r"(?m)^#+ +(.+?)\s*$", _FENCE.sub("", page))
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.replace(" ", "-") for heading in plain}


def broken_links(page: Path) -> list[str]:
    """The page's links to files or headings that do not exist."""
    broken = []
    for link in _LINK.findall(_FENCE.sub("", tree.text(page))):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (tree.ROOT / page.parent / name).resolve() if name else tree.ROOT / page
        known = not anchor or (target.is_file() and anchor in anchors(target.read_text()))
        if not target.exists() or not known:
            broken.append(link)
    return broken


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_link_leads_somewhere(page: Path) -> None:
    assert broken_links(page) == []


def test_every_page_of_the_docs_can_be_reached_from_the_readme() -> None:
    reached: set[Path] = set()
    ahead = [Path("README.md")]
    while ahead:
        page = ahead.pop()
        if page in reached or page not in PAGES:
            continue
        reached.add(page)
        for link in _LINK.findall(tree.text(page)):
            target = (tree.ROOT / page.parent / link.partition("#")[0]).resolve()
            if target.is_relative_to(tree.ROOT):
                ahead.append(target.relative_to(tree.ROOT))
    assert {page for page in PAGES if page.parts[0] == "docs"} - reached == set()
