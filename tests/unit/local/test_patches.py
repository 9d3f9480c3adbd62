"""Patches of objects, as tables: before, patch, after."""

from typing import Any

import pytest

from controller.local import patches

OWNER = {"uid": "1", "name": "a"}


@pytest.mark.parametrize(
    ("before", "patch", "after"),
    [
        pytest.param({"a": 1}, {"b": 2}, {"a": 1, "b": 2}, id="a new name is added"),
        pytest.param({"a": 1}, {"a": None}, {}, id="null removes"),
        pytest.param({"a": {"b": 1}}, {"a": {"c": 2}}, {"a": {"b": 1, "c": 2}}, id="maps merge"),
        pytest.param({"a": [1, 2]}, {"a": [3]}, {"a": [3]}, id="lists are replaced"),
        pytest.param({"a": 1}, {"a": {"b": None}}, {"a": {}}, id="nulls do not stay in new maps"),
    ],
)
def test_merge_patch(before: Any, patch: Any, after: Any) -> None:
    assert patches.merge_patch(before, patch) == after


@pytest.mark.parametrize(
    ("before", "patch", "after"),
    [
        pytest.param(
            {"finalizers": ["a"]},
            {"finalizers": ["b"]},
            {"finalizers": ["a", "b"]},
            id="finalizers are added",
        ),
        pytest.param(
            {"finalizers": ["a", "b"]},
            {"$deleteFromPrimitiveList/finalizers": ["a"]},
            {"finalizers": ["b"]},
            id="and removed by name",
        ),
        pytest.param(
            {"ownerReferences": [OWNER]},
            {"ownerReferences": [{"uid": "1", "name": "b"}]},
            {"ownerReferences": [{"uid": "1", "name": "b"}]},
            id="owners merge by uid",
        ),
        pytest.param(
            {"ownerReferences": [OWNER]},
            {"ownerReferences": [{"uid": "1", "$patch": "delete"}]},
            {"ownerReferences": []},
            id="and are deleted by uid",
        ),
        pytest.param(
            {"data": {"a": 1}},
            {"data": {"$patch": "replace", "b": 2}},
            {"data": {"b": 2}},
            id="a map is replaced when asked",
        ),
        pytest.param(
            {"data": {"a": 1, "b": 2}},
            {"data": {"$retainKeys": ["b"], "b": 3}},
            {"data": {"b": 3}},
            id="only named keys are kept",
        ),
        pytest.param({"data": {"a": 1}}, {"data": {"a": None}}, {"data": {}}, id="null removes"),
        pytest.param(
            {"versions": [1]}, {"versions": [2]}, {"versions": [2]}, id="other lists are replaced"
        ),
    ],
)
def test_strategic_merge_patch(before: Any, patch: Any, after: Any) -> None:
    assert patches.strategic_merge_patch(before, patch) == after


@pytest.mark.parametrize(
    "patch",
    [
        pytest.param([{"op": "test", "path": "/a", "value": 2}], id="a test that fails"),
        pytest.param([{"op": "remove", "path": "/b"}], id="a path that is not there"),
        pytest.param([{"op": "replace", "path": "", "value": []}], id="no object is left"),
    ],
)
def test_a_json_patch_that_does_not_apply(patch: Any) -> None:
    before = {"a": 1}
    with pytest.raises(patches.PatchError):
        patches.json_patch(before, patch)
    assert before == {"a": 1}


@pytest.mark.parametrize("patch", [{}, [{"op": "zap", "path": "/a"}], [{"path": "/a"}], [1]])
def test_what_is_no_json_patch(patch: Any) -> None:
    with pytest.raises(patches.PatchFormatError):
        patches.json_patch({"a": 1}, patch)
