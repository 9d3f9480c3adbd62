"""`ptd config`: files checked, rewritten and stored."""

import asyncio
import json
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
import yaml
from click.testing import CliRunner, Result

from controller.cli.main import COMMANDS, main
from controller.models.toolconfig import ToolConfigSpec
from tests.support import fakekube
from tests.support.fakekube import FakeKube
from tests.unit.config.mistakes import MISTAKES
from tests.unit.config.texts import GOOD, OLD

STORED = {
    "apiVersion": "components-api.toolforge.org/v1",
    "kind": "ToolConfig",
    "metadata": {"name": "demo-config", "namespace": "tool-demo"},
    "spec": {"components": {"old": {"build": {}, "run": {}}}, "kept_by_a_newer_version": 1},
}
PREFIX = "components-api.toolforge.org/v1/toolconfigs"


def ptd(*arguments: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(main, ["config", *arguments], input=stdin)


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with good.yaml, old.yaml and bad.yaml, and no kubeconfig."""
    (tmp_path / "good.yaml").write_text(GOOD)
    (tmp_path / "old.yaml").write_text(OLD)
    (tmp_path / "bad.yaml").write_text(MISTAKES["a cpu that is a number"][0])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    return tmp_path


def test_a_good_file_is_valid(files: Path) -> None:
    result = ptd("validate", "good.yaml")
    assert (result.exit_code, result.output) == (0, "good.yaml: valid, 1 component (web)\n")


def test_a_bad_file_is_shown_with_its_lines_and_ends_with_2(files: Path) -> None:
    result = ptd("validate", "bad.yaml")
    assert result.exit_code == 2
    assert result.output == (
        "bad.yaml:8:12: error: components.web.run.cpu: This has to be text\n"
        '    Put it in quotation marks: "0.5".\n'
        "bad.yaml: 1 error\n"
    )


def test_warnings_do_not_fail_a_file_unless_they_shall(files: Path) -> None:
    lenient, strict = ptd("validate", "old.yaml"), ptd("validate", "--strict", "old.yaml")
    assert (lenient.exit_code, strict.exit_code) == (0, 2)
    assert lenient.output.splitlines()[-1] == (
        "old.yaml: valid, 2 components (api, celery-worker); 4 warnings"
    )
    assert strict.output.splitlines()[-1] == "old.yaml: 4 errors"


def test_machines_get_the_same_as_json(files: Path) -> None:
    result = ptd("validate", "--json", "bad.yaml")
    assert result.exit_code == 2
    assert json.loads(result.output) == {
        "file": "bad.yaml",
        "valid": False,
        "errors": [
            {
                "path": "components.web.run.cpu",
                "line": 8,
                "column": 12,
                "message": "This has to be text",
                "hint": 'Put it in quotation marks: "0.5".',
                "kind": "string_type",
            }
        ],
        "warnings": [],
    }


def test_a_file_can_come_from_standard_input() -> None:
    result = ptd("validate", "-", stdin="x: [")
    assert result.exit_code == 2
    assert result.output.startswith("<standard input>:2:1: error: This is not YAML: ")


def test_text_that_is_no_unicode_is_an_error_and_no_traceback(files: Path) -> None:
    (files / "odd.yaml").write_bytes(b"\xff\xfe\x00")
    result = ptd("validate", "odd.yaml")
    assert result.exit_code == 2
    assert result.output.splitlines()[0] == "odd.yaml: error: The text is not valid Unicode"


def test_what_the_terminal_could_act_on_is_not_passed_through(files: Path) -> None:
    (files / "odd.yaml").write_text(f'"\\e[31m\\a": 1\n{GOOD}')
    result = ptd("validate", "odd.yaml")
    assert "\x1b" not in result.output
    assert "\\x1b[31m\\x07: Unknown field" in result.output


def test_local_mode_takes_more_addresses(files: Path) -> None:
    (files / "mine.yaml").write_text(GOOD.replace("https://git.example.org", "/srv/git"))
    assert ptd("validate", "mine.yaml").exit_code == 2
    assert ptd("validate", "--local", "mine.yaml").exit_code == 0


PRIVATE = GOOD.replace("      ref: main\n", "      ref: main\n      credentials: gitlab\n")


def test_credentials_are_refused_as_a_cluster_would(files: Path) -> None:
    (files / "private.yaml").write_text(PRIVATE)
    result = ptd("validate", "private.yaml")
    assert (result.exit_code, result.stdout.splitlines()[0].partition(": ")[2]) == (
        2,
        "error: components.web.build.credentials: What builds here takes no credentials: only "
        "public repositories can be built",
    )
    assert "`ptd local` takes it as it is: add --local" in result.stderr
    assert ptd("validate", "--local", "private.yaml").exit_code == 0


@pytest.mark.parametrize(("context", "code"), [("ptd-local", 0), ("it", 2)])
async def test_applying_knows_ptd_local_by_its_kubeconfig(
    files: Path, context: str, code: int
) -> None:
    (files / "private.yaml").write_text(PRIVATE)
    async with FakeKube() as server:
        file = Path(kubeconfig(server))
        file.write_text(file.read_text().replace(": it\n", f": {context}\n"))
        result = await asyncio.to_thread(ptd, "apply", "private.yaml", "--kubeconfig", str(file))
    assert result.exit_code == code, result.output


def test_migrating_prints_the_present_spelling_and_says_what_it_changed(files: Path) -> None:
    result = ptd("migrate", "old.yaml")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[:2] == [OLD.splitlines()[0], "config_version: v1beta1"]
    assert result.stderr.count("old.yaml:") == 4
    assert (files / "old.yaml").read_text() == OLD


def test_migrating_can_write_the_file(files: Path) -> None:
    result = ptd("migrate", "--write", "old.yaml")
    assert (result.exit_code, result.stdout) == (0, "")
    assert ptd("validate", "--strict", "old.yaml").exit_code == 0


def test_the_schema_for_editors_knows_every_field() -> None:
    schema = json.loads(ptd("schema").output)
    assert set(schema["properties"]) == set(ToolConfigSpec.model_fields)


def test_without_a_control_plane_it_says_how_to_name_one(files: Path) -> None:
    result = ptd("apply", "good.yaml")
    assert result.exit_code == 2
    assert result.output.splitlines()[-2:] == [
        f"Error: no control plane: there is no file {files}/none",
        "`ptd local` says its own when it starts: export KUBECONFIG, or name it with --kubeconfig.",
    ]


@pytest.mark.parametrize("content", [b"", b"x", b"[", b"- 1", b"\xff\xfe", b"a: 1"])
def test_a_kubeconfig_that_is_none_is_a_sentence(files: Path, content: bytes) -> None:
    (files / "odd").write_bytes(content)
    for command in (["show"], ["apply", "good.yaml"]):
        for tool in ([], ["--tool", "demo"]):
            result = ptd(*command, "--kubeconfig", "odd", *tool)
            assert result.exit_code == 2
            assert result.output.splitlines()[-1].startswith("Error: no control plane: odd")


def kubeconfig(server: FakeKube, namespace: str = "tool-demo") -> str:
    """The path of a kubeconfig for a server, written to the present directory."""
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "it",
        "clusters": [{"name": "it", "cluster": {"server": server.url}}],
        "users": [{"name": "it", "user": {"token": "t0ken"}}],
        "contexts": [
            {"name": "it", "context": {"cluster": "it", "user": "it", "namespace": namespace}}
        ],
    }
    Path("kubeconfig").write_text(yaml.safe_dump(content))
    return "kubeconfig"


async def test_applying_a_file_stores_it_for_the_tool_of_the_namespace(files: Path) -> None:
    async with FakeKube() as server:
        access = ("--kubeconfig", kubeconfig(server))
        result = await asyncio.to_thread(ptd, "apply", "good.yaml", *access)
        assert result.exit_code == 0, result.output
        assert result.output.splitlines()[1:] == [
            "Stored the config of demo: 1 component (web).",
            "Nothing is deployed by itself, as auto_deploy is off: `ptd deploy --wait` deploys it.",
        ]
        shown = await asyncio.to_thread(ptd, "show", *access)
    assert yaml.safe_load(shown.output) == yaml.safe_load(GOOD)


@pytest.mark.parametrize(
    ("first", "said"),
    [
        (
            "auto_deploy: true",
            "New commits are deployed by themselves; what else changed waits for the next "
            "deployment, and `ptd deploy --wait` makes one now.",
        ),
        (
            "source_url: https://example.org/a.yaml",
            "`ptd deploy` first fetches its source_url, which replaces what was stored now.",
        ),
    ],
)
async def test_applying_says_what_comes_next(files: Path, first: str, said: str) -> None:
    (files / "next.yaml").write_text(f"{first}\n{GOOD}")
    async with FakeKube() as server:
        access = ("--kubeconfig", kubeconfig(server))
        result = await asyncio.to_thread(ptd, "apply", "next.yaml", *access)
    assert result.output.splitlines()[-1] == said


async def test_applying_replaces_what_was_stored(files: Path) -> None:
    async with FakeKube() as server:
        server.store(PREFIX, STORED)
        access = ("--kubeconfig", kubeconfig(server, "default"), "--tool", "demo")
        result = await asyncio.to_thread(ptd, "apply", "good.yaml", *access)
        assert result.exit_code == 0, result.output
        assert [it.verb for it in server.requests] == ["POST", "PATCH"]
        shown = await asyncio.to_thread(ptd, "show", *access)
    assert yaml.safe_load(shown.output) == yaml.safe_load(GOOD)


async def test_applying_a_bad_file_asks_the_control_plane_nothing(files: Path) -> None:
    async with FakeKube() as server:
        access = ("--kubeconfig", kubeconfig(server))
        result = await asyncio.to_thread(ptd, "apply", "bad.yaml", *access)
        assert server.requests == []
    assert (result.exit_code, result.stderr) == (2, "Nothing was stored.\n")


async def test_a_namespace_that_is_no_tools_is_refused(files: Path) -> None:
    async with FakeKube() as server:
        access = ("--kubeconfig", kubeconfig(server, "default"))
        result = await asyncio.to_thread(ptd, "apply", "good.yaml", *access)
    assert result.exit_code == 2
    assert "the namespace default is not a tool's; say which with --tool" in result.output


async def test_showing_what_is_not_there_says_how_to_store_it(files: Path) -> None:
    async with FakeKube() as server:
        access = ("--kubeconfig", kubeconfig(server))
        result = await asyncio.to_thread(ptd, "show", *access)
    said = "Error: demo has no config\n`ptd config apply FILE` stores one.\n"
    assert (result.exit_code, result.stderr) == (1, said)


async def test_a_failure_of_the_control_plane_is_a_sentence(files: Path) -> None:
    async with FakeKube() as server:
        server.fail("GET", fakekube.status(422, "Invalid"))
        access = ("--kubeconfig", kubeconfig(server))
        result = await asyncio.to_thread(ptd, "show", *access)
    assert result.exit_code == 1
    assert re.fullmatch(r"Error: .+\n", result.output)


def test_the_help_names_every_command_and_imports_none() -> None:
    result = CliRunner().invoke(main, ["--help"])
    assert [name for name in COMMANDS if f"  {name} " in result.output] == list(COMMANDS)
    code = (
        "import sys; from controller.cli.main import main; main(['--help'], standalone_mode=False);"
        "print([m for m in ('yaml', 'pydantic', 'aiohttp', 'kubernetes') if m in sys.modules])"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout
    assert shown.splitlines()[-1] == "[]"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_of_the_table_exists(name: str) -> None:
    assert CliRunner().invoke(main, [name, "--help"]).exit_code == 0


def test_all_help_fits_eighty_columns_and_cuts_no_sentence() -> None:
    texts = {}
    waiting: list[tuple[tuple[str, ...], click.Command]] = [((), main)]
    while waiting:
        words, command = waiting.pop()
        shown = CliRunner().invoke(main, [*words, "--help"], terminal_width=80)
        texts[" ".join(words)] = shown.output
        if isinstance(command, click.Group):
            context = click.Context(command)
            found = {
                name: command.get_command(context, name) for name in command.list_commands(context)
            }
            waiting += [((*words, name), it) for name, it in found.items() if it is not None]
    assert len(texts) > len(COMMANDS)
    wrong = [
        (of, line)
        for of, text in texts.items()
        for line in text.splitlines()
        if len(line) > 80 or (line.endswith("...") and "ARGS" not in line)
    ]
    assert wrong == []
    assert list(COMMANDS) == sorted(COMMANDS)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("confg", "No such command 'confg'. Did you mean 'config'?"),
        ("xyz", "No such command 'xyz'."),
        ("config aply", "No such command 'aply'. Did you mean 'apply'?"),
        ("credentials remove", "No such command 'remove'."),
        ("credentials lst", "No such command 'lst'. Did you mean 'list'?"),
        ("--versio", "No such option '--versio'. Did you mean '--version'?"),
        ("status --jsn", "No such option '--jsn'. Did you mean '--json'?"),
        ("config validate --locl x", "No such option '--locl'. Did you mean '--local'?"),
    ],
)
def test_what_is_mistyped_is_answered_with_what_is_meant(typed: str, said: str) -> None:
    result = CliRunner().invoke(main, typed.split())
    assert (result.exit_code, result.stderr.splitlines()[-1]) == (2, f"Error: {said}")


def test_a_local_tool_that_no_namespace_can_have_is_refused_before_anything_starts(
    files: Path,
) -> None:
    result = CliRunner().invoke(main, ["local", "--tool", "A_b", "--data", "data"])
    assert (result.exit_code, (files / "data").exists()) == (2, False)
    assert "'A_b' is no tool's name" in result.stderr
