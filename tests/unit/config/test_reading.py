"""What is accepted: old spellings with a word about each, unknown fields left out, and no more."""

import json

import pytest

from controller import config
from tests.unit.config.texts import GOOD, OLD, with_build, with_kind, with_run, with_top


def test_the_owners_example_is_accepted_with_one_warning_for_each_old_spelling() -> None:
    loaded = config.load(OLD)
    assert loaded.errors == ()
    assert [(it.line, it.column, it.path, it.message) for it in loaded.warnings] == [
        (2, 1, "config_version", "`config-version` is an old spelling"),
        (2, 17, "config_version", "`v0.1` is an old config_version"),
        (6, 5, "components.api.component_type", "`type` is an old spelling"),
        (15, 5, "components.celery-worker.component_type", "`type` is an old spelling"),
    ]
    assert {it.hint for it in loaded.warnings} == {
        f"Write `{name}`, or let `ptd config migrate FILE` write it."
        for name in ("config_version", "v1beta1", "component_type")
    }
    assert loaded.stored["components"]["api"] == {
        "component_type": "continuous",
        "description": "A python-flask api",
        "build": {
            "repository": "https://gitlab.wikimedia.org/toolforge-repos/mytool",
            "ref": "main",
        },
        "run": {"command": "api", "port": 5000},
    }


def test_what_is_stored_is_what_was_sent_without_defaults() -> None:
    assert config.load(GOOD).stored == {
        "components": {
            "web": {
                "build": {"repository": "https://git.example.org/demo.git", "ref": "main"},
                "run": {"command": "serve", "port": 8000},
            }
        }
    }


def test_what_is_stored_reads_as_the_same_again() -> None:
    first = config.load(OLD)
    again = config.load_object(first.stored)
    assert (again.spec, again.stored, again.warnings) == (first.spec, first.stored, ())


UNKNOWN = {
    "a slip of the pen names the nearest field": (
        with_run("comand: y", "command: x"),
        (7, "components.web.run.comand", "Did you mean `command`?"),
    ),
    "another way of writing names is seen through": (
        with_run("command: x", "healthCheckHttp: /"),
        (8, "components.web.run.healthCheckHttp", "Did you mean `health_check_http`?"),
    ),
    "a field at the wrong place is sent to its place": (
        GOOD.replace("    run:", "    replicas: 2\n    run:"),
        (6, "components.web.replicas", "`replicas` belongs in run."),
    ),
    "a field of the other kind of component says so": (
        with_run("command: x", "timeout: 5"),
        (8, "components.web.run.timeout", "`timeout` is for scheduled components."),
    ),
    "a field of the other kind of build says so": (
        GOOD + "  b:\n    build: {reuse_from: web, ref: x}\n    run: {command: x}\n",
        (
            10,
            "components.b.build.ref",
            "`ref` goes with `repository`, not with `reuse_from`.",
        ),
    ),
    "what is like nothing gets no guess": (with_top("xyz: 1"), (1, "xyz", "")),
    "the same unknown field twice is no error": (
        with_top("Warning: a", "Warning: b"),
        (2, "Warning", ""),
    ),
}


@pytest.mark.parametrize(("text", "expected"), UNKNOWN.values(), ids=UNKNOWN.keys())
def test_an_unknown_field_is_left_out_and_warned_about(
    text: str, expected: tuple[int, str, str]
) -> None:
    loaded = config.load(text)
    assert loaded.errors == ()
    assert [(it.line, it.path, it.hint) for it in loaded.warnings] == [expected]
    assert [it.api_text for it in loaded.warnings] == [f"Unknown field {expected[1]}, skipped"]
    assert expected[1].rpartition(".")[2] not in str(loaded.stored).replace("'ref': 'main'", "")


def test_a_file_of_another_kind_is_not_answered_with_a_thousand_warnings() -> None:
    loaded = config.load(with_top(*(f"k{number}: 1" for number in range(300))))
    assert len(loaded.warnings) == 101
    assert "There are more than 100 unknown fields. Is this the right file?" in {
        it.api_text for it in loaded.warnings
    }


def test_numbers_and_truths_may_be_written_as_the_public_api_takes_them() -> None:
    loaded = config.load(with_run("command: x", "port: '8000'", "filelog: 'yes'", "replicas: 2.0"))
    assert loaded.stored["components"]["web"]["run"] == {
        "command": "x",
        "port": 8000,
        "filelog": True,
        "replicas": 2,
    }


def test_words_that_yaml_takes_for_dates_stay_words() -> None:
    loaded = config.load(with_build("repository: https://a.org/x", "ref: 2024-01-01"))
    assert loaded.stored["components"]["web"]["build"]["ref"] == "2024-01-01"


def test_upstreams_placeholders_count_as_not_set() -> None:
    loaded = config.load(with_top("config_version: null", "source_url: http://localhost/"))
    assert (loaded.errors, list(loaded.stored)) == ((), ["components"])


@pytest.mark.parametrize(
    "lines", [("schedule: '@daily'",), ("schedule: 7,*/15 0 1-3 * sun", "retry: 2")]
)
def test_a_schedule_makes_a_component_scheduled(lines: tuple[str, ...]) -> None:
    loaded = config.load(with_run("command: x", *lines))
    assert loaded.spec is not None
    assert loaded.spec.components["web"].component_type == "scheduled"
    assert "component_type" not in loaded.stored["components"]["web"]


def test_json_is_read_as_well_with_its_lines() -> None:
    text = (
        '{"components": {"web": {\n\t"build": {"repository": "https:\\/\\/a.org/x",'
        ' "ref": ""},\n\t"run": {"command": "\\u00e9", "prot": 1}}}}'
    )
    loaded = config.load(text)
    assert loaded.errors == ()
    assert [(it.line, it.path) for it in loaded.warnings] == [(3, "components.web.run.prot")]


def test_json_that_yaml_does_not_take_is_read_without_lines() -> None:
    text = json.dumps({"description": "\U0001f600"} | config.load(GOOD).stored)
    assert "\\ud83d" in text
    loaded = config.load(text)
    assert (loaded.errors, loaded.stored["description"]) == ((), "\U0001f600")


def test_migrating_changes_the_old_words_and_nothing_else() -> None:
    migrated = config.migrate(OLD)
    expected = OLD.replace("config-version: v0.1", "config_version: v1beta1").replace(
        "    type: ", "    component_type: "
    )
    assert migrated.text == expected
    assert config.load(migrated.text).warnings == ()
    assert config.migrate(migrated.text).changes == ()


def test_migrating_keeps_quotes_and_comments() -> None:
    text = "\"config-version\":   'v0.1' # ours\n" + with_kind(GOOD, "continuous")
    assert config.migrate(text).text.splitlines()[0] == ("\"config_version\":   'v1beta1' # ours")


def test_migrating_does_not_touch_what_it_cannot_read() -> None:
    migrated = config.migrate("a: [")
    assert migrated.text == "a: ["
    assert [it.kind for it in migrated.errors] == ["syntax"]
