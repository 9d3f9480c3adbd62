"""The unmodified Toolforge client: every command, its output and its exit code."""

import asyncio
import contextlib
import json
import re
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiohttp.test_utils import TestServer

from controller.api.auth import Trust
from tests.api.platform import Platform, platform
from tests.support import controlplane
from tests.support.certificates import Authority
from tests.support.toolforgeclient import Client, Done, kubeconfig

pytestmark = pytest.mark.timeout(120)

TOKEN = "the-kubeconfig-s-own"
BETA = "Warning: You are using a beta feature of Toolforge.\n"
CONFIG = """\
components:
  web:
    build:
      repository: $repository
      ref: main
    run:
      command: web
"""
_TEXTS = (
    (re.compile(r"\d{8}-\d{6}-[a-z0-9]{10}"), "<id>"),
    (re.compile(r"\d{8}-\d{6}"), "<created>"),
    (re.compile(r"\d{4}-\d\d-\d\d[ T][\d:.]+(\+00:00|Z)"), "<time>"),
    (re.compile(r"pipelinerun-[a-z0-9]{5}"), "pipelinerun-<n>"),
    (re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "<token>"),
)


@dataclass
class World:
    """The client of one tool, and the platform that it speaks to."""

    client: Client
    platform: Platform
    folder: Path

    @property
    def config(self) -> str:
        """A config file of one component."""
        return CONFIG.replace("$repository", self.platform.repository)

    async def says(self, command: str, stdin: str = "") -> Done:
        """What a command prints, with what is different each time masked; `$file` is a config."""
        file = self.folder / "toolforge.yaml"
        file.write_text(self.config)
        done = await self.client.run(*command.replace("$file", str(file)).split(), stdin=stdin)
        return Done(done.code, self._masked(done.out), self._masked(done.err))

    async def ended(self) -> str:
        """The state of the latest deployment when it has ended."""
        async with asyncio.timeout(20):
            while True:
                done = await self.client.run("deployment", "show", "--json")
                state = str(json.loads(done.out)["status"])
                if state not in ("pending", "running", "cancelling"):
                    return state
                await asyncio.sleep(0.1)

    def _masked(self, text: str) -> str:
        text = text.replace(self.platform.tool, "mytool").replace(
            self.platform.repository, "$repository"
        )
        for pattern, mask in _TEXTS:
            text = pattern.sub(mask, text)
        return re.sub(" +$", "", text, flags=re.MULTILINE)


@contextlib.asynccontextmanager
async def over_http(world: Platform, folder: Path) -> AsyncIterator[Client]:
    app = world.application(Trust(owner=lambda: TOKEN), prefixes=("/components",))
    async with TestServer(app) as server:
        url = str(server.make_url("")).rstrip("/")
        yield Client(url, kubeconfig(folder / "kubeconfig", world.tool, {"token": TOKEN}))


@contextlib.asynccontextmanager
async def over_https(world: Platform, folder: Path) -> AsyncIterator[Client]:
    async with secured(world, Trust(owner=lambda: TOKEN), Authority(folder)) as url:
        yield Client(url, kubeconfig(folder / "kubeconfig", world.tool, {"token": TOKEN}))


@contextlib.asynccontextmanager
async def with_certificates(world: Platform, folder: Path) -> AsyncIterator[Client]:
    authority = Authority(folder)
    certificate, key = authority.issue(world.tool)
    user = {"client-certificate": str(certificate), "client-key": str(key)}
    async with secured(world, Trust(certificates=True), authority) as url:
        yield Client(url, kubeconfig(folder / "kubeconfig", world.tool, user))


@contextlib.asynccontextmanager
async def secured(world: Platform, trust: Trust, authority: Authority) -> AsyncIterator[str]:
    """The address of the API over https."""
    server = TestServer(world.application(trust, prefixes=("/components",)), scheme="https")
    await server.start_server(ssl=tls(authority))
    try:
        yield str(server.make_url("")).rstrip("/")
    finally:
        await server.close()


def tls(authority: Authority) -> ssl.SSLContext:
    """How the server speaks https: clients may show certificates of the authority."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*authority.issue("127.0.0.1"))
    context.load_verify_locations(authority.certificate)
    context.verify_mode = ssl.CERT_OPTIONAL
    return context


Serve = Callable[[Platform, Path], contextlib.AbstractAsyncContextManager[Client]]
WAYS: dict[str, Serve] = {
    "over http with a bearer token": over_http,
    "over https with a bearer token": over_https,
    "over https with client certificates": with_certificates,
}


@contextlib.asynccontextmanager
async def world_of(
    serve: Serve, access: controlplane.Access, folder: Path, building: float = 0.6
) -> AsyncIterator[World]:
    async with platform(access, folder, building) as made, serve(made, folder) as client:
        yield World(client, made, folder)


TOKEN_SHOWN = "Token: <token>\nCreated: <time>\n"
CREATED = """\
Deployment for mytool created successfully.
Deployment ID: <id>
Created: <created>

