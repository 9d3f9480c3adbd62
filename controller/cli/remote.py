"""The HTTP API, as commands speak to it: where it is, who asks, and what is worth asking again.

`options` adds the options that say where; `find` makes a `Remote` of them. What fails in a way that
may pass (no connection, 429, 5xx) is asked again until the time is over: a POST carries a key, so
that nothing happens twice.
"""

import asyncio
import json
import os
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from http.client import HTTPException
from pathlib import Path
from typing import Any, TypeVar
from urllib import error, request

import click

from controller.cli import access, reaching, silence
from controller.cli.outcome import Exit

Command = TypeVar("Command", bound=Callable[..., Any])

_MARGIN = 20.0  # seconds that an answer may take
_LONGEST_PAUSE = 10.0
_FOREIGN = "HTTP {}, not in the words of the deployment API: is its address right?"
_AGAIN = (408, 429, 500, 502, 503, 504)


class Failed(click.ClickException):
    """A message and an exit code."""

    def __init__(self, code: Exit, message: str) -> None:
        super().__init__(message)
        self.exit_code = int(code)  # type: ignore[misc]  # click reads it from the instance


class Away(Exception):
    """No answer came; the message says from where and why."""


Tell = Callable[[str], None]
"""Says a line of trouble to whoever looks on."""


def to_stderr(line: str) -> None:
    """Tell it there."""
    click.echo(line, err=True)


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer. `body` is {} where it was no JSON object."""

    status: int
    headers: Mapping[str, str]
    body: dict[str, Any]

    @property
    def problem(self) -> dict[str, Any]:
        """What is wrong, as a record, in whatever form it came."""
        if "type" in self.body:
            return self.body
        if isinstance(inner := self.body.get("problem"), dict):
            return inner
        said = (self.body.get("messages") or {}).get("error") or [_FOREIGN.format(self.status)]
        return {"status": self.status, "detail": " ".join(map(str, said))}


@dataclass(frozen=True, slots=True)
class Remote:
    """A tool at an API. The bearer token appears in no message.

    `kubeconfig`: the file that named the address, "" where DEPLOY_API or --api did.
    """

    base: str
    tool: str
    bearer: str = field(repr=False)
    kubeconfig: str = ""
    trust: ssl.SSLContext | None = None
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def ask(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        patience: float = _MARGIN,
    ) -> Reply:
        """One request, at most `patience` seconds for each step of it; raises Away."""
        data = None if body is None else json.dumps(body).encode()
        sent = {"Accept": "application/json", **(headers or {})}
        if self.bearer:
            sent["Authorization"] = f"Bearer {self.bearer}"
        if data is not None:
            sent["Content-Type"] = "application/json"
        url = f"{self.base}/v1/tool/{self.tool}/{path}"
        asked = request.Request(url, data=data, headers=sent, method=method)  # noqa: S310
        opener = request.build_opener(
            _NoRedirects, reaching.Plain, reaching.Secure(context=self.trust)
        )
        try:
            with _answer(opener, asked, patience) as answer:
                reply = Reply(answer.status, dict(answer.headers), _object(answer.read()))
        except (OSError, HTTPException) as failure:
            raise Away(silence.words(self.base, getattr(failure, "reason", failure))) from failure
        return self._of_stranger(reply) if reply.status == 401 and self.kubeconfig else reply

    def _of_stranger(self, reply: Reply) -> Reply:
        """A refusal in words for whoever has a kubeconfig: the API's are for deploy tokens."""
        words = {
            "type": "urn:push-to-deploy:problem:unauthorized",
            "detail": silence.unknown(self.kubeconfig),
            "hint": silence.known_by(self.kubeconfig),
        }
        return replace(reply, body=reply.problem | words)

    def insist(
        self, method: str, path: str, until: float, tell: Tell = to_stderr, **options: Any
    ) -> Reply:
        """Ask until there is an answer that is final, or the time is over; Failed then.

        Trouble is told when it begins and when it is over: nobody waits before a silent screen.
        """
        pause, told = 1.0, ""
        while True:
            problem, remedy, wait = "", "", pause
            try:
                reply = self.ask(method, path, **options)
            except Away as away:
                problem, remedy = str(away), silence.remedy(self.kubeconfig)
            else:
                if reply.status in _AGAIN:
                    problem = str(reply.problem.get("detail"))
                    wait = _seconds(reply.headers.get("Retry-After"), pause)
            if not problem:
                if told:
                    tell("it answers again")
                return reply
            if self.clock() + wait >= until:
                raise Failed(Exit.PLATFORM, f"{problem}\n{remedy}".rstrip())
            if problem != told:
                told = problem
                todo = remedy if self.kubeconfig else ""
                tell(f"{problem}; asking again. {todo}".rstrip(". ") + ".")
            self.sleep(wait)
            pause = min(pause * 2, _LONGEST_PAUSE)


