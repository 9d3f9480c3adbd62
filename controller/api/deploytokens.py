"""Deploy tokens: one Secret per tool, with which a CI job may deploy and nothing else.

`DeployTokens` keeps them, `TokenRoutes` are the four routes that show and change them, and `auth`
asks `check`. A token appears in the answers of those routes, to the tool itself, and nowhere else.
"""

import hmac
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Protocol

from controller.api import texts
from controller.api.calls import Answer, Call
from controller.api.configs import Prepare, leave
from controller.api.problems import Refused
from controller.store import errors
from controller.store.secrets import Secret

NAME = "deploy-token"
"""The Secret's name in the tool's namespace; the API's account may read no other."""

_TIME = "%Y-%m-%dT%H:%M:%S.%fZ"


class Secrets(Protocol):
    """Where Secrets are kept (`controller.store.secrets`)."""

    async def get(self, tool: str, name: str) -> Secret:
        """A Secret; NotFound."""
        ...

    async def create(self, tool: str, secret: Secret) -> Secret:
        """A new Secret; AlreadyExists."""
        ...

    async def replace(self, tool: str, secret: Secret) -> Secret:
        """Changed as it was read; Conflict."""
        ...

    async def delete(self, tool: str, name: str) -> None:
        """Gone; NotFound."""
        ...


@dataclass(frozen=True, slots=True)
class DeployToken:
    """A token and since when it is valid."""

    token: str = field(repr=False)
    created: datetime

    def answer(self, *info: str) -> Answer:
        """As the routes show it, with what was done to it."""
        data = {"token": self.token, "creation_date": f"{self.created.astimezone(UTC):{_TIME}}"}
        return Answer(data, {"info": list(info), "warning": [texts.BETA], "error": []})


class DeployTokens:
    """The tokens of all tools. Raises Refused, and `store.errors` where the platform fails."""

    def __init__(
        self,
        secrets: Secrets,
        clock: Callable[[], datetime],
        lifetime: timedelta,
        draw: Callable[[], str] = lambda: str(uuid.uuid4()),
    ) -> None:
        self._secrets = secrets
        self._clock = clock
        self._lifetime = lifetime
        self._draw = draw

    async def get(self, tool: str) -> DeployToken:
        """The tool's token; Refused with 404 if there is none."""
        return (await self._read(tool))[0]

    async def create(self, tool: str) -> DeployToken:
        """A first token; Refused with 409 if there is one, even an expired one."""
        token = self._new()
        try:
            await self._secrets.create(tool, _fill(Secret(NAME, {}), token))
        except errors.AlreadyExists:
            raise Refused(409, texts.token_exists(tool)) from None
        except errors.NotFound:
            raise Refused(404, texts.no_token(tool)) from None
        return token

    async def refresh(self, tool: str) -> DeployToken:
        """Another token in the place of the old one, in one write."""
        token = self._new()
        try:
            await self._secrets.replace(tool, _fill(await self._secrets.get(tool, NAME), token))
        except errors.NotFound:
            raise Refused(404, texts.no_token(tool)) from None
        return token

    async def delete(self, tool: str) -> DeployToken:
        """Remove the token; answers what it was."""
        token = await self.get(tool)
        try:
            await self._secrets.delete(tool, NAME)
        except errors.NotFound:
            raise Refused(404, texts.no_token(tool)) from None
        return token

    async def check(self, tool: str, given: str) -> None:
        """Refused with 401 unless `given` is the tool's token and has not expired."""
        try:
            token = await self.get(tool)
        except Refused:
            raise Refused(401, texts.no_token_to_use(tool)) from None
        if not hmac.compare_digest(token.token.encode(), given.encode("utf-8", "replace")):
            raise Refused(401, texts.TOKEN_WRONG)
        if self._clock() >= token.created + self._lifetime:
            raise Refused(401, texts.TOKEN_EXPIRED)

    def _new(self) -> DeployToken:
        return DeployToken(self._draw(), self._clock())

    async def _read(self, tool: str) -> tuple[DeployToken, Secret]:
        try:
            secret = await self._secrets.get(tool, NAME)
            created = datetime.fromisoformat(secret.data["creation_date"].decode())
            token = secret.data["token"].decode("ascii")
        except (errors.NotFound, KeyError, ValueError):
            # What somebody else put there is none of ours; a refresh replaces it.
            raise Refused(404, texts.no_token(tool)) from None
        return DeployToken(token, created.astimezone(UTC)), secret


def _fill(secret: Secret, token: DeployToken) -> Secret:
    created = f"{token.created.astimezone(UTC):{_TIME}}"
    data = {"token": token.token.encode(), "creation_date": created.encode()}
    return replace(secret, data=data)


class TokenRoutes:
    """`T/deployment/token`."""

    def __init__(self, tokens: DeployTokens, prepare: Prepare = leave) -> None:
        self._tokens = tokens
        self._prepare = prepare

    async def show(self, call: Call) -> Answer:
        """GET."""
        return (await self._tokens.get(call.tool)).answer()

    async def create(self, call: Call) -> Answer:
        """POST."""
        await self._prepare(call.tool)
        token = await self._tokens.create(call.tool)
        return token.answer(texts.token_done(call.tool, "created"))

    async def refresh(self, call: Call) -> Answer:
        """PUT."""
        token = await self._tokens.refresh(call.tool)
        return token.answer(texts.token_done(call.tool, "updated"))

    async def delete(self, call: Call) -> Answer:
        """DELETE."""
        token = await self._tokens.delete(call.tool)
        return token.answer(texts.token_done(call.tool, "deleted"))
