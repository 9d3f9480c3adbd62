"""The Lease object that candidates for leadership share (coordination.k8s.io/v1).

Implements `controller.runtime.leader.Leases`, over the sockets of the watches: calls may be many
and slow, and a leader that waits for a socket loses the Lease. No judgement about who leads belongs
here.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from controller.models.lease import LeaseRecord
from controller.store import errors
from controller.store.calls import JSON, Calls

_PATH = ("coordination.k8s.io", "v1")
_PLURAL = "leases"
_TIME = "%Y-%m-%dT%H:%M:%S.%fZ"
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


class Leases:
    """One Lease by its name. `within` bounds each request."""

    def __init__(self, calls: Calls, namespace: str, name: str, within: timedelta) -> None:
        self._calls = calls
        self._namespace = namespace
        self._name = name
        self._within = within

    async def get(self) -> LeaseRecord | None:
        """The record as it is stored; None where there is no Lease."""
        try:
            stored = await self._calls.ask(
                "GET",
                self._calls.watches.get_namespaced_custom_object_without_preload_content,
                *(*_PATH, self._namespace, _PLURAL, self._name),
                within=self._within,
            )
        except errors.NotFound:
            return None
        return _record(stored)

    async def create(self, record: LeaseRecord) -> LeaseRecord | None:
        """Make the Lease; None if somebody else was faster."""
        try:
            stored = await self._calls.ask(
                "POST",
                self._calls.watches.create_namespaced_custom_object_without_preload_content,
                *(*_PATH, self._namespace, _PLURAL, self._lease(record)),
                within=self._within,
            )
        except errors.AlreadyExists:
            return None
        return _record(stored)

    async def update(self, record: LeaseRecord) -> LeaseRecord | None:
        """Replace the very version that the record names; None if it changed or is gone."""
        try:
            stored = await self._calls.ask(
                "PUT",
                self._calls.watches.replace_namespaced_custom_object_without_preload_content,
                *(*_PATH, self._namespace, _PLURAL, self._name, self._lease(record)),
                within=self._within,
            )
        except (errors.Conflict, errors.NotFound):
            return None
        return _record(stored)

    def _lease(self, record: LeaseRecord) -> JSON:
        metadata: dict[str, Any] = {"name": self._name, "namespace": self._namespace}
        if record.version:
            metadata["resourceVersion"] = record.version
        return {
            "apiVersion": "/".join(_PATH),
            "kind": "Lease",
            "metadata": metadata,
            "spec": {
                **({"holderIdentity": record.holder} if record.holder else {}),
                "leaseDurationSeconds": max(1, round(record.duration.total_seconds())),
                "acquireTime": record.acquired.strftime(_TIME),
                "renewTime": record.renewed.strftime(_TIME),
                "leaseTransitions": record.transitions,
            },
        }


def _record(stored: JSON) -> LeaseRecord:
    """Read a Lease; every field of its spec is optional, and others may have written it."""
    spec = stored.get("spec") or {}
    return LeaseRecord(
        holder=spec.get("holderIdentity") or "",
        duration=timedelta(seconds=spec.get("leaseDurationSeconds") or 1),
        acquired=_time(spec.get("acquireTime")),
        renewed=_time(spec.get("renewTime")),
        transitions=spec.get("leaseTransitions") or 0,
        version=stored["metadata"]["resourceVersion"],
    )


def _time(text: str | None) -> datetime:
    return datetime.fromisoformat(text) if text else _LONG_AGO
