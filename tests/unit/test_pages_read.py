"""Pages of every kind, of results as they were once written: what they hold for who reads, hears or prints them."""

from __future__ import annotations

import re
from html import unescape
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest

from page_samples import HERE, NAMES, PROOFS, page, sample
from wareloom.core.sentences import LANGUAGES, Say
from wareloom.errors import SourceError
from wareloom.experiment.result import Proof
from wareloom.proof.story import story
from wareloom.report.anything import page_of, result_at
from wareloom.report.conclusion import answers, conclusion

HAN = re.compile(r"[\u4e00-\u9fff]")


class Laid(HTMLParser):
    """Headings, tables, figures and identifiers of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.quiet = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.quiet = tag in ("style", "script", "pre")

    def handle_endtag(self, tag: str) -> None:
        self.quiet = False

    def handle_data(self, data: str) -> None:
        if not self.quiet and data.strip():
            self.words.append(data.strip())

    def all(self, *names: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag in names]


BESIDE = {"advice": {"proof/report.html"}}
"""Pages in the same folder that a page leads to; it shows nothing of them by itself"""


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", NAMES)
def test_a_page_is_whole_small_and_the_same_again(name: str, language: str) -> None:
    text = page(name, language)
    assert text == page(name, language)
    assert len(text.encode()) < 1_000_000
    assert "<script" not in text
    assert "default-src 'none'" in unescape(text)
    held = r'(?:src|href)="(?!#|data:image/jpeg;base64,)([^"]*)"'
    assert set(re.findall(held, text)) <= BESIDE.get(name, set())
    assert ' style="' not in text


@pytest.mark.parametrize("name", NAMES)
def test_a_page_is_laid_out_for_who_does_not_see_it(name: str) -> None:
    laid = Laid(page(name))
    levels = [int(tag[1]) for tag, _ in laid.tags if re.fullmatch("h[1-6]", tag)]
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(b - a <= 1 for a, b in pairwise(levels)), levels
    assert [len(laid.all(tag)) for tag in ("main", "header", "footer")] == [1, 1, 1]
    assert laid.all("html")[0]["lang"] == "en"
    assert len(laid.all("table")) == len(laid.all("caption"))
    assert {each.get("scope") for each in laid.all("th")} == {"col", "row"}
    names = [each["aria-label"] for each in laid.all("div") if each.get("role") == "region"]
    assert len(names) == len(set(names)) == len(laid.all("table"))
    for each in laid.all("svg"):
        assert (
            each.get("aria-hidden") == "true"
            or each.get("aria-label")
            or "y" in each
            or "x" in each
            or "viewbox" in each
        )
    ids = [each["id"] for _, each in laid.tags if each.get("id")]
    assert len(ids) == len(set(ids))
    links = {str(each["href"]) for each in laid.all("a")} - BESIDE.get(name, set())
    assert links <= {f"#{each}" for each in ids}


@pytest.mark.parametrize("name", NAMES)
def test_a_chinese_page_has_no_english_sentence(name: str) -> None:
    """What stays in Latin letters are names, signs, and reasons of the data's own: never many words in a row."""
    laid = Laid(page(name, "zh"))
    assert laid.all("html")[0]["lang"] == "zh-Hans"
    english = [
        each
        for each in laid.words
        if len(re.findall(r"\b[A-Za-z]{2,}\b", each)) > 6
        and len(HAN.findall(each)) < 5
        and not re.search(r"[>_+]", each)
    ]
    assert english == []


@pytest.mark.parametrize("name", PROOFS)
def test_the_story_is_told_as_it_was_when_the_proof_was_written(name: str) -> None:
    data = sample(name)
    told = story(data)
    own = data["story"]
    assert told | {"references": own["references"]} == own
    assert told["references"] == own["references"][: len(told["references"])]
    anew = story(data, Say("zh"))
    assert all(HAN.search(anew[key]) for key in ("finding", "controls", "slices"))
    assert all(HAN.search(each) for each in anew["next"])


@pytest.mark.parametrize("name", PROOFS)
def test_a_proof_leads_with_four_answers(name: str) -> None:
    data = sample(name)
    for language in LANGUAGES:
        found = answers(data, Say(language))
        assert len({each.question for each in found}) == len(found) == 4
        assert all(each.answer and each.tone for each in found)
        text = page(name, language)
        first = text.index('class="answers"')
        assert text.index("<h1") < first < text.index("<figure")


def test_what_may_be_concluded() -> None:
    """The planted outcomes: each from a proof whose verdicts are written over."""
    data = sample("recommendation")
    rows = {"against": "real, direct labels", "verdict": "rows help", "sentence": "s"}

    def is_(verdict: str, **changes: object) -> str:
        return conclusion({**data, "verdict": verdict, **changes})

    labels = {**data["comparisons"][0], "arm": "real, direct labels", "against": "real"}
    labels |= {"slice": "all", "verdict": "helps", "metric": data["decisive"]["metric"]}
    labels |= {"ties": data["decisive"]["ties"]}
    taught = [*data["comparisons"], labels]
    assert is_("helps") == "rows alone"
    assert is_("helps, but", rows=rows) == "rows"
    assert is_("helps", rows=rows | {"verdict": "no evidence"}) == "labels too"
    assert is_("helps", rows=rows | {"verdict": "distil"}) == "labels too"
    assert is_("no evidence") == "nothing"
    assert is_("hurts") == "hurts"
    assert is_("no evidence", comparisons=taught) == "labels"
    for verdict in ("helps", "helps, but", "no evidence", "hurts"):
        for language in LANGUAGES:
            shown = answers({**data, "verdict": verdict, "comparisons": taught}, Say(language))
            assert all(each.answer for each in shown)


def test_samples_are_whole(tmp_path: Path) -> None:
    for name in PROOFS:
        (tmp_path / "proof.json").write_bytes((HERE / f"{name}.json").read_bytes())
        assert Proof.open(tmp_path).verdict


def test_a_result_is_found_or_said_to_be_none(tmp_path: Path) -> None:
    job = tmp_path / "job" / "proof"
    job.mkdir(parents=True)
    (job / "proof.json").write_bytes((HERE / "search.json").read_bytes())
    assert result_at(tmp_path / "job") == job / "proof.json"
    assert page_of(job) == page("search")
    with pytest.raises(SourceError, match="holds no result: give the folder"):
        page_of(tmp_path)
    other = tmp_path / "other.json"
    other.write_text("[1]")
    with pytest.raises(SourceError, match="is no result that has a page"):
        page_of(other)
    other.write_text('{"decisive": {}, "arms": [], "comparisons": []}')
    with pytest.raises(SourceError, match="no whole result"):
        page_of(other)
