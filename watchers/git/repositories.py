"""From a repository and refs to commits: the one entrance to this package.

Checks the address, chooses a transport, follows redirects to addresses that pass the same check,
applies the rules of `resolution`. Used by the poller (many refs at once) and by the reconcile
loop's Resolve step (`resolve_one`). Retries and schedules belong to the callers.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Protocol
from weakref import WeakValueDictionary

from controller import errors
from controller.models import credentials
from controller.models.credentials import Credential, SecretRef
from watchers.git import addresses, resolution, transport
from watchers.git.addresses import Address, Guard
from watchers.git.recent import Recent
from watchers.git.resolution import RefFound, RefProblem, Resolved

MAX_REDIRECTS = 3
CALLS_PER_HOST = 4
_MANY = 500


class Vault(Protocol):
    """Where credentials are kept."""

    async def credential(self, secret: SecretRef) -> Credential:
        """What a tool's Secret holds now; Terminal(CREDENTIALS_UNUSABLE) where it is no use."""
        ...


class EmptyVault:
    """A vault for those who ask for what is public."""

    async def credential(self, secret: SecretRef) -> Credential:
        """There is none."""
        raise credentials.missing(secret.name)


class Repositories:
    """Answers which commits refs hold."""

    def __init__(
        self,
        guard: Guard,
        chosen: transport.Transport,
        calls_per_host: int = CALLS_PER_HOST,
        vault: Vault | None = None,
    ) -> None:
        self._guard = guard
        self._transport = chosen
        self._calls_per_host = calls_per_host
        self._vault = vault or EmptyVault()
        # Where a redirect led. Checked again each time, and forgotten when it fails.
        self._moved: Recent[str] = Recent()
        # Weak: a host that nobody asks at the moment needs no memory.
        self._places: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    def normalise(self, repository: str) -> Address:
        """The repository's identity (`url`) and host. Raises Terminal(REPOSITORY_REFUSED)."""
        return self._guard.parse(repository)

    async def resolve(
        self, repository: str, refs: Sequence[str], secret: SecretRef | None = None
    ) -> Mapping[str, Resolved | RefProblem]:
        """The commit of each ref, or what is wrong with it, with one question to the host.

        A Secret is read anew each time. Raises Terminal (REPOSITORY_REFUSED, REPOSITORY_NOT_FOUND,
        CREDENTIALS_UNUSABLE, CREDENTIALS_REFUSED, HOST_KEY_REFUSED) or
        Transient(REPOSITORY_UNREACHABLE) when the repository as a whole gives no answer, and what
        the control plane raises when it does not give the Secret.
        """
        problems = {ref: resolution.malformed(ref) for ref in refs}
        askable = [ref for ref, problem in problems.items() if problem is None]
        names = dict.fromkeys(name for ref in askable for name in resolution.candidates(ref))
        found = await self._ask(repository, list(names), secret)
        if len(found) < _MANY:
            return _picked(problems, found)
        # To choose among very many tags takes a while: beside the event loop.
        return await asyncio.to_thread(_picked, problems, found)

    async def resolve_one(
        self, repository: str, ref: str, secret: SecretRef | None = None
    ) -> Resolved:
        """The commit of one ref; raises like `resolve`, and Terminal(REF_NOT_FOUND)."""
        answer = (await self.resolve(repository, [ref], secret))[ref]
        if isinstance(answer, RefProblem):
            raise answer.error()
        return answer

    async def _ask(
        self, repository: str, names: Sequence[str], secret: SecretRef | None
    ) -> Mapping[str, RefFound]:
        credential = await self._vault.credential(secret) if secret else None
        configured = address = _with(await self._guard.admit(repository), credential)
        # Nobody is told where only another's credentials were led.
        known = (
            configured.url if secret is None else f"{configured.url} {secret.tool} {secret.name}"
        )
        if known in self._moved:
            address = await self._admit_next(configured, self._moved.pop(known))
        for _ in range(MAX_REDIRECTS + 1):
            try:
                async with self._place(address.host):
                    found = await self._transport.refs(address, names)
            except transport.Moved as moved:
                address = await self._admit_next(address, moved.location)
                continue
            if address.url != configured.url:
                self._moved[known] = address.url
            return found
        raise addresses.refused(f"it redirects more than {MAX_REDIRECTS} times")

    async def _admit_next(self, address: Address, location: str) -> Address:
        """Where a redirect leads, if it may be asked: never from https to a weaker protocol."""
        try:
            following = await self._guard.admit(location)
        except errors.Terminal as error:
            raise addresses.refused(
                f"{address.host} redirects to another address, and {error.message}"
            ) from None
        if following.scheme not in ("https", address.scheme):
            raise addresses.refused(f"{address.host} redirects to {following.scheme}://")
        return _with(following, address.credential)

    def _place(self, host: str) -> asyncio.Semaphore:
        place = self._places.get(host)
        if place is None:
            place = self._places[host] = asyncio.Semaphore(self._calls_per_host)
        return place


def _with(address: Address, credential: Credential | None) -> Address:
    """The address with what is shown there; Terminal where that may not be, or where it must."""
    if credential is not None:
        credentials.check(credential, address.target)
    elif address.scheme == "ssh":
        raise addresses.refused("an ssh address needs `credentials`")
    return replace(address, credential=credential)


def _picked(
    problems: Mapping[str, RefProblem | None], found: Mapping[str, RefFound]
) -> dict[str, Resolved | RefProblem]:
    return {ref: problem or resolution.pick(ref, found) for ref, problem in problems.items()}
