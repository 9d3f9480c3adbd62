"""Private repositories as a tenant uses them: `ptd credentials`, polling and builds by `ptd local`.

What docs/credentials.md says is done, with real git over TLS and a real sshd. While it all happens,
the process list is watched; in the end nothing that `ptd local` wrote or said may hold what is
secret.
"""

import asyncio
import contextlib
import re
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import yaml

from controller.models import credentials
from controller.models.credentials import Stored
from controller.store import grants, kinds
from tests.api.platform import until
from tests.contract.git.ways import BASIC, TOKEN, PrivateServer
from tests.repo import tree
from tests.support import kubectl
from tests.support.certificates import Authority
from tests.support.ptdlocal import PtdLocal, environment
from tests.support.sshserver import SshServer

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(120),
    pytest.mark.asyncio(loop_scope="module"),
]

PROCFILE = "".join(
    f"{name}: python3 -c 'import time; time.sleep(600)'\n" for name in ("web", "worker")
)
PAGE = tree.text(Path("docs/credentials.md"))
INSTRUCTIONS = re.findall(r"(?ms)^```sh\n(.*?)^```", PAGE)
CONFIG, SECRET, GRANT = re.findall(r"(?ms)^```yaml\n(.*?)^```", PAGE)
_PATIENCE = 30.0


@dataclass
class Watchman:
    """Reads the command lines of all processes again and again, as any user of the machine can."""

    said: set[str] = field(default_factory=set, repr=False)
    stopping: threading.Event = field(default_factory=threading.Event)

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Watch while the block lasts."""
        thread = threading.Thread(target=self._watch)
        thread.start()
        try:
            yield
        finally:
            self.stopping.set()
            thread.join()

    def _watch(self) -> None:
        while not self.stopping.wait(0.1):
            for process in Path("/proc").glob("[0-9]*/cmdline"):
                with contextlib.suppress(OSError):
                    self.said.add(process.read_text(errors="replace"))


@dataclass
class Desk:
    """Everything that a tenant has before them."""

    local: PtdLocal
    https: PrivateServer
    ssh: SshServer
    folder: Path
    watchman: Watchman

    async def ptd(self, *words: str) -> tuple[int, str]:
        """Exit code and output of `ptd`."""
        return await self._run("ptd", *words)

    async def kubectl(self, *words: str, stdin: str = "") -> str:
        """What kubectl printed; it must succeed."""
        code, said = await self._run(kubectl.program(), *words, stdin=stdin)
        assert code == 0, said
        return said

    async def _run(self, *command: str, stdin: str = "") -> tuple[int, str]:
        surroundings = {**environment(), "KUBECONFIG": str(self.local.kubeconfig)}
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=self.folder,
            env={**surroundings, "PATH": f"{self.folder}:{surroundings['PATH']}"},
        )
        output, _ = await process.communicate(stdin.encode())
        return process.returncode or 0, output.decode()

    async def follow(self, instruction: str, host: str) -> str:
        """Do what the page says, with another host; what was printed."""
        code, said = await self._run("bash", "-euc", instruction.replace("git.example.org", host))
        assert code == 0, said
        return said

    async def error(self, component: str) -> str:
        """What polling says is wrong with a component."""
        async with self.local.store() as store:
            found = await store.get(kinds.CONFIGS, "demo", "demo-config")
        return found.status.components[component].error


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def desk(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Desk]:
    folder = tmp_path_factory.mktemp("private")
    authority = Authority(folder)
    program = folder / "ptd"
    program.write_text(
        f'#!/bin/sh\nPYTHONPATH="{tree.ROOT}" exec {sys.executable} -m controller "$@"\n'
    )
    program.chmod(0o755)
    trust = {"SSL_CERT_FILE": str(authority.certificate)}
    trust["GIT_SSL_CAINFO"] = trust["SSL_CERT_FILE"]
    https = PrivateServer(folder / "https", certificate=authority.issue("git.example.org"))
    watchman = Watchman()
    with SshServer(folder / "ssh") as ssh, watchman.watching():
        async with https:
            local = PtdLocal(folder / "data", trust)
            await local.start()
            yield Desk(local, https, ssh, folder, watchman)
            await local.stop()


def config(desk: Desk) -> dict[str, Any]:
    """The page's config, with real hosts."""
    text = CONFIG.replace("https://git.example.org/demo/web.git", desk.https.address("web.git"))
    text = text.replace("ssh://git@git.example.org/demo/worker.git", desk.ssh.address("worker.git"))
    spec: dict[str, Any] = yaml.safe_load(text)
    assert spec["components"].keys() == {"web", "worker"}
    return spec | {"auto_deploy": True, "poll_interval": "1s"}


