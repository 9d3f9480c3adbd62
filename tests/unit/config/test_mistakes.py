"""Every mistake is found when the file is read, at its line, in words that help."""

import pytest
import yaml
from pydantic import ValidationError

from controller import config
from controller.models.toolconfig import ToolConfigSpec
from tests.unit.config.mistakes import MISTAKES, UNREADABLE, Row
from tests.unit.config.texts import GOOD, with_build, with_top

SHA = "35b594f5d452c288c4a15fe667a7dfb94a7e5489"
ALL = MISTAKES | UNREADABLE


@pytest.mark.parametrize("row", ALL.values(), ids=ALL.keys())
def test_a_mistake_is_said_once_and_at_its_place(row: Row) -> None:
    text, *expected = row
    loaded = config.load(text)
    assert [[it.line, it.path, it.message] for it in loaded.errors] == [expected]
    assert (loaded.spec, loaded.stored, loaded.warnings) == (None, {}, ())


@pytest.mark.parametrize("name", [name for name in MISTAKES if name != "the same component twice"])
def test_the_same_mistake_is_found_in_an_object_without_lines(name: str) -> None:
    text, _, *expected = MISTAKES[name]
    loaded = config.load_object(yaml.safe_load(text))
    assert [[it.line, it.path, it.message] for it in loaded.errors] == [[None, *expected]]


def test_all_mistakes_of_a_file_are_said_at_once_in_the_order_of_its_lines() -> None:
    loaded = config.load(
        "components:\n"
        "  web:\n"
        "    build: {repository: 'https://a.org/x', ref: -x}\n"
        "    run: {command: x, port: 0, publish: /, health_check_http: /, cpu: 1}\n"
        "  job:\n"
        "    build: {reuse_from: wed}\n"
        "    run: {command: x, schedule: never}\n"
    )
    assert [(it.line, it.path) for it in loaded.errors] == [
        (3, "components.web.build.ref"),
        (4, "components.web.run.port"),
        (4, "components.web.run.cpu"),
        (6, "components.job.build.reuse_from"),
        (7, "components.job.run.schedule"),
    ]


@pytest.mark.parametrize("name", ["a kind of component that is none", "a key without a value"])
def test_the_models_themselves_say_a_mistake_once(name: str) -> None:
    data = yaml.safe_load(MISTAKES[name][0])
    with pytest.raises(ValidationError) as refused:
        ToolConfigSpec.model_validate(data, context=config.Policy())
    assert refused.value.error_count() == 1


def test_too_many_components_are_refused() -> None:
    component = "{build: {repository: 'https://a.org/x', ref: main}, run: {command: x}}"
    text = "components:\n" + "".join(f"  c{n}: {component}\n" for n in range(51))
    assert [(it.path, it.message) for it in config.load(text).errors] == [
        ("components", "These are too many: there may be at most 50")
    ]


HINTS = {
    "a cpu that is a number": 'Put it in quotation marks: "0.5".',
    "a command that YAML reads as true": (
        "YAML reads this word as true or false; put it in quotation marks."
    ),
    "a component that does not exist": "Did you mean web?",
    "mail at a moment that is none": "Did you mean `onfailure`?",
    "a health check by HTTP without a port": "Add port: with the port it listens on.",
    "a version that is not known": "Write config_version: v1beta1.",
    "a port that is a word": "Write a whole number, in digits.",
    "a switch that is neither on nor off": "Write `true` or `false`.",
    "a memory in thousandths of a byte": (
        "Write the unit: `512Mi`, `1Gi`. A small `m` means thousandths of a byte."
    ),
}


@pytest.mark.parametrize(("name", "hint"), HINTS.items(), ids=HINTS.keys())
def test_a_mistake_comes_with_what_to_write_instead(name: str, hint: str) -> None:
    [problem] = config.load(MISTAKES[name][0]).errors
    assert problem.hint == hint


API = {
    "no replicas": (
        "Validation error at components -> web -> run -> replicas: Input should be greater than "
        "or equal to 1. Received value: '0'"
    ),
    "publishing without a port": (
        "Validation error at components -> web -> run -> publish: Value error, publish requires "
        "port to be set. Received value: '/'"
    ),
    "a command that is not there": (
        "Validation error at components -> web -> run -> command: Field required."
    ),
}


@pytest.mark.parametrize(("name", "text"), API.items(), ids=API.keys())
def test_the_api_says_it_in_upstreams_form(name: str, text: str) -> None:
    [problem] = config.load(MISTAKES[name][0]).errors
    assert problem.api_text == text


def test_a_password_is_never_repeated() -> None:
    [problem] = config.load(MISTAKES["a password in the repository"][0]).errors
    assert "secret" not in repr(problem)


def test_a_token_in_the_place_of_a_name_is_not_shown_again() -> None:
    loaded = config.load(
        with_build("repository: https://a.org/x", "ref: main", "credentials: glpat-Canary")
    )
    (problem,) = loaded.errors
    assert "Canary" not in repr(problem) + problem.api_text


@pytest.mark.parametrize("ref", ["main", "", "HEAD", "feature/x", "refs/tags/v1.2.3", SHA, "v1+b"])
def test_a_good_ref_is_taken(ref: str) -> None:
    loaded = config.load(with_build("repository: https://a.org/x", f"ref: '{ref}'"))
    assert loaded.errors == ()


@pytest.mark.parametrize("repository", ["file:///srv/git/x.git", "/srv/git/x.git"])
def test_an_operator_may_allow_more_kinds_of_address(repository: str) -> None:
    allowed = config.Policy(schemes=frozenset({"file", "path"}))
    text = with_build(f"repository: {repository}", "ref: main")
    assert config.load(text, policy=allowed).errors == ()
    assert config.load(text).spec is None


@pytest.mark.parametrize("text", ["components:\n\tweb: {}", "components:\n  web:\n  \tbuild: {}"])
def test_a_tab_that_indents_is_named_as_the_mistake(text: str) -> None:
    (problem,) = config.load(text).errors
    assert problem.hint == "Indent with spaces: YAML takes no tabs there."


@pytest.mark.parametrize("repository", ["./x.git", "x", "../x.git", "~/x.git"])
def test_a_directory_is_named_by_its_whole_path(repository: str) -> None:
    allowed = config.Policy(schemes=frozenset({"file", "path"}))
    loaded = config.load(with_build(f"repository: {repository}", "ref: main"), policy=allowed)
    said = [(problem.message, problem.hint) for problem in loaded.errors]
    assert said == [("A directory is named by its whole path", "Write it from / on.")]


def test_an_operator_may_allow_polling_more_often() -> None:
    text = with_top("poll_interval: 5s")
    assert config.load(text, policy=config.Policy(min_poll_seconds=1)).errors == ()


def test_chains_of_reuse_lead_to_the_component_that_is_built() -> None:
    loaded = config.load(
        GOOD
        + "  b: {build: {reuse_from: c}, run: {command: x}}\n"
        + "  c: {build: {reuse_from: web}, run: {command: x}}\n"
    )
    assert loaded.spec is not None
    assert {name: loaded.spec.source_of(name) for name in loaded.spec.components} == {
        "web": "web",
        "b": "web",
        "c": "web",
    }
