"""What happens in the demo, scene by scene, and what is claimed of it.

Called by `__main__`. Nothing here knows how things are done (`stage`) or looked at (`seen`).
"""

import asyncio
from pathlib import Path

from examples.demo import seen
from examples.demo.narration import ClaimBroken, Narrator
from examples.demo.stage import TOOL, Repository, Stage

_SECONDS = 40.0
_NO_BUILD = "no-build-needed"
_FIRST = (Path(__file__).parents[1] / "web" / "page.txt").read_text().strip()
_SECOND = "Hello again: nobody asked, git push was enough."


class Story:
    """One telling. The scenes are methods, in the order in which they happen."""

    def __init__(self, stage: Stage, narrator: Narrator) -> None:
        self._stage = stage
        self._narrator = narrator
        self._claim = narrator.claim
        self._deployments = seen.Deployments(stage.kubeconfig, f"tool-{TOOL}")

    async def tell(self) -> None:
        """The whole story. Raises `ClaimBroken` at the first claim that does not hold."""
        try:
            await self._start()
            web = await self._apply_config()
            first = await self._first_deployment()
            worker = self._worker()
            await self._push_a_change(web, first, worker)
            await self._push_a_mistake(web, worker)
            await self._end()
        except (OSError, TimeoutError) as error:
            raise ClaimBroken(str(error) or type(error).__name__) from error

    async def _start(self) -> None:
        self._narrator.scene("A control plane, a controller and a builder, on this machine")
        await self._stage.start_ptd()
        self._narrator.did(f"ptd local --tool {TOOL}: it runs, and wrote a kubeconfig")

    async def _apply_config(self) -> Repository:
        self._narrator.scene("Two repositories, one config")
        publish = self._stage.publish
        web, worker = await asyncio.gather(publish("web"), publish("worker"))
        self._narrator.did("git push: web, a page and a scheduled report from the same build")
        self._narrator.did("git push: worker, a process in a loop")
        config = self._stage.write_config(web, worker)
        await self._stage.ptd("config", "apply", "--local", str(config))
        self._narrator.did("ptd config apply toolforge.yaml, with auto_deploy: true")
        return web

    async def _first_deployment(self) -> seen.Deployment:
        self._narrator.scene("The first deployment")
        first = await self._followed("")
        self._claim("It is successful", seen.state(first) == "successful", _why(first))
        report = seen.build(first, "report")["build_id"]
        self._claim("The report needed no build of its own", report == _NO_BUILD, report)
        await self._check_page(f"The page says: {_FIRST}", _FIRST)
        return first

    async def _push_a_change(self, web: Repository, first: seen.Deployment, worker: int) -> None:
        self._narrator.scene("Push a change of the page, and do nothing else")
        (web.folder / "page.txt").write_text(f"{_SECOND}\n")
        second = await self._followed(await self._push(web, "Greet again"))
        self._claim("Polling made it", seen.trigger(second) == "poll", seen.trigger(second))
        self._claim("It is successful", seen.state(second) == "successful", _why(second))
        await self._check_page(f"The page says: {_SECOND}", _SECOND)
        builds = [seen.build(each, "worker")["build_image"] for each in (first, second)]
        self._claim("The worker was not built again", len(set(builds)) == 1, builds)
        self._check_worker(second, worker)

    async def _push_a_mistake(self, web: Repository, worker: int) -> None:
        self._narrator.scene("Push a mistake: an empty page, which the health check refuses")
        (web.folder / "page.txt").write_text("")
        third = await self._followed(await self._push(web, "Empty the page by mistake"))
        self._claim("It is failed", seen.state(third) == "failed", _why(third))
        reason = seen.reason(third)
        self._claim("It says why: HealthCheckFailed", reason == "HealthCheckFailed", reason)
        failure = third["status"].get("failure") or {}
        self._narrator.quote(f"{failure.get('message', '')}\n{failure.get('hint', '')}")
        await self._check_page("The version before it still serves", _SECOND)
        self._check_worker(third, worker)

    async def _end(self) -> None:
        self._narrator.scene("The end")
        code = await self._stage.stop_ptd()
        self._claim("ptd local ended in order at Ctrl-C", code == 0, f"exit code {code}")

    async def _push(self, repository: Repository, message: str) -> str:
        commit = await asyncio.to_thread(repository.push, message)
        self._narrator.did(f'git push: {commit[:10]} "{message}"')
        return commit

    async def _followed(self, commit: str) -> seen.Deployment:
        """The deployment of web's commit ("" for any), told step by step until it is final."""

        def is_wanted(deployment: seen.Deployment) -> bool:
            return not commit or seen.asked_for(deployment, "web", commit)

        last: seen.Deployment | None = None
        async for deployment in self._deployments.watched(is_wanted, _SECONDS):
            name = deployment["metadata"]["name"]
            last = deployment
            now = f"{name}  {seen.state(deployment):<10}  {seen.reason(deployment)}"
            self._narrator.did(now.rstrip())
        if last is None or not seen.is_final(last):
            there = [
                (each["metadata"]["name"], _why(each)) for each in await self._deployments.all()
            ]
            raise ClaimBroken(f"not deployed within {_SECONDS:.0f} s; deployments: {there}")
        return last

    async def _check_page(self, text: str, wanted: str) -> None:
        page = await seen.page(self._stage.page_port)
        self._claim(text, page == wanted, page)

    def _worker(self) -> int:
        running = seen.processes(self._stage.data, "worker.py")
        self._claim("The worker runs", len(running) == 1, f"processes {running}")
        self._narrator.did(f"its process id is {running[0]}")
        return running[0]

    def _check_worker(self, deployment: seen.Deployment, before: int) -> None:
        change = seen.change(deployment, "worker")
        self._claim("The worker was left alone", change == "unchanged", change)
        running = seen.processes(self._stage.data, "worker.py")
        self._claim(f"It still is process {before}", running == [before], f"processes {running}")


async def check_nothing_is_left(folder: Path, narrator: Narrator) -> None:
    """Nothing that the demo started still runs."""
    left = seen.processes(folder)
    for _ in range(50):
        if not left:
            break
        await asyncio.sleep(0.1)
        left = seen.processes(folder)
    narrator.claim("Nothing is left running", not left, f"processes {left}")


def _why(deployment: seen.Deployment) -> str:
    status = deployment.get("status", {})
    return f"{seen.state(deployment)}: {status.get('long_status', '')}".rstrip(": ")