async def test_credentials_from_the_page_to_their_end(desk: Desk) -> None:
    """One test: each chapter goes on where the one before ended."""
    await stored_as_the_page_says_and_never_shown(desk)
    await polled_built_and_run(desk)
    await nothing_secret_is_anywhere_but_in_the_secrets(desk)
    await used_no_more_when_deleted(desk)


async def stored_as_the_page_says_and_never_shown(desk: Desk) -> None:
    by_token, make_key, by_key = INSTRUCTIONS
    (desk.folder / "token.txt").write_text(TOKEN + "\n")
    await desk.follow(make_key, "")
    desk.ssh.let_in((desk.folder / "deploy_key.pub").read_text())
    (desk.folder / "known_hosts").write_text(desk.ssh.known_hosts)
    https, ssh = f"127.0.0.1:{desk.https.port}", f"127.0.0.1:{desk.ssh.port}"
    assert await desk.follow(by_token, https) == (
        f"gitlab: stored, for {https}\nIn the config: `credentials: gitlab`, below `repository:`.\n"
    )
    assert "worker-key: stored" in await desk.follow(by_key, ssh)
    code, said = await desk.ptd("credentials", "list")
    assert (code, [line.split() for line in said.splitlines()]) == (
        0,
        [["gitlab", "token", https], ["worker-key", "ssh", "key", ssh]],
    )


async def test_a_secret_made_by_kubectl_as_the_page_says_is_one_too(desk: Desk) -> None:
    manifest = SECRET.replace("name: gitlab", "name: by-hand")
    await desk.kubectl("create", "-f", "-", stdin=manifest)
    found = await desk.local.secret("by-hand")
    stored = Stored(found.name, found.kind, found.data, found.labels, found.annotations)
    assert credentials.read(stored).hosts == ("git.example.org",)


async def test_the_page_shows_the_grant_that_ptd_writes() -> None:
    account = grants.Account("push-to-deploy", "push-to-deploy-controller")
    shown = list(yaml.safe_load_all(GRANT))
    assert shown == list(grants.objects("demo", "gitlab", account).values())


async def polled_built_and_run(desk: Desk) -> None:
    desk.https.repository("web.git").commit({"Procfile": PROCFILE})
    desk.ssh.repository("worker.git").commit({"Procfile": PROCFILE})

    await desk.local.configure(config(desk))
    await until(lambda: ended(desk), _PATIENCE * 2)

    (deployment,) = await desk.local.deployments()
    assert deployment.status.status == "successful", deployment.status.message
    assert set(deployment.status.runs) == {"web", "worker"}


async def ended(desk: Desk) -> bool:
    """Whether the deployment that polling made has ended."""
    return any(each.final for each in await desk.local.deployments())


async def nothing_secret_is_anywhere_but_in_the_secrets(desk: Desk) -> None:
    shown = await desk.kubectl("get", "toolconfigs,tooldeployments,events", "-A", "-o", "yaml")
    url = (
        await desk.kubectl("config", "view", "-o", "jsonpath={.clusters[0].cluster.server}")
    ).strip()
    metrics = await desk.kubectl("get", "--raw", f"{url}/ptd/metrics")
    written = {
        path: path.read_bytes()
        for path in desk.local.folder.rglob("*")
        if path.is_file() and not path.name.startswith("control-plane.sqlite")
    }
    private = (desk.folder / "deploy_key").read_text().splitlines()[2]  # a line of the key itself
    canaries = [TOKEN, BASIC.split()[1], private]

    for canary in canaries:
        for said in (shown, metrics, desk.local.log(), *desk.watchman.said):
            assert canary not in said
        assert [path for path, content in written.items() if canary.encode() in content] == []
    assert any("ls-remote" in line for line in desk.watchman.said)
    assert any("HostKeyAlias" in line for line in desk.watchman.said)
    assert list(desk.local.folder.rglob("ptd-git-*")) == []


async def used_no_more_when_deleted(desk: Desk) -> None:
    code, said = await desk.ptd("credentials", "delete", "gitlab")
    assert (code, said) == (0, "gitlab: deleted\n")
    await until(lambda: desk.error("web"), _PATIENCE)
    code, said = await desk.ptd("status")
    assert code == 0, said
    assert re.search(
        r"(?m)^  web +main, [0-9a-f]{10} since \S+ \S+; checked \S+ \S+\n"
        r" +CredentialsUnusable: The tool has no Secret called gitlab\. Make it: `ptd ",
        said,
    ), said
