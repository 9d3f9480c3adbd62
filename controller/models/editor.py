"""The JSON schema of the config file, for editors: completion, words on hover, and red lines.

Used by `ptd config schema`. Stricter than reading a file is, so that a slip of the pen shows while
it is typed: a name that the format does not have is an error here, and a warning there.
"""

from typing import Any

from controller.models.toolconfig import ToolConfigSpec

Schema = dict[str, Any]


def schema() -> Schema:
    """A JSON schema (draft 2020-12) of `toolforge.yaml`."""
    tree = _walk(ToolConfigSpec.model_json_schema())
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **tree,
        "title": "Toolforge config",
        "description": "The components of a tool: how each is built and how it runs.",
    }


def _walk(node: Any) -> Any:
    if isinstance(node, list):
        return [_walk(child) for child in node]
    if not isinstance(node, dict):
        return node
    result = {key: _walk(child) for key, child in node.items() if key not in ("title", "oneOf")}
    if isinstance(node.get("title"), dict):
        result["title"] = _walk(node["title"])
    if "oneOf" in node:
        # Both shapes of a component may fit at the same time: neither excludes the other.
        result["anyOf"] = _walk(node["oneOf"])
    if "anyOf" in result:
        result = _without_null(result)
    if node.get("type") == "object":
        result.setdefault("additionalProperties", False)
    return result


def _without_null(node: Schema) -> Schema:
    """A key without a value is refused when the file is read."""
    shapes = [shape for shape in node["anyOf"] if shape != {"type": "null"}]
    rest = {key: value for key, value in node.items() if key != "anyOf"}
    if rest.get("default", "") is None:
        del rest["default"]
    return {**shapes[0], **rest} if len(shapes) == 1 else {**rest, "anyOf": shapes}
