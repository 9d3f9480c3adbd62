"""Set-up: it costs nothing when nothing changed, and says what is missing."""

from pathlib import Path

import pytest

from tests.gate import environment


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder with just enough of a clone to ask for its environments."""
    (tmp_path / "requirements").mkdir()
    for name in ("build", "run", "dev", "cli-client"):
        (tmp_path / "requirements" / f"{name}.txt").write_text("a==1\n")
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    return tmp_path


def test_an_environment_that_matches_its_pins_is_left_alone(clone: Path) -> None:
    client = environment.environments(clone)["cli-client"]
    client.folder.mkdir(parents=True)
    client.stamp.write_text(client.fingerprint(clone))
    assert environment.ensure(client, clone) is False


@pytest.mark.parametrize("changed", ["requirements/dev.txt", "requirements/build.txt"])
def test_a_changed_pin_makes_the_environment_anew(clone: Path, changed: str) -> None:
    dev = environment.environments(clone)["dev"]
    before = dev.fingerprint(clone)
    (clone / changed).write_text("a==2\n")
    assert dev.fingerprint(clone) != before


def test_a_pin_of_another_environment_changes_nothing(clone: Path) -> None:
    dev = environment.environments(clone)["dev"]
    before = dev.fingerprint(clone)
    (clone / "requirements/cli-client.txt").write_text("a==2\n")
    assert dev.fingerprint(clone) == before


def test_what_the_checks_need_holds_what_the_program_needs_in_the_same_place() -> None:
    known = environment.environments()
    assert known["run"].folder == known["dev"].folder != known["cli-client"].folder


def test_a_failing_installation_is_an_error_that_names_the_step(clone: Path) -> None:
    client = environment.environments(clone)["cli-client"]
    (clone / "requirements/cli-client.txt").write_text("no hash, no package\n")
    with pytest.raises(environment.SetupError, match=r"this step failed, see above: .*cli-client"):
        environment.ensure(client, clone)
    assert not client.stamp.exists()


@pytest.mark.parametrize(("name", "link"), [("run", ".venv"), ("cli-client", ".tools")])
def test_what_a_link_leads_to_is_never_emptied(
    clone: Path, tmp_path_factory: pytest.TempPathFactory, name: str, link: str
) -> None:
    shared = tmp_path_factory.mktemp("shared")
    wanted = environment.environments(clone)[name]
    (clone / link).symlink_to(shared)
    wanted.folder.mkdir(exist_ok=True)
    (wanted.folder / "python").write_text("somebody else's")
    with pytest.raises(environment.SetupError, match=r"is left as it is: remove the link"):
        environment.ensure(wanted, clone)
    assert (wanted.folder / "python").read_text() == "somebody else's"


def test_an_unknown_environment_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert environment.main(["prod"]) == 2
    assert "no environment 'prod'; there are: run, dev, cli-client" in capsys.readouterr().err
