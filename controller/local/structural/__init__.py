"""Structural schemas: what a CRD's openAPIV3Schema does to objects.

A ``Structural`` is compiled once per version of a CRD (or built-in kind) and then prunes, defaults
and validates objects on every write, in the words of a Kubernetes API server. It reads no clock
and does no I/O. The parts: nodes (the compiled schema), pruning, defaulting, checking (values),
invariants (lists, embedded resources), rules (CEL). Knowledge of single kinds may not be put here.
"""

import copy
import functools
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from controller.local import fielderrors
from controller.local.fielderrors import FieldError
from controller.local.structural import checking, defaulting, invariants, nodes, pruning

__all__ = ["FieldError", "Structural"]

Object = dict[str, Any]


class Structural:
    """One compiled schema; ``schema`` is the openAPIV3Schema of one version of a CRD.

    ``zero`` is what an object of this kind is before anybody wrote a field: the fields that the
    server always writes out, as for built-in kinds, which no manager owns until they are set.
    ``resets`` are the fields that a write of the object itself leaves alone: ``status``, where it
    is a subresource.
    """

    def __init__(
        self,
        schema: Mapping[str, Any],
        zero: Mapping[str, Any] | None = None,
        resets: Collection[str] = (),
    ) -> None:
        self.schema = schema
        self.root = nodes.compiled_root(schema)
        self.resets = frozenset(resets)
        self._zero = zero or {}

    @property
    def zero(self) -> Object:
        return copy.deepcopy(dict(self._zero))

    @functools.cached_property
    def fields(self) -> nodes.Node:
        """What managed fields go by: which lists and maps are granular, which names are known."""
        return nodes.with_metadata(self.root)

    @functools.cached_property
    def _rules(self) -> Any:
        # CEL is loaded by the first schema that has rules, not by everybody who imports this.
        from controller.local.structural import rules  # noqa: PLC0415

        return rules.compiled(self.root)

    def prune(self, obj: Object) -> list[str]:
        """Drops fields that the schema does not know; returns their paths, as ``spec.parts[0].x``.

        The list has the order of the object; it is what ``unknown field "…"`` warnings name.
        """
        return pruning.prune(obj, self.root)

    def default(self, obj: Object) -> None:
        """Fills in defaults; a null that the schema does not allow counts as absent."""
        defaulting.drop_nulls(obj, self.root)
        defaulting.default(obj, self.root)

    def validate(
        self, obj: Object, old: Object | None = None, found: Sequence[FieldError] = ()
    ) -> list[FieldError]:
        """All errors of ``obj``: ``found`` (the metadata's, checked before), then its own.

        With ``old`` (an update), values that did not change are not held against the object, and
        transition rules are evaluated. CEL rules are skipped, and that is said, when an error in
        the list means that they could trip over a broken value.
        """
        errors = [*found, *checking.check(obj, self.root, old)]
        errors += invariants.check(obj, self.root, old)
        if self.root.has_rules:
            if fielderrors.blocking(errors):
                errors.append(fielderrors.UNCHECKED_RULES)
            else:
                errors += self._rules.check(obj, old)
        return errors
