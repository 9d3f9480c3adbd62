"""`ptd config`: check a config file, rewrite it, store it, and the schema for editors.

Every command that reads a file says all that is wrong with it, with lines; exit code 2 on errors.
"""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from controller import config as configs
from controller.cli import access, report, silence
from controller.config import documents
from controller.models import meta

if TYPE_CHECKING:
    from controller.models.toolconfig import ToolConfigSpec
    from controller.store.objects import Store

_FILE = click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path)
_CLUSTER = configs.Policy(credentials=False)  # as controller.app.policy has it for a cluster
_LOCAL = configs.Policy(
    schemes=frozenset({"https", "http", "git", "ssh", "file", "path"}), min_poll_seconds=1
)
_local = click.option(
    "--local",
    is_flag=True,
    help="Accept what only `ptd local` does: directories, file addresses, credentials, short "
    "intervals.",
)
_strict = click.option("--strict", is_flag=True, help="Warnings are errors.")


@click.group()
def config() -> None:
    """Check, rewrite and store a tool's config."""


@config.command()
@click.argument("file", type=_FILE)
@_strict
@_local
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for machines.")
def validate(file: Path, strict: bool, local: bool, as_json: bool) -> None:
    """Say everything that is wrong with FILE.

    With line numbers, and what to write instead; `-` is standard input.

    Exit code 0: it can be deployed. 2: it has errors, or warnings with --strict.
    """
    loaded = _load(file, local)
    valid = not loaded.errors and not (strict and loaded.warnings)
    name = report.name_of(file)
    if as_json:
        click.echo(report.as_json(name, loaded, valid=valid))
    else:
        _show(name, loaded, strict)
        if hint := _hints(loaded, file, local):
            click.echo(hint, err=True)
    sys.exit(0 if valid else 2)


@config.command()
def schema() -> None:
    """Print the JSON schema of the config, for editors."""
    from controller.models import editor  # noqa: PLC0415

    click.echo(json.dumps(editor.schema(), indent=2))


@config.command()
@click.argument("file", type=_FILE)
@click.option("--write", "-w", is_flag=True, help="Change FILE instead of printing it.")
def migrate(file: Path, write: bool) -> None:
    """Print FILE in the present spelling.

    Comments, order and quotes stay as they are. What was changed goes to standard error.
    """
    migrated = configs.migrate(_text(file))
    name = report.name_of(file)
    out = report.console(stderr=True)
    report.show(name, "error", migrated.errors, out)
    if migrated.errors:
        sys.exit(2)
    report.show(name, "warning", migrated.changes, out)
    if not write or str(file) == "-":
        click.echo(migrated.text, nl=False)
    elif migrated.changes:
        file.write_text(migrated.text, encoding="utf-8")


@config.command()
@click.argument("file", type=_FILE)
@_strict
@_local
@access.options
def apply(
    file: Path,
    strict: bool,
    local: bool,
    kubeconfig: str | None,
    tool: str | None,
    namespace: str | None,
) -> None:
    """Check FILE and store it as the config.

    It takes the place of the present one. A file with errors changes nothing (exit code 2). A
    deployment that runs keeps the config that it began with. With the kubeconfig of `ptd local`,
    --local is understood.
    """
    from controller.store.kinds import CONFIGS  # noqa: PLC0415

    local = local or silence.is_of_local(access.file_of(kubeconfig))
    loaded = _load(file, local)
    _show(report.name_of(file), loaded, strict)
    if loaded.spec is None or (strict and loaded.warnings):
        click.echo(f"Nothing was stored. {_hints(loaded, file, local)}".rstrip(), err=True)
        sys.exit(2)
    where = access.find(kubeconfig, tool, namespace)

    async def put(store: "Store") -> None:
        await store.put(CONFIGS, where.tool, meta.config_name(where.tool), loaded.stored)

    where.call(put)
    names = list(loaded.spec.components)
    click.echo(f"Stored the config of {where.tool}: {report.components(names)}.")
    click.echo(_next(loaded.spec))
    if loaded.spec.source_url:
        click.echo("`ptd deploy` first fetches its source_url, which replaces what was stored now.")


@config.command()
@access.options
def show(kubeconfig: str | None, tool: str | None, namespace: str | None) -> None:
    """Print the config that is stored for the tool."""
    import yaml  # noqa: PLC0415

    from controller.store.errors import NotFound  # noqa: PLC0415
    from controller.store.kinds import CONFIGS  # noqa: PLC0415

    where = access.find(kubeconfig, tool, namespace)

    async def get(store: "Store") -> str:
        try:
            found = await store.get(CONFIGS, where.tool, meta.config_name(where.tool))
        except NotFound as error:
            said = f"{where.tool} has no config\n`ptd config apply FILE` stores one."
            raise click.ClickException(said) from error
        sent = found.spec.model_dump(mode="json", exclude_unset=True)
        return str(yaml.safe_dump(sent, sort_keys=False, allow_unicode=True, width=100))

    click.echo(where.call(get), nl=False)


def _next(spec: "ToolConfigSpec") -> str:
    """What becomes of a config that is stored: polling looks at commits, and at nothing else."""
    from watchers import decide  # noqa: PLC0415 - `config validate` does not wait for it

    if decide.followed(spec):
        return (
            "New commits are deployed by themselves; what else changed waits for the next "
            "deployment, and `ptd deploy --wait` makes one now."
        )
    return "Nothing is deployed by itself, as auto_deploy is off: `ptd deploy --wait` deploys it."


def _text(file: Path) -> str:
    """The file's text, one byte more than a config may have at the most."""
    with click.open_file(str(file), "rb") as stream:
        data: bytes = stream.read(documents.MAX_BYTES + 1)
    # What is no UTF-8 becomes lone surrogates, which the reader refuses in its own words.
    return data.decode("utf-8-sig", "surrogateescape")


def _load(file: Path, local: bool) -> configs.Loaded:
    return configs.load(_text(file), policy=_LOCAL if local else _CLUSTER)


def _hints(loaded: configs.Loaded, file: Path, local: bool) -> str:
    """What else can be done about a file that only `ptd local` would take."""
    if local or not loaded.errors or str(file) == "-" or _load(file, True).errors:
        return ""
    return "`ptd local` takes it as it is: add --local if that is what this is for."


def _show(name: str, loaded: configs.Loaded, strict: bool) -> None:
    out = report.console()
    report.show(name, "error", loaded.errors, out)
    report.show(name, "error" if strict else "warning", loaded.warnings, out)
    errors = len(loaded.errors) + (len(loaded.warnings) if strict else 0)
    warnings = 0 if strict else len(loaded.warnings)
    found = [report.counted(errors, "error")] if errors else []
    found += [report.counted(warnings, "warning")] if warnings else []
    if loaded.spec is not None and not errors:
        found.insert(0, f"valid, {report.components(list(loaded.spec.components))}")
    out.print(f"{name}: {'; '.join(found)}")
