"""The pages: whatever a shop calls its things is shown as it stands, once escaped, and runs nothing."""

from __future__ import annotations

import copy
import json
import re
import subprocess
import sys
from dataclasses import fields
from html import unescape
from html.parser import HTMLParser
from importlib.resources import files
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import StrictUndefined, UndefinedError
from markupsafe import escape

import wareloom as wl
from conftest import exposures, small_shop
from lively import lively
from search_shop import search_shop
from wareloom.core.run import Run
from wareloom.core.sentences import LANGUAGES, Say
from wareloom.report import render
from wareloom.report.charts import Axis, Bars, Dots, Lines, Mark, Row, Series
from wareloom.report.comparison import ComparisonPage, comparison_page, view_of
from wareloom.report.interactive import drawn, library, plain
from wareloom.report.page import ProofPage, proof_page
from wareloom.report.templating import coded, environment, filled
from wareloom.report.views import Cell, table
from wareloom.sampling.generator import Generator

RUN = Run(seed=3, threads=1)
FEW: dict[str, Any] = {"ratios": (1.0,), "seeds": 2}
TREES: dict[str, Any] = {"ranker_settings": {"trees": 10, "min_rows": 5}}
HOSTILE = (
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    """both "quotes' and & &amp; <b>""",
    "{{7*7}} {% raw %} %{x} %{customdata[0]}",
    "</title></style><!-- ]]>",
)
CLEANED: dict[str, dict[str, Any]] = {
    "tables": {
        "events": {"before": 1200, "rejected": {"no user": 3, "zero": 0}, "after": 1197},
        "items": {"before": 10, "changed": {"upper case": 1}, "after": 10},
    }
}
KINDS = ("recommendation", "clicks", "search", "unlabelled search")


class Read(HTMLParser):
    """What a browser reads in a page: its tags with their attributes, its text, its scripts."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, tuple[str, ...]]] = []
        self.words: list[str] = []
        self.scripts: list[str] = []
        self.inside = ""
        self.links: list[str | None] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, tuple(sorted(name for name, _ in attrs))))
        self.links += [value for name, value in attrs if name in ("src", "href")]
        self.inside = tag

    def handle_endtag(self, tag: str) -> None:
        self.inside = ""

    def handle_data(self, data: str) -> None:
        if self.inside == "script":
            self.scripts.append(data)
        elif self.inside != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def renamed(value: Any, names: dict[str, str]) -> Any:
    """Write other names wherever these stand in the data's values."""
    if isinstance(value, str):
        for old, new in names.items():
            value = value.replace(old, new)
        return value
    if isinstance(value, list):
        return [renamed(each, names) for each in value]
    if isinstance(value, dict):
        return {key: renamed(each, names) for key, each in value.items()}
    return value


@pytest.fixture(scope="module")
def proofs() -> dict[str, dict[str, Any]]:
    shown, _ = exposures(1500)
    untold = {"primary": "catalogue", "catalogue_metrics": ("ndcg@10",), "single_grade": True}
    lexical = Generator(synthesizer="lexical", settings={"round_trip": 0, "graded": 4}, screens=())
    asked = small_shop(users=80), {"shares": (0.5, 1.0), "lift_by_ratio": True}
    found = {
        "recommendation": wl.prove(asked[0], run=RUN, **FEW, **asked[1]),
        "clicks": wl.prove(shown, of="clicks", run=RUN, **FEW, baselines={}),
        "search": wl.prove(
            search_shop(80),
            of="search",
            run=RUN,
            synthesizer="search_shop:TitleQueries",
            **FEW,
            **TREES,
        ),
        "unlabelled search": wl.prove(
            search_shop(80),
            of="search",
            run=RUN,
            generator=lexical,
            seeds=2,
            labelled=0,
            queries=40,
            **TREES,
            **untold,
        ),
    }
    return {kind: json.loads(json.dumps(proof.data)) for kind, proof in found.items()}


@pytest.fixture(scope="module")
def compared() -> dict[str, Any]:
    measures = ("activity", "funnel", "hours", "discriminator")
    how = {"settings": {"discriminator": {"trees": 5, "folds": 2}}, "measures": measures}
    data = wl.compare(lively(60, 1, "r"), lively(50, 2, "f"), run=RUN, **how).data
    data = json.loads(json.dumps(data))
    signs = [{"sign": "shoe", "kind": "word", "real": 0.1, "synthetic": 0.2}]
    spoken = data["figures"][0] | {"about": {"signs": signs, "queries": 40}}
    return data | {
        "figures": [*data["figures"], spoken],
        "queries": {"compared": 40, "reference": "held out"},
        "left_out": {"images": "no pictures"},
        "notes": ["A note."],
    }


