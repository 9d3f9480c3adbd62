"""TAB in real shells: commands, options, files, components and the ids of deployments."""

import asyncio
import os
import shutil
import sys
from pathlib import Path

import pytest

from controller.models.tooldeployment import BuildRecord, State
from controller.store import kinds
from tests.api.service import CONFIG, Service

pytestmark = pytest.mark.timeout(120)

ROOT = Path(__file__).parents[2]
ID = "20260101-000000-abcdefghij"
TYPED = {
    "sta": "status",
    "deploy --com": "--commit",
    "config apply my": "mytool.yaml",
    "logs ": "web",
    "deploy --commit ": "web=",
    "wait 2026": ID,
    "retry 2026": ID,
}
"""What is typed after `ptd `, and what is offered among others."""

BASH = """
eval "$(ptd completion bash)"
COMP_WORDS=(ptd $1); COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
case $1 in *' ') COMP_WORDS+=(''); COMP_CWORD=$((COMP_CWORD + 1));; esac
_ptd_completion ptd "${COMP_WORDS[COMP_CWORD]}"
printf '%s\\n' "${COMPREPLY[@]}"; compgen -f -- "${COMP_WORDS[COMP_CWORD]}"
"""
FISH = 'source (ptd completion fish | psub); complete -C "ptd $argv[1]"'
ZSH = """
zmodload zsh/zpty
zpty -b shell zsh -f -i
zpty -w shell 'autoload -Uz compinit; compinit -u -D; eval "$(ptd completion zsh)"; echo REA''DY'
until zpty -r -t shell line && [[ $line == *READY* ]]; do sleep 0.1; done
zpty -w -n shell "ptd $1"$'\\t\\t'
for look in {1..80}; do
  sleep 0.1
  while zpty -r -t shell line; do print -r -- "$line"; all+=$line; done
  [[ $all == *$2* ]] && break
done
zpty -d shell
"""


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
async def test_the_shell_offers_what_there_is(service: Service, shell: str, tmp_path: Path) -> None:
    program = shutil.which(shell)
    assert program is not None, f"install {shell}, as `make packages` does"
    assert (await service.ask("POST", "config", CONFIG)).status == 200
    await service.store.create(kinds.DEPLOYMENTS, service.tool, ID, {})
    build = {"web": BuildRecord(commit="a" * 40)}
    await service.set_status(ID, status=State.FAILED, builds=build)
    (tmp_path / "mytool.yaml").touch()
    ptd = tmp_path / "bin/ptd"
    ptd.parent.mkdir()
    ptd.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec {sys.executable} -m controller "$@"\n')
    ptd.chmod(0o755)
    script = {"bash": BASH, "zsh": ZSH, "fish": FISH}[shell]
    options = {"bash": ["--norc", "-c"], "zsh": ["-f", "-c"], "fish": ["--no-config", "-c"]}[shell]
    environment = {
        "PATH": f"{ptd.parent}:{os.defpath}",
        "HOME": str(tmp_path),
        "TERM": "dumb",
        "COLUMNS": "200",
        "DEPLOY_API": str(service.client.make_url("/")),
        "DEPLOY_TOOL": service.tool,
        "DEPLOY_TOKEN": (await service.ask("POST", "deployment/token")).data["token"],
    }
    for typed, offered in TYPED.items():
        words = (script, typed) if shell == "fish" else (script, shell, typed, offered)
        for _ in range(3):  # a busy machine may take longer than a completion waits
            process = await asyncio.create_subprocess_exec(
                *(program, *options, *words),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                cwd=tmp_path,
                env=environment,
            )
            out = (await process.communicate())[0].decode(errors="replace")
            if offered in out.replace("\r", "").replace("\n", ""):
                break
        else:
            pytest.fail(f"{typed!r} does not offer {offered}: {out}")
