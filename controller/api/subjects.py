"""What the routes are about, in the order in which a reader wants them. Pure.

`openapi` makes its tags from it, `page` its sections. The order of `routes.ROUTES` is another: what
is fixed in a path comes before what is a name there.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Subject:
    """A group of operations."""

    name: str
    about: str
    operations: tuple[str, ...]


SUBJECTS = (
    Subject(
        "Deployments",
        "Ask for one, follow it, stop it. `latest` stands for the id of the newest one, but to "
        "delete it.",
        (
            "create_tool_deployment",
            "list_tool_deployments",
            "get_latest_deployment",
            "get_tool_deployment",
            "wait_for_tool_deployment",
            "stream_tool_deployment",
            "retry_tool_deployment",
            "cancel_tool_deployment",
            "delete_tool_deployment",
        ),
    ),
    Subject(
        "Config",
        "What a tool is made of: its components, where each is built from, and how it runs.",
        ("get_tool_config", "update_tool_config", "delete_tool_config", "generate_tool_config"),
    ),
    Subject(
        "Deploy token",
        "What a CI job needs to deploy the tool and to follow that; it is good for nothing else.",
        (
            "get_tool_deploy_token",
            "create_tool_deploy_token",
            "update_tool_deploy_token",
            "delete_tool_deploy_token",
        ),
    ),
    Subject(
        "Pushes",
        "How a `git push` is noticed, so that nobody has to ask.",
        ("get_tool_polling", "receive_webhook"),
    ),
    Subject("Health", "For probes.", ("healthz",)),
)
SUBJECT_OF = {operation: each for each in SUBJECTS for operation in each.operations}
READING_ORDER = list(SUBJECT_OF)
