"""The docs site: reference pages hold what the code has, every page is reached, and every link leads somewhere."""

from __future__ import annotations

import importlib.util
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import wareloom
from wareloom.core.family import FAMILIES

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
MADE = DOCS / "reference" / "generated"
LINK = re.compile(r"(?<!\\)!?\[[^\]]*\]\((?P<target>[^)\s]+)\)")
FENCED = re.compile(r"^( *)```.*?^\1```", re.DOTALL | re.MULTILINE)
CODE = re.compile(r"`[^`\n]*`")


def _tool(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


REFERENCE = _tool("reference")
JOURNAL = _tool("journal")


@cache
def made() -> dict[str, str]:
    """The generated pages by name, whether or not they lie there."""
    pages: dict[str, str] = REFERENCE.pages()
    return pages


@cache
def text_of(page: Path) -> str:
    """The text of a page that is written by hand or generated."""
    return made()[page.name] if page.parent == MADE else page.read_text(encoding="utf-8")


@cache
def pages() -> list[Path]:
    """Every Markdown page of the project."""
    by_hand = [p for p in DOCS.rglob("*.md") if MADE not in p.parents]
    return sorted({*ROOT.glob("*.md"), *by_hand, *(MADE / name for name in made())})


def slug(title: str) -> str:
    """The anchor of a heading, as Python-Markdown makes it; code hosts make the same of plain words."""
    bare = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title)
    bare = re.sub(r"[^\w\s-]", "", bare.encode("ascii", "ignore").decode())
    return re.sub(r"[-\s]+", "-", bare.strip().lower())


