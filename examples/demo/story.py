"""What happens in the demo, scene by scene, and what is claimed of it.

Called by `__main__`. Nothing here knows how things are done (`stage`) or looked at (`seen`).
"""

import asyncio
from pathlib import Path

from examples.demo import seen
from examples.demo.narration import ClaimBroken, Narrator
from examples.demo.stage import TOOL, Repository, Stage

_SECONDS = 40.0
_FIRST, _SECOND = "Hello from the first version.", "Hello again: nobody asked, git push was enough."


async def tell(stage: Stage, narrator: Narrator) -> None:
    """The whole story. Raises `ClaimBroken` at the first claim that does not hold."""
    try:
        deployments = await _set_up(stage, narrator)
        web, _ = await _apply_config(stage, narrator)
        await _first_deployment(stage, narrator, deployments)
        worker = _worker(stage, narrator)
        await _push_a_change(stage, narrator, deployments, web)
        _worker_still_is(worker, stage, narrator)
        await _push_a_mistake(stage, narrator, deployments, web)
        _worker_still_is(worker, stage, narrator)
        await _end(stage, narrator)
    except (OSError, TimeoutError) as error:
        raise ClaimBroken(str(error) or type(error).__name__) from error


async def check_nothing_is_left(folder: Path, narrator: Narrator) -> None:
    """Nothing that the demo started still runs."""
    left = seen.processes(folder)
    for _ in range(50):
        if not left:
            break
        await asyncio.sleep(0.1)
        left = seen.processes(folder)
    narrator.claim("Nothing is left running", not left, f"processes {left}")


async def _set_up(stage: Stage, narrator: Narrator) -> seen.Deployments:
    narrator.scene("A control plane, a controller and a builder, on this machine")
    await stage.start_ptd()
    narrator.did(f"ptd local --tool {TOOL}: runs, and wrote a kubeconfig")
    return seen.Deployments(stage.kubeconfig, f"tool-{TOOL}")


async def _apply_config(stage: Stage, narrator: Narrator) -> tuple[Repository, Repository]:
    narrator.scene("Two repositories and one config")
    web, worker = await asyncio.gather(stage.publish("web"), stage.publish("worker"))
    narrator.did("git push: web (a page, and a scheduled report from the same build)")
    narrator.did("git push: worker")
    said = await stage.ptd("config", "apply", "--local", str(stage.write_config(web, worker)))
    narrator.did("ptd config apply toolforge.yaml, with auto_deploy: true")
    narrator.quote(said)
    return web, worker


async def _first_deployment(
    stage: Stage, narrator: Narrator, deployments: seen.Deployments
) -> None:
    narrator.scene("The first deployment")
    first = await _final(deployments, narrator, "A deployment came, and ended", "")
    _say(first, narrator)
    narrator.claim("It is successful", seen.state(first) == "successful", _why(first))
    page = await seen.page(stage.page_port)
    narrator.claim(f"The page says: {_FIRST}", page == _FIRST, page)


async def _push_a_change(
    stage: Stage, narrator: Narrator, deployments: seen.Deployments, web: Repository
) -> None:
    narrator.scene("Push a change of the page, and wait")
    (web.folder / "page.txt").write_text(f"{_SECOND}\n")
    commit = await asyncio.to_thread(web.push, "Greet again")
    narrator.did(f"git push: web at {commit[:10]}")
    second = await _final(deployments, narrator, "Polling saw it and deployed it", commit)
    _say(second, narrator)
    narrator.claim("Nobody asked for it", seen.trigger(second) == "poll", seen.trigger(second))
    narrator.claim("It is successful", seen.state(second) == "successful", _why(second))
    page = await seen.page(stage.page_port)
    narrator.claim(f"The page says: {_SECOND}", page == _SECOND, page)
    kept = seen.change(second, "worker")
    narrator.claim("The worker was left alone", kept == "unchanged", kept)


async def _push_a_mistake(
    stage: Stage, narrator: Narrator, deployments: seen.Deployments, web: Repository
) -> None:
    narrator.scene("Push a mistake: an empty page, which the health check refuses")
    (web.folder / "page.txt").write_text("")
    commit = await asyncio.to_thread(web.push, "Empty the page by mistake")
    narrator.did(f"git push: web at {commit[:10]}")
    third = await _final(deployments, narrator, "Polling saw it and deployed it", commit)
    _say(third, narrator)
    narrator.claim("It is failed", seen.state(third) == "failed", seen.state(third))
    reason = third["status"].get("reason")
    narrator.claim("It says why: HealthCheckFailed", reason == "HealthCheckFailed", reason)
    failure = third["status"].get("failure") or {}
    narrator.quote(f"{failure.get('message', '')}\n{failure.get('hint', '')}")
    page = await seen.page(stage.page_port)
    narrator.claim(f"The old version still serves: {_SECOND}", page == _SECOND, page)


async def _end(stage: Stage, narrator: Narrator) -> None:
    narrator.scene("The end")
    code = await stage.stop_ptd()
    narrator.claim("ptd local ended in order at Ctrl-C", code == 0, f"exit code {code}")


async def _final(
    deployments: seen.Deployments, narrator: Narrator, text: str, commit: str
) -> seen.Deployment:
    """The deployment of web's commit ("" for any) once it is final."""

    def is_wanted(deployment: seen.Deployment) -> bool:
        of_it = not commit or seen.deploys(deployment, "web", commit)
        return of_it and seen.is_final(deployment)

    found = await deployments.wait_for(is_wanted, _SECONDS)
    if found is None:
        there = [(item["metadata"]["name"], _why(item)) for item in await deployments.all()]
        raise ClaimBroken(f"{text}: not within {_SECONDS:.0f} s; there are {there}")
    narrator.claim(text, held=True)
    return found


def _say(deployment: seen.Deployment, narrator: Narrator) -> None:
    lines = [f"{deployment['metadata']['name']}  {_why(deployment)}"]
    for name, run in deployment["status"].get("runs", {}).items():
        lines.append(f"{name:8} {run.get('change') or '-':10} {run.get('run_long_status', '')}")
    narrator.quote("\n".join(lines))


def _why(deployment: seen.Deployment) -> str:
    status = deployment.get("status", {})
    return f"{seen.state(deployment)}: {status.get('long_status', '')}".rstrip(": ")


def _worker(stage: Stage, narrator: Narrator) -> int:
    running = seen.processes(stage.data, "worker.py")
    narrator.claim("The worker runs", len(running) == 1, f"processes {running}")
    narrator.did(f"Its process id is {running[0]}")
    return running[0]


def _worker_still_is(before: int, stage: Stage, narrator: Narrator) -> None:
    running = seen.processes(stage.data, "worker.py")
    narrator.claim(f"The worker still is process {before}", running == [before], running)
