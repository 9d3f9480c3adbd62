"""Pages of the docs that are tables of the source: rendered here, so that they cannot differ.

Called by `tests.gate.generated`. One function per page; each returns path → text.
"""

from controller.models import reasons as vocabulary

_NOTE = "<!-- Written by `make generate`: change the source, not this page. -->\n"

_OWNERS = {
    vocabulary.Owner.USER: "you",
    vocabulary.Owner.PLATFORM: "the operators",
    vocabulary.Owner.NOBODY: "nobody",
}


def reasons() -> dict[str, str]:
    """Every reason: whose move it is, what it means, what to do."""
    rows = [
        f"| `{reason.value}` | {_OWNERS[told.owner]} | {told.sentence} | {told.hint} |\n"
        for reason, told in vocabulary.EXPLANATIONS.items()
    ]
    text = (
        f"{_NOTE}\n# Reasons\n\n"
        "Why a deployment waits, goes on, or ended as it did: the `reason` of conditions, events,\n"
        "HTTP problems and metrics. The source is `controller/models/reasons.py`.\n\n"
        "| Reason | Whose move it is | What it means | What to do |\n|---|---|---|---|\n"
    )
    return {"docs/reasons.md": text + "".join(rows)}
