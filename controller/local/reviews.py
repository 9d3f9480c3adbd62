"""Reviews: who am I, may I. The embedded control plane has one user, who may do everything.

Called by `server` for the three resources that answer a creation and store nothing. Pure.
"""

from typing import Any

from controller.local import resources

Object = dict[str, Any]

USER: Object = {
    "username": "admin",
    "uid": "admin",
    "groups": ["system:masters", "system:authenticated"],
}

_EVERYTHING: Object = {
    "resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}],
    "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
    "incomplete": False,
}


def answer(resource: resources.Resource, body: Object, now: str) -> Object:
    """The review with its status."""
    if resource == resources.SUBJECT_REVIEWS:
        return {
            "kind": resource.kind,
            "apiVersion": resource.api_version,
            "metadata": {"creationTimestamp": now},
            "status": {"userInfo": USER},
        }
    allowed = {"allowed": True} if resource == resources.ACCESS_REVIEWS else _EVERYTHING
    return body | {"status": allowed}
