"""Bugs of known kinds, put in one at a time: do the tests notice? `python -m tests.faults.mutants`.

Each is a few changed lines in a copy of the source, and the tests that should go red. The kinds
are those of Sieve, of the issues of other controllers, and of what was found here. A mutant that
nothing notices is a missing test. `python -m tests.faults.mutants word` tries those whose name has
the word.
"""

import concurrent.futures
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
COPIED = ("controller", "watchers", "tests", "manifests", "docs", "examples", "pyproject.toml")
LIMIT = 900.0  # seconds for the tests of one mutant
_UNITS = "tests/unit/"
_ASK = 'answer = await self.client.ask("builds", "POST", tool, "/builds", send=body)'
_CRASHES = "tests/flow/test_crashes.py"


@dataclass(frozen=True, slots=True)
class Mutant:
    """Instead of `right`, which stands once in `file`, there is `wrong`; `tests` should fail."""

    name: str
    file: str
    right: str
    wrong: str
    tests: tuple[str, ...]


MUTANTS = (
    # ---------------------------------------------------------------- what is seen
    Mutant(
        "an expired version leads to no new list",
        "watchers/objects.py",
        "                self._version = None\n",
        "                pass\n",
        (_UNITS + "test_objects_faults.py",),
    ),
    Mutant(
        "a watch goes on from the version of an older event",
        "watchers/objects.py",
        "self._version = max(self._version, event.version)",
        "self._version = event.version",
        (_UNITS + "test_objects.py",),
    ),
    Mutant(
        "a silent watch is believed",
        "controller/store/feed.py",
        "            async with asyncio.timeout(idle.total_seconds()):\n"
        "                line = await response.content.readline()",
        "            async with asyncio.timeout(None):\n"
        "                line = await response.content.readline()",
        (_UNITS + "test_objects_faults.py",),
    ),
    Mutant(
        "no pause before the next watch",
        "watchers/objects.py",
        "        await asyncio.sleep(wait.total_seconds())",
        "        await asyncio.sleep(0)",
        (_UNITS + "test_objects_faults.py", "-k", "storm"),
    ),
    Mutant(
        "older news replaces newer",
        "watchers/cache.py",
        '        return int(metadata["resourceVersion"]) > known',
        "        return True",
        (_UNITS + "test_cache.py",),
    ),
    Mutant(
        "the dead are forgotten at once",
        "watchers/cache.py",
        '        if metadata["uid"] in self._graves:\n            return False\n',
        "",
        (_UNITS + "test_cache.py",),
    ),
    Mutant(
        "news from before a complete list raise the dead",
        "watchers/cache.py",
        "        self._complete = max(self._complete, version)\n",
        "",
        (
            _UNITS + "test_cache.py",
            _UNITS + "test_objects.py",
            _UNITS + "test_objects_compared.py",
            "-k",
            "died or raise",
        ),
    ),
    Mutant(
        "the deletion of one is taken for that of another of its name",
        "watchers/cache.py",
        "        if held is None or identity(held)[0] != uid:",
        "        if held is None:",
        (_UNITS + "test_cache.py",),
    ),
    Mutant(
        "a comparison list is never made",
        "watchers/objects.py",
        "                await self.compare()\n",
        "                await asyncio.sleep(0)\n",
        (_UNITS + "test_objects_compared.py",),
    ),
    Mutant(
        "a new leader believes its old view",
        "controller/app/control.py",
        "                await self._confirm(tool)\n",
        "",
        ("tests/faults/test_meddling.py", "-k", "view_is_old"),
    ),
    Mutant(
        "the config of a new deployment is not asked for",
        "controller/app/control.py",
        "                await self._look_at_config(tool)\n",
        "",
        ("tests/faults/test_meddling.py", "-k", "begins_with_the_config"),
    ),
    # ---------------------------------------------------------------- what is written
    Mutant(
        "a status is written whatever version there is",
        "controller/store/objects.py",
        '            "metadata": {"uid": place.uid, "resourceVersion": place.resource_version},\n'
        '            "status"',
        '            "metadata": {"uid": place.uid},\n            "status"',
        (_UNITS + "test_store.py",),
    ),
    Mutant(
        "another of the same name is deleted",
        "controller/store/objects.py",
        'body={"preconditions": {"uid": uid}},',
        "body={},",
        (_UNITS + "test_store.py",),
    ),
    Mutant(
        "our own write is seen only when it comes back",
        "controller/store/objects.py",
        "        self._seen.wrote(kind.plural, stored)\n        return stored\n",
        "        return stored\n",
        (_UNITS + "test_store.py",),
    ),
    Mutant(
        "what did not change is written all the same",
        "controller/reconcile/report.py",
        "    if new == old:\n        return None\n",
        "",
        (_UNITS + "reconcile", "tests/flow/test_deployment.py"),
    ),
    Mutant(
        "milestones wait like mere progress",
        "controller/reconcile/report.py",
        "_milestones(old) == _milestones(new) and not waited",
        "not waited",
        (_UNITS + "reconcile", _CRASHES),
    ),
    # ---------------------------------------------------------------- what is done
    Mutant(
        "an existing build is not adopted",
        "controller/reconcile/sources.py",
        "build = _recorded(observed, record, request) or _find(",
        "build = _recorded(observed, record, request) and _find(",
        (_UNITS + "reconcile",),
    ),
    Mutant(
        "a build is asked for without a look whether it is there",
        "controller/backends/toolforge/builds.py",
        "            if _is_the_one(raw, request, names, now):",
        "            if False:",
        ("tests/contract/toolforge/test_builds.py",),
    ),
    Mutant(
        "a lost answer to a request that changes something is asked for again at once",
        "controller/backends/toolforge/builds.py",
        f"            {_ASK}",
        "            try:\n"
        f"                {_ASK}\n"
        "            except EdgeError:\n"
        f"                {_ASK}",
        ("tests/contract/toolforge/test_builds.py",),
    ),
    Mutant(
        "who does not lead any more acts",
        "controller/reconcile/effects.py",
        "            if not self.may_act():",
        "            if False:",
        (_UNITS + "reconcile/test_effects.py",),
    ),
    Mutant(
        "a cancel is ignored",
        "controller/reconcile/plan.py",
        "ENDS = (cancel_requested, failure_recorded, deadline_passed)",
        "ENDS = (failure_recorded, deadline_passed)",
        (_UNITS + "reconcile",),
    ),
    Mutant(
        "a deadline is ignored",
        "controller/reconcile/plan.py",
        "ENDS = (cancel_requested, failure_recorded, deadline_passed)",
        "ENDS = (cancel_requested, failure_recorded)",
        (_UNITS + "reconcile",),
    ),
    Mutant(
        "a failure is undone before it is recorded",
        "controller/reconcile/plan.py",
        "ENDS = (cancel_requested, failure_recorded, deadline_passed)",
        "ENDS = (cancel_requested, deadline_passed)",
        (_UNITS + "reconcile", "tests/flow/test_deployment.py"),
    ),
    Mutant(
        "the builds of one who is cancelled go on",
        "controller/reconcile/ending.py",
        "    return cancels + reverts",
        "    return reverts",
        (_UNITS + "reconcile", "tests/flow"),
    ),
    Mutant(
        "cleaning up may last for ever",
        "controller/reconcile/ending.py",
        "    if (undo or observed.blind) and not out_of_time:",
        "    if undo or observed.blind:",
        (_UNITS + "reconcile", "tests/flow"),
    ),
    Mutant(
        "what is up for a moment counts as running",
        "controller/reconcile/verify.py",
        "    left = policy.settle_time - (now - status.since) if status.since else timedelta()",
        "    left = timedelta()",
        (_UNITS + "reconcile",),
    ),
    Mutant(
        "the old pods are taken for the new",
        "controller/reconcile/verify.py",
        "    return status.since < record.applied_at - _ROUNDING",
        "    return False",
        (_UNITS + "reconcile",),
    ),
    Mutant(
        "two deployments of a tool at once",
        "controller/reconcile/turns.py",
        "    if active is None and waiting:",
        "    if waiting:",
        (_UNITS + "reconcile/test_turns.py",),
    ),
    Mutant(
        "a poll deployment that has begun is superseded",
        "controller/reconcile/turns.py",
        "for old in polls[:-1] if old is not active]",
        "for old in polls[:-1]]",
        (_UNITS + "reconcile",),
    ),
    Mutant(
        "unfinished deployments are cleared away",
        "controller/reconcile/plan.py",
        "newest_first[observed.policy.retained :]",
        "newest_first[observed.policy.retained - 1 :]",
        (_UNITS + "reconcile",),
    ),
    # ---------------------------------------------------------------- who works, and when
    Mutant(
        "what changes while it is looked at is not looked at again",
        "controller/runtime/workqueue.py",
        "            self._again.add(key)\n",
        "            pass\n",
        (_UNITS + "test_workqueue.py", "tests/properties/test_workqueue.py"),
    ),
    Mutant(
        "failures are tried again without a pause",
        "controller/runtime/workqueue.py",
        "        self._failures[key] = failures + 1\n",
        "",
        (_UNITS + "test_workqueue.py",),
    ),
    Mutant(
        "a bug of one key stops the worker",
        "controller/runtime/loop.py",
        "                self._report(key, error, self._queue.retry(key))\n"
        '                return "bug"',
        "                raise error",
        (_UNITS + "test_loop.py",),
    ),
    Mutant(
        "a term counts from the answer",
        "controller/runtime/leader.py",
        "        self._until = before + self._terms.renew_deadline.total_seconds()",
        "        left = self._terms.renew_deadline.total_seconds()\n"
        "        self._until = self._clocks.monotonic() + left",
        (_UNITS + "test_leader.py",),
    ),
    Mutant(
        "a Lease is taken while its holder may act",
        "controller/runtime/leader.py",
        "        if not free and now < self._seen_at + found.duration.total_seconds():\n"
        "            return False\n",
        "",
        (_UNITS + "test_leader.py",),
    ),
    Mutant(
        "work goes on when leadership is lost",
        "controller/runtime/leader.py",
        "            await _cancel(working)  # we may still",
        "            pass  # we may still",
        (_UNITS + "test_leader.py", _UNITS + "test_leader_work.py"),
    ),
    # ---------------------------------------------------------------- polling
    Mutant(
        "a commit that a deployment has is deployed again",
        "watchers/decide.py",
        "    if latest is not None and latest.commit_of(name) == sight.commit:",
        "    if False:",
        (_UNITS + "watchers/test_decide.py", _UNITS + "watchers/test_decide_around.py"),
    ),
    Mutant(
        "what was decided before a crash is decided anew",
        "watchers/decide.py",
        "    if unmade:\n",
        "    if False:\n",
        (_UNITS + "watchers/test_decide.py", _UNITS + "watchers/test_decide_around.py"),
    ),
    Mutant(
        "the name of a poll's deployment is another each time",
        "watchers/decide.py",
        "    content = [tool, first_seen.isoformat()]",
        "    content = [tool, first_seen.isoformat(), str(id(object()))]",
        (_UNITS + "watchers",),
    ),
)


