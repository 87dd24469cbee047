"""The command `report`, and the options of all commands that write a page."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tiny_export import wareloom

from conftest import small_shop
from page_samples import HERE, page
from wareloom.cli._pages import WRITERS, with_pages
from wareloom.core.sentences import Say, pages, writing


@pytest.fixture
def proof(tmp_path: Path) -> Path:
    folder = tmp_path / "proof"
    folder.mkdir()
    (folder / "proof.json").write_bytes((HERE / "search.json").read_bytes())
    return folder


def test_a_page_is_written_anew_in_another_language(proof: Path) -> None:
    said = wareloom("report", proof, "--language", "zh")
    assert (said.code, str(proof / "report.zh.html") in said.out) == (0, True), said
    assert (proof / "report.zh.html").read_text(encoding="utf-8") == page("search", "zh")
    again = wareloom("report", proof, "--language", "zh")
    assert again.code == 0, "its own page is written over"
    assert "report.en.html" in wareloom("report", proof).out


def test_charts_that_answer_the_pointer(proof: Path, tmp_path: Path) -> None:
    place = tmp_path / "moving.html"
    assert wareloom("report", proof, "--interactive", "--to", place).code == 0
    assert place.read_text(encoding="utf-8") == page("search", interactive=True)
    refused = wareloom("report", proof, "--to", place)
    assert refused.code == 2
    assert "exists already" in refused.err
    assert wareloom("report", proof, "--to", place, "--force").code == 0
    assert place.read_text(encoding="utf-8") == page("search")


def test_what_has_no_page_is_said(tmp_path: Path, proof: Path) -> None:
    none = wareloom("report", tmp_path / "nothing")
    assert (none.code, "holds no result" in none.err) == (2, True)
    other = wareloom("report", proof, "--language", "fr")
    assert (other.code, "Pages do not speak 'fr'" in other.err) == (2, True)
    assert list(proof.iterdir()) == [proof / "proof.json"]


@pytest.mark.parametrize("command", WRITERS)
def test_every_command_that_writes_a_page_takes_a_language(command: str) -> None:
    said = wareloom(command, "--help")
    assert said.code == 0
    assert "--language" in said.out
    assert "--interactive" in said.out


def test_a_language_is_refused_before_any_work(tmp_path: Path) -> None:
    said = wareloom("leaderboard", tmp_path / "none", "--to", tmp_path / "b", "--language", "de")
    assert (said.code, "Pages do not speak 'de'" in said.err) == (2, True)


def test_a_leaderboard_has_a_page_in_the_language_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_shop(users=40).save(tmp_path / "shop")
    monkeypatch.setenv("WARELOOM_LANGUAGE", "zh")
    words = ("--rankers", "popularity,transitions", "--seeds", 1, "--ties", "file", "-q")
    said = wareloom("leaderboard", tmp_path / "shop", "--to", tmp_path / "board", *words)
    assert said.code == 0, said.err
    text = (tmp_path / "board" / "leaderboard.html").read_text(encoding="utf-8")
    assert Say("zh")("board.kind") in text
    data = json.loads((tmp_path / "board" / "leaderboard.json").read_text())
    assert data["rows"][0]["ranker"] in text
    assert wareloom("report", tmp_path / "board", "--language", "en").code == 0
    assert "Leaderboard" in (tmp_path / "board" / "leaderboard.en.html").read_text()


def test_what_is_asked_for_holds_for_the_block_alone() -> None:
    with writing("zh", interactive=True):
        assert Say.of() == Say("zh")
        assert Say.of("en") == Say("en")
        assert pages().interactive
    assert Say.of() == Say("en")
    assert not pages().interactive

    def main(count: int = 3) -> tuple[int, str]:
        return count, Say.of().language

    assert with_pages(main)(count=4, language="zh") == (4, "zh")
    assert with_pages(main)() == (3, "en")
