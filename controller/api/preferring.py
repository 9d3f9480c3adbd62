"""`Prefer: wait=50` on a POST: deploy and wait in one request, and so in one line of curl.

The answer has the codes of `…/wait`. What curl repeats then is the POST, so it
must have an Idempotency-Key: without one, asking again would deploy again. Wraps the handlers
that make deployments.
"""

import re
from dataclasses import replace

from controller.api import texts
from controller.api.calls import Answer, Call, Handler
from controller.api.problems import Refused
from controller.api.reading import ABSENT
from controller.api.waiting import Waiting

# One preference, or a parameter of one; a quoted value may hold anything.
_PART = re.compile(r'(?:[^,;"]|"(?:[^"\\]|\\.)*"?)+')
_WAIT = re.compile(r'\s*wait\s*=\s*("?)(\d{1,6})\1\s*', re.IGNORECASE)


def seconds(header: str) -> str:
    """What a `Prefer` header says of waiting (RFC 7240), "" for nothing.

    `header` is the list of all its lines. Of several waits the first counts, as there.
    """
    found = (_WAIT.fullmatch(part) for part in _PART.findall(header))
    return next((wait[2] for wait in found if wait), "")


def able(make: Handler, waiting: Waiting) -> Handler:
    """A handler that makes deployments, able to wait for them."""

    async def ask(call: Call) -> Answer:
        held = seconds(call.headers.get("Prefer", ""))
        if held and not call.headers.get("Idempotency-Key"):
            raise Refused(400, texts.WAIT_WANTS_A_KEY)
        made = await make(call)
        assert isinstance(made, Answer)  # noqa: S101 - no stream comes of a POST
        if not held:
            return made
        parts = {**call.parts, "deployment_id": made.data["deploy_id"]}
        # Without its body, which nobody shall hold for as long as this takes.
        call = replace(call, parts=parts, query={"timeout": held}, body=ABSENT)
        ended = await waiting.wait(call)
        headers = {name: made.headers[name] for name in ("Location", "Link")}
        headers |= {**ended.headers, "Preference-Applied": f"wait={held}"}
        return replace(ended, headers=headers)

    return ask
