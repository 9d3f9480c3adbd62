"""The closed vocabulary of reasons: why a deployment waits, goes on, or ended as it did.

Used as the `reason` of conditions, events, errors, metrics labels and HTTP problems. Every reason
has an owner (whose fault it is) and a sentence; `docs/reasons.md` is generated from this table, so
no reason can exist without an explanation. Nothing but this vocabulary belongs here.
"""

import re
from dataclasses import dataclass
from enum import StrEnum


class Owner(StrEnum):
    """Who has to act: the tool's maintainers, the platform's operators, or nobody."""

    USER = "user"
    PLATFORM = "platform"
    NOBODY = "nobody"


class Reason(StrEnum):
    """Every reason there is."""

    # waiting and going on
    WAITING_FOR_TURN = "WaitingForTurn"
    RESOLVING = "Resolving"
    BUILDING = "Building"
    BUILD_QUEUE_FULL = "BuildQueueFull"
    STARTING = "Starting"
    VERIFYING = "Verifying"
    CANCELLING = "Cancelling"
    RETRYING = "Retrying"
    # ended well
    DEPLOYED = "Deployed"
    # ended by somebody's wish
    CANCELLED = "Cancelled"
    SUPERSEDED = "Superseded"
    # ended badly
    CONFIG_MISSING = "ConfigMissing"
    CONFIG_INVALID = "ConfigInvalid"
    CONFIG_FETCH_FAILED = "ConfigFetchFailed"
    REF_NOT_FOUND = "RefNotFound"
    COMMIT_MISMATCH = "CommitMismatch"
    REPOSITORY_REFUSED = "RepositoryRefused"
    REPOSITORY_NOT_FOUND = "RepositoryNotFound"
    REPOSITORY_UNREACHABLE = "RepositoryUnreachable"
    CREDENTIALS_UNUSABLE = "CredentialsUnusable"
    CREDENTIALS_REFUSED = "CredentialsRefused"
    HOST_KEY_REFUSED = "HostKeyRefused"
    BUILD_REFUSED = "BuildRefused"
    BUILD_FAILED = "BuildFailed"
    BUILD_CANCELLED = "BuildCancelled"
    BUILD_LOST = "BuildLost"
    BUILD_TIMED_OUT = "BuildTimedOut"
    JOB_REFUSED = "JobRefused"
    QUOTA_EXCEEDED = "QuotaExceeded"
    IMAGE_UNAVAILABLE = "ImageUnavailable"
    CRASH_LOOP = "CrashLoop"
    HEALTH_CHECK_FAILED = "HealthCheckFailed"
    NOT_STARTED = "NotStarted"
    DEADLINE_EXCEEDED = "DeadlineExceeded"
    PLATFORM_UNAVAILABLE = "PlatformUnavailable"
    UPSTREAM_HISTORY = "UpstreamHistory"

    @property
    def slug(self) -> str:
        """The reason as the HTTP problems spell it: `HealthCheckFailed` → `health-check-failed`."""
        return re.sub(r"(?<!^)(?=[A-Z])", "-", self.value).lower()


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a reason means: whose move it is, a sentence, and what to do next."""

    owner: Owner
    sentence: str
    hint: str = ""


_N, _U, _P = Owner.NOBODY, Owner.USER, Owner.PLATFORM

EXPLANATIONS: dict[Reason, Explanation] = {
    Reason.WAITING_FOR_TURN: Explanation(_N, "Another deployment of this tool goes first."),
    Reason.RESOLVING: Explanation(_N, "The refs of the components are looked up."),
    Reason.BUILDING: Explanation(_N, "Builds are going."),
    Reason.BUILD_QUEUE_FULL: Explanation(_N, "The build service has no free slot at the moment."),
    Reason.STARTING: Explanation(_N, "Jobs are being created, updated or restarted."),
    Reason.VERIFYING: Explanation(
        _N, "Jobs must be up, healthy and steady before it is a success."
    ),
    Reason.CANCELLING: Explanation(_N, "A cancel was asked for; running builds are being stopped."),
    Reason.RETRYING: Explanation(_N, "Something failed that may pass; it is tried again."),
    Reason.DEPLOYED: Explanation(_N, "Every component runs as configured."),
    Reason.CANCELLED: Explanation(_N, "The deployment was cancelled before it was done."),
    Reason.SUPERSEDED: Explanation(_N, "A newer deployment replaced it before it was up."),
    Reason.CONFIG_MISSING: Explanation(
        _U,
        "The tool has no config.",
        "Store one: `ptd config apply FILE`, or `toolforge components config create FILE`.",
    ),
    Reason.CONFIG_INVALID: Explanation(
        _U, "The tool's config has errors.", "Check it with `ptd config validate FILE`."
    ),
    Reason.CONFIG_FETCH_FAILED: Explanation(
        _U, "The config could not be fetched from its source_url.", "Open the URL in a browser."
    ),
    Reason.REF_NOT_FOUND: Explanation(
        _U,
        "The repository has no branch, tag or commit of that name.",
        "Correct `ref`, or push the branch.",
    ),
    Reason.COMMIT_MISMATCH: Explanation(
        _U,
        "The deployment was asked for a commit that is not what the ref holds.",
        "Deploy again: the ref has moved since.",
    ),
    Reason.REPOSITORY_REFUSED: Explanation(
        _U,
        "The repository's address is not one that this platform may fetch from.",
        "Use a public https address, or ask the operators to allow the host.",
    ),
    Reason.REPOSITORY_NOT_FOUND: Explanation(
        _U,
        "The repository does not exist, or it is not public.",
        "Check the address; a private repository needs `credentials`.",
    ),
    Reason.REPOSITORY_UNREACHABLE: Explanation(
        _P, "The git host does not answer.", "Nothing to do unless it lasts: it is tried again."
    ),
    Reason.CREDENTIALS_UNUSABLE: Explanation(
        _U,
        "The Secret that `credentials` names is missing, or is not one that may be used for the "
        "repository.",
        "Make it with `ptd credentials add`, or correct it as the message says.",
    ),
    Reason.CREDENTIALS_REFUSED: Explanation(
        _U,
        "The git host does not accept the credentials for this repository.",
        "Give them the right to read the repository, or store new ones with `ptd credentials add`.",
    ),
    Reason.HOST_KEY_REFUSED: Explanation(
        _U,
        "The ssh host's key is not the one in the Secret's known_hosts.",
        "Compare the new key with what the host publishes; only then store it with `ptd "
        "credentials add`.",
    ),
    Reason.BUILD_REFUSED: Explanation(
        _U, "The build service refused the build.", "Its own words say what to change."
    ),
    Reason.BUILD_FAILED: Explanation(
        _U, "A build failed.", "Read the log: `ptd logs COMPONENT --build`."
    ),
    Reason.BUILD_CANCELLED: Explanation(
        _U, "A build was cancelled by somebody else.", "Deploy again."
    ),
    Reason.BUILD_LOST: Explanation(
        _P, "A build vanished from the build service.", "Deploy again; tell the operators."
    ),
    Reason.BUILD_TIMED_OUT: Explanation(
        _U, "A build took longer than it may.", "Make the build smaller, or look for a hang."
    ),
    Reason.JOB_REFUSED: Explanation(
        _U, "The job could not be created or updated.", "Its own words say what to change."
    ),
    Reason.QUOTA_EXCEEDED: Explanation(
        _U, "The tool's quota does not allow the job.", "Lower cpu, memory or replicas."
    ),
    Reason.IMAGE_UNAVAILABLE: Explanation(
        _P, "The built image cannot be fetched by the job.", "Deploy again with force_build."
    ),
    Reason.CRASH_LOOP: Explanation(
        _U, "The component starts and ends again and again.", "Read its log: `ptd logs COMPONENT`."
    ),
    Reason.HEALTH_CHECK_FAILED: Explanation(
        _U,
        "The component runs, but its health check does not pass.",
        "Read its log: `ptd logs COMPONENT`, and look at what its health check asks for.",
    ),
    Reason.NOT_STARTED: Explanation(
        _P, "The component was accepted but never came up.", "Deploy again; tell the operators."
    ),
    Reason.DEADLINE_EXCEEDED: Explanation(
        _P, "The deployment was not done by its deadline.", "Deploy again."
    ),
    Reason.PLATFORM_UNAVAILABLE: Explanation(
        _P, "A service of the platform does not answer.", "Deploy again later."
    ),
    Reason.UPSTREAM_HISTORY: Explanation(
        _N, "An object of the older components-api: it is shown and never deployed again."
    ),
}
