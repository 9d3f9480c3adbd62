"""Makes the git client and the repository watcher out of settings. Only wiring belongs here."""

import random
import time
from contextlib import AsyncExitStack

from controller import gitauth
from controller.app.control import Control, Outside
from controller.settings import Settings
from watchers.git.addresses import Guard, Policy, system_lookup
from watchers.git.lookups import Remembered
from watchers.git.ls_remote import LsRemote
from watchers.git.process import GitProcesses
from watchers.git.protocol2 import Cheapest, Protocol2
from watchers.git.repositories import Repositories, Vault
from watchers.git.transport import user_agent
from watchers.repositories.poller import Pace, RepositoryPoller
from watchers.repositories.stored import StoredObjects


def addresses(settings: Settings) -> Policy:
    """What may be asked: repositories, and configs at their source_url."""
    return Policy(
        schemes=frozenset(settings.git_schemes),
        allow=settings.git_allow,
        deny=settings.git_deny,
        denied_networks=settings.git_denied_networks,
        allow_private=settings.git_allow_private,
        allow_file=settings.git_allow_file,
    )


def repositories(settings: Settings, stack: AsyncExitStack, vault: Vault) -> Repositories:
    """The git client; its processes end with `stack`."""
    gitauth.sweep()  # what one that was killed left of keys
    processes = GitProcesses(settings.poll_concurrency)
    stack.callback(processes.close)
    agent = user_agent(settings.poll_operator)
    cheap = Protocol2(settings.poll_timeout, agent)
    stack.push_async_callback(cheap.close)
    transport = Cheapest(cheap, LsRemote(processes, settings.poll_timeout, agent))
    return Repositories(
        Guard(addresses(settings), Remembered(system_lookup, time.monotonic)),
        transport,
        settings.poll_host_concurrency,
        vault,
    )


def poller(control: Control, outside: Outside, settings: Settings) -> RepositoryPoller:
    """The repository watcher of a controller."""
    return RepositoryPoller(
        StoredObjects(control.cache, control.store, control.validity),
        outside.repositories,
        outside.metrics.polls,
        control.may_act,
        Pace(
            outside.clocks.utc,
            random.random,
            settings.poll_interval,
            at_once=settings.poll_host_concurrency,
        ),
    )
