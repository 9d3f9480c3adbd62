"""The right of the controller's account to read one Secret of a tool: a Role and its binding.

Made by `ptd credentials`, with the rights of whoever calls: the controller itself may not. On a
control plane without RBAC (the embedded one) there is nothing to grant.
"""

from dataclasses import dataclass

from controller.models.meta import namespace_of
from controller.store import errors
from controller.store.calls import JSON, Calls

_GROUP = "rbac.authorization.k8s.io"
_PATH = (_GROUP, "v1")


@dataclass(frozen=True, slots=True)
class Account:
    """A service account."""

    namespace: str
    name: str


class Grants:
    """Roles and bindings in the namespaces of tools. Raises `store.errors`."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def allow(self, tool: str, secret: str, account: Account) -> None:
        """Have this account, and no other, be able to read the Secret by this grant."""
        for plural, body in objects(tool, secret, account).items():
            try:
                await self._calls.ask(
                    "POST",
                    self._calls.objects.create_namespaced_custom_object_without_preload_content,
                    *(*_PATH, namespace_of(tool), plural, body),
                )
            except errors.AlreadyExists:
                # It may be for another account, or have been changed.
                await self._calls.ask(
                    "PUT",
                    self._calls.objects.replace_namespaced_custom_object_without_preload_content,
                    *(*_PATH, namespace_of(tool), plural, name_of(secret), body),
                )
            except errors.NotFound:
                return  # no RBAC here

    async def revoke(self, tool: str, secret: str) -> None:
        """Take it back; what is not there needs no taking back."""
        for plural in ("rolebindings", "roles"):
            try:
                await self._calls.ask(
                    "DELETE",
                    self._calls.objects.delete_namespaced_custom_object_without_preload_content,
                    *(*_PATH, namespace_of(tool), plural, name_of(secret)),
                )
            except errors.NotFound:
                continue


def objects(tool: str, secret: str, account: Account) -> dict[str, JSON]:
    """What lets the account read the Secret, and nothing else: plural → object."""
    metadata = {"name": name_of(secret), "namespace": namespace_of(tool)}
    rule = {
        "apiGroups": [""],
        "resources": ["secrets"],
        "resourceNames": [secret],
        "verbs": ["get"],
    }
    subject = {"kind": "ServiceAccount", "namespace": account.namespace, "name": account.name}
    common = {"apiVersion": "/".join(_PATH), "metadata": metadata}
    return {
        "roles": {**common, "kind": "Role", "rules": [rule]},
        "rolebindings": {
            **common,
            "kind": "RoleBinding",
            "roleRef": {"apiGroup": _GROUP, "kind": "Role", "name": name_of(secret)},
            "subjects": [subject],
        },
    }


def name_of(secret: str) -> str:
    """The Role's and the binding's name."""
    return f"push-to-deploy-reads-{secret}"
