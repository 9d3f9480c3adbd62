"""The core's ports on the cache, the store and the git client. Translation only."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence

from controller import logs
from controller.errors import EdgeError, Terminal, Transient
from controller.models.credentials import SecretRef
from controller.models.meta import tool_of
from controller.models.summary import DeploymentSummary
from controller.models.toolconfig import ToolConfigSpec
from controller.models.tooldeployment import ToolDeployment, ToolDeploymentStatus
from controller.reconcile.actions import Resolved
from controller.reconcile.news import News
from controller.store import errors, kinds
from controller.store.objects import Store
from watchers.cache import Cache
from watchers.git import resolution as git
from watchers.git.repositories import Repositories
from watchers.git.resolution import RefProblem
from watchers.validity import Validity

Answers = Mapping[str, git.Resolved | RefProblem]

_log = logs.logger("app")


class CachedObjects:
    """`ports.Objects` on the cache."""

    def __init__(self, cache: Cache, validity: Validity) -> None:
        self._cache = cache
        self._validity = validity

    def unfinished(self, tool: str) -> Sequence[ToolDeployment]:
        """The tool's deployments that have not ended."""
        return self._cache.deployments(tool)[0]

    def finished(self, tool: str) -> Sequence[DeploymentSummary]:
        """Those that have ended."""
        return self._cache.deployments(tool)[1]

    def config_of(self, tool: str) -> tuple[ToolConfigSpec | None, tuple[str, ...]]:
        """The tool's config, or why there is none that can be used."""
        found, problems = self._validity.usable(tool)
        return (found.spec if found else None), problems


class StoreWriter:
    """`ports.Writer` on the store."""

    def __init__(self, store: Store, may_act: Callable[[], bool]) -> None:
        self._store = store
        self._may_act = may_act

    async def patch_status(
        self, deployment: ToolDeployment, status: ToolDeploymentStatus
    ) -> ToolDeployment:
        """Replace the status; a deployment that is gone meanwhile needs none."""
        self._check_lead()
        try:
            return await self._store.patch_status(deployment, status)
        except errors.Conflict:
            await self._look_again(deployment)
            raise
        except errors.NotFound as gone:
            await self._look_again(deployment)
            raise errors.Conflict(f"deployment {deployment.name} is gone: {gone.message}") from gone
        except Terminal as refused:
            # The server refuses our own status: nobody else can mend that, so it counts as a bug.
            raise RuntimeError(f"status of {deployment.name}: {refused.message}") from refused

    def _check_lead(self) -> None:
        """A process that was stopped in the middle wakes up when another leads."""
        if not self._may_act():
            raise errors.Conflict("this controller is not the leader any more")

    async def _look_again(self, deployment: ToolDeployment) -> None:
        """The view was too old: the next try begins with what is there now."""
        found = deployment.metadata
        tool = tool_of(found.namespace)
        if tool is not None:
            with contextlib.suppress(EdgeError):
                await self._store.look(kinds.DEPLOYMENTS, tool, found.name, found.uid)

    async def delete(self, tool: str, name: str, uid: str) -> None:
        """Delete a deployment; one that is gone is no error."""
        try:
            await self._store.delete(kinds.DEPLOYMENTS, tool, name, uid)
        except errors.NotFound:
            return
        except errors.Conflict:  # another of that name, or the server was not able to do it now
            with contextlib.suppress(EdgeError):
                await self._store.look(kinds.DEPLOYMENTS, tool, name, uid)
            raise
        except Terminal as refused:
            # No deployment fails by this, so nobody would hear of it: the loop tells of what fails.
            raise Transient(refused.reason, refused.message) from refused

    async def tell(self, deployment: ToolDeployment, news: News) -> None:
        """Write an Event. Events are for people: a deployment goes on without them."""
        try:
            self._check_lead()
            await self._store.create_event(
                deployment,
                reason=news.reason,
                action="Deploy",
                note=news.message,
                warning=news.warning,
            )
        except EdgeError as error:
            _log.warning("event_not_written", reason=news.reason, error=error.message)


class GitRefs:
    """`ports.Refs` on the git client; what is asked of a repository at once is one call."""

    def __init__(self, repositories: Repositories) -> None:
        self._repositories = repositories
        self._gathering: dict[_Source, _Question] = {}

    async def resolve(self, repository: str, ref: str, secret: SecretRef | None = None) -> Resolved:
        """The commit that the ref names now."""
        source = (repository, secret)
        question = self._gathering.get(source)
        if question is None:
            question = self._gathering[source] = _Question()
            question.answer = asyncio.create_task(self._ask(source, question))
            question.answer.add_done_callback(_heard)
        question.refs.add(ref)
        found = (await asyncio.shield(question.answer))[ref]
        if isinstance(found, RefProblem):
            raise found.error()
        return Resolved(found.commit, found.warning, found.ref)

    async def _ask(self, source: "_Source", question: "_Question") -> Answers:
        await asyncio.sleep(0)  # who asks in this turn of the loop shares the answer
        del self._gathering[source]
        repository, secret = source
        return await self._repositories.resolve(repository, sorted(question.refs), secret)


_Source = tuple[str, SecretRef | None]


class _Question:
    """The refs that are being asked for, and the answer to come."""

    def __init__(self) -> None:
        self.refs: set[str] = set()
        self.answer: asyncio.Task[Answers]


def _heard(answer: "asyncio.Task[Answers]") -> None:
    """A failure that nobody waits for any more is no bug; asyncio would tell of it as of one."""
    if not answer.cancelled():
        answer.exception()
