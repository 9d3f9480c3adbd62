"""What may stand in no file of the project: the address of a registry, a path of one machine.

A letter in brackets keeps the patterns from matching themselves.
"""

import re

from tests.repo import tree

REGISTRIES = re.compile(
    r"""
    \b py[p]i \. (org|python)
    | python[h]osted \. org
    | registry \. (npm[j]s | yarn[p]kg)
    | \b deb \. [d]ebian \. org
    | proxy \. [g]olang \. org
    | crates \. [i]o
    | \b artifact[o]ry \b
    | \b nex[u]s/repository
    """,
    re.IGNORECASE | re.VERBOSE,
)
MACHINE_PATHS = re.compile(r"(?<![\w.])/[w]ork/|/opt/[p]ypi|/opt/[w]heels")


def _matches(pattern: re.Pattern[str]) -> dict[str, list[str]]:
    found = {str(path): pattern.findall(tree.text(path)) for path in tree.files()}
    return {path: texts for path, texts in found.items() if texts}


def test_no_file_names_a_package_registry() -> None:
    assert _matches(REGISTRIES) == {}


def test_no_file_names_a_path_of_one_machine() -> None:
    assert _matches(MACHINE_PATHS) == {}


def test_the_patterns_do_find_what_they_are_for() -> None:
    assert REGISTRIES.search("see https://PY-PI.org/simple".replace("-", ""))
    assert MACHINE_PATHS.search("cd /w-ork/main".replace("-", ""))
