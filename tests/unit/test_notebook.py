"""What a notebook shows: cards of HTML that are small, whole and escaped, and one line for every result."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from html.parser import HTMLParser
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import wareloom as wl
from conftest import small_shop
from lively import lively
from wareloom.core import notebook
from wareloom.experiment.result import Proof
from wareloom.proof.leaderboard import Leaderboard
from wareloom.rankers.baseline.transitions import Transitions

HOSTILE = "<script>alert(1)</script>\"'&\n{{7*7}}" + "x" * 5000
ALLOWED = {"div", "style", "p", "span", "strong", "table", "caption", "thead", "tbody", "tr", "th", "td"}  # fmt: skip


class Read(HTMLParser):
    """What a browser reads: tags in order, every one closed, and the text."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.open: list[str] = []
        self.text = ""
        self.style = ""
        self.attributes: dict[str, set[str]] = {}
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.open.append(tag)
        for name, value in attrs:
            self.attributes.setdefault(name, set()).add(str(value))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "style":
            self.style += data
        else:
            self.text += data


def whole(html: str) -> Read:
    """A card that a browser reads whole, and that asks for nothing and runs nothing."""
    read = Read(html)
    assert read.open == []
    assert set(read.tags) <= ALLOWED
    assert set(read.attributes) <= {"class", "scope", "colspan"}
    assert len(html.encode()) < notebook.LARGEST
    assert "url(" not in read.style
    assert "@import" not in read.style
    assert "prefers-color-scheme:dark" in read.style
    return read


@cache
def results() -> dict[str, Any]:
    """One of each result, made of a small shop."""
    shop = lively(60, 5)
    parts = wl.split(shop)
    run = wl.Run(seed=1, threads=1)
    model = wl.ranker("popularity").fit(parts.train, run)
    sample = wl.synthesizer("shuffled").fit(parts.train, run).sample(20, run)
    return {
        "Shop": shop,
        "Split": parts,
        "Comparison": wl.compare(parts.train, sample, parts.test, measures=("popularity",), groups=5, run=run),
        "Leaderboard": wl.leaderboard(shop, ["popularity", "personal"], seeds=1, run=run),
        "Recipe": wl.Recipe.of({"stages": ("prove",), "name": "job"}),
        "Proof": wl.prove(shop, seeds=1, ratios=(1.0,), run=run),
        "Judged": wl.evaluate(model, parts, run=run),
        "Screened": wl.screen(sample, parts.train, screens=("schema", "copies"), run=run),
        "Log": wl.Log.of(shop),
        "Requests": wl.Requests.sessions([["i1", "i2"], ["i3"]]),
        "Popularity": model,
    }  # fmt: skip


CARDS = ("Shop", "Split", "Proof", "Leaderboard", "Comparison", "Recipe", "Judged", "Screened")


@pytest.mark.parametrize("kind", [*CARDS, "Log", "Requests", "Popularity"])
def test_a_repr_is_one_short_line_that_begins_with_what_it_is(kind: str) -> None:
    said = repr(results()[kind])
    assert said.startswith(f"{kind}(")
    assert "\n" not in said
    assert len(said) < 120


@pytest.mark.parametrize("kind", CARDS)
def test_a_card_is_small_whole_and_says_what_it_is(kind: str) -> None:
    read = whole(results()[kind]._repr_html_())
    assert read.text.startswith(kind) or kind in read.text.split("\n")[0]


def test_a_card_has_the_figures_of_its_result() -> None:
    made = results()
    shop, proof, board = made["Shop"], made["Proof"], made["Leaderboard"]
    text = Read(shop._repr_html_()).text
    assert f"{shop.rows('events'):,}" in text
    assert f"{shop.rows('items'):,}" in text
    assert str(proof) in Read(proof._repr_html_()).text
    assert proof.headline()["against"][0] in Read(proof._repr_html_()).text
    assert f"{board.data['rows'][0]['mean']:.4g}" in Read(board._repr_html_()).text
    parts = made["Split"]
    assert f"{parts.test.rows('events'):,}" in Read(parts._repr_html_()).text
    assert f"{parts.test.rows('events'):,} test events" in repr(parts)
    figure = made["Comparison"].to_polars()["value"][0]
    assert f"{figure:.4g}" in Read(made["Comparison"]._repr_html_()).text


@pytest.mark.parametrize("kind", CARDS)
def test_a_card_of_names_that_would_break_a_page_is_whole(kind: str) -> None:
    """Every text of a result may come from somebody's shop."""
    shop = hostile_shop()
    made: Any
    if kind == "Shop":
        made = shop
    elif kind == "Split":
        made = wl.split(shop, parts=(0.5, 0.2, 0.3), by="user")
    elif kind in ("Proof", "Leaderboard", "Comparison"):
        cls = type(results()[kind])
        made = cls(poisoned(results()[kind].data))
    elif kind == "Recipe":
        made = wl.Recipe.of({"stages": ("prove",), "name": HOSTILE})
    elif kind == "Judged":
        frame = results()[kind].table.with_columns(metric=pl.lit(HOSTILE))
        made = type(results()[kind])(HOSTILE, 3, pl.concat([frame] * 200))
    else:
        made = type(results()[kind])(shop, report={HOSTILE: {"seen": 1, "reasons": {HOSTILE: 1}}})
    read = whole(made._repr_html_())
    assert "<script>alert(1)" in read.text
    assert "\n" not in repr(made)
    assert len(repr(made)) < 120


