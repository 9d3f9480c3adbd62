"""What an answer of a git host means for the component that follows a ref. Pure.

Between `watchers.git`, which knows refs, and `watchers.decide`, which knows components. Used by
`poller`. No state and no schedule belong here.
"""

from controller import errors
from watchers.decide import Seen, Sight, Trouble
from watchers.git.resolution import RefProblem, Resolved


def sight_of(answer: Resolved | RefProblem | None) -> Sight | None:
    """What an answer means for a component; None where the ref was not asked for yet."""
    match answer:
        case Resolved(commit=commit, ref=ref, choice=choice):
            return Seen(commit, ref, choice)
        case RefProblem():
            return trouble_of(answer.error())
    return None


def trouble_of(error: errors.EdgeError) -> Trouble:
    """What an error means for a component, in words for its maintainers."""
    hint = error.hint if isinstance(error, errors.Terminal) else ""
    message = error.message[:1].upper() + error.message[1:]
    return Trouble(error.reason, message, hint)
