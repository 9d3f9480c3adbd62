"""CEL rules of a schema (x-kubernetes-validations): compiled once, evaluated per object.

Called by Structural and by the checks of CRDs; loading this module loads the CEL library. Texts
and order follow k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel. What a rule sees of an
object is ``views``' business, what it may call that of ``functions``.
"""

import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from cel_expr_python import cel
from cel_expr_python.ext import ext_bindings, ext_math, ext_optional, ext_strings

from controller.local import fielderrors
from controller.local.fielderrors import FieldError
from controller.local.structural import celtypes, checking, functions, views
from controller.local.structural.nodes import Node

_ABSENT: Final = object()
_STRINGS = re.compile(r"""("|')(?:\\.|(?!\1)[^\\])*\1""")
_OLD_SELF = re.compile(r"\boldSelf\b")
# With optionalOldSelf the name stands for an optional value, which no client library can pass in.
_OPTIONAL: Final = "cel.bind(oldSelf, oldKnown ? optional.of(oldValue) : optional.none(), "


class RuleError(ValueError):
    """A rule cannot be compiled: ``part`` is ``rule`` or ``messageExpression``."""

    def __init__(self, part: str, text: str) -> None:
        super().__init__(text)
        self.part = part


@dataclass(frozen=True, slots=True)
class Rule:
    """One compiled rule; ``transition`` rules compare with the old value."""

    text: str
    expression: Any
    transition: bool
    optional_old: bool
    message: str
    message_expression: Any | None
    field_path: str
    reason: str


def _environment(self_type: Any, pool: Any = None) -> Any:
    known = {"oldKnown": cel.Type.BOOL, "oldValue": self_type}
    extensions = [
        ext_optional.ExtOptional(),
        ext_strings.ExtStrings(),
        ext_math.ExtMath(),
        ext_bindings.ExtBindings(),
        functions.extension(),
    ]
    variables = {"self": self_type, "oldSelf": self_type, **known}
    return cel.NewEnv(descriptor_pool=pool, variables=variables, extensions=extensions)


@functools.cache
def _evaluating(self_type: str) -> Any:
    """The environment in which rules are evaluated: objects are maps of anything."""
    return _environment(cel.Type.DYN if self_type == "dyn" else cel.Type(self_type))


def check(schema: Mapping[str, Any], node: Node) -> None:
    """Raises RuleError for a rule that cannot be compiled, or names fields that are not there."""
    _compiled(schema, _environment(*celtypes.of(node)))


def compiled_rule(schema: Mapping[str, Any], node: Node) -> Rule:
    """One entry of x-kubernetes-validations of ``node``. Raises RuleError."""
    return _compiled(schema, _evaluating(views.cel_type(node)))


def _compiled(schema: Mapping[str, Any], environment: Any) -> Rule:
    text, told = schema.get("rule") or "", schema.get("messageExpression") or ""
    optional = bool(schema.get("optionalOldSelf"))

    def expression(part: str, source: str, wanted: Any, name: str) -> Any:
        try:
            found = environment.compile(f"{_OPTIONAL}{source})" if optional else source)
        except RuntimeError as error:
            raise RuleError(part, f"compilation failed: {_compile_text(error)}") from None
        if found.return_type() not in (wanted, cel.Type.DYN):
            raise RuleError(part, f"{name} must evaluate to a {wanted.name().lower()}")
        return found

    rule = expression("rule", text, cel.Type.BOOL, "cel expression")
    part = "messageExpression"
    return Rule(
        text=text.strip(),
        expression=rule,
        transition=bool(_OLD_SELF.search(_STRINGS.sub("", text))),
        optional_old=optional,
        message=(schema.get("message") or "").strip(),
        message_expression=expression(part, told, cel.Type.STRING, part) if told else None,
        field_path=schema.get("fieldPath") or "",
        reason=schema.get("reason") or "FieldValueInvalid",
    )


def _compile_text(error: Exception) -> str:
    return str(error).removeprefix("INVALID_ARGUMENT: ").removesuffix(" [INVALID_ARGUMENT]")


def compiled(root: Node) -> "Rules":
    """The rules of a whole schema. Raises RuleError for the first that cannot be compiled."""
    found: dict[int, tuple[Rule, ...]] = {}
    todo = [root]
    while todo:
        node = todo.pop()
        if node.rules:
            found[id(node)] = tuple(compiled_rule(rule, node) for rule in node.rules)
        todo += [child for child in node.below() if child.has_rules]
    return Rules(root, found)