def hostile_shop() -> wl.Shop:
    shop = small_shop()
    return wl.Shop({n: shop.scan(n) for n in shop.names}, {"name": HOSTILE, HOSTILE: HOSTILE})


def poisoned(value: Any) -> Any:
    """The same with every text that no program reads made hostile, and lists made long."""
    kept = {"ties", "metric", "slice", "kind", "shuffled", "all", "file"}
    if isinstance(value, dict):
        return {k: v if k in kept else poisoned(v) for k, v in value.items()}
    if isinstance(value, list):
        return [poisoned(one) for one in value] * (
            50 if value and isinstance(value[0], dict) else 1
        )
    return HOSTILE if isinstance(value, str) else value


def test_a_card_counts_the_rows_that_it_has_no_room_for() -> None:
    rows = [("name" * 15, number) for number in range(5000)]
    read = whole(notebook.card("Kind", "title", {}, [notebook.Table("all", ("a", "b"), rows)]))
    drawn = read.tags.count("tr") - 2
    assert f"and {5000 - drawn:,} more" in read.text
    assert drawn > 20


@given(st.text(), st.text(), st.dictionaries(st.text(max_size=9), st.text(), max_size=14))
def test_whatever_a_card_is_told_it_shows_and_runs_nothing(kind: str, title: str, facts: Any) -> None:  # fmt: skip
    # What a parser of HTML takes for a line's end, or leaves out, is not what is tested here.
    kind, title = (re.sub(r"[\x00\r]", "", text) for text in (kind, title))
    table = notebook.Table(title, (kind, title), [(kind, title)] * 3)
    read = whole(notebook.card(kind, title, facts, [table], note=title))
    if title and len(title) < 50:
        assert read.text.count(title) >= 3


@given(st.text(min_size=1, max_size=40), st.lists(st.text(), max_size=5))
def test_a_line_is_one_line(kind: str, said: list[str]) -> None:
    kind = "".join(kind.split())[:30] or "Kind"
    shown = notebook.line(kind, *said)
    assert len(shown.splitlines()) == 1
    assert len(shown) < 120


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (None, "–"),
        (True, "yes"),
        (1234567, "1,234,567"),
        (0.123456, "0.1235"),
        (2.5e7, "25,000,000"),
        ([1, None], "1, –"),
        ({"a": False}, "a no"),
    ],
)
def test_values_are_written_for_people(value: Any, wanted: str) -> None:
    assert notebook.text_of(value) == wanted


def test_a_shop_that_nothing_is_known_of_is_printed_without_computing_it() -> None:
    def never(frame: pl.DataFrame) -> pl.DataFrame:
        raise AssertionError("was computed")

    lazy = {"items": small_shop().scan("items").map_batches(never)}
    shop = wl.Shop.trusted(lazy)
    assert repr(shop) == "Shop(items)"
    assert "–" in Read(shop._repr_html_()).text


def test_rows_that_are_known_are_those_that_there_are(tmp_path: Any) -> None:
    shop = small_shop()
    parts = wl.split(shop, by="user", parts=(0.6, 0.2, 0.2))
    for one in (shop, shop.save(tmp_path / "shop"), shop.in_memory(), *parts, parts.held_out()):
        assert one.counted == {name: one.rows(name) for name in one.counted}
    less = shop.with_tables(events=shop.table("events").head(3), items=shop.scan("items"))
    assert less.counted.get("events") == 3
    assert "items" not in less.counted


@dataclass(kw_only=True, eq=False)
class Talkative(Transitions):
    """A ranker of somebody's own with settings that are long."""

    words: tuple[str, ...] = ()
    """Words."""


def test_an_algorithm_of_ones_own_is_one_line_too() -> None:
    said = repr(Talkative(words=tuple(f"word {i}\n" for i in range(500))))
    assert said.startswith("Talkative(words=('word 0")
    assert len(said) < 120
    assert "\n" not in said


def test_the_line_of_an_algorithm_names_changed_settings_and_says_whether_it_is_fitted() -> None:
    model = wl.ranker("ease", max_items=77)
    assert repr(model) == "EASE(max_items=77)"
    assert repr(wl.ranker("ease")) == "EASE()"
    assert repr(model.fit(small_shop())) == "EASE(max_items=77, fitted)"


def test_a_leaderboard_and_a_proof_are_opened_as_they_were_saved(tmp_path: Any) -> None:
    board = results()["Leaderboard"]
    board.save(tmp_path / "board")
    again = Leaderboard.open(tmp_path / "board")
    assert again.table()["ranker"].to_list() == board.table()["ranker"].to_list()
    assert repr(again) == repr(board)
    (tmp_path / "board" / "leaderboard.json").write_text("[]")
    with pytest.raises(wl.WareloomError, match=r"leaderboard.json is no leaderboard: was it edited\?"):  # fmt: skip
        Leaderboard.open(tmp_path / "board")
    results()["Proof"].save(tmp_path / "proof")
    assert repr(Proof.open(tmp_path / "proof")) == repr(results()["Proof"])
