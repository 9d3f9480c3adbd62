"""`python -m tests.support.toolforge`: both stand-ins as servers, for benchmarks and by hand.

They listen on loopback only. With `--git`, refs are resolved by `git ls-remote`, as the real
builds-api does; else every branch of every repository exists.
"""

import argparse
import asyncio
import contextlib

from aiohttp import web

from tests.support.toolforge.build_runs import Pace, Refs, Resolver
from tests.support.toolforge.clock import real_clock
from tests.support.toolforge.fake_builds import BuildsService, Limits, builds_app
from tests.support.toolforge.fake_jobs import JobsService, jobs_app
from tests.support.toolforge.faults import Faults
from tests.support.toolforge.openapi import builds_document, jobs_document
from tests.support.toolforge.registry import Registry


async def ls_remote(repository: str, ref: str) -> str:
    """The first commit that git prints, "" for none; git takes no options from either."""
    git = await asyncio.create_subprocess_exec(
        *("git", "ls-remote", "--", repository, ref),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    out, _ = await git.communicate()
    return out.decode().partition("\t")[0]


async def serve(options: argparse.Namespace) -> None:
    """Serve until interrupted."""
    clock, registry = real_clock(options.speed), Registry()
    resolve: Resolver = ls_remote if options.git else Refs()
    builds = BuildsService(
        clock,
        resolve,
        registry,
        Limits(parallel=options.parallel),
        Pace(options.build_pending, options.build_seconds),
        Faults(options.latency, remember=False),
    )
    jobs = JobsService(clock, registry, Faults(options.latency, remember=False))
    checks = (builds_document(), jobs_document()) if options.check else (None, None)
    for app, port in (
        (builds_app(builds, checks[0]), options.builds_port),
        (jobs_app(jobs, checks[1]), options.jobs_port),
    ):
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
    print(f"builds-api on 127.0.0.1:{options.builds_port}", flush=True)  # noqa: T201
    print(f"jobs-api on 127.0.0.1:{options.jobs_port}", flush=True)  # noqa: T201
    await asyncio.Event().wait()


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, prog="tests.support.toolforge")
    parser.add_argument("--builds-port", type=int, required=True)
    parser.add_argument("--jobs-port", type=int, required=True)
    parser.add_argument("--speed", type=float, default=1.0, help="simulated seconds per second")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds added to each answer")
    parser.add_argument("--parallel", type=int, default=4, help="builds at once, per tool")
    parser.add_argument("--build-pending", type=float, default=0.5, help="simulated seconds")
    parser.add_argument("--build-seconds", type=float, default=4.0, help="simulated seconds")
    parser.add_argument("--git", action="store_true", help="resolve refs with git ls-remote")
    parser.add_argument(
        "--check", action="store_true", help="hold answers to the OpenAPI documents"
    )
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