def many(data: dict[str, Any]) -> dict[str, Any]:
    """A proof with all that a page can tell: two orders of ties, members, refusals, updates, a sampling."""
    data = copy.deepcopy(data)
    for key in ("arms", "comparisons", "baselines", "training"):
        data[key] += [row | {"ties": "shuffled"} for row in data[key]]
    data["modes"] *= 2
    data["modes"][0] |= {"ties": data["decisive"]["ties"]}
    data["baselines"].append({"ranker": "bpr", "refused": "it is too slow"})
    data["arms_left_out"]["teacher"] = "the generator cannot rank"
    whole = [row for row in data["comparisons"] if row["slice"] == "all"][:2]
    members = [row | {"without": "markov", "lift_without": 0.01} for row in whole]
    data["explored"] = data["explored"] | {"members": members}
    for row in data["training"]:
        row["updates"] = [1000, 2000]
    data["power"] = [row | {"named": True, "power": 0.5} for row in data["power"]]
    taken = {"kept": 9, "asked": 10, "drawn": 20, "acceptance": 0.5, "warning": "Few passed."}
    data["modes"][0]["synthetic"]["sampling"] = taken
    return data


def unlifted(data: dict[str, Any]) -> dict[str, Any]:
    """A proof where real data alone reaches nothing."""
    data = copy.deepcopy(data)
    for row in data["comparisons"]:
        row |= {"lift": None, "lift_low": None, "lift_high": None}
    for row in data["power"]:
        row |= {"detectable_lift": None, "effect_lift": None}
    return data


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", KINDS)
def test_every_variable_is_there(
    kind: str, language: str, proofs: dict[str, dict[str, Any]]
) -> None:
    data = proofs[kind]
    for each in (data, many(data), unlifted(data)):
        page = render(each, CLEANED, language)
        assert page == render(json.loads(json.dumps(each)), CLEANED, language)
        assert Say(language)("made.cleaned") in page
        assert len(page.encode()) < 500_000


def test_a_page_says_what_the_synthetic_data_keeps_of_real_users(
    proofs: dict[str, dict[str, Any]],
) -> None:
    data = proofs["recommendation"]
    assert data["modes"][0]["synthetic"]["keeps"] == "people", "the default has outlines"
    people, counted = (str(escape(Say()(f"made.keeps_{whose}"))) for whose in ("people", "counts"))
    assert people in render(data)
    counts = json.loads(json.dumps(data))
    counts["modes"][0]["synthetic"]["keeps"] = "counts"
    assert counted in render(counts)
    assert people not in render(counts)


def test_every_variable_of_a_comparison_is_there(compared: dict[str, Any]) -> None:
    page = comparison_page(compared)
    assert page == comparison_page(json.loads(json.dumps(compared)))
    for heading in ("betrays the synthetic users", "betrays the synthetic queries", "left out"):
        assert heading in page
    nothing = {"figures": [], "users": None, "queries": None, "left_out": {}, "notes": []}
    assert "0 of 0 figures" in comparison_page(compared | nothing)


def test_a_variable_that_is_not_there_is_an_error() -> None:
    assert environment().undefined is StrictUndefined
    with pytest.raises(UndefinedError):
        filled("proof.html.j2", object())


def test_nothing_of_a_view_is_marked_safe(
    proofs: dict[str, dict[str, Any]], compared: dict[str, Any]
) -> None:
    """Views hold plain values and charts as data; what draws them escapes, which is held by the tests below."""

    def safe(value: Any) -> list[str]:
        if hasattr(value, "__html__"):
            return [str(value)]
        if isinstance(value, tuple):
            return [found for each in value for found in safe(each)]
        if hasattr(value, "__dataclass_fields__"):
            return [found for f in fields(value) for found in safe(getattr(value, f.name))]
        assert value is None or isinstance(value, str | int | float | bool)
        return []

    pages: list[ProofPage | ComparisonPage] = [proof_page(many(proofs[kind])) for kind in KINDS]
    for page in (*pages, view_of(compared, Say())):
        assert safe(page) == []