@dataclass(frozen=True, slots=True)
class Found:
    """What the tests said of a mutant."""

    mutant: Mutant
    caught: bool
    said: str
    seconds: float


def with_bug(mutant: Mutant, text: str) -> str:
    """The source with the bug in it. Raises ValueError where it does not fit."""
    if text.count(mutant.right) != 1:
        times = text.count(mutant.right)
        raise ValueError(f"{mutant.name}: what is to be changed stands {times} times")
    return text.replace(mutant.right, mutant.wrong)


def tried(mutant: Mutant) -> Found:
    """Run the tests of a mutant in a copy of everything."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="ptd-mutant-") as place:
        folder = Path(place)
        for name in COPIED:
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            copy(ROOT / name, folder / name)
        file = folder / mutant.file
        file.write_text(with_bug(mutant, file.read_text()))
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"]
        run = subprocess.run(
            [*command, *mutant.tests],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=LIMIT,
            check=False,
        )
    failed = [line for line in run.stdout.splitlines() if line.startswith("FAILED ")]
    first = failed[0].split(" ")[1].partition("::")[2] if failed else run.stdout[-300:]
    caught = run.returncode == 1 and bool(failed)  # other codes: no test ran to its end
    return Found(mutant, caught, first, time.monotonic() - began)


def main(words: list[str]) -> int:
    """Try them two at a time; 1 if one was missed."""
    chosen = [each for each in MUTANTS if all(word in each.name for word in words)]
    missed = 0
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for found in pool.map(tried, chosen):
            missed += not found.caught
            verdict = "caught" if found.caught else "MISSED"
            line = f"{verdict}  {found.mutant.name:75}  {found.said[:90]} ({found.seconds:.0f} s)"
            sys.stdout.write(line + "\n")
            sys.stdout.flush()
    sys.stdout.write(f"seeded bugs: {len(chosen)} tried, {len(chosen) - missed} caught\n")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
