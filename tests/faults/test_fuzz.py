"""Whatever strangers write: an answer or a named refusal, within a second, and nothing is kept.

The inputs are pieces that have broken programs like ours, put together by chance; the seed is in
the test's name, so that a failure replays.
"""

import json
import random
import time
from collections.abc import Callable
from typing import Any

import psutil
import pytest

from controller import config, errors
from controller.models import credentials
from controller.models.meta import API_VERSION
from controller.store import errors as store_errors
from controller.store import kinds
from tests.faults import timeline, trials
from tests.faults.conftest import Tried
from tests.faults.world import opened
from tests.unit.config.texts import GOOD, OLD
from watchers.git import addresses, resolution

SEED = 20261122
LONGEST = 1.0  # seconds for one input
GROWTH = 32 * 2**20  # bytes for all inputs of a kind
PIECES = (
    *("--upload-pack=touch x", "ext::sh -c x", "-", "--", "fd::1", "file://", "https://", "git://"),
    *("\x00", "\r\n", "\n", "\t", " ", "..", "@{", "@", "~", "^", ":", "?", "*", "[", "]", "\\"),
    *("refs/heads/", "refs/tags/", "refs/../", ".lock", "//", "/", ".", "HEAD", "a" * 40, "main"),
    *("user:s3cr3t@", "2130706433", "0x7f.1", "0177.0.0.1", "[::1]", "[::ffff:127.0.0.1]"),
    *("127.0.0.1", "169.254.169.254", "git.example.org", ":443", ":99999", "%00", "%2e%2e", "#x"),
    *("é", "😀", "\u202e", "\u2024", "\ud800", "Ⅷ", "xn--", "{", "}", "$(x)", "`x`", "&a", "*a"),
    *(
        "<<: *a",
        "!!python/object:x",
        "1e400",
        "NaN",
        "null",
        "- ",
        ": ",
        "'",
        '"',
        "|",
        ">",
        "x" * 3_000,
    ),
)
KEYS = ("components", "build", "run", "repository", "ref", "command", "config_version", "schedule")


def text(chance: random.Random, most: int = 8) -> str:
    """Some pieces in a row."""
    return "".join(chance.choices(PIECES, k=chance.randint(0, most)))


def tree(chance: random.Random, depth: int = 4) -> Any:
    """A JSON value."""
    kind = chance.randrange(9 if depth else 6)
    if kind < 3:
        return text(chance, 2)
    if kind < 6:
        return chance.choice([None, True, -1, 0, 2**63, 1e308, -0.0])
    if kind == 6:
        return [tree(chance, depth - 1) for _ in range(chance.randint(0, 4))]
    names = [chance.choice(KEYS) if chance.random() < 0.7 else text(chance, 1) for _ in range(3)]
    return {name: tree(chance, depth - 1) for name in names}


def changed(chance: random.Random, good: str) -> str:
    """A good text with a piece replaced."""
    start = chance.randint(0, len(good))
    end = chance.randint(start, min(len(good), start + 9))
    return good[:start] + text(chance, 2) + good[end:]


def an_address(chance: random.Random) -> None:
    written = ("https://" if chance.random() < 0.5 else "") + text(chance)
    found, refused = addresses.Address("", ""), ""
    try:
        found = addresses.parse(written, addresses.Policy())
    except errors.Terminal as error:
        refused = error.message
    if refused:
        assert "s3cr3t" not in refused, "what a stranger writes may be a secret"
        return
    assert found.scheme in credentials.PORTS
    assert found.url.isprintable()
    assert not found.host.startswith("-")


def a_ref(chance: random.Random) -> None:
    written = text(chance, 4)
    problem = resolution.malformed(written)
    if problem is None:
        for name in resolution.candidates(written):
            assert not name.startswith("-")
            assert name.isprintable() or not name.isascii()


def a_config_text(chance: random.Random) -> None:
    written = changed(chance, chance.choice((GOOD, OLD))) if chance.random() < 0.7 else text(chance)
    loaded = config.load(written)
    assert (loaded.spec is None) == bool(loaded.errors)


def a_config_object(chance: random.Random) -> None:
    loaded = config.load_object(tree(chance))
    assert (loaded.spec is None) == bool(loaded.errors)


def a_stored_deployment(chance: random.Random) -> None:
    stored = {
        "metadata": {"name": "d", "namespace": "tool-x", "uid": "u", "resourceVersion": "1"},
        "spec": {
            "description": text(chance),
            "trigger": tree(chance, 2),
            "cancel": tree(chance, 0),
        },
        "status": {
            "status": chance.choice(["running", text(chance, 1)]),
            "builds": tree(chance, 2),
        },
    }
    try:
        kinds.DEPLOYMENTS.read(stored)
    except store_errors.Unreadable:
        return


INPUTS: dict[Callable[[random.Random], None], tuple[int, int]] = {
    an_address: (3_000, 60_000),
    a_ref: (3_000, 50_000),
    a_config_text: (500, 10_000),
    a_config_object: (500, 20_000),
    a_stored_deployment: (500, 20_000),
}


@pytest.mark.parametrize("one", INPUTS, ids=lambda one: one.__name__)
def test_anything_is_answered_or_refused(
    one: Callable[[random.Random], None], tried: Tried
) -> None:
    count = INPUTS[one][trials.WHOLE]
    process, before = psutil.Process(), 0
    for number in range(count):
        if number == count // 4:  # what is kept on purpose, such as compiled patterns, is there
            before = process.memory_info().rss
        began = time.perf_counter()
        try:
            one(random.Random(SEED + number))
        except Exception as error:
            raise AssertionError(f"seed {SEED + number}") from error
        assert time.perf_counter() - began < LONGEST, f"seed {SEED + number} took too long"
    assert process.memory_info().rss - before < GROWTH
    tried("bad inputs", count)


def test_any_body_gets_a_named_refusal_and_damages_nothing(tried: Tried) -> None:
    count = 2_000 if trials.WHOLE else 150
    path = f"/apis/{API_VERSION}/namespaces/tool-demo/"

    async def main() -> None:
        async with opened(()) as world:
            await world.deploy("d1")
            await world.ended()
            before = await world.deployments()
            for number in range(count):
                chance = random.Random(SEED + number)
                body = text(chance).encode(errors="surrogatepass")
                if chance.random() < 0.7:
                    spec = {"spec": tree(chance), "metadata": tree(chance, 1)}
                    body = json.dumps(
                        {"apiVersion": API_VERSION, "kind": "ToolConfig"} | spec
                    ).encode()
                headers = {
                    "Authorization": f"Bearer {world.plane.token}",
                    "Content-Type": "application/json",
                }
                plural = chance.choice(("toolconfigs", "tooldeployments"))
                async with world.session.post(
                    world.plane.url + path + plural, data=body, headers=headers
                ) as answer:
                    answered = await answer.text()
                assert 400 <= answer.status < 500, f"seed {SEED + number}: {answered[:300]}"
                assert json.loads(answered)["kind"] == "Status"
            assert await world.deployments() == before
            assert world.lives[0].bugs() == 0

    timeline.run(main)
    tried("bad inputs", count)
