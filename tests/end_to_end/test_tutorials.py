"""The code of the tutorials runs as it stands there, in order, and the Chinese pages have the same code."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest
from tutorial import DOCS, blocks, play

from wareloom.shop import example

TUTORIALS = [*sorted((DOCS / "tutorials").glob("*.md")), DOCS / "getting-started.md"]
PAGES = [*TUTORIALS, DOCS / "how-to" / "from-python.md"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A smaller shop than the reader's, of the same kind.
    monkeypatch.setattr(example, "USERS", 400)
    monkeypatch.setenv("WARELOOM_LEDGERS", str(tmp_path / "ledgers"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    play(page)
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]
    importlib.invalidate_caches()


@pytest.mark.parametrize("page", TUTORIALS, ids=lambda page: page.stem)
def test_the_chinese_page_has_the_same_code(page: Path) -> None:
    theirs = [block.bare() for block in blocks(DOCS / "zh" / page.name)]
    assert theirs == [block.bare() for block in blocks(page)]
