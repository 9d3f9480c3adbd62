"""The core's ports on their real neighbours: what is translated, and what is shared."""

import asyncio
import gc
from collections.abc import Mapping, Sequence

import pytest

from controller.app.ports import GitRefs
from controller.errors import Terminal, Transient
from controller.models.credentials import SecretRef
from controller.models.reasons import Reason
from controller.reconcile.actions import Resolved
from watchers.git import resolution
from watchers.git.resolution import RefKind, RefProblem

COMMIT = "a" * 40


class Repositories:
    """A git client that knows `main`, and counts what it is asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, tuple[str, ...]]] = []
        self.shown: list[SecretRef | None] = []

    async def resolve(
        self, repository: str, refs: Sequence[str], secret: SecretRef | None = None
    ) -> Mapping[str, resolution.Resolved | RefProblem]:
        self.asked.append((repository, tuple(refs)))
        self.shown.append(secret)
        await asyncio.sleep(0)
        if repository == "away":
            raise Transient(Reason.REPOSITORY_UNREACHABLE, "no route")
        return {ref: self._one(ref) for ref in refs}

    def _one(self, ref: str) -> resolution.Resolved | RefProblem:
        if ref == "main":
            return resolution.Resolved(COMMIT, RefKind.BRANCH)
        return RefProblem(Reason.REF_NOT_FOUND, f"no {ref}", "push it")


async def test_refs_that_are_asked_for_at_once_are_one_question_per_repository() -> None:
    repositories = Repositories()
    refs = GitRefs(repositories)  # type: ignore[arg-type]
    found = await asyncio.gather(
        refs.resolve("a", "main"),
        refs.resolve("a", "gone"),
        refs.resolve("b", "main"),
        return_exceptions=True,
    )
    assert repositories.asked == [("a", ("gone", "main")), ("b", ("main",))]
    assert (found[0], found[2]) == (Resolved(COMMIT), Resolved(COMMIT))
    assert isinstance(found[1], Terminal)


async def test_an_answer_is_shared_only_with_the_same_secret() -> None:
    repositories = Repositories()
    refs = GitRefs(repositories)  # type: ignore[arg-type]
    secrets = (None, SecretRef("x", "key"), SecretRef("x", "key"), SecretRef("y", "key"))
    await asyncio.gather(*(refs.resolve("a", "main", secret) for secret in secrets))
    assert repositories.shown == [None, SecretRef("x", "key"), SecretRef("y", "key")]


async def test_a_later_question_gets_a_new_answer() -> None:
    repositories = Repositories()
    refs = GitRefs(repositories)  # type: ignore[arg-type]
    await refs.resolve("a", "main")
    await refs.resolve("a", "main")
    assert len(repositories.asked) == 2


async def test_what_fails_fails_for_everyone_who_asked() -> None:
    refs = GitRefs(Repositories())  # type: ignore[arg-type]
    found = await asyncio.gather(
        refs.resolve("away", "main"), refs.resolve("away", "x"), return_exceptions=True
    )
    assert [type(each) for each in found] == [Transient, Transient]


async def test_who_stops_waiting_does_not_take_the_answer_from_the_others() -> None:
    repositories = Repositories()
    refs = GitRefs(repositories)  # type: ignore[arg-type]
    first = asyncio.create_task(refs.resolve("a", "main"))
    second = asyncio.create_task(refs.resolve("a", "main"))
    await asyncio.sleep(0)
    first.cancel()
    assert await second == Resolved(COMMIT)
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_a_failure_that_nobody_waits_for_any_more_is_not_told_as_a_bug() -> None:
    problems: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, problem: problems.append(problem))
    refs = GitRefs(Repositories())  # type: ignore[arg-type]
    asking = [asyncio.create_task(refs.resolve("away", ref)) for ref in ("main", "x")]
    await asyncio.sleep(0)
    while asking:
        asking.pop().cancel()
    await asyncio.sleep(0.01)
    gc.collect()
    assert problems == []
