"""Which objects a list or watch is about: namespace, label selector, field selector.

Made from a request by `lists` and `watches`; asks as little of an object as it can, because a
list may be of many thousands. Pure.
"""

from controller.local import objects, requests, selectors, statuses


class Selection:
    """The objects of a request. Raises ApiError for a selector that makes no sense."""

    def __init__(self, call: requests.Call) -> None:
        namespace = call.path.namespace if call.resource.namespaced else ""
        self.prefix = f"{namespace}/" if namespace else ""
        self._namespaced = call.resource.namespaced
        labels, fields = call.query.text("labelSelector"), call.query.text("fieldSelector")
        try:
            self._labels = selectors.labels(labels)
            self._fields = selectors.fields(fields, call.resource.fields)
        except selectors.SelectorError as error:
            raise statuses.bad_request(str(error)) from None
        self._name = call.path.name
        self.everything = not labels and not fields and not self._name
        self._by_place = all(field.startswith("metadata.") for field, *_ in self._fields.terms)

    def key(self) -> str | None:
        """The one key that can match, if the selection says so."""
        name = self._name or self._fields.exactly("metadata.name")
        if name is None or (self._namespaced and not self.prefix):
            return None
        return self.prefix + name

    def has(self, stored: objects.Stored) -> bool:
        """Whether an object is selected, its place included."""
        if not stored.key.startswith(self.prefix):
            return False
        return self.everything or self.matches(stored)

    def matches(self, stored: objects.Stored) -> bool:
        """Whether the selectors match an object whose place is right."""
        namespace, _, name = stored.key.rpartition("/")
        if self._name and name != self._name:
            return False
        if self._labels.requirements and not self._labels.matches(stored.labels):
            return False
        if not self._fields.terms:
            return True
        if not self._by_place:
            return self._fields.matches(stored.object())
        return self._fields.matches({"metadata": {"name": name, "namespace": namespace}})
