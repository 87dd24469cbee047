"""The README's example runs as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tiny_export import write_export

README = Path(__file__).parents[2] / "README.md"


def test_the_example_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code = re.search(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert code is not None
    write_export(tmp_path / "export")
    monkeypatch.chdir(tmp_path)
    exec(compile(code.group(1), str(README), "exec"), {})
    said = capsys.readouterr().out
    assert "ndcg@10" in said
    assert re.search(r"(helps|hurts)[:,]? ", said)