class Rules:
    """The compiled rules of one schema, by node."""

    def __init__(self, root: Node, by_node: Mapping[int, tuple[Rule, ...]]) -> None:
        self._root = root
        self._by_node = by_node

    def check(self, obj: Any, old: Any | None) -> list[FieldError]:
        """Errors of all rules, outer ones first; with ``old`` transition rules count too."""
        return list(self._check(obj, self._root, "", _ABSENT if old is None else old))

    def _check(self, value: Any, node: Node, path: str, old: Any) -> Iterator[FieldError]:
        if value is None:
            return
        if node.rules:
            yield from self._check_node(value, node, path, old)
        if isinstance(value, dict):
            before = old if isinstance(old, dict) else {}
            for key, part in value.items():
                child = node.child(key)
                if child is not None and child.has_rules:
                    where = f"{path}.{key}" if key in node.properties else f"{path}[{key}]"
                    where = where.removeprefix(".")
                    yield from self._check(part, child, where, before.get(key, _ABSENT))
        elif isinstance(value, list) and node.items is not None and node.items.has_rules:
            before_items = checking.items_of(old, node)
            for index, item in enumerate(value):
                old_item = before_items.get(checking.key_of(item, node), _ABSENT)
                yield from self._check(item, node.items, f"{path}[{index}]", old_item)

    def _check_node(self, value: Any, node: Node, path: str, old: Any) -> Iterator[FieldError]:
        known = old is not _ABSENT and old is not None
        unchanged = known and checking.same(value, old)
        data: dict[str, Any] = {"self": views.view(value, node), "oldKnown": known}
        if known:
            data["oldSelf"] = data["oldValue"] = views.view(old, node)
        for rule in self._by_node[id(node)]:
            if rule.transition and not known and not rule.optional_old:
                continue
            if unchanged and not rule.transition:
                continue
            error = _evaluated(rule, data, value, path)
            if error is not None:
                yield error


def _evaluated(rule: Rule, data: Mapping[str, Any], value: Any, path: str) -> FieldError | None:
    shown = fielderrors.OMITTED if isinstance(value, dict | list) else value
    try:
        result = rule.expression.eval(data=data)
    except (RuntimeError, OverflowError) as error:  # too many steps, or a value of no type of CEL
        detail = f"{error} evaluating rule: {_described(rule)}"
        return fielderrors.invalid(path or "<nil>", shown, detail)
    if result.type() == cel.Type.ERROR:
        detail = f"{_runtime_text(str(result.value()))} evaluating rule: {_described(rule)}"
        return fielderrors.invalid(path or "<nil>", shown, detail)
    if result.value() is True:
        return None
    where = f"{path}{rule.field_path}".removeprefix(".") or "<nil>"
    return _error(rule, where, shown, _message(rule, data))


def _described(rule: Rule) -> str:
    return rule.message or f"failed rule: {rule.text}"


def _message(rule: Rule, data: Mapping[str, Any]) -> str:
    if rule.message_expression is not None:
        try:
            result = rule.message_expression.eval(data=data)
        except (RuntimeError, OverflowError):  # as for rules: too many steps, for example
            return _described(rule)
        told = result.value() if result.type() == cel.Type.STRING else ""
        # Kubernetes falls back to the message when the expression has no usable text.
        if told.strip() and "\n" not in told:
            return str(told).strip()
    return _described(rule)


def _error(rule: Rule, where: str, shown: Any, message: str) -> FieldError:
    match rule.reason:
        case "FieldValueForbidden":
            return fielderrors.forbidden(where, message)
        case "FieldValueRequired":
            return fielderrors.required(where, message)
        case "FieldValueDuplicate":
            return fielderrors.duplicate(where, shown)
        case _:
            return fielderrors.invalid(where, shown, message)


_RUNTIME_TEXTS: Final = [
    (re.compile(r'NOT_FOUND: Key not found in map : "?(.*?)"?'), r"no such key: \1"),
    (re.compile(r"UNKNOWN: Index error: index=(-?\d+) size=\d+"), r"index out of bounds: \1"),
    (re.compile(r"UNKNOWN: No matching overloads found : (.*)"), r"no such overload: \1"),
    (re.compile(r"INVALID_ARGUMENT: divide by zero"), "division by zero"),
    (re.compile(r"[A-Z_]+: (.*)", re.DOTALL), r"\1"),
]


def _runtime_text(text: str) -> str:
    for pattern, replacement in _RUNTIME_TEXTS:
        found = pattern.fullmatch(text)
        if found:
            return found.expand(replacement)
    return text
