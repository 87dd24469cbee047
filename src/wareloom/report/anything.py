"""The page of any result that lies in a folder or file: what it is, is read from what it holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from wareloom.core.state import read_json
from wareloom.errors import SourceError
from wareloom.report.advice import advice_page
from wareloom.report.attacks import attacks_page
from wareloom.report.board import leaderboard_page
from wareloom.report.comparison import comparison_page
from wareloom.report.page import render
from wareloom.report.shop_page import check_page

PLACES = {
    "advice.json": "advice.html",
    "proof.json": "report.html",
    "compare.json": "compare.html",
    "leaderboard.json": "leaderboard.html",
    "check.json": "check.html",
}
"""Files of results, and what their pages are called"""
INNER = ("", "proof", "leaderboard")
"""Folders of a job in which a result may lie"""
Page = Callable[..., str]


def result_at(path: str | Path) -> Path:
    """Return the file of the result at `path`: a file, the folder of a result, or that of a job.

    Raises `SourceError` where there is none.
    """
    path = Path(path)
    if path.is_file():
        return path
    for inner in INNER:
        for name in PLACES:
            if (path / inner / name).is_file():
                return path / inner / name
    raise SourceError(
        f"{path} holds no result: give the folder of a proof, a comparison, a leaderboard, a check or a job, or a JSON "
        "file of attacks."
    )


def page_of(path: str | Path, language: str = "", *, interactive: bool = False) -> str:
    """Return the page of the result at `path`; raises `SourceError` where it is none, or no whole one."""
    file = result_at(path)
    data = read_json(file)
    page = _page(data)
    if page is None:
        raise SourceError(
            f"{file} is no result that has a page: give one of a proof, a comparison, a leaderboard, "
            "a check or attacks."
        )
    try:
        if page is render:
            return render(data, _cleaned(file), language, interactive=interactive)
        if page is check_page:
            return check_page(data, file.parent.name, language, interactive=interactive)
        return page(data, language, interactive=interactive)
    except (KeyError, TypeError, StopIteration, AttributeError, IndexError) as error:
        raise SourceError(
            f"{file} is no whole result ({type(error).__name__}: {error}). Was it edited, or cut short?"
        ) from error


def named(file: Path) -> str:
    """What the page of a result's file is called."""
    return PLACES.get(file.name, f"{file.stem}.html")


def _page(data: Any) -> Page | None:
    """Which page lays a result out, by what it holds."""
    if not isinstance(data, Mapping):
        return None
    for keys, page in (
        (("headline", "answer", "sections"), advice_page),
        (("decisive", "arms", "comparisons"), render),
        (("figures", "shops"), comparison_page),
        (("rows", "refused", "settings"), leaderboard_page),
        (("outcomes", "blind", "users"), attacks_page),
        (("tables", "warnings", "items"), check_page),
    ):
        if all(key in data for key in keys):
            return page
    return None


def _cleaned(file: Path) -> Mapping[str, Any] | None:
    """What cleaning of the same job did, where the proof is a job's."""
    note = file.parent.parent / "clean" / "clean.json"
    if not note.is_file():
        return None
    told: Mapping[str, Any] = read_json(note)
    return told
