"""Files written beside and renamed."""

from __future__ import annotations

from pathlib import Path

import pytest

from wareloom.core.files import beside


def test_a_file_is_whole_or_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "made" / "kept.txt"
    with beside(path) as partial:
        partial.write_text("one")
        assert not path.exists()
    assert path.read_text() == "one"
    with beside(path) as partial:
        partial.write_text("two")
        assert path.read_text() == "one"
    assert path.read_text() == "two"

    def break_off() -> None:
        with beside(path) as partial:
            partial.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        break_off()
    assert path.read_text() == "two"
    assert [p.name for p in path.parent.iterdir()] == ["kept.txt"]
