"""CustomResourceDefinitions in effect: accepted names, conditions, and the catalogue.

`establish` is called by `writes` in the same batch as the write itself, so that a definition is
served as soon as its creation is answered; `Watcher` keeps the catalogue as the store has it.
What a definition may contain is checked in `crd`.
"""

import copy
from typing import Any

from controller.local import crd, managedfields, objects, resources

Object = dict[str, Any]

CLEANUP = "customresourcecleanup.apiextensions.k8s.io"
"""The finalizer that holds a definition until its objects are gone."""


def establish(store: objects.Objects, key: str, now: str) -> None:
    """Bring the status of a definition up to date, in a write of its own."""
    stored = store.latest("customresourcedefinitions", key)
    if stored is None:
        return
    before = stored.object()
    after = copy.deepcopy(before)
    crd.established(after, now)
    if after["status"] == before["status"]:
        return
    resource = resources.DEFINITIONS
    write = managedfields.Write("kube-apiserver", resource.api_version, now, "status")
    after = managedfields.updated(before, after, write, resource.schema)
    store.put("customresourcedefinitions", key, after)


class Watcher:
    """Follows the definitions in the store; an observer of `objects.Objects`."""

    def __init__(self, store: objects.Objects, catalogue: resources.Catalogue) -> None:
        self._store = store
        self._catalogue = catalogue

    def load(self) -> None:
        """Serve what is stored."""
        for stored in self._store.collection("customresourcedefinitions").objects.values():
            self._define(stored)

    def observe(self, name: str, change: objects.Change) -> None:
        """Take over a committed change."""
        if name != "customresourcedefinitions":
            return
        if change.new is None:
            self._catalogue.define(change.last.key, [])
            self._store.forget(change.last.key)
        else:
            self._define(change.new)

    def _define(self, stored: objects.Stored) -> None:
        definition = stored.object()
        conditions = definition["status"].get("conditions") or ()
        if any(each["type"] == "Established" and each["status"] == "True" for each in conditions):
            self._store.collection(stored.key)
            self._catalogue.define(stored.key, resources.of_definition(definition))
