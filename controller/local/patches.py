"""The three kinds of patches that change an object: JSON, JSON merge, and strategic merge.

Pure: a value and a patch go in, a new value comes out. Server-side apply is in `managedfields`.
Called by `writes`.
"""

import copy
import json
from typing import Any

import jsonpatch
import jsonpointer

from controller.local import bodies

Object = dict[str, Any]


class PatchError(ValueError):
    """The patch does not apply to this object."""


class PatchFormatError(ValueError):
    """The patch is not of its format; the message says why."""


_MERGE_KEYS = {
    "ownerReferences": "uid",
    "conditions": "type",
    "finalizers": "",
}
"""Lists that a strategic merge patch merges: by which key; the empty one for plain values."""


def json_patch(value: Object, patch: Any) -> Object:
    """RFC 6902."""
    if not isinstance(patch, list):
        raise PatchFormatError(
            "json: cannot unmarshal object into Go value of type jsonpatch.Patch"
        )
    if len(patch) > 10_000:
        raise PatchFormatError("the allowed maximum operations in a JSON patch is 10000")
    try:
        found = _one_by_one(copy.deepcopy(value), jsonpatch.JsonPatch(patch))
    except jsonpatch.InvalidJsonPatch as error:
        raise PatchFormatError(str(error)) from None
    except (jsonpatch.JsonPatchException, jsonpointer.JsonPointerException) as error:
        raise PatchError(str(error)) from None
    except (TypeError, KeyError, IndexError) as error:
        raise PatchError(f"{type(error).__name__}: {error}") from None
    if not isinstance(found, dict):
        raise PatchError("the patch leaves no object")
    if bodies.is_too_deep(found):
        raise PatchError("the patch leaves more objects in one another than are taken")
    return found


def _one_by_one(value: Any, patch: jsonpatch.JsonPatch) -> Any:
    """Each operation in turn; copies of copies double, so their sizes are added up and bounded."""
    copied = 0
    for operation in patch.patch:
        if operation["op"] == "copy":
            copied += len(json.dumps(jsonpointer.resolve_pointer(value, operation["from"])))
            if copied > bodies.LIMIT:
                raise PatchFormatError(
                    "Unable to complete the copy, the accumulated size increase of copy is "
                    f"{copied}, exceeding the limit {bodies.LIMIT}"
                )
        value = jsonpatch.JsonPatch([operation]).apply(value, in_place=True)
    return value


def merge_patch(value: Any, patch: Any) -> Any:
    """RFC 7396. The value may be changed."""
    if not isinstance(patch, dict):
        return patch
    found = value if isinstance(value, dict) else {}
    for name, each in patch.items():
        if each is None:
            found.pop(name, None)
        else:
            found[name] = merge_patch(found.get(name), each)
    return found


def strategic_merge_patch(value: Any, patch: Any) -> Any:
    """A merge patch in which some lists are merged by key, with `$patch` directives.

    The value may be changed.
    """
    if not isinstance(patch, dict):
        return patch
    if patch.get("$patch") == "replace":
        return {name: each for name, each in patch.items() if name != "$patch"}
    found = value if isinstance(value, dict) else {}
    if "$retainKeys" in patch:
        found = {name: each for name, each in found.items() if name in patch["$retainKeys"]}
    for name, each in patch.items():
        if name.startswith("$deleteFromPrimitiveList/"):
            _drop(found, name.partition("/")[2], each)
        elif name.startswith("$"):
            continue
        elif each is None or (isinstance(each, dict) and each.get("$patch") == "delete"):
            found.pop(name, None)
        elif isinstance(each, list) and name in _MERGE_KEYS:
            found[name] = _merge_list(found.get(name) or [], each, _MERGE_KEYS[name])
        else:
            found[name] = strategic_merge_patch(found.get(name), each)
    return found


def _drop(value: Object, name: str, gone: list[Any]) -> None:
    if not isinstance(gone, list):
        raise PatchFormatError(f"$deleteFromPrimitiveList/{name} is no list")
    value[name] = [each for each in value.get(name) or [] if each not in gone]


def _merge_list(old: list[Any], patch: list[Any], key: str) -> list[Any]:
    if key and not all(isinstance(each, dict) for each in (*old, *patch)):
        raise PatchFormatError("a list that is merged by key may hold objects only")
    if not key:
        return [*old, *(each for each in patch if each not in old)]
    if any(each.get("$patch") == "replace" for each in patch):
        return [each for each in patch if "$patch" not in each]
    found = copy.copy(old)
    for each in patch:
        at = next((i for i, item in enumerate(found) if item.get(key) == each.get(key)), None)
        if each.get("$patch") == "delete":
            if at is not None:
                del found[at]
        elif at is None:
            found.append(each)
        else:
            found[at] = strategic_merge_patch(found[at], each)
    return found