@cache
def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings; one that is given stands in braces."""
    found: set[str] = set()
    for title in re.findall(r"^#+ (.*)$", FENCED.sub("", text_of(page)), re.MULTILINE):
        given = re.search(r"\{ *#([\w-]+) *\}", title)
        found.add(given[1] if given else slug(title))
    return found


def links(page: Path) -> Iterator[str]:
    """Where a page leads to within the project."""
    prose = CODE.sub("", FENCED.sub("", text_of(page)))
    for match in LINK.finditer(prose):
        target = match["target"]
        if not re.match(r"[a-z]+:", target):
            yield target


def broken(page: Path) -> list[str]:
    """Links of a page that lead nowhere."""
    lost = []
    for target in links(page):
        path, _, anchor = target.partition("#")
        place = (page.parent / path).resolve() if path else page
        there = place in set(pages()) or (place.exists() and MADE not in place.parents)
        if not there or (anchor and anchor not in anchors(place)):
            lost.append(target)
    return lost


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_leads_somewhere(page: Path) -> None:
    assert broken(page) == []


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    (tmp_path / "other.md").write_text("# One heading\n")
    page.write_text(
        "# A\n[x](none.md) [y](other.md#no) [z](#b) `[code](no)` [ok](other.md) [up](#a)\n"
    )
    assert sorted(broken(page)) == ["#b", "none.md", "other.md#no"]


def listed(nav: Any) -> Iterator[str]:
    """The pages that a table of contents names."""
    for entry in nav:
        if isinstance(entry, str):
            yield entry
        else:
            for value in entry.values():
                yield from [value] if isinstance(value, str) else listed(value)


def test_every_page_is_in_the_table_of_contents_and_there() -> None:
    project = tomllib.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))["project"]
    named = [DOCS / entry for entry in listed(project["nav"])]
    assert len(set(named)) == len(named)
    assert [p for p in named if p not in set(pages())] == []
    # The pages of decisions and benchmarks are reached from the lists that stand in front of them.
    fronts = {DOCS / "decisions", DOCS / "benchmarks"}
    reached = {p for p in pages() if DOCS in p.parents and p.parent not in fronts}
    assert reached - set(named) == set()
    for front in (DOCS / "decisions" / "README.md", DOCS / "benchmarks.md"):
        folder = front.parent if front.name == "README.md" else DOCS / "benchmarks"
        led = {(front.parent / link.partition("#")[0]).resolve() for link in links(front)}
        assert set(folder.glob("*.md")) - led - {front} == set(), front.name


def test_every_command_and_option_is_on_its_page() -> None:
    page = made()["command-line.md"]
    for name, command in REFERENCE.commands().items():
        part = page.partition(f"\n## wareloom {name}\n")[2].partition("\n## ")[0]
        assert part, name
        words = {word for param in command.params for word in param.opts if word[0] == "-"}
        assert [word for word in words - {"--help"} if word not in part] == [], name


@pytest.mark.parametrize("kind", FAMILIES)
def test_every_algorithm_and_setting_is_on_its_page(kind: str) -> None:
    page = made()[REFERENCE.file_of(kind)]
    for entry in FAMILIES[kind].entries():
        part = page.partition(f"\n## {entry.name} {{")[2].partition("\n## ")[0]
        assert entry.summary.split()[0] in part, entry.name
        assert [s.name for s in entry.settings if f"| `{s.name}` |" not in part] == [], entry.name


def test_every_public_name_is_on_the_page_of_python() -> None:
    page = made()["python.md"]
    shown = set(re.findall(r"^::: [\w.]+\.(\w+)$", page, re.MULTILINE))
    assert set(wareloom.__all__) - {"__version__"} <= shown


def test_nothing_of_the_site_comes_from_elsewhere() -> None:
    project = tomllib.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))["project"]
    assert project["theme"]["font"] is False
    assert not [
        u for key in ("extra_css", "extra_javascript") for u in project.get(key, ()) if "//" in u
    ]


@pytest.mark.parametrize("name", ["README.md", "README.zh-CN.md"])
def test_the_readme_is_short_and_its_figures_stand_among_the_benchmarks(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert len(text.splitlines()) < 90
    rows = [line for line in text.splitlines() if line.startswith("| ") and "---" not in line]
    told = {figure for row in rows for figure in re.findall(r"(?<![\d.])\d*\.?\d+", row)}
    # What says which question is asked: places of a metric, shares of users, ε, labels.
    told -= {"10", "5", "8", "200"}
    measured = "".join(
        page.read_text(encoding="utf-8") for page in (DOCS / "benchmarks").glob("*.md")
    )
    known = {float(figure) for figure in re.findall(r"\d*\.?\d+", measured)}
    assert len(told) > 10
    assert [figure for figure in sorted(told) if float(figure) not in known] == []


READ_ALOUD = [
    ROOT / "README.md",
    *(DOCS / name for name in ("index.md", "getting-started.md", "glossary.md")),
    *sorted(
        p for room in ("tutorials", "how-to", "explanation") for p in (DOCS / room).glob("*.md")
    ),
]


def sentences(text: str) -> Iterator[str]:
    """The sentences of a page, and what stands in the cells of its tables; code and quoted output are left out."""
    text = re.sub(r"<!--.*?-->", "", FENCED.sub("", text), flags=re.DOTALL)
    lines = [line for line in text.splitlines() if not line.startswith(("    ", ">", "<"))]
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", CODE.sub("X", "\n".join(lines)))
    for block in re.split(r"\n\s*\n|\n(?=[-#|]|\d+\. )|\|", text):
        yield from re.split(r"(?<=[.!?:;])\s+", re.sub(r"\s+", " ", block).strip())


@pytest.mark.parametrize("page", READ_ALOUD, ids=lambda page: page.stem)
def test_a_sentence_can_be_read_aloud(page: Path) -> None:
    counted = {
        s: len(re.findall(r"\w[\w'’.%-]*", s)) for s in sentences(page.read_text(encoding="utf-8"))
    }
    assert {s: words for s, words in counted.items() if words > 25} == {}


def test_long_sentences_are_counted() -> None:
    long = " ".join(["word"] * 26)
    assert long + "." in [*sentences(f"# A title\n\nShort.\n{long}.\n\n| cell | other |\n")]


def test_the_journal_is_newest_first_and_its_index_is_whole() -> None:
    text = JOURNAL.PAGE.read_text(encoding="utf-8")
    assert text == JOURNAL.ordered(text), "run python tools/journal.py"


def test_an_entry_added_at_the_end_of_the_journal_goes_to_the_top_of_its_day() -> None:
    def entry(title: str, question: str = "") -> str:
        asked = f"**Question.** {question}\n\n" if question else ""
        return f"## {title}\n\n{asked}Text of {title}."

    old = [entry("2026-03-02 Later", "Why?"), entry("2026-03-01 First")]
    page = JOURNAL.ordered("\n\n".join(["# Journal", JOURNAL.INDEX, *old]))
    grown = JOURNAL.ordered(
        page + "\n" + entry("2026-03-02 Added") + "\n\n" + entry("2026-03-02 Last")
    )
    titles = re.findall("^## (.*)$", grown, re.MULTILINE)
    assert titles == ["2026-03-02 Last", "2026-03-02 Added", "2026-03-02 Later", "2026-03-01 First"]
    rows = re.findall(r"^\| (\S+) \| \[(.*)\]\(#(.*)\) \|$", grown, re.MULTILINE)
    assert rows[0] == ("2026-03-02", "Last", "2026-03-02-last")
    assert [asked for _, asked, _ in rows] == ["Last", "Added", "Why?", "First"]
    assert JOURNAL.ordered(grown) == grown
