"""What the generator made, what the screens took, which ratio was chosen, and what cleaning left of the shop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from wareloom.report import proof_figures as figures
from wareloom.report.figures import drawn
from wareloom.report.views import Table, table

LOOKS = {
    "popularity_tv": "popularity: total variation",
    "length_ks": "length: KS",
    "transitions_known": "transitions known from real data",
    "items": "items with events",
}

NONE: tuple[Markup, ...] = ()


@dataclass(frozen=True)
class Sampling:
    """How many users were asked for, drawn and kept."""

    kept: str
    asked: str
    drawn: str
    acceptance: str
    warning: str


KEEPS = {
    "people": "It keeps people: rows of single real users are in it, so that it is for use inside.",
    "counts": "It keeps counts of what real users did, without noise.",
    "private": "All that it holds of real users was paid for out of the shop's privacy budget.",
}
"""What a page says of what the synthetic data holds of real users"""


@dataclass(frozen=True)
class Synthetic:
    """How many rows of whom were made; `table` tells events' distances or judgments' grades."""

    rows: str
    of: str
    origin: str
    keeps: str
    figures: tuple[Markup, ...]
    table: Table
    sampling: Sampling | None
    screens: Table


@dataclass(frozen=True)
class Choice:
    """The ratio that was taken."""

    ratio: str
    figure: Markup


def synthetic(data: Mapping[str, Any]) -> Synthetic:
    """Curves, distances (of judgments: grades) and what the screens took."""
    mode = data["modes"][0]
    made = mode["synthetic"]
    search = data.get("kind") == "search"
    if search:
        drawings, looks = NONE, _grades(made)
    elif "curves" not in mode:
        drawings, looks = NONE, table(("what", ""), [("rows", "none: labels of real events alone")])
    else:
        drawings, looks = _looks(mode["curves"])
    taken = made.get("sampling")
    what, who = ("judgments", "queries") if search else ("events", "users")
    return Synthetic(
        rows=f"{made[what]:,} {what}",
        of=f"{made[who]:,} synthetic {who}",
        origin=made["origin"],
        keeps=KEEPS.get(made.get("keeps", ""), ""),
        figures=drawings,
        table=looks,
        sampling=_sampling(taken) if taken and not search else None,
        screens=table(
            ("screen", "rows seen", "rows taken", "why"),
            (
                (name, report.get("seen", ""), report.get("rejected", 0), _why(report))
                for name, report in made["screens"].items()
            ),
        ),
    )


def choice(data: Mapping[str, Any]) -> Choice:
    """How the ratio was chosen on the validation part."""
    chosen = data["modes"][0]["choice"]
    figure = figures.choice(chosen["tried"], chosen["real"], chosen["metric"])
    return Choice(f"{chosen['ratio']:g}", drawn(figure, "choice"))


def cleaning(cleaned: Mapping[str, Any]) -> Table:
    """What cleaning did to how many rows of each table."""
    rows: list[tuple[Any, ...]] = []
    for name, counts in cleaned["tables"].items():
        rows.append((name, "rows before", counts["before"]))
        for kind in ("rejected", "changed", "blanked"):
            rows += [
                ("", f"{kind}: {what}", count)
                for what, count in counts.get(kind, {}).items()
                if count
            ]
        rows.append(("", "rows after", counts["after"]))
    return table(("table", "what", "rows"), rows)


def _looks(curves: Mapping[str, Any]) -> tuple[tuple[Markup, ...], Table]:
    """Real, synthetic and naive data beside each other."""
    shown = {name: curves[name] for name in ("real", "synthetic", "naive")}
    drawings = (
        drawn(figures.popularity(shown), "popularity"),
        drawn(figures.lengths(shown), "lengths"),
    )
    rows = ((name, *(curve[key] for key in LOOKS)) for name, curve in shown.items())
    return drawings, table(("data", *LOOKS.values()), rows)


def _grades(made: Mapping[str, Any]) -> Table:
    return table(("grade, rounded", "judgments"), made["grades"].items())


def _sampling(taken: Mapping[str, Any]) -> Sampling:
    return Sampling(
        kept=f"{taken['kept']:,}",
        asked=f"{taken['asked']:,}",
        drawn=f"{taken['drawn']:,}",
        acceptance=f"{taken['acceptance']:.1%}",
        warning=taken.get("warning", ""),
    )


def _why(report: Mapping[str, Any]) -> str:
    """Say why a screen took rows, or what the leak screen found."""
    if report.get("looked"):
        explained = f"{report['expected']:.1f} explained by training"
        return (
            f"{report['held']:,} of {report['pairs']:,} held-out pairs found, {explained}: no leak"
        )
    return (
        ", ".join(f"{reason}: {count:,}" for reason, count in report.get("reasons", {}).items())
        or "nothing"
    )
