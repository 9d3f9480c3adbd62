"""Whatever is sent, the answer is a config or a list of mistakes, and what was good stays good."""

from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from controller import config
from controller.config import vocabulary
from tests.unit.config.texts import GOOD, OLD

NAMES = st.sampled_from(
    sorted({*vocabulary.TOP, *vocabulary.COMPONENT, *vocabulary.BUILD, *vocabulary.RUN})
)
KEYS = NAMES | st.sampled_from(["type", "config-version", "web", "job"]) | st.text(max_size=8)
WORDS = st.sampled_from(
    ["v1beta1", "v0.1", "main", "web", "job", "@daily", "* * * * *", "1Gi", "5m", "/", "https://a"]
)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | WORDS
    | st.text(max_size=20)
    | st.binary(max_size=4)
)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=25,
)
COMPONENTS = st.fixed_dictionaries(
    {},
    optional={
        "component_type": LEAVES,
        "build": st.dictionaries(KEYS, LEAVES, max_size=4) | TREES,
        "run": st.dictionaries(KEYS, LEAVES, max_size=6) | TREES,
    },
)
CONFIGS = st.fixed_dictionaries(
    {"components": st.dictionaries(KEYS, COMPONENTS | TREES, max_size=4) | TREES},
    optional={"config_version": LEAVES, "poll_interval": LEAVES, "source_url": LEAVES},
)


def check(loaded: config.Loaded) -> None:
    assert (loaded.spec is None) == bool(loaded.errors)
    for problem in (*loaded.errors, *loaded.warnings):
        assert problem.message
        assert problem.path.isprintable()
        problem.api_text.encode()
    if loaded.spec is not None:
        assert config.load_object(loaded.stored).stored == loaded.stored


@settings(max_examples=80, deadline=None)
@given(CONFIGS | TREES)
def test_any_object_is_a_config_or_a_list_of_mistakes(data: Any) -> None:
    check(config.load_object(data))


@settings(max_examples=80, deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_a_config_or_a_list_of_mistakes(text: str) -> None:
    check(config.load(text))
    assert isinstance(config.migrate(text).text, str)


@settings(max_examples=80, deadline=None)
@given(st.sampled_from([GOOD, OLD]), st.data())
def test_a_good_text_with_a_piece_changed_is_never_a_surprise(text: str, data: Any) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 6)))
    piece = data.draw(st.text(alphabet="abz:-#&*!{}[]'\"\n\t ,|>%@0\\\x00é😀", max_size=5))
    changed = text[:start] + piece + text[end:]
    check(config.load(changed))
    check(config.load(config.migrate(changed).text))


@settings(max_examples=60, deadline=None)
@given(CONFIGS)
def test_a_bad_config_between_two_good_ones_leaves_no_trace(data: Any) -> None:
    before = config.load(GOOD)
    config.load(yaml.safe_dump(data) if _dumps(data) else repr(data))
    assert config.load(GOOD) == before


def _dumps(data: Any) -> bool:
    try:
        yaml.safe_dump(data)
    except yaml.YAMLError:
        return False
    return True