def hostile_pages(
    name: str, proofs: dict[str, dict[str, Any]], compared: dict[str, Any]
) -> list[tuple[str, str]]:
    """Calm pages, each with the one whose shop, rankers, metric, slice and reasons are called `name`."""
    pages = []
    for kind in KINDS:
        data = many(proofs[kind])
        data["shop"]["meta"]["name"] = "THE SHOP"
        names = {"THE SHOP": name, data["decisive"]["metric"]: f"m {name}", "bpr": name}
        names |= {"tail": f"s {name}", "too slow": name, "cannot rank": name}
        names |= {"real + synthetic against": name, data["settings"]["ranker"]: f"r {name}"}
        hostile = {"tables": {"events": CLEANED["tables"]["events"] | {"rejected": {name: 3}}}}
        hostile["tables"][name] = CLEANED["tables"]["items"]
        pages.append((render(data, CLEANED), render(renamed(data, names), hostile)))
    data = compared | {"shops": {"real": {"meta": {"name": "THE SHOP"}}}}
    names = {"THE SHOP": name, "purchase": name, "activity": name, "pictures": name, "shoe": name}
    pages.append((comparison_page(data), comparison_page(renamed(data, names))))
    return pages


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_is_shown_as_it_stands_and_runs_nothing(
    name: str, proofs: dict[str, dict[str, Any]], compared: dict[str, Any]
) -> None:
    for calm, page in hostile_pages(name, proofs, compared):
        one, two = Read(calm), Read(page)
        assert two.tags == [(tag, attributes) for tag, attributes in one.tags], (
            "the same tags, whatever the names"
        )
        assert " ".join(name.split()) in two.text
        assert not re.search(r"&(amp|lt|gt|#39|#34|quot);", two.text.replace("&amp; <b>", "")), (
            "escaped once"
        )
        assert two.scripts == one.scripts == []
        assert all(link is not None and link.startswith("#") for link in two.links)
        assert not {"onerror", "onload", "style"} & {a for _, names in two.tags for a in names}


@pytest.mark.parametrize("name", HOSTILE)
def test_an_interactive_chart_holds_a_hostile_name_as_data(name: str) -> None:
    row = Row(name, (Mark(1.0, 0.5, 1.5),), name, name)
    line = Series(name, (1.0, 2.0), (1.0, 2.0), (0.5, 1.0), (1.5, 3.0))
    for chart in (
        Dots(name, (row,), Axis(name), line=0.0, band=(-1.0, 1.0), series=(("s0", name),)),
        Bars(name, (row,), Axis(name)),
        Lines(name, (line,), Axis(name, log=True), Axis(name), line=1.0),
    ):
        read = Read(f"<p>{drawn(chart, 'one', Say())}</p>")
        assert {tag for tag, _ in read.tags} <= {
            "p",
            "figure",
            "figcaption",
            "div",
            "script",
            "details",
            "summary",
            "ul",
            "li",
        }
        script = "".join(read.scripts)
        assert not re.search(r"[<>]", script), "no tag can begin or end within the script"
        found = re.search(r'Plotly\.newPlot\(\s*"one",\s*(\[.*\]),\s*(\{.*\}),\s*\{', script, re.S)
        assert found
        layout = json.loads(found[2])
        told = unescape(layout["xaxis"]["title"]["text"].replace("<br>", " "))
        assert told.split() == name.split()
        assert " ".join(name.split()) in read.text


@pytest.mark.parametrize("kind", KINDS)
def test_charts_answer_the_pointer_on_request_alone(
    kind: str, proofs: dict[str, dict[str, Any]]
) -> None:
    data = proofs[kind]
    assert "<script" not in render(data)
    moving = render(data, interactive=True)
    assert library() in moving
    assert moving.count("Plotly.newPlot(") - library().count("Plotly.newPlot(") == render(
        data
    ).count("<figure>")
    assert moving == render(data, interactive=True)


@given(st.text())
def test_plotly_reads_no_tag_entity_or_variable(text: str) -> None:
    said = plain(text)
    assert unescape(said) == unescape(text.replace("&", "&amp;"))
    assert not re.search(r"[<>]|%\{|&(?!(amp|lt|gt|#123);)", said)


def test_the_library_ends_no_script() -> None:
    assert not re.search(r"</script|<!--", library(), re.I)


def test_templates_ship_with_the_package() -> None:
    folder = files("wareloom.report") / "templates"
    there = sorted(each.name for each in folder.iterdir())
    assert environment().list_templates() == there
    assert {"proof.html.j2", "comparison.html.j2", "base.html.j2", "style.css"} <= set(there)
    for name in there:
        source = (folder / name).read_text(encoding="utf-8")
        assert not re.search(r"\|\s*safe|autoescape|Markup", source), name


def test_tables_put_numbers_to_the_right() -> None:
    laid = table(("name", "n", "mixed"), [("a", 1234, 1), ("b", None, "x"), ("c", 0.123456, True)])
    assert laid.header == (Cell("name"), Cell("n", number=True), Cell("mixed"))
    assert [row[1].text for row in laid.rows] == ["1,234", "–", "0.1235"]
    assert laid.rows[2][2] == Cell("True")
    assert table(("a",), []).header == (Cell("a"),)


def test_pages_load_their_libraries_when_they_are_drawn() -> None:
    code = "import sys, wareloom.report; print({'plotly', 'jinja2'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_code_in_a_sentence_is_marked_and_nothing_else_gets_through() -> None:
    assert coded("Take `a <b>` & go") == "Take <code>a &lt;b&gt;</code> &amp; go"
    assert coded("a ` alone, <i>") == "a ` alone, &lt;i&gt;"
