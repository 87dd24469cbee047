"""What the generator made, what the screens took, which ratio was chosen, and what cleaning left of the shop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wareloom.core.sentences import Say
from wareloom.report import proof_figures as figures
from wareloom.report.charts import Lines
from wareloom.report.views import Table, table

LOOKS = ("popularity_tv", "length_ks", "transitions_known", "items")
MADE = {
    "search": ("judgments", "queries"),
    "pictures": ("pictures", "items"),
    "dialogues": ("turns", "dialogues"),
}
"""What is made, and of whom, by kind of proof; of the others events of users"""
KEEPS = ("people", "counts", "private")
"""What synthetic data may hold of real users"""


@dataclass(frozen=True)
class Sampling:
    """How many users were asked for, drawn and kept."""

    kept: str
    asked: str
    drawn: str
    acceptance: str
    warning: str


@dataclass(frozen=True)
class Synthetic:
    """How many rows of whom were made; `table` tells events' distances or judgments' grades."""

    rows: str
    of: str
    origin: str
    keeps: str
    figures: tuple[Lines, ...]
    table: Table
    sampling: Sampling | None
    screens: Table


@dataclass(frozen=True)
class Choice:
    """The ratio that was taken."""

    ratio: str
    figure: Lines | None
    """Nothing where there was nothing to choose"""


def synthetic(data: Mapping[str, Any], say: Say) -> Synthetic:
    """Curves, distances (of judgments: grades) and what the screens took."""
    mode = data["modes"][0]
    made = mode["synthetic"]
    search = data.get("kind") == "search"
    drawings: tuple[Lines, ...] = ()
    if search:
        looks = table((say("head.grade"), say("head.judgments")), made["grades"].items())
    elif "curves" not in mode and data.get("kind") in MADE:
        looks = table((), ())
    elif "curves" not in mode:
        looks = table((say("head.what"), say("head.rows")), [(say("made.rows"), say("made.none"))])
    else:
        drawings, looks = _looks(mode["curves"], say)
    taken = made.get("sampling")
    what, who = MADE.get(data.get("kind", ""), ("events", "users"))
    return Synthetic(
        rows=say(f"made.{what}", count=f"{made[what]:,}"),
        of=say(f"made.{who}", count=f"{made[who]:,}"),
        origin=made["origin"],
        keeps=say(f"made.keeps_{made['keeps']}") if made.get("keeps") in KEEPS else "",
        figures=drawings,
        table=looks,
        sampling=_sampling(taken) if taken and who == "users" else None,
        screens=table(
            [say(f"head.{name}") for name in ("screen", "seen", "taken", "why")],
            (
                (name, report.get("seen", ""), report.get("rejected", 0), _why(report, say))
                for name, report in made["screens"].items()
            ),
        ),
    )


def choice(data: Mapping[str, Any], say: Say) -> Choice:
    """How the ratio was chosen on the validation part."""
    chosen = data["modes"][0]["choice"]
    figure = figures.choice(chosen["tried"], chosen["real"], chosen["metric"], say)
    return Choice(f"{chosen['ratio']:g}", figure if chosen["tried"] else None)


def cleaning(cleaned: Mapping[str, Any], say: Say) -> Table:
    """What cleaning did to how many rows of each table."""
    rows: list[tuple[Any, ...]] = []
    for name, counts in cleaned["tables"].items():
        rows.append((name, say("made.before"), counts["before"]))
        for kind in ("rejected", "changed", "blanked"):
            rows += [
                (name, say(f"made.{kind}", what=what), count)
                for what, count in counts.get(kind, {}).items()
                if count
            ]
        rows.append((name, say("made.after"), counts["after"]))
    return table([say(f"head.{name}") for name in ("table", "what", "rows")], rows)


def _looks(curves: Mapping[str, Any], say: Say) -> tuple[tuple[Lines, ...], Table]:
    """Real, synthetic and naive data beside each other."""
    shown = {name: curves[name] for name in ("real", "synthetic", "naive")}
    rows = (
        (say.term("data", name), *(curve[key] for key in LOOKS)) for name, curve in shown.items()
    )
    head = [say(f"head.{name}") for name in ("data", *LOOKS)]
    return (figures.popularity(shown, say), figures.lengths(shown, say)), table(head, rows)


def _sampling(taken: Mapping[str, Any]) -> Sampling:
    return Sampling(
        kept=f"{taken['kept']:,}",
        asked=f"{taken['asked']:,}",
        drawn=f"{taken['drawn']:,}",
        acceptance=f"{taken['acceptance']:.1%}",
        warning=taken.get("warning", ""),
    )


def _why(report: Mapping[str, Any], say: Say) -> str:
    """Say why a screen took rows, or what the leak screen found."""
    if report.get("looked"):
        return say(
            "made.no_leak",
            held=f"{report['held']:,}",
            pairs=f"{report['pairs']:,}",
            expected=f"{report['expected']:.1f}",
        )
    told = [
        say("made.reason", reason=say.retold("reason", reason), count=f"{count:,}")
        for reason, count in report.get("reasons", {}).items()
    ]
    return say.joined(told) or say("made.nothing")