Builds:
  web(pending): no-id-yet

Runs:
  web(pending):
"""
DETAILS = """\
Deployment ID: <id>
Created: <created>
Status: successful
Long status:
  Finished at <time>

Builds:
  web(successful): id:mytool-buildpacks-pipelinerun-<n> You can see the logs with `toolforge build \
logs mytool-buildpacks-pipelinerun-<n>`

Runs:
  web(successful): created or updated job web, [info](Job web created in storage and runtime)

Tool config:
  components:
    web:
      build:
        ref: main
        repository: $repository
      run:
        command: web

"""

BEFORE = {
    "config create $file": Done(0, "Configuration for mytool updated successfully.\n", BETA),
    "config show": Done(0, CONFIG + "\n", BETA),
    "deploy-token create": Done(0, TOKEN_SHOWN, ""),
    "deploy-token show": Done(0, TOKEN_SHOWN, BETA),
    "deploy-token refresh --yes-im-sure": Done(
        0,
        "Deploy token for mytool updated successfully.\nNew deployment token:\n" + TOKEN_SHOWN,
        BETA,
    ),
    "deploy-token delete --yes-im-sure": Done(
        0,
        "Deploy token for mytool deleted successfully.\nDeleted deployment token:\n" + TOKEN_SHOWN,
        BETA,
    ),
    "deployment create": Done(0, CREATED, ""),
}
AFTER = {
    "deployment show": Done(0, DETAILS, ""),
    "deployment cancel": Done(
        1, "", f"{BETA}Error: Deployment can't be cancelled, it's state is successful\n"
    ),
    "config delete --yes-im-sure": Done(0, CONFIG + "\n", ""),
    "config show": Done(
        1,
        "",
        f"{BETA}Error: Unable to find namespace tool-mytool or config mytool-config for mytool\n",
    ),
}


@pytest.mark.parametrize("serve", WAYS.values(), ids=WAYS.keys())
async def test_every_command_works(
    control_plane: controlplane.Access, tmp_path: Path, serve: Serve
) -> None:
    async with world_of(serve, control_plane, tmp_path) as world:
        assert {command: await world.says(command) for command in BEFORE} == BEFORE
        assert await world.ended() == "successful"
        generated = await world.says("config generate")
        listed = await world.says("deployment list")
        assert {command: await world.says(command) for command in AFTER} == AFTER
        name = json.loads((await world.client.run("deployment", "show", "--json")).out)
        deleted = await world.says(f"deployment delete {name['deploy_id']} --yes-im-sure")
        after = await world.says("deployment list")
    note = "Note that this config is an autogenerated example, please double check and validate"
    assert generated == Done(
        0, "config_version: v1beta1\n" + CONFIG + "\n", f"Warning: {note} before using it\n"
    )
    assert (listed.code, listed.out.split()[:8]) == (
        0,
        ["ID", "Creation", "time", "Status", "Builds", "Runs", *listed.out.split()[6:8]],
    )
    assert re.search(
        r"^<id>\s+<created>\s+successful\s+web\(successful\): id:", listed.out, re.MULTILINE
    )
    assert (deleted.code, deleted.out) == (
        0,
        "Deployment <id> deleted successfully.\nDeleted deployment:\n" + DETAILS,
    )
    assert "<id>" not in after.out


MISTAKES = {
    "config create": Done(1, "", f"{BETA}Error: Validation error at : Field required\n"),
    "config delete": Done(
        1,
        "",
        f"{BETA}Error: Unable to find namespace tool-mytool or config mytool-config for mytool\n",
    ),
    "deploy-token show": Done(
        1,
        "",
        f"{BETA}Error: Unable to find namespace tool-mytool or deploytoken mytool for mytool\n",
    ),
    "deployment show": Done(1, "", f"{BETA}Error: No deployments found for tool: mytool\n"),
    "deployment show nope": Done(
        1,
        "",
        f"{BETA}Error: Unable to find namespace tool-mytool or deployment nope for mytool\n",
    ),
    "deployment create": Done(
        1,
        "",
        f"{BETA}Error: Unable to find namespace tool-mytool or config mytool-config for mytool\n",
    ),
    "deployment nope": Done(
        2,
        "",
        "Usage: toolforge-components deployment [OPTIONS] COMMAND [ARGS]...\n"
        "Try 'toolforge-components deployment --help' for help.\n\n"
        "Error: No such command 'nope'.\n",
    ),
}


async def test_mistakes_are_told_with_the_sentence_that_helps(
    control_plane: controlplane.Access, tmp_path: Path
) -> None:
    async with world_of(over_http, control_plane, tmp_path) as world:
        assert {command: await world.says(command) for command in MISTAKES} == MISTAKES


async def test_the_output_of_generate_is_a_config_warnings_included(
    control_plane: controlplane.Access, tmp_path: Path
) -> None:
    async with world_of(over_http, control_plane, tmp_path) as world:
        generated = await world.client.run("config", "generate")
        stored = await world.says("config create", stdin=generated.err + generated.out)
    assert stored == Done(
        0,
        "Configuration for mytool updated successfully.\n",
        f"{BETA}Warning: Unknown field Warning, skipped\n",
    )


async def test_the_second_deployment_waits_and_says_for_which(
    control_plane: controlplane.Access, tmp_path: Path
) -> None:
    async with world_of(over_http, control_plane, tmp_path, building=10) as world:
        await world.says("config create $file")
        first = await world.client.run("deployment", "create", "--json")
        second = await world.client.run("deployment", "create", "--json", "--force-run")
        shown = await world.says("deployment show")
        cancelled = await world.client.run("deployment", "cancel", "--json")
        state = await world.ended()
    assert json.loads(first.out)["data"]["status"] == "pending"
    data = json.loads(second.out)["data"]
    assert (data["status"], data["queue_position"], data["long_status"]) == (
        "pending",
        1,
        "waiting for its turn (position 1)",
    )
    assert "Status: pending" in shown.out
    assert re.search(r"^  waiting for .* \(position 1\)$", shown.out, re.MULTILINE)
    assert json.loads(cancelled.out)["status"] == "cancelling"
    assert state == "cancelled"


async def test_somebody_else_s_kubeconfig_opens_nothing(
    control_plane: controlplane.Access, tmp_path: Path
) -> None:
    async with world_of(over_http, control_plane, tmp_path) as world:
        other = kubeconfig(tmp_path / "other", world.platform.tool, {"token": "guessed"})
        done = await Client(world.client.url, other).run("config", "show")
    assert done == Done(
        1,
        "",
        f"{BETA}Error: Who asks is not known: send the bearer token of the kubeconfig\n",
    )


async def test_a_certificate_opens_its_own_tool_only(
    control_plane: controlplane.Access, tmp_path: Path
) -> None:
    async with world_of(with_certificates, control_plane, tmp_path) as world:
        user = {
            "client-certificate": f"{world.platform.tool}.crt",
            "client-key": f"{world.platform.tool}.key",
        }
        other = kubeconfig(tmp_path / "other", "another", user)
        done = await Client(world.client.url, other).run("config", "show")
    assert done == Done(
        1,
        "",
        f"{BETA}Error: You are known as the tool '{world.platform.tool}' and may not act for "
        "'another'\n",
    )


JSON_KEYS = {
    "config create $file --json": {"data", "messages"},
    "config show --json": {"components"},
    "config generate --json": {"components"},
    "deploy-token create --json": {"token", "creation_date"},
    "deploy-token show --json": {"token", "creation_date"},
    "deploy-token refresh --yes-im-sure --json": {"token", "creation_date"},
    "deploy-token delete --yes-im-sure --json": {"token", "creation_date"},
    "deployment create --force-build --force-run --json": {"data", "messages"},
    "deployment list --json": {"data", "messages"},
    "deployment show $id --json": {"deploy_id", "builds", "runs", "status", "tool_config"},
    "deployment cancel $id --json": {"deploy_id", "builds", "runs", "status", "tool_config"},
    "deployment delete $id --yes-im-sure --json": {"deploy_id", "builds", "runs", "status"},
    "config delete --yes-im-sure --json": {"components"},
}


async def test_every_command_has_json(control_plane: controlplane.Access, tmp_path: Path) -> None:
    name, shown = "", {}
    async with world_of(over_http, control_plane, tmp_path, building=10) as world:
        (tmp_path / "toolforge.yaml").write_text(world.config)
        for command in JSON_KEYS:
            filled = command.replace("$file", str(tmp_path / "toolforge.yaml"))
            done = await world.client.run(*filled.replace("$id", name).split())
            assert (command, done.code) == (command, 0), done.err
            shown[command] = json.loads(done.out)
            if command.startswith("deployment create"):
                name = shown[command]["data"]["deploy_id"]
    assert [
        command for command, keys in JSON_KEYS.items() if not keys <= shown[command].keys()
    ] == []
    created = shown["deployment create --force-build --force-run --json"]["data"]
    assert (created["force_build"], created["force_run"]) == (True, True)


async def test_w38_a_second_token_is_refused_with_the_sentence_that_the_client_lacks(
    control_plane: controlplane.Access, tmp_path: Path
) -> None:
    async with world_of(over_http, control_plane, tmp_path) as world:
        await world.says("deploy-token create")
        again = await world.says("deploy-token create")
    assert (again.code, again.err) == (
        1,
        f"{BETA}Error: Deploy token already exists. Use the 'refresh' subcommand or PUT "
        "/tool/mytool/deployment/token to refresh it.\n",
    )
