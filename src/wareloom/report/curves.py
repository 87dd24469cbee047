"""The page of learning curves: the loss and the held-back value of every network that was trained."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from wareloom.core.sentences import Say
from wareloom.errors import SourceError
from wareloom.report.charts import Axis, Chart, Lines, Series
from wareloom.report.templating import filled
from wareloom.report.views import Table, table

NAME = "curves.html"
LOG = "curves.jsonl"
"""What `track = "page:FOLDER"` writes, a line for each evaluation"""
DERIVED = 10**9
"""Seeds from here on are derived from another"""
TONES = ("s0", "s1", "s2", "s3", "s4")
"""As many trainings are drawn at most"""


@dataclass
class Training:
    """One training: its name, its seed, and what was told at which update."""

    name: str
    seed: int
    told: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    """Points of update and value, by what was told: "loss", "value\""""


@dataclass(frozen=True)
class CurvesPage:
    """What the page says, section by section."""

    title: str
    folder: str
    charts: tuple[Chart, ...]
    note: str
    trainings: Table


def save_curves(folder: str | Path, language: str = "") -> Path | None:
    """Write `curves.html` beside the log of losses in `folder`, and return it; None where nothing was trained.

    Raises `SourceError` for a log whose lines are not as `track` writes them.
    """
    folder = Path(folder)
    trainings = trainings_of(folder)
    if not trainings:
        return None
    page = filled("curves.html.j2", view_of(trainings, folder.name, Say.of(language)), language)
    (folder / NAME).write_text(page, encoding="utf-8")
    return folder / NAME


def trainings_of(folder: Path) -> list[Training]:
    """Read the log of losses in `folder`, in the order in which trainings began; none where there is no log."""
    path, found = folder / LOG, dict[str, Training]()
    if not path.exists():
        return []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            told = json.loads(line)
            one = found.setdefault(told["training"], Training(told["name"], int(told["seed"])))
            for name in ("loss", "value"):
                if name in told:
                    point = (float(told["step"]), float(told[name]))
                    one.told.setdefault(name, []).append(point)
        except (ValueError, KeyError, TypeError) as error:
            raise SourceError(
                f"{path}, line {number} is no line of a learning curve ({error}): delete the file, and train again."
            ) from error
    return list(found.values())


def view_of(trainings: Sequence[Training], folder: str, say: Say) -> CurvesPage:
    """Return what the page of trainings says, in plain text and charts."""
    drawn = trainings[-len(TONES) :]
    charts = [_chart(drawn, name, say) for name in ("loss", "value")]
    head = [say(f"shop.{name}") for name in ("training", "updates", "first_loss", "last_loss")]
    count = f"{len(trainings):,}"
    return CurvesPage(
        title=say.counted("shop.trainings", len(trainings)),
        folder=folder,
        charts=tuple(chart for chart in charts if chart is not None),
        note=say("shop.more_trainings", shown=len(drawn), count=count)
        if len(drawn) < len(trainings)
        else "",
        trainings=table((*head, say("shop.best_value")), [_row(one, say) for one in trainings]),
    )


def _chart(trainings: Sequence[Training], name: str, say: Say) -> Chart | None:
    lines = tuple(
        Series(
            _named(one, say).rpartition(" · ")[2],
            tuple(x for x, _ in one.told[name]),
            tuple(y for _, y in one.told[name]),
            tone=tone,
            dots=len(one.told[name]) == 1,
        )
        for one, tone in zip(trainings, TONES, strict=False)
        if one.told.get(name)
    )
    if not lines:
        return None
    return Lines(say(f"shop.{name}"), lines, Axis(say("shop.update")), Axis())


def _named(one: Training, say: Say) -> str:
    """Its name, with the seed where a person gave it: a seed that was derived has many digits and says nothing."""
    return one.name if one.seed >= DERIVED else say("shop.seed", name=one.name, seed=one.seed)


def _row(one: Training, say: Say) -> tuple[object, ...]:
    losses, values = one.told.get("loss", []), one.told.get("value", [])
    steps = [int(x) for x, _ in (*losses, *values)]
    return (
        _named(one, say),
        max(steps, default=0),
        losses[0][1] if losses else None,
        losses[-1][1] if losses else None,
        max((y for _, y in values), default=None),
    )