class _NoRedirects(request.HTTPRedirectHandler):
    """A redirect would take the token to whoever it names."""

    def redirect_request(self, *_args: Any, **_options: Any) -> None:
        """Never."""


def options(command: Command) -> Command:
    """The options that say where the API is, and for whom to ask."""
    token = click.option(
        "--token-file",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="A file with the tool's deploy token. [default: $DEPLOY_TOKEN]",
    )
    return place(token(command))


def place(command: Command) -> Command:
    """Those of a command that a deploy token may not do."""
    return access.options(api_option(command))


def api_option(command: Command) -> Command:
    """`--api`, or the environment variable of that purpose."""
    default = "[default: $DEPLOY_API, else kubeconfig]"
    return click.option("--api", envvar="DEPLOY_API", help=f"The API's address. {default}")(command)


def find(given: Mapping[str, Any]) -> Remote:
    """The API that the options name, completed from the environment; Failed where one is missing.

    Takes `api`, `token_file` and what `access.find` takes out of `given`.
    """
    if not given["api"]:
        place = (given["kubeconfig"], given["tool"], given["namespace"])
        return of_kubeconfig(access.find(*place))
    base, tool = address(given["api"]), tool_at_address(given)
    return Remote(base, tool, _token(given["token_file"], tool))


def address(api: str) -> str:
    """The API's address as requests begin with it; Failed where it is none."""
    if not api.startswith(("https://", "http://")):
        raise Failed(Exit.USAGE, f"{api} is no address: it begins with https:// or http://")
    return api.rstrip("/")


def tool_at_address(given: Mapping[str, Any]) -> str:
    """The tool, where an address is named, which knows none; Failed where it is not said."""
    tool: str = given["tool"] or os.environ.get("DEPLOY_TOOL", "")
    if not tool:
        raise Failed(Exit.USAGE, "Which tool? Say it with --tool, or set DEPLOY_TOOL.")
    access.check_name(tool)
    return tool


def _token(file: Path | None, tool: str) -> str:
    token = (file.read_text() if file else os.environ.get("DEPLOY_TOKEN", "")).strip()
    if not token:
        raise Failed(
            Exit.AUTH,
            f"No deploy token: set DEPLOY_TOKEN, or name a file with --token-file.\n"
            f"`ptd token create` or `toolforge components deploy-token create` makes one for {tool}"
            "; store it as a secret variable of the CI.",
        )
    return token


def of_kubeconfig(found: access.Access) -> Remote:
    """The API beside a control plane, as `ptd local` serves it."""
    read = configuration(found.kubeconfig)
    bearer = read.api_key.get("BearerToken", "").removeprefix("Bearer ")
    trust = ssl.create_default_context(cafile=read.ssl_ca_cert or None)
    return Remote(f"{read.host}/components", found.tool, bearer, found.kubeconfig, trust)


def configuration(kubeconfig: str) -> Any:
    """What a kubeconfig says, as the Kubernetes client reads it; Failed where it cannot."""
    from controller.store.client import NoAccess, open_kubeconfig  # noqa: PLC0415

    async def read() -> Any:
        connection = await open_kubeconfig(Path(kubeconfig), time.monotonic)
        await connection.close()
        return connection.calls.configuration

    try:
        return asyncio.run(read())
    except NoAccess as problem:
        raise Failed(Exit.USAGE, f"no control plane: {problem}") from problem


def _answer(opener: request.OpenerDirector, asked: request.Request, patience: float) -> Any:
    """What came back, whatever its code: a failure's body can be cut as well as a success's."""
    try:
        return opener.open(asked, timeout=patience)
    except error.HTTPError as answer:
        return answer


def _object(raw: bytes) -> dict[str, Any]:
    try:
        found = json.loads(raw)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _seconds(text: str | None, otherwise: float) -> float:
    return float(text) if text and text.isdecimal() else otherwise
